//! Whether a run has written, by its journal.

use portolan_model::{Effect, JournalRecord, Observation};

/// Whether the journal shows that no write went out: each intent was refused, or had not been sent.
#[must_use]
pub fn nothing_written<'a>(records: impl Iterator<Item = &'a JournalRecord>) -> bool {
    let mut open = false;
    for record in records {
        match record {
            JournalRecord::Intent { .. } if open => return false,
            JournalRecord::Intent { .. } => open = true,
            JournalRecord::Effect { effect: Effect::Refused(_) | Effect::Void, .. } => open = false,
            JournalRecord::Effect { .. } | JournalRecord::Observed { observation: Observation::Done { .. }, .. } => {
                return false;
            }
            _ => {}
        }
    }
    !open
}

#[cfg(test)]
mod tests {
    use portolan_model::{Action, Ref, Refusal, Rv, StepRef, Uid, Verb, Write};

    use super::*;

    #[test]
    fn nothing_is_written_only_where_every_intent_came_to_nothing() {
        let step = StepRef { index: 0, attempt: 0 };
        let write =
            Write { verb: Verb::Delete, target: Ref::set("ns", "keycloak"), uid: Uid::new("1"), rv: Rv("1".into()) };
        let intent = || JournalRecord::Intent { step, action: Box::new(Action::Write(write.clone())), before: None };
        let effect = |effect| JournalRecord::Effect { step, effect };
        let refused = || effect(Effect::Refused(Refusal::Conflict));
        let ends = |records: Vec<JournalRecord>| nothing_written(records.iter());
        assert!(ends(vec![JournalRecord::Bound]));
        assert!(ends(vec![intent(), refused(), intent(), effect(Effect::Void)]));
        assert!(!ends(vec![intent(), refused(), intent(), effect(Effect::Done)]));
        assert!(!ends(vec![intent(), effect(Effect::Unknown("no answer".into()))]));
        // A crash left no word of what became of it.
        assert!(!ends(vec![intent()]));
        assert!(!ends(vec![intent(), intent(), refused()]));
    }
}
