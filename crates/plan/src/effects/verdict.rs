//! What is known of each value, and what is told in the end.

use std::collections::{BTreeMap, BTreeSet};

use portolan_model::ValuesPath;

use super::causes::Explained;
use super::evidence::{Analysis, FieldAt, Outcome, Renderings, analyse, explain_within};
use super::probe::Probe;
use super::texts::Texts;
use super::tree::{Change, Place, is_below};
use super::{Effect, EffectSearch, Effects, Field, field};

/// All that is known at some time.
pub(super) struct Known {
    pub(super) analysis: Analysis,
    pub(super) values: Vec<ValueState>,
}

/// What is known of a value.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum ValueState {
    /// It changes a field.
    Reaches,
    /// It changes a field together with these.
    Hidden(BTreeSet<usize>),
    /// Helm refuses each of its probes, or the last one that is left, for its sake.
    Refused,
    /// None of the probes that render changes a field.
    Idle,
    /// Not enough.
    Open,
}

impl EffectSearch {
    pub(super) fn known(&self) -> Known {
        let count = self.leaves.len();
        let mut open: BTreeSet<usize> = (0..count).collect();
        let texts = Texts::of(&self.given, &self.defaults, &self.leaves);
        let mut analysis = analyse(Renderings { trials: &self.trials, probed: &self.probed, texts: &texts });
        let reaches = |analysis: &Analysis, value: usize| {
            analysis.fields.iter().any(|field| field.shown_by(value, &self.probed).is_some())
        };
        open.retain(|value| !reaches(&analysis, *value));
        explain_within(&open, &self.probed, &mut analysis);
        let values = (0..count)
            .map(|value| match reaches(&analysis, value) {
                true => ValueState::Reaches,
                false => self.state(value, &analysis),
            })
            .collect();
        Known { analysis, values }
    }

    fn state(&self, value: usize, analysis: &Analysis) -> ValueState {
        let partners: BTreeSet<usize> = analysis
            .fields
            .iter()
            .filter(|field| field.is_idle(value, &self.probed))
            .flat_map(|field| field.suspects())
            .filter(|other| *other != value)
            .collect();
        if !partners.is_empty() {
            return ValueState::Hidden(partners);
        }
        let mut usable = self.usable(value).peekable();
        if usable.peek().is_none() {
            let told = analysis.refusals.iter().any(|said| said.shown_by(value, &self.probed).is_some());
            return if told { ValueState::Refused } else { ValueState::Open };
        }
        if usable.all(|probe| self.is_proven(value, probe, analysis)) { ValueState::Idle } else { ValueState::Open }
    }

