//! Renderings compared field by field.
//!
//! A list item is known by its name, a text of several lines by its lines, and a Secret by what it says, so that one value which
//! changes leaves alone all else that lies beside it.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use portolan_model::Object;
use serde_json::Value;

/// Where a field is: the object's full name, then a key for each level. The same field has the same place in every rendering.
pub(super) type Place = Vec<String>;

/// Stands at a list for the order of its items.
const ORDER: &str = "\u{1}order";

/// What list items are known by, if all of a list have it.
const NAMED_BY: [&str; 9] = ["mountPath", "name", "key", "containerPort", "port", "host", "path", "ip", "topologyKey"];

/// A field and all below it.
#[derive(Clone, Debug)]
pub(super) enum Node {
    Leaf(Value),
    Inner { whole: Value, children: BTreeMap<String, Child> },
}

#[derive(Clone, Debug)]
pub(super) struct Child {
    /// Its number among its siblings, where their order counts.
    number: usize,
    /// What leads to it in a JSON pointer; `None` within a text.
    token: Option<String>,
    node: Node,
}

/// A field that is another one in another rendering.
#[derive(Clone, Debug)]
pub(super) struct Change {
    /// In the full rendering, or in the other one if it is not in the full one.
    pub(super) pointer: String,
    /// Whether it is a part of a text at the pointer.
    pub(super) in_text: bool,
    pub(super) before: Option<Node>,
    pub(super) after: Option<Node>,
}

impl Node {
    pub(super) fn value(&self) -> &Value {
        match self {
            Self::Leaf(value) | Self::Inner { whole: value, .. } => value,
        }
    }

    pub(super) fn text(&self) -> Option<&str> {
        self.value().as_str()
    }
}

/// A rendering, by the names of its objects.
pub(super) fn of_objects(objects: &[Object]) -> BTreeMap<String, Node> {
    by_name(objects).into_iter().map(|(name, object)| (name, of_object(object))).collect()
}

fn by_name(objects: &[Object]) -> BTreeMap<String, &Object> {
    let mut all = BTreeMap::new();
    for object in objects {
        let name = object.name().map_or_else(|| "?".to_owned(), |name| name.full());
        let mut key = name.clone();
        let mut count = 1;
        while all.contains_key(&key) {
            count += 1;
            key = format!("{name}#{count}");
        }
        all.insert(key, object);
    }
    all
}

fn of_object(object: &Object) -> Node {
    let is_secret = object.text("/kind") == "Secret";
    let object = &*object.0;
    let Value::Object(map) = object else { return node(object) };
    let children = map.iter().map(|(key, value)| {
        let node = if is_secret && key == "data" { secret_data(value) } else { node(value) };
        (key.clone(), Child { number: 0, token: Some(key.clone()), node })
    });
    Node::Inner { children: children.collect(), whole: object.clone() }
}

fn secret_data(data: &Value) -> Node {
    let Value::Object(map) = data else { return node(data) };
    let children = map.iter().map(|(key, value)| {
        let plain = value.as_str().and_then(|text| STANDARD.decode(text).ok());
        let plain = plain.and_then(|bytes| String::from_utf8(bytes).ok()).map(Value::String);
        (key.clone(), Child { number: 0, token: Some(key.clone()), node: node(plain.as_ref().unwrap_or(value)) })
    });
    Node::Inner { children: children.collect(), whole: data.clone() }
}

fn node(value: &Value) -> Node {
    let children: BTreeMap<String, Child> = match value {
        Value::Object(map) if !map.is_empty() => map
            .iter()
            .map(|(key, value)| (key.clone(), Child { number: 0, token: Some(key.clone()), node: node(value) }))
            .collect(),
        Value::Array(items) if !items.is_empty() => list(items),
        Value::String(text) => text_parts(text),
        _ => return Node::Leaf(value.clone()),
    };
    if children.is_empty() { Node::Leaf(value.clone()) } else { Node::Inner { whole: value.clone(), children } }
}

fn list(items: &[Value]) -> BTreeMap<String, Child> {
    let named_by = NAMED_BY.iter().find(|key| items.iter().all(|item| item.get(**key).is_some_and(is_scalar)));
    let key = |item: &Value| match (named_by, item) {
        (Some(key), item) => print(&item[*key]),
        // `--level=debug` is the setting `--level`.
        (None, Value::String(text)) => text.split('=').next().unwrap_or_default().to_owned(),
        (None, item) if is_scalar(item) => print(item),
        (None, _) => String::new(),
    };
    let keyed = items.iter().enumerate().map(|(at, item)| (key(item), Some(at.to_string()), node(item)));
    numbered(keyed)
}

