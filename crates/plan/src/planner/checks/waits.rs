//! Pods that cannot be ready before the plan's wait for them ends: the run would halt with the upgrade half done, for what the chart
//! says itself.

use portolan_kube_facts::{
    Deployment, LeastTime, PodTemplate, StatefulSet, grace_period, least_time_to_end, least_time_to_ready, list,
};
use portolan_model::{Code, Finding, Object, Ref, StepKind};
use serde_json::Value;

use super::uses::Workloads;
use super::{HopContext, Report};

pub(super) fn check(context: &HopContext<'_>, workloads: &Workloads, report: &mut Report) {
    for step in context.steps {
        let StepKind::WaitReady { workloads: waited } = &step.kind else { continue };
        let limit = step.limit.as_secs();
        for name in waited {
            let (before, Some(after)) = (workloads.before(name), workloads.after(name)) else { continue };
            let template = |object: &Object| object.at("/spec/template").cloned();
            if before.is_some_and(|before| template(before) == template(after)) {
                continue;
            }
            report.findings.extend(too_long(context, name, [before, Some(after)], limit));
            report.findings.extend(of_gates(context, name, [before, Some(after)]));
            report.findings.extend(slow_end(name, before, limit));
        }
    }
}

/// The times that the pods take in any case, one pod after the other in a StatefulSet.
fn too_long(
    context: &HopContext<'_>,
    name: &Ref,
    [before, after]: [Option<&Object>; 2],
    limit: u64,
) -> Option<Finding> {
    let after = after?;
    let set = StatefulSet::named(name, after);
    let pods = match &set {
        Some(set) if set.is_on_delete() => return None,
        Some(set) => u64::from(set.replicas().saturating_sub(set.partition())),
        None => 1.min(Deployment::named(name, after).map_or(1, |it| it.replicas().into())),
    };
    let seconds = after.at("/spec/minReadySeconds").and_then(Value::as_u64).unwrap_or_default();
    // A set counts a pod as updated when it is ready, and goes on to the next one when that is available; the first of them waits
    // until those of today are available.
    let rounds = if set.is_some() { pods.saturating_sub(1) } else { pods };
    let first = set.as_ref().map_or(0, |_| left_of_today(context, name, seconds));
    let available = LeastTime { seconds: seconds * rounds + first, field: "/spec/minReadySeconds".into() };
    // A rolling Deployment does not wait for its old pods to end.
    let waits_for_old = set.is_some() || Deployment::named(name, after).is_some_and(|it| it.is_recreate());
    let each = [before.filter(|_| waits_for_old).and_then(least_time_to_end), least_time_to_ready(after)];
    let each = each.into_iter().flatten().map(|time| LeastTime { seconds: time.seconds * pods, ..time });
    let parts: Vec<LeastTime> = each.chain([available]).filter(|time| time.seconds > 0).collect();
    let total: u64 = parts.iter().map(|time| time.seconds).sum();
    let longest = parts.iter().max()?;
    if total < limit {
        return None;
    }
    let what = format!("{name} takes {total} s or more, and the plan waits {limit} s for it");
    let mut finding = Finding::blocking(Code::WaitTooShort, what).about(name).at(longest.field.clone());
    let in_turn = if pods > 1 { format!(", {pods} pods one after the other") } else { String::new() };
    finding.evidence.extend(parts.iter().map(|time| format!("{} s: {}{in_turn}", time.seconds, time.field)));
    Some(
        finding.next(format!("plan with --timeout ready={}s, or accept it: --accept PL263 --reason TEXT", total + 600)),
    )
}

/// How long the pods of today are not available yet.
fn left_of_today(context: &HopContext<'_>, name: &Ref, seconds: u64) -> u64 {
    let inventory = context.resolved.inventory;
    let Some(now) = inventory.taken.filter(|_| context.before.revision == inventory.release.revision) else { return 0 };
    let pods = inventory.objects.values().filter(|pod| {
        pod.text("/kind") == "Pod" && portolan_kube_facts::controller(pod).is_some_and(|owner| owner.name == *name)
    });
    let ages = pods.filter_map(|pod| portolan_kube_facts::ready_for(pod, now));
    ages.map(|age| seconds.saturating_sub(age)).max().unwrap_or_default()
}

/// Conditions that somebody has to set before a pod is ready.
fn of_gates(context: &HopContext<'_>, name: &Ref, [before, after]: [Option<&Object>; 2]) -> Vec<Finding> {
    let gates = |object: Option<&Object>| -> Vec<String> {
        let template = object.and_then(PodTemplate::of);
        let all = template.map_or(&[][..], |template| list(template.spec, "readinessGates"));
        all.iter().filter_map(|gate| gate["conditionType"].as_str().map(str::to_owned)).collect()
    };
    let had = gates(before);
    let is_set = |gate: &str| {
        let mut conditions = context.resolved.inventory.objects.values().filter(|it| it.text("/kind") == "Pod");
        conditions
            .any(|pod| pod.list("/status/conditions").iter().any(|one| one["type"] == gate && one["status"] == "True"))
    };
    let pointer = after.and_then(PodTemplate::of).map_or("", |template| template.pointer);
    let new = gates(after).into_iter().filter(|gate| !had.contains(gate) && !is_set(gate));
    new.map(|gate| {
        let what = format!("the pods of {name} are not ready until somebody sets their condition {gate}");
        Finding::blocking(Code::WaitTooShort, what)
            .about(name)
            .at(format!("{pointer}/readinessGates"))
            .with("no pod that was read has this condition")
            .why("the wait for the workload ends first, and the run halts half-way")
            .next("remove the gate from the values of the chart; where a controller sets it: --accept PL263 --reason TEXT")
    })
    .collect()
}

/// Pods that may take as long to end as the plan waits.
fn slow_end(name: &Ref, before: Option<&Object>, limit: u64) -> Option<Finding> {
    let grace = grace_period(before?);
    let is_told = least_time_to_end(before?).is_some_and(|time| time.seconds >= limit);
    (grace.seconds >= limit && !is_told).then(|| {
        let what = format!("pods of {name} may take {} s to end, and the plan waits {limit} s", grace.seconds);
        Finding::warning(Code::WaitTooShort, what)
            .about(name)
            .at(grace.field)
            .why("a pod that uses all its time makes the run halt half-way; `apply` goes on from there")
            .next(format!(
                "nothing where its program ends at once; else plan with --timeout ready={}s",
                grace.seconds + 600
            ))
    })
}
