//! The planner: a survey, recipes, charts and their renderings in; a plan out. It changes nothing and asks nothing:
//! [`Planning`] says what it needs rendered.
//!
//! What goes through here, in order: [`pick`] chooses among the charts on offer. `ResolvedRelease` is what was found, seen with the
//! recipes' eyes. A `HopInput` is one version to the next before anything is rendered: boundaries, values, credentials. `ProjectedState`
//! is the installation as it will be when a hop begins. A hop is made of a `HopInput`, a `ProjectedState` and a rendering.

mod check_objects;
mod checks;
mod claims;
mod database_compat;
mod existing_secret;
mod findings;
mod hop;
mod hop_input;
mod limits;
mod lookups;
mod manual_commands;
mod mounts;
mod moved_values;
mod outside;
mod overlay;
mod pick;
mod planning;
mod preconditions;
mod projected_state;
mod protect;
mod reach;
mod resolve;
mod restore;
mod steps;
mod taken;
mod tls_pair;
mod values_diff;

use std::collections::{BTreeMap, BTreeSet};

use portolan_helm_compat::chart::{self, PackedChart};
use portolan_model::{
    Acceptance, Accepted, Code, Content, DatabaseError, DatabaseRef, Digest, FORMAT, Finding, HelmClient, Inventory,
    Object, Overlay, Plan, ProtectedVolume, Ref, ReliedKinds, RenderJob, SecretKey, Severity, ValueAnswers, ValuesMode,
};
use portolan_recipe::RecipeSet;
use serde_json::Value;

pub use limits::Limits;
pub use pick::pick;
pub use planning::{HopRendering, Planning};
pub use protect::{Protection, protect};
pub use restore::{Restoration, RestoreRequest, ToRestore, restore};

use resolve::ResolvedRelease;

/// What the user wants.
#[derive(Clone, Debug)]
pub struct UpgradeRequest {
    /// The charts to upgrade to, one after the other.
    pub to: Vec<PackedChart>,
    /// What else could be chosen: a stop on the way is advised only where it is among these.
    pub offered: Vec<portolan_model::ChartId>,
    /// Values beside those of the recipes.
    pub values: Value,
    /// What a person decided about values that no recipe knows.
    pub answers: ValueAnswers,
    /// Ids of steps, or of values that a recipe gives, which are left out.
    pub without: Vec<String>,
    /// Findings that the user accepts, by code.
    pub accepted: Vec<Accepted>,
    /// The backup of the databases that are outside, as its keeper calls it.
    pub backup: Option<String>,
    /// A file of certificates: who signed the certificate of the databases that are outside.
    pub database_ca: Option<String>,
    /// Time limits of waits, where the usual ones do not fit.
    pub limits: Limits,
}

/// The plaintexts of the live Secrets.
pub type Secrets<'a> = dyn Fn(&SecretKey) -> Option<String> + 'a;

/// What each server says of its version, by its pod, or why it said nothing. One that was not asked is not in it.
pub type Servers = BTreeMap<Ref, Result<String, DatabaseError>>;

/// The databases that the recipes know and that the release runs or uses: whose servers can be asked before a plan is made.
///
/// # Errors
/// [`Code::NoCredentials`] where the password of one cannot be found.
pub fn databases(inventory: &Inventory, secrets: &Secrets<'_>, book: &RecipeSet) -> Result<Vec<DatabaseRef>, Finding> {
    let resolved = ResolvedRelease::find(inventory, secrets, book)?;
    Ok(resolved.references().cloned().collect())
}

/// A plan that does nothing to what was found.
fn empty(inventory: &Inventory, helm: &HelmClient) -> Plan {
    let Inventory { cluster, release, .. } = inventory;
    Plan {
        format: FORMAT,
        cluster: cluster.uid.clone(),
        server: cluster.server.clone(),
        release: release.id.clone(),
        other_releases: Vec::new(),
        helm: helm.clone(),
        from: release.chart.clone(),
        to: release.chart.clone(),
        hops: Vec::new(),
        unmodelled: Vec::new(),
        preconditions: BTreeMap::new(),
        lookups: BTreeMap::new(),
        kinds: ReliedKinds::default(),
        volumes: Vec::new(),
        databases: Vec::new(),
        without: Vec::new(),
        accepted: Vec::new(),
        backup: None,
        registry: None,
        findings: Vec::new(),
    }
}

/// What can reach a volume and is not modelled, as a finding about that volume.
fn unmodelled(one: &portolan_model::Unmodelled) -> Finding {
    let finding = Finding::blocking(one.code, format!("{} can reach {}", one.object, one.claim))
        .about(&one.claim)
        .with(one.line())
        .next(format!("{}, or accept it: {} --reason TEXT", one.way_out, one.accept_option()));
    if one.field.is_whole() { finding } else { finding.at(one.field.as_str()) }
}

