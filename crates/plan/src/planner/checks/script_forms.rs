//! Scripts that are written otherwise and do the same to data: files handed over through `find` and `xargs`, other waits, and files
//! that only probes run.

use super::scripts::Script;

/// A script with continued lines joined, and with `find ... | xargs chown ...` as the command that `xargs` starts.
pub(super) fn plain(script: &str) -> String {
    let script = script.replace("\\\n", " ");
    if !script.contains("xargs") {
        return script;
    }
    let lines = script.lines().map(|line| handed_over(line).unwrap_or_else(|| line.to_owned()));
    lines.collect::<Vec<_>>().join("\n")
}

/// A line without the `find` that only lists what is handed over behind it. `None` where it is something else.
fn handed_over(line: &str) -> Option<String> {
    const WRITES: [&str; 9] =
        ["-delete", "-exec", "-execdir", "-ok", "-okdir", "-fprint", "-fprint0", "-fprintf", "-fls"];
    const HANDS_OVER: [&str; 4] = ["chown", "chmod", "chgrp", "setfacl"];
    let (before, after) = line.split_once('|')?;
    let start = before.rfind([';', '&']).map_or(0, |at| at + 1);
    let mut find = before[start..].split_whitespace();
    let is_list =
        find.next() == Some("find") && find.all(|word| !WRITES.contains(&word) && !word.contains(['>', '$', '`']));
    let mut words = after.split_whitespace();
    if !is_list || words.next() != Some("xargs") {
        return None;
    }
    let rest: Vec<&str> = words
        .skip_while(|word| matches!(*word, "-r" | "-0" | "-r0" | "-0r" | "--no-run-if-empty" | "--null"))
        .collect();
    HANDS_OVER.contains(rest.first()?).then(|| format!("{}{}", &before[..start], rest.join(" ")))
}

/// Whether two commands are the same but for how long they wait: `sleep` at all, and `timeout` no shorter than before, since what it
/// ends may be writing.
pub(super) fn differ_in_waits_only(old: &str, new: &str) -> bool {
    let ((old, was), (new, is)) = (without_waits(old), without_waits(new));
    old == new && was.iter().zip(&is).all(|(was, is)| is >= was)
}

/// A command without the numbers of its waits, and those of `timeout` in seconds.
fn without_waits(command: &str) -> (Vec<&str>, Vec<f64>) {
    let (mut all, mut limits) = (Vec::new(), Vec::new());
    let mut words = command.split_whitespace().peekable();
    while let Some(word) = words.next() {
        all.push(word);
        let tool = word.rsplit(['(', '`', '"', '/']).next().unwrap_or(word);
        if tool == "timeout" {
            // The signal, and when it is followed by KILL, come before the number.
            while let Some(flag) = words.next_if(|next| next.starts_with('-')) {
                all.push(flag);
                if matches!(flag, "-s" | "-k" | "--signal" | "--kill-after") {
                    all.extend(words.next());
                }
            }
        }
        if matches!(tool, "timeout" | "sleep")
            && let Some(time) = words.peek().and_then(|next| seconds(next))
        {
            words.next();
            limits.extend((tool == "timeout").then_some(time));
        }
    }
    (all, limits)
}

/// What `timeout` and `sleep` of coreutils take: `5`, `0.5`, `2m`.
fn seconds(word: &str) -> Option<f64> {
    let (number, factor) = match word.char_indices().next_back()? {
        (at, 's') => (&word[..at], 1.0),
        (at, 'm') => (&word[..at], 60.0),
        (at, 'h') => (&word[..at], 3_600.0),
        (at, 'd') => (&word[..at], 86_400.0),
        _ => (word, 1.0),
    };
    let is_number = number.chars().all(|c| c.is_ascii_digit() || c == '.');
    number.parse::<f64>().ok().filter(|_| is_number).map(|number| number * factor)
}

