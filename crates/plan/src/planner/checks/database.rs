//! The name of a database inside its server: under another name the server has, or makes, another one, and the old one lies
//! unused beside it.

use portolan_kube_facts::{PodTemplate, list};
use portolan_model::{Code, Finding, Object, Ref};
use serde_json::Value;

use super::uses::Workloads;
use super::{HopContext, Report};

/// A setting that names a database.
struct Named {
    key: String,
    database: String,
    field: String,
}

pub(super) fn check(context: &HopContext<'_>, workloads: &Workloads, report: &mut Report) {
    for name in context.planned.docs.iter().filter_map(Object::name) {
        let (Some(before), Some(after)) = (workloads.before(&name), workloads.after(&name)) else { continue };
        let old = settings(before);
        for new in settings(after) {
            let other = old.iter().find(|old| old.key == new.key).filter(|old| old.database != new.database);
            report.findings.extend(other.map(|old| renamed(context, &name, old, &new)));
        }
    }
}

fn renamed(context: &HopContext<'_>, object: &Ref, old: &Named, new: &Named) -> Finding {
    Finding::blocking(Code::OtherDatabaseName, format!("{object} in {} uses another database", context.input.pick.id))
        .about(object)
        .at(new.field.clone())
        .with(format!("{}: {} today, then {}", new.key, old.database, new.database))
}

/// What an object says about the names of databases.
fn settings(object: &Object) -> Vec<Named> {
    let mut all = Vec::new();
    if object.text("/kind") == "ConfigMap" && object.text("/apiVersion") == "v1" {
        for (key, value) in object.at("/data").and_then(Value::as_object).into_iter().flatten() {
            let field = format!("/data/{}", portolan_model::pointer_part(key));
            let Some(value) = value.as_str() else { continue };
            all.extend(named(key, value).map(|database| Named { key: key.clone(), database, field: field.clone() }));
            all.extend(value.lines().filter_map(folder).map(|(name, database)| Named {
                key: format!("{key}: {name}"),
                database,
                field: field.clone(),
            }));
        }
    }
    let Some(template) = PodTemplate::of(object) else { return all };
    for container in template.containers() {
        for (at, env) in list(container.json, "env").iter().enumerate() {
            let text = |key: &str| env.get(key).and_then(Value::as_str);
            let (Some(name), Some(value)) = (text("name"), text("value")) else { continue };
            let field = format!("{}{}/env/{at}/value", template.pointer, container.pointer());
            let key = format!("{} {name}", container.name);
            all.extend(named(name, value).map(|database| Named { key, database, field }));
        }
        for list_key in ["command", "args"] {
            let words: Vec<&str> = list(container.json, list_key).iter().filter_map(Value::as_str).collect();
            let flags = words.iter().enumerate().filter(|(_, word)| word.starts_with("--"));
            all.extend(flags.filter_map(|(at, word)| {
                let next = || Some((*word, *words.get(at + 1).filter(|next| !next.starts_with('-'))?));
                let (flag, value) = word.split_once('=').or_else(next)?;
                let field = format!("{}{}/{list_key}/{at}", template.pointer, container.pointer());
                Some(Named { key: format!("{} {flag}", container.name), database: named(flag, value)?, field })
            }));
        }
    }
    all
}

