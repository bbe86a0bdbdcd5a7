use portolan_model::{Inventory, Severity};
use portolan_recipe::{ImageInArgument, ImageInField, RecipeSet};
use serde_json::json;

use super::*;

const HOST: &str = "registry.example:5000";

/// An installation with nothing in it, all of whose Secrets could be listed.
pub(super) fn inventory(namespace: &str) -> Inventory {
    let inventory: Inventory = serde_json::from_value(json!({
        "format": portolan_model::FORMAT,
        "cluster": {"server": "", "user": "", "uid": "u", "version": "v1.34.4", "platform": {"platform": "kubernetes"},
            "default_class": null, "groups": []},
        "helm": null,
        "release": {"id": {"namespace": namespace, "name": "r"}, "revision": 1, "status": "deployed",
            "chart": {"name": "control-plane", "version": "2.8.0"}, "deployed": "", "driver": "secret", "history": [], "damaged": []},
        "volumes": [], "workloads": [], "hosts": [], "classes": [],
        "coverage": [{"scope": {"kind": "Secret", "namespace": namespace}, "coverage": "complete"}],
        "requests": {"reads": 0, "writes": 0},
    }))
    .expect("an inventory");
    assert_eq!(inventory.release.id, ReleaseId { namespace: namespace.into(), name: "r".into() });
    inventory
}

fn chart(version: &str) -> ChartId {
    ChartId { name: "control-plane".into(), version: version.parse().expect("a version") }
}

fn release() -> ReleaseId {
    ReleaseId { namespace: "n".into(), name: "r".into() }
}

fn object(kind: &str, name: &str, json: Value) -> Object {
    let version = match kind {
        "Prometheus" => "monitoring.coreos.com/v1",
        "Job" => "batch/v1",
        "ConfigMap" => "v1",
        _ => "apps/v1",
    };
    let mut whole = json;
    whole["apiVersion"] = json!(version);
    whole["kind"] = json!(kind);
    whole["metadata"]["name"] = json!(name);
    whole["metadata"]["namespace"] = json!("n");
    Object::new(whole)
}

fn deployment(name: &str, container: &Value) -> Object {
    object("Deployment", name, json!({"spec": {"template": {"spec": {"containers": [container]}}}}))
}

fn hook(name: &str, event: &str, image: &str) -> Object {
    object(
        "Job",
        name,
        json!({"metadata": {"annotations": {"helm.sh/hook": event}},
            "spec": {"template": {"spec": {"containers": [{"name": "a", "image": image}]}}}}),
    )
}

fn names(images: &[PlannedImage]) -> Vec<&str> {
    images.iter().map(|image| image.name.as_str()).collect()
}

#[test]
fn images_of_every_hop_are_found_once_with_their_places() {
    let product = RecipeSet::builtin().product;
    let release = release();
    let mut list = ImageList::new(&product, &release);
    let both = deployment("a", &json!({"name": "a", "image": "h/a:1"}));
    list.hop(&chart("2.13.0"), std::slice::from_ref(&both), &[hook("before", "pre-upgrade", "h/hook:1")]);
    list.hop(&chart("2.20.0"), &[both, deployment("b", &json!({"name": "b", "image": "h/a:1"}))], &[]);
    let images = list.images();
    assert_eq!(names(&images), ["h/a:1", "h/hook:1"]);
    let places: Vec<String> =
        images[0].uses.iter().map(|place| format!("{} {} {}", place.to, place.object, place.field)).collect();
    assert_eq!(
        places,
        [
            "control-plane 2.13.0 Deployment/a /spec/template/spec/containers/0/image",
            "control-plane 2.20.0 Deployment/a /spec/template/spec/containers/0/image",
            "control-plane 2.20.0 Deployment/b /spec/template/spec/containers/0/image",
        ]
    );
}

#[test]
fn hooks_that_no_upgrade_runs_pull_nothing() {
    let product = RecipeSet::builtin().product;
    let release = release();
    let mut list = ImageList::new(&product, &release);
    let hooks = ["post-upgrade", "pre-install,pre-upgrade", "test", "pre-delete", "post-install"];
    let hooks: Vec<Object> = hooks.iter().map(|event| hook(event, event, &format!("h/{}:1", event.len()))).collect();
    list.hop(&chart("2.20.0"), &[], &hooks);
    assert_eq!(names(&list.images()), ["h/12:1", "h/23:1"]);
}

