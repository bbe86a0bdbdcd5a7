//! What the planner has to say about a plan.

use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet};

use portolan_helm_compat::hooks::Hook;
use portolan_helm_compat::values;
use portolan_model::{
    ChartId, Code, Finding, HelmRun, Manifest, NewClaim, Object, Platform, Ref, SecretKey, Step, StepKind, Unmodelled,
};
use portolan_recipe::{Advice, Minor, fill};

use super::hop_input::HopInput;
use super::planning::HopRendering;
use super::projected_state::ProjectedState;
use super::resolve::{FoundDatabase, ResolvedRelease};
use super::{existing_secret, is_kind, mounts, not_visible, pick, tls_pair};

/// What can be said before anything is rendered.
pub(super) fn at_start(resolved: &ResolvedRelease<'_>, inputs: &[HopInput<'_>], offered: &[ChartId]) -> Vec<Finding> {
    if inputs.is_empty() {
        return Vec::new();
    }
    let inventory = resolved.inventory;
    let namespace = &resolved.release().namespace;
    let mut findings = Vec::new();
    for kind in ["Pod", "StatefulSet", "Deployment"] {
        if !inventory.is_complete(kind, namespace) {
            findings.push(not_visible(kind, namespace));
        }
    }
    findings.extend(super::reach::unseen(resolved));
    findings.extend(super::reach::shared(resolved));
    for database in &resolved.elsewhere {
        let set = fill(&database.set, resolved.release());
        findings.push(
            Finding::warning(Code::NoDatabase, format!("the release does not run StatefulSet/{set}"))
                .why(format!("{} is elsewhere, or not there: its rows are not compared", database.name))
                .next("make a backup of it, and compare it yourself"),
        );
    }
    for volume in inventory.data_volumes().filter(|volume| !resolved.is_in_use(volume)) {
        findings.push(
            Finding::warning(Code::VolumeDiffers, format!("nothing mounts {} today", volume.claim))
                .why("it is protected and looked after, but what it is for is not known")
                .next("see whether it is left over from an earlier version"),
        );
    }
    findings.extend(missing(resolved, inputs));
    findings.extend(other_host(resolved, inputs));
    if let Some(advice) = &resolved.book.product.advice {
        findings.extend(inputs.iter().filter_map(|input| long_jump(advice, input, offered)));
        findings.extend(inputs.iter().filter_map(|input| other_platform(resolved, advice, input)));
    }
    findings
}

/// What people have to make themselves and did not. What may not be listed is not known to be missing.
fn missing<'a>(resolved: &ResolvedRelease<'_>, inputs: &'a [HopInput<'_>]) -> Vec<Finding> {
    let namespace = &resolved.release().namespace;
    let of = |input: &'a HopInput<'_>| {
        input.boundaries.iter().flat_map(move |boundary| boundary.requires.iter().map(move |one| (input, one)))
    };
    let here = inputs.iter().flat_map(of).filter(|(_, required)| resolved.is_for(required.platform));
    here.filter_map(|(input, required)| {
        Some((input, required, portolan_recipe::object(&required.object, resolved.release())?))
    })
    .filter(|(_, _, name)| !resolved.inventory.objects.contains_key(name))
    .filter(|(_, _, name)| resolved.inventory.is_complete(name.kind(), namespace))
    .map(|(input, required, name)| {
        let make = fill(&required.make, resolved.release());
        let (said, make) = match tls_pair::command(resolved, input, &name) {
            Some(command) => (vec![format!("to make it of other files: {make}")], command),
            None => (Vec::new(), make),
        };
        let mut finding = Finding::blocking(Code::NotThere, format!("{name} is not there"))
            .why(required.why.clone())
            .next(format!("{make}, or accept: --accept PL232 --reason TEXT"));
        finding.evidence = said;
        finding
    })
    .collect()
}

/// The page says `runai.<apps domain>`; a platform that is reached under another host keeps it.
fn other_host(resolved: &ResolvedRelease<'_>, inputs: &[HopInput<'_>]) -> Option<Finding> {
    let mut settings = inputs.iter().flat_map(|input| &input.settings);
    settings.find(|(_, setting)| setting.value.as_str().is_some_and(|value| value.contains("{domain}")))?;
    let Platform::OpenShift { apps_domain, .. } = &resolved.inventory.cluster.platform else { return None };
    let (host, usual) = (resolved.domain()?, format!("runai.{apps_domain}"));
    (!apps_domain.is_empty() && host != usual).then(|| {
        Finding::warning(Code::OtherHost, format!("the platform is reached under {host} today, not under {usual}"))
    })
}

