//! What an upgrade crosses: an index, and a page for each boundary of a book.

use std::collections::BTreeMap;
use std::fmt::Write;

use portolan_model::{ReleaseId, ValuesMode};
use portolan_recipe::{
    ClaimSelector, DroppedValue, Platform, RecipeSet, RecipeStep, Requirement, Setting, StepOrigin, StepTemplate,
    VersionBoundary,
};
use serde_json::Value;

use super::{cell, head, sentence};

mod crossings;

/// Where the recipes are.
const RECIPES: &str = "recipes/runai";

const INTRODUCTION: &str = "
A boundary is a version, or a change of chart, that an upgrade passes on its way and that asks for something. A plan does
what every boundary asks for that lies between the installed version and the target: that is what a page of the vendor means
by \"your current version and every version in between\". Where several boundaries ask for the same step, the plan has it once.

A step or a value can be left out by its id, to see in a rehearsal what it is for:
`portolan rehearse --sim openshift-2.8 --to 2.20 --without keep-claims`.

## From where to where

| from | to | boundaries crossed |
|---|---|---|
";

const STEPS: &str = "
## Steps

A hop carries its steps out by kind, in the order in which they stand here.
";

pub(super) fn pages(book: &RecipeSet) -> BTreeMap<String, String> {
    let of = |boundary: &VersionBoundary| (format!("boundaries/{}", file(&boundary.name)), page(book, boundary));
    let index = ("boundaries/README.md".to_owned(), index(book));
    book.boundaries.iter().map(of).chain(std::iter::once(index)).collect()
}

fn file(name: &str) -> String {
    format!("{}.md", name.replace(|c: char| !c.is_ascii_alphanumeric() && c != '.', "-"))
}

fn link(name: &str) -> String {
    format!("[{name}]({})", file(name))
}

fn index(book: &RecipeSet) -> String {
    let mut out = head("What an upgrade crosses", RECIPES) + INTRODUCTION;
    for (from, to, crossed) in crossings::of(book) {
        let names: Vec<String> = crossed.iter().map(|boundary| link(&boundary.name)).collect();
        let _ = writeln!(out, "| {from} | {to} | {} |", names.join(", "));
    }
    let _ = write!(out, "\n{}\n", crossings::NOTE);
    out.push_str("\n## The boundaries\n\n| boundary | when it is crossed | asks for |\n|---|---|---|\n");
    for boundary in &book.boundaries {
        let kinds: Vec<String> = in_order(boundary).iter().map(|step| step.id.clone()).collect();
        let _ = writeln!(out, "| {} | {} | {} |", link(&boundary.name), when(boundary), kinds.join(", "));
    }
    out
}

/// The steps as a hop carries them out.
fn in_order(boundary: &VersionBoundary) -> Vec<&RecipeStep> {
    let mut steps: Vec<&RecipeStep> = boundary.steps.iter().collect();
    steps.sort_by_key(|step| step.ask.place());
    steps
}

/// When a boundary is crossed, in words.
fn when(boundary: &VersionBoundary) -> String {
    let charts = match (&boundary.from_chart, &boundary.to_chart) {
        (None, None) => "every upgrade".to_owned(),
        (Some(from), None) => format!("an upgrade from chart `{from}`"),
        (None, Some(to)) => format!("an upgrade to chart `{to}`"),
        (Some(from), Some(to)) if from == to => format!("an upgrade of chart `{from}` to another version of it"),
        (Some(from), Some(to)) => format!("an upgrade from chart `{from}` to chart `{to}`"),
    };
    match &boundary.crosses {
        None => charts,
        Some(crosses) if boundary.leaves_a_chart() => {
            format!("{charts} {} or later, whatever number is installed", crossings::short(&crosses.below))
        }
        Some(crosses) => {
            let version = crossings::short(&crosses.below);
            match boundary.from_chart {
                Some(_) => format!("{charts}, from below {version} to {version} or later"),
                None => format!("{charts} from below {version} to {version} or later"),
            }
        }
    }
}

/// What pages are made with: a book, and how its release is usually named.
struct Words<'a> {
    book: &'a RecipeSet,
    release: ReleaseId,
}

