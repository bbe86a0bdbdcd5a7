//! Amounts, as settings have them: numbers, times and sizes.

/// Whether one amount is at least another: numbers, and such with a unit of time or of size. `None` where one is neither, or they are
/// of different kinds.
#[must_use]
pub fn is_at_least(one: &str, other: &str) -> Option<bool> {
    let ((one, its), (other, others)) = (amount(one)?, amount(other)?);
    (its == others).then_some(one >= other)
}

/// The kind of an amount.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Dimension {
    Number,
    Time,
    Size,
}

fn amount(text: &str) -> Option<(f64, Dimension)> {
    let text = text.trim().trim_matches(['"', '\'']).to_lowercase().replace('_', "");
    // ISO 8601, as `P1DT12H`, and an interval of SQL.
    let is_iso = text.starts_with('p') && text.len() > 2;
    let text = if is_iso { text[1..].replace('t', "") } else { text };
    let text = text.strip_prefix("interval").unwrap_or(&text).trim();
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.' && c != '-').unwrap_or(text.len());
    let (number, rest) = text.split_at(end);
    let number: f64 = number.parse().ok()?;
    // Without end.
    let number = if number < 0.0 { f64::INFINITY } else { number };
    let rest = rest.trim_start();
    let (unit, rest) = rest.split_at(rest.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(rest.len()));
    if unit.is_empty() && rest.is_empty() {
        return Some((number, Dimension::Number));
    }
    let (factor, dimension) = unit_of(unit)?;
    if rest.is_empty() {
        return Some((number * factor, dimension));
    }
    // `1h30m`: parts of one kind are added.
    let (more, its) = amount(rest)?;
    (its == dimension && dimension == Dimension::Time).then_some((number * factor + more, dimension))
}

/// How much a unit is: of time in seconds, of size in bytes.
fn unit_of(unit: &str) -> Option<(f64, Dimension)> {
    let time = match unit {
        "ns" => Some(1e-9),
        "us" => Some(1e-6),
        "ms" => Some(1e-3),
        "s" | "sec" | "secs" | "second" | "seconds" => Some(1.0),
        "m" | "min" | "mins" | "minute" | "minutes" => Some(60.0),
        "h" | "hr" | "hrs" | "hour" | "hours" => Some(3_600.0),
        "d" | "day" | "days" => Some(86_400.0),
        "w" | "week" | "weeks" => Some(604_800.0),
        "mon" | "month" | "months" => Some(2_592_000.0),
        "y" | "year" | "years" => Some(31_536_000.0),
        _ => None,
    };
    if let Some(factor) = time {
        return Some((factor, Dimension::Time));
    }
    let size = match unit.trim_end_matches('b').trim_end_matches('i') {
        "" if unit == "b" => 1.0,
        "k" => 1e3,
        "m" => 1e6,
        "g" => 1e9,
        "t" => 1e12,
        "p" => 1e15,
        _ => return None,
    };
    Some((size, Dimension::Size))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_of_one_kind_are_compared() {
        for (one, other, is) in [
            ("30d", "15d", Some(true)),
            ("1d", "365d", Some(false)),
            ("48h", "2d", Some(true)),
            ("2GB", "512MiB", Some(true)),
            ("-1", "168", Some(true)),
            ("72h0m0s", "3d", Some(true)),
            ("1h30m", "2h", Some(false)),
            ("P30D", "P7D", Some(true)),
            ("PT1H", "P1D", Some(false)),
            ("30 days", "4 weeks", Some(true)),
            ("INTERVAL 30 DAY", "INTERVAL 90 DAY", Some(false)),
            ("1_000", "999", Some(true)),
            ("5Gi", "500Mi", Some(true)),
            ("5 gb", "10GB", Some(false)),
            ("1", "8760", Some(false)),
            ("1d", "12", None),
            ("true", "false", None),
        ] {
            assert_eq!(is_at_least(one, other), is, "{one} and {other}");
        }
    }
}
