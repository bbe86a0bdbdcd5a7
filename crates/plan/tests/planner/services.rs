//! Services and clients of a store: who asks for the data is to be sent to it. Each harmful form has a twin that says nothing.

use portolan_model::{Code, SecretKey, Severity};
use serde_json::json;

use crate::fixture::NS;
use crate::store::{installed, plan, said};

/// The store, with these labels on its pods and this container.
fn store(labels: &str, container: &str) -> String {
    set("store", labels, container, "persistentVolumeClaim: {claimName: store}")
}

fn set(name: &str, labels: &str, container: &str, volume: &str) -> String {
    format!(
        "---\napiVersion: apps/v1\nkind: StatefulSet\nmetadata: {{name: {name}}}\nspec:\n  replicas: 1\n  serviceName: store\n  \
         selector: {{matchLabels: {{app: {name}}}}}\n  template: {{metadata: {{labels: {{app: {name}{labels}}}}}, spec: {{containers: [{container}], \
         volumes: [{{name: data, {volume}}}]}}}}\n"
    )
}

const ONE: &str = "{name: db, image: 'x/store:1', ports: [{name: db, containerPort: 1}], volumeMounts: [{name: data, mountPath: /d}]}";

const OTHER: &str = "{name: other, image: 'x/other:1', ports: [{name: db2, containerPort: 2}]}";

/// A new store on a PVC of its own.
fn next(labels: &str) -> String {
    let claim = "---\napiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {name: next}\nspec: {resources: {requests: {storage: 1Gi}}}\n";
    set("next", labels, ONE, "persistentVolumeClaim: {claimName: next}") + claim
}

/// A new program that keeps nothing.
fn proxy(labels: &str) -> String {
    set("proxy", labels, "{name: p, image: 'x/proxy:1', ports: [{name: db, containerPort: 1}]}", "emptyDir: {}")
}

fn service(spec: &str) -> String {
    named("db", spec)
}

fn named(name: &str, spec: &str) -> String {
    format!("---\napiVersion: v1\nkind: Service\nmetadata: {{name: {name}}}\nspec: {{{spec}}}\n")
}

fn upgrade(old: &str, new: &str) -> Vec<String> {
    said(&plan(&installed(old, &json!({"csi": {}})), new))
}

const BY_APP: &str = "selector: {app: store}, ports: [{port: 9, targetPort: db}]";

fn unknown(field: &str) -> Vec<String> {
    vec![format!("Unknown PL255 Service/db {field}")]
}

#[test]
fn a_service_that_leads_away_from_the_data_is_unknown() {
    let old = store("", ONE) + &service(BY_APP);
    let by_part = "selector: {part: db}, ports: [{port: 9, targetPort: db}]";
    let part = store(", part: db", ONE) + &service(by_part);
    let cases = [
        (
            "to another",
            old.clone(),
            store("", ONE) + &next("") + &service("selector: {app: next}, ports: [{port: 9}]"),
            "/spec/selector",
        ),
        (
            "to nothing",
            old.clone(),
            store("", ONE) + &service("selector: {app: gone}, ports: [{port: 9}]"),
            "/spec/selector",
        ),
        (
            "to a name",
            old.clone(),
            store("", ONE) + &service("type: ExternalName, externalName: elsewhere.example, ports: [{port: 9}]"),
            "/spec/externalName",
        ),
        (
            "to a name, without ports",
            old.clone(),
            store("", ONE) + &service("type: ExternalName, externalName: elsewhere.example"),
            "/spec/externalName",
        ),
        (
            "to a name of the chart",
            old,
            store("", ONE)
                + &next("")
                + &named("next", "selector: {app: next}, ports: [{port: 9, targetPort: db}]")
                + &service(&format!(
                    "type: ExternalName, externalName: next.{NS}.svc.cluster.local, ports: [{{port: 9}}]"
                )),
            "/spec/externalName",
        ),
        (
            "the store's label changes",
            part.clone(),
            store(", part: database", ONE) + &next(", part: db") + &service(by_part),
            "/spec/selector",
        ),
        (
            "to a second store too",
            part,
            store(", part: db", ONE) + &next(", part: db") + &service(by_part),
            "/spec/selector",
        ),
        (
            "the selector becomes wider",
            store(", part: db, role: a", ONE) + &service("selector: {part: db, role: a}, ports: [{port: 9}]"),
            store(", part: db, role: a", ONE)
                + &next(", part: db, role: b")
                + &service("selector: {part: db}, ports: [{port: 9}]"),
            "/spec/selector",
        ),
    ];
    for (case, old, new, field) in cases {
        assert_eq!(upgrade(&old, &new), unknown(field), "{case}");
    }
}

