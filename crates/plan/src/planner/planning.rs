//! Planning, one rendering after the other. Nothing here reaches a cluster or starts a helm: the caller does what it asks for.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use portolan_helm_compat::{chart, manifest, record, values};
use portolan_model::{
    Carried, ChartId, Code, DatabaseRef, Expected, Finding, HelmClient, Object, Overlay, Plan, PlanFile, PlannedValue,
    Precondition, Ref, ReleaseId, ReliedKinds, RenderJob, Rendered, Rendering, Severity, SiteRegistry,
};
use portolan_recipe::RecipeSet;
use serde_json::{Value, json};

use super::hop::{self, PlannedHop};
use super::hop_input::{self, HopInput};
use super::lookups::{self, Lookups};
use super::projected_state::ProjectedState;
use super::resolve::ResolvedRelease;
use super::{
    Objects, Servers, UpgradeRequest, accept, api_versions, check, database_compat, empty, existing_secret, findings,
    mounts, outside, overlay, preconditions, protected, unmodelled, values_diff,
};
use crate::images::entrances::{self, Entrance};
use crate::images::pulls::{HopObjects, PodPull};
use crate::images::{ImageList, PlannedImage};
use crate::linter;
use portolan_inventory::survey::Survey;

/// A plan that is being made: it asks for one rendering after the other, since what a hop renders depends on what the hop before
/// rendered, and is then finished with what the databases' servers say.
///
/// ```text
/// let mut planning = Planning::new(&survey, &book, &request, &helm)?;
/// while let Some(job) = planning.job() {
///     planning.rendered(&render(&job)?)?;
/// }
/// let file = planning.finish(&servers(planning.databases()))?;
/// ```
pub struct Planning<'a> {
    survey: &'a Survey,
    request: &'a UpgradeRequest,
    helm: &'a HelmClient,
    resolved: ResolvedRelease<'a>,
    inputs: Vec<HopInput<'a>>,
    /// The installation when the next hop begins.
    state: ProjectedState,
    /// What the hops before leave, for the first and for the second rendering.
    left: [Overlay; 2],
    hops: Vec<PlannedHop>,
    renderings: Vec<HopRendering>,
    objects: Objects,
    findings: Vec<Finding>,
    lookups: BTreeMap<Ref, Precondition>,
    /// What each hop finds changed when helm starts, and leaves.
    changed: Vec<[Overlay; 2]>,
    /// Where all images have to come from.
    registry: Option<SiteRegistry>,
}

/// What a hop renders, Secrets in clear: for checks that need the objects as helm will send them. It stays in memory; the
/// plan holds the same objects without what nobody may see.
#[derive(Clone)]
pub struct HopRendering {
    /// The objects in the order in which helm applies them.
    pub objects: Vec<Object>,
    /// The hooks.
    pub hooks: Vec<Object>,
    /// The Secret that will hold the release's record; `None` for a rendering without a cluster.
    pub record: Option<Object>,
}

impl HopRendering {
    /// The planned object of a name.
    #[must_use]
    pub fn object(&self, name: &Ref) -> Option<&Object> {
        self.objects.iter().find(|object| object.name().as_ref() == Some(name))
    }

    /// Reads what helm rendered.
    ///
    /// # Errors
    /// [`Code::ChartRefuses`] where it is no manifest.
    pub(super) fn read(rendered: &Rendered, input: &HopInput<'_>, release: &ReleaseId) -> Result<Self, Finding> {
        let refuses = |what: String| {
            Finding::blocking(Code::ChartRefuses, format!("the rendering of {} is no manifest", input.pick.id))
                .with(what)
        };
        let parse = |text: &str| manifest::parse(text, &release.namespace).map_err(|error| refuses(error.to_string()));
        let (mut objects, mut hooks) = manifest::split_hooks(parse(&rendered.manifest)?);
        for text in &rendered.hooks {
            hooks.extend(parse(text)?);
        }
        manifest::install_order(&mut objects);
        let record = rendered.record.as_ref().and_then(record::deployed);
        Ok(Self { objects, hooks, record })
    }
}

/// Without the objects: they hold passwords.
impl fmt::Debug for HopRendering {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HopRendering({} objects, {} hooks)", self.objects.len(), self.hooks.len())
    }
}

