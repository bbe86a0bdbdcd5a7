//! What is looked at once more just before helm starts. Since the plan was bound minutes may have passed, or days, where the run was
//! stopped: somebody may have taken a protection off, moved what the plan relied on, or made a PVC that was to be new.

use std::collections::BTreeSet;

use portolan_model::{
    Change, Code, Finding, Hop, Object, Observation, Plan, Precondition, Ref, Reply, Seen, Step, StepKind,
};

use crate::fold::Fold;
use crate::guard;
use crate::steps::{self, Next};

/// A hop whose helm comes next.
pub(crate) struct BeforeHelm<'a> {
    pub(crate) plan: &'a Plan,
    /// The hops before it.
    pub(crate) earlier: &'a [Hop],
    pub(crate) hop: &'a Hop,
    /// The steps of the hop that are over.
    pub(crate) done: &'a [Step],
    /// Whether helm was never started for this step.
    pub(crate) is_first: bool,
}

impl<'a> BeforeHelm<'a> {
    /// The objects to read.
    pub(crate) fn names(&self) -> Vec<Ref> {
        let protected = self.protections().filter_map(steps::protected);
        self.relied_on().map(|(name, _)| name).chain(protected).chain(self.new_claims()).cloned().collect()
    }

    /// What has to be done or said first; `None` where helm may start.
    pub(crate) fn judge(&self, seen: &[Seen], fold: &Fold, mark: &str) -> Option<Next> {
        if let Some(name) = self.goes_along() {
            let found = format!("{name} would go with the uninstall");
            return Some(Next::Halt(Finding::blocking(Code::BadPlan, found).about(name)));
        }
        let (relied, rest) = seen.split_at_checked(self.relied_on().count())?;
        let (protected, new) = rest.split_at_checked(self.protections().count())?;
        if !relied.is_empty()
            && let Some(finding) = guard::moved_by_others(self.relied_on().zip(relied), &self.steps_before())
        {
            return Some(Next::Halt(when_taken_back(finding, mark)));
        }
        let taken = self.new_claims().zip(new).find(|(_, seen)| !matches!(seen, Seen::Absent));
        if let Some((claim, _)) = taken {
            let found = format!("{claim} was to be new, and is there");
            let finding = Finding::blocking(Code::StrangeClaim, found).about(claim);
            return Some(Next::Halt(
                finding
                    .why("the new workload would take it over, with what is on it")
                    .next(format!("have its owner move it away, then go on with the same plan: portolan apply {mark}")),
            ));
        }
        self.protections().zip(protected).find_map(|(step, seen)| {
            if let Some(finding) = self.owner_goes(step, seen) {
                return Some(Next::Halt(when_taken_back(finding, mark)));
            }
            match steps::on_look(step, fold, mark, Reply::Seen(vec![seen.clone()])) {
                Next::Observed(Observation::WasDone { .. }, _) => None,
                next => Some(next),
            }
        })
    }

    /// What an uninstall must not delete and does: the planner makes no such step and the linter refuses it; this is the last lock.
    fn goes_along(&self) -> Option<&'a Ref> {
        let (op, run) = self.hop.steps.get(self.done.len())?.helm()?;
        let stays =
            |name: &Ref| self.hop.changes.iter().any(|one| one.object == *name && matches!(one.change, Change::Keep));
        run.docs.keys().find(|name| op.is_uninstall() && name.is_never_deleted() && !stays(name))
    }

    /// What the plan relied on, where nothing but steps of ours has changed it: all of it in the first hop. In the first hop of
    /// another release, what is in that release's namespace, or in none, and no earlier hop has written.
    fn relied_on(&self) -> impl Iterator<Item = (&'a Ref, &'a Precondition)> + use<'a> {
        let (earlier, release) = (self.earlier, self.plan.release_of(self.hop));
        let is_first = self.is_first && !earlier.iter().any(|hop| self.plan.release_of(hop) == release);
        let plan = Some(self.plan).filter(|_| is_first);
        plan.into_iter().flat_map(guard::relied_on).filter(move |(name, _)| {
            let is_own = name.namespace().is_empty() || name.namespace() == release.namespace;
            earlier.is_empty() || (is_own && !earlier.iter().any(|hop| is_written(hop, name)))
        })
    }

    /// All steps of the plan that are over.
    fn steps_before(&self) -> Vec<&'a Step> {
        self.earlier.iter().flat_map(|hop| &hop.steps).chain(self.done).collect()
    }

    fn protections(&self) -> impl Iterator<Item = &'a Step> + use<'a> {
        self.done.iter().filter(|step| steps::protected(step).is_some())
    }

    fn new_claims(&self) -> impl Iterator<Item = &'a Ref> + use<'a> {
        let hop = Some(self.hop).filter(|_| self.is_first);
        hop.into_iter().flat_map(|hop| &hop.new_claims).map(|new| &new.claim)
    }

    /// A PVC that got an owner which helm is about to delete.
    fn owner_goes(&self, step: &Step, seen: &Seen) -> Option<Finding> {
        let (StepKind::KeepClaim { claim, .. }, Seen::There(object)) = (&step.kind, seen) else { return None };
        let deleted: BTreeSet<&Ref> =
            self.hop.changes.iter().filter(|one| matches!(one.change, Change::Delete)).map(|one| &one.object).collect();
        let owner = owners(object).into_iter().find(|owner| deleted.contains(owner))?;
        Some(
            Finding::blocking(Code::ChangedSince, format!("{claim} belongs to {owner}, which helm is about to delete"))
                .about(claim)
                .why("what owns a PVC takes it along")
                .next("take the owner off the PVC"),
        )
    }
}

/// Whether a hop's helm, or a controller for it, makes, changes or deletes an object.
fn is_written(hop: &Hop, name: &Ref) -> bool {
    hop.changes.iter().any(|one| one.object == *name && !matches!(one.change, Change::Same | Change::Keep))
        || hop.new_claims.iter().any(|new| new.claim == *name)
}

/// Names the run that goes on when the change is taken back.
fn when_taken_back(finding: Finding, mark: &str) -> Finding {
    if finding.code != Code::ChangedSince {
        return finding;
    }
    let next = format!("{}, then go on with the same plan: portolan apply {mark}", finding.next);
    finding.next(next)
}

fn owners(object: &Object) -> Vec<Ref> {
    portolan_kube_facts::owners(object).into_iter().map(|owner| owner.name).collect()
}
