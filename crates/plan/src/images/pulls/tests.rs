use std::collections::BTreeMap;

use portolan_inventory::survey::Secrets;
use portolan_model::{Code, Severity, SurveyQuery};
use serde_json::json;

use super::super::tests::inventory;
use super::*;

const NS: &str = "n";
const HOST: &str = "registry.example:5000";

fn image(name: &str) -> ImageReference {
    ImageReference::parse(name).expect("a name")
}

fn chart() -> ChartId {
    ChartId { name: "control-plane".into(), version: "2.20.0".parse().expect("a version") }
}

fn registry() -> SiteRegistry {
    SiteRegistry { host: HOST.into(), pull_as: None, path: String::new(), plain_http: false, ca_file: None }
}

#[test]
fn an_entry_is_for_the_images_that_the_kubelet_uses_it_for() {
    for (key, name, kubelet, mirror) in [
        ("r.example", "r.example/a:1", true, true),
        ("https://r.example", "r.example/a:1", true, true),
        ("https://r.example/v1/", "r.example/a:1", true, true),
        ("https://r.example/v2/team", "r.example/team/a:1", true, true),
        ("r.example/", "r.example/a:1", true, true),
        ("r.example:5000", "r.example:5000/a:1", true, true),
        ("r.example", "r.example:5000/a:1", false, false),
        ("r.example:5000", "r.example/a:1", false, false),
        ("r.example/team", "r.example/team/a:1", true, true),
        ("r.example/team", "r.example/other/a:1", false, false),
        // The kubelet compares the beginning of the path, CRI-O whole parts of it.
        ("r.example/te", "r.example/team/a:1", true, false),
        ("*.example", "r.example/a:1", true, false),
        ("*.example", "a.r.example/a:1", false, false),
        ("r*.example:5000", "r1.example:5000/a:1", true, false),
        ("https://index.docker.io/v1/", "nginx:1", true, false),
        ("docker.io", "nginx:1", true, true),
        ("example", "r.example/a:1", false, false),
    ] {
        let place = LoginPlace::of(key);
        let found = (place.is_for(&image(name)), place.is_for_mirror(&image(name)));
        assert_eq!(found, (kubelet, mirror), "{key} {name}");
    }
}

fn secret(name: &str, of_type: &str, key: &str, config: &Value) -> Object {
    Object::new(
        json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name, "namespace": NS}, "type": of_type,
        "data": {key: STANDARD.encode(config.to_string())}}),
    )
}

fn docker(name: &str, host: &str) -> Object {
    let config = json!({"auths": {host: {"auth": STANDARD.encode("me:hidden-password")}}});
    secret(name, "kubernetes.io/dockerconfigjson", ".dockerconfigjson", &config)
}

#[test]
fn a_secret_of_another_type_is_no_pull_secret() {
    let of = |secret: &Object| LoginSource::of(secret, |key| decoded(secret, key)).told();
    let entry = json!({"h.example": {"auth": "eDp5"}});
    assert_eq!(of(&docker("s", "h.example")), "is for h.example");
    assert_eq!(of(&secret("s", "kubernetes.io/dockercfg", ".dockercfg", &entry)), "is for h.example");
    for (secret, why) in [
        (
            secret("s", "Opaque", ".dockerconfigjson", &json!({"auths": entry})),
            "is of type Opaque, which nodes do not use",
        ),
        (
            secret("s", "kubernetes.io/dockerconfigjson", "config.json", &json!({"auths": entry})),
            "has no .dockerconfigjson",
        ),
        (
            secret("s", "kubernetes.io/dockerconfigjson", ".dockerconfigjson", &entry),
            "has a .dockerconfigjson that cannot be read",
        ),
        (secret("s", "kubernetes.io/dockerconfigjson", ".dockerconfigjson", &json!({"auths": {}})), "has no entry"),
    ] {
        assert_eq!(of(&secret), why);
    }
}

/// An installation with some objects, the values of whose Secrets the survey keeps apart.
fn survey(objects: &[Object]) -> Survey {
    let mut inventory = inventory(NS);
    let mut secrets = Vec::new();
    for object in objects {
        let name = object.name().expect("a name");
        for (key, text) in portolan_helm_compat::redact::plaintexts(object) {
            secrets.push((SecretKey { secret: name.clone(), key }, text));
        }
        inventory.objects.insert(name, portolan_helm_compat::redact::secret_keys_only(object));
    }
    Survey::new(inventory, secrets.into_iter().collect::<Secrets>())
}

fn account(name: &str, secrets: &[&str]) -> Object {
    let secrets: Vec<Value> = secrets.iter().map(|name| json!({"name": name})).collect();
    Object::new(json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name, "namespace": NS},
        "imagePullSecrets": secrets}))
}

