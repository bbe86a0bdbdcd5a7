//! A real Kubernetes with a real node on this machine, made from package registries alone.
//!
//! Everything of a running rig is in mount, pid and network namespaces of its own, so that taking it down is one kill.

mod api;
mod build;
mod cache;
mod cgroup;
mod cluster;
mod config;
mod debian;
mod image;
mod images;
mod launch;
mod net;
mod npm;
pub mod pins;
mod pki;
mod running;
mod space;
mod state;
mod tools;
mod work;

pub use api::Api;
pub(crate) use api::Upstream;
pub use build::build;
pub use cache::{Build, Cache};
pub use cluster::APPS_DOMAIN;
pub use images::{POSTGRES, POSTGRES_16, STUB};
pub use launch::inside;
pub use net::Net;
pub(crate) use pki::{kubeconfig, write_secret};
pub use running::{Availability, Rig, availability};
pub use space::Namespace;
pub use state::{NodeImages, PATIENCE, Shape, State};
pub use tools::{Dyff, ImageTools};
