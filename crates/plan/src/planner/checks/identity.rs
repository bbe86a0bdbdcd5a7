//! Whether the new pods may read and write what the old ones left: user, group and groups of every workload that mounts data.
//!
//! A user that differs reaches files of its predecessor only where something hands them over. For `fsGroup` the kubelet, or
//! the CSI driver, changes the group of files and never their owner (`changeFilePermission` in Kubernetes'
//! pkg/volume/volume_linux.go, 1.27 to 1.34), and not on every kind of volume.

use portolan_kube_facts::{
    FsGroupSupport, HandOver, fs_group, fs_group_support, fs_group_support_of, hand_over, run_as_group, run_as_user,
    supplemental_groups,
};
use portolan_model::{Code, Finding, Platform, Volume};

use super::super::database_compat;
use super::paths::shown;
use super::uses::{Pair, Use, Workloads};
use super::{HopContext, Report, without_claim};

const WAY_OUT: &str = "give the chart the user and groups of today";

pub(super) fn check(context: &HopContext<'_>, workloads: &Workloads, report: &mut Report) {
    for volume in workloads.volumes() {
        for pair in &workloads.pairs(volume).0 {
            let is_judged = database_compat::judges_user(context, pair.before.name, pair.before.container.name);
            let is_other = !is_judged && user(context, pair, report);
            // Another user is what is said first.
            if !is_other {
                groups(pair, report);
            }
        }
    }
}

/// Whether the user of a container differs.
fn user(context: &HopContext<'_>, pair: &Pair<'_>, report: &mut Report) -> bool {
    let (before, after) = (&pair.before, &pair.after);
    let was = run_as_user(before.template, before.container).or_else(|| of_range(context));
    let will = run_as_user(after.template, after.container).or_else(|| of_range(context));
    if was == will || (was.is_none() && will == Some(0)) {
        return false;
    }
    let chart = &context.input.pick.id;
    let found = format!("{} of {} in {chart} runs as another user", shown(after.template, after.container), after.name);
    let own = after.container.json.pointer("/securityContext/runAsUser").is_some();
    let field = if own { after.field("/securityContext/runAsUser") } else { pod_field(pair, "runAsUser") };
    let mut finding = match (will, hand_over(after.template, &after.volumes())) {
        // Root reads and writes everything, and its image may hand the data over and step down.
        (Some(0), _) => Finding::warning(Code::OtherUser, found).next("see that what root writes can be read later"),
        (Some(will), Some(HandOver::To(owner, name))) if owner == will => {
            Finding::warning(Code::OtherUser, found).with(format!("init container {name} gives it the data"))
        }
        (_, Some(HandOver::Somehow(name))) => {
            Finding::warning(Code::OtherUser, found).with(format!("init container {name} may give it the data"))
        }
        _ if fs_group(after.template).is_some() && support(context, pair.volume) == FsGroupSupport::Depends => {
            let reason = format!(
                "its user changes ({}, then {}), and whether fsGroup gives it the files depends on the CSI driver",
                who(was),
                who(will)
            );
            report.unknown(pair.volume, after.name, &field, (reason, WAY_OUT));
            return true;
        }
        _ => Finding::blocking(Code::OtherUser, found),
    };
    finding = finding
        .why("a program cannot read or write files that another user owns, or refuses them; its pods then crash")
        .with(format!("today: {}", who(was)))
        .with(format!("{chart}: {}", who(will)))
        .with(format!("the files on {} belong to the user of today", pair.volume.claim));
    if finding.severity == portolan_model::Severity::Blocking && hand_over(before.template, &before.volumes()).is_some()
    {
        finding = finding.with("the init container that hands the data over today does not do so any more");
    }
    report.findings.push(finding.about(after.name).at(field));
    true
}

/// Whether the groups differ by which files may be reached.
fn groups(pair: &Pair<'_>, report: &mut Report) {
    let (before, after) = (&pair.before, &pair.after);
    if run_as_user(after.template, after.container) == Some(0) {
        return;
    }
    let (was, will) = (run_as_group(before.template, before.container), run_as_group(after.template, after.container));
    let mut say = |field: String, what: &str| {
        let reason =
            format!("{what} changes, and whether the new pods may still read and write the files is not known");
        report.unknown(pair.volume, after.name, &field, (reason, WAY_OUT));
    };
    if was != will && !is_of_own_files(pair) {
        let own = after.container.json.pointer("/securityContext/runAsGroup").is_some();
        say(if own { after.field("/securityContext/runAsGroup") } else { pod_field(pair, "runAsGroup") }, "runAsGroup");
    }
    if fs_group(before.template) != fs_group(after.template) {
        say(pod_field(pair, "fsGroup"), "fsGroup");
    }
    if !supplemental_groups(before.template).is_subset(&supplemental_groups(after.template)) {
        say(pod_field(pair, "supplementalGroups"), "supplementalGroups");
    }
}

/// Whether the files of before are its own whatever its first group is: the same user owns them, and the group that the kubelet gives
/// them stays.
fn is_of_own_files(pair: &Pair<'_>) -> bool {
    let user = |of: &Use<'_>| run_as_user(of.template, of.container);
    let group = fs_group(pair.before.template);
    user(&pair.before).is_some()
        && user(&pair.before) == user(&pair.after)
        && group.is_some()
        && group == fs_group(pair.after.template)
}

fn pod_field(pair: &Pair<'_>, key: &str) -> String {
    format!("{}/securityContext/{key}", pair.after.template.pointer)
}

fn who(user: Option<u64>) -> String {
    user.map_or_else(|| "the user of its image".to_owned(), |user| format!("user {user}"))
}

/// The user that OpenShift gives to pods that leave it open.
fn of_range(context: &HopContext<'_>) -> Option<u64> {
    let is_openshift = matches!(context.resolved.inventory.cluster.platform, Platform::OpenShift { .. });
    is_openshift.then(|| database_compat::user_of_range(context.resolved)).flatten()
}

fn support(context: &HopContext<'_>, volume: &Volume) -> FsGroupSupport {
    if let Some(source) = without_claim::source(volume) {
        return fs_group_support_of(source);
    }
    let volume = volume.volume.as_ref().and_then(|name| context.before.objects.get(name));
    volume.map_or(FsGroupSupport::Depends, |volume| fs_group_support(&volume.0))
}
