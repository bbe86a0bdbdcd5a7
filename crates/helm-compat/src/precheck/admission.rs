//! Webhooks and admission policies that the chart itself, its hooks or a hop before brings or changes. They judge what is written after
//! them, the pods of controllers and helm's own record; no dry run meets them, because they are not there when it is asked
//! (`k8s.io/apiserver/pkg/admission/plugin/{webhook,policy}`, Kubernetes 1.34).

use std::collections::BTreeMap;

use portolan_model::{Code, Finding, Object, Ref};
use serde_json::{Map, Value};

use super::{Precheck, body};

/// How many writes are named.
const SHOWN: usize = 8;

/// Something that will judge writes: a webhook, or a policy with one of its bindings.
struct Judge<'a> {
    /// The object that has it.
    name: Ref,
    /// Where it is in that object: `/webhooks/0`.
    field: String,
    /// What it matches: `rules` and the selectors.
    matches: Vec<&'a Value>,
    /// Where its object is among the documents of the manifest; `None` where it is there before the first of them.
    place: Option<usize>,
    /// Whether it may say no: a policy that denies, a webhook without which nothing is written.
    may_refuse: bool,
    /// Why it lets nothing pass, whatever it is asked.
    refuses_all: Option<String>,
}

/// A write that can be judged.
struct Write {
    words: String,
    operation: &'static str,
    object: Object,
    target: Ref,
    /// Whether data waits for it: a PVC, a pod that mounts one, or the workload of such pods.
    is_of_data: bool,
}

/// Whether a document configures admission.
pub(super) fn is_config(doc: &Object) -> bool {
    let kind = doc.text("/kind");
    doc.text("/apiVersion").starts_with("admissionregistration.k8s.io/")
        && (kind.ends_with("WebhookConfiguration") || kind.contains("AdmissionPolicy"))
}

pub(super) fn findings(check: &Precheck) -> Vec<Finding> {
    judges(check).iter().filter_map(|judge| finding(check, judge)).collect()
}

/// What has to be read to judge it: the Services that answer, the policies of bindings, and the namespaces that are written to.
pub(super) fn unread(check: &Precheck) -> Vec<Ref> {
    let hooks = check.hooks.iter().map(|hook| &hook.object);
    let configs = check.writes.planned.iter().chain(hooks).filter(|doc| is_config(doc));
    let mut all = Vec::new();
    for doc in configs {
        let services = doc.list("/webhooks").iter().filter_map(|webhook| webhook.pointer("/clientConfig/service"));
        let text = |value: &Value, key: &str| value[key].as_str().unwrap_or_default().to_owned();
        all.extend(
            services.map(|service| Ref::new("", "Service", &text(service, "namespace"), &text(service, "name"))),
        );
        let namespaces = check.writes.planned.iter().map(|doc| doc.text("/metadata/namespace"));
        all.extend(namespaces.filter(|name| !name.is_empty()).map(|name| Ref::new("", "Namespace", "", name)));
        if !doc.text("/spec/policyName").is_empty() {
            let kind = doc.text("/kind").trim_end_matches("Binding");
            all.push(Ref::new("admissionregistration.k8s.io", kind, "", doc.text("/spec/policyName")));
        }
    }
    all.retain(|name| !check.known.knows(name) && check.planned(name).is_none());
    all
}

/// Whether the upgrade changes, before it writes an object, the webhook or policy that says no to it today.
pub(super) fn is_changed(check: &Precheck, message: &str) -> bool {
    let is_named = |config: &Object| {
        let own = format!("'{}'", config.text("/metadata/name"));
        let webhooks = config.list("/webhooks").iter().filter_map(|webhook| webhook["name"].as_str());
        message.contains(&own) || webhooks.into_iter().any(|name| message.contains(&format!("\"{name}\"")))
    };
    let differs = |doc: &&Object| {
        let before = doc.name().and_then(|name| check.known.get(&name).or_else(|| check.stored(&name)));
        before.is_some_and(|before| is_named(before) && !is_same(before, doc))
    };
    let hooks = check.hooks.iter().filter(|hook| hook.is_before).map(|hook| &hook.object);
    let mut written = check.writes.planned.iter().chain(hooks).chain(&check.known.brought);
    written.any(|doc| is_config(doc) && differs(&doc))
}

