use std::collections::BTreeMap;

use portolan_model::{ChartId, ReleaseId, ValuesMode};
use semver::Version;
use serde::Deserialize;
use serde_json::Value;

use crate::{Platform, names};

/// A page as a script: its commands as written, for a simulated installation.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PageScript {
    /// The version of this format.
    pub format: u32,
    /// Which page of the product it is.
    pub page: String,
    /// The platform that it is written for.
    pub platform: Platform,
    /// The ways in which a person may read it.
    pub readings: Vec<PageReading>,
}

/// One way to read a page.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PageReading {
    /// Its name.
    pub name: String,
    /// What is read, for people.
    pub title: String,
    /// For which installations.
    pub from: From,
    /// The commands, in order.
    pub lines: Vec<PageLine>,
}

/// The installations that a reading is for.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct From {
    /// The installed chart.
    pub chart: String,
    /// Only below this version.
    #[serde(default)]
    pub below: Option<Version>,
    /// Only from this version on.
    #[serde(default)]
    pub since: Option<Version>,
}

/// A command of a page.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PageLine {
    /// The page's line.
    pub line: u32,
    /// The command.
    pub text: String,
    /// What it does.
    pub op: PageOp,
}

/// What a command of a page does.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum PageOp {
    /// Nothing in the cluster.
    Nothing,
    /// Patches the volume that a PVC is bound to; where it is bound to none, nothing.
    PatchVolumeOf {
        /// The PVC's name.
        claim: String,
        /// The patch.
        patch: Value,
    },
    /// Deletes objects, named as [`crate::object`] reads them.
    Delete(Vec<String>),
    /// Sets annotations of a PVC.
    Annotate {
        /// The PVC's name.
        claim: String,
        /// The annotations.
        annotations: BTreeMap<String, String>,
    },
    /// Runs `helm upgrade`.
    HelmUpgrade {
        /// What becomes of the old values.
        values: ValuesMode,
        /// What stands behind each `--set`.
        #[serde(default)]
        set: Vec<String>,
    },
}

impl PageScript {
    /// The readings for an installation.
    pub fn readings_for(&self, installed: &ChartId) -> impl Iterator<Item = &PageReading> {
        self.readings.iter().filter(|reading| reading.from.is(installed))
    }
}

impl From {
    /// Whether an installation is one of these.
    #[must_use]
    pub fn is(&self, installed: &ChartId) -> bool {
        self.chart == installed.name
            && self.below.as_ref().is_none_or(|below| installed.version < *below)
            && self.since.as_ref().is_none_or(|since| installed.version >= *since)
    }
}

impl PageReading {
    /// The commands for one installation: `{domain}`, `{release}` and `{namespace}` filled in.
    #[must_use]
    pub fn filled(&self, domain: &str, release: &ReleaseId) -> Vec<PageLine> {
        let fill = |text: &String| names::fill(text, release).replace("{domain}", domain);
        self.lines
            .iter()
            .map(|line| PageLine {
                line: line.line,
                text: fill(&line.text),
                op: match &line.op {
                    PageOp::Nothing => PageOp::Nothing,
                    PageOp::PatchVolumeOf { claim, patch } => {
                        PageOp::PatchVolumeOf { claim: fill(claim), patch: patch.clone() }
                    }
                    PageOp::Delete(objects) => PageOp::Delete(objects.iter().map(fill).collect()),
                    PageOp::Annotate { claim, annotations } => {
                        PageOp::Annotate { claim: fill(claim), annotations: annotations.clone() }
                    }
                    PageOp::HelmUpgrade { values, set } => {
                        PageOp::HelmUpgrade { values: *values, set: set.iter().map(fill).collect() }
                    }
                },
            })
            .collect()
    }
}
