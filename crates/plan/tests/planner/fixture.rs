//! Small installations and charts, written by hand after the shape of the fixture charts.

use std::collections::BTreeMap;

use portolan_helm_compat::chart::PackedChart;
use portolan_helm_compat::{chart, manifest, redact, values};
use portolan_inventory::survey::Survey;
use portolan_model::{
    ApplyMethod, ChartId, Cluster, Coverage, Digest, Driver, FORMAT, Finding, HelmClient, HelmRun, Inventory, Manifest,
    Mount, Object, Plan, PlanFile, Platform, Ref, Release, ReleaseId, ReleaseStatus, RenderJob, Rendered, Rendering,
    Requests, Scope, ScopeCoverage, SecretKey, Step, StepKind, Uid, UninstallEffect, ValueAnswers, Verdict, Volume,
};
use portolan_plan::Planning;
use portolan_plan::planner::{Limits, Servers, UpgradeRequest};
use portolan_recipe::RecipeSet;
use semver::Version;
use serde_json::{Value, json};

pub(crate) const NS: &str = "runai-backend";
pub(crate) const PASSWORD: &str = "Old-pg-7f3a";

pub(crate) fn id(name: &str, version: &str) -> ChartId {
    ChartId { name: name.into(), version: Version::parse(version).expect("a version") }
}

pub(crate) fn old(version: &str) -> ChartId {
    id("runai-backend", version)
}

pub(crate) fn new(version: &str) -> ChartId {
    id("control-plane", version)
}

pub(crate) fn pick(id: &ChartId) -> PackedChart {
    let text = format!("apiVersion: v2\nname: {}\nversion: {}\n", id.name, id.version);
    let archive = chart::pack(&BTreeMap::from([("Chart.yaml".to_owned(), text.into_bytes())]), &id.name);
    PackedChart { id: id.clone(), digest: Digest::of(&archive), archive }
}

const DATABASE: &str = "runai-backend-postgresql";

/// The container of the database's server.
pub(crate) const SERVER: &str = "name: postgresql, image: 'rig.local/postgres:15', \
    env: [{name: PGDATA, value: /bitnami/postgresql/data}], volumeMounts: [{name: data, mountPath: /bitnami/postgresql}]";

/// What the server says of its version.
pub(crate) const VERSION: &str = "15.18 (Debian 15.18-0+deb12u1)";

fn set(name: &str, service: &str, volumes: &str, more: &str) -> String {
    let container = if name == DATABASE { SERVER } else { "name: c" };
    format!(
        "---\napiVersion: apps/v1\nkind: StatefulSet\nmetadata: {{name: {name}}}\nspec:\n  replicas: 1\n  \
         serviceName: {service}\n  template: {{metadata: {{labels: {{app: {name}}}}}, spec: {{containers: [{{{container}}}]{volumes}}}}}\n{more}"
    )
}

fn template(class: &str) -> String {
    format!(
        "  volumeClaimTemplates:\n  - metadata: {{name: data}}\n    spec: {{resources: {{requests: {{storage: 8Gi}}}}{class}}}\n"
    )
}

fn secret(key: &str, password: &str) -> String {
    format!(
        "---\napiVersion: v1\nkind: Secret\nmetadata: {{name: runai-backend-postgresql}}\nstringData: {{{key}: {password}}}\n"
    )
}

fn route(host: &str) -> String {
    format!(
        "---\napiVersion: route.openshift.io/v1\nkind: Route\nmetadata: {{name: runai-backend}}\nspec: {{host: {host}}}\n"
    )
}

const NAMED: &str = ", volumes: [{name: data, persistentVolumeClaim: {claimName: pvc-postgresql}}]";
const CLAIM: &str = "---\napiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {name: pvc-postgresql}\nspec: {resources: {requests: {storage: 8Gi}}}\n";