/// Whether two configurations judge the same. The CA's certificate is put in by controllers.
fn is_same(a: &Object, b: &Object) -> bool {
    let plain = |object: &Object| {
        let mut json = (*object.0).clone();
        for webhook in json.get_mut("webhooks").and_then(Value::as_array_mut).into_iter().flatten() {
            if let Some(client) = webhook.get_mut("clientConfig").and_then(Value::as_object_mut) {
                client.remove("caBundle");
            }
        }
        without_defaults(json.get("webhooks").or_else(|| json.get("spec")).unwrap_or(&Value::Null))
    };
    plain(a) == plain(b)
}

/// What the API server fills in where it is left out (`pkg/apis/admissionregistration/v1/defaults.go`, Kubernetes 1.34).
fn without_defaults(value: &Value) -> Value {
    match value {
        Value::Array(items) => items.iter().map(without_defaults).collect(),
        Value::Object(map) => {
            let is_default = |key: &str, value: &Value| match key {
                "failurePolicy" => value == "Fail",
                "matchPolicy" => value == "Equivalent",
                "timeoutSeconds" => value == 10,
                "reinvocationPolicy" => value == "Never",
                "scope" => value == "*",
                "port" => value == 443,
                "namespaceSelector" | "objectSelector" => value.as_object().is_some_and(Map::is_empty),
                _ => value.is_null(),
            };
            let kept = map.iter().filter(|(key, value)| !is_default(key, value));
            kept.map(|(key, value)| (key.clone(), without_defaults(value))).collect()
        }
        other => other.clone(),
    }
}

/// The configurations that are written, and where among the documents of the manifest; `None` where it is before the first of them.
fn written(check: &Precheck) -> BTreeMap<Ref, (Option<usize>, &Object)> {
    let hooks = check.hooks.iter().filter(|hook| hook.is_before).map(|hook| (None, &hook.object));
    let earlier = check.known.brought.iter().map(|doc| (None, doc));
    let planned = check.writes.planned.iter().enumerate().map(|(place, doc)| (Some(place), doc));
    let mut all: BTreeMap<Ref, (Option<usize>, &Object)> = BTreeMap::new();
    for (place, doc) in earlier.chain(hooks).chain(planned).filter(|(_, doc)| is_config(doc)) {
        let Some(name) = doc.name() else { continue };
        // What the hop before has written already is there from the beginning.
        if !all.get(&name).is_some_and(|(_, before)| is_same(before, doc)) {
            all.insert(name, (place, doc));
        }
    }
    all
}

fn judges(check: &Precheck) -> Vec<Judge<'_>> {
    let mut all = Vec::new();
    for (name, (place, doc)) in written(check) {
        let today = check.known.get(&name).or_else(|| check.stored(&name).filter(|_| check.writes.is_next));
        if today.is_some_and(|today| is_same(today, doc)) {
            continue;
        }
        if doc.text("/kind").ends_with("WebhookConfiguration") {
            all.extend(webhooks(check, &name, doc, today).into_iter().map(|judge| Judge { place, ..judge }));
        } else if doc.text("/kind").ends_with("Binding") {
            all.extend(policy(check, &name, doc, place));
        } else if today.is_some() {
            let bindings = check.known.objects.values().chain(&check.writes.stored);
            let its = bindings.filter(|binding| is_config(binding) && binding.text("/spec/policyName") == name.name());
            all.extend(its.filter_map(|binding| policy(check, &binding.name()?, binding, place)));
        }
    }
    all.sort_by(|a, b| (&a.name, &a.field, a.place).cmp(&(&b.name, &b.field, b.place)));
    all.dedup_by(|a, b| a.name == b.name && a.field == b.field);
    all
}

