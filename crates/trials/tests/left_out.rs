//! Steps and values that no rehearsal can judge: left out on the rig, what they are there to prevent is seen.

use portolan_model::{Code, End, Outcome, Verdict};
use portolan_testkit::rig::{Rig, pins};
use portolan_trials::real::{ClusterFixture, Data, Place, past_checks};
use serde_json::json;

const HELM: &str = pins::HELM[1];

#[test]
#[ignore = "needs the rig: cargo xtask test"]
fn without_the_end_of_the_old_ingress_controller_helm_is_refused() {
    const START: &str = "kubernetes-2.8-nginx";
    let place = Place::of(START).expect("the rig");
    let site = ClusterFixture::install(&place.rig, START, HELM).expect("an installation");
    site.write_rows(100).expect("rows are written");
    let watched = site.watched(Data::Database).expect("a bound PVC");
    let (_, file) = site.plan(&["2.20"], &["delete-nginx"]).expect("a plan");
    let (checked, _) = site.apply(&file, &mut |_| {}).expect("a run");
    assert!(matches!(&checked, Outcome::Halted { finding } if finding.code == Code::ServerRefuses), "{checked:?}");
    let (outcome, folder) = site.apply(&past_checks(file), &mut |_| {}).expect("a run");
    let Outcome::Halted { finding } = outcome else { panic!("it ended as {outcome:?}") };
    assert_eq!(finding.code, Code::HelmFailed);
    let said = said(&folder);
    assert!(said.contains("failed calling webhook \"validate.nginx.ingress.kubernetes.io\""), "helm said: {said}");
    assert_eq!(site.protected().expect("the PVC"), watched.protected, "the data is where it was");
}

/// Forbids a second Ingress for a host, as the admission webhook of ingress-nginx does (`checkOverlap` in
/// `internal/ingress/controller/controller.go`, controller 1.11), with the API server's own means: a stand-in for a
/// controller that the rig has not.
fn forbid_second_ingress(rig: &Rig, namespace: &str) {
    let api = rig.api();
    let base = "/apis/admissionregistration.k8s.io/v1";
    let policy = json!({
        "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicy",
        "metadata": {"name": namespace},
        "spec": {
            "paramKind": {"apiVersion": "networking.k8s.io/v1", "kind": "Ingress"},
            "matchConstraints": {"resourceRules": [{
                "apiGroups": ["networking.k8s.io"], "apiVersions": ["v1"], "operations": ["CREATE", "UPDATE"],
                "resources": ["ingresses"],
            }]},
            "validations": [{
                "expression": "object.metadata.name == params.metadata.name || \
                    !object.spec.rules.exists(one, params.spec.rules.exists(other, one.host == other.host))",
                "message": "this host is defined in another ingress already",
            }],
        },
    });
    api.create(&format!("{base}/validatingadmissionpolicies"), &policy).expect("a policy");
    let binding = json!({
        "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicyBinding",
        "metadata": {"name": namespace},
        "spec": {
            "policyName": namespace,
            "validationActions": ["Deny"],
            "paramRef": {"selector": {}, "parameterNotFoundAction": "Allow"},
            "matchResources": {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}}},
        },
    });
    api.create(&format!("{base}/validatingadmissionpolicybindings"), &binding).expect("a binding");
}

/// Waits until a second Ingress for the host of the old one is refused.
fn wait_until_forbidden(rig: &Rig, site: &ClusterFixture<'_>) {
    let path = format!("/apis/networking.k8s.io/v1/namespaces/{}/ingresses", site.space().name());
    let old = site.space().find("apis/networking.k8s.io/v1", "ingresses/runai-backend-ingress").expect("an answer");
    let mut second = old.expect("the old chart's ingress");
    second["metadata"] = json!({"name": "second"});
    site.space()
        .wait("the policy", |_| match rig.api().create(&path, &second) {
            Ok(_) => rig.api().delete(&format!("{path}/second")).map(|_| false),
            Err(error) => {
                anyhow::ensure!(error.to_string().contains("another ingress already"), error);
                Ok(true)
            }
        })
        .expect("it is forbidden");
}

