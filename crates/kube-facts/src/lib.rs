//! What Kubernetes objects mean, as pure functions of their JSON. Each fact has one owner here: other crates ask, and do
//! not read `spec` paths themselves.
//!
//! Nothing here does I/O or reads a clock.

mod archived;
mod autoscaler;
mod claim_binding;
mod claim_mount;
mod claim_resize;
mod claim_use;
mod created_pod;
mod default_class;
mod definition;
mod deployment;
mod domain;
mod environment;
mod expansion;
mod identity;
mod image;
mod immutable;
mod kind;
mod kind_fields;
mod later_writes;
mod list_page;
mod mounted_file;
mod network_policy;
mod ownership;
mod pod_fields;
mod pod_template;
mod rbac;
mod readiness;
mod references;
mod resource_policy;
mod route;
mod scheduling;
mod scope;
pub mod semantics;
mod start_time;
mod stateful_set;
mod volume_policy;
mod written;

pub use archived::{compare, to_create};
pub use autoscaler::{scales_away, scales_to};
pub use claim_binding::{UnboundClaim, is_by_hand, is_made_by};
pub use claim_mount::{ClaimMount, claim_mounts, volumes_of_claim};
pub use claim_resize::{ClassKnown, ResizeRefusal, Sizes, class_of, refuses_resize};
pub use claim_use::{ClaimUse, Claims, Reach, mounts, reach};
pub use created_pod::created_pod;
pub use default_class::default_class;
pub use definition::{defines, forgets};
pub use deployment::{Deployment, Rollout, is_for_one_pod};
pub use domain::is_of_domain;
pub use environment::{DataObject, EnvEntry, EnvSet};
pub use expansion::expanded;
pub use identity::{
    FsGroupSupport, HandOver, fs_group, fs_group_support, fs_group_support_of, hand_over, run_as_group, run_as_user,
    supplemental_groups,
};
pub use image::{ImageField, ImageReference, has_project_paths, images, is_openshift_registry, is_repository, is_tag};
pub use immutable::immutable_violations;
pub use kind::Kind;
pub use kind_fields::kind_field;
pub use later_writes::{LaterWrite, later_writes};
pub use list_page::ListPage;
pub use mounted_file::{FileMode, MountedFiles};
pub use network_policy::{Direction, PodConnection, PolicyPods, allows, is_under, outside_peers};
pub use ownership::{
    Ancestor, Owner, OwnerFate, ancestors, controller, falls_with, fate, is_ephemeral, is_owned_by, owners, owners_in,
    reach_by_owners,
};
pub use pod_fields::{FieldEffect, changed_fields, container_field, pod_field};
pub use pod_template::{Container, ContainerKind, Mount, PodTemplate, claim_of, list};
pub use rbac::{Grant, Rule, binds_accounts_of, grants, is_given_to_all};
pub use readiness::{
    is_coming, is_paused, is_ready, pod_state, readiness, readiness_of, ready_for, replicas, restarts_lately,
};
pub use references::{Reference, references};
pub use resource_policy::{KEEP, RESOURCE_POLICY, RESOURCE_POLICY_POINTER, is_kept, policy_writers, stays_uninstalled};
pub use route::{addresses, is_route, refusal, routes, services};
pub use scheduling::{HostPort, NodeRefusal, Placement, amount, selects};
pub use scope::{UsualKind, group_of, is_cluster_scoped, kind_of_plural, plural, usual_kind, usual_kinds};
pub use start_time::{LeastTime, grace_period, least_time_to_end, least_time_to_ready};
pub use stateful_set::{StatefulSet, TemplateClaim};
pub use volume_policy::retain_by_hand;
pub use written::{WrittenKey, keys_written_after, runs_since, start_of_day};
