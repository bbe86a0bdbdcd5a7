//! Rendering as the real upgrade will: `helm upgrade --dry-run=server` against a read-only view of the cluster.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use portolan_helm_compat::{clock, values};
use portolan_inventory::credential::told;
use portolan_model::{
    Code, Coverage, Finding, HelmClient, Inventory, Overlay, Ref, RenderJob, Rendered, Rendering, Scope,
};
use serde_json::{Value, json};

use super::Home;
use super::proxy::Proxy;
use super::simulated::Simulated;
use super::view::{IsAbsent, Upstream, Versions, View};
use crate::kubernetes::Client;

/// How long a rendering may take. The largest charts take seconds.
const LIMIT: Duration = Duration::from_secs(180);

/// Renders charts as a release's next revisions. What one rendering asked the API server, the next does not ask again.
pub struct DryRun {
    upstream: Arc<Upstream>,
}

impl DryRun {
    /// Against a cluster, with the rights of the client's user. Nothing is sent yet.
    #[must_use]
    pub fn of_cluster(client: &Client) -> Self {
        Self::of(client, Box::new(|_| false))
    }

    /// Against a cluster that was surveyed just now: what was not found there, the server is not asked for again.
    #[must_use]
    pub fn of_surveyed(client: &Client, found: &Inventory) -> Self {
        let objects: BTreeSet<Ref> = found.objects.keys().cloned().collect();
        let listed = found.coverage.iter().filter(|one| one.coverage == Coverage::Complete);
        let listed: BTreeSet<Scope> = listed.map(|one| one.scope.clone()).collect();
        let is_absent = move |name: &Ref| {
            let scope = Scope { kind: name.kind().into(), namespace: name.namespace().into() };
            // A scope has no group: only of a kind that no two groups have is anything concluded.
            name.kind() != "Ingress" && listed.contains(&scope) && !objects.contains(name)
        };
        Self::of(client, Box::new(is_absent))
    }

    /// Against a simulated installation, whose objects these are, for one rendering.
    #[must_use]
    pub fn of_simulated(found: &Inventory, job: &RenderJob) -> Self {
        let simulated = Simulated::new(found, job);
        let ask = move |path: String, _| {
            let answer = simulated.answer(&path);
            Box::pin(async move { Ok(answer) }) as _
        };
        Self { upstream: Arc::new(Upstream::new(Box::new(ask), Box::new(|_| false))) }
    }

    fn of(client: &Client, is_absent: Box<IsAbsent>) -> Self {
        let reader = client.reader();
        let ask = move |path: String, accept: String| {
            let reader = reader.clone();
            Box::pin(async move { reader.pass_on(&path, &accept).await.map_err(|error| error.to_string()) }) as _
        };
        Self { upstream: Arc::new(Upstream::new(Box::new(ask), is_absent)) }
    }

    /// Renders twice, side by side.
    ///
    /// # Errors
    /// [`Code::ChartRefuses`] with helm's own words where the chart does not render; [`Code::NotVisible`] where this user may not
    /// read what helm has to; [`Code::Unreachable`]; [`Code::Moved`] where the release has another revision by now.
    pub async fn render(&self, helm: &HelmClient, job: &RenderJob) -> Result<Rendering, Finding> {
        let [first, second] = job.overlays.each_ref();
        let ((first, reads), (second, _)) = tokio::try_join!(
            self.once(helm, job, (first, Versions::Today)),
            self.once(helm, job, (second, Versions::Other))
        )?;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        Ok(Rendering { first, second: later(second, now), reads })
    }

    /// Renders once, as the first of the two. What is random in it is not known.
    ///
    /// # Errors
    /// As [`Self::render`].
    pub async fn render_once(&self, helm: &HelmClient, job: &RenderJob) -> Result<Rendered, Finding> {
        self.once(helm, job, (&job.overlays[0], Versions::Today)).await.map(|(rendered, _)| rendered)
    }

