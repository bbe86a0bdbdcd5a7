use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use model::{Code, Finding, HelmClient};
use tokio::process::Command;

/// How long a request to a repository may take. An index of many megabytes takes less.
const LIMIT: Duration = Duration::from_secs(300);

/// Helm in a home of its own, which is gone when this is dropped. What the user has told helm stays as it is.
pub(crate) struct Home {
    client: HelmClient,
    folder: tempfile::TempDir,
}

/// What helm said in the end.
pub(crate) struct Said {
    /// Whether it says that it went well.
    pub(crate) well: bool,
    /// Both of its outputs.
    pub(crate) text: String,
}

impl Home {
    /// An empty home.
    pub(crate) fn new(client: &HelmClient) -> Result<Self, Finding> {
        let folder = tempfile::tempdir().map_err(|error| no_room(&error))?;
        Ok(Self { client: client.clone(), folder })
    }

    /// A path in it. Helm's own files are below `config` and `cache`.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a file that only this user may read.
    pub(crate) fn write(&self, name: &str, bytes: &[u8]) -> Result<(), Finding> {
        let path = self.path(name);
        let write = || -> io::Result<()> {
            fs::create_dir_all(path.parent().unwrap_or(Path::new("/")))?;
            OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?.write_all(bytes)
        };
        write().map_err(|error| no_room(&error))
    }

    /// An empty folder for what helm fetches.
    pub(crate) fn folder(&self) -> Result<tempfile::TempDir, Finding> {
        tempfile::tempdir_in(self.folder.path()).map_err(|error| no_room(&error))
    }

    /// Runs helm to its end; `registry` is the file of registry logins where it is not the one of this home.
    ///
    /// # Errors
    /// Where helm cannot be run, or does not end.
    pub(crate) async fn run(&self, arguments: &[&str], registry: Option<&Path>) -> Result<Said, Finding> {
        let mut command = Command::new(&self.client.path);
        command.args(arguments).stdin(Stdio::null()).kill_on_drop(true);
        super::scrub(&mut command);
        super::at_home(&mut command, self.folder.path());
        if let Some(path) = registry {
            command.env("HELM_REGISTRY_CONFIG", path);
        }
        command.env("KUBECONFIG", self.path("no-kubeconfig"));
        let output = tokio::time::timeout(LIMIT, command.output())
            .await
            .map_err(|_| {
                Finding::blocking(Code::RepositoryUnreachable, "the chart repository does not come to an end")
                    .with(format!("helm was given {} s", LIMIT.as_secs()))
            })?
            .map_err(|error| {
                Finding::blocking(Code::NoHelm, format!("{} cannot be run", self.client.path)).with(error.to_string())
            })?;
        let text = [output.stderr, output.stdout].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
        Ok(Said { well: output.status.success(), text })
    }
}

fn no_room(error: &io::Error) -> Finding {
    Finding::blocking(Code::StateFolder, "there is no folder for what is fetched").with(error.to_string())
}
