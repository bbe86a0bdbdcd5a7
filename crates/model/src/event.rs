use std::time::Duration;

use serde::Serialize;

use crate::seconds;
use crate::{JournalRecord, Progress, Ref};

/// What a run shows of itself. Terminal, journal and report read these and nothing else.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum Event {
    /// A record became durable.
    Recorded(Box<JournalRecord>),
    /// A wait is under way.
    Waiting {
        /// The step that waits, among all steps of all hops, from 0.
        step: u32,
        /// What it waits for, and how far that is.
        progress: Vec<Progress>,
        /// How long it waits.
        elapsed: Elapsed,
        /// How long it waits at most. In JSON: seconds.
        #[serde(with = "seconds")]
        limit: Duration,
    },
    /// A stop was asked for while helm runs: it is not interrupted.
    HelmHolds {
        /// The step in which helm runs, among all steps of all hops, from 0.
        step: u32,
        /// What it waits for, as last seen.
        progress: Vec<Progress>,
    },
    /// A database is looked into.
    Reading {
        /// The pod of its server.
        pod: Ref,
    },
}

/// How far a wait is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Elapsed {
    /// Seconds, on a cluster.
    Seconds(u64),
    /// Events, in a simulation, which has no time.
    Events(u64),
}

impl Elapsed {
    /// The count, whatever it counts.
    #[must_use]
    pub fn count(self) -> u64 {
        match self {
            Self::Seconds(count) | Self::Events(count) => count,
        }
    }
}
