//! The images that a plan's objects and hooks name, and what is wrong with where they come from.

use std::collections::{BTreeMap, BTreeSet};

use portolan_helm_compat::hooks;
use portolan_kube_facts::{ImageReference, PodTemplate};
use portolan_model::{
    ChartId, Code, Digest, Finding, Hop, ImageRef, Manifest, Object, PlanFile, Ref, ReleaseId, SiteRegistry, StepKind,
    counted,
};
use portolan_recipe::Product;
use serde_json::Value;

pub mod authority;
pub mod entrances;
pub mod mirrors;
pub mod pulls;
pub mod trial_pulls;

use mirrors::{Mirror, Mirrors};

/// How many places of an image, and values that name it, a finding shows.
const SHOWN: usize = 2;

/// An image that a plan's objects or hooks name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlannedImage {
    /// The image as it is written.
    pub name: ImageRef,
    /// Where it is named, in order.
    pub uses: Vec<ImageUse>,
    /// The values, chart defaults included, whose text is this image, its name without tag, or its registry: dotted paths.
    pub keys: Vec<String>,
}

/// A field that names an image.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ImageUse {
    /// The chart that the hop upgrades to.
    pub to: ChartId,
    /// The object or hook.
    pub object: Ref,
    /// The field: a JSON pointer in it.
    pub field: String,
}

/// Images being collected.
pub struct ImageList<'a> {
    product: &'a Product,
    /// The release of the hop that is added.
    release: &'a ReleaseId,
    found: BTreeMap<ImageRef, (BTreeSet<ImageUse>, BTreeSet<String>)>,
}

impl<'a> ImageList<'a> {
    /// An empty list. The product says which fields beside those of pods name images.
    #[must_use]
    pub fn new(product: &'a Product, release: &'a ReleaseId) -> Self {
        Self { product, release, found: BTreeMap::new() }
    }

    /// The same list, to which hops of this release are added from now on.
    pub fn of_release(&mut self, release: &'a ReleaseId) -> &mut Self {
        self.release = release;
        self
    }

    /// Adds the images of a hop. Hooks that an upgrade does not run, such as tests, pull no image and are left out.
    pub fn hop(&mut self, to: &ChartId, objects: &[Object], hooks: &[Object]) {
        for object in objects {
            if let Some(name) = object.name() {
                self.object(to, object, &name);
            }
        }
        for hook in hooks::of(hooks).iter().filter(|hook| hook.runs_in_upgrade()) {
            if let Some(name) = hook.name() {
                self.object(to, hook.object, &name);
            }
        }
    }

    fn object(&mut self, to: &ChartId, object: &Object, name: &Ref) {
        let mut put = |image: &str, field: String| {
            let place = ImageUse { to: to.clone(), object: name.clone(), field };
            self.found.entry(ImageRef::new(image)).or_default().0.insert(place);
        };
        for one in portolan_kube_facts::images(object) {
            put(one.image, one.field);
        }
        let known = &self.product.images;
        for field in known.fields.iter().filter(|field| is_meant(&field.object, name, self.release)) {
            if let Some(image) = object.at(&field.at).and_then(Value::as_str).filter(|image| !image.is_empty()) {
                put(image, field.at.clone());
            }
        }
        for argument in known.arguments.iter().filter(|argument| is_meant(&argument.object, name, self.release)) {
            for (field, text) in arguments(object) {
                if let Some(image) = text.strip_prefix(argument.prefix.as_str()).filter(|image| !image.is_empty()) {
                    put(image, field);
                }
            }
        }
    }

