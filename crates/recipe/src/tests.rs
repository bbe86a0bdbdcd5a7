use std::collections::BTreeMap;

use portolan_model::{ChartId, Code};
use semver::Version;

use crate::{PageOp, RecipeSet, StepTemplate};

fn chart(name: &str, version: &str) -> ChartId {
    ChartId { name: name.into(), version: Version::parse(version).expect("the test's version") }
}

fn old(version: &str) -> ChartId {
    chart("runai-backend", version)
}

fn new(version: &str) -> ChartId {
    chart("control-plane", version)
}

fn crossed(from: &ChartId, to: &ChartId) -> Vec<String> {
    RecipeSet::builtin().boundaries(from, to).into_iter().map(|boundary| boundary.name.clone()).collect()
}

#[test]
fn an_upgrade_crosses_what_lies_between() {
    let (every, within_new, within_old) = ("every upgrade", "within control-plane", "within runai-backend");
    let cases: &[(ChartId, ChartId, &[&str])] = &[
        (old("2.8.20"), new("2.20.41"), &[every, "into 2.9", "into 2.12", "into 2.20"]),
        (old("2.8.20"), new("2.13.19"), &[every, "into 2.9", "into 2.12"]),
        (old("2.11.30"), new("2.20.41"), &[every, "into 2.12", "into 2.20"]),
        (old("2.10.1"), new("2.12.0-rc.1"), &[every, "into 2.12"]),
        // The chart's name decides which era an installation is of, not its number.
        (old("2.12.4"), new("2.13.19"), &[every, "into 2.12"]),
        (new("2.12.4"), new("2.13.19"), &[every, within_new]),
        (new("2.13.19"), new("2.20.41"), &[every, within_new, "into 2.17", "into 2.20"]),
        (new("2.17.48"), new("2.25.1"), &[every, within_new, "into 2.20", "into 2.25"]),
        (new("2.20.1"), new("2.20.41"), &[every, within_new]),
        (old("2.8.20"), old("2.11.30"), &[every, within_old, "into 2.9"]),
    ];
    for (from, to, want) in cases {
        assert_eq!(crossed(from, to), *want, "{from} -> {to}");
    }
}

#[test]
fn the_page_has_its_readings() {
    let book = RecipeSet::builtin();
    let script = book.page.as_ref().expect("there is a page");
    let names = |installed: &ChartId| -> Vec<String> {
        script.readings_for(installed).map(|reading| reading.name.clone()).collect()
    };
    assert_eq!(names(&old("2.8.20")), ["block-alone", "union"]);
    assert_eq!(names(&old("2.11.30")), ["2.11"]);
    assert_eq!(names(&new("2.13.19")), ["2.13"]);
    let release = portolan_model::ReleaseId { namespace: "runai-backend".into(), name: "runai-backend".into() };
    let union = script.readings_for(&old("2.8.20")).nth(1).expect("union").filled("runai.apps.example.com", &release);
    let lines: Vec<u32> = union.iter().map(|line| line.line).collect();
    assert_eq!(lines, [43, 44, 46, 47, 67, 100]);
    assert!(union[5].text.contains("--set global.domain=runai.apps.example.com --set"), "{}", union[5].text);
    let PageOp::HelmUpgrade { set, .. } = &union[5].op else { panic!("{:?}", union[5].op) };
    assert_eq!(set[0], "global.domain=runai.apps.example.com");
    assert_eq!(set[2], "thanos.query.stores={thanos-grpc-port-forwarder:10901}");
    for line in script.readings.iter().flat_map(|reading| &reading.lines) {
        assert!(!line.text.contains('#') && !line.text.contains('<'), "{}", line.text);
    }
}

const PRODUCT: &str = "format: 1\nproduct: P\nrelease: {name: r, namespace: n}\ncharts: [c]\n\
    pages: {page: {title: T, source: S}}\n\
    databases: [{name: db, set: s, port: 1, user: u, database: d, password: {secret: s, keys: [k], value: {c: p}}, \
    server: {container: c, images: [{image: \"c:{version}\"}]}}]\n";

fn load(boundary: &str) -> Result<RecipeSet, portolan_model::Finding> {
    RecipeSet::load(&BTreeMap::from([
        ("product.yaml".to_owned(), PRODUCT.to_owned()),
        ("b.yaml".to_owned(), boundary.to_owned()),
    ]))
}

fn refused(boundary: &str) -> String {
    let finding = load(boundary).expect_err(boundary);
    assert_eq!(finding.code, Code::BadRecipe);
    finding.found
}

#[test]
fn a_repository_comes_from_a_page_of_the_product() {
    let repository = RecipeSet::builtin().product.repository.expect("the vendor has one");
    assert_eq!(repository.name, "runai-backend");
    let product = "format: 1\nproduct: p\nrelease: {name: r, namespace: n}\ncharts: []\npages: {}\n\
        repository: {name: r, url: 'https://h', source: {page: nowhere}}\n";
    let files = [("product.yaml".to_owned(), product.to_owned())].into();
    let finding = RecipeSet::load(&files).expect_err("no such page");
    assert_eq!(finding.found, "product.yaml: the product has no page `nowhere`");
}