/// The database that a setting names, by its key or in an address.
pub(super) fn named(key: &str, value: &str) -> Option<String> {
    let key = key.to_lowercase();
    let is_name = |text: &str| {
        !text.is_empty()
            && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-'))
            && !text.chars().all(|c| c.is_ascii_digit())
            && !matches!(text, "true" | "false" | "yes" | "no" | "on" | "off")
    };
    // What of a server is used: a schema in a database, a database by its number.
    const PARTS: [&str; 9] = [
        "db_schema",
        "database_schema",
        "table_prefix",
        "tableprefix",
        "keyspace",
        "index_prefix",
        "vhost",
        "bucket",
        "bucket_name",
    ];
    let ends = ["database", "dbname", "db_name", "db-name", "databasename", "database_name", "db"];
    let is_number = ["redis_db", "redis_database"].iter().any(|end| key.ends_with(end)) && value.parse::<u16>().is_ok();
    let is_data = !super::paths::is_aside(&key);
    if is_data && (ends.iter().chain(&PARTS).any(|end| key.ends_with(end)) && is_name(value) || is_number) {
        return Some(value.to_owned());
    }
    if is_database_file(value) {
        return Some(value.to_owned());
    }
    let (scheme, rest) = value.split_once("://")?;
    let scheme = scheme.rsplit(':').next().unwrap_or(scheme);
    let is_database =
        ["postgres", "postgresql", "mysql", "mariadb", "mongodb"].iter().any(|known| scheme.starts_with(known));
    let database = rest.split_once('/')?.1.split(['?', ';']).next()?;
    (is_database && is_name(database)).then(|| database.to_owned())
}

/// A line of a file that names a folder or a file of data without a path from the root: `"dataDir": "data"`, `path.data = v1`.
fn folder(line: &str) -> Option<(String, String)> {
    const NAMES: [&str; 10] = [
        "datadir",
        "datadirectory",
        "datapath",
        "datafolder",
        "pathdata",
        "dbpath",
        "dbdir",
        "dbfile",
        "storagedir",
        "storagepath",
    ];
    let (name, value) = line.split_once([':', '='])?;
    let name: String = name.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_lowercase();
    let value = value.trim().trim_end_matches(',').trim_matches(['"', '\'']);
    let is_relative = !value.is_empty() && !value.starts_with(['/', '$', '{', '[']);
    (is_relative && NAMES.iter().any(|known| name.ends_with(known))).then(|| (name, value.to_owned()))
}

/// Whether a value is the bare name of a database's file: with a path, it is compared as a place.
fn is_database_file(value: &str) -> bool {
    let ends = [".db", ".sqlite", ".sqlite3", ".db3", ".mdb", ".rdb", ".aof", ".fdb", ".h2", ".mv"];
    !value.contains(['/', ' ', '$']) && ends.iter().any(|end| value.len() > end.len() && value.ends_with(end))
}

#[cfg(test)]
mod tests {
    use super::{folder, named};

    #[test]
    fn a_folder_in_a_file_is_named() {
        for (line, found) in [
            ("  \"dataDir\": \"data\",", Some(("datadir", "data"))),
            ("path.data = v1", Some(("pathdata", "v1"))),
            ("storage-path: ./db", Some(("storagepath", "./db"))),
            ("data-dir: /data", None),
            ("log_dir: logs", None),
            ("# dataDir", None),
        ] {
            let found = found.map(|(name, value)| (name.to_owned(), value.to_owned()));
            assert_eq!(folder(line), found, "{line}");
        }
    }

    #[test]
    fn a_database_is_named() {
        let cases = [
            ("POSTGRES_DB", "app", Some("app")),
            ("dbName", "mlpipeline", Some("mlpipeline")),
            ("MYSQL_DATABASE", "app", Some("app")),
            ("DATABASE_URL", "postgres://u:p@h:5432/app?sslmode=off", Some("app")),
            ("URL", "jdbc:postgresql://h/app", Some("app")),
            ("ENABLE_DB", "true", None),
            ("REDIS_DB", "1", Some("1")),
            ("APP_DB_SCHEMA", "public", Some("public")),
            ("--db-name", "app", Some("app")),
            ("S3_BUCKET", "files", Some("files")),
            ("RETRIES_DB", "3", None),
            ("URL", "https://h/app", None),
            ("DB_HOST", "app", None),
            ("DATABASE", "$(OTHER)", None),
            ("STORE_FILE", "app.db", Some("app.db")),
            ("STORE_FILE", "/data/app.db", None),
            ("HOST", "mongo.db.example.com", None),
        ];
        for (key, value, expected) in cases {
            assert_eq!(named(key, value).as_deref(), expected, "{key}={value}");
        }
    }
}
