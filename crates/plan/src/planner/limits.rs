//! How long the waits of a plan may take.

use portolan_helm_compat::argv::HOOK_LIMIT;
use portolan_model::StepKind;
use std::time::Duration;

/// A pod is given 30 seconds by default to end, and a database may be given more.
const DELETE: Duration = Duration::from_secs(120);
/// Images are pulled and migrations run.
const READY: Duration = Duration::from_secs(600);
/// Without `--wait` helm only writes objects, a few a second. It waits for each hook, and names the one that takes too
/// long: this wait must not end before.
const HELM: Duration = HOOK_LIMIT.saturating_add(Duration::from_secs(60));
/// Everything else.
const OTHER: Duration = Duration::from_secs(60);

/// Time limits in place of the usual ones.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// Until workloads are ready.
    pub ready: Option<Duration>,
    /// Until what was deleted has ended.
    pub delete: Option<Duration>,
    /// Until helm has ended.
    pub helm: Option<Duration>,
}

impl Limits {
    /// The limit of a step.
    #[must_use]
    pub fn of(self, kind: &StepKind) -> Duration {
        match kind {
            StepKind::DeleteObject { .. } | StepKind::WaitGone { .. } => self.delete.unwrap_or(DELETE),
            StepKind::Helm { .. } => self.helm.unwrap_or(HELM),
            StepKind::WaitReady { .. } => self.ready.unwrap_or(READY),
            _ => OTHER,
        }
    }
}