/// A hop over more versions than the vendor tries.
fn long_jump(advice: &Advice, input: &HopInput<'_>, offered: &[ChartId]) -> Option<Finding> {
    let place = |version: &semver::Version| {
        let minor = Minor::from(version);
        advice.versions.iter().rposition(|known| *known <= minor)
    };
    let (from, to) = (place(&input.from.version)?, place(&input.pick.id.version)?);
    let gap = to.saturating_sub(from);
    (gap > advice.most).then(|| {
        let (old, new) = (&input.from.version, &input.pick.id.version);
        let found = format!("{old} -> {new} goes up {gap} versions at once, and the vendor advises at most {}", advice.most);
        Finding::warning(Code::LongJump, found)
            .with(format!("the advice is on the page {} ({})", advice.source.title, advice.source.source))
            .with("the vendor's upgrade page, which the steps of this plan follow, names no such limit")
            .next(match stops(advice, (from, to), input, offered) {
                Some(stops) => format!(
                    "nothing has to be done, the plan is not blocked; to go up in smaller hops: --via {}",
                    stops.join(",")
                ),
                None => "nothing has to be done, the plan is not blocked; no charts on offer would keep each hop within that limit"
                    .into(),
            })
    })
}

/// Versions on offer that keep each hop within the limit: places among the released ones. `None` where there are none.
fn stops(
    advice: &Advice,
    (from, to): (usize, usize),
    input: &HopInput<'_>,
    offered: &[ChartId],
) -> Option<Vec<String>> {
    let spec = |at: usize| advice.versions.get(at).map(ToString::to_string);
    let (mut at, mut stops) = (from, Vec::new());
    while to - at > advice.most {
        let is_offered = |at: &usize| spec(*at).is_some_and(|spec| pick(&spec, offered, &input.from).is_ok());
        at = (at + 1..=at + advice.most).rev().find(is_offered)?;
        stops.extend(spec(at));
    }
    Some(stops)
}

/// A platform that the target was not made for.
fn other_platform(resolved: &ResolvedRelease<'_>, advice: &Advice, input: &HopInput<'_>) -> Option<Finding> {
    let target = Minor::from(&input.pick.id.version);
    let supported = advice.platforms.iter().find(|supported| supported.version == target)?;
    let cluster = &resolved.inventory.cluster;
    let (name, text, (low, high)) = match &cluster.platform {
        Platform::OpenShift { version, .. } => ("OpenShift", version, supported.openshift),
        Platform::Kubernetes => ("Kubernetes", &cluster.version, supported.kubernetes),
    };
    let is = Minor::parse(text)?;
    let source = &advice.platforms_source;
    let next = if is < low {
        format!("upgrade {name} to {low} first, or stop at a version that is made for {is}")
    } else if is > high {
        format!("go on to a version that is made for {name} {is}")
    } else {
        return None;
    };
    let found = format!("{target} is made for {name} {low} to {high}, and this is {is}");
    let finding = Finding::warning(Code::OtherPlatform, found).next(next);
    Some(finding.with(format!("{} ({})", source.title, source.source)))
}

/// A hop as helm will meet it.
pub(super) struct HopContext<'a> {
    pub(super) resolved: &'a ResolvedRelease<'a>,
    pub(super) input: &'a HopInput<'a>,
    /// The installation before the hop's first step.
    pub(super) before: &'a ProjectedState,
    /// What lives when helm starts.
    pub(super) live: &'a BTreeMap<Ref, Object>,
    pub(super) planned: &'a Manifest,
    pub(super) hooks: &'a [Object],
    /// What helm rendered, twice, Secrets in clear: nothing of it may be shown.
    pub(super) renderings: [&'a HopRendering; 2],
    pub(super) run: &'a HelmRun,
    /// The hop's steps.
    pub(super) steps: &'a [Step],
    /// What [`Self::deleted`] and [`Self::falls`] give, once they were asked for.
    pub(super) deleted: OnceCell<Vec<Ref>>,
    pub(super) falls: OnceCell<BTreeMap<Ref, Ref>>,
}

impl HopContext<'_> {
    /// What there is after the hop of an object that helm does not apply: what a hook leaves, else what lives and does not go with
    /// something that the hop deletes.
    pub(super) fn beside(&self, name: &Ref) -> Option<&Object> {
        let goes = || self.falls().contains_key(name) || self.deleted().contains(name);
        let lives = || self.live.get(name).filter(|_| !goes());
        portolan_helm_compat::hooks::left(&self.renderings[0].hooks, name).unwrap_or_else(lives)
    }

    /// What the steps and helm delete in the hop.
    pub(super) fn deleted(&self) -> &[Ref] {
        self.deleted.get_or_init(|| super::taken::deleted(self))
    }

    /// What goes with an object that the hop deletes, and that object.
    pub(super) fn falls(&self) -> &BTreeMap<Ref, Ref> {
        self.falls.get_or_init(|| portolan_kube_facts::falls_with(&self.before.objects, self.deleted()))
    }
}

