//! What a program is told of its data by flags, variables and lines of its files: which data it uses, how long it keeps it, and
//! whether it throws it away. The words are in `recipes/programs.yaml`, those of known servers in `recipes/servers.yaml`.

use portolan_model::{Ref, Volume};
use portolan_recipe::{DataServers, DataWords, Eviction, OwnDatabase, is_at_least, is_off};

use super::Report;
use super::another_word::another_word;
use super::paths::parts;
use super::renamed::renamed;
use super::told::{Form, Setting, Told, bare_text, is_named};

/// Names what is told otherwise than today; whether anything is.
pub(super) fn compare(volume: &Volume, both: [&Told; 2], report: &mut Report) -> bool {
    let change = change(both).or_else(|| {
        // What is said of the program already says more than that a word of it is another one.
        let is_unknown = report.is_unknown(volume, &both[1].workload);
        (!is_unknown).then(|| word(both)).flatten()
    });
    let is_other = change.is_some();
    if let Some(change) = change {
        report.unknown(volume, change.object, change.field, (change.reason, change.way_out));
    }
    is_other
}

const OF_TODAY: &str = "see what it does; give the chart the settings of today";

/// What is told otherwise.
struct Change<'a> {
    object: &'a Ref,
    field: &'a str,
    reason: String,
    way_out: &'static str,
}

/// The first thing that is told otherwise and concerns the data.
fn change<'a>([before, after]: [&'a Told; 2]) -> Option<Change<'a>> {
    let words = DataWords::builtin();
    let server = DataServers::builtin().of_image(&before.image);
    let own = server.into_iter().flat_map(|server| &server.settings);
    let evicts = server.and_then(|server| server.evicts.as_ref()).filter(|evicts| throws_out(evicts, after));
    let limits = evicts.into_iter().flat_map(|evicts| &evicts.limits).map(String::as_str).collect();
    let judge = Judge { words, decides: own.chain(&words.uses).map(String::as_str).collect(), limits };
    let come = after.settings.iter().find_map(|one| {
        let (reason, way_out) = judge.of(one, before, true)?;
        Some(Change { object: &one.object, field: &one.field, reason, way_out })
    });
    // What is not given any more has no place among what will be.
    let gone = || {
        let (reason, way_out) = before.settings.iter().find_map(|one| judge.of(one, after, false))?;
        Some(Change { object: &after.workload, field: &after.pointer, reason, way_out })
    };
    let another_name = || {
        let (old, new) = renamed(words, [before, after])?;
        let (was, is) = (old.full_name(), new.full_name());
        let reason = format!(
            "its setting {was} is {is} now, with the same text: whether the program reads that one is not known"
        );
        Some(Change { object: &new.object, field: &new.field, reason, way_out: OF_TODAY })
    };
    let of_pod = || {
        let pair = [before, after];
        field_of_pod(pair).or_else(|| other_words(pair)).or_else(|| left_out(pair)).or_else(|| relative(words, pair))
    };
    let address = || address_gone(words, [before, after]);
    let command = || {
        let command = words.command(&after.arguments)?;
        (words.command(&before.arguments) != Some(command)).then(|| Change {
            object: &after.workload,
            field: &after.pointer,
            reason: format!("it is given `{command}`, which it is not today and which throws data away"),
            way_out: "see what it does; give the chart the arguments of today",
        })
    };
    come.or_else(gone).or_else(address).or_else(another_name).or_else(of_pod).or_else(command)
}

/// A word that is another one, of which nothing is known.
fn word<'a>([before, after]: [&'a Told; 2]) -> Option<Change<'a>> {
    let old = another_word(DataWords::builtin(), [before, after])?;
    let name = old.full_name();
    let reason = format!("its setting {name} says something else than today, or nothing: what it decides is not known");
    // What is said no more has no place among what will be.
    let new = after.settings.iter().find(|new| new.form == old.form && new.full_name() == name);
    let (object, field) = new.map_or((&after.workload, &after.pointer), |new| (&new.object, &new.field));
    Some(Change { object, field, reason, way_out: OF_TODAY })
}