fn webhooks<'a>(check: &'a Precheck, name: &Ref, doc: &'a Object, today: Option<&Object>) -> Vec<Judge<'a>> {
    let is_there = |webhook: &Value| {
        let one = |webhook: &Value| Object::new(serde_json::json!({ "webhooks": [webhook] }));
        let its = today.map_or(&[][..], |today| today.list("/webhooks")).iter();
        its.filter(|its| its["name"] == webhook["name"]).any(|its| is_same(&one(its), &one(webhook)))
    };
    let new = doc.list("/webhooks").iter().enumerate().filter(|(_, webhook)| !is_there(webhook));
    let judge = |(index, webhook): (usize, &'a Value)| {
        let service = webhook.pointer("/clientConfig/service");
        let of = |key: &str| service.and_then(|service| service[key].as_str()).unwrap_or_default();
        let target = Ref::new("", "Service", of("namespace"), of("name"));
        let stays = !check.is_stored(&target) || check.planned(&target).is_some();
        let is_there = service.is_none()
            || check.planned(&target).is_some()
            || check.hooks.iter().any(|hook| hook.object.name().as_ref() == Some(&target))
            || (stays && !check.known.is_absent(&target));
        // Nobody is there to say no, and then it passes.
        if !is_there && webhook["failurePolicy"] == "Ignore" {
            return None;
        }
        let refuses_all = (!is_there && webhook.get("matchConditions").is_none()).then(|| {
            format!("its failurePolicy is Fail, and {target} in namespace {} does not exist", target.namespace())
        });
        let field = format!("/webhooks/{index}");
        let may_refuse = webhook["failurePolicy"] != "Ignore";
        Some(Judge { name: name.clone(), field, matches: vec![webhook], place: None, may_refuse, refuses_all })
    };
    new.filter_map(judge).collect()
}

/// A binding with its policy; `None` where it refuses nothing, or the policy cannot be read.
fn policy<'a>(check: &'a Precheck, name: &Ref, binding: &'a Object, place: Option<usize>) -> Option<Judge<'a>> {
    let actions = binding.list("/spec/validationActions");
    let is_validating = binding.text("/kind").starts_with("Validating");
    if is_validating && !actions.iter().any(|action| action == "Deny") {
        return None;
    }
    let kind = binding.text("/kind").trim_end_matches("Binding");
    let its = Ref::new("admissionregistration.k8s.io", kind, "", binding.text("/spec/policyName"));
    let hooks = check.hooks.iter().map(|hook| &hook.object);
    let mut docs = check.writes.planned.iter().chain(hooks).chain(check.known.brought.iter().rev());
    let own = docs.find(|doc| doc.name().as_ref() == Some(&its)).or_else(|| check.known.get(&its));
    let constraints = own.and_then(|policy| policy.at("/spec/matchConstraints"));
    let matches = constraints.into_iter().chain(binding.at("/spec/matchResources")).collect::<Vec<_>>();
    let name = if own.is_some() { its } else { name.clone() };
    Some(Judge { name, field: "/spec".into(), matches, place, may_refuse: is_validating, refuses_all: None })
}

fn finding(check: &Precheck, judge: &Judge<'_>) -> Option<Finding> {
    let writes: Vec<Write> =
        writes(check, judge.place).into_iter().filter(|write| matches(check, judge, write)).collect();
    let first = writes.first()?;
    let is_of_data = writes.iter().any(|write| write.is_of_data);
    // What data waits for is named first.
    let (of_data, others): (Vec<&Write>, Vec<&Write>) = writes.iter().partition(|write| write.is_of_data);
    let mut words: Vec<String> =
        of_data.into_iter().chain(others).take(SHOWN).map(|write| format!("judged by it: {}", write.words)).collect();
    if writes.len() > SHOWN {
        words.push(format!("and {} more", writes.len() - SHOWN));
    }
    let finding = match &judge.refuses_all {
        Some(why) => Finding::blocking(
            Code::ServerRefuses,
            format!("{} of this upgrade refuses {}, which comes after it", judge.name, first.words),
        )
        .with(why.clone())
        .why("helm writes it with the rest: the upgrade would stop half-way, or new pods would never come")
        .next("give the chart the Service that answers, or failurePolicy: Ignore; or disable the webhook in the values"),
        None if is_of_data && judge.name.kind().starts_with("Mutating") => Finding::blocking(
            Code::NewAdmission,
            format!("{} is new or changes in this upgrade, and may change what a store needs", judge.name),
        )
        .why("it is not there yet, so nobody can ask what it makes of the pods and PVCs of the data"),
        None if is_of_data && judge.may_refuse => Finding::blocking(
            Code::NewAdmission,
            format!("{} is new or changes in this upgrade, and may refuse what a store needs", judge.name),
        ),
        None => Finding::warning(
            Code::NotChecked,
            format!("{} is new or changes in this upgrade, and may refuse what comes after it", judge.name),
        )
        .why("the API server cannot be asked before it is there; what it refuses stops helm half-way, or new pods never come")
        .next("read its rules, or create it by itself first and plan again: each write is then asked with it in place"),
    };
    let mut finding = finding.about(&judge.name).at(judge.field.clone());
    finding.evidence.extend(words);
    Some(finding)
}

