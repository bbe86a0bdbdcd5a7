//! What Portolan's tests stand on: above all the [`rig`], a real Kubernetes on this machine, and the [`proxy`] before it.

pub mod bundle;
mod cargo;
pub mod memory_registry;
pub mod proxy;
pub mod registry;
pub mod repository;
pub mod rig;

pub use cargo::cargo;
