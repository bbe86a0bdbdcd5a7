//! The host that the platform is reached under changes: who logs in through Keycloak is sent to the old one until somebody says
//! otherwise in the places named. They are read from values and objects; Keycloak itself is not asked.

use std::collections::BTreeSet;

use portolan_helm_compat::values;
use portolan_inventory::credential;
use portolan_kube_facts::{PodTemplate, addresses, is_route, list};
use portolan_model::{Code, Finding, Object};
use serde_json::Value;

use super::{HopContext, Report};

/// A text that says something of addresses, and where it stands.
struct Said {
    place: String,
    text: String,
}

pub(super) fn check(context: &HopContext<'_>, report: &mut Report) {
    let Some(old) = context.resolved.domain() else { return };
    let routes = context.planned.docs.iter().filter(|doc| doc.name().is_some_and(|name| is_route(&name)));
    let hosts: Vec<String> = routes.flat_map(hosts).collect();
    let Some(new) = hosts.first().filter(|_| !hosts.contains(&old)) else { return };
    let chart = &context.input.pick.id;
    let mut finding = Finding::warning(Code::HostChanges, format!("the host changes from {old} to {new} in {chart}"));
    finding.evidence = evidence(context, &old, new);
    report.findings.push(finding);
}

/// The hosts of a Route or an Ingress, without scheme and path.
fn hosts(route: &Object) -> Vec<String> {
    let host = |address: String| {
        let rest = address.split_once("://").map_or(address.as_str(), |(_, rest)| rest).to_owned();
        rest.split('/').next().unwrap_or_default().to_owned()
    };
    addresses(route).into_iter().map(host).collect()
}

fn evidence(context: &HopContext<'_>, old: &str, new: &str) -> Vec<String> {
    let all = said(context);
    let mut lines = Vec::new();
    let realms: BTreeSet<&str> = all.iter().flat_map(|said| named(&said.text, "/realms/")).collect();
    for realm in &realms {
        lines.push(format!("Keycloak realm {realm}: the frontend URL, and the redirect URIs of its clients"));
    }
    let product = &context.resolved.book.product;
    for path in &product.identity.providers {
        if let Some(url) =
            values::get(&context.input.before, path).and_then(Value::as_str).filter(|url| !url.is_empty())
        {
            lines.push(format!(
                "identity provider {} ({path}): register the redirect URIs under {new} there",
                shown(url)
            ));
        }
    }
    let brokers: BTreeSet<&str> = all.iter().flat_map(|said| named(&said.text, "/broker/")).collect();
    for alias in brokers {
        lines.push(format!("identity provider {alias}: its redirect URI ends in /broker/{alias}/endpoint"));
    }
    let old_ones = all.iter().filter(|said| said.text.contains(old) && said.text.contains("://"));
    lines.extend(old_ones.map(|said| format!("{} names {}", said.place, shown(&said.text))));
    if realms.is_empty() {
        lines.push("no value and no object names a realm: see Keycloak's own list of realms".into());
    }
    lines
}

/// What values, `ConfigMap`s and the environment of programs say today.
fn said(context: &HopContext<'_>) -> Vec<Said> {
    let mut all = Vec::new();
    for (path, value) in values::flatten(&context.input.before) {
        let mut put = |text: &str| all.push(Said { place: format!("value {path}"), text: text.to_owned() });
        match &value {
            _ if credential::is_named(&path) => {}
            Value::String(text) => put(text),
            Value::Array(items) => items.iter().filter_map(Value::as_str).for_each(put),
            _ => {}
        }
    }
    for (name, object) in &context.before.objects {
        if name.namespace() != context.resolved.release().namespace {
            continue;
        }
        if name.kind() == "ConfigMap" {
            let data = object.at("/data").and_then(Value::as_object).into_iter().flatten();
            all.extend(data.filter_map(|(key, text)| {
                Some(Said { place: format!("{key} of {name}"), text: text.as_str()?.to_owned() })
            }));
        }
        // A pod says what its workload says.
        let Some(template) = PodTemplate::of(object).filter(|_| name.kind() != "Pod") else { continue };
        for env in template.containers().flat_map(|container| list(container.json, "env")) {
            let text = |key: &str| env.get(key).and_then(Value::as_str);
            if let (Some(variable), Some(text)) = (text("name"), text("value"))
                && !credential::is_named(variable)
            {
                all.push(Said { place: format!("{variable} of {name}"), text: text.to_owned() });
            }
        }
    }
    all
}

/// The names that follow a mark in a text: of `/realms/` in `https://h/auth/realms/runai/broker/saml/endpoint` it is `runai`.
fn named<'a>(text: &'a str, mark: &'a str) -> impl Iterator<Item = &'a str> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    text.split(mark)
        .skip(1)
        .map(move |rest| &rest[..rest.find(|c| !is_part(c)).unwrap_or(rest.len())])
        .filter(|name| !name.is_empty())
}

/// A URL without a login and without what follows the path.
fn shown(text: &str) -> String {
    let line = text.lines().find(|line| line.contains("://")).unwrap_or(text).trim();
    let bare = line.split(['?', '#']).next().unwrap_or_default();
    match bare.split_once("://") {
        Some((scheme, rest)) => {
            let (host, path) = rest.split_once('/').map_or((rest, None), |(host, path)| (host, Some(path)));
            let host = host.rsplit_once('@').map_or(host, |(_, host)| host);
            path.map_or_else(|| format!("{scheme}://{host}"), |path| format!("{scheme}://{host}/{path}"))
        }
        None => bare.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::{named, shown};

    #[test]
    fn realms_and_providers_are_read_from_addresses() {
        let url = "https://runai.example.com/auth/realms/runai/broker/openshift-v4/endpoint";
        assert_eq!(named(url, "/realms/").collect::<Vec<_>>(), ["runai"]);
        assert_eq!(named(url, "/broker/").collect::<Vec<_>>(), ["openshift-v4"]);
        assert_eq!(named("https://h/realms/", "/realms/").count(), 0);
    }

    #[test]
    fn a_login_in_an_address_is_not_shown() {
        assert_eq!(shown("https://u:p@h/x?token=1"), "https://h/x");
        assert_eq!(shown("https://h"), "https://h");
    }
}
