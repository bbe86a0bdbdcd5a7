//! Paths on a volume that a Secret gives to a program. Its values are compared and never shown.

use std::collections::{BTreeMap, BTreeSet};

use portolan_helm_compat::{hooks, redact};
use portolan_kube_facts::EnvSet;
use portolan_model::{Code, Finding, Object, Ref, SecretKey};

use super::downward::Pods;
use super::paths::{ContainerPaths, Setting};
use super::scripts::{FindText, MountedText, mounted_texts};
use super::uses::{Pair, Use, Workloads};
use super::{HopContext, Report};

/// The texts that a container gets from Secrets: by what it is to the program, an environment variable or a file.
type Texts = BTreeMap<String, (SecretKey, String)>;

pub(super) fn check(context: &HopContext<'_>, workloads: &Workloads, report: &mut Report) {
    let (before, then) = (FindText::today(context, workloads), FindText::after(context, workloads));
    for volume in workloads.volumes() {
        for pair in workloads.pairs(volume).0 {
            let same = Same::of(&pair, [&before, &then]);
            report.findings.extend(of_pair(context, &pair, &same));
        }
    }
}

/// A Secret's value today, if it is known.
pub(super) fn today(context: &HopContext<'_>, key: &SecretKey) -> Option<String> {
    context.resolved.plaintext(key).map(str::to_owned)
}

/// A Secret's value after the hop, if it is known.
pub(super) fn after(context: &HopContext<'_>, key: &SecretKey) -> Option<String> {
    let value = |secret: &Object| redact::plaintexts(secret).remove(&key.key);
    // What each rendering has another text for is carried over, or said where keys are compared.
    let is_random = |text: &String| {
        let again = context.renderings[1].object(&key.secret).and_then(value);
        again.is_some_and(|again| again != *text)
    };
    match context.renderings[0].object(&key.secret) {
        Some(rendered) => match value(rendered) {
            Some(text) if is_random(&text) => today(context, key).or(Some(text)),
            text => text.or_else(|| today(context, key)),
        },
        None => match hooks::left(&context.renderings[0].hooks, &key.secret) {
            // Helm makes it anew: what it had before is gone.
            Some(left) => left.and_then(value),
            None if context.deleted().contains(&key.secret) => None,
            None => today(context, key),
        },
    }
}

fn of_pair(context: &HopContext<'_>, pair: &Pair<'_>, same: &Same) -> Vec<Finding> {
    let keys = |object: &Ref, read: &dyn Fn(&Ref) -> Option<Object>| -> Vec<String> {
        read(object).iter().flat_map(Object::data_keys).map(str::to_owned).collect()
    };
    let live = |name: &Ref| context.before.objects.get(name).cloned();
    let rendered = |name: &Ref| context.renderings[0].object(name).or_else(|| context.beside(name)).cloned();
    let old = texts(&pair.before, &|name| keys(name, &live), &|key| today(context, key));
    let new = texts(&pair.after, &|name| keys(name, &rendered), &|key| after(context, key));
    let nothing = |_: &Ref| None;
    let container = ContainerPaths::of(&pair.before, &nothing, Pods::Today);
    let next = ContainerPaths::of(&pair.after, &nothing, Pods::Today);
    let named = |container: &ContainerPaths<'_>, texts: &Texts, what: &str| -> BTreeSet<String> {
        texts.get(what).map(|(_, text)| container.locations(text)).unwrap_or_default()
    };
    let all: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    let changed = all.into_iter().filter(|what| named(&container, &old, what) != named(&next, &new, what));
    let changed = changed.filter(|what| !same.is_whole(what, [&old, &new]));
    changed
        .filter_map(|what| Some((what, &new.get(what).or_else(|| old.get(what))?.0)))
        .map(|(what, key)| {
            let (chart, claim) = (&context.input.pick.id, &pair.volume.claim);
            let found = format!("{} in {chart} names another path on {claim} than today", key.secret);
            Finding::blocking(Code::OtherPlace, found)
                .about(&key.secret)
                .at(format!("/data/{}", portolan_model::pointer_part(&key.key)))
                .with(format!("{} has it as {what}; the values of a Secret are not shown", pair.after.name))
        })
        .collect()
}

