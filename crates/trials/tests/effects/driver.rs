//! The search as the product runs it: over a simulated installation, and on a cluster.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use portolan_helm_compat::values;
use portolan_inventory::Survey;
use portolan_model::{Code, Finding, Rendered, Rendering, ValueChange, ValuesMode, ValuesPath};
use portolan_recipe::RecipeSet;
use portolan_testkit::rig::{Cache, pins};
use portolan_trials::real::{ClusterFixture, Place};
use portolan_trials::sim;
use portolan_workflow::{Effect, Effects, PlanOptions, Rehearse, Simulated, Target};
use serde_json::{Value, json};

const SITE: &str = "openshift-2.8";

/// What the values that this installation was made with do in its own chart.
fn of_simulated(simulated: Simulated, given: &Value) -> Result<Effects, Finding> {
    let target = Target::simulated(simulated);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let found = survey(&target, &runtime);
    let chart = &found.inventory.release.chart;
    let charts = portolan_fixtures::charts();
    let chart = charts.iter().find(|packed| packed.id == *chart).expect("the installed chart");
    let helm = found.inventory.helm.clone().expect("a helm");
    let job = portolan_workflow::render_job(&found.inventory, chart, given);
    runtime.block_on(portolan_workflow::effects(&target, &found, &helm, &job))
}

fn survey(target: &Target, runtime: &tokio::runtime::Runtime) -> Survey {
    let Target::Simulated(simulated) = target else { panic!("it is simulated") };
    let release = simulated.installation.world().facts().release.clone();
    runtime.block_on(portolan_workflow::survey(target, &release)).expect("a survey")
}

#[test]
fn each_job_is_one_rendering_with_its_values_and_no_others() {
    let count = Arc::new(AtomicUsize::new(0));
    let mut simulated = Simulated::new(sim::installation(SITE));
    let counted = count.clone();
    simulated.renders = Some(Box::new(move |job| {
        counted.fetch_add(1, Ordering::Relaxed);
        assert_eq!((job.mode, &job.given), (ValuesMode::Reset, &job.values));
        if values::get(&job.given, "needed").is_none() {
            return Err(Finding::blocking(Code::ChartRefuses, "helm does not render").with("needed is missing"));
        }
        let text = |name: &str| {
            format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}}}\ndata: {{k: {}}}\n", job.given["a"])
        };
        let first = Rendered { manifest: text("one"), hooks: vec![text("hook")], record: None };
        Ok(Rendering { second: first.clone(), first, reads: Vec::new() })
    }));
    let effects = of_simulated(simulated, &json!({"a": "x", "needed": "y", "unread": "z"})).expect("effects");
    assert_eq!(count.load(Ordering::Relaxed), effects.renderings);
    let effect = |path: &str| &effects.of[&ValuesPath::new(path)];
    assert!(matches!(effect("a"), Effect::Fields(fields) if fields.len() == 2), "{:?}", effect("a"));
    assert_eq!(*effect("needed"), Effect::Needed { said: "needed is missing".into() });
    assert_eq!(*effect("unread"), Effect::None);
}

#[test]
fn a_chart_that_does_not_render_at_all_is_told_as_planning_tells_it() {
    let mut simulated = Simulated::new(sim::installation(SITE));
    simulated.renders = Some(Box::new(|_| Err(Finding::blocking(Code::ChartRefuses, "no").with("nil pointer"))));
    let finding = of_simulated(simulated, &json!({"a": 1})).expect_err("nothing renders");
    assert_eq!((finding.code, finding.evidence), (Code::ChartRefuses, vec!["nil pointer".to_owned()]));
}

#[test]
fn without_a_helm_nothing_is_said_of_a_simulated_installation() {
    let mut simulated = Simulated::new(sim::installation(SITE));
    simulated.helm = Some("/nowhere/helm".into());
    let finding = of_simulated(simulated, &json!({"a": 1})).expect_err("there is no helm");
    assert_eq!(finding.code, Code::NoHelm);
}

