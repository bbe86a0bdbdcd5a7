use serde_json::json;

use super::*;

fn says(object: Value) -> String {
    match readiness(&Object::new(object)) {
        Ok(_) => "ready".into(),
        Err(text) => text,
    }
}

#[expect(clippy::needless_pass_by_value, reason = "a literal is handed over")]
fn set(status: Value) -> Value {
    json!({
        "kind": "StatefulSet", "metadata": { "generation": 2 },
        "spec": { "replicas": 1, "updateStrategy": { "type": "RollingUpdate" } },
        "status": status,
    })
}

#[test]
fn a_set_is_ready_when_all_its_pods_are_of_the_new_revision() {
    let rolled_out = json!({
        "observedGeneration": 2, "replicas": 1, "readyReplicas": 1, "updatedReplicas": 1,
        "currentRevision": "r2", "updateRevision": "r2",
    });
    assert_eq!(says(set(rolled_out.clone())), "ready");
    let cases = [
        ("observedGeneration", json!(1), "the controller has not seen the change yet"),
        ("updatedReplicas", json!(0), "1 of 1 ready, 0 updated"),
        ("readyReplicas", json!(0), "0 of 1 ready"),
        ("currentRevision", json!("r1"), "1 of 1 ready, the old revision is not gone yet"),
    ];
    for (field, value, text) in cases {
        let mut status = rolled_out.clone();
        status[field] = value;
        assert_eq!(says(set(status)), text);
    }
    let mut waits_for_a_person = set(json!({
        "observedGeneration": 2, "replicas": 1, "readyReplicas": 1, "currentRevision": "r1",
        "updateRevision": "r2",
    }));
    waits_for_a_person["spec"]["updateStrategy"]["type"] = json!("OnDelete");
    assert_eq!(says(waits_for_a_person), "ready");
    let mut asleep = set(json!({ "observedGeneration": 2, "replicas": 0 }));
    asleep["spec"]["replicas"] = json!(0);
    assert_eq!(says(asleep), "ready");
}

#[test]
fn a_deployment_is_ready_when_no_old_pod_is_left() {
    let deployment = |status: Value| {
        json!({
            "kind": "Deployment", "metadata": { "generation": 1 }, "spec": { "replicas": 2 },
            "status": status,
        })
    };
    let rolled_out = json!({
        "observedGeneration": 1, "replicas": 2, "updatedReplicas": 2, "availableReplicas": 2,
    });
    assert_eq!(says(deployment(rolled_out.clone())), "ready");
    let cases = [
        ("updatedReplicas", json!(1), "2 of 2 available, 1 updated"),
        ("replicas", json!(3), "1 old pods are still there"),
        ("availableReplicas", json!(1), "1 of 2 ready"),
    ];
    for (field, value, text) in cases {
        let mut status = rolled_out.clone();
        status[field] = value;
        assert_eq!(says(deployment(status)), text);
    }
    let late = json!({
        "observedGeneration": 1, "replicas": 2, "updatedReplicas": 2, "availableReplicas": 1,
        "unavailableReplicas": 1,
        "conditions": [
            { "type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded" },
        ],
    });
    assert_eq!(says(deployment(late)), "1 of 2 ready (ProgressDeadlineExceeded)");
}

#[test]
fn a_daemon_set_counts_its_nodes() {
    let set = |ready: u64| {
        json!({
            "kind": "DaemonSet", "metadata": { "generation": 1 },
            "status": {
                "observedGeneration": 1, "desiredNumberScheduled": 3, "updatedNumberScheduled": 3,
                "numberReady": ready,
            },
        })
    };
    assert_eq!(says(set(3)), "ready");
    assert_eq!(says(set(2)), "2 of 3 ready");
}

#[test]
fn a_failed_job_says_so() {
    let job = |conditions: Value| json!({ "kind": "Job", "status": { "conditions": conditions } });
    assert_eq!(says(job(json!([{ "type": "Complete", "status": "True" }]))), "ready");
    assert_eq!(
        says(job(json!([{ "type": "Failed", "status": "True", "reason": "BackoffLimitExceeded" }]))),
        "the job failed: BackoffLimitExceeded"
    );
    assert_eq!(says(json!({ "kind": "Job", "status": { "failed": 2 } })), "0 of 1 done, 2 tries failed");
    let suspended = |is: bool| json!({ "kind": "Job", "spec": { "suspend": is } });
    assert_eq!((says(suspended(true)), says(suspended(false))), ("ready".into(), "0 of 1 done".into()));
}