impl<'a> Planning<'a> {
    /// Looks at what was found and what is wished. A plan to what is installed needs no rendering and has no hops.
    ///
    /// # Errors
    /// Where the installation cannot be upgraded as wished: [`Code::NotDeployed`], [`Code::Downgrade`], [`Code::NoTarget`],
    /// [`Code::NotVisible`], [`Code::NotSafe`] (a PVC with data is being deleted), [`Code::NoCredentials`],
    /// [`Code::BadOption`] (`without` names what the plan does not have), [`Code::BadValues`], [`Code::BadRecipe`].
    pub fn new(
        survey: &'a Survey,
        book: &'a RecipeSet,
        request: &'a UpgradeRequest,
        helm: &'a HelmClient,
    ) -> Result<Self, Finding> {
        let inventory = &survey.inventory;
        check(inventory, book, request)?;
        let mut resolved = ResolvedRelease::find(inventory, &|key| survey.secrets.get(key).map(str::to_owned), book)?;
        resolved.secrets = Some(&survey.secrets);
        outside::check_options(&resolved, request)?;
        if let Some(file) = &request.database_ca {
            resolved.outside.iter_mut().for_each(|outside| outside.trust(file));
        }
        let inputs = hop_input::inputs(&resolved, request)?;
        Ok(Self {
            survey,
            request,
            helm,
            resolved,
            inputs,
            state: ProjectedState::of(inventory),
            left: [Overlay::default(), Overlay::default()],
            hops: Vec::new(),
            renderings: Vec::new(),
            objects: Objects::default(),
            findings: Vec::new(),
            lookups: BTreeMap::new(),
            changed: Vec::new(),
            registry: None,
        })
    }

    /// The databases whose servers are asked for their version.
    pub fn databases(&self) -> Vec<DatabaseRef> {
        self.resolved.references().cloned().collect()
    }

    /// The rendering that is needed next; `None` when there are all.
    #[must_use]
    pub fn job(&self) -> Option<RenderJob> {
        let input = self.inputs.get(self.hops.len())?;
        let inventory = &self.survey.inventory;
        let mut given = input.given.clone();
        for (path, text) in &input.plain {
            values::set(&mut given, path, json!(text));
        }
        Some(RenderJob {
            chart: input.pick.id.clone(),
            archive: Arc::from(input.pick.archive.as_slice()),
            release: inventory.release.id.clone(),
            revision: self.state.revision + 1,
            mode: input.mode,
            given,
            values: input.after.clone(),
            kube_version: inventory.cluster.version.clone(),
            api_versions: api_versions(inventory),
            overlays: self.overlays(input),
        })
    }

    fn overlays(&self, input: &HopInput<'_>) -> [Overlay; 2] {
        let live = hop::before_helm(&self.resolved, input, &self.state, self.helm);
        self.left.each_ref().map(|left| overlay::before_helm(left, &self.state, &live))
    }

    /// Takes the rendering of [`Self::job`].
    ///
    /// # Errors
    /// [`Code::ChartRefuses`] where it is no manifest, and [`Code::NoStorageClass`].
    pub fn rendered(&mut self, rendering: &Rendering) -> Result<(), Finding> {
        let Some(input) = self.inputs.get(self.hops.len()) else {
            return Err(Finding::blocking(Code::BadPlan, "a rendering that was not asked for"));
        };
        let release = &self.survey.inventory.release.id;
        let read = |rendered: &Rendered| HopRendering::read(rendered, input, release);
        let both = [read(&rendering.first)?, read(&rendering.second)?];
        let made = hop::make(&self.resolved, input, &self.state, self.helm, &both, &mut self.objects)?;
        let [first, second] = self.overlays(input);
        let lookups = Lookups {
            reads: &rendering.reads,
            overlay: &first,
            left: &self.left[0],
            is_first: self.hops.is_empty(),
            rendered: &both[0],
        };
        self.lookups.extend(lookups.preconditions());
        self.findings.extend(lookups.findings());
        let after = |rendered: &HopRendering, before: Overlay| {
            let after = overlay::After {
                release,
                secrets: &self.survey.secrets,
                before: &self.state,
                live: &made.live,
                changes: &made.hop.changes,
                rendered,
            };
            after.overlay(before)
        };
        self.left = [after(&both[0], first.clone()), after(&both[1], second)];
        self.changed.push([first, self.left[0].clone()]);
        let (next, planned) = made.advance(std::mem::take(&mut self.state), both[0].hooks.clone());
        self.state = next;
        self.hops.push(planned);
        let [first, _] = both;
        self.renderings.push(first);
        Ok(())
    }

