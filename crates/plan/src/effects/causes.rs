//! Which values a field depends on, as far as the renderings tell.

use std::collections::BTreeSet;

/// What each value was in a rendering: 0 as given, else the number of its probe, from 1.
pub(super) type Assignment = Vec<u8>;

/// What a field was in each rendering: 0 as in the full one, another number for each other content; `None` where the rendering
/// does not tell, because it failed or what holds the field is gone.
pub(super) type Signature = Vec<Option<u8>>;

/// The most values of one field.
const MOST: usize = 3;

/// Above this number of values, three of them are not tried together: there are too many threes.
const FEW: usize = 150;

/// The smallest sets of values of which a field can be a function, all of the same size. Empty if it takes more than three.
///
/// A set fits if the field is as in the full rendering wherever all of the set are as given, and never differs between two renderings
/// in which all of the set are the same. Sets each of whose values showed an effect whenever it was changed go before others.
pub(super) fn of(signature: &[Option<u8>], trials: &[Assignment]) -> Vec<Vec<usize>> {
    let values = trials.first().map_or(0, Vec::len);
    let told: Vec<usize> = (0..signature.len()).filter(|at| signature[*at].is_some()).collect();
    let changed = mask(signature, |class| class.is_some_and(|class| class != 0));
    let masks: Vec<u64> = (0..values).map(|value| mask(trials, |trial| trial[value] != 0)).collect();
    let able = masks.iter().filter(|mask| **mask & changed != 0).count();
    let evidence = Evidence { signature, trials, told: &told };
    for size in 1..=MOST {
        if size == MOST && able > FEW {
            break;
        }
        let mut found = BTreeSet::new();
        cover(&Search { masks: &masks, changed, size, evidence: &evidence }, 0, &mut Vec::new(), &mut found);
        if !found.is_empty() {
            let eager: Vec<Vec<usize>> = found.iter().filter(|set| evidence.is_eager(set)).cloned().collect();
            return if eager.is_empty() { found.into_iter().collect() } else { eager };
        }
    }
    Vec::new()
}

fn mask<T>(items: &[T], is: impl Fn(&T) -> bool) -> u64 {
    items.iter().enumerate().filter(|(_, item)| is(item)).fold(0, |mask, (at, _)| mask | 1 << at)
}

struct Search<'a> {
    /// The renderings in which each value is changed.
    masks: &'a [u64],
    /// The renderings in which the field is another one.
    changed: u64,
    size: usize,
    evidence: &'a Evidence<'a>,
}

/// Finds the sets that fit: first those that have a value for each rendering in which the field is another one, then with any value,
/// which may matter beside another one only.
fn cover(search: &Search<'_>, covered: u64, set: &mut Vec<usize>, found: &mut BTreeSet<Vec<usize>>) {
    if set.len() == search.size {
        let mut sorted = set.clone();
        sorted.sort_unstable();
        if search.changed & !covered == 0 && !found.contains(&sorted) && search.evidence.fits(&sorted) {
            found.insert(sorted);
        }
        return;
    }
    let open = search.changed & !covered;
    // The first rendering that is not explained yet has to be by one of its values; where all are, the next value may be any.
    let needed = if open == 0 { u64::MAX } else { open & open.wrapping_neg() };
    for (value, mask) in search.masks.iter().enumerate() {
        if mask & needed != 0 && !set.contains(&value) {
            set.push(value);
            cover(search, covered | mask, set, found);
            set.pop();
        }
    }
}

struct Evidence<'a> {
    signature: &'a [Option<u8>],
    trials: &'a [Assignment],
    told: &'a [usize],
}

impl Evidence<'_> {
    fn key(&self, set: &[usize], trial: usize) -> [u8; MOST] {
        let mut key = [0; MOST];
        for (place, value) in key.iter_mut().zip(set) {
            *place = self.trials[trial][*value];
        }
        key
    }

    fn fits(&self, set: &[usize]) -> bool {
        let mut seen: [([u8; MOST], u8); 64] = [([0; MOST], 0); 64];
        let mut count = 1;
        for trial in self.told {
            let (key, class) = (self.key(set, *trial), self.signature[*trial].unwrap_or(0));
            match seen[..count].iter().find(|(known, _)| *known == key) {
                Some((_, known)) if *known != class => return false,
                Some(_) => {}
                None if count < seen.len() => {
                    seen[count] = (key, class);
                    count += 1;
                }
                None => return false,
            }
        }
        true
    }

    fn is_eager(&self, set: &[usize]) -> bool {
        self.told.iter().all(|trial| self.signature[*trial] != Some(0) || self.key(set, *trial) == [0; MOST])
    }
}

