use portolan_model::Severity;
use serde_json::json;

use super::super::tests::inventory;
use super::*;

const HOST: &str = "registry.example:5000";
const NS: &str = "runai-backend";

fn pem(body: &str) -> String {
    format!("subject=site\n-----BEGIN CERTIFICATE-----\n{body}\nAAAA\n-----END CERTIFICATE-----\n")
}

fn registry() -> SiteRegistry {
    SiteRegistry {
        host: HOST.into(),
        pull_as: None,
        path: String::new(),
        plain_http: false,
        ca_file: Some("ca.pem".into()),
    }
}

fn there(object: Value) -> Answer {
    Answer::Items(vec![Object::new(object)])
}

/// What a cluster says of the CAs for registries, and for all.
fn configs(additional: &str, all: &str) -> Vec<Answer> {
    let named = |kind: &str, field: &str, name: &str| {
        there(json!({"kind": kind, "metadata": {"name": "cluster"}, "spec": {field: {"name": name}}}))
    };
    vec![named("Image", "additionalTrustedCA", additional), named("Proxy", "trustedCA", all)]
}

fn bundle(name: &str, key: &str, pem: &str) -> Answer {
    there(
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": CONFIG}, "data": {key: pem}}),
    )
}

#[test]
fn a_certificate_is_the_same_however_it_is_wrapped() {
    let authority = Authority::of(&pem("MIIB"));
    assert!(authority.is_in("-----BEGIN CERTIFICATE-----\r\nMIIBAAAA\r\n-----END CERTIFICATE-----"));
    assert!(authority.is_in(&format!("{}{}", pem("other"), pem("MIIB"))));
    assert!(!authority.is_in(&pem("other")) && !authority.is_in("") && !Authority::of("").is_in(&pem("MIIB")));
}

#[test]
fn nodes_know_a_ca_that_the_cluster_names_for_the_registry_or_for_all() {
    let authority = Authority::of(&pem("MIIB"));
    let lack = |configs: &[Answer], bundles: &[Answer]| nodes_lack(&registry(), &authority, configs, bundles);
    let own = "registry.example..5000";
    assert_eq!(named_bundles(&configs("cas", "")).len(), 1);
    assert_eq!(named_bundles(&configs("cas", "all")).len(), 2);
    for (name, key, content, is_known) in [
        ("cas", own, pem("MIIB"), true),
        ("cas", own, pem("other"), false),
        ("cas", "registry.example", pem("MIIB"), false),
        ("all", BUNDLE, pem("MIIB"), true),
        ("all", BUNDLE, pem("other"), false),
    ] {
        let why = lack(&configs("cas", "all"), &[bundle(name, key, &content)]);
        assert_eq!(why.is_none(), is_known, "{name} {key}: {why:?}");
    }
    assert!(lack(&configs("", ""), &[]).is_some_and(|why| why.contains("names no additionalTrustedCA")));
    // Nobody can say.
    assert_eq!(lack(&[], &[]), None);
    assert_eq!(lack(&[Answer::Denied("forbidden".into()), Answer::NotServed], &[]), None);
    assert_eq!(lack(&configs("cas", ""), &[Answer::Denied("forbidden".into())]), None);
    let service = Some("image-registry.openshift-image-registry.svc:5000".to_owned());
    let own = SiteRegistry { pull_as: service, ..registry() };
    assert_eq!(nodes_lack(&own, &authority, &configs("", ""), &[]), None);
}

fn survey(secret: Option<(&str, &str)>) -> Survey {
    let mut inventory = inventory(NS);
    let mut values = Vec::new();
    if let Some((key, pem)) = secret {
        let name = Ref::secret(NS, "runai-ca-cert");
        let object =
            json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "runai-ca-cert", "namespace": NS}});
        inventory.objects.insert(name.clone(), Object::new(object));
        values.push((SecretKey { secret: name, key: key.into() }, pem.to_owned()));
    }
    Survey::new(inventory, values.into_iter().collect())
}

#[test]
fn pods_are_told_of_a_ca_by_a_value_and_a_secret() {
    let custom = CustomCa {
        switch: "global.customCA.enabled".into(),
        secret: "runai-ca-cert".into(),
        key: "runai-ca.pem".into(),
    };
    let (authority, own, other) = (Authority::of(&pem("MIIB")), pem("MIIB"), pem("other"));
    let on = json!({"global": {"customCA": {"enabled": true}}});
    for (values, secret, why) in [
        (&on, Some(("runai-ca.pem", own.as_str())), None),
        (
            &on,
            Some(("runai-ca.pem", other.as_str())),
            Some("runai-ca.pem of Secret/runai-ca-cert has other certificates"),
        ),
        (&on, Some(("ca.pem", own.as_str())), Some("Secret/runai-ca-cert has no runai-ca.pem")),
        (&on, None, Some("Secret/runai-ca-cert does not exist")),
        (&json!({}), Some(("runai-ca.pem", own.as_str())), Some("global.customCA.enabled is not true")),
    ] {
        assert_eq!(
            pods_lack(&custom, &survey(secret), values, &|pem| authority.is_in(pem)).as_deref(),
            why,
            "{secret:?}"
        );
    }
    assert_eq!(finding(&registry(), None, None, NS), None);
    let pods = finding(&registry(), None, Some((&custom, "why".into())), NS).expect("a finding");
    assert_eq!((pods.code, pods.severity), (Code::CaUnknown, Severity::Warning));
    assert!(
        pods.next
            .contains("kubectl create secret generic runai-ca-cert -n runai-backend --from-file=runai-ca.pem=ca.pem")
    );
    let both = finding(&registry(), Some("why".into()), Some((&custom, "why".into())), NS).expect("a finding");
    assert_eq!(both.severity, Severity::Blocking);
    assert!(
        both.next.contains("under the key registry.example..5000") && both.found.contains("the nodes and the pods")
    );
}
