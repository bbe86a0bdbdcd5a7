//! Programs whose account may delete or change storage, today and after the hop, and that are told something else: an operator, a
//! clean-up job. What they do with their rights is in their scripts, settings, files and images.

use std::collections::BTreeSet;

use portolan_kube_facts::{PodTemplate, list};
use portolan_model::{Code, Finding, Object, Ref, Volume};
use portolan_recipe::{DataWords, is_off};
use serde_json::Value;

use super::rights::Power;
use super::scripts::{FindText, files};
use super::servers::reference;
use super::uses::{Use, Workloads};
use super::{HopContext, Report};

/// Reads programs before and after the hop.
pub(super) struct Programs<'a> {
    today: FindText<'a>,
    after: FindText<'a>,
}

/// What the containers of a workload run.
#[derive(PartialEq, Eq)]
struct Told {
    images: BTreeSet<String>,
    /// Scripts, arguments, variables and files. Some may come out of a Secret, and none is shown.
    texts: BTreeSet<String>,
    /// The words for throwing something away in them.
    words: BTreeSet<&'static str>,
}

impl<'a> Programs<'a> {
    pub(super) fn of(context: &'a HopContext<'_>, workloads: &'a Workloads) -> Self {
        Self { today: FindText::today(context, workloads), after: FindText::after(context, workloads) }
    }

    /// Compares a workload that has a right over a volume with what it was.
    pub(super) fn compare(
        &self,
        volume: &Volume,
        (name, before, after): (&Ref, &Object, &Object),
        power: &Power,
        report: &mut Report,
    ) {
        let (Some(was), Some(will)) = (told(name, before, &self.today), told(name, after, &self.after)) else { return };
        if was == will {
            return;
        }
        let field =
            PodTemplate::of(after).map_or_else(String::new, |template| format!("{}/containers", template.pointer));
        let new: Vec<&str> = will.words.difference(&was.words).copied().collect();
        if new.is_empty() {
            let what = if was.texts == will.texts { "another image" } else { "another script, setting or file" };
            let finding = Finding::warning(Code::NotModelled, format!("{name} gets {what}, and {}", power.reason));
            let finding = finding.why("what it does with that right is in its program, which Portolan does not model");
            report.findings.push(finding.about(name).at(field).next("read what changes in it"));
            return;
        }
        let reason =
            format!("its program is told to {} something, as it is not today, and {}", new.join(", "), power.reason);
        report.unknown(
            volume,
            name,
            &field,
            (reason, "read what it does; give the chart the script and settings of today"),
        );
    }
}

fn told(name: &Ref, object: &Object, find: &FindText<'_>) -> Option<Told> {
    let known = DataWords::builtin();
    let mut all = Told { images: BTreeSet::new(), texts: BTreeSet::new(), words: BTreeSet::new() };
    let template = PodTemplate::of(object)?;
    for container in template.containers() {
        let user = Use { name, template, container, mounts: Vec::new() };
        all.images.insert(reference(container).to_owned());
        let own = ["command", "args"].into_iter().flat_map(|key| list(container.json, key)).filter_map(Value::as_str);
        let plain = own.map(str::to_owned).chain(files(&user, find).into_iter().map(|file| file.text));
        for text in plain {
            all.words.extend(known.clearing(&text));
            all.texts.insert(text);
        }
        for (variable, text) in find.variables(&user) {
            if !is_off(&text) {
                all.words.extend(known.clearing(&variable).chain(known.clearing(&text)));
            }
            all.texts.insert(format!("{variable}={text}"));
        }
    }
    Some(all)
}
