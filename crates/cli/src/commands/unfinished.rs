//! A run of the same release that has written and is not over.

use adapters::store::RunStore;
use model::{Finding, Outcome, Record};

use crate::args::{Global, Target};
use crate::commands::runs;
use crate::output::Output;
use crate::prepare::{self, Prepared};
use crate::site::{self, Site};

/// Makes a plan. Where that is refused, an earlier run may be why: its steps delete what a plan needs, and going on with it is
/// what helps.
pub(crate) async fn plan(
    global: &Global,
    site: &mut Site,
    target: &Target,
    output: &Output,
) -> Result<Prepared, Finding> {
    match prepare::plan(global, site, target, output).await {
        Ok(prepared) => Ok(prepared),
        Err(finding) => Err(match of_release(global, site).await {
            Some(run) => finding
                .with(format!("run {run} of this release has written and is not finished"))
                .next(format!("go on with that run: portolan apply {run}")),
            None => finding,
        }),
    }
}

/// The newest run of the release that is asked for, if it has written and is not over.
async fn of_release(global: &Global, site: &Site) -> Option<String> {
    let book = site::book(global).ok()?;
    let release = site::release(global, site, &book);
    let newest = runs::of_release(global, &site.cluster().await?, &release).into_iter().next()?;
    let entries = RunStore::open(&newest.folder).ok()?.entries().ok()?;
    let wrote = entries.iter().any(|entry| matches!(entry.record, Record::Intent { .. }));
    let finished = entries.iter().any(|entry| matches!(entry.record, Record::Ended { outcome: Outcome::Finished }));
    (wrote && !finished).then(|| newest.meta.plan.short().to_owned())
}
