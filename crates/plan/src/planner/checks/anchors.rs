//! Anchors, aliases and merge keys of YAML: a program reads what they stand for, and so does a comparison of settings. They are put in as
//! text, so that a file says the same with them and without.
//!
//! YAML 1.2.2, 3.2.2.2 "Anchors and Aliases"; YAML 1.1, "Merge Key Language-Independent Type": the keys of the map itself go before those
//! that it takes in, and of several maps the first goes before the others.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

/// Above this a file of aliases of aliases is left as it is.
const LONGEST: usize = 1 << 20;

/// A text with what its aliases and merge keys stand for. What has none stays as it is.
pub(super) fn put_in(text: &str) -> Cow<'_, str> {
    let is_mark = |mark: char| text.match_indices(mark).any(|(at, _)| named(&text[at..], mark).is_some());
    if !is_mark('&') || !is_mark('*') {
        return Cow::Borrowed(text);
    }
    let source: Vec<&str> = text.lines().collect();
    let mut file = File::default();
    for at in 0..source.len() {
        file.read(&source, at);
        if file.length > LONGEST {
            return Cow::Borrowed(text);
        }
    }
    let mut all = file.lines.join("\n");
    if text.ends_with('\n') {
        all.push('\n');
    }
    Cow::Owned(all)
}

/// The lines that are read, with all put in.
#[derive(Default)]
struct File {
    lines: Vec<String>,
    length: usize,
    anchors: BTreeMap<String, Anchor>,
}

/// Where a node with a name is.
struct Anchor {
    /// Its text, where it stands in the line of its name.
    text: String,
    /// The line of its name.
    line: usize,
    /// The column of the key or the item that it is of.
    column: usize,
    /// Whether it is of an item: the items after it are others.
    is_item: bool,
}

/// What a node says.
enum Node {
    Text(String),
    /// Lines without the blanks before them that all of them have.
    Lines(Vec<String>),
}

impl File {
    fn push(&mut self, line: String) {
        self.length += line.len() + 1;
        self.lines.push(line);
    }

    fn read(&mut self, source: &[&str], at: usize) {
        let entry = Entry::of(source[at]);
        if let Some(name) = named(entry.value, '&') {
            let text = entry.value[1 + name.len()..].trim().to_owned();
            let (line, column, is_item) = (self.lines.len(), entry.column, entry.key.is_empty());
            let anchor = Anchor { text: self.in_flow(&text), line, column, is_item };
            self.push(format!("{}{}", entry.before, anchor.text).trim_end().to_owned());
            self.anchors.insert(name.to_owned(), anchor);
            return;
        }
        if entry.key == "<<" {
            self.merge(source, at, &entry);
            return;
        }
        match named(entry.value, '*').filter(|name| is_end(&entry.value[1 + name.len()..])) {
            Some(name) => self.alias(source[at], &entry, name),
            None if entry.value.starts_with(['{', '[']) => {
                let line = format!("{}{}", entry.before, self.in_flow(entry.value));
                self.push(line);
            }
            None => self.push(source[at].to_owned()),
        }
    }

    /// A key or an item that is an alias.
    fn alias(&mut self, line: &str, entry: &Entry<'_>, name: &str) {
        match self.node(name) {
            None => self.push(line.to_owned()),
            Some(Node::Text(text)) => self.push(format!("{}{text}", entry.before)),
            Some(Node::Lines(lines)) if entry.key.is_empty() => {
                // The first line of an item stands behind its dash.
                self.lines_at(&lines, entry.before);
            }
            Some(Node::Lines(lines)) => {
                self.push(entry.before.trim_end().to_owned());
                self.lines_at(&lines, &" ".repeat(entry.column + 2));
            }
        }
    }

    /// A map that takes others in.
    fn merge(&mut self, source: &[&str], at: usize, entry: &Entry<'_>) {
        let mut known = keys_beside(source, at, entry.column);
        let names = entry.value.split(|c: char| !is_of_name(c)).filter(|name| !name.is_empty());
        let mut all = Vec::new();
        for name in names {
            let Some(lines) = self.node(name).and_then(Node::into_lines) else { continue };
            let mut is_kept = true;
            let mut own = BTreeSet::new();
            for line in lines {
                if !line.starts_with(' ') && !line.starts_with("- ") {
                    let key = Entry::of(&line).key.to_owned();
                    is_kept = !known.contains(&key);
                    own.insert(key);
                }
                if is_kept {
                    all.push(line);
                }
            }
            known.extend(own);
        }
        let before = &source[at][..entry.column.min(source[at].len())];
        self.lines_at(&all, before);
    }

