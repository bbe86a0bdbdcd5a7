//! A simulated installation: a world that commands work on one after another. It has a seeded clock of its
//! own, and what acts on it besides Portolan (a helm) goes on when a command dies.

use std::collections::BTreeMap;

use engine::Engine;
use helm_compat::{manifest, redact};
use model::{
    Cluster, Code, Digest, Finding, HelmClient, HelmRun, KeyGuard, Manifest, Object, Platform, Progress, Ref,
    ReleaseId, Reply, Request, SecretKey, Table, Uid, ValuesMode, canonical,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::actor::Actor;
use crate::helm::{HelmActor, HelmJob, Kept};
use crate::node::{Cone, Edge, Node};
use crate::serve::{Served, progress, serve};
use crate::shelf::{self, Start, StartStep};
use crate::world::{Disk, Facts, KnownDatabase, Migration, Parts, World};

/// The order of events that a fresh installation begins with.
const SEED: u64 = 7;

/// A simulated installation.
#[derive(Clone, Debug)]
pub struct Installation {
    /// Its name.
    pub name: String,
    node: Node,
    /// Events so far: the clock of a simulation.
    clock: u64,
    seed: u64,
}

/// An installation as it lies on disk.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Saved {
    format: u32,
    name: String,
    clock: u64,
    seed: u64,
    world: Parts,
    helms: Vec<Kept>,
}

