//! A page's commands, typed as written, and whether the databases can be opened afterwards.

use std::collections::BTreeSet;

use portolan_model::{DatabaseRef, End, HelmRun, ProtectedVolume, Ref};
use portolan_recipe::{PageLine, PageOp};
use serde_json::json;

use crate::helm::HelmJob;
use crate::rules::{password, running_database};
use crate::script::{CommandScript, Op, ScriptLine};
use crate::search::{Options, Subject, ends};
use crate::world::World;

/// What the commands of a page do to this world. `run` is the upgrade that the page's helm command stands for; `None` where the
/// world does not have the manifests that it names.
#[must_use]
pub fn page_script(lines: &[PageLine], world: &World, run: &HelmRun) -> Option<CommandScript> {
    let line =
        |line: &PageLine| Some(ScriptLine { op: op(&line.op, world, run)?, line: line.line, text: line.text.clone() });
    lines.iter().map(line).collect()
}

fn op(op: &PageOp, world: &World, run: &HelmRun) -> Option<Op> {
    let release = &run.release;
    Some(match op {
        PageOp::Nothing => Op::Nothing,
        PageOp::PatchVolumeOf { claim, patch } => {
            let claim = world.get(&Ref::claim(&release.namespace, claim));
            match claim.map(|claim| claim.text("/spec/volumeName")).filter(|volume| !volume.is_empty()) {
                Some(volume) => Op::Patch(Ref::volume(volume), patch.clone()),
                // The shell's variable is empty: kubectl refuses, and the next line is typed.
                None => Op::Nothing,
            }
        }
        PageOp::Annotate { claim, annotations } => {
            Op::Patch(Ref::claim(&release.namespace, claim), json!({"metadata": {"annotations": annotations}}))
        }
        PageOp::Delete(objects) => {
            Op::Delete(objects.iter().filter_map(|text| portolan_recipe::object(text, release)).collect())
        }
        PageOp::HelmUpgrade { .. } => Op::Helm(Box::new(HelmJob::typed(world, run)?)),
    })
}

/// What a look into a database shows when nothing moves any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum DatabaseEnd {
    /// The Secret's password opens the database that was there before.
    Opens,
    /// No server runs, or the Secret has no password.
    Down,
    /// The server refuses the password that the Secret has now: nobody can log in.
    RefusesPassword,
    /// The Secret's password opens another database: a new and empty one.
    Another,
}

/// How each database can end, over all orders of events of a script; those that cannot be looked into before are left out.
#[must_use]
pub fn databases_at_end(
    world: &World,
    script: &CommandScript,
    protected_volumes: &[ProtectedVolume],
    databases: &[DatabaseRef],
) -> Vec<(DatabaseRef, BTreeSet<DatabaseEnd>)> {
    let mut all = Vec::new();
    for database in databases {
        let Some((volume, before)) = running_database(world, &database.set()) else { continue };
        let Some(protected) = protected_volumes.iter().find(|protected| protected.volume == volume) else { continue };
        let (ends, _) = ends(world, &Subject::Script(script.clone()), protected, Options::orders());
        let finished = ends.iter().filter(|(end, _)| end.end == End::Finished);
        let seen = finished.map(|(_, world)| look(world, database, &before.system_identifier));
        all.push((database.clone(), seen.collect()));
    }
    all
}

/// Charts name the key of the password in more than one way.
fn look(world: &World, database: &DatabaseRef, before: &str) -> DatabaseEnd {
    let set = database.set();
    let known = world.facts.databases.iter().find(|known| known.set == set);
    let keys = known.map_or(std::slice::from_ref(&database.password), |known| &known.passwords);
    match (running_database(world, &set), password(world, keys)) {
        (Some((_, now)), Some(_)) if now.system_identifier != before => DatabaseEnd::Another,
        (Some((_, now)), Some(password)) if now.password == password => DatabaseEnd::Opens,
        (Some(_), Some(_)) => DatabaseEnd::RefusesPassword,
        _ => DatabaseEnd::Down,
    }
}
