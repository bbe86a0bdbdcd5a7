//! The rules of the code that a machine can check.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Crates that decide: they may not reach the world.
const PURE: &[&str] = &[
    "model",
    "kube-facts",
    "helm-compat",
    "inventory",
    "recipe",
    "plan",
    "engine",
    "rehearse",
    "fixtures",
    "report",
    "bundle",
];

/// What reaches the world.
const WORLD: &[&str] = &[
    "tokio",
    "kube",
    "kube-client",
    "hyper",
    "reqwest",
    "rustls",
    "tokio-postgres",
    "rustix",
    "fs-err",
    "tempfile",
    "dirs",
    "walkdir",
];

/// Which of our crates each of our crates may name.
const MAY_USE: &[(&str, &[&str])] = &[
    ("model", &[]),
    ("kube-facts", &["model"]),
    ("helm-compat", &["model", "kube-facts"]),
    ("recipe", &["model", "kube-facts"]),
    ("bundle", &["model", "kube-facts", "helm-compat"]),
    ("inventory", &["model", "kube-facts", "helm-compat"]),
    ("plan", &["model", "kube-facts", "recipe", "helm-compat", "inventory"]),
    ("engine", &["model", "kube-facts"]),
    ("rehearse", &["model", "kube-facts", "recipe", "engine", "helm-compat", "inventory"]),
    ("fixtures", &["model", "helm-compat", "inventory", "rehearse"]),
    ("adapters", &["model", "kube-facts", "helm-compat", "inventory", "bundle"]),
    ("report", &["model", "kube-facts", "recipe", "engine", "rehearse", "bundle"]),
    (
        "workflow",
        &[
            "model",
            "bundle",
            "kube-facts",
            "helm-compat",
            "inventory",
            "recipe",
            "plan",
            "engine",
            "rehearse",
            "fixtures",
            "adapters",
        ],
    ),
    (
        "cli",
        &[
            "model",
            "kube-facts",
            "helm-compat",
            "inventory",
            "recipe",
            "rehearse",
            "fixtures",
            "adapters",
            "bundle",
            "report",
            "workflow",
        ],
    ),
    (
        "trials",
        &[
            "model",
            "kube-facts",
            "helm-compat",
            "inventory",
            "recipe",
            "rehearse",
            "fixtures",
            "adapters",
            "workflow",
            "testkit",
        ],
    ),
    ("testkit", &["helm-compat"]),
];

/// What a crate that decides does not write, whatever it depends on: files, network, processes, clocks, the environment.
/// A group, `std::{`, would hide them.
const EFFECTS: &[&str] = &[
    "std::{",
    "std::fs",
    "std::net",
    "std::process",
    "std::env",
    "std::thread",
    "fs_err",
    "SystemTime",
    "Instant::now",
];

/// What plans or runs, and the crates that may name it: everybody else calls `workflow`. The engine is also driven by the search.
const DRIVEN: &[(&str, &[&str])] = &[
    ("Engine::resume", &["engine", "rehearse", "workflow"]),
    ("Engine::verifying", &["engine", "workflow"]),
    ("Planning::new", &["plan", "workflow"]),
    ("linter::lint", &["plan", "workflow"]),
];

/// Folders of what exists for tests: what is public there is for them.
const FOR_TESTS: &[&str] = &["crates/testkit", "crates/trials", "crates/bundle/src/testing.rs"];

/// What is public in a crate that ships and is used by tests alone, with the reason.
const TESTS_ALONE: &[(&str, &str)] = &[
    ("air_gapped_charts", "charts for the trials without internet access"),
    ("drained", "the end of a world's own doings, for tests of its rules"),
    ("planned_images", "the trials compare them with what a node pulled"),
];

/// Lines above which a file is a failure.
const LONGEST: usize = 900;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).expect("the workspace is two levels up").to_owned()
}

