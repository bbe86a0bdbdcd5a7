//! Programs that ask a server over the network, and which of their statements do no harm to its data, as data in
//! `recipes/clients.yaml`.

use std::sync::OnceLock;

use serde::Deserialize;

use crate::builtin;
use crate::programs::words;

static TEXT: &str = include_str!("../../../recipes/clients.yaml");

/// The programs that are known.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DataClients {
    format: u32,
    changes: Vec<String>,
    clients: Vec<DataClient>,
}

/// A program that asks a server.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DataClient {
    programs: Vec<String>,
    asks: Vec<String>,
    files: Vec<String>,
    words: bool,
    takes: Vec<String>,
    hosts: Vec<String>,
    /// Variables of the container in which the server stands where no flag says so.
    pub variables: Vec<String>,
    harmless: Vec<String>,
    changes: Vec<String>,
    instead: Vec<String>,
}

/// What a program finds on its standard input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StandardInput {
    /// Nothing.
    Empty,
    /// This text.
    Text(String),
    /// A file, or what another program writes.
    Unread,
}

impl DataClients {
    /// Those that Portolan brings along.
    ///
    /// # Panics
    /// Where the file is not usable, which a test of this crate would have seen.
    #[must_use]
    pub fn builtin() -> &'static Self {
        static KNOWN: OnceLock<DataClients> = OnceLock::new();
        KNOWN.get_or_init(|| builtin::read("recipes/clients.yaml", TEXT, |known: &Self| known.format))
    }

    /// The client of a name, without its folder.
    #[must_use]
    pub fn of_program(&self, name: &str) -> Option<&DataClient> {
        self.clients.iter().find(|client| client.programs.iter().any(|program| program == name))
    }

    /// Whether a client with these arguments only looks at data, or makes something new beside it.
    #[must_use]
    pub fn only_looks(&self, client: &DataClient, arguments: &[&str], input: &StandardInput) -> bool {
        let changes = |word: &&str| client.changes.iter().any(|flag| flag == word);
        let Some(given) = client.given(arguments).filter(|_| !arguments.iter().any(changes)) else { return false };
        let asked = match input {
            StandardInput::Empty => None,
            StandardInput::Text(text) => Some(text.as_str()),
            // What is asked for in the arguments goes before it.
            StandardInput::Unread if given.is_empty() => return false,
            StandardInput::Unread => None,
        };
        // A line is a statement for those whose statement is words.
        let ends = |c: char| c == ';' || (client.words && c == '\n');
        let is_comment = |line: &&str| line.trim_start().starts_with("--");
        let texts = given.iter().map(String::as_str).chain(asked);
        let texts = texts.map(|text| text.lines().filter(|line| !is_comment(line)).collect::<Vec<_>>().join("\n"));
        let changing = if client.instead.is_empty() { &self.changes } else { &client.instead };
        let statements: Vec<String> =
            texts.flat_map(|text| text.split(ends).map(|one| one.trim().to_owned()).collect::<Vec<_>>()).collect();
        statements.iter().filter(|text| !text.is_empty()).all(|statement| {
            let begins = |start: &String| begins(statement, start);
            client.harmless.iter().any(begins) && !words(statement).iter().any(|word| changing.contains(word))
        })
    }
}

impl DataClient {
    /// The statements among its arguments; `None` where a file has them.
    fn given(&self, arguments: &[&str]) -> Option<Vec<String>> {
        let (mut all, mut rest) = (Vec::new(), Vec::new());
        let mut words = arguments.iter().copied();
        while let Some(word) = words.next() {
            if let Some(text) = value(&self.asks, word, &mut words) {
                all.push(text.to_owned());
            } else if value(&self.files, word, &mut words).is_some() {
                return None;
            } else if value(&self.takes, word, &mut words).or_else(|| value(&self.hosts, word, &mut words)).is_none()
                && !word.starts_with('-')
            {
                rest.push(word);
            }
        }
        if self.words && !rest.is_empty() {
            all.push(rest.join(" "));
        }
        Some(all)
    }

    /// The server that its arguments name: behind a flag, or in a URL.
    #[must_use]
    pub fn host<'a>(&self, arguments: &[&'a str]) -> Option<&'a str> {
        let mut words = arguments.iter().copied();
        while let Some(word) = words.next() {
            if let Some(host) = value(&self.hosts, word, &mut words).or_else(|| word.contains("://").then_some(word)) {
                return Some(host);
            }
        }
        None
    }
}

