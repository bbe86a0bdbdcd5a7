//! Settings in the lines of files, each with the block that it stands in: by its indentation, its braces or its `[section]`.

/// A setting in a line.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Line<'a> {
    /// The names of the blocks around it, joined by dots: `schema_config.configs`.
    pub(super) block: String,
    pub(super) name: &'a str,
    pub(super) text: &'a str,
}

/// The settings of a file.
pub(super) fn lines(text: &str) -> Vec<Line<'_>> {
    let mut all = Vec::new();
    let mut section = "";
    let mut open: Vec<(usize, &str)> = Vec::new();
    for line in text.lines() {
        let trimmed = line.trim();
        if let Some(name) = trimmed.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            section = name.trim_matches(['[', ']', ' ']);
            open.clear();
            continue;
        }
        all.extend(elements(trimmed));
        let content = trimmed.strip_prefix("- ").unwrap_or(trimmed).trim_start();
        let Some((name, text)) = setting(content) else { continue };
        let indent = line.len() - line.trim_start().len() + (trimmed.len() - content.len());
        open.retain(|(outer, _)| *outer < indent);
        let outer = std::iter::once(section).chain(open.iter().map(|(_, name)| *name));
        let block = outer.filter(|name| !name.is_empty()).collect::<Vec<_>>().join(".");
        if text.is_empty() || text.ends_with('{') {
            open.push((indent, name));
        }
        all.push(Line { block, name, text });
    }
    all
}

/// `name value`, `name=value`, `name: value`, or a name alone.
fn setting(text: &str) -> Option<(&str, &str)> {
    let Some(end) = text.find(|c: char| c.is_whitespace() || c == '=' || c == ':') else {
        let is_name = text.starts_with(|c: char| c.is_ascii_alphabetic())
            && text.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c));
        return is_name.then_some((text, ""));
    };
    let value = text[end..].trim_start_matches(|c: char| c.is_whitespace() || c == '=' || c == ':').trim();
    (end > 0 && !text.starts_with(['#', ';', '/', '<'])).then(|| (text[..end].trim_matches(['"', '\'']), value))
}

/// The elements of XML in a line that have a text: `<shard>0</shard>`.
fn elements(text: &str) -> impl Iterator<Item = Line<'_>> {
    text.split('<').filter_map(|part| {
        let (name, text) = part.split_once('>')?;
        let is_one =
            !name.is_empty() && !text.trim().is_empty() && !name.contains(|c: char| c.is_whitespace() || c == '/');
        is_one.then(|| Line { block: String::new(), name, text: text.trim() })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Vec<String> {
        lines(text).iter().map(|line| format!("{}/{}={}", line.block, line.name, line.text)).collect()
    }

    #[test]
    fn a_line_is_read_in_every_form() {
        for (text, expected) in [
            ("appendonly yes", "/appendonly=yes"),
            ("  retention_period: 24h", "/retention_period=24h"),
            ("recovery_target_time='2020-01-01'", "/recovery_target_time='2020-01-01'"),
            ("  \"node_id\": \"a\",", "/node_id=\"a\","),
            ("- store: tsdb", "/store=tsdb"),
            ("skip-innodb ", "/skip-innodb="),
            ("<a><shard>0</shard></a>", "/shard=0"),
            ("# appendonly no", ""),
            ("}", ""),
        ] {
            assert_eq!(read(text).join(" "), expected, "{text}");
        }
    }

    #[test]
    fn a_line_stands_in_its_blocks() {
        let yaml = "schema_config:\n  configs:\n  - from: x\n    index:\n      prefix: a\n    store: b\nlimits: c";
        let expected = [
            "schema_config.configs/from=x",
            "schema_config.configs.index/prefix=a",
            "schema_config.configs/store=b",
            "/limits=c",
        ];
        assert_eq!(read(yaml).into_iter().filter(|line| !line.ends_with('=')).collect::<Vec<_>>(), expected);
        let braces = "telemetry {\n  prometheus_retention_time = \"30s\"\n}\nui = true";
        assert_eq!(read(braces), ["/telemetry={", "telemetry/prometheus_retention_time=\"30s\"", "/ui=true"]);
        assert_eq!(read("[database]\npath = a\n[[storage]]\nname = b"), ["database/path=a", "storage/name=b"]);
    }
}
