use std::time::Duration;

use futures::{StreamExt, stream};
use portolan_model::{Cond, HelmToken, Object, Progress, Ref, Reply, Seen, Wait};
use serde_json::Value;
use tokio::time::Instant;

use super::Client;
use super::causes::Causes;

/// The pause between two looks: a sixteenth of the wait so far, so that a short wait stays short and a long one is no
/// burden, and within these.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LAST_PAUSE: Duration = Duration::from_secs(2);

/// The pause where no request is made: whether helm runs is asked of a file.
const LOCAL_PAUSE: Duration = Duration::from_millis(20);

/// How many conditions are looked at at once.
const AT_ONCE: usize = 8;

impl Client {
    /// Waits until every condition holds, or the limit is over. `namespace` is the release's; `helm_lives` says whether the helm
    /// of a token still runs; `on_progress` is told after each look what does not hold yet, and after a while why.
    pub async fn wait(
        &self,
        wait: &Wait,
        namespace: &str,
        helm_lives: &dyn Fn(&HelmToken) -> bool,
        on_progress: &mut dyn FnMut(&[Progress], Duration),
    ) -> Reply {
        let begin = Instant::now();
        let limit = wait.limit;
        let mut open: Vec<&Cond> = wait.until.iter().collect();
        let mut causes = Causes::default();
        loop {
            let mut progress = self.look(&open, helm_lives).await;
            if progress.is_empty() && open.len() < wait.until.len() {
                // They came one after the other: what held then may not hold any more.
                progress = self.look(&wait.until.iter().collect::<Vec<_>>(), helm_lives).await;
            }
            if progress.is_empty() {
                return Reply::Met;
            }
            let elapsed = begin.elapsed();
            causes.explain(self, namespace, &mut progress, elapsed, elapsed >= limit).await;
            on_progress(&progress, elapsed);
            if elapsed >= limit {
                return Reply::TimedOut(progress);
            }
            open = wait.until.iter().filter(|cond| progress.iter().any(|open| open.cond == **cond)).collect();
            let is_local = open.iter().all(|cond| matches!(cond, Cond::HelmEnded(_)));
            let pause = if is_local { LOCAL_PAUSE } else { (elapsed / 16).clamp(FIRST_PAUSE, LAST_PAUSE) };
            tokio::time::sleep(pause.min(limit.saturating_sub(elapsed))).await;
        }
    }

    /// The conditions of a wait that do not hold now, and why, as far as can be told; `namespace` and `helm_lives` are as in
    /// [`Self::wait`].
    pub async fn explain(
        &self,
        wait: &Wait,
        namespace: &str,
        helm_lives: &dyn Fn(&HelmToken) -> bool,
    ) -> Vec<Progress> {
        let mut progress = self.look(&wait.until.iter().collect::<Vec<_>>(), helm_lives).await;
        Causes::default().explain(self, namespace, &mut progress, Duration::ZERO, true).await;
        progress
    }

    /// The conditions that do not hold, with what was seen.
    async fn look(&self, conds: &[&Cond], helm_lives: &dyn Fn(&HelmToken) -> bool) -> Vec<Progress> {
        stream::iter(conds)
            .map(|cond| async move {
                let seen = match cond {
                    Cond::HelmEnded(token) => helm_lives(token).then(|| "helm is running".into()),
                    Cond::Ready(target) => self.unready(target).await,
                    Cond::Gone(gone) => self.there(&gone.target, |object| object.is(&gone.uid)).await,
                    Cond::Ended(orphan) => {
                        self.there(&orphan.pod, |pod| portolan_kube_facts::is_owned_by(pod, &orphan.owner)).await
                    }
                };
                seen.map(|seen| Progress { cond: (*cond).clone(), seen })
            })
            .buffered(AT_ONCE)
            .filter_map(|progress| async { progress })
            .collect()
            .await
    }

    /// How an object is still there; `None` where it is gone, or is not the one that is meant.
    async fn there(&self, target: &Ref, is_meant: impl Fn(&Object) -> bool) -> Option<String> {
        match self.see(target).await {
            Seen::There(object) if is_meant(&object) => Some(still_there(&object)),
            Seen::There(_) | Seen::Absent => None,
            Seen::Unreadable(text) => Some(unreadable(&text)),
        }
    }

    /// What an object lacks to be ready; `None` where it is ready.
    async fn unready(&self, target: &Ref) -> Option<String> {
        let object = match self.see(target).await {
            Seen::There(object) => object,
            Seen::Absent => return Some("is not there".into()),
            Seen::Unreadable(text) => return Some(unreadable(&text)),
        };
        portolan_kube_facts::readiness_of(portolan_kube_facts::Kind::named(target), &object).err()
    }

    /// The pods of a workload; none where they may not be read, for they only explain.
    pub(super) async fn pods_of(&self, workload: &Object) -> Vec<Object> {
        let Some(labels) = workload.at("/spec/selector/matchLabels").and_then(Value::as_object) else {
            return Vec::new();
        };
        let selector: Vec<String> =
            labels.iter().filter_map(|(key, value)| Some(format!("{key}={}", value.as_str()?))).collect();
        let namespace = workload.text("/metadata/namespace");
        self.select("", "Pod", namespace, &selector.join(",")).await.unwrap_or_default()
    }
}

fn still_there(object: &Object) -> String {
    let finalizers: Vec<&str> = object.list("/metadata/finalizers").iter().filter_map(Value::as_str).collect();
    match (object.is_terminating(), finalizers.as_slice()) {
        (false, _) => "is still there".into(),
        (true, []) => "is ending".into(),
        (true, held) => format!("is ending, held by {}", held.join(", ")),
    }
}

fn unreadable(text: &str) -> String {
    format!("cannot be read at the moment: {text}")
}
