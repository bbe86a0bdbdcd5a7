//! The survey: what to ask a cluster, and what the answers say. Nothing here can write.
//!
//! Rounds of questions, then a conclusion. There are further rounds because the stored manifest says which kinds and namespaces
//! matter, and PVCs say who owns them.

mod pulls;
mod questions;
mod records;
mod rights;
mod volumes;
mod workloads;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use crate::credential::KnownSecrets;
use portolan_helm_compat::{record, redact};
use portolan_model::{
    Answer, Cluster, Code, Coverage, FORMAT, Finding, HelmClient, Host, Inventory, Object, Platform, Ref, Release,
    ReleaseId, Requests, Scope, ScopeCoverage, SecretKey, StorageClass, SurveyQuery,
};
use serde_json::Value;

pub use pulls::{global_pull_secret, mirror_sets, node_trust};
use questions::{OPENSHIFT, cluster_ingress, cluster_version, namespace};
pub use questions::{first, further, namespaces, record_questions};
pub use records::{settled, upgradable};
pub use workloads::belongs;

/// What was found, and beside it what no inventory may hold.
#[derive(Clone, Debug)]
pub struct Survey {
    /// What was found.
    pub inventory: Inventory,
    /// The values of the namespace's Secrets.
    pub secrets: Secrets,
    /// The newest deployed record, where the newest one of all is failed.
    deployed: Option<records::Deployed>,
}

impl Survey {
    /// What was found, where the newest revision is the one that an upgrade goes on from.
    #[must_use]
    pub fn new(inventory: Inventory, secrets: Secrets) -> Self {
        Self { inventory, secrets, deployed: None }
    }

    /// Where the newest revision is failed, lets the release be as its newest deployed record says, as helm does: its chart,
    /// values and manifest are what the next upgrade goes on from (`prepareUpgrade` in `pkg/action/upgrade.go`, helm 3.14.4
    /// to 4.3.1). Revision and status stay those of the newest record.
    pub fn go_on_from_deployed(&mut self) {
        let Some(deployed) = self.deployed.take() else { return };
        let release = &mut self.inventory.release;
        release.chart = deployed.record.chart;
        release.config = deployed.record.config;
        release.defaults = deployed.record.defaults;
        release.docs = deployed.docs.iter().map(redact::secret_keys_and_empty).collect();
        release.hooks = deployed.hooks.iter().map(redact::secret_keys_and_empty).collect();
        self.inventory.workloads = workloads::of_release(&self.inventory);
        self.inventory.volumes = volumes::of_release(&self.inventory);
    }

    /// What is to be hidden where this survey is shown to others.
    #[must_use]
    pub fn known(&self) -> KnownSecrets {
        self.secrets.known()
    }
}

/// The plaintexts of a namespace's Secrets, for comparing and for handing to helm. They cannot be printed or
/// written out as a whole.
#[derive(Clone, Default)]
pub struct Secrets(BTreeMap<SecretKey, String>);

impl Secrets {
    /// One value.
    #[must_use]
    pub fn get(&self, key: &SecretKey) -> Option<&str> {
        self.0.get(key).map(String::as_str)
    }

    /// What is to be hidden where something is shown to others.
    #[must_use]
    pub fn known(&self) -> KnownSecrets {
        KnownSecrets::new(self.iter())
    }

    /// All of them, in order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&SecretKey, &str)> {
        self.0.iter().map(|(key, text)| (key, text.as_str()))
    }
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secrets({} values)", self.0.len())
    }
}

impl FromIterator<(SecretKey, String)> for Secrets {
    fn from_iter<I: IntoIterator<Item = (SecretKey, String)>>(items: I) -> Self {
        Self(items.into_iter().collect())
    }
}

/// A whole survey of something that answers at once, such as a simulated world.
///
/// # Errors
/// As [`conclude`].
pub fn look(
    release: &ReleaseId,
    answer: &dyn Fn(&SurveyQuery) -> Answer,
    server: &str,
    user: &str,
    helm: Option<HelmClient>,
) -> Result<Survey, Finding> {
    let ask =
        |asks: Vec<SurveyQuery>| asks.into_iter().map(|ask| (ask.clone(), answer(&ask))).collect::<BTreeMap<_, _>>();
    let mut answers = ask(first(release));
    loop {
        let more = further(&answers, release);
        if more.is_empty() {
            break;
        }
        answers.append(&mut ask(more));
    }
    conclude(release, &answers, server, user, helm)
}