/// The address of a database that goes, with none in its place: programs then begin on a database of their own.
fn address_gone<'a>(words: &DataWords, [before, after]: [&'a Told; 2]) -> Option<Change<'a>> {
    const SCHEMES: [&str; 7] =
        ["jdbc:", "postgres://", "postgresql://", "mysql://", "mariadb://", "mongodb://", "mongodb+srv://"];
    let is_named_one = |name: &str| words.addresses.iter().any(|word| is_named(name, word));
    let is_one = |setting: &&Setting| {
        let text = setting.text.trim_matches(['"', '\'']);
        !text.is_empty() && (is_named_one(&setting.name) || SCHEMES.iter().any(|scheme| text.starts_with(scheme)))
    };
    let gone = before.settings.iter().find(is_one)?;
    let is_elsewhere = after.sources > before.sources || after.variables.iter().any(|name| is_named_one(name));
    (!is_elsewhere && !after.settings.iter().any(|setting| is_one(&setting))).then(|| Change {
        object: &after.workload,
        field: &after.pointer,
        reason: format!(
            "its setting {} with the address of a database goes, and it may begin on one of its own",
            gone.name
        ),
        way_out: "give the chart the address of today under its own keys",
    })
}

/// A variable with a field of the pod that is another one: its account, a label, an annotation. What says of which version the chart is
/// changes with each.
fn field_of_pod<'a>([before, after]: [&'a Told; 2]) -> Option<Change<'a>> {
    const OF_VERSION: [&str; 6] = ["version", "chart", "checksum", "hash", "revision", "rollme"];
    let is_of_version = |path: &str| OF_VERSION.iter().any(|word| path.to_lowercase().contains(word));
    after.of_pod.iter().find_map(|(name, new)| {
        let old = before.of_pod.get(name).filter(|old| old.path == new.path && old.text != new.text)?;
        // What is made of it is compared where it leads.
        let is_of_path = after.puts_in(name) && after.putting_in(name).all(|text| text.contains('/'));
        (!is_of_version(&old.path) && !is_of_path).then(|| Change {
            object: &after.workload,
            field: &after.pointer,
            reason: format!("its variable {name} is {} of the pod, which changes", old.path),
            way_out: "give the pod the account, labels and annotations of today",
        })
    })
}

/// Another command of the same program, or another thing that it is to work on: `serve orders` becomes `serve sales`.
fn other_words<'a>([before, after]: [&'a Told; 2]) -> Option<Change<'a>> {
    let (was, is) = (&before.bare, &after.bare);
    let is_other = !was.is_empty() && !is.is_empty() && was != is && before.image_name() == after.image_name();
    is_other.then(|| Change {
        object: &after.workload,
        field: &after.pointer,
        reason: format!("it is told `{}`, not `{}`", is.join(" "), was.join(" ")),
        way_out: "see what it does; give the chart the arguments of today",
    })
}

/// A variable that what starts the program takes away from it, or does no more.
fn left_out<'a>([before, after]: [&'a Told; 2]) -> Option<Change<'a>> {
    let name = before.left_out.symmetric_difference(&after.left_out).next()?;
    let what = if name == "*" { "its variables".to_owned() } else { format!("its variable {name}") };
    let reason = if after.left_out.contains(name) {
        format!("what starts it takes {what} away, which it has today: what it does without is not known")
    } else {
        format!("what starts it takes {what} away today, and does so no more")
    };
    Some(Change { object: &after.workload, field: &after.pointer, reason, way_out: "start it as today" })
}

/// A path that begins where the program does, and is another one, or not given any more. A path from the root is compared where it leads.
fn relative<'a>(words: &DataWords, [before, after]: [&'a Told; 2]) -> Option<Change<'a>> {
    let is_path = |one: &&Setting| {
        let text = bare_text(&one.text);
        let is_written_so = text.starts_with("./") || text.starts_with("../");
        let is_relative = text.contains('/')
            && is_relative(text)
            && !text.contains(|c: char| c.is_whitespace() || ":@?=,*".contains(c));
        is_relative
            && (is_written_so || words.is_path(&one.block, &one.name))
            && !one.is_beside
            && !one.is_about_else(words)
    };
    before.settings.iter().filter(is_path).find_map(|old| {
        let new = after.texts(old);
        let is_same = |text: &&str| parts(bare_text(text)) == parts(bare_text(&old.text));
        let is_gone = new.is_empty() && (old.form == Form::Line || before.puts_in(&old.name));
        (!is_gone && !new.iter().any(is_same)).then(|| {
            let now = after.settings.iter().find(|one| one.form == old.form && one.full_name() == old.full_name());
            let (object, field) = now.map_or((&after.workload, &after.pointer), |new| (&new.object, &new.field));
            let reason =
                format!("its setting {} names another folder below the one in which it begins", old.full_name());
            Change { object, field, reason, way_out: OF_TODAY }
        })
    })
}

/// Whether a server throws data out that is beyond its limits.
fn throws_out(evicts: &Eviction, told: &Told) -> bool {
    let mut by = told.settings.iter().filter(|one| one.is(&evicts.by));
    by.any(|one| bare_text(&one.text) != evicts.never)
}

