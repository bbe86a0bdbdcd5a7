//! Is the installation still the one that the plan was made for?

use portolan_model::{Code, Expected, Finding, Object, Plan, Precondition, Ref, Seen, Step, StepKind};
use serde_json::Value;

use crate::steps;

const NOT_AS_IT_WAS: &str = "the installation is not as it was when the plan was made; nothing was written";

const LOOKED_UP: &str = "the plan was made from it: the upgrade may do something else now";

/// What the plan relied on, in the order in which it is read.
pub(crate) fn relied_on(plan: &Plan) -> impl Iterator<Item = (&Ref, &Precondition)> {
    plan.preconditions.iter().chain(&plan.lookups)
}

/// An answer about fewer objects than were asked for: what is missing in it would count as unchanged.
pub(crate) fn short(asked: usize, seen: &[Seen]) -> Option<Finding> {
    let found = format!("{asked} objects were asked for, and the answer is about {}", seen.len());
    (seen.len() != asked).then(|| Finding::blocking(Code::NotVisible, found))
}

/// What differs from what the plan relied on; `seen` is in the order of [`relied_on`].
pub(crate) fn moved(plan: &Plan, seen: &[Seen]) -> Vec<Finding> {
    let all = plan.preconditions.len() + plan.lookups.len();
    if let Some(finding) = short(all, seen) {
        return vec![finding.next(plan.command())];
    }
    let findings: Vec<Finding> =
        relied_on(plan).zip(seen).filter_map(|((name, expect), seen)| check(name, expect, seen)).collect();
    let same = all - findings.len();
    let (moved, others): (Vec<Finding>, Vec<Finding>) =
        findings.into_iter().partition(|finding| finding.code == Code::Moved);
    let moved = in_one(moved).map(|one| one.with(format!("{same} of {all} objects are unchanged")));
    others.into_iter().chain(moved).map(|finding| finding.next(plan.command())).collect()
}

/// All that moved as one finding: each object is a line of its evidence.
fn in_one(moved: Vec<Finding>) -> Option<Finding> {
    let first = moved.first()?;
    let mut all = Finding::blocking(Code::Moved, NOT_AS_IT_WAS).why(first.why.clone());
    for finding in moved {
        // What has no line of its own is the line.
        let own = if finding.evidence.is_empty() { vec![finding.found] } else { finding.evidence };
        all.evidence.extend(own);
    }
    Some(all)
}

