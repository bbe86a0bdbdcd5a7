//! Settings in the lines of files, each with the block that it stands in: by its indentation, its braces or its `[section]`. A file of
//! JSON may have them all in one line.

use serde_json::Value;

/// A setting in a line.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Line {
    /// The names of the blocks around it, joined by dots: `schema_config.configs`.
    pub(super) block: String,
    pub(super) name: String,
    pub(super) text: String,
    /// Whether it is one of a list of texts, which has the name.
    pub(super) is_item: bool,
}

impl Line {
    fn new(block: &str, name: &str, text: &str) -> Self {
        Self { block: block.to_owned(), name: name.to_owned(), text: plain(text).to_owned(), is_item: false }
    }

    fn item(block: &str, name: &str, text: &str) -> Self {
        Self { is_item: true, ..Self::new(block, name, text) }
    }
}

/// A text without what a file writes around it: quotes, a comment at the end of the line, what ends an entry.
fn plain(text: &str) -> &str {
    let bare = text.trim();
    let quote = bare.chars().next().filter(|first| matches!(first, '"' | '\''));
    let end = quote.map_or(Some(0), |quote| Some(bare[1..].find(quote)? + 2));
    let comment = end.and_then(|end| Some(end + bare[end..].find(" #")?)).filter(|at| {
        // Behind a text in quotes nothing else stands.
        quote.is_none() || end.is_some_and(|end| bare[end..*at].chars().all(|c| c.is_whitespace() || c == ','))
    });
    let bare = comment.map_or(bare, |at| bare[..at].trim_end());
    let bare = bare.trim_end_matches([',', ';']);
    let quoted = |quote: char| bare.strip_prefix(quote)?.strip_suffix(quote).filter(|inner| !inner.contains(quote));
    quoted('"').or_else(|| quoted('\'')).unwrap_or(bare)
}

/// The settings of a file.
pub(super) fn lines(text: &str) -> Vec<Line> {
    if let Some(all) = json_lines(text) {
        return all;
    }
    let mut all = Vec::new();
    let mut section = "";
    let mut open: Vec<(usize, &str)> = Vec::new();
    let mut tags: Vec<&str> = Vec::new();
    // The list whose texts stand on lines of their own.
    let mut list: Option<(String, &str)> = None;
    for line in text.lines() {
        let trimmed = line.trim();
        if let Some((block, name)) = list.take_if(|_| !is_plain_item(trimmed)) {
            // What is no text alone is read as elsewhere; the list goes on behind what says nothing.
            list = (trimmed.is_empty() || is_comment(trimmed)).then_some((block, name));
        } else if let Some((block, name)) = &list {
            all.push(Line::item(block, name, trimmed));
            continue;
        }
        if let Some(name) = trimmed.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            section = name.trim_matches(['[', ']', ' ']);
            open.clear();
            continue;
        }
        elements(trimmed, &mut tags, &mut all);
        let content = trimmed.strip_prefix("- ").unwrap_or(trimmed).trim_start();
        let is_of_list = content.len() < trimmed.len();
        let content = content.strip_prefix("export ").unwrap_or(content);
        let indent = line.len() - line.trim_start().len() + (trimmed.len() - content.len());
        let around =
            |open: &[(usize, &str)]| joined(std::iter::once(section).chain(open.iter().map(|(_, name)| *name)));
        if is_of_list && (is_bare(content) || content.starts_with('{')) {
            open.retain(|(outer, _)| *outer < indent);
            if content.starts_with('{') {
                in_braces(&around(&open), "", content, &mut all);
                continue;
            }
            if let Some(((_, name), outer)) = open.split_last() {
                all.push(Line::item(&around(outer), name, content));
                continue;
            }
        }
        let Some((name, text)) = setting(content) else { continue };
        open.retain(|(outer, _)| *outer < indent);
        let block = around(&open);
        if text.is_empty() || text.ends_with('{') {
            open.push((indent, name));
        }
        one(&block, name, text, &mut all);
        list = text.ends_with('[').then_some((block, name));
    }
    all
}

fn is_comment(line: &str) -> bool {
    line.starts_with(['#', ';', '/'])
}

