//! Generated charts with subcharts, aliases, conditions, tags and globals: the values that their templates see under real helm are those
//! that Portolan tells without one, and with values that are stored in a release and taken over, too.
//!
//! `PROPTEST_CASES` is the number of charts; they are the same ones each time. On 2026-11-29 each of the three helms saw the values of 500
//! charts as Portolan tells them (7 minutes on two busy processors); on 2026-11-30 each took over the stored values of 500 (4 minutes).

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use portolan_adapters::helm::DryRun;
use portolan_helm_compat::chart::PackedChart;
use portolan_helm_compat::{chart, values};
use portolan_inventory::Survey;
use portolan_model::{Digest, HelmClient, RenderJob, ValuesMode};
use portolan_testkit::rig::pins;
use portolan_trials::offline::OfflineHelm;
use portolan_trials::side_by_side::each;
use portolan_trials::sim;
use portolan_workflow::{Simulated, Target};
use proptest::prelude::*;
use proptest::sample::select;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::{Config, TestRng, TestRunner};
use serde_json::{Map, Value, json};
use tokio::runtime::Runtime;

fn leaf() -> impl Strategy<Value = Value> {
    prop_oneof![
        any::<bool>().prop_map(Value::from),
        (0..100_000_i64).prop_map(Value::from),
        select(vec!["x", "", "null", "1.5"]).prop_map(Value::from),
        prop::collection::vec(0..9_i64, 0..3).prop_map(Value::from),
    ]
}

/// A single value, or a map of these. Of a map in a map among a subchart's globals helm lets keys reach the chart above and its other
/// subcharts (`copyMap` in `coalesceGlobals` copies one level).
fn global() -> impl Strategy<Value = Value> {
    prop_oneof![leaf(), prop::collection::btree_map(key(), leaf(), 0..3).prop_map(object)]
}

fn tree() -> impl Strategy<Value = Value> {
    leaf().prop_recursive(3, 12, 3, |inner| prop::collection::btree_map(key(), inner, 0..4).prop_map(object))
}

/// Few, so that those of two maps meet.
fn key() -> impl Strategy<Value = String> {
    select(vec!["a", "b", "c", "d.e"]).prop_map(str::to_owned)
}

fn object(map: BTreeMap<String, Value>) -> Value {
    Value::Object(map.into_iter().collect::<Map<_, _>>())
}

/// A chart's own values.
fn part() -> impl Strategy<Value = Value> {
    let globals = prop::option::weighted(0.6, prop::collection::btree_map(key(), global(), 0..4));
    (prop::collection::btree_map(key(), tree(), 0..4), globals).prop_map(|(map, globals)| {
        let mut part = object(map);
        if let Some(globals) = globals {
            part["global"] = object(globals);
        }
        part
    })
}

/// The values of a chart with those of its subcharts.
fn whole() -> impl Strategy<Value = Value> {
    let parts = prop::collection::btree_map(select(vec!["one", "two", "other"]).prop_map(str::to_owned), part(), 0..3);
    (part(), parts, prop::option::of(part())).prop_map(|(mut all, parts, deep)| {
        for (name, part) in parts {
            all[name.as_str()] = part;
        }
        if let (Some(deep), true) = (deep, all.get("one").is_some()) {
            all["one"]["deep"] = deep;
        }
        all
    })
}

#[derive(Clone, Debug)]
struct Case {
    root: Value,
    one: Value,
    two: Value,
    deep: Value,
    /// How `Chart.yaml` lists the subcharts.
    listed: &'static str,
    given: Value,
}

/// Not at all; each by its name, with a condition; under two names, with tags.
const LISTED: [&str; 3] = [
    "",
    "dependencies:\n- {name: one, version: 1.0.0, condition: 'a.on,one.enabled'}\n- {name: two, version: 1.0.0}\n",
    "dependencies:\n- {name: one, version: 1.0.0, tags: [first]}\n- {name: two, version: 1.0.0}\n\
     - {name: two, version: 1.0.0, alias: other, condition: other.enabled, tags: [first, second]}\n",
];

fn case() -> impl Strategy<Value = Case> {
    let switches = prop::collection::btree_map(
        select(vec!["one.enabled", "other.enabled", "tags.first", "tags.second"]).prop_map(str::to_owned),
        any::<bool>(),
        0..4,
    );
    let nulls = prop::collection::btree_set(select(vec!["a", "b"]), 0..2);
    (whole(), part(), part(), part(), select(LISTED.to_vec()), (whole(), switches, nulls)).prop_map(
        |(root, one, two, deep, listed, (mut given, switches, nulls))| {
            for (path, on) in switches {
                values::set(&mut given, &path, on.into());
            }
            // Where nothing is taken away helms differ in what becomes of a null.
            for key in nulls.into_iter().filter(|key| root.get(*key).is_some_and(|value| !value.is_null())) {
                given[key] = Value::Null;
            }
            Case { root, one, two, deep, listed, given }
        },
    )
}

impl Case {
    fn files(&self) -> Vec<(String, String)> {
        let about = |name: &str, rest: &str| format!("apiVersion: v2\nname: {name}\nversion: 1.0.0\n{rest}");
        let mut files = vec![("templates/read.yaml".to_owned(), "read: {{ .Values | toJson | b64enc }}\n".to_owned())];
        for (folder, about, values) in [
            ("", about("root", self.listed), &self.root),
            ("charts/one/", about("one", ""), &self.one),
            ("charts/two/", about("two", ""), &self.two),
            ("charts/one/charts/deep/", about("deep", ""), &self.deep),
        ] {
            files.push((format!("{folder}Chart.yaml"), about));
            files.push((format!("{folder}values.yaml"), values::file(values)));
        }
        files
    }

