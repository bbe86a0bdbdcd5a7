//! Objects that a run deleted, put back by a plan of their own.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use portolan_adapters::store::RunStore;
use portolan_engine::Fold;
use portolan_engine::archive::{self, Archived};
use portolan_inventory::Survey;
use portolan_kube_facts::ClaimUse;
use portolan_model::{Action, Code, Content, Finding, HelmToken, Object, Plan, Ref, Release, Seen, Severity};
use portolan_plan::linter;
use portolan_plan::planner::{self, RestoreRequest};

pub use portolan_plan::planner::{Restoration, ToRestore};

use crate::target::Target;

/// What of a run's archive is put back.
pub struct ArchiveChoice {
    plan: Plan,
    objects: Vec<ToRestore>,
    started: Option<StartedHelm>,
}

/// A helm whose start a run recorded, and not yet its end. Until it has made its record, nothing in the cluster shows it.
struct StartedHelm {
    folder: PathBuf,
    token: HelmToken,
}

impl ArchiveChoice {
    /// The objects of these names in a run's archive, as `Kind/name` or `Kind/namespace/name`; where none is named, those that the run
    /// deleted and that no helm of its has made anew.
    ///
    /// # Errors
    /// [`Code::BadOption`] where a name fits none or several of them; [`Code::BadJournal`] where the archive is damaged.
    pub fn of(store: &RunStore, names: &[String]) -> Result<Self, Finding> {
        let plan = store.plan()?;
        let entries = store.entries()?;
        let archived = archive::of(&plan, &entries);
        let fold = Fold::of(entries.iter().map(|entry| &entry.record));
        let chosen: Vec<&Archived> = if names.is_empty() {
            let deleted = archive::deleted(&plan, &fold);
            archived.iter().filter(|one| deleted.contains(&&one.object)).collect()
        } else {
            names.iter().map(|name| named(&archived, name)).collect::<Result<_, _>>()?
        };
        let mut seen = BTreeSet::new();
        let chosen = chosen.into_iter().filter(|one| seen.insert(&one.object));
        let objects = chosen.map(|one| archived_copy(store, one)).collect::<Result<_, _>>()?;
        let started = match fold.pursuit.as_deref() {
            Some(Action::Helm { token, .. }) => {
                Some(StartedHelm { folder: store.folder().to_owned(), token: token.clone() })
            }
            Some(Action::Write(_)) | None => None,
        };
        Ok(Self { started, ..Self::new(plan, objects) })
    }

    /// Objects that a run of this plan archived.
    #[must_use]
    pub fn new(plan: Plan, objects: Vec<ToRestore>) -> Self {
        Self { plan, objects, started: None }
    }

    /// The plan of the run.
    #[must_use]
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// How many objects it has.
    #[must_use]
    pub fn len(&self) -> usize {
        self.objects.len()
    }

    /// Whether it has none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.objects.is_empty()
    }
}

/// The archived object that is meant.
fn named<'a>(archived: &'a [Archived], name: &str) -> Result<&'a Archived, Finding> {
    let fits =
        |one: &&Archived| one.object.full() == name || one.object.to_string() == name || spelled(&one.object) == name;
    let found: Vec<&Archived> = archived.iter().filter(fits).collect();
    let all = |finding: Finding, some: &[&Archived]| {
        some.iter().fold(finding, |finding, one| finding.with(format!("available: {}", spelled(&one.object))))
    };
    match found.as_slice() {
        [one] => Ok(one),
        [] => {
            let found = format!("{name} is not in the archive of this run");
            Err(all(Finding::blocking(Code::BadOption, found), &archived.iter().collect::<Vec<_>>()))
        }
        several => {
            let found = format!("{name} is the name of several objects in the archive of this run");
            Err(all(Finding::blocking(Code::BadOption, found).next("name it with its namespace"), several))
        }
    }
}

/// `Kind/namespace/name`.
fn spelled(name: &Ref) -> String {
    match name.namespace() {
        "" => name.to_string(),
        namespace => format!("{}/{namespace}/{}", name.kind(), name.name()),
    }
}

