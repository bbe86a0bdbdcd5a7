//! What Portolan answered, and whether it is what has to be said.

use std::process::Output;

use anyhow::Result;
use serde_json::Value;

use super::site::CaseFixture;
use super::{Expect, Upgrade};
use crate::program::Program;

/// Something that Portolan holds against a plan.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Objection {
    code: String,
    object: String,
    field: String,
    text: String,
}

/// What Portolan answered.
pub(super) struct Answer {
    exit: i32,
    objections: Vec<Objection>,
    /// Warnings and notes of the plan.
    remarks: Vec<Objection>,
    volumes: Vec<String>,
    broken: Option<String>,
}

impl Answer {
    /// Out of what `portolan plan -o json` printed; where the plan says nothing against itself, a rehearsal is asked.
    pub(super) fn planned(site: &CaseFixture<'_>, program: &Program, out: &Output, plan: &str) -> Result<Self> {
        let exit = out.status.code().unwrap_or(-1);
        let said: Value = serde_json::from_slice(&out.stdout).unwrap_or_default();
        let (blocking, others): (Vec<&Value>, Vec<&Value>) =
            list(&said["findings"]).partition(|finding| finding["severity"] == "blocking");
        let mut objections: Vec<Objection> = blocking.into_iter().map(Objection::of_finding).collect();
        let remarks = others.into_iter().map(Objection::of_finding).collect();
        objections.extend(list(&said["unmodelled"]).map(Objection::of_unmodelled));
        if exit != 0 && objections.is_empty() && said.is_object() {
            objections = rehearsed(&site.rehearse(program, plan)?);
        }
        objections.extend(errors(&words(&out.stderr), ""));
        let volumes = list(&said["volumes"]).map(|volume| text(&volume["claim"])).collect();
        Ok(Self { exit, objections, remarks, volumes, broken: None })
    }

    /// Out of what a real upgrade by Portolan printed, and what became of the rows.
    pub(super) fn applied(site: &CaseFixture<'_>, out: &Output) -> Result<Self> {
        let exit = out.status.code().unwrap_or(-1);
        let (stdout, stderr) = (words(&out.stdout), words(&out.stderr));
        let objections = errors(&stderr, &stdout).collect();
        let mut answer = Self { exit, objections, remarks: Vec::new(), volumes: Vec::new(), broken: None };
        if exit == 0 {
            let (lost, sees) = (site.lost_rows(), site.rows_of_pod()?);
            let same = sees.as_ref().is_some_and(|now| site.first_rows().any(|first| first == now));
            if !lost.is_empty() || !same {
                answer.broken = Some(format!("finished with other data: {lost:?} changed, the pod sees {sees:?}"));
            }
        } else if answer.objections.is_empty() {
            answer.broken = Some(format!("exit {exit}: {stdout} {stderr}"));
        }
        Ok(answer)
    }

    /// What is wrong where something has to be said of an upgrade: that it is refused for it, or that it was remarked.
    pub(super) fn says(&self, expect: &Expect, namespace: &str) -> Option<String> {
        if self.exit == 0 && expect.blocks {
            return Some(format!("called Safe: {}", self.line(namespace)));
        }
        let Expect { code, object, field, blocks } = expect;
        let said = if *blocks { &self.objections } else { &self.remarks };
        let is_object = |objection: &Objection| object.is_empty() || short(&objection.object) == *object;
        let names = |objection: &&Objection| is_object(objection) && objection.field.contains(field);
        // What ends a command early has no subject, only words.
        let says = |objection: &&Objection| {
            objection.object.is_empty() && objection.text.contains(object) && objection.text.contains(field)
        };
        let of_code: Vec<&Objection> = said.iter().filter(|one| one.code == *code).collect();
        let fits = of_code.iter().any(|one| names(one) || says(one));
        (!fits).then(|| format!("not {code} {object} {field}: {}", self.line(namespace)))
    }

    /// What is wrong where an upgrade has to be Safe.
    pub(super) fn is_safe(&self, upgrade: &Upgrade, applied: bool) -> Option<String> {
        if let Some(broken) = &self.broken {
            return Some(broken.clone());
        }
        if self.exit != 0 || !self.objections.is_empty() {
            return Some(format!("not Safe: {}", self.line("")));
        }
        let has = |claim: &&String| self.volumes.iter().any(|volume| volume.ends_with(&format!("/{claim}")));
        let missing = upgrade.data().iter().find(|claim| !has(claim)).cloned();
        missing.filter(|_| !applied).map(|claim| format!("the plan says nothing of PVC {claim}"))
    }

    /// The exit code, and each objection once: words only where no object is named for that code.
    pub(super) fn line(&self, namespace: &str) -> String {
        let mut parts = vec![format!("exit {}", self.exit)];
        let named = |code: &str| self.objections.iter().any(|one| one.code == code && !one.object.is_empty());
        for one in &self.objections {
            let part = match one.object.is_empty() {
                true if named(&one.code) => continue,
                true => {
                    format!("{} {}", one.code, one.text.trim_matches([' ', ':']).chars().take(160).collect::<String>())
                }
                false => format!("{} {} {}", one.code, short(&one.object), one.field),
            };
            let part = part.trim_end().to_owned();
            if !parts.contains(&part) {
                parts.push(part);
            }
        }
        let line = parts.join("; ");
        if namespace.is_empty() { line } else { line.replace(namespace, "NAMESPACE") }
    }
}

/// `Kind/name` out of `Kind.group/namespace/name`.
fn short(full: &str) -> String {
    let kind = full.split(['.', '/']).next().unwrap_or_default();
    full.rsplit_once('/').map_or_else(String::new, |(_, name)| format!("{kind}/{name}"))
}

impl Objection {
    fn of_finding(finding: &Value) -> Self {
        let subject = &finding["subject"];
        Self {
            code: text(&finding["code"]),
            object: text(&subject["object"]),
            field: text(&subject["field"]),
            text: format!("{} {}", text(&finding["found"]), finding["evidence"]),
        }
    }

    fn of_unmodelled(unmodelled: &Value) -> Self {
        Self {
            code: text(&unmodelled["code"]),
            object: text(&unmodelled["object"]),
            field: text(&unmodelled["field"]),
            text: text(&unmodelled["reason"]),
        }
    }

    fn in_words(code: &str, words: &str) -> Self {
        Self { code: code.into(), object: String::new(), field: String::new(), text: words.into() }
    }
}

/// What a forecast holds against the plan: the volumes that are not Safe, what is Unknown of them, or that nothing ends well.
fn rehearsed(forecast: &Value) -> Vec<Objection> {
    let mut all: Vec<Objection> = Vec::new();
    for volume in list(&forecast["volumes"]) {
        all.extend(list(&volume["unknown"]).map(Objection::of_unmodelled));
        if volume["headline"] != "Safe" {
            let verdict = Objection::in_words(&text(&volume["headline"]), "");
            all.push(Objection { object: text(&volume["claim"]), ..verdict });
        }
    }
    if all.is_empty() {
        all.push(Objection::in_words("never finishes", &forecast.to_string()));
    }
    all
}

/// The errors among the words of a program, each with what else was said.
fn errors<'a>(stderr: &'a str, more: &'a str) -> impl Iterator<Item = Objection> {
    let parts = stderr.split("error[").skip(1).filter_map(|part| part.split_once(']'));
    parts.map(move |(code, rest)| Objection::in_words(code, &format!("{rest} {more}")))
}

/// What was printed, without the lines that it was folded into.
fn words(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).split_whitespace().collect::<Vec<_>>().join(" ")
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}
