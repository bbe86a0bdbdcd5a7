//! A database's server as a workload's pod template describes it.

use portolan_model::{Major, Object};
use portolan_recipe::Image;
use serde_json::Value;

/// A server in a workload.
pub(super) struct ServerContainer<'a> {
    /// The workload.
    pub(super) workload: &'a Object,
    /// The spec of its pods.
    pub(super) pod: &'a Value,
    /// The container that runs the server.
    pub(super) container: &'a Value,
    /// Its image; empty where none is named.
    pub(super) image: &'a str,
    /// What the recipe knows of that image.
    pub(super) known: Option<&'a Image>,
}

impl<'a> ServerContainer<'a> {
    /// The server of a workload: the container that the recipe names, or the only one.
    pub(super) fn of(workload: &'a Object, recipe: &'a portolan_recipe::ServerSpec) -> Option<Self> {
        let pod = workload.at("/spec/template/spec")?;
        let containers = pod.get("containers")?.as_array()?;
        let named = containers.iter().find(|container| container["name"] == recipe.container.as_str());
        let container = named.or(if let [only] = containers.as_slice() { Some(only) } else { None })?;
        let image = container.get("image").and_then(Value::as_str).unwrap_or_default();
        Some(Self { workload, pod, container, image, known: recipe.image(image) })
    }

    /// The major version that the image's name tells.
    pub(super) fn major(&self) -> Option<Major> {
        Major::of(self.known?.image.version(self.image)?)
    }

    /// The list at a key of the container.
    pub(super) fn list(&self, key: &str) -> &'a [Value] {
        list(self.container, key)
    }
}

/// The list at a key; empty where there is none.
pub(super) fn list<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value.get(key).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// The text at a key; empty where there is none.
pub(super) fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value.get(key).and_then(Value::as_str).unwrap_or_default()
}
