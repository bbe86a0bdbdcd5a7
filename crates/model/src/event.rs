use serde::Serialize;

use crate::{Progress, Record, Ref};

/// What a run shows of itself. Terminal, journal and report read these and nothing else.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum Event {
    /// A record became durable.
    Recorded(Box<Record>),
    /// A wait is under way.
    Waiting {
        /// What it waits for, and how far that is.
        progress: Vec<Progress>,
        /// Seconds so far.
        elapsed: u64,
        /// Seconds at most.
        limit: u64,
    },
    /// A stop was asked for while helm runs: it is not interrupted.
    HelmHolds {
        /// What it waits for, as last seen.
        progress: Vec<Progress>,
    },
    /// A database is looked into.
    Reading {
        /// The pod of its server.
        pod: Ref,
    },
}
