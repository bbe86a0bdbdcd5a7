//! What the options name: an installation, a release, recipes, folders.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use portolan_adapters::kubernetes::Client;
use portolan_adapters::store;
use portolan_inventory::credential;
use portolan_model::{Code, Finding, ReleaseId};
use portolan_recipe::RecipeSet;
use portolan_report::TypedOptions;
use portolan_workflow::{Simulated, Target};

use crate::args::{Global, UpgradeOptions};

/// The installation that the options name.
pub(crate) async fn open(global: &Global) -> Result<Target, Finding> {
    match &global.sim {
        Some(name) => {
            let simulated = Simulated::open(name, &book(global)?)?;
            Ok(Target::simulated(Simulated { helm: global.helm.clone(), ..simulated }))
        }
        None => {
            let client = Client::connect(global.kubeconfig.as_deref(), global.context.as_deref()).await?;
            Ok(Target::cluster(client, global.helm.clone()))
        }
    }
}

/// What a simulated run says of itself in its first line; `None` for a real one.
pub(crate) fn simulated(target: &Target) -> Option<String> {
    match target {
        Target::Simulated(simulated) => Some(words(simulated)),
        Target::Cluster(_) => None,
    }
}

fn words(simulated: &Simulated) -> String {
    let name = &simulated.installation.name;
    if !simulated.has_charts() {
        return format!(
            "Simulated installation {name}, made from a saved survey: no cluster is contacted. Its Secrets hold placeholders, what \
             was redacted stays redacted, and nothing is known of the rows of its databases."
        );
    }
    let checked = portolan_fixtures::checked_rules();
    let rules = portolan_rehearse::RULES.len() + portolan_rehearse::HELM_RULES.len();
    let helms = checked.helms.join(", ");
    let how = if !checked.seen.is_empty() {
        let seen = checked.seen.len();
        format!("{seen} were seen in the audit log of a real cluster (helm {helms})")
    } else if !checked.rules.is_empty() {
        let followed = checked.rules.len();
        format!("{followed} led to results that a real cluster showed too (helm {helms})")
    } else {
        "none was compared with a real cluster yet".to_owned()
    };
    let rows = match simulated.saved {
        Some(_) => " It is made from a saved survey: nothing is known of the rows of its databases.",
        None => "",
    };
    format!(
        "Simulated installation {name}: no cluster is contacted. Its charts are Portolan's own, modelled on the vendor's public page. Of \
         the {rules} rules by which it acts like Kubernetes and helm, {how}.{rows}"
    )
}

/// Where runs on this installation are kept. A fresh simulated one is another one each time, so it has a folder
/// of its own.
pub(crate) fn state_root(target: &Target, global: &Global) -> Result<PathBuf, Finding> {
    match target {
        Target::Simulated(simulated) => match &simulated.folder {
            Some(folder) => Ok(folder.join("state")),
            None => {
                let root = store::root(global.state_dir.as_deref())?.join("simulated");
                let id = std::process::id();
                let now = std::time::SystemTime::now()
                    .duration_since(std::time::UNIX_EPOCH)
                    .map_or(0, |since| since.as_secs());
                prune(&root);
                Ok(root.join(format!("{}-{now}-{id}", simulated.installation.name)))
            }
        },
        Target::Cluster(_) => store::root(global.state_dir.as_deref()),
    }
}

/// The release that the options name, else the one that a simulation has, else the recipes'.
pub(crate) fn release(global: &Global, target: &Target, book: &RecipeSet) -> ReleaseId {
    let usual = match target {
        Target::Simulated(simulated) => simulated.installation.world().facts().release.clone(),
        Target::Cluster(_) => {
            let (namespace, name) = book.release();
            ReleaseId { namespace: namespace.to_owned(), name: name.to_owned() }
        }
    };
    ReleaseId {
        namespace: global.namespace.clone().unwrap_or(usual.namespace),
        name: global.release.clone().unwrap_or(usual.name),
    }
}

/// A fresh simulated installation is gone when its command ends.
pub(crate) fn not_kept(name: &str) -> Finding {
    Finding::blocking(Code::NoPlan, format!("no run is kept of {name}: each command makes it afresh"))
        .why("only a simulated installation in a folder is there for the next command")
        .next(format!("portolan sim new {name} FOLDER, then --sim FOLDER"))
}

