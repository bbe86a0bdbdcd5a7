use portolan_model::{
    Code, DatabaseChange, DatabaseError, Finding, Observation, OtherDatabase, Snapshot, Step, StepKind, TableChange,
};

use super::Next;
use crate::fold::Fold;

pub(super) fn on_rows(step: &Step, fold: &Fold, rows: Result<Snapshot, DatabaseError>) -> Next {
    let snapshot = match rows {
        Ok(snapshot) => snapshot,
        Err(error) => return Next::Halt(refused(step, &error)),
    };
    match &step.kind {
        StepKind::RecordDatabase { database } => {
            let tables = snapshot.all_tables();
            let rows: u64 = tables.values().map(|table| table.rows).sum();
            if snapshot.server_version.is_empty() {
                // A simulated installation that was made from an inventory.
                return observed(database, snapshot, "the database answers; its version and rows are not known".into());
            }
            let mut note = format!(
                "PostgreSQL {}, system_identifier {}, {}, {rows} rows",
                snapshot.server_version,
                snapshot.system_identifier,
                portolan_model::counted(tables.len(), "table")
            );
            for (name, other) in &snapshot.others {
                match other {
                    OtherDatabase::Tables(_) => note.push_str(&format!("; database {name} too")),
                    OtherDatabase::Closed(why) => note.push_str(&format!("; database {name} may not be opened: {why}")),
                }
            }
            observed(database, snapshot, note)
        }
        StepKind::CarryCredentials { database, carried } => {
            if let Some(missing) = carried.iter().find(|carried| !fold.archived.contains_key(&carried.from.secret)) {
                let found = format!("{} is not in the archive", missing.from.secret);
                return Next::Halt(Finding::blocking(Code::NoCredentials, found));
            }
            Next::was_done(format!("the archived password opens {}", database.pod))
        }
        StepKind::VerifyDatabase { database, may_change } => match fold.baseline.get(&database.pod) {
            None => {
                let note = "no baseline was recorded; the password opens it".to_owned();
                observed(database, snapshot, note)
            }
            Some(before) => match compare(before, &snapshot, may_change) {
                Ok(note) => observed(database, snapshot, note),
                Err(finding) => Next::Halt(finding),
            },
        },
        _ => Next::Halt(super::unreadable(step, &portolan_model::Reply::Met)),
    }
}

fn observed(database: &portolan_model::DatabaseRef, snapshot: Snapshot, note: String) -> Next {
    Next::Observed(Observation::Database { pod: database.pod.clone(), snapshot, note }, Vec::new())
}

/// Same database, and nothing gone that no migration may take.
pub(crate) fn compare(before: &Snapshot, after: &Snapshot, may_change: &[String]) -> Result<String, Finding> {
    if before.system_identifier != after.system_identifier {
        return Err(Finding::blocking(Code::OtherDatabase, "this is not the database that was there before")
            .with(format!("system_identifier {} -> {}", before.system_identifier, after.system_identifier))
            .with(format!(
                "{} before, {} now",
                portolan_model::counted(before.tables.len(), "table"),
                portolan_model::counted(after.tables.len(), "table")
            )));
    }
    let databases = after.databases_since(before);
    if let Some((name, change)) = databases.iter().find(|(_, change)| change.is_loss()) {
        let code = match change {
            DatabaseChange::EmptyBeside(_) => Code::EmptyDatabase,
            _ => Code::DatabaseGone,
        };
        let all = databases.iter().map(|(name, change)| format!("database {name} {}", change.words()));
        return Err(all.fold(Finding::blocking(code, format!("database {name} {}", change.words())), Finding::with));
    }
    let changes = after.changes_since(before, may_change);
    let named = |wanted: TableChange| -> Vec<&str> {
        changes.iter().filter(|(_, change)| **change == wanted).map(|(name, _)| name.as_str()).collect()
    };
    let lost: Vec<(&String, &TableChange)> = changes.iter().filter(|(_, change)| change.is_loss()).collect();
    if !lost.is_empty() {
        let has = |wanted: TableChange| lost.iter().any(|(_, change)| **change == wanted);
        let mut finding = if has(TableChange::Gone) || has(TableChange::Shrunk) {
            Finding::blocking(Code::TablesLost, Code::TablesLost.title())
        } else if has(TableChange::Replaced) {
            Finding::blocking(Code::RowsLost, Code::RowsLost.title())
        } else {
            Finding::blocking(Code::NotAsSaved, "rows have other content, and digests of it were asked for")
        };
        finding.evidence = lost.into_iter().map(|(name, change)| after.told(before, name, *change)).collect();
        return Err(finding);
    }
    let migrated = named(TableChange::Migrated);
    let mut note = format!(
        "same database; {}: {} equal, {} grew, {} new",
        portolan_model::counted(changes.len(), "table"),
        named(TableChange::Equal).len(),
        named(TableChange::Grew).len(),
        named(TableChange::New).len()
    );
    let tables = after.all_tables();
    let (locked, slow): (Vec<&str>, Vec<&str>) =
        named(TableChange::Uncounted).into_iter().partition(|name| tables.get(*name).is_some_and(|table| table.locked));
    for (names, what) in [(locked, "locked by somebody, not counted"), (slow, "not counted in time")] {
        if !names.is_empty() {
            note.push_str(&format!(", {what}: {}", names.join(", ")));
        }
    }
    if !migrated.is_empty() {
        note.push_str(&format!(", changed by the migration: {}", migrated.join(", ")));
    }
    for (name, change) in &databases {
        note.push_str(&format!("; database {name} {}", change.words()));
    }
    Ok(note)
}

fn refused(step: &Step, error: &DatabaseError) -> Finding {
    let code = if *error == DatabaseError::PasswordRefused { Code::PasswordRefused } else { Code::NoDatabase };
    let said = match error {
        DatabaseError::Unreachable(text) | DatabaseError::NoDatabase(text) | DatabaseError::Other(text) => text.clone(),
        DatabaseError::PasswordRefused => String::from("the server refused the password"),
    };
    Finding::blocking(code, format!("step {}: {}", step.id, code.title())).with(said)
}
