//! Certificates of servers that are at hand as texts: who trusts them. No server is asked.

use std::sync::{Arc, LazyLock};

use rustls::client::danger::ServerCertVerifier;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, Error};
use rustls_platform_verifier::Verifier;

use crate::tls;

/// Whether this machine knows the CA of a server's certificate, which comes in PEM with those between it and its CA. `None` where it
/// cannot be told: this machine has no CAs, the text is no certificate, or something else is wrong with it.
#[must_use]
pub fn is_trusted_here(pem: &str, host: &str) -> Option<bool> {
    // The machine's hundreds of certificates are read once.
    static MACHINE: LazyLock<Option<Verifier>> =
        LazyLock::new(|| Verifier::new(Arc::new(ring::default_provider())).ok());
    leads_to(pem, host, MACHINE.as_ref()?)
}

/// Whether one of some CAs, in PEM, has signed a server's certificate.
#[must_use]
pub fn is_signed_by(pem: &str, host: &str, authorities: &str) -> bool {
    tls::signed_by(authorities.as_bytes()).is_ok_and(|verifier| leads_to(pem, host, &*verifier) == Some(true))
}

/// The CA is looked for before the name is looked at (rustls, client/webpki.rs).
fn leads_to(pem: &str, host: &str, verifier: &dyn ServerCertVerifier) -> Option<bool> {
    let chain: Vec<CertificateDer<'_>> =
        CertificateDer::pem_slice_iter(pem.as_bytes()).collect::<Result<_, _>>().ok()?;
    let (own, between) = chain.split_first()?;
    let name = ServerName::try_from(host).ok()?;
    match verifier.verify_server_cert(own, between, &name, &[], UnixTime::now()) {
        Ok(_)
        | Err(Error::InvalidCertificate(
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
        )) => Some(true),
        Err(Error::InvalidCertificate(CertificateError::UnknownIssuer)) => Some(false),
        Err(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use portolan_testkit::authority::Authority;

    use super::*;

    #[test]
    fn a_certificate_leads_to_the_ca_that_signed_it_and_to_no_other() {
        let (own, other) = (Authority::new("own").expect("a CA"), Authority::new("other").expect("a CA"));
        let pem = own.certificate(&["a.example"]).expect("a certificate");
        assert_eq!(is_trusted_here(&pem, "a.example"), Some(false));
        assert!(is_signed_by(&pem, "a.example", own.pem()) && !is_signed_by(&pem, "a.example", other.pem()));
        assert!(is_signed_by(&pem, "a.example", &format!("{}{}", other.pem(), own.pem())));
        // Its name is another question.
        assert!(is_signed_by(&pem, "b.example", own.pem()));
        for text in ["", "not a certificate"] {
            assert_eq!(is_trusted_here(text, "a.example"), None);
            assert!(!is_signed_by(text, "a.example", own.pem()) && !is_signed_by(&pem, "a.example", text));
        }
    }
}