    /// What was rendered until now, a hop each, Secrets in clear.
    #[must_use]
    pub fn renderings(&self) -> &[HopRendering] {
        &self.renderings
    }

    /// The images of what was rendered until now, by name.
    #[must_use]
    pub fn images(&self) -> Vec<PlannedImage> {
        let mut all = ImageList::new(&self.resolved.book.product, &self.survey.inventory.release.id);
        for (input, rendering) in self.inputs.iter().zip(&self.renderings) {
            all.hop(&input.pick.id, &rendering.objects, &rendering.hooks);
            match &input.chart {
                Some(chart) => all.values(&values::coalesced(chart, &input.after)),
                None => all.values(&input.after),
            }
        }
        all.images()
    }

    /// What the pods of what was rendered until now pull, and with which Secrets.
    #[must_use]
    pub fn pods(&self) -> Vec<PodPull> {
        let hops = self.inputs.iter().zip(&self.renderings).zip(&self.changed);
        hops.flat_map(|((input, rendered), changed)| {
            HopObjects::new(self.survey, changed, rendered).pods(&input.pick.id)
        })
        .collect()
    }

    /// The hosts under which the platform is reached over TLS when the last rendering lives.
    #[must_use]
    pub fn entrances(&self) -> Vec<Entrance> {
        let last = self.renderings.last().zip(self.changed.last());
        last.map_or_else(Vec::new, |(rendered, changed)| {
            entrances::entrances(&HopObjects::new(self.survey, changed, rendered))
        })
    }

    /// Binds the plan to the registry that its images have to come from, and adds what was found there.
    pub fn images_from(&mut self, registry: SiteRegistry, findings: Vec<Finding>) {
        self.registry = Some(registry);
        self.findings.extend(findings);
    }

    /// The user-supplied values that the release has at the end, passwords included, and those of them that come out of Secrets.
    #[must_use]
    pub fn values_at_end(&self) -> Option<(&Value, &[Carried])> {
        self.inputs.last().map(|input| (&input.after, input.carried.as_slice()))
    }

    /// What becomes of the values in each hop. Of a hop that is not rendered yet it is not known which of them have no effect.
    #[must_use]
    pub fn decided_values(&self) -> Vec<Vec<PlannedValue>> {
        let of = |(at, input): (usize, &HopInput<'_>)| match self.hops.get(at) {
            Some(planned) => planned.hop.values.clone(),
            None => values_diff::of(&self.resolved, input, &BTreeMap::new()),
        };
        self.inputs.iter().enumerate().map(of).collect()
    }

    /// The chart at the end of the way.
    #[must_use]
    pub fn to(&self) -> &ChartId {
        self.inputs.last().map_or(&self.survey.inventory.release.chart, |input| &input.pick.id)
    }

    /// Adds what somebody who looked at the renderings has found.
    pub fn note(&mut self, findings: impl IntoIterator<Item = Finding>) {
        self.findings.extend(findings);
    }

