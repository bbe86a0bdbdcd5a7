//! What a chart's files say of its values before anything is rendered: which other values a schema allows, which values are guarded by
//! `fail` and `required`, and which ones are read where helm stopped. All of it only chooses what is tried first; what a value does, the
//! renderings show.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

/// Functions of templates that need not say the same each time: of time, of chance (a salt or a key included), of the order of a map, of the
/// cluster and of the network (Masterminds/sprig v3.3.0, `functions.go`, `crypto.go`, `dict.go`; helm 3.22.0, `pkg/engine/funcs.go`).
const VARYING: [&str; 18] = [
    "now",
    "ago",
    "date",
    "htmlDate",
    "dateInZone",
    "htmlDateInZone",
    "shuffle",
    "uuidv4",
    "bcrypt",
    "htpasswd",
    "encryptAES",
    "keys",
    "values",
    "lookup",
    "getHostByName",
    "date_in_zone",
    "randInt",
    "randBytes",
];

/// How many lines above the one where helm stopped are read: its `if`.
const ABOVE: usize = 3;

/// The files of a chart, by their paths in it.
#[derive(Default)]
pub(super) struct ChartFiles {
    templates: BTreeMap<String, String>,
    schema: Value,
}

impl ChartFiles {
    pub(super) fn new(files: &BTreeMap<String, Vec<u8>>) -> Self {
        let text = |bytes: &Vec<u8>| String::from_utf8(bytes.clone()).ok();
        let templates = files.iter().filter(|(path, _)| path.contains("templates/"));
        let schema = files.get("values.schema.json").and_then(|bytes| serde_json::from_slice(bytes).ok());
        Self {
            templates: templates.filter_map(|(path, bytes)| Some((path.clone(), text(bytes)?))).collect(),
            schema: schema.unwrap_or_default(),
        }
    }

    /// Another value that the schema allows in place of one, where it lists them.
    pub(super) fn allowed(&self, path: &str, given: &Value) -> Option<Value> {
        let rule = path.split('.').try_fold(&self.schema, |rule, key| rule.get("properties")?.get(key))?;
        rule.get("enum")?.as_array()?.iter().find(|other| *other != given).cloned()
    }

    /// Whether a template fails unless a value is there, and on: `fail` beside `not .Values.x`, or `required`.
    pub(super) fn is_guarded(&self, path: &str) -> bool {
        self.templates.values().any(|text| {
            let lines: Vec<&str> = text.lines().collect();
            lines.iter().enumerate().any(|(at, line)| {
                if line.contains("required ") {
                    return references(line).contains(path);
                }
                let near = &lines[at.saturating_sub(ABOVE)..=at];
                let denied = || near.iter().flat_map(|line| line.split("not ").skip(1));
                line.contains("fail ") && denied().any(|rest| first_reference(rest) == Some(path))
            })
        })
    }

    /// The values that are read where helm stopped, as its message says: `platform/templates/checks.yaml:1:4`.
    pub(super) fn read_at(&self, message: &str) -> BTreeSet<String> {
        let words = message.split(|c: char| c.is_whitespace() || matches!(c, '(' | ')' | '"' | '<' | '>'));
        for word in words.filter(|word| word.contains("/templates/")) {
            let mut parts = word.split(':');
            let (Some(path), Some(line)) = (parts.next(), parts.next().and_then(|line| line.parse::<usize>().ok()))
            else {
                continue;
            };
            let Some(text) = path.split_once('/').and_then(|(_, path)| self.template(path)) else { continue };
            let lines: Vec<&str> = text.lines().take(line).collect();
            let found = lines.iter().rev().take(ABOVE).map(|line| references(line)).find(|found| !found.is_empty());
            return found.unwrap_or_default();
        }
        BTreeSet::new()
    }

    /// A template; of a subchart under another name, the only one that is called like that.
    fn template(&self, path: &str) -> Option<&String> {
        let end = path.rsplit_once("templates/").map(|(_, end)| format!("/templates/{end}"));
        let mut like = self.templates.iter().filter(|(other, _)| end.as_ref().is_some_and(|end| other.ends_with(end)));
        self.templates.get(path).or_else(|| like.next().filter(|_| like.next().is_none()).map(|(_, text)| text))
    }
}

/// Whether a chart may say something else each time that it is rendered with the same values. Files that are no templates count too: one may
/// be read and carried out (`tpl`).
pub(super) fn may_vary(files: &BTreeMap<String, Vec<u8>>) -> bool {
    files.values().any(|bytes| varies(&String::from_utf8_lossy(bytes)))
}

/// Whether a value may be a template that says something else each time.
pub(super) fn may_vary_by_values<'a>(values: impl IntoIterator<Item = &'a Value>) -> bool {
    values.into_iter().any(|value| match value {
        Value::String(text) => varies(text),
        Value::Array(items) => may_vary_by_values(items),
        Value::Object(map) => may_vary_by_values(map.values()) || map.keys().any(|key| varies(key)),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    })
}

