//! Values, random ones: what is read of a file and of `--set`, what helm is handed, and what a person is shown to type
//! are all what `helm get values` gives back.
//!
//! `PROPTEST_CASES` is the number of cases for each helm; they are the same ones each time. What is only read needs no cluster:
//! `PROPTEST_CASES=10000 cargo test -p portolan-trials --test values -- --ignored generated`.
//! On 2026-11-29 each of the three helms read 10,000 files with their settings as Portolan does (37 minutes on two busy processors), and
//! of 20,000 files with mistakes none was read as other values (2 minutes).

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::process::{Command, Output};

use portolan_helm_compat::{argv, values};
use portolan_model::{ChartId, Digest, HelmClient, HelmOperation, HelmRun, HelmToken, ReleaseId, ValuesMode};
use portolan_testkit::rig::{Namespace, Rig, pins};
use portolan_trials::offline::OfflineHelm;
use portolan_trials::same_values::same;
use portolan_trials::side_by_side::each;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use proptest::strategy::ValueTree as _;
use proptest::test_runner::{Config, TestRng, TestRunner};
use semver::Version;
use serde_json::{Map, Value};

/// What `--set`, YAML or a shell could take for their own, and what they should leave alone.
const PIECES: [&str; 41] = [
    "a", "b", "Z", "7", "0", "-", " ", "  ", ",", "{", "}", ".", "=", "[", "]", "\\", "\"", "'", "$", "$HOME", "`id`",
    "#", ": ", "&", "*", "!", "%", "@", "|", ">", "~", "?", "\n", "\t", "ü", "🚢", "\u{7f}", "\u{2028}", "null",
    "true", "()",
];

/// Words that the two YAMLs, Go and `--set` read in ways of their own.
const WORDS: [&str; 37] = [
    "yes",
    "No",
    "on",
    "OFF",
    "y",
    "n",
    "true",
    "False",
    "~",
    "null",
    "Null",
    "NULL",
    "0",
    "007",
    "08",
    "0o17",
    "0x1F",
    "0b11",
    "1_000",
    "1e3",
    "1E3",
    "+1",
    "-0",
    ".5",
    "5.",
    "1.50",
    ".inf",
    ".nan",
    "12:30:45",
    "2001-01-01",
    "<<",
    "=",
    "1.2.3",
    "",
    "9007199254740993",
    "-12",
    "3.0",
];

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        3 => prop::collection::vec(select(&PIECES[..]), 0..6).prop_map(|pieces| pieces.concat()),
        1 => select(&WORDS[..]).prop_map(str::to_owned),
    ]
}

/// Few, so that those of two maps meet. None is empty: `--set` cannot say such a one.
fn key() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => select(vec!["a", "b", "c", "A"]).prop_map(str::to_owned),
        1 => text().prop_filter("a key has a name", |key| !key.is_empty()),
    ]
}

fn tree() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        1 => Just(Value::Null),
        1 => any::<bool>().prop_map(Value::from),
        1 => (-1_000_000..1_000_000_i64).prop_map(Value::from),
        1 => (-1.0e9..1.0e9_f64).prop_map(Value::from),
        5 => text().prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 24, 4, |inner| {
        prop_oneof![
            1 => prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            2 => prop::collection::btree_map(key(), inner, 0..4).prop_map(object),
        ]
    })
}

fn object(map: BTreeMap<String, Value>) -> Value {
    Value::Object(map.into_iter().collect())
}

fn map() -> impl Strategy<Value = Value> {
    prop::collection::btree_map(key(), tree(), 0..5).prop_map(object)
}

/// A values file, in one of the ways in which such a file is written.
fn file() -> impl Strategy<Value = String> {
    let words = prop::collection::vec(select(&WORDS[..]), 0..6);
    (map(), words, any::<bool>()).prop_map(|(map, words, json)| {
        let mut map = map;
        map.as_object_mut().expect("it is a map").remove("words");
        if json || map == Value::Object(Map::new()) {
            format!("{}\n", serde_json::to_string(&map).expect("it is JSON"))
        } else {
            let words: Vec<String> = words.iter().map(|word| format!("- {word}\n")).collect();
            format!("{}words:\n{}", serde_saphyr::to_string(&map).expect("it is YAML"), words.concat())
        }
    })
}

