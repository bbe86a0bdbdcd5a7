use std::collections::{BTreeMap, BTreeSet};
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};

use portolan_kube_facts::Owner;
use portolan_model::{
    Cluster, DatabaseRef, Digest, Manifest, Object, Plan, PlanFile, Ref, ReleaseId, ScopeCoverage, SecretKey, Table,
    Uid,
};
use semver::Version;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::archive::Archive;
use crate::object_view::{Container, Kind, ObjectView, Set};
use crate::space::NumberMap;
use crate::state_hash::{self, StateHash};

/// An object in the simulated world: immutable, its print and its view computed once. Its resourceVersion is
/// its content's digest, so that two ways to the same content are one world. One that nobody has written to since it was surveyed has
/// the server's.
#[derive(Debug)]
pub(crate) struct StoredObject {
    pub(crate) object: Object,
    pub(crate) view: ObjectView,
    print: StateHash,
}

/// The documents of a manifest, in helm's order.
pub(crate) type Docs = Arc<Vec<(Ref, Object)>>;

/// The fingerprints of a manifest's documents, nothing left out.
pub(crate) type Prints = Arc<BTreeMap<Ref, Digest>>;

impl StoredObject {
    fn new(name: &Ref, mut json: Value) -> Self {
        if let Some(meta) = json.get_mut("metadata").and_then(Value::as_object_mut) {
            meta.remove("resourceVersion");
        }
        let print = state_hash::of(&json);
        if let Some(meta) = json.get_mut("metadata").and_then(Value::as_object_mut) {
            meta.insert("resourceVersion".into(), json!(format!("{:016x}", print as u64)));
        }
        let object = Object::new(json);
        let view = ObjectView::parse(name, &object);
        Self { object, view, print: keyed(name, print) }
    }

    /// An object as it was surveyed, which is shared and not copied: a rehearsal changes only a few of those that a cluster has.
    fn surveyed(name: &Ref, object: &Object) -> Self {
        let print = state_hash::of(&*object.0);
        Self { object: object.clone(), view: ObjectView::parse(name, object), print: keyed(name, print) }
    }

    /// What tells this content from another one.
    pub(crate) fn state_hash(&self) -> StateHash {
        self.print
    }
}

/// A disk behind a volume: the thing that must not be lost.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Disk {
    /// Whether its data is there.
    pub alive: bool,
    /// The database on it, if one was made.
    pub database: Option<Database>,
}

/// A database as rows on a disk.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Database {
    /// Made by `initdb`: another number is another database.
    pub system_identifier: String,
    /// The server that made the data directory.
    pub server_version: String,
    /// The password that it was made with, as the Secret's data had it.
    pub password: String,
    /// Its tables.
    pub tables: BTreeMap<String, Table>,
}

/// What is known of the installation beside its objects. It never changes in a search.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Facts {
    /// The cluster, as a survey reports it.
    pub cluster: Cluster,
    /// The release.
    pub release: ReleaseId,
    /// What this user may not list, and what the server has no kind for, where it is known.
    #[serde(default)]
    pub coverage: Vec<ScopeCoverage>,
    /// Whether it is the image of a real installation: the charts that Portolan brings along are not its charts.
    #[serde(default)]
    pub surveyed: bool,
    /// The version of the helm that upgrades here; that of the recordings where it is not known.
    #[serde(default)]
    pub helm: Option<Version>,
    /// The databases.
    pub databases: Vec<KnownDatabase>,
    /// What a migration job does to the tables.
    pub migrations: Vec<Migration>,
}

/// A database that the installation is known to run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct KnownDatabase {
    /// The set whose pod runs it.
    pub set: Ref,
    /// The Secrets' keys that may hold its password; the first that is there counts.
    pub passwords: Vec<SecretKey>,
    /// The server that the set runs.
    pub server_version: String,
}

impl KnownDatabase {
    /// Those of a plan. What the new chart looks up is a place of the password too.
    #[must_use]
    pub fn of_plan(plan: &Plan) -> Vec<Self> {
        let guards: Vec<SecretKey> =
            plan.helm_runs().flat_map(|run| &run.required_keys).map(|guard| guard.key.clone()).collect();
        let of = |database: &DatabaseRef| Self {
            set: database.set(),
            passwords: std::iter::once(&database.password).chain(&guards).cloned().collect(),
            server_version: String::new(),
        };
        plan.databases.iter().filter(|database| !database.is_outside()).map(of).collect()
    }
}

