//! Questions about writes: dry runs, which the API server answers and does not carry out.

use std::sync::atomic::Ordering;
use std::time::Duration;

use futures::{StreamExt, TryFutureExt, stream};
use portolan_helm_compat::precheck::{KnownObjects, PlannedWrites, Precheck};
use portolan_model::{
    Answer, CheckAnswer, CheckAsk, CheckReport, Object, Ref, RefusalCause, ServerCheck, ServerRefusal,
};
use serde_json::Value;

use super::Client;
use super::error::{TOO_LATE, chain, tellable};
use super::kinds::Endpoint;

/// How many are under way at once.
const AT_ONCE: usize = 16;

/// Seconds for one question.
const LIMIT: u64 = 30;

impl Client {
    /// The answers to questions, in their order. Every write among them is sent with `dryRun=All`, so nothing changes.
    pub async fn check(&self, checks: &[ServerCheck]) -> Vec<CheckAnswer> {
        stream::iter(checks).map(|check| self.check_one(check)).buffered(AT_ONCE).collect().await
    }

    /// Checks what helm will write in a hop; what became known of the cluster comes with the report.
    pub async fn precheck(&self, writes: PlannedWrites, known: KnownObjects) -> (CheckReport, KnownObjects) {
        let mut precheck = Precheck::new(writes, known);
        loop {
            let asks = precheck.ask();
            if asks.is_empty() {
                return (precheck.report(), precheck.into_known());
            }
            precheck.take(self.check(&asks).await);
        }
    }

    async fn check_one(&self, check: &ServerCheck) -> CheckAnswer {
        let target = &check.target;
        let read = match &check.ask {
            CheckAsk::Read => self.get_answer(target).await,
            CheckAsk::List => self.list_answer(target.group(), target.kind(), target.namespace()).await,
            CheckAsk::Create(_) | CheckAsk::Patch(_) | CheckAsk::Apply { .. } => return self.dry_run(check).await,
        };
        match read {
            Ok(Answer::Items(items)) => CheckAnswer::Found(items),
            Ok(Answer::NotServed | Answer::Server { .. }) => CheckAnswer::NotServed,
            Ok(Answer::Denied(message)) => {
                CheckAnswer::Refused(ServerRefusal { code: 403, message, ..ServerRefusal::default() })
            }
            Err(error) => refused(&error),
        }
    }

    async fn dry_run(&self, check: &ServerCheck) -> CheckAnswer {
        let target = &check.target;
        let endpoint = match self.endpoint(target.group(), target.kind()).await {
            Ok(Some(endpoint)) => endpoint,
            Ok(None) => return CheckAnswer::NotServed,
            Err(error) => return refused(&error),
        };
        let request = match request(&check.ask, target, &endpoint) {
            Ok(request) => request,
            Err(error) => return CheckAnswer::NoAnswer(error.to_string()),
        };
        self.reader.reads.fetch_add(1, Ordering::Relaxed);
        let answer = self.reader.kube.request::<Value>(request).map_err(tellable);
        match tokio::time::timeout(Duration::from_secs(LIMIT), answer).await {
            Ok(Ok(_)) => CheckAnswer::Accepted,
            Ok(Err(error)) => refused(&error),
            Err(_) => CheckAnswer::NoAnswer(format!("{TOO_LATE} {LIMIT} s")),
        }
    }
}

/// The request of a dry run. Helm 4 asks for strict validation in a server-side apply, and in nothing else
/// (`patchResourceServerSide` in `pkg/kube/client.go`, helm 4.3.1).
fn request(ask: &CheckAsk, target: &Ref, endpoint: &Endpoint) -> Result<http::Request<Vec<u8>>, http::Error> {
    let namespace = target.namespace();
    let of = |body: &Object| endpoint.at_version(body.text("/apiVersion"));
    let (builder, content_type, body) = match ask {
        CheckAsk::Create(body) => {
            let path = of(body).list(namespace);
            (http::Request::post(format!("{path}?dryRun=All")), "application/json", &*body.0)
        }
        CheckAsk::Patch(patch) => {
            let path = endpoint.one(namespace, target.name());
            (http::Request::patch(format!("{path}?dryRun=All")), "application/merge-patch+json", patch)
        }
        CheckAsk::Apply { manager, body } => {
            let path = of(body).one(namespace, target.name());
            let manager = super::kinds::encode(manager);
            let query = format!("dryRun=All&fieldManager={manager}&force=false&fieldValidation=Strict");
            (http::Request::patch(format!("{path}?{query}")), "application/apply-patch+yaml", &*body.0)
        }
        CheckAsk::Read | CheckAsk::List => {
            (http::Request::get(endpoint.list(namespace)), "application/json", &Value::Null)
        }
    };
    builder.header(http::header::CONTENT_TYPE, content_type).body(body.to_string().into_bytes())
}

fn refused(error: &kube::Error) -> CheckAnswer {
    let Some(status) = super::error::status(error) else { return CheckAnswer::NoAnswer(chain(error)) };
    let causes = status.details.iter().flat_map(|details| &details.causes);
    CheckAnswer::Refused(ServerRefusal {
        code: status.code,
        reason: status.reason.clone(),
        message: status.message.clone(),
        causes: causes
            .map(|cause| RefusalCause {
                reason: cause.reason.clone(),
                message: cause.message.clone(),
                field: cause.field.clone(),
            })
            .collect(),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::kinds::well_known;
    use super::*;

    #[test]
    fn every_write_is_a_dry_run() {
        let endpoint = well_known("apps", "StatefulSet").expect("a usual kind");
        let body = Object::new(json!({"apiVersion": "apps/v1beta1"}));
        let apply = CheckAsk::Apply { manager: "helm 4".into(), body: body.clone() };
        for (ask, method, uri) in [
            (CheckAsk::Create(body), "POST", "/apis/apps/v1beta1/namespaces/n/statefulsets?dryRun=All"),
            (CheckAsk::Patch(json!({})), "PATCH", "/apis/apps/v1/namespaces/n/statefulsets/s?dryRun=All"),
            (
                apply,
                "PATCH",
                "/apis/apps/v1beta1/namespaces/n/statefulsets/s?dryRun=All&fieldManager=helm%204&force=false&fieldValidation=Strict",
            ),
        ] {
            let request = request(&ask, &Ref::set("n", "s"), &endpoint).expect("a request");
            assert_eq!((request.method().as_str(), request.uri().to_string().as_str()), (method, uri));
        }
    }
}
