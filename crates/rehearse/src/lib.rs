//! The simulated world: a Kubernetes API with the rules of Helm and of the controllers that can reach a
//! volume, and the search over all orders in which they can act.
//!
//! Worlds are values: they clone cheaply, hash stably, and hold no clock. Rules have the numbers under which
//! `docs/rules.md` describes them.

mod actor;
mod api;
mod archive;
mod cause;
mod deployments;
mod engine_actor;
mod explore;
mod helm;
mod installation;
mod judge;
mod object_view;
mod page;
mod reach;
mod registry;
mod relevant;
mod restore;
mod routes;
mod rules;
mod script;
mod search;
mod serve;
mod sets;
mod settle;
mod simulation;
mod space;
mod state_hash;
mod stuck;
mod survey;
#[cfg(test)]
mod test_world;
#[cfg(test)]
mod tests;
mod trace;
mod weigh;
mod world;

pub use cause::{Cause, ClaimDeletion};
pub use helm::{HELM_RULES, HelmJob};
pub use installation::{Installation, InstallationSnapshot, simulated_helm};
pub use judge::{Alive, judge};
pub use page::{DatabaseEnd, databases_at_end, page_script};
pub use registry::SimulatedRegistry;
pub use restore::from_inventory;
pub use rules::{RULES, RuleId};
pub use script::{CommandScript, Op, ScriptLine};
pub use search::{Forecast, Options, Rehearsal, Subject, Trace, VolumeForecast, drained, ends, rehearse};
pub use stuck::Stuck;
pub use trace::{TraceActor, TraceLine, TracePlace};
pub use weigh::WeighedEnd;
pub use world::{Database, Disk, Facts, KnownDatabase, Migration, World};
