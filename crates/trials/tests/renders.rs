//! What a plan renders before anything was done is what helm renders when its turn comes.

use portolan_model::Object;
use portolan_testkit::rig::pins;
use portolan_trials::real::{ClusterFixture, Place};

fn shown(objects: &[Object]) -> Vec<String> {
    objects.iter().map(|object| object.0.to_string()).collect()
}

#[test]
#[ignore = "needs the rig: cargo xtask test"]
fn a_hop_renders_the_same_after_the_hop_before_was_carried_out() {
    let place = Place::of("openshift-2.8").expect("the rig");
    let site = ClusterFixture::install(&place.rig, "openshift-2.8", pins::HELM[1]).expect("an installation");
    let found = site.survey().expect("a survey");
    let planned = site.renderings(&found, &["2.13", "2.20"]).expect("two hops");
    assert_eq!(planned.len(), 2);
    let (_, file) = site.plan(&["2.13"], &[]).expect("a plan");
    // Helm applies what was planned, or the run does not finish: the first hop rendered the same after our own deletions.
    let (outcome, _) = site.apply(&file, &mut |_| {}).expect("it runs");
    assert_eq!(outcome, portolan_model::Outcome::Finished);
    let found = site.survey().expect("a survey");
    let after = site.renderings(&found, &["2.20"]).expect("one hop");
    assert_eq!(shown(&planned[1].objects), shown(&after[0].objects));
    assert_eq!(shown(&planned[1].hooks), shown(&after[0].hooks));
}
