//! A site without internet access: its registry, and the bundle that the images and charts come from.

use std::path::{Path, PathBuf};

use portolan_adapters::charts::Files;
use portolan_adapters::registry::{Asking, CompressedLayers, PushJob, PushTarget, RegistryAccess};
use portolan_adapters::{bundles, store};
use portolan_bundle::{BundleIndex, BundleParts, BundleSupply, PushPlan};
use portolan_helm_compat::chart::PackedChart;
use portolan_model::{Code, Finding, SiteRegistry};
use portolan_recipe::RecipeSet;
use portolan_rehearse::SimulatedRegistry;
use portolan_workflow::{ImageCount, ImageSource, RegistryPlace, Simulated, Target};

use crate::args::{Global, UpgradeOptions};
use crate::charts::login;
use crate::options;
use crate::output::Output;
use crate::pushes;

/// How many files of a bundle a finding lists.
const LISTED: usize = 10;

/// What the options say of a site without internet access.
pub(crate) struct Site {
    /// Where the images have to come from.
    pub(crate) source: ImageSource,
    bundle: Option<SiteBundle>,
}

/// A bundle, and what a push of it puts into the site's registry.
struct SiteBundle {
    file: PathBuf,
    parts: BundleParts,
    index: BundleIndex,
    push: PushPlan,
    target: PushTarget,
    layers: CompressedLayers,
    /// The names that were given for images that have none, as they were typed.
    names: Vec<String>,
}

impl Site {
    /// What the options name; `None` without `--registry` and `--bundle`. A bundle is read here.
    pub(crate) async fn named(global: &Global, on: &Target, options: &UpgradeOptions) -> Result<Option<Self>, Finding> {
        let Some(address) = address(on, options)? else { return Ok(None) };
        let target = PushTarget::parse(&address).map_err(|finding| {
            finding.next("--registry HOST[:PORT][/PATH], such as --registry registry.example:5000/runai")
        })?;
        let target = target.pulled_as(options.pull_as.as_deref())?;
        let registry = SiteRegistry {
            host: target.host.clone(),
            pull_as: target.pull_as.clone(),
            path: target.path.clone(),
            plain_http: options.plain_http,
            ca_file: options.ca_file.as_ref().map(|path| absolute(path)),
        };
        // With a repository, the login that was typed is meant for that one.
        let typed =
            if options.fetches() { None } else { login(options.username.as_deref(), options.password_stdin, None)? };
        let place = place(on, &registry, typed)?;
        let bundle = match &options.bundle {
            Some(file) => {
                let parts = BundleParts { images: options.images.clone(), charts: options.charts.clone() };
                let index = pushes::index(global, file, &parts).await?;
                let names = pushes::names(&options.name)?;
                let push =
                    portolan_bundle::plan_push(&index, target.paths()?, &names).map_err(|error| error.finding())?;
                let layers = CompressedLayers::of(&store::root(global.state_dir.as_deref())?);
                let names = options.name.clone();
                Some(SiteBundle { file: file.clone(), parts, index, push, target, layers, names })
            }
            None => None,
        };
        let supply = bundle.as_ref().map(|bundle| BundleSupply::of(&bundle.index, &bundle.push));
        Ok(Some(Self { source: ImageSource { registry, place, bundle: supply }, bundle }))
    }

    /// The product's charts in the bundle; `None` without one.
    pub(crate) fn charts(&self, book: &RecipeSet) -> Result<Option<Vec<PackedChart>>, Finding> {
        let Some(bundle) = &self.bundle else { return Ok(None) };
        let names = &book.product.charts;
        let charts = bundles::charts(&bundle.file, &bundle.index, names)?;
        if charts.is_empty() {
            let found = format!("{} has no chart named {}", bundle.file.display(), names.join(" or "));
            let finding = Finding::blocking(Code::NoChart, found);
            let has = bundle.index.charts.iter().map(|chart| format!("it has: {} {}", chart.name, chart.version));
            let finding = has.fold(finding, Finding::with);
            let files = bundle.index.files.iter().take(LISTED).map(|file| format!("not recognized: {}", file.path));
            return Err(files.fold(finding, Finding::with).next(
                "portolan bundle inspect lists what it has; where charts are in an archive that is not read, take them out, and pass \
                 --chart FILE in place of --bundle",
            ));
        }
        Ok(Some(charts))
    }