/// How many folders of runs on fresh simulated installations are kept.
const KEPT: usize = 5;

/// Removes the folders of runs on fresh simulated installations, but for the newest and those of living commands.
fn prune(simulated: &Path) {
    let Ok(entries) = fs_err::read_dir(simulated) else { return };
    let mut folders: Vec<(std::time::SystemTime, PathBuf)> = entries
        .filter_map(|entry| {
            let path = entry.ok()?.path();
            Some((fs_err::metadata(&path).ok()?.modified().ok()?, path))
        })
        .collect();
    folders.sort();
    let alive = |path: &Path| {
        let pid = path.file_name()?.to_str()?.rsplit_once('-')?.1.to_owned();
        Some(Path::new("/proc").join(pid).exists())
    };
    for (_, path) in folders.iter().rev().skip(KEPT) {
        if alive(path) == Some(false) {
            // What cannot be removed is in nobody's way.
            drop(fs_err::remove_dir_all(path));
        }
    }
}

/// The recipes: the built-in ones, or those of a folder.
pub(crate) fn book(global: &Global) -> Result<RecipeSet, Finding> {
    let Some(folder) = &global.recipes else { return Ok(RecipeSet::builtin()) };
    let mut files = BTreeMap::new();
    let unusable = |error: std::io::Error| {
        Finding::blocking(Code::BadRecipe, format!("{} cannot be read", folder.display()))
            .with(error.to_string())
            .next("check the path: --recipes takes a folder with the files of recipes/runai, changed as needed")
    };
    for entry in fs_err::read_dir(folder).map_err(unusable)? {
        let path = entry.map_err(unusable)?.path();
        if path.extension().is_some_and(|extension| extension == "yaml") {
            let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
            files.insert(name, fs_err::read_to_string(&path).map_err(unusable)?);
        }
    }
    RecipeSet::load(&files).map_err(|finding| finding.with(format!("in the folder {}", folder.display())))
}

/// Recipes for a release of a chart: those of a folder stay, in the place of built-in ones that do not know the chart come the general ones.
pub(crate) fn for_chart(global: &Global, recipes: RecipeSet, chart: &str) -> RecipeSet {
    if global.recipes.is_some() { recipes } else { recipes.or_general(chart) }
}

/// The options of this command that the next one needs as well. What the environment says, it says again.
pub(crate) fn typed(global: &Global, target: Option<&UpgradeOptions>) -> TypedOptions {
    let path = |path: &Option<PathBuf>| path.as_ref().map(|path| path.to_string_lossy().into_owned());
    let env = |variable: &str, value: Option<String>| {
        value.filter(|value| std::env::var(variable).ok() != Some(value.clone()))
    };
    let options = [
        ("--sim", global.sim.clone()),
        ("--kubeconfig", path(&global.kubeconfig)),
        ("--context", global.context.clone()),
        ("--namespace", global.namespace.clone()),
        ("--release", global.release.clone()),
        ("--helm", env("PORTOLAN_HELM", path(&global.helm))),
        ("--recipes", env("PORTOLAN_RECIPES", path(&global.recipes))),
        ("--state-dir", env("PORTOLAN_STATE_DIR", path(&global.state_dir))),
    ];
    let words = options.into_iter().filter_map(|(option, value)| Some(format!("{option} {}", quoted(&value?))));
    TypedOptions {
        words: words.collect::<Vec<_>>().join(" "),
        planning: target.map(planning).unwrap_or_default(),
        not_kept: global.sim.clone().filter(|sim| Simulated::is_fresh(sim)),
    }
}