/// Whether a line of a list in brackets is one of its texts.
fn is_plain_item(line: &str) -> bool {
    !line.is_empty()
        && !line.starts_with([']', '(', ')', '}'])
        && !is_comment(line)
        && is_bare(line.trim_end_matches(','))
}

/// Whether an item of a list of YAML is a text alone, and no `name: text`, `name=text` or flag.
fn is_bare(content: &str) -> bool {
    let is_quoted = content.starts_with(['"', '\'']) && plain(content) != content;
    let has_name = || content.contains(": ") || content.ends_with(':') || content.contains('=');
    is_quoted || !(content.starts_with(['-', '{', '[', '#', '&', '*', '!', '<']) || has_name())
}

/// A setting, with those that are written inside its text.
fn one(block: &str, name: &str, text: &str, all: &mut Vec<Line>) {
    let is_inside = text.starts_with(['{', '[']);
    let text = if is_inside { text.split(" #").next().unwrap_or(text).trim_end() } else { text };
    in_braces(block, name, text, all);
    if !in_brackets(block, name, text, all) {
        all.push(Line::new(block, name, text));
    }
}

/// The texts of a list that is written in one line, and the blocks in it: `[a, b]`, `[{dir: data}]`. Whether it is one.
fn in_brackets(block: &str, name: &str, text: &str, all: &mut Vec<Line>) -> bool {
    let text = text.trim_end_matches([',', ';']);
    let Some(inner) = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) else { return false };
    let items: Vec<&str> = entries(inner).map(str::trim).filter(|item| !item.is_empty()).collect();
    for item in &items {
        if item.starts_with('{') {
            in_braces(block, name, item, all);
        } else {
            all.push(Line::item(block, name, item));
        }
    }
    !items.is_empty()
}

/// The entries of a list or block in one line.
pub(super) fn entries(inner: &str) -> impl Iterator<Item = &str> {
    let (mut depth, mut start, mut quote) = (0_u32, 0, None);
    let ends: Vec<usize> = inner
        .char_indices()
        .filter_map(|(at, c)| {
            match c {
                '"' | '\'' if quote == Some(c) => quote = None,
                '"' | '\'' if quote.is_none() => quote = Some(c),
                '{' | '[' => depth += 1,
                '}' | ']' => depth = depth.saturating_sub(1),
                _ => {}
            }
            (c == ',' && depth == 0 && quote.is_none()).then_some(at)
        })
        .chain([inner.len()])
        .collect();
    ends.into_iter().map(move |end| {
        let entry = &inner[start..end];
        start = (end + 1).min(inner.len());
        entry
    })
}

/// The settings of a file of JSON; `None` for any other.
pub(super) fn json_lines(text: &str) -> Option<Vec<Line>> {
    let text = text.trim();
    let json = (text.starts_with('{') && text.ends_with('}')).then(|| serde_json::from_str(text).ok()).flatten()?;
    Some(lines_of(&json))
}

/// The settings of JSON.
pub(super) fn lines_of(json: &Value) -> Vec<Line> {
    let mut all = Vec::new();
    leaves(json, "", "", &mut all);
    all
}

/// The names of blocks inside each other, without those that have none.
fn joined<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    names.into_iter().filter(|name| !name.is_empty()).collect::<Vec<_>>().join(".")
}

/// The texts, numbers and switches of JSON, each by the key that it stands at; those of a list have its key.
fn leaves(json: &Value, block: &str, name: &str, all: &mut Vec<Line>) {
    match json {
        Value::Object(map) => {
            let inner = joined([block, name]);
            map.iter().for_each(|(key, value)| leaves(value, &inner, key, all));
        }
        Value::Array(items) => {
            for item in items {
                let known = all.len();
                leaves(item, block, name, all);
                all[known..].iter_mut().filter(|_| !item.is_object()).for_each(|line| line.is_item = true);
            }
        }
        Value::String(text) => all.push(Line::new(block, name, text)),
        Value::Number(_) | Value::Bool(_) => all.push(Line::new(block, name, &json.to_string())),
        Value::Null => {}
    }
}

