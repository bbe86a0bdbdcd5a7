use std::time::Instant;

use model::{Code, Exit, Finding, HelmRun, Ref, ReleaseId};
use recipe::{PageLine, PageOp, PageReading};
use rehearse::{HelmJob, Op, Options, Rehearsal, Script, ScriptLine, Subject, World};
use serde_json::json;
use workflow::Rehearse;

use crate::args::{Global, PageArgs, UpgradeOptions};
use crate::options;
use crate::output::Output;
use crate::prepare::{self, Prepared};

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
    let readings = page.readings.iter().filter(|reading| reading.from.is(installed));
    let Some(run) = prepared.file.plan.helm_runs().next() else {
        output.value(&json!([]))?;
        output.say(&format!("Nothing to do: {installed} is installed."));
        return Ok(Exit::Done);
    };
    let mut world = target.world(&prepared.survey, &[]);
    world.learn_plan(&prepared.file);
    let mut told = Vec::new();
    for reading in readings {
        let begin = Instant::now();
        let (script, lines) = script(reading, &prepared, &world, run);
        let options = Options::orders();
        let forecast = rehearse::rehearse(&world, &Subject::Script(script), &prepared.file.plan.volumes, options);
        let rehearsal = Rehearsal { forecast, took: begin.elapsed() };
        let page = report::page_script(&reading.name, &lines, &rehearsal);
        if !told.is_empty() {
            output.gap()?;
        }
        output.page(&page)?;
        told.push(
            json!({"reading": reading.name, "lines": lines, "forecast": report::json::forecast(&rehearsal.forecast)}),
        );
    }
    output.value(&told)?;
    Ok(Exit::Done)
}

/// The commands of a reading, and what they do to this world.
fn script(reading: &PageReading, prepared: &Prepared, world: &World, run: &HelmRun) -> (Script, Vec<(u32, String)>) {
    let release = &prepared.survey.inventory.release.id;
    let domain = world
        .get(&Ref::new("route.openshift.io", "Route", &release.namespace, &release.name))
        .map_or("", |route| route.text("/spec/host"));
    let script: Script = reading
        .filled(domain, release)
        .into_iter()
        .map(|line| ScriptLine { op: op(&line, release, world, run), line: line.line, text: line.text })
        .collect();
    let lines = script.iter().map(|line| (line.line, line.text.clone())).collect();
    (script, lines)
}

fn op(line: &PageLine, release: &ReleaseId, world: &World, run: &HelmRun) -> Op {
    match &line.op {
        PageOp::Nothing => Op::Nothing,
        PageOp::PatchVolumeOf { claim, patch } => {
            let claim = world.get(&Ref::claim(&release.namespace, claim));
            match claim.map(|claim| claim.text("/spec/volumeName")).filter(|volume| !volume.is_empty()) {
                Some(volume) => Op::Patch(Ref::volume(volume), patch.clone()),
                // An empty variable: kubectl refuses, and the paste goes on.
                None => Op::Nothing,
            }
        }
        PageOp::Annotate { claim, annotations } => {
            Op::Patch(Ref::claim(&release.namespace, claim), json!({"metadata": {"annotations": annotations}}))
        }
        PageOp::Delete(objects) => {
            Op::Delete(objects.iter().filter_map(|text| recipe::object(text, release)).collect())
        }
        PageOp::HelmUpgrade { .. } => HelmJob::typed(world, run).map_or(Op::Nothing, |job| Op::Helm(Box::new(job))),
    }
}
