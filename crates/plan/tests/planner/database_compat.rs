//! The server that will run on the data against the one that runs on it today.

use portolan_model::{ChartId, Code, Finding, Object, Ref, Severity};
use serde_json::{Value, json};

use crate::fixture::{Fixture, NS, SERVER, at_2_8, at_2_13, new};

const OPENS: [Code; 5] =
    [Code::OtherMajor, Code::OtherDataDirectory, Code::OtherUser, Code::MayNotOpen, Code::NoDatabase];

/// What the plan says about whether the database opens.
fn said(fixture: &Fixture, to: &[ChartId], edit: &dyn Fn(usize, String) -> String) -> Vec<Finding> {
    let edited = |hop, text: String| {
        let after = edit(hop, text.clone());
        assert!(hop > 0 || after != text, "the edit takes");
        after
    };
    let findings = fixture.file_of(to, &edited).expect("it can be planned").plan.findings;
    findings.into_iter().filter(|finding| OPENS.contains(&finding.code)).collect()
}

/// The only thing said when a text of the new manifest is another one.
fn one(fixture: &Fixture, from: &str, to: &str) -> Finding {
    let mut said = said(fixture, &[new("2.20.41")], &|_, text| text.replace(from, to));
    assert_eq!(said.len(), 1, "{said:#?}");
    said.remove(0)
}

fn none(fixture: &Fixture, from: &str, to: &str) {
    assert_eq!(said(fixture, &[new("2.20.41")], &|_, text| text.replace(from, to)), []);
}

fn is(finding: &Finding, code: Code, severity: Severity, evidence: &[&str]) {
    assert_eq!((finding.code, finding.severity), (code, severity), "{finding:#?}");
    for text in evidence {
        assert!(finding.evidence.iter().any(|line| line.contains(text)), "{text} in {finding:#?}");
    }
}

/// The set of the database as it lives, edited.
fn live(fixture: &mut Fixture, edit: impl Fn(&mut Value)) {
    let set = Ref::set(NS, "runai-backend-postgresql");
    let mut json = (*fixture.inventory.objects[&set].0).clone();
    edit(&mut json["spec"]["template"]["spec"]);
    fixture.inventory.objects.insert(set, Object::new(json));
}

fn silent() -> Fixture {
    let mut fixture = at_2_8();
    fixture.servers.clear();
    fixture
}

const IMAGE: &str = "rig.local/postgres:15";
const MOUNT: &str = "mountPath: /bitnami/postgresql}";

#[test]
fn the_same_server_opens_what_it_wrote() {
    none(&at_2_8(), IMAGE, "rig.local/postgres:15.20");
    none(&at_2_8(), IMAGE, "registry:5000/bitnami/postgresql:15.5.0-debian-12-r9@sha256:0123");
    // Its PVC comes out of a template, and is given by name afterwards.
    none(&at_2_13(), IMAGE, "rig.local/postgres:15.20");
}

#[test]
fn another_major_version_does_not_open_it() {
    let finding = one(&at_2_8(), IMAGE, "registry:5000/x/postgresql:16.4@sha256:0123");
    is(&finding, Code::OtherMajor, Severity::Blocking, &["says that it is PostgreSQL 15.18", "x/postgresql:16.4"]);
    assert_eq!(finding.found, "control-plane 2.20.41 runs PostgreSQL 16 on the data of PostgreSQL 15");
    // A server that runs knows better than the name of its image.
    let mut fixture = at_2_8();
    fixture.servers.values_mut().for_each(|said| *said = Ok("14.2".into()));
    let finding = one(&fixture, IMAGE, "rig.local/postgres:15.1");
    is(&finding, Code::OtherMajor, Severity::Blocking, &["says that it is PostgreSQL 14.2"]);
    let finding = one(&fixture, "replicas: 1", "replicas: 01");
    is(&finding, Code::OtherMajor, Severity::Blocking, &["says that it is PostgreSQL 14.2"]);
}

#[test]
fn a_set_of_another_name_that_takes_the_claim_is_looked_at() {
    let edit = |_, text: String| {
        let text = text.replace(
            "kind: StatefulSet\nmetadata: {name: runai-backend-postgresql}",
            "kind: StatefulSet\nmetadata: {name: db}",
        );
        text.replace(IMAGE, "rig.local/postgres:16")
    };
    let said = said(&at_2_8(), &[new("2.20.41")], &edit);
    assert_eq!(said.iter().map(|finding| finding.code).collect::<Vec<_>>(), [Code::OtherMajor]);
}

