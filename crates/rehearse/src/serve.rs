//! Answers the engine's requests from the simulated world.

use std::collections::BTreeMap;

use base64::Engine as _;
use portolan_engine::Engine;
use portolan_helm_compat::values;
use portolan_model::{
    CheckReport, Cond, DatabaseError, DatabaseRef, HelmOperation, HelmRun, HelmToken, JsonPointer, Progress, Ref,
    Refusal, ReleaseFact, ReleaseId, ReleaseStatus, Reply, Request, SecretKey, Seen, Snapshot, ValuesMode, Wait,
};
use serde_json::{Value, json};

use crate::helm::{HelmActor, HelmJob, base, goes_on_from, manifest_digest, records};
use crate::object_view::{Kind, Replica};
use crate::rules;
use crate::world::World;

/// What came of a request.
pub(crate) enum Served {
    Reply(Reply),
    /// Helm was started.
    Spawned(Box<HelmActor>),
    /// The wait is not over.
    Waiting(Vec<Progress>),
}

/// Serves one request. `helms` are the tokens of the helms that run.
pub(crate) fn serve(world: &mut World, engine: &Engine, request: &Request, helms: &[HelmToken]) -> Served {
    Served::Reply(match request {
        Request::Append(_, blobs) => {
            world.keep(blobs);
            Reply::Appended
        }
        Request::Read(names) => Reply::Seen(read(world, names)),
        Request::ReadWithClaims(names, namespace) => {
            let claims = world.objects().filter(|(name, _)| name.is_claim_in(namespace));
            let mut seen = read(world, names);
            seen.extend(claims.map(|(_, claim)| Seen::There(claim.clone())));
            Reply::Seen(seen)
        }
        Request::Releases(release, free) => Reply::Releases(releases(world, release, free)),
        Request::Compare(target, copy) => Reply::Compared(world.compare(target, copy)),
        Request::Write(write) => match world.write(write) {
            Ok(()) => Reply::Wrote,
            Err(refusal) => Reply::Refused(refusal),
        },
        Request::Spawn(op, run, token) => match job(world, engine, *op, run, token) {
            Ok(job) => return Served::Spawned(Box::new(HelmActor::new(job))),
            Err(text) => Reply::Refused(Refusal::NotSent(text)),
        },
        Request::Wait(wait) => {
            let open = progress(world, wait, helms);
            if !open.is_empty() {
                return Served::Waiting(open);
            }
            Reply::Met
        }
        Request::Query(database) => Reply::Rows(query(world, engine, database)),
        // The simulated API server has no admission: what it would say is not known, and the plan does not rely on it.
        Request::Check(_) => Reply::Checked(CheckReport::default()),
        Request::End(_) => Reply::Unknown("the run is over".into()),
    })
}

fn read(world: &World, names: &[Ref]) -> Vec<Seen> {
    names.iter().map(|name| world.get(name).map_or(Seen::Absent, |object| Seen::There(object.clone()))).collect()
}

/// The conditions of a wait that do not hold yet.
pub(crate) fn progress(world: &World, wait: &Wait, helms: &[HelmToken]) -> Vec<Progress> {
    let open = wait.until.iter().filter_map(|cond| Some((cond, unmet(world, cond, helms)?)));
    open.map(|(cond, seen)| Progress { cond: cond.clone(), seen }).collect()
}

/// Whether every condition of a wait holds.
pub(crate) fn is_over(world: &World, wait: &Wait, helms: &[HelmToken]) -> bool {
    wait.until.iter().all(|cond| unmet(world, cond, helms).is_none())
}

/// What keeps a condition from being met.
fn unmet(world: &World, cond: &Cond, helms: &[HelmToken]) -> Option<String> {
    match cond {
        Cond::HelmEnded(token) => helms.contains(token).then(|| "helm is running".to_owned()),
        Cond::Gone(gone) => {
            world.view(&gone.target).filter(|view| view.uid == gone.uid).map(|_| "still there".to_owned())
        }
        Cond::Ended(orphan) => {
            world.view(&orphan.pod).filter(|pod| pod.is_owned_by(&orphan.owner)).map(|_| "still there".to_owned())
        }
        Cond::Ready(name) => readiness(world, name).err(),
    }
}

/// Whether a workload is as its spec asks; the error says how far it is.
pub(crate) fn readiness(world: &World, name: &Ref) -> Result<String, String> {
    let Some(view) = world.view(name) else { return Err("not there".into()) };
    match &view.kind {
        Kind::Set(set) => {
            let first = set.ordinals.start;
            let ready = set
                .replicas
                .iter()
                .filter(|Replica { ordinal, pod, .. }| {
                    world.view(pod).is_some_and(|pod| {
                        !pod.terminating
                            && pod.is_owned_by(&view.uid)
                            && matches!(&pod.kind, Kind::Pod(pod) if pod.running
                                && (pod.revision == set.revision || set.on_delete || ordinal - first < set.partition))
                    })
                })
                .count();
            let wanted = set.ordinals.len();
            let text = format!("{ready} of {wanted} ready");
            if ready != wanted {
                return Err(text);
            }
            match world.pods_of_set(set, &view.uid).find(|(ordinal, _)| !set.ordinals.contains(ordinal)) {
                Some((_, pod)) => Err(format!("{pod} is one pod too many")),
                None => Ok(text),
            }
        }
        Kind::Deployment(deployment) => crate::deployments::rollout(world, &view.uid, deployment),
        Kind::Job(job) => {
            if job.complete {
                Ok("complete".into())
            } else {
                Err("running".into())
            }
        }
        _ => Ok("there".into()),
    }
}

