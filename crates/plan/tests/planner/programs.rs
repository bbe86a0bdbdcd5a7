//! Programs that come to the data of a store, or change beside it.

use serde_json::json;

use crate::store::{PLAIN, installed, plan, said, set};

const POD: &str = "/spec/template/spec";

/// What is said of an upgrade from one pod to another: the pod's own fields and its container.
fn changed(old: (&str, &str), new: (&str, &str)) -> Vec<String> {
    said(&plan(&installed(&set(old.0, old.1), &json!({"csi": {}})), &set(new.0, new.1)))
}

fn unknown(field: &str) -> Vec<String> {
    vec![format!("Unknown PL255 StatefulSet/store {POD}{field}")]
}

fn init(command: &str, mount: &str) -> String {
    format!(
        "initContainers: [{{name: i, image: 'x/i:1', command: [sh, -c, '{command}'], volumeMounts: [{{name: data, mountPath: /d{mount}}}]}}], "
    )
}

#[test]
fn a_container_that_comes_to_the_data_is_unknown() {
    let wipes = init("rm -rf /d/*", "");
    assert_eq!(changed(("", PLAIN), (&wipes, PLAIN)), unknown("/initContainers/0/volumeMounts/0"));
    let sidecar =
        format!("{PLAIN}}}, {{name: tool, image: 'x/tool:1', volumeMounts: [{{name: data, mountPath: /work}}]");
    assert_eq!(changed(("", PLAIN), ("", &sidecar)), unknown("/containers/1/volumeMounts/0"));
    for harmless in [init("rm -rf /d/*", ", readOnly: true"), init("mkdir -p /d/x && chown -R 1:1 /d", "")] {
        assert_eq!(changed(("", PLAIN), (&harmless, PLAIN)), Vec::<String>::new(), "{harmless}");
    }
    assert_eq!(changed((&wipes, PLAIN), (&wipes, PLAIN)), Vec::<String>::new());
    // Handed to somebody else than the program's user, or to nobody.
    let user = "securityContext: {runAsUser: 1001}, ";
    for (command, is) in [("chown -R 70:70 /d", true), ("chown -R 1001:0 /d", false), ("chmod -R 000 /d", true)] {
        let new = format!("{user}{}", init(command, ""));
        let found = if is { unknown("/initContainers/0/volumeMounts/0") } else { Vec::new() };
        assert_eq!(changed((user, PLAIN), (&new, PLAIN)), found, "{command}");
    }
}

#[test]
fn init_containers_that_write_in_another_order_are_unknown() {
    let one = |name: &str, more: &str| {
        format!(
            "{{name: {name}, image: 'x/i:1', command: [sh, -c, '{name} /d'], volumeMounts: [{{name: data, mountPath: /d{more}}}]}}"
        )
    };
    let pod = |first: &str, second: &str| format!("initContainers: [{first}, {second}], ");
    let (copy, clean, look) = (one("copy", ""), one("clean", ""), one("look", ", readOnly: true"));
    let changed = |old: &str, new: &str| changed((old, PLAIN), (new, PLAIN));
    assert_eq!(changed(&pod(&copy, &clean), &pod(&clean, &copy)), unknown("/initContainers"));
    assert_eq!(changed(&pod(&copy, &look), &pod(&look, &copy)), Vec::<String>::new(), "one of them only reads");
    assert_eq!(changed(&pod(&copy, &clean), &pod(&copy, &clean)), Vec::<String>::new());
}

#[test]
fn a_script_that_changes_beside_the_data_is_unknown() {
    let with = |more: &str| PLAIN.replace("args:", &format!("{more}, args:"));
    let script = |text: &str| PLAIN.replace("args: [", &format!("command: [sh, -c, '{text}'], args: ["));
    let hook = with("lifecycle: {postStart: {exec: {command: [rm, -rf, /x]}}}");
    assert_eq!(changed(("", PLAIN), ("", &hook)), unknown("/containers/0/lifecycle/postStart"));
    let sleeps = with("lifecycle: {preStop: {exec: {command: [/bin/sh, -c, sleep 5]}}}");
    assert_eq!(changed(("", PLAIN), ("", &sleeps)), Vec::<String>::new());
    let (old, new) = (script("check; exec store"), script("wipe; exec store"));
    assert_eq!(changed(("", &old), ("", &new)), unknown("/containers/0/command/2"));
    assert_eq!(changed(("", &old), ("", &script("check; echo a; exec store"))), Vec::<String>::new());
}

