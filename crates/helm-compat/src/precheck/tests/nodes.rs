//! New pods that no node takes.

use super::*;

const NODE_ONE: &str = "apiVersion: v1\nkind: Node\nmetadata: {name: one, labels: {disk: hdd, kubernetes.io/hostname: one}}\nspec: {}\n\
                        status: {allocatable: {cpu: '2', memory: 4Gi}}\n---\n";
const AT: &str = "/spec/template/spec";
const OLD: &str = "{containers: [{name: a, image: old}]}";

/// What is found where a Deployment of one pod changes from one spec to another, beside these objects of the cluster.
fn changes(cluster: &str, old: &str, new: &str) -> Vec<(Code, Severity, String, String)> {
    let live = live_deployment("web", old) + cluster;
    Case::new(&deployment("web", old), &live, &deployment("web", new)).found()
}

fn no_node(field: &str) -> Vec<(Code, Severity, String, String)> {
    blocks(Code::NoNode, DEPLOYMENT, &format!("{AT}{field}"))
}

#[test]
fn pods_that_no_node_takes_are_found() {
    let spec = |more: &str| format!("{{{more}, containers: [{{name: a, image: i}}]}}");
    let none = Vec::new();
    assert_eq!(changes(NODE_ONE, OLD, SPEC), none);
    assert_eq!(changes(NODE_ONE, OLD, &spec("nodeSelector: {disk: hdd}")), none);
    let two = NODE_ONE.replace("one", "two").replace("hdd", "ssd");
    let ssd = spec("nodeSelector: {disk: ssd}");
    assert_eq!(changes(NODE_ONE, OLD, &ssd), no_node("/nodeSelector"));
    assert_eq!(changes(&format!("{NODE_ONE}{two}"), OLD, &ssd), none, "another node has it");
    // No new pod, no question.
    assert_eq!(changes(NODE_ONE, &ssd, &ssd), none);
    assert_eq!(changes(NODE_ONE, OLD, &spec("nodeName: gone")), no_node("/nodeName"));
    assert_eq!(changes(NODE_ONE, OLD, &spec("schedulerName: other")), no_node("/schedulerName"));
    let works = "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec: {schedulerName: other, nodeName: one}\n---\n";
    assert_eq!(changes(&format!("{NODE_ONE}{works}"), OLD, &spec("schedulerName: other")), none);
    assert_eq!(changes(NODE_ONE, OLD, &spec("schedulingGates: [{name: g}]")), no_node("/schedulingGates"));
    let cordoned = NODE_ONE.replace("spec: {}", "spec: {unschedulable: true}");
    assert_eq!(changes(&cordoned, OLD, SPEC), no_node(""));
    let tainted = NODE_ONE.replace("spec: {}", "spec: {taints: [{key: gpu, effect: NoSchedule}]}");
    assert_eq!(changes(&tainted, OLD, SPEC), no_node("/tolerations"));
    assert_eq!(changes(&tainted, OLD, &spec("tolerations: [{key: gpu, operator: Exists}]")), none);
    let asks = |cpu: &str| format!("{{containers: [{{name: a, image: i, resources: {{requests: {{cpu: {cpu}}}}}}}]}}");
    assert_eq!(changes(NODE_ONE, OLD, &asks("'3'")), no_node("/containers"));
    assert_eq!(changes(NODE_ONE, OLD, &asks("1500m")), none);
    // A limit alone is a request.
    assert_eq!(changes(NODE_ONE, OLD, &asks("'3'").replace("requests", "limits")), no_node("/containers"));
}

