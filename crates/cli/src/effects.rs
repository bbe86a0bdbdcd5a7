//! What the values that go on do, in the old chart and in the new one.

use std::collections::BTreeMap;

use portolan_helm_compat::chart::PackedChart;
use portolan_inventory::Survey;
use portolan_model::{Code, Finding, RenderJob, SiteValue, ValuesPath};
use portolan_recipe::{RecipeSet, RolePair};
use portolan_report::{Proof, ReachedFields, ValueEffect};
use portolan_workflow::{
    BothEffects, Effect, Effects, Field, Target, both_effects, named_roles, same_role, usable_helm,
};

/// What each value that goes on does, by its path of today. `new` is the rendering of the last hop.
///
/// # Errors
/// Where a chart cannot be rendered.
pub(crate) async fn of(
    target: &Target,
    (survey, book): (&Survey, &RecipeSet),
    (old, new): (Option<&PackedChart>, &RenderJob),
    values: &[SiteValue],
) -> Result<BTreeMap<ValuesPath, ValueEffect>, Finding> {
    let helm = usable_helm(target, survey).await?;
    let going_on = values.iter().filter_map(|value| Some((&value.path, value.end()?)));
    let BothEffects { today, then } = match both_effects(target, survey, &helm, (old, new)).await {
        // A simulated installation is planned without one.
        Err(Finding { code: Code::NoHelm, .. }) => {
            let without = || {
                let unknown = "not known: no helm on this machine".to_owned();
                ValueEffect { today: Some(unknown.clone()), then: unknown, proof: Proof::NoHelm, fields: None }
            };
            return Ok(going_on.map(|(path, _)| (path.clone(), without())).collect());
        }
        both => both?,
    };
    let one = |(path, end): (&ValuesPath, ValuesPath)| {
        (path.clone(), one((today.as_ref(), path), (&then, &end), named_roles(book, path, &end)))
    };
    Ok(going_on.map(one).collect())
}

fn one(
    (today, path): (Option<&Effects>, &ValuesPath),
    (then, end): (&Effects, &ValuesPath),
    named: Option<&RolePair>,
) -> ValueEffect {
    let unknown = || Effect::Undecided { why: "it was not asked about".into() };
    let then = then.of.get(end).cloned().unwrap_or_else(unknown);
    let today = today.map(|today| today.of.get(path).cloned().unwrap_or_else(unknown));
    let is_proven = match (&today, &then) {
        (Some(Effect::Fields(old)), Effect::Fields(new)) => same_role(old, new, named).is_some(),
        // What did nothing does nothing.
        (Some(Effect::None), Effect::None) => true,
        _ => false,
    };
    let fields = |effect: &Effect| match effect {
        Effect::Fields(fields) | Effect::Checksums(fields) => fields.iter().map(Field::place).collect(),
        _ => Vec::new(),
    };
    ValueEffect {
        today: today.as_ref().map(words),
        then: words(&then),
        proof: if is_proven { Proof::Proven } else { Proof::Unproved },
        fields: (!is_proven)
            .then(|| ReachedFields { today: today.as_ref().map(fields).unwrap_or_default(), then: fields(&then) }),
    }
}

