//! The engine: a plan and replies in, requests and records out.
//!
//! It does no I/O, reads no clock and remembers nothing but the fold of its journal. Two drivers answer
//! its requests: a real one, and a simulated one. A crash is a new engine from the same journal.

pub mod archive;
mod baseline;
mod before_helm;
mod engine;
mod fold;
mod guard;
mod left;
mod steps;
mod written;

pub use baseline::compare;
pub use engine::Engine;
pub use fold::{Fold, Phase, StepNote};
pub use left::{left, left_objects};
pub use written::nothing_written;
