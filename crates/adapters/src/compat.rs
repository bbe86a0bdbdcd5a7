//! The few places where Helm's own formats are needed: kept apart so that everything else here deals in
//! objects, paths and words.

use std::collections::BTreeMap;
use std::path::Path;

use portolan_helm_compat::record::{self, ReleaseRecord};
use portolan_inventory::credential::told;
use portolan_model::{
    ChartId, Code, Finding, HelmOperation, JsonPointer, Object, Ref, Release, ReleaseFact, ReleaseId, ReleaseStatus,
    RenderJob,
};

pub(crate) use portolan_helm_compat::precheck::{KnownObjects, PlannedWrites};

use crate::helm::Launch;

pub(crate) use portolan_helm_compat::values::{file as values_file, set};

/// The records of a release out of its Secrets, oldest first.
pub(crate) fn releases(
    secrets: &[Object],
    id: &ReleaseId,
    free: &BTreeMap<Ref, Vec<JsonPointer>>,
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
        // Helm repeats there what the API server said.
        facts.push(ReleaseFact { description: told(&fact.description), ..fact });
    }
    facts.sort_by_key(|fact| fact.revision);
    Ok(facts)
}

/// The documents of the newest record's manifest.
pub(crate) fn newest_docs(secrets: &[Object], id: &ReleaseId) -> Result<Vec<Object>, String> {
    let records = secrets.iter().filter(|secret| record::is_record(secret, Some(&id.name)));
    let records = records.map(|secret| record::decode(secret, &id.namespace).map_err(|error| error.to_string()));
    let newest = records.collect::<Result<Vec<_>, _>>()?.into_iter().max_by_key(|record| record.revision);
    newest.map_or_else(|| Ok(Vec::new()), |record| record.docs().map_err(|error| error.to_string()))
}

/// The arguments of a run of helm.
pub(crate) fn argv(launch: &Launch<'_>, values: &Path) -> Vec<String> {
    let Launch { op, run, token, context, given, .. } = launch;
    let chart = given.map(|given| given.chart.to_string_lossy()).unwrap_or_default();
    let values = values.to_string_lossy();
    match op {
        HelmOperation::Install => portolan_helm_compat::install_argv(run, token, context, &chart, &values),
        HelmOperation::Upgrade => portolan_helm_compat::upgrade_argv(run, token, context, &chart, &values),
        HelmOperation::Uninstall { keep_history } => portolan_helm_compat::uninstall_argv(run, *keep_history, context),
    }
}

/// The arguments of a rendering as the upgrade will be.
pub(crate) fn dry_run_argv(job: &RenderJob, chart: &Path, values: &Path) -> Vec<String> {
    portolan_helm_compat::dry_run_argv(&job.release, job.mode, &chart.to_string_lossy(), &values.to_string_lossy())
}

/// The charts of these names in a repository's index.
pub(crate) fn index(text: &str, names: &[String]) -> Result<Vec<portolan_helm_compat::index::Listed>, String> {
    portolan_helm_compat::index::read(text, names)
}

/// Name and version of an archive.
pub(crate) fn chart_id(archive: &[u8]) -> Result<ChartId, String> {
    portolan_helm_compat::chart::read(archive).map(|chart| chart.id()).map_err(|error| error.to_string())
}

/// A chart's version, as helm reads it.
pub(crate) fn chart_version(text: &str) -> Option<semver::Version> {
    portolan_helm_compat::chart::version(text)
}

/// A file of helm's.
pub(crate) fn yaml(text: &str) -> Result<serde_json::Value, String> {
    portolan_helm_compat::values::parse(text, "it").map_err(|error| error.to_string())
}

/// The record from which a simulated installation's helm renders: that of the revision before, with the stored manifest.
pub(crate) fn record_before(release: &Release, job: &RenderJob) -> Object {
    record::encode(&ReleaseRecord {
        revision: job.revision.saturating_sub(1),
        status: ReleaseStatus::Deployed,
        name: job.release.name.clone(),
        namespace: job.release.namespace.clone(),
        chart: release.chart.clone(),
        app_version: String::new(),
        labels: BTreeMap::new(),
        description: String::new(),
        last_deployed: release.deployed.clone(),
        config: job.values.clone(),
        defaults: serde_json::Value::Null,
        manifest: release.docs.iter().map(|doc| format!("---\n{}\n", doc.0)).collect(),
        hooks: Vec::new(),
        apply: release.apply,
    })
}
