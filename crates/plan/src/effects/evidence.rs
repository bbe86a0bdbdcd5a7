//! What the renderings tell of each field.

use std::collections::{BTreeMap, BTreeSet};

use super::causes::{self, Assignment, Explained, Signature};
use super::texts::Texts;
use super::tree::{Change, Node, Place};

/// A rendering with some values changed.
pub(super) struct Trial {
    pub(super) outcome: Outcome,
    /// Whether only values that were without a known effect are changed in it: then nothing may change.
    pub(super) is_proof: bool,
}

impl Trial {
    /// Whether a field that is there in the full rendering is gone, or the other way round.
    pub(super) fn hides(&self, place: &Place) -> bool {
        match &self.outcome {
            Outcome::Rendered(changes) => {
                changes.get(place).is_some_and(|change| change.before.is_none() || change.after.is_none())
            }
            Outcome::Refused(_) => false,
        }
    }
}

/// What came of a rendering.
pub(super) enum Outcome {
    /// What differs from the full rendering.
    Rendered(BTreeMap<Place, Change>),
    /// What helm said.
    Refused(Vec<String>),
}

/// A field of a rendering.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct FieldAt {
    pub(super) place: Place,
    /// A word of its text, where the whole text depends on too many values.
    pub(super) word: Option<String>,
}

/// All that is known after some renderings.
pub(super) struct Analysis {
    /// The fields that changed in a rendering, but for checksums.
    pub(super) fields: Vec<Explained<FieldAt>>,
    /// What helm said where it refused.
    pub(super) refusals: Vec<Explained<String>>,
    /// The fields that are checksums of something.
    pub(super) checksums: BTreeSet<Place>,
}

/// What was rendered.
#[derive(Clone, Copy)]
pub(super) struct Renderings<'a> {
    pub(super) trials: &'a [Trial],
    pub(super) probed: &'a [Assignment],
    pub(super) texts: &'a Texts,
}

/// Explains every field that changed.
pub(super) fn analyse(all: Renderings<'_>) -> Analysis {
    let mut context = Context::of(all);
    let (mut groups, checksums) = context.signatures();
    let mut fields = Vec::new();
    let mut words: BTreeMap<Signature, Vec<FieldAt>> = BTreeMap::new();
    while let Some((signature, of)) = groups.pop_first() {
        let explained = context.explain(signature, of);
        if explained.causes.is_empty() {
            for at in &explained.of {
                for (word, signature) in context.words(&at.place, &explained.signature) {
                    let at = FieldAt { place: at.place.clone(), word: Some(word) };
                    words.entry(signature).or_default().push(at);
                }
            }
        }
        fields.extend(context.read(explained));
    }
    for (signature, of) in words {
        fields.push(context.explain(signature, of));
    }
    Analysis { fields, refusals: context.refusals(), checksums }
}

/// Explains what is not explained yet by those renderings alone in which only values without a known effect, `open`, are changed.
pub(super) fn explain_within(open: &BTreeSet<usize>, probed: &[Assignment], analysis: &mut Analysis) {
    let is_within =
        |probed: &Assignment| probed.iter().enumerate().all(|(value, probe)| *probe == 0 || open.contains(&value));
    let within: Vec<bool> = probed.iter().map(is_within).collect();
    for field in analysis.fields.iter_mut().filter(|field| field.causes.is_empty()) {
        let told = field.signature.iter().zip(&within);
        let told: Signature = told.map(|(class, within)| class.filter(|_| *within)).collect();
        if told.iter().any(|class| class.is_some_and(|class| class != 0)) {
            field.causes = causes::of(&told, probed);
            field.signature = told;
        }
    }
}

struct Context<'a> {
    all: Renderings<'a>,
    /// For each rendering the fields that hold others and are gone or another thing altogether, by their objects.
    hiding: Vec<BTreeMap<&'a str, Vec<&'a Place>>>,
    /// The causes that were found.
    explained: BTreeMap<Signature, Vec<Vec<usize>>>,
}

impl<'a> Context<'a> {
    fn of(all: Renderings<'a>) -> Self {
        let hiding = all.trials.iter().map(|trial| {
            let mut hiding: BTreeMap<&str, Vec<&Place>> = BTreeMap::new();
            if let Outcome::Rendered(changes) = &trial.outcome {
                let all = changes.iter().filter(|(_, change)| matches!(change.before, Some(Node::Inner { .. })));
                all.for_each(|(place, _)| hiding.entry(&place[0]).or_default().push(place));
            }
            hiding
        });
        Self { hiding: hiding.collect(), all, explained: BTreeMap::new() }
    }

