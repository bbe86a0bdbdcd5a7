//! Whether the images of a plan are to be had on a site without internet access.

use std::collections::{BTreeMap, BTreeSet};

use portolan_adapters::certificates;
use portolan_adapters::registry::{self, ImageAnswer, ImageQuestion, RegistryAccess};
use portolan_bundle::BundleSupply;
use portolan_inventory::{Survey, survey as questions};
use portolan_kube_facts::ImageReference;
use portolan_model::{Code, Finding, ImageRef, PlanFile, SiteRegistry};
use portolan_plan::Planning;
use portolan_plan::images::authority::{self, Authority};
use portolan_plan::images::entrances::{self, ServerCertificate};
use portolan_plan::images::mirrors::Mirrors;
use portolan_plan::images::pulls::{self, LoginSource};
use portolan_plan::images::{self, ImageSupply, PlannedImage};
use portolan_recipe::Product;
use portolan_rehearse::SimulatedRegistry;

use crate::target::Target;

/// Where the images of a plan have to come from.
#[derive(Clone, Debug)]
pub struct ImageSource {
    /// The registry of the site.
    pub registry: SiteRegistry,
    /// Who answers for it.
    pub place: RegistryPlace,
    /// What a push of the bundle puts there; `None` without a bundle.
    pub bundle: Option<BundleSupply>,
}

/// Who answers for the registry of a site.
#[derive(Clone, Debug)]
pub enum RegistryPlace {
    /// The registry itself, reached with this login.
    Network(RegistryAccess),
    /// The simulated one of a simulated site.
    Simulated(SimulatedRegistry),
}

impl RegistryPlace {
    /// What is known of images; an answer for each question.
    async fn look(&self, host: &str, questions: &[ImageQuestion]) -> Result<Vec<ImageAnswer>, Finding> {
        match self {
            Self::Network(access) => registry::look(host, access, questions).await,
            Self::Simulated(registry) => {
                Ok(questions.iter().map(|question| simulated_answer(registry, question)).collect())
            }
        }
    }
}

fn simulated_answer(registry: &SimulatedRegistry, question: &ImageQuestion) -> ImageAnswer {
    match registry.find(&question.repository, &question.reference) {
        Some(manifest) => ImageAnswer::There { manifest: manifest.cloned(), config: None },
        None => ImageAnswer::Absent,
    }
}

/// How many images a plan has, and where they are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ImageCount {
    /// All of them.
    pub all: usize,
    /// Those that the registry has.
    pub registry: usize,
    /// Those that a push of the bundle puts there.
    pub bundle: usize,
}

/// Asks the registry for the images of a plan that is being made, the cluster about its mirror sets where an image names another
/// registry, both about logins where pods have none, and the cluster about a CA of the site's own. At most eight requests to the API server.
pub(crate) async fn check_planned(
    target: &Target,
    survey: &Survey,
    planning: &Planning<'_>,
    source: &ImageSource,
    product: &Product,
) -> Result<(ImageCount, Vec<Finding>), Finding> {
    let found = planning.images();
    let is_elsewhere = |image: &PlannedImage| {
        ImageReference::parse(image.name.as_str()).is_some_and(|reference| !source.registry.is(&reference.registry))
    };
    let asks = if found.iter().any(is_elsewhere) { questions::mirror_sets(&survey.inventory) } else { Vec::new() };
    let answers = target.answers(&asks).await?;
    let mirrors = Mirrors::of(asks.iter().zip(&answers));
    let (counts, mut findings) = check(&found, source, product, &mirrors).await?;
    findings.extend(check_logins(target, survey, planning, source, &mirrors).await?);
    findings.extend(check_authority(target, survey, planning, source, product).await?);
    findings.extend(check_own_certificates(target, survey, planning, product).await?);
    Ok((counts, findings))
}