#[test]
fn claims_routes_and_the_rest() {
    let claim = |phase: &str| json!({ "kind": "PersistentVolumeClaim", "status": { "phase": phase } });
    assert_eq!(says(claim("Bound")), "ready");
    assert_eq!(says(claim("Lost")), "phase Lost");
    let route = |statuses: &[&str]| {
        let of = |status: &&str| json!({ "conditions": [{ "type": "Admitted", "status": status, "reason": "HostAlreadyClaimed" }] });
        json!({ "apiVersion": "route.openshift.io/v1", "kind": "Route", "status": { "ingress": statuses.iter().map(of).collect::<Vec<_>>() } })
    };
    assert_eq!(says(route(&["True"])), "ready");
    assert_eq!(says(route(&["False"])), "its router does not admit it: HostAlreadyClaimed");
    assert_eq!(says(route(&["False", "True"])), "ready", "one router is enough");
    assert_eq!(says(json!({ "apiVersion": "networking.k8s.io/v1", "kind": "Ingress" })), "ready");
    assert_eq!(
        says(
            json!({ "apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": { "deletionTimestamp": "2024-01-01T00:00:00Z" } })
        ),
        "is being deleted"
    );
}

#[test]
fn a_pod_says_what_it_is_at() {
    let state = |status: Value| pod_state(&Object::new(json!({ "kind": "Pod", "status": status })));
    assert_eq!(
        state(json!({ "phase": "Pending", "containerStatuses": [
            { "ready": false, "state": { "waiting": { "reason": "ContainerCreating" } } },
        ] })),
        "ContainerCreating"
    );
    assert_eq!(
        state(json!({ "phase": "Pending", "conditions": [
            { "type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/1 nodes" },
        ] })),
        "Unschedulable: 0/1 nodes"
    );
    assert_eq!(
        state(json!({ "phase": "Running", "containerStatuses": [
            { "ready": false, "state": { "running": {} } },
        ] })),
        "running, not ready"
    );
}

#[test]
fn a_pod_says_whether_it_is_ready() {
    let ready = |status: &str| json!([{"type": "Ready", "status": status, "reason": "ContainersNotReady"}]);
    for (status, is, why) in [
        (json!({}), None, "Pending"),
        (json!({"conditions": ready("True")}), Some(true), "ready"),
        (json!({"phase": "Running", "conditions": ready("False")}), Some(false), "running, not ready"),
        (
            json!({"conditions": ready("False"), "containerStatuses": [{"state": {"waiting": {"reason": "CrashLoopBackOff"}}}]}),
            Some(false),
            "CrashLoopBackOff",
        ),
        (
            json!({"phase": "Pending", "conditions": [{"type": "PodScheduled", "status": "False", "reason": "Unschedulable"}]}),
            Some(false),
            "Unschedulable",
        ),
        (json!({"conditions": [{"type": "PodScheduled", "status": "True"}]}), None, "Pending"),
    ] {
        let pod = json!({"kind": "Pod", "status": status});
        assert_eq!((is_ready(&Object::new(pod.clone())), says(pod).as_str()), (is, why), "{status}");
    }
}

#[test]
fn a_pod_that_ends_again_and_again_is_told_while_it_runs() {
    let ended = |at: &str| json!({"terminated": {"exitCode": 1, "finishedAt": at}});
    let lately = |restarts: u64, last: serde_json::Value| {
        let container = json!({"name": "main", "restartCount": restarts, "lastState": last, "state": {"running": {}}});
        restarts_lately(
            &Object::new(json!({"kind": "Pod", "status": {"containerStatuses": [container]}})),
            1_800_000_000,
        )
    };
    let told = |seconds: u64| Some(format!("restarted 3 times: main ended {seconds} s ago with exit code 1"));
    // 1,800,000,000 s after the epoch is 2027-01-15T08:00:00Z.
    assert_eq!(lately(3, ended("2027-01-15T07:59:48Z")), told(12));
    assert_eq!(lately(3, ended("2027-01-15T07:50:01Z")), told(599));
    assert_eq!(lately(3, ended("2027-01-15T07:50:00Z")), None, "it has run for ten minutes since");
    assert_eq!(lately(3, ended("2027-01-15T08:00:30Z")), told(0), "another clock is ahead of ours");
    assert_eq!(lately(1, ended("2027-01-15T07:59:48Z")), None, "once is no loop");
    assert_eq!(lately(3, json!({})), None);
    assert_eq!(lately(3, ended("yesterday")), None);
}

