//! Every field of a pod and of its containers (`PodSpec` v1 and `Container` v1, Kubernetes 1.34), and what a change of it can do to data that
//! the pod mounts. What is on no list is not known to be harmless.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::semantics;

/// What a change of a field can do to the data of a pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FieldEffect {
    /// Nothing, for this reason.
    Harmless(&'static str),
    /// It depends on what the field says, which is compared by itself: in what, in words.
    Compared(&'static str),
    /// It can lose or hide data, for this reason.
    Unclear(&'static str),
}

use FieldEffect::{Compared, Harmless, Unclear};

/// Fields with what a change of each can do.
pub(crate) type Fields = &'static [(&'static str, FieldEffect)];

pub(crate) const NOT_KNOWN: FieldEffect = Unclear("what it does to the data is not known");
const PLACE: FieldEffect =
    Harmless("it says on which node the pod runs, and a PV is mounted only where its nodeAffinity allows it");
const NO_START: FieldEffect = Harmless("without it the pod does not start, and nothing is written");
const COMPARED_AS_SETTINGS: FieldEffect = Compared("settings, scripts and paths");
const USERS: FieldEffect = Compared("the users and groups of the program");
const SECURITY: FieldEffect = Compared("what the program may do to files");
const NAME_OF_HOST: FieldEffect = Compared("the name of the host");
const ACCOUNT: FieldEffect = Compared("the rights of accounts, and variables that show the account");
const PROBE: FieldEffect =
    Harmless("it decides when the container is ready or restarted, as a container may be at any time");

/// Fields of a pod's spec.
const POD: Fields = &[
    ("affinity", PLACE),
    ("automountServiceAccountToken", Harmless("a program without the token cannot ask the API server for anything")),
    ("containers", Compared("each container")),
    ("dnsConfig.options", Harmless("it says how a name is asked for, not who answers")),
    ("dnsConfig", Unclear("names of other servers may lead elsewhere: to another database, or to none")),
    ("dnsPolicy", Unclear("names of other servers may lead elsewhere: to another database, or to none")),
    ("enableServiceLinks", Compared("variables of Services")),
    ("hostAliases", Compared("the servers that its texts name")),
    ("hostNetwork", NAME_OF_HOST),
    ("hostPID", Compared("what the pod reaches on its node")),
    ("hostUsers", SECURITY),
    ("hostname", NAME_OF_HOST),
    ("imagePullSecrets", NO_START),
    ("initContainers", Compared("each container, and their order")),
    ("nodeName", PLACE),
    ("nodeSelector", PLACE),
    ("overhead", Harmless("it says what the runtime itself needs")),
    ("preemptionPolicy", Harmless("it says whose pods give way")),
    ("priority", Harmless("it says whose pods give way")),
    ("priorityClassName", Harmless("it says whose pods give way")),
    ("readinessGates", Harmless("it decides when the pod is ready")),
    ("resourceClaims", NO_START),
    ("resources", Harmless("it says how much of the node the pod gets")),
    ("runtimeClassName", Unclear("another runtime may show the files of the volume otherwise, or sync them otherwise")),
    ("schedulerName", PLACE),
    ("schedulingGates", NO_START),
    ("securityContext.appArmorProfile", SECURITY),
    ("securityContext.fsGroup", USERS),
    (
        "securityContext.fsGroupChangePolicy",
        Harmless("it says whether files are gone through whose folder has the group already"),
    ),
    ("securityContext.runAsGroup", USERS),
    ("securityContext.runAsNonRoot", SECURITY),
    ("securityContext.runAsUser", USERS),
    ("securityContext.seLinuxOptions", SECURITY),
    ("securityContext.seccompProfile", SECURITY),
    ("securityContext.supplementalGroups", USERS),
    ("securityContext.sysctls", Harmless("those that a pod may set are about its network and its shared memory")),
    ("serviceAccount", ACCOUNT),
    ("serviceAccountName", ACCOUNT),
    ("setHostnameAsFQDN", NAME_OF_HOST),
    ("shareProcessNamespace", Compared("containers that reach each other's files")),
    ("subdomain", NAME_OF_HOST),
    ("terminationGracePeriodSeconds", Compared("how the pod ends")),
    ("tolerations", PLACE),
    ("topologySpreadConstraints", PLACE),
    ("volumes", Compared("mounts, files and sources of volumes")),
    // Of one pod alone: no template of a workload that goes on has it.
    ("activeDeadlineSeconds", Unclear("it ends the program at a time that the program does not know")),
];

