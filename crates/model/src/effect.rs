use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::seconds;
use crate::{
    CheckReport, DatabaseError, DatabaseRef, Digest, HelmOperation, HelmRun, HelmToken, JournalRecord, JsonPointer,
    Object, ObjectCheck, Outcome, Ref, ReleaseFact, ReleaseId, Rv, Snapshot, Uid,
};

/// What the engine is told.
#[derive(Clone, Debug, PartialEq)]
pub enum Input {
    /// The answer to its request.
    Reply(Reply),
    /// Somebody asks it to stop; may come at any time.
    Stop(Urgency),
}

/// How soon a stop is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub enum Urgency {
    /// At the next safe point: after the current write, or at once during a wait. A running helm is waited for.
    AfterStep,
    /// A running helm is left running; the next start of the run waits for it again.
    LeaveHelm,
}

/// What the engine asks of the world. One request has at most one effect.
#[derive(Clone, Debug, PartialEq)]
pub enum Request {
    /// Make a record durable, its blobs first.
    Append(JournalRecord, Vec<Blob>),
    /// Read objects. The batch is not atomic: nothing may be concluded from two of them together.
    Read(Vec<Ref>),
    /// Read objects as in [`Request::Read`], then every PVC of a namespace: the answer has the objects in the order
    /// asked and the PVCs behind them. Where the PVCs cannot be listed, one [`Seen::Unreadable`] stands for them.
    ReadWithClaims(Vec<Ref>, String),
    /// Read the records of a release; the fields named are left out of the fingerprints.
    Releases(ReleaseId, BTreeMap<Ref, Vec<JsonPointer>>),
    /// Compare an object with its archived copy. What differs may be a Secret's, so its content stays where it is.
    Compare(Ref, ArchivedCopy),
    /// Change one object.
    Write(Write),
    /// Start helm. The token marks the record that it will make.
    Spawn(HelmOperation, Box<HelmRun>, HelmToken),
    /// Wait until every condition holds, or the limit is over.
    Wait(Wait),
    /// Look into a database, read-only.
    Query(DatabaseRef),
    /// Check the objects that helm will write against the cluster, without writing.
    Check(Box<ObjectCheck>),
    /// Nothing more is asked.
    End(Outcome),
}

/// Bytes to be kept in the run's folder under their digest, readable by the user alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Blob {
    /// The digest of the bytes.
    pub digest: Digest,
    /// The bytes.
    pub bytes: Vec<u8>,
}

impl Blob {
    /// Bytes with their digest.
    #[must_use]
    pub fn new(bytes: Vec<u8>) -> Self {
        Self { digest: Digest::of(&bytes), bytes }
    }
}

/// A change of one object, guarded by its UID and the resourceVersion last read; or its creation, guarded by its absence.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub struct Write {
    /// What is done.
    pub verb: Verb,
    /// To which object.
    pub target: Ref,
    /// The write fails where the object is another one. Of what is restored: the UID that it had.
    pub uid: Uid,
    /// The write fails where the object has changed. Empty for what is restored.
    pub rv: Rv,
}

/// What is done to an object.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum Verb {
    /// A JSON merge patch (RFC 7386).
    MergePatch(Value),
    /// A delete with background propagation. Never of a PVC or a volume.
    Delete,
    /// A creation of what was archived. It fails where an object of the name exists. Never of a PVC or a volume.
    Restore(ArchivedCopy),
}

/// An object as a run archived it, and what is created of it: see `to_create` in `portolan-kube-facts`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub struct ArchivedCopy {
    /// The digest of its JSON, kept in the run's folder.
    pub digest: Digest,
    /// The owners that it gets again, since they still exist.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub owners: BTreeSet<Uid>,
}

/// An object beside its archived copy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CopyState {
    /// No object of the name exists.
    Absent,
    /// It says what the copy says.
    Same,
    /// It does not: the fields that differ, as JSON pointers, without their values.
    Other(Vec<String>),
    /// It may not be read, or the server did not answer, or the copy is not usable.
    Unreadable(String),
}

