use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Ref, SecretKey};

/// Where a database is reached and as whom.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub struct DatabaseRef {
    /// The pod that runs the server.
    pub pod: Ref,
    /// The server's port.
    pub port: u16,
    /// The role that logs in.
    pub user: String,
    /// The database.
    pub database: String,
    /// The Secret's key that holds the password. It is read from the archive of this run where the Secret
    /// was archived, else from the cluster: an archived password is the one that the data directory knows.
    pub password: SecretKey,
}

/// What a look into a database saw.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub struct Snapshot {
    /// PostgreSQL's `system_identifier`: made by `initdb`, so another number is another database.
    pub system_identifier: String,
    /// The server's version.
    pub server_version: String,
    /// Every table outside the system's schemas, by `schema.table`.
    pub tables: BTreeMap<String, Table>,
}

/// What is known of one table.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub struct Table {
    /// How many rows it has.
    pub rows: u64,
    /// Its columns, as `name type`, in order.
    pub columns: Vec<String>,
}

/// What became of a table between two looks.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum TableChange {
    /// Same rows, same columns.
    Equal,
    /// More rows, same columns.
    Grew,
    /// Rows or columns differ, and the recipe says that a migration may do so.
    Migrated,
    /// It was not there before.
    New,
    /// Fewer rows, or other columns, and no recipe says so.
    Shrunk,
    /// It is gone.
    Gone,
}

/// Why a database could not be looked into.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum DatabaseError {
    /// No server answers (yet).
    Unreachable(String),
    /// The server refused the password.
    PasswordRefused,
    /// There is no such database.
    NoDatabase(String),
    /// Anything else.
    Other(String),
}

impl Snapshot {
    /// What became of each table since `before`; `may_change` names the tables (`schema.table`, or
    /// `schema.*`) that a migration may change.
    #[must_use]
    pub fn changes_since(&self, before: &Self, may_change: &[String]) -> BTreeMap<String, TableChange> {
        let allowed = |name: &str| {
            may_change.iter().any(|pattern| match pattern.strip_suffix(".*") {
                Some(schema) => name.split_once('.').is_some_and(|(its, _)| its == schema),
                None => pattern == name,
            })
        };
        let names: std::collections::BTreeSet<&String> = before.tables.keys().chain(self.tables.keys()).collect();
        names
            .into_iter()
            .map(|name| {
                let change = match (before.tables.get(name), self.tables.get(name)) {
                    (None, _) => TableChange::New,
                    (Some(_), None) if allowed(name) => TableChange::Migrated,
                    (Some(_), None) => TableChange::Gone,
                    (Some(old), Some(new)) if old == new => TableChange::Equal,
                    (Some(old), Some(new)) if old.columns == new.columns && new.rows > old.rows => TableChange::Grew,
                    _ if allowed(name) => TableChange::Migrated,
                    _ => TableChange::Shrunk,
                };
                (name.clone(), change)
            })
            .collect()
    }
}
