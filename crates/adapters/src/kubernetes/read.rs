use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};

use futures::{StreamExt, TryStreamExt, stream};
use portolan_model::{Answer, Code, Finding, JsonPointer, Object, Ref, ReleaseFact, ReleaseId, Seen, SurveyQuery};

use super::Client;
use super::error::{NOBODY, chain, explain, status};
use super::kinds::{Endpoint, encode, group_versions, is_aggregated, kinds_of};

/// How many requests are under way at once: enough to hide the round trips, few enough not to be throttled.
const AT_ONCE: usize = 8;

/// How many objects a page of a list has.
const PAGE: usize = 500;

impl Client {
    /// The answer to one question.
    ///
    /// # Errors
    /// Where the server cannot be reached or does not accept the user. That the user may not read this one
    /// thing is an answer.
    pub async fn answer(&self, ask: &SurveyQuery) -> Result<Answer, Finding> {
        let answer = match ask {
            SurveyQuery::Server => self.server_answer().await,
            SurveyQuery::List { group, kind, namespace } => self.list_answer(group, kind, namespace).await,
            SurveyQuery::Get(target) => self.get_answer(target).await,
        };
        answer.or_else(|error| match status(&error) {
            // Without credentials one is somebody who may do nothing: that is no answer about rights.
            Some(status) if status.code == 403 && !status.message.contains(NOBODY) => {
                Ok(Answer::Denied(status.message.clone()))
            }
            _ => Err(explain(&error, self.server())),
        })
    }

    /// The answers to questions, in their order; several are under way at once.
    ///
    /// # Errors
    /// As [`Self::answer`], for the first that fails.
    pub async fn answers(&self, asks: &[SurveyQuery]) -> Result<Vec<Answer>, Finding> {
        stream::iter(asks).map(|ask| self.answer(ask)).buffered(AT_ONCE).try_collect().await
    }

    /// Objects, in the order asked. The batch is not atomic.
    pub async fn read(&self, refs: &[Ref]) -> Vec<Seen> {
        stream::iter(refs).map(|target| self.see(target)).buffered(AT_ONCE).collect().await
    }

    /// One object.
    pub async fn see(&self, target: &Ref) -> Seen {
        match self.get_answer(target).await {
            Ok(Answer::Items(mut items)) => items.pop().map_or(Seen::Absent, Seen::There),
            // A kind of somebody else's that the server does not know, it does not have. But each server has
            // Kubernetes' own: what answers so is no API server, and says nothing about the object.
            Ok(_) if target.group().contains('.') => Seen::Absent,
            Ok(_) => Seen::Unreadable(format!("the server says that it has no {}", target.kind())),
            Err(error) => Seen::Unreadable(chain(&error)),
        }
    }

    /// Every PVC of a namespace; one [`Seen::Unreadable`] where they cannot be listed.
    pub async fn claims(&self, namespace: &str) -> Vec<Seen> {
        let kind = "PersistentVolumeClaim";
        match self.list_answer("", kind, namespace).await {
            Ok(Answer::Items(items)) => items.into_iter().map(Seen::There).collect(),
            Ok(_) => vec![Seen::Unreadable(format!("the server says that it has no {kind}"))],
            Err(error) => vec![Seen::Unreadable(chain(&error))],
        }
    }

    /// The records of a release, oldest first; the fields named are left out of the fingerprints.
    ///
    /// # Errors
    /// Where they cannot be read.
    pub async fn releases(
        &self,
        id: &ReleaseId,
        free: &BTreeMap<Ref, Vec<JsonPointer>>,
    ) -> Result<Vec<ReleaseFact>, Finding> {
        let secrets = self.release_secrets(id).await?;
        crate::compat::releases(&secrets, id, free)
    }

    /// The Secrets that hold the records of a release.
    ///
    /// # Errors
    /// Where they cannot be read.
    pub async fn release_secrets(&self, id: &ReleaseId) -> Result<Vec<Object>, Finding> {
        let selector = format!("owner=helm,name={}", id.name);
        self.select("", "Secret", &id.namespace, &selector).await.map_err(|error| match status(&error) {
            Some(status) if status.code == 403 => {
                Finding::blocking(Code::NotVisible, format!("this user may not list the Secrets of {}", id.namespace))
                    .with(status.message.clone())
            }
            _ => explain(&error, self.server()),
        })
    }

    /// The newest record of a release and the documents of its manifest; `None` where there is none, or it cannot be read.
    pub async fn newest(&self, id: &ReleaseId) -> Option<(ReleaseFact, Vec<Object>)> {
        let secrets = self.release_secrets(id).await.ok()?;
        let newest = crate::compat::releases(&secrets, id, &BTreeMap::new()).ok()?.pop()?;
        Some((newest, crate::compat::newest_docs(&secrets, id).unwrap_or_default()))
    }

