//! The planner and the linter.

pub mod images;
pub mod linter;
pub mod planner;
mod site_values;

pub use planner::Planning;
pub use site_values::{Credentials, site_values};
