//! A file for each command.

pub mod apply;
pub mod page;
pub mod plan;
pub mod rehearse;
pub mod sim;
pub mod status;
pub mod survey;
pub mod upgrade;
pub mod verify;
