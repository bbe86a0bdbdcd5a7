//! Numbers, times and names in words.

use std::collections::BTreeMap;

use portolan_model::{Plan, ProtectedVolume, Ref, Verdict};

use crate::text::{Line, Tone};

/// `31204` as `31,204`.
pub(crate) fn thousands(number: usize) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// `1 volume`, `31,204 worlds`.
pub(crate) fn count(number: usize, noun: &str) -> String {
    format!("{} {noun}{}", thousands(number), if number == 1 { "" } else { "s" })
}

/// `0.8 s`, `75 s`.
pub(crate) fn seconds(seconds: f64) -> String {
    if seconds < 0.1 {
        format!("{seconds:.2} s")
    } else if seconds < 10.0 {
        format!("{seconds:.1} s")
    } else {
        span(seconds.round() as u64)
    }
}

/// `52 s`, `6 min 52 s`, `1 h 2 min`.
pub(crate) fn span(seconds: u64) -> String {
    match seconds {
        0..=119 => format!("{seconds} s"),
        120..=7199 => format!("{} min {} s", seconds / 60, seconds % 60),
        _ => format!("{} h {} min", seconds / 3600, seconds / 60 % 60),
    }
}

/// Seconds since 1970 as RFC 3339, UTC.
pub(crate) fn time(at: u64) -> String {
    let (days, rest) = (at / 86_400, at % 86_400);
    // Days are counted from 0000-03-01, so that the leap day is the last of its year.
    let shifted = days + 719_468;
    let (era, of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * march + 2) / 5 + 1;
    let month = if march < 10 { march + 3 } else { march - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}Z", rest / 3600, rest / 60 % 60, rest % 60)
}

pub(crate) fn tone(verdict: Verdict) -> Tone {
    match verdict {
        Verdict::Safe => Tone::Good,
        Verdict::Unknown => Tone::Warn,
        Verdict::Detached | Verdict::Doomed | Verdict::Lost => Tone::Bad,
    }
}

/// `pvc-8a1f (pvc-postgresql)`.
pub(crate) fn volume(protected: &ProtectedVolume) -> String {
    format!("{} ({})", protected.volume.name(), protected.claim.name())
}

/// `Deployment 12, StatefulSet 3`.
pub(crate) fn kinds<'a>(names: impl IntoIterator<Item = &'a Ref>) -> String {
    let mut kinds: BTreeMap<&str, usize> = BTreeMap::new();
    for name in names {
        *kinds.entry(name.kind()).or_default() += 1;
    }
    let parts: Vec<String> = kinds.iter().map(|(kind, number)| format!("{kind} {}", thousands(*number))).collect();
    parts.join(", ")
}

/// `a, b, c and 4 more`.
pub(crate) fn some(names: &[String], most: usize) -> String {
    if names.len() <= most {
        return names.join(", ");
    }
    format!("{} and {} more", names[..most].join(", "), names.len() - most)
}

/// `a and b`, `a, b and c`.
pub(crate) fn all(parts: &[String]) -> String {
    match parts.split_last() {
        None => String::new(),
        Some((last, [])) => last.clone(),
        Some((last, others)) => format!("{} and {last}", others.join(", ")),
    }
}

/// `runai-backend 2.8.20 -> control-plane 2.20.41`.
pub(crate) fn journey(plan: &Plan) -> String {
    if !stays(plan) {
        return format!("{} -> {}", plan.from, plan.to);
    }
    let what = if plan.restores() { "deleted objects put back" } else { "protection only" };
    format!("{}, {what}", plan.from)
}

/// Whether a plan changes no version: it protects, or puts back what was deleted.
pub(crate) fn stays(plan: &Plan) -> bool {
    plan.from == plan.to && !plan.hops.is_empty()
}

/// All releases of a plan, its own first: `runai-backend/control-plane and runai/cluster`.
pub(crate) fn releases(plan: &Plan) -> String {
    all(&plan.releases().map(ToString::to_string).collect::<Vec<_>>())
}
/// What blocks a plan, to go on after: `Blocked: [PL231] values that are set today are not taken over`.
pub(crate) fn blocked(finding: &portolan_model::Finding) -> Line {
    Line::new(Tone::Bad, "Blocked").and(format!(": [{}] {}", finding.code, finding.found))
}

/// The first digits of a UID, as people read them.
pub(crate) fn short(uid: &portolan_model::Uid) -> &str {
    uid.as_str().get(..8).unwrap_or(uid.as_str())
}
