//! New PVCs that stay Pending although their storage class is there: it makes no volumes, or nothing shows that its provisioner runs.

use std::collections::BTreeSet;

use portolan_kube_facts::{StatefulSet, UnboundClaim, class_of, is_by_hand, is_made_by};
use portolan_model::{CheckAsk, Code, Finding, Object, Ref, ServerCheck, Severity};
use serde_json::Value;

use super::{Precheck, Purpose};

/// PVs that a finding names one by one.
const NAMED: usize = 5;

/// A PVC that the upgrade makes.
struct NewClaim {
    name: Ref,
    /// The document that it comes from, and where its `spec` is in that.
    by: Ref,
    field: String,
    spec: Value,
    class: String,
}

fn all(check: &Precheck) -> Vec<NewClaim> {
    let mut all = Vec::new();
    for (by, doc) in check.writes.planned.iter().filter_map(|doc| Some((doc.name()?, doc))) {
        if doc.text("/kind") == "PersistentVolumeClaim" {
            all.push((by.clone(), by.clone(), "/spec".to_owned(), doc.clone()));
        }
        for made in StatefulSet::named(&by, doc).map(|set| set.claims()).unwrap_or_default() {
            let field = format!("/spec/volumeClaimTemplates/{}/spec", made.index);
            all.push((made.claim, by.clone(), field, Object::new(made.template.clone())));
        }
    }
    let hooks =
        check.hooks.iter().map(|hook| &hook.object).filter(|hook| hook.text("/kind") == "PersistentVolumeClaim");
    all.extend(hooks.filter_map(|hook| Some((hook.name()?, hook.name()?, "/spec".to_owned(), hook.clone()))));
    let is_new = |name: &Ref| check.known.is_absent(name) && !check.is_stored(name);
    let is_pinned =
        |claim: &Object| !claim.text("/spec/volumeName").is_empty() || claim.at("/spec/dataSourceRef").is_some();
    all.into_iter()
        .filter(|(name, .., claim)| is_new(name) && !is_pinned(claim))
        .filter_map(|(name, by, field, claim)| {
            let says = claim.at("/spec/storageClassName").is_some() || !class_of(&claim).is_empty();
            let class = if says { class_of(&claim).to_owned() } else { default_class(check)? };
            Some(NewClaim { name, by, field, spec: claim.at("/spec").cloned().unwrap_or_default(), class })
        })
        .collect()
}

fn default_class(check: &Precheck) -> Option<String> {
    let classes = check.known.of_kind("StorageClass").map(|(_, class)| class);
    portolan_kube_facts::default_class(classes).map(|class| class.text("/metadata/name").to_owned())
}

fn class<'a>(check: &'a Precheck, name: &str) -> Option<&'a Object> {
    let name = Ref::new("storage.k8s.io", "StorageClass", "", name);
    check.planned(&name).or_else(|| check.known.get(&name))
}

/// The CSI drivers that the classes of new PVCs name, where no volume shows that they run.
pub(super) fn asks(check: &Precheck) -> Vec<(Purpose, ServerCheck)> {
    let drivers: BTreeSet<Ref> = all(check).iter().filter_map(|claim| unseen_provisioner(check, claim)).collect();
    let drivers = drivers.into_iter().filter(|driver| !check.known.knows(driver));
    drivers.map(|target| (Purpose::Read, ServerCheck { target, ask: CheckAsk::Read })).collect()
}

/// The driver object that a provisioner would have, where no volume of it is there.
fn unseen_provisioner(check: &Precheck, claim: &NewClaim) -> Option<Ref> {
    let provisioner = class(check, &claim.class)?.text("/provisioner");
    let is_known = provisioner.is_empty()
        || provisioner.starts_with("kubernetes.io/")
        || check.known.of_kind("PersistentVolume").any(|(_, volume)| is_made_by(volume, provisioner));
    let is_seen = is_known || !check.known.is_complete("PersistentVolume", "");
    (!is_seen).then(|| Ref::new("storage.k8s.io", "CSIDriver", "", provisioner))
}

