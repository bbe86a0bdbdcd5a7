use std::time::Instant;

use portolan_model::{Code, Exit, Finding, Ref, ReleaseId};
use portolan_recipe::{PageLine, PageReading};
use portolan_rehearse::{Options, Rehearsal, Subject, World};
use portolan_workflow::Rehearse;
use serde_json::json;

use crate::args::{Global, PageArgs, UpgradeOptions};
use crate::options;
use crate::output::Output;
use crate::prepare;

/// Carries out the page as written, in every order of events, on a simulated installation.
pub(crate) async fn run(global: &Global, _args: &PageArgs, output: &Output) -> Result<Exit, Finding> {
    if global.sim.is_none() {
        return Err(Finding::blocking(
            Code::NotForReal,
            "the page's commands are carried out on simulated installations",
        ));
    }
    let target = options::open(global).await?;
    if let Some(words) = options::simulated(&target) {
        output.say(&words);
    }
    // The page gives the chart no password and names no version; ours is the newest chart that there is.
    let options = UpgradeOptions {
        to: Some("2.20".into()),
        without: vec!["carry-credentials".into()],
        ..UpgradeOptions::default()
    };
    let prepared = prepare::plan(global, &target, &options, Rehearse::No, output).await?;
    let inventory = &prepared.survey.inventory;
    let page = prepared.book.page.as_ref().filter(|page| page.platform.is_of(&inventory.cluster.platform));
    let page = page.ok_or_else(|| {
        Finding::blocking(Code::BadOption, "no recipe has a page with commands for this platform")
            .why("the commands are those of the page for OpenShift; on plain Kubernetes another page has others")
            .next("portolan page --sim openshift-2.8, or portolan plan --sim, which knows both platforms")
    })?;
    let installed = &inventory.release.chart;
    let readings = page.readings_for(installed);
    let Some(run) = prepared.file.plan.helm_runs().next() else {
        output.value(&json!([]))?;
        output.say(&format!("Nothing to do: {installed} is installed."));
        return Ok(Exit::Done);
    };
    let mut world = target.world(&prepared.survey, &[]);
    world.learn_plan(&prepared.file);
    let databases = portolan_workflow::databases(&prepared.survey, &prepared.book)?;
    let mut told = Vec::new();
    for reading in readings {
        let begin = Instant::now();
        let lines = lines(reading, &world, &inventory.release.id);
        let script = portolan_rehearse::page_script(&lines, &world, run).ok_or_else(|| {
            Finding::blocking(Code::NotRecorded, "the manifest of the installed release is not known")
        })?;
        let volumes = &prepared.file.plan.volumes;
        let opens = portolan_rehearse::databases_at_end(&world, &script, volumes, &databases);
        let forecast = portolan_rehearse::rehearse(&world, &Subject::Script(script), volumes, Options::orders());
        let lines: Vec<(u32, String)> = lines.into_iter().map(|line| (line.line, line.text)).collect();
        let rehearsal = Rehearsal { forecast, took: begin.elapsed() };
        let page = portolan_report::page_script(&reading.name, &lines, &rehearsal, &opens);
        if !told.is_empty() {
            output.gap()?;
        }
        output.page(&page)?;
        told.push(json!({
            "reading": reading.name, "lines": lines, "forecast": portolan_report::json::forecast(&rehearsal.forecast),
            "databases": portolan_report::json::databases(&opens),
        }));
    }
    output.value(&told)?;
    Ok(Exit::Done)
}

/// A reading's commands for this installation.
fn lines(reading: &PageReading, world: &World, release: &ReleaseId) -> Vec<PageLine> {
    let domain = world
        .get(&Ref::new("route.openshift.io", "Route", &release.namespace, &release.name))
        .map_or("", |route| route.text("/spec/host"));
    reading.filled(domain, release)
}
