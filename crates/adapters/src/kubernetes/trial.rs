//! Pods that are made to see whether nodes can pull, and removed again.

use std::sync::atomic::Ordering;
use std::time::Duration;

use portolan_model::{Finding, Object};
use serde_json::json;

use super::Client;
use super::error::{explain, status};

/// Seconds for one write.
const LIMIT: u64 = 30;

/// How long pods that were deleted are waited for.
const GONE: Duration = Duration::from_secs(60);

/// The pause between two looks at pods that go.
const PAUSE: Duration = Duration::from_secs(1);

impl Client {
    /// Creates a pod. One of its name that is there already counts as created.
    ///
    /// # Errors
    /// What the server says, or that it cannot be reached.
    pub async fn create_pod(&self, pod: &Object) -> Result<(), Finding> {
        let path = format!("/api/v1/namespaces/{}/pods", pod.text("/metadata/namespace"));
        match self.send(http::Request::post(path), pod.0.to_string()).await {
            Err(error) if status(&error).is_some_and(|status| status.code == 409) => Ok(()),
            other => other.map_err(|error| explain(&error, self.server())),
        }
    }

    /// The pods of a namespace with a label, whatever its value, or with `label=value`.
    ///
    /// # Errors
    /// Where they cannot be listed.
    pub async fn pods_labelled(&self, namespace: &str, selector: &str) -> Result<Vec<Object>, Finding> {
        self.select("", "Pod", namespace, selector).await.map_err(|error| explain(&error, self.server()))
    }

    /// Deletes the pods with a label, each by its UID, and waits until they are gone; the names of those that are not.
    ///
    /// # Errors
    /// Where they cannot be listed or deleted.
    pub async fn remove_pods(&self, namespace: &str, selector: &str) -> Result<Vec<String>, Finding> {
        let found = self.pods_labelled(namespace, selector).await?;
        for pod in &found {
            let path = format!("/api/v1/namespaces/{namespace}/pods/{}", pod.text("/metadata/name"));
            let options = json!({"apiVersion": "v1", "kind": "DeleteOptions", "gracePeriodSeconds": 0,
                "preconditions": {"uid": pod.uid()}});
            match self.send(http::Request::delete(path), options.to_string()).await {
                Err(error) if status(&error).is_none_or(|status| !matches!(status.code, 404 | 409)) => {
                    return Err(explain(&error, self.server()));
                }
                _ => {}
            }
        }
        let begun = tokio::time::Instant::now();
        let mut left = found;
        while !left.is_empty() && begun.elapsed() < GONE {
            left = self.pods_labelled(namespace, selector).await?;
            if !left.is_empty() {
                tokio::time::sleep(PAUSE).await;
            }
        }
        Ok(left.iter().map(|pod| pod.text("/metadata/name").to_owned()).collect())
    }

    async fn send(&self, request: http::request::Builder, body: String) -> Result<(), kube::Error> {
        let request = request.header(http::header::CONTENT_TYPE, "application/json").body(body.into_bytes());
        let request = request.map_err(kube::Error::HttpError)?;
        self.writes.fetch_add(1, Ordering::Relaxed);
        let answer = self.writer.request_text(request);
        match tokio::time::timeout(Duration::from_secs(LIMIT), answer).await {
            Ok(answer) => answer.map(drop),
            Err(_) => Err(kube::Error::Service(format!("{} {LIMIT} s", super::error::TOO_LATE).into())),
        }
    }
}
