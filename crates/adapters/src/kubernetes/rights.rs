use std::sync::atomic::Ordering;
use std::time::Duration;

use futures::{StreamExt, TryStreamExt, stream};
use model::{Finding, Right};
use serde_json::{Value, json};

use super::Client;
use super::error::{explain, status};

/// How many questions are under way at once.
const AT_ONCE: usize = 8;

/// Seconds for one question.
const LIMIT: u64 = 30;

const PATH: &str = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews";

impl Client {
    /// Which of these this user may not do. The server is asked (a SelfSubjectAccessReview each, which everybody may
    /// post and which changes nothing); kinds that it does not have are left to whoever writes them.
    ///
    /// # Errors
    /// Where the server cannot be reached.
    pub async fn forbidden(&self, rights: &[Right]) -> Result<Vec<Right>, Finding> {
        let asked = stream::iter(rights).map(|right| async move { Ok((right, self.may(right).await?)) });
        let answers: Vec<(&Right, bool)> = asked.buffered(AT_ONCE).try_collect().await?;
        Ok(answers.into_iter().filter(|(_, may)| !may).map(|(right, _)| right.clone()).collect())
    }

    async fn may(&self, right: &Right) -> Result<bool, Finding> {
        let told = |error: &kube::Error| explain(error, self.server());
        let Some(endpoint) = self.endpoint(right.target.group(), right.target.kind()).await.map_err(|e| told(&e))?
        else {
            return Ok(true);
        };
        let target = &right.target;
        let review = json!({
            "apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": {
                "verb": right.verb, "group": target.group(), "resource": endpoint.plural(),
                "namespace": target.namespace(), "name": target.name(),
            }},
        });
        let request = http::Request::post(PATH)
            .header(http::header::CONTENT_TYPE, "application/json")
            .body(review.to_string().into_bytes())
            .map_err(|error| told(&kube::Error::HttpError(error)))?;
        self.reads.fetch_add(1, Ordering::Relaxed);
        let answer = self.writer.request::<Value>(request);
        match tokio::time::timeout(Duration::from_secs(LIMIT), answer).await {
            Ok(Ok(review)) => Ok(review["status"]["allowed"] == true),
            // A server that does not answer this question answers the write itself.
            Ok(Err(error)) if status(&error).is_some_and(|status| matches!(status.code, 403 | 404)) => Ok(true),
            Ok(Err(error)) => Err(told(&error)),
            Err(_) => Ok(true),
        }
    }
}
