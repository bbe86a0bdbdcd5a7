//! Which rendering tells most.

use std::collections::{BTreeMap, BTreeSet};

use portolan_helm_compat::values;
use serde_json::Value;

use super::causes::{Assignment, Explained};
use super::evidence::{FieldAt, Outcome};
use super::probe::Probe;
use super::verdict::{Known, Standing};
use super::{EffectSearch, Pending};

/// How many values may be named in a line of a message for it to tell which ones are meant.
const FEW: usize = 3;

/// How many renderings are kept for proofs that values have no effect.
const KEPT: usize = 4;

/// How many sets of values are compared before one is tried.
const DRAWS: usize = 120;

/// How many possible causes of a field are compared.
const CAUSES: usize = 24;

impl EffectSearch {
    /// The renderings that are made next, at most two; none when everything is known, or nothing more can be.
    pub(super) fn next(&mut self) -> Vec<Pending> {
        let mut wanted = Vec::new();
        while wanted.len() < 2
            && let Some(group) = self.groups.pop()
        {
            let probed = self.assignment(group.iter().filter_map(|value| Some((*value, self.usable(*value).next()?))));
            wanted.extend(self.untried(probed, &wanted).map(|probed| Pending::Trial { probed, is_proof: false }));
        }
        if !wanted.is_empty() {
            return wanted;
        }
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
        let mut wanted = if suspects.is_empty() { Vec::new() } else { self.questions(&known, &suspects) };
        // One question at a time, as long as there is something else to do beside it.
        let second = wanted.split_off(wanted.len().min(1));
        wanted.extend(self.proofs(&known, &suspects));
        wanted.extend(self.alone(&known));
        wanted.extend(second);
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

    fn assignment(&self, probes: impl Iterator<Item = (usize, u8)>) -> Assignment {
        let mut assignment = vec![0; self.leaves.len()];
        for (value, probe) in probes {
            assignment[value] = probe + 1;
        }
        assignment
    }

    /// An assignment that changes something and was not rendered yet.
    fn untried(&self, probed: Assignment, wanted: &[Pending]) -> Option<Assignment> {
        let is_wanted = |pending: &Pending| matches!(pending, Pending::Trial { probed: other, .. } if *other == probed);
        let is_new =
            probed.iter().any(|probe| *probe != 0) && !self.probed.contains(&probed) && !wanted.iter().any(is_wanted);
        is_new.then_some(probed)
    }

    /// After a refusal: the values that the message names, or that alone come into question by now, are not changed that way again, and
    /// the group is tried without them.
    pub(super) fn set_aside(&mut self, probed: &Assignment, said: &[String]) {
        let changed: Vec<usize> = (0..probed.len()).filter(|value| probed[*value] != 0).collect();
        let mut named: BTreeSet<usize> = changed.iter().copied().filter(|_| changed.len() == 1).collect();
        // Helm warns of values that have nothing to do with the refusal.
        for line in said.iter().filter(|line| !line.contains("warning")) {
            let mut of_line = named_in(&changed, &|value| self.leaves[value].path.as_str(), line);
            of_line.truncate(if of_line.len() > FEW { 0 } else { FEW });
            for value in &of_line {
                self.add_allowed(*value, line);
            }
            named.extend(of_line);
        }
        if named.is_empty() {
            named = changed.iter().copied().filter(|value| self.may_be_refused(*value, probed[*value], said)).collect();
            if named.len() > FEW {
                return;
            }
        }
        for value in &named {
            self.refused[*value].insert(probed[*value] - 1);
        }
        if !self.groups.is_empty() && !named.is_empty() {
            self.groups.push(changed.into_iter().filter(|value| !named.contains(value)).collect());
        }
    }

    /// Takes one of the values that a schema allows, as its message lists them, for a further probe.
    fn add_allowed(&mut self, value: usize, line: &str) {
        let given = values::get(&self.given, self.leaves[value].path.as_str());
        let other = allowed(line).map(|text| Value::String(text.to_owned())).find(|other| given != Some(other));
        let probe = other.map(Probe::Changed).filter(|probe| !self.leaves[value].probes.contains(probe));
        self.leaves[value].probes.extend(probe);
    }

    /// Whether helm refused with the same words wherever a value was tried like this, and with other words elsewhere.
    fn may_be_refused(&self, value: usize, probe: u8, said: &[String]) -> bool {
        self.trials.iter().zip(&self.probed).all(|(trial, probed)| match &trial.outcome {
            Outcome::Rendered(_) => probed[value] != probe,
            Outcome::Refused(other) => (probed[value] == probe) == (other == said),
        })
    }

    /// Whether something new is known of probes that helm refuses.
    fn learn_refusals(&mut self, known: &Known) -> bool {
        let mut is_new = false;
        for refusal in &known.analysis.refusals {
            for value in refusal.suspects() {
                if let Some(trial) = refusal.shown_by(value, &self.probed) {
                    is_new |= self.refused[value].insert(self.probed[trial][value] - 1);
                }
            }
        }
        is_new
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
            .filter(|value| known.values[*value] == Standing::Open)
            .collect()
    }

    fn puzzles<'a>(&'a self, known: &'a Known) -> impl Iterator<Item = &'a Explained<FieldAt>> {
        known.analysis.fields.iter().filter(|field| {
            let suspects = field.suspects();
            suspects.iter().any(|value| known.values[*value] == Standing::Open)
                && suspects.iter().all(|value| field.shown_by(*value, &self.probed).is_none())
        })
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
                if signature[at].is_some_and(|class| class != 0) && causes.iter().flatten().any(|it| open.contains(it))
                {
                    questions.push(Explained { of: vec![()], signature: signature.clone(), causes });
                }
            };
            match &trial.outcome {
                Outcome::Rendered(_) => {
                    known.analysis.fields.iter().for_each(|field| add(&field.signature, &field.causes));
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
        questions.extend(self.puzzles(known).map(|field| Explained {
            of: vec![()],
            signature: field.signature.clone(),
            causes: field.causes.clone(),
        }));
        let probe = |value: usize| {
            let open = self.usable(value).find(|probe| !self.is_proven(value, *probe, &known.analysis));
            Some((value, open.or_else(|| self.usable(value).next())?))
        };
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
        let trial = |(_, probed)| Pending::Trial { probed, is_proof: true };
        rated.into_iter().take(2).map(trial).collect()
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

    /// Two renderings that check what was concluded: the values that change a field are changed, one half in each. What hides other fields
    /// is left as it is.
    fn checks(&self, known: &Known) -> Vec<Pending> {
        let plain = |value: &usize| {
            known.values[*value] == Standing::Reaches
                && known.analysis.fields.iter().all(|field| match field.shown_by(*value, &self.probed) {
                    Some(trial) => field.of.iter().all(|at| !self.trials[trial].hides(&at.place)),
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

    /// The values of which it is not known whether helm refused for their sake, one at a time.
    fn alone(&self, known: &Known) -> Vec<Pending> {
        let mut wanted = Vec::new();
        for (value, standing) in known.values.iter().enumerate() {
            let Some(probe) = self.refused[value].first() else { continue };
            let told = known.analysis.refusals.iter().any(|said| said.shown_by(value, &self.probed).is_some());
            if *standing == Standing::Reaches || told {
                continue;
            }
            let probed = self.assignment(std::iter::once((value, *probe)));
            wanted.extend(self.untried(probed, &wanted).map(|probed| Pending::Trial { probed, is_proof: true }));
        }
        wanted
    }
}

impl Known {
    /// The values whose effect is not known.
    pub(super) fn open(&self) -> impl Iterator<Item = usize> + '_ {
        let open = self.values.iter().enumerate().filter(|(_, standing)| **standing == Standing::Open);
        open.map(|(value, _)| value)
    }
}

/// What may stand in place of a value: `x must be one of the following: "a", "b"` (helm 3.14.4), `value must be one of 'a', 'b'` (helm 3.22.0,
/// 4.3.1).
fn allowed(line: &str) -> impl Iterator<Item = &str> {
    let list = line.split_once("must be one of").map_or("", |(_, list)| list);
    list.split(['"', '\'']).skip(1).step_by(2)
}

/// The values that a message names: by the whole path, else by its last two keys, else by the last one.
fn named_in<'a>(values: &[usize], path: &dyn Fn(usize) -> &'a str, said: &str) -> Vec<usize> {
    let words: BTreeSet<&str> =
        said.split(|c: char| !c.is_alphanumeric() && !matches!(c, '.' | '_' | '-' | '/')).collect();
    let words: BTreeSet<String> = words
        .into_iter()
        .map(|word| word.replace('/', "."))
        .map(|word| word.rsplit("Values.").next().unwrap_or_default().trim_matches('.').to_owned())
        .collect();
    for depth in [usize::MAX, 2, 1] {
        let is_named = |value: &usize| {
            let keys: Vec<&str> = path(*value).split('.').collect();
            let end = keys[keys.len().saturating_sub(depth)..].join(".");
            words.contains(&end)
        };
        let found: Vec<usize> = values.iter().copied().filter(is_named).collect();
        if !found.is_empty() {
            return found;
        }
    }
    Vec::new()
}

/// The next of a row of numbers that look random (xorshift).
fn random(seed: &mut u64) -> u64 {
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    *seed >> 8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_names_values_by_their_paths() {
        let paths = ["global.domain", "keycloak.domain", "licence.accept", "a.b.port", "port"];
        let found = |said: &str| named_in(&[0, 1, 2, 3, 4], &|value| paths[value], said);
        assert_eq!(found("execution error at (cp/templates/x.yaml:1:4): .Values.global.domain is required"), [0]);
        assert_eq!(found("at '/global/domain': got number, want string"), [0]);
        assert_eq!(found("set licence.accept=true"), [2]);
        assert_eq!(found("b.port is missing"), [3]);
        assert_eq!(found("- keycloak: domain is required"), [0, 1]);
        let lists = [
            r#"- a.b.type: a.b.type must be one of the following: "ClusterIP", "NodePort""#,
            "- at '/a/b/type': value must be one of 'ClusterIP', 'NodePort'",
        ];
        for line in lists {
            assert_eq!(allowed(line).collect::<Vec<_>>(), ["ClusterIP", "NodePort"]);
        }
        assert!(found("nil pointer evaluating interface {}.x").is_empty());
    }
}