/// Whether an action of a template has a function that varies.
fn varies(text: &str) -> bool {
    let actions = text.match_indices("{{").map(|(at, open)| &text[at + open.len()..]);
    actions.filter(|action| !action.trim_start_matches(['-', ' ']).starts_with("/*")).map(action).any(|action| {
        let is_of_word = |c: char| c.is_alphanumeric() || matches!(c, '_' | '.' | '$');
        let mut words = action.split(|c| !is_of_word(c));
        words.any(|word| VARYING.contains(&word) || word.starts_with("rand") || word.starts_with("gen"))
    })
}

/// A text up to where the action ends that it begins in, which is not within quotation marks.
fn action(text: &str) -> &str {
    let (mut quote, mut is_escaped) = (None, false);
    let end = text.char_indices().find(|(at, c)| {
        match quote {
            Some(_) if is_escaped => is_escaped = false,
            Some('"') if *c == '\\' => is_escaped = true,
            Some(mark) if *c == mark => quote = None,
            Some(_) => {}
            None if matches!(c, '"' | '`') => quote = Some(*c),
            None => return text[*at..].starts_with("}}"),
        }
        false
    });
    &text[..end.map_or(text.len(), |(at, _)| at)]
}

/// What a line reads of the values: `.Values.a.b` as `a.b`.
fn references(line: &str) -> BTreeSet<String> {
    line.match_indices(".Values.").filter_map(|(at, _)| first_reference(&line[at..])).map(str::to_owned).collect()
}

/// The value that a text begins with, perhaps after `$` and brackets.
fn first_reference(text: &str) -> Option<&str> {
    let rest = text.trim_start_matches(['(', ' ', '$']).strip_prefix(".Values.")?;
    let end = rest.find(|c: char| !c.is_alphanumeric() && !matches!(c, '.' | '_' | '-')).unwrap_or(rest.len());
    Some(rest[..end].trim_end_matches('.')).filter(|path| !path.is_empty())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn chart() -> ChartFiles {
        let checks = "{{- if not .Values.licence.accepted }}\n{{ fail \"no\" }}\n{{- end }}\n\
                      {{ $_ := required \"a key\" .Values.licence.key }}\n\
                      {{- if and .Values.tls (not $.Values.secret) }}{{ fail \"no\" }}{{ end }}\n";
        let schema = r#"{"properties": {"a": {"properties": {"type": {"enum": ["A", "B"]}}}}}"#;
        let files = [
            ("templates/checks.yaml", checks),
            ("charts/db/templates/x.yaml", "k: {{ .Values.size }}"),
            ("values.schema.json", schema),
        ];
        ChartFiles::new(&files.into_iter().map(|(path, text)| (path.to_owned(), text.into())).collect())
    }

    #[test]
    fn guards_and_places_are_read() {
        let chart = chart();
        let guarded = |path: &str| chart.is_guarded(path);
        assert!(guarded("licence.accepted") && guarded("licence.key") && guarded("secret"));
        assert!(!guarded("tls") && !guarded("licence"));
        let read = |message: &str| chart.read_at(message).into_iter().collect::<Vec<_>>();
        assert_eq!(read("Error: execution error at (p/templates/checks.yaml:2:3): no"), ["licence.accepted"]);
        assert_eq!(read("template: p/charts/main-db/templates/x.yaml:1:5: executing"), ["size"]);
        assert!(read("something else").is_empty());
    }

    #[test]
    fn what_may_say_something_else_each_time_is_known() {
        for text in [
            "{{ randAlphaNum 8 }}",
            "a: {{- $ca := genCA \"a\" 365 }}",
            "{{ .Values.a | bcrypt }}",
            "{{ (lookup \"v1\" \"Secret\" \"n\" \"a\").data }}",
            "{{ range (keys .Values.map) }}",
            "{{\nnow\n}}",
            "{{ now | date \"2006",
            "{{/* a comment */}}{{ uuidv4 }}",
            "{{ print \"}}\" | shuffle }}",
            "{{ print \"\\\"}}\" `}}` | shuffle }}",
            "{{ tpl \"{{ now }}\" . }}",
        ] {
            assert!(varies(text), "{text}");
            assert!(may_vary(&[("files/a.txt".to_owned(), text.into())].into()), "{text}");
            assert!(may_vary_by_values([&json!({"a": [{"b": text}]})]), "{text}");
        }
        for text in [
            "values: {{ .Values.keys }} now",
            "{{/* the keys of now */}}",
            "{{- /* the keys of now */ -}}",
            "{{ .Values.now }}{{ $values }}{{ include \"a.generated\" . }}",
            "{{ tpl (.Files.Get \"a\") . | sha256sum }}",
        ] {
            assert!(!varies(text), "{text}");
        }
        assert!(!may_vary_by_values([&json!({"a": [1, true, null, "now"], "keys": {}})]));
    }

    #[test]
    fn a_schema_allows_other_values() {
        let chart = chart();
        assert_eq!(chart.allowed("a.type", &json!("A")), Some(json!("B")));
        assert_eq!((chart.allowed("a.other", &json!(1)), chart.allowed("b.c", &json!(1))), (None, None));
    }
}
