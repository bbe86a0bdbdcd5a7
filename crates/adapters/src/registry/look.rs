//! Asks a registry whether it has images.

use futures::StreamExt as _;
use portolan_model::{Digest, Finding};

use super::auth::Purpose;
use super::client::{ManifestHead, Registry, RegistryAccess};
use super::config_of;

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
        /// The digest of its manifest, where it says so.
        manifest: Option<Digest>,
        /// The digest of its configuration, where another manifest was expected.
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

async fn ask(registry: &Registry, question: &ImageQuestion) -> ImageAnswer {
    let ImageQuestion { repository, reference, expected } = question;
    let manifest = match registry.head_manifest(repository, reference).await {
        Ok(ManifestHead::There(digest)) => digest,
        Ok(ManifestHead::Absent) => return ImageAnswer::Absent,
        Ok(ManifestHead::Refused(why)) => return ImageAnswer::Unknown(why),
        Err(finding) => return ImageAnswer::Unknown(said(&finding)),
    };
    if expected.is_none() || manifest == *expected {
        return ImageAnswer::There { manifest, config: None };
    }
    match registry.manifest(repository, reference).await {
        Ok(Some(text)) => ImageAnswer::There { manifest: Some(Digest::of(&text)), config: config_of(&text) },
        Ok(None) => ImageAnswer::Absent,
        Err(finding) => ImageAnswer::Unknown(said(&finding)),
    }
}

/// What is wrong with a registry, in one clause.
fn said(finding: &Finding) -> String {
    let evidence = finding.evidence.first().map_or_else(String::new, |evidence| format!(": {evidence}"));
    format!("{}{evidence}", finding.found)
}
