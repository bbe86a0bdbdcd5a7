//! What a program is told by the shape of its configuration: lists, blocks in one line, included files, and variables that do not reach it.

use serde_json::json;

use crate::store::{PLAIN, installed, plan, said, set};

const STORE: &str = "StatefulSet/store /spec/template/spec/containers/0";

fn of_pods(old: &str, new: &str) -> Vec<String> {
    said(&plan(&installed(old, &json!({"csi": {}})), new))
}

/// What is said where the container becomes another one.
fn of(old: &str, new: &str) -> Vec<String> {
    let pod = |more: &str| {
        set("", &format!("name: store, image: 'x/store:1', volumeMounts: [{{name: data, mountPath: /data}}], {more}"))
    };
    of_pods(&pod(old), &pod(new))
}

/// A chart whose store has files of a ConfigMap in `/etc/app`.
fn with_files(files: &[(&str, &str)]) -> String {
    let entry = |(name, text): &(&str, &str)| format!("{name}: \"{}\"", text.replace('"', "\\\"").replace('\n', "\\n"));
    let all = files.iter().map(entry).collect::<Vec<_>>().join(", ");
    let map = format!("---\napiVersion: v1\nkind: ConfigMap\nmetadata: {{name: cfg}}\ndata: {{{all}}}\n");
    set("", &PLAIN.replace("volumeMounts: [", "volumeMounts: [{name: cfg, mountPath: /etc/app}, ")) + &map
}

fn of_files(old: &[(&str, &str)], new: &[(&str, &str)]) -> Vec<String> {
    of_pods(&with_files(old), &with_files(new))
}

fn in_file(name: &str) -> Vec<String> {
    vec![format!("Unknown PL255 ConfigMap/cfg /data/{name}")]
}

#[test]
fn an_item_of_a_list_stays() {
    let of = |old: &str, new: &str| of_files(&[("app.yaml", old)], &[("app.yaml", new)]);
    let found = [format!("Unknown PL255 {STORE}")];
    for (old, new) in [
        ("topics:\n- orders\n- sales\n", "topics:\n- orders\n"),
        ("keep:\n  topics: [orders, sales]\n", "keep:\n  topics: [orders]\n"),
        ("topics: [orders, sales]\n", "topics: [orders, invoices]\n"),
        ("{\"topics\": [\"orders\", \"sales\"]}", "{\"topics\": [\"orders\"]}"),
    ] {
        let said = of(old, new);
        assert!(said == found || said == in_file("app.yaml"), "{old}: {said:?}");
    }
    for (old, new) in [
        ("topics:\n- orders\n", "topics:\n- sales\n- orders\n"),
        ("topics: [orders, sales]\n", "topics:\n  - sales\n  - \"orders\"\n"),
        ("plugins: [one, two]\n", "plugins: [one]\n"),
        ("hosts: [store-a, store-b]\n", "hosts: [store-a]\n"),
        ("log:\n  targets: [file, screen]\n", "log:\n  targets: [screen]\n"),
        (
            "scrape_configs:\n- job_name: a\n  namespaces: [one, two]\n",
            "scrape_configs:\n- job_name: a\n  namespaces: [one]\n",
        ),
    ] {
        assert_eq!(of(old, new), [""; 0], "{old}");
    }
}

#[test]
fn a_time_to_live_counts_wherever_it_stands() {
    for (name, old, new) in [
        ("app.yaml", "spans: {ttl: 30d}\n", "spans: {ttl: 1h}\n"),
        ("app.yaml", "stores:\n- {name: spans, ttl: 30d}\n", "stores:\n- {name: spans, ttl: 1h}\n"),
        ("app.yaml", "spans:\n  ttl: 30d\n", "spans:\n  ttl: 1h\n"),
        ("app.toml", "[spans]\nttl = \"30d\"\n", "[spans]\nttl = \"1h\"\n"),
        ("app.toml", "spans = { ttl = \"30d\" }\n", "spans = { ttl = \"1h\" }\n"),
        ("app.json", "{\"spans\": {\"ttl\": \"30d\"}}", "{\"spans\": {\"ttl\": \"1h\"}}"),
        ("app.conf", "store badger:ttl=30d,dir=x\n", "store badger:ttl=1h,dir=x\n"),
    ] {
        assert_eq!(of_files(&[(name, old)], &[(name, new)]), in_file(name), "{old}");
        assert_eq!(of_files(&[(name, new)], &[(name, old)]), [""; 0], "{old}");
    }
    let session = ["session: {ttl: 30d}\n", "session: {ttl: 1h}\n"];
    assert_eq!(of_files(&[("app.yaml", session[0])], &[("app.yaml", session[1])]), [""; 0]);
    let args = |text: &str| format!("args: ['--store=type=badger,ttl={text}']");
    assert_eq!(of(&args("30d"), &args("1h")), [format!("Unknown PL255 {STORE}/args")]);
    assert_eq!(of(&args("1h"), &args("30d")), [""; 0]);
}

