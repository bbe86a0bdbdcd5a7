//! How long the waits of a plan may take.

use helm_compat::argv::HOOK_LIMIT;
use model::StepKind;

/// Seconds: a pod is given 30 by default to end, and a database may be given more.
const DELETE: u64 = 120;
/// Seconds: images are pulled and migrations run.
const READY: u64 = 600;
/// Seconds: without `--wait` helm only writes objects, a few a second. It waits for each hook, and names the one that takes too
/// long: this wait must not end before.
const HELM: u64 = HOOK_LIMIT + 60;
/// Seconds for everything else.
const OTHER: u64 = 60;

/// Time limits in place of the usual ones, in seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// Until workloads are ready.
    pub ready: Option<u64>,
    /// Until what was deleted has ended.
    pub delete: Option<u64>,
    /// Until helm has ended.
    pub helm: Option<u64>,
}

impl Limits {
    /// The limit of a step, in seconds.
    #[must_use]
    pub fn of(self, kind: &StepKind) -> u64 {
        match kind {
            StepKind::DeleteObject { .. } | StepKind::WaitGone { .. } => self.delete.unwrap_or(DELETE),
            StepKind::HelmUpgrade { .. } => self.helm.unwrap_or(HELM),
            StepKind::WaitReady { .. } => self.ready.unwrap_or(READY),
            _ => OTHER,
        }
    }
}
