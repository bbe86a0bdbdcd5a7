//! What each value that a user gave does in a rendering, found out with few renderings.
//!
//! One rendering for each value would tell, and would take minutes. Instead, values are changed in groups, and each field that changes
//! is explained by the values whose groups changed it ([`causes`]). What has no effect in its groups is then changed all at once: if
//! nothing changes, none of these has one. What stays unclear is tried in smaller groups and alone, and ends as
//! [`Effect::Undecided`] where the renderings run out: [`Effect::None`] is always proven.
//!
//! ```text
//! let mut search = EffectSearch::new("runai-backend", &given, &defaults);
//! loop {
//!     let jobs = search.jobs();
//!     if jobs.is_empty() { break }
//!     for job in jobs { search.rendered(render(&job.values)); }
//! }
//! let effects = search.finish();
//! ```
//!
//! Helms run side by side, and none waits for another one where it need not: a rendering is asked for when all but the last ones before it
//! are told, however long each of them takes. The same chart and values are always asked about in the same way.
//!
//! Fields that differ between two renderings of the same values say nothing and are left out, and so is what helm prints after an
//! upgrade (`NOTES.txt`).

mod causes;
mod chart_files;
mod codes;
mod evidence;
mod next;
mod probe;
mod refusals;
mod role;
mod texts;
mod tree;
mod verdict;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;

use portolan_helm_compat::values;
use portolan_model::{Object, Ref, ValuesPath};
use serde_json::Value;

pub use role::{Role, named_roles, same_role};

use causes::Assignment;
use chart_files::ChartFiles;
use evidence::{FieldAt, Outcome, Trial};
use probe::{Leaf, Probe};
use tree::{Change, Node, Place};

/// What each value does.
#[derive(Clone, Debug, Default)]
pub struct Effects {
    /// Each value that was asked about.
    pub of: BTreeMap<ValuesPath, Effect>,
    /// How many renderings it took.
    pub renderings: usize,
}

/// What a value does in a rendering.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// Nothing: neither without it nor with another one in its place any field changes.
    None,
    /// Nothing but checksums, in pod templates as a rule: pods restart, and their configuration is the same. Told of several values
    /// together: at most these, at least one of the values.
    Checksums(Vec<Field>),
    /// These fields change without it, or with another one in its place.
    Fields(Vec<Field>),
    /// Nothing while these other values are as they are: the field that it reaches has the same content either way.
    Hidden {
        /// The other values.
        by: Vec<ValuesPath>,
    },
    /// Without it, the chart does not render; it reaches no field.
    Needed {
        /// What helm says then.
        said: String,
    },
    /// It is not known.
    Undecided {
        /// Why not.
        why: String,
    },
}

/// A field that a value reaches.
#[derive(Clone, PartialEq)]
pub struct Field {
    /// The object.
    pub object: Ref,
    /// The field, as a JSON pointer; empty for the whole object.
    pub pointer: String,
    /// The line or the key of the text at the pointer, where only a part of the text is meant.
    pub part: Option<String>,
    /// What it is with the values as given, a Secret's in clear; `None` if it is not there.
    pub before: Option<Value>,
    /// What it is in the rendering that showed it; `None` if it is gone.
    pub after: Option<Value>,
    /// What it is for.
    pub role: Role,
}

/// Without what the field holds, which may be a password.
impl fmt::Debug for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}{}", self.object, self.pointer)?;
        match &self.part {
            Some(part) => write!(f, " ({part})"),
            None => Ok(()),
        }
    }
}

impl Field {
    /// Object, pointer and part, as a person reads them. What the field holds is not shown.
    #[must_use]
    pub fn place(&self) -> String {
        match &self.part {
            Some(part) => format!("{} {} ({part})", self.object, self.pointer),
            None => format!("{} {}", self.object, self.pointer),
        }
    }
}

/// A rendering that is needed.
#[derive(Clone)]
pub struct EffectJob {
    /// The values to render with, and no others: passwords are among them.
    pub values: Value,
    /// Whether these are the values as they are given. Where such a rendering fails, there is nothing to be found out.
    pub is_whole: bool,
}

impl fmt::Debug for EffectJob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EffectJob({})", if self.is_whole { "whole" } else { "changed" })
    }
}

/// How many renderings are made at once.
const AT_ONCE: usize = 2;

