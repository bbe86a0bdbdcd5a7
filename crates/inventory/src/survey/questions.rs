//! What to ask a cluster.

use std::collections::{BTreeMap, BTreeSet};

use model::{Answer, Ask, Object, Ref, ReleaseId};

use super::{items, records};

/// Kinds that hold data, or whose pods may mount it, and what makes these: group and kind. They are listed in every namespace
/// that matters.
const STORAGE: [(&str, &str); 8] = [
    ("", "PersistentVolumeClaim"),
    ("", "Pod"),
    ("apps", "DaemonSet"),
    ("apps", "Deployment"),
    ("apps", "ReplicaSet"),
    ("apps", "StatefulSet"),
    ("batch", "CronJob"),
    ("batch", "Job"),
];

/// Further kinds that are always listed in the release's namespace.
const NAMESPACED: [(&str, &str); 4] = [("", "ConfigMap"), ("", "Secret"), ("", "Service"), ("", "ServiceAccount")];

/// Kinds of the whole cluster that are always listed.
const CLUSTER: [(&str, &str); 2] = [("", "PersistentVolume"), ("storage.k8s.io", "StorageClass")];

pub(super) const OPENSHIFT: &str = "config.openshift.io";

pub(super) fn list(group: &str, kind: &str, namespace: &str) -> Ask {
    Ask::List { group: group.into(), kind: kind.into(), namespace: namespace.into() }
}

pub(super) fn namespace(name: &str) -> Ref {
    Ref::new("", "Namespace", "", name)
}

pub(super) fn cluster_version() -> Ref {
    Ref::new(OPENSHIFT, "ClusterVersion", "", "version")
}

pub(super) fn cluster_ingress() -> Ref {
    Ref::new(OPENSHIFT, "Ingress", "", "cluster")
}

/// The first questions.
#[must_use]
pub fn first(release: &ReleaseId) -> Vec<Ask> {
    let mut asks = vec![Ask::Server, Ask::Get(namespace("kube-system")), Ask::Get(namespace(&release.namespace))];
    let kinds = STORAGE.iter().chain(&NAMESPACED);
    asks.extend(kinds.map(|(group, kind)| list(group, kind, &release.namespace)));
    asks.extend(CLUSTER.iter().map(|(group, kind)| list(group, kind, "")));
    asks
}

/// The questions that the answers so far raise; none when all is asked: the platform, routes, the kinds and namespaces of the
/// stored manifest, the custom resources of its `CustomResourceDefinition`s, and who owns PVCs and workloads. Groups that the
/// server does not have are left out.
#[must_use]
pub fn further(answers: &BTreeMap<Ask, Answer>, release: &ReleaseId) -> Vec<Ask> {
    let groups: BTreeSet<&str> = match answers.get(&Ask::Server) {
        Some(Answer::Server { groups, .. }) => groups.iter().map(String::as_str).collect(),
        _ => BTreeSet::new(),
    };
    let mut asks = BTreeSet::new();
    if groups.contains(OPENSHIFT) {
        asks.insert(Ask::Get(cluster_version()));
        asks.insert(Ask::Get(cluster_ingress()));
    }
    for (group, kind) in [("route.openshift.io", "Route"), ("networking.k8s.io", "Ingress")] {
        asks.insert(list(group, kind, &release.namespace));
    }
    // A record that cannot be read is the conclusion's business.
    let docs = records::newest_docs(answers, release);
    for name in docs.iter().filter_map(Object::name) {
        // Lists of other kinds stay inside the release's namespace; of what lies elsewhere only the object itself is asked for.
        asks.insert(if name.namespace() == release.namespace {
            list(name.group(), name.kind(), name.namespace())
        } else {
            Ask::Get(name)
        });
    }
    for namespace in namespaces(&docs) {
        asks.extend(STORAGE.iter().map(|(group, kind)| list(group, kind, &namespace)));
    }
    asks.extend(custom_resources(answers, &docs));
    asks.extend(owners(answers));
    let served = |ask: &Ask| match ask {
        Ask::List { group, .. } => group.is_empty() || groups.contains(group.as_str()),
        Ask::Get(name) => name.group().is_empty() || groups.contains(name.group()),
        Ask::Server => false,
    };
    asks.into_iter().filter(|ask| served(ask) && !is_answered(answers, ask)).collect()
}

/// The namespaces that a manifest names: those of its objects, and those that are its objects.
pub fn namespaces(docs: &[Object]) -> BTreeSet<String> {
    let of = |name: Ref| match (name.group(), name.kind()) {
        ("", "Namespace") => name.name().to_owned(),
        _ => name.namespace().to_owned(),
    };
    docs.iter().filter_map(Object::name).map(of).filter(|namespace| !namespace.is_empty()).collect()
}

/// The custom resources of the manifest's `CustomResourceDefinition`s, in all namespaces, and the PVCs of the namespaces where
/// there are some: they may own PVCs, whoever made them.
fn custom_resources(answers: &BTreeMap<Ask, Answer>, docs: &[Object]) -> Vec<Ask> {
    let mut asks = Vec::new();
    for crd in docs.iter().filter(|doc| doc.text("/kind") == "CustomResourceDefinition") {
        let resources = list(crd.text("/spec/group"), crd.text("/spec/names/kind"), "");
        let places: BTreeSet<&str> =
            items(answers, &resources).iter().map(|item| item.text("/metadata/namespace")).collect();
        // One that is in no namespace may own PVCs in any.
        asks.extend(places.into_iter().map(|place| list("", "PersistentVolumeClaim", place)));
        asks.push(resources);
    }
    asks
}

/// The owners of PVCs, workloads and pods, their owners, and so on. A node owns the pods that it runs by itself.
fn owners(answers: &BTreeMap<Ask, Answer>) -> Vec<Ask> {
    let of_storage = |ask: &&Ask| match ask {
        Ask::List { group, kind, .. } => STORAGE.contains(&(group.as_str(), kind.as_str())),
        Ask::Get(_) => true,
        Ask::Server => false,
    };
    let objects = answers.keys().filter(of_storage).flat_map(|ask| items(answers, ask));
    let owners = objects.flat_map(kube_facts::owners).map(|owner| owner.name);
    owners.filter(|owner| owner.kind() != "Node").map(Ask::Get).collect()
}

/// Whether an answer is there already; of one object also in a list of its kind.
fn is_answered(answers: &BTreeMap<Ask, Answer>, ask: &Ask) -> bool {
    let is_there = |ask: &Ask| answers.contains_key(ask);
    is_there(ask)
        || match ask {
            Ask::Get(name) => {
                let in_namespace = list(name.group(), name.kind(), name.namespace());
                is_there(&list(name.group(), name.kind(), ""))
                    || matches!(answers.get(&in_namespace), Some(Answer::Items(_)))
            }
            Ask::List { group, kind, .. } => matches!(answers.get(&list(group, kind, "")), Some(Answer::Items(_))),
            Ask::Server => false,
        }
}
