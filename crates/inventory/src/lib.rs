//! An installation as it was found: the survey (questions out, an Inventory in), inventories saved to a file, and what is
//! redacted in whatever leaves this machine. Nothing here can reach a cluster.

pub mod credential;
mod entries;
mod quoted;
pub mod redaction;
mod saved;
pub mod survey;
mod within;

pub use saved::{read_saved, saved};
pub use survey::{Secrets, Survey};
