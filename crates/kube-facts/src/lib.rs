//! What Kubernetes objects mean, as pure functions of their JSON. Each fact has one owner here: other crates ask, and do
//! not read `spec` paths themselves.
//!
//! Nothing here does I/O or reads a clock.

mod autoscaler;
mod claim_mount;
mod claim_resize;
mod claim_use;
mod created_pod;
mod identity;
mod ownership;
mod pod_template;
mod rbac;
mod readiness;
mod references;
mod stateful_set;

pub use autoscaler::scales_away;
pub use claim_mount::{ClaimMount, claim_mounts, volumes_of_claim};
pub use claim_resize::{ClassKnown, ResizeRefusal, Sizes, class_of, refuses_resize};
pub use claim_use::{ClaimUse, Reach, mounts, reach};
pub use created_pod::created_pod;
pub use identity::{
    FsGroupSupport, HandOver, fs_group, fs_group_support, hand_over, run_as_group, run_as_user, supplemental_groups,
};
pub use ownership::{Ancestor, Owner, OwnerFate, ancestors, falls_with, fate, is_ephemeral, owners, reach_by_owners};
pub use pod_template::{Container, ContainerKind, Mount, PodTemplate, list};
pub use rbac::{Grant, Rule, grants};
pub use readiness::{is_ready, unready_reason};
pub use references::{Reference, references};
pub use stateful_set::{StatefulSet, TemplateClaim};
