use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{OtherDatabase, OutsideServer, Ref, SecretKey};

/// Where a database is reached and as whom.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub struct DatabaseRef {
    /// The pod that runs the server; for one that is outside, what [`Ref::outside`] makes of its address.
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
    /// The server, where it is not of the release.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outside: Option<OutsideServer>,
}

impl DatabaseRef {
    /// Whether the server is not of the release: no pod and no volume of it is.
    #[must_use]
    pub fn is_outside(&self) -> bool {
        self.outside.is_some()
    }

    /// The set whose pod runs the server: a set names its pods after itself and a number.
    #[must_use]
    pub fn set(&self) -> Ref {
        let name = self.pod.name();
        Ref::set(self.pod.namespace(), name.rsplit_once('-').map_or(name, |(set, _)| set))
    }
}

/// What a look into a database saw.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub struct Snapshot {
    /// PostgreSQL's `system_identifier`: made by `initdb`, so another number is another database.
    pub system_identifier: String,
    /// The server's version.
    pub server_version: String,
    /// The database that was logged into.
    #[serde(default)]
    pub database: String,
    /// Every logged table of that database outside the system's schemas, by `schema.table`. Unlogged tables are left out: the
    /// server empties them itself after a crash.
    pub tables: BTreeMap<String, Table>,
    /// The other databases of the server, by name; templates are left out.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub others: BTreeMap<String, OtherDatabase>,
}

/// What is known of one table.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub struct Table {
    /// How many rows it has.
    pub rows: u64,
    /// Its columns, as `name type`, in order.
    pub columns: Vec<String>,
    /// Whether `rows` is the server's estimate: the table could not be counted in time.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub about: bool,
    /// Whether somebody held it locked, so that it was not read at all.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub locked: bool,
    /// The [`Table::KEYS`] smallest hashes of its primary keys, ascending: a sample that new rows do not disturb. Empty
    /// where it has no primary key or could not be read in time.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub keys: Vec<i64>,
    /// A sum over the hashes of all its rows, whatever their order; only where it was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
}

impl Table {
    /// How many hashes of primary keys are kept. Where a table has no more rows than this at both looks, each row that goes
    /// is noticed. Of a larger one it is a matter of chance: with `n` keys to look for (256, less where the table grew: half
    /// of them where it doubled) a part `f` of its rows going is noticed with a probability of `1 - (1 - f)^n`. For 256 keys
    /// that is 72 % where one row of 200 goes, 92 % for one of 100, and 99.999 % for one of 20.
    pub const KEYS: usize = 256;

    /// What became of it since `before`, whatever a recipe says.
    fn change_since(&self, before: &Self) -> TableChange {
        let is_counted = !self.about && !before.about;
        let is_rewritten = || matches!((&self.digest, &before.digest), (Some(new), Some(old)) if new != old);
        if self.columns != before.columns || (is_counted && self.rows < before.rows) {
            TableChange::Shrunk
        } else if self.missing_since(before).0 > 0 {
            TableChange::Replaced
        } else if !is_counted {
            TableChange::Uncounted
        } else if self.rows > before.rows {
            TableChange::Grew
        } else if is_rewritten() {
            TableChange::Rewritten
        } else {
            TableChange::Equal
        }
    }

    /// How many rows of the sample taken `before` are not here any more, and how many could be looked for.
    ///
    /// A full sample holds every key up to its largest hash; what lies beyond that was pushed out by new rows and may be
    /// there, so nothing is said of it. New rows, and rows whose other columns changed, make no difference. What this
    /// cannot see: rows of a table without a primary key, a row that was replaced by another one of the same key, and
    /// who took a row away: an application that deletes rows by itself looks the same as a loss.
    #[must_use]
    pub fn missing_since(&self, before: &Self) -> (usize, usize) {
        let is_full = self.keys.len() >= Self::KEYS;
        if self.keys.is_empty() && (self.rows > 0 || self.about) {
            return (0, 0);
        }
        let limit = self.keys.last().copied().filter(|_| is_full).unwrap_or(i64::MAX);
        let looked_for: Vec<&i64> = before.keys.iter().filter(|key| **key <= limit).collect();
        let missing = looked_for.iter().filter(|key| self.keys.binary_search(key).is_err()).count();
        (missing, looked_for.len())
    }
}

/// What became of a table between two looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum TableChange {
    /// As many rows, same columns, nothing known to be gone.
    Equal,
    /// More rows, same columns, nothing known to be gone.
    Grew,
    /// Same columns; at least one of the two numbers of rows is an estimate, so they are not compared.
    Uncounted,
    /// Rows or columns differ, and the recipe says that a migration may do so.
    Migrated,
    /// It was not there before.
    New,
    /// Fewer rows, or other columns, and no recipe says so.
    Shrunk,
    /// No fewer rows, but of those before some are gone (see [`Table::missing_since`]), and no recipe says so.
    Replaced,
    /// As many rows with other content, and no recipe says so; only digests tell.
    Rewritten,
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

impl TableChange {
    /// Whether data is gone, or may be.
    #[must_use]
    pub fn is_loss(self) -> bool {
        matches!(self, Self::Gone | Self::Shrunk | Self::Replaced | Self::Rewritten)
    }
}

