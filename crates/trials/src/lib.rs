//! Upgrades for tests: on a simulated installation, and the same ones on a real cluster.

pub mod airgap;
pub mod customizations;
pub mod effects;
pub mod fidelity;
pub mod matrix;
pub mod offline;
pub mod private_registry;
pub mod program;
pub mod real;
pub mod reports;
pub mod same_values;
pub mod shell;
pub mod side_by_side;
pub mod sim;
pub mod sixty_values;