/// What a job does to the tables of a database.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Migration {
    /// The job's name.
    pub job: String,
    /// The set of the database.
    pub set: Ref,
    /// The tables as they are afterwards; rows of a table that was there are added.
    pub tables: BTreeMap<String, Table>,
}

/// A state of the simulated world.
#[derive(Clone, Debug)]
pub struct World {
    /// The objects that may change.
    pub(crate) things: Arc<BTreeMap<Ref, Arc<StoredObject>>>,
    /// Those that no rule can reach, set aside by [`Self::settle`]: a rule is not asked for, nor are they copied when
    /// another object changes.
    pub(crate) set_aside: Arc<BTreeMap<Ref, Arc<StoredObject>>>,
    disks: Arc<BTreeMap<Ref, Disk>>,
    /// What is being deleted and takes others along; a part of `things`, kept beside it because every rule asks for it.
    closing: Arc<BTreeSet<Container>>,
    /// How many ReplicaSets on PVCs there are: where there is none, which is most often so, no Deployment has to look for its own.
    replica_sets: usize,
    /// How many objects of a name there were before: a UID is a name and its incarnation.
    incarnations: Arc<BTreeMap<Ref, u32>>,
    /// What `Append` was given to keep.
    archive: Archive,
    /// The manifests among it, parsed once.
    pub(crate) library: Arc<BTreeMap<Digest, Docs>>,
    /// The fingerprints of those that were asked for, nothing left out; shared by all worlds of a search.
    prints: Arc<Mutex<BTreeMap<Digest, Prints>>>,
    /// Objects made before, by what they were made of. A search makes the same few hundred over and over; this is
    /// shared by all its worlds and is no part of any.
    made: Arc<Mutex<NumberMap<StateHash, Arc<StoredObject>>>>,
    pub(crate) facts: Arc<Facts>,
    print: StateHash,
}

impl World {
    /// An empty cluster.
    #[must_use]
    pub fn new(facts: Facts) -> Self {
        Self {
            things: Arc::default(),
            set_aside: Arc::default(),
            disks: Arc::default(),
            closing: Arc::default(),
            replica_sets: 0,
            incarnations: Arc::default(),
            archive: Archive::default(),
            library: Arc::default(),
            prints: Arc::default(),
            made: Arc::default(),
            facts: Arc::new(facts),
            print: 0,
        }
    }

    /// What is known beside the objects.
    #[must_use]
    pub fn facts(&self) -> &Facts {
        &self.facts
    }

    /// An object.
    #[must_use]
    pub fn get(&self, name: &Ref) -> Option<&Object> {
        self.thing(name).map(|thing| &thing.object)
    }

    /// All objects.
    pub fn objects(&self) -> impl Iterator<Item = (&Ref, &Object)> {
        self.all().map(|(name, thing)| (name, &thing.object))
    }

    /// The disk behind a volume: it outlives the volume object.
    #[must_use]
    pub fn disk(&self, volume: &Ref) -> Option<&Disk> {
        self.disks.get(volume)
    }

    /// All disks.
    pub fn disks(&self) -> impl Iterator<Item = (&Ref, &Disk)> {
        self.disks.iter()
    }

    pub(crate) fn thing(&self, name: &Ref) -> Option<&Arc<StoredObject>> {
        self.things.get(name).or_else(|| self.set_aside.get(name))
    }

    fn all(&self) -> impl Iterator<Item = (&Ref, &Arc<StoredObject>)> {
        self.things.iter().chain(self.set_aside.iter())
    }

    pub(crate) fn view(&self, name: &Ref) -> Option<&ObjectView> {
        self.thing(name).map(|thing| &thing.view)
    }

    /// Whether an object is in a namespace, or of a custom kind, that is being deleted.
    pub(crate) fn is_closing(&self, name: &Ref) -> bool {
        !self.closing.is_empty() && self.closing.iter().any(|container| container.holds(name))
    }

