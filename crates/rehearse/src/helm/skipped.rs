//! The turns of helm's that a search takes along with the one before: nothing can come between that anybody would notice.

use std::collections::BTreeSet;

use super::{At, HelmActor, HelmError, WriteResult};
use crate::world::World;

impl HelmActor {
    /// Takes the turns along that make no difference. `followed` gets the numbers of their rules; what is refused in them for the
    /// first time comes back.
    pub(crate) fn skip(&mut self, world: &mut World, followed: &mut BTreeSet<&'static str>) -> Option<HelmError> {
        let had_failed = self.errors.is_some();
        while self.makes_no_difference(world) {
            followed.extend(self.rules(world));
            self.turn(world, WriteResult::Served);
        }
        if had_failed { None } else { self.errors.as_deref().cloned() }
    }

    /// Whether a failure or a kill at the next turn has no other consequences than one later on: it writes nothing and only goes
    /// on to what comes next, or a later write stands for it.
    fn makes_no_difference(&self, world: &World) -> bool {
        match self.at {
            At::Apply(at) => at >= self.job.target.len() || self.stands_for(world, at),
            At::Remove(at) => !self.removes(at),
            At::Delete(at) => at < self.job.stored.len() && self.deleted(at).is_none(),
            At::Start | At::Supersede | At::Deployed | At::Failed | At::Purge | At::Uninstalled => false,
        }
    }

    /// Whether a later write stands for that of a document: both are creations, which end helm's run where they fail, or both are
    /// patches, which do not; nothing reads either object, nor what is written between.
    fn stands_for(&self, world: &World, at: usize) -> bool {
        let is_there = |name| world.thing(name).is_some();
        let mut inert = self.job.target[at..].iter().map(|(name, _)| name).take_while(|name| world.is_inert(name));
        let Some(first) = inert.next() else { return false };
        inert.any(|later| later != first && is_there(later) == is_there(first))
    }
}
