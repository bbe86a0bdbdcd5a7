//! A chart repository on a port of this machine, for tests: an index, archives, and whatever else it is told to answer.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Result;
use base64::Engine as _;
use sha2::{Digest, Sha256};

/// What a repository has, and how it answers.
#[derive(Clone, Debug, Default)]
pub struct RepositoryContents {
    /// Archives by the name and the version that the index gives them.
    pub archives: Vec<(String, String, Vec<u8>)>,
    /// Name and password without which the answer is 401.
    pub login: Option<(String, String)>,
    /// Status and body for a path, in place of what is there.
    pub instead: BTreeMap<String, (u16, Vec<u8>)>,
}

impl RepositoryContents {
    /// The index of the archives.
    #[must_use]
    pub fn index(&self) -> String {
        let mut entries: BTreeMap<&str, String> = BTreeMap::new();
        for (name, version, archive) in &self.archives {
            let digest = hex::encode(Sha256::digest(archive));
            let entry = entries.entry(name).or_default();
            writeln!(
                entry,
                "  - {{apiVersion: v2, name: {name}, version: {version}, digest: '{digest}', urls: [{name}-{version}.tgz]}}"
            )
            .expect("memory");
        }
        let entries: String = entries.iter().map(|(name, list)| format!("  {name}:\n{list}")).collect();
        format!("apiVersion: v1\nentries:{}", if entries.is_empty() { " {}\n".into() } else { format!("\n{entries}") })
    }

    fn answer(&self, path: &str, authorization: &str) -> (u16, Vec<u8>) {
        if let Some((name, password)) = &self.login {
            let wanted = base64::engine::general_purpose::STANDARD.encode(format!("{name}:{password}"));
            if authorization != format!("Basic {wanted}") {
                return (401, b"who are you".to_vec());
            }
        }
        if let Some(answer) = self.instead.get(path) {
            return answer.clone();
        }
        if path == "/index.yaml" {
            return (200, self.index().into_bytes());
        }
        let archive = self.archives.iter().find(|(name, version, _)| path == format!("/{name}-{version}.tgz"));
        archive.map_or((404, Vec::new()), |(_, _, archive)| (200, archive.clone()))
    }
}

/// A running repository. It ends with the test.
pub struct Repository {
    address: SocketAddr,
    seen: Arc<Mutex<Vec<String>>>,
}

impl Repository {
    /// Starts one.
    ///
    /// # Errors
    /// Where no port is to be had.
    pub fn start(contents: RepositoryContents) -> Result<Self> {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let log = seen.clone();
        let address = crate::loopback::listen("repository", move |stream| serve(&stream, &contents, &log))?;
        Ok(Self { address, seen })
    }

    /// Its address.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The paths that were asked for until now.
    #[must_use]
    pub fn seen(&self) -> Vec<String> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

fn serve(mut stream: &TcpStream, contents: &RepositoryContents, log: &Mutex<Vec<String>>) -> std::io::Result<()> {
    let mut lines = BufReader::new(stream).lines();
    // A client that keeps a connection for later, and ends before, has asked nothing.
    let Some(first) = lines.next().transpose()? else { return Ok(()) };
    let path = first.split(' ').nth(1).unwrap_or_default().to_owned();
    let mut authorization = String::new();
    for line in lines {
        let line = line?;
        if line.is_empty() {
            break;
        }
        if let Some((name, value)) = line.split_once(": ")
            && name.eq_ignore_ascii_case("authorization")
        {
            value.clone_into(&mut authorization);
        }
    }
    let (status, body) = contents.answer(&path, &authorization);
    log.lock().unwrap_or_else(PoisonError::into_inner).push(path);
    write!(stream, "HTTP/1.1 {status} Test\r\nconnection: close\r\ncontent-length: {}\r\n\r\n", body.len())?;
    stream.write_all(&body)
}
