//! Running the cases.

use std::collections::BTreeMap;
use std::process::Output;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use testkit::rig::Rig;

use super::harm::Before;
use super::site::Site;
use super::{Case, Expect, Harm, Row, Upgrade};
use crate::program::Program;
use crate::side_by_side;

/// Seconds that a harm may take to come.
const HARM: u64 = 90;

/// One upgrade that Portolan is asked about.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Trial {
    /// The case's name, with `(twin)` behind it where it is the harmless side.
    pub name: String,
    /// The helm.
    pub helm: String,
    /// What has to be said; `None` where the upgrade has to be Safe.
    pub expect: Option<Expect>,
    /// Whether it is applied.
    pub apply: bool,
    upgrade: Value,
}

/// What came of a trial.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Outcome {
    /// The trial.
    pub trial: Trial,
    /// What Portolan said, in one line.
    pub said: String,
    /// What is wrong with it.
    pub complaint: Option<String>,
    /// Whether it could not be tried at all.
    pub is_broken: bool,
}

/// How an outcome compares with what is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// As it has to be.
    Right,
    /// Wrong, and known to be.
    Pending,
    /// Right, and said to be wrong.
    NoLongerPending,
    /// Wrong.
    Wrong,
}

impl Outcome {
    fn broken(trial: &Trial, error: &anyhow::Error) -> Self {
        let complaint = Some(format!("cannot be tried: {error:#}"));
        Self { trial: trial.clone(), said: String::new(), complaint, is_broken: true }
    }

    /// Compares it with what is known to be wrong, by the names of trials.
    #[must_use]
    pub fn standing(&self, pending: &BTreeMap<String, String>) -> Standing {
        match (&self.complaint, pending.contains_key(&self.trial.name)) {
            (Some(_), _) if self.is_broken => Standing::Wrong,
            (None, false) => Standing::Right,
            (None, true) => Standing::NoLongerPending,
            (Some(_), true) => Standing::Pending,
            (Some(_), false) => Standing::Wrong,
        }
    }
}

/// What bare helm did.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct HarmSeen {
    /// The case's name.
    pub name: String,
    /// The helm.
    pub helm: String,
    /// What had to be seen and was.
    pub seen: Vec<Harm>,
    /// What had to be seen and was not.
    pub missing: Vec<Harm>,
    /// What a helm that failed said.
    pub failed: Option<String>,
}

/// The trials of all rows: each case and its twin, under the case's own helms, or all of `helms` where it names none.
#[must_use]
pub fn trials(rows: &[Row], helms: Option<&[String]>) -> Vec<Trial> {
    let mut all = Vec::new();
    for case in rows.iter().flat_map(|row| &row.cases) {
        for helm in case.helms(helms) {
            let trial = |name: String, upgrade: &Value, expect: Option<Expect>, apply: bool| Trial {
                name,
                helm: helm.clone(),
                expect,
                apply,
                upgrade: upgrade.clone(),
            };
            all.push(trial(
                case.name.clone(),
                &case.upgrade,
                case.expect.clone(),
                case.afterwards || (case.apply && case.twin.is_none()),
            ));
            if let Some(twin) = &case.twin {
                all.push(trial(format!("{} (twin)", case.name), twin, None, case.apply));
            }
        }
    }
    all
}

impl Case {
    /// The helms to run it under.
    #[must_use]
    pub fn helms(&self, all: Option<&[String]>) -> Vec<String> {
        match (&self.only, all) {
            (Some(only), Some(all)) => only.iter().filter(|helm| all.contains(helm)).cloned().collect(),
            (Some(only), None) => only.clone(),
            (None, Some(all)) => all.to_vec(),
            (None, None) => vec![testkit::rig::pins::HELM[1].to_owned()],
        }
    }
}

