//! With which certificates the platform is reached when a plan has ended.

use portolan_kube_facts::is_route;
use portolan_model::{Answer, Object, Platform, Ref, SurveyQuery};

use super::pulls::HopObjects;

/// Where an OpenShift cluster publishes the certificate of its router, for the hosts of its own domain
/// (`openshift/cluster-ingress-operator`, `pkg/operator/controller/certificate-publisher/publish_ca.go`).
const ROUTER: [&str; 2] = ["openshift-config-managed", "default-ingress-cert"];

/// The key of that ConfigMap.
const ROUTER_KEY: &str = "ca-bundle.crt";

/// A host of the platform that is reached over TLS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entrance {
    /// The host.
    pub host: String,
    /// Its certificate; `None` where a Route has none of its own, so that the router's is used.
    pub certificate: Option<ServerCertificate>,
}

/// The certificate of a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerCertificate {
    /// Where it is: `tls.crt of Secret/runai-backend-tls`.
    pub at: String,
    /// The certificate and those between it and its CA, in PEM.
    pub pem: String,
}

/// The hosts of what was rendered. What cannot be read is left out: a certificate that a Secret does not have, or that a Route has in
/// another object.
pub(crate) fn entrances(objects: &HopObjects<'_>) -> Vec<Entrance> {
    let routes = objects.rendered().filter(|object| object.name().is_some_and(|name| is_route(&name)));
    let mut found = Vec::new();
    for route in routes {
        if route.text("/kind") == "Route" {
            found.extend(of_route(route));
        } else {
            found.extend(of_ingress(route, objects));
        }
    }
    found
}

/// The router ends TLS, unless it hands it on (`openshift/api`, `route/v1/types.go`: `TLSConfig`).
fn of_route(route: &Object) -> Option<Entrance> {
    let (host, termination) = (route.text("/spec/host"), route.text("/spec/tls/termination"));
    let own = route.text("/spec/tls/certificate");
    let is_elsewhere = route.at("/spec/tls/externalCertificate").is_some();
    if host.is_empty() || !matches!(termination, "edge" | "reencrypt") || is_elsewhere {
        return None;
    }
    let at = format!("spec.tls.certificate of {}", route.name()?);
    let certificate = (!own.is_empty()).then(|| ServerCertificate { at, pem: own.to_owned() });
    Some(Entrance { host: host.to_owned(), certificate })
}

fn of_ingress(ingress: &Object, objects: &HopObjects<'_>) -> Vec<Entrance> {
    let namespace = ingress.text("/metadata/namespace");
    let mut found = Vec::new();
    for tls in ingress.list("/spec/tls") {
        let secret = tls["secretName"].as_str().unwrap_or_default();
        let pem = objects.secret_text(&Ref::secret(namespace, secret), "tls.crt");
        let Some(pem) = pem.filter(|_| !secret.is_empty()) else { continue };
        let hosts = tls["hosts"].as_array().into_iter().flatten().filter_map(|host| host.as_str());
        for host in hosts.filter(|host| !host.contains('*')) {
            let certificate = ServerCertificate { at: format!("tls.crt of Secret/{secret}"), pem: pem.clone() };
            found.push(Entrance { host: host.to_owned(), certificate: Some(certificate) });
        }
    }
    found
}

/// What to ask for the certificate of the router; `None` where no host of the cluster's own domain has that one.
#[must_use]
pub fn router_query(platform: &Platform, entrances: &[Entrance]) -> Option<SurveyQuery> {
    let is_routers = |entrance: &Entrance| entrance.certificate.is_none() && is_of_cluster(platform, &entrance.host);
    let [namespace, name] = ROUTER;
    entrances.iter().any(is_routers).then(|| SurveyQuery::Get(Ref::new("", "ConfigMap", namespace, name)))
}

/// Gives the hosts of the cluster's own domain the certificate of the router, and leaves out those whose certificate is not known.
#[must_use]
pub fn with_router(platform: &Platform, entrances: Vec<Entrance>, answer: Option<&Answer>) -> Vec<Entrance> {
    let config = match answer {
        Some(Answer::Items(items)) => items.first(),
        _ => None,
    };
    let [namespace, name] = ROUTER;
    let pem = config.and_then(|config| config.at("/data")?.get(ROUTER_KEY)?.as_str());
    let routers = pem.map(|pem| {
        let at = format!("{ROUTER_KEY} of ConfigMap/{name} in {namespace}");
        ServerCertificate { at, pem: pem.to_owned() }
    });
    let known = entrances.into_iter().filter_map(|mut entrance| {
        if entrance.certificate.is_none() && is_of_cluster(platform, &entrance.host) {
            entrance.certificate.clone_from(&routers);
        }
        entrance.certificate.is_some().then_some(entrance)
    });
    known.collect()
}

/// Whether the default router serves a host: another one has another domain.
fn is_of_cluster(platform: &Platform, host: &str) -> bool {
    match platform {
        Platform::OpenShift { apps_domain, .. } => {
            !apps_domain.is_empty() && host.strip_suffix(apps_domain.as_str()).is_some_and(|rest| rest.ends_with('.'))
        }
        Platform::Kubernetes => false,
    }
}

#[cfg(test)]
mod tests;