#[test]
fn a_file_that_another_one_includes_stays() {
    let main = ("app.conf", "include extra.conf\nmode a\n");
    let extra = ("extra.conf", "engine rocks\n");
    let gone = [format!("Unknown PL255 {STORE}/volumeMounts")];
    assert_eq!(of_files(&[main, extra], &[main]), gone, "the file goes");
    assert_eq!(of_files(&[main, extra], &[("app.conf", "mode a\n"), extra]), in_file("app.conf"), "the include goes");
    assert_eq!(of_files(&[main, extra], &[("app.conf", "include other.conf\nmode a\n"), extra]), in_file("app.conf"));
    assert_eq!(
        of_files(&[main, extra], &[main, ("extra.conf", "engine lsm\n")]),
        in_file("extra.conf"),
        "it says something else"
    );
    assert_eq!(of_files(&[main, extra], &[main, extra, ("third.txt", "a\n")]), [""; 0]);
    assert_eq!(of_files(&[main, extra], &[main, ("extra.conf", "# of today\nengine rocks\n")]), [""; 0]);
    // By a pattern or a folder, and files that are no configuration by their names.
    let pattern = ("app.conf", "include *.tpl\n");
    let (one, two) = (("a.tpl", "engine rocks\n"), ("b.tpl", "x y\n"));
    assert_eq!(of_files(&[pattern, one, two], &[pattern, one]), gone);
    assert_eq!(of_files(&[pattern, one], &[pattern, ("a.tpl", "engine lsm\n")]), in_file("a.tpl"));
    assert_eq!(of_files(&[pattern, one], &[pattern, one]), [""; 0]);
    assert_eq!(
        of_files(&[("app.conf", "mode a\n"), one], &[("app.conf", "mode a\n"), ("a.tpl", "engine lsm\n")]),
        [""; 0]
    );
}

#[test]
fn variables_that_do_not_reach_the_program_are_unknown() {
    let env = "env: [{name: APP_MODE, value: main}]";
    let script = |text: &str| format!("{env}, command: [sh, -c, '{text}']");
    let run = "exec store --data=/data/db";
    for other in [
        "exec env -i store --data=/data/db",
        "exec -c store --data=/data/db",
        "unset APP_MODE; exec store --data=/data/db",
    ] {
        assert!(!of(&script(run), &script(other)).is_empty(), "{other}");
        assert!(!of(&script(other), &script(run)).is_empty(), "{other} is gone");
        assert_eq!(of(&script(other), &script(other)), [""; 0], "{other}");
    }
    let command = |words: &str| format!("{env}, command: [{words}], args: ['--data=/data/db']");
    let found = format!("Unknown PL255 {STORE}");
    assert!(of(&command("store"), &command("env, -u, APP_MODE, store")).contains(&found));
    let quiet = ["env, -u, LOG_LEVEL, store", "env, -u, https_proxy, store"];
    assert!(!of(&command(quiet[0]), &command(quiet[1])).contains(&found));
    for quiet in ["LD_PRELOAD", "MALLOC_ARENA_MAX", "GREETING", "LD_LIBRARY_PATH"] {
        assert_eq!(of(&command("store"), &command(&format!("env, -u, {quiet}, store"))), [""; 0], "{quiet}");
    }
    for told in ["PGDATA", "APP_HOME", "DB_NAME", "NODE_ENV", "RETENTION_DAYS"] {
        assert!(of(&command("store"), &command(&format!("env, -u, {told}, store"))).contains(&found), "{told}");
    }
}

#[test]
fn a_path_below_the_working_directory_stays() {
    let args = |more: &str, words: &str| format!("{more}args: [{words}]");
    let found = [format!("Unknown PL255 {STORE}/args")];
    assert_eq!(of(&args("", "-d, var/a"), &args("", "-d, var/b")), found);
    assert_eq!(of(&args("", "--path=./a"), &args("", "--path=./b")), found);
    assert_eq!(of(&args("", "--path=./a"), &args("", "--path=a/")), [""; 0]);
    let folder = [format!("Unknown PL255 {STORE}/workingDir")];
    let in_folder = "workingDir: /srv, ";
    assert_eq!(of(&args(in_folder, "-d, a"), &args("", "-d, a")), folder);
    assert_eq!(of(&args("", "-d, a"), &args(in_folder, "-d, a")), folder);
    assert_eq!(of(&args(in_folder, "-d, a"), &args("workingDir: /srv/, ", "-d, a")), [""; 0]);
}

#[test]
fn a_limit_of_what_is_kept_does_not_fall() {
    let env = |name: &str, text: &str| format!("env: [{{name: {name}, value: '{text}'}}]");
    let found = [format!("Unknown PL255 {STORE}/env")];
    for (name, much, little) in
        [("MAX_DISK_SIZE", "50GB", "5GB"), ("STORAGE_LIMIT", "100", "10"), ("MAX_BACKUPS", "30", "3")]
    {
        assert_eq!(of(&env(name, much), &env(name, little)), found, "{name}");
        assert_eq!(of(&env(name, little), &env(name, much)), [""; 0], "{name}");
        assert_eq!(of("env: []", &env(name, little)), found, "{name} comes");
    }
    for name in ["MAX_UPLOAD_SIZE", "CACHE_MAX_SIZE", "MAX_CONNECTIONS", "LOG_MAX_SIZE"] {
        assert_eq!(of(&env(name, "50"), &env(name, "5")), [""; 0], "{name}");
    }
}