/// An argument of `--set`, which helm may refuse.
fn setting() -> impl Strategy<Value = String> {
    let pieces = prop_oneof![
        4 => select(vec!["a", "b", "c", "7"]),
        2 => select(vec![".", ",", "=", "[0]", "[1]", "{", "}", "\\", "{a,b}", "null", "true", "007", "1.5", " "]),
        1 => select(&PIECES[..]),
    ];
    let anything = prop::collection::vec(pieces, 0..10).prop_map(|pieces| pieces.concat());
    let path = select(vec!["a", "b.c", "a.b.c", "l[0]", "l[1].x", r"d\.e", "n"]);
    let usual = (path, text()).prop_map(|(path, text)| format!("{path}={text}"));
    prop_oneof![anything, usual]
}

#[derive(Clone, Debug)]
struct Case {
    /// The file that the release was installed with.
    old: String,
    /// And what was set beside it.
    sets: Vec<String>,
    /// What an upgrade is given.
    given: Value,
}

impl Case {
    /// What Portolan reads of the file and what is set.
    fn ours(&self) -> Result<Value, String> {
        let mut all = values::parse(&self.old, "old.yaml").map_err(|error| error.to_string())?;
        for set in &self.sets {
            values::parse_set_into(set, &mut all).map_err(|error| error.to_string())?;
        }
        Ok(all)
    }

    /// Helm begins a new line at these characters, and helms differ in a line that ends in an index: Portolan refuses both.
    fn is_refused_here(&self, ours: &Result<Value, String>) -> bool {
        self.old.contains(['\u{85}', '\u{2028}', '\u{2029}'])
            || ours.as_ref().is_err_and(|error| error.contains("where helm 3 refuses it"))
    }
}

fn case() -> impl Strategy<Value = Case> {
    (file(), prop::collection::vec(setting(), 0..3), map()).prop_map(|(old, sets, given)| Case { old, sets, given })
}

/// What a mistake puts into a file.
const MISTAKES: [&str; 36] = [
    "", " ", "  ", "\n", "\n  ", "\n    ", "\t", ": ", ":", "- ", "-", "? ", "[", "]", "{", "}", ",", "#", " #", "&x ",
    "*x", "<<: ", "!", "!!str ", "!!int ", "'", "\"", "|\n", ">-\n", "\\", "---\n", "...", "%", "\r\n", "\u{feff}",
    "0x1",
];

/// A file with up to three mistakes: each takes some characters out, and puts something in.
fn mistaken() -> impl Strategy<Value = String> {
    let mistake = (any::<Index>(), 0..3_usize, select(&MISTAKES[..]));
    (file(), prop::collection::vec(mistake, 1..4)).prop_map(|(file, mistakes)| {
        let mut chars: Vec<char> = file.chars().collect();
        for (index, length, new) in mistakes {
            let start = index.index(chars.len() + 1);
            let end = (start + length).min(chars.len());
            chars.splice(start..end, new.chars());
        }
        chars.into_iter().collect()
    })
}

/// A helm, and a release of its own to try it with.
struct Bench<'a> {
    rig: &'a Rig,
    space: Namespace<'a>,
    version: Version,
    folder: tempfile::TempDir,
}

impl<'a> Bench<'a> {
    fn new(rig: &'a Rig, version: &str) -> Self {
        let bench = Self {
            rig,
            space: rig.namespace("values").expect("a namespace"),
            version: version.parse().expect("a version"),
            folder: tempfile::tempdir().expect("a folder"),
        };
        // Found under its name alone, as by whoever types the command.
        let bin = bench.folder.path().join("bin");
        fs_err::create_dir(&bin).expect("a folder");
        fs_err::os::unix::fs::symlink(rig.helm(version).expect("a helm"), bin.join("helm")).expect("a link");
        for (name, content) in [
            ("Chart.yaml", "apiVersion: v2\nname: chart\nversion: 1.0.0\n"),
            ("templates/map.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: {{ .Release.Name }}}\n"),
        ] {
            let path = bench.folder.path().join("chart").join(name);
            fs_err::create_dir_all(path.parent().expect("a folder")).expect("a folder");
            fs_err::write(path, content).expect("a file");
        }
        let packed = bench.helm(&["package", "chart"].map(str::to_owned));
        assert!(packed.status.success(), "{}", String::from_utf8_lossy(&packed.stderr));
        bench
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        let path = std::env::var("PATH").unwrap_or_default();
        command
            .current_dir(self.folder.path())
            .env("PATH", format!("{}/bin:{path}", self.folder.path().display()))
            .env("HOME", self.folder.path())
            .env("KUBECONFIG", self.rig.kubeconfig());
        command
    }

