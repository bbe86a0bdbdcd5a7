//! One version to the next before anything is rendered: which boundaries it crosses, what helm is given.

use std::collections::BTreeSet;

use portolan_helm_compat::{chart, values};
use portolan_inventory::Secrets;
use portolan_inventory::redaction::Redactor;
use portolan_model::{Carried, ChartId, Code, Finding, SecretKey, ValuesMode, ValuesPath};
use portolan_recipe::{RecipeStep, Setting, StepTemplate, VersionBoundary};
use serde_json::{Value, json};

use super::limits::Limits;
use super::manual_commands::Given;
use super::moved_values::{MovedValues, meet};
use super::resolve::ResolvedRelease;
use super::{UpgradeRequest, existing_secret};
use portolan_helm_compat::chart::{ChartArchive, PackedChart};

pub(super) struct HopInput<'a> {
    pub(super) from: ChartId,
    pub(super) pick: &'a PackedChart,
    /// What is in its archive; `None` where that cannot be read.
    pub(super) chart: Option<ChartArchive>,
    pub(super) boundaries: Vec<&'a VersionBoundary>,
    /// What is asked for, without what is left out.
    pub(super) asks: Vec<(&'a VersionBoundary, &'a RecipeStep)>,
    /// The recipes' values among those given.
    pub(super) settings: Vec<(&'a VersionBoundary, &'a Setting)>,
    pub(super) mode: ValuesMode,
    /// The old values that go on under another path, and what is decided of others.
    pub(super) moved: MovedValues,
    /// What helm is given, without carried values.
    pub(super) given: Value,
    /// The paths of the credentials in it.
    hidden: BTreeSet<String>,
    pub(super) carried: Vec<Carried>,
    /// The carried values: path and plaintext.
    pub(super) plain: Vec<(String, String)>,
    /// The user-supplied values before.
    pub(super) before: Value,
    /// The user-supplied values after, carried ones included.
    pub(super) after: Value,
    /// How long the waits may take.
    pub(super) limits: Limits,
}

impl HopInput<'_> {
    /// What helm is given, for showing.
    pub(super) fn shown(&self) -> Given<'_> {
        Given { values: &self.given, hidden: &self.hidden }
    }
}

/// The paths of the credentials among values: by their names, and by the live Secrets.
pub(super) fn credentials(resolved: &ResolvedRelease<'_>, all: &Value) -> BTreeSet<String> {
    let known = resolved.secrets.map(Secrets::known).unwrap_or_default();
    let shown = Redactor::new(&known).values(all);
    let is_hidden = |(path, value): &(String, Value)| values::get(&shown, path) != Some(value);
    values::flatten(all).into_iter().filter(is_hidden).map(|(path, _)| path).collect()
}

/// The hops of the way that the user wishes; charts that are installed already are left out.
pub(super) fn inputs<'a>(
    resolved: &ResolvedRelease<'a>,
    request: &'a UpgradeRequest,
) -> Result<Vec<HopInput<'a>>, Finding> {
    let release = &resolved.inventory.release;
    let mut from = release.chart.clone();
    let mut way = Vec::new();
    for pick in &request.to {
        if pick.id != from {
            way.push((std::mem::replace(&mut from, pick.id.clone()), pick));
        }
    }
    let crossed = way.iter().flat_map(|(from, pick)| resolved.book.boundaries(from, &pick.id));
    let crossed: Vec<&RecipeStep> = crossed.flat_map(|boundary| steps_here(resolved, boundary)).collect();
    if !way.is_empty() {
        check_without(&request.without, &crossed)?;
    }
    let mut config = release.config.clone();
    let mut inputs: Vec<HopInput<'_>> = Vec::new();
    // What a null took away is gone already: given again, it would take the chart's default away.
    let later = values::without_nulls(&request.values);
    for (from, pick) in way {
        let given = (&request.values, if inputs.is_empty() { &request.values } else { &later });
        let input = input((resolved, request), given, (from, pick), config)?;
        config = input.after.clone();
        inputs.push(input);
    }
    Ok(inputs)
}

/// A boundary's steps on this platform.
fn steps_here<'a>(
    resolved: &ResolvedRelease<'_>,
    boundary: &'a VersionBoundary,
) -> impl Iterator<Item = &'a RecipeStep> {
    boundary.steps.iter().filter(|step| resolved.is_for(step.platform))
}

