//! What the planner has to say about a plan.

use std::collections::{BTreeMap, BTreeSet};

use helm_compat::hooks::Hook;
use helm_compat::values;
use model::{ChartId, Code, Finding, HelmRun, Manifest, NewClaim, Object, Platform, Ref, Step, Unmodelled};
use recipe::{Advice, Minor, fill};

use super::ground::{FoundDatabase, Ground};
use super::leg::Leg;
use super::planning::HopRendering;
use super::standing::Standing;
use super::{is_kind, mounts, not_visible, pick};

/// What can be said before anything is rendered.
pub(super) fn at_start(ground: &Ground<'_>, legs: &[Leg<'_>], offered: &[ChartId]) -> Vec<Finding> {
    if legs.is_empty() {
        return Vec::new();
    }
    let inventory = ground.inventory;
    let namespace = &ground.release().namespace;
    let mut findings = Vec::new();
    for kind in ["Pod", "StatefulSet", "Deployment"] {
        if !inventory.is_complete(kind, namespace) {
            findings.push(not_visible(kind, namespace));
        }
    }
    findings.extend(super::reach::unseen(ground));
    findings.extend(super::reach::shared(ground));
    for database in &ground.elsewhere {
        let set = fill(&database.set, ground.release());
        findings.push(
            Finding::warning(Code::NoDatabase, format!("the release does not run StatefulSet/{set}"))
                .why(format!("{} is elsewhere, or not there: its rows are not compared", database.name))
                .next("make a backup of it, and compare it yourself"),
        );
    }
    for volume in inventory.data_volumes().filter(|volume| !ground.is_in_use(volume)) {
        findings.push(
            Finding::warning(Code::VolumeDiffers, format!("nothing mounts {} today", volume.claim))
                .why("it is protected and looked after, but what it is for is not known")
                .next("see whether it is left over from an earlier version"),
        );
    }
    findings.extend(missing(ground, legs));
    findings.extend(other_host(ground, legs));
    if let Some(advice) = &ground.book.product.advice {
        findings.extend(legs.iter().filter_map(|leg| long_jump(advice, leg, offered)));
        findings.extend(legs.iter().filter_map(|leg| other_platform(ground, advice, leg)));
    }
    findings
}

/// What people have to make themselves and did not. What may not be listed is not known to be missing.
fn missing(ground: &Ground<'_>, legs: &[Leg<'_>]) -> Vec<Finding> {
    let namespace = &ground.release().namespace;
    let required = legs.iter().flat_map(|leg| &leg.boundaries).flat_map(|boundary| &boundary.requires);
    let here = required.filter(|required| ground.is_for(required.platform));
    here.filter_map(|required| Some((required, recipe::object(&required.object, ground.release())?)))
        .filter(|(_, name)| !ground.inventory.objects.contains_key(name))
        .filter(|(_, name)| ground.inventory.is_complete(name.kind(), namespace))
        .map(|(required, name)| {
            Finding::blocking(Code::NotThere, format!("{name} is not there"))
                .why(required.why.clone())
                .next(format!("{}, or accept: --accept PL232 --reason TEXT", fill(&required.make, ground.release())))
        })
        .collect()
}

/// The page says `runai.<apps domain>`; a platform that is reached under another host keeps it.
fn other_host(ground: &Ground<'_>, legs: &[Leg<'_>]) -> Option<Finding> {
    let mut settings = legs.iter().flat_map(|leg| &leg.settings);
    settings.find(|(_, setting)| setting.value.as_str().is_some_and(|value| value.contains("{domain}")))?;
    let Platform::OpenShift { apps_domain, .. } = &ground.inventory.cluster.platform else { return None };
    let (host, usual) = (ground.domain()?, format!("runai.{apps_domain}"));
    (!apps_domain.is_empty() && host != usual).then(|| {
        Finding::warning(Code::OtherHost, format!("the platform is reached under {host} today, not under {usual}"))
    })
}

/// A hop over more versions than the vendor tries.
fn long_jump(advice: &Advice, leg: &Leg<'_>, offered: &[ChartId]) -> Option<Finding> {
    let place = |version: &semver::Version| {
        let minor = Minor::from(version);
        advice.versions.iter().rposition(|known| *known <= minor)
    };
    let (from, to) = (place(&leg.from.version)?, place(&leg.pick.id.version)?);
    let gap = to.saturating_sub(from);
    (gap > advice.most).then(|| {
        let found = format!("{} -> {} goes up {gap} versions in one hop", leg.from.version, leg.pick.id.version);
        Finding::warning(Code::LongJump, found)
            .with(format!(
                "the vendor's limit: {} versions, {} ({})",
                advice.most, advice.source.title, advice.source.source
            ))
            .next(match stops(advice, (from, to), leg, offered) {
                Some(stops) => format!("the page allows it; to stop on the way: --via {}", stops.join(",")),
                None => "the page allows it; no charts on offer would keep each hop within that limit".into(),
            })
    })
}