/// Whether nodes and pods know the CA that this machine was told of for the registry.
async fn check_authority(
    target: &Target,
    survey: &Survey,
    planning: &Planning<'_>,
    source: &ImageSource,
    product: &Product,
) -> Result<Option<Finding>, Finding> {
    let RegistryPlace::Network(access) = &source.place else { return Ok(None) };
    let Some(pem) = registry::own_authority(&source.registry.host, access).await? else { return Ok(None) };
    let authority = Authority::of(&pem);
    let configs = target.answers(&questions::node_trust(&survey.inventory)).await?;
    let bundles = target.answers(&authority::named_bundles(&configs)).await?;
    let nodes = authority::nodes_lack(&source.registry, &authority, &configs, &bundles);
    let values = planning.values_at_end().map(|(values, _)| values);
    let pods = product.custom_ca.as_ref().zip(values).and_then(|(custom, values)| {
        let is_known = |pem: &str| authority.is_in(pem);
        authority::pods_lack(custom, survey, values, &is_known).map(|why| (custom, why))
    });
    Ok(authority::finding(&source.registry, nodes, pods, &survey.inventory.release.id.namespace))
}

/// Whether pods know the CA of the certificates under which the platform itself is reached, where this machine does not know it. Of a
/// certificate that this machine trusts nothing is said: whether images do is not known.
async fn check_own_certificates(
    target: &Target,
    survey: &Survey,
    planning: &Planning<'_>,
    product: &Product,
) -> Result<Option<Finding>, Finding> {
    let values = planning.values_at_end().map(|(values, _)| values);
    let Some((custom, values)) = product.custom_ca.as_ref().zip(values) else { return Ok(None) };
    let (platform, found) = (&survey.inventory.cluster.platform, planning.entrances());
    let answers = target.answers(entrances::router_query(platform, &found).as_slice()).await?;
    let (mut hosts, mut lack) = (Vec::new(), None);
    for entrance in entrances::with_router(platform, found, answers.first()) {
        let Some(ServerCertificate { at, pem }) = entrance.certificate else { continue };
        if certificates::is_trusted_here(&pem, &entrance.host) != Some(false) {
            continue;
        }
        let authority = Authority::of(&pem);
        let is_known = |roots: &str| authority.is_in(roots) || certificates::is_signed_by(&pem, &entrance.host, roots);
        if let Some(why) = authority::pods_lack(custom, survey, values, &is_known) {
            hosts.push((entrance.host, at));
            lack = Some(why);
        }
    }
    let namespace = &survey.inventory.release.id.namespace;
    Ok(lack.and_then(|why| authority::own_finding(&hosts, custom, &why, namespace)))
}

/// Whether the nodes have a login for each image at the registry that is not given to everybody.
async fn check_logins(
    target: &Target,
    survey: &Survey,
    planning: &Planning<'_>,
    source: &ImageSource,
    mirrors: &Mirrors,
) -> Result<Option<Finding>, Finding> {
    // Without a login, what the registry said it says to everybody; a simulated one has none.
    let access = match &source.place {
        RegistryPlace::Network(access) if access.login.is_some() => access,
        RegistryPlace::Network(_) | RegistryPlace::Simulated(_) => return Ok(None),
    };
    let pods = planning.pods();
    let mut lacking = pulls::lacking(&pods, &source.registry, mirrors);
    let images: BTreeSet<&ImageReference> = lacking.iter().map(|one| &one.at).collect();
    let asked: Vec<ImageReference> = images.into_iter().cloned().collect();
    let asks: Vec<ImageQuestion> = asked.iter().map(question).collect();
    let public = registry::are_public(&source.registry.host, access, &asks).await?;
    let wanted: BTreeSet<&ImageReference> =
        asked.iter().zip(public).filter(|(_, is_public)| !is_public).map(|(image, _)| image).collect();
    lacking.retain(|one| wanted.contains(&one.at));
    let ask = questions::global_pull_secret(&survey.inventory).filter(|_| !lacking.is_empty());
    let answers = target.answers(ask.as_slice()).await?;
    let global = answers.first().map(LoginSource::global);
    if let Some(global) = &global {
        lacking.retain(|one| !pulls::is_global(one, global));
    }
    let namespace = &survey.inventory.release.id.namespace;
    Ok(pulls::finding(&lacking, &source.registry, namespace, global.as_ref()))
}

fn question(image: &ImageReference) -> ImageQuestion {
    ImageQuestion { repository: image.repository.clone(), reference: image.reference(), expected: None }
}