    fn helm(&self, arguments: &[String]) -> Output {
        self.command("helm").args(arguments).output().expect("helm runs")
    }

    fn write(&self, name: &str, content: &str) -> String {
        let path: PathBuf = self.folder.path().join(name);
        fs_err::write(&path, content).expect("a file");
        path.display().to_string()
    }

    /// Makes the release have these values and no others.
    fn reset(&self, file: &str, sets: &[String]) -> Output {
        let mut arguments: Vec<String> = [
            "upgrade",
            "--install",
            "rel",
            "chart",
            "-n",
            self.space.name(),
            "--history-max",
            "2",
            "--reset-values",
            "-f",
        ]
        .map(str::to_owned)
        .into();
        arguments.push(file.to_owned());
        for set in sets {
            arguments.extend(["--set".to_owned(), set.clone()]);
        }
        self.helm(&arguments)
    }

    fn stored(&self) -> Value {
        let out = self.helm(&["get", "values", "rel", "-o", "json", "-n", self.space.name()].map(str::to_owned));
        assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
        match serde_json::from_slice(&out.stdout).expect("it is JSON") {
            // So helm prints no values.
            Value::Null => Value::Object(Map::new()),
            values => values,
        }
    }

    fn run(&self) -> HelmRun {
        let none = Digest::of(b"");
        HelmRun {
            release: ReleaseId { namespace: self.space.name().into(), name: "rel".into() },
            base_revision: Some(1),
            client: HelmClient::Program {
                version: self.version.clone(),
                path: "helm".into(),
                digest: Digest::of(b"helm"),
            },
            chart: ChartId { name: "chart".into(), version: Version::new(1, 0, 0) },
            archive: Some(none.clone()),
            values: Some(none.clone()),
            carried: Vec::new(),
            mode: ValuesMode::ResetThenReuse,
            manifest: none,
            docs: BTreeMap::new(),
            nondeterministic_fields: BTreeMap::new(),
            required_keys: Vec::new(),
        }
    }

    fn check(&self, case: &Case) -> Result<(), TestCaseError> {
        let file = self.write("old.yaml", &case.old);
        let ours = case.ours();
        if case.is_refused_here(&ours) {
            prop_assert!(ours.is_err());
            return Ok(());
        }
        let out = self.reset(&file, &case.sets);
        let said = String::from_utf8_lossy(&out.stderr);
        prop_assert_eq!(ours.is_ok(), out.status.success(), "we say {:?}, helm says {}", ours, said);
        let Ok(old) = ours else {
            return Ok(());
        };
        self.is_stored("what was read", &old)?;

        let meant = values::reuse(&old, &case.given, &self.version);
        let given = self.write("given.yaml", &values::file(&case.given));
        let out = self.helm(&argv::upgrade_argv(&self.run(), &HelmToken::of_label("token"), "", "chart", &given));
        prop_assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
        self.is_stored("what helm was handed", &meant)?;

        prop_assert!(self.reset(&file, &case.sets).status.success());
        let shown = argv::show_command(HelmOperation::Upgrade, &self.run(), &case.given, &BTreeSet::new()).join("\n");
        let out = self.command("sh").args(["-c", &shown]).output().expect("a shell");
        prop_assert!(out.status.success(), "{}\n{}", shown, String::from_utf8_lossy(&out.stderr));
        self.is_stored(&shown, &meant)
    }

    fn is_stored(&self, what: &str, meant: &Value) -> Result<(), TestCaseError> {
        let stored = self.stored();
        prop_assert!(same(&stored, meant), "{what}:\n stored {stored}\n meant  {meant}");
        Ok(())
    }
}