fn deployment(spec: Value) -> Object {
    let mut spec = spec;
    spec["containers"] = json!([{"name": "a", "image": format!("{HOST}/a:1")}]);
    Object::new(json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d", "namespace": NS},
        "spec": {"template": {"spec": spec}}}))
}

/// The pods of a hop that renders some objects and hooks.
fn pods(live: &[Object], after: &Overlay, objects: Vec<Object>, hooks: Vec<Object>) -> Vec<PodPull> {
    let (survey, changed) = (survey(live), [Overlay::default(), after.clone()]);
    let rendered = HopRendering { objects, hooks, record: None };
    HopObjects::new(&survey, &changed, &rendered).pods(&chart())
}

fn told(pods: &[PodPull]) -> Vec<String> {
    pods.iter().map(PodPull::told).collect()
}

#[test]
fn a_pod_has_its_own_secrets_or_else_those_of_its_account() {
    let live =
        [docker("one", HOST), docker("two", "other.example"), account("default", &["one"]), account("mine", &["two"])];
    for (spec, expected) in [
        (json!({}), "Secret/one is for registry.example:5000"),
        (json!({"serviceAccountName": "mine"}), "Secret/two is for other.example"),
        (json!({"serviceAccount": "mine"}), "Secret/two is for other.example"),
        // The account's are not added to a pod's own.
        (json!({"imagePullSecrets": [{"name": "two"}]}), "Secret/two is for other.example"),
        (
            json!({"imagePullSecrets": [{"name": "none"}, {"name": "one"}]}),
            "Secret/none does not exist; Secret/one is for registry.example:5000",
        ),
        (json!({"serviceAccountName": "unknown"}), "no pull Secret"),
    ] {
        let found = pods(&live, &Overlay::default(), vec![deployment(spec.clone())], Vec::new());
        assert_eq!(told(&found), [expected], "{spec}");
        assert_eq!(found[0].images, [ImageRef::new(&format!("{HOST}/a:1"))]);
    }
}

#[test]
fn what_the_hop_makes_and_deletes_counts() {
    let spec = json!({"imagePullSecrets": [{"name": "s"}]});
    let name = Ref::new("", "Secret", NS, "s");
    let made = Overlay { shown: BTreeMap::from([(name.clone(), docker("s", HOST))]), ..Overlay::default() };
    let deleted = Overlay { hidden: [name].into(), ..Overlay::default() };
    let live = [docker("s", "old.example")];
    for (live, after, expected) in [
        (&live[..], Overlay::default(), "Secret/s is for old.example"),
        (&live[..], made.clone(), "Secret/s is for registry.example:5000"),
        (&[][..], made.clone(), "Secret/s is for registry.example:5000"),
        (&live[..], deleted, "Secret/s does not exist"),
    ] {
        let found = pods(live, &after, vec![deployment(spec.clone())], Vec::new());
        assert_eq!(told(&found), [expected]);
    }
    // A hook before the upgrade starts before the chart's Secret is there.
    let mut hook = (*deployment(spec).0).clone();
    for (event, expected) in
        [("pre-upgrade", "Secret/s does not exist"), ("post-upgrade", "Secret/s is for registry.example:5000")]
    {
        hook["metadata"]["annotations"] = json!({"helm.sh/hook": event});
        assert_eq!(told(&pods(&[], &made, Vec::new(), vec![Object::new(hook.clone())])), [expected], "{event}");
    }
}

fn pod(images: &[&str], places: &[&str]) -> PodPull {
    let places = places.iter().map(|place| LoginPlace::of(place)).collect();
    PodPull {
        to: chart(),
        object: Ref::new("apps", "Deployment", NS, "d"),
        images: images.iter().map(|image| ImageRef::new(image)).collect(),
        secrets: vec![("s".into(), LoginSource::Places(places))],
    }
}

fn mirrors() -> Mirrors {
    let set = json!({"metadata": {"name": "m"}, "spec": {"imageTagMirrors": [{"source": "gcr.io", "mirrors": [format!("{HOST}/x")]}]}});
    let ask = SurveyQuery::List {
        group: "config.openshift.io".into(),
        kind: "ImageTagMirrorSet".into(),
        namespace: String::new(),
    };
    Mirrors::of([(&ask, &Answer::Items(vec![Object::new(set)]))])
}

