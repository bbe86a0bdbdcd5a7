//! A real registry on a port of this machine, for tests.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, bail};
use fs_err as fs;

/// A running registry. It ends, with all that is in it, when it is dropped.
pub struct Registry {
    program: PathBuf,
    child: Child,
    address: String,
    folder: tempfile::TempDir,
}

/// Whom a registry with a login lets in: a name and a password.
pub const LOGIN: (&str, &str) = ("me", "allmine");

/// That password, hashed (the test vector of `golang.org/x/crypto` v0.48.0, `bcrypt/bcrypt_test.go`).
const HASH: &str = "$2a$10$XajjQvNhvvRt5GSeFk1xFeyqRrsxkhBkUiQeg0dt.wU1qD4aFDcga";

/// Its configuration, in its folder.
const CONFIG: &str = "config.yaml";

/// Where it writes a line for each request.
const LOG: &str = "access.log";

impl Registry {
    /// Starts the program on a free port of the loopback address; with `login` it lets in [`LOGIN`] alone.
    ///
    /// # Errors
    /// Where it does not come to listen.
    pub fn start(program: &Path, login: bool) -> Result<Self> {
        Self::listen(program, SocketAddr::from(([127, 0, 0, 1], 0)), login)
    }

    /// Starts the program on an address of this machine.
    ///
    /// # Errors
    /// Where it does not come to listen.
    pub fn listen(program: &Path, address: SocketAddr, login: bool) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let at = |name: &str| folder.path().join(name);
        let mut config = serde_json::json!({
            "version": "0.1",
            "log": { "level": "info", "formatter": "text" },
            "storage": { "filesystem": { "rootdirectory": at("data") } },
            "http": { "addr": address },
        });
        if login {
            fs::write(at("htpasswd"), format!("{}:{HASH}\n", LOGIN.0))?;
            config["auth"] = serde_json::json!({ "htpasswd": { "realm": "test", "path": at("htpasswd") } });
        }
        // JSON is YAML.
        fs::write(at(CONFIG), config.to_string())?;
        let (child, address) = spawn(program, folder.path())?;
        Ok(Self { program: program.to_owned(), child, address, folder })
    }

    /// Host and port.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Bytes of all that it keeps.
    ///
    /// # Errors
    /// Where its folder cannot be read.
    pub fn size(&self) -> Result<u64> {
        size_of(&self.folder.path().join("data"))
    }

    /// Stops it. What is in it stays.
    ///
    /// # Errors
    /// Where it cannot be ended.
    pub fn stop(&mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// Starts it again where it was.
    ///
    /// # Errors
    /// Where it does not come to listen.
    pub fn restart(&mut self) -> Result<()> {
        let path = self.folder.path().join(CONFIG);
        let mut config: serde_json::Value = serde_json::from_slice(&fs::read(&path)?)?;
        config["http"]["addr"] = self.address.as_str().into();
        fs::write(&path, config.to_string())?;
        (self.child, self.address) = spawn(&self.program, self.folder.path())?;
        Ok(())
    }

    /// The requests until now, as `METHOD PATH STATUS CLIENT`.
    ///
    /// # Errors
    /// Where its log cannot be read.
    pub fn requests(&self) -> Result<Vec<Request>> {
        let log = fs::read_to_string(self.folder.path().join(LOG))?;
        Ok(log.lines().filter_map(Request::of_line).collect())
    }
}

/// A request that a registry answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// `GET`, `HEAD`, `PUT` and so on.
    pub method: String,
    /// The path, with its query.
    pub path: String,
    /// The status of the answer.
    pub status: u16,
    /// What the client calls itself: its name and version.
    pub client: String,
}

impl Request {
    /// A line of the combined log format: `HOST - - [TIME] "METHOD PATH HTTP/1.1" STATUS BYTES "REFERER" "CLIENT"`.
    fn of_line(line: &str) -> Option<Self> {
        let mut quoted = line.split('"');
        let (request, status, client) = (quoted.nth(1)?, quoted.next()?, quoted.nth(2)?);
        let mut words = request.split(' ');
        Some(Self {
            method: words.next()?.to_owned(),
            path: words.next()?.to_owned(),
            status: status.split_whitespace().next()?.parse().ok()?,
            client: client.to_owned(),
        })
    }

    /// The repository and the tag or digest, if this is an answered request for a manifest by a node.
    #[must_use]
    pub fn pull(&self) -> Option<(&str, &str)> {
        let reads = matches!(self.method.as_str(), "GET" | "HEAD") && self.status == 200;
        let manifest = self.path.strip_prefix("/v2/")?.split_once("/manifests/")?;
        (reads && self.client.starts_with("containerd")).then_some(manifest)
    }
}

/// Bytes of all files in a folder.
///
/// # Errors
/// Where it cannot be read.
pub fn size_of(folder: &Path) -> Result<u64> {
    let mut size = 0;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        size += if entry.file_type()?.is_dir() { size_of(&entry.path())? } else { entry.metadata()?.len() };
    }
    Ok(size)
}

/// Starts the program, and waits until it listens.
fn spawn(program: &Path, folder: &Path) -> Result<(Child, String)> {
    let log = File::options().create(true).append(true).open(folder.join(LOG))?;
    let mut child = Command::new(program)
        .arg("serve")
        .arg(folder.join(CONFIG))
        .env("OTEL_TRACES_EXPORTER", "none")
        .stdin(Stdio::null())
        .stdout(log)
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
    Ok((child, address))
}

impl Drop for Registry {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_the_log_is_a_request() {
        let line = "10.243.0.2 - - [29/Nov/2026:10:00:00 +0000] \"HEAD /v2/runai/a/manifests/1 HTTP/1.1\" 200 508 \"\" \
                    \"containerd/1.6.20~ds1\"";
        let request = Request::of_line(line).expect("a request");
        assert_eq!((request.status, request.pull()), (200, Some(("runai/a", "1"))));
        let others = [
            ("HEAD", "GET"),
            ("HEAD", "PUT"),
            (" 200 ", " 404 "),
            ("containerd", "portolan"),
            ("/a/manifests/", "/a/blobs/"),
        ];
        let pulls =
            others.map(|(from, to)| Request::of_line(&line.replace(from, to)).expect("a request").pull().is_some());
        assert_eq!(pulls, [true, false, false, false, false]);
        assert_eq!(Request::of_line("time=... level=info msg=listening"), None);
    }
}