fn page(book: &RecipeSet, boundary: &VersionBoundary) -> String {
    let (namespace, name) = book.release();
    let words = Words { book, release: ReleaseId { namespace: namespace.into(), name: name.into() } };
    let mut out = head(&boundary.name, &format!("{RECIPES}/{}", boundary.file));
    let _ = write!(out, "\nWhat crosses it: {}.\n", when(boundary));
    if !boundary.requires.is_empty() {
        out.push_str("\n## What has to be there\n\nA plan stops where it is not.\n");
        boundary.requires.iter().for_each(|required| out.push_str(&words.requirement(required)));
    }
    out.push_str(STEPS);
    in_order(boundary).into_iter().for_each(|step| out.push_str(&words.step(step)));
    out.push_str("\n[All boundaries](README.md)\n");
    out
}

impl Words<'_> {
    fn requirement(&self, required: &Requirement) -> String {
        let mut out = format!("\n### {}\n\n", self.named(&required.object));
        let facts = [
            ("Only on", limited(required.platform)),
            ("Why", sentence(&required.why)),
            ("How to make it", self.named(&required.make)),
            ("Source", self.source(&required.source)),
        ];
        list(&mut out, &facts);
        out
    }

    fn step(&self, step: &RecipeStep) -> String {
        let mut out = format!("\n### {}\n\n", step.id);
        let facts = [
            ("What", sentence(&self.ask(&step.ask))),
            ("Only on", limited(step.platform)),
            ("Why", sentence(&step.why)),
            ("Source", self.source(&step.source)),
        ];
        list(&mut out, &facts);
        if let StepTemplate::HelmUpgrade { set, retired, .. } = &step.ask {
            out.push_str(&self.settings(set));
            out.push_str(&self.retired(retired));
        }
        out
    }

    /// What a step asks for, in words.
    fn ask(&self, ask: &StepTemplate) -> String {
        match ask {
            StepTemplate::RetainVolume { claims } => format!("reclaim policy `Retain` on {}", self.volumes(claims)),
            StepTemplate::KeepClaim { claims } => format!("annotation `helm.sh/resource-policy: keep` on {}", claims_named(claims)),
            StepTemplate::RecordDatabase { database } => format!("writes down which database `{database}` is and what is in it"),
            StepTemplate::ArchiveObject { objects } => format!("archives {}", self.objects(objects)),
            StepTemplate::CarryCredentials { database } => format!("hands the password of database `{database}` on to the new chart"),
            StepTemplate::DeleteObject { objects, of_release } => {
                let whose = if *of_release { ", where helm marked them as this release's" } else { "" };
                format!("deletes {}{whose}", self.objects(objects))
            }
            StepTemplate::HelmUpgrade { values, .. } => match values {
                Some(ValuesMode::Reset) => "`helm upgrade` with `--reset-values`: only the values that are given count".into(),
                Some(ValuesMode::ResetThenReuse) => {
                    "`helm upgrade` with `--reset-then-reuse-values`: the new chart's defaults, then the old values, then \
                     those that are given"
                        .into()
                }
                None => "`helm upgrade` with these values; another boundary says what becomes of the old ones".into(),
            },
            StepTemplate::WaitReady => "waits until the workloads are ready and the routes admitted".into(),
            StepTemplate::VerifyVolume { claims } => {
                format!("{} on the same volume as before, and in use", claims_are(claims))
            }
            StepTemplate::VerifyDatabase { database, may_change } if may_change.is_empty() => {
                format!("database `{database}` is the same one, with nothing gone")
            }
            StepTemplate::VerifyDatabase { database, may_change } => {
                format!("in database `{database}` a migration may change {}", quoted(may_change))
            }
        }
    }

    fn volumes(&self, claims: &ClaimSelector) -> String {
        match claims {
            ClaimSelector::Every(_) => "the volume of every PVC of the release".into(),
            ClaimSelector::These(names) => format!("the volume of {}", quoted(names)),
        }
    }

    fn objects(&self, objects: &[String]) -> String {
        let names: Vec<String> = objects.iter().map(|object| portolan_recipe::fill(object, &self.release)).collect();
        quoted(&names)
    }

    fn settings(&self, set: &[Setting]) -> String {
        if set.is_empty() {
            return String::new();
        }
        let mut out = String::from("\n| id | value | on | in place of | why | source |\n|---|---|---|---|---|---|\n");
        for setting in set {
            let value = format!("`{}`: {}", setting.path, value(&setting.value));
            let cells = [
                setting.id.clone(),
                value,
                platform(setting.platform).to_owned(),
                quoted(&setting.replaces),
                setting.why.clone(),
                self.source(&setting.source),
            ];
            row(&mut out, &cells);
        }
        out
    }

    fn retired(&self, retired: &[DroppedValue]) -> String {
        if retired.is_empty() {
            return String::new();
        }
        let mut out = String::from(
            "\nOld values that need no place among the new ones:\n\n| value | in its place | source |\n|---|---|---|\n",
        );
        for old in retired {
            let only = limited(old.platform);
            let paths = quoted(&old.paths());
            let paths = if only.is_empty() { paths } else { format!("{paths} ({only})") };
            let by = match &old.whole {
                Some(why) => format!("{}; {why}", old.by),
                None => old.by.clone(),
            };
            row(&mut out, &[paths, by, self.source(&old.source)]);
        }
        out
    }

    /// A recipe's text with the usual names in it, as code.
    fn named(&self, text: &str) -> String {
        format!("`{}`", portolan_recipe::fill(text, &self.release))
    }

    /// A page and its line, linked where everybody can read it.
    fn source(&self, origin: &StepOrigin) -> String {
        let Some(page) = self.book.source(&origin.page) else {
            return "Portolan's own".into();
        };
        let title = match origin.line {
            Some(line) => format!("{}, line {line}", page.title),
            None => page.title.clone(),
        };
        match public(&page.source, origin.line) {
            Some(address) => format!("[{title}]({address})"),
            None => format!("{title} ({})", page.source),
        }
    }
}

