//! What bare helm does to an installation, seen on the cluster.

use std::collections::BTreeMap;

use anyhow::Result;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::site::CaseFixture;

/// Something that an upgrade with helm alone does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Harm {
    /// helm fails and says this.
    HelmFails(String),
    /// The object is gone, or is another one of the same name.
    Gone(String),
    /// The object is being deleted.
    Terminating(String),
    /// A volume of the installation is gone.
    VolumeGone,
    /// The pod runs and sees other rows than those of before.
    OtherRows,
    /// The file with the rows is gone from its volume, or holds something else.
    RowsGone,
    /// The pod does not become ready, and its status or its events say this.
    NotReady(String),
    /// A field of an object has this text in it.
    Shows(Shown),
    /// A field of an object has another value than before.
    Changed(Place),
    /// The upgrade works: the harm was in what Portolan did or said.
    Nothing,
}

/// A field of an object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Place {
    /// The object, as `Kind/name`.
    pub object: String,
    /// A JSON pointer.
    pub field: String,
}

/// What a field shows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Shown {
    /// The object, as `Kind/name`.
    pub object: String,
    /// A JSON pointer.
    pub field: String,
    /// A part of its text.
    pub text: String,
}

impl std::fmt::Display for Harm {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::HelmFails(text) => write!(f, "helm fails: {text}"),
            Self::Gone(object) => write!(f, "{} is deleted", object.replace("$NS", "NAMESPACE")),
            Self::Terminating(object) => write!(f, "{object} is being deleted"),
            Self::VolumeGone => f.write_str("the volume is deleted"),
            Self::RowsGone => f.write_str("the data on the volume is deleted"),
            Self::OtherRows => f.write_str("the pod runs on other, empty data"),
            Self::NotReady(text) => write!(f, "the pod does not become ready: {text}"),
            Self::Shows(Shown { object, field, text }) => write!(f, "{object} {field} is {text}"),
            Self::Changed(Place { object, field }) => write!(f, "{object} {field} is another value"),
            Self::Nothing => f.write_str("nothing: helm alone upgrades"),
        }
    }
}

/// What is to be compared later.
pub(super) struct Before {
    volumes: Vec<String>,
    uids: BTreeMap<String, Option<String>>,
    values: BTreeMap<(String, String), Option<Value>>,
}

impl Before {
    /// Looks at what the harms are about.
    pub(super) fn look(site: &CaseFixture<'_>, harms: &[Harm]) -> Result<Self> {
        let mut before = Self { volumes: volumes(site)?, uids: BTreeMap::new(), values: BTreeMap::new() };
        for harm in harms {
            match harm {
                Harm::Gone(object) => drop(before.uids.insert(object.clone(), uid(site, object)?)),
                Harm::Changed(Place { object, field }) => {
                    let value = value(site, object, field)?;
                    before.values.insert((object.clone(), field.clone()), value);
                }
                _ => {}
            }
        }
        Ok(before)
    }

    /// Whether a harm has come; `failed` is what a helm that failed said.
    pub(super) fn has_come(&self, site: &CaseFixture<'_>, harm: &Harm, failed: Option<&str>) -> Result<bool> {
        Ok(match harm {
            Harm::HelmFails(text) => failed.is_some_and(|said| said.contains(text)),
            Harm::Gone(object) => {
                let was = self.uids.get(object).cloned().flatten();
                was.is_some() && uid(site, object)? != was
            }
            Harm::Terminating(object) => {
                site.get(object)?.is_some_and(|object| object["metadata"]["deletionTimestamp"].is_string())
            }
            Harm::VolumeGone => {
                let now = volumes(site)?;
                self.volumes.iter().any(|uid| !now.contains(uid))
            }
            Harm::OtherRows => site.rows_of_pod()?.is_some_and(|now| !site.first_rows().any(|first| first == now)),
            Harm::RowsGone => !site.lost_rows().is_empty(),
            Harm::NotReady(text) => {
                !site.is_ready()?
                    && site
                        .live()
                        .list(&["pod", "event", "statefulset", "job"])?
                        .iter()
                        .any(|item| item.to_string().contains(text))
            }
            Harm::Shows(Shown { object, field, text }) => {
                value(site, object, field)?.is_some_and(|value| value.to_string().contains(text))
            }
            Harm::Changed(Place { object, field }) => {
                let now = value(site, object, field)?;
                self.values.get(&(object.clone(), field.clone())).is_some_and(|before| *before != now)
            }
            Harm::Nothing => failed.is_none() && site.is_ready()? && site.lost_rows().is_empty(),
        })
    }
}

fn uid(site: &CaseFixture<'_>, object: &str) -> Result<Option<String>> {
    Ok(site.get(object)?.and_then(|object| object["metadata"]["uid"].as_str().map(str::to_owned)))
}

fn value(site: &CaseFixture<'_>, object: &str, field: &str) -> Result<Option<Value>> {
    Ok(site.get(object)?.and_then(|object| object.pointer(field).cloned()))
}

/// The UIDs of the site's volumes.
fn volumes(site: &CaseFixture<'_>) -> Result<Vec<String>> {
    let all = site.live().volumes()?;
    Ok(all.iter().filter_map(|volume| volume["metadata"]["uid"].as_str().map(str::to_owned)).collect())
}
