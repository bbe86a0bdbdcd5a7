//! A small chart: the objects of the frame with changes.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::LazyLock;

use anyhow::{Context, Result, bail};
use serde::Deserialize;
use serde_json::{Value, json};

/// Changes of a chart. A key is the name of an object of the frame (`store`) or a new one, for the whole object; an object's
/// name and a JSON pointer in it (`store/spec/replicas`, where `-` appends to a list); or a file of the chart
/// (`templates/x.yaml`, `values.yaml`). Null removes.
pub type Delta = BTreeMap<String, Value>;

/// Where the frame's PVC comes from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Frame {
    /// The chart has the PVC `store`, and the pod names it.
    #[default]
    Claim,
    /// The StatefulSet has the PVC template `data`.
    Template,
}

/// The objects that every chart begins with.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Objects {
    both: BTreeMap<String, Value>,
    claim: Delta,
    template: Delta,
}

/// The frames, read once.
///
/// # Panics
/// Where our own file is broken, which a test has seen.
fn frames() -> &'static Objects {
    static FRAMES: LazyLock<Objects> = LazyLock::new(|| {
        let text = include_str!("../../reports/frame.yaml");
        serde_saphyr::from_str(text).expect("frame.yaml is readable")
    });
    &FRAMES
}

/// Folders and files of a chart; every other key of a [`Delta`] is an object's.
const FILES: [&str; 7] = ["Chart.yaml", "templates", "crds", "files", "charts", "values.yaml", "values.schema.json"];

/// A chart as the texts of its files.
#[derive(Clone, Debug)]
pub struct Chart {
    objects: BTreeMap<String, Value>,
    files: BTreeMap<String, String>,
}

impl Chart {
    /// The frame with changes, one after the other.
    ///
    /// # Errors
    /// Where a change does not fit.
    pub fn new(version: &str, frame: Frame, deltas: &[&Delta]) -> Result<Self> {
        let frames = frames();
        let about = format!("apiVersion: v2\nname: control-plane\nversion: {version}\nappVersion: {version}\n");
        let mut chart = Self { objects: frames.both.clone(), files: [("Chart.yaml".to_owned(), about)].into() };
        let own = if frame == Frame::Claim { &frames.claim } else { &frames.template };
        for delta in std::iter::once(own).chain(deltas.iter().copied()) {
            for (key, value) in delta {
                chart.change(key, value).with_context(|| format!("`{key}` does not fit"))?;
            }
        }
        Ok(chart)
    }

    fn change(&mut self, key: &str, value: &Value) -> Result<()> {
        let (first, rest) = key.split_once('/').unwrap_or((key, ""));
        if FILES.contains(&first) {
            match value {
                Value::Null => drop(self.files.remove(key)),
                Value::String(text) => drop(self.files.insert(key.into(), text.clone())),
                other => drop(self.files.insert(key.into(), serde_json::to_string_pretty(other)?)),
            }
            return Ok(());
        }
        match (rest, value) {
            ("", Value::Null) => self.objects.remove(first).map(drop).context("there is no such object"),
            ("", value) => {
                self.objects.insert(first.into(), value.clone());
                Ok(())
            }
            (pointer, value) => set(self.objects.get_mut(first).context("there is no such object")?, pointer, value),
        }
    }

    /// Writes the chart's folder.
    ///
    /// # Errors
    /// Where it cannot be written.
    pub fn write(&self, folder: &Path) -> Result<()> {
        let texts = self.objects.iter().map(|(name, object)| (format!("templates/{name}.yaml"), template(object)));
        for (name, text) in self.files.clone().into_iter().chain(texts) {
            let path = folder.join(name);
            fs_err::create_dir_all(path.parent().unwrap_or(folder))?;
            fs_err::write(path, text)?;
        }
        Ok(())
    }
}

/// An object as a template. JSON is YAML, and `{{` does not occur in it by itself; between `{{` and `}}` quotes are the
/// template's. A text that begins with `=` is a template that renders something else than a text:
/// `={{ .Values.replicas }}`.
fn template(object: &Value) -> String {
    let mut text = String::new();
    let whole = format!("{object:#}\n");
    let mut rest = whole.as_str();
    while let Some((before, (inside, after))) =
        rest.split_once("{{").and_then(|(before, rest)| Some((before, rest.split_once("}}")?)))
    {
        let inside = inside.replace("\\\"", "\"");
        // A text that is a template as a whole loses its quotes.
        let (before, after) = match (before.strip_suffix("\"="), after.strip_prefix('"')) {
            (Some(before), Some(after)) => (before, after),
            _ => (before, after),
        };
        text.push_str(&format!("{before}{{{{{inside}}}}}"));
        rest = after;
    }
    text + rest
}

/// Sets or, with null, removes what is at a JSON pointer (without its first `/`), and makes what is missing on the way.
fn set(object: &mut Value, pointer: &str, value: &Value) -> Result<()> {
    let parts: Vec<String> = pointer.split('/').map(portolan_model::pointer_key).collect();
    let Some((last, way)) = parts.split_last() else { bail!("an empty pointer") };
    let mut at = object;
    for part in way {
        at = match at {
            Value::Array(list) => list.get_mut(part.parse::<usize>()?).with_context(|| format!("no item {part}"))?,
            Value::Object(map) => map.entry(part.clone()).or_insert_with(|| json!({})),
            _ => bail!("{part} is below a plain value"),
        };
    }
    match (at, value) {
        (Value::Object(map), Value::Null) => map.remove(last).map(drop).with_context(|| format!("there is no {last}")),
        (Value::Object(map), value) => {
            map.insert(last.clone(), value.clone());
            Ok(())
        }
        (Value::Array(list), value) if last == "-" => {
            list.push(value.clone());
            Ok(())
        }
        (Value::Array(list), value) => {
            let index: usize = last.parse()?;
            let item = list.get_mut(index).with_context(|| format!("no item {index}"))?;
            if value.is_null() {
                drop(list.remove(index));
            } else {
                *item = value.clone();
            }
            Ok(())
        }
        _ => bail!("{last} is below a plain value"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_are_made_at_their_places() {
        let mut object = json!({"a": {"b": [1, 2]}});
        set(&mut object, "a/b/-", &json!(3)).expect("it is appended");
        set(&mut object, "a/b/0", &Value::Null).expect("it is removed");
        set(&mut object, "c/d~1e", &json!("x")).expect("it is made");
        assert_eq!(object, json!({"a": {"b": [2, 3]}, "c": {"d/e": "x"}}));
        assert!(set(&mut object, "a/nothing", &Value::Null).is_err());
    }

    #[test]
    fn a_template_may_render_a_number() {
        let text =
            template(&json!({"replicas": "={{ .Values.replicas | default \"1\" }}", "name": "{{ .Release.Name }}"}));
        assert_eq!(
            text,
            "{\n  \"name\": \"{{ .Release.Name }}\",\n  \"replicas\": {{ .Values.replicas | default \"1\" }}\n}\n"
        );
    }
}
