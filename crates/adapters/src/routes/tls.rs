//! TLS that goes on where a certificate does not verify, and says why it does not. Only for asking whether a route
//! answers: nothing is sent over it that is secret, and nothing is believed that comes back.

use std::sync::{Arc, Mutex};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::ring;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, Error, SignatureScheme};
use rustls_platform_verifier::Verifier;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// A connection, and why the certificate would not verify against the roots of this machine.
pub(super) async fn enter(tcp: TcpStream, host: &str) -> Result<(TlsStream<TcpStream>, Option<String>), String> {
    let provider = Arc::new(ring::default_provider());
    let strict = Verifier::new(provider.clone()).map_err(|error| error.to_string())?;
    let lenient = Arc::new(Lenient { strict, refused: Mutex::default() });
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .dangerous()
        .with_custom_certificate_verifier(lenient.clone())
        .with_no_client_auth();
    let name = ServerName::try_from(host.to_owned()).map_err(|error| error.to_string())?;
    let stream = TlsConnector::from(Arc::new(config)).connect(name, tcp).await.map_err(|error| error.to_string())?;
    let refused = lenient.refused.lock().ok().and_then(|mut refused| refused.take());
    Ok((stream, refused))
}

/// Asks the machine's verifier, keeps its refusal and goes on.
#[derive(Debug)]
struct Lenient {
    strict: Verifier,
    refused: Mutex<Option<String>>,
}

impl ServerCertVerifier for Lenient {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let verified = self.strict.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now);
        if let (Err(error), Ok(mut refused)) = (verified, self.refused.lock()) {
            *refused = Some(error.to_string());
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.strict.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.strict.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.strict.supported_verify_schemes()
    }
}