/// The same after steps of the run, for what is still relied on, each with what was seen of it: what the steps did is no move. What
/// does not exist any more comes first, since it ends the run.
pub(crate) fn moved_by_others<'a, 's>(
    relied_on: impl Iterator<Item = ((&'a Ref, &'a Precondition), &'s Seen)>,
    done: &[&Step],
) -> Option<Finding> {
    let is_deleted = |name: &Ref| {
        done.iter().any(|step| matches!(&step.kind, StepKind::DeleteObject { target, .. } if target == name))
    };
    let protected: Vec<&Ref> = done.iter().copied().filter_map(steps::protected).collect();
    let all = relied_on.filter(|((name, _), _)| !is_deleted(name));
    let findings = all.filter_map(|((name, expect), seen)| {
        let mut expect = expect.clone();
        if protected.contains(&name) {
            expect.fields.retain(|field| !steps::PROTECTIONS.contains(&field.pointer.as_str()));
            expect.content = None;
        }
        let finding = check(name, &expect, seen)?;
        let code = match (finding.code, &expect.object, seen) {
            (Code::Moved, Expected::Same(uid), Seen::There(object)) if !object.is(uid) => Code::OtherObject,
            (Code::Moved, Expected::Same(_), Seen::Absent) => Code::OtherObject,
            (Code::Moved, ..) => Code::ChangedSince,
            (code, ..) => code,
        };
        let found = format!("{}; helm was not started", finding.found.trim_end_matches("; nothing was written"));
        let (mut why, mut next) = (finding.why.clone(), finding.next.clone());
        if finding.code == Code::Moved {
            code.next().clone_into(&mut next);
            if why == Code::Moved.why() {
                code.why().clone_into(&mut why);
            }
        }
        Some(Finding { code, found, ..finding }.why(why).next(next))
    });
    let mut findings: Vec<Finding> = findings.collect();
    let order = [Code::OtherCluster, Code::OtherObject, Code::ChangedSince];
    findings.sort_by_key(|finding| order.iter().position(|code| *code == finding.code).unwrap_or(order.len()));
    let mut findings = findings.into_iter();
    let mut first = findings.next()?;
    for finding in findings {
        // What has no line of its own is the line.
        let own = if finding.evidence.is_empty() { vec![finding.found] } else { finding.evidence };
        first.evidence.extend(own);
    }
    Some(first)
}

fn check(name: &Ref, expect: &Precondition, seen: &Seen) -> Option<Finding> {
    let object = match (seen, &expect.object) {
        (Seen::There(object), Expected::Same(uid)) if object.is(uid) => object,
        (Seen::There(object), Expected::Unnamed) => object,
        (Seen::There(object), Expected::WithKeys(keys)) => {
            let has = object.data_keys();
            let gone: Vec<&str> = keys.iter().map(String::as_str).filter(|key| !has.contains(key)).collect();
            return (!gone.is_empty())
                .then(|| Finding::blocking(Code::Moved, format!("{name} has no key {} any more", gone.join(", "))));
        }
        (Seen::Absent, Expected::Absent) => return None,
        (Seen::There(_), Expected::Same(_)) if name.kind() == "Namespace" => {
            let found = match name.name() {
                "kube-system" => format!("this is not the cluster that the plan was made for ({name} is another one)"),
                _ => format!("{name} was made again since the plan was made, or this is another cluster"),
            };
            return Some(Finding::blocking(Code::OtherCluster, found));
        }
        (Seen::There(_), Expected::Same(_)) => {
            return Some(Finding::blocking(Code::Moved, format!("{name} was deleted and made again")));
        }
        (Seen::There(_), Expected::Absent) => {
            return Some(Finding::blocking(Code::Moved, format!("{name} is there, and was not")));
        }
        (Seen::Absent, Expected::Same(_) | Expected::Unnamed | Expected::WithKeys(_)) => {
            return Some(Finding::blocking(Code::Moved, format!("{name} is gone")));
        }
        (Seen::Unreadable(text), _) => {
            return Some(Finding::blocking(Code::NotVisible, format!("{name} cannot be read")).with(text.clone()));
        }
    };
    differing(object, expect)
        .map(|(line, why)| Finding::blocking(Code::Moved, NOT_AS_IT_WAS).with(format!("{name}  {line}")).why(why))
}

fn differing(object: &Object, expect: &Precondition) -> Option<(String, String)> {
    let is_other =
        |field: &&portolan_model::Field| object.at(field.pointer.as_str()).unwrap_or(&Value::Null) != &field.value;
    let Some(field) = expect.fields.iter().find(is_other) else {
        let content = expect.content.as_ref().filter(|content| object.content_digest() != **content);
        return content.map(|_| ("its content has changed".into(), LOOKED_UP.into()));
    };
    let show = |value: &Value| match value {
        Value::Null => "(absent)".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let now = object.at(field.pointer.as_str()).unwrap_or(&Value::Null);
    let line = format!("{}: {} -> {}", field.pointer.dotted(), show(&field.value), show(now));
    Some((line, field.why.clone()))
}

#[cfg(test)]
mod tests {
    use portolan_model::{Field, JsonPointer, Uid};
    use serde_json::json;

    use super::*;

    #[test]
    fn what_moved_since_the_plan_is_found() {
        let secret = |uid: &str, policy: &str| {
            Seen::There(Object::new(json!({"kind": "Secret", "metadata": {"name": "s", "uid": uid}, "policy": policy})))
        };
        let field =
            Field { pointer: JsonPointer::new("/policy"), value: json!("Retain"), why: "it protects the data".into() };
        let content = Object::new(json!({"kind": "Secret", "policy": "Retain"})).content_digest();
        let was_there = Precondition { fields: vec![field], ..Precondition::same(Uid::new("u")) };
        let looked_up = Precondition { content: Some(content), ..Precondition::same(Uid::new("u")) };
        let absent = Precondition::absent();
        let Seen::There(object) = secret("u", "Retain") else { panic!("it is there") };
        let content = Some(object.content_digest());
        let unnamed = Precondition { object: Expected::Unnamed, fields: Vec::new(), content };
        let with_keys =
            Precondition { object: Expected::WithKeys(["password".to_owned()].into()), ..Precondition::absent() };
        let holding = |uid: &str, key: &str| {
            Seen::There(Object::new(json!({"kind": "Secret", "metadata": {"uid": uid}, "data": {key: "eA=="}})))
        };
        let cases = [
            (&was_there, secret("u", "Retain"), None),
            (&was_there, secret("u", "Delete"), Some(Code::Moved)),
            (&was_there, secret("other", "Retain"), Some(Code::Moved)),
            (&was_there, Seen::Absent, Some(Code::Moved)),
            (&was_there, Seen::Unreadable("no".into()), Some(Code::NotVisible)),
            (&looked_up, secret("u", "Delete"), Some(Code::Moved)),
            (&unnamed, secret("u", "Retain"), None),
            (&unnamed, secret("u", "Delete"), Some(Code::Moved)),
            (&unnamed, Seen::Absent, Some(Code::Moved)),
            (&with_keys, holding("u", "password"), None),
            (&with_keys, holding("made-again", "password"), None),
            (&with_keys, holding("u", "other"), Some(Code::Moved)),
            (&with_keys, Seen::Absent, Some(Code::Moved)),
            (&absent, Seen::Absent, None),
            (&absent, secret("u", "Retain"), Some(Code::Moved)),
        ];
        for (expect, seen, code) in cases {
            let found = check(&Ref::secret("n", "s"), expect, &seen);
            assert_eq!(found.map(|finding| finding.code), code, "{expect:?} {seen:?}");
        }
        let other = Seen::There(Object::new(json!({"metadata": {"uid": "other"}})));
        let cluster = check(&Ref::new("", "Namespace", "", "kube-system"), &was_there, &other);
        assert_eq!(cluster.map(|finding| finding.code), Some(Code::OtherCluster));
    }

    #[test]
    fn all_that_moved_is_one_finding_and_what_cannot_be_read_another() {
        let moved = Finding::blocking(Code::Moved, NOT_AS_IT_WAS).with("a  policy: x -> y").why("it protects the data");
        let gone = Finding::blocking(Code::Moved, "b is gone");
        let one = in_one(vec![moved, gone]).expect("a finding");
        assert_eq!((one.found.as_str(), one.why.as_str()), (NOT_AS_IT_WAS, "it protects the data"));
        assert_eq!(one.evidence, ["a  policy: x -> y", "b is gone"]);
        assert_eq!(in_one(Vec::new()), None);
    }
}
