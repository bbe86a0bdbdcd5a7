use std::fs;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use portolan_model::{
    Blob, ChartId, Code, Digest, Entry, FORMAT, Finding, JournalRecord, Plan, PlanFile, ReleaseId, Uid, canonical,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::files::{make_folder, sync_folder, unusable, write_durably};
use super::journal::Journal;

/// What a list of runs shows without reading their plans.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Meta {
    /// The version of this format.
    pub format: u32,
    /// The plan.
    pub plan: Digest,
    /// The cluster.
    pub cluster: Uid,
    /// That cluster's address, for people.
    pub server: String,
    /// The release that the run is named after.
    pub release: ReleaseId,
    /// The other releases that its plan works on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub other_releases: Vec<ReleaseId>,
    /// What was installed.
    pub from: ChartId,
    /// What is to be.
    pub to: ChartId,
    /// When the folder was made, seconds since 1970.
    pub created: u64,
    /// Nanoseconds of that second.
    #[serde(default)]
    pub created_nanos: u32,
}

impl Meta {
    /// The releases that the plan works on, that of the run's name first.
    pub fn releases(&self) -> impl Iterator<Item = &ReleaseId> {
        std::iter::once(&self.release).chain(&self.other_releases)
    }

    fn begun(&self) -> (u64, u32) {
        (self.created, self.created_nanos)
    }
}

/// A run that is kept on this machine.
#[derive(Clone, Debug, PartialEq)]
pub struct RunInfo {
    /// Its folder.
    pub folder: PathBuf,
    /// What it is about.
    pub meta: Meta,
}

/// The folder of a run: its plan, its journal and its archive.
#[derive(Debug)]
pub struct RunStore {
    folder: PathBuf,
    plan: Digest,
    journal: Journal,
}

impl RunStore {
    /// The folder of a plan's run, made where it is not there yet.
    ///
    /// # Errors
    /// Where the folder cannot be used, or an object in the plan's file is not what its digest says.
    pub fn create_or_open(root: &Path, cluster: &Uid, release: &ReleaseId, file: &PlanFile) -> Result<Self, Finding> {
        let digest = file.plan.digest();
        let folder = super::release_folder(root, cluster, release).join(digest.short());
        let plan_path = folder.join("plan.json");
        if !plan_path.exists() {
            for part in ["objects", "helm"] {
                make_folder(&folder.join(part))?;
            }
            for (digest, content) in &file.objects {
                if Digest::of(&content.0) != *digest {
                    return Err(Finding::blocking(
                        Code::NoPlan,
                        format!("object {} of the plan's file is damaged", digest.short()),
                    ));
                }
                write_blob(&folder, &Blob::new(content.0.to_vec()))?;
            }
            let meta = meta(&file.plan, &digest);
            write_durably(&folder.join("meta.json"), &canonical(&meta))?;
            // Last: a folder with a plan in it is complete.
            write_durably(&plan_path, &canonical(&file.plan))?;
            // The new folders' own names: release, cluster, root.
            for above in folder.ancestors().skip(1).take(3) {
                sync_folder(above).map_err(|error| unusable(above, &error))?;
            }
        }
        let store = Self::open(&folder)?;
        if store.plan != digest {
            return Err(unusable(&folder, &std::io::Error::other("it holds the run of another plan")));
        }
        Ok(store)
    }

    /// The run in a folder.
    ///
    /// # Errors
    /// Where the folder cannot be used, or its journal is damaged.
    pub fn open(folder: &Path) -> Result<Self, Finding> {
        let plan = Digest::of(&read(&folder.join("plan.json"))?);
        let (journal, _) = Journal::open(&folder.join("journal.jsonl"), &plan)?;
        Ok(Self { folder: folder.to_owned(), plan, journal })
    }

    /// The folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The plan's digest.
    #[must_use]
    pub fn plan_digest(&self) -> &Digest {
        &self.plan
    }

    /// The plan.
    ///
    /// # Errors
    /// Where it cannot be read, or is of another format.
    pub fn plan(&self) -> Result<Plan, Finding> {
        let bytes = read(&self.folder.join("plan.json"))?;
        let unreadable = |error: serde_json::Error| {
            Finding::blocking(Code::NoPlan, "the run's plan cannot be read").with(error.to_string())
        };
        let plan: Value = serde_json::from_slice(&bytes).map_err(unreadable)?;
        portolan_model::check_format(&plan).map_err(|error| {
            Finding::blocking(Code::NoPlan, format!("the run's plan is of another portolan: {error}"))
                .next("use the portolan that made it")
        })?;
        serde_json::from_value(plan).map_err(unreadable)
    }

    /// What the journal says, its chain checked anew.
    ///
    /// # Errors
    /// [`Code::BadJournal`] where the chain is broken.
    pub fn entries(&self) -> Result<Vec<Entry>, Finding> {
        Journal::open(&self.folder.join("journal.jsonl"), &self.plan).map(|(_, entries)| entries)
    }

