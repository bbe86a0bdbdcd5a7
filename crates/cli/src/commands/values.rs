use std::collections::BTreeMap;

use portolan_helm_compat::values;
use portolan_inventory::redaction::Redactor;
use portolan_model::{Carried, ChartId, Code, Exit, Finding, SiteValue, ValueChange, ValuesPath};
use portolan_report::ValuesView;
use portolan_workflow::{Credentials, PlannedValues, Target, plan_values, site_values};
use serde_json::{Value, json};

use crate::answers;
use crate::args::{Global, UpgradeOptions, ValuesArgs};
use crate::effects;
use crate::options;
use crate::output::Output;
use crate::prepare::{self, PreparedRequest};
use crate::private_file;

/// Shows the values that are set today, and what becomes of them.
pub(crate) async fn run(global: &Global, args: &ValuesArgs, output: &Output) -> Result<Exit, Finding> {
    let target = options::open(global).await?;
    if let Some(words) = options::simulated(&target) {
        output.say(&words);
    }
    let credentials = if args.show_secrets { Credentials::Shown } else { Credentials::Hidden };
    if is_only_today(args) {
        let (book, survey) = prepare::survey(global, &target).await?;
        let release = &survey.inventory.release;
        let view = ValuesView {
            release: release.id.clone(),
            from: release.chart.clone(),
            to: None,
            values: site_values(&survey, &book, None, credentials),
            effects: BTreeMap::new(),
        };
        output.result(&portolan_report::values(&view, None), &view)?;
        return Ok(Exit::Done);
    }
    on_the_way(global, &target, args, (credentials, output)).await
}

/// Whether nothing is asked but what is set today.
fn is_only_today(args: &ValuesArgs) -> bool {
    let UpgradeOptions { to, via, chart, repo, bundle, registry, values, set, set_string, answers, .. } = &args.target;
    let lists = [via, set, set_string].iter().all(|list| list.is_empty()) && chart.is_empty() && values.is_empty();
    let others = [to, repo].iter().all(|option| option.is_none()) && bundle.is_none() && registry.is_none();
    lists && others && answers.is_none() && args.write.is_none() && !args.effects
}

async fn on_the_way(
    global: &Global,
    target: &Target,
    args: &ValuesArgs,
    (credentials, output): (Credentials, &Output),
) -> Result<Exit, Finding> {
    if let (Some(answers), Some(values)) = (&args.target.answers, &args.write)
        && answers == values
    {
        let found = format!("{} is to hold the answers and the values", answers.display());
        return Err(Finding::blocking(Code::BadOption, found).next("name two files"));
    }
    // Its questions are written once they are known.
    let without_answers = UpgradeOptions { answers: None, ..args.target.clone() };
    let PreparedRequest { book, survey, mut request, catalog, .. } =
        prepare::request(global, target, &without_answers, output).await?;
    if let Some(file) = &args.target.answers {
        request.answers = answers::read_if_there(file)?;
    }
    let planned = plan_values(target, &survey, &book, &request).await?;
    let release = &survey.inventory.release;
    let mut view = ValuesView {
        release: release.id.clone(),
        from: release.chart.clone(),
        to: Some(planned.file.plan.to.clone()),
        values: site_values(&survey, &book, Some(&planned.file.plan), credentials),
        effects: BTreeMap::new(),
    };
    if args.effects
        && let Some(new) = &planned.job
    {
        let old = catalog.ids().contains(&release.chart).then(|| release.chart.clone());
        let old = match old {
            Some(id) => catalog.take(vec![id]).await?.0.pop(),
            None => None,
        };
        view.effects = effects::of(target, &survey, (old.as_ref(), new), &view.values).await?;
    }
    let shown = args.target.answers.as_ref().map(|file| options::quoted(&file.to_string_lossy()));
    output.result(&portolan_report::values(&view, shown.as_deref()), &view)?;
    let is_of_none = |path: &&ValuesPath| !view.values.iter().any(|value| value.path.starts_with(path.as_str()));
    for path in request.answers.answers.keys().filter(is_of_none) {
        output.say(&format!("The answer for {path} is for no value that is set today."));
    }
    if let Some(file) = &args.target.answers {
        let is_new = |value: &&SiteValue| !request.answers.answers.contains_key(&value.path);
        let new: Vec<_> = view.asked().filter(is_new).map(|value| (&value.path, value.hint.as_str())).collect();
        if !new.is_empty() {
            answers::ask(file, &new)?;
        }
    }
    // What is asked about is told above.
    let others = planned.file.plan.blocking().filter(|finding| finding.code != Code::ValuesDropped);
    let others: Vec<Finding> = others.cloned().collect();
    output.findings(&others);
    if let Some(file) = &args.write {
        if !others.is_empty() {
            let found = format!("{} is not written: with these values the upgrade is refused", file.display());
            return Err(Finding::blocking(Code::BadValues, found)
                .why("a file of values is there to be used")
                .next("see what is said above"));
        }
        let redacted = match credentials {
            Credentials::Shown => planned.at_end.clone(),
            Credentials::Hidden => Redactor::new(&survey.known()).values(&planned.at_end),
        };
        private_file::write(file, values_file(&planned, &redacted, (&view, &request.values))?.as_bytes())?;
        output.say(&format!("Saved to {}", file.display()));
    }
    Ok(if view.asked().next().is_none() && others.is_empty() { Exit::Done } else { Exit::Blocked })
}