/// Asks the registry for images.
async fn check(
    found: &[PlannedImage],
    source: &ImageSource,
    product: &Product,
    mirrors: &Mirrors,
) -> Result<(ImageCount, Vec<Finding>), Finding> {
    let supplies = supplies(found, source, mirrors).await?;
    let count = |is: fn(&ImageSupply) -> bool| supplies.values().filter(|supply| is(supply)).count();
    let counts = ImageCount {
        all: found.len(),
        registry: count(|supply| matches!(supply, ImageSupply::Registry)),
        bundle: count(|supply| matches!(supply, ImageSupply::Bundle | ImageSupply::Replaced { .. })),
    };
    Ok((counts, images::judge(found, &source.registry, &supplies, product, mirrors)))
}

/// Asks once more for the images of a plan, before its first write: what was in a bundle has to be pushed by then. Images that
/// name other registries, and logins, were judged when the plan was made.
///
/// # Errors
/// [`Code::BadOption`] if the registry's address or CA file is not usable.
pub async fn missing_images(
    file: &PlanFile,
    place: &RegistryPlace,
    product: &Product,
) -> Result<Vec<Finding>, Finding> {
    let Some(registry) = file.plan.registry.clone() else { return Ok(Vec::new()) };
    let source = ImageSource { registry, place: place.clone(), bundle: None };
    let images = images::of_plan(file, product);
    let (_, mut findings) = check(&images, &source, product, &Mirrors::default()).await?;
    findings.retain(|finding| matches!(finding.code, Code::ImageMissing | Code::ImagesNotChecked));
    Ok(findings)
}

/// The images that a plan's objects and hooks name.
#[must_use]
pub fn planned_images(file: &PlanFile, product: &Product) -> Vec<PlannedImage> {
    images::of_plan(file, product)
}

async fn supplies(
    found: &[PlannedImage],
    source: &ImageSource,
    mirrors: &Mirrors,
) -> Result<BTreeMap<ImageRef, ImageSupply>, Finding> {
    let asked: Vec<(&PlannedImage, ImageReference)> = images::at_registry(found, &source.registry, mirrors).collect();
    let questions: Vec<ImageQuestion> = asked
        .iter()
        .map(|(_, image)| ImageQuestion {
            expected: source
                .bundle
                .as_ref()
                .and_then(|bundle| bundle.tagged(&image.repository, by_tag(image)?))
                .cloned(),
            ..question(image)
        })
        .collect();
    let answers = source.place.look(&source.registry.host, &questions).await?;
    let supply = |((image, reference), answer): (&(&PlannedImage, ImageReference), ImageAnswer)| {
        (image.name.clone(), supply(reference, answer, source.bundle.as_ref()))
    };
    Ok(asked.iter().zip(answers).map(supply).collect())
}

/// The tag by which an image is pulled; `None` for one that is pulled by its digest.
fn by_tag(image: &ImageReference) -> Option<&str> {
    if image.digest.is_none() { image.tag.as_deref() } else { None }
}

/// Where an image is to be had, of what the registry says and the bundle has.
fn supply(image: &ImageReference, answer: ImageAnswer, bundle: Option<&BundleSupply>) -> ImageSupply {
    let bundled = bundle.and_then(|bundle| bundle.tagged(&image.repository, by_tag(image)?));
    match (answer, bundle) {
        (ImageAnswer::Unknown(why), _) => ImageSupply::NotChecked(why),
        (ImageAnswer::There { manifest, config }, Some(bundle)) => match (bundled, manifest) {
            (Some(ours), Some(there))
                if *ours != there && (config.is_none() || bundle.config(ours) != config.as_ref()) =>
            {
                ImageSupply::Replaced { there, bundle: ours.clone() }
            }
            _ => ImageSupply::Registry,
        },
        (ImageAnswer::There { .. }, None) => ImageSupply::Registry,
        (ImageAnswer::Absent, None) => ImageSupply::Missing,
        (ImageAnswer::Absent, Some(bundle)) => {
            let pinned = image.digest.as_ref().is_some_and(|digest| bundle.has(&image.repository, digest));
            if bundled.is_some() || pinned {
                return ImageSupply::Bundle;
            }
            let tag = image.tag.as_deref();
            let other = |tag| {
                let ours = bundle.tagged(&image.repository, tag)?;
                Some(format!("the bundle has {}:{tag} with another digest, {ours}", image.repository))
            };
            let alike = |tag| Some(format!("the bundle has {}", bundle.alike(&image.repository, tag)?));
            ImageSupply::MissingInBoth { alike: tag.and_then(other).or_else(|| tag.and_then(alike)) }
        }
    }
}

#[cfg(test)]
mod tests;
