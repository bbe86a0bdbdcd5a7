//! Release records: the Secrets (or `ConfigMaps`) in which Helm keeps what it installed.
//!
//! The layers are those of `pkg/storage/driver/util.go` (helm 3.14.4 to 4.3.1): JSON, gzip, base64, and for a
//! Secret once more base64 because `data` is so on the wire.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{Read as _, Write as _};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use portolan_model::{ApplyMethod, ChartId, HelmToken, JsonPointer, Object, Ref, ReleaseFact, ReleaseStatus};
use serde_json::{Value, json};

use crate::manifest::{self, ManifestError};
use crate::{chart, redact};

/// The label that marks the record that our own helm run makes. Later revisions inherit it, so it counts only
/// together with the expected revision.
pub const TOKEN_LABEL: &str = "portolan-token";

/// The type of the Secrets that hold records.
pub const SECRET_TYPE: &str = "helm.sh/release.v1";

/// Labels that Helm writes itself (`pkg/storage/driver/util.go`, `systemLabels`).
const SYSTEM_LABELS: [&str; 6] = ["name", "owner", "status", "version", "createdAt", "modifiedAt"];

/// What an unpacked record may have at most; helm's own limit for an archive, which is inside the record.
const LARGEST: u64 = 100 * 1024 * 1024;

/// A release record.
#[derive(Clone, PartialEq)]
pub struct ReleaseRecord {
    /// The revision.
    pub revision: u32,
    /// The status in the record itself; the label of the same name is only an index.
    pub status: ReleaseStatus,
    /// The release's name.
    pub name: String,
    /// Its namespace.
    pub namespace: String,
    /// The chart.
    pub chart: ChartId,
    /// The version of what the chart installs.
    pub app_version: String,
    /// The labels that are not Helm's own.
    pub labels: BTreeMap<String, String>,
    /// What Helm wrote about how it went.
    pub description: String,
    /// When it was deployed, as Helm wrote it.
    pub last_deployed: String,
    /// The user-supplied values; an empty object where there are none.
    pub config: Value,
    /// The chart's values.yaml, with those of the subcharts that it lists folded in; an empty object where the record has none.
    pub defaults: Value,
    /// The stored manifest, hooks not included.
    pub manifest: String,
    /// The manifests of the hooks.
    pub hooks: Vec<String>,
    /// How its objects were written; records of helm 3 do not say, and mean the client.
    pub apply: ApplyMethod,
}

/// Values and manifest hold passwords: they are not printed.
impl fmt::Debug for ReleaseRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Record")
            .field("name", &self.name)
            .field("revision", &self.revision)
            .field("status", &self.status)
            .field("chart", &self.chart)
            .finish_non_exhaustive()
    }
}

/// Why a record cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// There is no `data.release`, or it is empty.
    #[error("it has no `data.release`")]
    NoRelease,
    /// A layer of it is damaged.
    #[error("its {layer} is damaged: {message}")]
    Damaged {
        /// `base64`, `gzip` or `JSON`.
        layer: &'static str,
        /// What is wrong with it.
        message: String,
    },
    /// A field is missing or is something else than Helm writes.
    #[error("its field `{0}` is missing or not usable")]
    Field(&'static str),
    /// The stored manifest is not readable.
    #[error("its manifest is not readable: {0}")]
    Manifest(#[from] ManifestError),
}

fn damaged(layer: &'static str, error: &dyn fmt::Display) -> RecordError {
    RecordError::Damaged { layer, message: error.to_string() }
}

/// Whether an object is a release record, by type and labels; of any release where `release` is `None`.
#[must_use]
pub fn is_record(object: &Object, release: Option<&str>) -> bool {
    let kind = object.text("/kind");
    let typed = match kind {
        "Secret" => object.text("/type") == SECRET_TYPE,
        "ConfigMap" => object.at("/data/release").is_some(),
        _ => false,
    };
    typed
        && object.label("owner") == Some("helm")
        && release.is_none_or(|release| object.label("name") == Some(release))
}

/// Reads a record from the Secret or `ConfigMap` that holds it. `namespace` is where it was found; it stands in
/// for a record that does not say.
///
/// # Errors
/// Where a layer is damaged, or a field is missing.
pub fn decode(object: &Object, namespace: &str) -> Result<ReleaseRecord, RecordError> {
    read(&release(object)?, object, namespace)
}

/// The release as the Secret or `ConfigMap` holds it, passwords and all.
///
/// # Errors
/// Where a layer is damaged.
pub fn release(object: &Object) -> Result<Value, RecordError> {
    let text = object.text("/data/release");
    if text.is_empty() {
        return Err(RecordError::NoRelease);
    }
    let mut bytes = unbase64(text.as_bytes())?;
    if object.text("/kind") != "ConfigMap" {
        bytes = unbase64(&bytes)?;
    }
    serde_json::from_slice(&gunzip(bytes)?).map_err(|error| damaged("JSON", &error))
}

fn read(release: &Value, object: &Object, namespace: &str) -> Result<ReleaseRecord, RecordError> {
    let text = |pointer: &str| release.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
    let name = text("/name");
    if name.is_empty() {
        return Err(RecordError::Field("name"));
    }
    let revision = release
        .pointer("/version")
        .and_then(Value::as_u64)
        .and_then(|revision| u32::try_from(revision).ok())
        .ok_or(RecordError::Field("version"))?;
    let version =
        chart::version(&text("/chart/metadata/version")).ok_or(RecordError::Field("chart.metadata.version"))?;
    let stored = text("/namespace");
    let labels = object
        .at("/metadata/labels")
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
        .filter(|(key, _)| !SYSTEM_LABELS.contains(&key.as_str()))
        .filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned())))
        .collect();
    Ok(ReleaseRecord {
        revision,
        status: ReleaseStatus::parse(&text("/info/status")),
        name,
        namespace: if stored.is_empty() { namespace.to_owned() } else { stored },
        chart: ChartId { name: text("/chart/metadata/name"), version },
        app_version: text("/chart/metadata/appVersion"),
        labels,
        description: text("/info/description"),
        last_deployed: text("/info/last_deployed"),
        config: match release.get("config") {
            None | Some(Value::Null) => json!({}),
            Some(config) => config.clone(),
        },
        defaults: match release.pointer("/chart/values") {
            None | Some(Value::Null) => json!({}),
            Some(defaults) => defaults.clone(),
        },
        manifest: text("/manifest"),
        hooks: release
            .get("hooks")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(|hook| Some(hook.get("manifest")?.as_str()?.to_owned()))
            .collect(),
        apply: if text("/apply_method") == "ssa" { ApplyMethod::Server } else { ApplyMethod::Client },
    })
}

