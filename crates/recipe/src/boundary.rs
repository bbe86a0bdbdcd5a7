use portolan_model::{ChartId, StepKind, ValuesMode};
use semver::Version;
use serde::Deserialize;
use serde_json::Value;

use crate::transform::Transform;

/// What an upgrade that crosses a boundary has to do.
#[derive(Clone, Debug, PartialEq)]
pub struct VersionBoundary {
    /// Its name: `into 2.9`.
    pub name: String,
    /// The file it is in.
    pub file: String,
    /// Which numbers cross it; `None` for any.
    pub crosses: Option<Crosses>,
    /// The chart that it leads away from; `None` for any.
    pub from_chart: Option<String>,
    /// The chart that it leads to; `None` for any.
    pub to_chart: Option<String>,
    /// What has to be there before anything begins.
    pub requires: Vec<Requirement>,
    /// What is to be done.
    pub steps: Vec<RecipeStep>,
}

/// An object that people make themselves and that has to be there.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Requirement {
    /// The object, as [`crate::object`] reads it.
    pub object: String,
    /// On which platform only.
    #[serde(default)]
    pub platform: Option<Platform>,
    /// How it is made, as a command.
    pub make: String,
    /// Where it comes from.
    pub source: StepOrigin,
    /// Why, in one sentence.
    pub why: String,
}

/// Which numbers cross a boundary.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Crosses {
    /// From below this version to it or above.
    pub below: Version,
}

/// A step of a recipe.
#[derive(Clone, Debug, PartialEq)]
pub struct RecipeStep {
    /// Its id. Boundaries that ask for the same step give it the same id.
    pub id: String,
    /// What it asks for.
    pub ask: StepTemplate,
    /// On which platform only.
    pub platform: Option<Platform>,
    /// Where it comes from.
    pub source: StepOrigin,
    /// Why, in one sentence.
    pub why: String,
}

/// Where a step comes from.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StepOrigin {
    /// A page of the product, or `portolan`.
    pub page: String,
    /// The page's line.
    #[serde(default)]
    pub line: Option<u32>,
}

/// What a step asks for. One for each kind of step that a plan may have.
#[derive(Clone, Debug, PartialEq)]
pub enum StepTemplate {
    /// The volumes of these PVCs are to be retained.
    RetainVolume {
        /// The PVCs.
        claims: ClaimSelector,
    },
    /// These PVCs are to be kept.
    KeepClaim {
        /// The PVCs.
        claims: ClaimSelector,
    },
    /// A database is to be looked into.
    RecordDatabase {
        /// Its name.
        database: String,
    },
    /// Objects are to be archived.
    ArchiveObject {
        /// The objects, as [`crate::object`] reads them.
        objects: Vec<String>,
    },
    /// A database's password is to be carried over.
    CarryCredentials {
        /// The database.
        database: String,
    },
    /// Objects are to be deleted.
    DeleteObject {
        /// The objects, as [`crate::object`] reads them.
        objects: Vec<String>,
        /// Only where helm marked them as this release's: somebody else's object of the same name stays.
        of_release: bool,
    },
    /// Helm is to upgrade. The boundaries that a hop crosses say this together: one of them what becomes of the old
    /// values, each of them what is set.
    HelmUpgrade {
        /// What becomes of the old values.
        values: Option<ValuesMode>,
        /// What is set.
        set: Vec<Setting>,
        /// Old values that have another place in the new layout.
        moved: Vec<MovedValue>,
        /// Old values that need no place in the new layout.
        retired: Vec<DroppedValue>,
    },
    /// The workloads and routes of the new manifest are to be waited for.
    WaitReady,
    /// These PVCs and their volumes are to be verified.
    VerifyVolume {
        /// The PVCs.
        claims: ClaimSelector,
    },
    /// A database is to be verified.
    VerifyDatabase {
        /// Its name.
        database: String,
        /// Tables that a migration may change.
        may_change: Vec<String>,
    },
}

