//! Containers that run a file of a ConfigMap which nobody may execute.

use serde_json::json;

use crate::store::{PLAIN, installed, plan, said, set};

/// The store, whose container runs a command and has the files of a ConfigMap with a mode.
fn chart(command: &str, mode: &str) -> String {
    let container = PLAIN
        .replace("args:", &format!("command: [{command}], args:"))
        .replace("volumeMounts: [", "volumeMounts: [{name: cfg, mountPath: /scripts}, ");
    set("", &container).replace("configMap: {name: cfg}", &format!("configMap: {{name: cfg{mode}}}"))
}

fn changed(old: (&str, &str), new: (&str, &str)) -> Vec<String> {
    said(&plan(&installed(&chart(old.0, old.1), &json!({"csi": {}})), &chart(new.0, new.1)))
}

#[test]
fn a_file_without_an_execute_bit_is_no_command() {
    let refused =
        vec!["Blocking PL265 StatefulSet/store /spec/template/spec/volumes/1/configMap/defaultMode".to_owned()];
    let (run, may, may_not) = ("/scripts/start", ", defaultMode: 493", ", defaultMode: 420");
    assert_eq!(changed((run, may), (run, may_not)), refused);
    assert_eq!(changed((run, may), (run, "")), refused);
    for (old, new) in [
        ((run, may), (run, may)),
        ((run, may_not), (run, may_not)),
        (("sh, /scripts/start", may), ("sh, /scripts/start", may_not)),
        (("/bin/start", may), ("/bin/start", may_not)),
    ] {
        assert_eq!(changed(old, new), Vec::<String>::new(), "{old:?} {new:?}");
    }
}