/// A wait that the engine asks for.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub struct Wait {
    /// The step that waits, among all steps of all hops, from 0.
    pub step: u32,
    /// All of these must hold.
    pub until: Vec<Cond>,
    /// After this time the answer is [`Reply::TimedOut`]. In the file: seconds.
    #[serde(with = "seconds")]
    #[schemars(with = "u64")]
    pub limit: Duration,
}

/// A condition to wait for.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum Cond {
    /// The helm of this token does not run any more (and if it never ran, that holds too).
    HelmEnded(HelmToken),
    /// The workload is as its spec asks: a set or deployment rolled out, a job complete.
    Ready(Ref),
    /// The object is gone, or is another one.
    Gone(Gone),
    /// The pod has ended: it is gone, or is somebody else's.
    Ended(Orphan),
}

impl Cond {
    /// The object that is looked at; helm is none.
    #[must_use]
    pub fn target(&self) -> Option<&Ref> {
        match self {
            Self::HelmEnded(_) => None,
            Self::Ready(target) => Some(target),
            Self::Gone(gone) => Some(&gone.target),
            Self::Ended(orphan) => Some(&orphan.pod),
        }
    }
}

/// An object that is to be gone.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub struct Gone {
    /// The object.
    pub target: Ref,
    /// Its UID.
    pub uid: Uid,
}

/// A pod whose owner is deleted, and which ends with it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub struct Orphan {
    /// The pod.
    pub pod: Ref,
    /// The UID of its owner. A pod of this name that another owner has is not waited for.
    pub owner: Uid,
}

/// What the world answers.
#[derive(Clone, Debug, PartialEq)]
pub enum Reply {
    /// The record is durable.
    Appended,
    /// What was read: in the order asked.
    Seen(Vec<Seen>),
    /// The records of the release, oldest first.
    Releases(Vec<ReleaseFact>),
    /// What came of comparing an object with its archived copy.
    Compared(CopyState),
    /// The write was carried out.
    Wrote,
    /// The write, or the start of helm, was refused: nothing happened.
    Refused(Refusal),
    /// It is not known whether the write happened.
    Unknown(String),
    /// Helm was started.
    Spawned,
    /// Every condition of the wait holds.
    Met,
    /// The limit is over; the conditions that do not hold yet, with what was last seen.
    TimedOut(Vec<Progress>),
    /// What came of checking objects.
    Checked(CheckReport),
    /// What the database said.
    Rows(Result<Snapshot, DatabaseError>),
}

/// One object read.
#[derive(Clone, Debug, PartialEq)]
pub enum Seen {
    /// It is there.
    There(Object),
    /// It is not there.
    Absent,
    /// It may not be read, or the server did not answer.
    Unreadable(String),
}

/// Why nothing happened.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum Refusal {
    /// The object has changed, or is another one (409).
    Conflict,
    /// There is no such object (404).
    NotFound,
    /// This user may not (401, 403).
    Forbidden(String),
    /// The server does not accept it (422 and the like).
    Invalid(String),
    /// Nothing was sent.
    NotSent(String),
}

/// How far a condition is.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub struct Progress {
    /// The condition.
    pub cond: Cond,
    /// What was last seen, in a few words: `1 of 3 ready`.
    pub seen: String,
}

/// What the survey asks. It writes nothing and can ask nothing that writes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub enum SurveyQuery {
    /// The server's version and the API groups that it serves.
    Server,
    /// All objects of a kind, in a namespace or (empty) in the whole cluster.
    List {
        /// API group; empty for the core group.
        group: String,
        /// The kind.
        kind: String,
        /// The namespace; empty for all.
        namespace: String,
    },
    /// One object.
    Get(Ref),
}

/// What the survey is answered.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    /// The server: its version text and API groups.
    Server {
        /// For example `v1.27.8+4fab27b`.
        version: String,
        /// The API groups.
        groups: Vec<String>,
        /// When it was asked, in seconds since 1970; a simulation has no time.
        now: Option<u64>,
    },
    /// The objects; of a list all of them, of a get at most one.
    Items(Vec<Object>),
    /// This user may not read it.
    Denied(String),
    /// The server has no such kind.
    NotServed,
}