/// In a few words, without what any field holds.
fn words(effect: &Effect) -> String {
    match effect {
        Effect::None => "nothing".into(),
        Effect::Checksums(_) => "checksums alone: pods restart".into(),
        Effect::Fields(fields) => {
            let Some(first) = fields.first() else { return "nothing".into() };
            let more = if fields.len() > 1 { format!(", and {} more", fields.len() - 1) } else { String::new() };
            format!("{} {}{more}", first.object, first.pointer)
        }
        Effect::Hidden { by } => {
            let by: Vec<&str> = by.iter().map(ValuesPath::as_str).collect();
            format!("nothing while these are as they are: {}", by.join(", "))
        }
        Effect::Needed { .. } => "the chart does not render without it".into(),
        Effect::Undecided { why } => format!("not known: {why}"),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use portolan_model::{MovedTo, Rendered, Rendering, SetBy, ValueChange};
    use portolan_report::{ValuesPart, ValuesView};
    use portolan_workflow::{Simulated, render_job};
    use serde_json::{Value, json};

    use super::*;

    /// Each value is a variable of the container `app` of the Deployment `api` in the old chart. In the new one: the value's new path, and
    /// the name, container and variable that it has there; without a container, it is a key of a ConfigMap.
    const MOVES: [(&str, &str, [&str; 3], Proof); 7] = [
        ("KEPT", "KEPT", ["api", "app", "KEPT"], Proof::Proven),
        ("MOVED", "new.moved", ["api", "app", "MOVED"], Proof::Proven),
        ("CONTAINER", "new.container", ["api", "sidecar", "CONTAINER"], Proof::Unproved),
        ("VARIABLE", "new.variable", ["api", "app", "VARIABLE_OF_ANOTHER"], Proof::Unproved),
        ("COMPONENT", "new.component", ["web", "app", "COMPONENT"], Proof::Unproved),
        ("CLASS", "new.class", ["api", "", "CLASS"], Proof::Unproved),
        ("STAYED", "STAYED", ["web", "app", "STAYED"], Proof::Unproved),
    ];

    fn chart(version: &str) -> PackedChart {
        let text = format!("apiVersion: v2\nname: c\nversion: {version}\n");
        PackedChart::of_files(BTreeMap::from([("Chart.yaml".into(), text.into_bytes())])).expect("a chart")
    }

    fn at<'a>(values: &'a Value, path: &str) -> &'a Value {
        path.split('.').fold(values, |value, part| &value[part])
    }

    /// What the old chart, or the new one, makes of values.
    fn rendered(job: &RenderJob) -> String {
        let is_old = job.chart.version.to_string() == "1.0.0";
        let (mut pods, mut objects) = (BTreeMap::<&str, BTreeMap<&str, Vec<Value>>>::new(), Vec::new());
        let object = |kind: &str, name: &str| {
            let metadata = json!({"name": format!("runai-backend-{name}"), "namespace": job.release.namespace});
            json!({"apiVersion": "v1", "kind": kind, "metadata": metadata})
        };
        for (today, then, place, _) in MOVES {
            let (path, [name, container, key]) = if is_old { (today, ["api", "app", today]) } else { (then, place) };
            let value = at(&job.values, path);
            if container.is_empty() {
                let mut config = object("ConfigMap", name);
                config["data"] = json!({key: value});
                objects.push(config);
            } else {
                let variables = pods.entry(name).or_default().entry(container).or_default();
                variables.push(json!({"name": key, "value": value}));
            }
        }
        for (name, containers) in pods {
            let containers: Vec<Value> =
                containers.into_iter().map(|(name, env)| json!({"name": name, "env": env})).collect();
            let mut deployment = object("Deployment", name);
            deployment["spec"] = json!({"template": {"spec": {"containers": containers}}});
            objects.push(deployment);
        }
        objects.iter().map(|object| format!("---\n{object}\n")).collect()
    }

    #[test]
    fn a_move_is_proven_where_the_value_has_its_role_and_else_both_lists_are_shown() {
        let installation = Simulated::fresh("openshift-2.8").expect("an installation");
        let mut survey = portolan_trials::sim::survey(installation.world());
        let render = |job: &RenderJob| {
            let [first, second] = [(); 2].map(|()| Rendered::of_text(rendered(job)));
            Ok(Rendering { first, second, reads: Vec::new() })
        };
        let target = Target::simulated(Simulated { renders: Some(Box::new(render)), ..Simulated::new(installation) });
        let (mut old, mut new, mut values) = (json!({}), json!({"new": {}}), Vec::new());
        for (number, (today, then, _, _)) in MOVES.iter().enumerate() {
            let value = json!(format!("value-{number}"));
            old[*today] = value.clone();
            match then.strip_prefix("new.") {
                Some(key) => new["new"][key] = value.clone(),
                None => new[*then] = value.clone(),
            }
            let to = MovedTo { path: ValuesPath::new(then), how: String::new(), source: "answered".into() };
            let change = if today == then { ValueChange::Carried } else { ValueChange::Moved(to) };
            let (path, set_by) = (ValuesPath::new(today), SetBy::Site);
            values.push(SiteValue {
                path,
                today: value,
                default: None,
                set_by,
                changes: vec![change],
                hint: String::new(),
            });
        }
        survey.inventory.release.config = old;
        let (old, new) = (chart("1.0.0"), render_job(&survey.inventory, &chart("2.0.0"), &new));
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        let book = RecipeSet::builtin();
        let found = runtime.block_on(of(&target, (&survey, &book), (Some(&old), &new), &values)).expect("effects");
        for (today, _, [name, container, key], proof) in MOVES {
            let effect = &found[&ValuesPath::new(today)];
            assert_eq!(effect.proof, proof, "{today}: {:?} {:?}", effect.today, effect.then);
            let Some(fields) = &effect.fields else {
                assert_eq!(proof, Proof::Proven, "{today}");
                continue;
            };
            assert!(fields.today.len() == 1 && fields.today[0].contains("runai-backend-api"), "{:?}", fields.today);
            let there = if container.is_empty() { key } else { name };
            assert!(fields.then.len() == 1 && fields.then[0].contains(there), "{:?}", fields.then);
        }
        let release = survey.inventory.release.id;
        let (from, to) = (old.id, Some(new.chart));
        let view = ValuesView { release, from, to, values, effects: found, defaults: Vec::new(), set_flags: None };
        let page = portolan_report::values(&view, ValuesPart::Effects, None).markdown();
        assert!(page.contains("Compare both lists before the upgrade") && !page.contains("value-"), "{page}");
    }
}
