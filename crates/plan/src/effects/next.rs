//! Which rendering tells most.

use std::collections::{BTreeMap, BTreeSet};

use super::causes::{Assignment, Explained};
use super::evidence::{FieldAt, Outcome};
use super::verdict::{Known, ValueState};
use super::{EffectSearch, Pending};

/// How many renderings are kept for proofs that values have no effect.
const KEPT: usize = 4;

/// How many sets of values are compared before one is tried.
const DRAWS: usize = 120;

/// How many possible causes of a field are compared.
const CAUSES: usize = 24;

impl EffectSearch {
    /// The next group that was not tried yet.
    pub(super) fn next_group(&mut self) -> Option<Pending> {
        while let Some(group) = self.groups.pop() {
            let probed = self.assignment(group.iter().filter_map(|value| Some((*value, self.usable(*value).next()?))));
            if let Some(probed) = self.untried(probed, &[]) {
                return Some(Pending::Trial { probed, is_proof: false });
            }
        }
        None
    }

    /// A rendering beside the last groups, which nothing else could be made beside: what is guarded has to be tried alone anyway.
    pub(super) fn filler(&mut self) -> Option<Pending> {
        self.fillers = self.fillers.checked_sub(1)?;
        let guarded = (0..self.leaves.len()).filter_map(|value| Some((value, *self.refused[value].first()?)));
        guarded.filter(|(value, _)| self.usable(*value).next().is_none()).find_map(|one| {
            let probed = self.untried(self.assignment(std::iter::once(one)), &[])?;
            Some(Pending::Trial { probed, is_proof: true })
        })
    }

    /// The renderings that are made next, at most two; none when everything is known, or nothing more can be.
    pub(super) fn next(&mut self) -> Vec<Pending> {
        let mut known = self.known();
        if self.learn_refusals(&known) {
            known = self.known();
        }
        let left = super::codes::limit(self.leaves.len()).saturating_sub(self.renderings);
        if left > KEPT {
            let puzzling = self.puzzling(&known);
            let wanted = if puzzling.is_empty() { Vec::new() } else { self.questions(&known, &puzzling) };
            if !wanted.is_empty() {
                return wanted;
            }
        }
        let suspects = self.suspects(&known);
        let mut questions = if suspects.is_empty() { Vec::new() } else { self.questions(&known, &suspects) };
        let mut wanted = Vec::new();
        // One question at a time, as long as there is something else to do beside it.
        if left > KEPT && !questions.is_empty() {
            wanted.push(questions.remove(0));
        }
        wanted.extend(self.proofs(&known, &suspects));
        wanted.extend(self.alone(&known));
        wanted.extend(questions);
        if wanted.is_empty() {
            wanted = self.questions(&known, &known.open().collect());
        }
        if wanted.is_empty() && !self.is_checked {
            self.is_checked = true;
            wanted = self.checks(&known);
        }
        wanted.truncate(2);
        wanted
    }

    pub(super) fn assignment(&self, probes: impl Iterator<Item = (usize, u8)>) -> Assignment {
        let mut assignment = vec![0; self.leaves.len()];
        for (value, probe) in probes {
            assignment[value] = probe + 1;
        }
        assignment
    }

    /// An assignment that changes something and was not rendered yet.
    pub(super) fn untried(&self, probed: Assignment, wanted: &[Pending]) -> Option<Assignment> {
        let is_wanted = |pending: &Pending| matches!(pending, Pending::Trial { probed: other, .. } if *other == probed);
        let mut asked = wanted.iter().chain(self.asked.iter().map(|asked| &asked.what));
        let is_new = probed.iter().any(|probe| *probe != 0) && !self.probed.contains(&probed) && !asked.any(is_wanted);
        is_new.then_some(probed)
    }

    /// The renderings in which all values without a known effect are changed at once, with their first and with their other probe, but
    /// for those that are suspected of something.
    fn proofs(&self, known: &Known, suspects: &BTreeSet<usize>) -> Vec<Pending> {
        let unproven: Vec<(usize, Vec<u8>)> = known
            .open()
            .filter(|value| !suspects.contains(value))
            .map(|value| {
                let probes = self.usable(value).filter(|probe| !self.is_proven(value, *probe, &known.analysis));
                (value, probes.collect())
            })
            .collect();
        let mut wanted = Vec::new();
        for at in 0..2 {
            let probes = unproven.iter().filter_map(|(value, probes)| Some((*value, *probes.get(at)?)));
            wanted.extend(
                self.untried(self.assignment(probes), &wanted).map(|probed| Pending::Trial { probed, is_proof: true }),
            );
        }
        wanted
    }

