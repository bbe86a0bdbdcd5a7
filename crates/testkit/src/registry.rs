//! A real registry on a port of this machine, for tests.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, bail};
use fs_err as fs;

/// A running registry. It ends, with all that is in it, when it is dropped.
pub struct Registry {
    child: Child,
    address: String,
    _folder: tempfile::TempDir,
}

/// Whom a registry with a login lets in: a name and a password.
pub const LOGIN: (&str, &str) = ("me", "allmine");

/// That password, hashed (the test vector of `golang.org/x/crypto` v0.48.0, `bcrypt/bcrypt_test.go`).
const HASH: &str = "$2a$10$XajjQvNhvvRt5GSeFk1xFeyqRrsxkhBkUiQeg0dt.wU1qD4aFDcga";

impl Registry {
    /// Starts the program; with `login` it lets in [`LOGIN`] alone.
    ///
    /// # Errors
    /// Where it does not come to listen.
    pub fn start(program: &Path, login: bool) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let at = |name: &str| folder.path().join(name);
        let mut config = serde_json::json!({
            "version": "0.1",
            "log": { "level": "info", "formatter": "text" },
            "storage": { "filesystem": { "rootdirectory": at("data") } },
            "http": { "addr": "127.0.0.1:0" },
        });
        if login {
            fs::write(at("htpasswd"), format!("{}:{HASH}\n", LOGIN.0))?;
            config["auth"] = serde_json::json!({ "htpasswd": { "realm": "test", "path": at("htpasswd") } });
        }
        // JSON is YAML.
        fs::write(at("config.yaml"), config.to_string())?;
        let mut child = Command::new(program)
            .arg("serve")
            .arg(at("config.yaml"))
            .env("OTEL_TRACES_EXPORTER", "none")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot run {}", program.display()))?;
        let mut lines = BufReader::new(child.stderr.take().context("it has an output")?).lines();
        let address = lines.by_ref().map_while(Result::ok).find_map(|line| {
            let (_, after) = line.split_once("listening on ")?;
            Some(after.split(['"', ' ', ',']).next()?.to_owned())
        });
        let Some(address) = address else {
            drop(child.kill());
            bail!("{} does not listen", program.display());
        };
        // It stops when nobody reads what it says.
        std::thread::spawn(move || lines.map_while(Result::ok).for_each(drop));
        Ok(Self { child, address, _folder: folder })
    }

    /// Host and port.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
