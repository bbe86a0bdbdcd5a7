//! What the writes of a hop come to together.

use super::*;

fn quota(hard: &str, used: &str) -> String {
    format!(
        "apiVersion: v1\nkind: ResourceQuota\nmetadata: {{name: q}}\nstatus: {{hard: {{{hard}}}, used: {{{used}}}}}\n---\n"
    )
}

fn claim(name: &str, class: &str) -> String {
    format!(
        "apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {{name: {name}}}\n\
         spec: {{{class}resources: {{requests: {{storage: 1Gi}}}}}}\n---\n"
    )
}

fn web(replicas: u8) -> String {
    let spec = "{containers: [{name: a, image: i, resources: {requests: {memory: 64Mi}, limits: {cpu: 1}}}]}";
    deployment("web", spec).replace("spec: {template", &format!("spec: {{replicas: {replicas}, template"))
}

/// The object that goes over.
fn over(live: &str, stored: &str, planned: &str) -> Option<String> {
    let found = Case::new(stored, live, planned).run().1;
    assert!(found.len() < 2 && found.iter().all(|finding| finding.code == Code::ServerRefuses), "{found:?}");
    found.first().and_then(|finding| finding.object()).map(Ref::full)
}

#[test]
fn all_writes_together_have_to_fit_a_quota() {
    let set = "apiVersion: apps/v1\nkind: StatefulSet\nmetadata: {name: s}\nspec: {replicas: 2, template: {spec: {containers: []}}, \
               volumeClaimTemplates: [{metadata: {name: d}, spec: {resources: {requests: {storage: 1Gi}}}}]}\n---\n";
    let port = "apiVersion: v1\nkind: Service\nmetadata: {name: p}\nspec: {type: NodePort, ports: [{port: 80}, {port: 81}]}\n---\n";
    let (maps, web3) = (map("a", "1") + &map("b", "1"), web(3));
    let claims = claim("a", "") + &claim("b", "");
    let fast = claim("a", "storageClassName: fast, ") + &claim("b", "storageClassName: fast, ");
    let cases: [(&str, &str, &str, &str, &str); 12] = [
        ("count/configmaps", "3", "2", &maps, "ConfigMap/n/b"),
        ("configmaps", "2", "1", &maps, "ConfigMap/n/b"),
        ("requests.storage", "2Gi", "1Gi", &claims, "PersistentVolumeClaim/n/b"),
        ("fast.storageclass.storage.k8s.io/requests.storage", "2Gi", "1Gi", &fast, "PersistentVolumeClaim/n/b"),
        ("fast.storageclass.storage.k8s.io/persistentvolumeclaims", "2", "1", &fast, "PersistentVolumeClaim/n/b"),
        ("persistentvolumeclaims", "2", "1", set, "StatefulSet.apps/n/s"),
        ("requests.storage", "2Gi", "1Gi", set, "StatefulSet.apps/n/s"),
        ("services.nodeports", "2", "1", port, "Service/n/p"),
        ("pods", "3", "1", &web3, DEPLOYMENT),
        ("requests.memory", "256Mi", "65Mi", &web3, DEPLOYMENT),
        ("limits.cpu", "3", "1m", &web3, DEPLOYMENT),
        ("secrets", "1", "1", "", "ResourceQuota/n/q"),
    ];
    for (key, hard, used, planned, object) in cases {
        let class = "apiVersion: storage.k8s.io/v1\nkind: StorageClass\nmetadata: {name: fast}\n";
        let at = |used: &str| over(&(quota(&format!("{key}: {hard}"), &format!("{key}: {used}")) + class), "", planned);
        assert_eq!(at(used).as_deref(), Some(object), "{key}");
        assert_eq!(at("0"), None, "{key}");
    }
}

#[test]
fn what_is_there_or_ends_is_not_counted_again() {
    let full = quota(
        "pods: 1, count/configmaps: 1, count/deployments.apps: 1",
        "pods: 1, count/configmaps: 1, count/deployments.apps: 1",
    );
    let live = |text: &str| full.clone() + &text.replacen("metadata: {", &format!("metadata: {{{MARKS}, "), 1);
    assert_eq!(over(&live(&web(1)), &web(1), &web(1)), None);
    assert_eq!(over(&live(&web(1)), &web(1), &web(2)).as_deref(), Some(DEPLOYMENT));
    // The pods of a Deployment that goes leave room for those of another one.
    let renamed = "apiVersion: v1\nkind: ReplicationController\nmetadata: {name: x}\nspec: {template: {spec: {containers: []}}}\n";
    assert_eq!(over(&live(&web(1)), &web(1), renamed), None);
    assert_eq!(over(&full, "", renamed).as_deref(), Some("ReplicationController/n/x"));
    // Helm deletes what it drops last.
    let gone = Case::new(&map("a", "1"), &live(&live_map("a", "1")), &map("b", "1"));
    assert_eq!(gone.found(), blocks(Code::ServerRefuses, "ConfigMap/n/b", "/metadata/name"));
    let deleted = || Case::new(&map("a", "1"), &live(&live_map("a", "1")), &map("a", "2"));
    assert_eq!(deleted().deletes(&["ConfigMap/n/a"]).found(), []);
    // A scoped quota counts some pods alone; a later hop is asked at its time; the oldest record makes room for the new one.
    let scoped = full.replace("status:", "spec: {scopes: [BestEffort]}\nstatus:");
    assert_eq!(over(&scoped, "", &map("b", "1")), None);
    assert_eq!(Case::new("", &full, &map("b", "1")).with(|writes| writes.is_next = false).found(), []);
    let records = |count: usize| {
        Case::new("", &quota("secrets: 9", "secrets: 9"), "").with(|writes| writes.records = count).found().len()
    };
    assert_eq!((records(9), records(10)), (1, 0));
}

