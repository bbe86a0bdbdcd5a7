use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{ImageRef, Ref};

/// When helm runs a hook.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum HookEvent {
    /// Before the objects of an installation.
    PreInstall,
    /// After them.
    PostInstall,
    /// Before an uninstall deletes.
    PreDelete,
    /// After it.
    PostDelete,
    /// Before an upgrade writes its objects.
    PreUpgrade,
    /// After it wrote them.
    PostUpgrade,
    /// Before a rollback.
    PreRollback,
    /// After it.
    PostRollback,
    /// On `helm test`.
    Test,
}

impl HookEvent {
    /// Helm's words, the older `test-success` beside `test`.
    const WORDS: [(&'static str, Self); 10] = [
        ("pre-install", Self::PreInstall),
        ("post-install", Self::PostInstall),
        ("pre-delete", Self::PreDelete),
        ("post-delete", Self::PostDelete),
        ("pre-upgrade", Self::PreUpgrade),
        ("post-upgrade", Self::PostUpgrade),
        ("pre-rollback", Self::PreRollback),
        ("post-rollback", Self::PostRollback),
        ("test", Self::Test),
        ("test-success", Self::Test),
    ];

    /// Parses helm's word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::WORDS.iter().find(|(known, _)| known.eq_ignore_ascii_case(word)).map(|(_, event)| *event)
    }

    /// Helm's word.
    #[must_use]
    pub fn word(self) -> &'static str {
        Self::WORDS.iter().find(|(_, event)| *event == self).map_or("", |(word, _)| word)
    }
}

/// When helm deletes a hook's object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum HookDeletePolicy {
    /// Before the hook is created again.
    BeforeHookCreation,
    /// When it succeeded.
    HookSucceeded,
    /// When it failed.
    HookFailed,
}

impl HookDeletePolicy {
    /// Parses helm's word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        [Self::BeforeHookCreation, Self::HookSucceeded, Self::HookFailed].into_iter().find(|it| it.word() == word)
    }

    /// Helm's word.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::BeforeHookCreation => "before-hook-creation",
            Self::HookSucceeded => "hook-succeeded",
            Self::HookFailed => "hook-failed",
        }
    }
}

/// A hook of the new chart.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PlannedHook {
    /// Its object.
    pub object: Ref,
    /// When helm runs it.
    pub events: Vec<HookEvent>,
    /// Helm runs the hooks of an event by weight, lowest first.
    pub weight: i64,
    /// When helm deletes its object.
    pub delete: Vec<HookDeletePolicy>,
    /// The images of its containers.
    pub images: Vec<ImageRef>,
}

impl PlannedHook {
    /// Whether an upgrade runs it.
    #[must_use]
    pub fn runs_in_upgrade(&self) -> bool {
        self.events.iter().any(|event| matches!(event, HookEvent::PreUpgrade | HookEvent::PostUpgrade))
    }
}
