use std::collections::BTreeMap;
use std::path::Path;

use portolan_helm_compat::{argv, chart, values};
use portolan_inventory::redaction::Redactor;
use portolan_inventory::{Survey, credential};
use portolan_model::{
    Carried, ChartId, Code, Exit, Finding, PlannedValue, SiteValue, ValueAnswer, ValueAnswers, ValueChange, ValuesPath,
};
use portolan_recipe::RecipeSet;
use portolan_report::{SetFlags, ValuesPart, ValuesView};
use portolan_workflow::{
    Credentials, PlannedValues, Target, ValuesRefused, changed_defaults, plan_values, site_values,
};
use serde_json::{Value, json};

use crate::answers;
use crate::args::{Global, UpgradeOptions, ValuesArgs, ValuesSubview};
use crate::effects;
use crate::options;
use crate::output::Output;
use crate::prepare::{self, PreparedRequest};
use crate::private_file;

/// Shows the values that are set today, and what becomes of them.
pub(crate) async fn run(global: &Global, args: &ValuesArgs, output: &Output) -> Result<Exit, Finding> {
    if output.is_html() && args.write.is_none() {
        return Err(Finding::blocking(Code::BadOption, "a page for a browser is written into a file")
            .why("values hold what others may not see, and the file is for you alone to read")
            .next("pass --write FILE"));
    }
    let target = options::open(global).await?;
    if let Some(words) = options::simulated(&target) {
        output.say(&words);
    }
    let credentials = if args.show_secrets { Credentials::Shown } else { Credentials::Hidden };
    if is_only_today(args) {
        let (book, survey) = prepare::survey(global, &target).await?;
        let view = view((&survey, &book), None, &[], credentials);
        output.result(&portolan_report::values(&view, part(args), None), &view)?;
        return Ok(Exit::Done);
    }
    on_the_way(global, &target, args, (credentials, output)).await
}

fn view(
    (survey, book): (&Survey, &RecipeSet),
    to: Option<&ChartId>,
    hops: &[&[PlannedValue]],
    credentials: Credentials,
) -> ValuesView {
    let release = &survey.inventory.release;
    ValuesView {
        release: release.id.clone(),
        from: release.chart.clone(),
        to: to.cloned(),
        values: site_values(survey, book, hops, credentials),
        effects: BTreeMap::new(),
        defaults: Vec::new(),
        set_flags: None,
    }
}

fn part(args: &ValuesArgs) -> ValuesPart {
    match args.part {
        None => ValuesPart::Whole,
        Some(ValuesSubview::Diff) => ValuesPart::Diff,
        Some(ValuesSubview::Map) => ValuesPart::Map,
        Some(ValuesSubview::Effects) => ValuesPart::Effects,
    }
}