/// What may be left out: any step or value of the plan, but helm itself; and the archive only together with what it
/// is for. A deletion of what is not archived is never planned, and a password is carried out of the archive.
fn check_without(without: &[String], crossed: &[&RecipeStep]) -> Result<(), Finding> {
    let mut ids: Vec<&str> = crossed.iter().flat_map(|step| step.ids()).collect();
    ids.sort_unstable();
    ids.dedup();
    if let Some(unknown) = without.iter().find(|id| !ids.contains(&id.as_str())) {
        let finding = Finding::blocking(Code::BadOption, format!("this plan has no step `{unknown}` to leave out"));
        let finding = finding.why("a step is named by its id").next("use one of the names above");
        return Err(finding.with(format!("available: {}", ids.join(", "))));
    }
    let steps = || crossed.iter().copied();
    let is_left_out = |step: &&RecipeStep| without.contains(&step.id);
    if let Some(helm) = steps().filter(is_left_out).find(|step| matches!(step.ask, StepTemplate::HelmUpgrade { .. })) {
        return Err(Finding::blocking(Code::BadOption, format!("`{}` cannot be left out", helm.id))
            .why("without it nothing is upgraded"));
    }
    if steps().filter(is_left_out).any(|step| matches!(step.ask, StepTemplate::ArchiveObject { .. })) {
        let needs = |step: &&RecipeStep| {
            matches!(step.ask, StepTemplate::CarryCredentials { .. } | StepTemplate::DeleteObject { .. })
        };
        let mut left: Vec<&str> =
            steps().filter(needs).filter(|step| !is_left_out(step)).map(|step| step.id.as_str()).collect();
        left.dedup();
        if !left.is_empty() {
            return Err(Finding::blocking(Code::BadOption, "the archive cannot be left out alone")
                .with(format!("it is needed by: {}", left.join(", ")))
                .why("nothing is deleted that was not archived, and a password is carried out of the archive")
                .next(format!("leave these out too: --without {}", left.join(" --without "))));
        }
    }
    Ok(())
}

/// One hop's. Of the two kinds of given values the first is for a hop that starts anew, the second for one that reuses the stored ones.
fn input<'a>(
    (resolved, request): (&ResolvedRelease<'a>, &UpgradeRequest),
    (anew, reusing): (&Value, &Value),
    (from, pick): (ChartId, &'a PackedChart),
    before: Value,
) -> Result<HopInput<'a>, Finding> {
    let boundaries = resolved.book.boundaries(&from, &pick.id);
    let is_wanted = |id: &String| !request.without.contains(id);
    let asks: Vec<(&VersionBoundary, &RecipeStep)> = boundaries
        .iter()
        .flat_map(|boundary| steps_here(resolved, boundary).map(|step| (*boundary, step)))
        .filter(|(_, step)| is_wanted(&step.id))
        .collect();
    let mode = mode(&asks, &from, &pick.id)?;
    let typed = if mode == ValuesMode::Reset { anew } else { reusing };
    let moved = MovedValues::of(resolved, &asks, (mode, &before), &request.answers);
    let mut given = moved.given.clone();
    let mut settings = Vec::new();
    for (boundary, setting) in asks.iter().flat_map(|(boundary, step)| {
        let set: &[Setting] = if let StepTemplate::HelmUpgrade { set, .. } = &step.ask { set } else { &[] };
        set.iter().map(|setting| (*boundary, setting))
    }) {
        // What the user gives goes before what a recipe gives.
        if is_wanted(&setting.id)
            && values::get(typed, &setting.path).is_none()
            && let Some(value) = value(resolved, setting)?
        {
            values::set(&mut given, &setting.path, value);
            settings.push((boundary, setting));
        }
    }
    let mut given = values::layer(&given, typed);
    existing_secret::give(resolved, (mode, &pick.id.name), &mut given);
    let (mut carried, mut plain) = carried(resolved, &asks, &pick.id, typed)?;
    for reference in &moved.secrets {
        plain.push((reference.path.to_string(), by_reference(resolved, reference, (&given, &carried))?));
        carried.push(reference.clone());
    }
    let mut all = given.clone();
    for (path, text) in &plain {
        values::set(&mut all, path, json!(text));
    }
    let after = match mode {
        ValuesMode::Reset => all,
        ValuesMode::ResetThenReuse => match &resolved.inventory.helm {
            Some(helm) => values::reuse(&before, &all, helm.version()),
            None => values::merge(&before, &all),
        },
    };
    Ok(HopInput {
        from,
        pick,
        chart: chart::read(&pick.archive).ok(),
        boundaries,
        asks,
        settings,
        mode,
        moved,
        hidden: credentials(resolved, &given),
        given,
        carried,
        plain,
        before,
        after,
        limits: request.limits,
    })
}

/// What becomes of the old values: exactly one thing.
fn mode(asks: &[(&VersionBoundary, &RecipeStep)], from: &ChartId, to: &ChartId) -> Result<ValuesMode, Finding> {
    let says = asks.iter().filter_map(|(boundary, step)| match &step.ask {
        StepTemplate::HelmUpgrade { values: Some(mode), .. } => Some((*boundary, *mode)),
        _ => None,
    });
    let says: Vec<(&VersionBoundary, ValuesMode)> = says.collect();
    match says.as_slice() {
        [] => Err(Finding::blocking(Code::BadRecipe, format!("no recipe says how {from} becomes {to}"))
            .with("a boundary that this upgrade crosses must have a step helm-upgrade with `values`")),
        [(_, mode), rest @ ..] if rest.iter().all(|(_, other)| other == mode) => Ok(*mode),
        [(first, _), ..] => {
            let others: Vec<&str> = says.iter().skip(1).map(|(boundary, _)| boundary.name.as_str()).collect();
            Err(Finding::blocking(Code::BadRecipe, "two boundaries disagree about what becomes of the old values")
                .with(format!("{} and {}", first.name, others.join(", "))))
        }
    }
}

