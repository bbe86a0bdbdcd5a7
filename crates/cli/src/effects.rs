//! What the values that go on do, in the old chart and in the new one.

use std::collections::BTreeMap;

use portolan_helm_compat::chart::PackedChart;
use portolan_inventory::Survey;
use portolan_model::{Code, Finding, RenderJob, SiteValue, ValuesPath};
use portolan_recipe::{RecipeSet, RolePair};
use portolan_report::{Proof, ReachedFields, ValueEffect};
use portolan_workflow::{Effect, Effects, Field, Target, effects, named_roles, render_job, same_role, usable_helm};

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
    let both = async {
        let then = effects(target, survey, &helm, new).await?;
        let today = match old {
            Some(old) => {
                let job = render_job(&survey.inventory, old, &survey.inventory.release.config);
                Some(effects(target, survey, &helm, &job).await?)
            }
            None => None,
        };
        Ok((then, today))
    };
    let (then, today) = match both.await {
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
