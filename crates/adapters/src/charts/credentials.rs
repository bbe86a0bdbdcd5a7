//! What the user has told helm and docker: addresses, logins, certificates. It is read and never written.

use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use docker_credential::{CredentialRetrievalError, DockerCredential, get_credential_from_reader};
use portolan_model::{Code, Finding};
use serde_json::{Value, json};

/// A name and a password. Neither is ever shown, or written but into a file of mode 0600 that helm reads.
#[derive(Clone, PartialEq, Eq)]
pub struct Login {
    /// The name.
    pub username: String,
    /// The password.
    pub password: String,
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Login(..)")
    }
}

/// The files in which helm and docker keep what they were told.
#[derive(Clone, Debug, Default)]
pub struct Files {
    repositories: Option<PathBuf>,
    registries: Option<PathBuf>,
    docker: Option<PathBuf>,
    podman: Vec<PathBuf>,
    /// The file that `REGISTRY_AUTH_FILE` names, such as a pull secret of OpenShift.
    named: Option<PathBuf>,
}

impl Files {
    /// This user's files.
    #[must_use]
    pub fn of_user() -> Self {
        Self::by(&|name| std::env::var_os(name).filter(|value| !value.is_empty()))
    }

    /// The files of somebody with these variables, where helm looks for them (helm 3.22.0, `pkg/cli/environment.go`, `pkg/helmpath/lazypath.go`): the variable of the file,
    /// else that of helm's folder, else that of all programs, else the system's usual place.
    #[must_use]
    pub fn by(variable: &dyn Fn(&str) -> Option<OsString>) -> Self {
        let path = |name: &str| variable(name).map(PathBuf::from);
        let home = path("HOME");
        let usual = if cfg!(target_os = "macos") { "Library/Preferences" } else { ".config" };
        let config = path("HELM_CONFIG_HOME").or_else(|| {
            let folder = path("XDG_CONFIG_HOME").or_else(|| home.as_ref().map(|home| home.join(usual)))?;
            Some(folder.join("helm"))
        });
        let in_config = |name: &str| config.as_ref().map(|config| config.join(name));
        let docker = path("DOCKER_CONFIG").or_else(|| home.as_ref().map(|home| home.join(".docker")));
        Self {
            repositories: path("HELM_REPOSITORY_CONFIG").or_else(|| in_config("repositories.yaml")),
            registries: path("HELM_REGISTRY_CONFIG").or_else(|| in_config("registry/config.json")),
            docker: docker.map(|docker| docker.join("config.json")),
            podman: podman(variable),
            named: path("REGISTRY_AUTH_FILE"),
        }
    }

    /// The login for pushing to a path of a registry: that of the file that the user names, else docker's, podman's or helm's. Logins may
    /// be for a path too; the longest one counts. A login is for one host and port.
    ///
    /// # Errors
    /// If a login is there and cannot be used.
    pub fn registry_login(&self, host: &str, path: &str) -> Result<Option<Login>, Finding> {
        let mut name = if path.is_empty() { host.to_owned() } else { format!("{host}/{path}") };
        let files: Vec<&PathBuf> =
            self.named.iter().chain(&self.docker).chain(&self.podman).chain(&self.registries).collect();
        loop {
            if let Some(login) = login_in(&files, &name)? {
                return Ok(Some(login));
            }
            let Some((shorter, _)) = name.rsplit_once('/') else { return Ok(None) };
            name.truncate(shorter.len());
        }
    }

    /// The entry of helm's list for an address.
    pub(super) fn entry(&self, url: &str) -> Result<Option<Value>, Finding> {
        Ok(self.entries()?.into_iter().find(|entry| same(entry["url"].as_str().unwrap_or_default(), url)))
    }

    /// A warning where helm's list has another address under a name: `helm repo add` would not change it.
    ///
    /// # Errors
    /// Where helm's list cannot be read.
    pub fn another(&self, name: &str, url: &str) -> Result<Option<Finding>, Finding> {
        let entries = self.entries()?;
        let Some(entry) = entries.iter().find(|entry| entry["name"] == name) else { return Ok(None) };
        let known = entry["url"].as_str().unwrap_or_default();
        if same(known, url) {
            return Ok(None);
        }
        // An address with a login in it is not shown.
        let known =
            super::ChartSource::parse(known).map_or_else(|_| "another one".to_owned(), |source| source.to_string());
        let finding =
            Finding::warning(Code::OtherRepository, format!("helm knows another address under the name {name}"));
        Ok(Some(finding.with(format!("helm's list: {known}")).with(format!("used here:   {url}"))))
    }

    fn entries(&self) -> Result<Vec<Value>, Finding> {
        let Some(path) = self.repositories.as_ref().filter(|path| path.exists()) else { return Ok(Vec::new()) };
        let unusable = |error: String| {
            let found = format!("helm's list of repositories, {}, is not usable", path.display());
            Finding::blocking(Code::BadOption, found).with(error).next("helm repo list shows what helm makes of it")
        };
        let text = std::fs::read_to_string(path).map_err(|error| unusable(error.to_string()))?;
        let list = crate::compat::yaml(&text).map_err(unusable)?;
        Ok(list["repositories"].as_array().cloned().unwrap_or_default())
    }