    fn is_hidden(&self, place: &Place, trial: usize) -> bool {
        let hiding = self.hiding[trial].get(place[0].as_str());
        hiding.into_iter().flatten().any(|above| above.len() < place.len() && place.starts_with(above))
    }

    fn signatures(&self) -> (BTreeMap<Signature, Vec<FieldAt>>, BTreeSet<Place>) {
        let mut contents: BTreeMap<&Place, Vec<(usize, &Change)>> = BTreeMap::new();
        for (at, trial) in self.all.trials.iter().enumerate() {
            if let Outcome::Rendered(changes) = &trial.outcome {
                for (place, change) in changes {
                    contents.entry(place).or_default().push((at, change));
                }
            }
        }
        let mut groups: BTreeMap<Signature, Vec<FieldAt>> = BTreeMap::new();
        let mut checksums = BTreeSet::new();
        for (place, changes) in contents {
            if changes.iter().all(|(_, change)| is_checksum(change)) {
                checksums.insert(place.clone());
                continue;
            }
            let signature = self.signature(place, &changes);
            groups.entry(signature).or_default().push(FieldAt { place: place.clone(), word: None });
        }
        (groups, checksums)
    }

    fn signature(&self, place: &Place, changes: &[(usize, &Change)]) -> Signature {
        let mut signature: Signature = self
            .all
            .trials
            .iter()
            .enumerate()
            .map(|(at, trial)| match &trial.outcome {
                Outcome::Rendered(_) if !self.is_hidden(place, at) => Some(0),
                Outcome::Rendered(_) | Outcome::Refused(_) => None,
            })
            .collect();
        let mut seen: Vec<Option<&Node>> = Vec::new();
        for (at, change) in changes {
            // Of what is not in the full rendering only that it is there counts: what it holds may be random.
            let content = change.before.as_ref().and(change.after.as_ref());
            let known = seen.iter().position(|seen| seen.map(Node::value) == content.map(Node::value));
            let class = known.unwrap_or_else(|| {
                seen.push(content);
                seen.len() - 1
            });
            signature[*at] = Some(u8::try_from(class + 1).unwrap_or(u8::MAX));
        }
        signature
    }

    /// Explains a field by all that it was; else, if it is random where it is not given, by whether it changed.
    fn explain<T>(&mut self, signature: Signature, of: Vec<T>) -> Explained<T> {
        let causes = self.causes(&signature);
        if causes.is_empty() {
            let changed: Signature = signature.iter().map(|class| class.map(|class| class.min(1))).collect();
            let mut causes = self.causes(&changed);
            causes.retain(|cause| cause.len() == 1);
            if !causes.is_empty() {
                return Explained::new(of, changed, causes);
            }
        }
        Explained::new(of, signature, causes)
    }

    /// Of several possible causes of a field, those whose values can be read in it wherever it changed are meant.
    fn read(&self, explained: Explained<FieldAt>) -> Vec<Explained<FieldAt>> {
        let Explained { of, signature, causes: possible, .. } = explained;
        let mut groups: BTreeMap<Vec<usize>, Vec<FieldAt>> = BTreeMap::new();
        let suspects: BTreeSet<usize> = possible.iter().flatten().copied().collect();
        let changed: Vec<usize> =
            (0..signature.len()).filter(|trial| signature[*trial].is_some_and(|class| class != 0)).collect();
        for at in of {
            let told_of = |value: &usize| (*value, self.told_in(&changed, &at.place, *value));
            let told: BTreeMap<usize, u64> = suspects.iter().map(told_of).collect();
            let all = changed.iter().fold(0, |mask, trial| mask | 1 << trial);
            let is_told = |cause: &Vec<usize>| cause.iter().fold(0, |mask, value| mask | told[value]) == all;
            groups
                .entry((0..possible.len()).filter(|number| is_told(&possible[*number])).collect())
                .or_default()
                .push(at);
        }
        let explained = groups.into_iter().map(|(told, of)| {
            let causes = match told.as_slice() {
                [] => possible.clone(),
                told => told.iter().map(|number| possible[*number].clone()).collect(),
            };
            Explained { is_told: told.len() == 1, ..Explained::new(of, signature.clone(), causes) }
        });
        explained.collect()
    }

