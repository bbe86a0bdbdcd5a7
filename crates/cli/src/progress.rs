//! What a run says while it goes.

use portolan_model::{Event, Plan, Progress};

/// What a run says while it goes: a line for what is new, and for a wait one now and then.
pub(crate) struct ProgressPrinter {
    /// The width of the terminal; lines for a file are not cut.
    room: Option<usize>,
    last: String,
    waiting: Option<(Vec<Progress>, u64)>,
}

impl ProgressPrinter {
    /// Seconds (events, in a simulation) after which a wait that is as it was is told again.
    const EVERY: u64 = 10;

    /// For a reader: a terminal, or what takes lines of any length.
    pub(crate) fn new(room: Option<usize>) -> Self {
        Self { room, last: String::new(), waiting: None }
    }

    /// The line for an event, where it is worth one.
    pub(crate) fn line(&mut self, event: &Event, plan: &Plan) -> Option<String> {
        if let Event::Waiting { progress, elapsed, .. } = event {
            if let Some((before, told)) = &self.waiting
                && before == progress
                && (*told..*told + Self::EVERY).contains(&elapsed.count())
            {
                return None;
            }
            self.waiting = Some((progress.clone(), elapsed.count()));
        } else {
            self.waiting = None;
        }
        let line = portolan_report::event(event, plan, self.room)?;
        if line == self.last {
            return None;
        }
        self.last.clone_from(&line);
        Some(line)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use portolan_model::{Cond, Elapsed, JournalRecord, Ref};

    use super::*;

    #[test]
    fn a_wait_is_told_when_it_changes_and_now_and_then() {
        let plan: Plan = serde_json::from_value(serde_json::json!({
            "format": portolan_model::FORMAT, "cluster": "c", "server": "", "release": {"namespace": "", "name": ""},
            "helm": {"helm": "simulated", "version": "3.22.0"},
            "from": {"name": "", "version": "1.0.0"}, "to": {"name": "", "version": "1.0.0"},
            "hops": [], "preconditions": {}, "volumes": [], "databases": [], "without": [], "accepted": [],
            "findings": [],
        }))
        .expect("an empty plan");
        let mut telling = ProgressPrinter::new(None);
        let mut told = |seen: &str, elapsed| {
            let progress = vec![Progress { cond: Cond::Ready(Ref::set("ns", "keycloak")), seen: seen.into() }];
            telling
                .line(
                    &Event::Waiting {
                        step: 0,
                        progress,
                        elapsed: Elapsed::Seconds(elapsed),
                        limit: Duration::from_secs(60),
                    },
                    &plan,
                )
                .is_some()
        };
        let seen: Vec<u64> = (1..30).filter(|&elapsed| told("0 of 1", elapsed)).collect();
        assert_eq!(seen, [1, 11, 21]);
        assert!(told("1 of 1", 30));
        assert!(!told("1 of 1", 31));
        // The next wait begins anew.
        assert!(told("1 of 1", 1));
        assert!(telling.line(&Event::Recorded(Box::new(JournalRecord::Bound)), &plan).is_some());
        assert!(telling.line(&Event::Recorded(Box::new(JournalRecord::Bound)), &plan).is_none());
    }
}