/// Normal dependencies of every package, by name.
fn dependencies() -> BTreeMap<String, BTreeSet<String>> {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".into());
    let out = Command::new(cargo)
        .args(["metadata", "--format-version", "1", "--offline", "--filter-platform", "x86_64-unknown-linux-gnu"])
        .current_dir(root())
        .output()
        .expect("cargo metadata runs");
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    let metadata: serde_json::Value = serde_json::from_slice(&out.stdout).expect("cargo writes JSON");
    let list = |value: &serde_json::Value| value.as_array().cloned().unwrap_or_default();
    let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    let names: BTreeMap<String, String> =
        list(&metadata["packages"]).iter().map(|package| (text(&package["id"]), text(&package["name"]))).collect();
    list(&metadata["resolve"]["nodes"])
        .iter()
        .map(|node| {
            let normal = list(&node["deps"])
                .iter()
                .filter(|dep| list(&dep["dep_kinds"]).iter().any(|kind| kind["kind"].is_null()))
                .map(|dep| names[&text(&dep["pkg"])].clone())
                .collect();
            (names[&text(&node["id"])].clone(), normal)
        })
        .collect()
}

fn reaches(from: &str, dependencies: &BTreeMap<String, BTreeSet<String>>) -> BTreeSet<String> {
    let mut seen = BTreeSet::new();
    let mut open = vec![from.to_owned()];
    while let Some(name) = open.pop() {
        for dependency in dependencies.get(&name).into_iter().flatten() {
            if seen.insert(dependency.clone()) {
                open.push(dependency.clone());
            }
        }
    }
    seen
}

#[test]
fn what_decides_cannot_reach_the_world() {
    let dependencies = dependencies();
    for name in PURE {
        let reached = reaches(&format!("portolan-{name}"), &dependencies);
        assert!(!reached.is_empty() || *name == "model", "{name} is not in the metadata");
        for forbidden in WORLD {
            assert!(!reached.contains(*forbidden), "{name} reaches {forbidden}");
        }
    }
}

#[test]
fn crates_use_only_what_they_may() {
    let dependencies = dependencies();
    for (name, allowed) in MAY_USE {
        let ours = dependencies[&format!("portolan-{name}")]
            .iter()
            .filter_map(|dependency| dependency.strip_prefix("portolan-").map(str::to_owned));
        for used in ours {
            assert!(allowed.contains(&used.as_str()), "{name} may not use {used}");
        }
    }
}

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs_err::read_dir(folder).expect("a folder of ours is readable") {
        let path = entry.expect("an entry of ours is readable").path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if path.is_dir() && name != "target" && !name.starts_with('.') {
            sources(&path, found);
        } else if path.extension().is_some_and(|end| end == "rs") {
            found.push(path);
        }
    }
}

/// The sources of a crate, its tests included.
fn sources_of(name: &str) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    sources(&root().join("crates").join(name), &mut found);
    found.into_iter().map(|path| (path.clone(), fs_err::read_to_string(&path).expect("a source is text"))).collect()
}

#[test]
fn what_decides_writes_no_effects() {
    for name in PURE {
        // Tests may read files; what ships may not.
        let sources = sources_of(&format!("{name}/src"));
        assert!(!sources.is_empty(), "{name} has sources");
        for (path, text) in sources {
            let effect = EFFECTS.iter().find(|effect| text.contains(**effect));
            assert_eq!(effect, None, "{}", path.display());
        }
    }
}

#[test]
fn plans_and_runs_are_made_in_one_place() {
    let folders = fs_err::read_dir(root().join("crates")).expect("the crates are there");
    let mut names: Vec<String> =
        folders.map(|entry| entry.expect("readable").file_name().to_string_lossy().into_owned()).collect();
    names.retain(|name| name != "testkit");
    let mut all: Vec<(String, PathBuf, String)> = Vec::new();
    for name in names {
        all.extend(sources_of(&name).into_iter().map(|(path, text)| (name.clone(), path, text)));
    }
    all.extend(sources_of("../xtask").into_iter().map(|(path, text)| ("xtask".to_owned(), path, text)));
    for (what, allowed) in DRIVEN {
        let users: Vec<_> = all.iter().filter(|(_, _, text)| text.contains(what)).collect();
        assert!(!users.is_empty(), "{what} exists");
        for (name, path, _) in users {
            assert!(allowed.contains(&name.as_str()), "{} names {what}", path.display());
        }
    }
}

/// A source without its tests, which are at its end.
fn without_tests(text: &str) -> &str {
    text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default()
}

/// The words of a source outside its comments, its tests and what it only hands on.
fn words(text: &str) -> impl Iterator<Item = &str> {
    let lines = without_tests(text)
        .lines()
        .map(str::trim)
        .filter(|line| !line.starts_with("//") && !line.starts_with("pub use"));
    lines.flat_map(|line| line.split(|letter: char| !letter.is_alphanumeric() && letter != '_'))
}