/// The values at the end as a file, each with where it comes from. What `redacted` hides is left out, and named at the top.
fn values_file(
    planned: &PlannedValues,
    redacted: &Value,
    (view, given): (&ValuesView, &Value),
) -> Result<String, Finding> {
    let mut shown = json!({});
    let mut hidden = Vec::new();
    for (path, value) in values::flatten(&planned.at_end) {
        if values::get(redacted, &path) == Some(&value) {
            values::set(&mut shown, &path, value);
        } else {
            hidden.push(left_out(&planned.carried, &path));
        }
    }
    let origins: BTreeMap<String, &SiteValue> =
        view.values.iter().filter_map(|value| Some((value.end()?.to_string(), value))).collect();
    let comment = |path: &str| {
        values::get(&shown, path)
            .filter(|value| !value.is_object() || value.as_object().is_some_and(|map| map.is_empty()))?;
        Some(match origins.get(path) {
            _ if values::get(given, path).is_some() => "given with -f or --set".to_owned(),
            Some(value) if value.path.as_str() == path => "set today".to_owned(),
            Some(value) => match value.changes.iter().rev().find_map(moved) {
                Some(source) => format!("set today as {} ({source})", value.path),
                None => format!("set today as {}", value.path),
            },
            None => "given by the recipes".to_owned(),
        })
    };
    let text = values::commented(&shown, &comment).map_err(|error| {
        Finding::blocking(Code::BadValues, "the values cannot be written as a file").with(error.to_string())
    })?;
    let asked: Vec<&str> = view.asked().map(|value| value.path.as_str()).collect();
    Ok(format!("{}{text}", head(&planned.file.plan.to, &hidden, &asked)))
}

fn moved(change: &ValueChange) -> Option<&str> {
    if let ValueChange::Moved(to) | ValueChange::MovedWithoutEffect(to) = change { Some(&to.source) } else { None }
}

fn left_out(carried: &[Carried], path: &str) -> String {
    match carried.iter().find(|carried| carried.path.as_str() == path) {
        Some(carried) => format!("{path}: key {} of {}", carried.from.key, carried.from.secret),
        None => format!("{path}: set today"),
    }
}

fn head(to: &ChartId, hidden: &[String], asked: &[&str]) -> String {
    let mut head = format!("# All values of {to}, for helm upgrade --reset-values -f. Written by portolan values.\n");
    if !hidden.is_empty() {
        head.push_str("# Left out, since they are credentials (--show-secrets writes them too):\n");
        head.extend(hidden.iter().map(|line| format!("#   {line}\n")));
    }
    if !asked.is_empty() {
        head.push_str("# Left out, since nobody has said yet what becomes of them:\n");
        head.extend(asked.iter().map(|path| format!("#   {path}\n")));
    }
    head
}