/// What the answers say. `server`, `user` and `helm` are facts of whoever asked.
///
/// # Errors
/// [`Code::NotVisible`] where Secrets may not be read (the release is one) or no namespace can be read that would tell one
/// cluster from another; [`Code::NoRelease`] where the namespace has no such release; [`Code::NotDeployed`] where its newest
/// record is damaged.
pub fn conclude(
    release: &ReleaseId,
    answers: &BTreeMap<SurveyQuery, Answer>,
    server: &str,
    user: &str,
    helm: Option<HelmClient>,
) -> Result<Survey, Finding> {
    let records = records::of_release(answers, release)?;
    let (mut objects, secrets) = objects(answers);
    let places = rights::places(release, &records.docs);
    let stored: BTreeSet<Ref> = records.docs.iter().filter_map(Object::name).collect();
    objects.retain(|name, object| stored.contains(name) || !rights::is_of_others(object, &places));
    let coverage = coverage(answers);
    let cluster = cluster(release, answers, &objects, server, user)?;
    let taken = match answers.get(&SurveyQuery::Server) {
        Some(Answer::Server { now, .. }) => *now,
        _ => None,
    };
    let (release, deployed) = records.release(release);
    let mut inventory = Inventory {
        format: FORMAT,
        taken,
        cluster,
        helm,
        release,
        volumes: Vec::new(),
        workloads: Vec::new(),
        hosts: hosts(&objects),
        classes: classes(&objects),
        objects,
        coverage,
        requests: Requests { reads: u32::try_from(answers.len()).unwrap_or(u32::MAX), writes: 0 },
    };
    inventory.workloads = workloads::of_release(&inventory);
    inventory.volumes = volumes::of_release(&inventory);
    Ok(Survey { inventory, secrets, deployed })
}

/// A release as its records say, of the answers to [`record_questions`].
///
/// # Errors
/// As [`conclude`], for the records.
pub fn release(id: &ReleaseId, answers: &BTreeMap<SurveyQuery, Answer>) -> Result<Release, Finding> {
    Ok(records::of_release(answers, id)?.release(id).0)
}

/// The objects of an answer; none where it was refused.
fn items<'a>(answers: &'a BTreeMap<SurveyQuery, Answer>, ask: &SurveyQuery) -> &'a [Object] {
    match answers.get(ask) {
        Some(Answer::Items(items)) => items,
        _ => &[],
    }
}

/// Every object that was read, Secrets without their values, and those values beside them. Release records are left
/// out: they are read already, and hold the values of the whole release.
fn objects(answers: &BTreeMap<SurveyQuery, Answer>) -> (BTreeMap<Ref, Object>, Secrets) {
    let mut objects = BTreeMap::new();
    let mut secrets = BTreeMap::new();
    for (ask, answer) in answers {
        let Answer::Items(items) = answer else { continue };
        for item in items.iter().filter(|item| !record::is_record(item, None)) {
            let item = &named(ask, item);
            let Some(name) = item.name() else { continue };
            if crate::saved::holds_texts(item) {
                for (key, plaintext) in redact::plaintexts(item) {
                    secrets.insert(SecretKey { secret: name.clone(), key }, plaintext);
                }
            }
            objects.insert(name, redact::secret_keys_only(item));
        }
    }
    (objects, Secrets(secrets))
}

/// The items of a Kubernetes list say neither kind nor version; the question says the kind.
fn named(ask: &SurveyQuery, item: &Object) -> Object {
    let (group, kind) = match ask {
        SurveyQuery::List { group, kind, .. } => (group.as_str(), kind.as_str()),
        SurveyQuery::Get(name) => (name.group(), name.kind()),
        SurveyQuery::Server => return item.clone(),
    };
    if !item.text("/kind").is_empty() {
        return item.clone();
    }
    let mut json = (*item.0).clone();
    json["kind"] = kind.into();
    json["apiVersion"] = if group.is_empty() { "v1".into() } else { format!("{group}/v1").into() };
    Object::new(json)
}

