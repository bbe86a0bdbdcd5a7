//! One hop: a leg, a standing and a rendering become steps, changes and findings.

use std::collections::{BTreeMap, BTreeSet};

use helm_compat::{hooks, redact, upgrade};
use model::{Code, Finding, HelmClient, HelmRun, Hop, KeyGuard, Manifest, NewClaim, Object, Ref, SecretKey, canonical};
use recipe::fill;
use serde_json::Value;

use super::ground::Ground;
use super::leg::Leg;
use super::planning::HopRendering;
use super::standing::Standing;
use super::steps::Desk;
use super::{Objects, check_objects, checks, fates, mounts, notes};

/// A hop, and what a plan says of it.
pub(super) struct PlannedHop {
    pub(super) hop: Hop,
    pub(super) findings: Vec<Finding>,
    /// The volumes in use that nothing of its manifest mounts.
    pub(super) unmounted: Vec<Finding>,
    /// What can reach a volume in this hop and is not modelled.
    pub(super) unmodelled: Vec<model::Unmodelled>,
    /// The installation before it.
    pub(super) before: Standing,
    pub(super) manifest: Manifest,
}

/// A hop that was made, before the installation moves on.
pub(super) struct Made {
    pub(super) hop: Hop,
    /// What lives when helm starts.
    pub(super) live: BTreeMap<Ref, Object>,
    manifest: Manifest,
    findings: Vec<Finding>,
    unmounted: Vec<Finding>,
    unmodelled: Vec<model::Unmodelled>,
}

impl Made {
    /// The installation after the hop, and the hop.
    pub(super) fn pass(self, before: Standing) -> (Standing, PlannedHop) {
        let after = before.after(&self.hop, self.live, &self.manifest);
        let Self { hop, manifest, findings, unmounted, unmodelled, .. } = self;
        (after, PlannedHop { hop, findings, unmounted, unmodelled, before, manifest })
    }
}

/// What lives when helm starts. No step before helm depends on what it renders.
pub(super) fn before_helm(
    ground: &Ground<'_>,
    leg: &Leg<'_>,
    standing: &Standing,
    helm: &HelmClient,
) -> BTreeMap<Ref, Object> {
    let run = run(ground, leg, standing, helm, &Manifest::default(), &mut Objects::default());
    let desk = Desk { ground, leg, standing, docs: &[], run: &run };
    standing.when_helm_starts(&desk.steps(&mut Vec::new()))
}

/// Makes a hop of its two renderings.
pub(super) fn make(
    ground: &Ground<'_>,
    leg: &Leg<'_>,
    standing: &Standing,
    helm: &HelmClient,
    [first, second]: &[HopRendering; 2],
    objects: &mut Objects,
) -> Result<Made, Finding> {
    let planned = manifest(leg, first, second)?;
    let run = run(ground, leg, standing, helm, &planned, objects);
    let mut findings = Vec::new();
    let desk = Desk { ground, leg, standing, docs: &planned.docs, run: &run };
    let mut steps = desk.steps(&mut findings);
    let hooks = redact::planned(&first.hooks, &second.hooks, &leg.plain);
    steps.insert(0, check_objects::step(&desk, &hooks, &steps, objects));
    let live = standing.when_helm_starts(&steps);
    desk.archive(&mut steps, checks::removed_secrets(standing, &planned, &first.hooks, &live));
    let changes = upgrade::changes(&standing.docs, &planned.docs, helm.version(), &|name| live.get(name).cloned());
    let new_claims = new_claims(&planned.docs, &live);
    notes::check_class(ground, &new_claims, &planned.docs, &live)?;
    let scene = notes::Scene {
        ground,
        leg,
        before: standing,
        live: &live,
        planned: &planned,
        hooks: &first.hooks,
        renderings: [first, second],
        run: &run,
        steps: &steps,
    };
    findings.extend(notes::of_hop(&scene));
    let unmounted = notes::unmounted(&scene);
    let checks::Report { findings: more, mut unmodelled, fates: other } = checks::of_hop(&scene);
    findings.extend(more);
    unmodelled.extend(notes::unmodelled(&scene));
    let hop = Hop {
        from: leg.from.clone(),
        to: leg.pick.id.clone(),
        boundaries: leg.boundaries.iter().map(|boundary| boundary.name.clone()).collect(),
        steps,
        changes,
        new_claims,
        hooks: hooks::of(&first.hooks).iter().filter_map(hooks::Hook::planned).collect(),
        values: fates::of(ground, leg, &other),
    };
    findings.extend(fates::dropped(leg, &hop.values));
    Ok(Made { hop, live, manifest: planned, findings, unmounted, unmodelled })
}

/// The planned manifest, hooks not included.
fn manifest(leg: &Leg<'_>, first: &HopRendering, second: &HopRendering) -> Result<Manifest, Finding> {
    let refuses = |what: String| {
        Finding::blocking(Code::ChartRefuses, format!("the rendering of {} is no manifest", leg.pick.id)).with(what)
    };
    let mut seen = BTreeSet::new();
    for doc in &first.objects {
        let name = doc.name().ok_or_else(|| refuses(format!("an object of kind {} has no name", doc.text("/kind"))))?;
        if !seen.insert(name.clone()) {
            return Err(refuses(format!("{name} stands in it twice")));
        }
    }
    Ok(redact::planned(&first.objects, &second.objects, &leg.plain))
}

fn run(
    ground: &Ground<'_>,
    leg: &Leg<'_>,
    standing: &Standing,
    helm: &HelmClient,
    planned: &Manifest,
    objects: &mut Objects,
) -> HelmRun {
    let release = ground.release();
    let numbers = |version: &semver::Version| (version.major, version.minor, version.patch);
    let refusals = &ground.book.product.refusals;
    HelmRun {
        release: release.clone(),
        base_revision: standing.revision,
        client: helm.clone(),
        chart: leg.pick.id.clone(),
        archive: objects.keep(&leg.pick.archive),
        values: objects.keep(&canonical(&leg.given)),
        carried: leg.carried.clone(),
        mode: leg.mode,
        manifest: objects.keep(&canonical(planned)),
        docs: redact::fingerprint(&planned.docs, &planned.free),
        free: planned.free.clone(),
        guards: refusals
            .iter()
            .filter(|refusal| numbers(&leg.pick.id.version) >= numbers(&refusal.since))
            .map(|refusal| KeyGuard {
                key: SecretKey {
                    secret: Ref::secret(&release.namespace, &fill(&refusal.secret, release)),
                    key: refusal.key.clone(),
                },
                message: fill(&refusal.message, release),
            })
            .collect(),
    }
}

/// Claims that the sets of the new manifest will make and that are not there.
fn new_claims(docs: &[Object], live: &BTreeMap<Ref, Object>) -> Vec<NewClaim> {
    let text = |template: &Value, pointer: &str| template.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
    let mut new = Vec::new();
    for (set, made) in docs.iter().filter_map(|doc| Some((doc.name()?, mounts::made_by(doc)))) {
        new.extend(made.into_iter().filter(|made| !live.contains_key(&made.claim)).map(|made| NewClaim {
            claim: made.claim,
            set: set.clone(),
            size: text(made.template, "/spec/resources/requests/storage").unwrap_or_default(),
            class: text(made.template, "/spec/storageClassName"),
        }));
    }
    new
}
