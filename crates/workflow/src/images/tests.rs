use std::collections::BTreeMap;

use portolan_bundle::{BundleIndex, Compression, ManifestPush, PushPlan};
use portolan_model::Digest;

use super::*;

/// A bundle whose push puts `site/team/app:1` there; manifest, and what its configuration is.
fn bundle() -> (BundleSupply, Digest, Digest) {
    let (config, empty) = (Digest::of(b"config"), Digest::of(b""));
    let text = format!(
        r#"{{"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json", "layers": [],
            "config": {{"mediaType": "application/vnd.oci.image.config.v1+json", "digest": "{config}", "size": 6}}}}"#
    );
    let manifest = Digest::of(text.as_bytes());
    let document = portolan_bundle::Document { media_type: portolan_bundle::media_type::MANIFEST.into(), text };
    let index = BundleIndex {
        format: 1,
        size: 0,
        compression: Compression::None,
        images: Vec::new(),
        charts: Vec::new(),
        files: Vec::new(),
        blobs: BTreeMap::new(),
        documents: BTreeMap::from([(manifest.clone(), document)]),
    };
    let push = |tag: Option<&str>, digest: &Digest| ManifestPush {
        repository: "site/team/app".into(),
        digest: digest.clone(),
        tag: tag.map(str::to_owned),
    };
    let plan = PushPlan { blobs: Vec::new(), manifests: vec![push(Some("1"), &manifest), push(None, &empty)] };
    (BundleSupply::of(&index, &plan), manifest, config)
}

fn reference(text: &str) -> ImageReference {
    ImageReference::parse(&format!("h:5000/{text}")).expect("a name")
}

#[test]
fn what_is_missing_may_be_in_the_bundle() {
    let (bundle, manifest, _) = bundle();
    let of = |text: &str| supply(&reference(text), ImageAnswer::Absent, Some(&bundle));
    assert_eq!(of("site/team/app:1"), ImageSupply::Bundle);
    assert_eq!(of(&format!("site/team/app@{manifest}")), ImageSupply::Bundle);
    // A digest goes before the tag, and a child of an index is there under its digest alone.
    assert_eq!(of(&format!("site/team/app:9@{manifest}")), ImageSupply::Bundle);
    assert_eq!(of(&format!("site/team/app@{}", Digest::of(b""))), ImageSupply::Bundle);
    let missing = |alike: &str| ImageSupply::MissingInBoth { alike: Some(alike.to_owned()) };
    assert_eq!(of("app:1"), missing("the bundle has site/team/app:1"));
    assert_eq!(
        of(&format!("site/team/app:1@{}", Digest::of(b"other"))),
        missing(&format!("the bundle has site/team/app:1 with another digest, {manifest}"))
    );
    assert_eq!(of("site/team/app:2"), ImageSupply::MissingInBoth { alike: None });
    let without = supply(&reference("site/team/app:1"), ImageAnswer::Absent, None);
    assert_eq!(without, ImageSupply::Missing);
}

#[test]
fn what_is_there_is_compared_with_the_bundle() {
    let (bundle, ours, config) = bundle();
    let other = Digest::of(b"other");
    let of = |manifest: &Digest, config: Option<&Digest>| {
        let answer = ImageAnswer::There { manifest: Some(manifest.clone()), config: config.cloned() };
        supply(&reference("site/team/app:1"), answer, Some(&bundle))
    };
    assert_eq!(of(&ours, None), ImageSupply::Registry);
    // Another tool pushed the same image under a manifest of its own.
    assert_eq!(of(&other, Some(&config)), ImageSupply::Registry);
    let replaced = || ImageSupply::Replaced { there: other.clone(), bundle: ours.clone() };
    assert_eq!(of(&other, Some(&other)), replaced());
    assert_eq!(of(&other, None), replaced());
    // What is pulled by its digest is what it is.
    let answer = ImageAnswer::There { manifest: Some(other.clone()), config: None };
    assert_eq!(supply(&reference(&format!("site/team/app:1@{other}")), answer, Some(&bundle)), ImageSupply::Registry);
}

#[test]
fn what_the_registry_does_not_say_is_not_checked_even_with_a_bundle() {
    let (bundle, ..) = bundle();
    let answer = ImageAnswer::Unknown("it is down".into());
    let found = supply(&reference("site/team/app:1"), answer, Some(&bundle));
    assert_eq!(found, ImageSupply::NotChecked("it is down".into()));
}