/// What a container gets with the same text before and after, out of objects of two kinds: a configuration may go from a Secret to a
/// ConfigMap, or back.
pub(super) struct Same {
    /// What each is to the program.
    all: BTreeSet<String>,
    /// Where the texts of ConfigMaps stand, before or after.
    of_maps: BTreeSet<(Ref, String)>,
}

impl Same {
    pub(super) fn of(pair: &Pair<'_>, [today, then]: [&FindText<'_>; 2]) -> Self {
        let mut same = Self { all: BTreeSet::new(), of_maps: BTreeSet::new() };
        let (had, has) = (mounted_texts(&pair.before, today), mounted_texts(&pair.after, then));
        for file in &had {
            let is_same = |new: &&MountedText| new.path == file.path && new.text == file.text;
            let other = has.iter().find(is_same).filter(|new| new.object.kind() != file.object.kind());
            for its in other.into_iter().flat_map(|new| [file, new]) {
                same.all.insert(format!("file {}", its.key));
                if its.object.kind() == "ConfigMap" {
                    same.of_maps.insert((its.object.clone(), its.field.clone()));
                }
            }
        }
        let (had, has) = (today.all_variables(&pair.before), then.all_variables(&pair.after));
        let open = [today.variables(&pair.before), then.variables(&pair.after)];
        // What both sides say openly is compared where it leads.
        let is_open = |name: &String, text: &String| open.iter().all(|known| known.get(name) == Some(text));
        let both = had.into_iter().filter(|(name, text)| has.get(name) == Some(text) && !is_open(name, text));
        same.all.extend(both.map(|(name, _)| format!("variable {name}")));
        same
    }

    /// Whether a text that only one side has out of a Secret is the same on the other side.
    fn is_whole(&self, what: &str, sides: [&Texts; 2]) -> bool {
        self.all.contains(what) && sides.iter().any(|texts| !texts.contains_key(what))
    }

    /// Whether a setting is the same on the side where it stands in a Secret.
    pub(super) fn has(&self, setting: &Setting) -> bool {
        let variable = setting.key.strip_prefix("env ").map(|name| format!("variable {name}"));
        variable.is_some_and(|name| self.all.contains(&name))
            || self.of_maps.contains(&(setting.object.clone(), setting.field.clone()))
    }
}

/// What a container gets: variables out of keys, variables out of whole Secrets, and files.
fn texts(user: &Use<'_>, keys: &dyn Fn(&Ref) -> Vec<String>, read: &dyn Fn(&SecretKey) -> Option<String>) -> Texts {
    let mut all = Texts::new();
    let mut take = |what: String, secret: &Ref, key: &str| {
        let key = SecretKey { secret: secret.clone(), key: key.to_owned() };
        if let Some(text) = read(&key) {
            all.insert(what, (key, text));
        }
    };
    for entry in user.container.environment() {
        let Some(object) = entry.sets.object().filter(|object| object.is_secret()) else { continue };
        let secret = object.of(user.name.namespace());
        match entry.sets {
            EnvSet::Keys(prefix, _) => {
                keys(&secret).iter().for_each(|key| take(format!("variable {prefix}{key}"), &secret, key));
            }
            EnvSet::Key(variable, _, key) => take(format!("variable {variable}"), &secret, key),
            EnvSet::Text(..) | EnvSet::Other(_) => {}
        }
    }
    for name in user.template.secrets_in(user.container) {
        let secret = Ref::secret(user.name.namespace(), name);
        keys(&secret).iter().for_each(|key| take(format!("file {key}"), &secret, key));
    }
    all
}