/// The words by which settings are judged.
struct Judge<'a> {
    words: &'a DataWords,
    /// The names of settings that decide about data.
    decides: Vec<&'a str>,
    /// The names of limits beyond which its server throws data out.
    limits: Vec<&'a str>,
}

impl Judge<'_> {
    /// Why a setting, which comes or goes, concerns the data; `other` is what is told on the other side.
    fn of(&self, one: &Setting, other: &Told, comes: bool) -> Option<(String, &'static str)> {
        let others = other.texts(one);
        if others.contains(&one.text.as_str()) {
            return None;
        }
        let name = &one.name;
        if let Some(reason) = own_database(one, &others, comes) {
            return Some((reason, OF_TODAY));
        }
        if comes && is_destructive(self.words, one) {
            let how = if one.form == Form::Argument { "it is given" } else { "it gets the setting" };
            return Some((format!("{how} {name}, which it has not today and which may throw data away"), OF_TODAY));
        }
        let is_known = |word: &&str| match word.split_once('=') {
            Some((word, text)) => one.is(word) && one.text.contains(text),
            None => one.is(word),
        };
        if self.decides.iter().any(is_known) {
            return Some((format!("its setting {name} changes, which decides what data it uses or keeps"), OF_TODAY));
        }
        // A variable of one word is a part of something that is compared where it is used.
        let is_folder =
            self.words.is_folder(&one.block, name) && (one.form != Form::Variable || name.contains(['_', '-']));
        if is_folder && others.iter().chain([&one.text.as_str()]).any(|text| is_relative(text)) {
            return Some((format!("its setting {name} names another folder"), OF_TODAY));
        }
        // A path from the root is compared where it leads.
        let is_path =
            others.iter().chain([&one.text.as_str()]).all(|text| text.trim_matches(['"', '\'']).starts_with('/'));
        let is_of_owner = !is_path && self.words.identifies.iter().any(|word| one.is(word));
        if is_of_owner && (!comes || !others.is_empty()) {
            let reason = format!("its setting {name} changes, by which data belongs to a node, a cluster or a tenant");
            return Some((reason, OF_TODAY));
        }
        // A part of a layout that begins with a day which is past is about data that has been laid out otherwise.
        let had_layout = || other.settings.iter().any(|other| other.block == one.block && other.name == *name);
        let is_begun = one.name == "from" && had_layout() && other.is_to_come(one) == Some(false);
        let is_in_layout = || one.block.split('.').any(|block| self.words.layouts.iter().any(|word| word == block));
        if comes && one.form == Form::Line && is_in_layout() && is_begun {
            return Some((format!("its setting {name} says how data is laid out that is there"), OF_TODAY));
        }
        if !comes && one.form == Form::Line && is_in_layout() {
            return Some((format!("its setting {name} changes, by which data was laid out that is there"), OF_TODAY));
        }
        if let Some(block) = self.decisive(&one.block)
            && !other.settings.iter().any(|other| other.block.starts_with(block))
        {
            return Some((format!("its settings {block} change, which decide what data it uses or keeps"), OF_TODAY));
        }
        let folder = chroot(&one.text);
        if self.words.has_chroot(name) && others.iter().any(|other| chroot(other) != folder) {
            return Some((format!("its setting {name} names another folder of the server"), OF_TODAY));
        }
        self.keeps_less(one, &others, comes)
    }

    /// Why less may be kept than on the other side, which has the texts `others`.
    fn keeps_less(&self, one: &Setting, others: &[&str], comes: bool) -> Option<(String, &'static str)> {
        let (block, name) = (&one.block, &one.name);
        let is_more = |other: &&str| {
            let (will, was) = if comes { (one.text.as_str(), *other) } else { (*other, one.text.as_str()) };
            is_at_least(will, was) == Some(true)
        };
        let is_else = self.words.keeps_else.iter().any(|word| one.is(word));
        let is_limit = || self.limits.iter().any(|word| is_named(name, word)) || self.words.limits_data(block, name);
        // What is beside the data has limits of its own.
        let keeps = self.words.keeps_data(block, name) || (!one.is_beside && is_amount(one, others) && is_limit());
        (keeps && !is_else && !others.iter().any(is_more)).then(|| {
            let reason = format!("its setting {name} changes, which says how long or how much data is kept");
            (reason, "give the chart the setting of today, or a longer one")
        })
    }
}