fn unbase64(text: &[u8]) -> Result<Vec<u8>, RecordError> {
    STANDARD.decode(text.trim_ascii()).map_err(|error| damaged("base64", &error))
}

/// Helm reads what is not gzipped as it is (records of very old versions).
fn gunzip(bytes: Vec<u8>) -> Result<Vec<u8>, RecordError> {
    if !bytes.starts_with(&[0x1f, 0x8b, 0x08]) {
        return Ok(bytes);
    }
    let mut plain = Vec::new();
    flate2::read::GzDecoder::new(bytes.as_slice())
        .take(LARGEST + 1)
        .read_to_end(&mut plain)
        .map_err(|error| damaged("gzip", &error))?;
    if plain.len() as u64 > LARGEST {
        return Err(damaged("gzip", &"it is larger than 100 MiB"));
    }
    Ok(plain)
}

/// Writes a record as Helm does: a Secret with its labels. For simulated installations and tests; the chart's
/// files are not in it.
///
/// # Panics
/// Never: writing to memory does not fail.
#[must_use]
pub fn encode(record: &ReleaseRecord) -> Object {
    let hooks: Vec<Value> = record.hooks.iter().map(|manifest| json!({ "manifest": manifest })).collect();
    let mut release = json!({
        "name": record.name,
        "namespace": record.namespace,
        "version": record.revision,
        "info": {
            "status": record.status.word(),
            "description": record.description,
            "last_deployed": record.last_deployed,
        },
        "chart": {"metadata": {
            "name": record.chart.name,
            "version": record.chart.version.to_string(),
            "appVersion": record.app_version,
        }},
        "config": record.config,
        "manifest": record.manifest,
        "hooks": hooks,
    });
    if record.defaults.is_object() {
        release["chart"]["values"] = record.defaults.clone();
    }
    if record.apply == ApplyMethod::Server {
        release["apply_method"] = "ssa".into();
    }
    store(&release, &record.labels).expect("a record has a name and a revision")
}

/// The Secret that will hold a release's record when its upgrade has gone well, of what `helm upgrade --dry-run=server
/// --output json` prints; `None` where that is no release.
#[must_use]
pub fn deployed(release: &Value) -> Option<Object> {
    let mut release = release.clone();
    *release.pointer_mut("/info/status")? = ReleaseStatus::Deployed.word().into();
    store(&release, &BTreeMap::new())
}

