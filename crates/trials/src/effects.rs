//! Which rules were seen at work: by what the API server's audit log says of writes, who sent them and to what.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use anyhow::{Result, ensure};
use serde_json::Value;

/// Rules that write nothing, so that no log of writes shows them.
pub const UNSEEN: [&str; 2] = ["H1", "H2"];

/// The audit log of an API server, from a moment on. The server puts a log of 100 MB aside under another name and begins a new
/// one (`--audit-log-maxsize`, Kubernetes 1.34).
pub struct AuditLog {
    path: PathBuf,
    /// The log of that moment, read up to its end then. It stays the same file when it is put aside.
    then: fs_err::File,
    /// The names of the volumes that were bound by then.
    bound: BTreeSet<String>,
}

impl AuditLog {
    /// The log beside a kubeconfig of the rig, from now on; `bound` are the names of the volumes that are bound already.
    ///
    /// # Errors
    /// Where there is none.
    pub fn beside(kubeconfig: &Path, bound: BTreeSet<String>) -> Result<Self> {
        let path = kubeconfig.with_file_name("audit.log");
        let mut then = fs_err::File::open(&path)?;
        then.seek(SeekFrom::End(0))?;
        Ok(Self { path, then, bound })
    }

    /// What was written since then.
    fn since(&self) -> Result<Vec<u8>> {
        // Only what came since: the log of a rig grows with everything that ever ran on it.
        let mut then = &self.then;
        let from = then.stream_position()?;
        ensure!(then.metadata()?.len() >= from, "the audit log was cut");
        let mut bytes = Vec::new();
        then.read_to_end(&mut bytes)?;
        then.seek(SeekFrom::Start(from))?;
        let mut now = fs_err::File::open(&self.path)?;
        if now.metadata()?.ino() != then.metadata()?.ino() {
            now.read_to_end(&mut bytes)?;
        }
        Ok(bytes)
    }

    /// What nobody but people and their programs wrote since then: `VERB RESOURCE/NAME`. Questions and dry runs are no writes.
    ///
    /// # Errors
    /// Where the log cannot be read.
    pub fn writes(&self) -> Result<Vec<String>> {
        let bytes = self.since()?;
        let text = String::from_utf8_lossy(&bytes);
        let events = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let is_question = |event: &Value| {
            let uri = event["requestURI"].as_str().unwrap_or_default();
            uri.contains("dryRun=All") || uri.contains("/apis/authorization.k8s.io/")
        };
        let writes = events.filter(|event| !is_question(event)).filter_map(|event| Write::of(&event));
        let by_people = writes.filter(|write| matches!(write.by.as_str(), "helm" | "somebody") && write.carried_out);
        // A database is asked through one.
        let by_people = by_people.filter(|write| write.subresource != "portforward");
        Ok(by_people.map(|write| format!("{} {}/{}", write.verb, write.resource, write.name)).collect())
    }

    /// The rules whose effects the log has since then, in a namespace, on the volumes of then and on others by their names.
    ///
    /// # Errors
    /// Where the log cannot be read.
    pub fn rules(&self, namespace: &str, others: &BTreeSet<String>) -> Result<BTreeSet<&'static str>> {
        let bytes = self.since()?;
        let text = String::from_utf8_lossy(&bytes);
        let events = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let of_site: Vec<Write> = events
            .filter_map(|event| Write::of(&event))
            .filter(|write| {
                write.namespace == namespace
                    || (write.resource == "persistentvolumes"
                        && (self.bound.contains(&write.name) || others.contains(&write.name)))
            })
            .collect();
        Ok(rules(&of_site, &self.bound))
    }
}

/// A write as the log has it.
#[derive(Clone, Debug)]
struct Write {
    /// A controller by its service account, `kubelet`, `scheduler`, `helm`, or somebody else.
    by: String,
    verb: String,
    resource: String,
    subresource: String,
    namespace: String,
    name: String,
    carried_out: bool,
}

impl Write {
    fn of(event: &Value) -> Option<Self> {
        let text = |pointer: &str| event.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
        let user = text("/user/username");
        let by = if text("/userAgent").starts_with("Helm/") {
            "helm".into()
        } else if user.starts_with("system:node:") {
            "kubelet".into()
        } else if user == "system:kube-scheduler" {
            "scheduler".into()
        } else {
            user.strip_prefix("system:serviceaccount:kube-system:").unwrap_or("somebody").to_owned()
        };
        let code = event.pointer("/responseStatus/code").and_then(Value::as_u64)?;
        Some(Self {
            by,
            verb: text("/verb"),
            resource: text("/objectRef/resource"),
            subresource: text("/objectRef/subresource"),
            namespace: text("/objectRef/namespace"),
            name: text("/objectRef/name"),
            carried_out: code < 300,
        })
    }

