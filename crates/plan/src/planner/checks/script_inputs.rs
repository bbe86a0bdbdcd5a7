//! What a script beside the data reads besides the variables that it names: files of ConfigMaps and Secrets from which it makes lists,
//! names or decisions, and its environment as a whole. Where these change, the same script does something else.

use std::collections::{BTreeMap, BTreeSet};

use portolan_inventory::credential;

use super::scripts::Script;
use super::shell::{is_decider, program};

/// What a script reads.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Inputs<'a> {
    /// The files that decide what it does: their names and texts.
    files: BTreeMap<&'a str, &'a str>,
    /// The variables that it looks for in the whole environment.
    variables: BTreeMap<&'a str, &'a str>,
}

impl<'a> Inputs<'a> {
    /// Those of a script; `files` are those of its container.
    pub(super) fn of(script: &str, files: &'a [Script], env: &'a BTreeMap<String, String>) -> Self {
        let deciding: Vec<&str> = script.lines().filter(|line| decides(line)).collect();
        // Whether a password may change is asked elsewhere.
        let is_read = |name: &str| !credential::is_named(name) && deciding.iter().any(|line| names_file(line, name));
        let known = files;
        let named = files.iter().map(|file| (file.file(), file.text.as_str()));
        let files = named.filter(|(name, _)| is_read(name)).collect();
        let words: BTreeSet<&str> = script.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').collect();
        let is_named =
            |name: &str| words.iter().any(|word| *word == name || (word.ends_with('_') && name.starts_with(word)));
        // What is filled into a file stands in that file.
        let fills = FILLS.iter().any(|tool| script.contains(tool));
        let stands = |name: &str| known.iter().any(|file| file.text.contains(name));
        let is_asked =
            |name: &str| (reads_environment(script) && is_named(name)) || (fills && (stands(name) || is_named(name)));
        let all = env.iter().filter(|(name, _)| !credential::is_named(name) && is_asked(name));
        Self { files, variables: all.map(|(name, text)| (name.as_str(), text.as_str())).collect() }
    }
}

/// Programs that fill variables into files.
const FILLS: [&str; 7] = ["envsubst", "gomplate", "dockerize", "confd", "envtpl", "render-template", "j2 "];

/// Whether a line makes a list, a name or a decision of files that it names. What only copies them, or starts a program with them, does
/// not.
fn decides(line: &str) -> bool {
    let line = line.trim();
    let tool = program(line.split_whitespace()).first().copied().unwrap_or_default();
    line.contains("$(") || line.contains('`') || line.contains('<') || is_decider(tool) || tool == "grep"
}

/// Whether a line names a file, by its path or all files of a folder.
fn names_file(line: &str, name: &str) -> bool {
    let path = format!("/{name}");
    line.match_indices(&path).any(|(at, _)| {
        let after = &line[at + path.len()..];
        !after.starts_with(|c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '/'))
    })
}

/// Whether a script asks for variables otherwise than by `$NAME`.
fn reads_environment(script: &str) -> bool {
    const WORDS: [&str; 7] = ["printenv", "ENVIRON", "/environ", "os.environ", "export -p", "declare -x", "compgen"];
    let is_env = |command: &str| command.trim_start_matches(['(', '"', '\'']).trim() == "env";
    WORDS.iter().any(|word| script.contains(word)) || script.split(['|', '\n', ';', '`', '$', ')', '&']).any(is_env)
}

#[cfg(test)]
mod tests {
    use portolan_model::Ref;

    use super::*;

    fn file(name: &str, text: &str) -> Script {
        let object = Ref::new("", "ConfigMap", "n", "m");
        Script { key: format!("file {name}"), text: text.into(), object, field: String::new() }
    }

    #[test]
    fn files_that_decide_are_told_from_others() {
        let files = [file("clean.txt", "tmp"), file("store.conf", "a")];
        let none = BTreeMap::new();
        for (script, named) in [
            ("while read d; do rm -rf /data/$d; done < /etc/s/clean.txt", &["clean.txt"][..]),
            ("for d in $(cat /etc/s/clean.txt); do rm -rf $d; done", &["clean.txt"]),
            ("test -e /etc/s/clean.txt && rm -rf /data/*", &["clean.txt"]),
            ("[ -f \"/etc/s/clean.txt\" ] && wipe", &["clean.txt"]),
            ("D=`cut -f2 /etc/s/store.conf`", &["store.conf"]),
            ("cp /etc/s/store.conf /data/store.conf", &[]),
            ("exec server --config /etc/s/store.conf", &[]),
            ("test -e /etc/s/clean.txt.old", &[]),
        ] {
            let inputs = Inputs::of(script, &files, &none);
            assert_eq!(inputs.files.keys().copied().collect::<Vec<_>>(), named, "{script}");
        }
    }

    #[test]
    fn variables_are_looked_for_in_the_environment() {
        let env: BTreeMap<String, String> =
            [("LINE", "a"), ("APP_DIR", "b"), ("LEVEL", "c")].map(|(a, b)| (a.to_owned(), b.to_owned())).into();
        for (script, named) in [
            ("D=/data/$(env | grep ^LINE= | cut -d= -f2)", &["LINE"][..]),
            ("D=/data/$(printenv LINE)", &["LINE"]),
            ("D=$(awk 'BEGIN{print ENVIRON[\"LINE\"]}')", &["LINE"]),
            ("tr '\\0' '\\n' < /proc/1/environ | grep LINE", &["LINE"]),
            ("env | grep ^APP_", &["APP_DIR"]),
            ("env | sort", &[]),
            ("env A=1 server --line LINE", &[]),
            ("echo $LINE", &[]),
        ] {
            let inputs = Inputs::of(script, &[], &env);
            assert_eq!(inputs.variables.keys().copied().collect::<Vec<_>>(), named, "{script}");
        }
    }
}
