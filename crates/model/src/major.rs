use std::fmt;

/// The major version of a PostgreSQL server: a data directory opens under the one that wrote it and no other.
///
/// Since 10 it is the first number of a version, before that the first two
/// (<https://www.postgresql.org/support/versioning/>).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Major(u32, Option<u32>);

impl Major {
    /// The major version of what a server says (`15.20 (Debian 15.20-0+deb12u1)`, `18beta1`) or a tag begins with
    /// (`15.5.0-debian-12-r9`, `16-alpine`). `None` where it does not begin with a version: a date and a hash are none.
    #[must_use]
    pub fn of(version: &str) -> Option<Self> {
        let (first, rest) = number(version)?;
        if first >= 10 {
            let ends = rest.is_empty()
                || rest.starts_with(['.', '-', '+', '_', ' '])
                || ["devel", "alpha", "beta", "rc"].iter().any(|stage| rest.starts_with(stage));
            return ends.then_some(Self(first, None));
        }
        let (second, _) = number(rest.strip_prefix('.')?)?;
        Some(Self(first, Some(second)))
    }
}

/// The number that a text begins with, and the rest. A version has at most two digits in each of the numbers that count.
fn number(text: &str) -> Option<(u32, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (digits, rest) = text.split_at(end);
    (1..=2).contains(&digits.len()).then(|| Some((digits.parse().ok()?, rest)))?
}

impl fmt::Display for Major {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.1 {
            Some(second) => write!(f, "{}.{second}", self.0),
            None => write!(f, "{}", self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_servers_say_and_tags_begin_with() {
        let cases = [
            ("15.20 (Debian 15.20-0+deb12u1)", "15"),
            ("16", "16"),
            ("16.4", "16"),
            ("18beta1", "18"),
            ("17devel", "17"),
            ("15.5.0-debian-12-r9", "15"),
            ("16-alpine", "16"),
            ("9.6.24", "9.6"),
            ("9.5-alpine", "9.5"),
        ];
        for (version, major) in cases {
            assert_eq!(Major::of(version).map(|major| major.to_string()).as_deref(), Some(major), "{version}");
        }
    }

    #[test]
    fn what_is_no_version() {
        for text in ["", "latest", "20240101", "20240101-1", "12ab34f", "7f3a", "9", "v15", "-15"] {
            assert_eq!(Major::of(text), None, "{text}");
        }
    }

    #[test]
    fn before_ten_two_numbers_count() {
        assert_ne!(Major::of("9.6.1"), Major::of("9.5.1"));
        assert_eq!(Major::of("9.6.1"), Major::of("9.6.24"));
        assert_eq!(Major::of("15.1"), Major::of("15.20"));
    }
}
