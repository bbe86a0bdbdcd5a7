//! What helm says where an object of the new chart exists and is not the release's.

use portolan_kube_facts::group_of;
use portolan_model::{Code, Finding, Ref};

const MARK: &str = " exists and cannot be imported into the current release";

/// The finding of helm's words `KIND "NAME" in namespace "NAMESPACE" exists and cannot be imported into the current release: ..`
/// (`existingResourceConflict` in `pkg/action/validate.go`, helm 3.14.4 to 4.3.1); `None` where helm says something else.
pub(super) fn owner(said: &[String]) -> Option<Finding> {
    let line = said.iter().find(|line| line.contains(MARK))?;
    let (object, why) = line.split_once(MARK)?;
    let mut quoted = object.rsplit('"');
    let (namespace, _, name, kind) = (quoted.nth(1)?, quoted.next(), quoted.next()?, quoted.next()?);
    let kind = kind.trim().rsplit(' ').next()?;
    let target = Ref::new(group_of(kind), kind, namespace, name);
    let place = if namespace.is_empty() { "in the cluster".to_owned() } else { format!("in namespace {namespace}") };
    let value = |key: &str| {
        let rest = why.split_once(&format!("\"meta.helm.sh/{key}\" must equal"))?.1;
        rest.split_once("current value is \"")?.1.split('"').next().map(str::to_owned)
    };
    let owner = match (value("release-name"), value("release-namespace")) {
        (Some(name), Some(namespace)) => format!("belongs to release {name} in namespace {namespace}"),
        (Some(name), None) => format!("belongs to release {name} in the same namespace"),
        (None, Some(namespace)) => format!("belongs to the release of the same name in namespace {namespace}"),
        (None, None) => "was not made by helm".to_owned(),
    };
    Some(
        Finding::blocking(Code::ForeignOwner, format!("{target} exists {place} and {owner}"))
            .about(&target)
            .with(line.clone())
            .next("give the chart's object another name, or switch it off in the values"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_object_and_its_owner_are_named() {
        let head = "UPGRADE FAILED: Unable to continue with update: ";
        for (said, object, found) in [
            (
                "ClusterRole \"shared\" in namespace \"\" exists and cannot be imported into the current release: invalid ownership metadata; annotation validation error: key \"meta.helm.sh/release-name\" must equal \"r\": current value is \"other\"; annotation validation error: key \"meta.helm.sh/release-namespace\" must equal \"n\": current value is \"m\"",
                Ref::new("rbac.authorization.k8s.io", "ClusterRole", "", "shared"),
                "ClusterRole/shared exists in the cluster and belongs to release other in namespace m",
            ),
            (
                "ConfigMap \"a\" in namespace \"n\" exists and cannot be imported into the current release: invalid ownership metadata; label validation error: missing key \"app.kubernetes.io/managed-by\": must be set to \"Helm\"",
                Ref::new("", "ConfigMap", "n", "a"),
                "ConfigMap/a exists in namespace n and was not made by helm",
            ),
        ] {
            let finding = owner(&[format!("{head}{said}")]).expect("a foreign owner");
            assert_eq!(
                (finding.code, finding.object(), finding.found.as_str()),
                (Code::ForeignOwner, Some(&object), found)
            );
        }
        assert_eq!(owner(&["UPGRADE FAILED: timed out".to_owned()]), None);
    }
}
