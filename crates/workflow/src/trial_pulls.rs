//! `--prepull`: each node pulls the images of a plan, and those of the installed version, before the first write, in pods that run
//! nothing and are removed.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use portolan_adapters::kubernetes::Client;
use portolan_adapters::store::RunStore;
use portolan_inventory::Survey;
use portolan_model::{Answer, Code, Finding, Object, PlanFile, Seen, SurveyQuery, counted};
use portolan_plan::images::trial_pulls::{LABEL, PullState, PulledFor, TrialPods, TrialPulls, pull_states};
use serde::{Deserialize, Serialize};

use crate::stops::Stops;

/// How long all pulls together may take.
const LIMIT: Duration = Duration::from_secs(20 * 60);

/// How long a node may fail to pull an image: it tries again after 10 and after 20 seconds.
const FAILING: Duration = Duration::from_secs(45);

/// The pause between two looks.
const PAUSE: Duration = Duration::from_secs(2);

/// The file of a run that says what its trial found.
const FILE: &str = "prepull.json";

/// What a trial found, as it lies in the run's folder.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TrialReport {
    /// The images that each node has now, in order.
    pub pulled: BTreeMap<String, BTreeSet<String>>,
    /// The images that a node does not have, and what it says: by node, a line each.
    pub failed: BTreeMap<String, Vec<String>>,
    /// The same of images that the installed version alone has.
    #[serde(default)]
    pub failed_installed: BTreeMap<String, Vec<String>>,
    /// What could not be tried, and why: a line each.
    pub left_out: Vec<String>,
    /// Whether all images of the new version were pulled.
    pub complete: bool,
    /// Whether its pods are gone.
    pub removed: bool,
}

impl TrialReport {
    /// What was found, in one line.
    #[must_use]
    pub fn told(&self) -> String {
        let images: BTreeSet<&String> = self.pulled.values().flatten().collect();
        let left_out = match self.left_out.len() {
            0 => String::new(),
            count => format!("; not tried for {}: {}", counted(count, "object"), self.left_out.join("; ")),
        };
        let (images, nodes) = (counted(images.len(), "image"), counted(self.pulled.len(), "node"));
        format!("Pulled before the first write: {images} on {nodes}{left_out}")
    }
}

/// What is tried: a plan, and the survey of what is installed.
#[derive(Clone, Copy)]
pub struct Trial<'a> {
    /// The plan.
    pub file: &'a PlanFile,
    /// What is installed.
    pub survey: &'a Survey,
}

/// Has each node pull the images of a plan and of what is installed, with the accounts and pull Secrets of their pods. The pods are
/// removed whatever comes of it; those that a run before this one left are removed first. The result is in the run's folder.
/// Returned beside it: what is worth a warning.
///
/// # Errors
/// [`Code::CannotPull`] if a node cannot pull an image of the new version, [`Code::TrialStopped`] if it was stopped or has no result,
/// and what the server says. Nothing but these pods was written.
pub async fn trial_pulls(
    client: &Client,
    trial: Trial<'_>,
    store: &RunStore,
    stops: &Stops,
) -> Result<(TrialReport, Vec<Finding>), Finding> {
    let namespaces = namespaces(trial.file);
    remove(client, &namespaces).await?;
    let trial = pods(client, trial).await?;
    let mut report = TrialReport { left_out: trial.left_out.clone(), ..TrialReport::default() };
    write(store, &report)?;
    let mut stops = stops.clone();
    let found = tokio::select! {
        found = pull(client, &namespaces, &trial, &mut report) => found,
        () = stops.asked() => Err(Finding::blocking(Code::TrialStopped, "the trial of pulls was stopped")),
    };
    // A second signal does not keep pods from being removed: each takes a request.
    let left = match remove(client, &namespaces).await {
        Ok(left) if left.is_empty() => None,
        Ok(left) => {
            let found = format!("{} pods of the trial of pulls are still there", left.len());
            Some(left.into_iter().fold(Finding::warning(Code::TrialPodsLeft, found), Finding::with))
        }
        Err(finding) => {
            let found = "the pods of the trial of pulls could not be removed";
            Some(Finding::warning(Code::TrialPodsLeft, found).with(finding.found))
        }
    };
    let by_hand: Vec<String> =
        namespaces.iter().map(|namespace| format!("kubectl delete pods -l {LABEL} -n {namespace}")).collect();
    let left = left.map(|finding| finding.next(by_hand.join("; ")));
    (report.complete, report.removed) = (found.is_ok(), left.is_none());
    write(store, &report)?;
    match (found, left) {
        (Ok(()), left) => {
            let warnings = of_installed(&report).into_iter().chain(left).collect();
            Ok((report, warnings))
        }
        (Err(finding), Some(left)) => Err(left.evidence.into_iter().fold(finding.with(left.found), Finding::with)),
        (Err(finding), None) => Err(finding),
    }
}

