//! What a pod takes of a quota (`pkg/quota/v1/evaluator/core/pods.go` and `PodRequests`/`PodLimits` in `k8s.io/component-helpers/resource`,
//! Kubernetes 1.34).

use std::collections::BTreeMap;

use portolan_kube_facts::{ContainerKind, PodTemplate};
use portolan_model::Object;
use serde_json::{Map, Value};

use super::{Usage, add};
use portolan_kube_facts::semantics::quantity;

type Amounts = BTreeMap<String, i128>;

/// What LimitRanges give containers that do not say it themselves.
#[derive(Clone, Debug, Default)]
pub(in crate::precheck) struct Defaults {
    requests: Amounts,
    limits: Amounts,
}

impl Defaults {
    /// The first range that names a resource gives it (`plugin/pkg/admission/limitranger`); what a range leaves out of its defaults comes
    /// out of its bounds (`SetDefaults_LimitRangeItem` in `pkg/apis/core/v1/defaults.go`).
    pub(in crate::precheck) fn of<'a>(ranges: impl Iterator<Item = &'a Object>) -> Self {
        let mut all = Self::default();
        for range in ranges {
            for item in range.list("/spec/limits").iter().filter(|item| item["type"] == "Container") {
                let map = |key: &str| amounts(item[key].as_object());
                let mut limits = map("default");
                fill(&mut limits, &map("max"));
                let mut requests = map("defaultRequest");
                fill(&mut requests, &limits);
                fill(&mut requests, &map("min"));
                fill(&mut all.limits, &limits);
                fill(&mut all.requests, &requests);
            }
        }
        all
    }
}

/// Which pods a quota counts.
#[derive(Clone, Copy)]
pub(in crate::precheck) struct Scope<'a>(&'a Object);

impl<'a> Scope<'a> {
    pub(in crate::precheck) fn of(quota: &'a Object) -> Self {
        Self(quota)
    }

    /// Whether the quota counts every object, not some pods alone.
    pub(in crate::precheck) fn is_everything(self) -> bool {
        self.0.list("/spec/scopes").is_empty() && self.0.at("/spec/scopeSelector").is_none()
    }

    /// Whether the quota counts a pod of a template (`podMatchesScopeFunc`).
    pub(in crate::precheck) fn has(self, template: PodTemplate<'_>, defaults: &Defaults) -> bool {
        let scopes = self.0.list("/spec/scopes").iter().filter_map(Value::as_str);
        let plain = scopes.map(|scope| (scope, if scope == "PriorityClass" { "Exists" } else { "" }, &[][..]));
        let selector = self.0.list("/spec/scopeSelector/matchExpressions").iter().map(|one| {
            let text = |key: &str| one[key].as_str().unwrap_or_default();
            (text("scopeName"), text("operator"), one["values"].as_array().map_or(&[][..], Vec::as_slice))
        });
        plain.chain(selector).all(|(scope, operator, values)| of_scope(scope, operator, values, template, defaults))
    }
}

fn of_scope(scope: &str, operator: &str, values: &[Value], template: PodTemplate<'_>, defaults: &Defaults) -> bool {
    let is_best_effort = || {
        let (requests, limits) = of_pod(template, defaults);
        let own = |all: &Amounts| all.iter().any(|(key, value)| matches!(key.as_str(), "cpu" | "memory") && *value > 0);
        !own(&requests) && !own(&limits)
    };
    let has = |key: &str| template.spec.get(key).is_some_and(|value| !value.is_null());
    let affinity = || {
        let text = template.spec.get("affinity").map(Value::to_string).unwrap_or_default();
        text.contains("\"namespaces\"") || text.contains("\"namespaceSelector\"")
    };
    match scope {
        "BestEffort" => is_best_effort(),
        "NotBestEffort" => !is_best_effort(),
        "Terminating" => has("activeDeadlineSeconds"),
        "NotTerminating" => !has("activeDeadlineSeconds"),
        "CrossNamespacePodAffinity" => affinity(),
        "PriorityClass" => {
            let class = template
                .spec
                .get("priorityClassName")
                .filter(|class| class.as_str().is_some_and(|name| !name.is_empty()));
            let is_among = class.is_some_and(|class| values.contains(class));
            match operator {
                "In" => is_among,
                "NotIn" => !is_among,
                "DoesNotExist" => class.is_none(),
                _ => class.is_some(),
            }
        }
        _ => false,
    }
}

/// What some pods of a template take.
pub(in crate::precheck) fn usage(template: PodTemplate<'_>, count: i128, defaults: &Defaults) -> Usage {
    let (requests, limits) = of_pod(template, defaults);
    let mut usage: Usage = [("pods".to_owned(), 1_000), ("count/pods".to_owned(), 1_000)].into();
    for (resource, value) in requests {
        if matches!(resource.as_str(), "cpu" | "memory" | "ephemeral-storage") {
            usage.insert(resource.clone(), value);
        }
        usage.insert(format!("requests.{resource}"), value);
    }
    usage.extend(limits.into_iter().map(|(resource, value)| (format!("limits.{resource}"), value)));
    usage.into_iter().map(|(key, taken)| (key, taken * count)).collect()
}

/// Requests and limits of a whole pod: what all containers take that run beside each other, or the init container that takes the most
/// together with the sidecars before it. What the pod says itself wins.
fn of_pod(template: PodTemplate<'_>, defaults: &Defaults) -> (Amounts, Amounts) {
    let (mut main, mut sidecars, mut peak) =
        ([Amounts::new(), Amounts::new()], [Amounts::new(), Amounts::new()], [Amounts::new(), Amounts::new()]);
    for container in template.containers() {
        let own = of_container(container.json, defaults);
        for (list, own) in own.into_iter().enumerate() {
            if container.kind == ContainerKind::Main {
                add(&mut main[list], &own);
            } else if container.runs_beside() {
                add(&mut sidecars[list], &own);
                let beside = sidecars[list].clone();
                raise(&mut peak[list], &beside);
            } else {
                let mut beside = sidecars[list].clone();
                add(&mut beside, &own);
                raise(&mut peak[list], &beside);
            }
        }
    }
    let mut whole = main;
    for list in 0..2 {
        add(&mut whole[list], &sidecars[list]);
        raise(&mut whole[list], &peak[list]);
        let of_pod = template.spec.pointer(["/resources/requests", "/resources/limits"][list]);
        whole[list].extend(amounts(of_pod.and_then(Value::as_object)));
        add(&mut whole[list], &amounts(template.spec.get("overhead").and_then(Value::as_object)));
    }
    let [requests, limits] = whole;
    (requests, limits)
}

fn of_container(container: &Value, defaults: &Defaults) -> [Amounts; 2] {
    let map = |list: &str| amounts(container.pointer(&format!("/resources/{list}")).and_then(Value::as_object));
    let (mut requests, mut limits) = (map("requests"), map("limits"));
    // What a container limits and does not ask for it asks for up to the limit; then come the ranges.
    fill(&mut requests, &limits);
    fill(&mut requests, &defaults.requests);
    fill(&mut limits, &defaults.limits);
    [requests, limits]
}

fn amounts(map: Option<&Map<String, Value>>) -> Amounts {
    map.into_iter().flatten().filter_map(|(key, value)| Some((key.clone(), quantity(value)?))).collect()
}

fn fill(all: &mut Amounts, more: &Amounts) {
    for (key, value) in more {
        all.entry(key.clone()).or_insert(*value);
    }
}

fn raise(all: &mut Amounts, other: &Amounts) {
    for (key, value) in other {
        let own = all.entry(key.clone()).or_default();
        *own = (*own).max(*value);
    }
}
