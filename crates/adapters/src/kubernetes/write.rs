use std::sync::atomic::Ordering;
use std::time::Duration;

use futures::TryFutureExt;
use portolan_model::{Ref, Refusal, Reply, Verb, Write};
use serde_json::{Value, json};

use super::Client;
use super::error::{TOO_LATE, chain, tellable};

/// Seconds after which a write without an answer counts as unknown.
const LIMIT: u64 = 30;

/// Under this name the server's `managedFields` list what we wrote.
const MANAGER: &str = "portolan";

impl Client {
    /// Sends one write, once. The server checks UID and resourceVersion as it carries it out.
    pub async fn write(&self, write: &Write) -> Reply {
        let target = &write.target;
        if write.verb == Verb::Delete && target.is_storage() {
            return not_sent(format!("{target} holds data and is never deleted"));
        }
        if write.rv.0.is_empty() {
            return not_sent(format!("no resourceVersion of {target} to write against"));
        }
        let endpoint = match self.endpoint(target.group(), target.kind()).await {
            Ok(Some(endpoint)) => endpoint,
            Ok(None) => return Reply::Refused(Refusal::NotFound),
            Err(error) => return not_sent(chain(&error)),
        };
        let path = endpoint.one(target.namespace(), target.name());
        match request(write, &path) {
            Ok(request) => self.send_once(request).await,
            Err(text) => not_sent(text),
        }
    }

    /// Creates an object, once. The server refuses where one of the name exists.
    pub async fn create(&self, target: &Ref, body: &Value) -> Reply {
        if target.is_never_deleted() {
            return not_sent(format!("{target} is never deleted, and so it is not put back"));
        }
        let endpoint = match self.endpoint(target.group(), target.kind()).await {
            Ok(Some(endpoint)) => endpoint,
            Ok(None) => return not_sent(format!("the server has no kind {}", target.kind())),
            Err(error) => return not_sent(chain(&error)),
        };
        // Of a kind that a chart brought, the server may serve another version by now than the one that was archived.
        let version = body.get("apiVersion").and_then(Value::as_str).unwrap_or_default();
        let path = endpoint.at_version(version).list(target.namespace());
        let request = http::Request::post(format!("{path}?fieldManager={MANAGER}"))
            .header(http::header::CONTENT_TYPE, "application/json")
            .body(body.to_string().into_bytes());
        match request {
            Ok(request) => self.send_once(request).await,
            Err(error) => not_sent(error.to_string()),
        }
    }

    async fn send_once(&self, request: http::Request<Vec<u8>>) -> Reply {
        self.writes.fetch_add(1, Ordering::Relaxed);
        let answer = self.writer.request_text(request).map_err(tellable);
        match tokio::time::timeout(Duration::from_secs(LIMIT), answer).await {
            Ok(Ok(_)) => Reply::Wrote,
            Ok(Err(error)) => judge(&error),
            Err(_) => Reply::Unknown(format!("{TOO_LATE} {LIMIT} s")),
        }
    }
}

fn not_sent(why: String) -> Reply {
    Reply::Refused(Refusal::NotSent(why))
}

fn request(write: &Write, path: &str) -> Result<http::Request<Vec<u8>>, String> {
    let (builder, body) = match &write.verb {
        Verb::MergePatch(patch) => (
            http::Request::patch(format!("{path}?fieldManager={MANAGER}"))
                .header(http::header::CONTENT_TYPE, "application/merge-patch+json"),
            guarded(patch, write)?,
        ),
        // It is sent by what has the copy.
        Verb::Restore(_) => return Err("an archived object is created, not changed".into()),
        Verb::Delete => (
            http::Request::delete(path).header(http::header::CONTENT_TYPE, "application/json"),
            json!({
                "apiVersion": "v1",
                "kind": "DeleteOptions",
                "preconditions": { "uid": write.uid, "resourceVersion": write.rv },
                "propagationPolicy": "Background",
            }),
        ),
    };
    builder.body(body.to_string().into_bytes()).map_err(|error| error.to_string())
}

/// The patch with its preconditions: a merge patch that names UID and resourceVersion is refused where the
/// object has others.
fn guarded(patch: &Value, write: &Write) -> Result<Value, String> {
    let mut patch = patch.clone();
    let metadata = patch
        .as_object_mut()
        .map(|map| map.entry("metadata").or_insert_with(|| json!({})))
        .and_then(Value::as_object_mut)
        .ok_or("the patch is no JSON object")?;
    metadata.insert("uid".into(), json!(write.uid));
    metadata.insert("resourceVersion".into(), json!(write.rv));
    Ok(patch)
}

/// What an error says about whether the write happened. Where it could have, that is unknown.
fn judge(error: &kube::Error) -> Reply {
    let kube::Error::Api(status) = error else {
        return match error {
            // Without credentials the request was never made.
            kube::Error::Auth(_) => Reply::Refused(Refusal::Forbidden(chain(error))),
            _ => Reply::Unknown(chain(error)),
        };
    };
    let text = status.message.clone();
    // Another UID under the same resourceVersion is told as a field that may not be changed.
    let other_object =
        status.details.iter().any(|details| details.causes.iter().any(|cause| cause.field == "metadata.uid"));
    match status.code {
        422 if other_object => Reply::Refused(Refusal::Conflict),
        409 => Reply::Refused(Refusal::Conflict),
        404 => Reply::Refused(Refusal::NotFound),
        401 | 403 => Reply::Refused(Refusal::Forbidden(text)),
        400 | 405 | 413 | 415 | 422 => Reply::Refused(Refusal::Invalid(text)),
        _ => Reply::Unknown(text),
    }
}

#[cfg(test)]
mod tests {
    use portolan_model::{Rv, Uid};

    use super::*;

    fn write(verb: Verb, target: Ref) -> Write {
        Write { verb, target, uid: Uid::new("u-1"), rv: Rv("42".into()) }
    }

    #[test]
    fn a_patch_carries_its_preconditions() {
        let patch = json!({ "metadata": { "annotations": { "a": "b" } }, "spec": null });
        let write = write(Verb::MergePatch(patch), Ref::claim("ns", "c"));
        let request = request(&write, "/p").expect("a request");
        let body: Value = serde_json::from_slice(request.body()).expect("JSON");
        assert_eq!(
            body,
            json!({
                "metadata": { "annotations": { "a": "b" }, "uid": "u-1", "resourceVersion": "42" },
                "spec": null,
            })
        );
        assert_eq!(request.uri(), "/p?fieldManager=portolan");
    }

    #[test]
    fn a_delete_carries_its_preconditions() {
        let write = write(Verb::Delete, Ref::secret("ns", "s"));
        let request = request(&write, "/p").expect("a request");
        let body: Value = serde_json::from_slice(request.body()).expect("JSON");
        assert_eq!(body["preconditions"], json!({ "uid": "u-1", "resourceVersion": "42" }));
        assert_eq!(body["propagationPolicy"], "Background");
    }

    #[test]
    fn only_a_clear_no_is_a_refusal() {
        let api = |code| {
            let status = kube::core::Status::failure("text", "Reason").with_code(code);
            judge(&kube::Error::Api(status.boxed()))
        };
        assert_eq!(api(409), Reply::Refused(Refusal::Conflict));
        assert_eq!(api(404), Reply::Refused(Refusal::NotFound));
        assert_eq!(api(403), Reply::Refused(Refusal::Forbidden("text".into())));
        assert_eq!(api(422), Reply::Refused(Refusal::Invalid("text".into())));
        for code in [429, 500, 502, 503, 504] {
            assert_eq!(api(code), Reply::Unknown("text".into()));
        }
    }
}
