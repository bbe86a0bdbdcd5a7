//! Plans made by hand, carried out with real helms on a real API server, killed after a write and resumed.

use std::collections::BTreeMap;
use std::sync::Arc;

use portolan_adapters::helm;
use portolan_adapters::kubernetes::Client;
use portolan_adapters::store::RunStore;
use portolan_engine::Engine;
use portolan_helm_compat::chart::PackedChart;
use portolan_helm_compat::{manifest, redact, uninstall};
use portolan_model::{
    CheckState, Code, Content, Digest, Event, Finding, HelmClient, JournalRecord, Manifest, Object, Outcome, PlanFile,
    ReleaseId, Reply, Request, canonical,
};
use portolan_testkit::rig::{Namespace, Rig, pins};
use portolan_workflow::{RunDriver, Serve, Stops, Target, check_rules};
use serde_json::{Value, json};
use tokio::runtime::Runtime;

const KEEP: &str = "{helm.sh/resource-policy: keep}";

/// A driver whose process is killed once, after a request was carried out and before anybody hears of it.
struct Killed<'a> {
    driver: &'a mut RunDriver,
    after: &'a dyn Fn(&Request) -> bool,
    is_killed: bool,
}

impl Serve for Killed<'_> {
    async fn serve(
        &mut self,
        engine: &Engine,
        request: Request,
        events: &mut dyn FnMut(&Event),
    ) -> Result<Option<Reply>, Finding> {
        let is_last = !self.is_killed && (self.after)(&request);
        let reply = self.driver.serve(engine, request, events).await?;
        self.is_killed |= is_last;
        Ok(reply.filter(|_| !is_last))
    }
}

/// A place for plans: a namespace on the rig, with a helm.
struct Site<'a> {
    rig: &'a Rig,
    space: Namespace<'a>,
    runtime: Runtime,
    client: HelmClient,
    folder: tempfile::TempDir,
}

impl<'a> Site<'a> {
    fn new(rig: &'a Rig, version: &str) -> Self {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
        let program = rig.helm(version).expect("the helm");
        let client = runtime.block_on(helm::find(Some(&program))).expect("a helm");
        let space = rig.namespace("operations").expect("a namespace");
        Self { rig, space, runtime, client, folder: tempfile::tempdir().expect("a folder") }
    }

    fn release(&self) -> ReleaseId {
        ReleaseId { namespace: self.space.name().into(), name: "small".into() }
    }

    fn object(&self, plural: &str, name: &str) -> Option<Object> {
        self.space.find("api/v1", &format!("{plural}/{name}")).expect("an answer").map(Object::new)
    }

    /// A plan of one hop, with what it refers to.
    fn plan(&self, steps: &[Value], changes: &Value, contents: &[Vec<u8>]) -> PlanFile {
        self.plan_of(&[hop(None, steps, changes)], &[], contents)
    }

    /// A plan of these hops.
    fn plan_of(&self, hops: &[Value], others: &[ReleaseId], contents: &[Vec<u8>]) -> PlanFile {
        let system = self.rig.api().get("/api/v1/namespaces/kube-system").expect("it is there");
        let chart = json!({"name": "small", "version": "1.0.0"});
        let plan = json!({
            "format": portolan_model::FORMAT, "cluster": system["metadata"]["uid"], "server": "", "release": self.release(),
            "other_releases": others, "helm": self.client, "from": chart, "to": chart, "hops": hops, "preconditions": {},
            "volumes": [], "databases": [], "without": [], "accepted": [], "findings": [],
        });
        let content = |bytes: &Vec<u8>| (Digest::of(bytes), Content::new(bytes.clone()));
        PlanFile {
            plan: serde_json::from_value(plan).expect("a plan"),
            objects: contents.iter().map(content).collect(),
            fetched: Vec::new(),
        }
    }

    /// Carries out a plan; its process is killed after a request, and another one goes on. The journal comes with the outcome.
    fn apply(&self, file: &PlanFile, after: &dyn Fn(&Request) -> bool) -> (Outcome, String) {
        let store = || {
            RunStore::create_or_open(self.folder.path(), &file.plan.cluster, &file.plan.release, file).expect("a run")
        };
        let first = self.process(file, store(), Some(after));
        assert_eq!(first, None, "it is killed");
        let outcome = self.process(file, store(), None).expect("nobody kills it");
        let journal = store().folder().join("journal.jsonl");
        (outcome, fs_err::read_to_string(journal).expect("a journal"))
    }