    fn is(&self, by: &str, verb: &str, resource: &str) -> bool {
        let whole = if self.subresource.is_empty() {
            self.resource.clone()
        } else {
            format!("{}/{}", self.resource, self.subresource)
        };
        self.by == by && self.verb == verb && whole == resource
    }
}

/// The rules that explain these writes, which are in the order of the log.
fn rules(writes: &[Write], bound: &BTreeSet<String>) -> BTreeSet<&'static str> {
    let mut found = BTreeSet::new();
    let mut statuses: BTreeMap<&str, usize> = bound.iter().map(|volume| (volume.as_str(), 1)).collect();
    let mut failed = false;
    for (at, write) in writes.iter().enumerate() {
        let later = &writes[at + 1..];
        if !write.carried_out {
            failed |= write.by == "helm" && write.verb == "patch";
            continue;
        }
        if write.by == "helm" {
            found.insert(of_helm(write));
            if failed && write.verb == "patch" {
                found.insert("H6");
            }
            continue;
        }
        if write.is("persistent-volume-binder", "update", "persistentvolumes/status") {
            *statuses.entry(&write.name).or_default() += 1;
        }
        // The first status of a volume is Bound.
        let is_released = statuses.get(write.name.as_str()).is_some_and(|count| *count > 1);
        found.extend(of_controller(write, is_released, later));
    }
    found
}

fn of_helm(write: &Write) -> &'static str {
    let is_record = write.resource == "secrets" && write.name.starts_with("sh.helm.release.v1.");
    match (write.verb.as_str(), is_record) {
        ("create", true) => "H3",
        (_, true) => "H13",
        ("create", false) => "H4",
        ("delete", false) => "H12",
        _ => "H5",
    }
}

