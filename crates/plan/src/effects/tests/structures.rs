//! Charts made at random: each field depends on up to three values, some behind a switch, some values are required.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::super::probe::{Probe, leaves};
use super::*;

/// How a field is made of its values.
#[derive(Clone, Copy, Debug)]
enum Make {
    /// All of them, one after the other.
    Joined,
    /// The first one that is not empty.
    First,
    /// The second if the first is on, else the last one.
    Choice,
}

/// A chart, and the values that a user gave it.
#[derive(Clone, Debug)]
struct Structure {
    /// The type of each value, and what the default is: none, another one, the same.
    values: Vec<(u8, u8)>,
    /// The object of each field, how it is made, and of which values.
    fields: Vec<(usize, Make, Vec<usize>)>,
    /// The values that must be on for each object to be there.
    objects: Vec<Vec<usize>>,
    /// The values without which the chart does not render, and whether helm names them then.
    required: Vec<(usize, bool)>,
}

const OBJECTS: usize = 8;
/// So few that the test takes seconds. With 600 of each no value with an effect is told to have none either.
const CASES: u32 = 12;

fn structures(count: std::ops::Range<usize>, required: usize) -> impl Strategy<Value = Structure> {
    count.prop_flat_map(move |count| {
        let make = prop_oneof![4 => Just(Make::Joined), 1 => Just(Make::First), 1 => Just(Make::Choice)];
        let field = (0..OBJECTS, make, prop::collection::vec(0..count, 1..4));
        (
            prop::collection::vec((0..4u8, 0..3u8), count),
            prop::collection::vec(field, 0..count * 2),
            prop::collection::vec(prop::collection::vec(0..count, 0..3), OBJECTS),
            prop::collection::vec((0..count, any::<bool>()), 0..=required),
        )
            .prop_map(|(values, fields, objects, required)| Structure { values, fields, objects, required })
    })
}

impl Structure {
    fn path(at: usize) -> String {
        format!("g{}.v{at}", at / 4)
    }

    fn value(&self, at: usize, other: bool) -> Value {
        match self.values[at].0 {
            0 => json!(!other),
            1 => json!(at + 1000 * usize::from(other)),
            _ => json!(format!("{}{at}", if other { "default" } else { "text" })),
        }
    }

    fn given(&self) -> Value {
        let mut all = json!({});
        for at in 0..self.values.len() {
            values::set(&mut all, &Self::path(at), self.value(at, false));
        }
        all
    }

    fn defaults(&self) -> Value {
        let mut all = json!({});
        for (at, (_, default)) in self.values.iter().enumerate().filter(|(_, (_, default))| *default > 0) {
            values::set(&mut all, &Self::path(at), self.value(at, *default == 1));
        }
        all
    }

    fn render(&self, all: &Value) -> Result<Vec<Value>, String> {
        let get = |at: usize| values::get(all, &Self::path(at)).cloned().unwrap_or_default();
        let is_on = |at: usize| !matches!(get(at), Value::Null | Value::Bool(false));
        for (at, is_named) in &self.required {
            if !is_on(*at) {
                return Err(if *is_named {
                    format!("{} is required", Self::path(*at))
                } else {
                    "something is missing".into()
                });
            }
        }
        let mut objects = Vec::new();
        let there = self.objects.iter().enumerate().filter(|(_, switches)| switches.iter().all(|at| is_on(*at)));
        for (at, _) in there {
            let mut data = json!({});
            for (number, (_, make, of)) in self.fields.iter().enumerate().filter(|(_, field)| field.0 == at) {
                data[format!("f{number}")] = match make {
                    Make::Joined => json!(of.iter().map(|at| get(*at).to_string()).collect::<Vec<_>>().join("-")),
                    Make::First => of.iter().map(|at| get(*at)).find(|value| !value.is_null()).unwrap_or_default(),
                    Make::Choice => get(if is_on(of[0]) { of[of.len() / 2] } else { of[of.len() - 1] }),
                };
            }
            objects.push(config(&format!("o{at}"), json!({"fields": data})));
        }
        Ok(objects)
    }

