//! The API server: JSON in, JSON out. Objects are never turned into typed structs and back, and nothing
//! here knows which release or database it reads for.

mod causes;
mod checks;
mod config;
mod error;
mod kinds;
mod read;
mod reader;
mod rights;
mod trial;
mod wait;
mod write;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use portolan_model::{Finding, Requests};

pub use error::explain;
pub(crate) use kinds::{Kind, kinds, kinds_of};
pub use portolan_helm_compat::precheck::{KnownObjects, PlannedWrites};
pub(crate) use reader::HttpReply;

/// A client of one API server, as one user.
pub struct Client {
    /// Retries what the server turns away for the moment.
    reader: Arc<reader::Reader>,
    /// Never retries: a write that may have happened is looked at before it is sent again.
    writer: kube::Client,
    server: String,
    user: String,
    context: String,
    kubeconfig: Option<PathBuf>,
    kinds: kinds::Kinds,
    writes: AtomicU32,
}

impl Client {
    /// A client for a context of a kubeconfig: the file given, else `KUBECONFIG`, else `~/.kube/config`, else
    /// the service account of the pod that this runs in. Nothing is sent yet.
    ///
    /// # Errors
    /// Where there is no usable kubeconfig.
    pub async fn connect(kubeconfig: Option<&Path>, context: Option<&str>) -> Result<Self, Finding> {
        // Two features of one dependency can leave rustls without a default; an earlier choice is kept.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let found = config::load(kubeconfig, context).await?;
        let server = found.config.cluster_url.to_string();
        let server = server.trim_end_matches('/').to_owned();
        let mut reading = found.config.clone();
        reading.connect_timeout = Some(std::time::Duration::from_secs(10));
        // An audit log then says who it was.
        let agent = http::HeaderValue::from_static(concat!("portolan/", env!("CARGO_PKG_VERSION")));
        reading.headers.push((http::header::USER_AGENT, agent));
        let mut writing = reading.clone();
        writing.default_retry = false;
        let make = |config| kube::Client::try_from(config).map_err(|error| explain(&error, &server));
        Ok(Self {
            reader: Arc::new(reader::Reader::new(make(reading)?)),
            writer: make(writing)?,
            user: found.user,
            context: found.context,
            kubeconfig: kubeconfig.map(Path::to_owned),
            kinds: kinds::Kinds::default(),
            writes: AtomicU32::new(0),
            server,
        })
    }

    /// The server's address.
    #[must_use]
    pub fn server(&self) -> &str {
        &self.server
    }

    /// The user, as the kubeconfig names it.
    #[must_use]
    pub fn user(&self) -> &str {
        &self.user
    }

    /// The context; empty inside a cluster.
    #[must_use]
    pub fn context(&self) -> &str {
        &self.context
    }

    /// The kubeconfig that was given; `None` where the usual ones are used.
    #[must_use]
    pub fn kubeconfig(&self) -> Option<&Path> {
        self.kubeconfig.as_deref()
    }

    /// How many requests were sent.
    #[must_use]
    pub fn requests(&self) -> Requests {
        Requests { reads: self.reader.reads.load(Ordering::Relaxed), writes: self.writes.load(Ordering::Relaxed) }
    }

    /// What reads for others.
    pub(crate) fn reader(&self) -> Arc<reader::Reader> {
        self.reader.clone()
    }

    /// The client for what kube does itself, such as port-forwarding: without retries.
    #[must_use]
    pub fn raw(&self) -> kube::Client {
        self.writer.clone()
    }
}
