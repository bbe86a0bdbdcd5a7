//! What a PostgreSQL server holds beside the database that is logged into.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Snapshot, Table};

/// Another database of the same server.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum OtherDatabase {
    /// Its tables, by `schema.table`, read under the same rules.
    Tables(BTreeMap<String, Table>),
    /// Why it may not be opened.
    Closed(String),
}

/// What became of a database of the server between two looks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DatabaseChange {
    /// It is gone.
    Gone,
    /// It was read before and cannot be read now.
    Closed(String),
    /// It could not be read before either: nothing is known of it.
    NeverOpened(String),
    /// It is new, and takes the place of this one: it has no rows, or the same tables with fewer rows.
    EmptyBeside(String),
    /// It is new.
    New,
}

impl DatabaseChange {
    /// Whether data is gone, may be, or is not where it is looked for.
    #[must_use]
    pub fn is_loss(&self) -> bool {
        matches!(self, Self::Gone | Self::Closed(_) | Self::EmptyBeside(_))
    }

    /// In a few words, after the database's name.
    #[must_use]
    pub fn words(&self) -> String {
        match self {
            Self::Gone => "is gone".into(),
            Self::Closed(why) => format!("was read before and may not be opened now: {why}"),
            Self::NeverOpened(why) => format!("may not be opened: {why}"),
            Self::EmptyBeside(full) => format!("is new and empty, beside database {full} with the data"),
            Self::New => "is new".into(),
        }
    }
}

impl Snapshot {
    /// All tables: those of the database that was logged into by `schema.table`, those of others by `database/schema.table`.
    #[must_use]
    pub fn all_tables(&self) -> BTreeMap<String, &Table> {
        let own = self.tables.iter().map(|(name, table)| (name.clone(), table));
        let others = self.others.iter().flat_map(|(database, other)| {
            let tables = if let OtherDatabase::Tables(tables) = other { Some(tables) } else { None };
            tables.into_iter().flatten().map(move |(name, table)| (format!("{database}/{name}"), table))
        });
        own.chain(others).collect()
    }

    /// The databases of the server that are not as they were `before`; what became of their tables is told apart.
    #[must_use]
    pub fn databases_since(&self, before: &Self) -> BTreeMap<String, DatabaseChange> {
        let names: BTreeSet<&String> = before.others.keys().chain(self.others.keys()).collect();
        let change = |name: &String| match (before.others.get(name), self.others.get(name)) {
            (Some(_), None) => Some(DatabaseChange::Gone),
            (Some(OtherDatabase::Tables(_)), Some(OtherDatabase::Closed(why))) => {
                Some(DatabaseChange::Closed(why.clone()))
            }
            (Some(OtherDatabase::Closed(_)), Some(OtherDatabase::Closed(why)))
            | (None, Some(OtherDatabase::Closed(why))) => Some(DatabaseChange::NeverOpened(why.clone())),
            (None, Some(OtherDatabase::Tables(tables))) => {
                Some(before.replaced_by(tables).map_or(DatabaseChange::New, DatabaseChange::EmptyBeside))
            }
            _ => None,
        };
        names.into_iter().filter_map(|name| Some((name.clone(), change(name)?))).collect()
    }

    /// The database with rows whose place a new one of these tables takes: that has no rows, or half or more of the other's
    /// tables with fewer rows in all.
    fn replaced_by(&self, new: &BTreeMap<String, Table>) -> Option<String> {
        let rows = |tables: &BTreeMap<String, Table>| tables.values().map(|table| table.rows).sum::<u64>();
        let others = self.others.iter().filter_map(|(name, other)| match other {
            OtherDatabase::Tables(tables) => Some((name.as_str(), tables)),
            OtherDatabase::Closed(_) => None,
        });
        let full = std::iter::once(("", &self.tables)).chain(others).find(|(_, old)| {
            let shared = old.keys().filter(|name| new.contains_key(*name)).count();
            rows(old) > 0 && (rows(new) == 0 || (shared * 2 >= old.len() && rows(new) < rows(old)))
        })?;
        Some(if full.0.is_empty() { self.database.clone() } else { full.0.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tables(rows: &[(&str, u64)]) -> BTreeMap<String, Table> {
        rows.iter().map(|(name, rows)| ((*name).into(), Table { rows: *rows, ..Table::default() })).collect()
    }

    fn server(others: &[(&str, OtherDatabase)]) -> Snapshot {
        Snapshot {
            system_identifier: "7".into(),
            server_version: "15".into(),
            database: "backend".into(),
            tables: tables(&[("public.a", 5), ("public.b", 3)]),
            others: others.iter().map(|(name, other)| ((*name).to_owned(), other.clone())).collect(),
        }
    }

    #[test]
    fn a_database_that_goes_closes_or_comes_is_told() {
        let full = || OtherDatabase::Tables(tables(&[("public.k", 9)]));
        let closed = || OtherDatabase::Closed("permission denied".into());
        let change = |before: &[(&str, OtherDatabase)], now: &[(&str, OtherDatabase)]| {
            server(now).databases_since(&server(before)).into_values().collect::<Vec<_>>()
        };
        assert_eq!(change(&[("k", full())], &[("k", full())]), []);
        assert_eq!(change(&[("k", full())], &[]), [DatabaseChange::Gone]);
        assert_eq!(change(&[("k", full())], &[("k", closed())]), [DatabaseChange::Closed("permission denied".into())]);
        let never = DatabaseChange::NeverOpened("permission denied".into());
        assert_eq!(change(&[("k", closed())], &[("k", closed())]), std::slice::from_ref(&never));
        assert!(!never.is_loss());
        assert_eq!(change(&[], &[("k", full())]), [DatabaseChange::New]);
    }

    #[test]
    fn a_new_database_in_the_place_of_a_full_one_is_no_mere_news() {
        let since = |rows: &[(&str, u64)]| {
            let new = OtherDatabase::Tables(tables(rows));
            server(&[("fresh", new)]).databases_since(&server(&[]))["fresh"].clone()
        };
        let beside = DatabaseChange::EmptyBeside("backend".into());
        assert_eq!(since(&[]), beside);
        assert_eq!(since(&[("public.a", 0)]), beside);
        assert_eq!(since(&[("public.a", 1), ("public.b", 0)]), beside, "its migrations left a row");
        assert_eq!(since(&[("public.other", 4)]), DatabaseChange::New);
        let empty = Snapshot { tables: BTreeMap::new(), ..server(&[]) };
        let new = server(&[("fresh", OtherDatabase::Tables(BTreeMap::new()))]);
        assert_eq!(new.databases_since(&empty)["fresh"], DatabaseChange::New, "nothing was full before");
    }

    #[test]
    fn tables_of_other_databases_are_counted_under_their_names() {
        let server = server(&[
            ("k", OtherDatabase::Tables(tables(&[("public.a", 1)]))),
            ("x", OtherDatabase::Closed("no".into())),
        ]);
        let names: Vec<String> = server.all_tables().into_keys().collect();
        assert_eq!(names, ["k/public.a", "public.a", "public.b"]);
    }
}
