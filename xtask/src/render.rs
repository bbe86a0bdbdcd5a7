//! `cargo xtask render`: records what the real helm renders, so that a simulation needs nothing but Rust.

use portolan_fixtures::RecordedRendering;
use portolan_helm_compat::chart::PackedChart;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, MutexGuard};

use anyhow::{Context, bail};
use portolan_model::{Finding, ReleaseId};
use portolan_rehearse::Installation;
use serde_json::Value;

/// Where the recordings lie, from the workspace's root.
const FOLDER: &str = "crates/fixtures/sims/renderings";

/// Renders with a real helm and remembers what it rendered.
pub(crate) struct Recorder {
    helm: PathBuf,
    version: String,
    recorded: Mutex<BTreeMap<String, RecordedRendering>>,
}

impl Recorder {
    pub(crate) fn new(helm: &Path) -> anyhow::Result<Self> {
        let out = Command::new(helm).args(["version", "--template", "{{.Version}}"]).output()?;
        let version = String::from_utf8_lossy(&out.stdout).trim().to_owned();
        Ok(Self { helm: helm.to_owned(), version, recorded: Mutex::default() })
    }

    /// The version of the helm, as `3.22.0`.
    pub(crate) fn version(&self) -> &str {
        self.version.trim_start_matches('v')
    }

    /// One rendering; twice, so that what is random shows.
    pub(crate) fn render(
        &self,
        chart: &PackedChart,
        release: &ReleaseId,
        values: &Value,
    ) -> anyhow::Result<RecordedRendering> {
        let key = portolan_fixtures::rendering_key(&chart.digest, release, values);
        if let Some(recorded) = self.all().get(&key) {
            return Ok(recorded.clone());
        }
        let (chart_name, helm) = (chart.id.to_string(), self.version.clone());
        let recorded = match self.template(chart, release, values)? {
            Ok(first) => {
                let second = self.template(chart, release, values)?.ok().filter(|second| *second != first);
                RecordedRendering { chart: chart_name, helm, second, first, refused: None }
            }
            Err(said) => {
                RecordedRendering { chart: chart_name, helm, first: String::new(), second: None, refused: Some(said) }
            }
        };
        self.all().insert(key, recorded.clone());
        Ok(recorded)
    }

    /// What helm renders, or says where it refuses.
    fn template(
        &self,
        chart: &PackedChart,
        release: &ReleaseId,
        values: &Value,
    ) -> anyhow::Result<Result<String, String>> {
        let folder = tempfile::tempdir()?;
        let archive = folder.path().join("chart.tgz");
        let file = folder.path().join("values.json");
        fs_err::write(&archive, &chart.archive)?;
        fs_err::write(&file, serde_json::to_vec(values)?)?;
        let out = Command::new(&self.helm)
            .args(["template", &release.name])
            .arg(&archive)
            .args(["--namespace", &release.namespace, "--is-upgrade", "--values"])
            .arg(&file)
            .env("HOME", folder.path())
            .output()?;
        if !out.status.success() {
            let place = folder.path().display().to_string();
            return Ok(Err(String::from_utf8_lossy(&out.stderr).trim().replace(&place, "")));
        }
        Ok(Ok(String::from_utf8(out.stdout)?))
    }

    fn all(&self) -> MutexGuard<'_, BTreeMap<String, RecordedRendering>> {
        self.recorded.lock().expect("one thread records")
    }

    /// A simulated installation, with the renderings it needs recorded.
    pub(crate) fn installation(&self, name: &str) -> anyhow::Result<Installation> {
        portolan_fixtures::installation(name, &|chart, release, values| {
            self.render(chart, release, values)
                .map_err(|error| Finding::blocking(portolan_model::Code::ChartRefuses, error.to_string()))
        })
        .map_err(|finding| anyhow::anyhow!("{finding}: {}", finding.evidence.join("; ")))
    }

    /// Writes what was recorded, or only says whether it differs from what lies there.
    pub(crate) fn finish(&self, root: &Path, check: bool) -> anyhow::Result<()> {
        let folder = root.join(FOLDER);
        let mut stale = Vec::new();
        for (key, recorded) in self.all().iter() {
            let path = folder.join(format!("{key}.json"));
            let there: Option<RecordedRendering> =
                fs_err::read(&path).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok());
            // What is random differs each time: a recording with a second rendering is fresh if it is there.
            let is_same = |there: &RecordedRendering| there.second.is_some() || there.first == recorded.first;
            let fresh = there.is_some_and(|there| is_same(&there) && there.refused == recorded.refused);
            if !fresh {
                stale.push(format!("{key} {}", recorded.chart));
                if !check {
                    fs_err::create_dir_all(&folder)?;
                    fs_err::write(&path, serde_json::to_string_pretty(recorded)? + "\n")?;
                }
            }
        }
        for entry in fs_err::read_dir(&folder).with_context(|| format!("{FOLDER} is missing"))? {
            let path = entry?.path();
            let key = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
            if !self.all().contains_key(&key) {
                stale.push(format!("{key} is not needed any more"));
                if !check {
                    fs_err::remove_file(&path)?;
                }
            }
        }
        if check && !stale.is_empty() {
            bail!("renderings are stale: {}\nrun cargo xtask render", stale.join(", "));
        }
        println!(
            "{} renderings by helm {}, {} written",
            self.all().len(),
            self.version,
            if check { 0 } else { stale.len() }
        );
        Ok(())
    }
}