/// Accepts what was found when the objects of a finished plan were checked against the cluster: see [`Code::is_found_live`].
///
/// # Errors
/// [`Code::BadOption`] where a finding is accepted that there is not.
pub fn accept_live(plan: &mut Plan) -> Result<(), Finding> {
    accept(plan, Code::is_found_live)
}

/// An accepted finding of these codes does not block the plan; it stays in it as a warning, with the reason.
fn accept(plan: &mut Plan, is_its_turn: fn(Code) -> bool) -> Result<(), Finding> {
    for accepted in plan.accepted.iter().filter(|accepted| is_its_turn(accepted.code)) {
        let code = accepted.code;
        let option = accepted.claim.as_ref().map_or_else(|| code.to_string(), |claim| format!("{code}={claim}"));
        match (code.acceptance(), &accepted.claim) {
            (Acceptance::Whole, None) | (Acceptance::PerVolume, Some(_)) => {}
            (Acceptance::PerVolume, None) => {
                return Err(Finding::blocking(Code::BadOption, format!("{code} is accepted for one volume at a time"))
                    .next(format!("name the PVC: --accept {code}=PVC --reason TEXT")));
            }
            (Acceptance::Whole, Some(_)) => {
                return Err(Finding::blocking(Code::BadOption, format!("{code} is not about a volume"))
                    .next(format!("--accept {code} --reason TEXT")));
            }
            (Acceptance::Never, _) => {
                let open: Vec<String> = Code::ALL
                    .iter()
                    .filter(|code| code.acceptance() != Acceptance::Never)
                    .map(ToString::to_string)
                    .collect();
                return Err(Finding::blocking(Code::BadOption, format!("{code} cannot be accepted"))
                    .with(format!("{code}: {}", code.title()))
                    .next(format!("only {} can be; settle what the finding says", open.join(", "))));
            }
        }
        let is_meant = |found: &&mut Finding| {
            let claim = || found.object().filter(|object| object.kind() == "PersistentVolumeClaim");
            found.code == code
                && accepted.claim.as_deref().is_none_or(|name| claim().is_some_and(|it| it.name() == name))
        };
        let mut found = plan.findings.iter_mut().filter(is_meant).peekable();
        if found.peek().is_none() {
            let what = format!("{option} is accepted, and this plan has no such finding");
            return Err(Finding::blocking(Code::BadOption, what).next("leave the option out"));
        }
        for finding in found {
            finding.severity = Severity::Warning;
            finding.evidence.push(format!("accepted: {}", accepted.reason));
            finding.next = "nothing: it was accepted".into();
        }
        if let Some(claim) = &accepted.claim {
            for unmodelled in plan.unmodelled.iter_mut().filter(|it| it.code == code && it.claim.name() == claim) {
                unmodelled.accepted = true;
            }
        }
    }
    Ok(())
}

/// The objects that a plan names by digest.
#[derive(Default)]
struct Objects(BTreeMap<Digest, Content>);

impl Objects {
    fn keep(&mut self, bytes: &[u8]) -> Digest {
        let digest = Digest::of(bytes);
        self.0.entry(digest.clone()).or_insert_with(|| Content::new(bytes.to_vec()));
        digest
    }
}

fn protected(volume: &portolan_model::Volume) -> Result<ProtectedVolume, Finding> {
    let (Some(name), Some(uid)) = (&volume.volume, &volume.volume_uid) else {
        return Err(not_visible("PersistentVolume", ""));
    };
    Ok(ProtectedVolume {
        claim: volume.claim.clone(),
        claim_uid: volume.claim_uid.clone(),
        volume: name.clone(),
        volume_uid: uid.clone(),
    })
}

fn not_visible(kind: &str, namespace: &str) -> Finding {
    let place = if namespace.is_empty() { String::new() } else { format!(" in namespace {namespace}") };
    Finding::blocking(Code::NotVisible, format!("objects of kind {kind}{place} may not be read"))
        .next(format!("ask for the right to get and list {kind}{place}, then run it again"))
}

