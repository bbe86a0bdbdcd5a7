//! What the renderings tell of each field.

use std::collections::{BTreeMap, BTreeSet};

use super::causes::{self, Assignment, Explained, Signature};
use super::tree::{Change, Node, Place, is_below};

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

/// Explains every field that changed. `open` are the values whose effect is not known yet.
pub(super) fn analyse(
    trials: &[Trial],
    probed: &[Assignment],
    open: &BTreeSet<usize>,
    explained: &mut Explanations,
) -> Analysis {
    let within_open: Vec<bool> = probed
        .iter()
        .map(|probed| probed.iter().enumerate().all(|(value, probe)| *probe == 0 || open.contains(&value)))
        .collect();
    let mut context = Context { trials, probed, within_open: &within_open, explained };
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
        fields.push(explained);
    }
    for (signature, of) in words {
        fields.push(context.explain(signature, of));
    }
    let refusals = context.refusals();
    Analysis { fields, refusals, checksums }
}

/// The causes that were found for signatures over the same renderings.
pub(super) type Explanations = BTreeMap<Signature, Vec<Vec<usize>>>;

struct Context<'a> {
    trials: &'a [Trial],
    probed: &'a [Assignment],
    explained: &'a mut Explanations,
    /// Whether only values without a known effect are changed in a rendering.
    within_open: &'a [bool],
}

impl Context<'_> {
    fn signatures(&self) -> (BTreeMap<Signature, Vec<FieldAt>>, BTreeSet<Place>) {
        let mut contents: BTreeMap<&Place, Vec<(usize, &Change)>> = BTreeMap::new();
        for (at, trial) in self.trials.iter().enumerate() {
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
            .trials
            .iter()
            .map(|trial| match &trial.outcome {
                Outcome::Refused(_) => None,
                Outcome::Rendered(changes) if is_below(place, changes) => None,
                Outcome::Rendered(_) => Some(0),
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

    /// Explains a field by all renderings; else, if it is random where it is not given, by whether it changed; else by those alone in
    /// which all values with a known effect are as given.
    fn explain<T>(&mut self, signature: Signature, of: Vec<T>) -> Explained<T> {
        let mut causes = self.causes(&signature);
        if causes.is_empty() {
            let changed: Signature = signature.iter().map(|class| class.map(|class| class.min(1))).collect();
            causes = self.causes(&changed);
            causes.retain(|cause| cause.len() == 1);
            if !causes.is_empty() {
                return Explained { of, signature: changed, causes };
            }
            let told = signature.iter().zip(self.within_open);
            let context: Signature = told.map(|(class, within)| class.filter(|_| *within)).collect();
            if context.iter().any(|class| class.is_some_and(|class| class != 0)) {
                causes = self.causes(&context);
                return Explained { of, signature: context, causes };
            }
        }
        Explained { of, signature, causes }
    }

    fn causes(&mut self, signature: &Signature) -> Vec<Vec<usize>> {
        if !self.explained.contains_key(signature) {
            self.explained.insert(signature.clone(), causes::of(signature, self.probed));
        }
        self.explained[signature].clone()
    }

    /// How often each word is in a text that depends on many values.
    fn words(&self, place: &Place, signature: &[Option<u8>]) -> BTreeMap<String, Signature> {
        let changes: Vec<Option<&Change>> = self
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
                let signature: Signature = self.trials.iter().map(told).collect();
                Explained { of: vec![line.clone()], causes: self.causes(&signature), signature }
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
