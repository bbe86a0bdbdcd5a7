//! Values and objects as they may be handed to others: credentials taken out, the rest as it is.
//!
//! The rule for a single text is in [`crate::credential`]; here is where such texts stand.

use std::collections::BTreeSet;

use portolan_model::{Manifest, Object};
use serde_json::{Map, Value};

use crate::credential::{self, KnownSecrets, REDACTED};
use portolan_helm_compat::{manifest, redact};

/// Annotation in which `kubectl apply` keeps a copy of the whole object.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// Takes credentials out, and remembers where.
pub struct Redactor<'a> {
    known: &'a KnownSecrets,
    places: BTreeSet<String>,
}

/// What is known of the place of a text.
#[derive(Clone, Copy)]
struct At<'a> {
    /// Whose it is, for people.
    owner: &'a str,
    /// Whether a field's name counts: in values and in kinds that are not Kubernetes' own. Kubernetes' own fields are named
    /// `key` and `secretName` and hold no credential.
    by_name: bool,
    /// Whether something further out is named like a credential.
    inside: bool,
}

impl<'a> Redactor<'a> {
    /// With the texts of the live Secrets.
    #[must_use]
    pub fn new(known: &'a KnownSecrets) -> Self {
        Self { known, places: BTreeSet::new() }
    }

    /// The places where something was taken out, in order.
    #[must_use]
    pub fn into_places(self) -> Vec<String> {
        self.places.into_iter().collect()
    }

    /// User-supplied values.
    #[must_use]
    pub fn values(&mut self, values: &Value) -> Value {
        let mut values = values.clone();
        self.walk(&mut values, "", At { owner: "value", by_name: true, inside: false }, &mut String::new());
        values
    }

    /// An object. `with_data` says whether a `ConfigMap` keeps its data, apart from credentials in it; a Secret has none.
    #[must_use]
    pub fn object(&mut self, object: &Object, with_data: bool) -> Object {
        let mut json = (*redact::secret_keys_only(object).0).clone();
        if let Some(Value::Object(metadata)) = json.get_mut("metadata") {
            metadata.remove("managedFields");
            if let Some(Value::Object(annotations)) = metadata.get_mut("annotations") {
                annotations.remove(LAST_APPLIED);
            }
        }
        if redact::is_secret(object) {
            return Object::new(json);
        }
        let owner = object.name().map(|name| name.to_string()).unwrap_or_default();
        if object.text("/kind") == "ConfigMap" {
            self.config_map(&mut json, &owner, with_data);
        }
        let by_name = !is_kubernetes(object.text("/apiVersion"));
        for (key, part) in json.as_object_mut().into_iter().flatten() {
            if !is_name(key) && !is_data(object, key) {
                let by_name = by_name && key != "metadata";
                self.walk(part, key, At { owner: &owner, by_name, inside: false }, &mut key.clone());
            }
        }
        Object::new(json)
    }

    /// A rendering, for comparing with what was handed out: the same places are redacted. What is no manifest stays as it is.
    #[must_use]
    pub fn rendering(&mut self, text: &str, namespace: &str) -> String {
        let Ok(docs) = manifest::parse(text, namespace) else { return text.to_owned() };
        let docs = docs.iter().map(|doc| {
            // A planned manifest marks Secrets itself, by what is carried.
            let doc = if redact::is_secret(doc) { doc.clone() } else { self.object(doc, true) };
            format!("---\n{}\n", doc.0)
        });
        docs.collect()
    }

    fn config_map(&mut self, json: &mut Value, owner: &str, with_data: bool) {
        for part in ["data", "binaryData"] {
            let Some(Value::Object(data)) = json.get_mut(part) else { continue };
            for (key, value) in data.iter_mut() {
                let Some(text) = value.as_str() else { continue };
                if !with_data || part == "binaryData" {
                    *value = Manifest::HIDDEN.into();
                    continue;
                }
                let found = self.known.value(key, false, text);
                if let Some(covered) = self.known.lines(found.as_deref().unwrap_or(text)).or(found) {
                    self.places.insert(format!("{owner} data {key}"));
                    *value = covered.into();
                }
            }
        }
    }