impl Judge<'_> {
    /// Of the blocks around a setting the one whose name decides about data, as `storage` does, with the kind that it has in it:
    /// `storage.raft` of `storage.raft.retry_join`.
    fn decisive<'a>(&self, block: &'a str) -> Option<&'a str> {
        let mut ends = block.match_indices('.').map(|(at, _)| at).chain([block.len()]);
        let mut start = 0;
        while let Some(end) = ends.next() {
            if end > start && self.decides.contains(&&block[start..end]) {
                return Some(&block[..ends.next()?]);
            }
            start = end + 1;
        }
        None
    }
}

/// Why the address of a database of files, or in memory, concerns the data. A file with a path from the root is compared as a place.
fn own_database(one: &Setting, others: &[&str], comes: bool) -> Option<String> {
    let its = OwnDatabase::of(&one.text)?;
    let is_place =
        |database: &OwnDatabase| database.file.trim_start_matches("//").starts_with('/') && !database.is_in_memory;
    let is_same = |other: &&&str| match OwnDatabase::of(other) {
        Some(other) => other == its || (other.kind == its.kind && is_place(&other) && is_place(&its)),
        None => false,
    };
    if others.iter().any(|other| is_same(&other)) {
        return None;
    }
    // What it goes to is said where that comes.
    let is_told = !comes && (!others.is_empty() || is_place(&its) || its.is_in_memory);
    let what = if its.is_in_memory { "in memory" } else { "of files" };
    (!is_told && (!others.is_empty() || its.is_in_memory || !is_place(&its))).then(|| {
        format!("its setting {} has the address of a database {what}, which is another one than today", one.name)
    })
}

/// Whether a setting has an amount on one side.
fn is_amount(one: &Setting, others: &[&str]) -> bool {
    let is_one = |text: &str| is_at_least(text, text).is_some();
    is_one(&one.text) || others.iter().any(|text| is_one(text))
}

/// Whether a text is a folder below another: a path from the root is compared as a place.
fn is_relative(text: &str) -> bool {
    let text = text.trim_end_matches([',', ';']).trim_matches(['"', '\'']);
    !text.is_empty() && !text.starts_with(['/', '$', '{', '[', '~']) && !text.contains("://") && !is_off(text)
}

/// The folder in an address without a scheme: `/kafka` in `zk:2181/kafka`.
fn chroot(text: &str) -> Option<&str> {
    let address = text.trim_matches(['"', '\'']);
    if address.contains("://") {
        return None;
    }
    address.find('/').filter(|at| address[..*at].contains(':')).map(|at| address[at..].trim_end_matches('/'))
}

