//! Whether the new pods of a store may read and write what the old ones left.

use portolan_model::{Object, Ref};
use serde_json::json;

use crate::fixture::NS;
use crate::store::{PLAIN, installed, plan, said, set};

const CONTEXT: &str = "/spec/template/spec/securityContext";

fn changed(source: &str, old: &str, new: &str) -> Vec<String> {
    let pod = |context: &str| set(&format!("{context}, "), PLAIN);
    said(&plan(&installed(&pod(old), &json!({source: {}})), &pod(new)))
}

const INIT: &str = "initContainers: [{name: own, securityContext: {runAsUser: 0}, command: [sh, -c, chown -R 2 /d], volumeMounts: [{name: data, mountPath: /d}]}]";

#[test]
fn the_same_identity_says_nothing() {
    let one = "securityContext: {runAsUser: 1, runAsGroup: 1, fsGroup: 1}";
    for (old, new) in [
        (one, one.to_owned()),
        ("automountServiceAccountToken: true", "automountServiceAccountToken: false".to_owned()),
        // What handed the data over once is not needed twice.
        (&format!("{one}, {INIT}"), one.to_owned()),
        (one, one.replace("fsGroup: 1", "fsGroup: 1, fsGroupChangePolicy: OnRootMismatch")),
        (one, one.replace("fsGroup: 1", "fsGroup: 1, supplementalGroups: [5]")),
        ("hostNetwork: false", "securityContext: {runAsUser: 0}".to_owned()),
    ] {
        assert_eq!(changed("hostPath", old, &new), Vec::<String>::new(), "{old} -> {new}");
    }
}

#[test]
fn another_user_is_refused_unless_it_is_given_the_data() {
    let user = |user: u32| format!("securityContext: {{runAsUser: {user}}}");
    let none = "hostNetwork: false";
    let refused = [format!("Blocking PL223 StatefulSet/store {CONTEXT}/runAsUser")];
    let warned = [format!("Warning PL223 StatefulSet/store {CONTEXT}/runAsUser")];
    assert_eq!(changed("csi", &user(1), &user(2)), refused);
    assert_eq!(changed("csi", &format!("{}, {INIT}", user(1)), &user(2)), refused);
    assert_eq!(changed("csi", none, &user(2)), refused);
    assert_eq!(changed("csi", &user(1), none), refused);
    assert_eq!(changed("csi", &user(0), &user(2)), refused);
    assert_eq!(changed("csi", &user(1), &format!("{}, {INIT}", user(2))), warned);
    assert_eq!(changed("csi", &user(1), &user(0)), warned);
    // It gives the data to somebody else, or to nobody, or cannot.
    for init in [
        INIT.replace("-R 2", "-R 7"),
        INIT.replace("chown -R 2 /d", "ls /d"),
        INIT.replace("runAsUser: 0", "runAsUser: 9"),
    ] {
        let mut said = changed("csi", &user(1), &format!("{}, {init}", user(2)));
        // That the container takes the data away is said as well.
        said.retain(|line| line.contains("PL223"));
        assert_eq!(said, refused, "{init}");
    }
    let own = PLAIN.replace("name: store,", "name: store, securityContext: {runAsUser: 3},");
    let said = said(&plan(&installed(&set("", PLAIN), &json!({"csi": {}})), &set("", &own)));
    assert_eq!(said, ["Blocking PL223 StatefulSet/store /spec/template/spec/containers/0/securityContext/runAsUser"]);
}

#[test]
fn a_group_of_files_helps_where_the_volume_knows_it() {
    let pod = |user: u32| format!("securityContext: {{runAsUser: {user}, fsGroup: 5}}");
    let field = format!("StatefulSet/store {CONTEXT}/runAsUser");
    assert_eq!(changed("csi", &pod(1), &pod(2)), [format!("Unknown PL255 {field}")]);
    for source in ["hostPath", "nfs"] {
        assert_eq!(changed(source, &pod(1), &pod(2)), [format!("Blocking PL223 {field}")], "{source}");
    }
}

#[test]
fn another_group_is_unknown() {
    let base = "runAsUser: 1, runAsGroup: 1, fsGroup: 1, supplementalGroups: [1]";
    for (from, to, field) in
        [("fsGroup: 1", "fsGroup: 2", "fsGroup"), (", fsGroup: 1", "", "fsGroup"), ("[1]", "[2]", "supplementalGroups")]
    {
        let context = |text: &str| format!("securityContext: {{{text}}}");
        let said = changed("csi", &context(base), &context(&base.replace(from, to)));
        assert_eq!(said, [format!("Unknown PL255 StatefulSet/store {CONTEXT}/{field}")], "{to}");
    }
    let group = |context: &str, to: &str| {
        changed(
            "csi",
            &format!("securityContext: {{{context}}}"),
            &format!("securityContext: {{{context}, runAsGroup: {to}}}"),
        )
    };
    let unknown = [format!("Unknown PL255 StatefulSet/store {CONTEXT}/runAsGroup")];
    assert_eq!(group("runAsUser: 1", "1"), unknown);
    // Nobody knows whose the files are where the user is that of the image.
    assert_eq!(group("fsGroup: 1", "1"), unknown);
    assert_eq!(
        group("runAsUser: 1, fsGroup: 1", "1"),
        Vec::<String>::new(),
        "its own files, and the group of the volume stays"
    );
}