/// The address of a source that is written as `owner/repository, path`: a file of a repository on GitHub. The newest
/// version of the page is shown: a line can have moved since the recipe was written.
fn public(source: &str, line: Option<u32>) -> Option<String> {
    let (repository, path) = source.split_once(", ")?;
    let (owner, name) = repository.split_once('/')?;
    let plain = |text: &str| text.chars().all(|c| c.is_ascii_alphanumeric() || "-_".contains(c));
    if !plain(owner) || !plain(name) || path.contains([' ', ',']) {
        return None;
    }
    let line = line.map(|line| format!("?plain=1#L{line}")).unwrap_or_default();
    Some(format!("https://github.com/{owner}/{name}/blob/HEAD/{path}{line}"))
}

fn platform(platform: Option<Platform>) -> &'static str {
    match platform {
        None => "every platform",
        Some(Platform::OpenShift) => "OpenShift",
        Some(Platform::Kubernetes) => "plain Kubernetes",
    }
}

/// The platform that something is limited to; nothing where it is for every platform.
fn limited(only: Option<Platform>) -> String {
    only.map(|only| platform(Some(only)).to_owned()).unwrap_or_default()
}

fn claims_named(claims: &ClaimSelector) -> String {
    match claims {
        ClaimSelector::Every(_) => "every PVC of the release".into(),
        ClaimSelector::These(names) => format!("PVC {}", quoted(names)),
    }
}

fn claims_are(claims: &ClaimSelector) -> String {
    match claims {
        ClaimSelector::Every(_) => "every PVC of the release is".into(),
        ClaimSelector::These(names) => format!("PVC {} is", quoted(names)),
    }
}

/// A value, with what its placeholders stand for.
fn value(value: &Value) -> String {
    let text = match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    if text == "{domain}" {
        return "the host under which the platform is reached today".into();
    }
    match text.strip_prefix("{claim:").and_then(|rest| rest.strip_suffix('}')) {
        Some(name) => format!("the PVC that `{name}` lies on"),
        None => format!("`{text}`"),
    }
}

fn quoted(names: &[String]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

fn list(out: &mut String, facts: &[(&str, String)]) {
    for (title, text) in facts.iter().filter(|(_, text)| !text.is_empty()) {
        let _ = writeln!(out, "- {title}: {text}");
    }
}

fn row(out: &mut String, cells: &[String]) {
    let cells: Vec<String> = cells.iter().map(|text| cell(text)).collect();
    let _ = writeln!(out, "| {} |", cells.join(" | "));
}

#[cfg(test)]
mod tests;
