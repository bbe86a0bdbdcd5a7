//! A site whose new images come from a registry that wants a login.

use std::net::SocketAddr;
use std::path::Path;

use anyhow::Result;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use portolan_testkit::bundle::{BaseImage, ImageArchive};
use portolan_testkit::registry::{LOGIN, Registry, Request};
use portolan_testkit::rig::{Rig, pins};
use serde_json::json;

use crate::program::Program;
use crate::real::ClusterFixture;
use crate::shell::Shell;

/// The registry, with the new version's images pushed, an installation of 2.17 whose pods have no login for it, and a shell whose home
/// has one. `custom-env.yaml` in that home gives the new chart the registry's images.
pub struct PrivateRegistry<'a> {
    registry: Registry,
    /// The installation, ready.
    pub site: ClusterFixture<'a>,
    /// Where commands are typed.
    pub shell: Shell,
    /// The image of the small programs, as its pods name it.
    pub stub: String,
}

impl<'a> PrivateRegistry<'a> {
    /// Starts it; `stub` is the tag of the image of the small programs.
    ///
    /// # Errors
    /// What fails on the rig.
    pub fn start(rig: &'a Rig, stub: &str) -> Result<Self> {
        let program = Program::build(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../.."))?;
        let address = SocketAddr::from((rig.state().net().host(), 0));
        let registry = Registry::listen(&rig.build().registry(), address, true)?;
        let host = registry.address();
        rig.pull_plainly_from(host)?;
        let site = ClusterFixture::install(rig, "openshift-2.17", pins::HELM[1])?;
        site.wait_until_ready()?;
        let shell = Shell::new(rig, &program, &rig.helm(pins::HELM[1])?)?;
        let mut images = ImageArchive::default();
        let named = format!("vendor.example/stub:{stub}");
        for (name, base) in [("vendor.example/postgres:15", "postgres"), (named.as_str(), "stub")] {
            images.add(name, &BaseImage::read(&rig.build().image(base))?);
        }
        let write = |name: &str, bytes: &[u8]| fs_err::write(shell.home().join(name), bytes);
        write("images.tar", &images.end())?;
        fs_err::create_dir(shell.home().join(".docker"))?;
        let login = json!({"auths": {host: {"auth": Self::login()}}});
        write(".docker/config.json", login.to_string().as_bytes())?;
        shell.ok(&format!("portolan bundle push images.tar --to {host} --plain-http"))?;
        let (postgres, stub) = (format!("{host}/postgres:15"), format!("{host}/stub:{stub}"));
        let values = json!({"images": {"postgres": postgres, "migrate": postgres, "stub": stub}});
        write("custom-env.yaml", values.to_string().as_bytes())?;
        Ok(Self { registry, site, shell, stub })
    }

    /// The registry's login as a docker configuration has it.
    #[must_use]
    pub fn login() -> String {
        STANDARD.encode(format!("{}:{}", LOGIN.0, LOGIN.1))
    }

    /// `HOST:PORT`.
    #[must_use]
    pub fn host(&self) -> &str {
        self.registry.address()
    }

    /// Gives every account of the installation's namespace a pull Secret for the registry.
    ///
    /// # Errors
    /// What kubectl says.
    pub fn give_login(&self) -> Result<()> {
        let (space, host) = (self.site.space().name(), self.host());
        self.shell.ok(&format!(
            "kubectl create secret docker-registry site-pull -n {space} --docker-server={host} --docker-username={} \
             --docker-password={} && for account in $(kubectl get serviceaccounts -n {space} -o name); do \
             kubectl patch $account -n {space} -p '{{\"imagePullSecrets\": [{{\"name\": \"site-pull\"}}]}}'; done",
            LOGIN.0, LOGIN.1
        ))?;
        Ok(())
    }

    /// The repositories that were pulled from so far, one for each pull.
    ///
    /// # Errors
    /// Where its log cannot be read.
    pub fn pulled(&self) -> Result<Vec<String>> {
        Ok(self.registry.requests()?.iter().filter_map(Request::pull).map(|(name, _)| name.to_owned()).collect())
    }
}