    /// The helm program of the bundle, taken out into the state folder; `None` without one.
    pub(crate) fn helm(&self, global: &Global) -> Result<Option<PathBuf>, Finding> {
        let Some(bundle) = &self.bundle else { return Ok(None) };
        bundles::helm(&bundle.file, &bundle.index, &store::root(global.state_dir.as_deref())?)
    }

    /// Pushes the bundle, where there is one.
    pub(crate) async fn push(&self, on: &mut Target, output: &Output) -> Result<(), Finding> {
        let Some(SiteBundle { file, index, push, target, layers, .. }) = &self.bundle else { return Ok(()) };
        output.say(&format!("Pushing {} to {}", file.display(), self.source.registry));
        match (&self.source.place, on) {
            (RegistryPlace::Network(access), _) => {
                // Nodes pull within minutes: a layer that the registry has lost is better found now.
                let job = PushJob { file, index, plan: push, layers, asking: Asking::Blobs };
                let report = pushes::send(&job, target, access, output).await?;
                output.page(&pushes::page(&report))
            }
            (RegistryPlace::Simulated(_), Target::Simulated(simulated)) => {
                output.say(&simulated_push(simulated, push)?);
                Ok(())
            }
            (RegistryPlace::Simulated(_), Target::Cluster(_)) => Ok(()),
        }
    }

    /// What has to be done before a saved plan is applied: `apply` with a plan has no bundle to push.
    pub(crate) fn before_apply(&self, images: ImageCount, sim: Option<&str>) -> Option<String> {
        let bundle = self.bundle.as_ref().filter(|_| images.bundle > 0)?;
        let file = options::quoted(&bundle.file.to_string_lossy());
        let SiteRegistry { plain_http, ca_file, .. } = &self.source.registry;
        let plain = if *plain_http { " --plain-http" } else { "" };
        let ca = ca_file.as_ref().map_or_else(String::new, |path| format!(" --ca-file {}", options::quoted(path)));
        let names: String = bundle.names.iter().map(|name| format!(" --name {}", options::quoted(name))).collect();
        let part = |option: &str, path: &Option<String>| {
            path.as_ref().map_or_else(String::new, |path| format!(" {option} {}", options::quoted(path)))
        };
        let parts = part("--images", &bundle.parts.images) + &part("--charts", &bundle.parts.charts);
        let sim = match (&self.source.place, sim) {
            (RegistryPlace::Simulated(_), Some(sim)) => format!(" --sim {}", options::quoted(sim)),
            _ => String::new(),
        };
        Some(format!(
            "Before it is applied: portolan bundle push {file} {}{parts}{names}{plain}{ca}{sim}",
            self.source.registry.push_options()
        ))
    }

    /// Where the images of a plan are, in one line.
    pub(crate) fn told(&self, images: ImageCount) -> String {
        let registry = &self.source.registry.host;
        let ImageCount { all, registry: there, bundle: bundled } = images;
        let bundle = match &self.bundle {
            Some(bundle) => format!(", {bundled} to be pushed from {}", bundle.file.display()),
            None => String::new(),
        };
        format!("Images: {all} named by the new version, {there} at {registry}{bundle}")
    }
}

/// The registry's address that the options name; with a bundle alone, that of the simulated site.
fn address(on: &Target, options: &UpgradeOptions) -> Result<Option<String>, Finding> {
    if options.registry.is_some() || options.bundle.is_none() {
        return Ok(options.registry.clone());
    }
    let simulated = match on {
        Target::Simulated(simulated) => simulated.installation.registry.as_ref(),
        Target::Cluster(_) => None,
    };
    let none = || {
        Finding::blocking(Code::BadOption, "--bundle needs the registry that the images are pushed to")
            .next("--registry HOST[:PORT][/PATH], such as --registry registry.example:5000/runai")
    };
    simulated.map(|registry| Some(registry.address())).ok_or_else(none)
}