#[test]
fn a_server_that_does_not_answer_is_judged_by_its_image() {
    let finding = one(&silent(), IMAGE, "rig.local/postgres:16");
    is(&finding, Code::OtherMajor, Severity::Blocking, &["the image today: rig.local/postgres:15"]);
    let finding = one(&silent(), IMAGE, "rig.local/postgres:15.20");
    is(&finding, Code::NoDatabase, Severity::Note, &["the image today: rig.local/postgres:15"]);
}

#[test]
fn an_image_whose_name_tells_no_version_is_warned_of() {
    for image in ["postgres@sha256:0123", "postgres:latest", "postgres", "postgres:20240101", "some/thing:15"] {
        let finding = one(&at_2_8(), IMAGE, image);
        is(&finding, Code::MayNotOpen, Severity::Warning, &["says that it is PostgreSQL 15.18", image]);
        assert!(finding.next.contains("it has to be 15"), "{finding:#?}");
    }
    let mut fixture = silent();
    live(&mut fixture, |pod| pod["containers"][0]["image"] = "postgres:latest".into());
    let finding = one(&fixture, IMAGE, "postgres:15");
    is(&finding, Code::MayNotOpen, Severity::Warning, &["the image today: postgres:latest", "postgres:15"]);
    // The same digest is the same program.
    let image = "some/thing@sha256:0123";
    live(&mut fixture, |pod| pod["containers"][0]["image"] = image.into());
    none(&fixture, IMAGE, image);
}

#[test]
fn another_place_on_the_volume_is_another_directory() {
    let finding = one(&at_2_8(), MOUNT, "mountPath: /bitnami/postgresql, subPath: pg}");
    let claim = "PersistentVolumeClaim/pvc-postgresql";
    let (was, will) = (format!("today: data on {claim}"), format!("2.20.41: pg/data on {claim}"));
    is(&finding, Code::OtherDataDirectory, Severity::Blocking, &[&was, &will]);
    let finding = one(&at_2_8(), "value: /bitnami/postgresql/data", "value: /bitnami/postgresql");
    let will = format!("2.20.41: the root of {claim}");
    is(&finding, Code::OtherDataDirectory, Severity::Blocking, &[&was, &will]);
}

#[test]
fn a_directory_on_no_volume_is_another_directory() {
    let finding = one(&at_2_8(), "value: /bitnami/postgresql/data", "value: /var/lib/postgresql/data");
    is(&finding, Code::OtherDataDirectory, Severity::Blocking, &["/var/lib/postgresql/data, which is on no volume"]);
    // A volume above the PVC's mount is not the one that counts; one below it is.
    let tmp = "volumeMounts: [{name: tmp, mountPath: /bitnami}, ";
    none(&at_2_8(), "volumeMounts: [", tmp);
    none(&at_2_8(), "volumeMounts: [", "volumeMounts: [{name: tmp, mountPath: /bitnami/postgresql/da}, ");
    let tmp = "volumeMounts: [{name: tmp, mountPath: /bitnami/postgresql/data}, ";
    let finding = one(&at_2_8(), "volumeMounts: [", tmp);
    is(&finding, Code::OtherDataDirectory, Severity::Blocking, &["volume `tmp` of the pod"]);
    // What lies on no volume today is gone with its pod, whatever the chart.
    let mut fixture = at_2_8();
    live(&mut fixture, |pod| pod["containers"][0]["env"][0]["value"] = "/elsewhere".into());
    none(&fixture, IMAGE, "rig.local/postgres:15.20");
}

#[test]
fn of_several_claims_that_a_set_makes_the_mounted_one_counts() {
    let more =
        "  volumeClaimTemplates:\n  - metadata: {name: wal}\n    spec: {resources: {requests: {storage: 8Gi}}}\n";
    none(&at_2_13(), "  volumeClaimTemplates:\n", more);
}