/// What a recipe's value is here; `None` where it does not apply.
fn value(resolved: &ResolvedRelease<'_>, setting: &Setting) -> Result<Option<Value>, Finding> {
    if !resolved.is_for(setting.platform) {
        return Ok(None);
    }
    filled(resolved, setting, &setting.value)
}

fn filled(resolved: &ResolvedRelease<'_>, setting: &Setting, value: &Value) -> Result<Option<Value>, Finding> {
    match value {
        Value::String(text) => {
            let mut text = portolan_recipe::fill(text, resolved.release());
            if text.contains("{domain}") {
                let domain = resolved.domain().ok_or_else(|| {
                    Finding::blocking(Code::BadValues, "under which host the platform is reached is not known")
                        .with("no route of the recipes is there")
                        .next(format!("pass --set {}=HOST", setting.path))
                })?;
                text = text.replace("{domain}", &domain);
            }
            let product = &resolved.book.product;
            let databases = product.databases.iter().map(|database| &database.name);
            for name in databases.chain(product.stores.iter().map(|store| &store.name)) {
                let mark = format!("{{claim:{name}}}");
                if text.contains(&mark) {
                    // A set that makes its PVC goes on making it; a database elsewhere has none.
                    let Some(claim) = resolved.claim(name) else { return Ok(None) };
                    text = text.replace(&mark, &claim);
                }
            }
            Ok(Some(Value::String(text)))
        }
        Value::Array(items) => {
            let items = items.iter().map(|item| filled(resolved, setting, item)).collect::<Result<Option<_>, _>>()?;
            Ok(items.map(Value::Array))
        }
        other => Ok(Some(other.clone())),
    }
}

/// The values that come out of Secrets, and their plaintexts.
#[expect(clippy::type_complexity, reason = "two lists that belong together, used once")]
fn carried(
    resolved: &ResolvedRelease<'_>,
    asks: &[(&VersionBoundary, &RecipeStep)],
    to: &ChartId,
    given: &Value,
) -> Result<(Vec<Carried>, Vec<(String, String)>), Finding> {
    let (mut carried, mut plain) = (Vec::new(), Vec::new());
    for (boundary, step) in asks {
        let StepTemplate::CarryCredentials { database } = &step.ask else { continue };
        let Some(found) = resolved.database(database).filter(|found| !found.has_site_secret()) else { continue };
        let Some(path) = found.recipe.password.value.get(&to.name) else {
            let what = format!("no recipe says under which value {} takes the password of {database}", to.name);
            return Err(Finding::blocking(Code::BadRecipe, what).with(format!("asked for by {}", boundary.name)));
        };
        if values::get(given, path).is_some() {
            return Err(Finding::blocking(Code::BadValues, format!("{path} is given, and is carried over as well"))
                .why("the data directory keeps the password it was made with; another one locks everybody out")
                .next(format!("leave {path} out of the values")));
        }
        let one = Carried { path: ValuesPath::new(path), from: found.reference.password.clone() };
        if !carried.contains(&one) {
            carried.push(one);
            plain.push((path.clone(), found.plaintext.clone()));
        }
    }
    Ok((carried, plain))
}

/// What a Secret holds that an answer names in place of a value.
fn by_reference(
    resolved: &ResolvedRelease<'_>,
    Carried { path, from: key }: &Carried,
    (given, carried): (&Value, &[Carried]),
) -> Result<String, Finding> {
    let SecretKey { secret, key: name } = key;
    let refused = |found: String| {
        Finding::blocking(Code::BadValues, found)
            .why("an answer can name a Secret in place of a value, and helm is given what it holds")
            .at(path.to_string())
    };
    if !path.is_keys() {
        return Err(refused(format!("`{path}` is no path of keys such as grafana.dbPassword")));
    }
    let is_given = values::flatten(given).iter().any(|(other, _)| meet(&ValuesPath::new(other), path));
    if is_given || carried.iter().any(|other| meet(&other.path, path)) {
        return Err(refused(format!("the answers give {path} out of {secret}, and it is given by something else"))
            .next(format!("leave {path} out of the answers, or out of the values")));
    }
    resolved.plaintext(key).map(str::to_owned).ok_or_else(|| {
        refused(format!("the answers give {path} out of key {name} of {secret}, and that is not there"))
            .next("make the Secret in the release's namespace, or see its name and key")
    })
}
