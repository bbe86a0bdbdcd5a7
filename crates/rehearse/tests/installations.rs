//! The simulated installations are what they say they are.

use model::Ref;
use portolan_rehearse::{Installation, shelf};

fn recorded(
    chart: &shelf::Chart,
    release: &model::ReleaseId,
    values: &serde_json::Value,
) -> Result<shelf::Recorded, model::Finding> {
    let key = shelf::key(&chart.digest, release, values);
    Ok(shelf::recorded(&key).unwrap_or_else(|| panic!("{key} of {} is not recorded: cargo xtask render", chart.id)))
}

#[test]
fn every_installation_has_a_database_with_rows_on_its_claim() {
    for start in shelf::starts().starts {
        let installation = Installation::fresh(&start.name, &recorded).expect("it can be made");
        let world = installation.world();
        let claim = Ref::claim("runai-backend", &start.claim);
        let volume = Ref::volume(world.get(&claim).expect("the claim is there").text("/spec/volumeName"));
        let database = world.disk(&volume).and_then(|disk| disk.database.as_ref()).expect("a database lies on it");
        assert!(database.tables["public.jobs"].rows >= 10_000, "{}", start.name);
        let pod = Ref::pod("runai-backend", "runai-backend-postgresql-0");
        assert_eq!(world.get(&pod).map(|pod| pod.text("/status/phase")), Some("Running"), "{}", start.name);
    }
}

#[test]
fn the_same_name_gives_the_same_world() {
    let make =
        || serde_json::to_string(&Installation::fresh("openshift-2.8", &recorded).expect("it can be made").save());
    assert_eq!(make().expect("a world is JSON"), make().expect("a world is JSON"));
}
