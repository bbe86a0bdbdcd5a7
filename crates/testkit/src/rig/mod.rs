//! rig

mod build;
mod cache;
mod debian;
mod image;
mod images;
mod net;
pub mod pins;
mod state;

pub use build::build;
pub use cache::{Build, Cache};
pub use net::Net;
pub use state::*;
