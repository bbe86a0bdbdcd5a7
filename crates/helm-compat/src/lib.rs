//! What Helm does, without Helm: its records, values, manifests, archives and arguments, and what an
//! upgrade does to each object.
//!
//! Everything here is a pure function of what it is given. Each rule names the place in Helm's source that
//! it was read from; where it could be tried, it was compared with the real binary, and the test data says
//! with which version.

pub mod argv;
pub mod chart;
pub mod clock;
pub mod helmignore;
pub mod hooks;
pub mod index;
pub mod manifest;
pub mod merge;
pub mod precheck;
pub mod record;
pub mod record_size;
pub mod redact;
mod set;
pub mod uninstall;
pub mod upgrade;
pub mod values;
mod yaml;

pub use argv::{dry_run_argv, install_argv, show_command, uninstall_argv, upgrade_argv};
pub use record::{ReleaseRecord, TOKEN_LABEL};
