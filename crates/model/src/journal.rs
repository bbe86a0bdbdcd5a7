use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Code, Digest, Finding, HelmOperation, HelmRun, HelmToken, Ref, Refusal, Snapshot, Uid, Urgency, Write};

/// A line of the journal: a record with its place in the hash chain.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Entry {
    /// 0, 1, 2, ...
    pub seq: u64,
    /// The digest of the line before (of the plan for the first one).
    pub prev: Digest,
    /// When it was written, seconds since 1970. Nothing is ever decided by it.
    pub at: u64,
    /// The record.
    pub record: JournalRecord,
}

/// What the journal says: decisions, whole. The engine's state is the fold of these.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "record", rename_all = "kebab-case")]
pub enum JournalRecord {
    /// A run of this plan begins.
    Started {
        /// The plan.
        plan: Digest,
        /// Who runs it, for people.
        host: String,
    },
    /// The run goes on after its process ended.
    Resumed {
        /// Who goes on with it.
        host: String,
    },
    /// The installation is the one that the plan was made for.
    Bound,
    /// This will be done next.
    Intent {
        /// The step.
        step: StepRef,
        /// What is done.
        action: Box<Action>,
        /// The digest of the object before, kept in the run's folder.
        before: Option<Digest>,
    },
    /// What came back.
    Effect {
        /// The step.
        step: StepRef,
        /// What came back.
        effect: Effect,
    },
    /// What was seen; ends the step.
    Observed {
        /// The step.
        step: StepRef,
        /// What was seen.
        observation: Observation,
    },
    /// Somebody asked for a stop.
    StopAsked {
        /// How soon.
        urgency: Urgency,
    },
    /// The run is over, for now where the outcome says so.
    Ended {
        /// How.
        outcome: Outcome,
    },
}

/// A step of a plan and which attempt at it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub struct StepRef {
    /// Its place among all steps of all hops, from 0.
    pub index: u32,
    /// From 0.
    pub attempt: u32,
}

/// What an intent is about.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "action", rename_all = "kebab-case")]
pub enum Action {
    /// A write.
    Write(Write),
    /// A run of helm under this token.
    Helm {
        /// What it does.
        op: HelmOperation,
        /// The run.
        run: Box<HelmRun>,
        /// The token.
        token: HelmToken,
    },
}

/// What came back of an intent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Effect {
    /// It was carried out (or helm was started).
    Done,
    /// It was refused.
    Refused(Refusal),
    /// Not known.
    Unknown(String),
    /// It never went out.
    Void,
    /// What was waited for has come.
    Settled,
}

/// What was seen at the end of a step.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "observation", rename_all = "kebab-case")]
pub enum Observation {
    /// It was so already; nothing was written.
    WasDone {
        /// In a few words.
        note: String,
    },
    /// It was done and seen.
    Done {
        /// In a few words.
        note: String,
    },
    /// Objects were put into the archive.
    Archived {
        /// The objects; absent ones are left out.
        objects: Vec<ArchivedObject>,
    },
    /// A database was looked into.
    Database {
        /// The pod that runs it.
        pod: Ref,
        /// What was there.
        snapshot: Snapshot,
        /// In a few words.
        note: String,
    },
}

/// An object in a run's archive.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ArchivedObject {
    /// The object.
    pub object: Ref,
    /// Its UID when it was archived.
    pub uid: Uid,
    /// The digest of its JSON, kept in the run's folder.
    pub digest: Digest,
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "outcome", rename_all = "kebab-case")]
pub enum Outcome {
    /// Every step was done and verified.
    Finished,
    /// Stopped between two steps because somebody asked; running it again goes on.
    StoppedSafely,
    /// The installation is not the one of the plan; nothing was written.
    Drifted {
        /// What differs.
        findings: Vec<Finding>,
    },
    /// Something was not as planned; running it again looks again.
    Halted {
        /// What and why, and what to do.
        finding: Finding,
    },
}

impl Outcome {
    /// The code of what went wrong.
    #[must_use]
    pub fn code(&self) -> Option<Code> {
        match self {
            Self::Finished | Self::StoppedSafely => None,
            Self::Drifted { findings } => findings.first().map(|finding| finding.code),
            Self::Halted { finding } => Some(finding.code),
        }
    }
}
