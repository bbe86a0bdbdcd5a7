//! A namespace of a test's own, with what was in it, gone when the test ends.

use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Context, Result, bail};
use fs_err as fs;
use serde_json::{Value, json};

use super::running::Rig;
use super::state::{output, poll};

static NUMBER: AtomicU32 = AtomicU32::new(0);

/// A namespace that is deleted, with its volumes and their folders, when this is dropped.
pub struct Namespace<'a> {
    rig: &'a Rig,
    name: String,
}

impl Rig {
    /// A namespace of this test's own. Pods can be made in it when it is handed out.
    ///
    /// # Errors
    /// Where the API server refuses it.
    pub fn namespace(&self, prefix: &str) -> Result<Namespace<'_>> {
        let name = format!("{prefix}-{}-{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
        let object = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}});
        self.api().create("/api/v1/namespaces", &object)?;
        let space = Namespace { rig: self, name };
        let account = format!("/api/v1/namespaces/{}/serviceaccounts/default", space.name);
        poll("the namespace's service account", || self.api().find(&account))?;
        Ok(space)
    }
}

impl Namespace<'_> {
    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// An object or a list of it; `path` begins with the API (`api/v1`, `apis/apps/v1`) and goes on behind the namespace.
    ///
    /// # Errors
    /// Where the API server does not answer as it should.
    pub fn find(&self, api: &str, rest: &str) -> Result<Option<Value>> {
        self.rig.api().find(&format!("/{api}/namespaces/{}/{rest}", self.name))
    }

    /// The volumes whose PVCs are, or were, in this namespace.
    ///
    /// # Errors
    /// Where they cannot be listed.
    pub fn volumes(&self) -> Result<Vec<Value>> {
        let list = self.rig.api().get("/api/v1/persistentvolumes")?;
        let all = list["items"].as_array().cloned().unwrap_or_default();
        Ok(all.into_iter().filter(|volume| volume["spec"]["claimRef"]["namespace"] == self.name.as_str()).collect())
    }

    /// Runs SQL in a pod of the PostgreSQL image, over the network of the pod itself, and returns what `psql` prints.
    ///
    /// # Errors
    /// What `psql` says.
    pub fn psql(&self, pod: &str, password: &str, sql: &str) -> Result<String> {
        let host = self
            .find("api/v1", &format!("pods/{pod}"))?
            .and_then(|pod| pod["status"]["podIP"].as_str().map(str::to_owned))
            .with_context(|| format!("pod {pod} has no address"))?;
        let mut command = self.rig.kubectl();
        command.args(["exec", "-n", &self.name, pod, "--", "env"]).arg(format!("PGPASSWORD={password}")).args([
            "psql",
            "-XqAt",
            "-v",
            "ON_ERROR_STOP=1",
            "-h",
            &host,
            "-U",
            "postgres",
            "-c",
            sql,
        ]);
        Ok(String::from_utf8(output(&mut command)?)?.trim().to_owned())
    }

    /// Waits until a server in a pod takes a password.
    ///
    /// # Errors
    /// Where it does not in time.
    pub fn wait_for_psql(&self, pod: &str, password: &str) -> Result<()> {
        poll(&format!("the database in {pod}"), || self.psql(pod, password, "select 1").map(Some))?;
        Ok(())
    }

    /// Waits for a condition.
    ///
    /// # Errors
    /// Where it does not hold in time.
    pub fn wait(&self, what: &str, mut holds: impl FnMut(&Self) -> Result<bool>) -> Result<()> {
        poll(what, || Ok(holds(self)?.then_some(())))
    }

    fn clean(&self) -> Result<()> {
        let volumes = self.volumes()?;
        self.rig.api().delete(&format!("/api/v1/namespaces/{}", self.name))?;
        poll("the end of the namespace", || {
            Ok(self.rig.api().find(&format!("/api/v1/namespaces/{}", self.name))?.is_none().then_some(()))
        })?;
        let mut all = volumes;
        all.extend(self.volumes()?);
        for volume in &all {
            let Some(name) = volume["metadata"]["name"].as_str() else { continue };
            let path = format!("/api/v1/persistentvolumes/{name}");
            self.rig.api().delete(&path)?;
            poll("the end of a volume", || Ok(self.rig.api().find(&path)?.is_none().then_some(())))?;
            if let Some(folder) = self.rig.folder(volume).filter(|folder| folder.exists()) {
                fs::remove_dir_all(folder)?;
            }
        }
        if self.volumes()?.is_empty() { Ok(()) } else { bail!("volumes of {} are left", self.name) }
    }
}

impl Drop for Namespace<'_> {
    fn drop(&mut self) {
        if let Err(error) = self.clean()
            && !std::thread::panicking()
        {
            panic!("namespace {} was not cleaned up: {error:#}", self.name);
        }
    }
}