    fn walk(&mut self, value: &mut Value, name: &str, at: At<'_>, path: &mut String) {
        match value {
            Value::Object(map) => self.fields(map, at, path),
            Value::Array(items) => {
                if matches!(name, "args" | "command") {
                    self.arguments(items, at);
                }
                let length = path.len();
                for (index, item) in items.iter_mut().enumerate() {
                    path.push_str(&format!("[{index}]"));
                    self.walk(item, name, at, path);
                    path.truncate(length);
                }
            }
            Value::String(text) => {
                let is_named = at.by_name || is_annotation(path, name);
                let found = if is_named { self.known.value(name, at.inside, text) } else { self.known.text(text) };
                if let Some(covered) = found {
                    self.places.insert(format!("{} {path}", at.owner));
                    *text = covered;
                }
            }
            Value::Number(number) if at.by_name => {
                if let Some(covered) = self.known.value(name, at.inside, &number.to_string()) {
                    self.places.insert(format!("{} {path}", at.owner));
                    *value = covered.into();
                }
            }
            _ => {}
        }
    }

    fn fields(&mut self, map: &mut Map<String, Value>, at: At<'_>, path: &mut String) {
        let inside = at.inside || map_is_named(path, at);
        // `env: [{name: DB_PASSWORD, value: ...}]`, and whatever else is written as name and value.
        let named = map.get("name").and_then(Value::as_str).map(str::to_owned);
        if let (Some(name), Some(Value::String(text))) = (&named, map.get_mut("value"))
            && let Some(covered) = self.known.value(name, false, text)
        {
            self.places.insert(format!("{} {name}", at.owner));
            *text = covered;
        }
        let length = path.len();
        for (key, value) in map.iter_mut().filter(|(key, _)| at.by_name || !is_name(key)) {
            if !path.is_empty() {
                path.push('.');
            }
            path.push_str(key);
            self.walk(value, key, At { inside, ..at }, path);
            path.truncate(length);
        }
    }

    /// Arguments: `--password=x`, and `--password x`.
    fn arguments(&mut self, items: &mut [Value], at: At<'_>) {
        let mut before = false;
        let words = items.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" ");
        let is_of = |programs: &[&str]| programs.iter().any(|program| words.contains(program));
        let (redis, mysql) = (is_of(&["redis", "valkey", "requirepass"]), is_of(&["mysql", "mariadb"]));
        for item in items {
            let Value::String(text) = item else { continue };
            let flag = text.strip_prefix('-').map(|flag| flag.trim_start_matches('-'));
            let covered = match flag.map(|flag| flag.split_once('=')) {
                None if before => Some(REDACTED.to_owned()),
                Some(Some((name, given))) => {
                    let login = given.split_once(':').filter(|_| name.ends_with("user"));
                    let covered = match login {
                        Some((user, _)) => Some(format!("{user}:{REDACTED}")),
                        None if redis && name == "auth" => Some(REDACTED.to_owned()),
                        None => self.known.value(name, false, given),
                    };
                    covered.map(|covered| format!("{}{covered}", &text[..text.len() - given.len()]))
                }
                // `mysql -pPASSWORD`, without a space.
                Some(None) if mysql && text.starts_with("-p") && text.len() > 2 => Some(format!("-p{REDACTED}")),
                _ => None,
            };
            before = flag.is_some_and(|flag| {
                !flag.contains('=') && (credential::is_named(flag) || (redis && matches!(flag, "a" | "auth" | "pass")))
            });
            if let Some(covered) = covered {
                self.places.insert(format!("{} arguments", at.owner));
                *text = covered;
            }
        }
    }
}

/// Whether what stands at a path, a map, is itself named like a credential.
fn map_is_named(path: &str, at: At<'_>) -> bool {
    let last = path.rsplit('.').next().unwrap_or_default();
    at.by_name && credential::is_named(last.split('[').next().unwrap_or_default())
}

/// Whether the name of an annotation counts. A checksum is no credential, and Kubernetes' own annotations name Secrets.
fn is_annotation(path: &str, key: &str) -> bool {
    let group = key.split_once('/').map_or("", |(group, _)| group);
    path.strip_suffix(key).is_some_and(|path| path.ends_with("annotations."))
        && !group.contains("checksum")
        && !["kubernetes.io", "k8s.io", "openshift.io"].iter().any(|own| group.ends_with(own))
}

