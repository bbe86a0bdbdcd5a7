//! Whether a program finds what it is told: files at other paths, settings under other names or in another order, another host's name.
//! Each harmful form has a twin that says nothing.

use serde_json::json;

use crate::store::{PLAIN, installed, plan, said, set};

fn config(key: &str, text: &str) -> String {
    format!("---\napiVersion: v1\nkind: ConfigMap\nmetadata: {{name: cfg}}\ndata: {{{key}: \"{text}\"}}\n")
}

/// The container with the ConfigMap at a path, and more.
fn container(mount: &str, more: &str) -> String {
    format!(
        "name: store, image: 'x/store:1', {more} volumeMounts: [{{name: data, mountPath: /data}}, {{name: cfg, {mount}}}]"
    )
}

/// What is said of the store where a container and a file become others.
fn of([mount, more]: [&str; 2], file: &str, [new_mount, new_more]: [&str; 2], new_file: &str) -> Vec<String> {
    let old = set("", &container(mount, more)) + file;
    let new = set("", &container(new_mount, new_more)) + new_file;
    said(&plan(&installed(&old, &json!({"csi": {}})), &new))
}

const AT: &str = "mountPath: /etc/app";
const UNKNOWN: &str = "Unknown PL255 StatefulSet/store /spec/template/spec/containers/0";

fn unknown(field: &str) -> Vec<String> {
    vec![format!("{UNKNOWN}{field}")]
}

#[test]
fn a_file_stays_where_the_program_looks_for_it() {
    let file = config("app.conf", "dir=main");
    let moved = |new: [&str; 2], new_file: &str| of([AT, ""], &file, new, new_file);
    let refused = unknown("/volumeMounts");
    assert_eq!(moved(["mountPath: /etc/app2", ""], &file), refused);
    assert_eq!(moved([AT, ""], &config("app.yaml", "dir=main")), refused);
    let left = set("", PLAIN) + &file;
    let before = set("", &container(AT, "args: ['--data=/data/db'],")) + &file;
    let gone = said(&plan(&installed(&before, &json!({"csi": {}})), &left));
    assert!(gone.contains(&refused[0]), "it is in the chart, and not in the pod: {gone:?}");
    assert_eq!(moved(["mountPath: /etc/app/app.conf, subPath: app.conf", ""], &file), [""; 0], "it is the same path");
    assert_eq!(moved(["mountPath: /etc/app/", ""], &file), [""; 0]);
    let flag = |path: &str| format!("args: ['--config={path}'],");
    let (old, new) = (flag("/etc/app/app.conf"), flag("/etc/app2/app.conf"));
    let with_flag = |new: [&str; 2], new_file: &str| of([AT, &old], &file, new, new_file);
    assert_eq!(with_flag(["mountPath: /etc/app2", &new], &file), [""; 0], "the flag goes with it");
    assert_eq!(with_flag(["mountPath: /etc/app2", &old], &file), refused);
    assert_eq!(with_flag([AT, &flag("/etc/app/app.yaml")], &config("app.yaml", "dir=main")), [""; 0]);
    assert_eq!(moved(["mountPath: /etc/app2", &new], &file), [""; 0], "it is told now");
    let certificate = config("ca.crt", "x");
    assert_eq!(of([AT, ""], &certificate, ["mountPath: /etc/app2", ""], &certificate), [""; 0]);
}

#[test]
fn a_program_goes_on_reading_the_file_of_today() {
    let file = "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: cfg}\ndata: {a.conf: dir=a, b.conf: dir=b}\n";
    let flag = |path: &str| format!("args: ['--config={path}'],");
    let refused = unknown("/volumeMounts");
    assert_eq!(of([AT, &flag("/etc/app/a.conf")], file, [AT, &flag("/etc/app/b.conf")], file), refused);
    assert_eq!(of([AT, &flag("/etc/app/a.conf")], file, [AT, ""], file), refused);
    assert_eq!(of([AT, &flag("/etc/app/a.conf")], file, [AT, &flag("/etc/app/a.conf")], file), [""; 0]);
    let variable = |path: &str| format!("env: [{{name: APP_CONFIG_FILE, value: {path}}}],");
    assert_eq!(of([AT, &variable("/etc/app/a.conf")], file, [AT, &variable("/etc/app/b.conf")], file), refused);
    // A folder that is read as a whole, in the order of its names.
    let with = |first: &str, second: &str| {
        format!(
            "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {{name: cfg}}\ndata: {{{first}: dir=a, {second}: dir=b}}\n"
        )
    };
    let all = "args: ['--config-dir=/etc/app'],";
    let of_folder = |new: &str| of([AT, all], &with("10-a.conf", "20-b.conf"), [AT, all], new);
    assert_eq!(of_folder(&with("10-a.conf", "05-b.conf")), refused);
    assert_eq!(of_folder(&with("10-a.conf", "30-b.conf")), [""; 0]);
}

#[test]
fn a_setting_keeps_its_name() {
    let told = |old: &str, new: &str| of([AT, old], "", [AT, new], "");
    let env = |name: &str| format!("env: [{{name: {name}, value: /data/main}}],");
    assert_eq!(told(&env("STORE_DIR"), &env("DATA_DIR")), unknown("/env/0/value"));
    assert_eq!(told(&env("LOG_DIR"), &env("LOGS_DIR")), [""; 0], "it is beside the data");
    let args = |args: &str| format!("args: [{args}],");
    assert_eq!(told(&args("'--data-dir=/data/main'"), &args("'--storage-dir=/data/main'")), unknown("/args/0"));
    assert_eq!(told(&args("'--data-dir=/data/main'"), &args("--data-dir, /data/main")), [""; 0]);
    let lines = |old: &str, new: &str| of([AT, ""], &config("app.conf", old), [AT, ""], &config("app.conf", new));
    let refused = ["Unknown PL255 ConfigMap/cfg /data/app.conf"];
    assert_eq!(lines("data_dir=/data/main", "datadir=/data/main"), refused);
    assert_eq!(lines("data_dir=/data/main", "; data_dir=/data/main"), refused, "it is a comment now");
    assert_eq!(lines("data_dir=/data/main", "data_dir = '/data/main'"), [""; 0]);
}

#[test]
fn settings_of_one_name_keep_their_order() {
    let args = |first: &str, second: &str| format!("args: ['--data=/data/{first}', '--data=/data/{second}'],");
    let told = |new: &str| of([AT, &args("a", "b")], "", [AT, new], "");
    assert_eq!(told(&args("b", "a")), unknown("/args/0"));
    assert_eq!(told(&args("a", "b")), [""; 0]);
    assert_eq!(told(&args("a", "b").replace("args: [", "args: ['--level=info', ")), [""; 0]);
}

#[test]
fn a_host_keeps_its_name() {
    let plain = container(AT, "");
    let of = |old: &str, new: &str| said(&plan(&installed(&set(old, &plain), &json!({"csi": {}})), &set(new, &plain)));
    let at = |key: &str| vec![format!("Unknown PL255 StatefulSet/store /spec/template/spec/{key}")];
    assert_eq!(of("", "setHostnameAsFQDN: true, "), at("setHostnameAsFQDN"));
    assert_eq!(of("", "hostNetwork: true, "), at("hostNetwork"));
    assert_eq!(of("", "hostNetwork: false, setHostnameAsFQDN: false, "), [""; 0]);
    assert_eq!(of("", "hostname: other, "), [""; 0], "a pod of a StatefulSet is called after it");
}
