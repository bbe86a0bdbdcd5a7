//! Words by which any program is told what to do with its data, as data in `recipes/programs.yaml`.

use std::collections::BTreeSet;
use std::sync::OnceLock;

use serde::Deserialize;

use crate::builtin;

static TEXT: &str = include_str!("../../../recipes/programs.yaml");

/// The words.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct DataWords {
    format: u32,
    /// The last words of the names of settings that say which data is used.
    pub uses: Vec<String>,
    /// The last words of the names of settings by which data belongs to a node, a cluster or a tenant.
    pub identifies: Vec<String>,
    folders: Vec<String>,
    folders_else: Vec<String>,
    chroots: Vec<String>,
    chroot_paths: Vec<String>,
    keeps_on: Vec<String>,
    /// The names of blocks of files that say how data is laid out.
    pub layouts: Vec<String>,
    /// The last words of the names of settings with the address of a database.
    pub addresses: Vec<String>,
    /// The last words of the names of settings that only look as if they said how long data is kept.
    pub keeps_else: Vec<String>,
    keeps: Vec<String>,
    keeps_beside: Vec<String>,
    kept: Vec<String>,
    kept_else: Vec<String>,
    limits: Vec<String>,
    limited: Vec<String>,
    limited_else: Vec<String>,
    removes: Vec<String>,
    removes_after: Vec<String>,
    paths: Vec<String>,
    lists_else: Vec<String>,
    blocks_of_data: Vec<String>,
    throws: Vec<String>,
    throws_beside: Vec<String>,
    clears: Vec<String>,
    makes: Vec<String>,
    forces: Vec<String>,
    data: Vec<String>,
    moments: Vec<String>,
    fillers: Vec<String>,
    beside: Vec<String>,
    hosts: Vec<String>,
    stores: Vec<String>,
    members: Vec<String>,
    stores_beside: Vec<String>,
    named_hosts: Vec<String>,
    own_hosts: Vec<String>,
    logins: Vec<String>,
    no_names: Vec<String>,
    kept_by_number: Vec<String>,
    kept_by_number_else: Vec<String>,
    tuned: Vec<String>,
    features: Vec<String>,
    /// The last words of the names of settings with a key that data is encrypted with.
    pub encrypts: Vec<String>,
    /// Texts that say that data is in memory alone.
    pub memory: Vec<String>,
    /// The last words of the names of settings that say of which kind a store is.
    pub kinds: Vec<String>,
    /// How the names of files end that have data.
    pub data_files: Vec<String>,
    stops: Vec<String>,
    stops_else: Vec<String>,
    commands: Vec<String>,
}

