//! Settings that keep their text and are given otherwise: under another name, in another block, in another order, out of another field
//! of the pod. Each harmful form has a twin that says nothing.

use serde_json::json;

use crate::store::{installed, plan, said, set};

/// The store's container with more in it.
fn container(more: &str) -> String {
    format!("name: store, image: 'x/store:1', volumeMounts: [{{name: data, mountPath: /data}}], {more}")
}

/// What is said where a container becomes another one; `pod` has the pod's own fields.
fn of(old: &str, new: &str) -> Vec<String> {
    in_pods(["", old], ["", new])
}

fn in_pods([old_pod, old]: [&str; 2], [new_pod, new]: [&str; 2]) -> Vec<String> {
    let (old, new) = (set(old_pod, &container(old)), set(new_pod, &container(new)));
    said(&plan(&installed(&old, &json!({"csi": {}})), &new))
}

fn unknown(field: &str) -> Vec<String> {
    vec![format!("Unknown PL255 StatefulSet/store /spec/template/spec/containers/0{field}")]
}

/// What is said where a file of the store gets another text.
fn of_file(name: &str, old: &str, new: &str) -> Vec<String> {
    let with = |text: &str| {
        let text = text.replace('\n', "\\n").replace('"', "\\\"");
        let map =
            format!("---\napiVersion: v1\nkind: ConfigMap\nmetadata: {{name: cfg}}\ndata: {{{name}: \"{text}\"}}\n");
        let mounts = container("").replace("volumeMounts: [", "volumeMounts: [{name: cfg, mountPath: /etc/app}, ");
        set("", &mounts) + &map
    };
    said(&plan(&installed(&with(old), &json!({"csi": {}})), &with(new)))
}

#[test]
fn a_variable_that_gets_another_name_is_unknown() {
    let env = |name: &str, text: &str| format!("env: [{{name: {name}, value: {text}}}]");
    assert_eq!(of(&env("APP_QUEUE", "orders"), &env("QUEUE", "orders")), unknown("/env"));
    assert_eq!(of(&env("APP_QUEUE", "orders"), &env("APP_QUEUE", "orders")), [""; 0]);
    assert_eq!(of(&env("APP_LOG_LEVEL", "verbose"), &env("LOG_LEVEL", "verbose")), [""; 0]);
    let key = |name: &str, of: &str| {
        format!("env: [{{name: {name}, valueFrom: {{{of}: {{name: elsewhere, key: queue, optional: true}}}}}}]")
    };
    assert_eq!(of(&key("APP_QUEUE", "secretKeyRef"), &key("QUEUE", "secretKeyRef")), unknown("/env"));
    assert_eq!(of(&key("APP_PASSWORD", "secretKeyRef"), &key("PASSWORD", "secretKeyRef")), [""; 0]);
    // The flag says the same.
    let flag = |name: &str| format!("{}, args: ['--queue=$({name})']", env(name, "orders"));
    assert_eq!(of(&flag("APP_QUEUE"), &flag("QUEUE")), [""; 0]);
}

#[test]
fn a_setting_that_moves_to_another_block_is_unknown() {
    let refused = |name: &str| vec![format!("Unknown PL255 ConfigMap/cfg /data/{name}")];
    for (name, old, new) in [
        ("app.yaml", "store:\n  engine: rocks\n", "engine: rocks\n"),
        ("app.ini", "[store]\nengine = rocks\n", "[backend]\nengine = rocks\n"),
        ("app.toml", "[store]\nengine = \"rocks\"\n", "[main.store]\nengine = \"rocks\"\n"),
        ("app.json", "{\"store\": {\"engine\": \"rocks\"}}", "{\"engine\": \"rocks\"}"),
        ("app.properties", "app.engine=rocks\n", "engine=rocks\n"),
        ("app.hcl", "store {\n  engine = \"rocks\"\n}\n", "db {\n  engine = \"rocks\"\n}\n"),
        (
            "app.xml",
            "<a>\n<store>\n<engine>rocks</engine>\n</store>\n</a>",
            "<a>\n<db>\n<engine>rocks</engine>\n</db>\n</a>",
        ),
    ] {
        assert_eq!(of_file(name, old, new), refused(name), "{name}");
    }
    for (name, old, new) in [
        ("app.yaml", "store:\n  engine: rocks\n", "store:\n    engine: \"rocks\"\nlevel: debug\n"),
        ("app.ini", "[log]\nformat = short\n", "[logging]\nformat = short\n"),
        ("app-rules.yaml", "groups:\n  name: orders\n", "all:\n  name: orders\n"),
    ] {
        assert_eq!(of_file(name, old, new), [""; 0], "{name}");
    }
}