/// What makes any plan impossible.
fn check(inventory: &Inventory, book: &RecipeSet, request: &UpgradeRequest) -> Result<(), Finding> {
    let release = &inventory.release;
    portolan_inventory::survey::settled(release)?;
    let mut from = &release.chart;
    for id in std::iter::once(from).chain(request.to.iter().map(|pick| &pick.id)) {
        let Some(era) = book.era(&id.name) else {
            let found = format!("{} is no chart of {}", id.name, book.product.product);
            return Err(Finding::blocking(Code::NoTarget, found)
                .with(format!("the recipes know: {}", book.product.charts.join(", ")))
                .next("choose another release or chart, or pass --recipes FOLDER"));
        };
        if id.version < from.version || book.era(&from.name).is_some_and(|before| era < before) {
            return Err(pick::downgrade(id, from));
        }
        from = id;
    }
    for pick in &request.to {
        let read = chart::read(&pick.archive).map(|chart| chart.id());
        if read.as_ref() != Ok(&pick.id) {
            let said = read.map_or_else(|error| error.to_string(), |id| format!("it is {id}"));
            return Err(
                Finding::blocking(Code::NoChart, format!("the archive of {} is not usable", pick.id)).with(said)
            );
        }
    }
    if !inventory.is_complete("PersistentVolumeClaim", &release.id.namespace) {
        return Err(not_visible("PersistentVolumeClaim", &release.id.namespace));
    }
    claims::check(inventory)?;
    for volume in inventory.data_volumes() {
        if volume.volume_uid.is_none() {
            return Err(not_visible("PersistentVolume", ""));
        }
        if volume.terminating || volume.volume_terminating {
            return Err(terminating(volume));
        }
    }
    Ok(())
}

/// A PVC that is being deleted goes when its last pod goes, a PV when its PVC goes, and no step of ours can take that back.
fn terminating(volume: &portolan_model::Volume) -> Finding {
    let name = volume.volume.as_ref().map_or("", |volume| volume.name());
    if !volume.terminating {
        return Finding::blocking(Code::NotSafe, format!("PersistentVolume/{name} of {} is being deleted", volume.claim))
            .about(&Ref::volume(name))
            .at("/metadata/deletionTimestamp")
            .why("it goes when its PVC goes, whatever its reclaim policy, and then nothing names the disk; that cannot be taken back")
            .next("copy the data to another volume before anybody deletes the PVC or the release");
    }
    let finding = Finding::blocking(Code::NotSafe, format!("{} is being deleted", volume.claim))
        .about(&volume.claim)
        .at("/metadata/deletionTimestamp")
        .why("it goes when its last pod goes, and that cannot be taken back");
    if volume.policy.as_deref() == Some("Retain") {
        return finding.next(format!(
            "let the pods that mount it run until the data is copied to another volume; its volume {name} is Retain and outlives it"
        ));
    }
    if volume.policy.is_none() || name.is_empty() {
        return finding
            .next("ask for the right to get its PV: whether the data outlives the PVC depends on its reclaim policy");
    }
    finding.next(format!("{}, now, before that pod goes", portolan_kube_facts::retain_by_hand(name)))
}

/// The rendering of a chart with these values and no others, as the next revision of what is installed: for questions that are not
/// about a plan.
#[must_use]
pub fn render_job(inventory: &Inventory, chart: &PackedChart, values: &Value) -> RenderJob {
    RenderJob {
        chart: chart.id.clone(),
        archive: chart.archive.as_slice().into(),
        release: inventory.release.id.clone(),
        revision: inventory.release.revision + 1,
        mode: ValuesMode::Reset,
        given: values.clone(),
        values: values.clone(),
        kube_version: inventory.cluster.version.clone(),
        api_versions: api_versions(inventory),
        overlays: [Overlay::default(), Overlay::default()],
    }
}

/// What the server said that it has; else what the installation is known to use. For charts that ask.
fn api_versions(inventory: &Inventory) -> Vec<String> {
    if !inventory.cluster.api_versions.is_empty() {
        return inventory.cluster.api_versions.clone();
    }
    let mut all = BTreeSet::new();
    for object in inventory.objects.values().chain(&inventory.release.docs) {
        let (version, kind) = (object.text("/apiVersion"), object.text("/kind"));
        if !version.is_empty() && !kind.is_empty() {
            all.insert(version.to_owned());
            all.insert(format!("{version}/{kind}"));
        }
    }
    all.into_iter().collect()
}

/// An object as it lives, or where it does not, as the stored manifest has it: a set that somebody deleted by hand is still the
/// release's.
fn form<'a>(objects: &'a BTreeMap<Ref, Object>, docs: &'a [Object], name: &Ref) -> Option<&'a Object> {
    let stored = || docs.iter().find(|doc| doc.name().as_ref() == Some(name));
    objects.get(name).or_else(stored)
}

/// A document's kind, for the many places that ask for it.
fn is_kind(object: &Object, kind: &str) -> bool {
    object.text("/kind") == kind
}