#[test]
fn images_that_no_pod_names_are_found_as_the_recipe_tells() {
    let mut product = RecipeSet::builtin().product;
    product.images.fields = vec![
        ImageInField { object: "Prometheus.monitoring.coreos.com/*".into(), at: "/spec/image".into() },
        ImageInField { object: "ConfigMap/{release}-jobs".into(), at: "/data/image".into() },
    ];
    product.images.arguments = vec![ImageInArgument { object: "Deployment/*".into(), prefix: "--reloader=".into() }];
    let release = release();
    let objects = [
        object("Prometheus", "any", json!({"spec": {"image": "h/prometheus:1"}})),
        object("ConfigMap", "r-jobs", json!({"data": {"image": "h/job:1"}})),
        object("ConfigMap", "r-other", json!({"data": {"image": "h/not-this:1"}})),
        deployment("operator", &json!({"name": "a", "args": ["--reloader=h/reloader:1", "--other=h/not-this:2"]})),
    ];
    let mut list = ImageList::new(&product, &release);
    list.hop(&chart("2.20.0"), &objects, &[]);
    assert_eq!(names(&list.images()), ["h/job:1", "h/prometheus:1", "h/reloader:1"]);
    // Of another release the recipe means objects of another name.
    let other = ReleaseId { namespace: "n".into(), name: "other".into() };
    let mut list = ImageList::new(&product, &release);
    list.of_release(&other).hop(&chart("2.20.0"), &objects, &[]);
    assert_eq!(names(&list.images()), ["h/prometheus:1", "h/reloader:1"]);
    product.images = portolan_recipe::ProductImages::default();
    let mut list = ImageList::new(&product, &release);
    list.hop(&chart("2.20.0"), &objects, &[]);
    assert_eq!(names(&list.images()), Vec::<&str>::new());
}

#[test]
fn values_that_name_an_image_or_its_registry_are_keys() {
    let product = RecipeSet::builtin().product;
    let release = release();
    let mut list = ImageList::new(&product, &release);
    list.hop(&chart("2.20.0"), &[deployment("a", &json!({"name": "a", "image": "h.example/t/a:1"}))], &[]);
    list.values(
        &json!({"images": {"a": "h.example/t/a:1", "b": "h.example/t/b:1"}, "global": {"registry": "h.example"},
        "repository": "h.example/t/a", "host": "h.example.com", "tag": "1"}),
    );
    assert_eq!(list.images()[0].keys, ["global.registry", "images.a", "repository"]);
}

fn image(name: &str, keys: &[&str]) -> PlannedImage {
    let object = Ref::new("apps", "Deployment", "n", "a");
    let place = ImageUse { to: chart("2.20.0"), object, field: "/spec/x".into() };
    PlannedImage {
        name: ImageRef::new(name),
        uses: vec![place],
        keys: keys.iter().map(|key| (*key).to_owned()).collect(),
    }
}

fn registry() -> SiteRegistry {
    SiteRegistry { host: HOST.into(), pull_as: None, path: "runai".into(), plain_http: false, ca_file: None }
}

fn judged(images: &[PlannedImage], supplies: &[(&str, ImageSupply)]) -> Vec<Finding> {
    let supplies =
        supplies.iter().map(|(name, supply)| (ImageRef::new(&format!("{HOST}/{name}")), supply.clone())).collect();
    judge(images, &registry(), &supplies, &RecipeSet::builtin().product, &Mirrors::default())
}

#[test]
fn images_at_the_registry_or_in_the_bundle_are_no_finding() {
    let images = [image("registry.example:5000/a:1", &[]), image("registry.example:5000/b:1", &[])];
    assert_eq!(judged(&images, &[("a:1", ImageSupply::Registry), ("b:1", ImageSupply::Bundle)]), []);
}