    /// What its templates see with these user-supplied values.
    fn told(&self, given: &Value) -> Value {
        let files = self.files().into_iter().map(|(path, text)| (path, text.into_bytes())).collect();
        values::coalesced(&chart::of_files(files).expect("a chart"), given)
    }
}

/// The first so many cases, the same each time.
fn generated<S: Strategy>(strategy: &S) -> Vec<(usize, S::Value)> {
    let count = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(60);
    let config = Config::default();
    let rng = TestRng::deterministic_rng(config.rng_algorithm);
    let mut runner = TestRunner::new_with_rng(config, rng);
    (0..count).map(|number| (number, strategy.new_tree(&mut runner).expect("a case").current())).collect()
}

/// Asks a helm about all cases. `check` says what is wrong with one.
fn ask<C: Sync>(helm: &OfflineHelm, all: &[(usize, C)], check: &(dyn Fn(usize, &C) -> Option<String> + Sync)) {
    let at_once = std::thread::available_parallelism().map_or(2, usize::from);
    let one = |(number, case): &(usize, C)| Ok(check(*number, case));
    let wrong: Vec<String> = each(all, at_once, &one, &|_| {}).expect("helm runs").into_iter().flatten().collect();
    let first = wrong[..wrong.len().min(3)].join("\n");
    assert!(wrong.is_empty(), "helm {}, {} of {}:\n{first}", helm.version(), wrong.len(), all.len());
}

fn wrong(case: &Case, ours: &Value, read: &Result<Value, String>) -> Option<String> {
    let is_same = read.as_ref().is_ok_and(|read| read == ours);
    (!is_same).then(|| format!("{case:?}:\n we tell {ours}\n helm    {read:?}"))
}

#[test]
#[ignore = "needs the rig: cargo xtask test"]
fn generated_charts_see_the_values_that_are_told_without_helm() {
    let all = generated(&case());
    for version in pins::HELM {
        let helm = OfflineHelm::new(version).expect("a helm of the rig");
        ask(&helm, &all, &|number, case: &Case| {
            for (path, text) in case.files() {
                helm.write(&format!("{number}/{path}"), text.as_bytes());
            }
            let file = helm.write(&format!("given/{number}.yaml"), values::file(&case.given).as_bytes());
            wrong(case, &case.told(&case.given), &helm.template(&[format!("./{number}"), "-f".to_owned(), file]))
        });
    }
    assert_ne!(all[0].1.told(&all[0].1.given), json!({}));
}

/// A simulated installation, which answers a helm that takes over the stored values of its release.
struct Stored {
    survey: Survey,
    helm: HelmClient,
    runtime: Runtime,
}

impl Stored {
    fn new(helm: &OfflineHelm) -> Self {
        let target = Target::simulated(Simulated::new(sim::installation("openshift-2.13")));
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
        let Target::Simulated(simulated) = &target else { panic!("it is simulated") };
        let release = simulated.installation.world().facts().release.clone();
        let survey = runtime.block_on(portolan_workflow::survey(&target, &release)).expect("a survey");
        let version = helm.version().parse().expect("a version");
        let path = helm.program().to_string_lossy().into_owned();
        Self { survey, helm: HelmClient::Program { version, path, digest: Digest::of(b"helm") }, runtime }
    }

    /// What the templates of the case's chart see where these values are stored.
    fn seen(&self, case: &Case, stored: &Value) -> Result<Value, String> {
        let mut files: BTreeMap<String, Vec<u8>> =
            case.files().into_iter().map(|(path, text)| (path, text.into_bytes())).collect();
        let template =
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: read}\ndata:\n  read: {{ .Values | toJson | b64enc }}\n";
        files.insert("templates/read.yaml".to_owned(), template.into());
        let chart = PackedChart::of_files(files).map_err(|error| error.to_string())?;
        // A simulated server's record of the revision before has the values of the job.
        let job = RenderJob {
            mode: ValuesMode::ResetThenReuse,
            values: stored.clone(),
            ..portolan_workflow::render_job(&self.survey.inventory, &chart, &case.given)
        };
        let dry_run = DryRun::of_simulated(&self.survey.inventory, &job);
        let rendered =
            self.runtime.block_on(dry_run.render_once(&self.helm, &job)).map_err(|finding| format!("{finding:?}"))?;
        let read = rendered.manifest.lines().find_map(|line| line.trim().strip_prefix("read: ")).unwrap_or_default();
        let json = STANDARD.decode(read).map_err(|error| format!("{error}: {}", rendered.manifest))?;
        serde_json::from_slice(&json).map_err(|error| error.to_string())
    }
}

#[test]
#[ignore = "needs the rig: cargo xtask test"]
fn generated_charts_see_the_stored_values_that_helm_takes_over() {
    let all = generated(&(case(), whole()));
    for version in pins::HELM {
        let helm = OfflineHelm::new(version).expect("a helm of the rig");
        let site = Stored::new(&helm);
        ask(&helm, &all, &|_, (case, stored): &(Case, Value)| {
            let reused = values::reuse(stored, &case.given, site.helm.version());
            wrong(case, &case.told(&reused), &site.seen(case, stored))
        });
    }
}
