//! Files of ConfigMaps and Secrets that another file of a program's configuration includes. Without them the program starts with what it
//! has by itself for what they said. What they say is compared elsewhere, but for files that are no configuration by their names.

use std::collections::BTreeSet;

use portolan_model::Ref;

use super::paths::parts;
use super::scripts::{FindText, MountedText, mounted_texts};
use super::uses::{Pair, Use, Workloads};
use super::{HopContext, Report, told};

const WAY_OUT: &str = "see what the file says; give the chart the file and its include of today";

pub(super) fn check(context: &HopContext<'_>, workloads: &Workloads, report: &mut Report) {
    let (today, then) = (FindText::today(context, workloads), FindText::after(context, workloads));
    for volume in workloads.volumes() {
        for pair in workloads.pairs(volume).0 {
            let files = [mounted_texts(&pair.before, &today), mounted_texts(&pair.after, &then)];
            if let Some((object, field, reason)) = change(&pair, &files)
                && !report.is_unknown_at(volume, &object, &field)
            {
                report.unknown(volume, &object, &field, (reason, WAY_OUT));
            }
        }
    }
}

/// The first include that leads to something else than today.
fn change(pair: &Pair<'_>, [was, will]: &[Vec<MountedText>; 2]) -> Option<(Ref, String, String)> {
    let (had, has) = (includes(was), includes(will));
    had.iter().find_map(|include| {
        let user: &Use<'_> = &pair.after;
        let now = has.iter().find(|now| now.from.path == include.from.path && now.target == include.target);
        let Some(now) = now else {
            // That the file with it goes is said where files are compared.
            let from = will.iter().find(|file| file.path == include.from.path)?;
            let reason = format!("it does not include {} any more", include.target);
            return Some((from.object.clone(), from.field.clone(), reason));
        };
        let (old, new) = (include.files(was), now.files(will));
        let gone = old.iter().find(|file| !new.iter().any(|other| other.path == file.path));
        if let Some(gone) = gone {
            let reason = format!("{} includes {}, which the container has no more", now.from.path, gone.path);
            return Some((user.name.clone(), user.field("/volumeMounts"), reason));
        }
        let other = new.iter().find(|file| {
            let text = old.iter().find(|other| other.path == file.path).map(|old| old.text.as_str());
            told::is_no_config(&file.path) && text != Some(file.text.as_str())
        })?;
        let reason = format!("{} includes it, and what its other text says to the program is not known", now.from.path);
        Some((other.object.clone(), other.field.clone(), reason))
    })
}

/// A line of a file that includes others.
struct Include<'a> {
    from: &'a MountedText,
    /// As it is written: a file, a folder, or a pattern with `*`.
    target: String,
    is_folder: bool,
}

impl Include<'_> {
    /// The files that it takes in.
    fn files<'f>(&self, all: &'f [MountedText]) -> Vec<&'f MountedText> {
        let folder = self.from.path.rsplit_once('/').map_or("", |(folder, _)| folder);
        let target =
            if self.target.starts_with('/') { self.target.clone() } else { format!("{folder}/{}", self.target) };
        let target = parts(&target);
        let is_it = |file: &&MountedText| {
            let path = parts(&file.path);
            let is_in_folder = self.is_folder && path.starts_with(&target) && path.len() > target.len();
            let (Some((last, folder)), Some((name, own))) = (target.split_last(), path.split_last()) else {
                return false;
            };
            is_in_folder || (folder == own && matches(last, name))
        };
        all.iter().filter(is_it).filter(|file| file.path != self.from.path).collect()
    }
}

/// Whether a name fits a pattern with `*`.
fn matches(pattern: &str, name: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == name,
        Some((start, end)) => {
            name.len() >= start.len() + end.len()
                && name.starts_with(start)
                && (end.contains('*') || name.ends_with(end))
        }
    }
}

fn includes(files: &[MountedText]) -> Vec<Include<'_>> {
    let mut seen = BTreeSet::new();
    let mut all = Vec::new();
    for from in files {
        for line in from.text.lines() {
            let Some((target, is_folder)) = included(line) else { continue };
            if seen.insert((from.path.clone(), target.to_owned())) {
                all.push(Include { from, target: target.to_owned(), is_folder });
            }
        }
    }
    all
}

/// What a line includes, and whether that is a folder: `include a.conf`, `include_dir 'conf.d'`, `!includedir /etc/a`, `a: !include b.yaml`,
/// `@INCLUDE a.conf`, `include "a";`, `config_file = a.conf` is none.
fn included(line: &str) -> Option<(&str, bool)> {
    const FILES: [&str; 5] = ["include", "includes", "include_if_exists", "include_try", "includeoptional"];
    // Without a mark before them they are words of other settings too.
    const MARKED_FILES: [&str; 2] = ["import", "source"];
    const FOLDERS: [&str; 3] = ["include_dir", "includedir", "import_dir"];
    let line = line.trim().trim_start_matches("- ").trim();
    // A value of YAML may be an include.
    let line = line
        .split_once(": ")
        .filter(|(_, value)| value.trim_start().starts_with('!'))
        .map_or(line, |(_, value)| value.trim());
    let bare = line.trim_start_matches(['!', '@', '%']);
    let end = bare.find(|c: char| c.is_whitespace() || c == '=' || c == ':')?;
    let word = bare[..end].to_lowercase();
    let is_marked = bare.len() < line.len();
    let is_folder = FOLDERS.contains(&word.as_str());
    let is_file = FILES.contains(&word.as_str()) || (is_marked && MARKED_FILES.contains(&word.as_str()));
    let target = bare[end..].trim_start_matches(|c: char| c.is_whitespace() || c == '=' || c == ':').trim();
    let target = target.trim_end_matches(';').trim().trim_matches(['"', '\'', '<', '>']);
    // A word more is a sentence, or the condition of something else.
    ((is_folder || is_file)
        && !target.is_empty()
        && !target.contains(char::is_whitespace)
        && target.contains(['.', '/']))
    .then_some((target, is_folder))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_may_include_a_file_or_a_folder() {
        for (line, expected) in [
            ("include /etc/redis/extra.conf", Some(("/etc/redis/extra.conf", false))),
            ("include 'extra.conf'", Some(("extra.conf", false))),
            ("include_if_exists = 'extra.conf'", Some(("extra.conf", false))),
            ("include_dir 'conf.d/'", Some(("conf.d/", true))),
            ("!includedir /etc/mysql/conf.d/", Some(("/etc/mysql/conf.d/", true))),
            ("include conf.d/*.conf;", Some(("conf.d/*.conf", false))),
            ("store: !include store.yaml", Some(("store.yaml", false))),
            ("@INCLUDE inputs.conf", Some(("inputs.conf", false))),
            ("Include: \"a.yaml\"", Some(("a.yaml", false))),
            ("includes: true", None),
            ("# include a.conf", None),
            ("include the files of a.conf", None),
            ("import a.b", None),
            ("source: a.b", None),
            ("included /a", None),
        ] {
            assert_eq!(included(line), expected, "{line}");
        }
    }

    #[test]
    fn a_pattern_fits_names() {
        for (pattern, name, is) in [
            ("a.conf", "a.conf", true),
            ("*.conf", "a.conf", true),
            ("*.conf", "a.yaml", false),
            ("a*", "ab", true),
            ("a", "ab", false),
        ] {
            assert_eq!(matches(pattern, name), is, "{pattern} {name}");
        }
    }
}
