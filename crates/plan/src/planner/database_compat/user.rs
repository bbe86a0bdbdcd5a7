//! As whom the server runs. PostgreSQL starts only on a data directory that its user owns: `checkDataDir` in
//! src/backend/utils/init/miscinit.c (15.x), "data directory has wrong ownership". `fsGroup` does not help: the kubelet
//! then changes the group of files and never their owner (`changeFilePermission` in Kubernetes'
//! pkg/volume/volume_linux.go, 1.27 to 1.34).

use std::fmt;

use portolan_model::{Code, Finding, Platform, Ref};
use serde_json::Value;

use super::super::resolve::ResolvedRelease;
use super::DatabaseCheck;
use super::server::{ServerContainer, list, text};

/// `openshift.io/sa.scc.uid-range`: from the first number of it the restricted security context constraints give a pod
/// its user (openshift/apiserver-library-go, pkg/securitycontextconstraints/user/mustrunasrange.go).
const RANGE: &str = "openshift.io/sa.scc.uid-range";

/// The user of a container.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum User {
    /// Its number is written in the pod.
    Written(u64),
    /// OpenShift gives it this number, unless the service account may choose.
    Given(u64),
    /// The one of its image, or of whoever admits the pod.
    Unsaid,
}

pub(super) fn compare(
    check: &DatabaseCheck<'_>,
    old: &ServerContainer<'_>,
    new: &ServerContainer<'_>,
) -> Option<Finding> {
    let (was, will) = (today(check, old), planned(check, new));
    let is_equal = match (was.number(), will.number()) {
        (Some(was), Some(will)) => was == will,
        (None, None) => {
            is_openshift(check) || portolan_recipe::image_name(old.image) == portolan_recipe::image_name(new.image)
        }
        _ => false,
    };
    if is_equal {
        return None;
    }
    let other = || format!("{} runs the server of {} as another user", check.chart(), check.database.set);
    let hand = hand_over(new, will);
    let mut finding = match (was, will, &hand) {
        (User::Written(_), User::Written(_), None) => Finding::blocking(Code::OtherUser, other()),
        (User::Written(_), User::Written(_), Some(_)) => Finding::warning(Code::OtherUser, other())
            .next("see that the whole data directory is handed over to the new user, not its top alone"),
        _ => check
            .may_not_open("whether the new server runs as the user that owns the data is not known")
            .why("PostgreSQL does not start on a data directory that its user does not own")
            .next("compare `id -u` in the pod of today with the user of the new one"),
    };
    finding.evidence.push(format!("today: {was}"));
    finding.evidence.push(format!("{}: {will}", check.chart()));
    finding.evidence.extend(hand);
    Some(finding)
}

/// The user of the server that runs. Where its set leaves it open, the pod may say what it was admitted with.
fn today(check: &DatabaseCheck<'_>, server: &ServerContainer<'_>) -> User {
    written(server.pod, server.container).map(User::Written).unwrap_or_else(|| {
        let pod = check.state.objects.get(&check.database.reference.pod).and_then(|pod| pod.at("/spec"));
        let admitted = pod.and_then(|pod| {
            let name = text(server.container, "name");
            let container = list(pod, "containers").iter().find(|container| text(container, "name") == name)?;
            written(pod, container)
        });
        admitted.map_or_else(|| of_range(check), User::Written)
    })
}

fn planned(check: &DatabaseCheck<'_>, server: &ServerContainer<'_>) -> User {
    written(server.pod, server.container).map_or_else(|| of_range(check), User::Written)
}

/// The number that a pod's spec writes for a container: its own goes before the pod's.
fn written(pod: &Value, container: &Value) -> Option<u64> {
    let of = |value: &Value| value.pointer("/securityContext/runAsUser").and_then(Value::as_u64);
    of(container).or_else(|| of(pod))
}

fn is_openshift(check: &DatabaseCheck<'_>) -> bool {
    matches!(check.resolved.inventory.cluster.platform, Platform::OpenShift { .. })
}

/// What OpenShift gives to a pod that leaves it open.
fn of_range(check: &DatabaseCheck<'_>) -> User {
    first_of_range(check.resolved).filter(|_| is_openshift(check)).map_or(User::Unsaid, User::Given)
}

/// The first number of the namespace's range.
pub(super) fn first_of_range(resolved: &ResolvedRelease<'_>) -> Option<u64> {
    let namespace = Ref::new("", "Namespace", "", &resolved.release().namespace);
    let range = resolved.inventory.objects.get(&namespace).and_then(|object| object.annotation(RANGE));
    // `1000680000/10000`, or `1000680000-1000689999`.
    range.and_then(|range| range.split(['/', '-']).next()?.parse().ok())
}

/// What may give the data to the new user before the server looks at it.
fn hand_over(new: &ServerContainer<'_>, will: User) -> Option<String> {
    if will.number() == Some(0) {
        return Some("it starts as root, so its image may hand the data over and step down".into());
    }
    let volumes: Vec<&str> = new.list("volumeMounts").iter().map(|mount| text(mount, "name")).collect();
    let may = |init: &&Value| {
        let mounts = list(init, "volumeMounts").iter().any(|mount| volumes.contains(&text(mount, "name")));
        mounts && written(new.pod, init).is_none_or(|user| user == 0)
    };
    let init = list(new.pod, "initContainers").iter().find(may)?;
    Some(format!("its init container {} may hand the data over", text(init, "name")))
}

impl User {
    fn number(self) -> Option<u64> {
        match self {
            Self::Written(user) | Self::Given(user) => Some(user),
            Self::Unsaid => None,
        }
    }
}

impl fmt::Display for User {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Written(user) => write!(f, "user {user}"),
            Self::Given(user) => write!(f, "user {user}, which OpenShift gives to pods of this namespace"),
            Self::Unsaid => f.write_str("the user of its image"),
        }
    }
}
