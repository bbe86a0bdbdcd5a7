//! The writes of an upgrade as questions to the API server, asked before the first of them, and what the answers mean.
//!
//! What each question is follows helm: `performUpgrade` and `execHook` in `pkg/action`, `Update` and `Create` in `pkg/kube/client.go`
//! (helm 3.14.4 to 4.3.1). Nothing here sends anything: [`Precheck::ask`] says what is to be asked, [`Precheck::take`] takes the
//! answers, until nothing more is asked.

mod admission;
mod body;
mod crds;
mod fields;
mod hooks;
mod known;
mod limits;
mod new_claims;
mod nodes;
mod owner;
mod quotas;
mod references;
mod refusal;
mod schema;
mod services;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use portolan_kube_facts::PodTemplate;
use portolan_model::{
    ApplyMethod, CheckAnswer, CheckAsk, CheckReport, Code, Finding, HelmClient, Object, OwnField, Ref, ReleaseId,
    ServerCheck,
};

use crate::upgrade;

pub use known::KnownObjects;

use hooks::Hook;
use refusal::Meaning;

/// What helm will write in a hop.
#[derive(Clone, PartialEq)]
pub struct PlannedWrites {
    /// The release.
    pub release: ReleaseId,
    /// The helm that will write.
    pub client: HelmClient,
    /// How it will write.
    pub apply: ApplyMethod,
    /// The documents of the manifest before: the stored one, or that of the hop before.
    pub stored: Vec<Object>,
    /// How many records helm has of the release.
    pub records: usize,
    /// The documents of the new manifest, Secrets in clear or with the marks of [`portolan_model::Manifest`].
    pub planned: Vec<Object>,
    /// The hooks of the new chart.
    pub hooks: Vec<Object>,
    /// What the hop's steps delete before helm starts.
    pub deletes: BTreeSet<Ref>,
    /// The fields that Portolan has written by the time helm starts.
    pub own: Vec<OwnField>,
    /// Whether the cluster is now as it will be when the hop begins. Where it is not, patches are left for later.
    pub is_next: bool,
}

/// What a question is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Purpose {
    /// To know more; the answer is no verdict.
    Read,
    /// A document of the manifest.
    Document(usize),
    /// The object of a hook.
    Hook(usize),
    /// The first pod of a document of the manifest.
    DocumentPod(usize),
    /// The first pod of a hook.
    HookPod(usize),
}

/// The questions and answers about a hop's writes.
pub struct Precheck {
    writes: PlannedWrites,
    hooks: Vec<Hook>,
    known: KnownObjects,
    round: u8,
    asking: Vec<(Purpose, ServerCheck)>,
    answered: Vec<(Purpose, ServerCheck, CheckAnswer)>,
    /// Patches of a later hop, which need objects that are not there yet.
    later: usize,
}

impl Precheck {
    /// Begins to check.
    #[must_use]
    pub fn new(writes: PlannedWrites, known: KnownObjects) -> Self {
        let hooks = hooks::executed(&writes.hooks);
        Self { writes, hooks, known, round: 0, asking: Vec::new(), answered: Vec::new(), later: 0 }
    }

    /// The next questions, which may be asked side by side; none when everything was asked.
    pub fn ask(&mut self) -> Vec<ServerCheck> {
        while self.round < 4 {
            self.asking = match self.round {
                0 => self.reads(),
                1 => self.dry_runs(),
                2 => self.holders(),
                _ => self.adoptions(),
            };
            self.round += 1;
            if !self.asking.is_empty() {
                return self.asking.iter().map(|(_, check)| check.clone()).collect();
            }
        }
        Vec::new()
    }

    /// Takes the answers to the last questions, in their order.
    pub fn take(&mut self, answers: Vec<CheckAnswer>) {
        for ((purpose, check), answer) in std::mem::take(&mut self.asking).into_iter().zip(answers) {
            if purpose == Purpose::Read {
                self.known.learn(&check, &answer);
            }
            self.answered.push((purpose, check, answer));
        }
    }

    /// What is known of the cluster after all answers, and after this hop.
    #[must_use]
    pub fn into_known(self) -> KnownObjects {
        let Self { mut known, writes, hooks, .. } = self;
        let written = writes.planned.into_iter().chain(hooks.into_iter().map(|hook| hook.object));
        known.brought.extend(written.filter(|doc| doc.text("/kind") == crds::KIND || admission::is_config(doc)));
        known
    }

