//! The helm program: found, asked for renderings, and started so that it outlives us.

mod dry_run;
mod foreign;
mod home;
mod known;
mod place;
mod process;
mod proxy;
mod simulated;
mod view;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use portolan_model::{Code, Digest, Finding, HelmClient};
use tokio::process::Command;

pub use dry_run::DryRun;
pub(crate) use home::Home;
pub use home::RENDERING;
pub use process::{Given, Launch, NotStarted, ended_text, is_alive, is_planned, spawn, tidy, values_path};

/// The first helm with `--reset-then-reuse-values`.
const OLDEST: semver::Version = semver::Version::new(3, 14, 0);

/// Seconds that a helm may take to say its version.
const LIMIT: Duration = Duration::from_secs(30);

/// The helm to use: the program given, else the one on the path.
///
/// # Errors
/// Where there is none, or it is too old.
pub async fn find(program: Option<&Path>) -> Result<HelmClient, Finding> {
    let path = locate(program)?;
    let folder = known::folder();
    let kept = known::kept(&path, folder.as_deref());
    let client = |version: semver::Version, digest| {
        if version < OLDEST {
            return Err(Finding::blocking(Code::OldHelm, format!("{} is helm {version}", path.display())));
        }
        Ok(HelmClient::Program { version, digest, path: path.to_string_lossy().into_owned() })
    };
    let kept = match kept {
        Some(known::Known { version: Some(version), digest, .. }) => return client(version, digest),
        kept => kept,
    };
    // Helm says its version while its file is read.
    let digest = async {
        if let Some(known) = kept {
            return Ok((known.digest, None));
        }
        let program = path.clone();
        let read = tokio::task::spawn_blocking(move || known::read(&program, std::time::SystemTime::now()));
        let read = read.await.map_err(std::io::Error::from).flatten();
        read.map(|read| (read.digest().clone(), Some(read))).map_err(|error| no_helm(&path, &error.to_string()))
    };
    let (digest, version) = tokio::join!(digest, version(&path));
    let (version, (digest, read)) = (version?, digest?);
    if let Some(read) = read {
        read.keep(&path, folder.as_deref(), &version);
    }
    client(version, digest)
}

/// The version that a helm says.
async fn version(path: &Path) -> Result<semver::Version, Finding> {
    let said = version_text(path).await?;
    let said = said.trim();
    semver::Version::parse(said.trim_start_matches('v'))
        .map_err(|error| no_helm(path, &format!("it says its version is `{said}`")).with(error.to_string()))
}

fn locate(program: Option<&Path>) -> Result<PathBuf, Finding> {
    match program {
        // `which` also makes sure that it may be run.
        Some(path) => which::which(path).map_err(|error| no_helm(path, &error.to_string())),
        None => which::which("helm").map_err(|_| Finding::blocking(Code::NoHelm, "there is no helm on the path")),
    }
    .map(|path| std::path::absolute(&path).unwrap_or(path))
}

fn no_helm(path: &Path, why: &str) -> Finding {
    Finding::blocking(Code::NoHelm, format!("{} cannot be used as helm", path.display())).with(why)
}

/// The digest of a program: the same helm is the same bytes, whatever it says of itself.
fn digest(path: &Path) -> std::io::Result<Digest> {
    Digest::of_reader(std::fs::File::open(path)?)
}

async fn version_text(path: &Path) -> Result<String, Finding> {
    let mut command = Command::new(path);
    command.args(["version", "--template", "{{.Version}}"]).stdin(std::process::Stdio::null()).kill_on_drop(true);
    scrub(&mut command);
    command.envs(RENDERING);
    let output = tokio::time::timeout(LIMIT, command.output())
        .await
        .map_err(|_| no_helm(path, "it does not say its version"))?
        .map_err(|error| no_helm(path, &error.to_string()))?;
    if !output.status.success() {
        return Err(no_helm(path, String::from_utf8_lossy(&output.stderr).trim()));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Takes away what could lead helm to another cluster, namespace or storage of records than the one named
/// in its arguments.
fn scrub(command: &mut Command) {
    for name in helm_variables(std::env::vars_os().map(|(name, _)| name)) {
        command.env_remove(name);
    }
}

fn helm_variables(names: impl Iterator<Item = OsString>) -> Vec<OsString> {
    names.filter(|name| name.to_string_lossy().starts_with("HELM_")).collect()
}

/// Gives helm folders of its own: no plugin, repository or registry login of the user takes part.
fn at_home(command: &mut Command, home: &Path) {
    for name in ["CACHE", "CONFIG", "DATA"] {
        command.env(format!("HELM_{name}_HOME"), home.join(name.to_lowercase()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_variable_of_helms_is_taken_away() {
        let names = ["HELM_KUBECONTEXT", "HOME", "HELM_DRIVER", "KUBECONFIG"];
        assert_eq!(helm_variables(names.iter().map(OsString::from)), ["HELM_KUBECONTEXT", "HELM_DRIVER"]);
    }

    #[tokio::test]
    async fn a_helm_is_known_by_version_and_bytes() {
        let folder = tempfile::tempdir().expect("a folder");
        let fake = |version: &str| process::tests::script(folder.path(), &format!("echo {version}"));
        let path = fake("v3.14.4");
        let client = find(Some(&path)).await.expect("a helm");
        assert_eq!(*client.version(), semver::Version::new(3, 14, 4));
        assert!(
            matches!(&client, HelmClient::Program { digest: found, .. } if *found == digest(&path).expect("a file"))
        );
        let old = find(Some(&fake("v3.13.3"))).await.expect_err("too old");
        assert_eq!(old.code, Code::OldHelm);
        let none = find(Some(Path::new("/nowhere/helm"))).await;
        assert_eq!(none.expect_err("no such file").code, Code::NoHelm);
        let strange = find(Some(&fake("hello"))).await;
        assert_eq!(strange.expect_err("no helm").code, Code::NoHelm);
    }
}