/// Versions on offer that keep each hop within the limit: places among the released ones. `None` where there are none.
fn stops(advice: &Advice, (from, to): (usize, usize), leg: &Leg<'_>, offered: &[ChartId]) -> Option<Vec<String>> {
    let spec = |at: usize| advice.versions.get(at).map(ToString::to_string);
    let (mut at, mut stops) = (from, Vec::new());
    while to - at > advice.most {
        let is_offered = |at: &usize| spec(*at).is_some_and(|spec| pick(&spec, offered, &leg.from).is_ok());
        at = (at + 1..=at + advice.most).rev().find(is_offered)?;
        stops.extend(spec(at));
    }
    Some(stops)
}

/// A platform that the target was not made for.
fn other_platform(ground: &Ground<'_>, advice: &Advice, leg: &Leg<'_>) -> Option<Finding> {
    let target = Minor::from(&leg.pick.id.version);
    let supported = advice.platforms.iter().find(|supported| supported.version == target)?;
    let cluster = &ground.inventory.cluster;
    let (name, text, (low, high)) = match &cluster.platform {
        Platform::OpenShift { version, .. } => ("OpenShift", version, supported.openshift),
        Platform::Kubernetes => ("Kubernetes", &cluster.version, supported.kubernetes),
    };
    let is = Minor::parse(text)?;
    let source = &advice.platforms_source;
    (is < low || is > high).then(|| {
        Finding::warning(Code::OtherPlatform, format!("{target} is made for {name} {low} to {high}, and this is {is}"))
            .with(format!("{} ({})", source.title, source.source))
    })
}

/// A hop as helm will meet it.
pub(super) struct Scene<'a> {
    pub(super) ground: &'a Ground<'a>,
    pub(super) leg: &'a Leg<'a>,
    /// The installation before the hop's first step.
    pub(super) before: &'a Standing,
    /// What lives when helm starts.
    pub(super) live: &'a BTreeMap<Ref, Object>,
    pub(super) planned: &'a Manifest,
    pub(super) hooks: &'a [Object],
    /// What helm rendered, twice, Secrets in clear: nothing of it may be shown.
    pub(super) renderings: [&'a HopRendering; 2],
    pub(super) run: &'a HelmRun,
    /// The hop's steps.
    pub(super) steps: &'a [Step],
}

impl Scene<'_> {
    /// What there is after the hop of an object that helm does not apply: what a hook leaves, else what lives.
    pub(super) fn beside(&self, name: &Ref) -> Option<&Object> {
        helm_compat::hooks::left(&self.renderings[0].hooks, name).unwrap_or_else(|| self.live.get(name))
    }
}

/// What can reach a volume in this hop and is not modelled.
pub(super) fn unmodelled(scene: &Scene<'_>) -> Vec<Unmodelled> {
    super::reach::unmodelled(scene)
}

/// What can be said about a hop.
pub(super) fn of_hop(scene: &Scene<'_>) -> Vec<Finding> {
    let mut findings = hooks(scene);
    findings.extend(refused(scene));
    findings.extend(scene.ground.databases.iter().filter_map(|database| locked_out(scene, database)));
    findings.extend(not_seen(scene));
    findings.extend(super::reach::of_hop(scene));
    findings
}

/// Volumes in use that nothing of the new manifest mounts. The rehearsal judges what becomes of them.
pub(super) fn unmounted(scene: &Scene<'_>) -> Vec<Finding> {
    let left = scene.ground.in_use().filter(|volume| {
        !mounts::is_mounted(&scene.planned.docs, &volume.claim) && !super::reach::is_of_others(scene, &volume.claim)
    });
    left.map(|volume| {
        let mut finding =
            Finding::blocking(Code::NotSafe, format!("nothing in {} mounts {}", scene.leg.pick.id, volume.claim))
                .about(&volume.claim)
                .why("the data stays behind, and the new workload starts on something else")
                .next(name_it(scene, &volume.claim));
        for mount in &volume.mounts {
            finding = finding.with(format!("{} mounts it today", mount.pod));
        }
        uses_revision(scene).into_iter().fold(finding, Finding::with)
    })
    .collect()
}

/// How a chart is told the name of a PVC that exists.
fn name_it(scene: &Scene<'_>, claim: &Ref) -> String {
    let chart = &scene.leg.pick.id;
    let paths = helm_compat::chart::read(&scene.leg.pick.archive).map(|chart| values::claim_names(&chart));
    let paths: Vec<String> =
        paths.unwrap_or_default().into_iter().map(|path| format!("--set {path}={}", claim.name())).collect();
    if paths.is_empty() {
        return format!(
            "give {chart} values with which a pod of the workload mounts {claim}; no value `existingClaim` was found in it"
        );
    }
    format!("give {chart} the name of the PVC where its workload takes it: {}", paths.join(" or "))
}