    /// What was found.
    #[must_use]
    pub fn report(&self) -> CheckReport {
        let mut findings = owner::findings(self);
        findings.extend(references::findings(self));
        findings.extend(services::taken_addresses(self));
        findings.extend(services::asked_twice(self));
        findings.extend(services::out_of_range(self));
        findings.extend(self.own_fields());
        findings.extend(limits::findings(self));
        findings.extend(nodes::findings(self));
        findings.extend(new_claims::findings(self));
        findings.extend(admission::findings(self));
        findings.extend(crds::of_later_hops(self));
        findings.extend(services::stay_headless(self));
        findings.extend(hooks::nameless(&self.hooks, self.writes.apply));
        findings.extend(self.sizes());
        let mut not_checked: BTreeMap<String, Vec<(Ref, String)>> = BTreeMap::new();
        let asked = self.answered.iter().filter(|(purpose, ..)| *purpose != Purpose::Read);
        for (purpose, check, answer) in asked.clone() {
            let meaning = crds::meaning(self, *purpose, &check.target, answer);
            match meaning.unwrap_or_else(|| refusal::meaning(self, *purpose, check, answer)) {
                Meaning::Pass => {}
                Meaning::Found(found) => findings.extend(found),
                Meaning::NotChecked(why) => {
                    let (object, what) = self.subject(*purpose, check);
                    not_checked.entry(why).or_default().push((object, what));
                }
            }
        }
        // What the server refuses alone needs no sum.
        let is_refused =
            |sum: &Finding| findings.iter().any(|own| own.code == sum.code && own.object() == sum.object());
        let sums: Vec<Finding> = quotas::findings(self).into_iter().filter(|sum| !is_refused(sum)).collect();
        findings.extend(sums);
        findings.extend(not_checked.into_iter().map(|(why, objects)| refusal::not_checked(&why, &objects)));
        if self.later > 0 {
            findings.push(self.at_its_time());
        }
        findings.sort();
        findings.dedup();
        CheckReport { asked: asked.count(), findings }
    }

    /// The object that a question is about, and it in words.
    fn subject(&self, purpose: Purpose, check: &ServerCheck) -> (Ref, String) {
        let owner = |doc: &Object| doc.name().unwrap_or_else(|| check.target.clone());
        match purpose {
            Purpose::DocumentPod(index) => {
                let owner = owner(&self.writes.planned[index]);
                let words = format!("the pods of {owner}");
                (owner, words)
            }
            Purpose::HookPod(index) => {
                let owner = owner(&self.hooks[index].object);
                let words = format!("the pods of the hook {owner}");
                (owner, words)
            }
            Purpose::Hook(_) => (check.target.clone(), format!("the hook {}", check.target)),
            Purpose::Document(_) | Purpose::Read => (check.target.clone(), check.target.to_string()),
        }
    }

    /// What has to be read before anything can be asked.
    fn reads(&self) -> Vec<(Purpose, ServerCheck)> {
        let mut targets: BTreeSet<Ref> = references::unread(self);
        targets.extend(admission::unread(self));
        for doc in &self.writes.planned {
            let Some(name) = doc.name().filter(|name| !self.known.knows(name)) else { continue };
            // A create finds out by itself; a server-side apply would write to whatever is there.
            if self.is_stored(&name) || self.writes.apply == ApplyMethod::Server {
                targets.insert(name);
            }
        }
        let read = |target| (Purpose::Read, ServerCheck { target, ask: CheckAsk::Read });
        let mut asks: Vec<_> = targets.into_iter().map(read).collect();
        asks.extend(new_claims::asks(self));
        asks.extend(nodes::asks(self));
        if services::asks_for_a_number(self) {
            asks.extend(self.list("Service", ""));
        }
        if self.writes.is_next {
            asks.extend(quotas::namespaces(self).iter().filter_map(|namespace| self.list("ResourceQuota", namespace)));
        }
        asks
    }

    /// All objects of a kind; namespace empty for the whole cluster.
    fn list(&self, kind: &str, namespace: &str) -> Option<(Purpose, ServerCheck)> {
        let ask = (Purpose::Read, ServerCheck { target: Ref::new("", kind, namespace, ""), ask: CheckAsk::List });
        (!self.known.is_complete(kind, namespace)).then_some(ask)
    }