/// Asks Portolan about trials. Those that begin with the same installation share one, as a plan writes nothing; one that is
/// applied has its own.
///
/// # Errors
/// Where an installation or a program does not do what is asked of it.
pub fn plans(
    rig: &Rig,
    program: &Program,
    trials: &[Trial],
    at_once: usize,
    told: &(dyn Fn(&Outcome) + Sync),
) -> Result<Vec<Outcome>> {
    let mut groups: BTreeMap<String, Vec<&Trial>> = BTreeMap::new();
    for (at, trial) in trials.iter().enumerate() {
        let begins = |key: &str| trial.upgrade[key].clone();
        let same: Vec<Value> = ["frame", "both", "old", "values", "set", "prepare", "ready"].map(begins).into();
        let own = if trial.apply { json!(at) } else { Value::Null };
        groups.entry(json!([trial.helm, same, own]).to_string()).or_default().push(trial);
    }
    let groups: Vec<Vec<&Trial>> = groups.into_values().collect();
    let one = |group: &Vec<&Trial>| -> Result<Vec<Outcome>> {
        let first = group.first().context("a group has a trial")?;
        let site = match Site::install(rig, &first.helm, &first.upgrade) {
            Ok(site) => site,
            Err(error) => return Ok(group.iter().map(|trial| Outcome::broken(trial, &error)).collect()),
        };
        let each = |(at, trial): (usize, &&Trial)| {
            ask(&site, program, at, trial).unwrap_or_else(|error| Outcome::broken(trial, &error))
        };
        Ok(group.iter().enumerate().map(each).collect())
    };
    let outcomes = side_by_side::each(&groups, at_once, &one, &|all| all.iter().for_each(told))?;
    Ok(outcomes.into_iter().flatten().collect())
}

fn ask(site: &Site<'_>, program: &Program, at: usize, trial: &Trial) -> Result<Outcome> {
    let upgrade = site.upgrade(&trial.upgrade)?;
    let name = format!("charts-{at}");
    let answer = if trial.apply {
        applied(site, &site.portolan(program, &name, &upgrade, &["upgrade", "--yes"])?)?
    } else {
        let plan = format!("plan-{at}.json");
        let out = site.portolan(program, &name, &upgrade, &["plan", "-o", "json", "--out", &plan])?;
        Answer::of(site, program, &out, &plan)?
    };
    let complaint = match &trial.expect {
        Some(expect) => {
            let fill = |text: &str| site.filled_text(text);
            let (object, field) = (fill(&expect.object)?, fill(&expect.field)?);
            answer.refuses(&Expect { code: expect.code.clone(), object, field }, site.namespace())
        }
        None => answer.is_safe(&upgrade, trial.apply),
    };
    Ok(Outcome { trial: trial.clone(), said: answer.line(site.namespace()), complaint, is_broken: false })
}

/// Something that Portolan holds against a plan.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Objection {
    code: String,
    object: String,
    field: String,
    text: String,
}

/// What Portolan answered.
struct Answer {
    exit: i32,
    objections: Vec<Objection>,
    volumes: Vec<String>,
    broken: Option<String>,
}

impl Answer {
    /// Out of what `portolan plan -o json` printed; where the plan alone says nothing against itself, a rehearsal is asked.
    fn of(site: &Site<'_>, program: &Program, out: &Output, plan: &str) -> Result<Self> {
        let exit = out.status.code().unwrap_or(-1);
        let stderr = String::from_utf8_lossy(&out.stderr).split_whitespace().collect::<Vec<_>>().join(" ");
        let said: Value = serde_json::from_slice(&out.stdout).unwrap_or_default();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
        let mut objections = Vec::new();
        for finding in list(&said["findings"]).iter().filter(|finding| finding["severity"] == "blocking") {
            let subject = &finding["subject"];
            objections.push(Objection {
                code: text(&finding["code"]),
                object: text(&subject["object"]),
                field: text(&subject["field"]),
                text: format!("{} {}", text(&finding["found"]), finding["evidence"]),
            });
        }
        for unmodelled in &list(&said["unmodelled"]) {
            objections.push(Objection {
                code: text(&unmodelled["code"]),
                object: text(&unmodelled["object"]),
                field: text(&unmodelled["field"]),
                text: text(&unmodelled["reason"]),
            });
        }
        if exit != 0 && objections.is_empty() && said.is_object() {
            let forecast = site.rehearse(program, plan)?;
            for volume in list(&forecast["volumes"]).iter().filter(|volume| volume["headline"] != "Safe") {
                objections.push(Objection {
                    code: text(&volume["headline"]),
                    object: text(&volume["claim"]),
                    field: String::new(),
                    text: String::new(),
                });
            }
            if objections.is_empty() {
                objections.push(Objection {
                    code: "never finishes".into(),
                    object: String::new(),
                    field: String::new(),
                    text: forecast.to_string(),
                });
            }
        }
        for (code, rest) in stderr.split("error[").skip(1).filter_map(|part| part.split_once(']')) {
            objections.push(Objection {
                code: code.into(),
                object: String::new(),
                field: String::new(),
                text: rest.into(),
            });
        }
        let volumes = list(&said["volumes"]).iter().map(|volume| text(&volume["claim"])).collect();
        Ok(Self { exit, objections, volumes, broken: None })
    }