/// Whether nothing is asked but what is set today.
fn is_only_today(args: &ValuesArgs) -> bool {
    let UpgradeOptions { to, via, chart, repo, bundle, registry, values, set, set_string, answers, .. } = &args.target;
    let lists = [via, set, set_string].iter().all(|list| list.is_empty()) && chart.is_empty() && values.is_empty();
    let others = [to, repo].iter().all(|option| option.is_none()) && bundle.is_none() && registry.is_none();
    let is_of_today = matches!(args.part, None | Some(ValuesSubview::Diff)) && !args.as_set;
    lists && others && answers.is_none() && args.write.is_none() && is_of_today
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
    let planned = match plan_values(target, &survey, &book, &request).await {
        Ok(planned) => planned,
        Err(refused) => return unrendered(refused, (&survey, &book), (args, &request.answers), (credentials, output)),
    };
    let plan = &planned.file.plan;
    let hops: Vec<&[PlannedValue]> = plan.hops.iter().map(|hop| hop.values.as_slice()).collect();
    let mut view = view((&survey, &book), Some(&plan.to), &hops, credentials);
    if let Some(new) = request.to.last().and_then(|packed| chart::read(&packed.archive).ok()) {
        view.defaults = changed_defaults(&survey, &book, (&plan.to, &new.values), &planned.at_end);
    }
    let redacted = match credentials {
        Credentials::Shown => planned.at_end.clone(),
        Credentials::Hidden => Redactor::new(&survey.known()).values(&planned.at_end),
    };
    let is_saved = matches!(target, Target::Simulated(simulated) if simulated.saved.is_some());
    let at_end = AtEnd::of(&planned, &redacted, is_saved);
    view.set_flags = args.as_set.then(|| at_end.set_flags());
    if args.part == Some(ValuesSubview::Effects)
        && let Some(new) = &planned.job
    {
        let old = catalog.ids().contains(&view.from).then(|| view.from.clone());
        let old = match old {
            Some(id) => catalog.take(vec![id]).await?.0.pop(),
            None => None,
        };
        view.effects = effects::of(target, (&survey, &book), (old.as_ref(), new), &view.values).await?;
    }
    show(&view, (args, &request.answers), output)?;
    // What is asked about is told above.
    let others = plan.blocking().filter(|finding| finding.code != Code::ValuesDropped);
    let others: Vec<Finding> = others.cloned().collect();
    output.findings(&others);
    if let Some(file) = &args.write {
        if output.is_html() {
            let redacted: Vec<(String, Value)> = values::flatten(&redacted);
            private_file::write(file, portolan_report::values_html(&view, &redacted).as_bytes())?;
        } else if others.is_empty() {
            private_file::write(file, values_file(&planned, &at_end, (&view, &request.values))?.as_bytes())?;
        } else {
            let found = format!("{} is not written: with these values the upgrade is refused", file.display());
            return Err(Finding::blocking(Code::BadValues, found)
                .why("a file of values is there to be used")
                .next("see what is said above"));
        }
        output.say(&format!("Saved to {}", file.display()));
    }
    Ok(if view.asked().next().is_none() && others.is_empty() { Exit::Done } else { Exit::Blocked })
}

/// What becomes of the values where the new chart does not render with them: it may need one that nobody has decided about.
fn unrendered(
    ValuesRefused { finding, decided }: ValuesRefused,
    found: (&Survey, &RecipeSet),
    given: (&ValuesArgs, &ValueAnswers),
    (credentials, output): (Credentials, &Output),
) -> Result<Exit, Finding> {
    let Some((to, hops)) = decided else { return Err(finding) };
    let hops: Vec<&[PlannedValue]> = hops.iter().map(Vec::as_slice).collect();
    show(&view(found, Some(&to), &hops, credentials), given, output)?;
    let exit = finding.code.exit();
    output.findings(&[finding]);
    if let Some(file) = &given.0.write {
        output.say(&format!("{} is not written", file.display()));
    }
    Ok(exit)
}

/// Shows the values, and asks about those that nobody has decided about.
fn show(view: &ValuesView, (args, answers): (&ValuesArgs, &ValueAnswers), output: &Output) -> Result<(), Finding> {
    let file = args.target.answers.as_deref();
    let shown = file.map(|file| options::quoted(&file.to_string_lossy()));
    output.result(&portolan_report::values(view, part(args), shown.as_deref()), view)?;
    tell_and_ask(file, answers, view, output)
}

/// Says which answers are for nothing, and adds the questions that are not in the file of answers yet.
fn tell_and_ask(
    file: Option<&Path>,
    answers: &ValueAnswers,
    view: &ValuesView,
    output: &Output,
) -> Result<(), Finding> {
    let is_of_none = |(path, answer): &(&ValuesPath, &ValueAnswer)| {
        // What a Secret gives need not be set today.
        !matches!(answer, ValueAnswer::Secret(_))
            && !view.values.iter().any(|value| value.path.starts_with(path.as_str()))
    };
    for (path, _) in answers.answers.iter().filter(is_of_none) {
        output.say(&format!("The answer for {path} is for no value that is set today."));
    }
    let Some(file) = file else { return Ok(()) };
    let is_new = |value: &&SiteValue| !answers.answers.contains_key(&value.path);
    let new: Vec<_> = view.asked().filter(is_new).map(|value| (&value.path, value.hint.as_str())).collect();
    if new.is_empty() { Ok(()) } else { answers::ask(file, &new) }
}