    /// The plan, when every rendering is there. It keeps the rules of the [linter]: what is not safe because steps were left out
    /// is among its findings.
    ///
    /// # Errors
    /// [`Code::BadOption`] where a finding is accepted that cannot be or that there is not; [`Code::BadPlan`] where a rendering is
    /// missing or the linter refuses the plan.
    pub fn finish(mut self, servers: &Servers) -> Result<PlanFile, Finding> {
        if self.hops.len() != self.inputs.len() {
            let found = format!("{} hops and {} renderings", self.inputs.len(), self.hops.len());
            return Err(Finding::blocking(Code::BadPlan, found).why("a rendering is needed for each hop"));
        }
        let inventory = &self.survey.inventory;
        let mut plan = Plan {
            to: self.to().clone(),
            volumes: self.resolved.in_use().map(protected).collect::<Result<_, _>>()?,
            databases: self.resolved.databases.iter().map(|database| database.reference.clone()).collect(),
            without: self.request.without.clone(),
            accepted: self.request.accepted.clone(),
            backup: self.request.backup.clone(),
            registry: self.registry.take(),
            findings: findings::at_start(&self.resolved, &self.inputs, &self.request.offered),
            ..empty(inventory, self.helm)
        };
        plan.findings.append(&mut self.findings);
        stopped_on_the_way(&mut self.hops);
        for (input, planned) in self.inputs.iter().zip(self.hops) {
            plan.findings.extend(planned.unmounted);
            plan.findings.extend(planned.findings);
            plan.findings.extend(database_compat::of_hop(
                &self.resolved,
                input,
                &planned.before,
                &planned.manifest,
                servers,
            ));
            plan.unmodelled.extend(planned.unmodelled);
            plan.findings.extend(values_diff::dropped(&planned.hop, &plan.to));
            plan.hops.push(planned.hop);
        }
        outside::settle(&mut plan, &self.resolved, &self.inputs, servers);
        plan.unmodelled.sort();
        plan.unmodelled.dedup();
        let unknown: Vec<Finding> = plan.unmodelled.iter().map(unmodelled).collect();
        plan.findings.extend(unknown);
        accept(&mut plan, |code| !code.is_found_live())?;
        plan.preconditions = preconditions::of(inventory, &plan);
        if !plan.hops.is_empty() {
            plan.kinds = ReliedKinds::new(asked_kinds(&self.inputs), &inventory.cluster.api_versions);
        }
        let mut read: BTreeMap<_, _> = lookups::of_data_programs(inventory).filter(|_| !plan.hops.is_empty()).collect();
        existing_secret::loosen(&self.resolved, &mut plan.preconditions);
        existing_secret::loosen(&self.resolved, &mut read);
        // What the plan relies on by itself it looks at more closely.
        read.retain(|name, _| !plan.preconditions.contains_key(name));
        self.lookups.retain(|name, precondition| match &plan.preconditions.get(name).map(|own| &own.object) {
            // A chart that looks a Secret of the site's own up renders from what it holds.
            Some(Expected::WithKeys(_)) => {
                plan.preconditions.insert(name.clone(), precondition.clone());
                false
            }
            Some(_) => false,
            None => true,
        });
        // In the same way for what the programs read.
        read.extend(self.lookups);
        plan.lookups = read;
        plan.findings.extend(linted(&plan)?);
        plan.findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
        plan.findings.dedup();
        Ok(PlanFile { plan, objects: self.objects.0, fetched: Vec::new() })
    }
}

/// What the charts of all hops ask of the server's kinds; `None` where they may ask for any.
fn asked_kinds(inputs: &[HopInput<'_>]) -> Option<BTreeSet<String>> {
    let mut all = BTreeSet::new();
    for input in inputs {
        all.extend(chart::asked_kinds(input.chart.as_ref()?)?);
    }
    Some(all)
}

/// A volume that nothing mounts after a hop, because its workload has no replicas there, and that a later hop mounts again: nothing
/// else starts in its place, and the rehearsal judges the end.
fn stopped_on_the_way(hops: &mut [PlannedHop]) {
    for at in 0..hops.len() {
        let (until, later) = hops.split_at_mut(at + 1);
        let Some(hop) = until.last_mut() else { continue };
        let docs = &hop.manifest.docs;
        for finding in &mut hop.unmounted {
            let Some(claim) = finding.object().cloned() else { continue };
            let has_no_replicas = |doc: &Object| {
                doc.at("/spec/replicas").and_then(serde_json::Value::as_u64) == Some(0)
                    && portolan_kube_facts::ClaimUse::of(doc, &claim).is_some()
            };
            let again = later.iter().find(|hop| mounts::is_mounted(&hop.manifest.docs, &claim));
            if let Some(again) = again.filter(|_| docs.iter().any(has_no_replicas)) {
                finding.severity = Severity::Warning;
                *finding = std::mem::replace(finding, Finding::warning(Code::NotSafe, ""))
                    .why("its workload has no replicas there: it is down, and its data waits, until the hop that mounts it again")
                    .next(format!("nothing: {} mounts it again", again.hop.to));
            }
        }
    }
}

/// What the linter says of a plan that it does not refuse.
fn linted(plan: &Plan) -> Result<Vec<Finding>, Finding> {
    let (blocking, others): (Vec<Finding>, Vec<Finding>) =
        linter::lint(plan).into_iter().partition(|finding| finding.severity == Severity::Blocking);
    let mut blocking = blocking.into_iter();
    match blocking.next() {
        Some(first) => Err(blocking.fold(first, |first, more| first.with(more.found))),
        None => Ok(others),
    }
}