/// What a flag is given, where a word is one of some: behind `=`, in the same word, or as the next word. Flags of one letter stand in
/// one word: `-tAc`.
fn value<'a>(flags: &[String], word: &'a str, next: &mut impl Iterator<Item = &'a str>) -> Option<&'a str> {
    /// Letters of flags that take nothing.
    const ALONE: &str = "tAqXNsBbw1n";
    for flag in flags {
        if word == flag {
            return next.next();
        }
        let letter = flag.strip_prefix('-').filter(|letter| letter.len() == 1);
        let (Some(letter), Some(rest)) = (letter, word.strip_prefix('-')) else {
            if let Some(text) = word.strip_prefix(flag.as_str()).and_then(|rest| rest.strip_prefix('=')) {
                return Some(text);
            }
            continue;
        };
        let alone = rest.trim_start_matches(|c| ALONE.contains(c) && !letter.contains(c));
        match alone.strip_prefix(letter) {
            Some("") => return next.next(),
            Some(text) => return Some(text),
            None => {}
        }
    }
    None
}

/// Whether a statement begins with some words.
fn begins(statement: &str, start: &str) -> bool {
    let plain = |text: &str| text.to_lowercase().split_whitespace().collect::<Vec<_>>().join(" ");
    plain(statement)
        .strip_prefix(&plain(start))
        .is_some_and(|rest| start.is_empty() || !rest.starts_with(|c: char| c.is_ascii_alphanumeric()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn only_looks(program: &str, arguments: &[&str], input: &StandardInput) -> bool {
        let known = DataClients::builtin();
        known.only_looks(known.of_program(program).expect("known"), arguments, input)
    }

    #[test]
    fn a_statement_that_only_looks_is_told_from_others() {
        for (program, arguments, is) in [
            ("psql", &["-h", "db", "-c", "select 1"][..], true),
            ("psql", &["-h", "db", "-tAc", "SELECT 1 FROM pg_database WHERE datname = 'app'"], true),
            ("psql", &["-c", "select 1; drop table t"], false),
            ("psql", &["-c", "select pg_drop_replication_slot('a')"], false),
            ("psql", &["--command=drop schema public cascade"], false),
            ("psql", &["-cdrop table t"], false),
            ("psql", &["-f", "/sql/a.sql"], false),
            ("psql", &["-c", "create database app"], true),
            ("psql", &["-c", "create or replace view v as select 1"], false),
            ("psql", &["-l"], true),
            ("psql", &["-c", r"\dt+"], true),
            ("dropdb", &["-h", "db", "app"], false),
            ("pg_restore", &["--list"], true),
            ("pg_restore", &["-d", "app", "/dump"], false),
            ("createdb", &["-h", "db", "app"], true),
            ("mysql", &["-hdb", "-uroot", "-psecret", "-e", "show tables"], true),
            ("mysql", &["-h", "db", "-Ne", "truncate t"], false),
            ("mysqladmin", &["-h", "db", "ping"], true),
            ("mysqladmin", &["-h", "db", "drop", "app"], false),
            ("mongosh", &["--quiet", "--eval", "db.adminCommand('ping')"], true),
            ("mongosh", &["--eval", "db.dropDatabase()"], false),
            ("mongosh", &["--eval", "print(db.dropDatabase())"], false),
            ("redis-cli", &["-h", "db", "-a", "secret", "ping"], true),
            ("redis-cli", &["-h", "db", "FLUSHALL"], false),
            ("redis-cli", &["--version"], true),
            ("redis-cli", &["config", "get", "dir"], true),
            ("redis-cli", &["config", "set", "dir", "/"], false),
            ("aws", &["s3", "rm", "--recursive", "s3://b"], false),
            ("etcdctl", &["--endpoints=http://db:2379", "del", "--prefix", "/"], false),
            ("mc", &["rb", "--force", "m/b"], false),
            ("kafka-topics.sh", &["--bootstrap-server", "db:9092", "--delete", "--topic", "t"], false),
            ("zkCli.sh", &["-server", "zk:2181", "deleteall", "/x"], false),
            ("clickhouse-client", &["--query", "SELECT 1"], true),
            ("clickhouse-client", &["--query=DROP TABLE t"], false),
            ("etcdctl", &["--endpoints=a", "endpoint", "health"], true),
            ("etcdctl", &["del", "", "--prefix"], false),
            ("rabbitmqctl", &["list_queues"], true),
            ("rabbitmqctl", &["reset"], false),
            ("curl", &["-s", "http://db:9200/_cat/health"], true),
            ("curl", &["-X", "DELETE", "http://db:9200/a"], false),
            ("curl", &["-XPOST", "http://db:9200/a/_delete_by_query", "-d", "{}"], false),
            ("curl", &["http://m:8481/delete/0/prometheus/api/v1/admin/tsdb/delete_series"], false),
            ("psql", &["-c", "select add_retention_policy('t', interval '24 hours')"], false),
            ("cockroach", &["sql", "-e", "select 1"], true),
            ("cockroach", &["node", "decommission", "4"], false),
            ("mongosh", &["--eval", "db.runCommand({convertToCapped: 'a', size: 1})"], false),
            ("kafka-topics.sh", &["--list"], true),
        ] {
            assert_eq!(only_looks(program, arguments, &StandardInput::Empty), is, "{program} {arguments:?}");
        }
    }

    #[test]
    fn a_program_for_schemas_may_bring_one_forward() {
        for (program, arguments, is) in [
            ("liquibase", &["--url=jdbc:postgresql://db/app", "update"][..], true),
            ("liquibase", &["--url=jdbc:postgresql://db/app", "dropAll"], false),
            ("liquibase", &["drop-all"], false),
            ("flyway", &["-url=jdbc:postgresql://db/app", "migrate"], true),
            ("flyway", &["clean", "migrate"], false),
            ("rails", &["db:migrate"], true),
            ("rake", &["db:migrate", "db:drop"], false),
            ("rails", &["db:schema:load"], false),
            ("prisma", &["migrate", "deploy"], true),
            ("prisma", &["migrate", "reset", "--force"], false),
            ("prisma", &["db", "push", "--accept-data-loss"], false),
            ("alembic", &["upgrade", "head"], true),
            ("alembic", &["downgrade", "base"], false),
            ("manage.py", &["migrate", "--noinput"], true),
            ("manage.py", &["flush", "--noinput"], false),
            ("knex", &["migrate:latest"], true),
            ("knex", &["migrate:rollback", "--all"], false),
            ("sequelize-cli", &["db:migrate"], true),
            ("sequelize-cli", &["db:drop"], false),
            ("typeorm", &["schema:drop"], false),
            ("artisan", &["migrate", "--force"], true),
            ("artisan", &["migrate:fresh"], false),
            ("migrate", &["-path", "/m", "-database", "postgres://db/app", "drop", "-f"], false),
        ] {
            assert_eq!(only_looks(program, arguments, &StandardInput::Empty), is, "{program} {arguments:?}");
        }
    }

    #[test]
    fn what_comes_by_the_standard_input_counts() {
        let text = |text: &str| StandardInput::Text(text.to_owned());
        assert!(only_looks("psql", &["-h", "db"], &text("select 1;\n")));
        assert!(only_looks("psql", &["-h", "db"], &text("-- none\nselect 1\nfrom t;\n")));
        assert!(!only_looks("psql", &["-h", "db"], &text("select 1;\ndrop table t;")));
        assert!(!only_looks("redis-cli", &["-h", "db"], &text("ping\nflushall\n")));
        assert!(!only_looks("psql", &["-h", "db"], &StandardInput::Unread));
        assert!(only_looks("psql", &["-c", "select 1"], &StandardInput::Unread));
        assert!(only_looks("psql", &["-h", "db"], &StandardInput::Empty));
    }

    #[test]
    fn a_client_names_its_server() {
        let psql = DataClients::builtin().of_program("psql").expect("known");
        for (arguments, host) in [
            (&["-h", "db", "-c", "x"][..], Some("db")),
            (&["--host=db"], Some("db")),
            (&["-hdb"], Some("db")),
            (&["postgres://u@db/x"], Some("postgres://u@db/x")),
            (&["-c", "x"], None),
        ] {
            assert_eq!(psql.host(arguments), host, "{arguments:?}");
        }
        assert!(DataClients::builtin().of_program("pg_dump").is_none());
    }
}