    /// The renderings, as bits, in which a value can be read in a field that changed.
    fn told_in(&self, changed: &[usize], place: &Place, value: usize) -> u64 {
        let tells = |trial: &&usize| match &self.all.trials[**trial].outcome {
            Outcome::Rendered(changes) => changes
                .get(place)
                .is_some_and(|change| self.all.texts.tell(value, self.all.probed[**trial][value], place, change)),
            Outcome::Refused(_) => false,
        };
        changed.iter().filter(tells).fold(0, |mask, trial| mask | 1 << trial)
    }

    fn causes(&mut self, signature: &Signature) -> Vec<Vec<usize>> {
        if !self.explained.contains_key(signature) {
            self.explained.insert(signature.clone(), causes::of(signature, self.all.probed));
        }
        self.explained[signature].clone()
    }

    /// How often each word is in a text that depends on many values.
    fn words(&self, place: &Place, signature: &[Option<u8>]) -> BTreeMap<String, Signature> {
        let changes: Vec<Option<&Change>> = self
            .all
            .trials
            .iter()
            .map(|trial| match &trial.outcome {
                Outcome::Rendered(changes) => changes.get(place),
                Outcome::Refused(_) => None,
            })
            .collect();
        let before = changes.iter().flatten().find_map(|change| change.before.as_ref()?.text()).map(count);
        let Some(before) = before else { return BTreeMap::new() };
        let after: Vec<Option<BTreeMap<String, usize>>> = changes
            .iter()
            .zip(signature)
            .map(|(change, class)| match (change, class) {
                (_, None) => None,
                (None, Some(_)) => Some(before.clone()),
                (Some(change), Some(_)) => change.after.as_ref().and_then(Node::text).map(count),
            })
            .collect();
        let words: BTreeSet<&String> = before.keys().chain(after.iter().flatten().flat_map(BTreeMap::keys)).collect();
        words
            .into_iter()
            .map(|word| {
                let of = |all: &BTreeMap<String, usize>| all.get(word).copied().unwrap_or(0);
                let class = |all: &BTreeMap<String, usize>| match of(all) {
                    same if same == of(&before) => 0,
                    other => u8::try_from(other + 1).unwrap_or(u8::MAX),
                };
                (word.clone(), after.iter().map(|all| all.as_ref().map(class)).collect())
            })
            .filter(|(_, signature): &(String, Signature)| {
                signature.iter().any(|class| class.is_some_and(|it| it != 0))
            })
            .collect()
    }

    /// Each line that helm said. Where it stopped with another one, nothing is known of this one.
    fn refusals(&mut self) -> Vec<Explained<String>> {
        let said: BTreeSet<&String> = self
            .all
            .trials
            .iter()
            .filter_map(|trial| match &trial.outcome {
                Outcome::Refused(said) => Some(said),
                Outcome::Rendered(_) => None,
            })
            .flatten()
            .collect();
        said.into_iter()
            .map(|line| {
                let told = |trial: &Trial| match &trial.outcome {
                    Outcome::Rendered(_) => Some(0),
                    Outcome::Refused(said) => said.contains(line).then_some(1),
                };
                let signature: Signature = self.all.trials.iter().map(told).collect();
                let causes = self.causes(&signature);
                Explained::new(vec![line.clone()], signature, causes)
            })
            .collect()
    }
}

/// Words are what lies between the marks of a URL, a path or a command.
fn count(text: &str) -> BTreeMap<String, usize> {
    let is_mark = |c: char| !c.is_alphanumeric() && !matches!(c, '-' | '_' | '.');
    let mut words = BTreeMap::new();
    for word in text.split(is_mark).filter(|word| !word.is_empty()) {
        *words.entry(word.to_owned()).or_default() += 1;
    }
    words
}

/// Whether a field is a hash before and after: it changes with whatever it is the hash of, which says nothing of its own.
fn is_checksum(change: &Change) -> bool {
    let is_hash = |node: &Option<Node>| {
        let text = node.as_ref().and_then(Node::text).unwrap_or_default();
        let text = text.strip_prefix("sha256:").unwrap_or(text);
        matches!(text.len(), 32 | 40 | 56 | 64 | 96 | 128) && text.bytes().all(|byte| byte.is_ascii_hexdigit())
    };
    is_hash(&change.before) && is_hash(&change.after)
}
