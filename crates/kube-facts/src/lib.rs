//! What Kubernetes objects mean, as pure functions of their JSON. Each fact has one owner here: other crates ask, and do
//! not read `spec` paths themselves.
//!
//! Nothing here does I/O or reads a clock.

mod claim_resize;
mod created_pod;
mod pod_template;
mod references;

pub use claim_resize::{ClassKnown, ResizeRefusal, Sizes, class_of, refuses_resize};
pub use created_pod::created_pod;
pub use pod_template::{Container, ContainerKind, Mount, PodTemplate};
pub use references::{Reference, references};