    /// What helm calls the capabilities of the server: `apps/v1` and, for groups that are not Kubernetes'
    /// own, `route.openshift.io/v1/Route` too.
    ///
    /// # Errors
    /// Where the server cannot be reached.
    pub async fn api_versions(&self) -> Result<Vec<String>, Finding> {
        let about = self.reader.about("/apis").await.map_err(|error| explain(&error, self.server()))?;
        let mut versions = group_versions(&about);
        let foreign: Vec<String> = versions.iter().filter(|version| is_foreign(version)).cloned().collect();
        let mut kinds = kinds_of(&about);
        if !is_aggregated(&about) {
            let lists = stream::iter(&foreign).map(|version| async move {
                // A group whose own server is down is left out, as helm leaves it out.
                kinds_of(&self.reader.about(&format!("/apis/{version}")).await.unwrap_or_default())
            });
            kinds = lists.buffered(AT_ONCE).collect::<Vec<_>>().await.into_iter().flatten().collect();
        }
        kinds.retain(|kind| is_foreign(&kind.api_version));
        versions.push("v1".to_owned());
        versions.extend(kinds.into_iter().map(|kind| format!("{}/{}", kind.api_version, kind.name)));
        versions.sort();
        versions.dedup();
        Ok(versions)
    }

    async fn server_answer(&self) -> Result<Answer, kube::Error> {
        let (version, about) = futures::try_join!(self.reader.about("/version"), self.reader.about("/apis"))?;
        let groups = group_versions(&about).into_iter();
        Ok(Answer::Server {
            version: version["gitVersion"].as_str().unwrap_or_default().into(),
            groups: groups.filter_map(|version| version.split_once('/').map(|(group, _)| group.to_owned())).collect(),
            now: SystemTime::now().duration_since(UNIX_EPOCH).ok().map(|since| since.as_secs()),
        })
    }

    pub(super) async fn list_answer(&self, group: &str, kind: &str, namespace: &str) -> Result<Answer, kube::Error> {
        let Some(endpoint) = self.endpoint(group, kind).await? else {
            return Ok(Answer::NotServed);
        };
        match self.list(&endpoint, namespace, "").await {
            Ok(items) => Ok(Answer::Items(items)),
            // A list of nothing is empty; only a kind that is not there is not found.
            Err(error) if is_missing(&error) => Ok(Answer::NotServed),
            Err(error) => Err(error),
        }
    }

    pub(super) async fn get_answer(&self, target: &Ref) -> Result<Answer, kube::Error> {
        let Some(endpoint) = self.endpoint(target.group(), target.kind()).await? else {
            return Ok(Answer::NotServed);
        };
        let path = endpoint.one(target.namespace(), target.name());
        match self.reader.fetch(&path).await {
            Ok(json) => Ok(Answer::Items(vec![Object::new(json)])),
            Err(error) if is_missing(&error) => {
                // The server names the object that it looked for, if it knows the kind.
                let knows_kind = status(&error)
                    .and_then(|status| status.details.as_ref())
                    .is_some_and(|details| details.name == target.name());
                Ok(if knows_kind { Answer::Items(Vec::new()) } else { Answer::NotServed })
            }
            Err(error) => Err(error),
        }
    }

    /// The objects of a kind that a label selector chooses; none where the server has no such kind.
    pub(super) async fn select(
        &self,
        group: &str,
        kind: &str,
        namespace: &str,
        selector: &str,
    ) -> Result<Vec<Object>, kube::Error> {
        match self.endpoint(group, kind).await? {
            Some(endpoint) => self.list(&endpoint, namespace, selector).await,
            None => Ok(Vec::new()),
        }
    }

    /// All pages of a list. Where the list became too old between two pages it is begun anew, once.
    async fn list(&self, endpoint: &Endpoint, namespace: &str, selector: &str) -> Result<Vec<Object>, kube::Error> {
        let first = self.pages(endpoint, namespace, selector).await;
        match first {
            Err(error) if status(&error).is_some_and(|status| status.code == 410) => {
                self.pages(endpoint, namespace, selector).await
            }
            other => other,
        }
    }

    async fn pages(&self, endpoint: &Endpoint, namespace: &str, selector: &str) -> Result<Vec<Object>, kube::Error> {
        let mut base = format!("{}?limit={PAGE}", endpoint.list(namespace));
        if !selector.is_empty() {
            base.push_str("&labelSelector=");
            base.push_str(&encode(selector));
        }
        let mut items = Vec::new();
        let mut path = base.clone();
        loop {
            let page = self.reader.fetch_page(&path, &endpoint.kind, &endpoint.api_version).await?;
            items.extend(page.items);
            match page.next {
                Some(token) => path = format!("{base}&continue={}", encode(&token)),
                None => return Ok(items),
            }
        }
    }
}

/// Whether a version belongs to a group that is not Kubernetes' own.
fn is_foreign(version: &str) -> bool {
    let group = version.split('/').next().unwrap_or_default();
    group.contains('.') && !group.ends_with(".k8s.io")
}

fn is_missing(error: &kube::Error) -> bool {
    status(error).is_some_and(|status| status.code == 404)
}
