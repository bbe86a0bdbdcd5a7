//! What helm reads from values files, `--set` and `--set-string`: the table in `values/`, which says what becomes of each input.
//! Portolan is compared with it here, the three helms on a machine that has the rig's programs; no cluster is asked.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use portolan_helm_compat::values;
use portolan_testkit::rig::pins;
use portolan_trials::offline::OfflineHelm;
use portolan_trials::same_values::same;
use portolan_trials::side_by_side::each;
use serde::Deserialize;
use serde_json::{Value, json};

/// As many as the table has to have.
const AT_LEAST: usize = 500;

/// Cases that are read in the same way.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Group {
    about: String,
    form: Form,
    /// An input, and what all helms and Portolan read.
    #[serde(default)]
    cases: Vec<(Input, Value)>,
    /// Inputs that all helms and Portolan refuse.
    #[serde(default)]
    refused: Vec<Input>,
    /// An input, and what all helms read where Portolan refuses it: never does it read something else.
    #[serde(default)]
    refused_here: Vec<(Input, Value)>,
    /// An input with the heading of `helm get values`, what all helms read, or `refused`, and what Portolan does.
    #[serde(default)]
    cleaned: Vec<(Input, Value, Value)>,
    /// Inputs that helms read in different ways. Portolan refuses them, and says which helm does what.
    #[serde(default)]
    differ: Vec<Differing>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Differing {
    input: Input,
    /// What each helm reads, or `refused`.
    helm: BTreeMap<String, Value>,
    /// A part of Portolan's message.
    says: String,
}

/// What a text is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Form {
    /// What stands after `k: ` in a values file; the value of `k` is read.
    Scalar,
    /// What stands before `: 1` in a values file; the key is read.
    Key,
    /// A number in a values file; what a template prints is read.
    Printed,
    /// YAML, read by helm with the function that it reads values files with.
    Yaml,
    /// A whole values file.
    File,
    /// One `--set`.
    Set,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
enum Input {
    Text(String),
    Given(Given),
}

/// What a command line gives.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Given {
    #[serde(default)]
    files: Vec<String>,
    #[serde(default)]
    encoding: Encoding,
    #[serde(default)]
    set: Vec<String>,
    #[serde(default)]
    set_string: Vec<String>,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Encoding {
    #[default]
    Utf8,
    Utf16Le,
    Utf16Be,
    Latin1,
}

impl Encoding {
    fn bytes(self, text: &str) -> Vec<u8> {
        match self {
            Self::Utf8 => text.into(),
            Self::Utf16Le => text.encode_utf16().flat_map(u16::to_le_bytes).collect(),
            Self::Utf16Be => text.encode_utf16().flat_map(u16::to_be_bytes).collect(),
            Self::Latin1 => text.chars().map(|c| u8::try_from(u32::from(c)).expect("it is Latin 1")).collect(),
        }
    }
}

/// What an input of a group is on a command line.
fn given(form: Form, input: &Input) -> Given {
    let file = |text: String| Given { files: vec![text], ..Given::default() };
    match (form, input) {
        (_, Input::Given(given)) => given.clone(),
        (Form::Scalar | Form::Printed, Input::Text(text)) => file(format!("k: {text}\n")),
        (Form::Key, Input::Text(text)) => file(format!("{text}: 1\n")),
        (Form::Yaml | Form::File, Input::Text(text)) => file(text.clone()),
        (Form::Set, Input::Text(text)) => Given { set: vec![text.clone()], ..Given::default() },
    }
}

/// The values that are read where a case expects `expected`.
fn whole(form: Form, expected: &Value) -> Value {
    match (form, expected) {
        (Form::Scalar, _) => json!({"k": expected}),
        (Form::Key, Value::String(key)) => json!({key: 1}),
        _ => expected.clone(),
    }
}

fn table() -> Vec<Group> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("values");
    let mut paths: Vec<PathBuf> =
        fs_err::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path()).collect();
    paths.sort();
    let read = |path: PathBuf| {
        let text = fs_err::read_to_string(&path).expect("a file");
        serde_saphyr::from_str::<Vec<Group>>(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    };
    paths.into_iter().flat_map(read).collect()
}

