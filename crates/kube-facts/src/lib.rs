//! What Kubernetes objects mean, as pure functions of their JSON. Each fact has one owner here: other crates ask, and do
//! not read `spec` paths themselves.
//!
//! Nothing here does I/O or reads a clock.

mod claim_use;
mod ownership;
mod pod_template;
mod readiness;
mod stateful_set;

pub use claim_use::{ClaimUse, Reach, mounts, reach};
pub use ownership::{Ancestor, Owner, OwnerFate, ancestors, falls_with, fate, is_ephemeral, owners, reach_by_owners};
pub use pod_template::{Container, ContainerKind, Mount, PodTemplate};
pub use readiness::{is_ready, unready_reason};
pub use stateful_set::{StatefulSet, TemplateClaim};
