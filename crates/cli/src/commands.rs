//! A file for each command.

pub(crate) mod apply;
pub(crate) mod archive;
pub(crate) mod baseline;
pub(crate) mod bundle;
pub(crate) mod page;
pub(crate) mod plan;
pub(crate) mod protect;
pub(crate) mod rehearse;
pub(crate) mod run_end;
pub(crate) mod runs;
pub(crate) mod sim;
pub(crate) mod status;
pub(crate) mod survey;
pub(crate) mod unfinished;
pub(crate) mod upgrade;
pub(crate) mod values;
pub(crate) mod verify;
