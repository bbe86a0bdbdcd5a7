//! What Portolan's tests stand on: above all the [`rig`], a real Kubernetes on this machine, and the [`proxy`] before it.

pub mod authority;
pub mod bundle;
mod cargo;
mod loopback;
pub mod memory_registry;
pub mod proxy;
pub mod registry;
pub mod repository;
pub mod rig;
pub mod tunnels;

pub use cargo::cargo;
