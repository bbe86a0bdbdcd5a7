//! What was seen so far: both sides of all cases take long, so that they can be run apart.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::Result;
use serde::{Deserialize, Serialize};

use super::{Case, HarmSeen, Outcome, Trial};

/// What was seen of each trial and each harm, the newest time.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Results {
    /// What Portolan said.
    pub plans: Vec<Outcome>,
    /// What bare helm did.
    pub harms: Vec<HarmSeen>,
    /// The days of the answers, by side, name and helm.
    #[serde(default)]
    days: BTreeMap<String, String>,
}

/// The first and the last day of answers.
pub(super) type Days<'a> = Option<(&'a str, &'a str)>;

impl Results {
    /// Reads them; there are none where there is no such file.
    ///
    /// # Errors
    /// Where the file cannot be used.
    pub fn read(path: &Path) -> Result<Self> {
        if path.exists() { Ok(serde_json::from_slice(&fs_err::read(path)?)?) } else { Ok(Self::default()) }
    }

    /// Writes them.
    ///
    /// # Errors
    /// Where the file cannot be written.
    pub fn write(&self, path: &Path) -> Result<()> {
        Ok(fs_err::write(path, serde_json::to_vec_pretty(self)?)?)
    }

    /// Puts what Portolan said in the place of what it said before.
    pub fn put_plan(&mut self, newer: &Outcome, day: &str) {
        self.plans.retain(|old| old.key() != newer.key());
        self.days.insert(day_key(PORTOLAN, &newer.key()), day.to_owned());
        self.plans.push(newer.clone());
    }

    /// Puts what bare helm did in the place of what it did before.
    pub fn put_harm(&mut self, newer: &HarmSeen, day: &str) {
        self.harms.retain(|old| old.key() != newer.key());
        self.days.insert(day_key(HELM, &newer.key()), day.to_owned());
        self.harms.push(newer.clone());
    }

    /// When Portolan was asked, and when bare helm was tried.
    pub(super) fn days(&self) -> [Days<'_>; 2] {
        let day = |side: &str, key: (String, String)| self.days.get(&day_key(side, &key)).map_or("?", String::as_str);
        [
            between(self.plans.iter().map(|one| day(PORTOLAN, one.key()))),
            between(self.harms.iter().map(|one| day(HELM, one.key()))),
        ]
    }

    /// Whether a trial, as it is today, has been seen and was right.
    #[must_use]
    pub fn has(&self, trial: &Trial) -> bool {
        self.plans.iter().any(|seen| seen.trial == *trial && seen.complaint.is_none())
    }

    /// Whether all that bare helm does with a case has been seen.
    #[must_use]
    pub fn has_harm(&self, case: &Case, helm: &str) -> bool {
        self.harms.iter().any(|seen| seen.name == case.name && seen.helm == helm && seen.missing.is_empty())
    }

    /// Leaves what is no trial any more out, and says what is missing.
    pub fn complete(&mut self, trials: &[Trial], harms: &[(Case, String)]) -> Vec<String> {
        let mut wanted: BTreeSet<_> = trials.iter().map(|trial| (trial.name.clone(), trial.helm.clone())).collect();
        self.plans.retain(|one| wanted.remove(&one.key()));
        let mut harmed: BTreeSet<_> = harms.iter().map(|(case, helm)| (case.name.clone(), helm.clone())).collect();
        self.harms.retain(|one| harmed.remove(&one.key()));
        let portolan = wanted.into_iter().map(|(name, helm)| format!("{name}, helm {helm}, by Portolan"));
        portolan.chain(harmed.into_iter().map(|(name, helm)| format!("{name}, by helm {helm}"))).collect()
    }
}

fn between<'a>(days: impl Iterator<Item = &'a str> + Clone) -> Days<'a> {
    Some((days.clone().min()?, days.max()?))
}

const PORTOLAN: &str = "portolan";
const HELM: &str = "helm";

fn day_key(side: &str, (name, helm): &(String, String)) -> String {
    format!("{side}: {name}, helm {helm}")
}

impl Outcome {
    fn key(&self) -> (String, String) {
        (self.trial.name.clone(), self.trial.helm.clone())
    }
}

impl HarmSeen {
    fn key(&self) -> (String, String) {
        (self.name.clone(), self.helm.clone())
    }
}