/// Which PVCs.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", untagged)]
pub enum ClaimSelector {
    /// All that the release has (`every`).
    Every(Every),
    /// These.
    These(Vec<String>),
}

/// The word `every`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Every {
    /// All of them.
    Every,
}

/// A value that helm is given.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Setting {
    /// Its id, so that it can be left out alone.
    pub id: String,
    /// The dotted path.
    pub path: String,
    /// The value. `{domain}` stands for the platform's host, `{claim:NAME}` for the PVC that a database lies on.
    pub value: Value,
    /// On which platform only.
    #[serde(default)]
    pub platform: Option<Platform>,
    /// Values of the old chart that this one stands for.
    #[serde(default)]
    pub replaces: Vec<String>,
    /// Where it comes from.
    pub source: StepOrigin,
    /// Why, in one sentence.
    pub why: String,
}

/// An old value that has another place among the new ones.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MovedValue {
    /// The dotted path of the old value; what lies below it goes along.
    pub from: String,
    /// The dotted path of the new one.
    pub to: String,
    /// How it becomes the new one.
    #[serde(default, rename = "as")]
    pub transform: Transform,
    /// On which platform only.
    #[serde(default)]
    pub platform: Option<Platform>,
    /// How sure it is.
    pub confidence: Confidence,
    /// What the fields are for that it reaches, where that is not the same in both charts.
    #[serde(default)]
    pub role: Option<RolePair>,
    /// Where it comes from.
    pub source: StepOrigin,
}

/// What a value's field is for in the old chart, and in the new one: a rendering proves the move when the value reaches both.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RolePair {
    /// In the old chart.
    pub from: NamedRole,
    /// In the new one.
    pub to: NamedRole,
}

/// What a field is for; what is left out may be anything.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NamedRole {
    /// The component: the object's label `app.kubernetes.io/component`, or its name without that of the release.
    #[serde(default)]
    pub component: Option<String>,
    /// `workload`, `service`, `configuration` (a Secret or ConfigMap), `entrance` (an Ingress or Route), or another kind of object.
    #[serde(default)]
    pub class: Option<String>,
    /// The container, or the key of data.
    #[serde(default)]
    pub holder: Option<String>,
    /// The last part of the field's path, or the variable: `secretName`, `POSTGRES_USER`.
    #[serde(default)]
    pub last: Option<String>,
}

impl NamedRole {
    /// Whether it says anything: a role that leaves all out would fit every field.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// How sure it is that an old value and a new one mean the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Confidence {
    /// The vendor says so.
    High,
    /// Names and meaning agree in what the vendor published.
    Medium,
    /// It is a guess: the person who upgrades is asked.
    Low,
}

/// Old values that need no place among the new ones.
///
/// Only what was published is meant: a value below the path that no leaf names is somebody's own, or misspelt, and a person is asked
/// about it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DroppedValue {
    /// The dotted path of the value, or of the map that has the leaves.
    pub path: String,
    /// The values below the path, as dotted paths from there; empty where the path is the value.
    #[serde(default)]
    pub leaves: Vec<String>,
    /// Why everything below the path went, whatever it is called: the component is not there any more.
    #[serde(default)]
    pub whole: Option<String>,
    /// What is in its place.
    pub by: String,
    /// On which platform only.
    #[serde(default)]
    pub platform: Option<Platform>,
    /// Where it comes from.
    pub source: StepOrigin,
}

impl DroppedValue {
    /// Whether a value is meant. At the path itself may be a null or an empty map, which take the leaves away.
    #[must_use]
    pub fn covers(&self, path: &str) -> bool {
        let Some(rest) = path.strip_prefix(&self.path) else { return false };
        match rest.strip_prefix('.') {
            None => rest.is_empty(),
            Some(leaf) => self.whole.is_some() || self.leaves.iter().any(|known| known == leaf),
        }
    }

