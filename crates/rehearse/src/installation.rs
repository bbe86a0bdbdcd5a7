//! A simulated installation: a world that commands work on one after another. It has a seeded clock of its
//! own, and what acts on it besides Portolan (a helm) goes on when a command dies.

use std::collections::BTreeMap;

use portolan_engine::Engine;
use portolan_helm_compat::chart::PackedChart;
use portolan_helm_compat::{manifest, redact};
use portolan_model::{
    Code, Digest, Finding, HelmClient, HelmOperation, HelmRun, HelmToken, Manifest, Object, Progress, Ref, ReleaseId,
    Rendering, Reply, Request, RequiredSecretKey, SecretKey, Table, ValuesMode, canonical,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::actor::Actor;
use crate::helm::{HelmActor, HelmJob, HelmSnapshot};
use crate::registry::SimulatedRegistry;
use crate::serve::{Served, progress, serve};
use crate::simulation::Simulation;
use crate::world::{Disk, World, WorldSnapshot};

/// The order of events that a fresh installation begins with.
const SEED: u64 = 7;

/// A simulated installation.
#[derive(Clone, Debug)]
pub struct Installation {
    /// Its name.
    pub name: String,
    /// The registry that its images come from; `None` for a site that reaches the internet.
    pub registry: Option<SimulatedRegistry>,
    simulation: Simulation,
    /// Events so far: the clock of a simulation.
    clock: u64,
    seed: u64,
}

/// An installation as it lies on disk.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct InstallationSnapshot {
    format: u32,
    name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    registry: Option<SimulatedRegistry>,
    clock: u64,
    seed: u64,
    world: WorldSnapshot,
    helms: Vec<HelmSnapshot>,
}

impl Installation {
    /// An installation in a world that was made otherwise.
    #[must_use]
    pub fn of_world(name: &str, world: World) -> Self {
        Self { name: name.into(), registry: None, simulation: Simulation::new(world), clock: 0, seed: SEED }
    }

    /// The helm that upgrades here. It is no program.
    #[must_use]
    pub fn helm(&self) -> HelmClient {
        match self.world().facts().helm.clone() {
            Some(version) => HelmClient::Simulated { version },
            None => simulated_helm(),
        }
    }

    /// An installation out of its saved form.
    #[must_use]
    pub fn load(saved: InstallationSnapshot) -> Self {
        let world = World::from_parts(saved.world);
        let helms =
            saved.helms.into_iter().filter_map(|kept| HelmActor::revive(kept, &world)).map(Actor::Helm).collect();
        let InstallationSnapshot { name, registry, clock, seed, .. } = saved;
        Self { name, registry, simulation: Simulation { world, actors: helms }, clock, seed }
    }

    /// Everything that has to be kept of it.
    #[must_use]
    pub fn save(&self) -> InstallationSnapshot {
        let helms = self
            .simulation
            .actors
            .iter()
            .filter_map(|actor| if let Actor::Helm(helm) = actor { Some(helm.keep()) } else { None });
        InstallationSnapshot {
            format: portolan_model::FORMAT,
            name: self.name.clone(),
            registry: self.registry.clone(),
            clock: self.clock,
            seed: self.seed,
            world: self.simulation.world.parts(),
            helms: helms.collect(),
        }
    }

    /// The world.
    #[must_use]
    pub fn world(&self) -> &World {
        &self.simulation.world
    }

    /// The world, to teach it what a plan refers to.
    pub fn world_mut(&mut self) -> &mut World {
        &mut self.simulation.world
    }

    /// Answers a request of the engine. `tick` is told of each event while it waits: it saves the world, shows
    /// progress, and may end the wait by returning `false`.
    pub fn serve(
        &mut self,
        engine: &Engine,
        request: &Request,
        tick: &mut dyn FnMut(&Self, &[Progress]) -> bool,
    ) -> Reply {
        // Life goes on between two requests too.
        if !matches!(request, Request::Append(..)) {
            self.step();
        }
        loop {
            let helms = self.simulation.helms();
            match serve(&mut self.simulation.world, engine, request, &helms.tokens) {
                Served::Reply(reply) => {
                    tick(self, &[]);
                    return reply;
                }
                Served::Spawned(helm) => {
                    self.simulation.actors.push(Actor::Helm(*helm));
                    tick(self, &[]);
                    return Reply::Spawned;
                }
                Served::Waiting(open) => {
                    if !tick(self, &open) {
                        return Reply::Unknown("the command was stopped while it waited".into());
                    }
                    if !self.step() {
                        return Reply::TimedOut(open);
                    }
                }
            }
        }
    }

    /// Whether the helm of a token still runs.
    #[must_use]
    pub fn runs_helm(&self, token: &HelmToken) -> bool {
        self.simulation.helms().tokens.contains(token)
    }

    /// How far a wait is.
    #[must_use]
    pub fn progress(&self, wait: &portolan_model::Wait) -> Vec<Progress> {
        progress(&self.simulation.world, wait, &self.simulation.helms().tokens)
    }

    /// One event, chosen by the seed among all that can happen; `false` when nothing can.
    pub fn step(&mut self) -> bool {
        let events = self.simulation.events();
        if events.is_empty() {
            return false;
        }
        // A 64-bit linear congruential step (Knuth's constants): the order must be the same on every machine.
        self.seed = self.seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let choice = (self.seed >> 33) as usize % events.len();
        self.simulation.take(&events[choice]);
        self.clock += 1;
        true
    }

