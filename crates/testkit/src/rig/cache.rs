//! Where the rig's build and its running state lie on this machine.

use std::fs::File;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use fs_err as fs;

use super::pins;

/// The folder of everything the rig keeps: `$XDG_CACHE_HOME/portolan/rig`, or `~/.cache/portolan/rig`.
#[derive(Debug, Clone)]
pub struct Cache {
    root: PathBuf,
}

impl Cache {
    /// Finds the folder from the environment. Nothing is created yet.
    pub fn locate() -> Result<Self> {
        let base = match std::env::var_os("XDG_CACHE_HOME").filter(|dir| Path::new(dir).is_absolute()) {
            Some(dir) => PathBuf::from(dir),
            None => PathBuf::from(std::env::var_os("HOME").context("neither XDG_CACHE_HOME nor HOME is set")?)
                .join(".cache"),
        };
        Ok(Self { root: base.join("portolan").join("rig") })
    }

    /// The same, at a folder given outright.
    #[must_use]
    pub fn at(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// The folder itself.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The build that this source tree asks for.
    #[must_use]
    pub fn build(&self) -> Build {
        Build { dir: self.root.join(pins::key()) }
    }

    /// The tools beside the rig that this source tree asks for.
    #[must_use]
    pub(crate) fn tools(&self) -> Build {
        Build { dir: self.root.join(format!("tools-{}", pins::tools_key())) }
    }

    /// A compiled program beside the rig, given as `MODULE/PACKAGE@VERSION`.
    #[must_use]
    pub(crate) fn compiled(&self, program: &str) -> Build {
        Build { dir: self.root.join(format!("tool-{}", pins::program_key(program))) }
    }

    /// Where all run folders lie.
    #[must_use]
    pub fn runs(&self) -> PathBuf {
        self.root.join("run")
    }

    /// The run folder of the rig called `name`.
    #[must_use]
    pub fn run(&self, name: &str) -> PathBuf {
        self.runs().join(name)
    }

    /// Takes the lock called `name` and holds it until the returned file is dropped.
    ///
    /// `waiting` is told once when somebody else has it.
    pub fn lock(&self, name: &str, waiting: impl FnOnce()) -> Result<File> {
        fs::create_dir_all(self.runs())?;
        let path = self.runs().join(format!(".{name}.lock"));
        let file = File::create(&path).with_context(|| format!("cannot create {}", path.display()))?;
        if file.try_lock().is_err() {
            waiting();
            file.lock().with_context(|| format!("cannot lock {}", path.display()))?;
        }
        Ok(file)
    }
}

/// A build: the folder with every program, package and image of the rig.
#[derive(Debug, Clone)]
pub struct Build {
    dir: PathBuf,
}

impl Build {
    /// The folder.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Its key.
    #[must_use]
    pub fn key(&self) -> String {
        self.dir.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
    }

    /// The mark that says that every step was done.
    pub(crate) fn mark(&self) -> PathBuf {
        self.dir.join("complete")
    }

    /// Whether every step was done.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.mark().exists()
    }

    /// One of Kubernetes' programs.
    #[must_use]
    pub fn kubernetes(&self, program: &str) -> PathBuf {
        self.dir.join("kubernetes").join(program)
    }

    /// The registry for charts.
    #[must_use]
    pub fn registry(&self) -> PathBuf {
        self.dir.join("registry").join("registry")
    }

    /// etcd.
    #[must_use]
    pub fn etcd(&self) -> PathBuf {
        self.dir.join("etcd").join("etcd")
    }

    /// CoreDNS.
    #[must_use]
    pub fn coredns(&self) -> PathBuf {
        self.dir.join("coredns").join("coredns")
    }

    /// The helm client of a version, which must be one of [`pins::HELM`].
    pub fn helm(&self, version: &str) -> Result<PathBuf> {
        if !pins::HELM.contains(&version) {
            bail!("the rig has no helm {version}, only {}", pins::HELM.join(", "));
        }
        Ok(self.dir.join("helm").join(version).join("helm"))
    }

    /// The unpacked packages of the node.
    #[must_use]
    pub fn node(&self) -> PathBuf {
        self.dir.join("debian").join("node")
    }

    /// The unpacked packages of PostgreSQL, with their own C library.
    #[must_use]
    pub fn postgres(&self) -> PathBuf {
        self.dir.join("debian").join("postgres")
    }

    /// PostgreSQL 16: `bin`, `lib` and `share`.
    #[must_use]
    pub fn postgres_16(&self) -> PathBuf {
        self.dir.join("postgres-16")
    }

    /// The archive of an image.
    #[must_use]
    pub fn image(&self, name: &str) -> PathBuf {
        self.dir.join("images").join(format!("{name}.tar"))
    }

    /// The search path for the node's programs: its own first, then the host's.
    #[must_use]
    pub fn path(&self) -> String {
        let node = self.node();
        ["links", "usr/bin", "usr/sbin", "sbin", "bin"]
            .iter()
            .map(|dir| node.join(dir).display().to_string())
            .chain(["/usr/sbin", "/usr/bin", "/sbin", "/bin"].map(str::to_owned))
            .collect::<Vec<_>>()
            .join(":")
    }

    /// The search path for the libraries of the node's programs.
    #[must_use]
    pub fn libraries(&self) -> String {
        library_dirs(&self.node()).join(":")
    }
}

/// The folders in which an unpacked tree of Debian packages keeps its libraries.
pub(crate) fn library_dirs(tree: &Path) -> Vec<String> {
    ["usr/lib", "lib"].iter().map(|dir| tree.join(dir).join(TRIPLE).display().to_string()).collect()
}

/// Debian's name of the architecture in paths.
pub(crate) const TRIPLE: &str = if cfg!(target_arch = "aarch64") { "aarch64-linux-gnu" } else { "x86_64-linux-gnu" };

/// The dynamic loader's path, relative to the root of a system.
pub(crate) const LOADER: &str =
    if cfg!(target_arch = "aarch64") { "lib/ld-linux-aarch64.so.1" } else { "lib64/ld-linux-x86-64.so.2" };

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_build_lies_under_its_key_and_a_run_under_its_name() {
        let cache = Cache::at("/cache");
        assert_eq!(cache.build().dir(), Path::new("/cache").join(pins::key()));
        assert_eq!(cache.run("main"), Path::new("/cache/run/main"));
        assert!(cache.build().helm("3.14.4").unwrap().ends_with("helm/3.14.4/helm"));
        assert!(cache.build().helm("2.0.0").is_err());
    }

    #[test]
    fn a_lock_is_held_until_it_is_dropped() {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::at(dir.path());
        let held = cache.lock("x", || panic!("nobody holds it")).unwrap();
        let mut waited = false;
        std::thread::scope(|scope| {
            scope.spawn(|| drop(cache.lock("x", || waited = true).unwrap()));
            std::thread::sleep(std::time::Duration::from_millis(100));
            drop(held);
        });
        assert!(waited);
    }
}
