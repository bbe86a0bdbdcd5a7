use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Code, Ref};

/// How much a finding weighs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// Worth knowing.
    Note,
    /// Somebody should look at it.
    Warning,
    /// Nothing goes on until it is settled.
    Blocking,
}

/// What a finding is about.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub struct FindingSubject {
    /// The object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub object: Option<Ref>,
    /// The field: a JSON pointer such as `/spec/template/spec/volumes/0` in the object, or a dotted path of a value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
}

/// The answer of a check: what was found, why it matters, what to do next.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub struct Finding {
    /// The stable code.
    pub code: Code,
    /// How much it weighs.
    pub severity: Severity,
    /// What was found, in one sentence.
    pub found: String,
    /// What it is about, for programs; `found` says it for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<Box<FindingSubject>>,
    /// Details, a line each.
    pub evidence: Vec<String>,
    /// Why it matters.
    pub why: String,
    /// What to do next.
    pub next: String,
}

impl Finding {
    /// A blocking finding; the why is the code's own unless replaced.
    #[must_use]
    pub fn blocking(code: Code, found: impl Into<String>) -> Self {
        Self::new(code, Severity::Blocking, found)
    }

    /// A warning.
    #[must_use]
    pub fn warning(code: Code, found: impl Into<String>) -> Self {
        Self::new(code, Severity::Warning, found)
    }

    /// A note.
    #[must_use]
    pub fn note(code: Code, found: impl Into<String>) -> Self {
        Self::new(code, Severity::Note, found)
    }

    fn new(code: Code, severity: Severity, found: impl Into<String>) -> Self {
        Self {
            code,
            severity,
            found: found.into(),
            subject: None,
            evidence: Vec::new(),
            why: code.why().into(),
            next: code.next().into(),
        }
    }

    /// Names the object that it is about.
    #[must_use]
    pub fn about(mut self, object: &Ref) -> Self {
        self.subject.get_or_insert_default().object = Some(object.clone());
        self
    }

    /// Names the field that it is about.
    #[must_use]
    pub fn at(mut self, field: impl Into<String>) -> Self {
        self.subject.get_or_insert_default().field = Some(field.into());
        self
    }

    /// The object that it is about.
    #[must_use]
    pub fn object(&self) -> Option<&Ref> {
        self.subject.as_ref()?.object.as_ref()
    }

    /// The field that it is about.
    #[must_use]
    pub fn field(&self) -> Option<&str> {
        self.subject.as_ref()?.field.as_deref()
    }

    /// Adds a line of evidence.
    #[must_use]
    pub fn with(mut self, evidence: impl Into<String>) -> Self {
        self.evidence.push(evidence.into());
        self
    }

    /// Replaces what to do next.
    #[must_use]
    pub fn next(mut self, next: impl Into<String>) -> Self {
        self.next = next.into();
        self
    }

    /// Replaces why it matters.
    #[must_use]
    pub fn why(mut self, why: impl Into<String>) -> Self {
        self.why = why.into();
        self
    }
}

impl std::fmt::Display for Finding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "[{}] {}", self.code, self.found)
    }
}

/// A number with its noun, as messages have it: `1 image`, `3 images`.
#[must_use]
pub fn counted(number: usize, noun: &str) -> String {
    if number == 1 { format!("1 {noun}") } else { format!("{number} {noun}s") }
}