/// An object out of a run's archive.
///
/// # Errors
/// [`Code::BadJournal`] where it is damaged.
pub fn archived_copy(store: &RunStore, one: &Archived) -> Result<ToRestore, Finding> {
    let bytes = store.blob(&one.digest)?;
    let archived: Object = serde_json::from_slice(&bytes).map_err(|error| {
        let found = format!("{} in the archive is damaged", one.object);
        Finding::blocking(Code::BadJournal, found).about(&one.object).with(error.to_string())
    })?;
    let (name, uid, digest) = (one.object.clone(), one.uid.clone(), one.digest.clone());
    Ok(ToRestore { name, uid, content: Content::new(bytes), digest, archived })
}

/// The plan that puts archived objects back, linted.
///
/// # Errors
/// As [`planner::restore`], also where the run's helm still runs and has made no record yet; [`Code::ClaimGone`] where a workload would start without the data that the run's plan protects; the finding of
/// a broken safety rule.
pub async fn restore(target: &Target, survey: &Survey, choice: &ArchiveChoice) -> Result<Restoration, Finding> {
    its_helm_has_ended(target, choice)?;
    let others = other_releases(target, &choice.plan).await?;
    let names: BTreeSet<Ref> = choice.objects.iter().flat_map(with_owners).collect();
    let mut live = BTreeMap::new();
    for name in names {
        let seen = target.see(&name).await;
        live.insert(name, seen);
    }
    data_is_there(target, choice).await?;
    let digest = choice.plan.digest();
    let request = RestoreRequest { run: digest.short(), objects: &choice.objects, live: &live, others: &others };
    let helm = survey.inventory.helm.clone().unwrap_or_else(portolan_rehearse::simulated_helm);
    let restoration = planner::restore(&survey.inventory, &helm, &request)?;
    let broken = linter::lint_file(&restoration.file);
    match broken.into_iter().find(|finding| finding.severity == Severity::Blocking) {
        Some(finding) => Err(finding),
        None => Ok(restoration),
    }
}

/// A helm that was started reads the cluster before it makes its record, so a pending revision alone does not show it. One that has ended
/// without a record has written nothing.
fn its_helm_has_ended(target: &Target, choice: &ArchiveChoice) -> Result<(), Finding> {
    let Some(StartedHelm { folder, token }) = &choice.started else { return Ok(()) };
    if !target.runs_helm(folder, token) {
        return Ok(());
    }
    let digest = choice.plan.digest();
    let found = format!("the helm that run {} started still runs; nothing was written", digest.short());
    Err(Finding::blocking(Code::NotDeployed, found)
        .why("it will make these objects itself: the others would be put back beside them")
        .next(format!("portolan apply {}", digest.short())))
}

/// The releases that a plan works on beside its own, as they are now. One that is not installed has no helm at work.
async fn other_releases(target: &Target, plan: &Plan) -> Result<Vec<Release>, Finding> {
    let mut others = Vec::new();
    for id in &plan.other_releases {
        match crate::survey::release(target, id).await {
            Ok(release) => others.push(release),
            Err(finding) if finding.code == Code::NoRelease => {}
            Err(finding) => return Err(finding),
        }
    }
    Ok(others)
}

/// An object, and whatever may be its owner.
fn with_owners(object: &ToRestore) -> Vec<Ref> {
    let owners = portolan_kube_facts::owners(&object.archived).into_iter().flat_map(|owner| owner.names());
    owners.chain([object.name.clone()]).collect()
}

/// No workload is put back whose data is not on its PVC.
async fn data_is_there(target: &Target, choice: &ArchiveChoice) -> Result<(), Finding> {
    for protected in &choice.plan.volumes {
        let uses = |object: &&ToRestore| ClaimUse::of(&object.archived, &protected.claim).is_some();
        let Some(user) = choice.objects.iter().find(uses) else { continue };
        let claim = match target.see(&protected.claim).await {
            Seen::Unreadable(text) => {
                let found = format!("{} cannot be read; nothing was written", protected.claim);
                return Err(Finding::blocking(Code::NotVisible, found).about(&protected.claim).with(text));
            }
            seen => seen,
        };
        if let Some(first) = archive::data_first(protected, &claim) {
            let found = format!("{} is not on the volume that it was on; nothing was written", protected.claim);
            let again = format!("{first}: portolan plan --to {}", choice.plan.to.version);
            return Err(Finding::blocking(Code::ClaimGone, found)
                .about(&protected.claim)
                .why(format!("the pods of {} would start without their data", user.name))
                .next(again));
        }
    }
    Ok(())
}
