//! The planner and the linter.

pub mod linter;
pub mod planner;

pub use planner::Planning;
