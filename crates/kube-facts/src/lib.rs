//! What Kubernetes objects mean, as pure functions of their JSON. Each fact has one owner here: other crates ask, and do
//! not read `spec` paths themselves.
//!
//! Nothing here does I/O or reads a clock.

mod pod_template;

pub use pod_template::{Container, ContainerKind, Mount, PodTemplate};
