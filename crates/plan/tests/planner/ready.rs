//! Workloads that are not ready before the upgrade, or are on their way.

use portolan_model::{Code, Object, Ref, Severity, StepKind};
use serde_json::json;

use crate::fixture::{NS, at_2_13, new};
use crate::taken::{SET, edit, findings, put, said};

#[test]
fn a_set_that_is_being_deleted_is_not_upgraded() {
    let of = |is_going: bool| {
        let mut fixture = at_2_13();
        if is_going {
            edit(&mut fixture, &Ref::set(NS, SET), |json| {
                json["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
            });
        }
        let found = findings(&fixture, "");
        said(&found).into_iter().map(|(code, blocks, _, field)| (code, blocks, field.to_owned())).collect::<Vec<_>>()
    };
    assert_eq!(of(true), [(Code::NotReadyBefore, true, "/metadata/deletionTimestamp".to_owned())]);
    assert_eq!(of(false), []);
}

#[test]
fn a_workload_that_is_not_ready_blocks_only_where_it_would_not_roll() {
    let of = |ready: &str, management: &str| {
        let mut fixture = at_2_13();
        let name = Ref::set(NS, SET);
        fixture.inventory.workloads.push(portolan_model::Workload {
            name: name.clone(),
            ready: ready == "True",
            state: "0 of 1 ready".into(),
        });
        edit(&mut fixture, &name, |json| {
            json["spec"]["podManagementPolicy"] = json!(management);
            json["spec"]["template"]["metadata"]["labels"]["version"] = json!("older");
        });
        fixture.inventory.release.docs.iter_mut().filter(|doc| doc.name().as_ref() == Some(&name)).for_each(|doc| {
            let mut json = (*doc.0).clone();
            json["spec"]["template"]["metadata"]["labels"]["version"] = json!("older");
            *doc = Object::new(json);
        });
        edit(&mut fixture, &Ref::pod(NS, &format!("{SET}-0")), |json| {
            json["status"] =
                json!({"conditions": [{"type": "Ready", "status": ready, "reason": "ContainersNotReady"}]});
        });
        let found = findings(&fixture, "");
        said(&found).into_iter().map(|(code, blocks, object, _)| (code, blocks, object)).collect::<Vec<_>>()
    };
    let name = format!("StatefulSet/{SET}");
    assert_eq!(of("False", "OrderedReady"), [(Code::NotReadyBefore, true, name.clone())]);
    assert_eq!(of("False", "Parallel"), [(Code::NotReadyBefore, false, name)]);
    assert_eq!(of("True", "OrderedReady"), []);
}

#[test]
fn a_pod_that_is_starting_is_said_and_blocks_nothing() {
    let of = |created: &str, waits: &str| {
        let mut fixture = at_2_13();
        let name = Ref::set(NS, SET);
        fixture.inventory.taken = Some(1_795_964_847); // 2026-11-29T15:07:27Z
        let state = "0 of 1 ready".into();
        fixture.inventory.workloads.push(portolan_model::Workload { name: name.clone(), ready: false, state });
        edit(&mut fixture, &name, |json| json["spec"]["template"]["metadata"]["labels"]["version"] = json!("older"));
        fixture.inventory.release.docs.iter_mut().filter(|doc| doc.name().as_ref() == Some(&name)).for_each(|doc| {
            let mut json = (*doc.0).clone();
            json["spec"]["template"]["metadata"]["labels"]["version"] = json!("older");
            *doc = Object::new(json);
        });
        edit(&mut fixture, &Ref::pod(NS, &format!("{SET}-0")), |json| {
            json["metadata"]["creationTimestamp"] = json!(created);
            json["status"] = json!({
                "phase": "Pending", "conditions": [{"type": "Ready", "status": "False"}],
                "containerStatuses": [{"restartCount": 0, "state": {"waiting": {"reason": waits}}}],
            });
        });
        let mut found = findings(&fixture, "").into_iter().filter(|finding| finding.code == Code::NotReadyBefore);
        let finding = found.next().expect("it is not ready");
        (finding.severity == portolan_model::Severity::Blocking, finding.found)
    };
    let (lately, long_ago) = ("2026-11-29T15:07:20Z", "2026-11-29T14:07:20Z");
    assert_eq!(of(lately, "ContainerCreating"), (false, format!("StatefulSet/{SET} is starting: 0 of 1 ready")));
    for (created, waits) in
        [(long_ago, "ContainerCreating"), (lately, "ImagePullBackOff"), (lately, "CrashLoopBackOff")]
    {
        assert!(of(created, waits).0, "{created} {waits}");
    }
}

#[test]
fn a_pod_that_is_ready_between_two_ends_is_not_ready() {
    let of = |taken: Option<u64>| {
        let mut fixture = at_2_13();
        let name = Ref::set(NS, SET);
        fixture.inventory.taken = taken;
        let workload = portolan_model::Workload { name: name.clone(), ready: false, state: "1 of 1 ready, but".into() };
        fixture.inventory.workloads.push(workload);
        edit(&mut fixture, &Ref::pod(NS, &format!("{SET}-0")), |json| {
            json["status"] = json!({
                "conditions": [{"type": "Ready", "status": "True"}],
                "containerStatuses": [{"name": "main", "restartCount": 4,
                    "lastState": {"terminated": {"exitCode": 1, "finishedAt": "2027-01-15T07:59:48Z"}}}],
            });
        });
        edit(&mut fixture, &name, |json| json["spec"]["template"]["metadata"]["labels"]["version"] = json!("older"));
        fixture.inventory.release.docs.iter_mut().filter(|doc| doc.name().as_ref() == Some(&name)).for_each(|doc| {
            let mut json = (*doc.0).clone();
            json["spec"]["template"]["metadata"]["labels"]["version"] = json!("older");
            *doc = Object::new(json);
        });
        let found = findings(&fixture, "").into_iter().filter(|it| it.code == Code::NotReadyBefore);
        found.map(|it| (it.severity, it.evidence)).collect::<Vec<_>>()
    };
    let pod = format!("Pod/{SET}-0: restarted 4 times: main ended 12 s ago with exit code 1");
    let now = of(Some(1_800_000_000));
    assert!(now.len() == 1 && now[0].0 == Severity::Blocking && now[0].1.concat().ends_with(&pod), "{now:?}");
    assert_eq!(
        of(None).len(),
        1,
        "what the survey says of the workload is told, without a pod that would be waited for"
    );
    assert_eq!(of(None)[0].0, Severity::Warning);
}

#[test]
fn a_deployment_that_stays_paused_is_told_and_not_waited_for() {
    let of = |is_live: bool, is_in_chart: bool, template: &str| {
        let mut fixture = at_2_13();
        let json = |paused: bool, version: &str| {
            json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", "namespace": NS, "uid": "uid-web"},
                "spec": {"paused": paused, "template": {"metadata": {"labels": {"version": version}}, "spec": {"containers": []}}}})
        };
        let mut stored = json(false, "old");
        stored["spec"].as_object_mut().expect("a map").remove("paused");
        let name = put(&mut fixture, false, json(is_live, "old"));
        fixture.inventory.release.docs.push(Object::new(stored));
        let paused = if is_in_chart { "paused: true, " } else { "" };
        let doc = format!(
            "---\napiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: web}}\nspec: {{{paused}template: {{metadata: {{labels: \
             {{version: {template}}}}}, spec: {{containers: []}}}}}}\n"
        );
        let file = fixture.file_of(&[new("2.20.41")], &|_, text| text + &doc).expect("it can be planned");
        let waits = file
            .plan
            .steps()
            .any(|step| matches!(&step.kind, StepKind::WaitReady { workloads } if workloads.contains(&name)));
        let found = file.plan.findings.into_iter().find(|it| it.code == Code::NotReadyBefore);
        (found.map(|it| (it.severity, it.field().unwrap_or_default().to_owned())), waits)
    };
    let at = |severity| Some((severity, "/spec/paused".to_owned()));
    assert_eq!(of(true, false, "new"), (at(Severity::Blocking), false));
    assert_eq!(of(false, true, "new"), (at(Severity::Warning), false));
    assert_eq!(of(false, false, "new"), (None, true));
    assert_eq!(of(true, false, "old"), (None, false));
}
