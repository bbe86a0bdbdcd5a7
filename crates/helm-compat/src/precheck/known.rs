use std::collections::{BTreeMap, BTreeSet};

use portolan_model::{CheckAnswer, CheckAsk, Inventory, Object, Ref, Scope, ServerCheck};

/// What is known of the cluster: objects, and what may be concluded from absence.
#[derive(Clone, Debug, Default)]
pub struct KnownObjects {
    pub(super) objects: BTreeMap<Ref, Object>,
    pub(super) absent: BTreeSet<Ref>,
    /// Kinds of which everything was listed; namespace empty for the whole cluster.
    pub(super) complete: BTreeSet<Scope>,
    /// What was asked for and may not be read.
    pub(super) denied: BTreeSet<Ref>,
    /// CRDs and admission that the hops before write, in their order.
    pub(super) brought: Vec<Object>,
}

impl KnownObjects {
    /// What a survey found.
    #[must_use]
    pub fn of_inventory(inventory: &Inventory) -> Self {
        let scopes = inventory.coverage.iter().map(|one| &one.scope);
        let complete = scopes.filter(|scope| inventory.is_complete(&scope.kind, &scope.namespace)).cloned().collect();
        Self { objects: inventory.objects.clone(), complete, ..Self::default() }
    }

    /// Takes over what was read.
    pub(super) fn learn(&mut self, check: &ServerCheck, answer: &CheckAnswer) {
        let (kind, namespace) = (check.target.kind().to_owned(), check.target.namespace().to_owned());
        match (&check.ask, answer) {
            (CheckAsk::List, CheckAnswer::Found(objects)) => {
                self.objects.extend(objects.iter().filter_map(|object| Some((object.name()?, object.clone()))));
                self.complete.insert(Scope { kind, namespace });
            }
            (_, CheckAnswer::Found(objects)) => match objects.first() {
                Some(object) => drop(self.objects.insert(check.target.clone(), object.clone())),
                None => drop(self.absent.insert(check.target.clone())),
            },
            (_, CheckAnswer::NotServed) => drop(self.absent.insert(check.target.clone())),
            _ => drop(self.denied.insert(check.target.clone())),
        }
    }

    /// An object that is there.
    pub(super) fn get(&self, name: &Ref) -> Option<&Object> {
        self.objects.get(name)
    }

    /// Whether an object is known not to be there.
    pub(super) fn is_absent(&self, name: &Ref) -> bool {
        !self.objects.contains_key(name)
            && (self.absent.contains(name) || self.is_complete(name.kind(), name.namespace()))
    }

    /// Whether everything that can be known of an object is.
    pub(super) fn knows(&self, name: &Ref) -> bool {
        self.objects.contains_key(name) || self.denied.contains(name) || self.is_absent(name)
    }

    /// Whether every object of a kind in a namespace (empty: in the cluster) was listed.
    pub(super) fn is_complete(&self, kind: &str, namespace: &str) -> bool {
        let scope = |namespace: &str| Scope { kind: kind.to_owned(), namespace: namespace.to_owned() };
        self.complete.contains(&scope(namespace)) || self.complete.contains(&scope(""))
    }

    /// The objects of a kind.
    pub(super) fn of_kind(&self, kind: &str) -> impl Iterator<Item = (&Ref, &Object)> {
        self.objects.iter().filter(move |(name, _)| name.kind() == kind)
    }
}
