use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures::{StreamExt, TryFutureExt, TryStreamExt, stream};
use portolan_model::{Finding, Right};
use serde_json::{Value, json};

use super::Client;
use super::error::{explain, status, tellable};

/// How many questions are under way at once.
const AT_ONCE: usize = 8;

/// Seconds for one question.
const LIMIT: u64 = 30;

const RULES: &str = "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews";

const PATH: &str = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews";

impl Client {
    /// Which of these this user may not do. The server is asked for the rules of each namespace first, and then, for what these
    /// do not allow and for what has no namespace, one by one (a SelfSubjectAccessReview each). Everybody may post both, and they
    /// change nothing; kinds that the server does not have are left to whoever writes them.
    ///
    /// # Errors
    /// Where the server cannot be reached.
    pub async fn forbidden(&self, rights: &[Right]) -> Result<Vec<Right>, Finding> {
        let namespaces: BTreeSet<&str> = rights.iter().map(|right| right.target.namespace()).collect();
        let mut rules = BTreeMap::new();
        for namespace in namespaces.into_iter().filter(|namespace| !namespace.is_empty()) {
            rules.insert(namespace, self.rules(namespace).await);
        }
        let rules = &rules;
        let asked = stream::iter(rights).map(|right| async move {
            let known = rules.get(right.target.namespace()).map_or(&[] as &[Value], Vec::as_slice);
            Ok((right, self.is_allowed(right, known).await || self.may(right).await?))
        });
        let answers: Vec<(&Right, bool)> = asked.buffered(AT_ONCE).try_collect().await?;
        Ok(answers.into_iter().filter(|(_, may)| !may).map(|(right, _)| right.clone()).collect())
    }

    /// What this user may do in a namespace; nothing where the server does not say. The rules of bindings to the whole cluster are
    /// among them.
    async fn rules(&self, namespace: &str) -> Vec<Value> {
        let review = json!({
            "apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectRulesReview", "spec": {"namespace": namespace},
        });
        let request = http::Request::post(RULES)
            .header(http::header::CONTENT_TYPE, "application/json")
            .body(review.to_string().into_bytes());
        let Ok(request) = request else { return Vec::new() };
        self.reader.reads.fetch_add(1, Ordering::Relaxed);
        let answer = tokio::time::timeout(Duration::from_secs(LIMIT), self.writer.request::<Value>(request)).await;
        let Ok(Ok(review)) = answer else { return Vec::new() };
        review["status"]["resourceRules"].as_array().cloned().unwrap_or_default()
    }

    /// Whether one of the rules allows it.
    async fn is_allowed(&self, right: &Right, rules: &[Value]) -> bool {
        if rules.is_empty() {
            return false;
        }
        let Ok(Some(endpoint)) = self.endpoint(right.target.group(), right.target.kind()).await else { return false };
        rules.iter().any(|rule| allows(rule, right, endpoint.plural()))
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
        self.reader.reads.fetch_add(1, Ordering::Relaxed);
        let answer = self.writer.request::<Value>(request).map_err(tellable);
        match tokio::time::timeout(Duration::from_secs(LIMIT), answer).await {
            Ok(Ok(review)) => Ok(review["status"]["allowed"] == true),
            // A server that does not answer this question answers the write itself.
            Ok(Err(error)) if status(&error).is_some_and(|status| matches!(status.code, 403 | 404)) => Ok(true),
            Ok(Err(error)) => Err(told(&error)),
            Err(_) => Ok(true),
        }
    }
}

/// Whether a rule allows something: `resourceNames` narrow it, and a create has no name yet.
fn allows(rule: &Value, right: &Right, plural: &str) -> bool {
    let has = |list: &str, wanted: &str| {
        let items = rule[list].as_array().into_iter().flatten();
        items.filter_map(Value::as_str).any(|item| item == "*" || item == wanted)
    };
    let names = rule["resourceNames"].as_array().map_or(0, Vec::len);
    let is_named = names == 0 || (!right.target.name().is_empty() && has("resourceNames", right.target.name()));
    has("verbs", right.verb) && has("apiGroups", right.target.group()) && has("resources", plural) && is_named
}

#[cfg(test)]
mod tests {
    use portolan_model::Ref;

    use super::*;

    #[test]
    fn a_rule_allows_what_it_names() {
        let right = |verb, name: &str| Right { verb, target: Ref::secret("ns", name) };
        let rule = json!({"verbs": ["create", "delete"], "apiGroups": [""], "resources": ["secrets"]});
        assert!(allows(&rule, &right("create", ""), "secrets"));
        assert!(!allows(&rule, &right("patch", "a"), "secrets"));
        assert!(!allows(&rule, &right("create", ""), "configmaps"));
        let all = json!({"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]});
        assert!(allows(&all, &right("patch", "a"), "secrets"));
        let one = json!({"verbs": ["*"], "apiGroups": [""], "resources": ["secrets"], "resourceNames": ["a"]});
        assert!(allows(&one, &right("patch", "a"), "secrets"));
        assert!(!allows(&one, &right("patch", "b"), "secrets") && !allows(&one, &right("create", ""), "secrets"));
    }
}
