//! TLS to a server outside, as libpq's `sslmode` has it.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::Api;
use portolan_model::{CaSource, DatabaseError, OutsideServer, SecretKey, SslMode};
use rustls::client::danger::{ServerCertVerified, ServerCertVerifier};
use rustls::crypto::ring;
use rustls::pki_types::ServerName;
use rustls::{CertificateError, ClientConfig, Error};
use rustls_platform_verifier::Verifier;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_postgres::tls::{ChannelBinding, TlsConnect, TlsStream};
use tokio_rustls::TlsConnector;

use crate::tls;

/// What is asked of a server's TLS.
pub(super) struct Tls {
    config: Arc<ClientConfig>,
    name: ServerName<'static>,
}

impl Tls {
    /// What the values ask of a server.
    ///
    /// # Errors
    /// Where the certificates of the authority cannot be read.
    pub(super) async fn of(client: &kube::Client, server: &OutsideServer) -> Result<Self, DatabaseError> {
        let other = |text: String| DatabaseError::Other(text);
        let config = match server.ssl_mode {
            SslMode::VerifyCa => {
                let verifier = authority(client, server).await?;
                tls::config(move |presented| whatever_its_name(presented.verify_with(&*verifier)))
            }
            SslMode::VerifyFull => {
                let verifier = authority(client, server).await?;
                tls::config(move |presented| presented.verify_with(&*verifier))
            }
            // These hide what is sent from who only listens.
            SslMode::Disable | SslMode::Prefer | SslMode::Require => {
                tls::config(|_| Ok(ServerCertVerified::assertion()))
            }
        };
        let config = config.map_err(|error| other(error.to_string()))?;
        let name = ServerName::try_from(server.host.clone()).map_err(|error| other(error.to_string()))?;
        Ok(Self { config: Arc::new(config), name })
    }
}

/// Who verifies the certificate of a server: the authority that the values name, else this machine's.
async fn authority(
    client: &kube::Client,
    server: &OutsideServer,
) -> Result<Arc<dyn ServerCertVerifier>, DatabaseError> {
    match &server.ca {
        None => match Verifier::new(Arc::new(ring::default_provider())) {
            Ok(verifier) => Ok(Arc::new(verifier)),
            Err(error) => Err(DatabaseError::Other(error.to_string())),
        },
        Some(ca) => {
            let signed = match read(client, ca).await {
                Ok(pem) => tls::signed_by(&pem),
                Err(why) => Err(why),
            };
            signed.map_err(|why| DatabaseError::Other(format!("the CA in {ca}: {why}")))
        }
    }
}

/// The name is looked at last (rustls, client/webpki.rs): where it is what is wrong, all else is right.
fn whatever_its_name(verified: Result<ServerCertVerified, Error>) -> Result<ServerCertVerified, Error> {
    match verified {
        Err(Error::InvalidCertificate(
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
        )) => Ok(ServerCertVerified::assertion()),
        verified => verified,
    }
}

async fn read(client: &kube::Client, ca: &CaSource) -> Result<Vec<u8>, String> {
    let words = |error: kube::Error| error.to_string();
    let missing = |key: &str| format!("it has no key {key}");
    match ca {
        CaSource::File(path) => tokio::fs::read(path).await.map_err(|error| error.to_string()),
        CaSource::Secret(SecretKey { secret, key }) => {
            let secrets: Api<Secret> = Api::namespaced(client.clone(), secret.namespace());
            let found = secrets.get(secret.name()).await.map_err(words)?;
            found.data.unwrap_or_default().remove(key).map(|bytes| bytes.0).ok_or_else(|| missing(key))
        }
        CaSource::ConfigMap { object, key } => {
            let maps: Api<ConfigMap> = Api::namespaced(client.clone(), object.namespace());
            let found = maps.get(object.name()).await.map_err(words)?;
            found.data.unwrap_or_default().remove(key).map(String::into_bytes).ok_or_else(|| missing(key))
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send + 'static> TlsConnect<S> for Tls {
    type Stream = Session<S>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Session<S>>> + Send>>;

    fn connect(self, stream: S) -> Self::Future {
        Box::pin(async move { TlsConnector::from(self.config).connect(self.name, stream).await.map(Session) })
    }
}

/// A TLS session with a server.
pub(super) struct Session<S>(tokio_rustls::client::TlsStream<S>);

impl<S: AsyncRead + AsyncWrite + Unpin> TlsStream for Session<S> {
    fn channel_binding(&self) -> ChannelBinding {
        ChannelBinding::none()
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Session<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Session<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}