#[test]
fn pods_that_fit_alone_and_not_together_are_told() {
    let spec = |cpu: &str, more: &str| {
        format!("{{{more}containers: [{{name: a, image: i, resources: {{requests: {{cpu: {cpu}}}}}}}]}}")
    };
    let pod = |name: &str, owner: &str, cpu: &str| {
        format!(
            "apiVersion: v1\nkind: Pod\nmetadata: {{name: {name}, ownerReferences: [{{kind: ReplicaSet, name: {owner}-1}}]}}\nspec: {{nodeName: one, \
             containers: [{{name: a, resources: {{requests: {{cpu: {cpu}}}}}}}]}}\n---\n"
        )
    };
    let found = |cpu: &str, more: &str, planned: &str| {
        let store = "volumes: [{name: d, persistentVolumeClaim: {claimName: c}}], ";
        let claim = "apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {name: c}\nspec: {}\n---\n";
        let old = deployment("store", &spec("900m", store)) + &deployment("web", &spec("100m", ""));
        let new = deployment("store", &spec("900m", &format!("hostname: s, {store}")))
            + &deployment("web", &spec(cpu, more))
            + planned;
        let live = live_deployment("store", &spec("900m", store)) + &live_deployment("web", &spec("100m", ""));
        let pods = pod("s", "store", "900m") + &pod("w", "web", "100m") + &pod("other", "other", "200m");
        let mut case = Case::new(&old, &(live + NODE_ONE + claim + &pods), &new);
        case.known.complete.insert(Scope { kind: "Pod".into(), namespace: String::new() });
        let found = case.found().into_iter().filter(|(code, ..)| *code == Code::NoNode);
        found.map(|(_, severity, object, _)| (severity, object)).collect::<Vec<_>>()
    };
    assert_eq!(found("900m", "", ""), []);
    assert_eq!(found("1000m", "", ""), [(Severity::Warning, DEPLOYMENT.to_owned())]);
    let class = "apiVersion: scheduling.k8s.io/v1\nkind: PriorityClass\nmetadata: {name: high}\nvalue: 1000\n---\n";
    let high = "priorityClassName: high, ";
    assert_eq!(found("1000m", high, class), [(Severity::Blocking, DEPLOYMENT.to_owned())]);
    assert_eq!(found("900m", high, class), []);
}

#[test]
fn a_hooks_pod_needs_a_node_too() {
    let hook = "apiVersion: batch/v1\nkind: Job\nmetadata: {name: j, annotations: {helm.sh/hook: pre-upgrade}}\n\
                spec: {template: {spec: {nodeSelector: {disk: ssd}, containers: [{name: a, image: i}]}}}\n";
    let found = |hook: &str| Case::new("", NODE_ONE, "").hooks(hook).found();
    assert_eq!(found(hook), blocks(Code::NoNode, "Job.batch/n/j", "/spec/template/spec/nodeSelector"));
    assert_eq!(found(&hook.replace("ssd", "hdd")), Vec::new());
}

#[test]
fn a_volume_of_one_node_holds_its_pods_there() {
    let local = "apiVersion: v1\nkind: PersistentVolume\nmetadata: {name: pv}\nspec: {nodeAffinity: {required: {nodeSelectorTerms: \
                 [{matchExpressions: [{key: disk, operator: In, values: [hdd]}]}]}}}\n---\n\
                 apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {name: c}\nspec: {volumeName: pv}\n---\n";
    let two = NODE_ONE.replace("one", "two").replace("hdd", "ssd");
    let pod = |disk: &str| {
        format!(
            "{{nodeSelector: {{disk: {disk}}}, volumes: [{{name: d, persistentVolumeClaim: {{claimName: c}}}}], \
             containers: [{{name: a, image: i}}]}}"
        )
    };
    let cluster = format!("{NODE_ONE}{two}{local}");
    assert_eq!(changes(&cluster, &pod("hdd"), &pod("ssd")), no_node(""));
    assert_eq!(changes(&cluster, OLD, &pod("hdd")), Vec::new());
}

#[test]
fn nodes_that_may_not_be_listed_are_told_where_it_matters() {
    let found = |new: &str| {
        let mut case = Case::new(&deployment("web", OLD), &live_deployment("web", OLD), &deployment("web", new));
        case.known.complete.retain(|scope| scope.kind != "Node");
        case.answers("list", "Node", refusal(403, "Forbidden", "no")).found()
    };
    assert_eq!(found(SPEC), Vec::new(), "what the scheduler reads is as it is today");
    let new = found("{nodeSelector: {disk: ssd}, containers: [{name: a, image: i}]}");
    assert_eq!(new, notes(DEPLOYMENT));
}

/// A StatefulSet of some replicas whose pods keep each other away.
fn set(replicas: u8, version: u8) -> String {
    format!(
        "apiVersion: apps/v1\nkind: StatefulSet\nmetadata: {{name: s, {MARKS}}}\nspec: {{replicas: {replicas}, selector: {{matchLabels: \
         {{app: s}}}}, template: {{metadata: {{labels: {{app: s}}, annotations: {{v: '{version}'}}}}, spec: {{affinity: {{podAntiAffinity: \
         {{requiredDuringSchedulingIgnoredDuringExecution: [{{labelSelector: {{matchLabels: {{app: s}}}}, topologyKey: \
         kubernetes.io/hostname}}]}}}}, containers: [{{name: a, image: i}}]}}}}}}\n---\n"
    )
}

