use portolan_model::{
    ChartId, DatabaseRef, Mount, ReleaseId, SecretKey, Snapshot, Table, Uid, UninstallEffect, Verdict, Workload,
};

use super::*;

fn volume_of(claim: &str, set: &str) -> Volume {
    Volume {
        claim: Ref::claim("ns", claim),
        claim_uid: Uid::new(claim),
        volume: Some(Ref::volume(&format!("pv-{claim}"))),
        volume_uid: Some(Uid::new("disk")),
        policy: Some("Retain".into()),
        class: None,
        size: "1Gi".into(),
        keep_live: None,
        keep_stored: None,
        in_manifest: true,
        terminating: false,
        volume_terminating: false,
        mounts: vec![Mount { pod: Ref::pod("ns", &format!("{set}-0")), workload: Some(Ref::set("ns", set)) }],
        if_uninstalled: UninstallEffect { verdict: Verdict::Detached, why: String::new() },
    }
}

fn baseline() -> Baseline {
    let rows = Table { rows: 10, columns: vec!["id integer".into()], ..Table::default() };
    let database = DatabaseRef {
        pod: Ref::pod("ns", "postgresql-0"),
        port: 5432,
        user: "postgres".into(),
        database: "backend".into(),
        password: SecretKey { secret: Ref::secret("ns", "pg"), key: "password".into() },
        outside: None,
    };
    let snapshot = Snapshot {
        system_identifier: "7".into(),
        server_version: "15".into(),
        database: "backend".into(),
        tables: [("public.a".to_owned(), rows)].into(),
        others: std::collections::BTreeMap::new(),
    };
    Baseline {
        format: portolan_model::FORMAT,
        taken: 0,
        cluster: Uid::new("c"),
        server: String::new(),
        release: ReleaseId { namespace: "ns".into(), name: "r".into() },
        revision: 7,
        chart: ChartId { name: "r".into(), version: "2.8.20".parse().expect("a version") },
        claims: [Ref::claim("ns", "pvc-postgresql")].into(),
        volumes: vec![volume_of("pvc-postgresql", "postgresql")],
        workloads: vec![Workload { name: Ref::set("ns", "postgresql"), ready: true, state: "1 of 1 ready".into() }],
        databases: vec![RecordedDatabase { database, snapshot }],
    }
}

/// The codes of what is wrong after a change.
fn wrong(change: impl FnOnce(&mut Baseline)) -> Vec<Code> {
    let before = baseline();
    let mut now = before.clone();
    change(&mut now);
    let found = compare(&before, &now, &["public.b".into()]);
    found.into_iter().filter_map(|check| check.finding).map(|finding| finding.code).collect()
}

#[test]
fn what_is_as_it_was_holds() {
    assert_eq!(wrong(|_| ()), []);
}

#[test]
fn a_volume_that_is_another_one_or_goes_is_seen() {
    assert_eq!(wrong(|now| now.volumes.clear()), [Code::VolumeDiffers]);
    assert_eq!(wrong(|now| now.volumes[0].claim_uid = Uid::new("new")), [Code::VolumeDiffers]);
    assert_eq!(wrong(|now| now.volumes[0].volume_uid = Some(Uid::new("new"))), [Code::VolumeDiffers]);
    assert_eq!(wrong(|now| now.volumes[0].volume = Some(Ref::volume("new"))), [Code::VolumeDiffers]);
    assert_eq!(wrong(|now| now.volumes[0].terminating = true), [Code::VolumeDiffers]);
    assert_eq!(wrong(|now| now.volumes[0].mounts.clear()), [Code::VolumeDiffers]);
    assert_eq!(wrong(|now| now.volumes[0].policy = Some("Delete".into())), [Code::VolumeDiffers]);
}

#[test]
fn a_new_claim_is_wrong_only_beside_data() {
    let with = |claim: &str, set: Option<&str>| {
        wrong(|now| {
            now.claims.insert(Ref::claim("ns", claim));
            now.volumes.extend(set.map(|set| volume_of(claim, set)));
        })
    };
    assert_eq!(with("data-redis-0", Some("redis")), []);
    assert_eq!(with("backup", None), []);
    assert_eq!(with("fresh", Some("postgresql")), [Code::StrangeClaim]);
    // No pod names it, and the survey does not take it for the release's.
    assert_eq!(with("data-postgresql-0", None), [Code::StrangeClaim]);
}

#[test]
fn a_database_may_grow_and_nothing_else() {
    fn rows(now: &mut Baseline) -> &mut u64 {
        &mut now.databases[0].snapshot.tables.get_mut("public.a").expect("it is there").rows
    }
    assert_eq!(wrong(|now| *rows(now) = 11), []);
    assert_eq!(wrong(|now| *rows(now) = 9), [Code::TablesLost]);
    assert_eq!(wrong(|now| now.databases[0].snapshot.system_identifier = "8".into()), [Code::OtherDatabase]);
    assert_eq!(wrong(|now| now.databases.clear()), [Code::NoDatabase]);
}

#[test]
fn workloads_may_go_with_a_revision_and_not_by_themselves() {
    assert_eq!(wrong(|now| now.workloads[0].ready = false), [Code::NotReady]);
    assert_eq!(wrong(|now| now.workloads.clear()), [Code::NotAsSaved]);
    let upgraded = wrong(|now| {
        now.workloads.clear();
        now.revision += 1;
    });
    assert_eq!(upgraded, []);
}
