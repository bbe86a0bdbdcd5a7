//! `cargo xtask docs`: the reference pages in `docs/`, from the program's own tables.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result, bail};
use portolan_model::Code;
use portolan_recipe::RecipeSet;
use portolan_report::reference::{self, Example};

use portolan_trials::program::Program;

/// How a code can be had on any machine: commands typed one after another in an empty folder, the last of which says it.
const EXAMPLES: &[(Code, &[&str])] = &[
    (Code::NoKubeconfig, &["survey --kubeconfig config"]),
    (Code::NoRelease, &["survey --sim openshift-2.8 --namespace staging"]),
    (Code::NoSimulation, &["survey --sim openshift-1.0"]),
    (Code::NoChart, &["plan --sim openshift-2.8 --to 2.20 --chart control-plane-2.20.41.tgz"]),
    (Code::BadValues, &["plan --sim openshift-2.8 --to 2.20 --set global.domain[=x"]),
    (Code::BadRecipe, &["plan --sim openshift-2.8 --to 2.20 --recipes ."]),
    (Code::BadOption, &["plan --sim openshift-2.8 --to 2.20 --without archive"]),
    (Code::NotForReal, &["page"]),
    (Code::Downgrade, &["plan --sim openshift-2.13 --to 2.8"]),
    (Code::NoTarget, &["plan --sim openshift-2.8 --to 2.99"]),
    (Code::ChartRefuses, &["plan --sim openshift-2.8 --to 2.20 --without delete-secret"]),
    (Code::NotRecorded, &["plan --sim openshift-2.8 --to 2.20 --set global.domain=runai.example.com"]),
    (Code::ValuesDropped, &["plan --sim openshift-2.8 --to 2.20 --without carry-credentials"]),
    (Code::LongJump, &["plan --sim openshift-2.8 --to 2.20"]),
    (
        Code::Moved,
        &[
            "sim new openshift-2.8 practice",
            "plan --sim practice --to 2.20 --out upgrade.plan",
            "upgrade --sim practice --to 2.13 --yes",
            "apply --sim practice upgrade.plan --yes",
        ],
    ),
    (Code::NoPlan, &["status 3f9c2a71"]),
    (Code::PasswordRefused, &["plan --sim openshift-2.8 --to 2.20 --without carry-credentials"]),
    (Code::NotSafe, &["upgrade --sim openshift-2.8 --to 2.20 --without keep-claims --yes"]),
    (Code::NeverFinishes, &["upgrade --sim openshift-2.8 --to 2.20 --without existing-claim --yes"]),
];

/// Writes the pages and removes those of what is gone; with `check` only says whether they are stale.
pub(crate) fn write(root: &Path, check: bool) -> Result<()> {
    let program = Program::build(root)?;
    let mut pages = reference::pages(&RecipeSet::builtin(), &examples(&program)?);
    pages.extend(portolan_report::schema::all().map(|(name, text)| (format!("schema/{name}"), text)));
    pages.insert("crates.svg".to_owned(), crate::crate_graph::svg(root)?);
    pages.insert("values.md".to_owned(), crate::values_page::page(&program)?);
    let docs = root.join("docs");
    let mut stale = Vec::new();
    for (name, text) in &pages {
        let path = docs.join(name);
        if fs_err::read_to_string(&path).is_ok_and(|there| there == *text) {
            continue;
        }
        stale.push(format!("docs/{name}"));
        if !check {
            fs_err::create_dir_all(path.parent().context("a page is in a folder")?)?;
            fs_err::write(&path, text)?;
        }
    }
    for name in left_over(&docs, &pages)? {
        if !check {
            fs_err::remove_file(docs.join(&name))?;
        }
        stale.push(format!("docs/{name}, of something that is gone"));
    }
    match (stale.is_empty(), check) {
        (true, _) => Ok(()),
        (false, true) => bail!("stale: {}: cargo xtask docs", stale.join("; ")),
        (false, false) => {
            stale.iter().for_each(|page| println!("wrote {page}"));
            Ok(())
        }
    }
}

/// Files in the folders of pages that are no page.
fn left_over(docs: &Path, pages: &BTreeMap<String, String>) -> Result<Vec<String>> {
    let mut out = Vec::new();
    for folder in reference::FOLDERS {
        let path = docs.join(folder);
        if !path.exists() {
            continue;
        }
        for entry in fs_err::read_dir(path)? {
            let name = format!("{folder}/{}", entry?.file_name().to_string_lossy());
            if !pages.contains_key(&name) {
                out.push(name);
            }
        }
    }
    out.sort();
    Ok(out)
}

/// What the program says, for each code that can be had.
fn examples(program: &Program) -> Result<BTreeMap<Code, Example>> {
    EXAMPLES.iter().map(|(code, commands)| Ok((*code, example(program, *code, commands)?))).collect()
}

fn example(program: &Program, code: Code, commands: &[&str]) -> Result<Example> {
    let folder = tempfile::tempdir()?;
    let mut said = String::new();
    for command in commands {
        let words: Vec<&str> = command.split(' ').collect();
        said = program.run(folder.path(), &words)?;
    }
    let command = format!("portolan {}", commands.last().copied().unwrap_or_default());
    let message = message(&said, code).with_context(|| format!("`{command}` does not say {code}: {said}"))?;
    Ok(Example { command, message })
}

/// The last finding of a code among what was said: its first line and what is indented under it.
fn message(said: &str, code: Code) -> Option<String> {
    let starts = ["error", "warning"].map(|severity| format!("{severity}[{code}]"));
    let lines: Vec<&str> = said.lines().collect();
    let first = lines.iter().rposition(|line| starts.iter().any(|start| line.starts_with(start)))?;
    let rest = lines[first + 1..].iter().take_while(|line| line.starts_with(' '));
    Some(std::iter::once(&lines[first]).chain(rest).copied().collect::<Vec<_>>().join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pages_in_docs_are_those_of_the_tables() {
        write(crate::root(), true).expect("fresh");
    }

    #[test]
    fn a_page_of_nothing_is_seen() {
        let docs = tempfile::tempdir().expect("a folder");
        fs_err::create_dir(docs.path().join("errors")).expect("a folder");
        fs_err::write(docs.path().join("errors/PL999.md"), "").expect("a file");
        fs_err::write(docs.path().join("errors/PL101.md"), "").expect("a file");
        let pages = BTreeMap::from([("errors/PL101.md".to_owned(), String::new())]);
        assert_eq!(left_over(docs.path(), &pages).expect("readable"), ["errors/PL999.md"]);
    }
}
