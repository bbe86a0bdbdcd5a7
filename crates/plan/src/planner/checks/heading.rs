//! The heading of `helm get values` among the values that go on: a file that begins with it was given to helm once.

use portolan_helm_compat::values;
use portolan_model::{Code, Finding};

use super::{HopContext, Report};

pub(super) fn check(context: &HopContext<'_>, report: &mut Report) {
    let Some(key) = values::stored_heading(&context.input.after) else { return };
    let found = format!("the release's saved values hold the heading of helm get values as the key `{key}`");
    report.findings.push(Finding::warning(Code::ValuesHeading, found).at(key).next(
        "it does no harm to this upgrade; an upgrade with --reset-values and a file without this key takes it away",
    ));
}
