//! Rehearsal and reality agree: every outcome seen was predicted, and every predicted one was brought about.

use testkit::rig::{Rig, pins};
use trials::fidelity::{self, CASES};

#[test]
#[ignore = "needs the rig: cargo xtask test"]
fn rehearsal_and_reality_agree_on_one_helm() {
    let rig = Rig::shared().expect("the rig");
    // The newest helm 3: `cargo xtask fidelity` does the others too.
    let cases: Vec<_> = CASES.iter().map(|case| (*case, pins::HELM[1].to_owned())).collect();
    let rows = fidelity::run(&rig, &cases, 4, &|_| {}).expect("every case can be carried out");
    for row in &rows {
        let wrong = row.disagreements();
        assert!(wrong.is_empty(), "{}, {}: {wrong:?}", row.case.start, row.case.name());
    }
    let seen = |word: &str| rows.iter().flat_map(|row| row.seen.values()).any(|seen| seen.to_string().contains(word));
    for word in ["Lost", "Doomed", "Detached", "failed", "Safe"] {
        assert!(seen(word), "no case shows {word}");
    }
}
