//! Asks a registry whether it has images.

use futures::StreamExt as _;
use portolan_bundle::ManifestContent;
use portolan_model::{Digest, Finding};

use super::auth::Purpose;
use super::client::{ManifestHead, Registry, RegistryAccess};
use super::config_of;

/// What rustls says of a certificate that no root leads to (rustls 0.23, `CertificateError`).
const UNKNOWN_ISSUER: &str = "UnknownIssuer";

/// How many images are asked for at once.
const PARALLEL: usize = 8;

/// An image that a registry is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageQuestion {
    /// The path in the registry.
    pub repository: String,
    /// The tag, or the digest.
    pub reference: String,
    /// The manifest that is expected: where there is another one, its configuration is read too.
    pub expected: Option<Digest>,
}

/// What a registry says of an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ImageAnswer {
    /// It has it.
    There {
        /// The digest of its manifest; `None` for one of which a simulated registry does not know it.
        manifest: Option<Digest>,
        /// The digest of its configuration, where its manifest had to be read.
        config: Option<Digest>,
    },
    /// It does not have it.
    Absent,
    /// It was asked and did not say; why, in one clause.
    Unknown(String),
}

/// Asks a registry for images, without reading them; an answer for each question.
///
/// # Errors
/// [`portolan_model::Code::BadOption`] if the address or the CA file is not usable.
pub async fn look(
    host: &str,
    access: &RegistryAccess,
    questions: &[ImageQuestion],
) -> Result<Vec<ImageAnswer>, Finding> {
    let registry = Registry::new(host, access, Purpose::Pull)?;
    if questions.is_empty() {
        return Ok(Vec::new());
    }
    if let Err(finding) = registry.greet().await {
        return Ok(vec![ImageAnswer::Unknown(said(&finding)); questions.len()]);
    }
    let asked = futures::stream::iter(questions).map(|question| ask(&registry, question));
    Ok(asked.buffered(PARALLEL).collect().await)
}

/// Whether a registry gives images, or says that it does not have them, to clients without a login; an answer for each question.
///
/// # Errors
/// As [`look`].
pub async fn are_public(
    host: &str,
    access: &RegistryAccess,
    questions: &[ImageQuestion],
) -> Result<Vec<bool>, Finding> {
    let without_login = RegistryAccess { login: None, ..access.clone() };
    let answers = look(host, &without_login, questions).await?;
    Ok(answers.iter().map(|answer| !matches!(answer, ImageAnswer::Unknown(_))).collect())
}

/// The certificates that a registry is trusted by, in PEM, if this machine would not trust it without them; `None` for a registry
/// without TLS, and where it cannot be told.
///
/// # Errors
/// As [`look`].
pub async fn own_authority(host: &str, access: &RegistryAccess) -> Result<Option<String>, Finding> {
    let Some(path) = access.ca_file.as_ref().filter(|_| !access.plain_http) else { return Ok(None) };
    let alone = RegistryAccess { ca_file: None, ..access.clone() };
    let greeted = Registry::new(host, &alone, Purpose::Pull)?.greet().await;
    let is_unknown = |finding: &Finding| finding.evidence.iter().any(|evidence| evidence.contains(UNKNOWN_ISSUER));
    // It was read when the client was made.
    let pem = || std::fs::read_to_string(path).ok();
    Ok(greeted.is_err_and(|finding| is_unknown(&finding)).then(pem).flatten())
}

async fn ask(registry: &Registry, question: &ImageQuestion) -> ImageAnswer {
    let ImageQuestion { repository, reference, expected } = question;
    let manifest = match registry.head_manifest(repository, reference).await {
        Ok(ManifestHead::There(digest)) => digest,
        Ok(ManifestHead::Absent) => return ImageAnswer::Absent,
        Ok(ManifestHead::Refused(why)) => return ImageAnswer::Unknown(why),
        Err(finding) => return ImageAnswer::Unknown(said(&finding)),
    };
    let pinned = Digest::parse(reference);
    let is_it = |digest: &Option<Digest>| digest.is_none() || manifest == *digest;
    if manifest.is_some() && is_it(expected) && is_it(&pinned) {
        return ImageAnswer::There { manifest, config: None };
    }
    // A registry need not say the digest, and a proxy or a login page that answers every request says none: the content tells.
    match registry.manifest(repository, reference).await {
        Ok(Some(text)) if !is_manifest(&text) => {
            ImageAnswer::Unknown(format!("{} answers with what is no manifest", registry.host))
        }
        Ok(Some(text)) => {
            let found = Digest::of(&text);
            if pinned.is_some_and(|pinned| pinned != found) {
                return ImageAnswer::Unknown(format!("{} has another content under the digest", registry.host));
            }
            ImageAnswer::There { manifest: Some(found), config: config_of(&text) }
        }
        Ok(None) => ImageAnswer::Absent,
        Err(finding) => ImageAnswer::Unknown(said(&finding)),
    }
}

/// Whether a text is the manifest of an image or of several.
fn is_manifest(text: &[u8]) -> bool {
    let content = serde_json::from_slice::<ManifestContent>(text);
    content.is_ok_and(|content| content.config.is_some() || !content.manifests.is_empty())
}

/// What is wrong with a registry, in one clause.
fn said(finding: &Finding) -> String {
    let evidence = finding.evidence.first().map_or_else(String::new, |evidence| format!(": {evidence}"));
    format!("{}{evidence}", finding.found)
}
