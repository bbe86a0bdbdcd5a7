//! Where a CA of the site's own has to be known: on the nodes, which pull, and in the pods, which call what it signed. The third place is
//! our own client, which cannot ask the registry without it.

use portolan_inventory::survey::Survey;
use portolan_kube_facts::is_openshift_registry;
use portolan_model::{Answer, Code, Finding, Object, Ref, SecretKey, SiteRegistry, SurveyQuery};
use portolan_recipe::CustomCa;
use serde_json::Value;

/// Where an OpenShift cluster keeps what its configuration names.
const CONFIG: &str = "openshift-config";

/// The key of the CAs that all of an OpenShift cluster trusts.
const BUNDLE: &str = "ca-bundle.crt";

/// A CA: the certificates of a file, each as its base64 text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authority(Vec<String>);

impl Authority {
    /// Reads certificates in PEM.
    #[must_use]
    pub fn of(pem: &str) -> Self {
        Self(certificates(pem))
    }

    /// Whether one of its certificates is in a PEM text.
    #[must_use]
    pub fn is_in(&self, pem: &str) -> bool {
        certificates(pem).iter().any(|certificate| self.0.contains(certificate))
    }
}

/// The certificates of a PEM text (RFC 7468), without what tools write between and around them.
fn certificates(pem: &str) -> Vec<String> {
    let parts = pem.split("-----BEGIN CERTIFICATE-----").skip(1);
    let body = |part: &str| part.split("-----END").next().unwrap_or_default().split_whitespace().collect::<String>();
    parts.map(body).filter(|body| !body.is_empty()).collect()
}

/// The ConfigMaps that the answers to `portolan_inventory::survey::node_trust` name.
#[must_use]
pub fn named_bundles(configs: &[Answer]) -> Vec<SurveyQuery> {
    let names = objects(configs).flat_map(|config| {
        ["/spec/additionalTrustedCA/name", "/spec/trustedCA/name"].map(|at| config.text(at).to_owned())
    });
    let bundle = |name: String| SurveyQuery::Get(Ref::new("", "ConfigMap", CONFIG, &name));
    names.filter(|name| !name.is_empty()).map(bundle).collect()
}

fn objects(answers: &[Answer]) -> impl Iterator<Item = &Object> {
    answers.iter().filter_map(|answer| match answer {
        Answer::Items(items) => items.first(),
        _ => None,
    })
}

/// Why the nodes of an OpenShift cluster do not know a CA, in one clause; `None` where they do, and where nobody can say. `configs` and
/// `bundles` are answers to `node_trust` and [`named_bundles`].
#[must_use]
pub fn nodes_lack(
    registry: &SiteRegistry,
    authority: &Authority,
    configs: &[Answer],
    bundles: &[Answer],
) -> Option<String> {
    let host = registry.pull_host();
    // The cluster's own registry is trusted by its operator.
    let is_unknown =
        configs.is_empty() || configs.iter().chain(bundles).any(|answer| !matches!(answer, Answer::Items(_)));
    if is_unknown || is_openshift_registry(host) {
        return None;
    }
    // A colon cannot stand in a key (OpenShift Container Platform 4.17, "Images", "Configuring additional trust stores for image registry
    // access").
    let own = host.replace(':', "..");
    let keys = [own.as_str(), BUNDLE];
    let known = objects(bundles).any(|bundle| {
        keys.iter().any(|key| {
            let text = bundle.at("/data").and_then(|data| data.get(*key)?.as_str());
            text.is_some_and(|pem| authority.is_in(pem))
        })
    });
    let names: Vec<String> = objects(bundles).filter_map(Object::name).map(|name| name.to_string()).collect();
    let why = if names.is_empty() {
        "Image.config.openshift.io/cluster names no additionalTrustedCA".to_owned()
    } else {
        format!("{} in {CONFIG} has it neither under {own} nor under {BUNDLE}", names.join(", "))
    };
    (!known).then_some(why)
}

/// Why the pods of the new version are not told of a CA, in one clause; `None` where they are. `values` are those at the end; `is_known`
/// says whether certificates in PEM are enough.
#[must_use]
pub fn pods_lack(
    custom: &CustomCa,
    survey: &Survey,
    values: &Value,
    is_known: &dyn Fn(&str) -> bool,
) -> Option<String> {
    let CustomCa { switch, secret, key } = custom;
    let inventory = &survey.inventory;
    let value = switch.split('.').try_fold(values, |value, part| value.get(part));
    if value != Some(&Value::Bool(true)) {
        return Some(format!("{switch} is not true"));
    }
    let name = Ref::secret(&inventory.release.id.namespace, secret);
    if !inventory.objects.contains_key(&name) {
        let is_known = inventory.is_complete("Secret", name.namespace());
        return is_known.then(|| format!("Secret/{secret} does not exist"));
    }
    match survey.secrets.get(&SecretKey { secret: name, key: key.clone() }) {
        None => Some(format!("Secret/{secret} has no {key}")),
        Some(pem) if is_known(pem) => None,
        Some(_) => Some(format!("{key} of Secret/{secret} has other certificates")),
    }
}

/// Says where a CA is not known. What nodes do not know blocks: they pull nothing then.
#[must_use]
pub fn finding(
    registry: &SiteRegistry,
    nodes: Option<String>,
    pods: Option<(&CustomCa, String)>,
    namespace: &str,
) -> Option<Finding> {
    let (host, own) = (registry.pull_host(), registry.pull_host().replace(':', ".."));
    let file = registry.ca_file.as_deref().unwrap_or("FILE");
    let lacking = match (&nodes, &pods) {
        (None, None) => return None,
        (Some(_), None) => "the nodes do",
        (None, Some(_)) => "the pods do",
        (Some(_), Some(_)) => "the nodes and the pods do",
    };
    let found = format!("the certificate of {host} is signed by a CA of the site's own, which {lacking} not know");
    let mut finding = match nodes {
        Some(_) => Finding::blocking(Code::CaUnknown, found),
        None => Finding::warning(Code::CaUnknown, found),
    };
    let mut ways = Vec::new();
    if let Some(why) = nodes {
        finding = finding.with(format!("nodes: {why}"));
        ways.push(format!(
            "nodes: add {file} under the key {own} to the ConfigMap in {CONFIG} that additionalTrustedCA of image.config.openshift.io/cluster \
             names"
        ));
    }
    if let Some((CustomCa { switch, secret, key }, why)) = pods {
        finding = finding.with(format!("pods: {why}"));
        ways.push(format!(
            "pods: kubectl create secret generic {secret} -n {namespace} --from-file={key}={file}, and --set {switch}=true"
        ));
    }
    Some(finding.next(ways.join("; ")))
}

/// Says that pods do not know the CA that signed the platform's own certificates. Each host comes with the place of its certificate.
#[must_use]
pub fn own_finding(hosts: &[(String, String)], custom: &CustomCa, why: &str, namespace: &str) -> Option<Finding> {
    let (first, _) = hosts.first()?;
    let CustomCa { switch, secret, key } = custom;
    let found = format!("the certificate of {first} is signed by a CA of the site's own, which the pods do not know");
    let mut finding = Finding::warning(Code::CaUnknown, found);
    for (host, at) in hosts {
        finding = finding.with(format!("{host}: {at}"));
    }
    Some(finding.with(format!("pods: {why}")).next(format!(
        "kubectl create secret generic {secret} -n {namespace} --from-file={key}=FILE, with the certificate of that CA in FILE, and --set \
         {switch}=true"
    )))
}

#[cfg(test)]
mod tests;