    /// Notes which of a hop's values name the images found until now.
    pub fn values(&mut self, values: &Value) {
        let texts = portolan_helm_compat::values::flatten(values).into_iter();
        let texts: Vec<(String, String)> =
            texts.filter_map(|(path, value)| Some((path, value.as_str()?.to_owned()))).collect();
        for (name, (_, keys)) in &mut self.found {
            let name = name.as_str();
            let registry = ImageReference::parse(name).map(|reference| reference.registry);
            let names = |text: &str| {
                text == name
                    || text == portolan_recipe::image_name(name)
                    || registry.as_deref().is_some_and(|host| text == host || text.strip_prefix(host) == Some("/"))
            };
            keys.extend(texts.iter().filter(|(_, text)| names(text)).map(|(path, _)| path.clone()));
        }
    }

    /// The images, by name.
    #[must_use]
    pub fn images(self) -> Vec<PlannedImage> {
        let image = |(name, (uses, keys)): (ImageRef, (BTreeSet<ImageUse>, BTreeSet<String>))| PlannedImage {
            name,
            uses: uses.into_iter().collect(),
            keys: keys.into_iter().collect(),
        };
        self.found.into_iter().map(image).collect()
    }
}

/// Whether a recipe's `Kind/name` is about an object; `Kind/*` is about each of its kind.
fn is_meant(pattern: &str, name: &Ref, release: &ReleaseId) -> bool {
    portolan_recipe::object(pattern, release).is_some_and(|meant| {
        meant.kind() == name.kind() && meant.group() == name.group() && (meant.name() == "*" || meant == *name)
    })
}

/// The arguments of an object's containers, with the field of each.
fn arguments(object: &Object) -> Vec<(String, &str)> {
    let Some(template) = PodTemplate::of(object) else { return Vec::new() };
    let mut found = Vec::new();
    for container in template.containers() {
        for key in ["command", "args"] {
            for (index, text) in portolan_kube_facts::list(container.json, key).iter().enumerate() {
                let field = format!("{}{}/{key}/{index}", template.pointer, container.pointer());
                found.extend(text.as_str().map(|text| (field, text)));
            }
        }
    }
    found
}

/// The images of a plan that was made before. Which values name them is not known.
#[must_use]
pub fn of_plan(file: &PlanFile, product: &Product) -> Vec<PlannedImage> {
    let mut all = ImageList::new(product, &file.plan.release);
    written(file)
        .for_each(|(hop, [docs, hooks])| all.of_release(file.plan.release_of(hop)).hop(&hop.to, &docs, &hooks));
    all.images()
}

/// What helm writes in each hop of a plan that was made before: the objects of its manifest and its hooks.
fn written(file: &PlanFile) -> impl Iterator<Item = (&Hop, [Vec<Object>; 2])> {
    let docs = |digest: &Digest| {
        let manifest = file.objects.get(digest).and_then(|content| serde_json::from_slice::<Manifest>(&content.0).ok());
        manifest.map(|manifest| manifest.docs).unwrap_or_default()
    };
    let steps = file.plan.hops.iter().flat_map(|hop| hop.steps.iter().map(move |step| (hop, step)));
    steps.filter_map(move |(hop, step)| match &step.kind {
        StepKind::CheckObjects { check } => Some((hop, [docs(&check.manifest), docs(&check.hooks)])),
        _ => None,
    })
}

/// Where an image of the site's registry is to be had.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ImageSupply {
    /// The registry has it.
    Registry,
    /// The bundle has it, and a push puts it there under this name.
    Bundle,
    /// The registry has another image under this name, and a push of the bundle replaces it.
    Replaced {
        /// The digest in the registry.
        there: Digest,
        /// The digest in the bundle.
        bundle: Digest,
    },
    /// The registry does not have it, and there is no bundle.
    Missing,
    /// Neither has it.
    MissingInBoth {
        /// What the bundle has that could be meant, in one clause.
        alike: Option<String>,
    },
    /// The registry was asked and did not say.
    NotChecked(String),
}

/// The images that the site's registry is asked for, and their names there.
pub fn at_registry<'a>(
    images: &'a [PlannedImage],
    registry: &'a SiteRegistry,
    mirrors: &'a Mirrors,
) -> impl Iterator<Item = (&'a PlannedImage, ImageReference)> {
    images.iter().filter_map(|image| Some((image, place_at(&image.name, registry, mirrors)?.0)))
}

