//! Which values share a group: a code for each value, whose bits are the groups that it is in.

use super::probe::Leaf;

/// How many of the values before it a value's code is kept apart from.
const NEIGHBOURS: usize = 40;

/// The groups in which values are tried, by their numbers.
///
/// Every code has the same number of bits, a third of all: no code then contains another one, so the groups that change a field
/// of one value are no other value's groups, nor those of any two values together. A third rather than a half, for a group also
/// hides what depends on a switch in it. Values beside each other share few groups, since what is beside a value is likely its switch.
pub(super) fn groups(leaves: &[Leaf]) -> Vec<Vec<usize>> {
    let length = length(leaves.len());
    let mut free: Vec<u32> = (0..1u32 << length).filter(|code| code.count_ones() == weight(length)).collect();
    let mut codes: Vec<u32> = Vec::with_capacity(leaves.len());
    for (at, leaf) in leaves.iter().enumerate() {
        let from = at.saturating_sub(NEIGHBOURS);
        let near: Vec<(u32, u32)> = (from..at)
            .map(|other| (codes[other], nearness(leaf, &leaves[other])))
            .filter(|(_, near)| *near > 0)
            .collect();
        let shared =
            |code: u32| near.iter().map(|(other, near)| (code & other).count_ones().pow(2) * near).sum::<u32>();
        // Among equal ones the order is mixed, or the first values would all be in the first groups.
        let best = free.iter().enumerate().min_by_key(|(_, code)| (shared(**code), code.wrapping_mul(0x9e37_79b9)));
        let Some((best, _)) = best else { break };
        codes.push(free.swap_remove(best));
    }
    let members = |bit: u32| codes.iter().enumerate().filter(move |(_, code)| *code & (1 << bit) != 0);
    (0..length).map(|bit| members(bit).map(|(value, _)| value).collect()).collect()
}

/// How many keys two values have in common from the root on.
fn nearness(one: &Leaf, other: &Leaf) -> u32 {
    let (one, other) = (one.path.as_str().split('.'), other.path.as_str().split('.'));
    u32::try_from(one.zip(other).take_while(|(one, other)| one == other).count()).unwrap_or(0)
}

fn weight(length: u32) -> u32 {
    length.div_ceil(3)
}

/// The shortest length with a code for each value.
fn length(values: usize) -> u32 {
    let codes = |length: u32| {
        let of: u64 = u64::from(length);
        (1..=u64::from(weight(length))).fold(1u64, |all, at| all * (of - at + 1) / at)
    };
    (0..20).find(|length| *length > 0 && codes(*length) >= values as u64).unwrap_or(20)
}

/// How many renderings a search may take: two of all values, the groups, and as many again for what they leave open. 20 for 60
/// values.
pub(super) fn limit(values: usize) -> usize {
    let bits = usize::BITS - values.saturating_sub(1).leading_zeros();
    8 + 2 * bits as usize
}

#[cfg(test)]
mod tests {
    use portolan_model::ValuesPath;

    use super::*;

    fn leaves(count: usize) -> Vec<Leaf> {
        (0..count).map(|at| Leaf { path: ValuesPath::new(&format!("a{}.b{at}", at / 4)), probes: Vec::new() }).collect()
    }

    fn codes(groups: &[Vec<usize>], count: usize) -> Vec<u32> {
        let is_in = |value: usize, group: &[usize]| u32::from(group.contains(&value));
        (0..count).map(|value| groups.iter().fold(0, |code, group| code << 1 | is_in(value, group))).collect()
    }

    #[test]
    fn no_code_is_contained_in_one_or_two_others() {
        for count in [1, 2, 3, 7, 20, 60, 84, 120] {
            let groups = groups(&leaves(count));
            let codes = codes(&groups, count);
            for (at, one) in codes.iter().enumerate() {
                assert!(one.count_ones() > 0, "{count}");
                for (other, two) in codes.iter().enumerate().filter(|(other, _)| *other != at) {
                    assert_ne!(one & two, *one, "{count}: {at} {other}");
                }
            }
        }
    }

    #[test]
    fn sixty_values_need_nine_groups_and_may_take_twenty_renderings() {
        assert_eq!((groups(&leaves(60)).len(), limit(60)), (9, 20));
        assert_eq!((groups(&leaves(1)).len(), limit(1), groups(&[]).len()), (1, 8, 1));
    }

    #[test]
    fn neighbours_share_few_groups() {
        let codes = codes(&groups(&leaves(60)), 60);
        for four in codes.chunks(4) {
            for (at, one) in four.iter().enumerate() {
                assert!(four[..at].iter().all(|other| (one & other).count_ones() <= 1));
            }
        }
    }
}