#[test]
fn variables_are_put_in_as_the_kubelet_does() {
    let env = |first: &str, second: &str| format!("env: [{first}, {second}]");
    let (sub, dir) = ("{name: SUB, value: main}", "{name: DATA_DIR, value: /data/$(SUB)}");
    assert_eq!(of(&env(sub, dir), &env(sub, dir)), [""; 0]);
    let field = "/spec/template/spec/containers/0/env";
    let other_path = |at: &str| vec![format!("Blocking PL256 StatefulSet/store {field}/{at}/value")];
    assert_eq!(of(&env(sub, dir), &env(dir, sub)), other_path("0"), "the kubelet knows what is set before");
    assert_eq!(of(&env(sub, dir), &env(sub, &dir.replace("$(", "$$("))), other_path("1"), "it is not put in");
    let level = "{name: LEVEL, value: info}";
    assert_eq!(of(&env(level, dir), &env(dir, level)), [""; 0]);
    // A flag, a script, and a setting.
    let args = |args: &str| format!("env: [{sub}], args: [{args}]");
    let container = "StatefulSet/store /spec/template/spec/containers/0";
    let other = [format!("Blocking PL256 {container}/args"), format!("Unknown PL255 {container}/args/0")];
    assert_eq!(of(&args("'--data=/data/$(SUB)'"), &args("'--data=/data/$$(SUB)'")), other);
    let moved = [format!("Blocking PL256 {container}/args/0")];
    assert_eq!(of(&args("'--data=/data/$(SUB)'"), &args("'--data=/data/$SUB'")), moved, "no shell reads it");
    assert_eq!(of(&args("'--data=/data/$(SUB)'"), &args("'--data=/data/main'")), [""; 0]);
    let script = |text: &str, part: &str| {
        format!("env: [{{name: PART, value: {part}}}], command: [sh, -c, '{text}; exec store --data=/data/db']")
    };
    let clean = "rm -rf /x/$(PART)";
    assert_eq!(of(&script(clean, "tmp"), &script(clean, "db")), unknown("/command/2"));
    assert_eq!(of(&script(clean, "tmp"), &script("rm -rf /x/tmp", "tmp")), [""; 0]);
    let named = |first: &str, second: &str| env(first, second) + ", args: ['--cluster-name=$(CLUSTER)']";
    let (line, cluster) = ("{name: LINE, value: a}", "{name: CLUSTER, value: x-$(LINE)}");
    assert_eq!(of(&named(line, cluster), &named(cluster, line)), unknown("/args"));
}

#[test]
fn a_flag_of_a_program_in_a_script_counts() {
    let script = |flags: &str| format!("command: [sh, -c, 'mkdir -p /data/x; exec store --data=/data/db {flags}']");
    assert_eq!(of(&script("--retention=30d"), &script("--retention=1d")), unknown("/command/2"));
    assert_eq!(of(&script("--retention=1d"), &script("--retention=30d")), [""; 0]);
    assert_eq!(of(&script("--queue orders"), &script("--topic orders")), unknown("/command/2"));
    let exports = |line: &str| format!("command: [sh, -c, 'export {line}; exec store --data=/data/db']");
    assert_eq!(of(&exports("APP_DB=orders"), &exports("APP_DB=sales")), unknown("/command/2"));
    assert_eq!(of(&exports("APP_QUEUE=orders"), &exports("QUEUE=orders")), unknown("/command/2"));
    assert_eq!(of(&exports("LOG_LEVEL=orders"), &exports("LEVEL=orders")), [""; 0]);
    let options = |text: &str| format!("env: [{{name: JAVA_OPTS, value: '{text}'}}]");
    assert_eq!(of(&options("-Xmx1g -Dapp.ddl-auto=none"), &options("-Xmx1g -Dapp.ddl-auto=create")), unknown("/env"));
    assert_eq!(of(&options("-Xmx1g -Dapp.ddl-auto=none"), &options("-Xmx2g -Dapp.ddl-auto=none")), [""; 0]);
}

