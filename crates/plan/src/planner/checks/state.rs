//! What programs keep in Secrets and ConfigMaps of the chart: keys that live and that the stored manifest does not have, or has without
//! a value. Helm's three-way patch puts the chart's value in their place where the new manifest has the key, and leaves them alone
//! where neither has; an object that leaves the chart goes with everything in it. On the server side, as helm 4 applies, a
//! value of somebody else is a conflict, which the API server tells beforehand.

use std::collections::BTreeMap;

use portolan_helm_compat::{hooks, redact, upgrade};
use portolan_model::{
    ApplyMethod, Change, Code, Finding, HelmClient, HookDeletePolicy, Manifest, Object, ObjectChange, Ref, SecretKey,
    Severity,
};
use serde_json::Value;

use super::super::check_objects;
use super::super::planning::HopRendering;
use super::super::projected_state::ProjectedState;
use super::super::resolve::ResolvedRelease;
use super::{HopContext, Report};

/// The parts of a ConfigMap that hold its values.
const PARTS: [&str; 2] = ["data", "binaryData"];

/// Marks of ConfigMaps into which OpenShift puts certificates, again and again.
const INJECTED: [&str; 4] = [
    "/metadata/labels/config.openshift.io~1inject-trusted-cabundle",
    "/metadata/annotations/service.beta.openshift.io~1inject-cabundle",
    "/metadata/annotations/service.alpha.openshift.io~1inject-cabundle",
    "/metadata/annotations/cert-manager.io~1inject-ca-from",
];

pub(super) fn check(context: &HopContext<'_>, report: &mut Report) {
    let live = |name: &Ref| context.live.get(name).cloned();
    let helm = &context.run.client;
    let changes = upgrade::changes(&context.before.docs, &context.planned.docs, helm.version(), &live);
    let upgrade = Upgrade {
        resolved: context.resolved,
        before: context.before,
        live: context.live,
        planned: context.planned,
        rendering: context.renderings[0],
        changes: &changes,
        helm,
    };
    for lost in upgrade.lost() {
        let is_same = |finding: &Finding, field: Option<&str>| {
            finding.code == Code::KeyChanges && finding.object() == Some(&lost.object) && finding.field() == field
        };
        if report.findings.iter().any(|finding| is_same(finding, Some(&lost.field))) {
            continue;
        }
        // That a Secret goes is told by what is lost with it.
        report.findings.retain(|finding| lost.how != How::Deleted || !is_same(finding, None));
        report.findings.push(lost.found(context));
    }
}

/// What helm is about to do to what lives.
pub(in crate::planner) struct Upgrade<'a> {
    pub(in crate::planner) resolved: &'a ResolvedRelease<'a>,
    pub(in crate::planner) before: &'a ProjectedState,
    /// What lives when helm starts.
    pub(in crate::planner) live: &'a BTreeMap<Ref, Object>,
    pub(in crate::planner) planned: &'a Manifest,
    pub(in crate::planner) rendering: &'a HopRendering,
    pub(in crate::planner) changes: &'a [ObjectChange],
    pub(in crate::planner) helm: &'a HelmClient,
}

/// What becomes of an object.
#[derive(Clone, Copy)]
enum Fate<'a> {
    Deleted,
    /// Helm patches it to this document.
    Patched(&'a Object),
    /// It is deleted and made anew, as hooks are.
    MadeAnew(&'a Object),
}

impl<'a> Fate<'a> {
    fn document(self) -> Option<&'a Object> {
        match self {
            Self::Deleted => None,
            Self::Patched(new) | Self::MadeAnew(new) => Some(new),
        }
    }
}

/// What becomes of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum How {
    /// Its object is deleted.
    Deleted,
    /// The chart has another value for it, or takes the key out.
    Overwritten,
    /// It is a value of the chart that somebody changed, and becomes the chart's again.
    Edited,
}

/// A value that is lost.
struct Lost {
    object: Ref,
    /// A JSON pointer.
    field: String,
    how: How,
    is_certificate: bool,
}

/// A key: the part of its object that has it, its name, and whose its value is.
type Key = (&'static str, String, Owner);

/// Whose a value is, as the stored manifest says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Owner {
    /// It has none.
    Program,
    /// It has another one.
    Somebody,
    /// It has this one, or one that nobody may see.
    Chart,
}

