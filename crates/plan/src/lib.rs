//! The planner, the linter, and what each value does in a rendering.

pub mod effects;
pub mod images;
pub mod linter;
pub mod planner;
mod site_values;

pub use planner::Planning;
pub use site_values::{Credentials, changed_defaults, site_values};