/// What Portolan reads.
fn ours(given: &Given) -> Result<Value, String> {
    let mut all = json!({});
    for text in &given.files {
        let file = values::read(&given.encoding.bytes(text), "values.yaml").map_err(|error| error.to_string())?;
        all = values::layer(&all, &file.values);
    }
    for text in &given.set {
        values::parse_set_into(text, &mut all).map_err(|error| error.to_string())?;
    }
    for text in &given.set_string {
        values::parse_set_string_into(text, &mut all).map_err(|error| error.to_string())?;
    }
    Ok(all)
}

#[test]
fn portolan_reads_what_the_table_says() {
    let table = table();
    let mut wrong = Vec::new();
    let mut count = 0;
    for group in &table {
        let mut check = |input: &Input, is_right: &dyn Fn(&Result<Value, String>) -> bool| {
            let read = ours(&given(group.form, input));
            count += 1;
            if !is_right(&read) {
                wrong.push(format!("{}: {input:?} is read as {read:?}", group.about));
            }
        };
        for (input, expected) in &group.cases {
            check(input, &|read| match (group.form, read) {
                (Form::Printed, Ok(read)) => {
                    read["k"].as_number().and_then(values::printed).as_deref() == expected.as_str()
                }
                (form, Ok(read)) => same(read, &whole(form, expected)),
                (_, Err(_)) => false,
            });
        }
        for input in group.refused.iter().chain(group.refused_here.iter().map(|(input, _)| input)) {
            check(input, &Result::is_err);
        }
        for (input, _, expected) in &group.cleaned {
            check(input, &|read| read.as_ref().is_ok_and(|read| same(read, expected)));
        }
        for case in &group.differ {
            check(&case.input, &|read| read.as_ref().is_err_and(|error| error.contains(&case.says)));
        }
    }
    assert!(wrong.is_empty(), "{} of {count}:\n{}", wrong.len(), wrong.join("\n"));
    assert!(count >= AT_LEAST, "the table has {count} cases");
}

/// A helm, and the charts that show what it reads.
fn bench(version: &'static str) -> OfflineHelm {
    let helm = OfflineHelm::new(version).expect("a helm of the rig");
    for (chart, template) in [
        ("plain", "read: {{ .Values | toJson | b64enc }}\n"),
        ("printing", "read: {{ tpl \"{{ .Values.k }}\" . | toJson | b64enc }}\n"),
        (
            "texts",
            "{{- $all := dict }}{{ range $path, $_ := .Files.Glob \"texts/*\" }}\
             {{- $_ := set $all $path ($.Files.Get $path | fromYaml) }}{{ end -}}\n\
             read: {{ $all | toJson | b64enc }}\n",
        ),
    ] {
        helm.chart(chart, &[("templates/read.yaml", template)]);
    }
    helm
}

/// What a helm reads from a command line; `name` is the case's own.
fn read(helm: &OfflineHelm, name: &str, given: &Given) -> Result<Value, String> {
    let mut arguments = vec!["plain".to_owned()];
    for (index, text) in given.files.iter().enumerate() {
        let file = helm.write(&format!("given/{name}-{index}.yaml"), &given.encoding.bytes(text));
        arguments.extend(["-f".to_owned(), file]);
    }
    for (option, texts) in [("--set", &given.set), ("--set-string", &given.set_string)] {
        arguments.extend(texts.iter().flat_map(|text| [option.to_owned(), text.clone()]));
    }
    helm.template(&arguments)
}

/// A case that helm reads alone.
struct Alone<'t> {
    about: &'t str,
    given: Given,
    /// `None`: it is refused.
    expected: Option<Value>,
}