#[test]
fn a_quota_of_the_chart_counts_objects_too() {
    let own = |hard: &str| {
        format!("apiVersion: v1\nkind: ResourceQuota\nmetadata: {{name: q}}\nspec: {{hard: {{{hard}}}}}\n---\n")
    };
    let cases = [
        ("persistentvolumeclaims", claim("a", ""), claim("b", "")),
        ("count/configmaps", live_map("a", "1"), map("b", "1")),
    ];
    for (key, live, new) in cases {
        let found =
            |limit: u8| over(&live, "", &(own(&format!("{key}: {limit}")) + &new)).map(|name| name.ends_with("/b"));
        assert_eq!((found(1), found(2)), (Some(true), None), "{key}");
    }
    let raised = |limit: u8| {
        let live = quota("count/configmaps: 1", "count/configmaps: 1");
        let planned = own(&format!("count/configmaps: {limit}")) + &map("b", "1");
        over(&live, &own("count/configmaps: 1"), &planned)
    };
    assert_eq!((raised(1).as_deref(), raised(2)), (Some("ConfigMap/n/b"), None));
}

#[test]
fn hooks_take_of_a_quota_while_they_are_there() {
    let found = |policy: &str| {
        let hook = map("h", "1")
            .replace("{name: h}", &format!("{{name: h, annotations: {{helm.sh/hook: pre-upgrade{policy}}}}}"));
        Case::new("", &quota("configmaps: 2", "configmaps: 1"), &map("b", "1")).hooks(&hook).found().len()
    };
    assert_eq!((found(""), found(", helm.sh/hook-delete-policy: hook-succeeded")), (1, 0));
}

/// A quota with scopes, full for one pod more.
fn scoped(spec: &str, key: &str, hard: &str, used: &str) -> String {
    quota(&format!("{key}: {hard}"), &format!("{key}: {used}"))
        .replace("\nstatus:", &format!("\nspec: {{{spec}}}\nstatus:"))
}

fn pod(spec: &str) -> String {
    deployment("web", spec)
}

#[test]
fn a_quota_with_scopes_counts_the_pods_in_them() {
    let in_class = "scopeSelector: {matchExpressions: [{scopeName: PriorityClass, operator: In, values: [high]}]}";
    let plain = "{containers: [{name: a, image: i}]}";
    let asks = "{containers: [{name: a, image: i, resources: {requests: {cpu: 1}}}]}";
    let high = "{priorityClassName: high, containers: [{name: a, image: i}]}";
    let limited = "{activeDeadlineSeconds: 9, containers: [{name: a, image: i}]}";
    let class = "apiVersion: scheduling.k8s.io/v1\nkind: PriorityClass\nmetadata: {name: high}\nvalue: 1\n---\n";
    for (spec, counted, other) in [
        ("scopes: [BestEffort]", plain, asks),
        ("scopes: [NotBestEffort]", asks, plain),
        ("scopes: [Terminating]", limited, plain),
        ("scopes: [NotTerminating]", plain, limited),
        (in_class, high, plain),
        (&in_class.replace("In, values: [high]", "DoesNotExist"), plain, high),
    ] {
        let found = |pods: &str| over(&(scoped(spec, "pods", "1", "1") + class), "", &pod(pods));
        assert_eq!(found(counted).as_deref(), Some(DEPLOYMENT), "{spec}");
        assert_eq!(found(other), None, "{spec}");
    }
}

