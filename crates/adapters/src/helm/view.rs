//! The cluster as helm sees it while it renders: what the API server answers, with an overlay over it. Each thing is asked of
//! the server once, so that two renderings see the same.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::future::BoxFuture;
use http::StatusCode;
use portolan_model::{ClusterRead, Object, Overlay, Ref};
use serde_json::{Value, json};
use tokio::sync::OnceCell;

use super::place::{Place, Resource, parameter, selects};
use crate::kubernetes::{HttpReply, kinds_of};

/// Who answers what the overlay does not: a path with its query, and what is accepted.
pub(super) type AskServer = dyn Fn(String, String) -> BoxFuture<'static, Result<HttpReply, String>> + Send + Sync;

/// What is asked: a path with its query, and what is accepted.
type Asked = (String, String);

/// Whether it is known that an object is not there.
pub(super) type IsAbsent = dyn Fn(&Ref) -> bool + Send + Sync;

/// What the server answered until now.
pub(super) struct Upstream {
    ask: Box<AskServer>,
    is_absent: Box<IsAbsent>,
    answers: Mutex<HashMap<Asked, Arc<OnceCell<HttpReply>>>>,
    /// Kinds by group and plural, as discovery told them.
    kinds: Mutex<BTreeMap<(String, String), String>>,
    /// What the server did not allow, in its words.
    denied: Mutex<Vec<String>>,
    /// Why the server could not be asked.
    failed: Mutex<Option<String>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing panics under these locks, and what is in them is whole at any time.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Upstream {
    pub(super) fn new(ask: Box<AskServer>, is_absent: Box<IsAbsent>) -> Self {
        Self {
            ask,
            is_absent,
            answers: Mutex::default(),
            kinds: Mutex::default(),
            denied: Mutex::default(),
            failed: Mutex::default(),
        }
    }

    async fn get(&self, path: String, accept: &str) -> HttpReply {
        let key = (path, accept.to_owned());
        let cell = lock(&self.answers).entry(key.clone()).or_default().clone();
        let asked = cell.get_or_try_init(|| (self.ask)(key.0.clone(), key.1.clone())).await;
        match asked {
            Ok(answer) => {
                if answer.status == StatusCode::FORBIDDEN {
                    let message = answer.value()["message"].as_str().unwrap_or(key.0.as_str()).to_owned();
                    let mut denied = lock(&self.denied);
                    if !denied.contains(&message) {
                        denied.push(message);
                    }
                }
                answer.clone()
            }
            Err(error) => {
                let answer = HttpReply::failure(StatusCode::BAD_GATEWAY, "InternalError", &error, &json!({}));
                lock(&self.failed).get_or_insert(error);
                answer
            }
        }
    }

    /// What the server did not allow.
    pub(super) fn denied(&self) -> Vec<String> {
        lock(&self.denied).clone()
    }

    /// Why the server could not be asked.
    pub(super) fn failed(&self) -> Option<String> {
        lock(&self.failed).clone()
    }

    /// Remembers the kinds that an answer about the server names.
    fn learn(&self, answer: &HttpReply) {
        if answer.status == StatusCode::OK && answer.content_type.contains("json") {
            let mut kinds = lock(&self.kinds);
            for kind in kinds_of(&answer.value()) {
                let key = (kind.group().to_owned(), kind.plural);
                kinds.insert(key, kind.name);
            }
        }
    }

    fn kind(&self, resource: &Resource) -> Option<String> {
        let key = (resource.group().to_owned(), resource.plural.clone());
        let learnt = lock(&self.kinds).get(&key).cloned();
        learnt.or_else(|| portolan_kube_facts::kind_of_plural(resource.group(), &resource.plural).map(str::to_owned))
    }
}

/// Which resourceVersions a view shows. What those of the upgrade will be nobody knows: our own steps and controllers write before.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Versions {
    /// Those of today.
    Today,
    /// Others, so that what a chart makes of them differs between two renderings.
    Other,
}

/// The cluster as one helm sees it.
pub(super) struct View {
    upstream: Arc<Upstream>,
    overlay: Overlay,
    versions: Versions,
    reads: Mutex<Vec<ClusterRead>>,
    refused: Mutex<Vec<String>>,
}

impl View {
    pub(super) fn new(upstream: Arc<Upstream>, overlay: Overlay, versions: Versions) -> Self {
        Self { upstream, overlay, versions, reads: Mutex::default(), refused: Mutex::default() }
    }

    /// What helm read until now: each thing once, the records of the release left out.
    pub(super) fn reads(&self) -> Vec<ClusterRead> {
        lock(&self.reads).clone()
    }

    /// What helm was refused until now.
    pub(super) fn refused(&self) -> Vec<String> {
        lock(&self.refused).clone()
    }

    /// Refuses a request.
    pub(super) fn refuse(&self, what: &str) -> HttpReply {
        lock(&self.refused).push(what.to_owned());
        let message = format!("read-only view: {what} is refused");
        HttpReply::failure(StatusCode::FORBIDDEN, "Forbidden", &message, &json!({}))
    }