/// The values of the new version: what may be shown of them, and what is hidden.
struct AtEnd {
    shown: Value,
    /// Whether they are those of a saved survey, which holds no credentials.
    is_saved: bool,
    /// The path of each credential that is not shown, with where it comes from.
    hidden: Vec<(String, String)>,
}

impl AtEnd {
    fn of(planned: &PlannedValues, redacted: &Value, is_saved: bool) -> Self {
        let (mut shown, mut hidden) = (json!({}), Vec::new());
        for (path, value) in values::flatten(&planned.at_end) {
            let is_stand_in = is_saved && credential::is_stood_in(&value);
            if !is_stand_in && values::get(redacted, &path) == Some(&value) {
                values::set(&mut shown, &path, value);
            } else {
                let from = left_out(&planned.carried, &path);
                hidden.push((path, from));
            }
        }
        Self { shown, is_saved, hidden }
    }

    /// As `--set` flags; what is hidden is named.
    fn set_flags(&self) -> SetFlags {
        let values::SetList { arguments, others } = values::SetList::of(&self.shown);
        let mut others: Vec<(String, String)> = others.into_iter().map(|(path, why)| (path, why.to_owned())).collect();
        others.extend(self.hidden.iter().map(|(path, from)| (path.clone(), format!("a credential: {from}"))));
        SetFlags { flags: arguments.iter().map(|one| format!("--set {}", argv::word(one))).collect(), others }
    }
}

/// The values at the end as a file, each with where it comes from. What is hidden is left out, and named at the top.
fn values_file(
    planned: &PlannedValues,
    AtEnd { shown, is_saved, hidden }: &AtEnd,
    (view, given): (&ValuesView, &Value),
) -> Result<String, Finding> {
    let origins: BTreeMap<String, &SiteValue> =
        view.values.iter().filter_map(|value| Some((value.end()?.to_string(), value))).collect();
    let comment = |path: &str| {
        values::get(shown, path)
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
    let text = values::commented(shown, &comment).map_err(|error| {
        Finding::blocking(Code::BadValues, "the values cannot be written as a file").with(error.to_string())
    })?;
    let asked: Vec<&str> = view.asked().map(|value| value.path.as_str()).collect();
    Ok(format!("{}{text}", head(&planned.file.plan.to, (hidden, *is_saved), &asked)))
}

fn moved(change: &ValueChange) -> Option<&str> {
    if let ValueChange::Moved(to) | ValueChange::MovedWithoutEffect(to) = change { Some(&to.source) } else { None }
}

fn left_out(carried: &[Carried], path: &str) -> String {
    match carried.iter().find(|carried| carried.path.as_str() == path) {
        Some(carried) => format!("key {} of {}", carried.from.key, carried.from.secret),
        None => "set today".to_owned(),
    }
}

fn head(to: &ChartId, (hidden, is_saved): (&[(String, String)], bool), asked: &[&str]) -> String {
    let mut head = format!("# All values of {to}, for helm upgrade --reset-values -f. Written by portolan values.\n");
    if !hidden.is_empty() {
        head.push_str(match is_saved {
            true => "# Left out, since they are credentials, which a saved survey does not hold; without them the chart makes new ones:\n",
            false => "# Left out, since they are credentials (--show-secrets writes them too):\n",
        });
        head.extend(hidden.iter().map(|(path, from)| format!("#   {path}: {from}\n")));
    }
    if !asked.is_empty() {
        head.push_str("# Left out, since nobody has said yet what becomes of them:\n");
        head.extend(asked.iter().map(|path| format!("#   {path}\n")));
    }
    head
}