impl Snapshot {
    /// A change of one table in a few words, with the numbers.
    #[must_use]
    pub fn told(&self, before: &Self, name: &str, change: TableChange) -> String {
        let (before, now) = (before.all_tables(), self.all_tables());
        let (Some(old), Some(new)) = (before.get(name), now.get(name)) else {
            return format!("{name} is {}", if change == TableChange::New { "new" } else { "gone" });
        };
        let rows = |table: &Table| {
            let about = if table.about { "about " } else { "" };
            format!("{about}{} {}", table.rows, if table.rows == 1 { "row" } else { "rows" })
        };
        let numbers = format!("{} -> {}", rows(old), rows(new));
        match change {
            TableChange::Replaced => {
                let (missing, looked_for) = new.missing_since(old);
                format!("{name} lost rows: {missing} of {looked_for} looked for by their keys are gone; {numbers}")
            }
            TableChange::Rewritten => format!("{name} has other content: {numbers}"),
            _ if old.columns != new.columns => format!("{name} has other columns: {numbers}"),
            _ => format!("{name} has changed: {numbers}"),
        }
    }

    /// What became of each table since `before`; `may_change` names the tables (`schema.table`, or
    /// `schema.*`) that a migration may change.
    #[must_use]
    pub fn changes_since(&self, before: &Self, may_change: &[String]) -> BTreeMap<String, TableChange> {
        let gone = |name: &str| {
            before.others.contains_key(name) && !matches!(self.others.get(name), Some(OtherDatabase::Tables(_)))
        };
        // Of a database that is gone, or cannot be opened, its name says enough.
        let in_gone = |name: &&String| name.split_once('/').is_some_and(|(database, _)| gone(database));
        let (before, now) = (before.all_tables(), self.all_tables());
        let allowed = |name: &str| {
            may_change.iter().any(|pattern| match pattern.strip_suffix(".*") {
                Some(schema) => name.split_once('.').is_some_and(|(its, _)| its == schema),
                None => pattern == name,
            })
        };
        let names: std::collections::BTreeSet<&String> = before.keys().chain(now.keys()).collect();
        names
            .into_iter()
            .filter(|name| !in_gone(name))
            .map(|name| {
                let change = match (before.get(name), now.get(name)) {
                    (None, _) => TableChange::New,
                    (Some(_), None) if allowed(name) => TableChange::Migrated,
                    (Some(_), None) => TableChange::Gone,
                    (Some(old), Some(new)) => match new.change_since(old) {
                        TableChange::Shrunk | TableChange::Replaced | TableChange::Rewritten if allowed(name) => {
                            TableChange::Migrated
                        }
                        change => change,
                    },
                };
                (name.clone(), change)
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(rows: u64, keys: impl IntoIterator<Item = i64>) -> Table {
        let mut keys: Vec<i64> = keys.into_iter().collect();
        keys.sort_unstable();
        keys.truncate(Table::KEYS);
        Table { rows, columns: vec!["id integer".into()], keys, ..Table::default() }
    }

    /// Hashes are spread evenly; so are these.
    fn hash(key: i64) -> i64 {
        key.wrapping_mul(-7_046_029_254_386_353_131)
    }

    fn change(before: &Table, after: &Table) -> TableChange {
        let snapshot = |table: &Table| Snapshot {
            system_identifier: "1".into(),
            server_version: "15".into(),
            database: String::new(),
            tables: [("public.a".to_owned(), table.clone())].into(),
            others: BTreeMap::new(),
        };
        let of = |may: &[String]| snapshot(after).changes_since(&snapshot(before), may)["public.a"];
        let allowed = of(&["public.*".into()]);
        assert!(!allowed.is_loss(), "a recipe may allow anything: {allowed:?}");
        of(&[])
    }

    #[test]
    fn new_rows_do_not_hide_that_old_ones_are_gone() {
        let before = table(100, (0..100).map(hash));
        assert_eq!(change(&before, &before), TableChange::Equal);
        assert_eq!(change(&before, &table(130, (0..130).map(hash))), TableChange::Grew);
        assert_eq!(change(&before, &table(99, (0..99).map(hash))), TableChange::Shrunk);
        // One is gone, one is new; then thirty more.
        assert_eq!(change(&before, &table(100, (1..101).map(hash))), TableChange::Replaced);
        assert_eq!(change(&before, &table(130, (1..131).map(hash))), TableChange::Replaced);
    }

    #[test]
    fn a_large_table_is_sampled() {
        let before = table(10_000, (0..10_000).map(hash));
        let grown = table(40_000, (0..40_000).map(hash));
        assert_eq!(change(&before, &grown), TableChange::Grew);
        let (missing, looked_for) = grown.missing_since(&before);
        assert_eq!(missing, 0);
        assert!((32..128).contains(&looked_for), "a quarter of the sample is still in it: {looked_for}");
        // Every tenth row is gone, and many more came.
        let holed = table(40_000, (0..50_000).filter(|key| key % 10 > 0 || *key >= 10_000).map(hash));
        assert_eq!(change(&before, &holed), TableChange::Replaced);
    }

    #[test]
    fn what_was_not_sampled_or_counted_is_no_alarm() {
        let before = table(100, (0..100).map(hash));
        assert_eq!(change(&before, &table(100, [])), TableChange::Equal, "without a key nothing is said");
        let about = Table { about: true, ..table(90, []) };
        assert_eq!(change(&before, &about), TableChange::Uncounted);
        assert_eq!(change(&about, &before), TableChange::Uncounted);
        // Its keys could be read still.
        let about = Table { about: true, ..table(120, (1..120).map(hash)) };
        assert_eq!(change(&before, &about), TableChange::Replaced);
        assert_eq!(change(&before, &table(0, [])), TableChange::Shrunk);
    }

    #[test]
    fn digests_tell_of_other_content() {
        let with = |digest: &str| Table { digest: Some(digest.into()), ..table(3, []) };
        assert_eq!(change(&with("1"), &with("1")), TableChange::Equal);
        assert_eq!(change(&with("1"), &with("2")), TableChange::Rewritten);
        assert_eq!(change(&with("1"), &table(3, [])), TableChange::Equal, "one alone says nothing");
    }
}