/// A field, or several that are alike, and the values that they may depend on.
pub(super) struct Explained<T> {
    pub(super) of: Vec<T>,
    pub(super) signature: Signature,
    /// The sets of values, one of which it is. Empty if there is no small one.
    pub(super) causes: Vec<Vec<usize>>,
    /// Whether the values of the one cause can be read in it wherever it changed.
    pub(super) is_told: bool,
}

impl<T> Explained<T> {
    pub(super) fn new(of: Vec<T>, signature: Signature, causes: Vec<Vec<usize>>) -> Self {
        Self { of, signature, causes, is_told: false }
    }

    /// The first rendering that shows what `value` alone does: none of the others of each possible cause is changed in it, and the
    /// field is.
    pub(super) fn shown_by(&self, value: usize, trials: &[Assignment]) -> Option<usize> {
        let mut first = None;
        for cause in &self.causes {
            let shown = self.alone(value, cause, trials).find(|trial| self.signature[*trial] != Some(0))?;
            first = first.or(Some(shown));
        }
        first
    }

    /// Whether the field depends on `value` together with others, and not on it alone.
    pub(super) fn is_idle(&self, value: usize, trials: &[Assignment]) -> bool {
        let [cause] = self.causes.as_slice() else { return false };
        cause.contains(&value)
            && self.alone(value, cause, trials).next().is_some()
            && self.alone(value, cause, trials).all(|trial| self.signature[trial] == Some(0))
    }

    /// The renderings that tell of the field and in which `value` alone of a set is changed.
    fn alone<'a>(
        &'a self,
        value: usize,
        cause: &'a [usize],
        trials: &'a [Assignment],
    ) -> impl Iterator<Item = usize> + 'a {
        let is_alone = move |trial: &Assignment| {
            cause.contains(&value) && cause.iter().all(|other| (trial[*other] != 0) == (*other == value))
        };
        (0..trials.len()).filter(move |at| self.signature[*at].is_some() && is_alone(&trials[*at]))
    }

    /// Every value that may be among its causes.
    pub(super) fn suspects(&self) -> BTreeSet<usize> {
        self.causes.iter().flatten().copied().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Renderings of four values, of which these are changed.
    fn trials(changed: &[&[usize]]) -> Vec<Assignment> {
        changed.iter().map(|changed| (0..4).map(|value| u8::from(changed.contains(&value))).collect()).collect()
    }

    #[test]
    fn a_field_of_one_value_is_found() {
        let trials = trials(&[&[0, 1], &[0, 2], &[3]]);
        assert_eq!(of(&[Some(1), Some(1), Some(0)], &trials), [[0]]);
        assert_eq!(of(&[Some(0), Some(0), Some(1)], &trials), [[3]]);
    }

    #[test]
    fn a_field_of_two_values_has_a_content_for_each_combination() {
        let trials = trials(&[&[0, 1], &[0, 2], &[1, 2], &[3]]);
        assert_eq!(of(&[Some(1), Some(2), Some(3), Some(0)], &trials), [[0, 1], [0, 2], [1, 2]]);
        // A fourth rendering tells which.
        let mut more = trials;
        more.push(vec![1, 0, 0, 1]);
        assert_eq!(of(&[Some(1), Some(2), Some(3), Some(0), Some(2)], &more), [[0, 1]]);
    }

    #[test]
    fn a_rendering_that_does_not_tell_is_left_out() {
        let trials = trials(&[&[0, 1], &[0, 2], &[1]]);
        assert_eq!(of(&[None, Some(1), Some(0)], &trials), [[0], [2]]);
    }

    #[test]
    fn either_of_two_is_told_from_one_alone() {
        // Only without both the field is another one.
        let trials = trials(&[&[0], &[1], &[0, 1], &[2, 3]]);
        let signature = vec![Some(0), Some(0), Some(1), Some(0)];
        let causes = of(&signature, &trials);
        assert_eq!(causes, [[0, 1]]);
        let explained = Explained::new(vec![()], signature, causes);
        assert!(
            explained.shown_by(0, &trials).is_none() && explained.is_idle(0, &trials) && !explained.is_idle(2, &trials)
        );
    }
}