/// The charts: what they render with some values, the password being `random` where none is given.
fn chart_of(chart: &ChartId, given: &Value, random: &str) -> String {
    let get = |path: &str| values::get(given, path).and_then(Value::as_str).filter(|text| !text.is_empty());
    if chart.name == "runai-backend" {
        let is_new = chart.version >= Version::new(2, 9, 0);
        let (key, service) = if is_new { ("postgres-password", "-hl") } else { ("postgresql-password", "-headless") };
        return [
            secret(key, get("postgresql.password").unwrap_or(random)),
            CLAIM.to_owned(),
            set("keycloak", &format!("keycloak{service}"), "", ""),
            set("runai-backend-postgresql", &format!("runai-backend-postgresql{service}"), NAMED, ""),
            route(get("deployment.domain").unwrap_or_default()),
        ]
        .concat();
    }
    let database = match get("postgresql.primary.persistence.existingClaim") {
        Some(claim) => {
            let volumes = NAMED.replace("pvc-postgresql", claim);
            set("runai-backend-postgresql", "runai-backend-postgresql-hl", &volumes, "")
        }
        None => set("runai-backend-postgresql", "runai-backend-postgresql-hl", "", &template("")),
    };
    let password = get("global.postgresql.auth.postgresPassword").or(get("postgresql.auth.postgresPassword"));
    let mut all = vec![
        secret("postgres-password", password.unwrap_or(random)),
        set("keycloak", "keycloak-hl", "", ""),
        database,
        format!(
            "---\napiVersion: batch/v1\nkind: Job\nmetadata: {{name: migrate-{}}}\nspec: {{}}\n",
            chart.version.to_string().replace('.', "-")
        ),
        route(get("global.domain").unwrap_or_default()),
        "---\napiVersion: batch/v1\nkind: Job\nmetadata: {name: h, annotations: {helm.sh/hook: post-upgrade}}\n".into(),
    ];
    if chart.version >= Version::new(2, 20, 0) {
        let class = get("redisQueue.class").map_or_else(String::new, |class| format!(", storageClassName: {class}"));
        all.push(set("runai-backend-redis-queue-master", "redis-hl", "", &template(&class)));
    }
    all.concat()
}

pub(crate) fn render(job: &RenderJob) -> [String; 2] {
    ["random-one", "random-two"].map(|random| chart_of(&job.chart, &job.values, random))
}

/// An installation.
pub(crate) struct Fixture {
    pub(crate) inventory: Inventory,
    pub(crate) secrets: BTreeMap<SecretKey, String>,
    pub(crate) book: RecipeSet,
    pub(crate) servers: Servers,
    pub(crate) values: Value,
    pub(crate) answers: ValueAnswers,
    pub(crate) without: Vec<String>,
    pub(crate) accepted: Vec<portolan_model::Accepted>,
    pub(crate) backup: Option<String>,
    /// What else could be chosen.
    pub(crate) offered: Vec<ChartId>,
}

fn uid(name: &Ref) -> Uid {
    Uid::new(&format!("uid-{}-{}", name.kind().to_lowercase(), name.name()))
}

fn live(doc: &Object) -> Object {
    let name = doc.name().expect("a doc has a name");
    let mut json = (*redact::secret_keys_only(doc).0).clone();
    json["metadata"]["uid"] = uid(&name).as_str().into();
    json["metadata"]["labels"] = json!({"app.kubernetes.io/managed-by": "Helm"});
    if name.kind() == "PersistentVolumeClaim" {
        json["spec"]["volumeName"] = "pv-1".into();
    }
    Object::new(json)
}