/// The parts of a text that holds JSON, or several lines; none for other texts.
fn text_parts(text: &str) -> BTreeMap<String, Child> {
    if text.starts_with(['{', '['])
        && let Ok(value) = serde_json::from_str::<Value>(text)
        && let Node::Inner { children, .. } = node(&value)
    {
        return children.into_iter().map(|(key, child)| (key, in_text(child))).collect();
    }
    if text.trim_end().lines().count() < 2 {
        return BTreeMap::new();
    }
    let lines = text.lines().map(|line| {
        let end = line.find(['=', ':']).unwrap_or(line.len());
        (line[..end].trim().to_owned(), None, Node::Leaf(Value::String(line[end..].to_owned())))
    });
    numbered(lines)
}

fn in_text(child: Child) -> Child {
    let node = match child.node {
        Node::Inner { whole, children } => {
            Node::Inner { whole, children: children.into_iter().map(|(key, child)| (key, in_text(child))).collect() }
        }
        leaf @ Node::Leaf(_) => leaf,
    };
    Child { token: None, node, ..child }
}

/// Siblings in their order; of several with the same key each has its number.
fn numbered(items: impl Iterator<Item = (String, Option<String>, Node)>) -> BTreeMap<String, Child> {
    let mut children = BTreeMap::new();
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    for (number, (key, token, node)) in items.enumerate() {
        let count = seen.entry(key.clone()).or_default();
        let key = if *count == 0 { key } else { format!("{key}#{count}") };
        *count += 1;
        children.insert(key, Child { number, token, node });
    }
    children
}

fn is_scalar(value: &Value) -> bool {
    matches!(value, Value::String(_) | Value::Number(_) | Value::Bool(_))
}

fn print(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// What differs between the full rendering and another one: the highest fields that do. Most objects are the same in both, and of these
/// nothing is taken apart.
pub(super) fn diff(full: &BTreeMap<String, Node>, other: &[Object]) -> BTreeMap<Place, Change> {
    let other = by_name(other);
    let mut found = BTreeMap::new();
    for key in full.keys().chain(other.keys().filter(|key| !full.contains_key(*key))) {
        let (before, after) = (full.get(key), other.get(key).copied());
        if before.map(Node::value) == after.map(|object| &*object.0) {
            continue;
        }
        let at = At { place: vec![key.clone()], pointer: String::new(), in_text: false };
        compare(at, before, after.map(of_object).as_ref(), &mut found);
    }
    found
}

struct At {
    place: Place,
    pointer: String,
    in_text: bool,
}

impl At {
    fn child(&self, key: &str, token: Option<&str>) -> Self {
        let mut place = self.place.clone();
        place.push(key.to_owned());
        let mut pointer = self.pointer.clone();
        if let Some(token) = token {
            pointer.push('/');
            pointer.push_str(&portolan_model::pointer_part(token));
        }
        Self { place, pointer, in_text: self.in_text || token.is_none() }
    }
}

fn compare(at: At, before: Option<&Node>, after: Option<&Node>, found: &mut BTreeMap<Place, Change>) {
    if before.map(Node::value) == after.map(Node::value) {
        return;
    }
    let none = BTreeMap::new();
    let new = match (before, after) {
        (Some(Node::Inner { .. }), Some(Node::Inner { children, .. })) => Some(children),
        (Some(Node::Inner { whole, .. }), Some(Node::Leaf(empty))) if is_emptied(whole, empty) => Some(&none),
        _ => None,
    };
    if let (Some(Node::Inner { children: old, .. }), Some(new)) = (before, new) {
        for (key, child) in old {
            let at = at.child(key, child.token.as_deref());
            compare(at, Some(&child.node), new.get(key).map(|child| &child.node), found);
        }
        for (key, child) in new.iter().filter(|(key, _)| !old.contains_key(*key)) {
            compare(at.child(key, child.token.as_deref()), None, Some(&child.node), found);
        }
        let (old, new) = (order(old, new), order(new, old));
        if old != new {
            let At { mut place, pointer, in_text } = at;
            place.push(ORDER.into());
            let leaf = |keys: Vec<&String>| Some(Node::Leaf(keys.into_iter().cloned().collect()));
            found.insert(place, Change { pointer, in_text, before: leaf(old), after: leaf(new) });
        }
        return;
    }
    let At { place, pointer, in_text } = at;
    found.insert(place, Change { pointer, in_text, before: before.cloned(), after: after.cloned() });
}

/// Whether a map or a list has lost all that it held: each of it is gone, and the map is not another one.
fn is_emptied(whole: &Value, empty: &Value) -> bool {
    match (whole, empty) {
        (Value::Object(_), Value::Object(map)) => map.is_empty(),
        (Value::Array(_), Value::Array(items)) => items.is_empty(),
        _ => false,
    }
}

/// The keys that both have, in the order of the first.
fn order<'a>(of: &'a BTreeMap<String, Child>, other: &BTreeMap<String, Child>) -> Vec<&'a String> {
    let mut both: Vec<(usize, &String)> =
        of.iter().filter(|(key, _)| other.contains_key(*key)).map(|(key, child)| (child.number, key)).collect();
    both.sort();
    both.into_iter().map(|(_, key)| key).collect()
}

