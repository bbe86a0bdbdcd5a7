//! Where a host's name leads, as the cluster's DNS has it: to a Service first.

use std::net::IpAddr;

use k8s_openapi::api::core::v1::Service;
use k8s_openapi::api::discovery::v1::{Endpoint, EndpointSlice};
use kube::Api;
use kube::api::ListParams;
use portolan_model::{DatabaseError, Ref};

/// Where a server is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// In a pod, at a port of it.
    Pod(Ref, u16),
    /// At an address that this machine reaches, or does not.
    Address(String, u16),
}

/// A Service that a name may mean.
#[derive(Clone, Debug, PartialEq, Eq)]
struct ServiceName<'a> {
    name: &'a str,
    namespace: &'a str,
    /// Whether it can mean nothing else: `a.b` may be a host of the internet, `a.b.svc` is none.
    only: bool,
}

/// What a name means to a pod of a namespace (`ndots:5` and the search domains of its resolv.conf).
fn service<'a>(host: &'a str, namespace: &'a str) -> Option<ServiceName<'a>> {
    let parts: Vec<&str> = host.trim_end_matches('.').split('.').collect();
    match parts.as_slice() {
        [name] => Some(ServiceName { name, namespace, only: true }),
        [name, namespace] => Some(ServiceName { name, namespace, only: false }),
        [name, namespace, "svc"] | [name, namespace, "svc", _, ..] => Some(ServiceName { name, namespace, only: true }),
        _ => None,
    }
}

/// Finds the place of a host, as a pod of `namespace` would.
///
/// # Errors
/// Where the name means something inside the cluster that cannot be found out, or this machine would take for another one.
pub(super) async fn place(
    client: &kube::Client,
    namespace: &str,
    host: &str,
    port: u16,
) -> Result<Place, DatabaseError> {
    let unreachable = |text: String| DatabaseError::Unreachable(text);
    if let Ok(address) = host.parse::<IpAddr>() {
        if address.is_loopback() {
            return Err(unreachable(format!("{host} is the pod's own address, which leads elsewhere from here")));
        }
        return Ok(Place::Address(host.to_owned(), port));
    }
    let Some(name) = service(host, namespace) else { return Ok(Place::Address(host.to_owned(), port)) };
    let services: Api<Service> = Api::namespaced(client.clone(), name.namespace);
    match services.get_opt(name.name).await {
        Ok(Some(found)) => behind(client, &found, &name, port).await,
        Ok(None) | Err(_) if !name.only => Ok(Place::Address(host.to_owned(), port)),
        Ok(None) => Err(unreachable(format!(
            "`{host}` is no Service of namespace {}, and may be another machine from here",
            name.namespace
        ))),
        Err(error) => Err(unreachable(format!("Service {} of namespace {}: {error}", name.name, name.namespace))),
    }
}

/// What is behind a Service.
async fn behind(
    client: &kube::Client,
    found: &Service,
    name: &ServiceName<'_>,
    port: u16,
) -> Result<Place, DatabaseError> {
    let nothing = |what: &str| {
        DatabaseError::Unreachable(format!("Service {} of namespace {} {what}", name.name, name.namespace))
    };
    let spec = found.spec.clone().unwrap_or_default();
    if let Some(external) = spec.external_name {
        return Ok(Place::Address(external, port));
    }
    let asked = spec.ports.unwrap_or_default().into_iter().find(|one| u16::try_from(one.port) == Ok(port));
    let asked = asked.ok_or_else(|| nothing(&format!("has no port {port}")))?;
    let slices: Api<EndpointSlice> = Api::namespaced(client.clone(), name.namespace);
    let of_it = ListParams::default().labels(&format!("kubernetes.io/service-name={}", name.name));
    let slices =
        slices.list(&of_it).await.map_err(|error| nothing(&format!("has endpoints that may not be read: {error}")))?;
    let is_ready =
        |endpoint: &&Endpoint| endpoint.conditions.as_ref().and_then(|conditions| conditions.ready).unwrap_or(true);
    for slice in &slices.items {
        let mut ports = slice.ports.iter().flatten();
        let Some(port) =
            ports.find(|one| one.name.as_deref().unwrap_or_default() == asked.name.as_deref().unwrap_or_default())
        else {
            continue;
        };
        let Some(port) = port.port.and_then(|port| u16::try_from(port).ok()) else { continue };
        if let Some(endpoint) = slice.endpoints.iter().find(is_ready) {
            let pod = endpoint.target_ref.as_ref().filter(|target| target.kind.as_deref() == Some("Pod"));
            if let Some(pod) = pod.and_then(|target| target.name.as_deref()) {
                return Ok(Place::Pod(Ref::pod(name.namespace, pod), port));
            }
            // Somebody wrote the endpoints of a server outside by hand.
            if let Some(address) = endpoint.addresses.first() {
                return Ok(Place::Address(address.clone(), port));
            }
        }
    }
    Err(nothing("has no endpoint that is ready"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_means_a_service_as_in_a_pod() {
        let of = |host| service(host, "here").map(|found| (found.name, found.namespace, found.only));
        assert_eq!(of("db"), Some(("db", "here", true)));
        assert_eq!(of("db.shared"), Some(("db", "shared", false)));
        assert_eq!(of("db.shared.svc"), Some(("db", "shared", true)));
        assert_eq!(of("db.shared.svc.cluster.local."), Some(("db", "shared", true)));
        assert_eq!(of("db.eu.example.com"), None);
    }
}