/// The cases of a helm that are read alone.
fn alone<'t>(table: &'t [Group], version: &str) -> Vec<Alone<'t>> {
    let mut all = Vec::new();
    for group in table {
        let form = group.form;
        let mut add = |input: &Input, expected: Option<Value>| {
            all.push(Alone { about: &group.about, given: given(form, input), expected });
        };
        let or_refused = |read: &Value| (read != "refused").then(|| read.clone());
        for case in &group.differ {
            add(&case.input, or_refused(&case.helm[version]));
        }
        for (input, read, _) in &group.cleaned {
            add(input, or_refused(read));
        }
        if matches!(form, Form::File | Form::Set) {
            for (input, expected) in group.cases.iter().chain(&group.refused_here) {
                add(input, Some(expected.clone()));
            }
            for input in &group.refused {
                add(input, None);
            }
        }
    }
    all
}

/// The cases that helm reads in one process, by its function `fromYaml`: the text, and what is read.
fn together(table: &[Group]) -> Vec<(String, Option<Value>)> {
    let mut all = Vec::new();
    for group in table.iter().filter(|group| matches!(group.form, Form::Scalar | Form::Key | Form::Yaml)) {
        let text = |input: &Input| given(group.form, input).files.concat();
        let read = group.cases.iter().chain(&group.refused_here);
        all.extend(read.map(|(input, expected)| (text(input), Some(whole(group.form, expected)))));
        all.extend(group.refused.iter().map(|input| (text(input), None)));
    }
    all
}

/// What is wrong with the table, by a helm.
fn wrong(helm: &OfflineHelm, table: &[Group]) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut check =
        |about: &str, input: &dyn std::fmt::Debug, expected: Option<&Value>, read: Result<Value, String>| {
            let is_right = match (&expected, &read) {
                (Some(expected), Ok(read)) => same(read, expected),
                (None, Err(_)) => true,
                _ => false,
            };
            if !is_right {
                wrong.push(format!("helm {}, {about}: {input:?} is read as {read:?}", helm.version()));
            }
        };
    for ((text, expected), read) in together(table).iter().zip(read_together(helm, table)) {
        check("fromYaml", text, expected.as_ref(), read);
    }
    let alone = alone(table, helm.version());
    let numbered: Vec<(usize, &Alone<'_>)> = alone.iter().enumerate().collect();
    let one = |(number, case): &(usize, &Alone<'_>)| Ok(read(helm, &number.to_string(), &case.given));
    let at_once = std::thread::available_parallelism().map_or(2, usize::from);
    let read = each(&numbered, at_once, &one, &|_| {}).expect("helm runs");
    for (case, read) in alone.iter().zip(read) {
        check(case.about, &case.given, case.expected.as_ref(), read);
    }
    for (text, expected) in printed(table) {
        let file = helm.write("printed.yaml", format!("k: {text}\n").as_bytes());
        let read = helm.template(&["printing".to_owned(), "-f".to_owned(), file]);
        check("printed", &text, Some(&expected), read);
    }
    wrong
}

fn printed(table: &[Group]) -> Vec<(String, Value)> {
    let groups = table.iter().filter(|group| group.form == Form::Printed);
    let cases = groups.flat_map(|group| &group.cases);
    cases
        .map(|(input, expected)| match input {
            Input::Text(text) => (text.clone(), expected.clone()),
            Input::Given(_) => unreachable!("a number is a text"),
        })
        .collect()
}

fn read_together(helm: &OfflineHelm, table: &[Group]) -> Vec<Result<Value, String>> {
    let texts = together(table);
    for (number, (text, _)) in texts.iter().enumerate() {
        helm.write(&format!("texts/texts/{number}"), text.as_bytes());
    }
    let read = helm.template(&["texts".to_owned()]).expect("it renders");
    let of = |number: usize| match &read[format!("texts/{number}")] {
        Value::Object(map) if map.len() == 1 && map.contains_key("Error") => Err(map["Error"].to_string()),
        values => Ok(values.clone()),
    };
    (0..texts.len()).map(of).collect()
}

#[test]
#[ignore = "needs the rig: cargo xtask test"]
fn helm_reads_what_the_table_says() {
    let table = table();
    let wrong: Vec<String> = pins::HELM.iter().flat_map(|version| wrong(&bench(version), &table)).collect();
    assert!(wrong.is_empty(), "{}:\n{}", wrong.len(), wrong.join("\n"));
}