    /// Lines behind what stands before the first of them.
    fn lines_at(&mut self, lines: &[String], before: &str) {
        for (at, line) in lines.iter().enumerate() {
            let blanks = " ".repeat(before.len());
            self.push(format!("{}{line}", if at == 0 { before } else { &blanks }));
        }
    }

    /// What a name stands for.
    fn node(&self, name: &str) -> Option<Node> {
        let anchor = self.anchors.get(name)?;
        if !anchor.text.is_empty() {
            return Some(Node::Text(anchor.text.clone()));
        }
        let is_below = |line: &&String| {
            let indent = indent(line);
            line.trim().is_empty()
                || indent > anchor.column
                || (indent == anchor.column && !anchor.is_item && line.trim_start().starts_with("- "))
        };
        let below = self.lines[anchor.line + 1..].iter().take_while(is_below).filter(|line| !line.trim().is_empty());
        let lines: Vec<&String> = below.collect();
        let least = lines.iter().map(|line| indent(line)).min().unwrap_or_default();
        Some(Node::Lines(lines.into_iter().map(|line| line[least..].to_owned()).collect()))
    }

    /// A list or a block in one line with its aliases put in; any other text as it is.
    fn in_flow(&self, text: &str) -> String {
        if !text.starts_with(['{', '[']) || !text.contains('*') {
            return text.to_owned();
        }
        let mut all = String::new();
        let mut rest = text;
        while let Some(at) = rest.find('*') {
            let name = named(&rest[at..], '*').unwrap_or_default();
            let (before, after) = (&rest[..at], &rest[at + 1 + name.len()..]);
            match self.node(name).filter(|_| before.ends_with([' ', '[', ','])).and_then(Node::into_flow) {
                Some(text) => match before.trim_end().strip_suffix("<<:") {
                    Some(before) => {
                        all.push_str(before);
                        all.push_str(text.trim_matches(['{', '}']));
                    }
                    None => {
                        all.push_str(before);
                        all.push_str(&text);
                    }
                },
                None => all.push_str(&rest[..=at + name.len()]),
            }
            rest = after;
            if all.len() > LONGEST {
                break;
            }
        }
        all + rest
    }
}

impl Node {
    fn into_lines(self) -> Option<Vec<String>> {
        match self {
            Self::Lines(lines) => Some(lines),
            Self::Text(text) => {
                let inner = text.strip_prefix('{')?.strip_suffix('}')?;
                Some(super::setting_lines::entries(inner).map(|entry| entry.trim().to_owned()).collect())
            }
        }
    }

    /// The node in one line; `None` where it has blocks in it.
    fn into_flow(self) -> Option<String> {
        let lines = match self {
            Self::Text(text) => return Some(text),
            Self::Lines(lines) => lines,
        };
        let items: Option<Vec<&str>> = lines.iter().map(|line| line.strip_prefix("- ")).collect();
        let is_flat = |line: &String| !line.starts_with(' ') && !Entry::of(line).value.is_empty();
        match items {
            Some(items) => Some(format!("[{}]", items.join(", "))),
            None => lines.iter().all(is_flat).then(|| format!("{{{}}}", lines.join(", "))),
        }
    }
}

/// A line of YAML.
struct Entry<'a> {
    /// The line up to its value.
    before: &'a str,
    /// Empty for an item of a list without one.
    key: &'a str,
    value: &'a str,
    /// The column of its key, or of the dash before its value.
    column: usize,
}

impl<'a> Entry<'a> {
    fn of(line: &'a str) -> Self {
        let mut column = indent(line);
        let mut dash = column;
        while let Some(rest) = line[column..].strip_prefix("- ") {
            dash = column;
            column = line.len() - rest.trim_start().len();
        }
        let content = &line[column..];
        let end = content.find(": ").or_else(|| content.strip_suffix(':').map(str::len));
        match end.filter(|_| !content.starts_with(['{', '[', '"', '&', '*', '#'])) {
            Some(end) => {
                let value = content[end + 1..].trim_start();
                let before = &line[..line.len() - value.len()];
                Self { before, key: content[..end].trim_matches(['"', '\'']), value, column }
            }
            None => Self { before: &line[..column], key: "", value: content, column: dash },
        }
    }
}

