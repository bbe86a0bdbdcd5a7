//! What a chart makes of the time at which it is rendered (`now`, `date`, `unixEpoch` of sprig): another text at each upgrade, which two
//! renderings of the same second do not show.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::ToSpan as _;
use jiff::civil::Date;
use jiff::tz::TimeZone;

/// How far a clock of the rendering may be from the time that it is held against, in seconds.
const NEAR: i64 = 120;

/// How much later the other time is, in days: it shares no part of a date with the first.
const LATER: i64 = 397;

/// How people write a day, with separators.
const FORMS: [&str; 13] = [
    "%Y-%m-%d",
    "%Y/%m/%d",
    "%Y.%m.%d",
    "%d.%m.%Y",
    "%d-%m-%Y",
    "%d/%m/%Y",
    "%m/%d/%Y",
    "%m-%d-%Y",
    "%d %b %Y",
    "%b %d, %Y",
    "%b %d %Y",
    "%d %B %Y",
    "%B %d, %Y",
];

/// A rendering of `at` (seconds since 1970) as it would be at another time: each text that holds the time, as seconds since 1970
/// or as the day in a usual form, holds another one. A constant of the chart that happens to be today's day becomes another one too.
#[must_use]
pub fn at_another_time(rendered: &str, at: u64) -> String {
    let Ok(at) = i64::try_from(at) else { return rendered.to_owned() };
    let Ok(time) = jiff::Timestamp::from_second(at) else { return rendered.to_owned() };
    let today = time.to_zoned(TimeZone::UTC).date();
    // Helm writes the time of its own zone, which may be a day ahead or behind.
    let days = [today, today.saturating_add(1.day()), today.saturating_sub(1.day())];
    let text = plain(rendered, at, days);
    encoded(&text, &|text| plain(text, at, days))
}

/// As [`at_another_time`], for what stands in the text as it is.
fn plain(rendered: &str, at: i64, days: [Date; 3]) -> String {
    let text = numbers(rendered, at, &days);
    days.into_iter().fold(text, |text, day| {
        let later = day.saturating_add(LATER.days());
        FORMS.iter().fold(text, |text, form| {
            let (was, will) = (day.strftime(form).to_string(), later.strftime(form).to_string());
            if text.contains(&was) { text.replace(&was, &will) } else { text }
        })
    })
}

/// Replaces what stands in the text in base64, as the values of a Secret do.
fn encoded(text: &str, later: &dyn Fn(&str) -> String) -> String {
    const SHORTEST: usize = 8;
    let is_of = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '/' | '=');
    let mut all = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find(is_of) {
        let (before, from) = rest.split_at(start);
        let end = from.find(|c| !is_of(c)).unwrap_or(from.len());
        let (word, after) = from.split_at(end);
        let is_encoded = word.len() >= SHORTEST && word.len().is_multiple_of(4);
        let decoded = is_encoded.then(|| STANDARD.decode(word).ok().and_then(|bytes| String::from_utf8(bytes).ok()));
        let moved = decoded.flatten().map(|text| (later(&text), text)).filter(|(later, text)| later != text);
        all.push_str(before);
        all.push_str(&moved.map_or_else(|| word.to_owned(), |(later, _)| STANDARD.encode(later)));
        rest = after;
    }
    all + rest
}

/// Replaces runs of digits that are a time: seconds, milliseconds and so on since 1970, or a day and perhaps an hour without separators.
fn numbers(rendered: &str, at: i64, days: &[Date; 3]) -> String {
    let mut all = String::with_capacity(rendered.len());
    let mut rest = rendered;
    while let Some(start) = rest.find(|c: char| c.is_ascii_digit()) {
        let (before, from) = rest.split_at(start);
        let end = from.find(|c: char| !c.is_ascii_digit()).unwrap_or(from.len());
        let (run, after) = from.split_at(end);
        all.push_str(before);
        all.push_str(&another(run, at, days).unwrap_or_else(|| run.to_owned()));
        rest = after;
    }
    all + rest
}

/// A run of digits that is a time, later.
fn another(run: &str, at: i64, days: &[Date; 3]) -> Option<String> {
    if matches!(run.len(), 10 | 13 | 16 | 19)
        && let (seconds, rest) = run.split_at(10)
        && let Ok(seconds) = seconds.parse::<i64>()
        && seconds.abs_diff(at) <= NEAR.unsigned_abs()
    {
        return Some(format!("{}{rest}", seconds + LATER * 86_400));
    }
    let is_day = matches!(run.len(), 8 | 10 | 12 | 14);
    let day = days.iter().filter(|_| is_day).find(|day| run.starts_with(&day.strftime("%Y%m%d").to_string()))?;
    Some(format!("{}{}", day.saturating_add(LATER.days()).strftime("%Y%m%d"), &run[8..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_holds_the_time_becomes_another() {
        // 1,800,000,000 s after the epoch is 2027-01-15T08:00:00Z.
        let another = |text: &str| at_another_time(text, 1_800_000_000);
        for (text, later) in [
            ("rolled: \"1800000003\"", "rolled: \"1834300803\""),
            ("name: migrate-1799999999", "name: migrate-1834300799"),
            ("at: 2027-01-15T08:00:03Z", "at: 2028-02-16T08:00:03Z"),
            ("at: 2027-01-14T22:00:03-10:00", "at: 2028-02-15T22:00:03-10:00"),
            ("name: job-202701150800", "name: job-202802160800"),
            ("on: Jan 15, 2027", "on: Feb 16, 2028"),
            ("ms: 1800000000123", "ms: 1834300800123"),
            // `made 2027-01-15` and `made 2028-02-16`.
            ("at: bWFkZSAyMDI3LTAxLTE1", "at: bWFkZSAyMDI4LTAyLTE2"),
        ] {
            assert_eq!(another(text), later);
        }
        for same in ["at: 2026-12-31", "port: 8080", "id: 1800009999", "serial: 120270115", "tag: v20270115999"] {
            assert_eq!(another(same), same);
        }
    }
}