/// Removes the pods of a trial that was cut off, if the run's folder says that there was one.
///
/// # Errors
/// What the server says.
pub async fn clear_trial(client: &Client, file: &PlanFile, store: &RunStore) -> Result<(), Finding> {
    let text = fs_err::read(store.folder().join(FILE)).ok();
    let report: Option<TrialReport> = text.and_then(|text| serde_json::from_slice(&text).ok());
    let Some(mut report) = report.filter(|report| !report.removed) else { return Ok(()) };
    report.removed = remove(client, &namespaces(file)).await?.is_empty();
    write(store, &report)
}

/// The namespaces of the plan's releases, where the pods are.
fn namespaces(file: &PlanFile) -> BTreeSet<&str> {
    file.plan.releases().map(|release| release.namespace.as_str()).collect()
}

/// Removes the pods of a trial; the names of those that are still there.
async fn remove(client: &Client, namespaces: &BTreeSet<&str>) -> Result<Vec<String>, Finding> {
    let mut left = Vec::new();
    for namespace in namespaces {
        left.extend(client.remove_pods(namespace, LABEL).await?);
    }
    Ok(left)
}

fn write(store: &RunStore, report: &TrialReport) -> Result<(), Finding> {
    let text = serde_json::to_vec_pretty(report).expect("a report is JSON");
    store.write_file(FILE, &text).map(drop)
}

/// The pods of a plan's trial, for the nodes and accounts that the cluster has now.
async fn pods(client: &Client, trial: Trial<'_>) -> Result<TrialPods, Finding> {
    let mut pulls = TrialPulls::of_plan(trial.file);
    pulls.add_installed(&trial.survey.inventory.release.docs);
    let list = SurveyQuery::List { group: String::new(), kind: "Node".into(), namespace: String::new() };
    let nodes = match client.answer(&list).await? {
        Answer::Items(nodes) => nodes,
        Answer::Denied(why) => {
            let finding = Finding::blocking(Code::TrialStopped, "this user may not list nodes").with(why);
            return Err(finding.next("leave out --prepull, or have a cluster administrator allow to list nodes"));
        }
        Answer::NotServed | Answer::Server { .. } => Vec::new(),
    };
    let asks = pulls.asks();
    let mut exists = BTreeSet::new();
    for (name, seen) in asks.iter().zip(client.read(&asks).await) {
        match seen {
            Seen::There(_) => drop(exists.insert(name.clone())),
            Seen::Absent => {}
            Seen::Unreadable(why) => {
                return Err(Finding::blocking(Code::TrialStopped, format!("{name} cannot be read")).with(why));
            }
        }
    }
    let run = trial.file.plan.digest().short().to_owned();
    let trial = pulls.pods(&nodes, &exists, &run);
    if !trial.pods.iter().any(|pod| PulledFor::of(pod) == PulledFor::NewVersion) {
        let finding = Finding::blocking(Code::TrialStopped, "no pod of the new version can be tried on any node");
        return Err(trial.left_out.into_iter().fold(finding, Finding::with));
    }
    Ok(trial)
}

/// Creates the pods, and looks at them until each image is pulled or refused.
async fn pull(
    client: &Client,
    namespaces: &BTreeSet<&str>,
    trial: &TrialPods,
    report: &mut TrialReport,
) -> Result<(), Finding> {
    for pod in &trial.pods {
        client.create_pod(pod).await?;
    }
    let (begun, mut failing) = (Instant::now(), Failing::default());
    loop {
        let mut pods = Vec::new();
        for namespace in namespaces {
            pods.extend(client.pods_labelled(namespace, LABEL).await?);
        }
        let gone = trial.pods.len().saturating_sub(pods.len());
        if gone > 0 {
            let found = format!("{gone} pods of the trial of pulls are gone: somebody else deleted them");
            return Err(Finding::blocking(Code::TrialStopped, found));
        }
        let (is_over, now) = failing.look(&pods, begun.elapsed());
        (report.pulled, report.failed, report.failed_installed) = (now.pulled, now.failed, now.failed_installed);
        if is_over || begun.elapsed() > LIMIT {
            return judged(report, is_over);
        }
        tokio::time::sleep(PAUSE).await;
    }
}

fn judged(report: &TrialReport, is_over: bool) -> Result<(), Finding> {
    let count: usize = report.failed.values().map(Vec::len).sum();
    if count == 0 {
        return Ok(());
    }
    let (images, nodes) = (counted(count, "image"), counted(report.failed.len(), "node"));
    let found = match is_over {
        true => format!("{images} cannot be pulled on {nodes}"),
        false => format!("{images} not pulled on {nodes} within {} minutes", LIMIT.as_secs() / 60),
    };
    Err(lines(&report.failed).fold(Finding::blocking(Code::CannotPull, found), Finding::with))
}