/// What is written after a document of the manifest, or after the hooks before.
fn writes(check: &Precheck, place: Option<usize>) -> Vec<Write> {
    let mut all = Vec::new();
    let mut push = |words: String, operation, object: Object, target: Ref| {
        let is_of_data = operation != "DELETE" && is_of_data(&object);
        all.push(Write { words, operation, object, target, is_of_data });
    };
    for (index, doc) in check.writes.planned.iter().enumerate() {
        let Some(name) = doc.name() else { continue };
        let marked = body::marked(doc, &check.writes.release);
        let is_new = check.writes.deletes.contains(&name) || !check.exists(&name);
        let is_after = place.is_none_or(|place| place < index);
        if is_after && is_new {
            push(name.to_string(), "CREATE", marked, name.clone());
        } else if is_after
            && check.answered.iter().any(|(_, asked, _)| asked.target == name && asked.ask.verb() == "patch")
        {
            push(name.to_string(), "UPDATE", marked, name.clone());
        }
        // Controllers make pods when the manifest is written, and whenever one is replaced.
        if let Some(pod) = portolan_kube_facts::created_pod(doc).filter(|_| check.makes_pods(doc)) {
            let target = Ref::pod(pod.text("/metadata/namespace"), pod.text("/metadata/name"));
            push(format!("the pods of {name}"), "CREATE", pod, target);
        }
    }
    for hook in check.hooks.iter().filter(|hook| hook.is_after) {
        let Some(name) = hook.object.name() else { continue };
        if let Some(pod) = portolan_kube_facts::created_pod(&hook.object) {
            let target = Ref::pod(pod.text("/metadata/namespace"), pod.text("/metadata/name"));
            push(format!("the pods of the hook {name}"), "CREATE", pod, target);
        }
        push(format!("the hook {name}"), "CREATE", hook.object.clone(), name);
    }
    let release = &check.writes.release;
    let record = Ref::secret(&release.namespace, &format!("sh.helm.release.v1.{}", release.name));
    let labels = serde_json::json!({"metadata": {"labels": {"owner": "helm", "name": release.name}}});
    push("helm's record of the release".into(), "UPDATE", Object::new(labels), record);
    for doc in &check.writes.stored {
        if let Some(name) = doc.name().filter(|name| check.planned(name).is_none() && check.exists(name)) {
            push(format!("the deletion of {name}"), "DELETE", doc.clone(), name);
        }
    }
    all
}

/// Whether data waits for a write: a PVC, a pod that mounts one, or the workload of such pods.
fn is_of_data(object: &Object) -> bool {
    let mounts =
        portolan_kube_facts::PodTemplate::of(object).is_some_and(|template| template.claims().next().is_some());
    let makes = !object.list("/spec/volumeClaimTemplates").is_empty();
    mounts || makes || object.text("/kind") == "PersistentVolumeClaim"
}

