//! A saved inventory is the installation that it was taken of: the same plan, the same forecast.

use std::sync::Arc;

use portolan_inventory::Survey;
use portolan_model::{Code, Finding, PlanFile, Severity};
use portolan_rehearse::{Forecast, KnownDatabase, Options, Subject, WeighedEnd, World};
use portolan_testkit::rig::{Rig, pins};
use portolan_trials::real::ClusterFixture;
use portolan_trials::sim;
use serde_json::Value;

/// A survey, written to a file and read from it.
fn through_a_file(found: &Survey) -> Survey {
    let text = serde_saphyr::to_string(&portolan_inventory::saved(found)).expect("it is YAML");
    let file: Value = serde_saphyr::from_str(&text).expect("it reads back");
    portolan_inventory::read_saved(file).expect("it is an inventory")
}

fn planned(found: &Survey, world: &World, without: &[&str]) -> PlanFile {
    sim::plan_surveyed(found, world, &["2.20"], without).unwrap_or_else(|finding| panic!("{finding:?}"))
}

fn forecast(world: &World, file: &PlanFile) -> Forecast {
    let mut world = world.clone();
    world.learn_plan(file);
    let subject = Subject::Plan(Arc::new(file.plan.clone()));
    portolan_rehearse::rehearse(&world, &subject, &file.plan.volumes, Options::default())
}

/// Every end of every volume, and whether it finishes.
fn ends(forecast: &Forecast) -> Vec<(Vec<WeighedEnd>, bool, bool)> {
    let volumes = forecast.volumes.iter();
    volumes.map(|volume| (volume.ends.keys().copied().collect(), volume.finishes, !volume.unknown.is_empty())).collect()
}

fn databases(world: &World) -> Vec<KnownDatabase> {
    world.facts().databases.clone()
}

#[test]
fn a_saved_inventory_of_every_start_gives_the_same_plan_and_the_same_forecast() {
    // A password among the values of this one is redacted in the file and goes on into a rendering that nobody recorded.
    let is_recorded = |start: &String| start != "openshift-2.8-customized";
    for start in portolan_fixtures::installation_names().into_iter().filter(is_recorded) {
        let installation = sim::installation(&start);
        let found = sim::survey(installation.world());
        let again = through_a_file(&found);
        let (live, saved) = (planned(&found, installation.world(), &[]), planned(&again, installation.world(), &[]));
        assert_eq!(live.plan, saved.plan, "{start}");
        let world = portolan_rehearse::from_inventory(&again.inventory, &databases(installation.world()));
        let (ours, theirs) = (forecast(installation.world(), &live), forecast(&world, &saved));
        assert_eq!(ends(&ours), ends(&theirs), "{start}");
        assert_eq!((ours.headline(), ours.worlds), (theirs.headline(), theirs.worlds), "{start}");
        assert!(theirs.is_safe(), "{start}");
    }
}

#[test]
fn a_dangerous_plan_is_as_dangerous_on_a_saved_inventory() {
    for without in ["keep-claims", "existing-claim", "carry-credentials"] {
        let installation = sim::installation("openshift-2.8");
        let found = sim::survey(installation.world());
        let again = through_a_file(&found);
        let (live, saved) =
            (planned(&found, installation.world(), &[without]), planned(&again, installation.world(), &[without]));
        let world = portolan_rehearse::from_inventory(&again.inventory, &databases(installation.world()));
        let (ours, theirs) = (forecast(installation.world(), &live), forecast(&world, &saved));
        assert_eq!(ends(&ours), ends(&theirs), "without {without}");
        assert!(!theirs.is_safe(), "without {without}");
    }
}

#[test]
fn a_rehearsal_copies_no_object_that_it_takes_as_it_is() {
    let installation = sim::installation("openshift-2.8");
    let found = sim::survey(installation.world()).inventory;
    let world = portolan_rehearse::from_inventory(&found, &databases(installation.world()));
    let kinds = ["ConfigMap", "PersistentVolume", "PersistentVolumeClaim", "Service", "StatefulSet"];
    let mut shared = 0;
    for (name, object) in found.objects.iter().filter(|(name, _)| kinds.contains(&name.kind())) {
        assert!(world.get(name).is_some_and(|taken| Arc::ptr_eq(&taken.0, &object.0)), "{name}");
        shared += 1;
    }
    assert!(shared > 10, "{shared}");
}

#[test]
fn an_upgrade_of_it_can_be_simulated_to_its_end() {
    let installation = sim::installation("openshift-2.8");
    let again = through_a_file(&sim::survey(installation.world()));
    let file = planned(&again, installation.world(), &[]);
    let world = portolan_rehearse::from_inventory(&again.inventory, &databases(installation.world()));
    let mut installation = portolan_rehearse::Installation::of_world("saved", world);
    let (outcome, _) = sim::run(&mut installation, &file, &mut |_| false);
    assert_eq!(outcome, portolan_model::Outcome::Finished);
    // The password that was never known was carried over.
    let secret = portolan_model::Ref::secret("runai-backend", "runai-backend-postgresql");
    let key = portolan_model::SecretKey { secret, key: "postgres-password".into() };
    let stands = "the value of postgresql-password in runai-backend-postgresql";
    assert_eq!(sim::survey(installation.world()).secrets.get(&key), Some(stands));
    // What it has become can be surveyed, saved and planned from again: there is nothing left to do.
    let after = through_a_file(&sim::survey(installation.world()));
    assert_eq!(after.inventory.release.revision, 2);
    assert_eq!(after.inventory.release.history.len(), 2);
    assert!(planned(&after, installation.world(), &[]).plan.hops.is_empty());
}

#[test]
#[ignore = "needs the rig: cargo xtask test"]
fn a_real_installation_rehearses_from_its_file_as_it_does_live() {
    let rig = Rig::shared().expect("the rig");
    let site = ClusterFixture::install(&rig, "openshift-2.8", pins::HELM[1]).expect("an installation");
    for without in [&[][..], &["keep-claims"][..]] {
        let (found, live) = site.plan(&["2.20"], without).expect("a plan");
        let again = through_a_file(&found);
        let mut saved = site.plan_from(&again, &["2.20"], without).expect("a plan");
        assert_eq!(live.plan.hops[0].changes, saved.plan.hops[0].changes, "without {without:?}");
        // Nobody can ask a file's server for its version, and the plan says so.
        let unasked = |finding: &Finding| finding.code == Code::NoDatabase && finding.severity == Severity::Note;
        let told = saved.plan.findings.iter().filter(|finding| unasked(finding)).count();
        assert_eq!((told, live.plan.findings.iter().filter(|finding| unasked(finding)).count()), (1, 0));
        saved.plan.findings.retain(|finding| !unasked(finding));
        assert_eq!(live.plan, saved.plan, "without {without:?}");
        let (ours, theirs) =
            (forecast(&site.world(&found, &live), &live), forecast(&site.world(&again, &saved), &saved));
        assert_eq!(ends(&ours), ends(&theirs), "without {without:?}");
        assert_eq!(ours.worlds, theirs.worlds, "without {without:?}");
        assert_eq!(ours.is_safe(), without.is_empty());
    }
}