#[test]
fn a_field_of_the_pod_that_a_variable_shows_stays() {
    let shows = |field: &str| format!("env: [{{name: TENANT_OF, valueFrom: {{fieldRef: {{fieldPath: {field}}}}}}}]");
    let account = shows("spec.serviceAccountName");
    let pods = |old: &str, new: &str, shows: &str| in_pods([old, shows], [new, shows]);
    let (one, other) = ("serviceAccountName: one, ", "serviceAccountName: other, ");
    assert_eq!(pods(one, other, &account), unknown(""));
    assert_eq!(pods(one, one, &account), [""; 0]);
    let older = ["serviceAccount: one, ", "serviceAccount: other, "];
    assert_eq!(pods(older[0], older[1], &account), unknown(""), "the older name of the field");
    assert_eq!(pods(older[0], one, &account), [""; 0], "the same account");
    assert_eq!(pods(one, other, "args: ['--data=/data/db']"), [""; 0], "nothing shows it");
    let put_in = |text: &str| {
        format!(
            "env: [{{name: SA, valueFrom: {{fieldRef: {{fieldPath: spec.serviceAccountName}}}}}}, {{name: MAIN, value: {text}}}]"
        )
    };
    let moved = ["Blocking PL256 StatefulSet/store /spec/template/spec/containers/0/env/1/value"];
    assert_eq!(pods(one, other, &put_in("/data/$(SA)")), moved);
    assert_eq!(pods(one, other, &put_in("of-$(SA)")), unknown(""));
    let version = shows("\"metadata.labels['app.kubernetes.io/version']\"");
    let labelled = |text: &str| {
        set("", &container(&version))
            .replace("{app: store}}, spec", &format!("{{app: store, app.kubernetes.io/version: '{text}'}}}}, spec"))
    };
    assert_eq!(said(&plan(&installed(&labelled("1"), &json!({"csi": {}})), &labelled("2"))), [""; 0]);
}

#[test]
fn a_word_that_becomes_another_one_is_unknown() {
    let env = |name: &str, text: &str| format!("env: [{{name: {name}, value: {text}}}]");
    let gone = || vec!["Unknown PL255 StatefulSet/store /spec/template/spec/containers/0".to_owned()];
    for (name, old, new) in [("APP_QUEUE", "orders", "invoices"), ("PROFILE", "production", "demo")] {
        assert_eq!(of(&env(name, old), &env(name, new)), unknown("/env"), "{name}");
        assert_eq!(of(&env(name, old), "env: []"), gone(), "{name}");
        assert_eq!(of("env: []", &env(name, new)), [""; 0], "{name}");
    }
    for (name, old, new) in [
        ("LOG_FORMAT", "short", "long"),
        ("TZ", "Berlin", "Paris"),
        ("FLAG", "'true'", "'false'"),
        ("THREADS", "'4'", "'8'"),
        ("HEAP", "512m", "1g"),
        ("APP_VERSION", "v1.2.3", "v1.2.4"),
        ("WEB_HOST", "store-a", "store-b"),
        ("APP_MODE", "info", "debug"),
    ] {
        assert_eq!(of(&env(name, old), &env(name, new)), [""; 0], "{name}");
        assert_eq!(of(&env(name, old), "env: []"), [""; 0], "{name}");
    }
    let args = |args: &str| format!("args: [{args}]");
    assert_eq!(of(&args("start"), &args("start-dev")), unknown("/args"));
    assert_eq!(of(&args("serve, --profile, primary"), &args("serve, --profile, spare")), unknown("/args"));
    assert_eq!(of(&args("serve, --profile=primary"), &args("serve")), gone());
    for (old, new) in [
        ("serve, --log-level, chatty", "serve, --log-level, quiet"),
        ("serve", "serve, --workers, '4'"),
        ("serve, --verbose", "serve"),
        ("serve, --profile, primary", "serve, --profile=primary"),
    ] {
        assert_eq!(of(&args(old), &args(new)), [""; 0], "{old} -> {new}");
    }
}

#[test]
fn a_line_with_another_word_is_unknown() {
    let refused = |name: &str| vec![format!("Unknown PL255 ConfigMap/cfg /data/{name}")];
    assert_eq!(of_file("app.yaml", "mode: primary\n", "mode: spare\n"), refused("app.yaml"));
    for (name, old, new) in [
        ("app.yaml", "log:\n  format: short\n", "log:\n  format: long\n"),
        ("app.yaml", "size: 4\n", "size: 8\n"),
        ("app.yaml", "jobs:\n- job: a-one\n- job: b-one\n", "jobs:\n- job: a-one\n- job: c-one\n"),
        ("app-rules.yaml", "mode: primary\n", "mode: spare\n"),
    ] {
        assert_eq!(of_file(name, old, new), [""; 0], "{name}: {old}");
    }
}