/// The settings of a block that is written in one line: `{dir: data, wal: {size: 1}}`.
fn in_braces(block: &str, name: &str, text: &str, all: &mut Vec<Line>) {
    let Some(inner) = text.trim_end_matches(',').strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) else {
        return;
    };
    let block = joined([block, name]);
    for entry in entries(inner) {
        if let Some((name, text)) = setting(entry.trim()) {
            one(&block, name, text, all);
        }
    }
}

/// `name value`, `name=value`, `name: value`, or a name alone.
fn setting(text: &str) -> Option<(&str, &str)> {
    let Some(end) = text.find(|c: char| c.is_whitespace() || c == '=' || c == ':') else {
        let is_name = text.starts_with(|c: char| c.is_ascii_alphabetic())
            && text.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c));
        return is_name.then_some((text, ""));
    };
    let value = text[end..].trim_start_matches(|c: char| c.is_whitespace() || c == '=' || c == ':').trim();
    // `! ` begins a comment of properties.
    (end > 0 && !text.starts_with(['#', ';', '/', '<']) && &text[..end] != "!")
        .then(|| (text[..end].trim_matches(['"', '\'']), value))
}

/// The elements of XML in a line that have a text, each in the elements around it: `<shard>0</shard>`. `open` are those that no line
/// has ended.
fn elements<'a>(text: &'a str, open: &mut Vec<&'a str>, all: &mut Vec<Line>) {
    for (tag, text) in text.split('<').filter_map(|part| part.split_once('>')) {
        if let Some(name) = tag.strip_prefix('/') {
            if let Some(at) = open.iter().rposition(|known| *known == name.trim()) {
                open.truncate(at);
            }
            continue;
        }
        let name = tag.split_whitespace().next().unwrap_or_default();
        if !name.starts_with(|c: char| c.is_ascii_alphabetic()) {
            continue;
        }
        let inner = joined(open.iter().copied().chain([name.trim_end_matches('/')]));
        all.extend(attributes(tag).map(|(name, text)| Line::new(&inner, name, text)));
        if tag.ends_with('/') {
            continue;
        }
        // `<connector name="a">b</connector>` says `a` is `b`.
        let named = attributes(tag).find(|(name, _)| *name == "name").map(|(_, text)| text);
        if let Some(named) = named.filter(|_| !text.trim().is_empty()) {
            all.push(Line::new(&inner, named, text.trim()));
        }
        if !text.trim().is_empty() && name == tag {
            let line = Line::new(&joined(open.iter().copied()), name, text.trim());
            // `<property><name>a</name><value>b</value></property>` of Hadoop says `a` is `b`.
            let named = all.last().filter(|last| name == "value" && last.name == "name" && last.block == line.block);
            let named = named.map(|last| Line::new(&line.block, &last.text, &line.text));
            all.push(line);
            all.extend(named);
        }
        open.push(name);
    }
}

