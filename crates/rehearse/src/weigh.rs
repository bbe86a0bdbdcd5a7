//! What an end counts as: the verdict on a volume as it is seen there, weighed by how the run ended.

use portolan_model::{End, StepKind, Verdict, VolumeEnd};

use crate::search::Subject;

/// A way in which it can end for a volume, and what that counts as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct WeighedEnd {
    /// The verdict that the end counts as: the one that people are told.
    pub counts_as: Verdict,
    /// The end as it is seen on a cluster.
    pub seen: VolumeEnd,
    /// Whether the PVC holds its volume there: it is bound to it, and neither is being deleted.
    pub holds: bool,
}

impl WeighedEnd {
    /// Weighs an end. Where the run stopped, or takes nothing away, a PVC that holds its volume is all that is asked; nobody need
    /// mount it.
    pub(crate) fn of(seen: VolumeEnd, holds: bool, takes_nothing: bool) -> Self {
        let counts_as = match (seen.end, seen.verdict) {
            (End::Finished, Verdict::Detached) if holds && takes_nothing => Verdict::Safe,
            (End::Stopped | End::Stranded, Verdict::Detached) if holds => Verdict::Safe,
            (_, verdict) => verdict,
        };
        Self { counts_as, seen, holds }
    }

    /// Whether harm was done: the volume is known not to be Safe.
    #[must_use]
    pub fn is_bad(&self) -> bool {
        self.counts_as > Verdict::Unknown
    }
}

/// Whether a plan takes nothing away: it protects, or puts back what was deleted. Which pods have to mount a volume its own steps check.
pub(crate) fn takes_nothing(subject: &Subject) -> bool {
    let adds = |kind: &StepKind| {
        let protects = matches!(kind, StepKind::RetainVolume { .. } | StepKind::KeepClaim { .. });
        protects
            || matches!(
                kind,
                StepKind::RestoreObject { .. } | StepKind::WaitReady { .. } | StepKind::VerifyVolume { .. }
            )
    };
    matches!(subject, Subject::Plan(plan) if plan.steps().all(|step| adds(&step.kind)))
}

#[cfg(test)]
mod tests {
    use portolan_model::ReleaseStatus;

    use super::*;

    #[test]
    fn a_pvc_that_holds_its_volume_is_enough_where_the_run_stops_or_takes_nothing() {
        use End::{Finished, Stopped, Stranded};
        use Verdict::{Detached, Doomed, Lost, Safe};
        for (end, seen, holds, takes_nothing, counts_as) in [
            (Stopped, Detached, true, false, Safe),
            (Stranded, Detached, true, false, Safe),
            (Stopped, Detached, false, false, Detached),
            (Stranded, Detached, false, true, Detached),
            (Finished, Detached, true, false, Detached),
            (Finished, Detached, true, true, Safe),
            (Finished, Detached, false, true, Detached),
            (Stopped, Doomed, false, false, Doomed),
            (Stopped, Lost, false, true, Lost),
            (Finished, Safe, true, false, Safe),
        ] {
            let seen = VolumeEnd { verdict: seen, end, release: ReleaseStatus::Deployed };
            let weighed = WeighedEnd::of(seen, holds, takes_nothing);
            assert_eq!(weighed.counts_as, counts_as, "{seen:?}, holds: {holds}, takes nothing: {takes_nothing}");
            assert_eq!(weighed.is_bad(), counts_as != Safe);
        }
    }
}
