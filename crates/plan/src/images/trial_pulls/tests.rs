use super::*;

fn deployment(name: &str, spec: &Value) -> Object {
    Object::new(json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name, "namespace": "ns"},
        "spec": {"template": {"spec": spec}}}))
}

fn node(name: &str, taints: &Value) -> Object {
    Object::new(json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": name}, "spec": {"taints": taints}}))
}

fn pulls(objects: &[Object]) -> TrialPulls {
    let mut all = TrialPulls::default();
    objects.iter().for_each(|object| all.add(object));
    all
}

fn account(name: &str) -> Ref {
    Ref::new("", "ServiceAccount", "ns", name)
}

/// The node, the account, the Secrets and the images of each pod.
fn told(pods: &TrialPods) -> Vec<String> {
    let of = |pod: &Object| {
        let names =
            |list: &[Value], key: &str| list.iter().filter_map(|one| one[key].as_str()).collect::<Vec<_>>().join(",");
        let (node, account) = (pod.text("/spec/nodeName"), pod.text("/spec/serviceAccountName"));
        let secrets = names(pod.list("/spec/imagePullSecrets"), "name");
        format!("{node} {account} [{secrets}] {}", names(pod.list("/spec/containers"), "image"))
    };
    pods.pods.iter().map(of).collect()
}

#[test]
fn one_pod_for_each_node_and_identity_with_the_images_that_start_there() {
    let plain = json!({"containers": [{"image": "h/a:1"}], "initContainers": [{"image": "h/b:1"}]});
    let of_account = json!({"serviceAccountName": "web", "containers": [{"image": "h/c:1"}]});
    let with_secret = json!({"imagePullSecrets": [{"name": "s"}], "containers": [{"image": "h/a:1"}]});
    let tolerant = json!({"tolerations": [{"key": "gpu", "operator": "Exists"}], "containers": [{"image": "h/d:1"}]});
    let all = pulls(&[
        deployment("plain", &plain),
        deployment("web", &of_account),
        deployment("secret", &with_secret),
        deployment("tolerant", &tolerant),
    ]);
    let exists = BTreeSet::from([account("default"), account("web")]);
    let nodes = [node("n1", &json!([])), node("n2", &json!([{"key": "gpu", "effect": "NoSchedule"}]))];
    let found = all.pods(&nodes, &exists, "r");
    assert_eq!(
        told(&found),
        ["n1 default [] h/a:1,h/b:1,h/d:1", "n2 default [] h/d:1", "n1 default [s] h/a:1", "n1 web [] h/c:1"]
    );
    assert!(found.left_out.is_empty());
    let names: BTreeSet<&str> = found.pods.iter().map(|pod| pod.text("/metadata/name")).collect();
    assert_eq!(names.len(), 4);
}

#[test]
fn what_is_installed_is_pulled_beside_the_new_version_but_for_what_both_have() {
    let spec = |image: &str| json!({"containers": [{"image": image}, {"image": "h/both:1"}]});
    let mut all = pulls(&[deployment("web", &spec("h/web:2"))]);
    all.add_installed(&[deployment("web", &spec("h/web:1"))]);
    let found = all.pods(&[node("n", &json!([]))], &BTreeSet::from([account("default")]), "r");
    assert_eq!(told(&found), ["n default [] h/both:1,h/web:2", "n default [] h/web:1"]);
    let versions: Vec<PulledFor> = found.pods.iter().map(PulledFor::of).collect();
    assert_eq!(versions, [PulledFor::NewVersion, PulledFor::Installed]);
    // Nothing is left of it where both are the same.
    let mut same = pulls(&[deployment("web", &spec("h/web:1"))]);
    same.add_installed(&[deployment("web", &spec("h/web:1"))]);
    assert_eq!(same.pods(&[node("n", &json!([]))], &BTreeSet::from([account("default")]), "r").pods.len(), 1);
}

#[test]
fn an_account_that_the_upgrade_makes_lends_its_secrets() {
    let made = Object::new(json!({"apiVersion": "v1", "kind": "ServiceAccount",
        "metadata": {"name": "new", "namespace": "ns"}, "imagePullSecrets": [{"name": "s"}]}));
    let spec = json!({"serviceAccountName": "new", "containers": [{"image": "h/a:1"}]});
    let all = pulls(&[made, deployment("new", &spec)]);
    assert_eq!(all.asks(), [Ref::secret("ns", "s"), account("new")]);
    let nodes = [node("n", &json!([]))];
    assert_eq!(told(&all.pods(&nodes, &BTreeSet::new(), "r")), ["n default [s] h/a:1"]);
    // Its own, once it is there.
    assert_eq!(told(&all.pods(&nodes, &BTreeSet::from([account("new")]), "r")), ["n new [] h/a:1"]);
    // Without Secrets nobody can pull as it would: what `default` has is not its own.
    let found = pulls(&[deployment("new", &spec)]).pods(&nodes, &BTreeSet::new(), "r");
    assert!(found.pods.is_empty() && found.left_out[0].contains("does not exist yet"), "{:?}", found.left_out);
}

#[test]
fn a_secret_that_the_upgrade_makes_cannot_be_tried() {
    let secret =
        Object::new(json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s", "namespace": "ns"}}));
    let spec = json!({"imagePullSecrets": [{"name": "s"}], "containers": [{"image": "h/a:1"}]});
    let all = pulls(&[secret, deployment("a", &spec)]);
    let (nodes, default) = ([node("n", &json!([]))], account("default"));
    let found = all.pods(&nodes, &BTreeSet::from([default.clone()]), "r");
    assert!(
        found.pods.is_empty() && found.left_out == ["Deployment/a: Secret/s does not exist yet"],
        "{:?}",
        found.left_out
    );
    let there = BTreeSet::from([default, Ref::secret("ns", "s")]);
    assert_eq!(told(&all.pods(&nodes, &there, "r")), ["n default [s] h/a:1"]);
}

#[test]
fn a_pod_starts_nothing_and_asks_for_images_as_the_plan_does() {
    let spec = json!({"containers": [{"image": "h/a:1"}, {"image": "h/b"}, {"image": "h/c:1", "imagePullPolicy": "Always"},
        {"image": "h/d:latest", "imagePullPolicy": "Never"}]});
    let found =
        pulls(&[deployment("a", &spec)]).pods(&[node("n", &json!([]))], &BTreeSet::from([account("default")]), "r");
    let pod = &found.pods[0];
    assert_eq!((pod.text("/spec/restartPolicy"), pod.label(LABEL)), ("Never", Some("r")));
    let containers = pod.list("/spec/containers");
    assert!(containers.iter().all(|container| container["command"] == json!([NO_PROGRAM])));
    let policies: Vec<&str> = containers.iter().filter_map(|container| container["imagePullPolicy"].as_str()).collect();
    assert_eq!(policies, ["IfNotPresent", "Always", "Always", "Never"]);
}

#[test]
fn what_a_node_says_of_an_image() {
    let waiting = |reason: &str| json!({"waiting": {"reason": reason, "message": "because"}});
    let of = |status: Value| {
        let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "namespace": "ns"},
            "spec": {"containers": [{"name": "image-0", "image": "h/a:1"}]}, "status": status});
        pull_states(&Object::new(pod)).pop().expect("an image").1
    };
    let of_state = |state: Value| of(json!({"containerStatuses": [{"name": "image-0", "state": state}]}));
    for pulled in [json!({"terminated": {"reason": "StartError"}}), waiting("CreateContainerConfigError")] {
        assert_eq!(of_state(pulled), PullState::Pulled);
    }
    for reason in ["ErrImagePull", "ImagePullBackOff"] {
        assert_eq!(of_state(waiting(reason)), PullState::Failed(format!("{reason} because")));
    }
    assert_eq!(of_state(waiting("InvalidImageName")), PullState::Refused("InvalidImageName because".into()));
    // What nobody knows is not taken for a pull.
    assert_eq!(of_state(waiting("SomethingNew")), PullState::Pending("SomethingNew because".into()));
    assert_eq!(of(json!({"phase": "Pending"})), PullState::Pending(String::new()));
    let turned_away = json!({"phase": "Failed", "reason": "OutOfpods", "message": "too many"});
    assert_eq!(of(turned_away), PullState::Refused("OutOfpods too many".into()));
}