#[test]
fn a_service_that_leads_to_another_container_of_the_data_is_unknown() {
    let two = format!("{ONE}, {OTHER}");
    let by_number = |number: u8| format!("selector: {{app: store}}, ports: [{{port: 9, targetPort: {number}}}]");
    let cases = [
        (
            "to another container by name",
            store("", &two) + &service(BY_APP),
            store("", &two) + &service("selector: {app: store}, ports: [{port: 9, targetPort: db2}]"),
            "/spec/ports/0/targetPort",
        ),
        (
            "to another container by number",
            store("", &two) + &service(&by_number(1)),
            store("", &two) + &service(&by_number(2)),
            "/spec/ports/0/targetPort",
        ),
        (
            "the name of the port goes to another container",
            store("", &two) + &service(BY_APP),
            store("", &two.replace("{name: db, containerPort", "{name: was, containerPort").replace("db2", "db"))
                + &service(BY_APP),
            "/spec/selector",
        ),
    ];
    for (case, old, new, field) in cases {
        assert_eq!(upgrade(&old, &new), unknown(field), "{case}");
    }
}

#[test]
fn a_service_that_leads_to_the_same_data_is_not_mentioned() {
    let two = format!("{ONE}, {OTHER}");
    let cases = [
        ("nothing changes", store("", ONE) + &service(BY_APP), store("", ONE) + &service(BY_APP)),
        (
            "a port gets another name",
            store("", ONE) + &service(BY_APP),
            store("", &ONE.replace("{name: db, c", "{name: sql, c"))
                + &service("selector: {app: store}, ports: [{name: sql, port: 9, targetPort: sql}]"),
        ),
        (
            "a port more",
            store("", ONE) + &service(BY_APP),
            store("", &two)
                + &service(
                    "selector: {app: store}, ports: [{port: 9, targetPort: db}, {name: b, port: 10, targetPort: db2}]",
                ),
        ),
        (
            "the program moves to another port",
            store("", ONE) + &service(BY_APP),
            store("", &ONE.replace("containerPort: 1", "containerPort: 3")) + &service(BY_APP),
        ),
        (
            "a label goes from both",
            store(", version: a", ONE) + &service("selector: {app: store, version: a}, ports: [{port: 9}]"),
            store(", version: b", ONE) + &service("selector: {app: store}, ports: [{port: 9}]"),
        ),
        (
            "of something without data",
            store("", ONE) + &proxy("") + &service("selector: {app: proxy}, ports: [{port: 9}]"),
            store("", ONE) + &proxy("") + &next("") + &service("selector: {app: next}, ports: [{port: 9}]"),
        ),
        (
            "a new store with a Service of its own",
            store("", ONE) + &service(BY_APP),
            store("", ONE) + &service(BY_APP) + &next("") + &named("next", "selector: {app: next}, ports: [{port: 9}]"),
        ),
        (
            "a name of the chart that leads to the same",
            store("", ONE) + &service(BY_APP) + &named("real", BY_APP),
            store("", ONE)
                + &named("real", BY_APP)
                + &service(&format!("type: ExternalName, externalName: real.{NS}.svc, ports: [{{port: 9}}]")),
        ),
    ];
    for (case, old, new) in cases {
        assert_eq!(upgrade(&old, &new), Vec::<String>::new(), "{case}");
    }
}