/// What lives: the documents, the PVC and its volume, the pods of the sets.
fn objects(docs: &[Object], name: &Ref, volume: &Ref) -> BTreeMap<Ref, Object> {
    let mut objects: BTreeMap<Ref, Object> = docs.iter().map(|doc| (doc.name().expect("a name"), live(doc))).collect();
    let mut put = |json: Value| {
        let object = Object::new(json);
        objects.insert(object.name().expect("a name"), object);
    };
    put(json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim",
        "metadata": {"name": name.name(), "namespace": NS, "uid": uid(name)}, "spec": {"volumeName": "pv-1"}}));
    put(json!({"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": "pv-1", "uid": uid(volume)},
        "spec": {"persistentVolumeReclaimPolicy": "Delete", "claimRef": {"uid": uid(name)}}}));
    put(json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "kube-system", "uid": "the-cluster"}}));
    for owner in ["keycloak", "runai-backend-postgresql"] {
        let owner = Ref::set(NS, owner);
        put(
            json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": format!("{}-0", owner.name()), "namespace": NS,
            "ownerReferences": [{"apiVersion": "apps/v1", "kind": "StatefulSet", "name": owner.name(), "uid": uid(&owner)}]}}),
        );
    }
    objects
}

fn database_volume(name: Ref, volume: Ref, in_manifest: bool) -> Volume {
    Volume {
        claim_uid: uid(&name),
        claim: name,
        volume_uid: Some(uid(&volume)),
        volume: Some(volume),
        policy: Some("Delete".into()),
        class: None,
        size: "8Gi".into(),
        keep_live: None,
        keep_stored: None,
        in_manifest,
        terminating: false,
        volume_terminating: false,
        mounts: vec![Mount {
            pod: Ref::pod(NS, "runai-backend-postgresql-0"),
            workload: Some(Ref::set(NS, "runai-backend-postgresql")),
        }],
        if_uninstalled: UninstallEffect { verdict: Verdict::Lost, why: String::new() },
    }
}

fn cluster() -> Cluster {
    Cluster {
        server: "https://api.example.com:6443".into(),
        user: "jdoe".into(),
        uid: Uid::new("the-cluster"),
        version: "v1.27.8".into(),
        platform: Platform::OpenShift { version: "4.14.31".into(), apps_domain: "apps.rig.example.com".into() },
        default_class: Some("standard".into()),
        groups: Vec::new(),
        api_versions: Vec::new(),
    }
}

/// What was installed with a chart and some values; `claim` is the one that the database lies on.
fn installed(chart: &ChartId, config: Value, claim: &str) -> Fixture {
    let text = chart_of(chart, &config, PASSWORD);
    let (docs, _) = manifest::split_hooks(manifest::parse(&text, NS).expect("a manifest"));
    let (name, volume) = (Ref::claim(NS, claim), Ref::volume("pv-1"));
    let objects = objects(&docs, &name, &volume);
    let in_manifest = docs.iter().any(|doc| doc.name().as_ref() == Some(&name));
    let key = docs.iter().find(|doc| redact::is_secret(doc)).map(|doc| doc.data_keys()[0].to_owned()).expect("a key");
    let inventory = Inventory {
        format: FORMAT,
        cluster: cluster(),
        helm: None,
        release: Release {
            id: ReleaseId { namespace: NS.into(), name: NS.into() },
            revision: 7,
            status: ReleaseStatus::Deployed,
            chart: chart.clone(),
            deployed: String::new(),
            driver: Driver::Secret,
            apply: ApplyMethod::Client,
            history: Vec::new(),
            damaged: Vec::new(),
            config,
            docs: docs.iter().map(redact::secret_keys_only).collect(),
            hooks: Vec::new(),
            uninstall_policies: BTreeMap::new(),
            defaults: json!({}),
        },
        volumes: vec![database_volume(name, volume, in_manifest)],
        workloads: Vec::new(),
        hosts: Vec::new(),
        classes: Vec::new(),
        objects,
        coverage: ["PersistentVolumeClaim", "Pod", "StatefulSet", "Deployment", "Secret", "RoleBinding"]
            .map(|kind| (kind, NS))
            .into_iter()
            .chain([("StorageClass", ""), ("ClusterRoleBinding", "")])
            .map(|(kind, namespace)| Scope { kind: kind.into(), namespace: namespace.into() })
            .map(|scope| ScopeCoverage { scope, coverage: Coverage::Complete })
            .collect(),
        requests: Requests::default(),
        taken: None,
    };
    let secret = SecretKey { secret: Ref::secret(NS, "runai-backend-postgresql"), key };
    Fixture {
        inventory,
        secrets: BTreeMap::from([(secret, PASSWORD.to_owned())]),
        book: RecipeSet::builtin(),
        servers: Servers::from([(Ref::pod(NS, "runai-backend-postgresql-0"), Ok(VERSION.to_owned()))]),
        values: json!({}),
        answers: ValueAnswers::default(),
        without: Vec::new(),
        accepted: Vec::new(),
        backup: None,
        offered: ["2.12.1", "2.14.0", "2.17.3", "2.18.2"].map(new).to_vec(),
    }
}

