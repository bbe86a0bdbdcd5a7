//! A registry in memory, on a port of this machine, for tests that have no program of a real one. It is its own proxy too: with its
//! address in `HTTP_PROXY` it answers for whatever host images name.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::Result;
use base64::Engine as _;
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use sha2::{Digest, Sha256};

/// What a registry does that not every registry does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Habit {
    /// It says the digest of what it has and of what it is given.
    #[default]
    SaysDigests,
    /// It says no digest, as the specification allows.
    SaysNone,
    /// It says no digest, accepts every blob and keeps none.
    KeepsNoBlobs,
    /// It says no digest, and keeps the first half of each blob.
    KeepsHalf,
    /// It says the digest of something else of every blob that it is given.
    SaysOthers,
    /// It wants blobs to be sent without TLS.
    TakesPlainUploads,
    /// It answers reads of manifests with a page for people, as a proxy that wants a login does.
    ShowsPages,
}

/// How a registry wants to be told who asks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LoginKind {
    /// With name and password in every request.
    #[default]
    Basic,
    /// With a token that its own token service gives for name and password, for what is asked for alone (distribution's
    /// `docs/content/spec/auth/token.md`).
    Token,
    /// As [`LoginKind::Token`], by a token service without TLS.
    PlainToken,
}

/// A running registry. It ends with the test.
pub struct MemoryRegistry {
    address: SocketAddr,
    contents: Arc<Mutex<Contents>>,
}

#[derive(Default)]
struct Contents {
    login: Option<String>,
    kind: LoginKind,
    /// What each token is for.
    tokens: BTreeMap<String, Vec<String>>,
    /// The paths for which name and password were sent.
    passwords: BTreeSet<String>,
    habit: Habit,
    blobs: BTreeMap<String, Vec<u8>>,
    /// What uploads have so far, by their paths.
    uploads: BTreeMap<String, Vec<u8>>,
    /// Media type and text by repository and by tag or digest.
    manifests: BTreeMap<(String, String), (String, Vec<u8>)>,
    /// Method and path of each request.
    seen: Vec<String>,
    /// The hosts that it was asked for as a proxy.
    hosts: BTreeSet<String>,
}

struct Request {
    method: String,
    /// The host that a proxy is told.
    host: Option<String>,
    /// The host that the server is told.
    own_host: String,
    path: String,
    query: String,
    authorization: String,
    content_type: String,
    body: Vec<u8>,
}