#[test]
fn pods_that_keep_each_other_away_need_a_node_each() {
    let found = |old: &str, cluster: &str, new: &str| Case::new(old, &format!("{old}{cluster}"), new).found();
    let field = format!("{AT}/affinity/podAntiAffinity/requiredDuringSchedulingIgnoredDuringExecution/0");
    let refused = |object: &str| blocks(Code::NoNode, object, &field);
    let two = NODE_ONE.replace("one", "two");
    assert_eq!(found(&set(1, 1), NODE_ONE, &set(1, 2)), Vec::new());
    assert_eq!(
        found(&set(1, 1), NODE_ONE, &set(2, 1)),
        refused("StatefulSet.apps/n/s"),
        "more pods of the same template"
    );
    assert_eq!(found(&set(1, 1), &format!("{NODE_ONE}{two}"), &set(2, 2)), Vec::new());
    // A rolling update that may not take its one pod away first.
    let rolls = |version| set(1, version).replace("StatefulSet", "Deployment").replace("name: s", "name: web");
    assert_eq!(found(&rolls(1), NODE_ONE, &rolls(2)), refused(DEPLOYMENT));
    assert_eq!(found(&rolls(1), &format!("{NODE_ONE}{two}"), &rolls(2)), Vec::new());
    let recreates = |version| rolls(version).replace("replicas: 1,", "replicas: 1, strategy: {type: Recreate},");
    assert_eq!(found(&recreates(1), NODE_ONE, &recreates(2)), Vec::new());
    // And pods that go only where others are.
    let friend = set(1, 2)
        .replace("podAntiAffinity", "podAffinity")
        .replace("{app: s}}, topologyKey", "{app: db}}, topologyKey");
    let mut case = Case::new(&set(1, 1), &format!("{}{NODE_ONE}", set(1, 1)), &friend);
    case.known.complete.insert(Scope { kind: "Pod".into(), namespace: "n".into() });
    let alone = field.replace("podAntiAffinity", "podAffinity");
    assert_eq!(case.found(), blocks(Code::NoNode, "StatefulSet.apps/n/s", &alone));
    let with = format!(
        "{friend}{}",
        deployment("db", SPEC).replace("{template: {", "{template: {metadata: {labels: {app: db}}, ")
    );
    let mut case = Case::new(&set(1, 1), &format!("{}{NODE_ONE}", set(1, 1)), &with);
    case.known.complete.insert(Scope { kind: "Pod".into(), namespace: "n".into() });
    assert_eq!(case.found(), Vec::new());
}

#[test]
fn a_port_of_the_node_is_given_once() {
    let with_port = "{containers: [{name: a, image: i, ports: [{containerPort: 80, hostPort: 80}]}]}";
    let field = format!("{AT}/containers");
    let refused = blocks(Code::NoNode, DEPLOYMENT, &field);
    let pods = |spec: &str, cluster: &str, pods: &str| {
        let (old, new) = (deployment("web", OLD), deployment("web", with_port) + spec);
        let case = Case::new(&old, &(live_deployment("web", OLD) + cluster), &new);
        case.answers("list", "Pod", CheckAnswer::Found(docs(pods))).found()
    };
    assert_eq!(pods("", NODE_ONE, ""), Vec::new());
    let other = "apiVersion: v1\nkind: Pod\nmetadata: {name: p, namespace: far, labels: {app: x}}\n\
                 spec: {nodeName: one, containers: [{name: a, ports: [{containerPort: 1, hostPort: 80}]}]}\nstatus: {phase: Running}\n";
    assert_eq!(pods("", NODE_ONE, other), refused);
    assert_eq!(pods("", NODE_ONE, &other.replace("Running", "Succeeded")), Vec::new());
    assert_eq!(pods("", NODE_ONE, &other.replace("hostPort: 80", "hostPort: 81")), Vec::new());
    assert_eq!(pods("", &format!("{NODE_ONE}{}", NODE_ONE.replace("one", "two")), other), Vec::new());
    let both = pods(&deployment("api", with_port), NODE_ONE, "");
    assert_eq!(both, [blocks(Code::NoNode, "Deployment.apps/n/api", &field), refused].concat());
}
