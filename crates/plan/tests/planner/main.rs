//! The planner and the linter on small installations written by hand.

#![allow(clippy::expect_used, reason = "a test says what it expects")]

mod hooks;
mod identity;
mod lints;
mod opens;
mod paths;
mod place;
mod protect;
mod refusals;
mod store;
mod taken;
mod values;
mod without;
mod yard;