/// Fields of a container.
const CONTAINER: Fields = &[
    ("args", COMPARED_AS_SETTINGS),
    ("command", COMPARED_AS_SETTINGS),
    ("env", COMPARED_AS_SETTINGS),
    ("envFrom", COMPARED_AS_SETTINGS),
    ("image", Compared("programs and their versions")),
    ("imagePullPolicy", Compared("programs and their versions")),
    ("lifecycle.postStart.exec", COMPARED_AS_SETTINGS),
    ("lifecycle.postStart.sleep", Harmless("it waits")),
    ("lifecycle.postStart.tcpSocket", Harmless("nothing is done with it")),
    ("lifecycle.postStart", Unclear("it asks a server for something when the container starts")),
    ("lifecycle.preStop.exec", COMPARED_AS_SETTINGS),
    ("lifecycle.preStop.sleep", Harmless("it waits")),
    ("lifecycle.preStop.tcpSocket", Harmless("nothing is done with it")),
    ("lifecycle.preStop", Unclear("it asks a server for something before the container ends")),
    ("lifecycle.stopSignal", Unclear("at another signal the program may end without writing what it has in memory")),
    ("livenessProbe.exec", COMPARED_AS_SETTINGS),
    ("livenessProbe", PROBE),
    ("name", Compared("which container is in which one's place")),
    ("ports", Compared("where Services lead")),
    ("readinessProbe.exec", COMPARED_AS_SETTINGS),
    ("readinessProbe", PROBE),
    ("resizePolicy", Harmless("it says how the container gets more of the node")),
    ("resources", Harmless("it says how much of the node the container gets")),
    (
        "securityContext.allowPrivilegeEscalation",
        Harmless("a program that needs another user than its own does not start"),
    ),
    ("securityContext.appArmorProfile", SECURITY),
    ("securityContext.capabilities", SECURITY),
    ("securityContext.privileged", SECURITY),
    ("securityContext.readOnlyRootFilesystem", SECURITY),
    ("securityContext.runAsGroup", USERS),
    ("securityContext.runAsNonRoot", SECURITY),
    ("securityContext.runAsUser", USERS),
    ("securityContext.seLinuxOptions", SECURITY),
    ("securityContext.seccompProfile", SECURITY),
    ("startupProbe.exec", COMPARED_AS_SETTINGS),
    ("startupProbe", PROBE),
    ("stdin", Harmless("nobody writes to it")),
    ("stdinOnce", Harmless("nobody writes to it")),
    ("terminationMessagePath", Compared("paths on the volume")),
    ("terminationMessagePolicy", Harmless("it says what the kubelet shows of a container that has ended")),
    ("tty", Harmless("it says how what the program writes is shown")),
    ("volumeDevices", Compared("mounts")),
    ("workingDir", Unclear("the paths of its program that do not begin with / begin in another folder")),
];

/// Fields of a mount.
const MOUNT: Fields = &[
    ("mountPath", Compared("mounts")),
    ("mountPropagation", Unclear("what is mounted on the node below that folder may not be seen any more")),
    ("name", Compared("mounts")),
    ("readOnly", Compared("mounts")),
    ("recursiveReadOnly", Harmless("the mount is one that cannot be written to")),
    ("subPath", Compared("mounts")),
];

