//! Which rules can fire in a world, and the setting aside of what none of them can reach.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use portolan_model::Ref;

use crate::object_view::Kind;
use crate::rules::{self, RuleId};
use crate::world::World;

impl World {
    /// The rules that can fire.
    pub(crate) fn enabled_rules(&self) -> Vec<(RuleId, Ref)> {
        let mut enabled = Vec::new();
        for (name, thing) in self.things.iter() {
            rules::enabled(self, name, thing, &mut enabled);
        }
        debug_assert!(self.is_set_aside_at_rest(), "what was set aside moves");
        enabled
    }

    /// Sets aside what no rule can reach from what will be `touched`. It makes no difference to what happens, only to
    /// how long that takes: a write to what was set aside brings everything back.
    pub(crate) fn set_aside_unreachable(&mut self, touched: impl IntoIterator<Item = Ref>) {
        self.restore_all();
        let mut readers: HashMap<Ref, Vec<&Ref>> = HashMap::new();
        for (name, thing) in self.things.iter() {
            for read in rules::reads(&thing.view) {
                readers.entry(read).or_default().push(name);
            }
        }
        let restless = self.things.iter().filter(|(name, thing)| !rules::is_at_rest(self, name, thing));
        let mut next: Vec<Ref> = touched.into_iter().chain(restless.map(|(name, _)| name.clone())).collect();
        let mut reached: BTreeSet<Ref> = BTreeSet::new();
        while let Some(name) = next.pop() {
            if !reached.insert(name.clone()) {
                continue;
            }
            // Nobody looks at a container, so it is reached only where somebody writes to it, or it is being deleted.
            if let Some(Kind::Container(container)) = self.things.get(&name).map(|thing| &thing.view.kind) {
                next.extend(self.things.keys().filter(|name| container.holds(name)).cloned());
            }
            next.extend(readers.get(&name).into_iter().flatten().map(|reader| (*reader).clone()));
            // What it looks at it may write to as well.
            next.extend(self.things.get(&name).into_iter().flat_map(|thing| rules::reads(&thing.view)));
        }
        let (things, still) = self
            .things
            .iter()
            .map(|(name, thing)| (name.clone(), thing.clone()))
            .partition(|(name, _)| reached.contains(name));
        (self.things, self.set_aside) = (Arc::new(things), Arc::new(still));
    }

    /// Whether no rule of what was set aside can fire.
    pub(crate) fn is_set_aside_at_rest(&self) -> bool {
        self.set_aside.iter().all(|(name, thing)| rules::is_at_rest(self, name, thing))
    }

    /// Brings back what was set aside.
    pub(crate) fn restore_all(&mut self) {
        if !self.set_aside.is_empty() {
            let still = std::mem::take(&mut self.set_aside);
            Arc::make_mut(&mut self.things).extend(still.iter().map(|(name, thing)| (name.clone(), thing.clone())));
        }
    }
}