#[test]
fn an_image_lacks_a_login_where_no_entry_is_for_its_registry() {
    let (with, other, none) = ([HOST], ["other.example"], []);
    for (image, places, expected) in [
        ("registry.example:5000/a:1", &with[..], 0),
        ("registry.example:5000/a:1", &other[..], 1),
        ("registry.example:5000/a:1", &none[..], 1),
        // What comes from elsewhere is another finding.
        ("quay.io/a:1", &none[..], 0),
        // Nodes use no Secret of a pod for a mirror.
        ("gcr.io/a:1", &with[..], 1),
    ] {
        let pods = [pod(&[image], places)];
        assert_eq!(lacking(&pods, &registry(), &mirrors()).len(), expected, "{image} {places:?}");
    }
}

#[test]
fn a_registry_with_two_names_is_known_by_that_of_the_nodes() {
    let registry = SiteRegistry { host: "route.example".into(), pull_as: Some(HOST.into()), ..registry() };
    for (image, places, expected) in [
        ("registry.example:5000/a:1", &[HOST][..], 0),
        ("registry.example:5000/a:1", &["route.example"][..], 1),
        ("route.example/a:1", &[][..], 0),
    ] {
        let pods = [pod(&[image], places)];
        assert_eq!(lacking(&pods, &registry, &Mirrors::default()).len(), expected, "{image} {places:?}");
    }
    let pods = [pod(&["registry.example:5000/a:1"], &[])];
    let found = finding(&lacking(&pods, &registry, &Mirrors::default()), &registry, NS, None).expect("a finding");
    assert!(found.next.contains("--docker-server=registry.example:5000"), "{found:?}");
}

#[test]
fn accounts_have_a_login_for_their_own_namespace_in_the_registry_of_openshift() {
    let service = "image-registry.openshift-image-registry.svc:5000";
    let registry = SiteRegistry { pull_as: Some(service.into()), ..registry() };
    for (image, expected) in [(format!("{service}/{NS}/a:1"), 0), (format!("{service}/other/a:1"), 1)] {
        let pods = [pod(&[&image], &[])];
        assert_eq!(lacking(&pods, &registry, &Mirrors::default()).len(), expected, "{image}");
    }
}

#[test]
fn the_pull_secret_of_the_cluster_counts_for_every_pod() {
    let pods = [pod(&["registry.example:5000/a:1", "gcr.io/a:1"], &[])];
    let mirrors = mirrors();
    let lacking = lacking(&pods, &registry(), &mirrors);
    let of = |answer: &Answer| {
        let global = LoginSource::global(answer);
        lacking.iter().map(|one| is_global(one, &global)).collect::<Vec<_>>()
    };
    assert_eq!(of(&Answer::Items(vec![docker("pull-secret", HOST)])), [true, true]);
    assert_eq!(of(&Answer::Items(vec![docker("pull-secret", "registry.example:5000/x")])), [false, true]);
    assert_eq!(of(&Answer::Items(vec![docker("pull-secret", "quay.io")])), [false, false]);
    assert_eq!(of(&Answer::Items(vec![])), [false, false]);
    assert_eq!(of(&Answer::Denied("forbidden".into())), [false, false]);
}

#[test]
fn the_finding_names_object_image_and_host_and_no_login() {
    assert_eq!(finding(&[], &registry(), NS, None), None);
    let live = [docker("s", "other.example")];
    let object = deployment(json!({"imagePullSecrets": [{"name": "s"}]}));
    let pods = pods(&live, &Overlay::default(), vec![object], Vec::new());
    let global = LoginSource::global(&Answer::Denied("forbidden".into()));
    let lacking = lacking(&pods, &registry(), &Mirrors::default());
    let found = finding(&lacking, &registry(), NS, Some(&global)).expect("a finding");
    assert_eq!((found.code, found.severity), (Code::NoPullLogin, Severity::Blocking));
    assert_eq!(found.found, "registry.example:5000 wants a login, and the pods of 1 object have none for it");
    assert_eq!(
        found.evidence,
        [
            "Deployment/d registry.example:5000/a:1: Secret/s is for other.example",
            "Secret/pull-secret in openshift-config may not be read: forbidden"
        ]
    );
    assert!(found.next.contains("--docker-server=registry.example:5000") && found.next.contains("--accept PL635"));
    let all = format!("{found:?}{pods:?}");
    assert!(!all.contains("hidden-password") && !all.contains(&STANDARD.encode("me:hidden-password")));
    let mirrored = [pod(&["gcr.io/a:1"], &[HOST])];
    let mirrors = mirrors();
    let found = finding(&super::lacking(&mirrored, &registry(), &mirrors), &registry(), NS, None).expect("a finding");
    assert!(found.evidence[0].contains("ImageTagMirrorSet/m: registry.example:5000/x instead of gcr.io"), "{found:?}");
    assert!(found.next.starts_with("add an entry for registry.example:5000 to the Secret pull-secret"), "{found:?}");
}
