//! The old values and the new ones side by side, as one HTML page: no scripts, nothing from elsewhere.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use portolan_model::{SiteValue, ValueChange};
use serde_json::Value;

use crate::values::{self, ValuesView, who};

const HEAD: &str = r#"<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Values</title><style>
body{font:14px/1.4 sans-serif;margin:2em;color:#222}table{border-collapse:collapse;width:100%;table-layout:fixed}
th,td{text-align:left;vertical-align:top;padding:4px 8px;border-bottom:1px solid #ddd;overflow-wrap:anywhere}
code{font:13px/1.4 monospace;white-space:pre-wrap}.kept{background:#f3faf3}.moved{background:#eef4fd}.given{background:#f7f7f7}
.gone{background:#faf6ea}.asked{background:#fdeeee}
</style></head><body>
"#;

/// The page. `at_end` are the values of the new chart, as they may be shown.
#[must_use]
pub fn values_html(view: &ValuesView, at_end: &[(String, Value)]) -> String {
    let new = view.to.as_ref().map(ToString::to_string).unwrap_or_default();
    let mut page = String::from(HEAD);
    let release = format!("{} in {}", view.release.name, view.release.namespace);
    let _ = writeln!(page, "<h1>{}</h1>", escaped(&release));
    let _ = writeln!(
        page,
        "<table><tr><th>{} today</th><th>{}</th><th>what becomes of it</th></tr>",
        escaped(&view.from.to_string()),
        escaped(&new)
    );
    let mut told = BTreeSet::new();
    for value in &view.values {
        let end = value.end().filter(|_| view.to.is_some()).map(|path| path.to_string());
        let then = end.as_ref().and_then(|end| at_end.iter().find(|(path, _)| path == end));
        told.extend(then.map(|(path, _)| path.clone()));
        let (class, words) = fate(value);
        let by = format!("{words}; set by {}", who(value.set_by));
        row(
            &mut page,
            (class, &by),
            Some((value.path.as_str(), &value.today)),
            then.map(|(path, new)| (path.as_str(), new)),
        );
    }
    for (path, value) in at_end.iter().filter(|(path, _)| !told.contains(path)) {
        row(&mut page, ("given", "given by the recipes, the answers or with -f and --set"), None, Some((path, value)));
    }
    page.push_str("</table></body></html>\n");
    page
}

fn fate(value: &SiteValue) -> (&'static str, String) {
    let class = match value.change() {
        None | Some(ValueChange::Carried) => "kept",
        Some(ValueChange::Moved(_)) => "moved",
        Some(ValueChange::Replaced(_) | ValueChange::Obsolete(_) | ValueChange::LeftOut) => "gone",
        Some(_) => "asked",
    };
    (class, values::fate(value).plain())
}

fn row(page: &mut String, (class, words): (&str, &str), old: Option<(&str, &Value)>, new: Option<(&str, &Value)>) {
    let cell = |side: Option<(&str, &Value)>| {
        side.map(|(path, value)| format!("<code>{}: {}</code>", escaped(path), escaped(&value.to_string())))
            .unwrap_or_default()
    };
    let _ = writeln!(
        page,
        "<tr class=\"{class}\"><td>{}</td><td>{}</td><td>{}</td></tr>",
        cell(old),
        cell(new),
        escaped(words)
    );
}

/// A text that a browser shows as it is. What changes the direction of a text or cannot be seen is shown by its number.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}' => {
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use portolan_model::{ChartId, MovedTo, ReleaseId, SetBy, ValuesPath};
    use serde_json::json;

    use super::*;

    #[test]
    fn old_and_new_stand_in_one_row_and_no_value_is_markup() {
        let path = ValuesPath::new;
        let chart = |name: &str| ChartId { name: name.into(), version: "2.8.20".parse().expect("a version") };
        let moved = MovedTo { path: path("ui.theme"), how: String::new(), source: "page".into() };
        let value = SiteValue {
            path: path("frontend.theme"),
            today: json!("<script>alert('1')</script>"),
            default: None,
            set_by: SetBy::Site,
            changes: vec![ValueChange::Moved(moved)],
            hint: String::new(),
        };
        let view = ValuesView {
            release: ReleaseId { namespace: "ns".into(), name: "r".into() },
            from: chart("old"),
            to: Some(chart("new")),
            values: vec![value],
            effects: BTreeMap::new(),
            defaults: Vec::new(),
            set_flags: None,
        };
        let at_end = [("ui.theme".to_owned(), json!("<b>")), ("global.domain".to_owned(), json!("a.b"))];
        let page = values_html(&view, &at_end);
        assert!(
            page.contains("frontend.theme: &quot;&lt;script&gt;alert(&#39;1&#39;)") && !page.contains("<script"),
            "{page}"
        );
        let row = page.lines().find(|line| line.contains("frontend.theme")).expect("a row");
        assert!(row.contains("ui.theme: &quot;&lt;b&gt;&quot;") && row.contains("class=\"moved\""), "{row}");
        assert!(page.contains("global.domain") && page.contains("given by the recipes"), "{page}");
    }
}