#[test]
fn what_a_script_asks_before_it_throws_away_stays() {
    let peer = |name: &str, more: &str| {
        format!(
            "---\napiVersion: v1\nkind: Service\nmetadata: {{name: {name}}}\nspec: {{{more}ports: [{{port: 80}}]}}\n"
        )
    };
    let script = |text: &str| format!("command: [sh, -c, '{text}; exec store --data=/data/db']");
    let asked = |text: &str, old: &str, new: &str| {
        let chart = |more: &str| set("", &container(&script(text))) + more;
        said(&plan(&installed(&chart(old), &json!({"csi": {}})), &chart(new)))
    };
    let (is_there, none) = (peer("peer", "selector: {app: store}, "), "");
    let asks = "getent hosts peer || rm -rf /data/x";
    let found = unknown("/command/2");
    assert!(asked(asks, &is_there, none).ends_with(&found), "it goes");
    assert!(asked(asks, none, &is_there).ends_with(&found), "it comes");
    assert!(asked(asks, &is_there, &peer("peer", "selector: {app: none}, ")).ends_with(&found), "it leads to nothing");
    assert_eq!(asked(asks, &is_there, &is_there), [""; 0]);
    assert_eq!(asked("getent hosts peer || exit 1", none, &is_there), [""; 0], "nothing is thrown away");
    assert_eq!(asked("# rm\ngetent hosts other || rm -rf /data/x", none, &is_there), [""; 0]);
    let map = "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: flag}\n";
    assert_eq!(asked("kubectl get cm flag || rm -rf /data/x", map, none), found);
    assert_eq!(asked("kubectl get cm flag || rm -rf /data/x", map, map), [""; 0]);
}

#[test]
fn a_program_is_given_the_words_of_today() {
    let args = |words: &str| format!("args: [{words}]");
    assert_eq!(of(&args("serve, orders"), &args("serve, sales")), unknown(""));
    assert_eq!(of(&args("serve, orders"), &args("serve, orders, --level=debug")), [""; 0]);
    assert_eq!(of(&args("--level, info, serve"), &args("--level, debug, serve")), [""; 0]);
    assert_eq!(of(&args("start"), &args("start-dev")).len(), 1);
}

#[test]
fn variables_that_are_filled_into_a_file_count() {
    let pod = |text: &str| {
        let main = container("args: [x]").replace("volumeMounts: [", "volumeMounts: [{name: gen, mountPath: /gen}, ");
        let init = format!(
            "initContainers: [{{name: i, image: 'x/i:1', command: [sh, -c, 'envsubst < /tmpl/app.conf > /gen/app.conf'], env: [{{name: MODE, value: {text}}}, {{name: LEVEL, value: info}}], \
             volumeMounts: [{{name: gen, mountPath: /gen}}, {{name: cfg, mountPath: /tmpl}}]}}], "
        );
        let map = "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: cfg}\ndata: {app.conf: 'mode=${MODE}'}\n";
        set(&init, &main).replace("{name: cfg, configMap", "{name: gen, emptyDir: {}}, {name: cfg, configMap") + map
    };
    let of = |old: &str, new: &str| said(&plan(&installed(old, &json!({"csi": {}})), new));
    let found = ["Unknown PL255 StatefulSet/store /spec/template/spec/initContainers/0/command/2"];
    assert_eq!(of(&pod("a"), &pod("b")), found);
    assert_eq!(of(&pod("a"), &pod("a").replace("value: info", "value: debug")), [""; 0], "it is not in the file");
    let two = |first: &str, second: &str| {
        let one = |name: &str| {
            format!("{{name: {name}, image: 'x/i:1', args: [{name}], volumeMounts: [{{name: gen, mountPath: /gen}}]}}")
        };
        let all = format!("initContainers: [{}, {}], ", one(first), one(second));
        let main = container("args: [x]").replace("volumeMounts: [", "volumeMounts: [{name: gen, mountPath: /gen}, ");
        set(&all, &main).replace("{name: cfg, configMap", "{name: gen, emptyDir: {}}, {name: cfg, configMap")
    };
    assert_eq!(
        of(&two("a", "b"), &two("b", "a")),
        ["Unknown PL255 StatefulSet/store /spec/template/spec/initContainers"]
    );
    assert_eq!(of(&two("a", "b"), &two("a", "b")), [""; 0]);
}

