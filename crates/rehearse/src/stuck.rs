//! Why a plan cannot finish, and what is not Safe about it, as findings.

use std::collections::BTreeSet;

use portolan_model::{Code, Finding, JsonPointer, Unmodelled, Verdict};

use crate::search::{Forecast, VolumeForecast};
use crate::trace::{TraceLine, TracedPath};

/// Why no order of events reaches the end of a plan.
#[derive(Clone, Debug)]
pub struct Stuck {
    /// What is refused, or what the run halts at: [`Code::NeverFinishes`] with object, field and rule.
    pub finding: Finding,
    /// The shortest way there without stops, crashes and faults.
    pub lines: Vec<TraceLine>,
}

/// A path that ends too early, concluded.
pub(crate) fn of(trace: TracedPath) -> Stuck {
    let step = trace.at_step.map_or_else(String::new, |step| format!(" in step {step}"));
    let finding = match (&trace.refused, &trace.halted) {
        (Some(refused), _) => {
            let field = refused.field.as_ref().map_or_else(String::new, |field| format!(" {field} of"));
            let found = format!("the plan cannot finish: helm's write to{field} {} is refused{step}", refused.object);
            let finding = Finding::blocking(Code::NeverFinishes, found).about(&refused.object);
            let finding = finding.with(format!("rule: {}", refused.text));
            match &refused.field {
                Some(field) => finding
                    .at(JsonPointer::of_dotted(field).as_str())
                    .next(format!("give the chart values that leave {field} of {} as it is", refused.object)),
                None => finding.next("give the chart values with which helm does not write that object, or with which the rule allows it"),
            }
        }
        (None, Some(halted)) => {
            let found = format!("the plan cannot finish: it halts{step}: {}", halted.found);
            let mut finding = Finding::blocking(Code::NeverFinishes, found).with(format!("[{}]", halted.code));
            finding.evidence.extend(halted.evidence.iter().cloned());
            finding.subject.clone_from(&halted.subject);
            finding.next(halted.next.clone())
        }
        (None, None) => Finding::blocking(
            Code::NeverFinishes,
            format!("the plan cannot finish: it waits for what never comes{step}"),
        ),
    };
    Stuck { finding, lines: trace.lines }
}

impl Forecast {
    /// What stops the plan: each volume that is not Safe, the worst first, and why the plan cannot finish. Empty where it may be
    /// applied.
    #[must_use]
    pub fn findings(&self) -> Vec<Finding> {
        let mut volumes: Vec<&VolumeForecast> = self.volumes.iter().collect();
        volumes.sort_by_key(|item| std::cmp::Reverse(item.headline));
        let mut findings: Vec<Finding> = volumes.into_iter().filter_map(not_safe).collect();
        for item in self.volumes.iter().filter(|item| !item.finishes) {
            let finding = match &item.stuck {
                Some(stuck) => {
                    stuck.lines.iter().fold(stuck.finding.clone(), |finding, line| finding.with(line.to_string()))
                }
                None => {
                    Finding::blocking(Code::NeverFinishes, Code::NeverFinishes.title()).about(&item.protected.claim)
                }
            };
            // The same refusal is seen from each volume.
            if !findings.iter().any(|other| other.code == finding.code && other.subject == finding.subject) {
                findings.push(finding);
            }
        }
        findings
    }
}

fn not_safe(item: &VolumeForecast) -> Option<Finding> {
    if item.headline == Verdict::Safe || (item.may_be_applied() && item.finishes) {
        return None;
    }
    let (volume, claim) = (&item.protected.volume, &item.protected.claim);
    let found = format!("{volume} of {claim} can end {}: {}", item.headline, item.headline.meaning());
    let finding = Finding::blocking(Code::NotSafe, found).about(claim);
    let unknown: Vec<&Unmodelled> = item.unknown.iter().filter(|one| !one.accepted).collect();
    let finding = unknown.iter().fold(finding, |finding, one| finding.with(one.line()));
    if item.headline != Verdict::Unknown || unknown.is_empty() {
        return Some(finding);
    }
    let ways: BTreeSet<&str> = unknown.iter().map(|one| one.way_out.as_str()).collect();
    let accepts: BTreeSet<String> = unknown.iter().map(|one| one.accept_option()).collect();
    let (ways, accepts): (Vec<&str>, Vec<String>) = (ways.into_iter().collect(), accepts.into_iter().collect());
    let next =
        format!("{}; or plan again and accept what is said: {} --reason TEXT", ways.join("; "), accepts.join(" "));
    Some(finding.why("what may become of the data there is not known, and what is not known is not Safe").next(next))
}