#[test]
fn the_same_place_by_another_way_is_the_same_directory() {
    let moved = "env: [{name: PGDATA, value: /pg}], volumeMounts: [{name: data, mountPath: /pg/, subPath: ./data/}]";
    let rest = SERVER.split_once("env: ").expect("it has an environment").1;
    none(&at_2_8(), &format!("env: {rest}"), moved);
    // An image's own default.
    let env = "env: [{name: PGDATA, value: /bitnami/postgresql/data}]";
    none(&at_2_8(), &format!("image: '{IMAGE}', {env}"), "image: 'bitnami/postgresql:15.5.0'");
    let finding = one(&at_2_8(), &format!("image: '{IMAGE}', {env}"), "image: 'postgres:15'");
    is(&finding, Code::OtherDataDirectory, Severity::Blocking, &["/var/lib/postgresql/data, which is on no volume"]);
}

#[test]
fn a_place_that_cannot_be_told_is_warned_of() {
    let value = "value: /bitnami/postgresql/data";
    let env = &format!("env: [{{name: PGDATA, {value}}}]");
    let cases = [
        (MOUNT, "mountPath: /bitnami/postgresql, subPathExpr: $(POD)}", "subPathExpr"),
        (value, "valueFrom: {configMapKeyRef: {name: c, key: k}}", "put together when the pod starts"),
        (value, "value: $(BASE)/data", "put together when the pod starts"),
        (env, "envFrom: [{configMapRef: {name: c}}]", "envFrom"),
        (env, "args: [-D, /elsewhere]", "command names a data directory"),
        (env, "args: [-c, data_directory=/elsewhere]", "command names a data directory"),
    ];
    for (from, to, why) in cases {
        is(&one(&at_2_8(), from, to), Code::MayNotOpen, Severity::Warning, &[why, "today: data on"]);
    }
    let finding = one(&at_2_8(), &format!("image: '{IMAGE}', {env}"), "image: 'x/postgresql:15'");
    is(&finding, Code::MayNotOpen, Severity::Warning, &["where the image x/postgresql:15 has its data is not known"]);
}

#[test]
fn another_user_does_not_start_on_it() {
    let mut fixture = at_2_8();
    live(&mut fixture, |pod| pod["securityContext"] = json!({"runAsUser": 1001}));
    let put = |context: &str| format!("spec: {{{context}containers: [{{{SERVER}}}]");
    let plain = put("");
    none(&fixture, &plain, &put("securityContext: {runAsUser: 1001}, "));
    let other = put("securityContext: {runAsUser: 1002}, ");
    is(
        &one(&fixture, &plain, &other),
        Code::OtherUser,
        Severity::Blocking,
        &["today: user 1001", "2.20.41: user 1002"],
    );
    // The container's own goes before the pod's.
    let own = other.replace("name: postgresql,", "name: postgresql, securityContext: {runAsUser: 1001},");
    none(&fixture, &plain, &own);
    // The group of files is not their owner.
    let group = put("securityContext: {runAsUser: 1002, fsGroup: 1002}, ");
    is(&one(&fixture, &plain, &group), Code::OtherUser, Severity::Blocking, &["user 1002"]);
}

#[test]
fn what_may_hand_the_data_over_is_a_warning() {
    let mut fixture = at_2_8();
    live(&mut fixture, |pod| pod["securityContext"] = json!({"runAsUser": 1001}));
    let put = |context: &str| format!("spec: {{{context}containers: [{{{SERVER}}}]");
    let (plain, mounts) = (put(""), "volumeMounts: [{name: data, mountPath: /d}]");
    let init = |context: &str, mounts: &str| {
        put(&format!("securityContext: {{runAsUser: 1002}}, initContainers: [{{name: chown{context}{mounts}}}], "))
    };
    let root = ", securityContext: {runAsUser: 0}, ";
    let finding = one(&fixture, &plain, &init(root, mounts));
    is(&finding, Code::OtherUser, Severity::Warning, &["init container chown may hand the data over"]);
    for helpless in [init(", ", mounts), init(root, "volumeMounts: [{name: tmp, mountPath: /d}]")] {
        is(&one(&fixture, &plain, &helpless), Code::OtherUser, Severity::Blocking, &["user 1002"]);
    }
    let finding = one(&fixture, &plain, &put("securityContext: {runAsUser: 0}, "));
    is(&finding, Code::OtherUser, Severity::Warning, &["starts as root"]);
}

