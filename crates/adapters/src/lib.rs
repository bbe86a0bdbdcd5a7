//! The real world: Kubernetes, the helm process, chart repositories, PostgreSQL, routes over HTTP and the file system.
//!
//! One module for each, and none knows another, but for [`charts`], which lets helm fetch, and what several of them need (`proxies`, `tls`);
//! [`driver`] alone wires them and answers the engine's requests.

pub mod bundles;
pub mod certificates;
pub mod charts;
mod compat;
pub mod driver;
pub mod helm;
pub mod kubernetes;
pub mod postgres;
mod proxies;
pub mod registry;
pub mod routes;
pub mod store;
mod tls;