/// Finds out which fields of a rendering each user-supplied value reaches.
pub struct EffectSearch {
    release: String,
    given: Value,
    defaults: Value,
    leaves: Vec<Leaf>,
    chart: ChartFiles,
    /// The groups that were not tried yet, the last one first.
    groups: Vec<Vec<usize>>,
    /// The rendering of all values; `None` before it is there.
    full: Option<BTreeMap<String, Node>>,
    /// The fields that are others in a second rendering of all values; `None` before it is there.
    noise: Option<BTreeMap<Place, Change>>,
    /// What each value was in each rendering but those two.
    probed: Vec<Assignment>,
    trials: Vec<Trial>,
    /// The probes of each value with which helm does not render, as far as its messages tell.
    refused: Vec<BTreeSet<u8>>,
    /// What was asked for and not taken into account yet, the first one first.
    asked: VecDeque<Asked>,
    /// What is asked for next, the last one first.
    wanted: Vec<Pending>,
    /// How many values that are guarded may still be tried alone before it is known whether they have to be.
    fillers: usize,
    renderings: usize,
    /// Whether what was concluded was checked with further renderings.
    is_checked: bool,
    /// What helm said of the values as they are given.
    failed: Option<String>,
}

enum Pending {
    Full,
    Trial { probed: Assignment, is_proof: bool },
}

struct Asked {
    what: Pending,
    /// `None` while it is being rendered.
    result: Option<Result<Vec<Object>, String>>,
}

impl EffectSearch {
    /// Asks about every value in `given` that is no map (or an empty one). `defaults` are the chart's, with those of its subcharts under
    /// their names; they only say what to try first, so one that is missing costs renderings and nothing else.
    #[must_use]
    pub fn new(release: &str, given: &Value, defaults: &Value) -> Self {
        let leaves = probe::leaves(given, defaults);
        let mut groups = codes::groups(&leaves);
        groups.retain(|group| !group.is_empty());
        groups.reverse();
        Self {
            release: release.to_owned(),
            given: given.clone(),
            defaults: defaults.clone(),
            chart: ChartFiles::default(),
            refused: vec![BTreeSet::new(); leaves.len()],
            leaves,
            groups,
            full: None,
            noise: None,
            probed: Vec::new(),
            trials: Vec::new(),
            asked: VecDeque::new(),
            wanted: Vec::new(),
            fillers: AT_ONCE - 1,
            renderings: 0,
            is_checked: false,
            failed: None,
        }
    }

    /// Reads the chart's files (by their paths in it) for what is better tried first: what the templates and the schema refuse costs
    /// fewer renderings then, and what cannot be random need not be rendered twice. The effects are the same without them.
    #[must_use]
    pub fn reading(mut self, files: &BTreeMap<String, Vec<u8>>) -> Self {
        self.chart = ChartFiles::new(files);
        if !chart_files::may_vary(files) && !chart_files::may_vary_by_values([&self.given, &self.defaults]) {
            self.noise = Some(BTreeMap::new());
        }
        for (leaf, refused) in self.leaves.iter_mut().zip(&mut self.refused) {
            let path = leaf.path.as_str();
            let given = values::get(&self.given, path).cloned().unwrap_or_default();
            let allowed = self.chart.allowed(path, &given);
            let is_guarded = self.chart.is_guarded(path);
            for (number, probe) in (0..).zip(&mut leaf.probes) {
                match (probe, &allowed) {
                    (Probe::Changed(other), Some(allowed)) => *other = allowed.clone(),
                    (Probe::Changed(other), None) if is_guarded && other.is_boolean() => {
                        refused.insert(number);
                    }
                    (Probe::Removed, _) if is_guarded => {
                        refused.insert(number);
                    }
                    _ => {}
                }
            }
        }
        self
    }

    /// The renderings that are needed next, which are made side by side; none while the next ones depend on what is not told yet, and none
    /// when the search is over and all is told.
    pub fn jobs(&mut self) -> Vec<EffectJob> {
        let mut jobs = Vec::new();
        while self.failed.is_none() && self.renderings < codes::limit(self.leaves.len()) && !self.leaves.is_empty() {
            if self.asked.len() == AT_ONCE {
                if self.take() {
                    continue;
                }
                break;
            }
            let Some(pending) = self.foreseen() else {
                // All that follows depends on everything before it.
                self.fillers = 0;
                while self.take() {}
                if self.asked.is_empty() {
                    self.wanted = self.next();
                    self.wanted.reverse();
                }
                if self.wanted.is_empty() {
                    break;
                }
                continue;
            };
            let values = match &pending {
                Pending::Full => self.given.clone(),
                Pending::Trial { probed, .. } => self.values(probed),
            };
            jobs.push(EffectJob { values, is_whole: matches!(pending, Pending::Full) });
            self.renderings += 1;
            self.asked.push_back(Asked { what: pending, result: None });
        }
        jobs
    }

