//! Objects of the new chart that exist and are somebody else's.

use portolan_model::{Code, Finding, Object, ReleaseId};

use super::Precheck;

const NAME: &str = "meta.helm.sh/release-name";
const NAMESPACE: &str = "meta.helm.sh/release-namespace";

/// Whose an object is where helm would not take it for this release's; `None` where it would (`checkOwnership` in
/// `pkg/action/validate.go`, helm 3.14.4 to 4.3.1: the label and both annotations).
pub(super) fn other(release: &ReleaseId, live: &Object) -> Option<String> {
    let text = |key: &str| live.annotation(key).unwrap_or_default();
    let is_helms = live.label("app.kubernetes.io/managed-by") == Some("Helm");
    if is_helms && text(NAME) == release.name && text(NAMESPACE) == release.namespace {
        return None;
    }
    Some(match (text(NAME), text(NAMESPACE)) {
        ("", _) => "was not made by helm".into(),
        (name, namespace) if name == release.name && namespace == release.namespace => {
            "does not have the label app.kubernetes.io/managed-by: Helm".into()
        }
        (name, namespace) => format!("belongs to release {name} in namespace {namespace}"),
    })
}

/// Documents that are new in the chart, exist, and are not this release's.
pub(super) fn findings(check: &Precheck) -> Vec<Finding> {
    let new = check.writes.planned.iter().filter_map(|doc| {
        let name = doc.name().filter(|name| !check.is_stored(name) && !check.writes.deletes.contains(name))?;
        let owner = other(&check.writes.release, check.known.get(&name)?)?;
        let place = if name.namespace().is_empty() {
            "in the cluster".to_owned()
        } else {
            format!("in namespace {}", name.namespace())
        };
        Some(
            Finding::blocking(Code::ForeignOwner, format!("{name} exists {place} and {owner}"))
                .about(&name)
                .next("give the chart's object another name, or switch it off in the values"),
        )
    });
    new.collect()
}