#[test]
fn the_user_of_the_namespaces_range_is_the_one_of_pods_that_name_none() {
    let mut fixture = installed(&set("hostNetwork: false, ", PLAIN), &json!({"csi": {}}));
    let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NS,
        "annotations": {"openshift.io/sa.scc.uid-range": "1000650000/10000"}}});
    fixture.inventory.objects.insert(Ref::new("", "Namespace", "", NS), Object::new(namespace));
    let of = |user: u32| said(&plan(&fixture, &set(&format!("securityContext: {{runAsUser: {user}}}, "), PLAIN)));
    assert_eq!(of(1_000_650_000), Vec::<String>::new());
    assert_eq!(of(7), [format!("Blocking PL223 StatefulSet/store {CONTEXT}/runAsUser")]);
}

/// What is said where the container's security context changes, with a user of the pod.
fn context_of(user: &str, old: &str, new: &str) -> Vec<String> {
    let pod = |own: &str| {
        let container = PLAIN.replace("name: store,", &format!("name: store, securityContext: {{{own}}},"));
        set(&format!("securityContext: {{{user}}}, "), &container)
    };
    said(&plan(&installed(&pod(old), &json!({"csi": {}})), &pod(new)))
}

#[test]
fn what_a_program_may_do_to_files_is_more_than_its_user() {
    let own = "/spec/template/spec/containers/0/securityContext";
    for (old, new, field) in [
        ("", "capabilities: {drop: [ALL]}", "capabilities"),
        ("capabilities: {add: [SYS_ADMIN]}", "", "capabilities"),
        ("privileged: true", "privileged: false", "capabilities"),
        ("capabilities: {drop: [ALL], add: [CHOWN]}", "capabilities: {drop: [ALL]}", "capabilities"),
        ("", "runAsNonRoot: true", "runAsNonRoot"),
        ("seLinuxOptions: {level: 's0:c1,c2'}", "seLinuxOptions: {level: 's0:c3,c4'}", "seLinuxOptions"),
        ("", "seccompProfile: {type: Localhost, localhostProfile: a.json}", "seccompProfile"),
        ("", "appArmorProfile: {type: RuntimeDefault}", "appArmorProfile"),
    ] {
        let expected = [format!("Unknown PL255 StatefulSet/store {own}/{field}")];
        assert_eq!(context_of("runAsUser: 0", old, new), expected, "{old} -> {new}");
    }
    let pod = "runAsUser: 0, seLinuxOptions: {level: 's0:c1,c2'}";
    assert_eq!(context_of(pod, "", "seLinuxOptions: {}").len(), 1, "an empty one stands in the place of the pod's");
    let users = changed("csi", "hostUsers: true", "hostUsers: false");
    assert_eq!(users, ["Unknown PL255 StatefulSet/store /spec/template/spec/hostUsers"]);
}

#[test]
fn a_program_that_may_write_to_its_mounts_only_is_named() {
    let field = "/spec/template/spec/containers/0/securityContext/readOnlyRootFilesystem";
    let warned = [format!("Warning PL268 StatefulSet/store {field}")];
    assert_eq!(context_of("runAsUser: 0", "", "readOnlyRootFilesystem: true"), warned);
}

#[test]
fn what_a_program_does_not_need_for_its_files_may_go() {
    for (user, old, new) in [
        ("runAsUser: 0", "", "capabilities: {drop: [NET_RAW]}"),
        ("runAsUser: 0", "", "capabilities: {add: [CHOWN]}"),
        ("runAsUser: 0", "capabilities: {drop: [ALL]}", "capabilities: {drop: [ALL], add: [CHOWN]}"),
        ("runAsUser: 0", "", "privileged: false, allowPrivilegeEscalation: true"),
        // Root by its number alone loses what root has; another user never had it.
        ("runAsUser: 7", "", "capabilities: {drop: [ALL]}, runAsNonRoot: true"),
        ("runAsUser: 7, seccompProfile: {type: RuntimeDefault}", "", "seccompProfile: {type: RuntimeDefault}"),
        ("runAsUser: 7", "", "seccompProfile: {type: RuntimeDefault}"),
        ("runAsUser: 7", "seccompProfile: {type: Unconfined}", "seccompProfile: {type: RuntimeDefault}"),
        ("runAsUser: 7", "", "seLinuxOptions: {}"),
        ("runAsUser: 7", "seLinuxOptions: {}", ""),
        ("runAsUser: 7", "readOnlyRootFilesystem: true", "readOnlyRootFilesystem: false"),
    ] {
        assert_eq!(context_of(user, old, new), Vec::<String>::new(), "{user}: {old} -> {new}");
    }
    assert_eq!(changed("csi", "enableServiceLinks: true", "hostUsers: true"), Vec::<String>::new());
}