    /// What is wrong where an upgrade has to be refused.
    fn refuses(&self, expect: &Expect, namespace: &str) -> Option<String> {
        if self.exit == 0 {
            return Some(format!("called Safe: {}", self.line(namespace)));
        }
        let Expect { code, object, field } = expect;
        let is_object = |objection: &Objection| object.is_empty() || short(&objection.object) == *object;
        let names = |objection: &&Objection| is_object(objection) && objection.field.contains(field);
        // What ends a command early has no subject, only words.
        let says = |objection: &&Objection| {
            objection.object.is_empty() && objection.text.contains(object) && objection.text.contains(field)
        };
        let of_code: Vec<&Objection> = self.objections.iter().filter(|one| one.code == *code).collect();
        let fits = of_code.iter().any(|one| names(one) || says(one));
        (!fits).then(|| format!("not {code} {object} {field}: {}", self.line(namespace)))
    }

    /// What is wrong where an upgrade has to be Safe.
    fn is_safe(&self, upgrade: &Upgrade, applied: bool) -> Option<String> {
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

    fn line(&self, namespace: &str) -> String {
        let mut line = format!("exit {}", self.exit);
        for one in &self.objections {
            line.push_str(&format!("; {} {} {}", one.code, short(&one.object), one.field));
            if one.object.is_empty() {
                line.push_str(&one.text.chars().take(160).collect::<String>());
            }
        }
        if namespace.is_empty() { line } else { line.replace(namespace, "NAMESPACE") }
    }
}

/// `Kind/name` out of `Kind.group/namespace/name`.
fn short(full: &str) -> String {
    let kind = full.split(['.', '/']).next().unwrap_or_default();
    full.rsplit_once('/').map_or_else(String::new, |(_, name)| format!("{kind}/{name}"))
}

/// What a real upgrade by Portolan did.
fn applied(site: &Site<'_>, out: &Output) -> Result<Answer> {
    let exit = out.status.code().unwrap_or(-1);
    let stderr = String::from_utf8_lossy(&out.stderr).split_whitespace().collect::<Vec<_>>().join(" ");
    let stdout = String::from_utf8_lossy(&out.stdout).split_whitespace().collect::<Vec<_>>().join(" ");
    let errors = stderr.split("error[").skip(1).filter_map(|part| part.split_once(']'));
    let objections = errors.map(|(code, rest)| Objection {
        code: code.into(),
        object: String::new(),
        field: String::new(),
        text: format!("{rest} {stdout}"),
    });
    let mut answer = Answer { exit, objections: objections.collect(), volumes: Vec::new(), broken: None };
    if exit != 0 && answer.objections.is_empty() {
        answer.broken = Some(format!("exit {exit}: {stdout} {stderr}"));
    }
    if exit == 0 {
        let lost = site.lost_rows();
        let sees = site.rows_of_pod()?;
        let same = sees.as_ref().is_some_and(|now| site.first_rows().any(|first| first == now));
        if !lost.is_empty() || !same {
            answer.broken = Some(format!("finished with other data: {lost:?} changed, the pod sees {sees:?}"));
        }
    }
    Ok(answer)
}

/// Upgrades with helm alone, each in a namespace of its own, and waits for the harm.
///
/// # Errors
/// Where an installation does not do what is asked of it.
pub fn harms(
    rig: &Rig,
    cases: &[(Case, String)],
    at_once: usize,
    told: &(dyn Fn(&HarmSeen) + Sync),
) -> Result<Vec<HarmSeen>> {
    let one =
        |(case, helm): &(Case, String)| harm(rig, case, helm).with_context(|| format!("{}, helm {helm}", case.name));
    side_by_side::each(cases, at_once, &one, told)
}

fn harm(rig: &Rig, case: &Case, helm: &str) -> Result<HarmSeen> {
    let site = Site::install(rig, helm, &case.upgrade)?;
    let upgrade = site.upgrade(&case.upgrade)?;
    let before = Before::look(&site, &case.harm)?;
    let out = site.bare_helm(&upgrade)?;
    let failed = (!out.status.success())
        .then(|| String::from_utf8_lossy(&out.stderr).trim().replace(site.namespace(), "NAMESPACE"));
    let mut missing = Vec::new();
    let waited = site.wait("the harm", HARM, || {
        missing.clear();
        for harm in &case.harm {
            if !before.has_come(&site, harm, failed.as_deref())? {
                missing.push(harm.clone());
            }
        }
        // What helm said does not change any more.
        Ok(missing.iter().all(|harm| matches!(harm, Harm::HelmFails(_))))
    });
    drop(waited);
    let seen = case.harm.iter().filter(|harm| !missing.contains(harm)).cloned().collect();
    Ok(HarmSeen { name: case.name.clone(), helm: helm.into(), seen, missing, failed })
}
