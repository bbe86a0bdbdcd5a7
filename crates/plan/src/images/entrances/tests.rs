use portolan_inventory::survey::{Secrets, Survey};
use portolan_model::{Overlay, SecretKey};
use serde_json::{Value, json};

use super::super::tests::inventory;
use super::*;
use crate::planner::HopRendering;

const NS: &str = "n";
const PEM: &str = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n";

fn openshift() -> Platform {
    Platform::OpenShift { version: "4.17.1".into(), apps_domain: "apps.example".into() }
}

fn object(kind: &str, version: &str, spec: &Value) -> Object {
    let metadata = json!({"name": "r", "namespace": NS});
    Object::new(json!({"apiVersion": version, "kind": kind, "metadata": metadata, "spec": spec}))
}

fn route(host: &str, tls: Value) -> Object {
    let mut spec = json!({"host": host, "to": {"kind": "Service", "name": "s"}});
    if !tls.is_null() {
        spec["tls"] = tls;
    }
    object("Route", "route.openshift.io/v1", &spec)
}

/// The hosts of a hop that renders these objects over what lives.
fn found(objects: Vec<Object>, live: &[(&str, &str)]) -> Vec<(String, Option<String>)> {
    let (mut inventory, mut secrets) = (inventory(NS), Vec::new());
    for (name, key) in live {
        let name = Ref::secret(NS, name);
        let metadata = json!({"name": name.name(), "namespace": NS});
        let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "type": "kubernetes.io/tls"});
        inventory.objects.insert(name.clone(), Object::new(secret));
        secrets.push((SecretKey { secret: name, key: (*key).to_owned() }, PEM.to_owned()));
    }
    let survey = Survey::new(inventory, secrets.into_iter().collect::<Secrets>());
    let (changed, rendered) =
        ([Overlay::default(), Overlay::default()], HopRendering { objects, hooks: Vec::new(), record: None });
    let found = entrances(&HopObjects::new(&survey, &changed, &rendered));
    let told = |certificate: ServerCertificate| {
        assert_eq!(certificate.pem, PEM);
        certificate.at
    };
    found.into_iter().map(|entrance| (entrance.host, entrance.certificate.map(told))).collect()
}

#[test]
fn a_route_has_its_own_certificate_or_that_of_the_router() {
    for (tls, certificate) in [
        (json!({"termination": "edge"}), Some(None)),
        (json!({"termination": "reencrypt", "destinationCACertificate": "x"}), Some(None)),
        (json!({"termination": "edge", "certificate": PEM}), Some(Some("spec.tls.certificate of Route/r".to_owned()))),
        // The pod has it, or another Secret, which nobody reads here.
        (json!({"termination": "passthrough"}), None),
        (json!({"termination": "edge", "externalCertificate": {"name": "s"}}), None),
        (Value::Null, None),
    ] {
        let wanted: Vec<_> =
            certificate.map(|certificate| ("a.apps.example".to_owned(), certificate)).into_iter().collect();
        assert_eq!(found(vec![route("a.apps.example", tls.clone())], &[]), wanted, "{tls}");
    }
}

#[test]
fn an_ingress_has_the_certificate_of_its_secret() {
    let ingress = |secret: &str| {
        let tls = json!([{"hosts": ["a.example", "*.b.example"], "secretName": secret}]);
        object("Ingress", "networking.k8s.io/v1", &json!({"tls": tls, "rules": [{"host": "a.example"}]}))
    };
    let wanted = [("a.example".to_owned(), Some("tls.crt of Secret/tls".to_owned()))];
    assert_eq!(found(vec![ingress("tls")], &[("tls", "tls.crt")]), wanted);
    for (secret, live) in [("tls", ("tls", "other.crt")), ("other", ("tls", "tls.crt")), ("", ("tls", "tls.crt"))] {
        assert_eq!(found(vec![ingress(secret)], &[live]), [], "{secret} {live:?}");
    }
    // One that the chart makes goes before one that lives.
    let metadata = json!({"name": "tls", "namespace": NS});
    let made = json!({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": {"tls.crt": PEM}});
    assert_eq!(found(vec![ingress("tls"), Object::new(made)], &[]), wanted);
}

#[test]
fn the_router_has_one_certificate_for_the_domain_of_its_cluster() {
    let entrances = |hosts: &[&str]| -> Vec<Entrance> {
        hosts.iter().map(|host| Entrance { host: (*host).to_owned(), certificate: None }).collect()
    };
    let query = SurveyQuery::Get(Ref::new("", "ConfigMap", "openshift-config-managed", "default-ingress-cert"));
    assert_eq!(router_query(&openshift(), &entrances(&["a.apps.example"])), Some(query));
    for (platform, host) in
        [(openshift(), "a.other.example"), (openshift(), "xapps.example"), (Platform::Kubernetes, "a.apps.example")]
    {
        assert_eq!(router_query(&platform, &entrances(&[host])), None, "{host}");
    }
    let hosts = entrances(&["a.apps.example", "a.other.example"]);
    let config = Object::new(json!({"kind": "ConfigMap", "data": {ROUTER_KEY: PEM}}));
    let known = with_router(&openshift(), hosts.clone(), Some(&Answer::Items(vec![config])));
    let certificate = known.first().and_then(|entrance| entrance.certificate.clone()).expect("a certificate");
    assert_eq!((known.len(), certificate.pem.as_str()), (1, PEM));
    assert_eq!(certificate.at, "ca-bundle.crt of ConfigMap/default-ingress-cert in openshift-config-managed");
    for answer in [None, Some(Answer::Items(Vec::new())), Some(Answer::Denied("forbidden".into()))] {
        assert_eq!(with_router(&openshift(), hosts.clone(), answer.as_ref()), [], "{answer:?}");
    }
}
