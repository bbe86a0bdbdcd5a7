//! Whether a release record fits into the Secret that holds it.

use std::io::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::write::GzEncoder;
use portolan_model::{Code, Finding, Object, Ref, ReleaseId};
use serde_json::{Value, json};

use crate::record::SECRET_TYPE;

/// What the values of a Secret may have together: `MaxSecretSize` in `pkg/apis/core/types.go`, Kubernetes 1.34.
pub const LIMIT: usize = 1024 * 1024;

/// Above this part of the limit the API server is asked as well: helm's gzip is not quite ours.
const NEAR: usize = LIMIT / 10 * 9;

/// The value that helm stores for a release as it prints it with `--output json` (`encodeRelease` in `pkg/storage/driver/util.go`,
/// helm 3.14.4 to 4.3.1).
///
/// # Panics
/// Never: writing to memory does not fail.
#[must_use]
pub fn encoded(release: &Value) -> String {
    // Go writes these three in another way, and they are all over a manifest.
    let text = release.to_string().replace('<', "\\u003c").replace('>', "\\u003e").replace('&', "\\u0026");
    let mut gzip = GzEncoder::new(Vec::new(), Compression::best());
    gzip.write_all(text.as_bytes()).expect("memory takes it");
    STANDARD.encode(gzip.finish().expect("memory takes it"))
}

/// What is to be said of a record's size.
#[derive(Clone, Debug, PartialEq)]
pub enum RecordSize {
    /// It fits.
    Fits,
    /// It nearly fills the Secret: the API server is asked with it.
    Near(Object),
    /// It does not fit.
    TooLarge(Box<Finding>),
}

/// Whether the record of a release fits.
#[must_use]
pub fn judge(release: &Value, id: &ReleaseId) -> RecordSize {
    let value = encoded(release);
    let revision = release.get("version").and_then(Value::as_u64).unwrap_or_default();
    let name = id.record(revision);
    match value.len() {
        size if size > LIMIT => RecordSize::TooLarge(Box::new(too_large(&name, size, release))),
        size if size > NEAR => RecordSize::Near(Object::new(json!({
            "apiVersion": "v1", "kind": "Secret", "type": SECRET_TYPE,
            "metadata": {"name": name.name(), "namespace": name.namespace(),
                "labels": {"owner": "helm", "name": id.name, "status": "pending-upgrade", "version": revision.to_string()}},
            "data": {"release": STANDARD.encode(value)},
        }))),
        _ => RecordSize::Fits,
    }
}

/// The finding of a record that does not fit; `release` says which part of it is large.
#[must_use]
pub fn too_large(record: &Ref, size: usize, release: &Value) -> Finding {
    let found = format!("the record of the new revision would have {size} bytes; a Secret takes {LIMIT}");
    let mut finding = Finding::blocking(Code::RecordTooLarge, found).about(record).at("/data/release");
    let parts = [
        ("the values that are given", "/config"),
        ("the chart's templates", "/chart/templates"),
        ("the chart's other files", "/chart/files"),
        ("the chart's default values", "/chart/values"),
        ("the manifest", "/manifest"),
        ("the hooks", "/hooks"),
    ];
    let mut sizes: Vec<(usize, &str)> = parts
        .into_iter()
        .filter_map(|(words, pointer)| Some((encoded(release.pointer(pointer)?).len(), words)))
        .collect();
    sizes.sort_by_key(|(size, _)| std::cmp::Reverse(*size));
    finding.evidence =
        sizes.into_iter().take(3).map(|(size, words)| format!("{words}: {size} bytes compressed")).collect();
    finding
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Text that does not compress.
    fn noise(length: usize) -> String {
        let mut state: u64 = 88_172_645_463_325_252;
        let mut next = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            char::from(b'!' + u8::try_from(state % 90).unwrap_or_default())
        };
        (0..length).map(|_| next()).collect()
    }

    #[test]
    fn a_record_is_measured_as_helm_stores_it() {
        let id = ReleaseId { namespace: "n".into(), name: "r".into() };
        let release =
            |length: usize| json!({"name": "r", "version": 7, "config": {"a": noise(length)}, "manifest": "<a>"});
        assert_eq!(judge(&release(100), &id), RecordSize::Fits);
        // Six and a half bits of each character are left, and base64 makes eight of six.
        match judge(&release(880_000), &id) {
            RecordSize::Near(secret) => assert_eq!(secret.text("/metadata/name"), "sh.helm.release.v1.r.v7"),
            other => panic!("{other:?}"),
        }
        match judge(&release(1_200_000), &id) {
            RecordSize::TooLarge(finding) => {
                assert_eq!(finding.object(), Some(&Ref::secret("n", "sh.helm.release.v1.r.v7")));
                assert!(finding.evidence[0].starts_with("the values that are given: "), "{finding:?}");
            }
            other => panic!("{other:?}"),
        }
        let back = STANDARD.decode(encoded(&release(10))).expect("base64");
        let mut plain = String::new();
        std::io::Read::read_to_string(&mut flate2::read::GzDecoder::new(back.as_slice()), &mut plain).expect("gzip");
        assert!(plain.contains("\\u003ca\\u003e"));
        assert_eq!(serde_json::from_str::<Value>(&plain).expect("JSON"), release(10));
    }
}
