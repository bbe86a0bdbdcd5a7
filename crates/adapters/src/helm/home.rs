use std::ffi::OsStr;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::Duration;

use portolan_model::{Code, Finding, HelmClient};
use tokio::process::Command;

/// The environment of a helm that renders, or says its version, and ends within a second: collecting garbage costs more than the memory, up to this limit
/// (Go's runtime package, "Environment Variables").
pub const RENDERING: [(&str, &str); 2] = [("GOGC", "off"), ("GOMEMLIMIT", "512MiB")];

/// Helm in a home of its own, which is gone when this is dropped. What the user has told helm stays as it is, and no
/// cluster is reached but that of a file `kubeconfig` in it.
pub(crate) struct Home {
    /// The program's path.
    program: String,
    folder: tempfile::TempDir,
    /// What the home is for, for people.
    purpose: &'static str,
}

impl Home {
    /// An empty home.
    ///
    /// # Errors
    /// [`Code::StateFolder`].
    pub(crate) fn new(client: &HelmClient, purpose: &'static str) -> Result<Self, Finding> {
        let Some(program) = client.path() else {
            return Err(Finding::blocking(Code::NoHelm, "the simulated helm is no program that could be run"));
        };
        let folder = tempfile::tempdir().map_err(|error| no_room(purpose, &error))?;
        Ok(Self { program: program.to_owned(), folder, purpose })
    }

    /// The home's folder.
    pub(crate) fn root(&self) -> &Path {
        self.folder.path()
    }

    /// A path in it. Helm's own files are below `config` and `cache`.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a file that only this user may read, and returns its path.
    ///
    /// # Errors
    /// [`Code::StateFolder`].
    pub(crate) fn write(&self, name: &str, bytes: &[u8]) -> Result<PathBuf, Finding> {
        let path = self.path(name);
        let write = || -> io::Result<()> {
            fs::create_dir_all(path.parent().unwrap_or(Path::new("/")))?;
            OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?.write_all(bytes)
        };
        write().map_err(|error| no_room(self.purpose, &error))?;
        Ok(path)
    }

    /// An empty folder for what helm fetches.
    ///
    /// # Errors
    /// [`Code::StateFolder`].
    pub(crate) fn folder(&self) -> Result<tempfile::TempDir, Finding> {
        tempfile::tempdir_in(self.folder.path()).map_err(|error| no_room(self.purpose, &error))
    }

    /// Runs helm to its end; `None` where it did not come to one within the limit. `registry` is the file of registry logins
    /// where it is not the one of this home.
    ///
    /// # Errors
    /// [`Code::NoHelm`] where it cannot be run.
    pub(crate) async fn run<A: AsRef<OsStr>>(
        &self,
        arguments: impl IntoIterator<Item = A>,
        registry: Option<&Path>,
        limit: Duration,
    ) -> Result<Option<Output>, Finding> {
        let mut command = Command::new(&self.program);
        command.args(arguments).stdin(Stdio::null()).kill_on_drop(true);
        super::scrub(&mut command);
        super::at_home(&mut command, self.folder.path());
        if let Some(path) = registry {
            command.env("HELM_REGISTRY_CONFIG", path);
        }
        // The cluster of a kubeconfig that was written here, else none: there is nothing to fall back on.
        command.env("KUBECONFIG", self.path("kubeconfig"));
        command.env("KUBECACHEDIR", self.path("kube-cache"));
        command.envs(RENDERING);
        let Ok(output) = tokio::time::timeout(limit, command.output()).await else { return Ok(None) };
        output.map(Some).map_err(|error| {
            Finding::blocking(Code::NoHelm, format!("{} cannot be run", self.program)).with(error.to_string())
        })
    }
}

fn no_room(purpose: &str, error: &io::Error) -> Finding {
    Finding::blocking(Code::StateFolder, format!("there is no folder for {purpose}")).with(error.to_string())
}
