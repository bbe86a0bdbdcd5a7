//! TLS that goes on where a certificate does not verify, and says why it does not. Only for asking whether a route
//! answers: nothing is sent over it that is secret, and nothing is believed that comes back.

use std::sync::{Arc, Mutex};

use rustls::client::danger::ServerCertVerified;
use rustls::crypto::ring;
use rustls::pki_types::ServerName;
use rustls_platform_verifier::Verifier;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::tls;

/// A connection, and why the certificate would not verify against the roots of this machine.
pub(super) async fn enter(tcp: TcpStream, host: &str) -> Result<(TlsStream<TcpStream>, Option<String>), String> {
    let strict = Verifier::new(Arc::new(ring::default_provider())).map_err(|error| error.to_string())?;
    let refused = Arc::new(Mutex::new(None));
    let config = tls::config({
        let refused = refused.clone();
        move |presented| {
            if let (Err(error), Ok(mut refused)) = (presented.verify_with(&strict), refused.lock()) {
                *refused = Some(error.to_string());
            }
            Ok(ServerCertVerified::assertion())
        }
    });
    let config = config.map_err(|error| error.to_string())?;
    let name = ServerName::try_from(host.to_owned()).map_err(|error| error.to_string())?;
    let stream = TlsConnector::from(Arc::new(config)).connect(name, tcp).await.map_err(|error| error.to_string())?;
    let refused = refused.lock().ok().and_then(|mut refused| refused.take());
    Ok((stream, refused))
}
