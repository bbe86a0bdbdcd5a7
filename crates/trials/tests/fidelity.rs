//! Rehearsal and reality agree: every outcome seen was predicted, and every predicted one was brought about; and what a
//! step is there to prevent is seen where it is left out.

use std::collections::BTreeSet;

use portolan_recipe::{RecipeSet, StepTemplate};
use portolan_testkit::rig::pins;
use portolan_trials::fidelity;

#[test]
fn every_step_that_writes_is_left_out_in_some_case() {
    let left_out: Vec<String> =
        fidelity::cases().into_iter().filter(|case| case.harm.is_some()).flat_map(|case| case.without).collect();
    // These are left out in tests/left_out.rs: a rehearsal knows no admission webhooks, and without the chart's own values
    // no volume is touched. Without the end of the Secret the chart does not render, so there is no plan to carry out.
    let elsewhere = ["delete-secret", "delete-nginx", "domain", "distribution", "thanos-stores", "delete-ingress"];
    for step in RecipeSet::builtin().boundaries.iter().flat_map(|boundary| &boundary.steps) {
        let writes = !matches!(
            step.ask,
            // What only looks, and what a later step needs: an archive cannot be left out alone.
            StepTemplate::RecordDatabase { .. }
                | StepTemplate::ArchiveObject { .. }
                | StepTemplate::WaitReady
                | StepTemplate::VerifyVolume { .. }
                | StepTemplate::VerifyDatabase { .. }
        );
        let ids = step.ids().filter(|id| *id != "helm");
        for id in ids.filter(|_| writes) {
            assert!(elsewhere.contains(&id) || left_out.iter().any(|left| left == id), "{id} is never left out");
        }
    }
}

#[test]
#[ignore = "needs the rig: cargo xtask test"]
fn rehearsal_and_reality_agree_on_one_helm() {
    // The newest helm 3: `cargo xtask fidelity` does the others, and more cases.
    let cases = fidelity::cases().into_iter().filter(|case| case.always);
    let cases: Vec<_> = cases.map(|case| (case, pins::HELM[1].to_owned())).collect();
    let rows = fidelity::run(&cases, 4, &|_| {}).expect("every case can be carried out");
    for row in &rows {
        let wrong = row.disagreements();
        assert!(wrong.is_empty(), "{}, {}: {wrong:?}", row.case.start, row.case.name());
    }
    // What the rehearsals follow is what the API server wrote down.
    let seen: BTreeSet<&str> = rows.iter().flat_map(|row| row.effects.iter().copied()).collect();
    for rule in ["R3", "R5", "R6", "R8", "R9p", "R11a", "R11b", "R13", "R13r", "H3", "H4", "H5", "H12", "H13"] {
        assert!(seen.contains(rule), "{rule} is not in the audit log: {seen:?}");
    }
}