/// The place of an image at the site's registry, and the mirror that leads there, unless the image names the registry itself.
/// `None` for an image of another registry.
fn place_at(name: &ImageRef, registry: &SiteRegistry, mirrors: &Mirrors) -> Option<(ImageReference, Option<Mirror>)> {
    let reference = ImageReference::parse(name.as_str())?;
    if registry.is(&reference.registry) {
        return Some((reference, None));
    }
    let mirror = mirrors.of_image(&reference).tried.into_iter().find(|mirror| registry.is(&mirror.image.registry))?;
    Some((mirror.image.clone(), Some(mirror)))
}

/// What is wrong with where the images of a plan come from. `supplies` are those of [`at_registry`], by name.
#[must_use]
pub fn judge(
    images: &[PlannedImage],
    registry: &SiteRegistry,
    supplies: &BTreeMap<ImageRef, ImageSupply>,
    product: &Product,
    mirrors: &Mirrors,
) -> Vec<Finding> {
    let (mut missing, mut in_neither, mut replaced, mut unmirrored) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let mut unknown: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    let mut elsewhere: BTreeMap<String, Vec<&PlannedImage>> = BTreeMap::new();
    for image in images {
        let Some(reference) = ImageReference::parse(image.name.as_str()) else {
            unknown.entry("this is no name that a node can pull").or_default().push(line(image));
            continue;
        };
        let mirror = match place_at(&image.name, registry, mirrors) {
            Some((_, mirror)) => mirror,
            None => {
                match passed_over(&reference, mirrors) {
                    Some(mirror) => unmirrored.push((image, mirror)),
                    None => elsewhere.entry(reference.registry).or_default().push(image),
                }
                continue;
            }
        };
        let line = |image: &PlannedImage| match &mirror {
            Some(mirror) => format!("{} ({mirror})", line(image)),
            None => line(image),
        };
        match supplies.get(&image.name) {
            Some(ImageSupply::Registry | ImageSupply::Bundle) => {}
            Some(ImageSupply::Replaced { there, bundle }) => replaced.push(format!(
                "{}: {} in the registry, {} in the bundle",
                image.name,
                there.short(),
                bundle.short()
            )),
            Some(ImageSupply::Missing) => missing.push(line(image)),
            Some(ImageSupply::MissingInBoth { alike }) => {
                let alike = alike.as_ref().map_or_else(String::new, |alike| format!("; {alike}"));
                in_neither.push(format!("{}{alike}", line(image)));
            }
            Some(ImageSupply::NotChecked(why)) => unknown.entry(why).or_default().push(line(image)),
            None => unknown.entry("nobody asked for it").or_default().push(line(image)),
        }
    }
    let mut findings = Vec::new();
    findings.extend(elsewhere.iter().map(|(host, images)| {
        let finding = other_registry(host, images, registry, product);
        mirrors.unreadable().iter().fold(finding, Finding::with)
    }));
    findings.extend(for_digests_only(&unmirrored));
    if !missing.is_empty() {
        let found = format!("{registry} does not have {}", counted(missing.len(), "image"));
        let finding = Finding::blocking(Code::ImageMissing, found);
        findings.push(missing.into_iter().fold(finding, Finding::with).next(format!(
            "portolan bundle push FILE {}, with the bundle of this version, then run it again",
            registry.push_options()
        )));
    }
    if !in_neither.is_empty() {
        let found = format!("neither {registry} nor the bundle has {}", counted(in_neither.len(), "image"));
        findings.push(in_neither.into_iter().fold(Finding::blocking(Code::ImageMissing, found), Finding::with).next(format!(
            "ask the vendor for a bundle that has what is named, or copy it to {registry} with another tool; where the bundle has it \
             under another name, correct the values that name it"
        )));
    }
    for (why, lines) in unknown {
        let found = format!("{} not checked, because {why}", counted(lines.len(), "image"));
        findings.push(lines.into_iter().fold(Finding::blocking(Code::ImagesNotChecked, found), Finding::with));
    }
    if !replaced.is_empty() {
        let found = format!("a push to {registry} gives {} another content", counted(replaced.len(), "image"));
        findings.push(replaced.into_iter().fold(Finding::warning(Code::ImageReplaced, found), Finding::with));
    }
    findings
}

