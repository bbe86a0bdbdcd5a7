//! What the new chart says and helm's patch leaves out.

use portolan_helm_compat::upgrade;
use portolan_model::{ApplyMethod, Code, Finding};

use super::super::check_objects;
use super::super::reach::stored;
use super::{HopContext, Report};

/// Server-side apply refuses lists with such items, which its dry run tells.
pub(super) fn check(context: &HopContext<'_>, report: &mut Report) {
    if check_objects::apply(context.resolved.inventory, &context.run.client) == ApplyMethod::Server {
        return;
    }
    for doc in &context.planned.docs {
        let Some(name) = doc.name() else { continue };
        let Some(live) = context.live.get(&name) else { continue };
        for field in upgrade::left_out(stored(context, &name), doc, live) {
            let found = format!("{name} does not get {field} of {}", context.input.pick.id);
            let finding = Finding::blocking(Code::LeftOut, found).about(&name).at(field);
            report.findings.push(finding.with("another item of the list has the same key"));
        }
    }
}
