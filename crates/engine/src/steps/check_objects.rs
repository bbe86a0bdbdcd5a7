use portolan_model::{Accepted, CheckReport, Finding, Severity};

use super::Next;

/// What is found again and was accepted with the plan blocks no more.
pub(crate) fn without_accepted(mut report: CheckReport, accepted: &[Accepted]) -> CheckReport {
    let is_accepted = |finding: &&mut Finding| {
        accepted.iter().any(|one| one.code == finding.code && one.claim.is_none() && one.code.is_found_live())
    };
    report.findings.iter_mut().filter(is_accepted).for_each(|finding| finding.severity = Severity::Warning);
    report
}

/// Goes on where nothing that was found blocks. What was found becomes one finding: the first, with the others as evidence.
pub(super) fn on_report(report: CheckReport) -> Next {
    let (blocking, others): (Vec<Finding>, Vec<Finding>) =
        report.findings.into_iter().partition(|finding| finding.severity == Severity::Blocking);
    let mut blocking = blocking.into_iter();
    let Some(mut first) = blocking.next() else {
        let notes: usize = others.iter().map(|finding| finding.evidence.len().max(1)).sum();
        let asked = match report.asked {
            0 => "no write had to be tried with a dry run".to_owned(),
            asked => format!("the API server accepts {}", portolan_model::counted(asked, "write")),
        };
        return Next::was_done(if notes == 0 {
            asked
        } else {
            format!("{asked}, except {notes} that it did not check")
        });
    };
    first.evidence.extend(blocking.map(|finding| finding.to_string()));
    Next::Halt(first)
}

#[cfg(test)]
mod tests {
    use portolan_model::{Code, Observation};

    use super::*;

    #[test]
    fn only_what_blocks_stops_the_run() {
        let note = Finding::note(Code::NotChecked, "not checked").with("Secret/a").with("Secret/b");
        let refused = |what: &str| Finding::blocking(Code::ServerRefuses, what);
        let report = |findings| CheckReport { asked: 7, findings };
        match on_report(report(vec![note.clone()])) {
            Next::Observed(Observation::WasDone { note }, _) => {
                assert_eq!(note, "the API server accepts 7 writes, except 2 that it did not check");
            }
            _ => panic!("a note stops nothing"),
        }
        let no_node = || report(vec![Finding::blocking(Code::NoNode, "no node")]);
        let accepted = |code| Accepted { code, claim: None, reason: "an autoscaler adds one".into() };
        assert!(matches!(on_report(without_accepted(no_node(), &[accepted(Code::NoNewVolume)])), Next::Halt(_)));
        assert!(matches!(on_report(without_accepted(no_node(), &[accepted(Code::NoNode)])), Next::Observed(..)));
        match on_report(report(vec![note, refused("first"), refused("second")])) {
            Next::Halt(finding) => {
                assert_eq!((finding.found.as_str(), finding.evidence), ("first", vec!["[PL245] second".to_owned()]));
            }
            _ => panic!("a refusal stops the run"),
        }
    }
}