fn other_registry(host: &str, images: &[&PlannedImage], registry: &SiteRegistry, product: &Product) -> Finding {
    let verb = if images.len() == 1 { "names" } else { "name" };
    let count = counted(images.len(), "image");
    let found = format!("{count} {verb} {host}, which a site without internet access cannot reach");
    let finding = Finding::blocking(Code::ImageElsewhere, found);
    let finding = images.iter().fold(finding, |finding, image| finding.with(line(image)));
    let keys: BTreeSet<&str> = images.iter().flat_map(|image| &image.keys).map(String::as_str).collect();
    let charts: BTreeSet<&str> =
        images.iter().flat_map(|image| &image.uses).map(|place| place.to.name.as_str()).collect();
    let options = charts.iter().filter_map(|chart| product.images.registry_option.get(*chart));
    let mut ways: Vec<String> = options.cloned().collect();
    if !keys.is_empty() {
        let keys: Vec<&str> = keys.into_iter().collect();
        ways.push(format!("the values that name it today: {}", keys.join(", ")));
    }
    let ways = if ways.is_empty() { String::new() } else { format!(" ({})", ways.join("; ")) };
    finding.next(format!(
        "give the chart the values that name {} with -f or --set{ways}; or, where nodes reach {host} or a mirror of it, \
         accept: --accept {} --reason TEXT",
        registry.pull_address(),
        Code::ImageElsewhere
    ))
}

/// A mirror that an image would be pulled from if it were named by its digest, where none is tried for its tag.
fn passed_over(reference: &ImageReference, mirrors: &Mirrors) -> Option<Mirror> {
    let found = mirrors.of_image(reference);
    let is_tag = reference.digest.is_none();
    found.passed_over.into_iter().next().filter(|_| is_tag && found.tried.is_empty())
}

/// Images that are named by their tags, and mirrored by digest alone.
fn for_digests_only(images: &[(&PlannedImage, Mirror)]) -> Option<Finding> {
    if images.is_empty() {
        return None;
    }
    let verb = if images.len() == 1 { "is named by its tag" } else { "are named by their tags" };
    let found =
        format!("{} {verb}, and the mirror sets of the cluster are for digests", counted(images.len(), "image"));
    let finding = Finding::blocking(Code::MirrorForDigests, found);
    let finding =
        images.iter().fold(finding, |finding, (image, mirror)| finding.with(format!("{} ({mirror})", line(image))));
    let entries: BTreeSet<String> =
        images.iter().map(|(_, mirror)| format!("source: {}, mirrors: [{}]", mirror.source, mirror.mirror)).collect();
    let entries: Vec<String> = entries.into_iter().collect();
    Some(finding.next(format!(
        "an ImageTagMirrorSet with {} in spec.imageTagMirrors is for these tags (OpenShift drains and restarts the nodes, one \
         after the other, when it gets one: make it before the upgrade, not during it); or give the chart values that name images at the registry",
        entries.iter().map(|entry| format!("{{{entry}}}")).collect::<Vec<_>>().join(", ")
    )))
}

/// An image and where it is named, in one line.
fn line(image: &PlannedImage) -> String {
    let shown: Vec<String> =
        image.uses.iter().take(SHOWN).map(|place| format!("{} {}", place.object, place.field)).collect();
    let more = match image.uses.len().saturating_sub(SHOWN) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    format!("{}: {}{more}", image.name, shown.join(", "))
}

#[cfg(test)]
mod tests;
