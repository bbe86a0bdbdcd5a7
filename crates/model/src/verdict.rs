use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::ReleaseStatus;

/// What becomes of a volume. Ordered from best to worst: the headline of several ends is their maximum.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub enum Verdict {
    /// Alive, and the new workload mounts it.
    Safe,
    /// Something that is not modelled can reach it.
    Unknown,
    /// Alive, and nothing that runs will mount it again by itself.
    Detached,
    /// Alive now; it dies when the last pod that holds its PVC goes.
    Doomed,
    /// Its data is erased.
    Lost,
}

impl Verdict {
    /// What it means, in half a sentence.
    #[must_use]
    pub fn meaning(self) -> &'static str {
        match self {
            Self::Safe => "the volume survives and its workload mounts it, or its PVC holds it where the run stops",
            Self::Unknown => "something that is not modelled can reach the volume",
            Self::Detached => "the volume keeps its data, and no workload mounts it any more",
            Self::Doomed => "the volume's deletion has begun, and its data is erased when its last pod goes",
            Self::Lost => "the volume's data is erased",
        }
    }
}

impl std::fmt::Display for Verdict {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(match self {
            Self::Safe => "Safe",
            Self::Unknown => "Unknown",
            Self::Detached => "Detached",
            Self::Doomed => "Doomed",
            Self::Lost => "Lost",
        })
    }
}

/// How a run came to its end in one order of events.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub enum End {
    /// Every step was done and verified.
    Finished,
    /// Portolan stopped at a safe point, or refused to go on, and named the next action.
    Stopped,
    /// It waits for something that will never come.
    Stranded,
}

impl std::fmt::Display for End {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(match self {
            Self::Finished => "finished",
            Self::Stopped => "stopped",
            Self::Stranded => "stranded",
        })
    }
}

/// One way in which it can end for one volume: an element of the set that a rehearsal predicts and that a
/// real run must fall into.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub struct VolumeEnd {
    /// What became of the volume.
    pub verdict: Verdict,
    /// How the run ended.
    pub end: End,
    /// The status of the newest release record; of several releases the one that is furthest from `deployed`.
    pub release: ReleaseStatus,
}