#[test]
fn a_mistake_is_refused_with_its_place() {
    let step = |rest: &str| format!("format: 1\nboundary: b\nsteps:\n  - id: one\n{rest}    why: w\n");
    let ours = "    source: {page: portolan}\n";
    for (text, want) in [
        (step(&format!("    kind: explode\n{ours}")), "b.yaml:5: unknown kind of step `explode`"),
        (step(&format!("    kind: retain-volume\n{ours}")), "b.yaml:5: a step of kind retain-volume needs `claims`"),
        (
            step(&format!("    kind: wait-ready\n    database: db\n{ours}")),
            "b.yaml:5: a step of kind wait-ready has no `database`",
        ),
        (
            step(&format!("    kind: record-database\n    database: other\n{ours}")),
            "b.yaml:6: there is no database `other`",
        ),
        (
            step("    kind: wait-ready\n    source: {page: nowhere, line: 3}\n"),
            "b.yaml:6: the product has no page `nowhere`",
        ),
        (
            step(&format!(
                "    kind: delete-object\n    objects:\n      - Secret/a\n      - PersistentVolumeClaim/a\n{ours}"
            )),
            "b.yaml:8: a PersistentVolumeClaim is never deleted",
        ),
        (
            step(&format!("    kind: archive-object\n    objects: [secret]\n{ours}")),
            "b.yaml:6: `secret` is not Kind/name",
        ),
        (
            format!(
                "{}  - {{id: one, kind: wait-ready, source: {{page: portolan}}, why: w}}\n",
                step(&format!("    kind: wait-ready\n{ours}"))
            ),
            "b.yaml:8: the id `one` stands here twice",
        ),
        ("format: 2\nboundary: b\nsteps: []\n".to_owned(), "b.yaml:1: it has format 2; this portolan reads format 1"),
        ("format: 1\nboundary: b\nfrom-chart: x\nsteps: []\n".to_owned(), "b.yaml: `x` is no chart of the product"),
    ] {
        assert_eq!(refused(&text), want);
    }
    let unknown = refused(&step(&format!("    kind: wait-ready\n    command: rm\n{ours}")));
    assert!(unknown.starts_with("b.yaml:6: ") && unknown.contains("command"), "{unknown}");
    let broken = refused("format: 1\nboundary: [\n");
    assert!(broken.starts_with("b.yaml:"), "{broken}");
    let missing = RecipeSet::load(&BTreeMap::new()).expect_err("there is no product");
    assert_eq!(missing.found, "product.yaml: there is no such file");
}

#[test]
fn an_id_means_one_kind_in_all_files() {
    let one = |kind: &str| {
        format!(
            "format: 1\nboundary: {kind}\nsteps:\n  - {{id: one, kind: {kind}, source: {{page: portolan}}, why: w}}\n"
        )
    };
    let finding = RecipeSet::load(&BTreeMap::from([
        ("product.yaml".to_owned(), PRODUCT.to_owned()),
        ("a.yaml".to_owned(), one("wait-ready")),
        ("b.yaml".to_owned(), one("helm-upgrade")),
    ]))
    .expect_err("two kinds");
    assert_eq!(finding.found, "b.yaml:4: step `one` is of kind wait-ready in a.yaml and helm-upgrade here");
}

#[test]
fn every_kind_has_its_place() {
    let book = RecipeSet::builtin();
    let mut words: Vec<&str> =
        book.boundaries.iter().flat_map(|boundary| &boundary.steps).map(|step| step.ask.word()).collect();
    words.sort_unstable();
    words.dedup();
    let mut kinds = StepTemplate::KINDS.to_vec();
    kinds.sort_unstable();
    assert_eq!(words, kinds, "the built-in recipes use every kind");
}

#[test]
fn a_chart_that_no_recipe_knows_gets_the_general_ones() {
    assert_eq!(RecipeSet::builtin().or_general("control-plane"), RecipeSet::builtin());
    let general = RecipeSet::builtin().or_general("redis");
    assert_eq!((general.era("redis"), general.era("postgresql")), (Some(0), None));
    let id = |version: &str| ChartId { name: "redis".into(), version: version.parse().expect("a version") };
    let boundaries = general.boundaries(&id("17.3.0"), &id("18.1.0"));
    let steps: Vec<&str> = boundaries.iter().flat_map(|it| &it.steps).map(|step| step.id.as_str()).collect();
    assert_eq!(steps, ["retain-volumes", "keep-claims", "helm", "wait-ready", "verify-volumes"]);
    assert!(general.product.databases.is_empty() && general.product.advice.is_none());
}
