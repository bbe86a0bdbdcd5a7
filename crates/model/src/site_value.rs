//! A value that a site has set: who set it, and what becomes of it on the way to the new version.

use serde::Serialize;
use serde_json::Value;

use crate::{ValueChange, ValuesPath};

/// A user-supplied value.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SiteValue {
    /// Its path.
    pub path: ValuesPath,
    /// What it is today; a stand-in where it is a credential and credentials are hidden.
    pub today: Value,
    /// What the installed chart has by default; `None` where it has nothing, or is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default: Option<Value>,
    /// Who set it.
    pub set_by: SetBy,
    /// What each hop makes of it, in order, for as long as it goes on. Empty without a plan.
    pub changes: Vec<ValueChange>,
    /// What a recipe knows of it where a person is asked, in one clause; empty for nothing.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub hint: String,
}

/// Who set a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum SetBy {
    /// The vendor's installer writes this very value for every site of the platform.
    Installer,
    /// It is what the installed chart has by default, whoever wrote it among the values.
    Default,
    /// Somebody at the site.
    Site,
}

/// A default that the upgrade changes and that nobody has set: what the installed chart has under one path, the new one under another.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ChangedDefault {
    /// The path today.
    pub path: ValuesPath,
    /// The installed chart's default.
    pub today: Value,
    /// The path then.
    pub to: ValuesPath,
    /// The new chart's default; null where it has none.
    pub then: Value,
}

impl SiteValue {
    /// Where the value is at the end; `None` where it ends on the way.
    #[must_use]
    pub fn end(&self) -> Option<ValuesPath> {
        self.changes.iter().try_fold(self.path.clone(), |path, change| change.path_after(&path))
    }

    /// The change that a person wants to see: the first that is one, else that it goes on.
    #[must_use]
    pub fn change(&self) -> Option<&ValueChange> {
        self.changes.iter().find(|change| **change != ValueChange::Carried).or(self.changes.first())
    }
}

impl ValueChange {
    /// The path after a hop, for a value that goes on.
    #[must_use]
    pub fn path_after(&self, path: &ValuesPath) -> Option<ValuesPath> {
        match self {
            Self::Carried | Self::WithoutEffect | Self::RendersAs(_) => Some(path.clone()),
            Self::Moved(to) | Self::MovedWithoutEffect(to) => Some(to.path.clone()),
            Self::Replaced(_) | Self::Obsolete(_) | Self::LeftOut | Self::Dropped => None,
        }
    }
}
