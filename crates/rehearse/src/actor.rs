use std::hash::{Hash, Hasher};

use engine::Engine;
use model::Write;

use crate::helm::HelmActor;
use crate::script::ScriptActor;

/// Whoever acts on the world besides its own rules. Each is a client of the API and lives by itself.
#[derive(Clone, Debug)]
pub enum Actor {
    /// Portolan's engine.
    Engine(Box<Engine>),
    /// A helm; it goes on when its parent dies.
    Helm(HelmActor),
    /// A write that a dead engine had sent: it may land yet, or never.
    InFlight(Write),
    /// Commands typed one after another.
    Script(ScriptActor),
}

impl Actor {
    pub(crate) fn hash_into(&self, state: &mut impl Hasher) {
        std::mem::discriminant(self).hash(state);
        match self {
            Self::Engine(engine) => engine.hash_into(state),
            Self::Helm(helm) => helm.hash_into(state),
            Self::InFlight(write) => (&write.target, &write.rv).hash(state),
            Self::Script(script) => script.hash_into(state),
        }
    }
}