fn store(release: &Value, labels: &BTreeMap<String, String>) -> Option<Object> {
    let text = |pointer: &str| release.pointer(pointer).and_then(Value::as_str);
    let (name, namespace, status) = (text("/name")?, text("/namespace")?, text("/info/status")?);
    let revision = release.get("version")?.as_u64()?.to_string();
    let mut gzip =
        flate2::GzBuilder::new().mtime(0).operating_system(255).write(Vec::new(), flate2::Compression::new(6));
    gzip.write_all(release.to_string().as_bytes()).ok()?;
    let bytes = gzip.finish().ok()?;
    let mut labels = labels.clone();
    for (key, value) in [("name", name), ("owner", "helm"), ("status", status), ("version", revision.as_str())] {
        labels.insert(key.into(), value.to_owned());
    }
    Some(Object::new(json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "type": SECRET_TYPE,
        "metadata": {
            "name": portolan_model::record_name(name, &revision),
            "namespace": namespace,
            "labels": labels,
        },
        "data": {"release": STANDARD.encode(STANDARD.encode(bytes))},
    })))
}

impl ReleaseRecord {
    /// What the engine needs to know of the record.
    ///
    /// # Errors
    /// Where the stored manifest is not readable.
    pub fn fact(&self, free: &BTreeMap<Ref, Vec<JsonPointer>>) -> Result<ReleaseFact, RecordError> {
        Ok(ReleaseFact {
            revision: self.revision,
            status: self.status,
            token: self.labels.get(TOKEN_LABEL).map(|text| HelmToken::of_label(text)),
            chart: self.chart.clone(),
            description: self.description.clone(),
            docs: redact::fingerprint(&self.docs()?, free),
            config: self.config.clone(),
        })
    }

    /// The documents of the stored manifest, Secrets with their values: not for keeping or showing.
    ///
    /// # Errors
    /// Where the stored manifest is not readable.
    pub fn docs(&self) -> Result<Vec<Object>, RecordError> {
        Ok(manifest::parse(&self.manifest, &self.namespace)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record() -> ReleaseRecord {
        ReleaseRecord {
            revision: 7,
            status: ReleaseStatus::PendingUpgrade,
            name: "runai-backend".into(),
            namespace: "ns".into(),
            chart: ChartId { name: "control-plane".into(), version: semver::Version::new(2, 20, 41) },
            app_version: "2.20".into(),
            labels: BTreeMap::from([(TOKEN_LABEL.into(), "t1".into())]),
            description: "Preparing upgrade".into(),
            last_deployed: "2024-02-11T10:00:00Z".into(),
            config: json!({"global": {"domain": "a.b"}}),
            defaults: json!({"global": {"domain": ""}}),
            manifest: "---\nkind: Service\napiVersion: v1\nmetadata: {name: a}\n".into(),
            hooks: vec!["kind: Job\n".into()],
            apply: ApplyMethod::Server,
        }
    }

    #[test]
    fn a_record_survives_its_layers() {
        let secret = encode(&record());
        assert!(is_record(&secret, Some("runai-backend")));
        assert!(!is_record(&secret, Some("other")));
        assert_eq!(decode(&secret, "elsewhere"), Ok(record()));
    }

    #[test]
    fn a_configmap_has_a_layer_less_and_gzip_is_optional() {
        let release = r#"{"name":"r","version":1,"info":{"status":"deployed"},"chart":{"metadata":{"name":"c","version":"2.8"}},"config":null}"#;
        let map = Object::new(json!({"kind": "ConfigMap", "metadata": {"labels": {"owner": "helm", "name": "r"}},
            "data": {"release": STANDARD.encode(release)}}));
        let read = decode(&map, "ns").expect("it is a record");
        assert!(is_record(&map, None));
        assert_eq!(read.chart.version, semver::Version::new(2, 8, 0));
        assert_eq!(read.config, json!({}));
        assert_eq!(read.namespace, "ns");
    }

    #[test]
    fn a_fact_has_token_and_fingerprints_and_no_manifest() {
        let fact = record().fact(&BTreeMap::new()).expect("its manifest reads");
        assert_eq!(fact.token.as_ref().map(HelmToken::as_str), Some("t1"));
        assert_eq!(fact.docs.keys().map(Ref::full).collect::<Vec<_>>(), ["Service/ns/a"]);
    }

    #[test]
    fn damage_is_named() {
        let with = |text: &str| Object::new(json!({"kind": "Secret", "data": {"release": text}}));
        assert_eq!(decode(&with(""), "n"), Err(RecordError::NoRelease));
        let layer = |object: &Object| match decode(object, "n") {
            Err(RecordError::Damaged { layer, .. }) => layer,
            other => panic!("{other:?}"),
        };
        assert_eq!(layer(&with("%")), "base64");
        let twice = |bytes: &[u8]| with(&STANDARD.encode(STANDARD.encode(bytes)));
        assert_eq!(layer(&twice(&[0x1f, 0x8b, 0x08, 0, 1])), "gzip");
        assert_eq!(layer(&twice(b"{")), "JSON");
        assert_eq!(decode(&twice(b"{}"), "n"), Err(RecordError::Field("name")));
        let debug = format!("{:?}", record());
        assert!(!debug.contains("a.b") && debug.contains("runai-backend"));
    }
}