#[test]
fn init_containers_sidecars_and_ranges_are_counted() {
    let memory = |size: &str| format!("resources: {{requests: {{memory: {size}}}}}");
    let (main, init) = (memory("64Mi"), memory("128Mi"));
    let spec = format!(
        "{{initContainers: [{{name: side, image: i, restartPolicy: Always, {main}}}, {{name: first, image: i, {init}}}], \
         containers: [{{name: a, image: i, {main}}}]}}"
    );
    let found = |hard: &str, spec: &str, more: &str| {
        over(&(quota(&format!("requests.memory: {hard}"), "requests.memory: 0") + more), "", &pod(spec))
    };
    // The sidecar runs beside the init container after it.
    assert_eq!((found("191Mi", &spec, "").as_deref(), found("192Mi", &spec, "")), (Some(DEPLOYMENT), None));
    let range = "apiVersion: v1\nkind: LimitRange\nmetadata: {name: l}\nspec: {limits: [{type: Container, default: {memory: 32Mi}}]}\n";
    assert_eq!(found("31Mi", SPEC, range).as_deref(), Some(DEPLOYMENT));
    assert_eq!((found("32Mi", SPEC, range), found("1Mi", SPEC, "")), (None, None));
    let whole = format!("{{{}, containers: [{{name: a, image: i}}]}}", memory("16Mi"));
    assert_eq!((found("15Mi", &whole, "").as_deref(), found("16Mi", &whole, "")), (Some(DEPLOYMENT), None));
}

#[test]
fn jobs_hooks_and_other_namespaces_are_counted() {
    let job = |name: &str, marks: &str| {
        format!(
            "apiVersion: batch/v1\nkind: Job\nmetadata: {{name: {name}{marks}}}\n\
             spec: {{parallelism: 3, completions: 2, template: {{spec: {SPEC}}}}}\n---\n"
        )
    };
    let room = |hard: u8| quota(&format!("pods: {hard}"), "pods: 1");
    assert_eq!(over(&room(2), "", &job("j", "")).as_deref(), Some("Job.batch/n/j"));
    assert_eq!(over(&room(3), "", &job("j", "")), None);
    let hook = job("h", ", annotations: {helm.sh/hook: pre-upgrade}");
    let found = |hard: u8| Case::new("", &room(hard), &web(1)).hooks(&hook).found().len();
    // The pods of a hook are done before those of the manifest begin.
    assert_eq!((found(2), found(3)), (1, 0));
    let elsewhere = |hard: u8| {
        let quota = room(hard).replace("{name: q}", "{name: q, namespace: o}");
        over(&quota, "", &web(2).replace("{name: web}", "{name: web, namespace: o}"))
    };
    assert_eq!((elsewhere(2).as_deref(), elsewhere(3)), (Some("Deployment.apps/o/web"), None));
    let there = room(9).replace("{name: q}", "{name: q, namespace: o}");
    let (asked, _) = Case::new("", &there, &map("a", "x").replace("{name: a}", "{name: a, namespace: o}")).run();
    assert!(
        asked.contains(&"list ResourceQuota/o".to_owned()) && asked.contains(&"list LimitRange/o".to_owned()),
        "{asked:?}"
    );
}

#[test]
fn a_deployment_that_rolls_needs_room_for_one_pod_more() {
    let (old, new) = (web(1), web(1).replace("image: i", "image: other"));
    let live = |hard: u8| {
        quota(&format!("pods: {hard}"), "pods: 1") + &old.replacen("metadata: {", &format!("metadata: {{{MARKS}, "), 1)
    };
    assert_eq!(over(&live(1), &old, &new).as_deref(), Some(DEPLOYMENT));
    assert_eq!(over(&live(2), &old, &new), None);
    let strategy = |strategy: &str| {
        over(&live(1), &old, &new.replace("replicas: 1", &format!("replicas: 1, strategy: {strategy}")))
    };
    assert_eq!(strategy("{type: Recreate}"), None);
    assert_eq!(strategy("{rollingUpdate: {maxUnavailable: 1}}"), None);
}

#[test]
fn what_cannot_be_summed_is_said() {
    let notes = |live: &str, planned: &str| {
        let found = Case::new("", live, planned).found();
        found.into_iter().map(|(code, severity, object, _)| (code, severity, object)).collect::<Vec<_>>()
    };
    let note = vec![(Code::NotChecked, Severity::Note, "ResourceQuota/n/q".to_owned())];
    let set = format!(
        "apiVersion: apps/v1\nkind: DaemonSet\nmetadata: {{name: d}}\nspec: {{template: {{spec: {SPEC}}}}}\n---\n"
    );
    let cron = format!(
        "apiVersion: batch/v1\nkind: CronJob\nmetadata: {{name: c}}\n\
         spec: {{jobTemplate: {{spec: {{template: {{spec: {SPEC}}}}}}}}}\n---\n"
    );
    for planned in [&set, &cron] {
        assert_eq!(notes(&quota("pods: 9", "pods: 0"), planned), note);
        assert_eq!(notes(&quota("configmaps: 9", "configmaps: 0"), planned), []);
    }
    let mut case = Case::new("", "", &map("a", "x"));
    case.known.complete.retain(|scope| scope.kind != "ResourceQuota");
    let denied = refusal(403, "Forbidden", "User \"u\" cannot list resource \"resourcequotas\"");
    let (_, found) = case.answers("list", "ResourceQuota/n", denied).run();
    assert_eq!((found.len(), found[0].severity), (1, Severity::Note));
}