    /// The probes of a value that are not known to be refused.
    pub(super) fn usable(&self, value: usize) -> impl Iterator<Item = u8> + '_ {
        let all = 0..u8::try_from(self.leaves[value].probes.len()).unwrap_or(u8::MAX);
        all.filter(move |probe| !self.refused[value].contains(probe))
    }

    /// Whether renderings show that a value with this probe changes nothing: what has an effect was as given in one, and whatever changed
    /// in it all the same stayed as it is in another one in which the value was changed, too.
    pub(super) fn is_proven(&self, value: usize, probe: u8, analysis: &Analysis) -> bool {
        let renderings = || {
            let all = self.trials.iter().zip(&self.probed).filter(|(_, probed)| probed[value] == probe + 1);
            all.filter_map(|(trial, _)| match &trial.outcome {
                Outcome::Rendered(changes) => Some((trial.is_proof, changes)),
                Outcome::Refused(_) => None,
            })
        };
        let is_kept = |place: &Place, changes: &BTreeMap<Place, Change>| {
            let mut within = changes.keys().filter(|other| other.starts_with(place));
            !is_below(place, changes) && within.all(|other| analysis.checksums.contains(other))
        };
        renderings().filter(|(is_proof, _)| *is_proof).any(|(_, changes)| {
            changes.keys().all(|place| {
                analysis.checksums.contains(place) || renderings().any(|(_, others)| is_kept(place, others))
            })
        })
    }

    /// The fields that a value reaches.
    fn fields(&self, value: usize, analysis: &Analysis) -> Vec<Field> {
        let mut found = Vec::new();
        for explained in &analysis.fields {
            let Some(trial) = explained.shown_by(value, &self.probed) else { continue };
            found.extend(explained.of.iter().filter_map(|at| self.field(at, trial)));
        }
        found.sort_by(|one, other| {
            (&one.object, &one.pointer, &one.part).cmp(&(&other.object, &other.pointer, &other.part))
        });
        found
    }

    fn field(&self, at: &FieldAt, trial: usize) -> Option<Field> {
        let Outcome::Rendered(changes) = &self.trials[trial].outcome else { return None };
        field(&self.release, self.full.as_ref()?, at, changes.get(&at.place)?)
    }

    /// The checksums that changed in the renderings that prove that a value changes nothing else.
    fn checksums(&self, value: usize, analysis: &Analysis) -> Vec<Field> {
        let mut all: BTreeMap<&Place, &Change> = BTreeMap::new();
        for (trial, probed) in self.trials.iter().zip(&self.probed) {
            if let Outcome::Rendered(changes) = &trial.outcome
                && trial.is_proof
                && probed[value] != 0
            {
                all.extend(changes.iter().filter(|(place, _)| analysis.checksums.contains(*place)));
            }
        }
        let full = BTreeMap::new();
        let full = self.full.as_ref().unwrap_or(&full);
        let found = all.into_iter().map(|(place, change)| (FieldAt { place: place.clone(), word: None }, change));
        found.filter_map(|(at, change)| field(&self.release, full, &at, change)).collect()
    }

    /// What helm said because of a value, and whether it wants the value rather than refusing the one that was tried.
    fn refusal(&self, value: usize, analysis: &Analysis) -> Option<(String, bool)> {
        let mut said = Vec::new();
        let mut is_needed = false;
        for refusal in &analysis.refusals {
            let Some(trial) = refusal.shown_by(value, &self.probed) else { continue };
            said.extend(refusal.of.iter().cloned());
            is_needed |= match &self.leaves[value].probes[usize::from(self.probed[trial][value]) - 1] {
                Probe::Removed => true,
                Probe::Changed(other) => other.is_boolean(),
            };
        }
        (!said.is_empty()).then(|| (said.join("\n"), is_needed))
    }

    /// What each value does. A value is [`Effect::None`] only where it is proven.
    #[must_use]
    pub fn finish(self) -> Effects {
        let known = self.known();
        let path = |value: usize| self.leaves[value].path.clone();
        let of: BTreeMap<ValuesPath, Effect> =
            (0..self.leaves.len()).map(|value| (path(value), self.effect(value, &known))).collect();
        Effects { of, renderings: self.renderings }
    }

    fn effect(&self, value: usize, known: &Known) -> Effect {
        if let Some(said) = &self.failed {
            return Effect::Undecided {
                why: format!("helm does not render the chart with the values as they are: {said}"),
            };
        }
        let state = &known.values[value];
        if *state == ValueState::Reaches {
            return Effect::Fields(self.fields(value, &known.analysis));
        }
        let refusal = self.refusal(value, &known.analysis);
        if let Some((said, true)) = refusal {
            return Effect::Needed { said };
        }
        match state {
            ValueState::Hidden(by) => {
                Effect::Hidden { by: by.iter().map(|other| self.leaves[*other].path.clone()).collect() }
            }
            ValueState::Idle if self.refused[value].is_empty() => match self.checksums(value, &known.analysis) {
                checksums if checksums.is_empty() => Effect::None,
                checksums => Effect::Checksums(checksums),
            },
            _ => Effect::Undecided {
                why: match refusal {
                    Some((said, _)) => format!("helm refuses the value that was tried in its place: {said}"),
                    None if !self.refused[value].is_empty() => {
                        "helm refuses the value that was tried in its place".into()
                    }
                    None => format!("{} renderings did not tell", self.renderings),
                },
            },
        }
    }
}

impl Analysis {
    /// Whether a text that depends on too many values is explained word by word instead.
    pub(super) fn is_read_by_words(&self, field: &Explained<FieldAt>) -> bool {
        let has_words = |at: &FieldAt| {
            let words = self.fields.iter().flat_map(|field| &field.of).filter(|other| other.word.is_some());
            words.into_iter().any(|other| other.place == at.place)
        };
        field.causes.is_empty() && field.of.iter().all(has_words)
    }
}