impl Upgrade<'_> {
    /// The objects whose state is lost and that are archived for it.
    pub(in crate::planner) fn archived(&self) -> Vec<Ref> {
        let lost = self.lost().into_iter().filter(|lost| lost.how != How::Edited);
        let mut names: Vec<Ref> = lost.map(|lost| lost.object).collect();
        names.dedup();
        names
    }

    fn lost(&self) -> Vec<Lost> {
        let mut all = Vec::new();
        let is_client = check_objects::apply(self.resolved.inventory, self.helm) == ApplyMethod::Client;
        for ObjectChange { change, object: name, .. } in self.changes.iter().filter(|one| holds_values(&one.object)) {
            let Some(live) = self.live.get(name).filter(|live| !is_kept_by_others(live)) else { continue };
            let stored = self.before.docs.iter().find(|doc| doc.name().as_ref() == Some(name));
            match change {
                Change::Delete => self.of_object((name, live), stored, Fate::Deleted, &mut all),
                // Of a Secret whose values nobody may see nothing seems to change.
                Change::Change | Change::Same if is_client => {
                    if let Some(new) = self.rendering.object(name) {
                        self.of_object((name, live), stored, Fate::Patched(new), &mut all);
                    }
                }
                _ => {}
            }
        }
        // Helm's own record of hooks is that of the revision that runs.
        let release = &self.resolved.inventory.release;
        if self.before.revision == release.revision {
            let running = hooks::of(&self.rendering.hooks).into_iter().filter(hooks::Hook::runs_in_upgrade);
            for hook in running.filter(|hook| hook.delete.contains(&HookDeletePolicy::BeforeHookCreation)) {
                let Some(name) = hook.name().filter(holds_values) else { continue };
                let Some(stored) = release.hooks.iter().find(|doc| doc.name().as_ref() == Some(&name)) else {
                    continue;
                };
                if let Some(live) = self.live.get(&name) {
                    self.of_object((&name, live), Some(stored), Fate::MadeAnew(hook.object), &mut all);
                }
            }
        }
        all
    }

    /// What of an object is lost, which is deleted, or becomes what a document says.
    fn of_object(&self, (name, live): (&Ref, &Object), stored: Option<&Object>, fate: Fate<'_>, all: &mut Vec<Lost>) {
        let keys = if redact::is_secret(live) {
            self.of_secret((name, live), stored, fate)
        } else {
            of_map(live, stored, fate)
        };
        let is_tls = live.text("/type") == "kubernetes.io/tls";
        for (part, key, owner) in keys.into_iter().chain(of_annotations(live, stored, fate)) {
            let how = match (fate, owner) {
                (_, Owner::Chart) | (Fate::Deleted, Owner::Somebody) => continue,
                (Fate::Deleted, Owner::Program) => How::Deleted,
                (_, Owner::Program) => How::Overwritten,
                (_, Owner::Somebody) => How::Edited,
            };
            let is_certificate = is_tls || [".crt", ".pem"].iter().any(|end| key.ends_with(end)) || key == "caBundle";
            let place = if part == "annotations" { "metadata/annotations" } else { part };
            let field = format!("/{place}/{}", portolan_model::pointer_part(&key));
            all.push(Lost { object: name.clone(), field, how, is_certificate });
        }
    }

    /// The values of a Secret that do not stay. Those of the stored manifest are not kept: one that has a value is the chart's.
    fn of_secret(&self, (name, live): (&Ref, &Object), stored: Option<&Object>, fate: Fate<'_>) -> Vec<Key> {
        if live.text("/type") == "kubernetes.io/service-account-token" {
            return Vec::new();
        }
        let planned = self.planned.docs.iter().find(|doc| doc.name().as_ref() == Some(name));
        let value =
            |doc: Option<&Object>, part: &str, key: &str| doc.and_then(|doc| doc.0.get(part)?.get(key).cloned());
        let mut all = Vec::new();
        for key in live.data_keys() {
            let had = ["stringData", "data"].into_iter().find_map(|part| value(stored, part, key));
            let is_carried = ["stringData", "data"]
                .into_iter()
                .filter_map(|part| value(planned, part, key))
                .any(|value| value.as_str().is_some_and(|text| text.starts_with(Manifest::CARRIED)));
            let is = self.resolved.plaintext(&SecretKey { secret: name.clone(), key: key.to_owned() });
            if !had.is_none_or(|had| is_empty(&had)) || is_carried || is == Some("") || self.is_of_database(name, key) {
                continue;
            }
            let will = fate.document().map(redact::plaintexts).and_then(|all| all.get(key).cloned());
            let stays = match (fate, will) {
                (Fate::Deleted, _) | (Fate::MadeAnew(_), None) => false,
                // A key that only the stored manifest has is taken out.
                (Fate::Patched(new), None) => !new.data_keys().contains(&key) && value(stored, "data", key).is_none(),
                (_, Some(will)) => is == Some(will.as_str()),
            };
            if !stays {
                all.push(("data", key.to_owned(), Owner::Program));
            }
        }
        all
    }

    /// Whether it is a known database's password, which the planner carries, or says that it does not.
    fn is_of_database(&self, name: &Ref, key: &str) -> bool {
        self.resolved.databases.iter().any(|database| {
            database.reference.password.secret == *name
                && database.recipe.password.keys.iter().any(|known| known == key)
        })
    }
}