/// Whether of a container's scripts only its probes run this file: nothing else names it, or any file of its ConfigMap.
pub(super) fn is_of_probes(all: &[Script], script: &Script) -> bool {
    let own = script.file();
    if own.is_empty() {
        return false;
    }
    let is_beside = |other: &&Script| other.object == script.object && !other.file().is_empty();
    let is_probe = |other: &&Script| other.key.ends_with("Probe");
    let names: Vec<&str> = all.iter().filter(is_beside).map(Script::file).collect();
    let names_one = |other: &&Script, names: &[&str]| names.iter().any(|name| other.text.contains(name));
    let is_of_all = all.iter().filter(is_probe).any(|probe| names_one(&probe, &names))
        && !all.iter().any(|other| !is_beside(&other) && !is_probe(&other) && names_one(&other, &names));
    let is_of_one = all.iter().filter(is_probe).any(|probe| names_one(&probe, &[own]))
        && !all.iter().any(|other| other.key != script.key && !is_probe(&other) && names_one(&other, &[own]));
    is_of_all || is_of_one
}

#[cfg(test)]
mod tests {
    use portolan_model::Ref;

    use super::*;

    #[test]
    fn files_handed_over_by_a_list_are_a_plain_chown() {
        for (script, expected) in [
            ("find /d -mindepth 1 -not -name \"conf\" | \\\n  xargs -r chown -R 1001:1001", "chown -R 1001:1001"),
            ("mkdir -p /d && find /d | xargs chmod 700", "mkdir -p /d &&chmod 700"),
            ("find /d -delete | xargs chown 1", "find /d -delete | xargs chown 1"),
            ("find /d | xargs rm -rf", "find /d | xargs rm -rf"),
            ("find $(wipe) | xargs chown 1", "find $(wipe) | xargs chown 1"),
            ("cat list | xargs chown 1", "cat list | xargs chown 1"),
        ] {
            assert_eq!(plain(script), expected, "{script}");
        }
    }

    #[test]
    fn only_waits_may_differ_and_a_limit_may_not_fall() {
        for (old, new, is) in [
            ("r=$(timeout -s 15 5 redis-cli ping)", "r=$(timeout -s 15 15 redis-cli ping)", true),
            ("timeout 5m load /data", "timeout 600 load /data", true),
            ("timeout 600 load /data", "timeout 5 load /data", false),
            ("timeout 5 load /data", "timeout 5 wipe /data", false),
            ("timeout -s 15 5 load", "timeout -s 9 5 load", false),
            ("do sleep 5", "do sleep 1", true),
            ("keep 5", "keep 1", false),
            ("sleep 5", "timeout 5", false),
        ] {
            assert_eq!(differ_in_waits_only(old, new), is, "{old} -> {new}");
        }
    }

    #[test]
    fn a_file_is_of_probes_where_nothing_else_runs_it() {
        let script = |key: &str, text: &str, map: &str| Script {
            key: key.into(),
            text: text.into(),
            object: Ref::new("", "ConfigMap", "n", map),
            field: String::new(),
        };
        let of = |command: &str, file: &str| {
            let all = [
                script("script", command, "none"),
                script("livenessProbe", "sh -c /health/ping.sh", "none"),
                script("file ping.sh", "ping", "health"),
                script("file unused.sh", "./ping.sh", "health"),
                script("file start.sh", "exec server", "scripts"),
            ];
            let found = all.iter().find(|one| one.key == format!("file {file}")).expect("it is there");
            is_of_probes(&all, found)
        };
        assert!(of("/s/start.sh", "ping.sh") && of("/s/start.sh", "unused.sh"));
        assert!(!of("/s/start.sh", "start.sh") && !of("exec server", "start.sh"));
        assert!(!of("/health/ping.sh; /s/start.sh", "ping.sh"), "its command runs it too");
        assert!(!of("/health/unused.sh", "unused.sh") && !of("/health/unused.sh", "ping.sh"));
    }
}
