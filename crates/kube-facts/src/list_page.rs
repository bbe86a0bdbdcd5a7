//! A page of a list as an API server sends it, read object by object.
//!
//! Two thirds of an answer say who wrote which field, and a survey keeps every object in memory: of `metadata.managedFields` only that is
//! read which somebody looks at, and nothing is made of the rest.

use std::fmt;

use portolan_model::Object;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value, json};

use crate::RESOURCE_POLICY;

/// A page of a list.
#[derive(Debug, Default)]
pub struct ListPage {
    /// Its objects, with the kind and version that the API leaves out there. Of `managedFields` they have when the data of a ConfigMap or
    /// Secret was written, and who has set the resource policy of a PVC.
    pub items: Vec<Object>,
    /// What asks for the next page; `None` in the last one.
    pub next: Option<String>,
}

impl ListPage {
    /// Reads a page of objects of a kind.
    ///
    /// # Errors
    /// Where it is no list in JSON.
    pub fn read(body: &[u8], kind: &str, api_version: &str) -> serde_json::Result<Self> {
        let mut json = serde_json::Deserializer::from_slice(body);
        let page = json.deserialize_map(Page(Listed { kind, api_version }))?;
        json.end()?;
        Ok(page)
    }
}

/// What is listed.
#[derive(Clone, Copy)]
struct Listed<'a> {
    kind: &'a str,
    api_version: &'a str,
}

struct Page<'a>(Listed<'a>);

impl<'de> Visitor<'de> for Page<'_> {
    type Value = ListPage;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of objects")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<ListPage, A::Error> {
        let mut page = ListPage::default();
        while let Some(key) = map.next_key::<String>()? {
            match key.as_str() {
                "items" => page.items = map.next_value_seed(Items(self.0))?,
                "metadata" => {
                    let about: Value = map.next_value()?;
                    let token = about["continue"].as_str().filter(|token| !token.is_empty());
                    page.next = token.map(str::to_owned);
                }
                _ => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(page)
    }
}

struct Items<'a>(Listed<'a>);

impl<'de> DeserializeSeed<'de> for Items<'_> {
    type Value = Vec<Object>;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Vec<Object>, D::Error> {
        json.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Items<'_> {
    type Value = Vec<Object>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("objects")
    }

    // An empty list of Go's is null.
    fn visit_unit<E>(self) -> Result<Vec<Object>, E> {
        Ok(Vec::new())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Vec<Object>, A::Error> {
        let mut all = Vec::new();
        while let Some(item) = items.next_element_seed(Item(self.0))? {
            all.push(item);
        }
        Ok(all)
    }
}

struct Item<'a>(Listed<'a>);

impl<'de> DeserializeSeed<'de> for Item<'_> {
    type Value = Object;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Object, D::Error> {
        json.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Item<'_> {
    type Value = Object;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Object, A::Error> {
        let mut object = Map::new();
        while let Some(key) = map.next_key::<String>()? {
            let value = match key.as_str() {
                "metadata" => map.next_value_seed(Metadata { kind: self.0.kind })?,
                _ => map.next_value()?,
            };
            object.insert(key, value);
        }
        object.insert("kind".into(), self.0.kind.into());
        object.insert("apiVersion".into(), self.0.api_version.into());
        Ok(Object::new(Value::Object(object)))
    }
}

/// The metadata of an object of a kind.
struct Metadata<'a> {
    kind: &'a str,
}

impl Metadata<'_> {
    /// What is kept of an entry of `managedFields`; `None` if nobody reads these of the kind.
    fn kept(&self) -> Option<fn(&Value) -> Option<Value>> {
        match self.kind {
            "ConfigMap" | "Secret" => Some(of_data),
            "PersistentVolumeClaim" => Some(of_policy),
            _ => None,
        }
    }
}

