use portolan_model::{CheckReport, Finding, Severity};

use super::Next;

/// Goes on where nothing that was found blocks. What was found becomes one finding: the first, with the others as evidence.
pub(super) fn on_report(report: CheckReport) -> Next {
    let (blocking, others): (Vec<Finding>, Vec<Finding>) =
        report.findings.into_iter().partition(|finding| finding.severity == Severity::Blocking);
    let mut blocking = blocking.into_iter();
    let Some(mut first) = blocking.next() else {
        let notes: usize = others.iter().map(|finding| finding.evidence.len().max(1)).sum();
        let asked = match report.asked {
            0 => "the API server was asked for no dry run".to_owned(),
            asked => format!("the API server accepts {}", crate::fold::count(asked, "write")),
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
        match on_report(report(vec![note, refused("first"), refused("second")])) {
            Next::Halt(finding) => {
                assert_eq!((finding.found.as_str(), finding.evidence), ("first", vec!["[PL245] second".to_owned()]));
            }
            _ => panic!("a refusal stops the run"),
        }
    }
}