#[test]
#[ignore = "needs the rig: cargo xtask test"]
fn without_the_end_of_the_old_ingress_helm_is_refused() {
    const START: &str = "kubernetes-2.9";
    let place = Place::of(START).expect("the rig");
    for (without, refused) in [(&["delete-ingress"][..], true), (&[], false)] {
        let site = ClusterFixture::install(&place.rig, START, HELM).expect("an installation");
        site.write_rows(100).expect("rows are written");
        let watched = site.watched(Data::Database).expect("a bound PVC");
        forbid_second_ingress(&place.rig, site.space().name());
        wait_until_forbidden(&place.rig, &site);
        let (_, file) = site.plan(&["2.20"], without).expect("a plan");
        let (checked, _) = site.apply(&file, &mut |_| {}).expect("a run");
        if refused {
            assert!(
                matches!(&checked, Outcome::Halted { finding } if finding.code == Code::ServerRefuses),
                "{checked:?}"
            );
            let (outcome, folder) = site.apply(&past_checks(file), &mut |_| {}).expect("a run");
            let Outcome::Halted { finding } = outcome else { panic!("it ended as {outcome:?}") };
            assert_eq!(finding.code, Code::HelmFailed);
            let said = said(&folder);
            assert!(said.contains("this host is defined in another ingress already"), "helm said: {said}");
        } else {
            assert_eq!(checked, Outcome::Finished);
        }
        assert_eq!(site.protected().expect("the PVC"), watched.protected, "the data is where it was");
    }
}

#[test]
#[ignore = "needs the rig: cargo xtask test"]
fn retain_alone_saves_the_disk_when_the_claim_is_deleted_by_hand() {
    let rig = Rig::shared().expect("the rig");
    for (without, verdict) in [(&[][..], Verdict::Detached), (&["retain-volumes"], Verdict::Lost)] {
        let site = ClusterFixture::install(&rig, "openshift-2.11", HELM).expect("an installation");
        site.write_rows(100).expect("rows are written");
        let watched = site.watched(Data::Database).expect("a bound PVC");
        let (_, file) = site.plan(&["2.20"], without).expect("a plan");
        assert_eq!(site.apply(&file, &mut |_| {}).expect("a run").0, Outcome::Finished);
        // The set first: a PVC is not deleted while a pod mounts it.
        let base = format!("/apis/apps/v1/namespaces/{}/statefulsets", site.space().name());
        rig.api().delete(&format!("{base}/runai-backend-postgresql")).expect("the set goes");
        let claim = format!("persistentvolumeclaims/{}", watched.protected.claim.name());
        rig.api().delete(&format!("/api/v1/namespaces/{}/{claim}", site.space().name())).expect("the PVC goes");
        site.space()
            .wait("the end of the PVC", |space| Ok(space.find("api/v1", &claim)?.is_none()))
            .expect("it is gone");
        let seen = site.look(&watched, End::Finished).expect("it grows quiet");
        assert_eq!(seen.verdict, verdict, "without {without:?}");
    }
}

/// What the helms of a run said.
fn said(folder: &std::path::Path) -> String {
    let mut all = String::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.to_string_lossy().contains("helm") {
                all.push_str(&String::from_utf8_lossy(&std::fs::read(path).unwrap_or_default()));
            }
        }
    }
    all
}

#[test]
#[ignore = "needs the rig: cargo xtask test"]
fn without_the_values_of_openshift_the_platform_is_not_reached() {
    let rig = Rig::shared().expect("the rig");
    let mut site = ClusterFixture::install(&rig, "openshift-2.11", HELM).expect("an installation");
    // Without its domain the chart does not render, which the plan says.
    let refused = site.plan(&["2.20"], &["domain"]).expect_err("no plan");
    assert!(refused.to_string().contains("global.domain is needed"), "{refused}");
    // Without the store the metrics are not found, without the platform there is no route: the plan shows both.
    let stores = |site: &mut ClusterFixture<'_>, without: &[&str]| {
        let (_, file) = site.plan(&["2.20"], without).expect("a plan");
        let mut texts = file.objects.values().map(|content| String::from_utf8_lossy(&content.0).into_owned());
        texts.find(|text| text.contains("stores.yaml"))
    };
    let port = "thanos-grpc-port-forwarder:10901";
    assert!(stores(&mut site, &[]).expect("a manifest").contains(port));
    assert!(!stores(&mut site, &["thanos-stores"]).expect("a manifest").contains(port));
    let (_, file) = site.plan(&["2.20"], &["distribution"]).expect("a plan");
    let (outcome, _) = site.apply(&past_checks(file), &mut |_| {}).expect("a run");
    let route = site.space().find("apis/route.openshift.io/v1", "routes/runai-backend").expect("an answer");
    // The chart makes no route then, so nothing waits for one: only somebody who asks for the platform sees that it is gone.
    assert_eq!((route, outcome), (None, Outcome::Finished));
}

#[test]
#[ignore = "needs the rig: cargo xtask test"]
fn without_the_end_of_the_old_secret_there_is_no_plan() {
    let rig = Rig::shared().expect("the rig");
    let site = ClusterFixture::install(&rig, "openshift-2.8", HELM).expect("an installation");
    let refused = site.plan(&["2.20"], &["delete-secret"]).expect_err("the chart does not render");
    assert!(refused.to_string().contains("does not contain the key"), "{refused}");
}