    /// Helm's file of registry logins, where there is one.
    pub(super) fn registries(&self) -> Option<&Path> {
        self.registries.as_deref().filter(|path| path.exists())
    }

    /// The login for a registry: helm's, else docker's, as helm looks for it. Helpers that keep it are asked.
    pub(super) fn login(&self, host: &str) -> Result<Option<Login>, Finding> {
        login_in(&[&self.registries, &self.docker].into_iter().flatten().collect::<Vec<_>>(), host)
    }
}

/// The login in the first of these files that has one. Helpers that keep it are asked.
fn login_in(files: &[&PathBuf], host: &str) -> Result<Option<Login>, Finding> {
    for path in files {
        let Ok(bytes) = std::fs::read(path) else { continue };
        for name in names(host) {
            // What a helper says may hold a secret: none of it is shown.
            let unusable = |why: &str| {
                Err(Finding::blocking(Code::RepositoryDenied, format!("the login for {host} cannot be used"))
                    .with(format!("{}: {why}", path.display())))
            };
            match get_credential_from_reader(bytes.as_slice(), name) {
                Ok(DockerCredential::UsernamePassword(username, password)) => {
                    return Ok(Some(Login { username, password }));
                }
                Ok(DockerCredential::IdentityToken(_)) => {
                    return unusable("it is an identity token, with which tags cannot be asked for here");
                }
                // Helpers say in this way that they do not have it.
                Err(
                    CredentialRetrievalError::NoCredentialConfigured | CredentialRetrievalError::HelperFailure { .. },
                ) => {}
                Err(CredentialRetrievalError::HelperCommunicationError) => {
                    return unusable("its helper cannot be run");
                }
                Err(_) => return unusable("it cannot be read"),
            }
        }
    }
    Ok(None)
}

impl Login {
    /// The entry of helm's list for a repository, in which this login replaces the one that is there.
    pub(super) fn into_entry(self, mut entry: Value) -> Value {
        entry["username"] = self.username.into();
        entry["password"] = self.password.into();
        entry
    }

    /// A file of registry logins with this one in it.
    pub(super) fn file(&self, host: &str) -> Vec<u8> {
        let text = format!("{}:{}", self.username, self.password);
        let auth = base64::engine::general_purpose::STANDARD.encode(text);
        json!({ "auths": { host: { "auth": auth } } }).to_string().into_bytes()
    }
}

/// Where podman keeps logins unless it is told another file (containers/image 5.36, `docs/containers-auth.json.5.md`).
fn podman(variable: &dyn Fn(&str) -> Option<OsString>) -> Vec<PathBuf> {
    let path = |name: &str| variable(name).map(PathBuf::from);
    let config = path("XDG_CONFIG_HOME").or_else(|| path("HOME").map(|home| home.join(".config")));
    path("XDG_RUNTIME_DIR").into_iter().chain(config).map(|folder| folder.join("containers/auth.json")).collect()
}

/// Helm compares addresses without a slash at their end.
fn same(a: &str, b: &str) -> bool {
    a.trim_end_matches('/') == b.trim_end_matches('/')
}

