//! The few places where Helm's own formats are needed: kept apart so that everything else here deals in
//! objects, paths and words.

use std::collections::BTreeMap;
use std::path::Path;

use helm_compat::record;
use model::{Code, Finding, Object, Ref, ReleaseFact, ReleaseId};

use crate::helm::{Launch, RenderJob};

pub(crate) use helm_compat::values::set;

/// The records of a release out of its Secrets, oldest first.
pub(crate) fn releases(
    secrets: &[Object],
    id: &ReleaseId,
    free: &BTreeMap<Ref, Vec<String>>,
) -> Result<Vec<ReleaseFact>, Finding> {
    let mut facts = Vec::with_capacity(secrets.len());
    for secret in secrets {
        // Anybody may put helm's labels on a Secret; only the type makes it a record.
        if !record::is_record(secret, Some(&id.name)) {
            continue;
        }
        let fact = record::decode(secret, &id.namespace).and_then(|record| record.fact(free)).map_err(|error| {
            let name = secret.text("/metadata/name");
            Finding::blocking(Code::NotDeployed, format!("the record {name} is damaged"))
                .with(error.to_string())
                .why("helm passes over such a record without a word, and takes an older one for the newest")
        })?;
        facts.push(fact);
    }
    facts.sort_by_key(|fact| fact.revision);
    Ok(facts)
}

/// The arguments of an upgrade.
pub(crate) fn upgrade_argv(launch: &Launch<'_>, values: &Path) -> Vec<String> {
    helm_compat::upgrade_argv(
        launch.run,
        launch.token,
        launch.context,
        &launch.chart.to_string_lossy(),
        &values.to_string_lossy(),
    )
}

/// The arguments of a rendering.
pub(crate) fn template_argv(job: &RenderJob, chart: &Path, values: &Path) -> Vec<String> {
    let release = ReleaseId { namespace: job.namespace.clone(), name: job.release.clone() };
    helm_compat::template_argv(
        &release,
        &chart.to_string_lossy(),
        &values.to_string_lossy(),
        &job.kube_version,
        &job.api_versions,
    )
}