/// The keys of the map in which a line stands, but for its own.
fn keys_beside(source: &[&str], at: usize, column: usize) -> BTreeSet<String> {
    let mut all = BTreeSet::new();
    let is_blank = |line: &str| line.trim().is_empty() || line.trim_start().starts_with('#');
    for line in source[at + 1..].iter().filter(|line| !is_blank(line)) {
        if indent(line) < column {
            break;
        }
        let entry = Entry::of(line);
        if entry.column == column && !entry.key.is_empty() {
            all.insert(entry.key.to_owned());
        }
    }
    // A line that begins an item has its dash before the column.
    let begins = |line: &str| indent(line) < column;
    if !begins(source[at]) {
        for line in source[..at].iter().rev().filter(|line| !is_blank(line)) {
            let entry = Entry::of(line);
            if entry.column == column && !entry.key.is_empty() {
                all.insert(entry.key.to_owned());
            }
            if begins(line) {
                break;
            }
        }
    }
    all.remove("<<");
    all
}

fn indent(line: &str) -> usize {
    line.len() - line.trim_start_matches(' ').len()
}

fn is_of_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || "_-.".contains(c)
}

/// The name behind `&` or `*` at the start of a text.
fn named(text: &str, mark: char) -> Option<&str> {
    let rest = text.strip_prefix(mark)?;
    let name = &rest[..rest.find(|c| !is_of_name(c)).unwrap_or(rest.len())];
    (name.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_')).then_some(name)
}

/// Whether nothing but a comment stands at the end of a line.
fn is_end(rest: &str) -> bool {
    rest.trim().is_empty() || rest.trim_start().starts_with('#')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_says_the_same_with_aliases_and_without() {
        for (text, expected) in [
            ("a: &x 1h\nb: *x # as a", "a: 1h\nb: 1h"),
            (
                "a: &x\n  ttl: 1h\n  b:\n    c: d\ns: *x\n",
                "a:\n  ttl: 1h\n  b:\n    c: d\ns:\n  ttl: 1h\n  b:\n    c: d\n",
            ),
            (
                "a: &x\n  ttl: 1h\n  dir: d\ns:\n  ttl: 2h\n  <<: *x\n  e: f",
                "a:\n  ttl: 1h\n  dir: d\ns:\n  ttl: 2h\n  dir: d\n  e: f",
            ),
            ("a: &x {ttl: 1h, b: c}\ns:\n  <<: *x\n  b: d", "a: {ttl: 1h, b: c}\ns:\n  ttl: 1h\n  b: d"),
            (
                "a: &x\n  t: 1\nb: &y\n  t: 2\n  u: 3\ns:\n  <<: [*x, *y]",
                "a:\n  t: 1\nb:\n  t: 2\n  u: 3\ns:\n  t: 1\n  u: 3",
            ),
            (
                "a: &x\n  t: 1\nb: &y\n  <<: *x\n  u: 2\ns:\n  <<: *y",
                "a:\n  t: 1\nb:\n  t: 1\n  u: 2\ns:\n  t: 1\n  u: 2",
            ),
            ("l:\n- &x\n  t: 1\n- *x\n- <<: *x\n  u: 2", "l:\n-\n  t: 1\n- t: 1\n- t: 1\n  u: 2"),
            ("a: &x\n- b\n- c\nd: *x", "a:\n- b\n- c\nd:\n  - b\n  - c"),
            ("a: &x 1\nl: [*x, 2]\nm: {k: *x}", "a: 1\nl: [1, 2]\nm: {k: 1}"),
            ("a: &x\n  t: 1\nm: {<<: *x, u: 2}", "a:\n  t: 1\nm: {t: 1, u: 2}"),
        ] {
            assert_eq!(put_in(text), expected, "{text}");
        }
    }

    #[test]
    fn what_has_no_aliases_stays_as_it_is() {
        for text in [
            "run a & run b *.txt\n",
            "schedule: \"0 2 * * *\"\nname: a&b\n",
            "url: http://a?b=1&c=2\nfiles: /etc/*.conf",
            "a: &x 1\nb: *y",
            "",
        ] {
            let expected = if text.contains("&x") { "a: 1\nb: *y" } else { text };
            assert_eq!(put_in(text), expected);
        }
        let laughs: String = std::iter::once("a0: &a0 {x: 1, y: 2}\n".to_owned())
            .chain((1..40).map(|at| format!("a{at}: &a{at} [*a{0}, *a{0}, *a{0}]\n", at - 1)))
            .collect();
        assert_eq!(put_in(&laughs), laughs, "aliases of aliases");
    }
}
