//! What throws data away, by flags, variables, commands and words of scripts, and what only ends a server.

use std::collections::BTreeSet;

use super::{DataWords, is_off, words};

impl DataWords {
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

    /// Whether a flag that takes nothing is an order to throw something away: `--format`, which is about output where it takes a word.
    #[must_use]
    pub fn is_order(&self, flag: &str) -> bool {
        matches!(words(flag).as_slice(), [word] if self.throws_beside.contains(word))
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

    /// The words of a name, without those between others.
    fn words(&self, name: &str) -> Vec<String> {
        words(name).into_iter().filter(|word| !self.fillers.contains(word)).collect()
    }
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
        assert!(known.is_order("--format") && !known.is_order("--format-logs"));
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
}