    async fn once(
        &self,
        helm: &HelmClient,
        job: &RenderJob,
        (overlay, versions): (&Overlay, Versions),
    ) -> Result<(Rendered, Vec<portolan_model::ClusterRead>), Finding> {
        let home = Home::new(helm, "a rendering")?;
        let view = Arc::new(View::new(self.upstream.clone(), overlay.clone(), versions));
        let proxy = Proxy::start(view.clone()).await.map_err(|error| {
            Finding::blocking(Code::StateFolder, "there is no port on 127.0.0.1 for helm to read the cluster through")
                .with(error.to_string())
        })?;
        home.write("kubeconfig", kubeconfig(proxy.address()).to_string().as_bytes())?;
        let chart = home.write("chart.tgz", &job.archive)?;
        let values = home.write("values.yaml", crate::compat::values_file(&job.given).as_bytes())?;
        let output = home
            .run(crate::compat::dry_run_argv(job, &chart, &values), None, LIMIT)
            .await?
            .ok_or_else(|| refuses("helm did not end").with(format!("it was given {} s", LIMIT.as_secs())))?;
        if !output.status.success() {
            return Err(self.explain(&view, &evidence(&String::from_utf8_lossy(&output.stderr), home.root())));
        }
        Ok((read(&output.stdout, job)?, view.reads()))
    }

    /// Why helm did not render.
    fn explain(&self, view: &View, said: &[String]) -> Finding {
        let all = |finding: Finding| said.iter().cloned().fold(finding, Finding::with);
        if let Some(refused) = view.refused().first() {
            let found = format!("helm asked for {refused} while it rendered");
            return all(Finding::blocking(Code::BadPlan, found)
                .why("a rendering only reads; it was refused, and nothing was written")
                .next("report it with the version of helm"));
        }
        if let Some(finding) = super::foreign::owner(said) {
            return finding;
        }
        let denied = self.upstream.denied();
        // A right that is missing matters only where helm stopped at it.
        if let Some(message) = denied.iter().find(|message| said.iter().any(|line| line.contains(*message))) {
            return all(not_allowed(message));
        }
        if let Some(error) = self.upstream.failed() {
            return all(
                Finding::blocking(Code::Unreachable, "the API server did not answer what helm asked").with(error)
            );
        }
        if said.iter().any(|line| names_stored_manifest(line)) {
            return all(stored_manifest());
        }
        if said.iter().any(|line| names_heading(line)) {
            return all(heading_refused());
        }
        all(refuses("helm does not render the chart"))
    }
}

/// Whether the chart's schema refuses the heading of `helm get values`, which is among the saved values.
fn names_heading(line: &str) -> bool {
    line.contains(values::HEADING.trim_end_matches(':'))
}

fn heading_refused() -> Finding {
    refuses("the chart's schema refuses a key that only the heading of helm get values made")
        .why("a file that begins with that line was given to helm once, and helm keeps it in every later revision")
        .next(
            "save the values with `helm get values RELEASE -o yaml`, delete the line `USER-SUPPLIED VALUES: null`, and upgrade to the \
             chart of today with --reset-values and that file; then plan again",
        )
}

/// Whether helm cannot read the manifest of today: it names a kind or version that the API server no longer has (`performUpgrade` in
/// `pkg/action/upgrade.go`, helm 3.14.4 to 4.3.1).
fn names_stored_manifest(line: &str) -> bool {
    line.contains("current release manifest")
}

fn stored_manifest() -> Finding {
    refuses("helm cannot read the manifest of the installed release")
        .why("it has objects in an API version that this Kubernetes no longer serves; helm refuses every upgrade, whatever the chart and values")
        .next(
            "rewrite the API versions in the release's newest record, as the helm plugin mapkubeapis does (helm's documentation, \
             \"Deprecated Kubernetes APIs\"), then plan again",
        )
}

/// A message of the API server's such as `secrets is forbidden: User "u" cannot list resource "secrets" in API group "" in the
/// namespace "n"`.
fn not_allowed(message: &str) -> Finding {
    let right = message.split_once(" cannot ").map_or(message, |(_, right)| right);
    let mut words = right.split('"');
    let verb = words.next().and_then(|verb| verb.split(' ').next()).unwrap_or_default();
    let resource = words.next().unwrap_or_default();
    Finding::blocking(
        Code::NotVisible,
        format!("this user may not {verb} {resource}, which helm reads to render the chart"),
    )
    .why("helm lists the Secrets of the release's namespace and reads each object that it will create")
    .next(format!("ask for the right to {right}"))
}