/// Whether a group is Kubernetes' own.
fn is_kubernetes(api_version: &str) -> bool {
    match api_version.split_once('/') {
        None => true,
        Some((group, _)) => !group.contains('.') || group.ends_with(".k8s.io"),
    }
}

/// Whether a field names something: what is there is not looked into.
fn is_name(key: &str) -> bool {
    key.ends_with("Name")
        || matches!(
            key,
            "name"
                | "namespace"
                | "kind"
                | "apiVersion"
                | "image"
                | "imageID"
                | "labels"
                | "matchLabels"
                | "selector"
                | "host"
                | "hosts"
                | "uid"
        )
}

fn is_data(object: &Object, key: &str) -> bool {
    object.text("/kind") == "ConfigMap" && matches!(key, "data" | "binaryData")
}

#[cfg(test)]
mod tests {
    use portolan_model::{Ref, SecretKey};
    use serde_json::json;

    use super::*;

    fn known() -> KnownSecrets {
        let key = SecretKey { secret: Ref::secret("ns", "db"), key: "password".into() };
        KnownSecrets::new([(&key, "Old-pg-7f3a")].into_iter())
    }

    const STANDS: &str = "the value of password in db";

    #[test]
    fn values_lose_their_credentials_and_keep_their_shape() {
        let known = known();
        let mut handout = Redactor::new(&known);
        let values = json!({
            "postgresql": {"password": "Old-pg-7f3a", "auth": {"database": "d", "replicationPassword": 12345}},
            "credentials": {"user": "u", "enabled": true, "existingSecret": "db", "list": ["a"]},
            "odd": ["x", "Old-pg-7f3a"], "domain": "a.b", "tls": {"key": "k", "secretName": "s"}, "empty": {"password": ""},
            "extraEnv": [{"name": "API_TOKEN", "value": "t"}, {"name": "MODE", "value": "m"}],
        });
        let expected = json!({
            "postgresql": {"password": STANDS, "auth": {"database": "d", "replicationPassword": REDACTED}},
            "credentials": {"user": REDACTED, "enabled": true, "existingSecret": "db", "list": [REDACTED]},
            "odd": ["x", STANDS], "domain": "a.b", "tls": {"key": REDACTED, "secretName": "s"}, "empty": {"password": ""},
            "extraEnv": [{"name": "API_TOKEN", "value": REDACTED}, {"name": "MODE", "value": "m"}],
        });
        assert_eq!(handout.values(&values), expected);
        assert_eq!(handout.values(&expected), expected, "done twice it is the same");
        let places = handout.into_places();
        assert!(places.contains(&"value postgresql.password".to_owned()), "{places:?}");
        assert!(places.contains(&"value odd[1]".to_owned()), "{places:?}");
    }

