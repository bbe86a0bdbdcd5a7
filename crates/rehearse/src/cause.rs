//! What on a path decided over a volume: the event that made the verdict what it is, and who deleted the PVC.

use portolan_model::{ProtectedVolume, Verdict};

use crate::actor::Actor;
use crate::rules::RuleId;
use crate::trace::{Happening, Moment};
use crate::world::World;

/// The event after which the verdict on a volume stays as it is at the end of a trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cause {
    /// The line of the trace that tells it, from 0.
    pub line: usize,
    /// The number of the rule that it follows, one of helm's included; `None` for what a person or Portolan decides.
    pub rule: Option<&'static str>,
}

/// Who deleted a PVC. It says which protection would have helped: see `docs/rules.md` on H12, H16 and R10.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClaimDeletion {
    /// An upgrade by helm, which reads `helm.sh/resource-policy` of the live PVC.
    HelmUpgrade,
    /// An uninstall by helm, which reads it in the stored manifest alone.
    HelmUninstall,
    /// The garbage collector, since the owners of the PVC are gone. It reads no annotation.
    Collected,
    /// Anybody else, who reads no annotation either.
    Another,
}

/// The moment on a path after which a volume is what it is at the end of it; `last` is the world there. A PVC that holds its volume is as
/// good as a mounted one, unless that is all that there is in the end: where the PVC goes, its deletion decides and not the end of
/// the pod before it.
pub(crate) fn decisive(
    moments: &[Moment<'_>],
    last: &World,
    look: &dyn Fn(&World) -> (Verdict, bool),
) -> Option<usize> {
    let (end, holds_at_end) = look(last);
    let weighed = |world: &World| match look(world) {
        (Verdict::Detached, true) if !holds_at_end => Verdict::Safe,
        (verdict, _) => verdict,
    };
    moments.iter().rposition(|moment| weighed(moment.world) != end)
}

/// The number of the rule that an event follows.
pub(crate) fn rule_of(moment: &Moment<'_>) -> Option<&'static str> {
    match moment.happening? {
        Happening::Rule(rule, _) => Some(rule.code()),
        Happening::Actor(Actor::Helm(helm), _) => helm.rules(moment.world).last().copied(),
        Happening::Actor(..) => None,
    }
}

/// Who deleted the PVC of a volume on a path; `None` where it is there in the end, in the world `last`.
pub(crate) fn claim_deletion(
    moments: &[Moment<'_>],
    last: &World,
    protected: &ProtectedVolume,
) -> Option<ClaimDeletion> {
    let is_there = |world: &World| {
        let claim = world.get(&protected.claim).filter(|claim| claim.is(&protected.claim_uid));
        claim.is_some_and(|claim| !claim.is_terminating())
    };
    if is_there(last) {
        return None;
    }
    let moment = moments.iter().rfind(|moment| is_there(moment.world))?;
    Some(match moment.happening? {
        Happening::Rule(RuleId::Collect, _) => ClaimDeletion::Collected,
        Happening::Actor(Actor::Helm(helm), _) if helm.job.op.is_uninstall() => ClaimDeletion::HelmUninstall,
        Happening::Actor(Actor::Helm(_), _) => ClaimDeletion::HelmUpgrade,
        Happening::Rule(..) | Happening::Actor(..) => ClaimDeletion::Another,
    })
}