    /// What changes if one value alone is changed: the places, and whether each of its probes renders.
    fn alone(&self, at: usize) -> (BTreeSet<(Ref, String)>, bool) {
        let (given, defaults) = (self.given(), self.defaults());
        let leaf = leaves(&given, &defaults)
            .into_iter()
            .find(|leaf| leaf.path.as_str() == Self::path(at))
            .expect("it is given");
        let objects = |all: Vec<Value>| all.into_iter().map(Object::new).collect::<Vec<_>>();
        let full = tree::of_objects(&objects(self.render(&merge(&defaults, &given)).expect("it renders")));
        let (mut found, mut renders) = (BTreeSet::new(), true);
        for probe in leaf.probes {
            let mut values = given.clone();
            match probe {
                Probe::Removed => values::remove(&mut values, leaf.path.as_str()),
                Probe::Changed(value) => values::set(&mut values, leaf.path.as_str(), value),
            }
            let Ok(rendered) = self.render(&merge(&defaults, &values)) else {
                renders = false;
                continue;
            };
            for (place, change) in tree::diff(&full, &objects(rendered)) {
                found.insert((Ref::parse(&place[0]).expect("a name"), change.pointer));
            }
        }
        (found, renders)
    }
}

/// How the search did over many structures.
#[derive(Default)]
struct Score {
    reaching: usize,
    found: usize,
    undecided: usize,
    idle: usize,
    told_idle: usize,
    wrong: usize,
    invented: usize,
    renderings: usize,
    searches: usize,
}

/// Searches, and compares with what each value does alone.
fn judge(structure: &Structure, score: &mut Score) -> Result<(), TestCaseError> {
    let effects = search(&structure.given(), &structure.defaults(), &|all| structure.render(all));
    score.renderings += effects.renderings;
    score.searches += 1;
    for at in 0..structure.values.len() {
        let (truth, renders) = structure.alone(at);
        let told = effect(&effects, &Structure::path(at));
        match &told {
            Effect::None => {
                prop_assert!(truth.is_empty(), "value {at} has the effect {truth:?}");
                prop_assert!(renders, "value {at} is required");
            }
            Effect::Fields(fields) => {
                let all = fields.iter().all(|field| truth.contains(&(field.object.clone(), field.pointer.clone())));
                score.wrong += usize::from(!all);
                score.invented += usize::from(truth.is_empty());
            }
            Effect::Needed { .. } => prop_assert!(!renders, "value {at} is not needed"),
            Effect::Checksums(_) => prop_assert!(false, "there is no checksum"),
            Effect::Hidden { .. } | Effect::Undecided { .. } => {}
        }
        score.undecided += usize::from(matches!(told, Effect::Undecided { .. }));
        score.reaching += usize::from(!truth.is_empty());
        score.found += usize::from(!truth.is_empty() && matches!(told, Effect::Fields(_)));
        score.idle += usize::from(truth.is_empty() && renders);
        score.told_idle += usize::from(truth.is_empty() && told == Effect::None);
    }
    Ok(())
}

fn run(cases: u32, strategy: impl Strategy<Value = Structure>) -> Score {
    let mut runner = proptest::test_runner::TestRunner::new_with_rng(
        ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() },
        proptest::test_runner::TestRng::deterministic_rng(proptest::test_runner::RngAlgorithm::ChaCha),
    );
    let score = std::cell::RefCell::new(Score::default());
    let result = runner.run(&strategy, |structure| judge(&structure, &mut score.borrow_mut()));
    result.unwrap_or_else(|error| panic!("{error}"));
    let score = score.into_inner();
    println!(
        "{} charts, {:.1} renderings each; of {} values with an effect {} found; of {} without {} told; {} undecided; {} with a field too many, {} of these without any",
        score.searches,
        score.renderings as f64 / score.searches as f64,
        score.reaching,
        score.found,
        score.idle,
        score.told_idle,
        score.undecided,
        score.wrong,
        score.invented,
    );
    score
}

#[test]
fn no_value_with_an_effect_is_told_to_have_none() {
    let score = run(CASES, structures(1..66, 0));
    assert!(score.found * 100 >= score.reaching * 97, "{} of {}", score.found, score.reaching);
    assert!(score.invented * 200 <= score.found, "{} of {}", score.invented, score.found);
}

/// A chart that was found at random: what changes a field together with others must not pass for one of these.
#[test]
fn one_of_three_values_of_a_field_behind_a_switch_is_not_told_to_have_no_effect() {
    let kinds = [(0, 0), (1, 0), (0, 0), (1, 2), (0, 0), (1, 0), (0, 1), (0, 0), (0, 1), (1, 0)];
    let mut objects = vec![Vec::new(); OBJECTS];
    objects[7] = vec![0];
    let structure = Structure {
        values: kinds.to_vec(),
        fields: vec![(7, Make::Joined, vec![5, 3, 1]), (0, Make::Joined, vec![9])],
        objects,
        required: Vec::new(),
    };
    judge(&structure, &mut Score::default()).expect("no value with an effect is told to have none");
}

#[test]
fn required_values_do_not_spoil_the_others() {
    let score = run(CASES, structures(1..66, 3));
    assert!(score.found * 100 >= score.reaching * 95, "{} of {}", score.found, score.reaching);
}
