//! Values that helm refuses to do without, or to have otherwise.

use std::collections::BTreeSet;

use portolan_helm_compat::values;
use serde_json::Value;

use super::causes::Assignment;
use super::evidence::Outcome;
use super::probe::Probe;
use super::verdict::{Known, ValueState};
use super::{EffectSearch, Pending};

/// How many values may be named in a line of a message for it to tell which ones are meant.
const FEW: usize = 3;

impl EffectSearch {
    /// After a refusal: the values that the message names, or that alone come into question by now, are not changed that way again, and
    /// the group is tried without them.
    pub(super) fn set_aside(&mut self, probed: &Assignment, said: &[String], is_group: bool) {
        let changed: Vec<usize> = (0..probed.len()).filter(|value| probed[*value] != 0).collect();
        let mut named: BTreeSet<usize> = changed.iter().copied().filter(|_| changed.len() == 1).collect();
        // Helm warns of values that have nothing to do with the refusal.
        for line in said.iter().filter(|line| !line.contains("warning")) {
            let mut of_line = named_in(&changed, &|value| self.leaves[value].path.as_str(), line);
            if of_line.is_empty() {
                let read = self.chart.read_at(line);
                let is_read =
                    |value: &usize| read.iter().any(|read| is_read_by(self.leaves[*value].path.as_str(), read));
                of_line = changed.iter().copied().filter(is_read).collect();
            }
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
        if is_group && !named.is_empty() {
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
    pub(super) fn learn_refusals(&mut self, known: &Known) -> bool {
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

    /// The values of which it is not known whether helm refused for their sake, one at a time.
    pub(super) fn alone(&self, known: &Known) -> Vec<Pending> {
        let mut wanted = Vec::new();
        for (value, state) in known.values.iter().enumerate() {
            let Some(probe) = self.refused[value].first() else { continue };
            let told = known.analysis.refusals.iter().any(|said| said.shown_by(value, &self.probed).is_some());
            if *state == ValueState::Reaches || told {
                continue;
            }
            let probed = self.assignment(std::iter::once((value, *probe)));
            wanted.extend(self.untried(probed, &wanted).map(|probed| Pending::Trial { probed, is_proof: true }));
        }
        wanted
    }
}

/// Whether a value is read where a template says `.Values.` and this path: the value itself, one above it, or one of a subchart.
fn is_read_by(path: &str, read: &str) -> bool {
    let path = format!(".{path}.");
    path.starts_with(&format!(".{read}.")) || path.ends_with(&format!(".{read}."))
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
