//! Voyages for tests: on a simulated installation, and the same ones on a real cluster.

pub mod fidelity;
pub mod matrix;
pub mod real;
pub mod side_by_side;
pub mod sim;
