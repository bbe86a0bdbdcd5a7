//! `.helmignore`: which files of a chart's folder are no part of the chart (`pkg/ignore/rules.go`, helm 3.14.4 to 4.3.1).

/// The file's name.
pub const FILE: &str = ".helmignore";

/// The rules of a chart.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IgnoreRules(Vec<Rule>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Rule {
    pattern: String,
    /// What the pattern does not match is ignored.
    negated: bool,
    folders_only: bool,
    /// The pattern is for the whole path, not for its last part.
    whole_path: bool,
}

impl IgnoreRules {
    /// Reads the rules. Hidden files of `templates` are ignored by every chart.
    ///
    /// # Errors
    /// What helm refuses: `**`, or a pattern that is not closed.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut rules = Vec::new();
        for (index, line) in text.lines().chain(["templates/.?*"]).enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            if line.contains("**") {
                return Err(format!("{FILE}:{}: helm does not know `**`", index + 1));
            }
            let (negated, rest) = line.strip_prefix('!').map_or((false, line), |rest| (true, rest));
            let (folders_only, rest) = rest.strip_suffix('/').map_or((false, rest), |rest| (true, rest));
            let whole_path = rest.contains('/');
            let pattern = rest.strip_prefix('/').unwrap_or(rest).to_owned();
            if matches(&pattern, "").is_none() {
                return Err(format!("{FILE}:{}: the pattern `{pattern}` is not closed", index + 1));
            }
            rules.push(Rule { pattern, negated, folders_only, whole_path });
        }
        Ok(Self(rules))
    }

    /// Whether a file or folder is no part of the chart. The path is inside the chart, with `/`; of a folder that is ignored
    /// everything in it is.
    #[must_use]
    pub fn ignores(&self, path: &str, is_folder: bool) -> bool {
        let last = path.rsplit('/').next().unwrap_or(path);
        self.0.iter().any(|rule| {
            let fits = matches(&rule.pattern, if rule.whole_path { path } else { last }) == Some(true);
            let is_kind = is_folder || !rule.folders_only;
            if rule.negated { !(is_kind && fits) } else { is_kind && fits }
        })
    }
}

/// Whether a shell pattern matches all of a text, as `filepath.Match` of Go says; `None` where the pattern is malformed. `*` and `?` do
/// not match `/`.
fn matches(pattern: &str, text: &str) -> Option<bool> {
    let parts = parse(pattern)?;
    let text: Vec<char> = text.chars().collect();
    Some(fits(&parts, &text))
}

/// A part of a pattern.
enum Part {
    Star,
    Any,
    One(char),
    Class { negated: bool, ranges: Vec<(char, char)> },
}

fn parse(pattern: &str) -> Option<Vec<Part>> {
    let mut parts = Vec::new();
    let mut rest = pattern.chars().peekable();
    while let Some(next) = rest.next() {
        parts.push(match next {
            '*' => Part::Star,
            '?' => Part::Any,
            '\\' => Part::One(rest.next()?),
            '[' => {
                let negated = rest.next_if_eq(&'^').is_some();
                let mut ranges = Vec::new();
                loop {
                    let low = match rest.next()? {
                        ']' if !ranges.is_empty() => break,
                        ']' | '-' => return None,
                        '\\' => rest.next()?,
                        low => low,
                    };
                    let high = match rest.next_if_eq(&'-') {
                        None => low,
                        Some(_) => match rest.next()? {
                            ']' | '-' => return None,
                            '\\' => rest.next()?,
                            high => high,
                        },
                    };
                    ranges.push((low, high));
                }
                Part::Class { negated, ranges }
            }
            other => Part::One(other),
        });
    }
    Some(parts)
}

fn fits(parts: &[Part], text: &[char]) -> bool {
    let Some((part, others)) = parts.split_first() else { return text.is_empty() };
    let one = |is: &dyn Fn(char) -> bool| text.first().is_some_and(|first| is(*first)) && fits(others, &text[1..]);
    match part {
        Part::Star => {
            let most = text.iter().take_while(|it| **it != '/').count();
            (0..=most).any(|taken| fits(others, &text[taken..]))
        }
        Part::Any => one(&|it| it != '/'),
        Part::One(wanted) => one(&|it| it == *wanted),
        Part::Class { negated, ranges } => {
            one(&|it| ranges.iter().any(|(low, high)| (*low..=*high).contains(&it)) != *negated)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_form_of_rule_is_read() {
        for (rules, path, is_folder, ignored) in [
            ("", "values.yaml", false, false),
            ("# *.yaml", "values.yaml", false, false),
            ("*.bak", "old.bak", false, true),
            ("*.bak", "templates/old.bak", false, true),
            ("*.bak", "old.bak.yaml", false, false),
            ("/*.bak", "old.bak", false, true),
            ("/*.bak", "templates/old.bak", false, false),
            ("ci/", "ci", true, true),
            ("ci/", "ci", false, false),
            ("ci/", "sub/ci", true, true),
            ("templates/test*", "templates/tests", true, true),
            ("templates/test*", "charts/a/templates/tests", true, false),
            ("?.txt", "a.txt", false, true),
            ("?.txt", "ab.txt", false, false),
            ("[a-c].txt", "b.txt", false, true),
            ("[^a-c].txt", "b.txt", false, false),
            ("\\*.txt", "*.txt", false, true),
            ("\\*.txt", "a.txt", false, false),
            // A negated rule ignores what it does not match.
            ("!*.yaml", "README.md", false, true),
            ("!*.yaml", "values.yaml", false, false),
            ("", "templates/.swp", false, true),
            ("", "templates/a.yaml", false, false),
        ] {
            let parsed = IgnoreRules::parse(rules).expect(rules);
            assert_eq!(parsed.ignores(path, is_folder), ignored, "`{rules}` {path}");
        }
    }

    #[test]
    fn what_helm_refuses_is_refused_with_its_line() {
        for (rules, named) in [("a\n**/b", ".helmignore:2"), ("[a", ".helmignore:1"), ("a\\", ".helmignore:1")] {
            assert!(IgnoreRules::parse(rules).expect_err(rules).contains(named), "{rules}");
        }
    }
}