/// What a test makes of a rendering.
pub(crate) type Edit<'a> = dyn Fn(usize, String) -> String + 'a;

fn old_values() -> Value {
    json!({"openshift": true, "deployment": {"domain": "runai.apps.rig.example.com"},
        "backend": {"openshiftIdp": {"firstAdmin": "admin@example.com"}}, "postgresql": {"password": PASSWORD}})
}

fn new_values() -> Value {
    json!({"global": {"domain": "runai.apps.rig.example.com", "config": {"kubernetesDistribution": "openshift"}}})
}

pub(crate) fn at_2_8() -> Fixture {
    installed(&old("2.8.20"), old_values(), "pvc-postgresql")
}

pub(crate) fn at_2_11() -> Fixture {
    installed(&old("2.11.30"), old_values(), "pvc-postgresql")
}

pub(crate) fn at_2_13() -> Fixture {
    let mut config = new_values();
    values::set(&mut config, "postgresql.auth.postgresPassword", PASSWORD.into());
    installed(&new("2.13.19"), config, "data-runai-backend-postgresql-0")
}

pub(crate) fn at_2_13_adopted() -> Fixture {
    let mut config = new_values();
    values::set(&mut config, "postgresql.primary.persistence.existingClaim", "pvc-postgresql".into());
    installed(&new("2.13.19"), config, "pvc-postgresql")
}

pub(crate) fn helm() -> HelmClient {
    HelmClient::Simulated { version: Version::new(3, 14, 4) }
}

impl Fixture {
    pub(crate) fn without(mut self, ids: &[&str]) -> Self {
        self.without = ids.iter().map(|id| (*id).to_owned()).collect();
        self
    }

    pub(crate) fn survey(&self) -> Survey {
        let secrets = self.secrets.iter().map(|(key, text)| (key.clone(), text.clone())).collect();
        Survey::new(self.inventory.clone(), secrets)
    }

    pub(crate) fn request(&self, to: &[ChartId]) -> UpgradeRequest {
        UpgradeRequest {
            to: to.iter().map(pick).collect(),
            offered: self.offered.clone(),
            values: self.values.clone(),
            answers: self.answers.clone(),
            without: self.without.clone(),
            accepted: self.accepted.clone(),
            backup: self.backup.clone(),
            database_ca: None,
            limits: Limits::default(),
        }
    }

    /// Every rendering that is asked for.
    pub(crate) fn jobs(&self, to: &[ChartId]) -> Result<Vec<RenderJob>, Finding> {
        self.planned(to, &|_, text| text).map(|(jobs, _)| jobs)
    }

    pub(crate) fn file(&self, to: &[ChartId]) -> Result<PlanFile, Finding> {
        self.file_of(to, &|_, text| text)
    }

    /// A plan whose charts render something else: `edit` is given the place of the hop and what the chart renders.
    pub(crate) fn file_of(&self, to: &[ChartId], edit: &Edit<'_>) -> Result<PlanFile, Finding> {
        self.planned(to, edit)?.1
    }

    /// A plan to 2.20 whose chart is another archive.
    pub(crate) fn file_with(&self, archive: Vec<u8>, edit: &Edit<'_>) -> Result<PlanFile, Finding> {
        let mut request = self.request(&[new("2.20.41")]);
        request.to[0].archive = archive;
        self.planned_of(&request, edit)?.1
    }

