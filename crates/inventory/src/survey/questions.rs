//! What to ask a cluster.

use std::collections::{BTreeMap, BTreeSet};

use portolan_model::{Answer, Object, Ref, ReleaseId, SurveyQuery};

use super::{items, records, rights};

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
const CLUSTER: [(&str, &str); 3] =
    [("", "PersistentVolume"), ("storage.k8s.io", "StorageClass"), (rights::GROUP, "ClusterRoleBinding")];

pub(super) const OPENSHIFT: &str = "config.openshift.io";

pub(super) fn list(group: &str, kind: &str, namespace: &str) -> SurveyQuery {
    SurveyQuery::List { group: group.into(), kind: kind.into(), namespace: namespace.into() }
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
pub fn first(release: &ReleaseId) -> Vec<SurveyQuery> {
    let mut asks = vec![
        SurveyQuery::Server,
        SurveyQuery::Get(namespace("kube-system")),
        SurveyQuery::Get(namespace(&release.namespace)),
    ];
    let kinds = STORAGE.iter().chain(&NAMESPACED).chain(&rights::BINDING);
    asks.extend(kinds.map(|(group, kind)| list(group, kind, &release.namespace)));
    asks.extend(CLUSTER.iter().map(|(group, kind)| list(group, kind, "")));
    asks
}

/// What to ask to know a release by its records alone, wherever helm keeps them.
#[must_use]
pub fn record_questions(release: &ReleaseId) -> [SurveyQuery; 2] {
    ["Secret", "ConfigMap"].map(|kind| list("", kind, &release.namespace))
}

/// The questions that the answers so far raise; none when all is asked: the platform, routes, the kinds and namespaces of the
/// stored manifest, the custom resources of its `CustomResourceDefinition`s, who owns PVCs and workloads, and the roles of their
/// accounts. Groups that the server does not have are left out.
#[must_use]
pub fn further(answers: &BTreeMap<SurveyQuery, Answer>, release: &ReleaseId) -> Vec<SurveyQuery> {
    let groups: BTreeSet<&str> = match answers.get(&SurveyQuery::Server) {
        Some(Answer::Server { groups, .. }) => groups.iter().map(String::as_str).collect(),
        _ => BTreeSet::new(),
    };
    let mut asks = BTreeSet::new();
    if groups.contains(OPENSHIFT) {
        asks.insert(SurveyQuery::Get(cluster_version()));
        asks.insert(SurveyQuery::Get(cluster_ingress()));
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
            SurveyQuery::Get(name)
        });
    }
    for namespace in namespaces(&docs) {
        asks.extend(STORAGE.iter().chain(&rights::BINDING).map(|(group, kind)| list(group, kind, &namespace)));
    }
    asks.extend(rights::roles(answers, &rights::places(release, &docs)));
    asks.extend(custom_resources(answers, &docs));
    asks.extend(owners(answers));
    let served = |ask: &SurveyQuery| match ask {
        SurveyQuery::List { group, .. } => group.is_empty() || groups.contains(group.as_str()),
        SurveyQuery::Get(name) => name.group().is_empty() || groups.contains(name.group()),
        SurveyQuery::Server => false,
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
fn custom_resources(answers: &BTreeMap<SurveyQuery, Answer>, docs: &[Object]) -> Vec<SurveyQuery> {
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
fn owners(answers: &BTreeMap<SurveyQuery, Answer>) -> Vec<SurveyQuery> {
    let of_storage = |ask: &&SurveyQuery| match ask {
        SurveyQuery::List { group, kind, .. } => STORAGE.contains(&(group.as_str(), kind.as_str())),
        SurveyQuery::Get(_) => true,
        SurveyQuery::Server => false,
    };
    let objects = answers.keys().filter(of_storage).flat_map(|ask| items(answers, ask));
    let owners = objects.flat_map(portolan_kube_facts::owners).map(|owner| owner.name);
    owners.filter(|owner| owner.kind() != "Node").map(SurveyQuery::Get).collect()
}

/// Whether an answer is there already; of one object also in a list of its kind.
fn is_answered(answers: &BTreeMap<SurveyQuery, Answer>, ask: &SurveyQuery) -> bool {
    let is_there = |ask: &SurveyQuery| answers.contains_key(ask);
    is_there(ask)
        || match ask {
            SurveyQuery::Get(name) => {
                let in_namespace = list(name.group(), name.kind(), name.namespace());
                let of_cluster = answers.get(&list(name.group(), name.kind(), ""));
                matches!(of_cluster, Some(Answer::Items(_) | Answer::NotServed))
                    || matches!(answers.get(&in_namespace), Some(Answer::Items(_)))
            }
            SurveyQuery::List { group, kind, .. } => {
                matches!(answers.get(&list(group, kind, "")), Some(Answer::Items(_)))
            }
            SurveyQuery::Server => false,
        }
}
