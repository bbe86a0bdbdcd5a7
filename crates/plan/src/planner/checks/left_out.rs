//! What the new chart says and helm's patch leaves out.

use helm_compat::upgrade;
use model::{ApplyMethod, Code, Finding};

use super::super::check_objects;
use super::super::reach::stored;
use super::{Report, Scene};

/// Server-side apply refuses lists with such items, which its dry run tells.
pub(super) fn check(scene: &Scene<'_>, report: &mut Report) {
    if check_objects::apply(scene.ground.inventory, &scene.run.client) == ApplyMethod::Server {
        return;
    }
    for doc in &scene.planned.docs {
        let Some(name) = doc.name() else { continue };
        let Some(live) = scene.live.get(&name) else { continue };
        for field in upgrade::left_out(stored(scene, &name), doc, live) {
            let found = format!("{name} does not get {field} of {}", scene.leg.pick.id);
            let finding = Finding::blocking(Code::LeftOut, found).about(&name).at(field);
            report.findings.push(finding.with("another item of the list has the same key"));
        }
    }
}