/// What can reach a volume in this hop and is not modelled.
pub(super) fn unmodelled(context: &HopContext<'_>) -> Vec<Unmodelled> {
    super::reach::unmodelled(context)
}

/// What can be said about a hop.
pub(super) fn of_hop(context: &HopContext<'_>) -> Vec<Finding> {
    let mut findings = hooks(context);
    findings.extend(refused(context));
    findings.extend(context.resolved.databases.iter().filter_map(|database| locked_out(context, database)));
    findings.extend(context.resolved.databases.iter().filter_map(|database| other_secret(context, database)));
    findings.extend(made_again(context));
    findings.extend(not_seen(context));
    findings.extend(super::reach::of_hop(context));
    findings
}

/// Volumes in use that nothing of the new manifest mounts. The rehearsal judges what becomes of them.
pub(super) fn unmounted(context: &HopContext<'_>) -> Vec<Finding> {
    let left = context.resolved.in_use().filter(|volume| {
        !mounts::is_mounted(&context.planned.docs, &volume.claim) && !super::reach::is_of_others(context, &volume.claim)
    });
    left.map(|volume| {
        let mut finding =
            Finding::blocking(Code::NotSafe, format!("nothing in {} mounts {}", context.input.pick.id, volume.claim))
                .about(&volume.claim)
                .why("the data stays behind, and the new workload starts on something else")
                .next(name_it(context, &volume.claim));
        for mount in &volume.mounts {
            finding = finding.with(format!("{} mounts it today", mount.pod));
        }
        uses_revision(context).into_iter().fold(finding, Finding::with)
    })
    .collect()
}