fn of_controller(write: &Write, is_released: bool, later: &[Write]) -> Option<&'static str> {
    let is = |by: &str, verb: &str, resource: &str| write.is(by, verb, resource);
    if is("persistent-volume-binder", "create", "persistentvolumes") {
        Some("R3")
    } else if is("persistent-volume-binder", "update", "persistentvolumes/status") {
        is_released.then_some("R5")
    } else if is("pvc-protection-controller", "update", "persistentvolumeclaims") {
        Some("R6")
    } else if is("persistent-volume-binder", "delete", "persistentvolumes") {
        Some("R8")
    } else if is("kubelet", "delete", "pods") {
        Some("R9p")
    } else if write.by == "generic-garbage-collector" && write.verb == "delete" {
        Some("R10")
    } else if is("statefulset-controller", "create", "persistentvolumeclaims") {
        Some("R11a")
    } else if is("statefulset-controller", "create", "pods") {
        Some("R11b")
    } else if is("statefulset-controller", "update", "persistentvolumeclaims") {
        Some("R11d")
    } else if is("statefulset-controller", "patch", "pods") {
        Some("R11f")
    } else if is("statefulset-controller", "delete", "pods") {
        // A pod that is replaced comes again under its name; one that is not wanted does not. Creations of pods have names.
        let again = |later: &Write| later.is("statefulset-controller", "create", "pods") && later.name == write.name;
        Some(if later.iter().any(again) { "R11c" } else { "R11e" })
    } else if is("deployment-controller", "create", "replicasets") {
        Some("R12")
    } else if is("job-controller", "update", "jobs/status") || is("job-controller", "patch", "jobs/status") {
        Some("R12j")
    } else if is("scheduler", "create", "pods/binding") {
        Some("R13")
    } else if is("kubelet", "patch", "pods/status") {
        Some("R13r")
    } else if write.by == "namespace-controller" && write.verb.starts_with("delete") {
        Some("R14")
    } else if is("namespace-controller", "update", "namespaces/finalize") {
        Some("R9f")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// A write: who, what, to which object, with which status.
    fn event((user, agent, verb, resource, name, code): (&str, &str, &str, &str, &str, u64)) -> Value {
        let user = if user.contains(':') || user == "admin" {
            user.to_owned()
        } else {
            format!("system:serviceaccount:kube-system:{user}")
        };
        let (resource, subresource) = resource.split_once('/').unwrap_or((resource, ""));
        json!({"user": {"username": user}, "userAgent": agent, "verb": verb, "responseStatus": {"code": code},
            "objectRef": {"resource": resource, "subresource": subresource, "namespace": "n", "name": name}})
    }

    fn seen(events: &[(&str, &str, &str, &str, &str, u64)]) -> Vec<&'static str> {
        let writes: Vec<Write> = events.iter().filter_map(|one| Write::of(&event(*one))).collect();
        rules(&writes, &BTreeSet::from(["old".to_owned()])).into_iter().collect()
    }

    #[test]
    fn only_what_the_log_has_since_then_counts() {
        let folder = tempfile::tempdir().expect("a folder");
        let (kubeconfig, path) = (folder.path().join("kubeconfig"), folder.path().join("audit.log"));
        let before = event(("generic-garbage-collector", "", "delete", "pods", "db-0", 200));
        fs_err::write(&path, format!("{before}\n")).expect("written");
        let log = AuditLog::beside(&kubeconfig, BTreeSet::new()).expect("there is one");
        let since = event(("statefulset-controller", "", "create", "pods", "db-0", 201));
        fs_err::write(&path, format!("{before}\n{since}\n")).expect("written");
        assert_eq!(log.rules("n", &BTreeSet::new()).expect("it is read"), BTreeSet::from(["R11b"]));
        // The server puts the log aside and begins another one.
        fs_err::rename(&path, folder.path().join("audit-1.log")).expect("renamed");
        let later = event(("system:kube-scheduler", "", "create", "pods/binding", "db-0", 201));
        fs_err::write(&path, format!("{later}\n")).expect("written");
        assert_eq!(log.rules("n", &BTreeSet::new()).expect("it is read"), BTreeSet::from(["R11b", "R13"]));
        fs_err::write(folder.path().join("audit-1.log"), "").expect("written");
        assert!(log.rules("n", &BTreeSet::new()).is_err(), "a log that was cut is no log without writes");
    }

    #[test]
    fn each_rule_is_known_by_who_writes_what() {
        let (binder, sets) = ("persistent-volume-binder", "statefulset-controller");
        let (node, scheduler) = ("system:node:rig", "system:kube-scheduler");
        let status = (binder, "", "update", "persistentvolumes/status", "pv", 200);
        for (events, rules) in [
            (vec![(binder, "", "create", "persistentvolumes", "pv", 201)], vec!["R3"]),
            (vec![status], vec![]),
            (vec![status, status], vec!["R5"]),
            (vec![(binder, "", "update", "persistentvolumes/status", "old", 200)], vec!["R5"]),
            (vec![("pvc-protection-controller", "", "update", "persistentvolumeclaims", "c", 200)], vec!["R6"]),
            (vec![(binder, "", "delete", "persistentvolumes", "pv", 200)], vec!["R8"]),
            (vec![(binder, "", "delete", "persistentvolumes", "pv", 404)], vec![]),
            (vec![(node, "", "delete", "pods", "db-0", 200)], vec!["R9p"]),
            (vec![("generic-garbage-collector", "", "delete", "pods", "db-0", 200)], vec!["R10"]),
            (vec![(sets, "", "create", "persistentvolumeclaims", "c", 201)], vec!["R11a"]),
            (vec![(sets, "", "create", "pods", "db-0", 201)], vec!["R11b"]),
            (vec![(sets, "", "create", "pods", "db-0", 403)], vec![]),
            (vec![(sets, "", "delete", "pods", "db-1", 200)], vec!["R11e"]),
            (
                vec![(sets, "", "delete", "pods", "db-0", 200), (sets, "", "create", "pods", "db-0", 201)],
                vec!["R11b", "R11c"],
            ),
            (vec![("deployment-controller", "", "create", "replicasets", "a", 201)], vec!["R12"]),
            (vec![("job-controller", "", "update", "jobs/status", "a", 200)], vec!["R12j"]),
            (vec![(scheduler, "", "create", "pods/binding", "db-0", 201)], vec!["R13"]),
            (vec![(node, "", "patch", "pods/status", "db-0", 200)], vec!["R13r"]),
            (vec![("namespace-controller", "", "deletecollection", "pods", "", 200)], vec!["R14"]),
            (vec![("admin", "Helm/3.22", "create", "secrets", "sh.helm.release.v1.a.v2", 201)], vec!["H3"]),
            (vec![("admin", "Helm/3.22", "update", "secrets", "sh.helm.release.v1.a.v1", 200)], vec!["H13"]),
            (vec![("admin", "Helm/3.22", "create", "secrets", "other", 201)], vec!["H4"]),
            (vec![("admin", "Helm/3.22", "patch", "services", "a", 200)], vec!["H5"]),
            (
                vec![
                    ("admin", "Helm/3.22", "patch", "statefulsets", "a", 422),
                    ("admin", "Helm/3.22", "patch", "services", "a", 200),
                ],
                vec!["H5", "H6"],
            ),
            (vec![("admin", "Helm/3.22", "delete", "persistentvolumeclaims", "c", 200)], vec!["H12"]),
            (vec![("admin", "kubectl", "delete", "persistentvolumeclaims", "c", 200)], vec![]),
        ] {
            assert_eq!(seen(&events), rules, "{events:?}");
        }
    }
}
