//! What helm renders against the read-only view of a cluster, with real helms.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use portolan_adapters::helm::{self, DryRun};
use portolan_adapters::kubernetes::Client;
use portolan_helm_compat::record;
use portolan_model::{ChartId, ClusterRead, Code, Object, Overlay, Ref, ReleaseId, RenderJob, ValuesMode};
use serde_json::{Value, json};

use crate::helm::{command, helms};
use crate::{admin, changed, namespace, post};

/// A PVC that is there only as long as there is none, one that is named after the revision, and a guard such as database
/// charts have.
const TEMPLATE: &str = r#"
{{- if not (lookup "v1" "PersistentVolumeClaim" .Release.Namespace "guarded") }}
apiVersion: v1
kind: PersistentVolumeClaim
metadata: { name: guarded }
spec: { accessModes: [ReadWriteOnce], resources: { requests: { storage: 1Mi } } }
---
{{- end }}
apiVersion: v1
kind: PersistentVolumeClaim
metadata: { name: data-{{ .Release.Revision }} }
spec: { accessModes: [ReadWriteOnce], resources: { requests: { storage: 1Mi } } }
---
{{- $old := lookup "v1" "Secret" .Release.Namespace "old" }}
{{- if $old }}{{ if not (hasKey $old.data "new-key") }}{{ fail "the Secret old has no new-key" }}{{ end }}{{ end }}
apiVersion: v1
kind: ConfigMap
metadata: { name: seen }
data:
  secrets: {{ range (lookup "v1" "Secret" .Release.Namespace "").items }}{{ .metadata.name }},{{ end }}end
  color: {{ .Values.color | quote }}
  route: {{ .Capabilities.APIVersions.Has "apps/v1/StatefulSet" | quote }}
"#;

fn pack(helm: &Path, folder: &Path) -> Vec<u8> {
    let chart = folder.join("cp");
    std::fs::create_dir_all(chart.join("templates")).expect("a folder");
    for (name, text) in [
        ("Chart.yaml", "apiVersion: v2\nname: cp\nversion: 1.2.3\n"),
        ("values.yaml", "color: none\n"),
        ("templates/all.yaml", TEMPLATE),
    ] {
        std::fs::write(chart.join(name), text).expect("a file");
    }
    let packed = command(helm).args(["package", "cp"]).current_dir(folder).output();
    assert!(packed.expect("helm").status.success());
    std::fs::read(folder.join("cp-1.2.3.tgz")).expect("an archive")
}

/// Installs the chart, with a Secret beside it that a later revision refuses.
async fn installed(client: &Client, program: &Path) -> (String, RenderJob) {
    let namespace = namespace(client).await;
    let folder = tempfile::tempdir().expect("a folder");
    let archive = pack(program, folder.path());
    let done = command(program)
        .args(["install", "rel", "cp-1.2.3.tgz", "-n", &namespace, "--set", "color=red"])
        .current_dir(folder.path())
        .output()
        .expect("helm");
    assert!(done.status.success(), "{done:?}");
    let old = json!({"metadata": {"name": "old"}, "data": {"old-key": "eA=="}});
    post(client, &format!("/api/v1/namespaces/{namespace}/secrets"), old).await;
    let job = RenderJob {
        chart: ChartId { name: "cp".into(), version: semver::Version::new(1, 2, 3) },
        archive: archive.into(),
        release: ReleaseId { namespace: namespace.clone(), name: "rel".into() },
        revision: 2,
        mode: ValuesMode::ResetThenReuse,
        given: json!({}),
        values: json!({}),
        kube_version: String::new(),
        api_versions: Vec::new(),
        overlays: both(Overlay { hidden: BTreeSet::from([Ref::secret(&namespace, "old")]), ..Overlay::default() }),
    };
    (namespace, job)
}

fn both(overlay: Overlay) -> [Overlay; 2] {
    [overlay.clone(), overlay]
}

#[tokio::test]
#[ignore = "needs the rig: cargo xtask test"]
async fn lookups_and_the_revision_are_those_of_the_upgrade() {
    let client = admin().await;
    for program in helms() {
        let (namespace, job) = installed(&client, &program).await;
        let helm = helm::find(Some(&program)).await.expect("a helm");
        let rendering = DryRun::of_cluster(&client).render(&helm, &job).await.expect("a rendering");
        let text = &rendering.first.manifest;
        assert!(!text.contains("name: guarded"), "{text}");
        for line in ["name: data-2", "color: \"red\"", "route: \"true\"", "secrets: sh.helm.release.v1.rel.v1,end"] {
            assert!(text.contains(line), "{line} in {text}");
        }
        let read = |name: Ref| {
            rendering.reads.iter().any(|read| matches!(read, ClusterRead::Object(its, Some(_)) if *its == name))
        };
        assert!(read(Ref::claim(&namespace, "guarded")), "{:?}", rendering.reads);
        assert!(rendering.reads.contains(&ClusterRead::Object(Ref::secret(&namespace, "old"), None)));

        // The same as in a namespace where the Secret is gone.
        let path = format!("/api/v1/namespaces/{namespace}/secrets/old");
        let delete = http::Request::delete(path).body(Vec::new()).expect("a request");
        client.raw().request::<Value>(delete).await.expect("deleted");
        let after = RenderJob { overlays: both(Overlay::default()), ..job };
        let after = DryRun::of_cluster(&client).render(&helm, &after).await.expect("a rendering");
        assert_eq!(after.first.manifest, *text, "helm {}", helm.version());
        // And nothing was written meanwhile.
        let records = client.releases(&after_release(&namespace), &BTreeMap::new()).await.expect("records");
        assert_eq!(records.len(), 1);
    }
}

