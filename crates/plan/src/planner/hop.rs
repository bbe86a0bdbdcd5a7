//! One hop: its input, the projected state and a rendering become steps, changes and findings.

use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet};

use portolan_helm_compat::{hooks, redact, upgrade};
use portolan_model::{
    Code, Finding, HelmClient, HelmRun, Hop, Manifest, NewClaim, Object, Ref, RequiredSecretKey, SecretKey, canonical,
};
use portolan_recipe::fill;
use serde_json::Value;

use super::hop_input::HopInput;
use super::planning::HopRendering;
use super::projected_state::ProjectedState;
use super::resolve::{FoundDatabase, ResolvedRelease};
use super::steps::StepBuilder;
use super::{Objects, check_objects, checks, findings, mounts, values_diff};

/// A hop, and what a plan says of it.
pub(super) struct PlannedHop {
    pub(super) hop: Hop,
    pub(super) findings: Vec<Finding>,
    /// The volumes in use that nothing of its manifest mounts.
    pub(super) unmounted: Vec<Finding>,
    /// What can reach a volume in this hop and is not modelled.
    pub(super) unmodelled: Vec<portolan_model::Unmodelled>,
    /// The installation before it.
    pub(super) before: ProjectedState,
    pub(super) manifest: Manifest,
}

/// A hop that was made, before the installation moves on.
pub(super) struct BuiltHop {
    pub(super) hop: Hop,
    /// What lives when helm starts.
    pub(super) live: BTreeMap<Ref, Object>,
    manifest: Manifest,
    findings: Vec<Finding>,
    unmounted: Vec<Finding>,
    unmodelled: Vec<portolan_model::Unmodelled>,
}

impl BuiltHop {
    /// The installation after the hop, with the hooks of its rendering, and the hop.
    pub(super) fn advance(self, before: ProjectedState, hooks: Vec<Object>) -> (ProjectedState, PlannedHop) {
        let after = ProjectedState { hooks, ..before.after(&self.hop, self.live, &self.manifest) };
        let Self { hop, manifest, findings, unmounted, unmodelled, .. } = self;
        (after, PlannedHop { hop, findings, unmounted, unmodelled, before, manifest })
    }
}

/// What lives when helm starts. No step before helm depends on what it renders.
pub(super) fn before_helm(
    resolved: &ResolvedRelease<'_>,
    input: &HopInput<'_>,
    state: &ProjectedState,
    helm: &HelmClient,
) -> BTreeMap<Ref, Object> {
    let run = run(resolved, input, state, helm, &Manifest::default(), &mut Objects::default());
    let builder = StepBuilder { resolved, input, state, docs: &[], run: &run };
    state.before_helm(&builder.steps(&mut Vec::new()))
}