    /// Whether anything is left in a container.
    pub(crate) fn is_occupied(&self, container: &Container) -> bool {
        self.all().any(|(name, _)| container.holds(name))
    }

    /// The objects whose names begin like this one, which is of their kind.
    fn like<'a>(&'a self, prefix: &'a Ref) -> impl Iterator<Item = (&'a Ref, &'a ObjectView)> + 'a {
        [&self.things, &self.set_aside].into_iter().flat_map(move |things| {
            things
                .range(prefix.clone()..)
                .take_while(|(name, _)| {
                    name.kind() == prefix.kind()
                        && name.namespace() == prefix.namespace()
                        && name.name().starts_with(prefix.name())
                })
                .map(|(name, thing)| (name, &thing.view))
        })
    }

    /// The objects of an owner whose names begin like this one, which is of their kind.
    pub(crate) fn owned_like<'a>(
        &'a self,
        prefix: &'a Ref,
        owner: &'a Uid,
    ) -> impl Iterator<Item = (&'a Ref, &'a ObjectView)> + 'a {
        self.like(prefix).filter(|(_, view)| view.is_owned_by(owner))
    }

    /// The pods that a set made, by their ordinals.
    pub(crate) fn pods_of_set<'a>(&'a self, set: &'a Set, uid: &'a Uid) -> impl Iterator<Item = (u32, Ref)> + 'a {
        self.owned_like(&set.pod_prefix, uid).filter_map(move |(name, _)| Some((set.ordinal_of(name)?, name.clone())))
    }

    /// The pods of ordinals that a set does not have, whoever made them.
    pub(crate) fn pods_beyond<'a>(&'a self, set: &'a Set) -> impl Iterator<Item = (&'a Ref, &'a ObjectView)> + 'a {
        self.like(&set.pod_prefix)
            .filter(|(name, _)| set.ordinal_of(name).is_some_and(|ordinal| !set.ordinals.contains(&ordinal)))
    }

    /// Whether an owner is there.
    pub(crate) fn has_owner(&self, owner: &Owner) -> bool {
        let is = |name: &Ref| self.view(name).is_some_and(|view| Some(&view.uid) == owner.uid.as_ref());
        is(&owner.name) || is(&of_cluster(owner))
    }

    /// The pods that name a PVC.
    pub(crate) fn pods_on<'a>(
        &'a self,
        claim: &'a Ref,
    ) -> impl Iterator<Item = (&'a Ref, &'a crate::object_view::Pod)> {
        self.all().filter_map(move |(name, thing)| match &thing.view.kind {
            Kind::Pod(pod) if pod.claims.contains(claim) => Some((name, pod)),
            _ => None,
        })
    }

    /// Puts an object there as it is; what came before under its name is gone.
    pub fn put(&mut self, name: &Ref, json: Value) {
        self.put_thing(name, Arc::new(StoredObject::new(name, json)));
    }

    /// Puts an object there as it was surveyed.
    pub(crate) fn put_surveyed(&mut self, name: &Ref, object: &Object) {
        self.put_thing(name, Arc::new(StoredObject::surveyed(name, object)));
    }

    /// Puts an object that is made of `from` by the step `how`; what was made of the same before is taken again.
    pub(crate) fn put_made(&mut self, name: &Ref, how: impl Hash, from: StateHash, make: impl FnOnce() -> Value) {
        let key = state_hash::of(&(name, how, from));
        let known = self.made.lock().unwrap_or_else(PoisonError::into_inner).get(&key).cloned();
        let thing = known.unwrap_or_else(|| {
            let thing = Arc::new(StoredObject::new(name, make()));
            self.made.lock().unwrap_or_else(PoisonError::into_inner).insert(key, thing.clone());
            thing
        });
        self.put_thing(name, thing);
    }

    /// Takes what was made of the same before, if it was.
    pub(crate) fn take_made(&mut self, name: &Ref, how: impl Hash, from: StateHash) -> bool {
        let key = state_hash::of(&(name, how, from));
        let known = self.made.lock().unwrap_or_else(PoisonError::into_inner).get(&key).cloned();
        known.map(|thing| self.put_thing(name, thing)).is_some()
    }

    /// The objects that may change, this one among them.
    fn changing(&mut self, name: &Ref) -> &mut BTreeMap<Ref, Arc<StoredObject>> {
        if self.set_aside.contains_key(name) {
            self.restore_all();
        }
        Arc::make_mut(&mut self.things)
    }

    fn put_thing(&mut self, name: &Ref, thing: Arc<StoredObject>) {
        self.print ^= thing.print;
        if let Kind::Container(container) = &thing.view.kind
            && thing.view.terminating != self.closing.contains(container)
        {
            let closing = Arc::make_mut(&mut self.closing);
            if thing.view.terminating {
                closing.insert(container.clone());
            } else {
                closing.remove(container);
            }
        }
        self.replica_sets += usize::from(thing.view.is_replica_set());
        if let Some(before) = self.changing(name).insert(name.clone(), thing) {
            self.print ^= before.print;
            self.replica_sets -= usize::from(before.view.is_replica_set());
        }
    }

    /// Whether there is a ReplicaSet whose pods mount a PVC.
    pub(crate) fn has_replica_sets(&self) -> bool {
        self.replica_sets > 0
    }

    /// Takes an object away.
    pub(crate) fn remove(&mut self, name: &Ref) {
        if let Some(before) = self.changing(name).remove(name) {
            self.print ^= before.print;
            self.replica_sets -= usize::from(before.view.is_replica_set());
            if let Kind::Container(container) = &before.view.kind {
                Arc::make_mut(&mut self.closing).remove(container);
            }
        }
    }

    /// The UID of the next object of this name.
    pub(crate) fn next_uid(&mut self, name: &Ref) -> Uid {
        let count = Arc::make_mut(&mut self.incarnations).entry(name.clone()).or_insert(0);
        self.print ^= keyed(name, StateHash::from(*count) + 1);
        *count += 1;
        self.print ^= keyed(name, StateHash::from(*count) + 1);
        let print = state_hash::of(&(name.full(), *count));
        Uid::new(&format!("{:08x}-{:04x}-{:04x}", (print >> 96) as u32, (print >> 80) as u16, print as u16))
    }

    /// Changes a disk.
    pub fn set_disk(&mut self, volume: &Ref, disk: Disk) {
        self.print ^= keyed(volume, state_hash::of(&disk));
        if let Some(before) = Arc::make_mut(&mut self.disks).insert(volume.clone(), disk) {
            self.print ^= keyed(volume, state_hash::of(&before));
        }
    }

    /// Keeps bytes under their digest, as the run's folder does.
    pub(crate) fn keep(&self, blobs: &[portolan_model::Blob]) {
        for blob in blobs {
            self.archive.keep(&blob.digest, &blob.bytes);
        }
    }

    /// The bytes that were kept under a digest.
    pub(crate) fn kept(&self, digest: &Digest) -> Option<Arc<Vec<u8>>> {
        self.archive.get(digest)
    }

    /// The same world with an archive of its own.
    pub(crate) fn detached(&self) -> Self {
        Self { archive: self.archive.detached(), ..self.clone() }
    }

    /// Takes in what a plan refers to by digest: manifests, values. Only the manifests that helm applies are read: an archive and
    /// the hooks are kept as they are.
    pub fn learn_plan(&mut self, file: &PlanFile) {
        for (digest, content) in &file.objects {
            self.archive.share(digest, &content.0);
        }
        for run in file.plan.helm_runs() {
            if let Some(content) = file.objects.get(&run.manifest) {
                self.learn_manifest(&run.manifest, &content.0);
            }
        }
    }

    /// Takes in one thing that a plan refers to by digest.
    pub fn learn(&mut self, digest: &Digest, bytes: &[u8]) {
        self.archive.keep(digest, bytes);
        self.learn_manifest(digest, bytes);
    }

    /// Reads a manifest, if these bytes are one and it is not known yet.
    fn learn_manifest(&mut self, digest: &Digest, bytes: &[u8]) {
        if self.library.contains_key(digest) {
            return;
        }
        if let Ok(manifest) = serde_json::from_slice::<Manifest>(bytes) {
            let docs = manifest.docs.into_iter().filter_map(|doc| Some((doc.name()?, doc))).collect();
            Arc::make_mut(&mut self.library).insert(digest.clone(), Arc::new(docs));
        }
    }

    /// The fingerprints of a manifest's documents, nothing left out; `None` for a manifest that is not known.
    pub(crate) fn prints(&self, manifest: &Digest) -> Option<Prints> {
        let docs = self.library.get(manifest)?;
        let mut known = self.prints.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(prints) = known.get(manifest) {
            return Some(Arc::clone(prints));
        }
        let docs: Vec<Object> = docs.iter().map(|(_, doc)| doc.clone()).collect();
        let prints = Arc::new(portolan_helm_compat::redact::fingerprint(&docs, &BTreeMap::new()));
        known.insert(manifest.clone(), Arc::clone(&prints));
        Some(prints)
    }

    /// Leaves only some of the objects: a small world, for looking at everything.
    pub fn retain(&mut self, keep: &dyn Fn(&Ref) -> bool) {
        for name in self.names().into_iter().filter(|name| !keep(name)) {
            self.remove(&name);
        }
    }

    /// What tells this world from another one.
    pub(crate) fn state_hash(&self) -> StateHash {
        self.print
    }

    /// What tells some of the objects from others, their absence included.
    pub(crate) fn hash_of(&self, names: &[Ref]) -> StateHash {
        names.iter().fold(0, |all, name| all ^ self.thing(name).map_or(0, |thing| thing.state_hash()))
    }

    /// The names of the objects of a kind in a namespace.
    pub(crate) fn names_of<'a>(&'a self, first: &'a Ref) -> impl Iterator<Item = &'a Ref> + 'a {
        [&self.things, &self.set_aside].into_iter().flat_map(move |things| {
            let from = things.range(first.clone()..).map(|(name, _)| name);
            from.take_while(|name| name.kind() == first.kind() && name.namespace() == first.namespace())
        })
    }

    /// The names of all objects, for counting what is modelled.
    #[must_use]
    pub fn names(&self) -> BTreeSet<Ref> {
        self.all().map(|(name, _)| name.clone()).collect()
    }

    /// Takes it that every pod that was not ready when it was surveyed becomes ready by itself.
    pub(crate) fn unstick(&mut self) {
        let stuck = |thing: &StoredObject| matches!(&thing.view.kind, Kind::Pod(pod) if pod.stuck);
        let pods: Vec<(Ref, Object)> = self
            .all()
            .filter(|(_, thing)| stuck(thing))
            .map(|(name, thing)| (name.clone(), thing.object.clone()))
            .collect();
        for (name, pod) in pods {
            let mut json = (*pod.0).clone();
            json["status"]["phase"] = json!("Running");
            self.put(&name, json);
        }
    }

    /// Everything that is to be kept of a world on disk.
    #[must_use]
    pub(crate) fn parts(&self) -> WorldSnapshot {
        WorldSnapshot {
            facts: (*self.facts).clone(),
            objects: self.all().map(|(name, thing)| (name.clone(), thing.object.clone())).collect(),
            disks: (*self.disks).clone(),
            incarnations: (*self.incarnations).clone(),
            archive: self.archive.texts(),
        }
    }

    /// The world that was kept.
    pub(crate) fn from_parts(parts: WorldSnapshot) -> Self {
        let mut world = Self::new(parts.facts);
        for (name, object) in parts.objects {
            world.put(&name, (*object.0).clone());
        }
        for (volume, disk) in parts.disks {
            world.set_disk(&volume, disk);
        }
        for (name, count) in &parts.incarnations {
            world.print ^= keyed(name, StateHash::from(*count) + 1);
        }
        world.incarnations = Arc::new(parts.incarnations);
        for (digest, text) in &parts.archive {
            world.learn(digest, text.as_bytes());
        }
        world
    }
}