/// Whether a place is one of these, or lies below one of them.
pub(super) fn is_within(place: &[String], places: &BTreeMap<Place, Change>) -> bool {
    (1..=place.len()).any(|end| places.contains_key(&place[..end]))
}

/// Whether a field above a place is one of these.
pub(super) fn is_below(place: &[String], places: &BTreeMap<Place, Change>) -> bool {
    place.split_last().is_some_and(|(_, above)| is_within(above, places))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn changes(full: Value, other: Value) -> Vec<(String, String)> {
        let found = diff(&of_objects(&[Object::new(full)]), &[Object::new(other)]);
        found.into_iter().map(|(place, change)| (place[1..].join("|"), change.pointer)).collect()
    }

    fn object(spec: Value) -> Value {
        let mut object = json!({"apiVersion": "v1", "kind": "Thing", "metadata": {"name": "a"}});
        object["spec"] = spec;
        object
    }

    #[test]
    fn an_item_that_goes_leaves_its_neighbours_alone() {
        let item = |name: &str| json!({"name": name, "value": "v"});
        let found = changes(
            object(json!({"env": [item("A"), item("B"), item("C")]})),
            object(json!({"env": [item("A"), item("C")]})),
        );
        assert_eq!(found, [("spec|env|B".into(), "/spec/env/1".into())]);
        let found = changes(object(json!({"args": ["--a=1", "--b=2"]})), object(json!({"args": ["--b=3"]})));
        let places: Vec<&str> = found.iter().map(|(place, _)| place.as_str()).collect();
        assert_eq!(places, ["spec|args|--a", "spec|args|--b"]);
    }

    #[test]
    fn the_order_of_a_list_is_a_field() {
        let found = changes(object(json!({"l": ["a", "b"]})), object(json!({"l": ["b", "a"]})));
        assert_eq!(found, [(format!("spec|l|{ORDER}"), "/spec/l".into())]);
    }

    #[test]
    fn a_text_is_compared_line_by_line_and_json_in_it_key_by_key() {
        let found = changes(object(json!({"t": "a: 1\nb: 2\n"})), object(json!({"t": "a: 1\nb: 3\n"})));
        assert_eq!(found, [("spec|t|b".into(), "/spec/t".into())]);
        let found =
            changes(object(json!({"t": r#"{"a":{"b":1,"c":2}}"#})), object(json!({"t": r#"{"a":{"b":1,"c":3}}"#})));
        assert_eq!(found, [("spec|t|a|c".into(), "/spec/t".into())]);
    }

    #[test]
    fn a_secret_is_compared_by_what_it_says() {
        let secret = |text: &str| json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "a"}, "data": {"x.conf": STANDARD.encode(text)}});
        let found = changes(secret("user=a\npassword=b\n"), secret("user=a\npassword=c\n"));
        assert_eq!(found, [("data|x.conf|password".into(), "/data/x.conf".into())]);
    }

    #[test]
    fn what_is_gone_with_its_parent_is_one_change() {
        let found = changes(object(json!({"a": {"b": 1, "c": 2}})), object(json!({})));
        assert_eq!(found, [("spec|a".into(), "/spec/a".into())]);
    }
}