    /// Lets everything happen that happens by itself.
    pub fn settle(&mut self) {
        while self.step() {}
    }

    /// Runs everything that can happen, in a fixed order that no seed changes: how the past of an installation is made.
    fn run_to_rest(&mut self) {
        while let Some(event) = self.simulation.events().into_iter().next() {
            self.simulation.take(&event);
        }
    }

    /// Installs or upgrades a release with helm, as it was done before Portolan came, and waits until nothing moves.
    ///
    /// # Errors
    /// If the rendering is no manifest.
    pub fn run_helm(
        &mut self,
        chart: &PackedChart,
        release: &ReleaseId,
        values: &Value,
        rendering: &Rendering,
    ) -> Result<(), Finding> {
        let (docs, guards) = documents(rendering, &release.namespace)?;
        let manifest = canonical(&Manifest { docs, nondeterministic_fields: BTreeMap::new() });
        let digest = Digest::of(&manifest);
        self.simulation.world.learn(&digest, &manifest);
        let mut job = helm_job(self.world(), chart, release, values, digest);
        job.run.required_keys = guards;
        self.simulation.actors.push(Actor::Helm(HelmActor::new(job)));
        self.run_to_rest();
        Ok(())
    }

    /// Annotates an object, as `kubectl annotate --overwrite` does. An object that does not exist is left out.
    pub fn annotate(&mut self, name: &Ref, annotations: &BTreeMap<String, String>) {
        if let Some(live) = self.simulation.world.get(name) {
            let mut json = (*live.0).clone();
            crate::api::merge(&mut json, &json!({"metadata": {"annotations": annotations}}));
            self.simulation.world.put(name, json);
        }
        self.run_to_rest();
    }

    /// Creates an object, as `kubectl create` does. One that exists stays as it is.
    pub fn create(&mut self, object: &Object) {
        if let Some(name) = object.name() {
            let _ = self.simulation.world.create(&name, (*object.0).clone());
        }
        self.run_to_rest();
    }

    /// Adds tables to the database of a StatefulSet, in place of those of the same name. Without a running database
    /// nothing happens.
    pub fn fill_database(&mut self, set: &Ref, tables: &BTreeMap<String, Table>) {
        let Some((volume, found)) = crate::rules::running_database(self.world(), set) else { return };
        let mut database = found.clone();
        database.tables.extend(tables.clone());
        self.simulation.world.set_disk(&volume, Disk { alive: true, database: Some(database) });
    }

    /// Deletes an object, as somebody with kubectl would.
    pub fn delete(&mut self, name: &Ref) {
        drop(self.simulation.world.delete(name));
    }
}

/// The documents of a rendering. A Secret's value that is random at each rendering is one that the chart looks
/// up in the live Secret first.
fn documents(rendering: &Rendering, namespace: &str) -> Result<(Vec<Object>, Vec<RequiredSecretKey>), Finding> {
    let parse = |text: &str| {
        manifest::parse(text, namespace)
            .map(|docs| manifest::split_hooks(docs).0)
            .map_err(|error| Finding::blocking(Code::ChartRefuses, error.to_string()))
    };
    let first = parse(&rendering.first.manifest)?;
    let second = parse(&rendering.second.manifest)?;
    let planned = redact::planned(&first, &second, &[]);
    let mut guards = Vec::new();
    let docs = first.into_iter().zip(planned.docs).map(|(doc, planned)| {
        let free: Vec<String> = planned
            .at("/data")
            .and_then(Value::as_object)
            .map(|data| data.iter().filter(|(_, value)| *value == Manifest::FREE).map(|(key, _)| key.clone()).collect())
            .unwrap_or_default();
        let mut json = (*doc.0).clone();
        for key in free {
            json["data"][&key] = json!(Manifest::FREE);
            if let Some(secret) = doc.name() {
                guards.push(RequiredSecretKey { key: SecretKey { secret, key }, message: String::new() });
            }
        }
        Object::new(json)
    });
    let docs = docs.collect();
    Ok((docs, guards))
}

/// A run of helm before Portolan came. It applies the manifest of this digest, which the world knows.
fn helm_job(world: &World, chart: &PackedChart, release: &ReleaseId, values: &Value, manifest: Digest) -> HelmJob {
    let base = crate::helm::records(world, release).last().map(|(revision, _)| *revision);
    let stored_digest =
        crate::helm::records(world, release).last().and_then(|(_, record)| crate::helm::manifest_digest(record));
    HelmJob {
        op: if base.is_some() { HelmOperation::Upgrade } else { HelmOperation::Install },
        target: world.library.get(&manifest).cloned().unwrap_or_default(),
        run: HelmRun {
            release: release.clone(),
            base_revision: base,
            client: simulated_helm(),
            chart: chart.id.clone(),
            archive: Some(chart.digest.clone()),
            values: Some(Digest::of_value(values)),
            carried: Vec::new(),
            mode: ValuesMode::Reset,
            manifest,
            docs: BTreeMap::new(),
            nondeterministic_fields: BTreeMap::new(),
            required_keys: Vec::new(),
        },
        token: None,
        stored: stored_digest.as_ref().and_then(|digest| world.library.get(digest).cloned()).unwrap_or_default(),
        stored_digest,
        carried: BTreeMap::new(),
        config: values.clone(),
    }
}

/// The helm of a simulation: the one that made the recorded renderings.
#[must_use]
pub fn simulated_helm() -> HelmClient {
    HelmClient::Simulated { version: semver::Version::new(3, 22, 0) }
}