    fn dry_runs(&mut self) -> Vec<(Purpose, ServerCheck)> {
        let mut asks = Vec::new();
        for index in 0..self.writes.planned.len() {
            asks.extend(self.document(index));
        }
        for (index, hook) in self.hooks.iter().enumerate() {
            let Some(target) = hook.object.name() else { continue };
            let body = body::sendable(&hook.object);
            let replaces = hook.is_deleted_first || self.known.is_absent(&target);
            let ask = match self.writes.apply {
                ApplyMethod::Server if !replaces => body::apply(&self.writes.client, &hook.object),
                _ => CheckAsk::Create(body),
            };
            asks.push((Purpose::Hook(index), ServerCheck { target, ask }));
        }
        asks.extend(self.pods());
        // What containers take that do not say it themselves matters where a quota counts them.
        let has_quota = |namespace: &String| {
            let mut quotas = self.known.of_kind("ResourceQuota");
            quotas.any(|(name, _)| name.namespace() == namespace)
        };
        if self.writes.is_next {
            let namespaces = quotas::namespaces(self).into_iter().filter(has_quota);
            asks.extend(namespaces.filter_map(|namespace| self.list("LimitRange", &namespace)));
        }
        asks
    }

    /// The dry run of what helm does with a document of the manifest.
    fn document(&mut self, index: usize) -> Option<(Purpose, ServerCheck)> {
        let doc = &self.writes.planned[index];
        let target = doc.name()?;
        let marked = body::marked(doc, &self.writes.release);
        let ask = if self.writes.deletes.contains(&target) {
            CheckAsk::Create(body::sendable(&marked))
        } else if self.exists(&target) {
            if !self.writes.is_next {
                self.later += 1;
                return None;
            }
            let live = self.known.get(&target)?;
            if !self.is_stored(&target) && owner::other(&self.writes.release, live).is_some() {
                return None;
            }
            match self.writes.apply {
                ApplyMethod::Server => body::apply(&self.writes.client, &marked),
                ApplyMethod::Client => CheckAsk::Patch(body::patch(self.stored(&target), &marked, live)?),
            }
        } else if self.writes.apply == ApplyMethod::Server && self.known.is_absent(&target) {
            body::apply(&self.writes.client, &body::sendable(&marked))
        } else {
            CheckAsk::Create(body::sendable(&marked))
        };
        Some((Purpose::Document(index), ServerCheck { target, ask }))
    }

    /// The first pod of each template that makes new pods.
    fn pods(&self) -> Vec<(Purpose, ServerCheck)> {
        let changed = (0..self.writes.planned.len())
            .filter(|index| self.makes_pods(&self.writes.planned[*index]))
            .map(|index| (Purpose::DocumentPod(index), &self.writes.planned[index]));
        let hooks = self.hooks.iter().enumerate().map(|(index, hook)| (Purpose::HookPod(index), &hook.object));
        changed
            .chain(hooks)
            .filter_map(|(purpose, workload)| {
                let pod = references::without_new(self, &portolan_kube_facts::created_pod(workload)?);
                let target = Ref::pod(pod.text("/metadata/namespace"), pod.text("/metadata/name"));
                Some((purpose, ServerCheck { target, ask: CheckAsk::Create(pod) }))
            })
            .collect()
    }

    /// Whether the upgrade makes new pods of a workload: it is new or made again, or its template changes.
    fn makes_pods(&self, workload: &Object) -> bool {
        let Some(name) = workload.name() else { return false };
        let Some(template) = PodTemplate::of(workload) else { return false };
        if self.writes.deletes.contains(&name) || !self.exists(&name) {
            return true;
        }
        let differs = |before: &Object, after: &Object| {
            let at = |object: &Object, pointer: &str| object.at(pointer).cloned().unwrap_or_default();
            let metadata = template.pointer.replace("/template/spec", "/template/metadata");
            let is = |pointer: &str| !portolan_kube_facts::semantics::equal(&at(before, pointer), &at(after, pointer));
            is(template.pointer) || (metadata != template.pointer && is(&metadata))
        };
        match self.known.get(&name).filter(|_| self.writes.is_next) {
            Some(live) => {
                let marked = body::marked(workload, &self.writes.release);
                differs(live, &upgrade::patched(self.stored(&name), &marked, live))
            }
            None => self.stored(&name).is_none_or(|stored| differs(stored, workload)),
        }
    }

