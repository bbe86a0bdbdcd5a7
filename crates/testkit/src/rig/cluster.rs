//! What a cluster has before anything is installed on it: a default storage class, and the shape of OpenShift.

use anyhow::Result;
use serde_json::{Value, json};

use super::api::Api;
use super::state::{Shape, State, poll};

/// The version that the OpenShift shape says it has.
const OPENSHIFT: &str = "4.14.31";

/// The domain of its routes.
pub const APPS_DOMAIN: &str = "apps.rig.example.com";

/// Makes the objects; waits until they are served.
pub(crate) fn prepare(api: &Api, state: &State) -> Result<()> {
    api.create("/apis/storage.k8s.io/v1/storageclasses", &storage_class())?;
    if state.shape == Shape::Openshift {
        openshift(api)?;
    }
    poll("the default service account", || api.find("/api/v1/namespaces/default/serviceaccounts/default"))?;
    Ok(())
}

fn storage_class() -> Value {
    json!({
        "apiVersion": "storage.k8s.io/v1", "kind": "StorageClass",
        "metadata": {"name": "standard", "annotations": {"storageclass.kubernetes.io/is-default-class": "true"}},
        "provisioner": "kubernetes.io/host-path", "reclaimPolicy": "Delete",
    })
}

/// The API groups of OpenShift that Portolan reads, as resources of ours in their published shape, with the objects of
/// a real cluster.
fn openshift(api: &Api) -> Result<()> {
    let kinds = [
        ("route.openshift.io", "routes", "route", "Route", "Namespaced"),
        ("config.openshift.io", "clusterversions", "clusterversion", "ClusterVersion", "Cluster"),
        ("config.openshift.io", "ingresses", "ingress", "Ingress", "Cluster"),
    ];
    for (group, plural, singular, kind, scope) in kinds {
        let name = format!("{plural}.{group}");
        let schema = json!({"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}});
        api.create(
            "/apis/apiextensions.k8s.io/v1/customresourcedefinitions",
            &json!({
                "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
                "metadata": {"name": name},
                "spec": {
                    "group": group, "scope": scope,
                    "names": {"plural": plural, "singular": singular, "kind": kind, "listKind": format!("{kind}List")},
                    "versions": [{"name": "v1", "served": true, "storage": true, "schema": schema}],
                },
            }),
        )?;
    }
    let version = json!({
        "apiVersion": "config.openshift.io/v1", "kind": "ClusterVersion", "metadata": {"name": "version"},
        "spec": {"clusterID": "6f7f3a52-7a1f-4a0f-9d0b-2f6a4f1f9c11", "channel": "stable-4.14"},
        "status": {
            "desired": {"version": OPENSHIFT},
            "history": [{"state": "Completed", "version": OPENSHIFT, "verified": true}],
        },
    });
    let ingress = json!({
        "apiVersion": "config.openshift.io/v1", "kind": "Ingress", "metadata": {"name": "cluster"},
        "spec": {"domain": APPS_DOMAIN},
    });
    for (plural, object) in [("clusterversions", &version), ("ingresses", &ingress)] {
        poll(&format!("the resource {plural}"), || {
            api.create(&format!("/apis/config.openshift.io/v1/{plural}"), object).map(Some)
        })?;
    }
    poll("the resource routes", || api.get("/apis/route.openshift.io/v1/namespaces/default/routes").map(Some))?;
    Ok(())
}
