use std::collections::BTreeSet;
use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{Digest, Finding, HelmClient, JsonPointer, Object, Ref, ReleaseId};

/// How helm writes objects. Helm 4 keeps it in the release record and goes on in the same way; helm 3 knows only the first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ApplyMethod {
    /// Creates, and patches that helm works out itself.
    #[default]
    Client,
    /// Server-side apply: the API server merges, and refuses fields that another manager owns.
    Server,
}

/// The objects that helm will write in a hop, for checking them against the cluster before the hop's first write.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub struct ObjectCheck {
    /// The release.
    pub release: ReleaseId,
    /// The helm that will write.
    pub client: HelmClient,
    /// How it will write.
    pub apply: ApplyMethod,
    /// The digest of the planned [`crate::Manifest`], kept in the run's folder.
    pub manifest: Digest,
    /// The digest of the hooks, as a [`crate::Manifest`], kept in the run's folder.
    pub hooks: Digest,
    /// What the hop's steps delete before helm starts.
    pub deletes: BTreeSet<Ref>,
    /// The fields that Portolan has written by the time helm starts.
    pub own: Vec<OwnField>,
}

/// A field that Portolan writes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub struct OwnField {
    /// The object.
    pub object: Ref,
    /// The field.
    pub field: JsonPointer,
    /// What is written.
    pub value: String,
}

/// What came of an [`ObjectCheck`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CheckReport {
    /// How many writes the API server was asked about.
    pub asked: usize,
    /// What was found.
    pub findings: Vec<Finding>,
}

/// One question to the API server about a write. Nothing that answers it changes anything.
#[derive(Clone, PartialEq)]
pub struct ServerCheck {
    /// The object.
    pub target: Ref,
    /// What is asked.
    pub ask: CheckAsk,
}

/// What the API server is asked about an object.
#[derive(Clone, PartialEq)]
pub enum CheckAsk {
    /// To show the object.
    Read,
    /// To list all objects of the target's kind in its namespace (empty: in the cluster).
    List,
    /// Whether it would create this.
    Create(Object),
    /// Whether it would take this JSON merge patch.
    Patch(Value),
    /// Whether it would take this server-side apply.
    Apply {
        /// The field manager.
        manager: String,
        /// The whole object.
        body: Object,
    },
}

/// Without the bodies: they may hold a Secret's values.
impl fmt::Debug for ServerCheck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {:?}", self.ask.verb(), self.target)
    }
}

impl fmt::Debug for CheckAsk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.verb())
    }
}

impl CheckAsk {
    /// The verb, as the API server's rights name it.
    #[must_use]
    pub fn verb(&self) -> &'static str {
        match self {
            Self::Read => "get",
            Self::List => "list",
            Self::Create(_) => "create",
            Self::Patch(_) | Self::Apply { .. } => "patch",
        }
    }
}

/// What the API server answers.
#[derive(Clone, Debug, PartialEq)]
pub enum CheckAnswer {
    /// The write would be carried out.
    Accepted,
    /// The objects asked for; of one object at most one.
    Found(Vec<Object>),
    /// The server has no such kind.
    NotServed,
    /// The write would be refused, or what was asked may not be read.
    Refused(ServerRefusal),
    /// There was no answer.
    NoAnswer(String),
}

/// A refusal as the API server words it: its `Status`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServerRefusal {
    /// The HTTP status.
    pub code: u16,
    /// The machine-readable reason: `Invalid`, `AlreadyExists`.
    pub reason: String,
    /// The text.
    pub message: String,
    /// What in particular.
    pub causes: Vec<RefusalCause>,
}

/// One cause of a refusal.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RefusalCause {
    /// The machine-readable reason: `FieldValueInvalid`, `FieldManagerConflict`.
    pub reason: String,
    /// The text.
    pub message: String,
    /// The field as Kubernetes writes it: `spec.ports[0].nodePort`.
    pub field: String,
}