    /// The values that may be the cause of a field of which no cause is known: changing all of them at once would prove nothing.
    fn puzzling(&self, known: &Known) -> BTreeSet<usize> {
        self.puzzles(known)
            .flat_map(Explained::suspects)
            .filter(|value| known.values[*value] == ValueState::Open)
            .collect()
    }

    /// The fields whose cause is not known, and cannot be values with a known effect alone.
    fn puzzles<'a>(&'a self, known: &'a Known) -> impl Iterator<Item = &'a Explained<FieldAt>> {
        known.analysis.fields.iter().filter(|field| !field.causes.is_empty() && self.is_puzzling(field, known))
    }

    fn is_puzzling<T>(&self, field: &Explained<T>, known: &Known) -> bool {
        let is_known = |value: &usize| known.values[*value] == ValueState::Reaches;
        !field.causes.iter().any(|cause| cause.iter().all(is_known))
            && field.suspects().iter().all(|value| field.shown_by(*value, &self.probed).is_none())
    }

    /// The values that may have caused what changed, or was refused, where nothing should have.
    fn suspects(&self, known: &Known) -> BTreeSet<usize> {
        let open: BTreeSet<usize> = known.open().collect();
        let mut found = BTreeSet::new();
        for question in self.open_questions(known) {
            found.extend(question.suspects().intersection(&open));
        }
        found
    }

    /// What changed, or was refused, in the proofs: with the possible causes, or every value that was changed.
    fn open_questions(&self, known: &Known) -> Vec<Explained<()>> {
        let open: BTreeSet<usize> = known.open().collect();
        let mut questions = Vec::new();
        let proofs = self.trials.iter().enumerate().filter(|(_, trial)| trial.is_proof);
        for (at, trial) in proofs {
            let all: Vec<Vec<usize>> =
                open.iter().filter(|value| self.probed[at][**value] != 0).map(|value| vec![*value]).collect();
            let mut add = |signature: &Vec<Option<u8>>, causes: &[Vec<usize>]| {
                let causes = if causes.is_empty() { all.clone() } else { causes.to_vec() };
                let question = Explained::new(vec![()], signature.clone(), causes);
                let is_open = question.suspects().iter().any(|value| open.contains(value));
                if signature[at].is_some_and(|class| class != 0) && is_open && self.is_puzzling(&question, known) {
                    questions.push(question);
                }
            };
            match &trial.outcome {
                Outcome::Rendered(_) => {
                    let fields = known.analysis.fields.iter().filter(|field| !known.analysis.is_read_by_words(field));
                    fields.for_each(|field| add(&field.signature, &field.causes));
                }
                Outcome::Refused(_) => {
                    known.analysis.refusals.iter().for_each(|said| add(&said.signature, &said.causes));
                }
            }
        }
        questions.sort_by(|one, other| (&one.signature, &one.causes).cmp(&(&other.signature, &other.causes)));
        questions.dedup_by(|one, other| one.signature == other.signature && one.causes == other.causes);
        questions
    }

    /// The sets of suspects whose renderings tell most of their possible causes apart, drawn at random from always the same seed.
    fn questions(&self, known: &Known, suspects: &BTreeSet<usize>) -> Vec<Pending> {
        let mut questions = self.open_questions(known);
        questions.extend(
            self.puzzles(known).map(|field| Explained::new(vec![()], field.signature.clone(), field.causes.clone())),
        );
        let probe = |value: usize| {
            let open = self.usable(value).find(|probe| !self.is_proven(value, *probe, &known.analysis));
            Some((value, open.or_else(|| self.usable(value).next())?))
        };
        // What nothing suspects is changed as well, in one of the two: where nothing else changes, that proves that it has no effect.
        let others = known.open().filter(|value| !suspects.contains(value));
        let unproven = |value: usize| {
            self.usable(value)
                .next()
                .filter(|probe| !self.is_proven(value, *probe, &known.analysis))
                .map(|probe| (value, probe))
        };
        let others: Vec<(usize, u8)> = others.filter_map(unproven).collect();
        let mut seed = 0x2545_f491_4f6c_dd1d_u64 ^ self.probed.len() as u64;
        let mut draws: Vec<Assignment> = Vec::new();
        for draw in 0..DRAWS {
            let part = 2 << (draw % 3);
            let drawn = suspects.iter().filter(|_| random(&mut seed).is_multiple_of(part));
            draws.push(self.assignment(drawn.filter_map(|value| probe(*value))));
        }
        let alone = suspects.iter().filter_map(|value| Some(self.assignment(std::iter::once(probe(*value)?))));
        draws.extend(alone);
        let mut rated: Vec<(u64, Assignment)> = draws
            .into_iter()
            .filter_map(|probed| self.untried(probed, &[]))
            .map(|probed| (questions.iter().map(|question| self.told(question, &probed)).sum(), probed))
            .collect();
        rated.sort_by(|one, other| other.0.cmp(&one.0).then_with(|| one.1.cmp(&other.1)));
        rated.dedup();
        let mut wanted: Vec<Assignment> = rated.into_iter().take(2).map(|(_, probed)| probed).collect();
        if let Some(probed) = wanted.first_mut() {
            others.into_iter().for_each(|(value, probe)| probed[value] = probe + 1);
        }
        wanted.into_iter().map(|probed| Pending::Trial { probed, is_proof: true }).collect()
    }

