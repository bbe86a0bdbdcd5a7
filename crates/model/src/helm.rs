use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{Digest, JsonPointer, Object, Ref, ValuesPath};

/// A Helm release: its name and the namespace that holds its records.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub struct ReleaseId {
    /// The namespace.
    pub namespace: String,
    /// The release's name.
    pub name: String,
}

/// `runai-backend/control-plane`: the namespace goes first.
impl std::fmt::Display for ReleaseId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

impl ReleaseId {
    /// The Secret that holds the record of a revision (`makeKey` in `pkg/storage/storage.go`, helm 3.14.4 to 4.3.1).
    #[must_use]
    pub fn record(&self, revision: impl std::fmt::Display) -> Ref {
        Ref::secret(&self.namespace, &record_name(&self.name, revision))
    }
}

/// The name of the object that holds a record of a release of this name.
#[must_use]
pub fn record_name(release: &str, revision: impl std::fmt::Display) -> String {
    format!("sh.helm.release.v1.{release}.v{revision}")
}

/// A chart: name and version.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub struct ChartId {
    /// The chart's name.
    pub name: String,
    /// The chart's version.
    pub version: semver::Version,
}

impl std::fmt::Display for ChartId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.name, self.version)
    }
}

/// The helm that renders and upgrades: the very one that the plan was made with.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "helm", rename_all = "kebab-case")]
pub enum HelmClient {
    /// A program on this machine.
    Program {
        /// Its version.
        version: semver::Version,
        /// Its absolute path.
        path: String,
        /// The digest of the program's bytes.
        digest: Digest,
    },
    /// The simulated one, which follows the rules of this version.
    Simulated {
        /// The version.
        version: semver::Version,
    },
}

impl HelmClient {
    /// The version.
    #[must_use]
    pub fn version(&self) -> &semver::Version {
        match self {
            Self::Program { version, .. } | Self::Simulated { version } => version,
        }
    }

    /// The path of the program; `None` for the simulated one.
    #[must_use]
    pub fn path(&self) -> Option<&str> {
        match self {
            Self::Program { path, .. } => Some(path),
            Self::Simulated { .. } => None,
        }
    }
}

/// What marks the release record that one run of helm makes: `PLAN-STEP-ATTEMPT`, the plan's short digest, the step's place
/// among all steps, and the attempt at it. Helm keeps it among the record's labels.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct HelmToken(String);

impl HelmToken {
    /// The token of an attempt at a step.
    #[must_use]
    pub fn new(plan: &str, step: u32, attempt: u32) -> Self {
        Self(format!("{plan}-{step}-{attempt}"))
    }

    /// A label as it was read. It need not be one of ours.
    #[must_use]
    pub fn of_label(text: &str) -> Self {
        Self(text.to_owned())
    }

    /// As it stands in a label.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The step, if this is a token of a plan with this short digest.
    #[must_use]
    pub fn step_of(&self, plan: &str) -> Option<u32> {
        self.0.strip_prefix(plan)?.strip_prefix('-')?.split('-').next()?.parse().ok()
    }
}

impl std::fmt::Display for HelmToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// The status of a release record, as Helm writes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ReleaseStatus {
    /// `unknown`, or a word that we do not know.
    Unknown,
    /// `deployed`.
    Deployed,
    /// `superseded`.
    Superseded,
    /// `failed`.
    Failed,
    /// `uninstalled`.
    Uninstalled,
    /// `uninstalling`.
    Uninstalling,
    /// `pending-install`.
    PendingInstall,
    /// `pending-upgrade`.
    PendingUpgrade,
    /// `pending-rollback`.
    PendingRollback,
}

impl ReleaseStatus {
    /// Parses Helm's word.
    #[must_use]
    pub fn parse(word: &str) -> Self {
        match word {
            "deployed" => Self::Deployed,
            "superseded" => Self::Superseded,
            "failed" => Self::Failed,
            "uninstalled" => Self::Uninstalled,
            "uninstalling" => Self::Uninstalling,
            "pending-install" => Self::PendingInstall,
            "pending-upgrade" => Self::PendingUpgrade,
            "pending-rollback" => Self::PendingRollback,
            _ => Self::Unknown,
        }
    }

    /// Helm's word.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Deployed => "deployed",
            Self::Superseded => "superseded",
            Self::Failed => "failed",
            Self::Uninstalled => "uninstalled",
            Self::Uninstalling => "uninstalling",
            Self::PendingInstall => "pending-install",
            Self::PendingUpgrade => "pending-upgrade",
            Self::PendingRollback => "pending-rollback",
        }
    }

    /// Whether a helm holds the release, or held it when it died.
    #[must_use]
    pub fn is_pending(self) -> bool {
        matches!(self, Self::PendingInstall | Self::PendingUpgrade | Self::PendingRollback)
    }
}

impl std::fmt::Display for ReleaseStatus {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.word())
    }
}

/// A key of a Secret.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub struct SecretKey {
    /// The Secret.
    pub secret: Ref,
    /// The key in its data.
    pub key: String,
}