/// A rendering as helm would make it at another time: both were made within a second or two, and the real upgrade comes later.
fn later(rendered: Rendered, now: u64) -> Rendered {
    let later = |text: &String| clock::at_another_time(text, now);
    Rendered { manifest: later(&rendered.manifest), hooks: rendered.hooks.iter().map(later).collect(), ..rendered }
}

fn kubeconfig(server: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "view",
        "clusters": [{"name": "view", "cluster": {"server": server}}],
        "users": [{"name": "view", "user": {}}],
        "contexts": [{"name": "view", "context": {"cluster": "view", "user": "view"}}],
    })
}

/// What helm printed.
fn read(stdout: &[u8], job: &RenderJob) -> Result<Rendered, Finding> {
    let unusable = |what: &str| refuses("helm does not print the release that it would make").with(what);
    let record: Value = serde_json::from_slice(stdout).map_err(|error| unusable(&error.to_string()))?;
    let revision = record["version"].as_u64().ok_or_else(|| unusable("it has no version"))?;
    if revision != u64::from(job.revision) {
        let found =
            format!("helm would make revision {revision} of release {}, not {}", job.release.name, job.revision);
        return Err(Finding::blocking(Code::Moved, found).next("make the plan again"));
    }
    // A manifest without objects is left out (`json:"manifest,omitempty"` in `pkg/release/release.go`, helm 3.14.4 to 3.22.0).
    let manifest = record["manifest"].as_str().unwrap_or_default().to_owned();
    let hooks = record["hooks"].as_array().into_iter().flatten();
    let hooks = hooks.filter_map(|hook| hook["manifest"].as_str().map(str::to_owned)).collect();
    Ok(Rendered { manifest, hooks, record: Some(record) })
}

fn refuses(found: &str) -> Finding {
    Finding::blocking(Code::ChartRefuses, found)
}

/// What helm said, without its advice and without a folder that is gone by the time it is read.
fn evidence(said: &str, scratch: &Path) -> Vec<String> {
    let scratch = format!("{}/", scratch.display());
    told(said)
        .lines()
        .map(|line| line.trim_end().replace(&scratch, ""))
        .map(|line| line.strip_prefix("Error: ").map(str::to_owned).unwrap_or(line))
        .filter(|line| !line.trim().is_empty() && !line.starts_with("Use --debug flag"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_helm_said_is_told_without_its_advice() {
        let said = "Error: values don't meet the specifications of the schema(s):\nx: y in /s/values.yaml\n\n\
                    Use --debug flag to render out invalid YAML\n";
        assert_eq!(
            evidence(said, Path::new("/s")),
            ["values don't meet the specifications of the schema(s):", "x: y in values.yaml"]
        );
    }

    #[test]
    fn a_stored_manifest_of_an_old_api_is_no_fault_of_the_values() {
        let said = "UPGRADE FAILED: unable to build kubernetes objects from current release manifest: resource mapping not found for \
                    name: \"a\": no matches for kind \"PodDisruptionBudget\" in version \"policy/v1beta1\"";
        assert!(names_stored_manifest(said) && stored_manifest().next.contains("mapkubeapis"));
        assert!(!names_stored_manifest(
            "unable to build kubernetes objects from new release manifest: no matches for kind"
        ));
    }

    #[test]
    fn a_heading_that_a_schema_refuses_is_named() {
        for said in [
            "(root): Additional property USER-SUPPLIED VALUES is not allowed",
            "at '': additional properties 'USER-SUPPLIED VALUES' not allowed",
        ] {
            assert!(names_heading(said), "{said}");
        }
        assert!(!names_heading("(root): Additional property values is not allowed"));
        assert!(heading_refused().next.contains("--reset-values"));
    }

    #[test]
    fn a_missing_right_is_named() {
        let message = "secrets is forbidden: User \"u\" cannot list resource \"secrets\" in API group \"\" in the namespace \"n\"";
        let finding = not_allowed(message);
        assert_eq!(finding.code, Code::NotVisible);
        assert!(finding.found.contains("may not list secrets"), "{}", finding.found);
        assert!(finding.next.ends_with("list resource \"secrets\" in API group \"\" in the namespace \"n\""));
    }
}