/// The new chart may need a value that nobody has decided about: the questions are known although nothing renders.
#[test]
fn a_chart_that_does_not_render_leaves_no_question_untold() {
    let mut simulated = Simulated::new(sim::installation("openshift-2.8-customized"));
    simulated.renders = Some(Box::new(|_| Err(Finding::blocking(Code::ChartRefuses, "no").with("host is needed"))));
    let target = Target::simulated(simulated);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let found = survey(&target, &runtime);
    let book = RecipeSet::builtin();
    let request = sim::request(&found.inventory.release.chart, &["2.20"], &[]).expect("a request");
    let refused = runtime.block_on(portolan_workflow::plan_values(&target, &found, &book, &request));
    let refused = refused.err().expect("it does not render");
    assert_eq!(
        (refused.finding.code, refused.finding.evidence.as_slice()),
        (Code::ChartRefuses, &["host is needed".into()][..])
    );
    let (to, hops) = refused.decided.expect("what becomes of the values");
    assert_eq!(to.to_string(), "control-plane 2.20.41");
    let asked: Vec<&str> =
        hops[0].iter().filter(|one| one.change == ValueChange::Dropped).map(|one| one.path.as_str()).collect();
    assert_eq!(asked, ["backend.memory.size", "backend.sesionTimeout", "frontend.theme"]);
    // What a rendering shows beside is which of them have no effect; here all have one.
    let rendered = sim::plan(sim::installation("openshift-2.8-customized").world(), &["2.20"], &[]).expect("a plan");
    assert_eq!(hops[0], rendered.plan.hops[0].values);
    // Who plans is told which values the chart was not given.
    let options = PlanOptions { rehearses: Rehearse::No, images: None };
    let planned = runtime.block_on(portolan_workflow::plan(&target, &found, &book, &request, options));
    let told = planned.err().expect("it does not render").evidence.concat();
    assert!(
        told.contains("portolan values --to 2.20.41): backend.memory.size, backend.sesionTimeout, frontend.theme"),
        "{told}"
    );
}

/// Every value of a site, by its path, with what it does.
fn show(effects: &Effects) {
    for (path, effect) in &effects.of {
        let text = match effect {
            Effect::Fields(fields) => format!("{} fields, {:?}", fields.len(), fields[0]),
            other => format!("{other:?}"),
        };
        println!("{path}: {text}");
    }
    println!("{} renderings", effects.renderings);
}

#[test]
#[ignore = "needs the rig: cargo xtask test"]
fn a_simulated_site_and_a_cluster_tell_the_same() {
    let place = Place::of(SITE).expect("the rig");
    let version = pins::HELM[1];
    let site = ClusterFixture::install(&place.rig, SITE, version).expect("an installation");
    let found = site.survey().expect("a survey");
    let chart = found.inventory.release.chart.clone();
    let chart = portolan_fixtures::charts().into_iter().find(|packed| packed.id == chart).expect("the installed chart");
    let given = found.inventory.release.config.clone();
    let on_cluster = site.effects(&found, &chart, &given).expect("effects");
    show(&on_cluster);
    let mut simulated = Simulated::new(sim::installation(SITE));
    simulated.helm = Some(Cache::locate().expect("a cache").build().helm(version).expect("a helm of the rig"));
    let in_simulation = of_simulated(simulated, &given).expect("effects");
    show(&in_simulation);
    let told = |effects: &Effects| -> Vec<(ValuesPath, bool)> {
        effects.of.iter().map(|(path, effect)| (path.clone(), matches!(effect, Effect::Fields(_)))).collect()
    };
    assert_eq!(told(&on_cluster), told(&in_simulation));
    assert!(on_cluster.of.values().any(|effect| matches!(effect, Effect::Fields(_))));
    assert!(!on_cluster.of.values().any(|effect| matches!(effect, Effect::Undecided { .. })));
}