/// Who answers for the registry of a site: that of a simulated site is simulated.
pub(crate) fn place(
    on: &Target,
    registry: &SiteRegistry,
    typed: Option<portolan_adapters::charts::Login>,
) -> Result<RegistryPlace, Finding> {
    match simulated(on, &registry.host) {
        Some(held) => Ok(RegistryPlace::Simulated(held.clone())),
        None => Ok(RegistryPlace::Network(access(registry, typed)?)),
    }
}

/// The simulated registry of this host.
fn simulated<'a>(on: &'a Target, host: &str) -> Option<&'a SimulatedRegistry> {
    let Target::Simulated(simulated) = on else { return None };
    simulated.installation.registry.as_ref().filter(|registry| registry.host == host)
}

/// Gives the simulated registry what a push puts there; what it did, in one line.
pub(crate) fn simulated_push(simulated: &mut Simulated, push: &PushPlan) -> Result<String, Finding> {
    let Some(registry) = &mut simulated.installation.registry else { return Ok("There is no registry".into()) };
    let (mut names, mut new) = (0, 0);
    for manifest in &push.manifests {
        if let Some(tag) = &manifest.tag {
            names += 1;
            new += usize::from(registry.put(&manifest.repository, tag, &manifest.digest));
        }
    }
    let line = format!("Simulated: {} holds {names} names of the bundle, {new} of them new", registry.address());
    simulated.save()?;
    Ok(line)
}

/// How the registry of a site is reached: with the login that was typed, else with one that docker, podman or helm knows.
fn access(registry: &SiteRegistry, typed: Option<portolan_adapters::charts::Login>) -> Result<RegistryAccess, Finding> {
    let login = match typed {
        Some(login) => Some(login),
        None => Files::of_user().registry_login(&registry.host, &registry.path)?,
    };
    let ca_file = registry.ca_file.as_ref().map(PathBuf::from);
    Ok(RegistryAccess { login, plain_http: registry.plain_http, ca_file })
}

/// A saved plan is applied in whatever folder.
fn absolute(path: &Path) -> String {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned()).to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use portolan_testkit::bundle::image;

    use super::*;

    fn site(bundle: Vec<u8>) -> Site {
        let index = portolan_bundle::read(std::io::Cursor::new(bundle), portolan_bundle::Limits::default());
        let index = index.expect("a bundle");
        let target = PushTarget::parse("h:5000/site").expect("a target");
        let push = portolan_bundle::plan_push(&index, target.path.as_str(), &std::collections::BTreeMap::new())
            .expect("a plan");
        let registry =
            SiteRegistry { host: "h:5000".into(), pull_as: None, path: "site".into(), plain_http: true, ca_file: None };
        let place = RegistryPlace::Network(RegistryAccess::default());
        let source = ImageSource { registry, place, bundle: None };
        let names = vec!["sha256:0=a:1".into()];
        let layers = CompressedLayers::default();
        Site {
            source,
            bundle: Some(SiteBundle {
                file: "b c.tar".into(),
                parts: BundleParts::default(),
                index,
                push,
                target,
                layers,
                names,
            }),
        }
    }

    #[test]
    fn a_push_is_asked_for_where_images_are_in_the_bundle_alone() {
        let site = site(image("a:1"));
        let count = |bundle| ImageCount { all: 2, registry: 2 - bundle, bundle };
        assert_eq!(site.before_apply(count(0), None), None);
        let line =
            "Before it is applied: portolan bundle push 'b c.tar' --to h:5000/site --name sha256:0=a:1 --plain-http";
        assert_eq!(site.before_apply(count(1), None).as_deref(), Some(line));
    }
}
