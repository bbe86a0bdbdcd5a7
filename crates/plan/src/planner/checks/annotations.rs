//! Annotations and labels of pods with data. Webhooks read them and put files, variables, volumes and containers into the pods: the agent
//! of Vault renders a configuration file of a template that stands in one. Which say nothing of that is in `recipes/annotations.yaml`.

use std::collections::BTreeSet;

use portolan_kube_facts::PodTemplate;
use portolan_model::{Ref, pointer_part};
use portolan_recipe::PodAnnotations;
use serde_json::{Map, Value};

use super::Report;
use super::uses::Workloads;

const WAY_OUT: &str = "see who reads it, and what that does to the pod; give the chart the annotation of today";

pub(super) fn check(workloads: &Workloads, report: &mut Report) {
    for volume in workloads.volumes() {
        let mut seen: BTreeSet<&Ref> = BTreeSet::new();
        for pair in &workloads.pairs(volume).0 {
            let (was, will) = (pair.before.template, pair.after.template);
            if !seen.insert(pair.after.name) {
                continue;
            }
            for (part, what) in [("annotations", "annotation"), ("labels", "label")] {
                for key in changed(was, will, part) {
                    let template = will.pointer.strip_suffix("/spec").unwrap_or_default();
                    let field = format!("{template}/metadata/{part}/{}", pointer_part(&key));
                    let reason = format!(
                        "its {what} {key} changes, and whoever reads it may give the pod other files, variables or containers"
                    );
                    report.unknown(volume, pair.after.name, &field, (reason, WAY_OUT));
                }
            }
        }
    }
}

/// The keys whose text is another one, and that are not known to be harmless.
fn changed(was: PodTemplate<'_>, will: PodTemplate<'_>, part: &str) -> BTreeSet<String> {
    let none = Map::new();
    let [was, will] = [was, will].map(|template| {
        template.metadata.and_then(|metadata| metadata.get(part)).and_then(Value::as_object).unwrap_or(&none)
    });
    let keys = was.keys().chain(will.keys());
    let differs = |key: &&String| was.get(*key) != will.get(*key) && !PodAnnotations::builtin().is_harmless(key);
    keys.filter(differs).cloned().collect()
}