pub(super) fn findings(check: &Precheck) -> Vec<Finding> {
    let mut taken = BTreeSet::new();
    let mut found = Vec::new();
    for claim in all(check) {
        let makes_none = class(check, &claim.class)
            .map_or_else(|| claim.class.is_empty() || check.known.is_complete("StorageClass", ""), is_by_hand);
        if makes_none {
            found.extend(by_hand(check, &claim, &mut taken));
        } else if let Some(driver) = unseen_provisioner(check, &claim).filter(|driver| check.known.is_absent(driver)) {
            found.push(unseen(check, &claim, &driver));
        }
    }
    found
}

/// Nothing shows that a provisioner runs. A class that is there today was made by somebody who knows it; a new one of the chart says
/// nothing of the cluster.
fn unseen(check: &Precheck, claim: &NewClaim, driver: &Ref) -> Finding {
    let mut classes = check.known.of_kind("StorageClass").map(|(_, class)| class);
    let what = format!("nothing shows that the provisioner {} of {} runs", driver.name(), claim.name);
    let mut finding = refused(what, claim).with("no PV was made by it, and there is no CSIDriver of its name");
    if classes.any(|class| class.text("/provisioner") == driver.name()) {
        finding.severity = Severity::Warning;
        return finding.next("see that it runs, before the upgrade");
    }
    finding.with(format!("its class {} comes with the new chart", claim.class))
}

/// A PVC of a class whose volumes people make needs one that is there, or that the chart brings.
fn by_hand(check: &Precheck, claim: &NewClaim, taken: &mut BTreeSet<Ref>) -> Option<Finding> {
    if !check.known.is_complete("PersistentVolume", "") {
        return None;
    }
    let brought = check.writes.planned.iter().filter(|doc| doc.text("/kind") == "PersistentVolume");
    let live = check.known.of_kind("PersistentVolume").map(|(_, volume)| volume);
    let volumes: Vec<(Ref, &Object)> =
        live.chain(brought).filter_map(|volume| Some((volume.name()?, volume))).collect();
    let unbound = UnboundClaim { name: &claim.name, spec: &claim.spec, class: &claim.class };
    let size = |volume: &Object| volume.at("/spec/capacity/storage").and_then(portolan_kube_facts::semantics::quantity);
    let fits = volumes.iter().filter(|(name, volume)| !taken.contains(name) && unbound.refuses(volume).is_none());
    // The smallest that fits is bound.
    if let Some((name, _)) = fits.min_by_key(|(_, volume)| size(volume)) {
        taken.insert(name.clone());
        return None;
    }
    let of_class = volumes.iter().filter(|(_, volume)| volume.text("/spec/storageClassName") == claim.class);
    let why: Vec<String> = of_class
        .map(|(name, volume)| {
            let why = unbound.refuses(volume).unwrap_or_else(|| "goes to another new PVC".into());
            format!("{name} {why}")
        })
        .collect();
    if class(check, &claim.class).is_none() && !claim.class.is_empty() && why.is_empty() {
        // That there is neither class nor volume is told as a missing reference.
        return None;
    }
    let words = if claim.class.is_empty() { "no class".to_owned() } else { format!("class {}", claim.class) };
    let mut finding = refused(format!("no PV is free for the new {}, and its {words} makes none", claim.name), claim);
    finding.evidence.extend(why.iter().take(NAMED).cloned());
    if why.is_empty() {
        finding.evidence.push(format!("no PV has {words}"));
    } else if why.len() > NAMED {
        finding.evidence.push(format!("and {} more", why.len() - NAMED));
    }
    Some(finding)
}

fn refused(found: String, claim: &NewClaim) -> Finding {
    Finding::blocking(Code::NoNewVolume, found)
        .about(&claim.by)
        .at(claim.field.clone())
        .next("name a storage class that makes volumes, or create a PV that fits; where somebody makes it in time: --accept PL262 --reason TEXT")
}
