//! Files of ConfigMaps and Secrets that a program beside the data is given, and where it has them. A program that does not find its file
//! starts with what it has by itself, and that is another folder as a rule. What the files say is compared elsewhere.

use portolan_model::{Ref, Volume};

use super::paths::{is_aside, parts, shown};
use super::scripts::{FindText, MountedText, mounted_texts};
use super::uses::{Pair, Use, Workloads};
use super::{HopContext, Report};

pub(super) fn check(context: &HopContext<'_>, workloads: &Workloads, report: &mut Report) {
    let (today, then) = (FindText::today(context, workloads), FindText::after(context, workloads));
    for volume in workloads.volumes() {
        for pair in workloads.pairs(volume).0 {
            let had = Given::to(&pair.before, &today);
            let has = Given::to(&pair.after, &then);
            let stays = |object: &Ref| !then.texts(object).is_empty();
            if let Some(reason) = had.lost(&has, &stays) {
                unknown(volume, &pair, &reason, report);
            }
        }
    }
}

fn unknown(volume: &Volume, pair: &Pair<'_>, reason: &str, report: &mut Report) {
    let (name, field) = (pair.after.name, pair.after.field("/volumeMounts"));
    let reason = format!("{}: {reason}", shown(pair.after.template, pair.after.container));
    let way_out = "see where the program looks for it; give the chart the mounts and settings of today";
    report.unknown(volume, name, &field, (reason, way_out));
}

/// The files of a container, and the texts that it is given: arguments and variables.
struct Given {
    files: Vec<MountedText>,
    texts: Vec<String>,
}

impl Given {
    fn to(user: &Use<'_>, find: &FindText<'_>) -> Self {
        let mut files = mounted_texts(user, find);
        files.retain(|file| !is_beside(&file.path));
        Self { files, texts: find.given(user) }
    }

    /// Whether something that it is given names a file, or the folder in which it is.
    fn names(&self, path: &str) -> bool {
        let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
        self.texts.iter().any(|text| has_path(text, path) || (!folder.is_empty() && has_path(text, folder)))
    }

    /// The file that is another's: out of the same key, or with the same text.
    fn same(&self, other: &MountedText) -> Option<&MountedText> {
        let is_key = |file: &&MountedText| file.object == other.object && file.key == other.key;
        let is_text = |file: &&MountedText| file.text == other.text && !file.text.trim().is_empty();
        self.files.iter().find(is_key).or_else(|| self.files.iter().find(is_text))
    }

    /// Why the program may not read one of these files any more; `is_there` says whether an object stays.
    fn lost(&self, then: &Self, is_there: &dyn Fn(&Ref) -> bool) -> Option<String> {
        self.files.iter().find_map(|file| {
            let path = &file.path;
            // What comes later covers what comes before it.
            let here = then.files.iter().rfind(|now| now.path == *path);
            let now = then.same(file);
            if let Some(other) = here.and_then(|here| self.took_place(file, here)) {
                return Some(format!("its file {path} is what {other} is today"));
            }
            if here.is_some() {
                // What named it names another file, or nothing does.
                let is_named = then.names(path) || now.is_some_and(|now| then.names(&now.path));
                return (self.names(path) && !is_named).then(|| format!("nothing names its file {path} any more"));
            }
            match now {
                Some(now) if then.names(&now.path) => self.order_differs(then, file, now),
                Some(now) => {
                    Some(format!("its file {path} is at {} now, and nothing that it is given says so", now.path))
                }
                None if is_there(&file.object) => Some(format!("it has no file {path} any more")),
                // That the object itself goes is said where it is compared.
                None => None,
            }
        })
    }

    /// The path that a file has today which is in the place of this one then.
    fn took_place(&self, file: &MountedText, here: &MountedText) -> Option<&str> {
        let is_key = |a: &MountedText, b: &MountedText| a.object == b.object && a.key == b.key;
        let is_other = !is_key(file, here) && file.text != here.text;
        let was =
            self.files.iter().filter(|_| is_other).find(|other| is_key(other, here) && other.path != file.path)?;
        Some(&was.path)
    }

    /// Whether a file of a folder that is read as a whole comes earlier or later among the others.
    fn order_differs(&self, then: &Self, was: &MountedText, now: &MountedText) -> Option<String> {
        let order = |given: &Self, of: &MountedText| {
            let (folder, _) = of.path.rsplit_once('/')?;
            let in_folder = |file: &&MountedText| file.path.rsplit_once('/').is_some_and(|(its, _)| its == folder);
            let mut all: Vec<&MountedText> = given.files.iter().filter(in_folder).collect();
            all.sort_by(|a, b| a.path.cmp(&b.path));
            Some(all.into_iter().map(|file| file.text.clone()).collect::<Vec<_>>())
        };
        let is_named_itself = then.texts.iter().any(|text| has_path(text, &now.path));
        let (before, after) = (order(self, was)?, order(then, now)?);
        let is_kept = |texts: &[String], others: &[String]| -> Vec<String> {
            texts.iter().filter(|text| others.contains(text)).cloned().collect()
        };
        (!is_named_itself && is_kept(&before, &after) != is_kept(&after, &before)).then(|| {
            format!("its file {} is {} now, and the files of that folder come in another order", was.path, now.path)
        })
    }
}

/// Whether a text names a path: not one that only begins like it.
pub(super) fn has_path(text: &str, path: &str) -> bool {
    let goes_on = |rest: &str| rest.starts_with(|c: char| c.is_ascii_alphanumeric() || "_-.".contains(c));
    let is_whole = |(at, _): (usize, &str)| {
        let rest = &text[at + path.len()..];
        // Below a folder there are others.
        !goes_on(rest) && !rest.strip_prefix('/').is_some_and(goes_on)
    };
    text.match_indices(path).any(is_whole)
}

/// Whether a file says nothing of where data is: certificates, what only an empty database reads, what is beside the data by its name.
pub(super) fn is_beside(path: &str) -> bool {
    const ENDS: [&str; 8] = [".crt", ".pem", ".key", ".cer", ".p12", ".jks", ".csr", ".html"];
    const FOLDERS: [&str; 6] = ["certs", "ssl", "tls", "pki", "docker-entrypoint-initdb.d", "dashboards"];
    is_aside(path)
        || ENDS.iter().any(|end| path.ends_with(end))
        || parts(path).iter().any(|part| FOLDERS.contains(&part.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_named_as_a_whole() {
        for (text, path, is) in [
            ("--config=/etc/a.conf", "/etc/a.conf", true),
            ("--config=/etc/a.conf.d", "/etc/a.conf", false),
            ("for f in /etc/app/*.conf; do", "/etc/app", true),
            (". /etc/app/env", "/etc/app", false),
            ("ls /etc/app2", "/etc/app", false),
        ] {
            assert_eq!(has_path(text, path), is, "{text}");
        }
    }
}