    /// The values that are meant, for a page: all leaves, or what is below the path.
    #[must_use]
    pub fn paths(&self) -> Vec<String> {
        match (&self.whole, self.leaves.as_slice()) {
            (Some(_), _) => vec![format!("{}.*", self.path)],
            (None, []) => vec![self.path.clone()],
            (None, leaves) => leaves.iter().map(|leaf| format!("{}.{leaf}", self.path)).collect(),
        }
    }
}

/// A platform.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Platform {
    /// `OpenShift`.
    #[serde(rename = "openshift")]
    OpenShift,
    /// Plain Kubernetes.
    Kubernetes,
}

impl Platform {
    /// Whether a cluster is of it.
    #[must_use]
    pub fn is_of(self, cluster: &portolan_model::Platform) -> bool {
        (self == Self::OpenShift) == matches!(cluster, portolan_model::Platform::OpenShift { .. })
    }
}

impl StepTemplate {
    /// The words of all kinds, in the order in which a hop carries them out.
    pub const KINDS: [&'static str; 10] = [
        "retain-volume",
        "keep-claim",
        "record-database",
        "archive-object",
        "carry-credentials",
        "delete-object",
        "helm-upgrade",
        "wait-ready",
        "verify-volume",
        "verify-database",
    ];

    /// The kind's word, as [`StepKind::word`] has it.
    #[must_use]
    pub fn word(&self) -> &'static str {
        Self::KINDS[self.place()]
    }

    /// The kind's place in a hop.
    #[must_use]
    pub fn place(&self) -> usize {
        match self {
            Self::RetainVolume { .. } => 0,
            Self::KeepClaim { .. } => 1,
            Self::RecordDatabase { .. } => 2,
            Self::ArchiveObject { .. } => 3,
            Self::CarryCredentials { .. } => 4,
            Self::DeleteObject { .. } => 5,
            Self::HelmUpgrade { .. } => 6,
            Self::WaitReady => 7,
            Self::VerifyVolume { .. } => 8,
            Self::VerifyDatabase { .. } => 9,
        }
    }

    /// The place of a plan's step in a hop, and whether it comes after the others there: that pods are gone is waited for
    /// after all the deletions that end them.
    #[must_use]
    pub fn place_of(kind: &StepKind) -> (usize, bool) {
        let waits = matches!(kind, StepKind::WaitGone { .. });
        let word = if waits { "delete-object" } else { kind.word() };
        (Self::KINDS.iter().position(|known| *known == word).unwrap_or(Self::KINDS.len()), waits)
    }
}

impl VersionBoundary {
    /// Whether an upgrade crosses it. Where it leads from one chart to another, the installed chart decides and its number is not asked
    /// for. A pre-release counts as the version that it leads to.
    #[must_use]
    pub fn is_crossed(&self, from: &ChartId, to: &ChartId) -> bool {
        let is = |wanted: &Option<String>, chart: &ChartId| wanted.as_ref().is_none_or(|wanted| *wanted == chart.name);
        let numbers = |version: &Version| (version.major, version.minor, version.patch);
        let crosses = self.crosses.as_ref().is_none_or(|crosses| {
            let below = numbers(&crosses.below);
            numbers(&to.version) >= below && (self.leaves_a_chart() || numbers(&from.version) < below)
        });
        crosses && is(&self.from_chart, from) && is(&self.to_chart, to)
    }

    /// Whether it leads away from a chart, so that the chart's name decides and no installed number.
    #[must_use]
    pub fn leaves_a_chart(&self) -> bool {
        self.from_chart.is_some() && self.from_chart != self.to_chart
    }
}

impl RecipeStep {
    /// The ids that can be left out: its own, and those of the values that helm is given.
    pub fn ids(&self) -> impl Iterator<Item = &str> {
        let set: &[Setting] = if let StepTemplate::HelmUpgrade { set, .. } = &self.ask { set } else { &[] };
        std::iter::once(self.id.as_str()).chain(set.iter().map(|setting| setting.id.as_str()))
    }
}