/// The values of a ConfigMap that do not stay.
fn of_map(live: &Object, stored: Option<&Object>, fate: Fate<'_>) -> Vec<Key> {
    let after = match fate {
        Fate::Deleted => None,
        Fate::Patched(new) => Some(upgrade::patched(stored, new, live)),
        Fate::MadeAnew(new) => Some(new.clone()),
    };
    let value = |object: Option<&Object>, part: &str, key: &str| {
        object.and_then(|object| object.0.get(part)?.get(key).cloned())
    };
    let mut all = Vec::new();
    for part in PARTS {
        let values = live.0.get(part).and_then(Value::as_object).into_iter().flatten();
        for (key, is) in values.filter(|(_, is)| !is_empty(is)) {
            if value(after.as_ref(), part, key).as_ref() == Some(is) {
                continue;
            }
            let owner = match value(stored, part, key) {
                None => Owner::Program,
                Some(had) if is_empty(&had) => Owner::Program,
                Some(had) if had != *is => Owner::Somebody,
                Some(_) => Owner::Chart,
            };
            all.push((part, key.clone(), owner));
        }
    }
    all
}

/// The annotations in which a program keeps its state, as Patroni does on Endpoints and ConfigMaps: those without a prefix, which no
/// manifest has put there, and that do not stay.
fn of_annotations(live: &Object, stored: Option<&Object>, fate: Fate<'_>) -> Vec<Key> {
    let of = |object: Option<&Object>, key: &str| {
        object.and_then(|object| object.at("/metadata/annotations")?.get(key).cloned()).filter(|value| !is_empty(value))
    };
    let annotations = live.at("/metadata/annotations").and_then(Value::as_object).into_iter().flatten();
    let own = annotations.filter(|(key, is)| !key.contains('/') && !is_empty(is) && of(stored, key).is_none());
    let goes = own.filter(|(key, is)| match fate {
        Fate::Deleted | Fate::MadeAnew(_) => of(fate.document(), key).as_ref() != Some(*is),
        // Helm's patch leaves alone what neither manifest has.
        Fate::Patched(new) => of(Some(new), key).is_some_and(|will| will != **is),
    });
    goes.map(|(key, _)| ("annotations", key.clone(), Owner::Program)).collect()
}

fn holds_values(name: &Ref) -> bool {
    name.group().is_empty() && matches!(name.kind(), "ConfigMap" | "Secret" | "Endpoints")
}

fn is_empty(value: &Value) -> bool {
    value.is_null() || value == ""
}

/// Whether a controller puts in again what is taken out.
fn is_kept_by_others(object: &Object) -> bool {
    INJECTED.iter().any(|mark| object.at(mark).is_some())
}

impl Lost {
    fn found(&self, context: &HopContext<'_>) -> Finding {
        let (name, chart) = (&self.object, &context.input.pick.id);
        let key = portolan_model::pointer_key(self.field.rsplit('/').next().unwrap_or_default());
        if self.how == How::Edited {
            return Finding::warning(
                Code::KeyChanges,
                format!("{key} of {name} was changed by hand and becomes what {chart} says"),
            )
            .about(name)
            .at(self.field.clone())
            .why("helm's patch sets a value that lives to that of the chart")
            .next("give the chart the value of today among its values, if it is to stay");
        }
        let found = match self.how {
            How::Deleted => {
                format!("{name} leaves {chart}, and {key}, which no manifest has put there, is deleted with it")
            }
            _ => format!("{key} of {name}, which no manifest has put there, is overwritten by {chart}"),
        };
        let kind = name.kind().to_lowercase();
        let way_out = match self.how {
            How::Deleted => format!(
                "annotate it, so that helm leaves it: kubectl annotate {kind} -n {} {} helm.sh/resource-policy=keep, then plan again",
                name.namespace(),
                name.name()
            ),
            _ => "give the chart the value of today among its values, or put it back after the upgrade".into(),
        };
        let mut finding = Finding::blocking(Code::KeyChanges, found)
            .about(name)
            .at(self.field.clone())
            .with("the run's archive keeps a copy of the object of today")
            .why("a program or a person has put it there, and may need it")
            .next(format!("{way_out}; or accept: --accept {} --reason TEXT", Code::KeyChanges));
        if self.is_certificate {
            finding.severity = Severity::Warning;
        }
        finding
    }
}
