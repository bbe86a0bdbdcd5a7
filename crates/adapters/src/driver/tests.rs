use portolan_model::{ArchivedObject, Ref, StepRef, Uid};
use serde_json::json;

use super::*;

fn key() -> SecretKey {
    SecretKey { secret: Ref::secret("ns", "pg"), key: "password".into() }
}

#[test]
fn a_password_is_read_and_never_told() {
    let secret = |data: Value| Object::new(json!({ "kind": "Secret", "data": data }));
    let fine = secret(json!({ "password": STANDARD.encode("s3cret") }));
    assert_eq!(value_of(&fine, &key()), Ok("s3cret".into()));
    let cases = [
        (json!({}), "Secret/pg has no key password"),
        (json!({ "password": "s3cret!" }), "key password of Secret/pg is no base64"),
        (json!({ "password": STANDARD.encode([0xff]) }), "key password of Secret/pg is no text"),
    ];
    for (data, text) in cases {
        assert_eq!(value_of(&secret(data), &key()), Err(text.to_owned()));
    }
}

#[test]
fn only_an_archive_of_this_run_counts() {
    let step = StepRef { index: 0, attempt: 0 };
    let digest = Digest::of(b"secret");
    let archived = JournalRecord::Observed {
        step,
        observation: Observation::Archived {
            objects: vec![ArchivedObject { object: key().secret, uid: Uid::new("u"), digest: digest.clone() }],
        },
    };
    assert_eq!(archived_as(&archived, &key()), Some(&digest));
    assert_eq!(archived_as(&JournalRecord::Bound, &key()), None);
    let other = SecretKey { secret: Ref::secret("ns", "other"), key: "password".into() };
    assert_eq!(archived_as(&archived, &other), None);
}