/// Makes a hop of its two renderings.
pub(super) fn make(
    resolved: &ResolvedRelease<'_>,
    input: &HopInput<'_>,
    state: &ProjectedState,
    helm: &HelmClient,
    [first, second]: &[HopRendering; 2],
    objects: &mut Objects,
) -> Result<BuiltHop, Finding> {
    let planned = manifest(input, first, second)?;
    let run = run(resolved, input, state, helm, &planned, objects);
    let mut findings = Vec::new();
    let builder = StepBuilder { resolved, input, state, docs: &planned.docs, run: &run };
    let mut steps = builder.steps(&mut findings);
    let hooks = redact::planned(&first.hooks, &second.hooks, &input.plain);
    steps.insert(0, check_objects::step(&builder, &hooks, &steps, objects));
    let live = state.before_helm(&steps);
    let changes = upgrade::changes(&state.docs, &planned.docs, helm.version(), &|name| live.get(name).cloned());
    let mut archived = checks::removed_secrets(state, &planned, &first.hooks, &live);
    let upgrade = checks::Upgrade {
        resolved,
        before: state,
        live: &live,
        planned: &planned,
        rendering: first,
        changes: &changes,
        helm,
    };
    archived.extend(upgrade.archived());
    archived.extend(input.moved.secrets.iter().map(|carried| carried.from.secret.clone()));
    builder.archive(&mut steps, archived);
    builder.retain_again(&mut steps, &checks::unretained(resolved, state, &live, &planned));
    let new_claims = new_claims(&planned.docs, &live);
    findings::check_class(resolved, &new_claims, &planned.docs, &live)?;
    let context = findings::HopContext {
        resolved,
        input,
        before: state,
        live: &live,
        planned: &planned,
        hooks: &first.hooks,
        renderings: [first, second],
        run: &run,
        steps: &steps,
        deleted: OnceCell::new(),
        falls: OnceCell::new(),
    };
    findings.extend(findings::of_hop(&context));
    let unmounted = findings::unmounted(&context);
    let checks::Report { findings: more, mut unmodelled, value_changes: other } = checks::of_hop(&context);
    findings.extend(more);
    unmodelled.extend(findings::unmodelled(&context));
    let hop = Hop {
        release: None,
        from: input.from.clone(),
        to: input.pick.id.clone(),
        boundaries: input.boundaries.iter().map(|boundary| boundary.name.clone()).collect(),
        steps,
        changes,
        new_claims,
        hooks: hooks::of(&first.hooks).iter().filter_map(hooks::Hook::planned).collect(),
        values: values_diff::of(resolved, input, &other),
    };
    Ok(BuiltHop { hop, live, manifest: planned, findings, unmounted, unmodelled })
}

/// The planned manifest, hooks not included.
fn manifest(input: &HopInput<'_>, first: &HopRendering, second: &HopRendering) -> Result<Manifest, Finding> {
    let refuses = |what: String| {
        Finding::blocking(Code::ChartRefuses, format!("the rendering of {} is no manifest", input.pick.id)).with(what)
    };
    let mut seen = BTreeSet::new();
    for doc in &first.objects {
        let name = doc.name().ok_or_else(|| refuses(format!("an object of kind {} has no name", doc.text("/kind"))))?;
        if !seen.insert(name.clone()) {
            return Err(refuses(format!("{name} stands in it twice")));
        }
    }
    Ok(redact::planned(&first.objects, &second.objects, &input.plain))
}

fn run(
    resolved: &ResolvedRelease<'_>,
    input: &HopInput<'_>,
    state: &ProjectedState,
    helm: &HelmClient,
    planned: &Manifest,
    objects: &mut Objects,
) -> HelmRun {
    let release = resolved.release();
    let numbers = |version: &semver::Version| (version.major, version.minor, version.patch);
    let refusals = &resolved.book.product.refusals;
    HelmRun {
        release: release.clone(),
        base_revision: Some(state.revision),
        client: helm.clone(),
        chart: input.pick.id.clone(),
        archive: Some(objects.keep(&input.pick.archive)),
        values: Some(objects.keep(&canonical(&input.given))),
        carried: input.carried.clone(),
        mode: input.mode,
        manifest: objects.keep(&canonical(planned)),
        docs: redact::fingerprint(&planned.docs, &planned.nondeterministic_fields),
        nondeterministic_fields: planned.nondeterministic_fields.clone(),
        required_keys: refusals
            .iter()
            // A chart does not look into a Secret of its own name where it is told another's.
            .filter(|refusal| {
                let is_own = |found: &FoundDatabase<'_>| {
                    found.has_site_secret() && found.recipe.password.secret == refusal.secret
                };
                !resolved.databases.iter().any(is_own)
            })
            .filter(|refusal| numbers(&input.pick.id.version) >= numbers(&refusal.since))
            .map(|refusal| RequiredSecretKey {
                key: SecretKey {
                    secret: Ref::secret(&release.namespace, &fill(&refusal.secret, release)),
                    key: refusal.key.clone(),
                },
                message: fill(&refusal.message, release),
            })
            .collect(),
    }
}

/// PVCs that the sets of the new manifest will make and that are not there.
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