#[test]
fn a_service_that_leads_to_another_address_outside_is_refused() {
    let slice = |ip: &str| {
        format!(
            "---\napiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata: {{name: db-1, labels: {{kubernetes.io/service-name: db}}}}\n\
             addressType: IPv4\nports: [{{port: 5432}}]\nendpoints: [{{addresses: [{ip}]}}]\n"
        )
    };
    let endpoints = |ip: &str| {
        format!(
            "---\napiVersion: v1\nkind: Endpoints\nmetadata: {{name: db}}\nsubsets: [{{addresses: [{ip}], ports: [{{port: 5432}}]}}]\n"
        )
    };
    let by_hand = service("ports: [{port: 5432}]");
    let external = |name: &str| service(&format!("type: ExternalName, externalName: {name}"));
    let found = |old: String, new: String| -> Vec<String> {
        let old = store("", ONE) + &old;
        let plan = plan(&installed(&old, &json!({"csi": {}})), &(store("", ONE) + &new));
        let its = plan.findings.iter().filter(|it| it.code == Code::OtherServer && it.severity == Severity::Blocking);
        its.map(|it| format!("{} {}", it.object().expect("it has one"), it.field().unwrap_or_default())).collect()
    };
    let with = |more: String| by_hand.clone() + &more;
    assert_eq!(found(with(slice("10.0.0.1")), with(slice("10.0.0.2"))), ["EndpointSlice/db-1 /endpoints"]);
    assert_eq!(found(with(endpoints("{ip: 10.0.0.1}")), with(endpoints("{ip: 10.0.0.2}"))), ["Endpoints/db /subsets"]);
    assert_eq!(found(with(slice("10.0.0.1")), with(slice("10.0.0.1"))), [""; 0]);
    assert_eq!(found(with(slice("10.0.0.1, 10.0.0.2")), with(slice("10.0.0.1"))), [""; 0], "one address less");
    assert_eq!(found(external("a.example"), external("b.example")), ["Service/db /spec/externalName"]);
    assert_eq!(found(external("a.example"), external("a.example")), [""; 0]);
    assert_eq!(found(external("a.example"), service(BY_APP)), ["Service/db /spec/externalName"]);
}

/// A client of the store: parts of its pod and container in YAML.
fn client(kind: &str, pod: &str, container: &str) -> String {
    let spec = format!("{{{pod}containers: [{{name: web, image: 'x/web:1'{container}}}]}}");
    let template = format!("{{metadata: {{labels: {{app: web}}}}, spec: {spec}}}");
    match kind {
        "CronJob" => format!(
            "---\napiVersion: batch/v1\nkind: CronJob\nmetadata: {{name: web}}\nspec: {{schedule: '0 0 * * *', jobTemplate: {{spec: {{template: {template}}}}}}}\n"
        ),
        _ => format!(
            "---\napiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: web}}\nspec: {{selector: {{matchLabels: {{app: web}}}}, template: {template}}}\n"
        ),
    }
}

fn with_client(client: impl Fn(&str) -> String, to: &str) -> Vec<String> {
    let old = store("", ONE) + &service(BY_APP) + &client("db");
    let new = store("", ONE)
        + &service(BY_APP)
        + &next("")
        + &proxy("")
        + &named("next", "selector: {app: next}, ports: [{port: 9}]")
        + &named("proxy", "selector: {app: proxy}, ports: [{port: 9}]")
        + &client(to);
    upgrade(&old, &new)
}