    /// The next rendering, where it is known although the last ones before it are not told yet.
    fn foreseen(&mut self) -> Option<Pending> {
        let whole = if self.noise.is_none() { 2 } else { 1 };
        if self.renderings < whole {
            return Some(Pending::Full);
        }
        self.wanted.pop().or_else(|| self.next_group()).or_else(|| self.filler())
    }

    /// The given values with some of them changed. A map that loses all its values stays, as an empty one.
    fn values(&self, probed: &Assignment) -> Value {
        let mut all = self.given.clone();
        for (leaf, probe) in self.leaves.iter().zip(probed) {
            match usize::from(*probe).checked_sub(1).and_then(|probe| leaf.probes.get(probe)) {
                None => {}
                Some(Probe::Removed) => values::remove(&mut all, leaf.path.as_str()),
                Some(Probe::Changed(value)) => values::set(&mut all, leaf.path.as_str(), value.clone()),
            }
        }
        all
    }

    /// Takes the rendering of the first job that was not told yet: all its objects, hooks included, or what helm said.
    pub fn rendered(&mut self, result: Result<Vec<Object>, String>) {
        if let Some(asked) = self.asked.iter_mut().find(|asked| asked.result.is_none()) {
            asked.result = Some(result);
        }
    }

    /// Takes the first of what was asked for into account; `false` if it is not told yet.
    fn take(&mut self) -> bool {
        let Some(Asked { what, result }) = self.asked.pop_front_if(|asked| asked.result.is_some()) else {
            return false;
        };
        self.learn(what, result.unwrap_or_else(|| Ok(Vec::new())));
        true
    }

    fn learn(&mut self, pending: Pending, result: Result<Vec<Object>, String>) {
        match (pending, result) {
            (Pending::Full, Err(said)) => self.failed = Some(said),
            (Pending::Full, Ok(rendered)) => match &self.full {
                None => self.full = Some(tree::of_objects(&rendered)),
                Some(full) => self.noise = Some(tree::diff(full, &rendered)),
            },
            (Pending::Trial { probed, is_proof }, Ok(rendered)) => {
                let (full, none) = (self.full.as_ref(), BTreeMap::new());
                let mut changes = tree::diff(full.unwrap_or(&none), &rendered);
                changes.retain(|place, _| !tree::is_within(place, self.noise.as_ref().unwrap_or(&BTreeMap::new())));
                for (refused, probe) in self.refused.iter_mut().zip(&probed).filter(|(_, probe)| **probe != 0) {
                    refused.remove(&(probe - 1));
                }
                self.probed.push(probed);
                self.trials.push(Trial { outcome: Outcome::Rendered(changes), is_proof });
            }
            (Pending::Trial { probed, is_proof }, Err(said)) => {
                let said = said.lines().map(str::trim).filter(|line| !line.is_empty());
                let said: Vec<String> = said.map(str::to_owned).collect();
                self.set_aside(&probed, &said, !is_proof && !self.is_checked);
                self.probed.push(probed);
                self.trials.push(Trial { outcome: Outcome::Refused(said), is_proof });
            }
        }
    }
}

/// A field for the user; `None` where its object has no name.
fn field(release: &str, full: &BTreeMap<String, Node>, at: &FieldAt, change: &Change) -> Option<Field> {
    let key = at.place.first()?;
    let node = full.get(key).or(change.after.as_ref())?;
    let object = Object::new(node.value().clone());
    let part = at.word.clone().or_else(|| change.in_text.then(|| at.place.last().cloned()).flatten());
    let value = |node: &Option<Node>| node.as_ref().map(|node| node.value().clone());
    Some(Field {
        object: object.name()?,
        pointer: change.pointer.clone(),
        part,
        before: value(&change.before),
        after: value(&change.after),
        role: Role::of(&object, release, at, change),
    })
}