/// What a line makes public, by its name.
fn public_item(line: &str) -> Option<&str> {
    let line = line.trim().strip_prefix("pub")?;
    let line = if let Some(rest) = line.strip_prefix('(') { rest.split_once(')')?.1 } else { line };
    let mut words =
        line.split(|letter: char| !letter.is_alphanumeric() && letter != '_').filter(|word| !word.is_empty());
    let kind = words.find(|word| !matches!(*word, "async" | "unsafe"))?;
    let name = words.next()?;
    match kind {
        "const" if name == "fn" => words.next(),
        "fn" | "struct" | "enum" | "const" | "type" | "trait" | "static" => Some(name),
        _ => None,
    }
}

#[test]
fn what_is_public_has_a_caller() {
    let mut paths = Vec::new();
    sources(&root(), &mut paths);
    let is_test = |path: &str| path.contains("/tests/") || path.ends_with("/tests.rs");
    let mut texts = Vec::new();
    for path in paths {
        let name = path.strip_prefix(root()).expect("it is below the root").to_string_lossy().into_owned();
        if !is_test(&name) && !FOR_TESTS.iter().any(|folder| name.starts_with(folder)) {
            texts.push((name, fs_err::read_to_string(&path).expect("a source is text")));
        }
    }
    let mut count: BTreeMap<&str, usize> = BTreeMap::new();
    texts.iter().flat_map(|(_, text)| words(text)).for_each(|word| *count.entry(word).or_default() += 1);
    let mut public = 0;
    for (path, text) in &texts {
        for name in without_tests(text).lines().filter_map(public_item) {
            public += 1;
            let has_reason = TESTS_ALONE.iter().any(|(kept, _)| *kept == name);
            let is_used = count.get(name).is_some_and(|times| *times > 1);
            assert!(is_used != has_reason, "{path}: {name} is used: {is_used}, has a reason to stay: {has_reason}");
        }
    }
    assert!(public > 1000, "{public} public items are found");
}

#[test]
fn a_new_file_in_a_folder_that_is_built_in_builds_it_in() {
    let mut found = Vec::new();
    sources(&root().join("crates"), &mut found);
    let mut folders = 0;
    for path in found.iter().filter(|path| path.components().any(|part| part.as_os_str() == "src")) {
        let text = fs_err::read_to_string(path).expect("a source is text");
        for folder in
            text.split("include_dir!(\"$CARGO_MANIFEST_DIR/").skip(1).filter_map(|rest| rest.split('"').next())
        {
            folders += 1;
            let script = path.ancestors().map(|above| above.join("build.rs")).find(|script| script.exists());
            let script =
                fs_err::read_to_string(script.expect("its crate has a build script")).expect("a script is text");
            let mut named = script.split("rerun-if-changed=").skip(1).filter_map(|rest| rest.split('"').next());
            assert!(named.any(|named| Path::new(folder).starts_with(named)), "{}: {folder}", path.display());
        }
    }
    assert!(folders > 3, "{folders} folders are built in");
}

#[test]
fn no_file_is_a_heap() {
    let mut found = Vec::new();
    sources(&root(), &mut found);
    assert!(found.len() > 20, "the sources are found");
    for path in found {
        let lines = fs_err::read_to_string(&path).expect("a source is text").lines().count();
        assert!(lines <= LONGEST, "{} has {lines} lines", path.display());
    }
}

#[test]
fn every_code_has_its_entry_in_the_docs() {
    let errors = fs_err::read_to_string(root().join("docs/errors.md")).expect("docs/errors.md is there");
    let codes = fs_err::read_to_string(root().join("crates/model/src/code.rs")).expect("the codes are there");
    let numbers: Vec<&str> = codes
        .lines()
        .filter_map(|line| line.trim().split_once(" = ")?.1.split_once(',').map(|(number, _)| number))
        .filter(|number| number.len() == 3 && number.chars().all(|digit| digit.is_ascii_digit()))
        .collect();
    assert!(numbers.len() > 30, "the codes are found");
    for number in numbers {
        assert!(
            errors.contains(&format!("errors/PL{number}.md")),
            "PL{number} is not in docs/errors.md: cargo xtask docs"
        );
        assert!(root().join(format!("docs/errors/PL{number}.md")).exists(), "PL{number} has no page: cargo xtask docs");
    }
}
