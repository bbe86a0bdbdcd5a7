//! Programs of a container that are files of ConfigMaps or Secrets, and which the new pod may not execute.

use portolan_kube_facts::{Container, PodTemplate};
use portolan_model::{Code, Finding, Object};
use serde_json::Value;

use super::uses::Workloads;
use super::{HopContext, Report};

/// Where a container is told what it runs at its start: without it the container does not go on.
const COMMANDS: [&str; 2] = ["/command", "/lifecycle/postStart/exec/command"];

pub(super) fn check(context: &HopContext<'_>, workloads: &Workloads, report: &mut Report) {
    for (name, after) in workloads.all_after() {
        let Some(template) = PodTemplate::of(after) else { continue };
        for container in template.containers() {
            let refused = COMMANDS.iter().find_map(|at| refused(template, container, at));
            let Some((path, mode, field)) = refused else { continue };
            let was = workloads.before(name).and_then(|before| same(before, container));
            let is_as_today =
                was.is_some_and(|(old, its)| COMMANDS.iter().any(|at| refused_path(old, its, at) == Some(path)));
            if !is_as_today {
                let found = format!(
                    "container {} of {name} in {} runs {path}, which nobody may execute",
                    container.name, context.input.pick.id
                );
                report.findings.push(
                    Finding::blocking(Code::NotExecutable, found)
                        .about(name)
                        .at(format!("{}{field}", template.pointer))
                        .with(format!("its mode is {mode:04o}")),
                );
            }
        }
    }
}

fn same<'a>(before: &'a Object, container: Container<'_>) -> Option<(PodTemplate<'a>, Container<'a>)> {
    let template = PodTemplate::of(before)?;
    let its = template.containers().find(|old| old.kind == container.kind && old.name == container.name)?;
    Some((template, its))
}

/// The file that a container runs and may not execute, its mode and the field that sets it.
fn refused<'a>(template: PodTemplate<'a>, container: Container<'a>, at: &str) -> Option<(&'a str, u64, String)> {
    let path = container.json.pointer(at)?.get(0).and_then(Value::as_str)?;
    let file = template.mode_in(container, path)?;
    (file.mode & 0o111 == 0).then_some((path, file.mode, file.field))
}

fn refused_path<'a>(template: PodTemplate<'a>, container: Container<'a>, at: &str) -> Option<&'a str> {
    refused(template, container, at).map(|(path, ..)| path)
}
