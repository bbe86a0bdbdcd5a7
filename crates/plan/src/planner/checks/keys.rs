//! Secrets whose keys get other values: what was encrypted, signed or hashed with the old one is lost.

use std::collections::{BTreeMap, BTreeSet};

use portolan_helm_compat::{hooks, redact, values};
use portolan_inventory::credential;
use portolan_kube_facts::{Container, EnvSet, PodTemplate};
use portolan_model::{Code, Finding, Manifest, Object, Ref, SecretKey, Severity};
use serde_json::Value;

use super::super::projected_state::ProjectedState;
use super::{HopContext, Report};

pub(super) fn check(context: &HopContext<'_>, report: &mut Report) {
    let [first, second] = context.renderings;
    let of_hooks = |all: &'_ [Object]| {
        let running = hooks::of(all).into_iter().filter(hooks::Hook::runs_in_upgrade);
        running.map(|hook| hook.object.clone()).collect::<Vec<Object>>()
    };
    let both = [(&first.objects, of_hooks(&first.hooks)), (&second.objects, of_hooks(&second.hooks))];
    let [first, second] = both.map(|(objects, hooks)| {
        let all = objects.iter().cloned().chain(hooks).filter(redact::is_secret);
        all.filter_map(|object| Some((object.name()?, object))).collect::<BTreeMap<Ref, Object>>()
    });
    let variables = credentials(context);
    for (name, new) in &first {
        let Some(old) = context.before.objects.get(name) else { continue };
        for key in new.data_keys() {
            let is_read_as = variables.contains(&(name.clone(), key.to_owned()));
            let change = Change { context, name, key, new, again: second.get(name), is_read_as };
            if old.data_keys().contains(&key) && !change.is_carried() && !change.is_of_database() {
                report.findings.extend(change.found());
            }
        }
    }
    let removed = removed(context.before, context.planned, context.hooks, context.live);
    report.findings.extend(removed.into_iter().map(|name| gone(context, &name)));
}

struct Change<'a> {
    context: &'a HopContext<'a>,
    name: &'a Ref,
    key: &'a str,
    new: &'a Object,
    again: Option<&'a Object>,
    /// Whether a variable reads it whose name says that it is a credential.
    is_read_as: bool,
}

/// The keys that variables read whose names say that they are credentials, whatever the keys are called.
fn credentials(context: &HopContext<'_>) -> BTreeSet<(Ref, String)> {
    let mut all = BTreeSet::new();
    for doc in context.planned.docs.iter().chain(&context.before.docs) {
        let Some(template) = PodTemplate::of(doc) else { continue };
        for entry in template.containers().flat_map(Container::environment) {
            if let EnvSet::Key(variable, object, key) = entry.sets
                && object.is_secret()
                && credential::is_named(variable)
            {
                all.insert((object.of(doc.text("/metadata/namespace")), key.to_owned()));
            }
        }
    }
    all
}

impl Change<'_> {
    fn found(&self) -> Option<Finding> {
        let key = SecretKey { secret: self.name.clone(), key: self.key.to_owned() };
        let was = self.context.resolved.plaintext(&key);
        let new = redact::plaintexts(self.new);
        let will = new.get(self.key).map(String::as_str);
        let is_random = value(self.new, self.key) != self.again.and_then(|again| value(again, self.key));
        // What is made of the time may be today's just now.
        if !is_random && was.is_some() && was == will {
            return None;
        }
        let is_first = self.context.before.revision == self.context.resolved.inventory.release.revision;
        let is_key = credential::is_named(self.key)
            || self.is_read_as
            || (credential::is_named(self.name.name())
                && !credential::is_open(self.key)
                && !credential::is_about(self.key));
        let is_other = is_first && is_key && was.is_some() && !self.is_given(will);
        if !is_random && !is_other {
            return None;
        }
        let how = if is_random { "another random value" } else { "another value" };
        let mut finding = Finding::blocking(
            Code::KeyChanges,
            format!("{} of {} becomes {how} in {}", self.key, self.name, self.context.input.pick.id),
        )
        .about(self.name)
        .at(format!("/data/{}", portolan_model::pointer_part(self.key)));
        if is_random {
            finding = finding.with("each rendering of the chart has another value here");
        }
        if is_certificate(self.key, self.new) {
            finding.severity = Severity::Warning;
            finding = finding
                .why("the chart makes a new certificate at each upgrade; who trusts the old one has to trust the new one")
                .next("see that everything that checks the certificate reads it from this Secret");
        } else if was.is_some() {
            finding = finding
                .next("give the chart the value of today among its values, or accept: --accept PL249 --reason TEXT");
        }
        Some(finding)
    }

    /// Whether the value is put in from the archived Secret.
    fn is_carried(&self) -> bool {
        super::super::reach::planned(self.context, self.name)
            .and_then(|doc| value(doc, self.key)?.as_str())
            .is_some_and(|text| text.starts_with(Manifest::CARRIED))
    }

    /// Whether it is a known database's password, which the planner carries, or says that it does not.
    fn is_of_database(&self) -> bool {
        self.context.resolved.databases.iter().any(|database| {
            database.reference.password.secret == *self.name
                && database.recipe.password.keys.iter().any(|key| key == self.key)
        })
    }

    /// Whether the new value is one that is given with this upgrade, or made of one.
    fn is_given(&self, will: Option<&str>) -> bool {
        let given = values::flatten(&self.context.input.given);
        let texts = given.iter().filter_map(|(_, value)| match value {
            Value::String(text) => Some(text.clone()),
            Value::Number(number) => Some(number.to_string()),
            _ => None,
        });
        let mut texts = texts.filter(|text| !text.is_empty());
        will.is_some_and(|will| texts.any(|text| will == text || (text.len() >= 4 && will.contains(&text))))
    }
}

/// The value of a key as it is written.
pub(super) fn value<'a>(secret: &'a Object, key: &str) -> Option<&'a Value> {
    ["stringData", "data"].iter().find_map(|part| secret.0.get(*part)?.get(key))
}

fn is_certificate(key: &str, secret: &Object) -> bool {
    secret.text("/type") == "kubernetes.io/tls"
        || matches!(key, "tls.crt" | "tls.key" | "ca.crt" | "ca.key" | "ca.pem" | "caBundle")
        || redact::plaintexts(secret).get(key).is_some_and(|text| text.starts_with("-----BEGIN CERTIFICATE"))
}

/// The Secrets with key material that helm deletes because the new chart does not have them.
pub(in crate::planner) fn removed(
    before: &ProjectedState,
    planned: &Manifest,
    hooks: &[Object],
    live: &BTreeMap<Ref, Object>,
) -> Vec<Ref> {
    let is_there = |name: &Ref| planned.docs.iter().chain(hooks).any(|doc| doc.name().as_ref() == Some(name));
    let secrets = before.docs.iter().filter(|doc| redact::is_secret(doc));
    let gone = secrets.filter_map(Object::name).filter(|name| !is_there(name));
    gone.filter(|name| {
        live.get(name).is_some_and(|live| {
            !portolan_kube_facts::is_kept(live)
                && live.data_keys().iter().any(|key| credential::is_named(key) || credential::is_named(name.name()))
        })
    })
    .collect()
}

fn gone(context: &HopContext<'_>, name: &Ref) -> Finding {
    Finding::warning(Code::KeyChanges, format!("{} does not have {name}, and helm deletes it", context.input.pick.id))
        .about(name)
        .why("what was encrypted or signed with its keys cannot be read without them")
        .next("the run's archive keeps a copy; see where the new version takes its keys from")
}