#[test]
fn below_the_partition_the_old_revision_may_stay() {
    let partitioned = |partition: u64, updated: u64, strategy: &str| {
        let mut object = set(json!({
            "observedGeneration": 2, "replicas": 3, "readyReplicas": 3, "updatedReplicas": updated,
            "currentRevision": "r1", "updateRevision": "r2",
        }));
        object["spec"]["replicas"] = json!(3);
        object["spec"]["updateStrategy"] = json!({ "type": strategy, "rollingUpdate": { "partition": partition } });
        says(object)
    };
    assert_eq!(partitioned(2, 1, "RollingUpdate"), "ready");
    assert_eq!(partitioned(2, 0, "RollingUpdate"), "3 of 3 ready, 0 updated");
    assert_eq!(partitioned(5, 0, "RollingUpdate"), "ready");
    assert_eq!(partitioned(0, 3, "RollingUpdate"), "3 of 3 ready, the old revision is not gone yet");
    assert_eq!(partitioned(0, 0, "OnDelete"), "ready");
}

#[test]
fn a_paused_deployment_says_so() {
    let of = |paused: bool| {
        says(json!({"kind": "Deployment", "spec": {"replicas": 1, "paused": paused},
            "status": {"replicas": 1, "availableReplicas": 1}}))
    };
    assert_eq!(of(true), "paused, so that its pods are not replaced: 1 of 1 available, 0 updated");
    assert_eq!(of(false), "1 of 1 available, 0 updated");
}

#[test]
fn a_new_pod_without_a_failure_is_coming() {
    let pod = |created: &str, status: Value| {
        Object::new(json!({"kind": "Pod", "metadata": {"name": "p", "creationTimestamp": created}, "status": status}))
    };
    let now = 1_795_964_847; // 2026-11-29T15:07:27Z
    let (lately, long_ago) = ("2026-11-29T15:07:20Z", "2026-11-29T14:07:20Z");
    let containers = |container: Value| json!({"phase": "Pending", "containerStatuses": [container]});
    let creating = containers(json!({"restartCount": 0, "state": {"waiting": {"reason": "ContainerCreating"}}}));
    let running = json!({"phase": "Running", "containerStatuses": [{"restartCount": 0, "state": {"running": {}}}]});
    for status in [&creating, &running, &json!({}), &json!({"phase": "Pending"})] {
        assert_eq!(super::is_coming(&pod(lately, status.clone()), now), Some("is starting"), "{status}");
        assert_eq!(super::is_coming(&pod(long_ago, status.clone()), now), None, "{status}");
        assert_eq!(super::is_coming(&pod("", status.clone()), now), None, "{status}");
    }
    for status in [
        containers(json!({"restartCount": 0, "state": {"waiting": {"reason": "ImagePullBackOff"}}})),
        containers(json!({"restartCount": 1, "state": {"running": {}}})),
        containers(json!({"restartCount": 0, "state": {"terminated": {"exitCode": 1}}})),
        containers(json!({"restartCount": 0, "state": {"waiting": {"reason": "CreateContainerConfigError"}}})),
        json!({"phase": "Pending", "conditions": [{"type": "PodScheduled", "status": "False", "reason": "Unschedulable"}]}),
        json!({"phase": "Failed"}),
    ] {
        assert_eq!(super::is_coming(&pod(lately, status.clone()), now), None, "{status}");
    }
    let mut ending = pod(long_ago, running);
    let gone = |at: &str| {
        Object::new({
            let mut json = (*ending.0).clone();
            json["metadata"]["deletionTimestamp"] = at.into();
            json
        })
    };
    assert_eq!(super::is_coming(&gone(lately), now), Some("is being replaced"));
    ending = gone(long_ago);
    assert_eq!(super::is_coming(&ending, now), None);
}
