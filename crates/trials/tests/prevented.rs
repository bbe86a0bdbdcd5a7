//! What a rehearsal that is not Safe says would prevent it, held against rehearsals that have that protection.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use portolan_model::{End, Verdict};
use portolan_rehearse::{Forecast, Options, Rehearsal, Subject};
use portolan_trials::sim;

const KEEP: &str = "keep-claims";
const RETAIN: &str = "retain-volumes";

/// What is printed of a plan: its verdict, and the page.
struct Printed {
    verdict: Verdict,
    page: String,
    forecast: Forecast,
}

/// Rehearses an upgrade with and without each of the two protections, and without other steps; by what of the two is left out.
fn printed(start: &str, others: &[&str]) -> BTreeMap<Vec<&'static str>, Printed> {
    let lists = [vec![], vec![KEEP], vec![RETAIN], vec![KEEP, RETAIN]];
    let one = |list: Vec<&'static str>| {
        let installation = sim::installation(start);
        let without: Vec<&str> = list.iter().chain(others).copied().collect();
        let file = sim::plan(installation.world(), &["2.20"], &without).expect("a plan");
        let mut world = installation.world().clone();
        world.learn_plan(&file);
        let subject = Subject::Plan(Arc::new(file.plan.clone()));
        let forecast = portolan_rehearse::rehearse(&world, &subject, &file.plan.volumes, Options::default());
        let rehearsal = Rehearsal { forecast, took: Duration::from_secs(1) };
        let page = portolan_report::rehearsal(&file.plan, &rehearsal).markdown();
        let forecast = rehearsal.forecast;
        (list, Printed { verdict: forecast.headline(), page, forecast })
    };
    lists.into_iter().map(one).collect()
}

const KEEP_IS_ENOUGH: &str = "Prevented by: helm.sh/resource-policy: keep on the PVC (then Safe).";
const KEEP_IS_NOT_READ: &str = "helm.sh/resource-policy: keep on the PVC does not prevent it";

/// Installations, and which other steps are left out of their plans: with the last ones the new workload mounts another PVC, and
/// nobody sees it.
const LEFT_OUT: [(&str, &[&str]); 3] =
    [("openshift-2.8", &[]), ("openshift-2.8", &["existing-claim", "verify-database"]), ("openshift-2.11", &[])];

#[test]
fn each_protection_that_is_named_does_what_is_said_of_it() {
    for (start, others) in LEFT_OUT {
        let all = printed(start, others);
        for list in all.keys() {
            check(&all, list, &format!("{start}, without {list:?} and {others:?}"));
        }
    }
}

/// Holds what one page says against the other rehearsals.
fn check(all: &BTreeMap<Vec<&'static str>, Printed>, list: &[&'static str], what: &str) {
    let Printed { verdict, page, .. } = &all[list];
    let has = |text: &str| page.contains(text);
    let with = |step: &str| all[&list.iter().copied().filter(|one| *one != step).collect::<Vec<_>>()].verdict;
    if has(KEEP_IS_ENOUGH) {
        assert!(*verdict > Verdict::Safe && with(KEEP) == Verdict::Safe, "{what}: {page}");
    }
    if has(KEEP_IS_NOT_READ) {
        assert_eq!(with(KEEP), *verdict, "{what}: {page}");
    }
    if has("Prevented by: Retain on the PV") || has("Retain on the PV alone") {
        assert!(*verdict > Verdict::Detached && with(RETAIN) == Verdict::Detached, "{what}: {page}");
    }
    if has("that is why it is Detached, not Lost") {
        let without_retain: Vec<&str> = list.iter().copied().chain([RETAIN]).collect();
        assert!(all[&without_retain].verdict > Verdict::Detached, "{what}: {page}");
    }
    // What helps is named.
    if *verdict > Verdict::Unknown && with(KEEP).min(with(RETAIN)) < *verdict {
        assert!(has("Prevented by"), "{what}: {page}");
    }
}

#[test]
fn keep_is_the_cure_where_helm_deletes_the_pvc_though_the_pod_was_garbage_collected() {
    for start in ["openshift-2.8", "kubernetes-2.8"] {
        let all = printed(start, &[]);
        let neither = &all[&vec![KEEP, RETAIN]];
        let both = format!("{KEEP_IS_ENOUGH} Retain on the PV alone leaves it Detached.");
        assert!(neither.page.contains(&both), "{start}: {}", neither.page);
        assert!(neither.page.contains("Decided by rule R8:"), "{start}: {}", neither.page);
        // The pod goes with its StatefulSet by R10 on the same way.
        assert!(neither.page.contains("R10"), "{start}: {}", neither.page);
        let without_keep = &all[&vec![KEEP]];
        assert_eq!(without_keep.verdict, Verdict::Detached);
        assert!(without_keep.page.contains(KEEP_IS_ENOUGH), "{start}: {}", without_keep.page);
        assert!(!without_keep.page.contains("Retain on the PV"), "{start}: {}", without_keep.page);
        assert!(without_keep.page.contains("Decided by rule H12:"), "{start}: {}", without_keep.page);
    }
}

#[test]
fn every_end_that_is_told_as_bad_is_bad() {
    for start in ["openshift-2.8", "kubernetes-2.8"] {
        for (list, one) in printed(start, &[]) {
            for volume in &one.forecast.volumes {
                for (end, trace) in &volume.ends {
                    let what = format!("{start} without {list:?}: {end:?} {:?}", trace.lines);
                    let is_held = end.holds && end.seen.end != End::Finished;
                    assert!(!(end.counts_as == Verdict::Detached && is_held), "{what}");
                    assert_eq!(end.is_bad(), trace.deletion.is_some(), "{what}");
                    let deletes = format!("helm deletes {}", volume.protected.claim);
                    let is_told = trace.lines.iter().any(|line| line.what.starts_with(&deletes));
                    assert!(!end.is_bad() || is_told, "{what}");
                }
            }
            let way = one.page.split_once("The shortest way there:").map(|(_, way)| way);
            assert!(
                way.is_none_or(|way| way.contains("helm deletes PersistentVolumeClaim/pvc-postgresql")),
                "{}",
                one.page
            );
        }
    }
}