/// What a node cannot pull of the installed version. The upgrade does not need it; a pod that starts elsewhere before helm has
/// replaced it does, and so does whoever goes back.
fn of_installed(report: &TrialReport) -> Option<Finding> {
    let failed = &report.failed_installed;
    let count: usize = failed.values().map(Vec::len).sum();
    let (images, nodes) = (counted(count, "image"), counted(failed.len(), "node"));
    let found = format!("{images} of the installed version cannot be pulled on {nodes}");
    let finding = Finding::warning(Code::InstalledCannotPull, found).next(
        "make it available in the registry, if pods of the installed version are to start on these nodes, or after a rollback",
    );
    (count > 0).then(|| lines(failed).fold(finding, Finding::with))
}

/// Each with its node in front.
fn lines(failed: &BTreeMap<String, Vec<String>>) -> impl Iterator<Item = String> {
    failed.iter().flat_map(|(node, lines)| lines.iter().map(move |line| format!("{node}: {line}")))
}

/// Since when nodes fail to pull images, by pod and image.
#[derive(Default)]
struct Failing(BTreeMap<(String, String), Duration>);

impl Failing {
    /// What pods say, `elapsed` after they were made; whether nothing more is waited for.
    fn look(&mut self, pods: &[Object], elapsed: Duration) -> (bool, TrialReport) {
        let (mut is_over, mut now) = (true, TrialReport::default());
        for pod in pods {
            let (name, node) = (pod.text("/metadata/name"), pod.text("/spec/nodeName"));
            for (image, state) in pull_states(pod) {
                let key = (name.to_owned(), image.clone());
                let since = match &state {
                    PullState::Failed(_) => Some(*self.0.entry(key).or_insert(elapsed)),
                    _ => {
                        self.0.remove(&key);
                        None
                    }
                };
                let why = match state {
                    PullState::Pulled => {
                        now.pulled.entry(node.to_owned()).or_default().insert(image);
                        continue;
                    }
                    PullState::Refused(why) => why,
                    PullState::Failed(why) => {
                        is_over &= since.is_some_and(|since| elapsed.saturating_sub(since) >= FAILING);
                        why
                    }
                    PullState::Pending(why) => {
                        is_over = false;
                        if why.is_empty() { "the node says nothing yet".to_owned() } else { why }
                    }
                };
                let failed = match PulledFor::of(pod) {
                    PulledFor::NewVersion => &mut now.failed,
                    PulledFor::Installed => &mut now.failed_installed,
                };
                failed.entry(node.to_owned()).or_default().push(format!("{image}: {why}"));
            }
        }
        (is_over, now)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn pod(state: &Value) -> Object {
        Object::new(json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "namespace": "ns"},
            "spec": {"nodeName": "n", "containers": [{"name": "image-0", "image": "h/a:1"}]},
            "status": {"containerStatuses": [{"name": "image-0", "state": state}]}}))
    }

    #[test]
    fn an_image_of_the_installed_version_that_cannot_be_pulled_is_a_warning() {
        let failed = pod(&json!({"waiting": {"reason": "ErrImageNeverPull", "message": "not there"}}));
        let mut failed = (*failed.0).clone();
        failed["metadata"]["labels"] = json!({"portolan-prepull-version": "installed"});
        let failed = Object::new(failed);
        let (is_over, found) = Failing::default().look(&[failed], Duration::from_secs(2));
        assert!(is_over && judged(&found, is_over).is_ok(), "{found:?}");
        let warning = of_installed(&found).expect("a warning");
        assert_eq!(
            (warning.code, warning.evidence),
            (Code::InstalledCannotPull, vec!["n: h/a:1: ErrImageNeverPull not there".into()])
        );
    }

    #[test]
    fn a_pull_that_fails_is_tried_again_before_it_counts() {
        let seconds = Duration::from_secs;
        let failed = pod(&json!({"waiting": {"reason": "ErrImagePull", "message": "no such host"}}));
        let pulled = pod(&json!({"terminated": {"reason": "StartError"}}));
        let mut failing = Failing::default();
        let (is_over, found) = failing.look(std::slice::from_ref(&failed), seconds(2));
        assert!(!is_over && found.failed["n"] == ["h/a:1: ErrImagePull no such host"], "{found:?}");
        // It came after all; a later failure counts anew.
        let (is_over, found) = failing.look(std::slice::from_ref(&pulled), seconds(20));
        assert!(is_over && found.failed.is_empty() && judged(&found, is_over).is_ok());
        assert!(!failing.look(std::slice::from_ref(&failed), seconds(50)).0);
        assert!(!failing.look(std::slice::from_ref(&failed), seconds(94)).0);
        let (is_over, found) = failing.look(std::slice::from_ref(&failed), seconds(95));
        assert!(of_installed(&found).is_none());
        let finding = judged(&found, is_over).expect_err("it cannot be pulled");
        assert_eq!(
            (finding.code, finding.evidence),
            (Code::CannotPull, vec!["n: h/a:1: ErrImagePull no such host".into()])
        );
    }
}