#[test]
fn a_client_that_goes_from_the_data_to_a_new_store_is_unknown() {
    type Client<'a> = (&'a str, Box<dyn Fn(&str) -> String>, &'a str);
    let map = |text: String| {
        format!("---\napiVersion: v1\nkind: ConfigMap\nmetadata: {{name: web}}\ndata: {{app.json: '{text}'}}\n")
    };
    let pod = "/spec/template/spec";
    let clients: [Client<'_>; 7] = [
        (
            "env",
            Box::new(|to| client("", "", &format!(", env: [{{name: H, value: {to}}}]"))),
            "Deployment/web /containers/0/env/0/value",
        ),
        (
            "url",
            Box::new(|to| client("", "", &format!(", env: [{{name: H, value: 'x://u@{to}.{NS}.svc:9/a'}}]"))),
            "Deployment/web /containers/0/env/0/value",
        ),
        ("args", Box::new(|to| client("", "", &format!(", args: [--host={to}]"))), "Deployment/web /containers/0/args"),
        (
            "init container",
            Box::new(|to| {
                client("", &format!("initContainers: [{{name: i, image: 'x/i:1', command: [wait, {to}]}}], "), "")
            }),
            "Deployment/web /initContainers/0/command",
        ),
        (
            "cron job",
            Box::new(|to| client("CronJob", "", &format!(", args: [--host, {to}]"))),
            "CronJob/web /containers/0/args",
        ),
        (
            "json",
            Box::new(move |to| map(format!(r#"{{"host":"{to}","port":9}}"#)) + &client("", "", "")),
            "ConfigMap/web /data/app.json",
        ),
        (
            "another map",
            Box::new(move |to| {
                map(to.to_owned()).replace("{name: web}", &format!("{{name: web-{to}}}"))
                    + &client(
                        "",
                        &format!("volumes: [{{name: c, configMap: {{name: web-{to}}}}}], "),
                        ", volumeMounts: [{name: c, mountPath: /c}]",
                    )
            }),
            "ConfigMap/web-next /data/app.json",
        ),
    ];
    for (case, client, place) in clients {
        let place = match place.split_once(' ') {
            Some((object, field)) if object.starts_with("Deployment") => format!("{object} {pod}{field}"),
            Some((object, field)) if object.starts_with("CronJob") => format!("{object} /spec/jobTemplate{pod}{field}"),
            _ => place.to_owned(),
        };
        assert_eq!(with_client(&client, "next"), [format!("Unknown PL255 {place}")], "{case}");
        for (twin, to) in
            [("the same", "db"), ("with its namespace", &format!("db.{NS}")), ("a program in front", "proxy")]
        {
            // A host inside of another is none of its own, and names of objects have no dots.
            if to.contains('.') && (case == "url" || case == "another map") {
                continue;
            }
            assert_eq!(with_client(&client, to), Vec::<String>::new(), "{case}: {twin}");
        }
    }
    let more = |to: &str| {
        let more = if to == "db" { "" } else { ", {name: CACHE, value: next}" };
        client("", "", &format!(", env: [{{name: H, value: db}}{more}]"))
    };
    assert_eq!(with_client(more, "next"), Vec::<String>::new(), "a client gets a new dependency");
}

#[test]
fn a_host_alias_that_becomes_another_address_beside_a_new_store_is_unknown() {
    let alias = |ip: &str| client("", &format!("hostAliases: [{{ip: {ip}, hostnames: [db.local]}}], "), "");
    let with = |to: &'static str| with_client(move |name| alias(if name == "db" { "10.0.0.1" } else { to }), "next");
    assert_eq!(with("10.0.0.2"), ["Unknown PL255 Deployment/web /spec/template/spec/hostAliases"]);
    assert_eq!(with("10.0.0.1"), Vec::<String>::new());
}

#[test]
fn a_client_that_goes_to_another_port_of_the_service_is_unknown() {
    let two = format!("{ONE}, {OTHER}");
    let ports = |second: u8| {
        service(&format!(
            "selector: {{app: store}}, ports: [{{name: a, port: 5432, targetPort: 1}}, {{name: b, port: 5433, targetPort: {second}}}]"
        ))
    };
    let with = |second: u8, port: &str| {
        let client =
            |port: &str| client("", "", &format!(", env: [{{name: H, value: db}}, {{name: P, value: '{port}'}}]"));
        let all = |port: &str| store("", &two) + &ports(second) + &client(port);
        upgrade(&all("5432"), &all(port))
    };
    let place = "Deployment/web /spec/template/spec/containers/0/env/1/value";
    assert_eq!(with(2, "5433"), [format!("Unknown PL255 {place}")]);
    assert_eq!(with(1, "5433"), Vec::<String>::new(), "the same target");
    assert_eq!(with(2, "5432"), Vec::<String>::new());
}

#[test]
fn a_client_with_an_address_in_a_secret_is_found_and_its_value_is_not_shown() {
    let text = |host: &str| format!("x://u:precious@{host}:9/app");
    let secret = |host: &str| {
        format!("---\napiVersion: v1\nkind: Secret\nmetadata: {{name: web}}\nstringData: {{url: '{}'}}\n", text(host))
    };
    let old = store("", ONE) + &service(BY_APP) + &secret("db");
    let mut fixture = installed(&old, &json!({"csi": {}}));
    let key = SecretKey { secret: portolan_model::Ref::secret(NS, "web"), key: "url".into() };
    fixture.secrets.insert(key, text("db"));
    let rest = service(BY_APP) + &next("") + &named("next", "selector: {app: next}, ports: [{port: 9}]");
    for (host, want) in [("next", vec!["Unknown PL255 Secret/web /data/url".to_owned()]), ("db", Vec::new())] {
        let plan = plan(&fixture, &(store("", ONE) + &rest + &secret(host)));
        assert_eq!(said(&plan), want, "{host}");
        assert!(!format!("{:?} {:?}", plan.findings, plan.unmodelled).contains("precious"), "the value is shown");
    }
}
