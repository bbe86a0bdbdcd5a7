//! The real world: Kubernetes, the helm process, chart repositories, PostgreSQL, routes over HTTP and the file system.
//!
//! One module for each, and none knows another, but for [`charts`], which lets helm fetch, and what two of them need (`tls`);
//! [`driver`] alone wires them and answers the engine's requests.

pub mod bundles;
pub mod charts;
mod compat;
pub mod driver;
pub mod helm;
pub mod kubernetes;
pub mod postgres;
pub mod registry;
pub mod routes;
pub mod store;
mod tls;