impl DataWords {
    /// Those that Portolan brings along.
    ///
    /// # Panics
    /// Where the file is not usable, which a test of this crate would have seen.
    #[must_use]
    pub fn builtin() -> &'static Self {
        static KNOWN: OnceLock<DataWords> = OnceLock::new();
        KNOWN.get_or_init(|| builtin::read("recipes/programs.yaml", TEXT, |known: &Self| known.format))
    }

    /// Whether a setting of this name, in this block of a file, says how long, or how much, data is kept.
    #[must_use]
    pub fn keeps_data(&self, block: &str, name: &str) -> bool {
        let own = words(name);
        let near = near(block, name);
        let all = [words(block), own.clone()].concat();
        let has = |words: &[String], list: &[String]| words.iter().any(|word| list.contains(word));
        let removes = has(&near, &self.removes) || near.iter().any(|word| word == "older");
        has(&near, &self.keeps)
            || (has(&near, &self.keeps_beside) && has(&all, &self.kept) && !has(&near, &self.kept_else))
            || (removes && has(&own, &self.removes_after) && !has(&near, &self.kept_else))
    }

    /// Whether a setting of this name, in this block of a file, is a limit of the data that is kept: `MAX_DISK_SIZE`, `max-size`. Data
    /// beyond a limit that falls is thrown away.
    #[must_use]
    pub fn limits_data(&self, block: &str, name: &str) -> bool {
        let near = near(block, name);
        let has = |list: &[String]| near.iter().any(|word| list.contains(word));
        has(&self.limits) && has(&self.limited) && !has(&self.limited_else) && !self.is_beside("", &near.join("-"))
    }

    /// Whether a number that falls in a setting of this name, in this block of a file, says that less is kept: `keep`, `snapshots`.
    #[must_use]
    pub fn keeps_by_number(&self, block: &str, name: &str) -> bool {
        let near = near(block, name);
        let has = |list: &[String]| near.iter().any(|word| list.contains(word));
        has(&self.kept_by_number)
            && !has(&self.kept_by_number_else)
            && !has(&self.kept_else)
            && !has(&self.limited_else)
            && !self.is_beside(block, name)
    }

    /// Whether a program without the number in a setting of this name finds the same data, and only works faster or slower.
    #[must_use]
    pub fn is_tuning(&self, block: &str, name: &str) -> bool {
        let known = |word: &String| self.tuned.contains(word) || self.limited_else.contains(word);
        words(name).iter().any(known)
            || words(block).iter().any(|word| self.limited_else.contains(word))
            || self.is_of_host(name)
    }

    /// Whether a block of this name has switches of features: `FEATURE_FLAGS`.
    #[must_use]
    pub fn is_of_features(&self, name: &str) -> bool {
        self.features.contains(&words(name).join("-"))
    }

    /// Whether a command, by its words, ends a server with its data written: `pg_ctl stop -m fast`.
    #[must_use]
    pub fn is_stop(&self, command: &[&str]) -> bool {
        let Some((program, given)) = command.split_first() else { return false };
        let program = program.rsplit('/').next().unwrap_or(program);
        let given: Vec<String> = given.iter().map(|word| word.trim_matches(['"', '\'']).to_lowercase()).collect();
        let parts = given.iter().flat_map(|word| word.split(|c: char| !c.is_ascii_alphanumeric()));
        let is_known = self.stops.iter().any(|stop| {
            let mut wanted = stop.split(' ');
            wanted.next() == Some(program) && wanted.all(|word| given.iter().any(|one| one == &word.to_lowercase()))
        });
        is_known && !parts.into_iter().any(|part| self.stops_else.iter().any(|word| word == part))
    }

    /// Whether a setting of this name, in this block of a file, says how long or how much data is kept, or is a limit of it.
    #[must_use]
    pub fn bounds_data(&self, block: &str, name: &str) -> bool {
        self.keeps_data(block, name) || self.limits_data(block, name)
    }

    /// Whether a setting of this name says where data is, in a file or a folder: `DB_PATH`, or a flag of one letter.
    #[must_use]
    pub fn is_path(&self, block: &str, name: &str) -> bool {
        let is_letter = name.len() == 2 && name.starts_with('-');
        let is_last = |list: &[String]| words(name).last().is_some_and(|last| list.contains(last));
        is_letter
            || ((is_last(&self.paths) || is_last(&self.folders))
                && ![words(block), words(name)].iter().flatten().any(|word| self.folders_else.contains(word)))
    }

    /// Whether a list of this name is one of things that say nothing of data: plugins, scopes.
    #[must_use]
    pub fn is_list_of_else(&self, block: &str, name: &str) -> bool {
        [words(block), words(name)].iter().flatten().any(|word| self.lists_else.contains(word))
    }

    /// Whether a setting of this name, in this block of a file, says in which folder data is: `dataDir`, `STORE_DIRECTORY`, `dir`.
    #[must_use]
    pub fn is_folder(&self, block: &str, name: &str) -> bool {
        words(name).last().is_some_and(|last| self.folders.contains(last))
            && ![words(block), words(name)].iter().flatten().any(|word| self.folders_else.contains(word))
    }

    /// Whether an address in a setting of this name may end in a folder of that server.
    #[must_use]
    pub fn has_chroot(&self, name: &str) -> bool {
        let name = name.to_lowercase();
        self.chroots.iter().any(|word| name.contains(word))
    }

    /// Whether a path in a setting of this name is a folder of another server, below which the data is: `zkLedgersRootPath`.
    #[must_use]
    pub fn is_chroot(&self, name: &str) -> bool {
        let own = words(name);
        let is_of_server = own.iter().any(|word| word == "zk" || self.chroots.contains(word));
        is_of_server && own.last().is_some_and(|last| self.chroot_paths.contains(last))
    }

    /// Whether a setting of this name, in this block of a file, with this text switches off what keeps data: `persistence.enabled: false`.
    #[must_use]
    pub fn switches_off(&self, block: &str, name: &str, text: &str) -> bool {
        let near = near(block, name);
        let is_switch = !text.is_empty()
            && near.last().is_some_and(|last| match last.as_str() {
                "enabled" | "enable" | "on" => is_off(text),
                "disabled" | "disable" | "off" => text.eq_ignore_ascii_case("true") || text == "1",
                last => is_off(text) && self.keeps_on.iter().any(|word| word == last),
            });
        is_switch && near.iter().any(|word| self.keeps_on.contains(word))
    }

    /// Whether a flag, without its value, makes a program throw data away: `--wipe`, `--drop-all-tables`. A flag that is about
    /// something else as well (`--purge-interval`) does not.
    #[must_use]
    pub fn is_destructive(&self, flag: &str) -> bool {
        let words = self.words(flag);
        let is_of_data = |word: &String| self.data.contains(word) || self.moments.contains(word);
        let throws = words.iter().any(|word| self.throws.contains(word))
            || (words.iter().any(|word| self.throws_beside.contains(word)) && words.iter().any(is_of_data));
        let is_known =
            |word: &String| self.throws.contains(word) || self.throws_beside.contains(word) || is_of_data(word);
        throws && words.iter().all(is_known)
    }

    /// Whether a variable with this text makes a program throw data away: `APP_DROP_SCHEMA=true`, `FLYWAY_CLEAN_DISABLED=false`,
    /// `DB_INIT=always`.
    #[must_use]
    pub fn throws_away(&self, name: &str, text: &str) -> bool {
        let words = self.words(name);
        let is_off = is_off(text);
        if words.windows(2).any(|two| self.throws.contains(&two[0]) && two[1] == "disabled") {
            return is_off;
        }
        if is_off {
            return false;
        }
        let beside = |one: &[&Vec<String>], other: &[&Vec<String>], words: &[String]| {
            let is = |lists: &[&Vec<String>], word: &String| lists.iter().any(|list| list.contains(word));
            words
                .windows(2)
                .any(|two| (is(one, &two[0]) && is(other, &two[1])) || (is(other, &two[0]) && is(one, &two[1])))
        };
        let with_text = [words.clone(), self.words(text)].concat();
        matches!(words.as_slice(), [word] if self.throws.contains(word))
            || beside(&[&self.throws, &self.throws_beside], &[&self.data, &self.moments], &words)
            || beside(&[&self.makes], &[&self.forces], &with_text)
    }

    /// Whether a setting of this name, in this block of a file, is about something beside the data: `LOG_LEVEL`, `TZ`.
    #[must_use]
    pub fn is_beside(&self, block: &str, name: &str) -> bool {
        let block = words(block);
        // What is stored there are traces, or metrics, themselves.
        let is_store = block.iter().any(|word| self.blocks_of_data.contains(word));
        let is_known = |word: &String| self.beside.contains(word);
        words(name).iter().any(is_known) || (!is_store && block.iter().any(is_known))
    }

    /// Whether a setting of this name is about what programs keep for a while only: caches, sessions.
    #[must_use]
    pub fn is_for_a_while(&self, block: &str, name: &str) -> bool {
        [words(block), words(name)].iter().flatten().any(|word| self.kept_else.contains(word))
    }

    /// Whether a setting of this name says on which host something is: that is compared as an address.
    #[must_use]
    pub fn is_of_host(&self, name: &str) -> bool {
        words(name).iter().any(|word| self.hosts.contains(word))
    }

    /// Whether what a setting of this name says is a host or an address: `API_HOST`, `DOMAIN_NAME`; not `SERVER_MODE`.
    #[must_use]
    pub fn is_place(&self, name: &str) -> bool {
        let own = without_numbers(name);
        match own.as_slice() {
            [.., named, last] if last == "name" => matches!(named.as_str(), "host" | "domain"),
            [.., last] => self.hosts.contains(last) || self.named_hosts.contains(last),
            [] => false,
        }
    }

    /// Whether a setting of this name, or a scheme, is about a store of data: `REDIS_HOST`, `postgres`.
    #[must_use]
    pub fn is_of_store(&self, name: &str) -> bool {
        words(name).iter().any(|word| self.stores.contains(word))
    }

    /// Whether a setting of this name, in this block of a file, says with which servers a program shares its data, or on which one the
    /// rest of its data is: `--join`, `ZK_HOST`, `DB_HOST`. What has the name of the program's own image is about itself: `MINIO_SERVER_URL`.
    #[must_use]
    pub fn is_of_servers(&self, image: &str, block: &str, name: &str) -> bool {
        let blocks = words(block.rsplitn(3, '.').take(2).collect::<Vec<_>>().join(".").as_str());
        let near = [blocks, words(name)].concat();
        let is_of_rest = |word: &String| self.stores_beside.contains(word) && !image.contains(word.as_str());
        near.iter().any(|word| self.members.contains(word) || is_of_rest(word))
            && !near.iter().any(|word| self.own_hosts.contains(word))
    }

    /// Whether an address with this scheme is one of a store that has the rest of a program's data: `jdbc:postgresql`.
    #[must_use]
    pub fn is_scheme_of_store(&self, scheme: &str) -> bool {
        words(scheme).iter().any(|word| self.stores_beside.contains(word))
    }

    /// Whether a word alone is a host in a setting of this name: `DB_HOST`, not `DB_TYPE`.
    #[must_use]
    pub fn names_host(&self, name: &str) -> bool {
        let own = without_numbers(name);
        let is_named = own.last().is_some_and(|last| self.named_hosts.contains(last));
        is_named || own.ends_with(&["service".to_owned(), "name".to_owned()])
    }

    /// Whether a setting of this name is about how people log in.
    #[must_use]
    pub fn is_of_login(&self, name: &str) -> bool {
        words(name).iter().any(|word| self.logins.contains(word))
    }

    /// Whether a text may be the name of something: no path from the root, no number or amount, no switch.
    #[must_use]
    pub fn may_be_name(&self, text: &str) -> bool {
        let is_of = |c: char| c.is_alphanumeric() || "_-.:/@+?=&%".contains(c);
        text.len() > 1
            && text.starts_with(|c: char| c.is_alphabetic() || c == '.')
            && text.chars().all(is_of)
            && !is_off(text)
            && !self.no_names.contains(&text.to_lowercase())
    }

    /// Whether a name has a word for data.
    #[must_use]
    pub fn is_about_data(&self, name: &str) -> bool {
        words(name).iter().any(|word| self.data.contains(word) && word != "all" && word != "force")
    }

    /// Whether a variable of this name may be about data: by any of these words, whatever its text.
    #[must_use]
    pub fn is_named_for_data(&self, name: &str) -> bool {
        let own = words(name);
        let ends = |known: &String| own.ends_with(&words(known));
        // Written as one word, as in `PGDATA`.
        let has = |word: &&str| own.iter().any(|one| one.contains(word));
        self.uses.iter().chain(&self.identifies).chain(&self.addresses).any(ends)
            || self.is_path("", name)
            || ["data", "home", "dir"].iter().any(&has)
            || self.is_about_data(name)
            || self.is_of_store(name)
            || self.bounds_data("", name)
    }

    /// Whether a setting of this name, whose text is a path, says where data is, and not where a program's own files are.
    #[must_use]
    pub fn is_place_of_data(&self, name: &str) -> bool {
        self.is_named_for_data(name) && !words(name).iter().any(|word| self.folders_else.contains(word))
    }

    /// A name with a line between its words, in small letters: `cluster_name` of `clusterName`.
    #[must_use]
    pub fn spaced(name: &str) -> String {
        words(name).join("_")
    }

    /// The last word of a name, in small letters.
    #[must_use]
    pub fn last_word(name: &str) -> Option<String> {
        words(name).pop()
    }

    /// The first command that throws data away among arguments, joined by blanks.
    #[must_use]
    pub fn command<'a>(&'a self, arguments: &str) -> Option<&'a str> {
        let arguments = format!(" {} ", arguments.to_lowercase());
        let is_there = |command: &&String| {
            arguments.match_indices(command.as_str()).any(|(at, found)| {
                let (before, after) =
                    (arguments[..at].chars().next_back(), arguments[at + found.len()..].chars().next());
                let ends = |c: Option<char>| c.is_some_and(|c| !c.is_ascii_alphanumeric());
                ends(before) && ends(after)
            })
        };
        self.commands.iter().find(is_there).map(String::as_str)
    }

    /// The words for throwing something away in a text: `kubectl delete pvc`, `--prune-unused`.
    pub fn clearing<'a>(&'a self, text: &str) -> impl Iterator<Item = &'a str> {
        let words = text.split(|c: char| !c.is_ascii_alphanumeric()).flat_map(words);
        let words: BTreeSet<String> = words.collect();
        self.clears.iter().filter(move |word| words.contains(*word)).map(String::as_str)
    }

    /// The words of a name, without those between others.
    fn words(&self, name: &str) -> Vec<String> {
        words(name).into_iter().filter(|word| !self.fillers.contains(word)).collect()
    }
}

