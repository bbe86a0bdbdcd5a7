//! What helm sees while it renders a hop, and what becomes of what it looked up.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use portolan_model::{ClusterRead, Code, Expected, Object, PlanFile, Ref, RenderJob, Rendered, Rendering, Severity};
use portolan_plan::Planning;
use serde_json::json;

use crate::fixture::{self, Fixture, NS, PASSWORD, at_2_8, new};

/// Plans through 2.13 to 2.20; `reads` are what helm looks up in each hop.
fn planned(fixture: &Fixture, reads: [Vec<ClusterRead>; 2]) -> (Vec<RenderJob>, PlanFile) {
    let (survey, request, helm) =
        (fixture.survey(), fixture.request(&[new("2.13.19"), new("2.20.41")]), fixture::helm());
    let mut planning = Planning::new(&survey, &fixture.book, &request, &helm).expect("it can be planned");
    let mut jobs = Vec::new();
    for reads in reads {
        let job = planning.job().expect("two hops");
        let [first, second] = fixture::render(&job).map(Rendered::of_text);
        planning.rendered(&Rendering { first, second, reads }).expect("a manifest");
        jobs.push(job);
    }
    assert!(planning.job().is_none());
    assert_eq!(planning.renderings().len(), 2);
    (jobs, planning.finish(&fixture.servers).expect("a plan"))
}

fn none() -> [Vec<ClusterRead>; 2] {
    [Vec::new(), Vec::new()]
}

fn object(kind: &str, name: &str) -> Object {
    Object::new(json!({"apiVersion": "v1", "kind": kind, "data": {"k": "c2VjcmV0"},
        "metadata": {"name": name, "namespace": NS, "uid": "u-1", "resourceVersion": "17"}}))
}

fn read(object: &Object) -> ClusterRead {
    ClusterRead::Object(object.name().expect("a name"), Some(object.clone()))
}

#[test]
fn helm_sees_what_the_steps_and_the_hops_before_will_have_made() {
    let secret = Ref::secret(NS, "runai-backend-postgresql");
    let (jobs, _) = planned(&at_2_8(), none());
    let [first, _] = &jobs[0].overlays;
    assert_eq!(jobs[0].revision, jobs[1].revision - 1);
    assert!(first.hidden.contains(&secret), "{:?}", first.hidden);
    assert!(first.hidden.contains(&Ref::set(NS, "runai-backend-postgresql")));
    let claim = &first.shown[&Ref::claim(NS, "pvc-postgresql")];
    assert_eq!(claim.annotation("helm.sh/resource-policy"), Some("keep"));

    let [first, second] = &jobs[1].overlays;
    let made = &first.shown[&secret];
    let password = made.text("/data/postgres-password");
    assert_eq!(STANDARD.decode(password).expect("base64"), PASSWORD.as_bytes());
    assert_eq!(made.annotation("meta.helm.sh/release-namespace"), Some(NS));
    assert_eq!(made.label("app.kubernetes.io/managed-by"), Some("Helm"));
    assert!(!first.hidden.contains(&secret));
    assert!(first.shown.contains_key(&Ref::set(NS, "runai-backend-postgresql")));
    assert_eq!(first.shown.len(), second.shown.len());
    let told = format!("{:?} {first:?}", jobs[1]);
    assert!(!told.contains(PASSWORD) && !told.contains(password), "{told}");
}

#[test]
fn what_was_looked_up_is_a_precondition() {
    let config = object("ConfigMap", "settings");
    let secret = object("Secret", "key");
    let absent = Ref::secret(NS, "absent");
    let deleted = Ref::secret(NS, "runai-backend-postgresql");
    let reads = vec![
        read(&config),
        read(&secret),
        ClusterRead::Object(absent.clone(), None),
        ClusterRead::Object(deleted.clone(), None),
    ];
    let (_, file) = planned(&at_2_8(), [reads, Vec::new()]);
    let lookups = &file.plan.lookups;
    assert_eq!(lookups[&config.name().expect("a name")].content, Some(config.content_digest()));
    let key = &lookups[&secret.name().expect("a name")];
    assert_eq!((key.content.as_ref(), key.fields[0].value.as_str()), (None, Some("17")));
    assert_eq!(lookups[&absent].object, Expected::Absent);
    // Our own step deletes it first.
    assert!(!lookups.contains_key(&deleted));
    assert!(!serde_json::to_string(&file).expect("JSON").contains("c2VjcmV0"));
}

#[test]
fn the_status_and_the_writers_are_no_content() {
    let mut json = (*object("ConfigMap", "settings").0).clone();
    let before = Object::new(json.clone()).content_digest();
    json["status"] = json!({"phase": "Active"});
    json["metadata"]["resourceVersion"] = "18".into();
    json["metadata"]["managedFields"] = json!([{}]);
    assert_eq!(Object::new(json.clone()).content_digest(), before);
    json["data"]["k"] = "other".into();
    assert_ne!(Object::new(json).content_digest(), before);
}

#[test]
fn a_later_hop_that_reads_what_an_earlier_one_writes_is_named() {
    let set = Object::new(
        json!({"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": "keycloak", "namespace": NS}}),
    );
    let secret = object("Secret", "runai-backend-postgresql");
    let absent = ClusterRead::Object(Ref::secret(NS, "made-by-an-operator"), None);
    let of = |reads: [Vec<ClusterRead>; 2]| {
        let (_, file) = planned(&at_2_8(), reads);
        let findings = file.plan.findings.into_iter().filter(|finding| finding.code == Code::NotForeseen);
        findings.map(|finding| (finding.severity, finding.object().cloned())).collect::<Vec<_>>()
    };
    // What is a Secret is what helm wrote, and what is read before anything was written is as it is.
    assert_eq!(of([vec![read(&set)], vec![read(&secret)]]), []);
    assert_eq!(of([Vec::new(), vec![read(&set)]]), [(Severity::Blocking, set.name())]);
    assert_eq!(of([vec![absent.clone()], Vec::new()]), []);
    assert_eq!(of([Vec::new(), vec![absent]]), [(Severity::Warning, Some(Ref::secret(NS, "made-by-an-operator")))]);
}

#[test]
fn a_list_is_not_compared_for_what_is_added() {
    let list = ClusterRead::List {
        group: String::new(),
        kind: "ConfigMap".into(),
        namespace: NS.into(),
        selector: String::new(),
        items: vec![object("ConfigMap", "settings")],
    };
    let (_, file) = planned(&at_2_8(), [vec![list], Vec::new()]);
    let said: Vec<_> = file.plan.findings.iter().filter(|finding| finding.code == Code::NotForeseen).collect();
    assert_eq!((said.len(), said[0].severity), (1, Severity::Note));
    assert!(said[0].found.contains("ConfigMap in namespace runai-backend: 1 today"), "{}", said[0].found);
}
