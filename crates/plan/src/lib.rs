//! The planner, the survey and the linter.

pub mod linter;
pub mod planner;
pub mod survey;

pub use planner::Planning;