    #[test]
    fn a_workload_loses_env_and_arguments_and_keeps_its_references() {
        let known = known();
        let mut handout = Redactor::new(&known);
        let container = |password: &str, plain: &str, argument: &str, url: &str| {
            json!({
                "name": "c", "image": "postgres:15", "args": ["--user=u", argument, "--token", plain, "-c", url],
                "env": [
                    {"name": "DB_PASSWORD", "value": plain}, {"name": "ODD", "value": password}, {"name": "PLAIN", "value": "p"},
                    {"name": "BY_REFERENCE", "valueFrom": {"secretKeyRef": {"name": "db", "key": "password"}}},
                ],
            })
        };
        let workload = |container: Value| {
            Object::new(json!({
                "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d", "namespace": "ns"},
                "spec": {"template": {"spec": {"containers": [container], "tolerations": [{"key": "k"}]}}},
            }))
        };
        let given = workload(container("Old-pg-7f3a", "plain", "--password=plain", "curl http://u:p@h/"));
        let kept = workload(container(STANDS, REDACTED, "--password=(redacted)", "curl http://u:(redacted)@h/"));
        assert_eq!(handout.object(&given, true), kept);
        let places = ["Deployment/d DB_PASSWORD", "Deployment/d ODD", "Deployment/d arguments"];
        let places = places
            .map(str::to_owned)
            .into_iter()
            .chain(["Deployment/d spec.template.spec.containers[0].args[5]".to_owned()]);
        assert_eq!(handout.into_places(), places.collect::<Vec<_>>());
    }

    #[test]
    fn arguments_lose_what_their_program_takes_for_a_password() {
        let known = known();
        for (given, kept) in [
            (vec!["--requirepass", "S3", "--port", "1"], vec!["--requirepass", REDACTED, "--port", "1"]),
            (vec!["--requirepass=S3", "--masterauth=S3"], vec!["--requirepass=(redacted)", "--masterauth=(redacted)"]),
            (vec!["redis-cli", "-a", "S3", "ping"], vec!["redis-cli", "-a", REDACTED, "ping"]),
            (vec!["mysqladmin", "-uroot", "-pS3"], vec!["mysqladmin", "-uroot", "-p(redacted)"]),
            (vec!["--admin-user=me:S3"], vec!["--admin-user=me:(redacted)"]),
            (vec!["ls", "-a", "/data", "-p1"], vec!["ls", "-a", "/data", "-p1"]),
            (vec!["--user=me", "--auth=oidc"], vec!["--user=me", "--auth=oidc"]),
            (vec!["sh", "-c", "redis-cli -a S3 ping"], vec!["sh", "-c", "redis-cli -a (redacted) ping"]),
        ] {
            let pod = |args: &[&str]| {
                Object::new(
                    json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": {"containers": [{"name": "c", "args": args}]}}),
                )
            };
            assert_eq!(Redactor::new(&known).object(&pod(&given), true), pod(&kept), "{given:?}");
        }
    }

    #[test]
    fn data_of_config_maps_goes_unless_it_is_asked_for() {
        let known = known();
        let mut handout = Redactor::new(&known);
        let map = Object::new(json!({
            "apiVersion": "v1", "kind": "ConfigMap",
            "metadata": {"name": "c", "managedFields": [1], "annotations": {LAST_APPLIED: "Old-pg-7f3a", "a": "b"}},
            "data": {"app.yaml": "host: h\npassword: x\n", "url": "postgres://u:Old-pg-7f3a@h", "key": "k"},
        }));
        let without = handout.object(&map, false);
        assert_eq!(without.data_keys(), ["app.yaml", "key", "url"]);
        assert_eq!(without.text("/data/url"), Manifest::HIDDEN);
        assert_eq!(without.0["metadata"], json!({"name": "c", "annotations": {"a": "b"}}));
        let with = handout.object(&map, true);
        assert_eq!(with.text("/data/app.yaml"), "host: h\npassword: (redacted)\n");
        assert_eq!(with.text("/data/url"), format!("postgres://u:{STANDS}@h"));
        assert_eq!(with.text("/data/key"), REDACTED);
    }

    #[test]
    fn in_other_kinds_the_names_of_fields_count() {
        let known = known();
        let mut handout = Redactor::new(&known);
        let route = Object::new(json!({
            "apiVersion": "route.openshift.io/v1", "kind": "Route", "metadata": {"name": "r", "annotations": {"checksum/secret": "c"}},
            "spec": {"host": "h", "tls": {"key": "k", "certificate": "c", "termination": "edge"}},
        }));
        let kept = handout.object(&route, true);
        assert_eq!(
            kept.at("/spec/tls"),
            Some(&json!({"key": REDACTED, "certificate": REDACTED, "termination": "edge"}))
        );
        assert_eq!(kept.at("/metadata"), route.at("/metadata"));
    }

    #[test]
    fn annotations_lose_their_credentials() {
        let known = known();
        let mut handout = Redactor::new(&known);
        let ingress = Object::new(
            json!({"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": {"name": "i", "annotations": {
                "nginx.ingress.kubernetes.io/configuration-snippet": "proxy_set_header Authorization \"Bearer S3cret\";",
                "nginx.ingress.kubernetes.io/auth-secret": "basic-auth", "a.example/api-token": "S3cret", "checksum/secret": "c",
            }}}),
        );
        let annotations = json!({
            "nginx.ingress.kubernetes.io/configuration-snippet": "proxy_set_header Authorization \"Bearer (redacted)\";",
            "nginx.ingress.kubernetes.io/auth-secret": "basic-auth", "a.example/api-token": REDACTED, "checksum/secret": "c",
        });
        assert_eq!(handout.object(&ingress, true).at("/metadata/annotations"), Some(&annotations));
        assert_eq!(handout.into_places().len(), 2);
    }
}
