//! Real helms without a cluster: what they read, and what they render.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, bail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use portolan_helm_compat::chart::ChartArchive;
use portolan_helm_compat::manifest::Renderings;
use portolan_helm_compat::values;
use portolan_testkit::rig::Cache;
use portolan_workflow::{EffectSearch, Effects};
use serde_json::Value;

/// A helm of the rig, with a folder of its own for charts and files.
pub struct OfflineHelm {
    version: &'static str,
    program: PathBuf,
    folder: tempfile::TempDir,
}

impl OfflineHelm {
    /// The helm of a version, which the rig has.
    ///
    /// # Errors
    /// Where the rig is not built.
    pub fn new(version: &'static str) -> Result<Self> {
        let program = Cache::locate()?.build().helm(version)?;
        if !program.exists() {
            bail!("the rig is not built: cargo xtask rig build");
        }
        Ok(Self { version, program, folder: tempfile::tempdir()? })
    }

    /// Its version: `3.14.4`.
    #[must_use]
    pub fn version(&self) -> &'static str {
        self.version
    }

    /// The program.
    #[must_use]
    pub fn program(&self) -> &Path {
        &self.program
    }

    /// Makes a chart under its name in the folder, of these files and a `Chart.yaml`.
    ///
    /// # Panics
    /// Where the folder cannot be written to.
    pub fn chart(&self, name: &str, files: &[(&str, &str)]) {
        let last = name.rsplit('/').next().unwrap_or(name);
        self.write(&format!("{name}/Chart.yaml"), format!("apiVersion: v2\nname: {last}\nversion: 1.0.0\n").as_bytes());
        for (path, content) in files {
            self.write(&format!("{name}/{path}"), content.as_bytes());
        }
    }

    /// Writes a file into the folder, and returns its path.
    ///
    /// # Panics
    /// Where the folder cannot be written to.
    pub fn write(&self, name: &str, content: &[u8]) -> String {
        let path = self.folder.path().join(name);
        fs_err::create_dir_all(path.parent().expect("a file is in a folder")).expect("a folder");
        fs_err::write(&path, content).expect("a file");
        path.display().to_string()
    }

    /// What `helm template release ARGUMENTS` prints, the folder being the working directory.
    ///
    /// # Errors
    /// What helm says where it refuses.
    ///
    /// # Panics
    /// Where helm cannot be started.
    pub fn run(&self, arguments: &[String]) -> Result<String, String> {
        Self::printed(&mut self.command(arguments))
    }

    fn command(&self, arguments: &[String]) -> Command {
        let mut command = Command::new(&self.program);
        command.args(["template", "release"]).args(arguments).current_dir(self.folder.path());
        // Neither a cluster nor the user's settings.
        command.env("HOME", self.folder.path()).env("KUBECONFIG", self.folder.path().join("none"));
        command
    }

    fn printed(command: &mut Command) -> Result<String, String> {
        let out = command.output().expect("helm runs");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        if out.status.success() { Ok(text(&out.stdout)) } else { Err(text(&out.stderr)) }
    }

    /// What each of some values does in a chart, searched as the product does, two renderings side by side. `packed` is the path of its
    /// archive.
    ///
    /// # Panics
    /// As [`Self::run`], and where helm prints no manifest.
    pub fn effects(&self, packed: &str, chart: &ChartArchive, given: &Value) -> Effects {
        let render = |name: &str, values: &Value| {
            let file = self.write(&format!("values-{name}.yaml"), values::file(values).as_bytes());
            let mut command =
                self.command(&[packed.to_owned(), "--namespace".into(), "n".into(), "--values".into(), file]);
            command.envs(portolan_adapters::helm::RENDERING);
            Self::printed(&mut command)
        };
        let mut known = Renderings::new("n");
        let mut search = EffectSearch::new("release", given, &chart.values).reading(&chart.files);
        std::thread::scope(|scope| {
            let mut running = VecDeque::new();
            for at in 0.. {
                for (number, job) in search.jobs().into_iter().enumerate() {
                    let name = format!("{at}-{number}");
                    running.push_back(scope.spawn(move || render(&name, &job.values)));
                }
                let Some(rendering) = running.pop_front() else { break };
                let said = rendering.join().expect("a rendering");
                search.rendered(said.map(|said| known.parse(&said).expect("helm's manifest")));
            }
        });
        search.finish()
    }

    /// What the only template of a chart prints after `read: `, in JSON and base64: what is read may hold characters that
    /// helm takes from no template.
    ///
    /// # Errors
    /// As [`Self::run`], and where nothing of the kind is printed.
    pub fn template(&self, arguments: &[String]) -> Result<Value, String> {
        let printed = self.run(arguments)?;
        let read = printed.lines().find_map(|line| line.strip_prefix("read: ")).ok_or_else(|| printed.clone())?;
        let json = STANDARD.decode(read).map_err(|error| format!("{error}: {printed}"))?;
        serde_json::from_slice(&json).map_err(|error| format!("{error}: {printed}"))
    }
}
