//! What a pod gets of its own fields: the same in each pod of a workload, or another in each new one.
//!
//! Kubernetes: "Downward API" and the labels that the controllers of StatefulSets, Deployments and DaemonSets set (concepts of 1.31).

use portolan_kube_facts::Container;
use serde_json::Value;

use super::uses::Use;

/// Which pods a text is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pods {
    /// Those that run, and go on.
    Today,
    /// Those that come in their place.
    New,
}

/// How a field of the new pods begins that is not the one of today.
const NEW: &str = "$new-";

/// What stands for something that each new pod finds out anew.
pub(super) fn new(what: &str) -> String {
    format!("{NEW}{what}")
}

/// A text in which what each new pod finds out anew stands as what is there today.
pub(super) fn as_today(text: &str) -> String {
    text.replace(NEW, "$")
}

/// The variable in which each container has the name of its host.
pub(super) const HOST: &str = "HOSTNAME";

/// What stands for the text of a variable that is known only when the pod starts: the same text means the same value.
pub(super) fn text(user: &Use<'_>, env: &Value, pods: Pods) -> String {
    let from = env.get("valueFrom").unwrap_or(&Value::Null);
    if let Some(path) = from.pointer("/fieldRef/fieldPath").and_then(Value::as_str) {
        return field(user, path, pods);
    }
    match from.get("resourceFieldRef") {
        Some(of) => resource(user, of),
        None => format!("${}", plain(&from.to_string())),
    }
}

/// A field of the pod.
pub(super) fn field(user: &Use<'_>, path: &str, pods: Pods) -> String {
    let is_of_set = user.name.kind() == "StatefulSet";
    match path {
        "metadata.name" | "metadata.labels['statefulset.kubernetes.io/pod-name']" if is_of_set => {
            format!("{}-$ordinal", user.name.name())
        }
        "metadata.namespace" => user.name.namespace().to_owned(),
        "spec.serviceAccountName" => user.template.account().to_owned(),
        _ if pods == Pods::New && is_anew(user.name.kind(), path) => format!("{NEW}{}", plain(path)),
        _ => label(user, path).unwrap_or_else(|| format!("${}", plain(path))),
    }
}

/// The name of the pod's host: the pod's own where it has no other.
pub(super) fn host(user: &Use<'_>, pods: Pods) -> String {
    let spec = user.template.spec;
    match spec.get("hostname").and_then(Value::as_str) {
        _ if spec.get("hostNetwork") == Some(&Value::Bool(true)) => field(user, "spec.nodeName", pods),
        Some(name) if user.name.kind() != "StatefulSet" => name.to_owned(),
        _ => field(user, "metadata.name", pods),
    }
}

/// Replaces a variable as a shell does.
pub(super) fn in_shell(text: &str, name: &str, value: &str) -> String {
    let mut all = text.replace(&format!("${{{name}}}"), value);
    if name == HOST {
        let asked =
            ["$(hostname)", "`hostname`", "$(hostname -s)", "$(uname -n)", "`uname -n`", "$(cat /etc/hostname)"];
        all = asked.iter().fold(all, |all, asked| all.replace(asked, value));
    }
    let (mut done, mut rest) = (String::new(), all.as_str());
    while let Some((before, after)) = rest.split_once(&format!("${name}")) {
        let is_longer = after.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_');
        done.push_str(before);
        if is_longer {
            done.push_str(&format!("${name}"));
        } else {
            done.push_str(value);
        }
        rest = after;
    }
    done + rest
}

/// The field of the new pods that a place is made of.
pub(super) fn anew_in(place: &str) -> Option<&str> {
    let rest = place.split_once(NEW)?.1;
    Some(rest.split('/').next().unwrap_or(rest))
}

/// Whether a field is another one in each new pod of a kind of workload. A DaemonSet's pods stay on their nodes.
fn is_anew(kind: &str, path: &str) -> bool {
    match path {
        "metadata.uid" | "status.podIP" | "status.podIPs" => true,
        "status.hostIP" | "status.hostIPs" | "spec.nodeName" => kind != "DaemonSet",
        "metadata.name" => matches!(kind, "Deployment" | "ReplicaSet" | "DaemonSet" | "ReplicationController"),
        "metadata.labels['controller-revision-hash']" => matches!(kind, "StatefulSet" | "DaemonSet"),
        "metadata.labels['pod-template-hash']" => kind == "Deployment",
        _ => false,
    }
}

/// A label or an annotation of the pod, as far as its template has it.
fn label(user: &Use<'_>, path: &str) -> Option<String> {
    let (map, key) = path.strip_prefix("metadata.")?.strip_suffix("']")?.split_once("['")?;
    Some(user.template.metadata?.get(map)?.get(key)?.as_str()?.to_owned())
}

/// What a container asks for, or may use; what it does not say depends on the node.
fn resource(user: &Use<'_>, of: &Value) -> String {
    let text = |key: &str| of.get(key).and_then(Value::as_str).unwrap_or_default();
    let name = text("containerName");
    let its = |container: &Container<'_>| container.name == name;
    let container = user.template.containers().find(its).unwrap_or(user.container);
    let (list, what) = text("resource").split_once('.').unwrap_or_default();
    let of = |list: &str| container.json.get("resources")?.get(list)?.get(what);
    let amount = of(list).or_else(|| of("limits"));
    let amount = amount.map_or_else(|| "of-the-node".to_owned(), |amount| plain(&amount.to_string()));
    format!("${}-{amount}-{}", plain(text("resource")), plain(text("divisor")))
}

/// A text without what ends a path.
fn plain(text: &str) -> String {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && !matches!(c, '.' | '-' | '_'));
    words.filter(|word| !word.is_empty()).collect::<Vec<_>>().join(".")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shell_puts_variables_in() {
        for (text, becomes) in [("a $V/b ${V}c $VAR $(V)", "a 1/b 1c $VAR $(V)"), ("$V$V", "11"), ("V", "V")] {
            assert_eq!(in_shell(text, "V", "1"), becomes, "{text}");
        }
        assert_eq!(in_shell("/data/$(hostname)", HOST, "x"), "/data/x");
    }

    #[test]
    fn fields_that_each_pod_has_anew() {
        for (kind, path, is) in [
            ("StatefulSet", "metadata.uid", true),
            ("StatefulSet", "metadata.name", false),
            ("Deployment", "metadata.name", true),
            ("StatefulSet", "metadata.labels['controller-revision-hash']", true),
            ("Deployment", "metadata.labels['controller-revision-hash']", false),
            ("Deployment", "metadata.labels['pod-template-hash']", true),
            ("StatefulSet", "metadata.labels['apps.kubernetes.io/pod-index']", false),
            ("StatefulSet", "spec.nodeName", true),
            ("DaemonSet", "spec.nodeName", false),
        ] {
            assert_eq!(is_anew(kind, path), is, "{kind} {path}");
        }
        assert_eq!(plain("metadata.labels['a/b']"), "metadata.labels.a.b");
        assert_eq!(anew_in("db/x$new-status.podIP/y"), Some("status.podIP"));
        assert_eq!(anew_in("db"), None);
    }
}
