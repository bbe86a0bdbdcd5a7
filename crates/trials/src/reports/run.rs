//! Running the cases.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use portolan_testkit::rig::Rig;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::answer::Answer;
use super::harm::Before;
use super::site::CaseFixture;
use super::{Case, Expect, Harm, Row};
use crate::program::Program;
use crate::side_by_side;

/// One upgrade that Portolan is asked about.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
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
pub enum TrialState {
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
    pub fn state(&self, pending: &BTreeMap<String, String>) -> TrialState {
        match (&self.complaint, pending.contains_key(&self.trial.name)) {
            (Some(_), _) if self.is_broken => TrialState::Wrong,
            (None, false) => TrialState::Right,
            (None, true) => TrialState::NoLongerPending,
            (Some(_), true) => TrialState::Pending,
            (Some(_), false) => TrialState::Wrong,
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
            (None, None) => vec![portolan_testkit::rig::pins::HELM[1].to_owned()],
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
        let site = match CaseFixture::install(rig, &first.helm, &first.upgrade) {
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

fn ask(site: &CaseFixture<'_>, program: &Program, at: usize, trial: &Trial) -> Result<Outcome> {
    let upgrade = site.upgrade(&trial.upgrade)?;
    let name = format!("charts-{at}");
    let answer = if trial.apply {
        Answer::applied(site, &site.portolan(program, &name, &upgrade, &["upgrade", "--yes"])?)?
    } else {
        let plan = format!("plan-{at}.json");
        let out = site.portolan(program, &name, &upgrade, &["plan", "-o", "json", "--out", &plan])?;
        Answer::planned(site, program, &out, &plan)?
    };
    let complaint = match &trial.expect {
        Some(expect) => {
            let fill = |text: &str| site.filled_text(text);
            let (object, field) = (fill(&expect.object)?, fill(&expect.field)?);
            answer.says(&Expect { object, field, ..expect.clone() }, site.namespace())
        }
        None => answer.is_safe(&upgrade, trial.apply),
    };
    Ok(Outcome { trial: trial.clone(), said: answer.line(site.namespace()), complaint, is_broken: false })
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
    let one = |(case, helm): &(Case, String)| {
        Ok(harm(rig, case, helm).unwrap_or_else(|error| HarmSeen {
            name: case.name.clone(),
            helm: helm.clone(),
            seen: Vec::new(),
            missing: case.harm.clone(),
            failed: Some(format!("cannot be tried: {error:#}")),
        }))
    };
    side_by_side::each(cases, at_once, &one, told)
}

fn harm(rig: &Rig, case: &Case, helm: &str) -> Result<HarmSeen> {
    let site = CaseFixture::install(rig, helm, &case.upgrade)?;
    let upgrade = site.upgrade(&case.upgrade)?;
    let before = Before::look(&site, &case.harm)?;
    let out = site.bare_helm(&upgrade)?;
    let failed = (!out.status.success())
        .then(|| String::from_utf8_lossy(&out.stderr).trim().replace(site.namespace(), "NAMESPACE"));
    let mut missing = Vec::new();
    let waited = site.wait("the harm", || {
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
