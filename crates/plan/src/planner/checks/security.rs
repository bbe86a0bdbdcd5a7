//! What else than its user decides what a program may do to the files of its data: capabilities, labels of `SELinux`, user namespaces, and
//! profiles.

use std::collections::BTreeSet;

use portolan_kube_facts::{Container, PodTemplate, list, run_as_user};
use portolan_model::{Code, Finding};
use serde_json::Value;

use super::Report;
use super::paths::shown;
use super::uses::{Pair, Workloads};

const WAY_OUT: &str = "give the chart the security context of today";

/// Capabilities by which root reaches files of others, or becomes another user.
const OF_FILES: [&str; 8] =
    ["CHOWN", "DAC_OVERRIDE", "DAC_READ_SEARCH", "FOWNER", "FSETID", "SETGID", "SETUID", "SYS_ADMIN"];

/// Of these a container that names none has all but two (`defaultUnixCaps` in containerd's `pkg/oci/spec.go`).
const NOT_BY_DEFAULT: [&str; 2] = ["DAC_READ_SEARCH", "SYS_ADMIN"];

pub(super) fn check(workloads: &Workloads, report: &mut Report) {
    for volume in workloads.volumes() {
        for pair in &workloads.pairs(volume).0 {
            report.findings.extend(read_only_root(pair));
            for (field, what) in changes(pair) {
                let (template, container) = (pair.after.template, pair.after.container);
                let reason = format!(
                    "{what} for {}, and whether it may still use the files is not known",
                    shown(template, container)
                );
                report.unknown(volume, pair.after.name, &field, (reason, WAY_OUT));
            }
        }
    }
}

/// What differs: the field, and what happens to it.
fn changes(pair: &Pair<'_>) -> Vec<(String, String)> {
    let (was, will) = ((pair.before.template, pair.before.container), (pair.after.template, pair.after.container));
    let mut all = Vec::new();
    let pod = |key: &str| format!("{}/securityContext/{key}", will.0.pointer);
    let place = |key: &str| {
        let own = will.1.json.pointer(&format!("/securityContext/{key}")).is_some();
        if own { pair.after.field(&format!("/securityContext/{key}")) } else { pod(key) }
    };
    // A user without privileges has no capabilities that it could lose.
    let is_plain = run_as_user(will.0, will.1).is_some_and(|user| user != 0);
    let lost: Vec<&str> = capabilities(was.1).difference(&capabilities(will.1)).copied().collect();
    if !lost.is_empty() && !is_plain {
        let field = pair.after.field("/securityContext/capabilities");
        all.push((field, format!("{} goes away", lost.join(", "))));
    }
    let said = |of: (PodTemplate<'_>, Container<'_>), key: &str| is_true(effective(of, key));
    if said(will, "runAsNonRoot") && !said(was, "runAsNonRoot") && !is_plain {
        all.push((place("runAsNonRoot"), "the user must not be root".into()));
    }
    if effective(was, "seLinuxOptions") != effective(will, "seLinuxOptions") {
        all.push((place("seLinuxOptions"), "the SELinux label changes".into()));
    }
    if is_own_profile(will) && effective(was, "seccompProfile") != effective(will, "seccompProfile") {
        all.push((place("seccompProfile"), "the seccomp profile becomes one of the node's own".into()));
    }
    if app_armor(was) != app_armor(will) {
        all.push((place("appArmorProfile"), "the AppArmor profile changes".into()));
    }
    let own_users = |template: PodTemplate<'_>| template.spec.get("hostUsers") == Some(&Value::Bool(false));
    if own_users(was.0) != own_users(will.0) {
        all.push((format!("{}/hostUsers", will.0.pointer), "its users become others on the node".into()));
    }
    all
}

/// Whether a profile of the node's own may refuse calls on files. The container runtime's does not: it has all calls by which files are
/// opened, written and given away (`contrib/seccomp/seccomp_default.go` of containerd 1.6).
fn is_own_profile(of: (PodTemplate<'_>, Container<'_>)) -> bool {
    effective(of, "seccompProfile").and_then(|profile| profile.get("type")).is_some_and(|kind| kind == "Localhost")
}

/// A program that may write to its mounts only from now on. That cannot harm what is on them; what it wrote elsewhere it cannot write.
fn read_only_root(pair: &Pair<'_>) -> Option<Finding> {
    const KEY: &str = "/securityContext/readOnlyRootFilesystem";
    let has = |of: Container<'_>| is_true(of.json.pointer(KEY));
    let (was, will) = (pair.before.container, pair.after.container);
    (has(will) && !has(was)).then(|| {
        let found = format!(
            "{}: {} may write to its mounts only from now on",
            pair.after.name,
            shown(pair.after.template, will)
        );
        Finding::warning(Code::ReadOnlyRoot, found).about(pair.after.name).at(pair.after.field(KEY))
    })
}

fn is_true(value: Option<&Value>) -> bool {
    value == Some(&Value::Bool(true))
}

/// A field of the security context, of the container before that of the pod.
fn effective<'a>((template, container): (PodTemplate<'a>, Container<'a>), key: &str) -> Option<&'a Value> {
    let of = |json: &'a Value| json.get("securityContext")?.get(key).filter(|value| !value.is_null());
    let is_empty = |value: &&Value| value.as_object().is_some_and(serde_json::Map::is_empty);
    // An empty object of the container is not that of the pod either.
    of(container.json).or_else(|| of(template.spec)).filter(|value| !is_empty(value))
}

fn app_armor<'a>(of: (PodTemplate<'a>, Container<'a>)) -> Option<&'a Value> {
    let key = format!("container.apparmor.security.beta.kubernetes.io/{}", of.1.name);
    let annotation = || of.0.metadata.and_then(|metadata| metadata.get("annotations")?.get(&key));
    effective(of, "appArmorProfile").or_else(annotation)
}

/// Those of [`OF_FILES`] that a container has.
fn capabilities(container: Container<'_>) -> BTreeSet<&'static str> {
    let context = container.json.get("securityContext").unwrap_or(&Value::Null);
    if is_true(context.get("privileged")) {
        return OF_FILES.into();
    }
    let names = |key: &str| -> BTreeSet<String> {
        let all = list(context.get("capabilities").unwrap_or(&Value::Null), key).iter().filter_map(Value::as_str);
        all.map(|name| name.trim_start_matches("CAP_").to_ascii_uppercase()).collect()
    };
    let (add, drop) = (names("add"), names("drop"));
    let has = |name: &&str| {
        let is_named = |names: &BTreeSet<String>| names.contains(*name) || names.contains("ALL");
        let by_default = !NOT_BY_DEFAULT.contains(name) && !is_named(&drop);
        add.contains(*name) || (add.contains("ALL") && !drop.contains(*name)) || by_default
    };
    OF_FILES.into_iter().filter(has).collect()
}