/// Renders a chart for a release with values; the error is a finding for the user.
pub type Render<'a> = dyn Fn(&shelf::Chart, &ReleaseId, &Value) -> Result<shelf::Recorded, Finding> + 'a;

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Simulation {
    #[expect(dead_code, reason = "read by people and by later versions")]
    format: u32,
    platforms: BTreeMap<String, SimulatedPlatform>,
    databases: Vec<SimulatedDatabase>,
    migrations: Vec<SimulatedMigration>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct SimulatedPlatform {
    cluster: SimulatedCluster,
    groups: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct SimulatedCluster {
    server: String,
    user: String,
    version: String,
    default_class: String,
    #[serde(default)]
    openshift: Option<SimulatedOpenShift>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct SimulatedOpenShift {
    version: String,
    apps_domain: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct SimulatedDatabase {
    set: String,
    server_version: String,
    secret: String,
    keys: Vec<String>,
    tables: BTreeMap<String, Table>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct SimulatedMigration {
    job: String,
    set: String,
    tables: BTreeMap<String, Table>,
}

impl Installation {
    /// The names of the installations that can be made.
    #[must_use]
    pub fn names() -> Vec<String> {
        shelf::starts().starts.into_iter().map(|start| start.name).collect()
    }

    /// A fresh installation; the same name gives the same world each time.
    ///
    /// # Errors
    /// Where there is no such installation, or a chart cannot be rendered.
    pub fn fresh(name: &str, render: &Render<'_>) -> Result<Self, Finding> {
        let starts = shelf::starts();
        let Some(start) = starts.starts.iter().find(|start| start.name == name) else {
            let finding = Finding::blocking(Code::NoSimulation, format!("`{name}` is no simulated installation"));
            return Err(finding.with(format!("there are: {}", Self::names().join(", "))));
        };
        let release = ReleaseId { namespace: starts.namespace.clone(), name: starts.release.clone() };
        let simulation = simulation();
        let platform = simulation.platforms.get(&start.platform).expect("a start's platform is simulated");
        let mut node = Node {
            world: empty(&simulation, platform, &release),
            actors: Vec::new(),
            faults: 0,
            crashes: false,
            stops: false,
        };
        for step in &start.steps {
            install_step(&mut node, step, &release, render)?;
            if let [first, ..] = &simulation.databases[..]
                && is_first(step, start)
            {
                fill(&mut node.world, first, &release);
            }
        }
        Ok(Self { name: name.into(), node, clock: 0, seed: SEED })
    }

    /// An installation in a world that was made otherwise.
    #[must_use]
    pub fn of_world(name: &str, world: World) -> Self {
        let node = Node { world, actors: Vec::new(), faults: 0, crashes: false, stops: false };
        Self { name: name.into(), node, clock: 0, seed: SEED }
    }

    /// The helm that upgrades here. It is no program.
    #[must_use]
    pub fn helm(&self) -> HelmClient {
        let version = self.world().facts().helm.clone();
        HelmClient { version: version.unwrap_or(simulated_helm().version), ..simulated_helm() }
    }

    /// An installation out of its saved form.
    #[must_use]
    pub fn load(saved: Saved) -> Self {
        let world = World::from_parts(saved.world);
        let helms =
            saved.helms.into_iter().filter_map(|kept| HelmActor::revive(kept, &world)).map(Actor::Helm).collect();
        Self {
            name: saved.name,
            node: Node { world, actors: helms, faults: 0, crashes: false, stops: false },
            clock: saved.clock,
            seed: saved.seed,
        }
    }

    /// Everything that has to be kept of it.
    #[must_use]
    pub fn save(&self) -> Saved {
        let helms = self
            .node
            .actors
            .iter()
            .filter_map(|actor| if let Actor::Helm(helm) = actor { Some(helm.keep()) } else { None });
        Saved {
            format: model::FORMAT,
            name: self.name.clone(),
            clock: self.clock,
            seed: self.seed,
            world: self.node.world.parts(),
            helms: helms.collect(),
        }
    }

    /// The world.
    #[must_use]
    pub fn world(&self) -> &World {
        &self.node.world
    }

    /// The world, to teach it what a plan refers to.
    pub fn world_mut(&mut self) -> &mut World {
        &mut self.node.world
    }

    /// Another order of events than the usual one.
    #[must_use]
    pub fn seeded(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
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
            let helms = self.helms();
            let tokens: Vec<&str> = helms.iter().map(String::as_str).collect();
            match serve(&mut self.node.world, engine, request, &tokens) {
                Served::Reply(reply) => {
                    tick(self, &[]);
                    return reply;
                }
                Served::Spawned(helm) => {
                    self.node.actors.push(Actor::Helm(*helm));
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

    /// How far a wait is.
    #[must_use]
    pub fn progress(&self, wait: &model::Wait) -> Vec<Progress> {
        let helms = self.helms();
        let tokens: Vec<&str> = helms.iter().map(String::as_str).collect();
        progress(&self.node.world, wait, &tokens)
    }

    fn helms(&self) -> Vec<String> {
        self.node
            .actors
            .iter()
            .filter_map(|actor| if let Actor::Helm(helm) = actor { helm.token().map(str::to_owned) } else { None })
            .collect()
    }

    /// One event, chosen by the seed among all that can happen; `false` when nothing can.
    pub fn step(&mut self) -> bool {
        let edges: Vec<Edge> = self
            .node
            .edges(&Cone::Whole)
            .into_iter()
            .filter(|edge| matches!(edge, Edge::Fire(..) | Edge::Turn(_)))
            .collect();
        if edges.is_empty() {
            return false;
        }
        // A 64-bit linear congruential step (Knuth's constants): the order must be the same on every machine.
        self.seed = self.seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let choice = (self.seed >> 33) as usize % edges.len();
        self.node.take(&edges[choice]);
        self.clock += 1;
        true
    }

    /// Lets everything happen that happens by itself.
    pub fn settle(&mut self) {
        while self.step() {}
    }

    /// Deletes an object, as somebody with kubectl would.
    pub fn delete(&mut self, name: &Ref) {
        drop(self.node.world.delete(name));
    }
}

/// Whether a step is the one that makes the database: the first run of helm.
fn is_first(step: &StartStep, start: &Start) -> bool {
    let first = start.steps.iter().find(|step| matches!(step, StartStep::Helm { .. }));
    first.is_some_and(|first| std::ptr::eq(first, step))
}

fn simulation() -> Simulation {
    let text = shelf::simulation("installations.yaml").expect("the simulation's file is embedded");
    serde_saphyr::from_str(text).expect("the simulation's file is readable")
}

fn empty(simulation: &Simulation, platform: &SimulatedPlatform, release: &ReleaseId) -> World {
    let set = |name: &str| Ref::set(&release.namespace, name);
    let cluster = &platform.cluster;
    let mut world = World::new(Facts {
        cluster: Cluster {
            server: cluster.server.clone(),
            user: cluster.user.clone(),
            uid: Uid::new(""),
            version: cluster.version.clone(),
            platform: cluster.openshift.as_ref().map_or(Platform::Kubernetes, |openshift| Platform::OpenShift {
                version: openshift.version.clone(),
                apps_domain: openshift.apps_domain.clone(),
            }),
            default_class: Some(cluster.default_class.clone()),
            groups: platform.groups.clone(),
            api_versions: Vec::new(),
        },
        release: release.clone(),
        coverage: Vec::new(),
        surveyed: false,
        helm: None,
        databases: simulation
            .databases
            .iter()
            .map(|database| KnownDatabase {
                set: set(&database.set),
                server_version: database.server_version.clone(),
                passwords: database
                    .keys
                    .iter()
                    .map(|key| SecretKey {
                        secret: Ref::secret(&release.namespace, &database.secret),
                        key: key.clone(),
                    })
                    .collect(),
            })
            .collect(),
        migrations: simulation
            .migrations
            .iter()
            .map(|migration| Migration {
                job: migration.job.clone(),
                set: set(&migration.set),
                tables: migration.tables.clone(),
            })
            .collect(),
    });
    for (name, json) in cluster_objects(cluster, release) {
        drop(world.create(&name, json));
    }
    world
}

/// What a cluster has before anything is installed on it.
fn cluster_objects(cluster: &SimulatedCluster, release: &ReleaseId) -> Vec<(Ref, Value)> {
    let mut objects = vec![
        (
            Ref::new("", "Namespace", "", "kube-system"),
            json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "kube-system"}}),
        ),
        (
            Ref::new("", "Namespace", "", &release.namespace),
            json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": release.namespace}}),
        ),
        (
            Ref::new("storage.k8s.io", "StorageClass", "", &cluster.default_class),
            json!({
                "apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "provisioner": "sim.example.com/disk", "reclaimPolicy": "Delete",
                "metadata": {"name": cluster.default_class, "annotations": {"storageclass.kubernetes.io/is-default-class": "true"}}
            }),
        ),
    ];
    if let Some(openshift) = &cluster.openshift {
        objects.push((
            Ref::new("config.openshift.io", "ClusterVersion", "", "version"),
            json!({
                "apiVersion": "config.openshift.io/v1", "kind": "ClusterVersion", "metadata": {"name": "version"},
                "status": {"desired": {"version": openshift.version}}
            }),
        ));
        objects.push((
            Ref::new("config.openshift.io", "Ingress", "", "cluster"),
            json!({
                "apiVersion": "config.openshift.io/v1", "kind": "Ingress", "metadata": {"name": "cluster"},
                "spec": {"domain": openshift.apps_domain}
            }),
        ));
    }
    objects
}

/// Puts the rows of a used platform into the database.
fn fill(world: &mut World, database: &SimulatedDatabase, release: &ReleaseId) {
    let set = Ref::set(&release.namespace, &database.set);
    let Some((volume, found)) = crate::rules::running_database(world, &set) else { return };
    let mut found = found.clone();
    for (name, table) in &database.tables {
        found.tables.insert(name.clone(), table.clone());
    }
    world.set_disk(&volume, Disk { alive: true, database: Some(found) });
}

fn install_step(node: &mut Node, step: &StartStep, release: &ReleaseId, render: &Render<'_>) -> Result<(), Finding> {
    match step {
        StartStep::Annotate { annotate } => {
            let name = Ref::new("", &annotate.kind, &release.namespace, &annotate.name);
            if let Some(live) = node.world.get(&name) {
                let mut json = (*live.0).clone();
                crate::api::merge(&mut json, &json!({"metadata": {"annotations": annotate.annotations}}));
                node.world.put(&name, json);
            }
        }
        StartStep::Create { create } => {
            let object = Object::new(shelf::in_namespace(create, &release.namespace));
            if let Some(name) = object.name() {
                drop(node.world.create(&name, (*object.0).clone()));
            }
        }
        StartStep::Helm { chart, values, set, .. } => {
            let chart = shelf::charts()
                .into_iter()
                .find(|known| format!("{}-{}", known.id.name, known.id.version) == *chart)
                .ok_or_else(|| Finding::blocking(Code::NoChart, format!("there is no chart {chart}")))?;
            let values = shelf::start_values(values, set);
            let recorded = render(&chart, release, &values)?;
            let (docs, looked_up) = documents(&recorded, release)?;
            let manifest = canonical(&Manifest { docs, free: BTreeMap::new() });
            node.world.learn(&Digest::of(&manifest), &manifest);
            let mut job = installing(&node.world, &chart, release, &values, Digest::of(&manifest));
            job.run.guards = looked_up;
            node.actors.push(Actor::Helm(HelmActor::new(job)));
        }
    }
    // In the plain order, without a seed: the same world each time.
    while let Some(edge) =
        node.edges(&Cone::Whole).into_iter().find(|edge| matches!(edge, Edge::Fire(..) | Edge::Turn(_)))
    {
        node.take(&edge);
    }
    Ok(())
}

/// The documents of a rendering. A Secret's value that is random at each rendering is one that the chart looks
/// up in the live Secret first.
fn documents(recorded: &shelf::Recorded, release: &ReleaseId) -> Result<(Vec<Object>, Vec<KeyGuard>), Finding> {
    let parse = |text: &str| {
        manifest::parse(text, &release.namespace)
            .map(|docs| manifest::split_hooks(docs).0)
            .map_err(|error| Finding::blocking(Code::ChartRefuses, error.to_string()))
    };
    let first = parse(&recorded.first)?;
    let second = parse(recorded.second.as_ref().unwrap_or(&recorded.first))?;
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
                guards.push(KeyGuard { key: SecretKey { secret, key }, message: String::new() });
            }
        }
        Object::new(json)
    });
    let docs = docs.collect();
    Ok((docs, guards))
}

/// The run of helm that made, or changed, the installation before Portolan came.
fn installing(world: &World, chart: &shelf::Chart, release: &ReleaseId, values: &Value, manifest: Digest) -> HelmJob {
    let base = crate::helm::records(world, release).last().map_or(0, |(revision, _)| *revision);
    let stored = crate::helm::records(world, release)
        .last()
        .and_then(|(_, record)| world.library.get(&crate::serve::digest(record.text("/manifest"))?).cloned())
        .unwrap_or_default();
    HelmJob {
        target: world.library.get(&manifest).cloned().unwrap_or_default(),
        run: HelmRun {
            release: release.clone(),
            base_revision: base,
            client: simulated_helm(),
            chart: chart.id.clone(),
            archive: chart.digest.clone(),
            values: Digest::of_value(values),
            carried: Vec::new(),
            mode: ValuesMode::Reset,
            manifest,
            docs: BTreeMap::new(),
            free: BTreeMap::new(),
            guards: Vec::new(),
        },
        token: None,
        stored,
        carried: BTreeMap::new(),
        config: values.clone(),
    }
}

/// The helm of a simulation: the one that made the recorded renderings.
#[must_use]
pub fn simulated_helm() -> HelmClient {
    HelmClient { version: semver::Version::new(3, 22, 0), path: String::new(), digest: None }
}