    fn planned(&self, to: &[ChartId], edit: &Edit<'_>) -> Result<(Vec<RenderJob>, Result<PlanFile, Finding>), Finding> {
        self.planned_of(&self.request(to), edit)
    }

    fn planned_of(
        &self,
        request: &UpgradeRequest,
        edit: &Edit<'_>,
    ) -> Result<(Vec<RenderJob>, Result<PlanFile, Finding>), Finding> {
        let (survey, helm) = (self.survey(), self.inventory.helm.clone().unwrap_or_else(helm));
        let mut planning = Planning::new(&survey, &self.book, request, &helm)?;
        let mut jobs = Vec::new();
        while let Some(job) = planning.job() {
            let [first, second] = render(&job).map(|text| Rendered::of_text(edit(jobs.len(), text)));
            planning.rendered(&Rendering { first, second, reads: Vec::new() })?;
            jobs.push(job);
        }
        Ok((jobs, planning.finish(&self.servers)))
    }

    pub(crate) fn plan(&self, to: &[ChartId]) -> Plan {
        self.file(to).expect("it can be planned").plan
    }

    pub(crate) fn refusal(&self, to: &[ChartId]) -> Finding {
        self.file(to).expect_err("it cannot be planned")
    }
}

/// A step in a few words.
pub(crate) fn word(step: &Step) -> String {
    let list = |names: &[Ref]| names.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
    match &step.kind {
        StepKind::CheckObjects { .. } => "check".into(),
        StepKind::RetainVolume { volume, .. } => format!("retain {volume}"),
        StepKind::KeepClaim { claim, .. } => format!("keep {claim}"),
        StepKind::RecordDatabase { database } => format!("record {}", database.pod),
        StepKind::ArchiveObject { objects } => format!("archive {}", list(objects)),
        StepKind::CarryCredentials { carried, .. } => format!("carry {}", carried[0].path),
        StepKind::DeleteObject { target, .. } => format!("delete {target}"),
        StepKind::RestoreObject { target, .. } => format!("restore {target}"),
        StepKind::WaitGone { pods } => {
            format!("wait gone {}", list(&pods.iter().map(|gone| gone.pod.clone()).collect::<Vec<_>>()))
        }
        StepKind::Helm { run, .. } => format!("helm {} on {}", run.chart, run.base_revision.unwrap_or_default()),
        StepKind::WaitReady { workloads } => format!("wait {}", list(workloads)),
        StepKind::VerifyVolume { claim, mounted_by, .. } => format!("verify {claim} in {}", list(mounted_by)),
        StepKind::VerifyDatabase { may_change, .. } => format!("verify database but {}", may_change.join(",")),
    }
}

/// The steps of a hop but the first, which checks the objects.
pub(crate) fn words(plan: &Plan, hop: usize) -> Vec<String> {
    let mut words: Vec<String> = plan.hops[hop].steps.iter().map(word).collect();
    // A plan that only protects has no upgrade to check.
    words.retain(|word| word != "check");
    words
}

pub(crate) fn run(plan: &Plan, hop: usize) -> &HelmRun {
    let runs = plan.hops[hop].steps.iter();
    runs.filter_map(|step| if let StepKind::Helm { run, .. } = &step.kind { Some(&**run) } else { None })
        .next()
        .expect("a hop runs helm")
}

/// An object of a plan's file.
pub(crate) fn object(file: &PlanFile, digest: &Digest) -> Value {
    serde_json::from_slice(&bytes(file, digest)).expect("it is JSON")
}

/// What a run of helm is given.
pub(crate) fn given(file: &PlanFile, run: &HelmRun) -> Value {
    object(file, run.values.as_ref().expect("it is given values"))
}

pub(crate) fn manifest_of(file: &PlanFile, hop: usize) -> Manifest {
    serde_json::from_value(object(file, &run(&file.plan, hop).manifest)).expect("it is a manifest")
}

pub(crate) fn bytes(file: &PlanFile, digest: &Digest) -> Vec<u8> {
    file.objects[digest].0.to_vec()
}
