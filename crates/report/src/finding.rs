//! A refusal, a warning, a note.

use portolan_model::{Finding, Severity};

use crate::page::{Block, Document};
use crate::text::Tone;

/// One finding: what was found, the evidence, why it matters, what to do next.
#[must_use]
pub fn finding(finding: &Finding) -> Document {
    findings(std::slice::from_ref(finding))
}

/// Findings, the heaviest first.
#[must_use]
pub fn findings(findings: &[Finding]) -> Document {
    let mut sorted: Vec<&Finding> = findings.iter().collect();
    // The planner's own order counts among equals.
    sorted.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    Document { blocks: sorted.into_iter().map(|finding| Block::Finding(Box::new(finding.clone()))).collect() }
}

pub(crate) fn label(severity: Severity) -> &'static str {
    match severity {
        Severity::Blocking => "error",
        Severity::Warning => "warning",
        Severity::Note => "note",
    }
}

pub(crate) fn tone_of(severity: Severity) -> Tone {
    match severity {
        Severity::Blocking => Tone::Bad,
        Severity::Warning => Tone::Warn,
        Severity::Note => Tone::Strong,
    }
}

/// A command is to be typed; a sentence is not.
pub(crate) fn tone_of_next(next: &str) -> Tone {
    let typed = ["portolan ", "kubectl ", "helm ", "oc "].iter().any(|start| next.starts_with(start));
    if typed { Tone::Command } else { Tone::Plain }
}