/// How a chart is told the name of a PVC that exists.
fn name_it(context: &HopContext<'_>, claim: &Ref) -> String {
    let chart = &context.input.pick.id;
    let paths = context.input.chart.as_ref().map(values::claim_names);
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
fn uses_revision(context: &HopContext<'_>) -> Vec<String> {
    let Some(chart) = &context.input.chart else { return Vec::new() };
    let is_template = |name: &str| name.starts_with("templates/") || name.contains("/templates/");
    let revision = context.before.revision + 1;
    let files = chart.files.iter().filter(|(name, _)| is_template(name));
    files
        .filter(|(_, bytes)| String::from_utf8_lossy(bytes).contains("Release.Revision"))
        .map(|(name, _)| format!("{name} uses .Release.Revision, which is {revision} in this upgrade"))
        .collect()
}

/// Helm deletes the object of a hook that the upgrade runs before it makes it again, whatever its annotations say.
fn hooks(context: &HopContext<'_>) -> Vec<Finding> {
    let running = portolan_helm_compat::hooks::of(context.hooks).into_iter().filter(Hook::runs_in_upgrade);
    let storage = running.filter_map(|hook| hook.object.name()).filter(Ref::is_storage);
    storage
        .filter(|name| context.live.contains_key(name))
        .map(|name| {
            Finding::blocking(Code::NotSafe, format!("{} has {name} as a hook", context.input.pick.id))
                .why("helm deletes the object of a hook before it makes it again, whatever its annotations say")
                .next("this chart cannot be applied over this installation")
        })
        .collect()
}

/// Secrets that will be there without the key that the chart looks for.
fn refused(context: &HopContext<'_>) -> Vec<Finding> {
    let guards = context.run.required_keys.iter().filter(|guard| {
        context.live.get(&guard.key.secret).is_some_and(|live| !live.data_keys().contains(&guard.key.key.as_str()))
    });
    guards
        .map(|guard| {
            Finding::blocking(Code::ChartRefuses, format!("{} will not render", context.input.pick.id))
                .with(guard.message.clone())
                .why("helm renders against the cluster, and refuses after the preparations were done")
                .next("leave nothing out: a recipe deletes this Secret once it is archived")
        })
        .collect()
}

/// A database whose password the new chart would not know: its Secret is not there any more when helm starts, and the
/// rendering has another value in its place.
fn locked_out(context: &HopContext<'_>, database: &FoundDatabase<'_>) -> Option<Finding> {
    let secret = &database.reference.password.secret;
    let doc = super::reach::planned(context, secret)?;
    if context.live.contains_key(secret) || !mounts_today(context, database) {
        return None;
    }
    let parts = ["data", "stringData"].iter().filter_map(|part| doc.0.get(part)?.as_object());
    let is_kept = parts
        .flat_map(|map| map.values())
        .any(|value| value.as_str().is_some_and(|text| text.starts_with(Manifest::CARRIED)));
    (!is_kept).then(|| {
        let found = format!("{} gives {} another password", context.input.pick.id, database.set);
        Finding::blocking(Code::PasswordRefused, found)
            .why("the data directory keeps the password it was made with")
            .next("do not leave out carry-credentials, and give no other password among the values")
    })
}

/// A database whose password is in a Secret of the site's own, and of which the new chart reads another one.
fn other_secret(context: &HopContext<'_>, database: &FoundDatabase<'_>) -> Option<Finding> {
    if !database.has_site_secret() {
        return None;
    }
    let (chart, release) = (&context.input.pick.id, context.resolved.release());
    let refused = |what: String| {
        Finding::blocking(Code::PasswordRefused, format!("{chart} gives {} another password", database.set))
            .with(format!("today: {} of {}", database.reference.password.key, database.reference.password.secret))
            .with(what)
            .why("the data directory keeps the password it was made with")
            .next("give the chart the Secret of today, or put its password into the other one")
    };
    let by_values = || {
        let named = existing_secret::named(database.recipe, &chart.name, &context.input.after)?;
        let key = named.key.or_else(|| database.recipe.password.keys.first().cloned())?;
        Some(SecretKey { secret: Ref::secret(&release.namespace, &fill(&named.name, release)), key })
    };
    // What the new container reads counts, under whatever value its chart takes the Secret's name.
    let server = super::reach::planned(context, &database.set);
    let read = server.and_then(|server| existing_secret::read_by_server(database.recipe, server));
    let Some(then) = read.or_else(by_values) else {
        return Some(refused("then: a Secret that the chart makes".into()));
    };
    if context.resolved.plaintext(&then).is_some_and(|text| text == database.plaintext) {
        return None;
    }
    let SecretKey { secret, key } = &then;
    Some(refused(match (super::reach::planned(context, secret), context.live.get(secret)) {
        (Some(_), _) => format!("then: {key} of {secret}, which the chart makes"),
        (None, None) => format!("then: {key} of {secret}, which is not there"),
        (None, Some(live)) if !live.data_keys().contains(&key.as_str()) => {
            format!("then: {key} of {secret}, which has the keys {}", live.data_keys().join(", "))
        }
        (None, Some(_)) => format!("then: {key} of {secret}"),
    }))
}

/// What a step deletes and somebody makes again: it is there when helm starts, as it was.
fn made_again(context: &HopContext<'_>) -> Vec<Finding> {
    const MARK: &str = "/metadata/labels/reconcile.external-secrets.io~1managed";
    let deletes = context.steps.iter().filter_map(|step| match &step.kind {
        StepKind::DeleteObject { target, .. } => Some((target, context.before.objects.get(target)?)),
        _ => None,
    });
    let kept_by = |live: &Object| {
        let owner = portolan_kube_facts::list(live.at("/metadata")?, "ownerReferences").first().cloned();
        let text = |key: &str| owner.as_ref()?.get(key)?.as_str().map(str::to_owned);
        let by = text("kind").zip(text("name")).map(|(kind, name)| format!("{kind}/{name} owns it"));
        by.or_else(|| live.at(MARK).map(|_| "External Secrets manages it".to_owned()))
    };
    deletes
        .filter_map(|(target, live)| Some((target, kept_by(live)?)))
        .map(|(target, by)| {
            Finding::blocking(Code::MadeAgain, format!("{target} has to be deleted, and would be made again"))
                .about(target)
                .with(by)
        })
        .collect()
}

/// Only an existing data directory knows a password already.
fn mounts_today(context: &HopContext<'_>, database: &FoundDatabase<'_>) -> bool {
    let of_set =
        |volume: &&portolan_model::Volume| volume.mounts.iter().any(|mount| mount.pod == database.reference.pod);
    context.resolved.inventory.data_volumes().any(|volume| of_set(&volume)) || database.claim.is_some()
}

/// Kinds of the new manifest that this user may not list: whether such an object is new is then not known.
fn not_seen(context: &HopContext<'_>) -> Option<Finding> {
    let denied: BTreeSet<&str> = context.resolved.inventory.denied().map(|scope| scope.kind.as_str()).collect();
    let kinds: BTreeSet<&str> = context.planned.docs.iter().map(|doc| doc.text("/kind")).collect();
    let both: Vec<&str> = kinds.intersection(&denied).copied().collect();
    (!both.is_empty()).then(|| {
        Finding::warning(Code::NotVisible, format!("this user may not list {}", both.join(", ")))
            .why("which of these objects are there already is not known")
    })
}

/// New PVCs need a storage class.
pub(super) fn check_class(
    resolved: &ResolvedRelease<'_>,
    new: &[NewClaim],
    docs: &[Object],
    live: &BTreeMap<Ref, Object>,
) -> Result<(), Finding> {
    let cluster = &resolved.inventory.cluster;
    // Where classes may not be listed, that none was seen says nothing.
    if cluster.default_class.is_some() || !resolved.inventory.is_complete("StorageClass", "") {
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