/// Whether a setting's text switches it off.
#[must_use]
pub fn is_off(text: &str) -> bool {
    matches!(
        text.trim().to_lowercase().as_str(),
        "" | "false" | "0" | "no" | "off" | "none" | "null" | "never" | "disabled"
    )
}

/// The words of a setting's name and of the innermost block around it.
fn near(block: &str, name: &str) -> Vec<String> {
    [words(block.rsplit('.').next().unwrap_or_default()), words(name)].concat()
}

/// The words of a name without the numbers at its end: those of `nodes.1` are `nodes`.
fn without_numbers(name: &str) -> Vec<String> {
    let mut all = words(name);
    while all.last().is_some_and(|last| last.parse::<u32>().is_ok()) {
        all.pop();
    }
    all
}

/// The words of a name, in small letters: `--drop-all`, `DROP_ALL`, `dropAll`.
pub(crate) fn words(name: &str) -> Vec<String> {
    let is_mixed = name.chars().any(|c| c.is_ascii_lowercase());
    let mut all: Vec<String> = vec![String::new()];
    let mut was_small = false;
    for c in name.chars() {
        if !c.is_ascii_alphanumeric() || (is_mixed && was_small && c.is_ascii_uppercase()) {
            all.push(String::new());
        }
        if let (true, Some(word)) = (c.is_ascii_alphanumeric(), all.last_mut()) {
            word.push(c.to_ascii_lowercase());
        }
        was_small = c.is_ascii_lowercase();
    }
    all.retain(|word| !word.is_empty());
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flag_throws_data_away_where_it_is_about_data_alone() {
        let known = DataWords::builtin();
        for (flag, is) in [
            ("--wipe", true),
            ("--drop-all-tables", true),
            ("-reset.db", true),
            ("--dropAll", true),
            ("--delete-data-on-start", true),
            ("--clean-data", true),
            ("--clean", true),
            ("--delete", false),
            ("--purge-interval", false),
            ("--cache-reset-interval", false),
            ("--drop-privileges", false),
            ("--log-format", false),
            ("--format", false),
            ("--data", false),
        ] {
            assert_eq!(known.is_destructive(flag), is, "{flag}");
        }
    }

    #[test]
    fn a_variable_throws_data_away_beside_a_word_for_it() {
        let known = DataWords::builtin();
        for (name, text, is) in [
            ("APP_DROP_SCHEMA", "true", true),
            ("APP_DROP_SCHEMA", "false", false),
            ("DROP_ON_START", "1", true),
            ("RECREATE_SCHEMA", "yes", true),
            ("OVERWRITE_EXISTING_DATA", "true", true),
            ("FRESH_INSTALL", "true", true),
            ("RESTORE_FROM_BACKUP", "latest", true),
            ("WIPE", "1", true),
            ("DB_INIT", "always", true),
            ("FORCE_INIT", "yes", true),
            ("INIT_DB", "true", false),
            ("FLYWAY_CLEAN_DISABLED", "false", true),
            ("FLYWAY_CLEAN_DISABLED", "true", false),
            ("PASSWORD_RESET_ENABLED", "true", false),
            ("RESET_PASSWORD_URL", "/x", false),
            ("DROP_CAPS", "true", false),
            ("RESET_METRICS", "true", false),
            ("POSTGRES_INITDB_ARGS", "--force", false),
            ("DATA_DIR", "/data", false),
        ] {
            assert_eq!(known.throws_away(name, text), is, "{name}={text}");
        }
    }

    #[test]
    fn a_tools_command_is_found_among_arguments() {
        let known = DataWords::builtin();
        for (arguments, command) in [
            ("artisan migrate:fresh --seed", Some("migrate:fresh")),
            ("db:drop db:create", Some("db:drop")),
            ("prisma migrate reset --force", Some("migrate reset")),
            ("prisma db push --accept-data-loss", Some("accept-data-loss")),
            ("/usr/bin/alembic downgrade base", Some("downgrade base")),
            ("liquibase dropAll update", Some("dropall")),
            ("prisma migrate deploy", None),
            ("db:dropped", None),
        ] {
            assert_eq!(known.command(arguments), command, "{arguments}");
        }
    }

    #[test]
    fn words_for_throwing_away_are_found_in_a_text() {
        let of = |text: &str| DataWords::builtin().clearing(text).collect::<Vec<_>>().join(" ");
        assert_eq!(of("kubectl delete pvc store; rm -rf /x"), "delete rm");
        assert_eq!(of("DELETE_UNUSED_PVC"), "delete");
        assert_eq!(of("kubectl get pvc, undeleted firmware"), "");
        assert_eq!(of("--pruneUnused"), "prune");
    }

    #[test]
    fn names_of_settings_say_how_much_is_kept() {
        let known = DataWords::builtin();
        for name in [
            "--storage.tsdb.retention.time",
            "-retentionPeriod",
            "KAFKA_LOG_RETENTION_HOURS",
            "BACKUP_KEEP_DAYS",
            "BADGER_SPAN_STORE_TTL",
            "--badger.span-store-ttl",
            "DATA_EXPIRATION",
            "keepLast",
            "OLDER_THAN",
            "DELETE_AFTER_DAYS",
            "purgeAfter",
            "daysToKeep",
        ] {
            assert!(known.keeps_data("", name), "{name}");
        }
        for name in [
            "RETAIN",
            "CACHE_TTL",
            "TCP_KEEP_ALIVE",
            "SESSION_STORE_TTL",
            "DNS_TTL",
            "KEEPALIVE_COUNT",
            "PAGE",
            "CLEANUP_INTERVAL",
        ] {
            assert!(!known.keeps_data("", name), "{name}");
        }
        for (block, name, is) in [
            ("spans", "ttl", true),
            ("retention", "period", true),
            ("delete", "min_age", true),
            ("cron.archive_cleanup", "OLDER_THAN", true),
            ("session", "ttl", false),
            ("query_log", "ttl", false),
            ("cors", "max_age", false),
        ] {
            assert_eq!(known.keeps_data(block, name), is, "{block} {name}");
        }
    }

    #[test]
    fn numbers_say_by_their_names_how_much_is_kept_or_that_they_tune() {
        let known = DataWords::builtin();
        for (block, name, is) in [
            ("", "keep", true),
            ("", "KEEP_DAYS", true),
            ("backup", "snapshots", true),
            ("", "TRASH_DAYS", true),
            ("", "NUM_BACKUPS", true),
            ("", "BACKUP_INTERVAL_DAYS", false),
            ("", "KEEP_ALIVE", false),
            ("session", "days", false),
            ("log", "history", false),
            ("", "shards", false),
        ] {
            assert_eq!(known.keeps_by_number(block, name), is, "{block} {name}");
        }
        for (block, name, is) in [
            ("", "max_connections", true),
            ("server", "http_port", true),
            ("", "flush_interval", true),
            ("pool", "min", true),
            ("", "slots", false),
            ("", "epoch", false),
        ] {
            assert_eq!(known.is_tuning(block, name), is, "{block} {name}");
        }
    }

    #[test]
    fn commands_that_end_a_server_properly_are_told_from_others() {
        for (command, is) in [
            ("pg_ctl stop -m fast", true),
            ("/usr/lib/postgresql/15/bin/pg_ctl -D /data -m smart stop", true),
            ("pg_ctl stop -m immediate", false),
            ("pg_ctl restart", false),
            ("redis-cli -a x shutdown save", true),
            ("redis-cli SHUTDOWN NOSAVE", false),
            ("redis-cli flushall", false),
            ("nodetool -u x drain", true),
            ("nodetool decommission", false),
            ("kill -TERM 1", true),
            ("kill -9 1", false),
            ("kill -SIGKILL 1", false),
            ("rm -rf /data", false),
        ] {
            let words: Vec<&str> = command.split(' ').collect();
            assert_eq!(DataWords::builtin().is_stop(&words), is, "{command}");
        }
    }

    #[test]
    fn names_of_settings_say_how_much_data_there_may_be() {
        let known = DataWords::builtin();
        for name in [
            "MAX_DISK_SIZE",
            "--max-size",
            "max_bytes",
            "maxEntries",
            "storage-limit-gb",
            "max_msgs",
            "MAX_BACKUPS",
            "quota-backend-bytes",
        ] {
            assert!(known.limits_data("", name), "{name}");
        }
        for name in [
            "max_connections",
            "max_wal_size",
            "client_max_body_size",
            "MAX_UPLOAD_SIZE",
            "message.max.bytes",
            "CACHE_MAX_SIZE",
            "LOG_MAX_SIZE",
            "--max-old-space-size",
            "MAX_POOL_SIZE",
            "max_allowed_packet",
            "MEMORY_LIMIT",
            "php_upload_max_filesize",
            "OTEL_BSP_MAX_QUEUE_SIZE",
        ] {
            assert!(!known.limits_data("", name), "{name}");
        }
        assert!(known.limits_data("storage", "max_size") && !known.limits_data("pool", "max_size"));
    }

    #[test]
    fn what_keeps_data_is_switched_off() {
        let known = DataWords::builtin();
        for (block, name, text, is) in [
            ("hazelcast.persistence", "enabled", "false", true),
            ("core", "persistence-enabled", "false", true),
            ("", "AOF_ENABLED", "no", true),
            ("", "PERSISTENCE_DISABLED", "true", true),
            ("", "durable", "off", true),
            ("", "AOF_ENABLED", "yes", false),
            ("", "wal_compression", "off", false),
            ("metrics", "enabled", "false", false),
            ("", "persistence", "", false),
        ] {
            assert_eq!(known.switches_off(block, name, text), is, "{block} {name} {text}");
        }
    }

    #[test]
    fn names_of_settings_say_which_servers_have_the_data() {
        let known = DataWords::builtin();
        for (block, name) in [
            ("", "-mserver"),
            ("", "--tserver_master_addrs"),
            ("", "CASSANDRA_SEEDS"),
            ("", "ZK_HOST"),
            ("cluster", "join_members"),
            ("etcd", "endpoints"),
            ("", "DATABASE_HOST"),
            ("", "fs.defaultFS"),
            ("database.args", "host"),
        ] {
            assert!(known.is_of_servers("store", block, name), "{block} {name}");
        }
        for name in ["LOG_LEVEL", "KAFKA_ADVERTISED_LISTENERS", "SMTP_HOST", "REDIS_HOST", "cluster.my-address"] {
            assert!(!known.is_of_servers("store", "", name), "{name}");
        }
        assert!(!known.is_of_servers("loki", "memberlist", "join_members"));
        assert!(!known.is_of_servers("minio", "", "MINIO_SERVER_URL"));
        assert!(known.names_host("service-name") && known.names_host("DB_HOST") && !known.names_host("DB_TYPE"));
        assert!(known.names_host("discovery.nodes.1"));
        assert!(known.is_place("API_HOST") && known.is_place("DOMAIN_NAME") && !known.is_place("SERVER_MODE"));
        assert!(known.is_scheme_of_store("jdbc:postgresql") && !known.is_scheme_of_store("https"));
        assert!(known.is_chroot("zkLedgersRootPath") && known.is_chroot("zookeeper.znode.parent"));
        assert!(!known.is_chroot("ZOOKEEPER_DATA_DIR") && !known.is_chroot("rootPath"));
    }

    #[test]
    fn names_of_settings_say_that_they_are_paths() {
        let known = DataWords::builtin();
        assert!(known.is_path("", "--path") && known.is_path("", "-d") && !known.is_path("", "LOG_FILE"));
    }
}