/// Whether a write comes before a judge, as far as the objects say: conditions in CEL may rule it out all the same.
fn matches(check: &Precheck, judge: &Judge<'_>, write: &Write) -> bool {
    // Its own kind is never judged by a webhook (`rules.IsExemptAdmissionConfigurationResource`).
    if write.target.group() == "admissionregistration.k8s.io" {
        return false;
    }
    judge.matches.iter().all(|part| {
        let rules = |key: &str| part[key].as_array();
        let included = rules("rules").or_else(|| rules("resourceRules"));
        let is_any = |rules: &Vec<Value>| rules.iter().any(|rule| of_rule(rule, write));
        included.is_none_or(is_any)
            && !rules("excludeResourceRules").is_some_and(is_any)
            && of_namespace(check, &part["namespaceSelector"], write)
            && selects(&part["objectSelector"], write.object.at("/metadata/labels")) != Some(false)
    })
}

fn of_rule(rule: &Value, write: &Write) -> bool {
    let has = |key: &str, wanted: &str| {
        let list = rule[key].as_array();
        list.is_some_and(|list| list.iter().any(|item| item == "*" || item == wanted))
    };
    let plural = portolan_kube_facts::plural(write.target.group(), write.target.kind());
    let is_resource = has("resources", &plural) || has("resources", "*/*");
    let is_scope = match rule["scope"].as_str() {
        Some("Namespaced") => !write.target.namespace().is_empty(),
        Some("Cluster") => write.target.namespace().is_empty(),
        _ => true,
    };
    let names = rule["resourceNames"]
        .as_array()
        .is_none_or(|names| names.is_empty() || names.iter().any(|name| name == write.target.name()));
    is_resource && is_scope && names && has("apiGroups", write.target.group()) && has("operations", write.operation)
}

fn of_namespace(check: &Precheck, selector: &Value, write: &Write) -> bool {
    let namespace = match write.target.kind() {
        "Namespace" => write.target.name(),
        _ => write.target.namespace(),
    };
    if namespace.is_empty() {
        return true;
    }
    let name = Ref::new("", "Namespace", "", namespace);
    let object = check.planned(&name).or_else(|| check.known.get(&name));
    let mut labels =
        object.and_then(|object| object.at("/metadata/labels")).cloned().unwrap_or_else(|| Value::Object(Map::new()));
    labels["kubernetes.io/metadata.name"] = namespace.into();
    // Of a namespace that was not read only the name is known.
    let is_known = object.is_some();
    let own_name = "kubernetes.io/metadata.name";
    let is_name = |key: &str| is_known || key == own_name;
    let keys = |list: &str| selector[list].as_object().into_iter().flatten().map(|(key, _)| key.as_str());
    let expressions = selector["matchExpressions"].as_array().into_iter().flatten();
    let all_known = keys("matchLabels").all(is_name) && expressions.filter_map(|one| one["key"].as_str()).all(is_name);
    let of_name = keys("matchLabels").any(|key| key == own_name && selector["matchLabels"][key] != namespace);
    !of_name && (!all_known || selects(selector, Some(&labels)) != Some(false))
}

/// Whether a label selector selects labels; `None` where it says nothing.
fn selects(selector: &Value, labels: Option<&Value>) -> Option<bool> {
    let selector = selector.as_object().filter(|selector| !selector.is_empty())?;
    let label = |key: &str| labels.and_then(|labels| labels.get(key));
    let of_labels = selector.get("matchLabels").and_then(Value::as_object).into_iter().flatten();
    let of_expressions = selector.get("matchExpressions").and_then(Value::as_array).into_iter().flatten();
    let holds = |expression: &Value| {
        let has = expression["key"].as_str().and_then(label);
        let is_among = || has.is_some_and(|has| expression["values"].as_array().is_some_and(|all| all.contains(has)));
        match expression["operator"].as_str() {
            Some("In") => is_among(),
            Some("NotIn") => !is_among(),
            Some("Exists") => has.is_some(),
            Some("DoesNotExist") => has.is_none(),
            _ => true,
        }
    };
    Some(of_labels.into_iter().all(|(key, value)| label(key) == Some(value)) && of_expressions.into_iter().all(holds))
}
