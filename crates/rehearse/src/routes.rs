//! What a router in front of the simulated world would answer.

use std::collections::BTreeMap;

use portolan_kube_facts::services;
use portolan_model::{Object, Ref, RouteLook, RouteSeen};
use serde_json::Value;

use crate::serve::readiness;
use crate::world::World;

impl World {
    /// Asks routes under their addresses. A route answers where a workload behind its service is ready; where none is, its
    /// router answers with 503.
    #[must_use]
    pub fn ask_routes(&self, routes: &[Ref]) -> Vec<RouteLook> {
        let look = |name: &Ref| {
            let Some(object) = self.get(name) else {
                let seen = RouteSeen::Broken { why: "it is not there".into() };
                return RouteLook { route: name.clone(), address: String::new(), seen };
            };
            let seen = if services(object).iter().all(|service| self.has_backend(name.namespace(), service)) {
                RouteSeen::Answers { status: 200, certificate: None }
            } else {
                RouteSeen::Fails { status: 503 }
            };
            RouteLook { route: name.clone(), address: portolan_kube_facts::addresses(object).join(", "), seen }
        };
        routes.iter().map(look).collect()
    }

    fn has_backend(&self, namespace: &str, service: &str) -> bool {
        let service = self.get(&Ref::new("", "Service", namespace, service));
        let Some(selector) = service.and_then(|service| labels(service, "/spec/selector")) else { return false };
        self.objects().any(|(name, object)| {
            let is_chosen = name.namespace() == namespace
                && matches!(name.kind(), "Deployment" | "StatefulSet" | "DaemonSet")
                && labels(object, "/spec/template/metadata/labels")
                    .is_some_and(|labels| selector.iter().all(|(key, value)| labels.get(key) == Some(value)));
            is_chosen && readiness(self, name).is_ok()
        })
    }
}

fn labels(object: &Object, pointer: &str) -> Option<BTreeMap<String, Value>> {
    let labels = object.at(pointer)?.as_object()?;
    Some(labels.iter().map(|(key, value)| (key.clone(), value.clone())).collect())
}
