//! One hop: a leg, a standing and a rendering become steps, changes and findings.

use std::collections::{BTreeMap, BTreeSet};

use helm_compat::{manifest, redact, upgrade};
use model::{Code, Finding, HelmClient, HelmRun, Hop, KeyGuard, Manifest, NewClaim, Object, Ref, SecretKey, canonical};
use recipe::fill;
use serde_json::Value;

use super::ground::Ground;
use super::leg::Leg;
use super::standing::Standing;
use super::steps::Desk;
use super::{Objects, Rendering, Servers, check_objects, checks, fates, mounts, notes, opens};

pub(super) struct Made {
    pub(super) hop: Hop,
    pub(super) findings: Vec<Finding>,
    /// What can reach a volume in this hop and is not modelled.
    pub(super) unmodelled: Vec<model::Unmodelled>,
}

/// Makes a hop, and moves the standing behind it.
pub(super) fn make(
    ground: &Ground<'_>,
    leg: &Leg<'_>,
    standing: &mut Standing,
    servers: &Servers,
    helm: &HelmClient,
    rendering: &Rendering,
    objects: &mut Objects,
) -> Result<Made, Finding> {
    let (planned, hooks) = read(ground, leg, rendering)?;
    let run = run(ground, leg, standing, helm, &planned, objects);
    let mut findings = Vec::new();
    let desk = Desk { ground, leg, standing, docs: &planned.docs, run: &run };
    let mut steps = desk.steps(&mut findings);
    steps.insert(0, check_objects::step(&desk, &redact::planned(&hooks, &hooks, &leg.plain), &steps, objects));
    let live = standing.when_helm_starts(&steps);
    let changes = upgrade::changes(&standing.docs, &planned.docs, &|name| live.get(name).cloned());
    let new_claims = new_claims(&planned.docs, &live);
    notes::check_class(ground, &new_claims, &planned.docs, &live)?;
    let scene = notes::Scene {
        ground,
        leg,
        before: standing,
        live: &live,
        planned: &planned,
        hooks: &hooks,
        run: &run,
        steps: &steps,
    };
    findings.extend(notes::of_hop(&scene));
    let checks::Report { findings: more, mut unmodelled } = checks::of_hop(&scene);
    findings.extend(more);
    unmodelled.extend(notes::unmodelled(&scene));
    findings.extend(opens::of_hop(ground, leg, standing, &planned, servers));
    let hop = Hop {
        from: leg.from.clone(),
        to: leg.pick.id.clone(),
        boundaries: leg.boundaries.iter().map(|boundary| boundary.name.clone()).collect(),
        steps,
        changes,
        new_claims,
        values: fates::of(ground, leg),
    };
    findings.extend(fates::dropped(leg, &hop.values));
    standing.pass(&hop, live, &planned);
    Ok(Made { hop, findings, unmodelled })
}

/// The planned manifest and, apart from it, the hooks.
fn read(ground: &Ground<'_>, leg: &Leg<'_>, rendering: &Rendering) -> Result<(Manifest, Vec<Object>), Finding> {
    let refuses = |what: String| {
        Finding::blocking(Code::ChartRefuses, format!("the rendering of {} is no manifest", leg.pick.id)).with(what)
    };
    let parse = |text: &str| {
        manifest::parse(text, &ground.release().namespace)
            .map(manifest::split_hooks)
            .map_err(|error| refuses(error.to_string()))
    };
    let ((mut first, hooks), (second, _)) = (parse(&rendering.first)?, parse(&rendering.second)?);
    let mut seen = BTreeSet::new();
    for doc in &first {
        let name = doc.name().ok_or_else(|| refuses(format!("an object of kind {} has no name", doc.text("/kind"))))?;
        if !seen.insert(name.clone()) {
            return Err(refuses(format!("{name} stands in it twice")));
        }
    }
    manifest::install_order(&mut first);
    Ok((redact::planned(&first, &second, &leg.plain), hooks))
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
