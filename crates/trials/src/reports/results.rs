//! What was seen so far: both sides of all cases take long, so that they can be run apart.

use std::collections::BTreeSet;
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
}

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

    /// Puts newer ones in the place of older ones.
    pub fn update(&mut self, mut newer: Self) {
        let plans: BTreeSet<_> = newer.plans.iter().map(Outcome::key).collect();
        let harms: BTreeSet<_> = newer.harms.iter().map(HarmSeen::key).collect();
        self.plans.retain(|old| !plans.contains(&old.key()));
        self.harms.retain(|old| !harms.contains(&old.key()));
        self.plans.append(&mut newer.plans);
        self.harms.append(&mut newer.harms);
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