fn after_release(namespace: &str) -> ReleaseId {
    ReleaseId { namespace: namespace.into(), name: "rel".into() }
}

#[tokio::test]
#[ignore = "needs the rig: cargo xtask test"]
async fn a_later_hop_goes_on_from_the_earlier_one() {
    let client = admin().await;
    for program in helms() {
        let (_, job) = installed(&client, &program).await;
        let helm = helm::find(Some(&program)).await.expect("a helm");
        let dry_run = DryRun::of_cluster(&client);
        let first = RenderJob { given: json!({"color": "blue"}), ..job };
        let rendered = dry_run.render(&helm, &first).await.expect("the first hop");
        let record = rendered.first.record.as_ref().and_then(record::deployed).expect("a record");
        let mut overlay = first.overlays[0].clone();
        overlay.shown.extend(record.name().map(|name| (name, record)));
        let second = RenderJob { revision: 3, given: json!({}), overlays: both(overlay), ..first };
        let text = dry_run.render(&helm, &second).await.expect("the second hop").first.manifest;
        assert!(text.contains("name: data-3") && text.contains("color: \"blue\""), "{text}");
    }
}

#[tokio::test]
#[ignore = "needs the rig: cargo xtask test"]
async fn what_helm_refuses_is_said_in_its_words() {
    let client = admin().await;
    for program in helms() {
        let (namespace, job) = installed(&client, &program).await;
        let helm = helm::find(Some(&program)).await.expect("a helm");
        let dry_run = DryRun::of_cluster(&client);
        let live = RenderJob { overlays: both(Overlay::default()), ..job.clone() };
        let refused = dry_run.render(&helm, &live).await.expect_err("the Secret is there");
        assert_eq!(refused.code, Code::ChartRefuses);
        assert!(refused.evidence.iter().any(|line| line.contains("the Secret old has no new-key")), "{refused:?}");

        let other = RenderJob { revision: 7, ..job.clone() };
        assert_eq!(dry_run.render(&helm, &other).await.expect_err("revision 2").code, Code::Moved);

        let pending = record::encode(&record::ReleaseRecord {
            revision: 2,
            status: portolan_model::ReleaseStatus::PendingUpgrade,
            name: "rel".into(),
            namespace: namespace.clone(),
            chart: job.chart.clone(),
            app_version: String::new(),
            labels: BTreeMap::new(),
            description: String::new(),
            last_deployed: "2026-01-01T00:00:00Z".into(),
            config: json!({}),
            defaults: json!({}),
            manifest: String::new(),
            hooks: Vec::new(),
            apply: portolan_model::ApplyMethod::Client,
        });
        let shown: BTreeMap<Ref, Object> = pending.name().map(|name| (name, pending)).into_iter().collect();
        let pending = RenderJob { overlays: both(Overlay { shown, ..Overlay::default() }), ..job };
        let refused = dry_run.render(&helm, &pending).await.expect_err("an operation is in progress");
        assert!(refused.evidence.iter().any(|line| line.contains("in progress")), "{refused:?}");
    }
}

#[tokio::test]
#[ignore = "needs the rig: cargo xtask test"]
async fn a_right_that_is_missing_is_named() {
    let client = admin().await;
    let folder = tempfile::tempdir().expect("a folder");
    let nobody = changed(folder.path(), |kubeconfig| {
        for user in &mut kubeconfig.auth_infos {
            user.auth_info.get_or_insert_default().impersonate = Some("jdoe".into());
        }
    });
    let nobody = Client::connect(Some(&nobody), None).await.expect("a client");
    for program in helms() {
        let (namespace, job) = installed(&client, &program).await;
        let helm = helm::find(Some(&program)).await.expect("a helm");
        let refused = DryRun::of_cluster(&nobody).render(&helm, &job).await.expect_err("jdoe may do nothing");
        assert_eq!(refused.code, Code::NotVisible, "{refused:?}");
        assert!(refused.found.contains("may not list secrets"), "{}", refused.found);
        assert!(refused.next.contains(&namespace), "{}", refused.next);
    }
}