/// Whether a new setting makes a program throw data away.
fn is_destructive(words: &DataWords, one: &Setting) -> bool {
    match one.form {
        Form::Argument => {
            one.name.starts_with('-')
                && words.is_destructive(&one.name)
                && !matches!(one.text.as_str(), "false" | "0" | "no")
        }
        Form::Variable => words.throws_away(&one.name, &one.text),
        Form::Line => false,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn settings_are_found_by_their_names() {
        for (text, word, is) in [
            ("--appendonly", "appendonly", true),
            ("KAFKA_CLUSTER_ID", "CLUSTER_ID", true),
            ("SPRING_JPA_HIBERNATE_DDL_AUTO", "ddl-auto", true),
            ("spring.jpa.hibernate.ddl-auto", "ddl-auto", true),
            ("STORAGE_BACKEND", "storage-backend", true),
            ("--name", "--name", true),
            ("--hostname", "--name", false),
            ("AUTOSAVE", "save", false),
        ] {
            assert_eq!(is_named(text, word), is, "{text}");
        }
    }

    fn told(image: &str, form: Form, settings: &[(&str, &str)]) -> Told {
        let workload = Ref::new("apps", "StatefulSet", "n", "store");
        let one = |(name, text): &(&str, &str)| Setting {
            name: name.rsplit_once('/').map_or(*name, |(_, name)| name).into(),
            block: name.rsplit_once('/').map_or("", |(block, _)| block).into(),
            text: (*text).into(),
            form,
            is_item: false,
            is_beside: false,
            object: workload.clone(),
            field: "/x".into(),
        };
        let arguments: Vec<&str> = settings.iter().map(|(name, _)| *name).collect();
        Told {
            image: image.into(),
            settings: settings.iter().map(one).collect(),
            variables: Vec::new(),
            of_pod: BTreeMap::new(),
            sources: 0,
            arguments: arguments.join(" "),
            texts: Vec::new(),
            left_out: std::collections::BTreeSet::new(),
            bare: Vec::new(),
            today: None,
            workload: workload.clone(),
            pointer: String::new(),
        }
    }

    fn found(image: &str, form: Form, old: &[(&str, &str)], new: &[(&str, &str)]) -> Option<String> {
        change([&told(image, form, old), &told(image, form, new)]).map(|change| change.reason)
    }

    #[test]
    fn what_decides_about_data_is_named_when_it_changes() {
        use Form::{Argument, Line, Variable};
        for (image, form, old, new, is) in [
            ("redis:7", Line, ("dir", "/data"), ("replicaof", "other 6379"), true),
            ("redis:7", Argument, ("--maxmemory-policy", "noeviction"), ("--maxmemory-policy", "allkeys-lru"), true),
            ("postgres:15", Argument, ("fsync", "on"), ("fsync", "off"), true),
            ("rabbitmq:3", Variable, ("A", "b"), ("RABBITMQ_USE_LONGNAME", "true"), true),
            (
                "prometheus:2",
                Argument,
                ("--storage.tsdb.retention.time", "365d"),
                ("--storage.tsdb.retention.time", "1d"),
                true,
            ),
            (
                "prometheus:2",
                Argument,
                ("--storage.tsdb.retention.time", "15d"),
                ("--storage.tsdb.retention.time", "30d"),
                false,
            ),
            ("prometheus:2", Argument, ("--storage.tsdb.retention.time", "15d"), ("--web.listen", ":9090"), true),
            ("app:1", Variable, ("STORAGE_BACKEND", "filesystem"), ("STORAGE_BACKEND", "memory"), true),
            ("app:1", Variable, ("DROP_ON_START", "false"), ("DROP_ON_START", "true"), true),
            ("app:1", Variable, ("DROP_ON_START", "true"), ("DROP_ON_START", "false"), false),
            ("app:1", Argument, ("serve", ""), ("--clean-data", ""), true),
            ("app:1", Argument, ("serve", ""), ("--clean", "false"), false),
            ("app:1", Argument, ("db:migrate", ""), ("db:drop", ""), true),
            ("app:1", Argument, ("serve", ""), ("--drop-privileges", ""), false),
            ("app:1", Variable, ("LOG", "info"), ("RESET_METRICS", "true"), false),
        ] {
            let said = found(image, form, &[old], &[new]);
            assert_eq!(said.is_some(), is, "{image} {old:?} -> {new:?}: {said:?}");
        }
    }

    #[test]
    fn settings_say_to_whom_data_belongs_and_how_it_is_laid_out() {
        use Form::{Argument, Line, Variable};
        for (image, form, old, new) in [
            ("couchdb:3", Variable, ("NODENAME", "couchdb-0.a"), ("NODENAME", "couchdb-0.b")),
            ("bitnami/zookeeper:3.9", Variable, ("ZOO_SERVER_ID", "1"), ("ZOO_SERVER_ID", "2")),
            ("app:1", Variable, ("CASSANDRA_DATACENTER", "dc1"), ("CASSANDRA_DATACENTER", "dc2")),
            ("app:1", Variable, ("WORDPRESS_TABLE_PREFIX", "wp_"), ("WORDPRESS_TABLE_PREFIX", "wp2_")),
            ("app:1", Variable, ("APP_DB", "orders"), ("APP_DB", "sales")),
            ("app:1", Argument, ("serve", ""), ("--no-fsync", "")),
            ("app:1", Argument, ("serve", ""), ("--restore-from", "latest")),
            ("app:1", Variable, ("AUTO_DELETE", "false"), ("AUTO_DELETE", "true")),
            ("app:1", Variable, ("RAILS_ENV", "production"), ("RAILS_ENV", "staging")),
            ("app:1", Variable, ("SPRING_PROFILES_ACTIVE", "prod"), ("SPRING_PROFILES_ACTIVE", "dev")),
            ("geth:1", Argument, ("--network", "mainnet"), ("--network", "sepolia")),
            ("geth:1", Argument, ("--mainnet", ""), ("--sepolia", "")),
            ("app:1", Variable, ("BACKUP_KEEP_DAYS", "30"), ("BACKUP_KEEP_DAYS", "1")),
            ("jaeger:1", Variable, ("BADGER_SPAN_STORE_TTL", "720h"), ("BADGER_SPAN_STORE_TTL", "1h")),
            ("vault:1", Argument, ("server", ""), ("-dev", "")),
            ("app:1", Variable, ("KC_DB", "postgres"), ("KC_DB", "dev-file")),
            ("app:1", Variable, ("DB_DSN", "sqlite://a.db"), ("DB_DSN", "sqlite://b.db")),
            ("app:1", Variable, ("DB_DSN", "jdbc:h2:file:./a"), ("DB_DSN", "jdbc:h2:mem:a")),
            ("app:1", Variable, ("DB_DSN", "jdbc:h2:file:/data/a"), ("DB_DSN", "jdbc:h2:mem:a")),
            ("app:1", Variable, ("DB_DSN", "postgres://db/a"), ("DB_DSN", "sqlite://a.db")),
            ("vault:1", Line, ("storage/node_id", "\"a\""), ("storage/node_id", "\"b\"")),
            ("consul:1", Argument, ("-datacenter", "dc1"), ("-datacenter", "dc2")),
            ("consul:1", Argument, ("-server", ""), ("-ui", "")),
            ("clickhouse-server:23", Line, ("shard", "0"), ("shard", "1")),
            ("mongodb:6", Variable, ("MONGODB_REPLICA_SET_NAME", "rs0"), ("MONGODB_REPLICA_SET_NAME", "rs1")),
            ("grafana/loki:2", Line, ("auth_enabled", "false"), ("auth_enabled", "true")),
            ("app:1", Line, ("schema_config.configs/store", "boltdb"), ("schema_config.configs/store", "tsdb")),
            ("app:1", Line, ("schema_config.configs.index/prefix", "a_"), ("schema_config.configs.index/prefix", "b_")),
            ("gitaly:16", Line, ("storage/name", "default"), ("storage/name", "main")),
            ("grafana/grafana:10", Line, ("database/path", "a.db"), ("database/path", "b.db")),
            ("kafka:3", Variable, ("KAFKA_ZOOKEEPER_CONNECT", "zk:2181"), ("KAFKA_ZOOKEEPER_CONNECT", "zk:2181/kafka")),
            (
                "kafka:3",
                Variable,
                ("KAFKA_CFG_LOG_CLEANUP_POLICY", "compact"),
                ("KAFKA_CFG_LOG_CLEANUP_POLICY", "delete"),
            ),
            ("prometheus:2", Argument, ("--enable-feature", "a"), ("--enable-feature", "agent")),
            ("minio:1", Variable, ("MINIO_KMS_SECRET_KEY", "k"), ("A", "b")),
            ("vault:1", Line, ("storage", "\"file\" {"), ("storage", "\"raft\" {")),
            ("openbao:2", Line, ("storage.file/path", "/d"), ("storage.raft/path", "/d")),
            ("cockroach:v24.1.0", Argument, ("--store", "path=d"), ("--store", "type=mem,size=1GB")),
            (
                "neo4j:5",
                Variable,
                ("NEO4J_initial_dbms_default__database", "a"),
                ("NEO4J_initial_dbms_default__database", "b"),
            ),
            // The same setting of another block.
            ("grafana/grafana:10", Line, ("database/path", "a.db"), ("log/path", "a.db")),
        ] {
            assert!(found(image, form, &[old], &[new]).is_some(), "{image} {old:?} -> {new:?}");
            assert_eq!(found(image, form, &[old], &[old]), None, "{image} {old:?}");
        }
        for (image, form, old, new) in [
            // A name comes that was not given: the program had its own.
            ("app:1", Variable, ("A", "b"), ("CLUSTER_NAME", "c")),
            ("kafka:3", Variable, ("KAFKA_ZOOKEEPER_CONNECT", "zk:2181"), ("KAFKA_ZOOKEEPER_CONNECT", "zk-1:2181")),
            ("app:1", Variable, ("BACKUP_KEEP_DAYS", "1"), ("BACKUP_KEEP_DAYS", "30")),
            ("app:1", Variable, ("CACHE_TTL", "30"), ("CACHE_TTL", "1")),
            ("app:1", Variable, ("DB_DSN", "sqlite://a.db"), ("DB_DSN", "sqlite://a.db?_timeout=5")),
            ("app:1", Line, ("auth_enabled", "false"), ("auth_enabled", "true")),
            ("app:1", Line, ("limits_config/store", "a"), ("limits_config/store", "b")),
            ("grafana/grafana:10", Line, ("dashboards/path", "/a"), ("dashboards/path", "/b")),
            ("prometheus:2", Argument, ("--enable-feature", "a"), ("--enable-feature", "b")),
        ] {
            assert_eq!(found(image, form, &[old], &[new]), None, "{image} {old:?} -> {new:?}");
        }
    }

    #[test]
    fn a_layout_by_time_is_about_data_from_a_day_on() {
        use Form::Line;
        let days = |days: &[&str]| -> Vec<(&str, String)> {
            days.iter().map(|day| ("schema_config.configs/from", (*day).to_owned())).collect()
        };
        let on_day = |old: &[&str], new: &[&str]| {
            let both = [days(old), days(new)].map(|all| {
                let all: Vec<(&str, &str)> = all.iter().map(|(name, day)| (*name, day.as_str())).collect();
                told("grafana/loki:2", Line, &all).on(Some(1_790_000_000))
            });
            change([&both[0], &both[1]]).is_some()
        };
        assert!(on_day(&["2024-01-01"], &["2024-01-01", "2025-01-01"]), "it is about data that is there");
        assert!(!on_day(&["2024-01-01"], &["2024-01-01", "2027-01-01"]), "it is about data to come");
        let schema = |day: &str| {
            let lines = [("schema_config.configs/from", day), ("schema_config.configs/schema", "v13")];
            told("grafana/loki:3", Line, &lines).on(Some(1_790_000_000)).has("schema=v13")
        };
        assert!(schema("2024-01-01") && !schema("2027-01-01"), "a later part does not hold yet");
        // A layout that is added for later days leaves the old one as it is.
        let layout = ("schema_config.configs/store", "boltdb");
        assert_eq!(found("app:1", Line, &[layout], &[layout, ("schema_config.configs/store", "tsdb")]), None);
    }

    #[test]
    fn a_setting_that_keeps_its_text_keeps_its_name_and_its_block() {
        use Form::{Argument, Line, Variable};
        for (form, old, new, is) in [
            (Variable, ("APP_DB", "orders"), ("DB", "orders"), true),
            (Variable, ("APP_PROFILE", "main"), ("APP_MODE", "main"), true),
            (Variable, ("APP_DB", "3"), ("DB", "3"), true),
            (Argument, ("--queue", "orders"), ("--topic", "orders"), true),
            (Line, ("store/engine", "rocks"), ("engine", "rocks"), true),
            (Line, ("store/engine", "\"rocks\","), ("db/engine", "rocks"), true),
            (Variable, ("APP_LOG_LEVEL", "verbose"), ("LOG_LEVEL", "verbose"), false),
            (Variable, ("APP_WORKERS", "3"), ("WORKERS", "3"), false),
            (Variable, ("APP_FAST", "true"), ("FAST", "true"), false),
            (Variable, ("APP_TZ", "Europe/Berlin"), ("TZ", "Europe/Berlin"), false),
            (Variable, ("APP_PASSWORD", "orders"), ("DB_PASSWORD", "orders"), false),
            (Line, ("server/port", "8080"), ("http/port", "8080"), false),
            // Another text is another setting.
            (Variable, ("APP_THEME", "orders"), ("THEMES", "sales"), false),
        ] {
            assert_eq!(found("app:1", form, &[old], &[new]).is_some(), is, "{old:?} -> {new:?}");
        }
        let both = [("APP_MODE", "main"), ("MODE", "main")];
        assert_eq!(found("app:1", Variable, &both[..1], &both), None, "the old one stays");
        let put_in = |text: &str, settings: &[(&str, &str)]| {
            let mut told = told("app:1", Variable, settings);
            told.texts.push(text.to_owned());
            told
        };
        let (old, new) = (put_in("--mode=$(APP_MODE)", &both[..1]), put_in("--mode=$(MODE)", &both[1..]));
        assert!(change([&old, &new]).is_none(), "the flag says the same");
        assert!(change([&old, &put_in("--mode=$(APP_MODE)", &both[1..])]).is_some());
    }

    #[test]
    fn a_folder_below_another_is_named_when_it_changes() {
        use Form::{Argument, Line, Variable};
        for (form, old, new, is) in [
            (Line, ("dir", "data"), ("dir", "data2"), true),
            (Line, ("storage/dataDir", "./a"), ("storage/dataDir", "./b"), true),
            (Line, ("dir", "data"), ("level", "info"), true),
            (Variable, ("STORE_DIRECTORY", "a"), ("STORE_DIRECTORY", "b"), true),
            (Argument, ("--dir", "a"), ("--dir", "b"), true),
            (Line, ("log_dir", "a"), ("log_dir", "b"), false),
            (Variable, ("PLUGINS_DIR", "a"), ("PLUGINS_DIR", "b"), false),
            (Line, ("tlsFolder", "a"), ("tlsFolder", "b"), false),
            (Line, ("logging/dir", "a"), ("logging/dir", "b"), false),
            (Line, ("dir", "off"), ("dir", "false"), false),
            // What is a place is compared as one.
            (Line, ("dir", "/a"), ("dir", "/b"), false),
        ] {
            assert_eq!(found("app:1", form, &[old], &[new]).is_some(), is, "{old:?} -> {new:?}");
        }
    }

    #[test]
    fn what_only_looks_as_if_it_kept_data_says_nothing() {
        use Form::{Line, Variable};
        for (form, new, is) in [
            (Line, ("telemetry/prometheus_retention_time", "30s"), false),
            (Line, ("storage/prometheus_retention_time", "30s"), true),
            (Variable, ("ETCD_AUTO_COMPACTION_RETENTION", "24"), false),
            (Variable, ("LOG_RETENTION", "24"), true),
        ] {
            assert_eq!(found("app:1", form, &[("A", "b")], &[new]).is_some(), is, "{new:?}");
        }
    }

    #[test]
    fn a_limit_of_data_does_not_fall() {
        use Form::{Argument, Line, Variable};
        let evicting = ("maxmemory-policy", "allkeys-lru");
        for (image, form, old, new, is) in [
            ("app:1", Variable, vec![("MAX_DISK_SIZE", "50GB")], vec![("MAX_DISK_SIZE", "5GB")], true),
            ("app:1", Variable, vec![("MAX_DISK_SIZE", "5GB")], vec![("MAX_DISK_SIZE", "50GB")], false),
            ("app:1", Argument, vec![("--max-size", "10Gi")], vec![("--max-size", "1Gi")], true),
            ("app:1", Argument, vec![("serve", "")], vec![("--max-size", "1Gi")], true),
            ("app:1", Line, vec![("storage/max_bytes", "100")], vec![("storage/max_bytes", "10")], true),
            ("app:1", Line, vec![("pool/max_size", "100")], vec![("pool/max_size", "10")], false),
            ("app:1", Variable, vec![("MAX_CONNECTIONS", "100")], vec![("MAX_CONNECTIONS", "10")], false),
            ("app:1", Line, vec![("spans/ttl", "30d")], vec![("spans/ttl", "1d")], true),
            ("app:1", Line, vec![("spans/ttl", "30d")], vec![("spans/ttl", "720h")], false),
            ("app:1", Line, vec![("retention/period", "30d")], vec![("retention/period", "1d")], true),
            ("app:1", Variable, vec![("DELETE_AFTER_DAYS", "30")], vec![("DELETE_AFTER_DAYS", "3")], true),
            ("redis:7", Line, vec![("maxmemory", "2gb"), evicting], vec![("maxmemory", "1gb"), evicting], true),
            ("redis:7", Line, vec![("maxmemory", "1gb"), evicting], vec![("maxmemory", "2gb"), evicting], false),
            // It refuses what is written beyond it.
            ("redis:7", Line, vec![("maxmemory", "2gb")], vec![("maxmemory", "1gb")], false),
        ] {
            assert_eq!(found(image, form, &old, &new).is_some(), is, "{old:?} -> {new:?}");
        }
    }

    #[test]
    fn a_path_that_begins_where_the_program_does_stays() {
        use Form::{Argument, Line, Variable};
        for (form, old, new, is) in [
            (Argument, ("--path", "./data/a"), ("--path", "./data/b"), true),
            (Argument, ("--path", "./data/a"), ("--path", "data/a/"), false),
            (Argument, ("-d", "data/a"), ("-d", "data/b"), true),
            (Argument, ("-d", "data/a"), ("-x", "1"), true),
            (Variable, ("DB_FILE", "var/a.db"), ("DB_FILE", "var/b.db"), true),
            (Line, ("storage/path", "var/a"), ("storage/path", "var/b"), true),
            (Variable, ("LOG_FILE", "./log/a"), ("LOG_FILE", "./log/b"), false),
            (Variable, ("TZ", "Europe/Berlin"), ("TZ", "Europe/Paris"), false),
            (Variable, ("CONTENT", "text/html"), ("CONTENT", "text/plain"), false),
            (Argument, ("--path", "/a"), ("--path", "/b"), false),
        ] {
            assert_eq!(found("app:1", form, &[old], &[new]).is_some(), is, "{old:?} -> {new:?}");
        }
    }

    #[test]
    fn the_address_of_a_database_does_not_go_alone() {
        let old = [("SONAR_JDBC_URL", "jdbc:postgresql://pg/sonar")];
        let of = |new: &[(&str, &str)]| found("app:1", Form::Variable, &old, new);
        assert!(of(&[("LEVEL", "info")]).is_some());
        assert_eq!(of(&[("DATABASE_URL", "postgres://pg/sonar")]), None);
        let (before, mut after) = (told("app:1", Form::Variable, &old), told("app:1", Form::Variable, &[("A", "b")]));
        after.variables.push("SONAR_JDBC_URL".into());
        assert!(change([&before, &after]).is_none(), "it comes out of a Secret that is not read");
    }
}