#[test]
fn files_are_handed_over_through_a_list_as_by_one_command() {
    let user = "securityContext: {runAsUser: 1001}, ";
    let of = |command: &str| {
        let init = init(command, "").replace("name: i,", "name: i, securityContext: {runAsUser: 0},");
        changed((user, PLAIN), (&format!("{user}{init}"), PLAIN))
    };
    let list = "mkdir -p /d/x; chmod 700 /d/x; find /d -mindepth 1 -not -name conf | xargs -r chown -R 1001:1001";
    assert_eq!(of(list), Vec::<String>::new());
    for harmful in
        ["find /d -delete | xargs -r chown -R 1001", "find /d | xargs -r rm", "find /d | xargs -r chown -R 70:70"]
    {
        assert_eq!(of(harmful), unknown("/initContainers/0/volumeMounts/0"), "{harmful}");
    }
}

#[test]
fn a_file_that_only_probes_run_is_compared_like_a_probe() {
    let pod = |file: &str, command: &str| {
        let container = PLAIN.replace("volumeMounts: [", "volumeMounts: [{name: cfg, mountPath: /health}, ").replace(
            "args: [",
            &format!("command: [sh, -c, '{command}'], livenessProbe: {{exec: {{command: [sh, -c, /health/ping.sh 15]}}}}, args: ["),
        );
        let map = "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: cfg}\ndata: {ping.sh: '";
        format!("{}{map}{file}'}}\n", set("", &container))
    };
    let changed = |old: &str, new: &str| said(&plan(&installed(old, &json!({"csi": {}})), new));
    let (five, fifteen) = ("r=$(timeout -s 15 5 ping); test $r", "r=$(timeout -s 15 15 ping); test $r");
    assert_eq!(changed(&pod(five, "exec store"), &pod(fifteen, "exec store")), Vec::<String>::new());
    assert_eq!(changed(&pod(fifteen, "exec store"), &pod("other", "exec store")), Vec::<String>::new(), "it looks");
    let map = ["Unknown PL255 ConfigMap/cfg /data/ping.sh"];
    assert_eq!(changed(&pod(five, "exec store"), &pod("rm -rf /x; ping", "exec store")), map, "it writes");
    let run = "/health/ping.sh; exec store";
    assert_eq!(changed(&pod(five, run), &pod("other", run)), map, "the program runs it too");
    assert_eq!(changed(&pod(five, run), &pod(fifteen, run)), Vec::<String>::new(), "a longer limit");
    assert_eq!(changed(&pod(fifteen, run), &pod(five, run)), map, "a shorter limit may end what writes");
}

#[test]
fn a_program_whose_major_version_rises_is_warned_of() {
    let of = |image: &str| changed(("", PLAIN), ("", &PLAIN.replace("x/store:1", image)));
    assert_eq!(of("x/store:2"), [format!("Warning PL224 StatefulSet/store {POD}/containers/0/image")]);
    for same in ["x/store:1.5", "mirror.example/store:1"] {
        assert_eq!(of(same), Vec::<String>::new(), "{same}");
    }
}

