//! What helm is asked to render, what it sees of the cluster meanwhile, and what comes of it. All of it is kept in memory
//! only: values, Secrets and lookups stand in it in clear.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use serde_json::Value;

use crate::{ChartId, Digest, Object, Ref, ReleaseId, ValuesMode};

/// One rendering that a plan needs: a chart as the upgrade of a release to its next revision.
#[derive(Clone)]
pub struct RenderJob {
    /// The chart.
    pub chart: ChartId,
    /// Its archive.
    pub archive: Arc<[u8]>,
    /// The release.
    pub release: ReleaseId,
    /// The revision that the upgrade will make.
    pub revision: u32,
    /// What becomes of the values of the revision before.
    pub mode: ValuesMode,
    /// The values that helm is given, passwords included.
    pub given: Value,
    /// The user-supplied values of the new revision: what `mode` makes of the old ones and the given ones. For a rendering
    /// without a cluster.
    pub values: Value,
    /// The server's version, for a rendering without a cluster.
    pub kube_version: String,
    /// What helm calls the server's capabilities (`apps/v1`, `route.openshift.io/v1/Route`), for a rendering without a cluster.
    pub api_versions: Vec<String>,
    /// What differs, when this helm starts, from what lives now: for the first and for the second rendering. They differ in what
    /// an earlier hop makes at random, so that whatever depends on it differs too.
    pub overlays: [Overlay; 2],
}

impl RenderJob {
    /// The digest of the archive.
    #[must_use]
    pub fn digest(&self) -> Digest {
        Digest::of(&self.archive)
    }
}

impl fmt::Debug for RenderJob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let RenderJob { chart, release, revision, .. } = self;
        write!(f, "RenderJob({chart}, {release} revision {revision})")
    }
}

/// What helm sees in place of what lives in the cluster.
#[derive(Clone, Default)]
pub struct Overlay {
    /// Objects that helm does not see.
    pub hidden: BTreeSet<Ref>,
    /// Objects that helm sees as they are here, Secrets in clear.
    pub shown: BTreeMap<Ref, Object>,
}

impl fmt::Debug for Overlay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Overlay({} hidden, {} shown)", self.hidden.len(), self.shown.len())
    }
}

/// What helm rendered.
#[derive(Clone, Default)]
pub struct Rendered {
    /// The manifest. Hooks may be in it, by their annotation.
    pub manifest: String,
    /// The manifests of the hooks that are not in `manifest`.
    pub hooks: Vec<String>,
    /// The release as helm prints it with `--output json`: what its record will hold. `None` for a rendering without a cluster.
    pub record: Option<Value>,
}

impl Rendered {
    /// A rendering that is one text, hooks included: what `helm template` prints.
    #[must_use]
    pub fn of_text(text: String) -> Self {
        Self { manifest: text, ..Self::default() }
    }
}

impl fmt::Debug for Rendered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Rendered({} bytes, {} hooks)", self.manifest.len(), self.hooks.len())
    }
}

/// Two renderings of a job: what differs between them is another one each time.
#[derive(Clone, Debug, Default)]
pub struct Rendering {
    /// The first.
    pub first: Rendered,
    /// The second.
    pub second: Rendered,
    /// What helm read of the cluster for the first; empty for a rendering without a cluster.
    pub reads: Vec<ClusterRead>,
}

/// Something that helm read of the cluster while it rendered.
#[derive(Clone, PartialEq)]
pub enum ClusterRead {
    /// One object; `None` where it is not there.
    Object(Ref, Option<Object>),
    /// The objects of a kind.
    List {
        /// The API group; empty for the core group.
        group: String,
        /// The kind.
        kind: String,
        /// The namespace; empty for all.
        namespace: String,
        /// The label selector; empty for none.
        selector: String,
        /// What was there.
        items: Vec<Object>,
    },
}

impl fmt::Debug for ClusterRead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Object(name, Some(_)) => write!(f, "{name}"),
            Self::Object(name, None) => write!(f, "{name} (absent)"),
            Self::List { kind, namespace, items, .. } => write!(f, "{} of kind {kind} in `{namespace}`", items.len()),
        }
    }
}