/// The templates that render something else in each revision: a PVC that is named after the revision is another one after each
/// upgrade.
fn uses_revision(scene: &Scene<'_>) -> Vec<String> {
    let Ok(chart) = helm_compat::chart::read(&scene.leg.pick.archive) else { return Vec::new() };
    let is_template = |name: &str| name.starts_with("templates/") || name.contains("/templates/");
    let revision = scene.before.revision + 1;
    let files = chart.files.iter().filter(|(name, _)| is_template(name));
    files
        .filter(|(_, bytes)| String::from_utf8_lossy(bytes).contains("Release.Revision"))
        .map(|(name, _)| format!("{name} uses .Release.Revision, which is {revision} in this upgrade"))
        .collect()
}

/// Helm deletes the object of a hook that the upgrade runs before it makes it again, whatever its annotations say.
fn hooks(scene: &Scene<'_>) -> Vec<Finding> {
    let running = helm_compat::hooks::of(scene.hooks).into_iter().filter(Hook::runs_in_upgrade);
    let storage = running.filter_map(|hook| hook.object.name()).filter(Ref::is_storage);
    storage
        .filter(|name| scene.live.contains_key(name))
        .map(|name| {
            Finding::blocking(Code::NotSafe, format!("{} has {name} as a hook", scene.leg.pick.id))
                .why("helm deletes the object of a hook before it makes it again, whatever its annotations say")
                .next("this chart cannot be applied over this installation")
        })
        .collect()
}

/// Secrets that will be there without the key that the chart looks for.
fn refused(scene: &Scene<'_>) -> Vec<Finding> {
    let guards = scene.run.guards.iter().filter(|guard| {
        scene.live.get(&guard.key.secret).is_some_and(|live| !live.data_keys().contains(&guard.key.key.as_str()))
    });
    guards
        .map(|guard| {
            Finding::blocking(Code::ChartRefuses, format!("{} will not render", scene.leg.pick.id))
                .with(guard.message.clone())
                .why("helm renders against the cluster, and refuses after the preparations were done")
                .next("leave nothing out: a recipe deletes this Secret once it is archived")
        })
        .collect()
}

/// A database whose password the new chart would not know: its Secret is not there any more when helm starts, and the
/// rendering has another value in its place.
fn locked_out(scene: &Scene<'_>, database: &FoundDatabase<'_>) -> Option<Finding> {
    let secret = &database.reference.password.secret;
    let doc = super::reach::planned(scene, secret)?;
    if scene.live.contains_key(secret) || !mounts_today(scene, database) {
        return None;
    }
    let parts = ["data", "stringData"].iter().filter_map(|part| doc.0.get(part)?.as_object());
    let is_kept = parts
        .flat_map(|map| map.values())
        .any(|value| value.as_str().is_some_and(|text| text.starts_with(Manifest::CARRIED)));
    (!is_kept).then(|| {
        let found = format!("{} gives {} another password", scene.leg.pick.id, database.set);
        Finding::blocking(Code::PasswordRefused, found)
            .why("the data directory keeps the password it was made with")
            .next("do not leave out carry-credentials, and give no other password among the values")
    })
}

/// Only an existing data directory knows a password already.
fn mounts_today(scene: &Scene<'_>, database: &FoundDatabase<'_>) -> bool {
    let of_set = |volume: &&model::Volume| volume.mounts.iter().any(|mount| mount.pod == database.reference.pod);
    scene.ground.inventory.data_volumes().any(|volume| of_set(&volume)) || database.claim.is_some()
}

/// Kinds of the new manifest that this user may not list: whether such an object is new is then not known.
fn not_seen(scene: &Scene<'_>) -> Option<Finding> {
    let denied: BTreeSet<&str> = scene.ground.inventory.denied().map(|scope| scope.kind.as_str()).collect();
    let kinds: BTreeSet<&str> = scene.planned.docs.iter().map(|doc| doc.text("/kind")).collect();
    let both: Vec<&str> = kinds.intersection(&denied).copied().collect();
    (!both.is_empty()).then(|| {
        Finding::warning(Code::NotVisible, format!("this user may not list {}", both.join(", ")))
            .why("which of these objects are there already is not known")
    })
}

/// New claims need a storage class.
pub(super) fn check_class(
    ground: &Ground<'_>,
    new: &[NewClaim],
    docs: &[Object],
    live: &BTreeMap<Ref, Object>,
) -> Result<(), Finding> {
    let cluster = &ground.inventory.cluster;
    // Where classes may not be listed, that none was seen says nothing.
    if cluster.default_class.is_some() || !ground.inventory.is_complete("StorageClass", "") {
        return Ok(());
    }
    let plain =
        docs.iter().filter(|doc| is_kind(doc, "PersistentVolumeClaim") && doc.at("/spec/storageClassName").is_none());
    let plain = plain.filter_map(Object::name).filter(|name| !live.contains_key(name));
    let made = new.iter().filter(|claim| claim.class.is_none()).map(|claim| claim.claim.clone());
    let needy: Vec<Ref> = made.chain(plain).collect();
    if needy.is_empty() {
        return Ok(());
    }
    let mut finding = Finding::blocking(Code::NoStorageClass, Code::NoStorageClass.title());
    finding.evidence = needy.iter().map(|claim| format!("{claim} will be new")).collect();
    Err(finding)
}