/// What a change of a field of a pod's spec can do. The path has dots, and nothing for places in lists: `securityContext.fsGroup`.
#[must_use]
pub fn pod_field(path: &str) -> FieldEffect {
    find(POD, path)
}

/// What a change of a field of a container can do: `lifecycle.preStop.exec`.
#[must_use]
pub fn container_field(path: &str) -> FieldEffect {
    match path.strip_prefix("volumeMounts") {
        Some("" | ".subPathExpr") => Compared("mounts"),
        Some(rest) => find(MOUNT, rest.trim_start_matches('.')),
        None => find(CONTAINER, path),
    }
}

/// The longest entry that a path is, or is below.
pub(crate) fn find(all: Fields, path: &str) -> FieldEffect {
    let is_in = |known: &str| path.strip_prefix(known).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'));
    let found = all.iter().filter(|(known, _)| is_in(known)).max_by_key(|(known, _)| known.len());
    found.map_or(NOT_KNOWN, |(_, effect)| *effect)
}

/// The fields in which two pods or containers differ, each by its innermost path. Of a list that is another one only the list is named, but
/// for the items of before and after that have the same name.
#[must_use]
pub fn changed_fields(was: &Value, will: &Value) -> BTreeSet<String> {
    let mut all = BTreeSet::new();
    compare("", Some(was), Some(will), &mut all);
    all
}

fn compare(path: &str, was: Option<&Value>, will: Option<&Value>, all: &mut BTreeSet<String>) {
    let key = path.rsplit('.').next().unwrap_or(path);
    let both = (was.filter(|value| !value.is_null()), will.filter(|value| !value.is_null()));
    match both {
        (None, None) => {}
        (Some(was), Some(will)) if semantics::equal(was, will) => {}
        (Some(only), None) | (None, Some(only)) if !only.is_object() && semantics::is_default(key, only) => {}
        (Some(Value::Array(was)), Some(Value::Array(will))) => items(path, was, will, all),
        (was, will) if was.or(will).is_some_and(Value::is_object) => {
            let of = |value: Option<&Value>| value.and_then(Value::as_object).cloned().unwrap_or_default();
            let (was, will) = (of(was), of(will));
            for key in was.keys().chain(will.keys().filter(|key| !was.contains_key(*key))) {
                let inner = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                compare(&inner, was.get(key), will.get(key), all);
            }
        }
        _ => {
            all.insert(path.to_owned());
        }
    }
}