/// A value that helm is given and that no plan, journal or screen may show: it is read from the archived
/// Secret when helm is started, and handed over in a file of mode 0600.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub struct Carried {
    /// The path among the chart's values.
    pub path: ValuesPath,
    /// Where the value comes from.
    pub from: SecretKey,
}

/// What helm does with the values of the revision before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ValuesMode {
    /// `--reset-values`: only what is given counts.
    Reset,
    /// `--reset-then-reuse-values`: the chart's defaults, then the old user-supplied values, then what is given.
    ResetThenReuse,
}

/// A Secret that the chart looks up in the live cluster and refuses to render without one of its keys.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub struct RequiredSecretKey {
    /// The Secret: absent is fine, present without the key is not.
    pub key: SecretKey,
    /// How the chart's refusal begins.
    pub message: String,
}

/// The documents of a rendering, by name; Secret data is never in it (see [`Manifest::secrets`]).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Manifest {
    /// The documents in the order in which helm applies them. In a Secret every value of `data` and
    /// `stringData` is replaced by one of [`Manifest::CARRIED`], [`Manifest::FREE`], [`Manifest::HIDDEN`].
    pub docs: Vec<Object>,
    /// The fields, by document, that differ from one rendering to the next.
    pub nondeterministic_fields: BTreeMap<Ref, Vec<JsonPointer>>,
}

/// Whether an object has another name at each rendering: it is nondeterministic as a whole, by [`Manifest::nondeterministic_fields`].
#[must_use]
pub fn is_named_anew(nondeterministic_fields: &BTreeMap<Ref, Vec<JsonPointer>>, name: &Ref) -> bool {
    nondeterministic_fields.get(name).is_some_and(|fields| fields.iter().any(JsonPointer::is_whole))
}

impl Manifest {
    /// In place of a Secret's value: followed by the dotted path of the carried value it equals.
    pub const CARRIED: &str = "portolan:carried:";
    /// In place of a Secret's value that is another one at each rendering.
    pub const FREE: &str = "portolan:free";
    /// In place of a Secret's value that is always the same and is not to be shown.
    pub const HIDDEN: &str = "portolan:hidden";
}

/// What a run of helm does with its release.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "operation", rename_all = "kebab-case")]
pub enum HelmOperation {
    /// `helm install`: makes the first revision of a release that has no record.
    Install,
    /// `helm upgrade`: makes the next revision.
    Upgrade,
    /// `helm uninstall`: deletes what the newest record's manifest has, except for what says there that it stays.
    Uninstall {
        /// Whether the records stay, the newest as `uninstalled`.
        keep_history: bool,
    },
}

impl HelmOperation {
    /// Helm's word.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Install => "install",
            Self::Upgrade => "upgrade",
            Self::Uninstall { .. } => "uninstall",
        }
    }

    /// Whether it deletes the release.
    #[must_use]
    pub fn is_uninstall(self) -> bool {
        matches!(self, Self::Uninstall { .. })
    }
}

impl std::fmt::Display for HelmOperation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.word())
    }
}

/// One run of helm, with nothing left to choose: helm's argv is a function of this value and of the operation.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub struct HelmRun {
    /// The release.
    pub release: ReleaseId,
    /// The newest revision that may be there when helm starts; `None` where there must be none, as for an installation.
    pub base_revision: Option<u32>,
    /// The client.
    pub client: HelmClient,
    /// The chart; for an uninstall that of the revision that goes.
    pub chart: ChartId,
    /// The digest of the chart's archive, kept in the run's folder; `None` for an uninstall.
    pub archive: Option<Digest>,
    /// The digest of the values given (a JSON object), kept in the run's folder; no secrets in it. `None` for an uninstall.
    pub values: Option<Digest>,
    /// The values that come out of archived Secrets.
    pub carried: Vec<Carried>,
    /// What becomes of the old values.
    pub mode: ValuesMode,
    /// The digest of the planned [`Manifest`], kept in the run's folder; for an uninstall that of the stored one, which goes.
    pub manifest: Digest,
    /// The fingerprint of each document that helm is to store, or has stored where it uninstalls: free fields and Secret data
    /// left out.
    pub docs: BTreeMap<Ref, Digest>,
    /// The fields that differ from one rendering to the next, as in [`Manifest::nondeterministic_fields`].
    pub nondeterministic_fields: BTreeMap<Ref, Vec<JsonPointer>>,
    /// What the chart looks up and may refuse.
    pub required_keys: Vec<RequiredSecretKey>,
}

impl HelmRun {
    /// The revision that it makes where nothing fails. An uninstall makes none.
    #[must_use]
    pub fn next_revision(&self) -> u32 {
        self.base_revision.map_or(1, |base| base + 1)
    }
}

/// A release record, read.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ReleaseFact {
    /// Its revision.
    pub revision: u32,
    /// Its status.
    pub status: ReleaseStatus,
    /// The token among its labels, inherited by later revisions.
    pub token: Option<HelmToken>,
    /// The chart it was made from.
    pub chart: ChartId,
    /// What helm wrote about how it went.
    pub description: String,
    /// The fingerprint of each stored document, as in [`HelmRun::docs`].
    pub docs: BTreeMap<Ref, Digest>,
    /// The user-supplied values.
    pub config: Value,
}