#[test]
fn a_container_that_writes_what_the_program_reads_is_looked_at_like_it() {
    let main = PLAIN.replace("volumeMounts: [", "volumeMounts: [{name: gen, mountPath: /gen}, ");
    let pod = |init: &str| {
        let init = format!(
            "initContainers: [{{name: i, image: 'x/i:1', volumeMounts: [{{name: gen, mountPath: /gen}}], {init}}}], "
        );
        set(&init, &main).replace("{name: cfg, configMap", "{name: gen, emptyDir: {}}, {name: cfg, configMap")
    };
    let changed = |old: &str, new: &str| said(&plan(&installed(&pod(old), &json!({"csi": {}})), &pod(new)));
    let script = |text: &str, env: &str| format!("command: [sh, -c, '{text}'], env: [{{name: SUB, value: '{env}'}}]");
    let renders = "echo dir=/data/$SUB > /gen/store.conf";
    assert_eq!(changed(&script(renders, "a"), &script(renders, "a")), Vec::<String>::new());
    assert_eq!(changed(&script(renders, "a"), &script(renders, "b")), unknown("/initContainers/0/command/2"));
    let copies = "cp /src/start.sh /gen/";
    assert_eq!(
        changed(&script(copies, "a"), &script("cp /other/start.sh /gen/", "a")),
        unknown("/initContainers/0/command/2")
    );
    // An image's own program that is told of another folder; of something else.
    let told = |folder: &str| format!("env: [{{name: DIR, value: '{folder}'}}, {{name: LEVEL, value: info}}]");
    assert_eq!(changed(&told("/data/a"), &told("/data/b")), unknown("/initContainers/0/env"));
    assert_eq!(changed(&told("/data/a"), &told("/data/a").replace("info", "debug")), Vec::<String>::new());
    let words = |text: &str| format!("args: [{text}]");
    let copied = words("/tmpl/app.conf, /gen/app.conf");
    assert_eq!(changed(&copied, &words("/tmpl/app.conf, /gen/other.conf")), unknown("/initContainers/0/args"));
    assert_eq!(changed(&copied, &words("--log-level=debug, /tmpl/app.conf, /gen/app.conf")), Vec::<String>::new());
    assert_eq!(changed(&copied, &copied), Vec::<String>::new());
    // It is gone, comes, or has the volume elsewhere.
    let without = |text: &str| text.replace("initContainers", "tolerations");
    let of = |old: &str, new: &str| said(&plan(&installed(old, &json!({"csi": {}})), new));
    let with = pod(&copied);
    assert_eq!(of(&with, &without(&with)), unknown("/initContainers"));
    assert_eq!(of(&without(&with), &with), unknown("/initContainers"));
    let at = |from: &str, to: &str| with.replacen(from, to, 1);
    let init = "volumeMounts: [{name: gen, mountPath: /gen}], args";
    assert_eq!(of(&with, &at(init, &init.replace("/gen", "/gen2"))), unknown("/initContainers/0/volumeMounts"));
    let main = "volumeMounts: [{name: gen, mountPath: /gen}, {name: data";
    assert_eq!(of(&with, &at(main, &main.replace("/gen", "/gen2"))), unknown("/containers/0/volumeMounts"));
    assert_eq!(of(&with, &at(main, &main.replace("/gen", "/gen/"))), Vec::<String>::new());
    let quiet = pod("command: [sh, -c, 'ls /gen']");
    assert_eq!(of(&quiet, &without(&quiet)), Vec::<String>::new());
    // One that writes to another volume says nothing.
    let aside = |text: &str| script(text, "a").replace("command", "resources: {}, command");
    let elsewhere = |text: &str| {
        pod(&aside(text)).replace(
            "initContainers: [{name: i, image: 'x/i:1', volumeMounts: [{name: gen",
            "initContainers: [{name: i, image: 'x/i:1', volumeMounts: [{name: cfg",
        )
    };
    assert_eq!(
        said(&plan(&installed(&elsewhere(renders), &json!({"csi": {}})), &elsewhere("rm -rf /gen/*"))),
        Vec::<String>::new()
    );
}

#[test]
fn what_an_unchanged_script_reads_may_not_change() {
    let main = |script: &str, env: &str| {
        let files = "volumeMounts: [{name: cfg, mountPath: /etc/store}, ";
        PLAIN.replace("volumeMounts: [", files).replace(
            "args: ['--data=/data/db']",
            &format!("env: [{{name: SHARDS, value: '{env}'}}], command: [sh, -c, '{script}']"),
        )
    };
    let chart = |script: &str, env: &str, text: &str| {
        let map =
            format!("---\napiVersion: v1\nkind: ConfigMap\nmetadata: {{name: cfg}}\ndata: {{clean.txt: '{text}'}}\n");
        set("", &main(script, env)) + &map
    };
    let changed = |script: &str, (env, text): (&str, &str)| {
        said(&plan(&installed(&chart(script, "1", "tmp"), &json!({"csi": {}})), &chart(script, env, text)))
    };
    for (script, new, is) in [
        ("D=/data/s$((7 % SHARDS)); exec s", ("2", "tmp"), true),
        ("D=/data/$(env | grep ^SHARDS= | cut -d= -f2); exec s", ("2", "tmp"), true),
        ("env | sort; exec s", ("2", "tmp"), false),
        ("while read d; do rm -rf /data/$d; done < /etc/store/clean.txt; exec s", ("1", "tmp pg"), true),
        ("test -e /etc/store/clean.txt && exec s", ("1", "tmp pg"), true),
        ("exec s --config /etc/store/clean.txt", ("1", "tmp pg"), false),
        ("for d in $(cat /etc/store/clean.txt); do rm -rf /data/$d; done", ("1", "tmp"), false),
    ] {
        let found = if is { unknown("/containers/0/command/2") } else { Vec::new() };
        assert_eq!(changed(script, new), found, "{script}");
    }
}