#[test]
fn every_missing_image_is_named_in_one_finding() {
    let images = ["a:1", "b:1", "c:1"].map(|name| image(&format!("{HOST}/{name}"), &[]));
    let supplies = [("a:1", ImageSupply::Missing), ("b:1", ImageSupply::Registry), ("c:1", ImageSupply::Missing)];
    let [finding] = &judged(&images, &supplies)[..] else { panic!("one finding") };
    assert_eq!((finding.code, finding.severity), (Code::ImageMissing, Severity::Blocking));
    assert_eq!(finding.found, "registry.example:5000/runai does not have 2 images");
    assert_eq!(finding.evidence, ["a:1", "c:1"].map(|name| format!("{HOST}/{name}: Deployment/a /spec/x")));
    assert!(finding.next.starts_with("portolan bundle push FILE --to registry.example:5000/runai"), "{}", finding.next);
}

#[test]
fn what_a_bundle_does_not_have_is_not_pushed_out_of_it() {
    let images = ["a:1", "b:1"].map(|name| image(&format!("{HOST}/{name}"), &[]));
    let missing = |alike: Option<&str>| ImageSupply::MissingInBoth { alike: alike.map(str::to_owned) };
    let [finding] = &judged(&images, &[("a:1", missing(None)), ("b:1", missing(Some("x has b:1")))])[..] else {
        panic!("one finding")
    };
    assert_eq!((finding.code, finding.severity), (Code::ImageMissing, Severity::Blocking));
    assert_eq!(finding.found, "neither registry.example:5000/runai nor the bundle has 2 images");
    assert!(finding.evidence[1].ends_with("; x has b:1") && !finding.next.contains("bundle push"), "{finding:?}");
}

#[test]
fn what_was_not_asked_or_not_answered_blocks_too() {
    let images = ["a:1", "b:1", "c:1"].map(|name| image(&format!("{HOST}/{name}"), &[]));
    let down = || ImageSupply::NotChecked("it is down".into());
    let findings = judged(&images, &[("a:1", down()), ("b:1", down())]);
    assert!(findings.iter().all(|one| (one.code, one.severity) == (Code::ImagesNotChecked, Severity::Blocking)));
    let found: Vec<&str> = findings.iter().map(|finding| finding.found.as_str()).collect();
    assert_eq!(found, ["2 images not checked, because it is down", "1 image not checked, because nobody asked for it"]);
    let [finding] = &judged(&[image("NoName:1", &[])], &[])[..] else { panic!("one finding") };
    assert!(finding.code == Code::ImagesNotChecked && finding.found.ends_with("no name that a node can pull"));
}

#[test]
fn another_registry_is_named_with_the_way_to_change_it() {
    let images = [image("nginx:1", &["images.nginx"]), image("registry.example:5001/a:1", &[])];
    let findings = judged(&images, &[]);
    let found: Vec<&str> = findings.iter().map(|finding| finding.found.as_str()).collect();
    let end = "which a site without internet access cannot reach";
    assert_eq!(
        found,
        [format!("1 image names docker.io, {end}"), format!("1 image names registry.example:5001, {end}")]
    );
    assert!(findings.iter().all(|one| (one.code, one.severity) == (Code::ImageElsewhere, Severity::Blocking)));
    assert!(
        findings[0].next.contains("-f custom-env.yaml") && findings[0].next.contains("today: images.nginx"),
        "{}",
        findings[0].next
    );
    assert!(!findings[1].next.contains("today"), "{}", findings[1].next);
}

#[test]
fn a_registry_is_the_same_with_the_port_that_it_has_anyway() {
    let registry = |host: &str, plain_http| SiteRegistry { host: host.into(), plain_http, ..registry() };
    assert!(registry("h.example", false).is("h.example:443") && registry("H.example:443", false).is("h.example"));
    assert!(registry("h.example", true).is("h.example:80"));
    assert!(!registry("h.example", true).is("h.example:443") && !registry("h.example", false).is("h.example:5000"));
}

#[test]
fn a_name_that_a_push_replaces_is_a_warning() {
    let replaced = ImageSupply::Replaced { there: Digest::of(b"1"), bundle: Digest::of(b"2") };
    let [finding] = &judged(&[image(&format!("{HOST}/a:1"), &[])], &[("a:1", replaced)])[..] else { panic!("one") };
    assert_eq!((finding.code, finding.severity), (Code::ImageReplaced, Severity::Warning));
}