/// A world as it lies on disk.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct WorldSnapshot {
    facts: Facts,
    objects: BTreeMap<Ref, Object>,
    disks: BTreeMap<Ref, Disk>,
    incarnations: BTreeMap<Ref, u32>,
    archive: BTreeMap<Digest, String>,
}

fn keyed(name: &Ref, print: StateHash) -> StateHash {
    state_hash::of(&(name, print))
}

/// An owner's name where it is an object of the cluster's.
pub(crate) fn of_cluster(owner: &Owner) -> Ref {
    Ref::new(owner.name.group(), owner.name.kind(), "", owner.name.name())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(world: &mut World, name: &str) {
        let pod = format!("{name}-0");
        world.put(
            &Ref::set("ns", name),
            json!({"metadata": {"uid": name}, "spec": {"replicas": 1, "updateStrategy": {"type": "OnDelete"}}}),
        );
        let owner = json!([{"apiVersion": "apps/v1", "kind": "StatefulSet", "name": name, "uid": name}]);
        world.put(
            &Ref::pod("ns", &pod),
            json!({
                "metadata": {"ownerReferences": owner},
                "spec": {"nodeName": "n", "volumes": [{"persistentVolumeClaim": {"claimName": name}}]},
                "status": {"phase": "Running"},
            }),
        );
        world.put(
            &Ref::claim("ns", name),
            json!({"metadata": {"uid": name}, "spec": {"volumeName": name}, "status": {"phase": "Bound"}}),
        );
        let claim = json!({"namespace": "ns", "name": name, "uid": name});
        world.put(&Ref::volume(name), json!({"spec": {"claimRef": claim}}));
    }

    fn empty() -> World {
        let facts = json!({
            "cluster": {
                "server": "", "user": "", "uid": "cluster", "version": "", "platform": {"platform": "kubernetes"},
                "default_class": null, "groups": [],
            },
            "release": {"namespace": "ns", "name": "a"}, "databases": [], "migrations": [],
        });
        World::new(serde_json::from_value(facts).expect("facts"))
    }

    #[test]
    fn replica_sets_are_counted() {
        let mut world = empty();
        let (one, two) = (Ref::new("apps", "ReplicaSet", "ns", "a-1"), Ref::new("apps", "ReplicaSet", "ns", "a-2"));
        let on_claim =
            json!({"spec": {"template": {"spec": {"volumes": [{"persistentVolumeClaim": {"claimName": "a"}}]}}}});
        world.put(&Ref::new("apps", "Deployment", "ns", "a"), on_claim.clone());
        assert!(!world.has_replica_sets());
        for name in [&one, &two, &one] {
            world.put(name, on_claim.clone());
        }
        // One without a PVC is not modelled.
        world.put(&two, json!({}));
        assert!(world.has_replica_sets());
        world.remove(&one);
        assert!(!world.has_replica_sets());
    }

    #[test]
    fn what_nothing_reaches_is_set_aside_and_a_write_brings_it_back() {
        let mut world = empty();
        set(&mut world, "a");
        set(&mut world, "b");
        world.put(&Ref::new("", "ConfigMap", "ns", "c"), json!({}));
        // A pod that is somebody's own and names the PVC is reached over it.
        world.put(
            &Ref::pod("ns", "guest"),
            json!({
                "spec": {"nodeName": "n", "volumes": [{"persistentVolumeClaim": {"claimName": "a"}}]},
                "status": {"phase": "Running"},
            }),
        );
        let moves = |world: &World| world.things.keys().map(|name| name.name().to_owned()).collect::<Vec<_>>();
        let (all, print) = (world.names(), world.state_hash());
        for touched in [Ref::set("ns", "a"), Ref::volume("a"), Ref::pod("ns", "guest")] {
            world.set_aside_unreachable([touched]);
            let mut names = moves(&world);
            names.sort();
            assert_eq!(names, ["a", "a", "a", "a-0", "guest"]);
            assert_eq!((world.names(), world.state_hash()), (all.clone(), print));
            assert!(world.get(&Ref::set("ns", "b")).is_some());
        }
        // What waits for something is not set aside.
        world.put(&Ref::pod("ns", "late"), json!({"spec": {}, "status": {"phase": "Pending"}}));
        world.set_aside_unreachable([]);
        assert_eq!(moves(&world), ["late"]);
        world.remove(&Ref::claim("ns", "b"));
        assert_eq!(moves(&world).len(), all.len());
    }
}
