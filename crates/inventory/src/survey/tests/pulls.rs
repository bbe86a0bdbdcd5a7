//! What is asked about how nodes pull images.

use super::*;

fn kinds_of(asks: &[SurveyQuery]) -> Vec<&str> {
    let kinds = asks.iter().map(|ask| match ask {
        SurveyQuery::List { kind, namespace, .. } if namespace.is_empty() => kind.as_str(),
        _ => panic!("a list of the whole cluster"),
    });
    kinds.collect()
}

#[test]
fn mirror_sets_are_asked_for_where_the_cluster_has_them() {
    let tags = "config.openshift.io/v1/ImageTagMirrorSet";
    let digests = "config.openshift.io/v1/ImageDigestMirrorSet";
    let old = "operator.openshift.io/v1alpha1/ImageContentSourcePolicy";
    for (served, asked) in [
        (vec![tags, digests, old], vec!["ImageTagMirrorSet", "ImageDigestMirrorSet"]),
        (vec![old], vec!["ImageContentSourcePolicy"]),
        (vec!["config.openshift.io/v1/ClusterVersion"], vec![]),
        (vec![], vec![]),
    ] {
        let mut found = survey(&answers()).inventory;
        found.cluster.api_versions = served.iter().map(|kind| (*kind).to_owned()).collect();
        assert_eq!(kinds_of(&mirror_sets(&found)), asked, "{served:?}");
    }
}

#[test]
fn the_pull_secret_of_the_cluster_is_asked_for_on_openshift_alone_and_by_no_survey() {
    let mut found = survey(&answers()).inventory;
    let secret = SurveyQuery::Get(Ref::new("", "Secret", "openshift-config", "pull-secret"));
    assert_eq!(global_pull_secret(&found), Some(secret.clone()));
    found.cluster.platform = Platform::Kubernetes;
    assert_eq!(global_pull_secret(&found), None);
    let asked: Vec<SurveyQuery> = first(&id()).into_iter().chain(further(&answers(), &id())).collect();
    assert!(!asked.contains(&secret));
    let is_mirror_set = |ask: &SurveyQuery| matches!(ask, SurveyQuery::List { kind, .. } if kind.contains("Mirror"));
    assert!(!asked.iter().any(is_mirror_set));
}