    fn process(&self, file: &PlanFile, store: RunStore, after: Option<&dyn Fn(&Request) -> bool>) -> Option<Outcome> {
        let entries = store.entries().expect("a journal");
        let journal: Vec<JournalRecord> = entries.into_iter().map(|entry| entry.record).collect();
        self.runtime.block_on(async {
            let client = Client::connect(Some(&self.rig.kubeconfig()), None).await.expect("a client");
            let mut driver = RunDriver::new(Target::cluster(client, None), store);
            let mut driver =
                Killed { driver: &mut driver, after: after.unwrap_or(&|_| false), is_killed: after.is_none() };
            let plan = Arc::new(file.plan.clone());
            let (stops, mut events) = (Stops::never(), |_: &Event| {});
            let run = portolan_workflow::apply(&mut driver, &plan, &journal, "a test", &stops, &mut events);
            run.await.expect("the journal is written")
        })
    }
}

/// A hop to the small chart, on another release than the plan's own where one is named.
fn hop(release: Option<&ReleaseId>, steps: &[Value], changes: &Value) -> Value {
    let chart = json!({"name": "small", "version": "1.0.0"});
    json!({
        "release": release, "from": chart, "to": chart, "boundaries": [], "steps": steps, "changes": changes, "new_claims": [],
        "values": [],
    })
}

fn step(id: &str, kind: &Value) -> Value {
    json!({"id": id, "kind": kind, "sources": [{"page": "portolan", "line": null, "boundary": "by hand"}], "why": "", "command": [],
        "undo": "nothing", "limit": 120})
}

/// A chart with a ConfigMap and a PVC with these annotations; what helm stores of it comes with it.
fn chart(annotations: &str) -> (PackedChart, String) {
    let text = format!(
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: small}}\ndata: {{a: b}}\n---\n\
         apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {{name: data, annotations: {annotations}}}\n\
         spec: {{accessModes: [ReadWriteOnce], storageClassName: none, resources: {{requests: {{storage: 1Mi}}}}}}\n"
    );
    let files = [
        ("Chart.yaml", "apiVersion: v2\nname: small\nversion: 1.0.0\n"),
        ("templates/all.yaml", text.as_str()),
        // Helm would make it before any record; a step of its own does.
        (
            "crds/thing.yaml",
            "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {name: no}\n",
        ),
    ];
    let files = files.map(|(name, text)| (name.to_owned(), text.as_bytes().to_vec()));
    (PackedChart::of_files(BTreeMap::from(files)).expect("a chart"), text)
}

/// A run of helm on the small chart. What is given to helm is left out for an uninstall.
fn run(site: &Site<'_>, chart: &PackedChart, text: &str, base: Option<u32>) -> (Value, Vec<u8>) {
    let docs = manifest::parse(text, site.space.name()).expect("a manifest");
    let fingerprint = redact::fingerprint(&docs, &BTreeMap::new());
    let planned = canonical(&Manifest { docs, ..Manifest::default() });
    let given = base.is_none().then(|| (&chart.digest, Digest::of(b"{}")));
    let run = json!({
        "release": site.release(), "base_revision": base, "client": site.client, "chart": chart.id,
        "archive": given.as_ref().map(|(archive, _)| archive), "values": given.as_ref().map(|(_, values)| values),
        "carried": [], "mode": "reset", "manifest": Digest::of(&planned), "docs": fingerprint,
        "nondeterministic_fields": {}, "required_keys": [],
    });
    (run, planned)
}

fn is_spawn(request: &Request) -> bool {
    matches!(request, Request::Spawn(..))
}