#[test]
#[ignore = "needs the rig: cargo xtask test"]
fn values_arrive_as_they_were_meant() {
    let rig = Rig::shared().expect("the rig");
    std::thread::scope(|scope| {
        for version in pins::HELM {
            let rig = &rig;
            scope.spawn(move || {
                let bench = Bench::new(rig, version);
                let cases = cases();
                let config = Config { cases, failure_persistence: None, max_shrink_iters: 200, ..Config::default() };
                let rng = TestRng::deterministic_rng(config.rng_algorithm);
                let found = TestRunner::new_with_rng(config, rng).run(&case(), |case| bench.check(&case));
                if let Err(error) = found {
                    panic!("helm {version}: {error}");
                }
            });
        }
    });
}

/// How many cases each helm is tried with.
fn cases() -> u32 {
    std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(24)
}

/// The first so many values of a strategy, the same each time.
fn generated<S: Strategy>(strategy: &S) -> Vec<S::Value> {
    let config = Config::default();
    let rng = TestRng::deterministic_rng(config.rng_algorithm);
    let mut runner = TestRunner::new_with_rng(config, rng);
    (0..cases()).map(|_| strategy.new_tree(&mut runner).expect("a case").current()).collect()
}

fn offline(version: &'static str) -> OfflineHelm {
    let helm = OfflineHelm::new(version).expect("a helm of the rig");
    helm.chart("plain", &[("templates/read.yaml", "read: {{ .Values | toJson | b64enc }}\n")]);
    helm
}

#[test]
#[ignore = "needs the rig: cargo xtask test"]
fn generated_files_and_settings_are_read_as_by_helm() {
    let all: Vec<(usize, Case)> = generated(&case()).into_iter().enumerate().collect();
    let at_once = std::thread::available_parallelism().map_or(2, usize::from);
    for version in pins::HELM {
        let helm = offline(version);
        let check = |(number, case): &(usize, Case)| {
            let ours = case.ours();
            if case.is_refused_here(&ours) {
                return Ok(ours.err().is_none().then(|| format!("{case:?} is read")));
            }
            let file = helm.write(&format!("given/{number}.yaml"), case.old.as_bytes());
            let mut arguments = vec!["plain".to_owned(), "-f".to_owned(), file];
            arguments.extend(case.sets.iter().flat_map(|set| ["--set".to_owned(), set.clone()]));
            let read = helm.template(&arguments);
            let is_same = match (&ours, &read) {
                (Ok(ours), Ok(read)) => same(ours, read),
                (ours, read) => ours.is_err() && read.is_err(),
            };
            Ok((!is_same).then(|| format!("{case:?}:\n we read {ours:?}\n helm    {read:?}")))
        };
        let wrong: Vec<String> =
            each(&all, at_once, &check, &|_| {}).expect("helm runs").into_iter().flatten().collect();
        assert!(
            wrong.is_empty(),
            "helm {version}, {} of {}:\n{}",
            wrong.len(),
            all.len(),
            wrong[..wrong.len().min(9)].join("\n")
        );
    }
}

/// What Portolan reads from a file with mistakes is what helm reads, if it reads it; Portolan may refuse more.
#[test]
#[ignore = "needs the rig: cargo xtask test"]
fn generated_mistakes_are_never_read_as_other_values() {
    /// Files for one process of helm.
    const TOGETHER: usize = 500;
    let template = "{{- $all := dict }}{{ range $path, $_ := .Files.Glob \"texts/*\" }}\
                    {{- $_ := set $all $path ($.Files.Get $path | fromYaml) }}{{ end -}}\n\
                    read: {{ $all | toJson | b64enc }}\n";
    let all = generated(&mistaken());
    for version in pins::HELM {
        let helm = offline(version);
        for (number, texts) in all.chunks(TOGETHER).enumerate() {
            let chart = format!("texts-{number}");
            helm.chart(&chart, &[("templates/read.yaml", template)]);
            for (index, text) in texts.iter().enumerate() {
                helm.write(&format!("{chart}/texts/{index}"), text.as_bytes());
            }
            let read = helm.template(&[chart]).expect("it renders");
            for (index, text) in texts.iter().enumerate() {
                let read = &read[format!("texts/{index}")];
                // A chart's file loses a mark at its begin.
                let Ok(ours) = values::parse(text.trim_start_matches('\u{feff}'), "it") else { continue };
                assert!(
                    read.get("Error").is_some() || same(&ours, read),
                    "helm {version}: {text:?}\n we read {ours}\n helm    {read}"
                );
            }
        }
    }
}