#[test]
fn an_image_that_sorts_otherwise_or_may_be_any_version_is_unknown() {
    let with = |image: &str, more: &str| PLAIN.replace("'x/store:1'", &format!("'{image}'{more}"));
    let other = ", resources: {limits: {cpu: 1}}";
    let kept = ", imagePullPolicy: IfNotPresent, resources: {limits: {cpu: 1}}";
    for (old, new, is) in [
        (with("postgres:15-bookworm", ""), with("postgres:15-trixie", ""), true),
        (with("postgres:15-bookworm", ""), with("postgres:15.9-bookworm", ""), false),
        (with("postgres", ""), with("postgres", other), true),
        (with("postgres", ""), with("postgres", ""), false),
        (with("postgres", ""), with("postgres", kept), false),
        (with("postgres:15", ""), with("postgres:15", other), false),
    ] {
        let found = if is { unknown("/containers/0/image") } else { Vec::new() };
        assert_eq!(changed(("", &old), ("", &new)), found, "{old} -> {new}");
    }
}

#[test]
fn an_init_container_that_only_looks_is_harmless() {
    for (command, is) in [
        ("du -sh /d && test -d /d/db", false),
        ("if [ -f /d/db ]; then stat /d/db; fi", false),
        ("find /d -delete", true),
    ] {
        let new = init(command, "");
        let found = if is { unknown("/initContainers/0/volumeMounts/0") } else { Vec::new() };
        assert_eq!(changed(("", PLAIN), (&new, PLAIN)), found, "{command}");
    }
}

#[test]
fn a_container_that_shares_the_processes_of_the_data_is_unknown() {
    let shares = "shareProcessNamespace: true, ";
    let with = |container: &str| format!("{PLAIN}}}, {{name: tool, image: 'x/tool:1', {container}resources: {{}}");
    let found = unknown("/shareProcessNamespace");
    assert_eq!(changed((shares, PLAIN), (shares, &with(""))), found);
    assert_eq!(changed(("", PLAIN), (shares, &with(""))), found);
    assert_eq!(changed(("", PLAIN), ("", &with(""))), Vec::<String>::new(), "it sees its own processes");
    assert_eq!(changed((shares, &with("")), (shares, &with(""))), Vec::<String>::new());
    assert_eq!(changed(("", &with("")), (shares, &with(""))), Vec::<String>::new(), "its program is that of today");
    // A user of its own reaches nobody else's files.
    let user = "securityContext: {runAsUser: 1001}, ";
    let plain = format!("{user}{PLAIN}");
    let other = |its: u32| format!("{plain}}}, {{name: tool, image: 'x/tool:1', securityContext: {{runAsUser: {its}}}");
    assert_eq!(changed((shares, &plain), (shares, &other(1002))), Vec::<String>::new());
    assert_eq!(changed((shares, &plain), (shares, &other(1001))), found);
    // A script of a container that is there already.
    let script = |text: &str| with(&format!("command: [sh, -c, '{text}'], "));
    assert_eq!(
        changed((shares, &script("sleep 1")), (shares, &script("rm -rf /proc/7/root/data; sleep 1"))),
        unknown("/containers/1/command/2")
    );
    assert_eq!(changed((shares, &script("sleep 1")), (shares, &script("echo a; sleep 1"))), Vec::<String>::new());
}