/// The items of lists, by their names and mount paths.
fn items(path: &str, was: &[Value], will: &[Value], all: &mut BTreeSet<String>) {
    let is_same = |a: &Value, b: &Value| {
        a.get("name").is_some() && a.get("name") == b.get("name") && a.get("mountPath") == b.get("mountPath")
    };
    let pairs: Vec<(&Value, &Value)> =
        was.iter().filter_map(|a| Some((a, will.iter().find(|b| is_same(a, b))?))).collect();
    if pairs.len() != was.len() || pairs.len() != will.len() {
        all.insert(path.to_owned());
    }
    pairs.into_iter().for_each(|(was, will)| compare(path, Some(was), Some(will), all));
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// The fields of `PodSpec` v1 that a template of a workload may have, of Kubernetes 1.34 (`k8s.io/api/core/v1/types.go`).
    const POD_SPEC: &str = "activeDeadlineSeconds affinity automountServiceAccountToken containers dnsConfig dnsPolicy \
        enableServiceLinks hostAliases hostIPC hostNetwork hostPID hostUsers hostname hostnameOverride imagePullSecrets \
        initContainers nodeName nodeSelector os overhead preemptionPolicy priority priorityClassName readinessGates \
        resourceClaims resources restartPolicy runtimeClassName schedulerName schedulingGates securityContext serviceAccount \
        serviceAccountName setHostnameAsFQDN shareProcessNamespace subdomain terminationGracePeriodSeconds tolerations \
        topologySpreadConstraints volumes";

    const CONTAINER_SPEC: &str = "args command env envFrom image imagePullPolicy lifecycle livenessProbe name ports \
        readinessProbe resizePolicy resources restartPolicy restartPolicyRules securityContext startupProbe stdin stdinOnce \
        terminationMessagePath terminationMessagePolicy tty volumeDevices volumeMounts workingDir";

    #[test]
    fn every_field_is_on_a_list_or_known_to_be_on_none() {
        let unlisted = |all: &'static str, of: fn(&str) -> FieldEffect| -> Vec<&str> {
            all.split_whitespace().filter(|field| of(field) == NOT_KNOWN).collect()
        };
        let rare = ["hostIPC", "hostnameOverride", "os", "restartPolicy", "securityContext"];
        assert_eq!(unlisted(POD_SPEC, pod_field), rare);
        let rare = ["lifecycle", "restartPolicy", "restartPolicyRules", "securityContext"];
        assert_eq!(unlisted(CONTAINER_SPEC, container_field), rare);
        for (known, spec) in [(POD, POD_SPEC), (CONTAINER, CONTAINER_SPEC)] {
            for (path, effect) in known {
                let field = path.split('.').next().expect("a name");
                assert!(spec.split_whitespace().any(|name| name == field), "{path} is a field");
                let (Harmless(why) | Compared(why) | Unclear(why)) = effect;
                assert!(!why.is_empty(), "{path} has a reason");
            }
        }
    }

    #[test]
    fn the_innermost_field_decides() {
        for (field, is_harmless) in [
            ("dnsConfig.options", true),
            ("dnsConfig.nameservers", false),
            ("securityContext.fsGroupChangePolicy", true),
            ("securityContext.supplementalGroupsPolicy", false),
            ("tolerationsOfAnotherKind", false),
        ] {
            assert_eq!(matches!(pod_field(field), Harmless(_)), is_harmless, "{field}");
        }
        for (field, is_unclear) in [
            ("lifecycle.preStop.sleep.seconds", false),
            ("lifecycle.preStop.httpGet.path", true),
            ("lifecycle.preStop.exec.command", false),
            ("livenessProbe.httpGet.path", false),
            ("volumeMounts.mountPropagation", true),
            ("volumeMounts.subPathExpr", false),
            ("volumeMounts", false),
            ("securityContext.procMount", true),
        ] {
            assert_eq!(matches!(container_field(field), Unclear(_)), is_unclear, "{field}");
        }
    }

    #[test]
    fn what_differs_is_named_by_its_innermost_path() {
        for (was, will, expected) in [
            (
                json!({}),
                json!({"lifecycle": {"preStop": {"sleep": {"seconds": 5}}}}),
                "lifecycle.preStop.sleep.seconds",
            ),
            (json!({"dnsPolicy": "ClusterFirst", "hostPID": false}), json!({}), ""),
            (json!({"securityContext": {}}), json!({"securityContext": {"fsGroup": 1}}), "securityContext.fsGroup"),
            (
                json!({"volumeMounts": [{"name": "a", "mountPath": "/a"}, {"name": "b", "mountPath": "/b"}]}),
                json!({"volumeMounts": [{"name": "b", "mountPath": "/b"}, {"name": "a", "mountPath": "/a", "mountPropagation": "HostToContainer"}]}),
                "volumeMounts.mountPropagation",
            ),
            (
                json!({"volumeMounts": [{"name": "a", "mountPath": "/a", "mountPropagation": "None", "readOnly": false}]}),
                json!({"volumeMounts": [{"name": "a", "mountPath": "/a"}]}),
                "",
            ),
            (json!({"tolerations": []}), json!({"tolerations": [{"operator": "Exists"}]}), "tolerations"),
            (json!({"dnsConfig": {"options": [{"name": "ndots"}]}}), json!({}), "dnsConfig.options"),
        ] {
            let found = changed_fields(&was, &will).into_iter().collect::<Vec<_>>().join(" ");
            assert_eq!(found, expected, "{was} {will}");
        }
    }
}