/// The options of a plan, but for the target and what is left out of it, which a plan knows itself.
fn planning(target: &UpgradeOptions) -> String {
    // Each option by name, so that a new one has to be put into a command, or left out on purpose.
    let UpgradeOptions {
        to: _,
        without: _,
        via,
        chart,
        repo,
        username,
        password_stdin,
        plain_http,
        registry,
        pull_as,
        bundle,
        name,
        images,
        charts,
        ca_file,
        values,
        set,
        set_string,
        answers,
        timeout,
        backup_of_database,
        ca_of_database,
        accept,
        reason,
    } = target;
    let path = |path: &PathBuf| quoted(&path.to_string_lossy());
    let listed = |list: &[String]| (!list.is_empty()).then(|| quoted(&list.join(",")));
    let text = |text: &Option<String>| text.as_deref().map(quoted);
    let settings = |option: &'static str, settings: &[String]| -> Vec<(&'static str, String)> {
        settings.iter().map(|typed| (option, setting(typed))).collect()
    };
    let mut options: Vec<(&str, String)> = Vec::new();
    options.extend(listed(via).map(|via| ("--via", via)));
    options.extend(chart.iter().map(|chart| ("--chart", path(chart))));
    options.extend(text(repo).map(|repo| ("--repo", repo)));
    options.extend(text(username).map(|name| ("--username", name)));
    options.extend(password_stdin.then(|| ("--password-stdin", String::new())));
    options.extend(plain_http.then(|| ("--plain-http", String::new())));
    options.extend(text(registry).map(|registry| ("--registry", registry)));
    options.extend(text(pull_as).map(|name| ("--pull-as", name)));
    options.extend(bundle.iter().map(|bundle| ("--bundle", path(bundle))));
    options.extend(name.iter().map(|name| ("--name", quoted(name))));
    options.extend(text(images).map(|part| ("--images", part)));
    options.extend(text(charts).map(|part| ("--charts", part)));
    options.extend(ca_file.iter().map(|file| ("--ca-file", path(file))));
    options.extend(values.iter().map(|file| ("-f", path(file))));
    options.extend(settings("--set", set));
    options.extend(settings("--set-string", set_string));
    options.extend(answers.iter().map(|file| ("--answers", path(file))));
    options.extend(listed(timeout).map(|timeouts| ("--timeout", timeouts)));
    options.extend(text(backup_of_database).map(|backup| ("--backup-of-database", backup)));
    options.extend(ca_of_database.iter().map(|file| ("--ca-of-database", path(file))));
    options.extend(listed(accept).map(|codes| ("--accept", codes)));
    options.extend(text(reason).map(|reason| ("--reason", reason)));
    let words: Vec<String> = options.iter().map(|(option, value)| format!("{option} {value}")).collect();
    words.iter().map(|word| word.trim_end()).collect::<Vec<_>>().join(" ")
}

/// What was given to `--set`, as a shell takes it. In place of a credential stands a variable of the shell; among several keys, in place
/// of all, since a comma may be part of a credential.
fn setting(typed: &str) -> String {
    let names = typed.split(',').filter_map(|part| part.split_once('=')).map(|(name, _)| name);
    let is_hidden = names.into_iter().any(credential::is_named);
    match typed.split_once('=') {
        Some((name, _)) if is_hidden && !typed.contains(',') => format!("{}=\"$VALUE\"", quoted(name)),
        _ if is_hidden => "\"$VALUES\"".into(),
        _ => quoted(typed),
    }
}

/// A word as a shell takes it.
pub(crate) fn quoted(word: &str) -> String {
    let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "-_./:@=+,%".contains(letter);
    if !word.is_empty() && word.chars().all(is_plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_made_a_plan_is_typed_again_without_credentials() {
        let target = UpgradeOptions {
            via: vec!["2.13".into(), "2.16".into()],
            values: vec!["my values.yaml".into()],
            set: vec!["a.b=1,c=x y".into(), "db.password=geheim".into(), "a=1,db.password=ge,heim".into()],
            set_string: vec!["tag=1.20".into()],
            accept: vec!["PL249".into()],
            reason: Some("it's ours".into()),
            ..UpgradeOptions::default()
        };
        assert_eq!(
            planning(&target),
            "--via 2.13,2.16 -f 'my values.yaml' --set 'a.b=1,c=x y' --set db.password=\"$VALUE\" --set \"$VALUES\" \
             --set-string tag=1.20 --accept PL249 --reason 'it'\\''s ours'"
        );
        let of_site = UpgradeOptions {
            name: vec!["sha256:aa=a:1".into()],
            images: Some("deploy/images".into()),
            backup_of_database: Some("nightly 7".into()),
            ca_of_database: Some("ca.pem".into()),
            ..UpgradeOptions::default()
        };
        let words =
            "--name sha256:aa=a:1 --images deploy/images --backup-of-database 'nightly 7' --ca-of-database ca.pem";
        assert_eq!(planning(&of_site), words);
        assert_eq!(planning(&UpgradeOptions::default()), "");
    }
}
