//! The planner and the linter.

pub mod images;
pub mod linter;
pub mod planner;

pub use planner::Planning;