/// The attributes of an element: `path` and `a` in `storage path="a"`.
fn attributes(tag: &str) -> impl Iterator<Item = (&str, &str)> {
    tag.split("=\"").zip(tag.split("=\"").skip(1)).filter_map(|(before, after)| {
        let name = before.rsplit(|c: char| c.is_whitespace() || c == '"').next().filter(|name| !name.is_empty())?;
        Some((name, after.split('"').next()?))
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
            ("recovery_target_time='2020-01-01'", "/recovery_target_time=2020-01-01"),
            ("  \"node_id\": \"a\",", "/node_id=a"),
            ("dir: data # where it is", "/dir=data"),
            ("dir = \"data\" # where it is", "/dir=data"),
            ("dir = \"a #b\"", "/dir=a #b"),
            ("<c name=\"a\">b</c>", "c/name=a c/a=b"),
            ("export DB=orders", "/DB=orders"),
            ("<store dir=\"data\" kind=\"file\"/>", "store/dir=data store/kind=file"),
            ("- store: tsdb", "/store=tsdb"),
            ("skip-innodb ", "/skip-innodb="),
            ("<a><shard>0</shard></a>", "a/shard=0"),
            ("<a b=\"c\"><d/><e>0</e></a><f>1</f>", "a/b=c a/e=0 /f=1"),
            ("<a>\n<b>\n<c>0</c>\n</b><d>1</d></a>", "a.b/c=0 a/d=1"),
            ("<p>\n<name>fs.a</name>\n<value>b</value>\n</p>", "p/name=fs.a p/value=b p/fs.a=b"),
            ("# appendonly no", ""),
            ("! appendonly no", ""),
            ("}", ""),
        ] {
            assert_eq!(read(text).join(" "), expected, "{text}");
        }
    }

    #[test]
    fn json_is_read_in_one_line_or_many() {
        let expected = ["/dir=data", "storage.tsdb/retention=1d", "/peers=a", "/peers=b", "/port=1"];
        let text = r#"{"dir":"data","storage":{"tsdb":{"retention":"1d"}},"peers":["a","b"],"port":1,"x":null}"#;
        let sorted = |text: &str| {
            let mut all = read(text);
            all.sort_by_key(|line| expected.iter().position(|one| one == line));
            all
        };
        assert_eq!(sorted(text), expected);
        let json: Value = serde_json::from_str(text).expect("JSON");
        assert_eq!(sorted(&serde_json::to_string_pretty(&json).expect("a text")), expected);
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
        assert_eq!(read(braces), ["/telemetry={", "telemetry/prometheus_retention_time=30s", "/ui=true"]);
        let inner = ["/a=x", "b/c=data", "b.d/e=1", "b/d={e: 1}", "/b={c: data, d: {e: 1}}"];
        assert_eq!(read("a: x\nb: {c: data, d: {e: 1}}"), inner);
        assert_eq!(read("[database]\npath = a\n[[storage]]\nname = b"), ["database/path=a", "storage/name=b"]);
    }

    #[test]
    fn the_texts_of_a_list_have_its_name() {
        let items = |text: &str| -> Vec<String> {
            let all = lines(text).into_iter().filter(|line| line.is_item);
            all.map(|line| format!("{}/{}={}", line.block, line.name, line.text)).collect()
        };
        for (text, expected) in [
            ("a:\n  topics:\n  - orders\n  - \"in voices\"\n  size: 1", "a/topics=orders a/topics=in voices"),
            ("topics: [orders, 'a, b']", "/topics=orders /topics=a, b"),
            ("topics = [\"orders\", \"sales\"]", "/topics=orders /topics=sales"),
            ("topics: [\n  orders\n  # more\n\n  'sales',\n]\nsize: 1", "/topics=orders /topics=sales"),
            ("topics = [\n  \"orders\",\n]\n[near]\nsize = 1", "/topics=orders"),
            ("jobs: [\n  {\n    job: a\n  }\n]", ""),
            (r#"{"a": {"topics": ["orders", "sales"]}}"#, "a/topics=orders a/topics=sales"),
            ("jobs:\n- job: a\n- job: b", ""),
            ("args:\n- --ttl=1h\n- a=b", ""),
            ("topics: []", ""),
            ("- orders", ""),
        ] {
            assert_eq!(items(text).join(" "), expected, "{text}");
        }
    }

    #[test]
    fn blocks_in_one_line_are_read_wherever_they_stand() {
        for (text, expected) in [
            ("spans: {ttl: 1h}", "spans/ttl=1h"),
            ("stores:\n- {name: spans, ttl: 1h}", "stores/ttl=1h"),
            ("stores: [{name: spans, ttl: 1h}, {ttl: 2h}]", "stores/ttl=1h stores/ttl=2h"),
            ("a: {b: [x, {ttl: 1h}]}", "a.b/ttl=1h"),
            ("spans = { ttl = \"1h\" }", "spans/ttl=1h"),
            ("spans: {\n  ttl: 1h,\n  dir: a }", "spans/ttl=1h"),
        ] {
            let all = read(text);
            let found: Vec<&str> = all.iter().map(String::as_str).filter(|line| line.contains("ttl=")).collect();
            assert_eq!(found.join(" "), expected, "{text}");
        }
    }
}