/// Status, headers and body.
type Answer = (u16, Vec<(&'static str, String)>, Vec<u8>);

impl MemoryRegistry {
    /// Starts one; with a login, nobody else is let in.
    ///
    /// # Errors
    /// Where no port is to be had.
    pub fn start(login: Option<(&str, &str)>) -> Result<Self> {
        Self::listen(login, LoginKind::Basic, None)
    }

    /// Starts one that speaks TLS.
    ///
    /// # Errors
    /// Where no port is to be had.
    pub fn start_tls(login: Option<(&str, &str)>, kind: LoginKind, tls: Arc<ServerConfig>) -> Result<Self> {
        Self::listen(login, kind, Some(tls))
    }

    fn listen(login: Option<(&str, &str)>, kind: LoginKind, tls: Option<Arc<ServerConfig>>) -> Result<Self> {
        let encode = |(name, password)| base64::engine::general_purpose::STANDARD.encode(format!("{name}:{password}"));
        let contents = Contents { login: login.map(encode), kind, ..Contents::default() };
        let contents = Arc::new(Mutex::new(contents));
        let shared = contents.clone();
        let address = crate::loopback::listen("registry", move |stream| accept(stream, tls.clone(), &shared))?;
        Ok(Self { address, contents })
    }

    /// The same registry with another habit from now on.
    #[must_use]
    pub fn with(self, habit: Habit) -> Self {
        lock(&self.contents).habit = habit;
        self
    }

    /// Host and port.
    #[must_use]
    pub fn address(&self) -> String {
        self.address.to_string()
    }

    /// `REPOSITORY:TAG` of all that was pushed.
    #[must_use]
    pub fn tags(&self) -> Vec<String> {
        let contents = lock(&self.contents);
        let tags = contents.manifests.keys().filter(|(_, reference)| !reference.starts_with("sha256:"));
        tags.map(|(repository, tag)| format!("{repository}:{tag}")).collect()
    }

    /// The manifest under a tag or a digest.
    #[must_use]
    pub fn manifest(&self, repository: &str, reference: &str) -> Option<Vec<u8>> {
        let contents = lock(&self.contents);
        contents.manifests.get(&(repository.to_owned(), reference.to_owned())).map(|(_, text)| text.clone())
    }

    /// A blob, by its digest.
    #[must_use]
    pub fn blob(&self, digest: &str) -> Option<Vec<u8>> {
        lock(&self.contents).blobs.get(digest).cloned()
    }

    /// Gives it a blob, in every repository.
    pub fn put_blob(&self, content: &[u8]) {
        let digest = format!("sha256:{}", hex::encode(Sha256::digest(content)));
        lock(&self.contents).blobs.insert(digest, content.to_vec());
    }

    /// Loses a blob, as a disk or a garbage collection beside a push does (distribution's `docs/content/about/garbage-collection.md`);
    /// the manifests that name it stay.
    pub fn lose_blob(&self, digest: &str) {
        lock(&self.contents).blobs.remove(digest);
    }

    /// Gives it a manifest under a tag or a digest, whether or not it has that one.
    pub fn put_manifest(&self, repository: &str, reference: &str, text: &[u8]) {
        let manifest = ("application/vnd.oci.image.manifest.v1+json".to_owned(), text.to_vec());
        lock(&self.contents).manifests.insert((repository.to_owned(), reference.to_owned()), manifest);
    }

    /// Takes a tag away.
    pub fn remove(&self, repository: &str, tag: &str) {
        lock(&self.contents).manifests.remove(&(repository.to_owned(), tag.to_owned()));
    }

    /// Method and path of each request until now.
    #[must_use]
    pub fn seen(&self) -> Vec<String> {
        lock(&self.contents).seen.clone()
    }

    /// The paths for which name and password were sent until now.
    #[must_use]
    pub fn passwords(&self) -> BTreeSet<String> {
        lock(&self.contents).passwords.clone()
    }

    /// The hosts, with their ports, that it was asked for as a proxy.
    #[must_use]
    pub fn hosts(&self) -> BTreeSet<String> {
        lock(&self.contents).hosts.clone()
    }
}

fn lock(contents: &Mutex<Contents>) -> MutexGuard<'_, Contents> {
    contents.lock().unwrap_or_else(PoisonError::into_inner)
}

fn digest(bytes: &[u8]) -> String {
    format!("sha256:{}", hex::encode(Sha256::digest(bytes)))
}

impl Contents {
    /// The header that says a digest, for a registry that does.
    fn told(&self, digest: String) -> Vec<(&'static str, String)> {
        match self.habit {
            Habit::SaysDigests => vec![("docker-content-digest", digest)],
            _ => Vec::new(),
        }
    }

    /// The answer to who may not ask, and that of the token service.
    fn refusal(&mut self, request: &Request) -> Option<Answer> {
        let login = self.login.as_ref()?;
        let is_known = request.authorization == format!("Basic {login}");
        let refused = |how: String| Some((401, vec![("www-authenticate", how)], Vec::new()));
        if self.kind == LoginKind::Basic {
            return if is_known { None } else { refused("Basic realm=\"test\"".into()) };
        }
        if request.path == "/token" {
            if !is_known {
                return Some((401, Vec::new(), Vec::new()));
            }
            let query = request.query.replace("%3A", ":").replace("%2F", "/").replace("%2C", ",");
            let scopes = query.split('&').filter_map(|part| part.strip_prefix("scope=")).map(str::to_owned);
            let token = format!("token-{}", self.tokens.len());
            self.tokens.insert(token.clone(), scopes.collect());
            return Some((200, Vec::new(), format!("{{\"token\": \"{token}\"}}").into_bytes()));
        }
        let rest = request.path.strip_prefix("/v2/").unwrap_or_default();
        let repository = ["/manifests/", "/blobs/"].iter().find_map(|part| rest.split_once(part)).map(|(name, _)| name);
        let actions = if matches!(request.method.as_str(), "GET" | "HEAD") { "pull" } else { "pull,push" };
        let token = request.authorization.strip_prefix("Bearer ");
        let scopes = token.and_then(|token| self.tokens.get(token));
        let is_for = |repository: &str| {
            let scope = format!("repository:{repository}:{actions}");
            scopes.is_some_and(|scopes| scopes.iter().any(|known| known.starts_with(&scope)))
        };
        if repository.is_some_and(is_for) {
            return None;
        }
        let scheme = if self.kind == LoginKind::PlainToken { "http" } else { "https" };
        refused(format!("Bearer realm=\"{scheme}://{}/token\",service=\"test\"", request.own_host))
    }

    fn answer(&mut self, request: &Request) -> Answer {
        self.seen.push(format!("{} {}", request.method, request.path));
        self.hosts.extend(request.host.clone());
        if request.authorization.starts_with("Basic ") {
            self.passwords.insert(request.path.clone());
        }
        if let Some(refusal) = self.refusal(request) {
            return refusal;
        }
        let absent = || (404, Vec::new(), Vec::new());
        let path = request.path.strip_prefix("/v2/").unwrap_or_default();
        if path.is_empty() {
            return (200, Vec::new(), b"{}".to_vec());
        }
        if let Some((repository, _)) = path.split_once("/blobs/uploads/") {
            return self.upload(request, repository);
        }
        if let Some((_, wanted)) = path.split_once("/blobs/") {
            return self.blobs.get(wanted).map_or_else(absent, |blob| (200, Vec::new(), blob.clone()));
        }
        if let Some(repository) = path.strip_suffix("/tags/list") {
            return self.tags_of(repository);
        }
        let Some((repository, reference)) = path.split_once("/manifests/") else { return absent() };
        if request.method == "PUT" {
            for name in [reference.to_owned(), digest(&request.body)] {
                let manifest = (request.content_type.clone(), request.body.clone());
                self.manifests.insert((repository.to_owned(), name), manifest);
            }
            return (201, self.told(digest(&request.body)), Vec::new());
        }
        if self.habit == Habit::ShowsPages {
            return (200, vec![("content-type", "text/html".into())], b"<html>Log in</html>".to_vec());
        }
        self.manifests.get(&(repository.to_owned(), reference.to_owned())).map_or_else(absent, |(kind, text)| {
            let mut headers = self.told(digest(text));
            headers.push(("content-type", kind.clone()));
            (200, headers, text.clone())
        })
    }

    /// All tags at once, the last one first: a registry need not know pages, and the older ones do not sort.
    fn tags_of(&self, repository: &str) -> Answer {
        let of = self.manifests.keys().filter(|(path, tag)| path == repository && !tag.starts_with("sha256:"));
        let tags: Vec<&String> = of.map(|(_, tag)| tag).rev().collect();
        let list = serde_json::json!({ "name": repository, "tags": tags });
        (200, vec![("content-type", "application/json".into())], list.to_string().into_bytes())
    }

    fn upload(&mut self, request: &Request, repository: &str) -> Answer {
        match request.method.as_str() {
            "POST" => {
                let path = format!("/v2/{repository}/blobs/uploads/{}", self.seen.len());
                self.uploads.insert(path.clone(), Vec::new());
                let place = if self.habit == Habit::TakesPlainUploads {
                    format!("http://{}{path}", request.own_host)
                } else {
                    path
                };
                (202, vec![("location", place), ("range", "0-0".into())], Vec::new())
            }
            "PATCH" => {
                self.uploads.entry(request.path.clone()).or_default().extend(&request.body);
                (202, vec![("location", request.path.clone()), ("range", "0-0".into())], Vec::new())
            }
            _ => {
                let mut content = self.uploads.remove(&request.path).unwrap_or_default();
                content.extend(&request.body);
                let named = request.query.strip_prefix("digest=").unwrap_or_default().replace("%3A", ":");
                if named != digest(&content) {
                    return (400, Vec::new(), Vec::new());
                }
                match self.habit {
                    Habit::KeepsNoBlobs => {}
                    Habit::KeepsHalf => drop(self.blobs.insert(named.clone(), content[..content.len() / 2].to_vec())),
                    _ => drop(self.blobs.insert(named.clone(), content)),
                }
                let said = match self.habit {
                    Habit::SaysOthers => vec![("docker-content-digest", digest(b"something else"))],
                    _ => self.told(named),
                };
                (201, said, Vec::new())
            }
        }
    }
}

fn accept(mut stream: TcpStream, tls: Option<Arc<ServerConfig>>, contents: &Mutex<Contents>) -> std::io::Result<()> {
    let Some(tls) = tls else { return serve(&mut stream, contents) };
    let connection = ServerConnection::new(tls).map_err(std::io::Error::other)?;
    let mut stream = StreamOwned::new(connection, stream);
    serve(&mut stream, contents)?;
    stream.conn.send_close_notify();
    stream.flush()
}

fn serve(stream: &mut (impl Read + Write), contents: &Mutex<Contents>) -> std::io::Result<()> {
    // A client that keeps a connection for later, and ends before, has asked nothing.
    let Some(request) = read(stream)? else { return Ok(()) };
    let (status, headers, body) = lock(contents).answer(&request);
    let headers: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    write!(stream, "HTTP/1.1 {status} Test\r\n{headers}connection: close\r\ncontent-length: {}\r\n\r\n", body.len())?;
    if request.method == "HEAD" { Ok(()) } else { stream.write_all(&body) }
}

/// The request of a connection; `None` where nobody asks.
fn read(stream: &mut impl Read) -> std::io::Result<Option<Request>> {
    let mut reader = BufReader::new(stream);
    let mut first = String::new();
    if reader.read_line(&mut first)? == 0 {
        return Ok(None);
    }
    let mut words = first.split(' ');
    let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    // Who is asked as a proxy is told the host as well.
    let (host, path) = match target.strip_prefix("http://") {
        Some(rest) => rest.find('/').map_or((Some(rest), "/"), |at| (Some(&rest[..at]), &rest[at..])),
        None => (None, target),
    };
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    let (mut own_host, mut authorization, mut content_type) = (String::new(), String::new(), String::new());
    let (mut length, mut is_chunked) = (0, false);
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let Some((name, value)) = line.trim_end().split_once(": ") else { break };
        match name.to_ascii_lowercase().as_str() {
            "host" => value.clone_into(&mut own_host),
            "authorization" => value.clone_into(&mut authorization),
            "content-type" => value.clone_into(&mut content_type),
            "content-length" => length = value.parse().unwrap_or(0),
            "transfer-encoding" => is_chunked = value == "chunked",
            _ => {}
        }
    }
    let mut body = Vec::new();
    if is_chunked {
        read_chunks(&mut reader, &mut body)?;
    } else {
        reader.take(length).read_to_end(&mut body)?;
    }
    Ok(Some(Request {
        method: method.to_owned(),
        host: host.map(str::to_owned),
        own_host,
        path: path.to_owned(),
        query: query.to_owned(),
        authorization,
        content_type,
        body,
    }))
}

/// Reads a body whose length is not told beforehand (RFC 9112, section 7.1).
fn read_chunks(reader: &mut impl BufRead, body: &mut Vec<u8>) -> std::io::Result<()> {
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let size = u64::from_str_radix(line.trim_end(), 16).map_err(std::io::Error::other)?;
        reader.by_ref().take(size).read_to_end(body)?;
        reader.read_line(&mut line)?;
        if size == 0 {
            return Ok(());
        }
    }
}