/// What may be concluded from absence, for each list.
fn coverage(answers: &BTreeMap<SurveyQuery, Answer>) -> Vec<ScopeCoverage> {
    answers
        .iter()
        .filter_map(|(ask, answer)| {
            let SurveyQuery::List { kind, namespace, .. } = ask else { return None };
            let coverage = match answer {
                Answer::Items(_) => Coverage::Complete,
                Answer::Denied(reason) => Coverage::Denied(reason.clone()),
                Answer::NotServed => Coverage::NotServed,
                Answer::Server { .. } => return None,
            };
            Some(ScopeCoverage { scope: Scope { kind: kind.clone(), namespace: namespace.clone() }, coverage })
        })
        .collect()
}

fn cluster(
    release: &ReleaseId,
    answers: &BTreeMap<SurveyQuery, Answer>,
    objects: &BTreeMap<Ref, Object>,
    server: &str,
    user: &str,
) -> Result<Cluster, Finding> {
    let (version, groups) = match answers.get(&SurveyQuery::Server) {
        Some(Answer::Server { version, groups, .. }) => (version.clone(), groups.as_slice()),
        _ => (String::new(), &[] as &[String]),
    };
    let uid = |name: &str| objects.get(&namespace(name)).and_then(Object::uid);
    let uid = uid("kube-system").or_else(|| uid(&release.namespace)).ok_or_else(|| {
        Finding::blocking(
            Code::NotVisible,
            format!("neither namespace kube-system nor {} may be read", release.namespace),
        )
        .why("a plan is bound to one cluster by the UID of a namespace")
        .next(format!("ask for the right to get namespace {}", release.namespace))
    })?;
    let text = |name: Ref, pointers: &[&str]| {
        let object = objects.get(&name);
        let texts = pointers.iter().map(|pointer| object.map_or("", |object| object.text(pointer)));
        texts.into_iter().find(|text| !text.is_empty()).unwrap_or_default().to_owned()
    };
    let platform = if groups.iter().any(|group| group == OPENSHIFT) {
        Platform::OpenShift {
            version: text(cluster_version(), &["/status/desired/version", "/status/history/0/version"]),
            // Routes without a host of their own get one under `appsDomain` where it is set (openshift/api,
            // `config/v1/types_ingress.go`, `IngressSpec`).
            apps_domain: text(cluster_ingress(), &["/spec/appsDomain", "/spec/domain"]),
        }
    } else {
        Platform::Kubernetes
    };
    Ok(Cluster {
        server: server.to_owned(),
        user: user.to_owned(),
        uid,
        version,
        platform,
        default_class: default_class(objects),
        groups: groups.to_vec(),
        api_versions: Vec::new(),
    })
}

/// The hosts of Routes and Ingresses, in order.
fn hosts(objects: &BTreeMap<Ref, Object>) -> Vec<Host> {
    let of = |name: &Ref, object: &Object| -> Vec<String> {
        let texts: Vec<&str> = match (name.group(), name.kind()) {
            ("route.openshift.io", "Route") => vec![object.text("/spec/host")],
            ("networking.k8s.io", "Ingress") => {
                let rules = object.list("/spec/rules").iter();
                rules.filter_map(|rule| rule.get("host").and_then(Value::as_str)).collect()
            }
            _ => Vec::new(),
        };
        texts.into_iter().filter(|host| !host.is_empty()).map(str::to_owned).collect()
    };
    objects
        .iter()
        .flat_map(|(name, object)| of(name, object).into_iter().map(|host| Host { object: name.clone(), host }))
        .collect()
}

fn classes(objects: &BTreeMap<Ref, Object>) -> Vec<StorageClass> {
    let classes = objects.iter().filter(|(name, _)| name.kind() == "StorageClass");
    classes
        .map(|(name, class)| StorageClass {
            name: name.name().to_owned(),
            provisioner: class.text("/provisioner").to_owned(),
            policy: class.text("/reclaimPolicy").to_owned(),
        })
        .collect()
}

fn default_class(objects: &BTreeMap<Ref, Object>) -> Option<String> {
    let classes = objects.iter().filter(|(name, _)| name.kind() == "StorageClass").map(|(_, class)| class);
    portolan_kube_facts::default_class(classes).map(|class| class.text("/metadata/name").to_owned())
}

/// The value of `helm.sh/resource-policy`.
fn policy(object: &Object) -> Option<String> {
    object.annotation(portolan_kube_facts::RESOURCE_POLICY).map(str::to_owned)
}