    /// How much a rendering would tell of a field: of a thousand pairs of possible causes, how many it tells apart.
    fn told(&self, question: &Explained<()>, probed: &Assignment) -> u64 {
        let causes = &question.causes;
        let step = causes.len().div_ceil(CAUSES);
        let sample: Vec<&Vec<usize>> = causes.iter().step_by(step.max(1)).collect();
        let mut outcomes: BTreeMap<u8, u64> = BTreeMap::new();
        for cause in &sample {
            *outcomes.entry(self.foretold(question, cause, probed)).or_default() += 1;
        }
        let all = sample.len() as u64;
        let apart = all * all - outcomes.values().map(|count| count * count).sum::<u64>();
        let is_first = |value: &usize| {
            let is_alone = |cause: &Vec<usize>| cause.iter().all(|other| (probed[*other] != 0) == (other == value));
            question.shown_by(*value, &self.probed).is_none()
                && causes.iter().any(|cause| cause.contains(value) && is_alone(cause))
        };
        let alone = (0..probed.len()).filter(|value| probed[*value] != 0).any(|value| is_first(&value));
        1000 * apart / (all * all).max(1) + if alone { 100 } else { 0 }
    }

    /// What a field would be if it depended on these values: one of the contents that it had, or another one.
    fn foretold(&self, question: &Explained<()>, cause: &[usize], probed: &Assignment) -> u8 {
        if cause.iter().all(|value| probed[*value] == 0) {
            return 0;
        }
        let is_same = |trial: &Assignment| cause.iter().all(|value| trial[*value] == probed[*value]);
        let mut known = self.probed.iter().zip(&question.signature).filter(|(trial, _)| is_same(trial));
        known.find_map(|(_, class)| *class).unwrap_or(u8::MAX)
    }

    /// Two renderings that check what was concluded: the values that change a field are changed, one half in each. Left as they are: what
    /// hides other fields, and what can be read in the fields that it changes.
    fn checks(&self, known: &Known) -> Vec<Pending> {
        let plain = |value: &usize| {
            known.values[*value] == ValueState::Reaches
                && known.analysis.fields.iter().all(|field| match field.shown_by(*value, &self.probed) {
                    Some(trial) => !field.is_told && field.of.iter().all(|at| !self.trials[trial].hides(&at.place)),
                    None => true,
                })
        };
        let plain: Vec<usize> = (0..self.leaves.len()).filter(plain).collect();
        let mut seed = 0x9e37_79b9_7f4a_7c15_u64;
        let (one, other): (Vec<usize>, Vec<usize>) = plain.iter().partition(|_| random(&mut seed).is_multiple_of(2));
        let mut wanted = Vec::new();
        for half in [one, other] {
            let probes = half.iter().filter_map(|value| Some((*value, self.usable(*value).next()?)));
            wanted.extend(
                self.untried(self.assignment(probes), &wanted).map(|probed| Pending::Trial { probed, is_proof: false }),
            );
        }
        wanted
    }
}

impl Known {
    /// The values whose effect is not known.
    pub(super) fn open(&self) -> impl Iterator<Item = usize> + '_ {
        let open = self.values.iter().enumerate().filter(|(_, state)| **state == ValueState::Open);
        open.map(|(value, _)| value)
    }
}

/// The next of a row of numbers that look random (xorshift).
fn random(seed: &mut u64) -> u64 {
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    *seed >> 8
}
