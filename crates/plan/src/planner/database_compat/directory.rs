//! Where on a volume the data directory lies: the mount's `subPath`, then what `PGDATA` has below the `mountPath`.

use std::fmt;

use portolan_model::{Code, Finding, Ref};

use super::super::mounts;
use super::DatabaseCheck;
use super::server::{ServerContainer, list, text};

/// Where a server's data lies.
#[derive(Debug, PartialEq, Eq)]
enum Place {
    /// On a PVC, at a path from the volume's root.
    On { claim: Ref, path: String },
    /// On nothing that outlives the pod.
    Nowhere(String),
    /// It cannot be told, for this reason.
    Unknown(String),
}

/// The data directory of a server that finds none at its place is made anew, empty.
pub(super) fn compare(
    check: &DatabaseCheck<'_>,
    old: &ServerContainer<'_>,
    new: &ServerContainer<'_>,
) -> Option<Finding> {
    let (was, will) = (place(old), place(new));
    let evidence = [format!("today: {was}"), format!("{}: {will}", check.chart())];
    let mut finding = match (&was, &will) {
        (Place::Unknown(_), _) | (_, Place::Unknown(_)) => {
            check.may_not_open("whether the new server finds its data directory is not known").next(
                "compare where PGDATA lies on the volume, today and in the new manifest (mountPath, subPath, PGDATA)",
            )
        }
        (Place::Nowhere(_), _) => return None,
        (Place::On { claim, .. }, _) => {
            // A PVC that nobody mounts any more is told as that.
            if was == will || !mounts::is_mounted(&check.planned.docs, claim) {
                return None;
            }
            Finding::blocking(
                Code::OtherDataDirectory,
                format!("{} looks for the data of {} in another place", check.chart(), check.database.set),
            )
        }
    };
    finding.evidence.extend(evidence);
    Some(finding)
}

/// Whether it can be told where a server's data lies.
pub(super) fn is_known(server: &ServerContainer<'_>) -> bool {
    !matches!(place(server), Place::Unknown(_))
}

/// Where a server's data lies, if that goes with its pod.
pub(super) fn without_claim(server: &ServerContainer<'_>) -> Option<String> {
    if let Place::Nowhere(text) = place(server) { Some(text) } else { None }
}

fn place(server: &ServerContainer<'_>) -> Place {
    match pgdata(server) {
        Ok(path) => on_volume(server, path.trim_end_matches('/')),
        Err(why) => Place::Unknown(why),
    }
}

/// The server's data directory inside its container.
fn pgdata<'a>(server: &ServerContainer<'a>) -> Result<&'a str, String> {
    // The server's own options go before its environment: `postgres -D`, `-c data_directory=`, and their long forms.
    let mut words = server.list("command").iter().chain(server.list("args")).filter_map(serde_json::Value::as_str);
    if words.any(|word| word.starts_with("-D") || word.contains("--pgdata") || word.contains("data_directory")) {
        return Err("the container's command names a data directory".into());
    }
    // Of several the last counts, as for the kubelet.
    if let Some(env) = server.list("env").iter().rev().find(|env| text(env, "name") == "PGDATA") {
        return match env.get("value").and_then(serde_json::Value::as_str) {
            Some(path) if !path.contains("$(") => Ok(path),
            _ => Err("PGDATA is put together when the pod starts".into()),
        };
    }
    if !server.list("envFrom").is_empty() {
        return Err("PGDATA may come from one of the container's envFrom".into());
    }
    let default = server.known.and_then(|image| image.data.as_deref());
    default.ok_or_else(|| format!("PGDATA is not set, and where the image {} has its data is not known", server.image))
}

/// Where a path of the server's container lies.
fn on_volume(server: &ServerContainer<'_>, path: &str) -> Place {
    let mounts = server.list("volumeMounts").iter();
    let above = mounts.filter_map(|mount| Some((mount, below(path, text(mount, "mountPath"))?)));
    let Some((mount, rest)) = above.min_by_key(|(_, rest)| rest.len()) else {
        return Place::Nowhere(format!("{path}, which is on no volume"));
    };
    if !text(mount, "subPathExpr").is_empty() {
        return Place::Unknown(format!("the subPathExpr of the mount at {}", text(mount, "mountPath")));
    }
    let volume = text(mount, "name");
    let Some(claim) = claim(server, volume) else {
        return Place::Nowhere(format!("{path}, which is on the volume `{volume}` of the pod, and that is no PVC"));
    };
    let parts = [text(mount, "subPath"), rest];
    let path: Vec<&str> =
        parts.iter().flat_map(|part| part.split('/')).filter(|part| !matches!(*part, "" | ".")).collect();
    Place::On { claim, path: path.join("/") }
}

/// What of a path lies below another; `None` where it does not lie there.
fn below<'a>(path: &'a str, mount: &str) -> Option<&'a str> {
    if mount.is_empty() {
        return None;
    }
    let rest = path.strip_prefix(mount.trim_end_matches('/'))?;
    (rest.is_empty() || rest.starts_with('/')).then_some(rest)
}

/// The PVC under a volume of the pod's. A set's template goes before a volume of the same name
/// (`updateStorage` in Kubernetes' pkg/controller/statefulset/stateful_set_utils.go, 1.27 to 1.34).
fn claim(server: &ServerContainer<'_>, volume: &str) -> Option<Ref> {
    let made = mounts::made_by(server.workload).into_iter();
    let of_template = |made: &portolan_kube_facts::TemplateClaim<'_>| {
        made.template.pointer("/metadata/name").is_some_and(|name| name == volume)
    };
    made.filter(of_template).map(|made| made.claim).next().or_else(|| {
        let volume = list(server.pod, "volumes").iter().find(|known| text(known, "name") == volume)?;
        Some(Ref::claim(server.workload.text("/metadata/namespace"), portolan_kube_facts::claim_of(volume)?))
    })
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::On { claim, path } if path.is_empty() => write!(f, "the root of {claim}"),
            Self::On { claim, path } => write!(f, "{path} on {claim}"),
            Self::Nowhere(text) => f.write_str(text),
            Self::Unknown(why) => write!(f, "not known: {why}"),
        }
    }
}