impl World {
    /// The records of a release, oldest first.
    #[must_use]
    pub fn releases(&self, release: &ReleaseId) -> Vec<ReleaseFact> {
        releases(self, release, &BTreeMap::new())
    }
}

fn releases(world: &World, release: &ReleaseId, free: &BTreeMap<Ref, Vec<JsonPointer>>) -> Vec<ReleaseFact> {
    records(world, release)
        .into_iter()
        .filter_map(|(revision, record)| {
            let manifest = manifest_digest(record)?;
            let docs = if free.is_empty() {
                (*world.prints(&manifest)?).clone()
            } else {
                let docs: Vec<_> = world.library.get(&manifest)?.iter().map(|(_, doc)| doc.clone()).collect();
                portolan_helm_compat::redact::fingerprint(&docs, free)
            };
            Some(ReleaseFact {
                revision,
                status: ReleaseStatus::parse(record.text("/status")),
                token: record.at("/token").and_then(Value::as_str).map(HelmToken::of_label),
                chart: serde_json::from_value(record.at("/chart")?.clone()).ok()?,
                description: String::new(),
                docs,
                config: record.at("/config").cloned().unwrap_or_default(),
            })
        })
        .collect()
}

/// A run of helm with its documents at hand.
fn job(world: &World, engine: &Engine, op: HelmOperation, run: &HelmRun, token: &HelmToken) -> Result<HelmJob, String> {
    let (stored, stored_digest) = match goes_on_from(world, &run.release, op) {
        Some((_, record)) => {
            let manifest = manifest_digest(record).ok_or("the release record names no manifest")?;
            let docs = world.library.get(&manifest).cloned().ok_or("the stored manifest is not known")?;
            (docs, Some(manifest))
        }
        None => (std::sync::Arc::default(), None),
    };
    let (run, token) = (run.clone(), Some(token.clone()));
    if op.is_uninstall() {
        let target = std::sync::Arc::default();
        return Ok(HelmJob {
            op,
            run,
            token,
            target,
            stored,
            stored_digest,
            carried: BTreeMap::new(),
            config: json!({}),
        });
    }
    let target = world.library.get(&run.manifest).cloned().ok_or("the planned manifest is not known")?;
    let given = run.values.as_ref().and_then(|values| world.kept(values)).ok_or("the planned values are not known")?;
    let mut config: Value = serde_json::from_slice(&given).map_err(|error| error.to_string())?;
    let mut carried = BTreeMap::new();
    for item in &run.carried {
        let raw = archived(world, engine, &item.from).ok_or("a carried value is not in the archive")?;
        let plain = base64::engine::general_purpose::STANDARD
            .decode(&raw)
            .ok()
            .and_then(|bytes| String::from_utf8(bytes).ok())
            .unwrap_or_else(|| raw.clone());
        values::set(&mut config, item.path.as_str(), json!(plain));
        carried.insert(item.path.clone(), raw);
    }
    if run.mode == ValuesMode::ResetThenReuse
        && let Some((_, record)) = base(world, &run.release)
    {
        config = values::reuse(record.at("/config").unwrap_or(&Value::Null), &config, run.client.version());
    }
    Ok(HelmJob { op, run, token, target, stored, stored_digest, carried, config })
}

/// A key of a Secret as the run's archive has it, raw.
fn archived(world: &World, engine: &Engine, key: &SecretKey) -> Option<String> {
    let digest = &engine.state().archived.get(&key.secret)?.digest;
    let secret: Value = serde_json::from_slice(&world.kept(digest)?).ok()?;
    secret.pointer("/data")?.get(&key.key)?.as_str().map(str::to_owned)
}

fn query(world: &World, engine: &Engine, database: &DatabaseRef) -> Result<Snapshot, DatabaseError> {
    look_into(world, database, archived(world, engine, &database.password))
}

impl World {
    /// A look into a database with the password that its Secret has now.
    ///
    /// # Errors
    /// Why it could not be looked into.
    pub fn look_into(&self, database: &DatabaseRef) -> Result<Snapshot, DatabaseError> {
        look_into(self, database, None)
    }
}

fn look_into(world: &World, database: &DatabaseRef, archived: Option<String>) -> Result<Snapshot, DatabaseError> {
    if database.is_outside() {
        // Nothing that happens in the cluster stops it, and nobody knows here what is in it.
        return Ok(Snapshot { database: database.database.clone(), ..Snapshot::default() });
    }
    let unreachable = || DatabaseError::Unreachable(format!("{} does not run", database.pod));
    let (_, found) = rules::running_database(world, &database.set()).ok_or_else(unreachable)?;
    let password =
        archived.or_else(|| rules::password(world, std::slice::from_ref(&database.password))).ok_or_else(|| {
            DatabaseError::Other(format!("{} has no key {}", database.password.secret, database.password.key))
        })?;
    if password != found.password {
        return Err(DatabaseError::PasswordRefused);
    }
    Ok(Snapshot {
        system_identifier: found.system_identifier.clone(),
        server_version: found.server_version.clone(),
        database: database.database.clone(),
        tables: found.tables.clone(),
        others: BTreeMap::new(),
    })
}
