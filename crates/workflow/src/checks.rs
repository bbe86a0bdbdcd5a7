//! The planned objects against the live cluster, when a plan is made.

use portolan_helm_compat::precheck::{KnownObjects, PlannedWrites};
use portolan_helm_compat::record;
use portolan_helm_compat::record_size::{self, RecordSize};
use portolan_inventory::Survey;
use portolan_model::{CheckAnswer, CheckAsk, Finding, ObjectCheck, PlanFile, ReleaseId, ServerCheck, StepKind};
use portolan_plan::planner::HopRendering;
use serde_json::Value;

use crate::target::Target;

/// Checks every hop of a plan, as far as it can be known now, and adds what is found to the plan. A simulated installation has
/// nobody to ask.
pub(crate) async fn check_objects(target: &Target, survey: &Survey, hops: Vec<HopRendering>, file: &mut PlanFile) {
    let Target::Cluster(cluster) = target else { return };
    let mut known = KnownObjects::of_inventory(&survey.inventory);
    let mut stored = survey.inventory.release.docs.clone();
    let checks: Vec<ObjectCheck> = file.plan.steps().filter_map(|step| of_step(&step.kind)).cloned().collect();
    for (index, (check, objects)) in checks.into_iter().zip(hops).enumerate() {
        if let Some(release) = objects.record.as_ref().and_then(|record| record::release(record).ok()) {
            let finding = record_fits(&cluster.client, &release, &check.release).await;
            file.plan.findings.extend(finding);
        }
        let writes = PlannedWrites {
            release: check.release,
            client: check.client,
            apply: check.apply,
            stored: std::mem::replace(&mut stored, objects.objects.clone()),
            records: survey.inventory.release.history.len(),
            planned: objects.objects,
            hooks: objects.hooks,
            deletes: check.deletes,
            own: check.own,
            is_next: index == 0,
        };
        let (report, learned) = cluster.client.precheck(writes, known).await;
        known = learned;
        file.plan.findings.extend(report.findings);
    }
    file.plan.findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    file.plan.findings.dedup();
}

fn of_step(kind: &StepKind) -> Option<&ObjectCheck> {
    if let StepKind::CheckObjects { check } = kind { Some(check) } else { None }
}

/// Whether the record fits; where it is close, the server is asked with the record itself.
async fn record_fits(
    client: &portolan_adapters::kubernetes::Client,
    record: &Value,
    release: &ReleaseId,
) -> Option<Finding> {
    let secret = match record_size::judge(record, release) {
        RecordSize::Fits => return None,
        RecordSize::TooLarge(finding) => return Some(*finding),
        RecordSize::Near(secret) => secret,
    };
    let target = secret.name()?;
    let check = ServerCheck { target: target.clone(), ask: CheckAsk::Create(secret) };
    match client.check(&[check]).await.pop()? {
        CheckAnswer::Refused(refused) if refused.code == 422 || refused.code == 413 => {
            let size = record_size::encoded(record).len();
            Some(record_size::too_large(&target, size, record).with(refused.message))
        }
        _ => None,
    }
}