#[test]
fn what_an_alias_stands_for_counts() {
    let refused = vec!["Unknown PL255 ConfigMap/cfg /data/app.yaml".to_owned()];
    let base = "base: &base\n  retention: 30d\n  engine: rocks\nstore:\n  <<: *base\n  level: info\n";
    for (from, to) in [
        ("30d", "1d"),
        ("rocks", "lsm"),
        ("  <<: *base\n", ""),
        ("  <<: *base\n", "  <<: *base\n  retention: 1d\n"),
        ("  level: info", "  retention: 1d"),
    ] {
        assert_eq!(of_file("app.yaml", base, &base.replace(from, to)), refused, "{to}");
    }
    let inlined =
        "base:\n  retention: 30d\n  engine: rocks\nstore:\n  retention: 30d\n  engine: rocks\n  level: info\n";
    for other in [
        inlined.to_owned(),
        base.replace("&base", "&all").replace("*base", "*all"),
        base.replace("  level: info", "  level: debug"),
        base.replace("  <<: *base\n  level: info", "  level: info\n  <<: *base"),
    ] {
        assert_eq!(of_file("app.yaml", base, &other), [""; 0], "{other}");
        assert_eq!(of_file("app.yaml", &other, base), [""; 0], "{other}");
    }
    // Which of two is used: of texts, of blocks, and of paths.
    for (old, from, to) in [
        ("a: &a 30d\nb: &b 1d\nretention: *a\n", "retention: *a", "retention: *b"),
        ("a: &a rocks\nb: &b lsm\nstore: {engine: *a}\n", "{engine: *a}", "{engine: *b}"),
        ("a: &a\n  retention: 30d\nb: &b\n  retention: 1d\nstores:\n- *a\n", "- *a", "- *b"),
        ("a: &a /data/db\nb: &b /data/other\ndir: *a\n", "dir: *a", "dir: *b"),
    ] {
        let said = of_file("app.yaml", old, &old.replace(from, to));
        assert!(said.contains(&refused[0]), "{old}: {said:?}");
    }
}

#[test]
fn a_number_that_goes_or_falls_is_unknown_where_it_may_be_about_data() {
    let refused = |name: &str| vec![format!("Unknown PL255 ConfigMap/cfg /data/{name}")];
    let gone = unknown("");
    for (name, old, new) in [
        ("app.yaml", "keep: 30\n", "keep: 1\n"),
        ("app.yaml", "backup:\n  snapshots: 7\n", "backup:\n  snapshots: 1\n"),
        ("app.conf", "TRASH_DAYS = 90\n", "TRASH_DAYS = 7\n"),
        ("app.json", "{\"generations\": 10}", "{\"generations\": 2}"),
    ] {
        assert_eq!(of_file(name, old, new), refused(name), "{new}");
        assert_eq!(of_file(name, new, old), [""; 0], "{old}");
    }
    let env = |name: &str, text: &str| format!("env: [{{name: {name}, value: '{text}'}}]");
    for name in ["KEEP", "KEEP_DAYS", "SNAPSHOTS", "APP_BACKUP_COUNT"] {
        assert_eq!(of(&env(name, "30"), &env(name, "1")), unknown("/env"), "{name}");
        assert_eq!(of(&env(name, "1"), &env(name, "30")), [""; 0], "{name}");
    }
    for name in ["KEEP_ALIVE", "SESSION_DAYS", "BACKUP_INTERVAL_HOURS", "LOG_HISTORY", "WORKERS"] {
        assert_eq!(of(&env(name, "30"), &env(name, "1")), [""; 0], "{name}");
    }
    for (name, line) in [("app.yaml", "slots: 16"), ("app.conf", "keep = 30"), ("app.ini", "epoch = 3")] {
        let with = |line: &str| format!("level: info\n{line}\n");
        assert_eq!(of_file(name, &with(line), &with("")), gone, "{line}");
    }
    for line in ["max_connections = 100", "http_port = 80", "threads = 4", "flush_interval = 5", "log_days = 3"] {
        let with = |line: &str| format!("level = info\n{line}\n");
        assert_eq!(of_file("app.conf", &with(line), &with("")), [""; 0], "{line}");
    }
    // Whose data it is, however the words of its name are joined.
    for name in ["nodeId", "node_id", "clusterID", "shardId"] {
        let with = |number: u8| format!("{name}: {number}\n");
        assert_eq!(of_file("app.yaml", &with(1), &with(2)), refused("app.yaml"), "{name}");
    }
    // It stands in another block.
    let (old, new) = ("a:\n  slots: 16\nlevel: b\n", "a:\n  b:\n    slots: 16\nlevel: b\n");
    assert_eq!(of_file("app.yaml", old, new), [""; 0]);
}