    /// Who holds what a create asked for and did not get.
    fn holders(&self) -> Vec<(Purpose, ServerCheck)> {
        let mut asks = Vec::new();
        for (purpose, check, answer) in &self.answered {
            let CheckAnswer::Refused(refused) = answer else { continue };
            let is_foreign = matches!(purpose, Purpose::Document(_)) && !self.writes.deletes.contains(&check.target);
            if refused.reason == "AlreadyExists" && is_foreign {
                asks.push((Purpose::Read, ServerCheck { target: check.target.clone(), ask: CheckAsk::Read }));
            }
        }
        if services::is_port_taken(self) {
            asks.extend(self.list("Service", ""));
        }
        asks
    }

    /// The patches of objects that a create found in place and that are the release's.
    fn adoptions(&mut self) -> Vec<(Purpose, ServerCheck)> {
        let found: Vec<usize> = self
            .answered
            .iter()
            .filter_map(|(purpose, _, answer)| match (purpose, answer) {
                (Purpose::Document(index), CheckAnswer::Refused(refused)) if refused.reason == "AlreadyExists" => {
                    Some(*index)
                }
                _ => None,
            })
            .collect();
        let is_there = |index: &usize| {
            let name = self.writes.planned[*index].name();
            name.is_some_and(|name| self.known.get(&name).is_some() && !self.writes.deletes.contains(&name))
        };
        let there: Vec<usize> = found.into_iter().filter(is_there).collect();
        there.into_iter().filter_map(|index| self.document(index)).collect()
    }

    /// Whether an object is there when the hop begins.
    fn exists(&self, name: &Ref) -> bool {
        self.known.get(name).is_some() || (!self.writes.is_next && self.is_stored(name))
    }

    fn is_stored(&self, name: &Ref) -> bool {
        self.stored(name).is_some()
    }

    fn stored(&self, name: &Ref) -> Option<&Object> {
        self.writes.stored.iter().find(|doc| doc.name().as_ref() == Some(name))
    }

    fn planned(&self, name: &Ref) -> Option<&Object> {
        self.writes.planned.iter().find(|doc| doc.name().as_ref() == Some(name))
    }

    /// Fields that Portolan writes before helm starts and that the chart sets to something else. Helm's apply meets
    /// them as those of another manager, although no dry run shows it today.
    fn own_fields(&self) -> Vec<Finding> {
        if self.writes.apply != ApplyMethod::Server {
            return Vec::new();
        }
        let conflict = |own: &OwnField| {
            let doc = self.planned(&own.object)?;
            let wanted = doc.at(own.field.as_str())?.as_str()?;
            let is_there = self.known.get(&own.object).is_some_and(|live| live.text(own.field.as_str()) == own.value);
            (wanted != own.value && !is_there).then(|| {
                let found = format!("{} sets a field that Portolan writes to protect the data", own.object);
                Finding::blocking(Code::FieldConflict, found)
                    .about(&own.object)
                    .at(own.field.as_str())
                    .with(format!(
                        "the chart's value is `{wanted}`, Portolan writes `{}`; manager: portolan",
                        own.value
                    ))
                    .next(format!("give the chart the value `{}`, or leave the field out of it", own.value))
            })
        };
        self.writes.own.iter().filter_map(conflict).collect()
    }

    /// Storage requests that a later hop cannot change. Of the next hop the dry run says it.
    fn sizes(&self) -> Vec<Finding> {
        if self.writes.is_next {
            return Vec::new();
        }
        let docs = self.writes.planned.iter();
        docs.filter_map(|doc| {
            let name = doc.name().filter(|name| name.is_storage())?;
            refusal::of_size(&name, doc, self.known.get(&name)?, &self.known)
        })
        .collect()
    }

    fn at_its_time(&self) -> Finding {
        let what = format!("{} objects that exist by then are checked when the hop before is done", self.later);
        Finding::note(Code::NotChecked, what)
            .why("their patches depend on what the hop before leaves")
            .next("nothing: `apply` asks at the safe point between the two hops, and stops there where one is refused")
    }
}
