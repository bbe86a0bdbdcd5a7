//! Where a field is, from how the API server writes it.

use serde_json::Value;

/// The JSON pointer of a field in a document: of `spec.ports[0].nodePort`, `metadata.annotations[a/b]`, and of server-side apply's
/// `.spec.template.spec.containers[name="app"].image` and `.metadata.annotations.a.b/c`, whose dots the document decides on.
pub(super) fn pointer(field: &str, doc: &Value) -> String {
    let mut at = Some(doc);
    let mut pointer = String::new();
    let mut rest = field.trim_start_matches('.');
    while !rest.is_empty() {
        let (key, after) = match rest.strip_prefix('[') {
            Some(inner) => bracket(inner, at),
            None => plain(rest, at),
        };
        pointer.push('/');
        pointer.push_str(&portolan_model::pointer_part(&key));
        at = at.and_then(|value| match value {
            Value::Array(items) => items.get(key.parse::<usize>().ok()?),
            other => other.get(&key),
        });
        rest = after.strip_prefix('.').unwrap_or(after);
    }
    pointer
}

/// What stands in brackets: an index, a key of a map, or `key="value"` of an item.
fn bracket<'a>(inner: &'a str, at: Option<&Value>) -> (String, &'a str) {
    let (text, after) = inner.split_once(']').unwrap_or((inner, ""));
    let keys: Option<Vec<(&str, &str)>> = text.split(',').map(|pair| pair.split_once('=')).collect();
    let place = keys.and_then(|keys| {
        let is = |item: &Value| keys.iter().all(|(key, value)| is_value(item.get(key), value.trim_matches('"')));
        at?.as_array()?.iter().position(is)
    });
    (place.map_or_else(|| text.to_owned(), |place| place.to_string()), after)
}

fn is_value(value: Option<&Value>, wanted: &str) -> bool {
    match value {
        Some(Value::String(text)) => text == wanted,
        Some(Value::Number(number)) => wanted == number.to_string(),
        _ => false,
    }
}

/// A key of a map, as long as the document knows it.
fn plain<'a>(rest: &'a str, at: Option<&Value>) -> (String, &'a str) {
    let ends = |key: &String| {
        let after = rest.strip_prefix(key.as_str());
        after.is_some_and(|after| after.is_empty() || after.starts_with(['.', '[']))
    };
    let known =
        at.and_then(Value::as_object).and_then(|map| map.keys().filter(|key| ends(key)).max_by_key(|key| key.len()));
    let length = known.map_or_else(|| rest.find(['.', '[']).unwrap_or(rest.len()), String::len);
    let (key, after) = rest.split_at(length);
    (key.to_owned(), after)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn each_form_becomes_a_pointer() {
        let doc = json!({"metadata": {"annotations": {"helm.sh/resource-policy": ""}},
            "spec": {"ports": [{"port": 80}, {"port": 81, "protocol": "TCP"}], "containers": [{"name": "a"}, {"name": "b.c"}]}});
        for (field, want) in [
            ("spec.ports[1].nodePort", "/spec/ports/1/nodePort"),
            ("metadata.annotations[a/b]", "/metadata/annotations/a~1b"),
            (".metadata.annotations.helm.sh/resource-policy", "/metadata/annotations/helm.sh~1resource-policy"),
            (".spec.containers[name=\"b.c\"].image", "/spec/containers/1/image"),
            (".spec.ports[port=81,protocol=\"TCP\"].nodePort", "/spec/ports/1/nodePort"),
            (".spec.replicas", "/spec/replicas"),
            ("spec", "/spec"),
            ("", ""),
        ] {
            assert_eq!(pointer(field, &doc), want, "{field}");
        }
    }
}