impl<'de> DeserializeSeed<'de> for Metadata<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Value, D::Error> {
        json.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Metadata<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the metadata of an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut metadata = Map::new();
        while let Some(key) = map.next_key::<String>()? {
            if key != "managedFields" {
                metadata.insert(key, map.next_value()?);
            } else if let Some(kept) = self.kept() {
                let entries: Vec<Value> = map.next_value::<Option<Vec<Value>>>()?.unwrap_or_default();
                let entries: Vec<Value> = entries.iter().filter_map(kept).collect();
                if !entries.is_empty() {
                    metadata.insert(key, entries.into());
                }
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(Value::Object(metadata))
    }
}

/// When somebody has written data, of what is said of a writer.
fn of_data(entry: &Value) -> Option<Value> {
    let data = entry.pointer("/fieldsV1/f:data")?;
    Some(json!({"time": entry["time"], "fieldsV1": {"f:data": data}}))
}

/// Who has set the resource policy.
fn of_policy(entry: &Value) -> Option<Value> {
    let field = format!("f:{RESOURCE_POLICY}");
    entry["fieldsV1"]["f:metadata"]["f:annotations"].get(&field)?;
    let fields = json!({"f:metadata": {"f:annotations": {field: {}}}});
    Some(json!({"manager": entry["manager"], "operation": entry["operation"], "fieldsV1": fields}))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(kind: &str, fields: &Value) -> Value {
        let writer = json!({
            "manager": "helm", "operation": "Update", "time": "2026-11-30T10:00:00Z", "fieldsType": "FieldsV1", "fieldsV1": fields,
        });
        let item = json!({"metadata": {"name": "a", "uid": "u", "managedFields": [writer]}, "spec": {"replicas": 1}});
        let list = json!({"kind": "List", "apiVersion": "v1", "metadata": {"continue": "more"}, "items": [item]});
        let page = ListPage::read(list.to_string().as_bytes(), kind, "apps/v1").expect("a list");
        assert_eq!(page.next.as_deref(), Some("more"));
        (*page.items[0].0).clone()
    }

    #[test]
    fn an_object_says_its_kind_and_not_who_wrote_it() {
        let expected = json!({
            "kind": "Deployment", "apiVersion": "apps/v1", "metadata": {"name": "a", "uid": "u"}, "spec": {"replicas": 1},
        });
        assert_eq!(page("Deployment", &json!({"f:data": {"f:a": {}}, "f:spec": {}})), expected);
    }

    #[test]
    fn of_who_wrote_it_stays_what_is_read_of_the_kind() {
        let policy = json!({"f:annotations": {"f:helm.sh/resource-policy": {}, "f:other": {}}});
        let fields = json!({"f:data": {"f:a": {}}, "f:spec": {}, "f:metadata": policy});
        for kind in ["ConfigMap", "Secret"] {
            let kept = json!([{"time": "2026-11-30T10:00:00Z", "fieldsV1": {"f:data": {"f:a": {}}}}]);
            assert_eq!(page(kind, &fields)["metadata"]["managedFields"], kept);
        }
        let only = json!({"f:metadata": {"f:annotations": {"f:helm.sh/resource-policy": {}}}});
        let kept = json!([{"manager": "helm", "operation": "Update", "fieldsV1": only}]);
        assert_eq!(page("PersistentVolumeClaim", &fields)["metadata"]["managedFields"], kept);
        assert_eq!(page("Secret", &json!({"f:type": {}}))["metadata"].get("managedFields"), None);
    }

    #[test]
    fn the_last_page_may_be_empty_and_what_is_no_list_is_none() {
        for body in [r#"{"metadata": {"continue": ""}, "items": null}"#, r#"{"items": []}"#, "{}"] {
            let page = ListPage::read(body.as_bytes(), "Pod", "v1").expect("a list");
            assert!(page.items.is_empty() && page.next.is_none(), "{body}");
        }
        for body in ["", "[]", r#"{"items": [1]}"#, r#"{"items": []} x"#] {
            assert!(ListPage::read(body.as_bytes(), "Pod", "v1").is_err(), "{body}");
        }
    }
}