    /// Makes a record durable, its blobs before it: a line never names a blob that is not there.
    ///
    /// # Errors
    /// Where the folder cannot be written to; then it is as if nothing was appended.
    pub fn append(&mut self, record: JournalRecord, blobs: &[Blob]) -> Result<(), Finding> {
        for blob in blobs {
            write_blob(&self.folder, blob)?;
        }
        self.journal.append(record)
    }

    /// The bytes of a digest.
    ///
    /// # Errors
    /// Where they are not there, or are not what the digest says.
    pub fn blob(&self, digest: &Digest) -> Result<Vec<u8>, Finding> {
        let path = blob_path(&self.folder, digest);
        let bytes = read(&path)?;
        if Digest::of(&bytes) != *digest {
            return Err(unusable(&path, &std::io::Error::other("its content is not what its name says")));
        }
        Ok(bytes)
    }

    /// The file of a digest, for a process that reads it: checked as [`Self::blob`] does.
    ///
    /// # Errors
    /// As [`Self::blob`].
    pub fn blob_file(&self, digest: &Digest) -> Result<PathBuf, Finding> {
        self.blob(digest).map(|_| blob_path(&self.folder, digest))
    }

    /// Keeps bytes that no record names: a report's attachment, a rendering.
    ///
    /// # Errors
    /// Where the folder cannot be written to.
    pub fn keep(&self, blob: &Blob) -> Result<(), Finding> {
        write_blob(&self.folder, blob)
    }

    /// Writes a file of the run's folder, such as its report.
    ///
    /// # Errors
    /// Where the folder cannot be written to.
    pub fn write_file(&self, name: &str, bytes: &[u8]) -> Result<PathBuf, Finding> {
        let path = self.folder.join(name);
        write_durably(&path, bytes).map(|()| path)
    }
}

/// Every run below a root, newest first. A folder that is no run is passed over.
///
/// # Errors
/// Where the root is there and cannot be read.
pub fn list(root: &Path) -> Result<Vec<RunInfo>, Finding> {
    let mut runs = Vec::new();
    for cluster in folders(root)? {
        for release in folders(&cluster)? {
            for folder in folders(&release)? {
                let meta = fs::read(folder.join("meta.json"))
                    .ok()
                    .and_then(|bytes| serde_json::from_slice::<Meta>(&bytes).ok());
                if let Some(meta) = meta
                    && folder.join("plan.json").exists()
                {
                    runs.push(RunInfo { folder, meta });
                }
            }
        }
    }
    // The folder last, for runs of a Portolan that kept seconds only: the order is the same each time.
    runs.sort_by(|a, b| (b.meta.begun(), &a.folder).cmp(&(a.meta.begun(), &b.folder)));
    Ok(runs)
}

/// The run whose plan's digest begins with `id`.
///
/// # Errors
/// [`Code::NoPlan`] where there is none, or more than one.
pub fn find(root: &Path, id: &str) -> Result<RunInfo, Finding> {
    let mut fitting: Vec<RunInfo> =
        list(root)?.into_iter().filter(|run| !id.is_empty() && run.meta.plan.hex().starts_with(id)).collect();
    match fitting.len() {
        1 => Ok(fitting.remove(0)),
        0 => Err(Finding::blocking(Code::NoPlan, format!("there is no file and no run {id} on this machine"))),
        _ => {
            let found = format!("{} runs begin with {id}", fitting.len());
            Err(fitting
                .iter()
                .fold(Finding::blocking(Code::NoPlan, found), |finding, run| {
                    finding.with(format!("{}  {}  {}", &run.meta.plan.hex()[..12], run.meta.release, run.meta.server))
                })
                .next("name more digits"))
        }
    }
}

fn folders(path: &Path) -> Result<Vec<PathBuf>, Finding> {
    let entries = match fs::read_dir(path) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(unusable(path, &error)),
    };
    Ok(entries.filter_map(Result::ok).map(|entry| entry.path()).filter(|path| path.is_dir()).collect())
}

fn meta(plan: &Plan, digest: &Digest) -> Meta {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Meta {
        format: FORMAT,
        plan: digest.clone(),
        cluster: plan.cluster.clone(),
        server: plan.server.clone(),
        release: plan.release.clone(),
        other_releases: plan.other_releases.clone(),
        from: plan.from.clone(),
        to: plan.to.clone(),
        created: now.as_secs(),
        created_nanos: now.subsec_nanos(),
    }
}

fn blob_path(folder: &Path, digest: &Digest) -> PathBuf {
    folder.join("objects").join(digest.hex())
}

fn write_blob(folder: &Path, blob: &Blob) -> Result<(), Finding> {
    let path = blob_path(folder, &blob.digest);
    // A file under this name has this content; one that is damaged is written again.
    if fs::read(&path).is_ok_and(|bytes| Digest::of(&bytes) == blob.digest) {
        return Ok(());
    }
    write_durably(&path, &blob.bytes)
}

fn read(path: &Path) -> Result<Vec<u8>, Finding> {
    fs::read(path).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound if path.ends_with("plan.json") => {
            Finding::blocking(Code::NoPlan, format!("{} holds no run", path.parent().unwrap_or(path).display()))
        }
        _ => unusable(path, &error),
    })
}

#[cfg(test)]
mod tests;