/// The names under which a registry's login may be kept: docker keeps that of its own registry under an old address.
fn names(host: &str) -> Vec<&str> {
    match host {
        "docker.io" | "registry-1.docker.io" | "index.docker.io" => vec![host, "https://index.docker.io/v1/"],
        _ => vec![host],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(variables: &[(&str, &str)]) -> Files {
        let all: Vec<(String, OsString)> =
            variables.iter().map(|(name, value)| ((*name).to_owned(), OsString::from(value))).collect();
        Files::by(&|name| all.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone()))
    }

    #[test]
    fn files_are_where_helm_looks_for_them() {
        let list = |variables: &[(&str, &str)]| found(variables).repositories.expect("a path").display().to_string();
        let home = ("HOME", "/h");
        #[cfg(not(target_os = "macos"))]
        assert_eq!(list(&[home]), "/h/.config/helm/repositories.yaml");
        let xdg = ("XDG_CONFIG_HOME", "/x");
        assert_eq!(list(&[home, xdg]), "/x/helm/repositories.yaml");
        let helm = ("HELM_CONFIG_HOME", "/c");
        assert_eq!(list(&[home, xdg, helm]), "/c/repositories.yaml");
        assert_eq!(list(&[home, xdg, helm, ("HELM_REPOSITORY_CONFIG", "/f")]), "/f");
        let files = found(&[home, helm, ("DOCKER_CONFIG", "/d")]);
        assert_eq!(files.registries.as_deref(), Some(Path::new("/c/registry/config.json")));
        assert_eq!(files.docker.as_deref(), Some(Path::new("/d/config.json")));
        assert_eq!(found(&[("HELM_REGISTRY_CONFIG", "/r")]).registries.as_deref(), Some(Path::new("/r")));
    }

    const LIST: &str = "apiVersion: ''\nrepositories:\n\
        - {name: other, url: 'https://o/'}\n\
        - {name: mine, url: 'https://me:hidden@h/c/', username: me, password: hidden}\n\
        - {name: usual, url: 'https://u/c/', username: me, password: hidden, pass_credentials_all: true}\n";

    fn with(folder: &Path) -> Files {
        let list = folder.join("repositories.yaml");
        std::fs::write(&list, LIST).expect("a file");
        Files {
            repositories: Some(list),
            registries: Some(folder.join("a.json")),
            docker: Some(folder.join("b.json")),
            podman: vec![folder.join("c.json")],
            named: Some(folder.join("d.json")),
        }
    }

    #[test]
    fn an_entry_is_found_by_its_address_and_another_one_by_its_name() {
        let folder = tempfile::tempdir().expect("a folder");
        let files = with(folder.path());
        let entry = files.entry("https://u/c").expect("a list").expect("an entry");
        assert_eq!((&entry["name"], &entry["pass_credentials_all"]), (&json!("usual"), &json!(true)));
        assert_eq!(files.entry("https://u").expect("a list"), None);
        assert_eq!(files.another("usual", "https://u/c").expect("a list"), None);
        assert_eq!(files.another("unknown", "https://u/c").expect("a list"), None);
        let warning = files.another("other", "https://u/c").expect("a list").expect("a warning");
        assert_eq!((warning.code, warning.severity), (Code::OtherRepository, portolan_model::Severity::Warning));
        assert_eq!(warning.evidence, ["helm's list: https://o", "used here:   https://u/c"]);
        let hidden = files.another("mine", "https://u/c").expect("a list").expect("a warning");
        assert!(!format!("{hidden:?}").contains("hidden"), "{hidden:?}");
        std::fs::write(folder.path().join("repositories.yaml"), "a: [").expect("a file");
        assert_eq!(files.entry("https://u/c").expect_err("no list").code, Code::BadOption);
    }

    #[test]
    fn the_login_of_a_registry_is_helms_and_else_dockers() {
        let folder = tempfile::tempdir().expect("a folder");
        let files = with(folder.path());
        assert_eq!(files.login("h:5000").expect("no files"), None);
        let login = |name: &str| Login { username: name.into(), password: "hidden:x".into() };
        std::fs::write(folder.path().join("b.json"), login("docker").file("h:5000")).expect("a file");
        assert_eq!(files.login("h:5000").expect("a file"), Some(login("docker")));
        std::fs::write(folder.path().join("a.json"), login("helm").file("h:5000")).expect("a file");
        assert_eq!(files.login("h:5000").expect("a file"), Some(login("helm")));
        assert_eq!(files.login("other").expect("a file"), None);
        std::fs::write(folder.path().join("a.json"), r#"{"auths": {"h": {"identitytoken": "hidden"}}}"#)
            .expect("a file");
        let token = files.login("h").expect_err("a token");
        assert!(token.code == Code::RepositoryDenied && !format!("{token:?}").contains("hidden"), "{token:?}");
    }

    #[test]
    fn a_login_for_pushing_is_for_one_host_and_port_and_the_longest_path() {
        let folder = tempfile::tempdir().expect("a folder");
        let files = with(folder.path());
        let login = |name: &str| Login { username: name.into(), password: "hidden".into() };
        std::fs::write(folder.path().join("a.json"), login("helm").file("h:5000")).expect("a file");
        std::fs::write(folder.path().join("c.json"), login("podman").file("h:5000/a/b")).expect("a file");
        for (host, path, name) in [("h:5000", "a/b/c", "podman"), ("h:5000", "a", "helm"), ("h:5000", "", "helm")] {
            assert_eq!(files.registry_login(host, path).expect("a file"), Some(login(name)), "{path}");
        }
        for host in ["h", "h:5001", "h:5000.other"] {
            assert_eq!(files.registry_login(host, "a/b").expect("a file"), None, "{host}");
        }
        std::fs::write(folder.path().join("d.json"), login("named").file("h:5000/a")).expect("a file");
        for (path, name) in [("a/b/c", "podman"), ("a", "named"), ("b", "helm")] {
            assert_eq!(files.registry_login("h:5000", path).expect("a file"), Some(login(name)), "{path}");
        }
        let found = podman(&|name| Some(format!("/{name}").into()));
        let paths: Vec<String> = found.iter().map(|path| path.display().to_string()).collect();
        assert_eq!(paths, ["/XDG_RUNTIME_DIR/containers/auth.json", "/XDG_CONFIG_HOME/containers/auth.json"]);
    }

    #[test]
    fn a_login_is_not_shown() {
        let login = Login { username: "me".into(), password: "hidden".into() };
        assert_eq!(format!("{login:?}"), "Login(..)");
        let entry = login.into_entry(json!({ "caFile": "/ca", "username": "old" }));
        assert_eq!(entry, json!({ "caFile": "/ca", "username": "me", "password": "hidden" }));
    }
}
