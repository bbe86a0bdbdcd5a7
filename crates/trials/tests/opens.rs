//! Upgrades after which every volume is where it was and the database is not: the plan stops them, and what it stops is
//! shown by carrying the plan out all the same.

use portolan_helm_compat::chart::PackedChart;
use portolan_model::{Code, Finding, Outcome, PlanFile};
use portolan_testkit::rig::{self, Rig, pins};
use portolan_trials::real::{ClusterFixture, DATABASE, past_checks, waiting_in_vain};
use serde_json::json;

const CHART: &str = "control-plane-2.20.41";

/// The newest fixture chart with another template of the database.
fn chart(edit: impl Fn(String) -> String) -> PackedChart {
    let mut files = portolan_fixtures::chart_files(CHART).expect("the chart is there");
    let template = files.get_mut("templates/postgresql.yaml").expect("the chart has a database");
    *template = edit(String::from_utf8(template.clone()).expect("a template is text")).into_bytes();
    PackedChart::of_files(files).expect("a chart")
}

/// The finding for which a plan is not applied.
fn blocking(file: &PlanFile) -> &Finding {
    let all: Vec<&Finding> = file.plan.blocking().collect();
    let [finding] = all[..] else { panic!("{all:#?}") };
    finding
}

#[test]
#[ignore = "needs the rig: cargo xtask test"]
fn a_server_of_another_major_version_is_stopped_at_the_plan() {
    let rig = Rig::shared().expect("the rig");
    let site = ClusterFixture::install(&rig, "openshift-2.8", pins::HELM[1]).expect("an installation");
    site.write_rows(100).expect("rows are written");
    let values = json!({"images": {"postgres": rig::POSTGRES_16}});
    let file = site.plan_to(chart(|template| template), values).expect("a plan");
    let finding = blocking(&file);
    assert_eq!(finding.code, Code::OtherMajor, "{finding:#?}");
    assert!(finding.evidence[0].starts_with(&format!("Pod/{DATABASE} says that it is PostgreSQL 15.")), "{finding:#?}");

    let (protected, (outcome, _)) = (
        site.protected().expect("a PVC"),
        site.apply(&waiting_in_vain(past_checks(file)), &mut |_| {}).expect("a run"),
    );
    assert_ne!(outcome, Outcome::Finished);
    assert_eq!(site.protected().expect("a PVC"), protected, "the volume is Safe");
    site.space()
        .wait("the server's complaint", |space| {
            let log = rig.kubectl().args(["-n", space.name(), "logs", DATABASE]).output()?;
            Ok(String::from_utf8_lossy(&log.stdout).contains("database files are incompatible with server"))
        })
        .expect("it says why it does not start");
}

#[test]
#[ignore = "needs the rig: cargo xtask test"]
fn another_directory_on_the_same_volume_is_stopped_at_the_plan() {
    let rig = Rig::shared().expect("the rig");
    let site = ClusterFixture::install(&rig, "openshift-2.8", pins::HELM[1]).expect("an installation");
    site.write_rows(100).expect("rows are written");
    let mount = "mountPath: /bitnami/postgresql}";
    let moved = chart(|template| {
        assert_eq!(template.matches(mount).count(), 2, "the server's and that of its init container");
        template.replace(mount, "mountPath: /bitnami/postgresql, subPath: pg}")
    });
    let file = site.plan_to(moved, json!({})).expect("a plan");
    let finding = blocking(&file);
    assert_eq!(finding.code, Code::OtherDataDirectory, "{finding:#?}");
    assert!(finding.evidence.iter().any(|line| line.ends_with("pg/data on PersistentVolumeClaim/pvc-postgresql")));

    let protected = site.protected().expect("a PVC");
    let disk = site.disk(&protected).expect("a folder");
    let (outcome, _) = site.apply(&past_checks(file), &mut |_| {}).expect("a run");
    assert_ne!(outcome, Outcome::Finished);
    assert_eq!(site.protected().expect("a PVC"), protected, "the volume is Safe");
    // The new database takes the old password, and has none of the rows.
    let gone = site.rows().expect_err("there are no rows").to_string();
    assert!(gone.contains("relation \"trial\" does not exist"), "{gone}");
    assert!(disk.join("data/PG_VERSION").exists() && disk.join("pg/data/PG_VERSION").exists());
}