    /// Answers a GET.
    pub(super) async fn get(&self, place: Place, path: &str, query: &str, accept: &str) -> HttpReply {
        let whole = if query.is_empty() { path.to_owned() } else { format!("{path}?{query}") };
        let answer = match place {
            Place::About => {
                let answer = self.upstream.get(whole, accept).await;
                self.upstream.learn(&answer);
                return answer;
            }
            Place::Object(resource, name) => self.object(&resource, &name, whole).await,
            Place::List(resource) => self.list(&resource, query, whole).await,
        };
        match self.versions {
            Versions::Other if answer.status == StatusCode::OK => with_other_versions(answer),
            Versions::Other | Versions::Today => answer,
        }
    }

    async fn object(&self, resource: &Resource, name: &str, path: String) -> HttpReply {
        let kind = self.upstream.kind(resource);
        if let Some(target) = kind.as_deref().map(|kind| resource.object(kind, name)) {
            if let Some(shown) = self.overlay.shown.get(&target) {
                self.saw(ClusterRead::Object(target, Some(shown.clone())));
                return HttpReply::json(StatusCode::OK, &shown.0);
            }
            if self.overlay.hidden.contains(&target) || (self.upstream.is_absent)(&target) {
                self.saw(ClusterRead::Object(target, None));
                return not_found(resource, name);
            }
        }
        let answer = self.upstream.get(path, "application/json").await;
        let body = answer.value();
        if answer.status == StatusCode::OK {
            let object = Object::new(body);
            if let Some(target) = object.name() {
                self.saw(ClusterRead::Object(target, Some(object)));
            }
        } else if answer.status == StatusCode::NOT_FOUND
            && body["details"]["name"] == name
            && let Some(kind) = kind
        {
            self.saw(ClusterRead::Object(resource.object(&kind, name), None));
        }
        answer
    }

    async fn list(&self, resource: &Resource, query: &str, path: String) -> HttpReply {
        let answer = self.upstream.get(path, "application/json").await;
        let mut body = answer.value();
        let Some(kind) = self
            .upstream
            .kind(resource)
            .or_else(|| body["kind"].as_str().and_then(|kind| kind.strip_suffix("List")).map(str::to_owned))
        else {
            return answer;
        };
        let Some(Value::Array(items)) = body.get_mut("items") else { return answer };
        let selector = parameter(query, "labelSelector");
        let is_here = |name: &Ref| {
            name.kind() == kind
                && name.group() == resource.group()
                && (resource.namespace.is_empty() || name.namespace() == resource.namespace)
        };
        let name_of = |item: &Value| {
            let text = |pointer: &str| item.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
            Ref::new(resource.group(), &kind, &text("/metadata/namespace"), &text("/metadata/name"))
        };
        let before = items.len();
        items.retain(|item| {
            let name = name_of(item);
            !self.overlay.hidden.contains(&name) && !self.overlay.shown.contains_key(&name)
        });
        let mut changed = items.len() != before;
        if parameter(query, "continue").is_empty() {
            let shown = self.overlay.shown.iter().filter(|(name, _)| is_here(name));
            for (_, object) in shown.filter(|(_, it)| selects(&selector, |key| it.label(key).map(str::to_owned))) {
                items.push((*object.0).clone());
                changed = true;
            }
        }
        let seen = items.iter().map(|item| Object::new(whole(item, resource, &kind))).collect();
        let (group, namespace) = (resource.group().to_owned(), resource.namespace.clone());
        // The records of the release are helm's own: whether they have moved on is looked at apart.
        if !selector.split(',').any(|one| one == "owner=helm") {
            self.saw(ClusterRead::List { group, kind, namespace, selector, items: seen });
        }
        if changed { HttpReply::json(StatusCode::OK, &body) } else { answer }
    }

    fn saw(&self, read: ClusterRead) {
        let mut reads = lock(&self.reads);
        if !reads.contains(&read) {
            reads.push(read);
        }
    }
}

/// An object, or the objects of a list, as if each had been written once more: a resourceVersion that is far away, and the time at which
/// a field manager wrote last.
fn with_other_versions(answer: HttpReply) -> HttpReply {
    let mut body = answer.value();
    let written_again = |object: &mut Value| {
        let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) else { return };
        if let Some(version) = metadata.get("resourceVersion").and_then(Value::as_str) {
            let other =
                version.parse::<u64>().map_or_else(|_| format!("{version}1"), |it| (it + 1_000_003).to_string());
            metadata.insert("resourceVersion".into(), other.into());
        }
        for entry in metadata.get_mut("managedFields").and_then(Value::as_array_mut).into_iter().flatten() {
            entry["time"] = "2000-01-01T00:00:00Z".into();
        }
    };
    match body.get_mut("items").and_then(Value::as_array_mut) {
        Some(items) => items.iter_mut().for_each(written_again),
        None => written_again(&mut body),
    }
    HttpReply { body: body.to_string().into(), ..answer }
}

/// An item of a list with the kind and version that the API leaves out there.
fn whole(item: &Value, resource: &Resource, kind: &str) -> Value {
    let mut item = item.clone();
    if let Value::Object(map) = &mut item {
        map.insert("kind".into(), kind.into());
        map.insert("apiVersion".into(), resource.api_version.as_str().into());
    }
    item
}

pub(super) fn not_found(resource: &Resource, name: &str) -> HttpReply {
    let group = resource.group();
    let kind = if group.is_empty() { resource.plural.clone() } else { format!("{}.{group}", resource.plural) };
    let details = json!({"name": name, "group": group, "kind": resource.plural});
    HttpReply::failure(StatusCode::NOT_FOUND, "NotFound", &format!("{kind} \"{name}\" not found"), &details)
}