#[test]
fn a_user_that_is_not_written_is_the_one_of_the_namespace_on_openshift() {
    let plain = format!("spec: {{containers: [{{{SERVER}}}]");
    let given = |user: u64| plain.replacen("spec: {", &format!("spec: {{securityContext: {{runAsUser: {user}}}, "), 1);
    let mut fixture = at_2_8();
    let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NS,
        "annotations": {"openshift.io/sa.scc.uid-range": "1000680000/10000"}}});
    fixture.inventory.objects.insert(Ref::new("", "Namespace", "", NS), Object::new(namespace));
    // Unsaid in both.
    none(&fixture, IMAGE, "rig.local/postgres:15.20");
    none(&fixture, &plain, &given(1_000_680_000));
    let finding = one(&fixture, &plain, &given(1001));
    is(&finding, Code::MayNotOpen, Severity::Warning, &["which OpenShift gives", "2.20.41: user 1001"]);
    // What the pod was admitted with is a fact.
    let pod = Ref::pod(NS, "runai-backend-postgresql-0");
    let mut json = (*fixture.inventory.objects[&pod].0).clone();
    json["spec"] = json!({"containers": [{"name": "postgresql", "securityContext": {"runAsUser": 1_000_680_000}}]});
    fixture.inventory.objects.insert(pod, Object::new(json));
    is(&one(&fixture, &plain, &given(1001)), Code::OtherUser, Severity::Blocking, &["today: user 1000680000"]);
    // Elsewhere it is the image's, and another image may have another.
    fixture.inventory.objects.remove(&Ref::pod(NS, "runai-backend-postgresql-0"));
    fixture.inventory.cluster.platform = portolan_model::Platform::Kubernetes;
    is(&one(&fixture, &plain, &given(1001)), Code::MayNotOpen, Severity::Warning, &["today: the user of its image"]);
    none(&fixture, IMAGE, "rig.local/postgres:15.20");
    let finding = one(&fixture, IMAGE, "other/postgres:15");
    is(&finding, Code::MayNotOpen, Severity::Warning, &["the user of its image"]);
}

#[test]
fn a_server_that_cannot_be_found_in_its_pod_is_warned_of() {
    let two = format!("{}}}, {{name: more", SERVER.replace("postgresql,", "other,"));
    is(&one(&at_2_8(), SERVER, &two), Code::MayNotOpen, Severity::Warning, &["a container named postgresql"]);
    // The only one is the server, whatever its name.
    none(&at_2_8(), "name: postgresql,", "name: other,");
}

#[test]
fn each_hop_is_compared_with_the_one_before() {
    let way = [new("2.13.19"), new("2.20.41")];
    let major = |first: &'static str, second: &'static str| {
        said(&at_2_8(), &way, &move |hop, text| text.replace(IMAGE, [first, second][hop]))
    };
    // The first hop is refused; the second changes nothing that the first did not.
    let both = major("rig.local/postgres:16", "rig.local/postgres:16");
    assert_eq!(both.len(), 1, "{both:#?}");
    is(&both[0], Code::OtherMajor, Severity::Blocking, &["says that it is PostgreSQL 15.18"]);
    let second = major("rig.local/postgres:15.20", "rig.local/postgres:16");
    assert_eq!(second.len(), 1, "{second:#?}");
    is(&second[0], Code::OtherMajor, Severity::Blocking, &["the image today: rig.local/postgres:15.20"]);
    assert!(second[0].found.starts_with("control-plane 2.20.41"), "{second:#?}");
    // Where the hop between does not tell, the data is still what it was.
    let unsaid = major("rig.local/postgres:latest", "rig.local/postgres:16");
    assert_eq!(unsaid.iter().map(|finding| finding.code).collect::<Vec<_>>(), [Code::OtherMajor, Code::MayNotOpen]);
    let moved = said(&at_2_8(), &way, &|_, text| text.replace(MOUNT, "mountPath: /bitnami/postgresql, subPath: pg}"));
    assert_eq!(moved.len(), 1, "{moved:#?}");
    assert!(moved[0].found.starts_with("control-plane 2.13.19"), "{moved:#?}");
}