#[test]
#[ignore = "needs the rig: cargo xtask test"]
fn a_release_is_installed_and_uninstalled_around_its_pvc() {
    let rig = Rig::shared().expect("the rig");
    for version in pins::HELM {
        let site = Site::new(&rig, version);
        let uninstall = |annotations: &str| {
            let (chart, text) = chart(annotations);
            let (run, planned) = run(&site, &chart, &text, Some(1));
            let kind = json!({"kind": "helm", "op": {"operation": "uninstall", "keep_history": false}, "run": run});
            let changes = uninstall::changes(&text, site.space.name()).expect("a manifest");
            site.plan(&[step("uninstall", &kind)], &json!(changes), &[planned])
        };
        let refused = check_rules(&uninstall("{}")).expect_err("the PVC would go");
        assert_eq!(refused.code, Code::BadPlan);
        assert!(refused.found.ends_with("PersistentVolumeClaim/data goes with it"), "{}", refused.found);

        let (chart, text) = chart(KEEP);
        let (run, planned) = run(&site, &chart, &text, None);
        let kind = json!({"kind": "helm", "op": {"operation": "install"}, "run": run});
        let install =
            site.plan(&[step("install", &kind)], &json!([]), &[chart.archive.clone(), b"{}".to_vec(), planned]);
        assert_eq!(check_rules(&install), Ok(()));
        let (outcome, journal) = site.apply(&install, &is_spawn);
        assert_eq!(outcome, Outcome::Finished, "{version}: {journal}");
        let claim = site.object("persistentvolumeclaims", "data").expect("it is made");
        assert!(site.object("configmaps", "small").is_some(), "{version}");

        let plan = uninstall(KEEP);
        assert_eq!(check_rules(&plan), Ok(()));
        // What the live object says does not count: the stored manifest does.
        let path = format!("/api/v1/namespaces/{}/persistentvolumeclaims/data", site.space.name());
        let off = json!({"metadata": {"annotations": {"helm.sh/resource-policy": null}}});
        rig.api().patch(&path, &off).expect("it is patched");
        let (outcome, journal) = site.apply(&plan, &is_spawn);
        assert_eq!(outcome, Outcome::Finished, "{version}: {journal}");
        let left = site.object("persistentvolumeclaims", "data").expect("it stays");
        assert_eq!((left.uid(), left.is_terminating()), (claim.uid(), false), "{version}");
        assert!(site.object("configmaps", "small").is_none(), "{version}");
        assert!(site.object("secrets", site.release().record(1).name()).is_none(), "{version}");
    }
}

/// Two releases of one name in two namespaces; the run is killed when the second helm has been started.
#[test]
#[ignore = "needs the rig: cargo xtask test"]
fn one_run_installs_two_releases_and_looks_at_both_afterwards() {
    let rig = Rig::shared().expect("the rig");
    let version = pins::HELM.last().expect("a helm");
    let (site, beside) = (Site::new(&rig, version), Site::new(&rig, version));
    let (chart, text) = chart(KEEP);
    let mut contents = vec![chart.archive.clone(), b"{}".to_vec()];
    let hops = [(&site, None), (&beside, Some(beside.release()))].map(|(at, release)| {
        let (run, planned) = run(at, &chart, &text, None);
        contents.push(planned);
        let kind = json!({"kind": "helm", "op": {"operation": "install"}, "run": run});
        hop(release.as_ref(), &[step("install", &kind)], &json!([]))
    });
    let file = site.plan_of(&hops, &[beside.release()], &contents);
    assert_eq!(check_rules(&file), Ok(()));
    let is_second = |request: &Request| matches!(request, Request::Spawn(_, run, _) if run.release == beside.release());
    let (outcome, journal) = site.apply(&file, &is_second);
    assert_eq!(outcome, Outcome::Finished, "{journal}");
    for at in [&site, &beside] {
        assert!(at.object("configmaps", "small").is_some(), "{journal}");
        assert!(at.object("secrets", at.release().record(1).name()).is_some(), "it is installed once: {journal}");
        assert!(at.object("secrets", at.release().record(2).name()).is_none(), "it is installed once: {journal}");
    }
    let left = || {
        let plan = &file.plan;
        let store = RunStore::create_or_open(site.folder.path(), &plan.cluster, &plan.release, &file).expect("a run");
        site.runtime.block_on(async {
            let client = Client::connect(Some(&rig.kubeconfig()), None).await.expect("a client");
            let checks = RunDriver::new(Target::cluster(client, None), store).left(plan).await;
            checks.into_iter().map(|check| check.state).collect::<Vec<_>>()
        })
    };
    assert_eq!(left(), [CheckState::Holds, CheckState::Holds]);
    // Somebody deletes the record of the second one.
    let record = format!("/api/v1/namespaces/{}/secrets/{}", beside.space.name(), beside.release().record(1).name());
    rig.api().delete(&record).expect("it is deleted");
    assert_eq!(left(), [CheckState::Holds], "a release that is gone says nothing, and the other one is looked at");
}
