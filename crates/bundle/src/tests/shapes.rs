//! What vendors hand out, by shape.

use std::collections::BTreeMap;
use std::io::{Cursor, Read as _};

use portolan_model::Digest;
use serde_json::json;

use crate::testing::{Layout, SMALL, Tar, chart, config, docker_archive, gzip, index, layer, zstd};
use crate::{BundleError, BundleIndex, BundleReader, Compression, FileKind, ImageName, ManifestContent, plan_push};

fn names(index: &BundleIndex) -> Vec<String> {
    index.images.iter().flat_map(|image| &image.names).map(ToString::to_string).collect()
}

/// Each blob of an index, read by its place.
fn reads_back(index: &BundleIndex, bundle: &[u8]) {
    let mut reader = BundleReader::new(Cursor::new(bundle), SMALL);
    // The order of digests is not that of places: gzip streams are opened again.
    for (digest, blob) in &index.blobs {
        let mut bytes = Vec::new();
        reader.open(&blob.location).and_then(|mut part| part.read_to_end(&mut bytes)).expect("it reads");
        assert_eq!(Digest::of(&bytes), *digest);
    }
}

#[test]
fn a_docker_archive_gets_a_manifest_and_links_are_followed() {
    let bundle = docker_archive("gcr.io/runai/app:1.0", "app");
    let index = index(bundle.clone());
    assert_eq!(names(&index), ["gcr.io/runai/app:1.0"]);
    let image = &index.images[0];
    assert!(image.generated && image.platforms[0].platform == "linux/amd64");
    let manifest: ManifestContent = serde_json::from_str(&index.documents[&image.manifest].text).expect("a manifest");
    let layers: Vec<&Digest> = manifest.layers.iter().map(|layer| &layer.digest).collect();
    assert_eq!(layers, [&Digest::of(&layer("base")), &Digest::of(&layer("app"))]);
    assert!(manifest.layers.iter().all(|layer| layer.media_type == "application/vnd.oci.image.layer.v1.tar"));
    reads_back(&index, &bundle);
}

#[test]
fn two_images_share_layers_and_all_names_are_kept() {
    let shared = layer("base");
    let config = config(&[Digest::of(&shared)]);
    let manifest = json!([{ "Config": "c.json", "RepoTags": ["a:1", "b:2"], "Layers": ["x.tar"] }]);
    let index = index(
        Tar::default()
            .file("c.json", &config)
            .file("manifest.json", manifest.to_string().as_bytes())
            .file("x.tar", &shared)
            .end(),
    );
    assert_eq!(names(&index), ["a:1", "b:2"]);
    let plan = plan_push(&index, "team", &BTreeMap::new()).expect("a plan");
    let repositories: Vec<&str> = plan.blobs[0].1.iter().map(String::as_str).collect();
    assert_eq!(repositories, ["team/a", "team/b"]);
}

#[test]
fn a_layout_keeps_its_digests() {
    let mut layout = Layout::default();
    let image = layout.image("app");
    let bundle = layout.named(image.clone(), "h:5000/app:1.0").end();
    let index = index(bundle.clone());
    assert_eq!(names(&index), ["h:5000/app:1.0"]);
    assert_eq!(json!(index.images[0].manifest), image["digest"]);
    assert!(!index.images[0].generated);
    let compressed: Vec<&crate::Blob> =
        index.blobs.values().filter(|blob| blob.compression == Compression::Gzip).collect();
    assert_eq!(compressed[0].diff_id, Some(Digest::of(&layer("app"))));
    reads_back(&index, &bundle);
}

#[test]
fn docker_save_since_25_is_a_layout_with_names_in_a_second_file() {
    let mut layout = Layout::default();
    let image = layout.image("app");
    let config = Digest::of(&config(&[Digest::of(&layer("app"))]));
    layout.docker = Some(json!([{
        "Config": format!("blobs/sha256/{}", config.hex()), "RepoTags": ["app:1.0"],
        "Layers": [format!("blobs/sha256/{}", Digest::of(&gzip(&layer("app"))).hex())],
    }]));
    layout.manifests.push(image);
    assert_eq!(names(&index(layout.end())), ["app:1.0"]);
}

#[test]
fn an_index_of_which_one_platform_was_pulled_becomes_that_image() {
    let mut layout = Layout::default();
    let image = layout.image("app");
    let elsewhere = json!({ "mediaType": crate::media_type::MANIFEST, "digest": Digest::of(b"arm"), "size": 3 });
    let list = json!({ "schemaVersion": 2, "manifests": [image, elsewhere] });
    let list = layout.blob(list.to_string().into_bytes(), crate::media_type::INDEX);
    let index = index(layout.named(list, "app:1.0").end());
    assert_eq!(json!(index.images[0].manifest), image["digest"]);
    assert!(index.images[0].notes[0].contains("1 of the 2"), "{:?}", index.images[0].notes);
}

#[test]
fn children_are_pushed_before_their_index_and_blobs_for_every_repository() {
    let mut layout = Layout::default();
    let (one, two) = (layout.image("one"), layout.image("two"));
    let list = json!({ "schemaVersion": 2, "manifests": [one, two] });
    let list = layout.blob(list.to_string().into_bytes(), crate::media_type::INDEX);
    let index = index(layout.named(list.clone(), "h/app:1.0").end());
    assert_eq!(index.images[0].platforms.len(), 2);
    let plan = plan_push(&index, "", &BTreeMap::new()).expect("a plan");
    let tags: Vec<Option<&str>> = plan.manifests.iter().map(|push| push.tag.as_deref()).collect();
    assert_eq!(tags, [None, None, Some("1.0")]);
    assert_eq!(json!(plan.manifests[2].digest), list["digest"]);
    assert_eq!(plan.blobs.len(), 4);
}

/// E1: a tree with a chart, a script and image archives.
fn tree() -> Vec<u8> {
    Tar::default()
        .entry("deploy/", tar::EntryType::Directory, "", b"")
        .file("deploy/runai-backend-2.8.20.tgz", &chart("runai-backend", "2.8.20"))
        .file("deploy/prepare_installation.sh", b"#!/bin/bash\nexit 1\n")
        .file("deploy/runai-crds.yaml", b"kind: CustomResourceDefinition\n")
        .file("deploy/images/app.tar", &docker_archive("gcr.io/runai/app:1.0", "app"))
        .file("deploy/images/zipped.tar.gz", &gzip(&docker_archive("gcr.io/runai/zipped:1.0", "zipped")))
        .file("deploy/helm", b"\x7fELF and so on")
        .end()
}

fn check_tree(bundle: &[u8], compression: Compression) {
    let index = index(bundle.to_vec());
    assert_eq!(index.compression, compression);
    assert_eq!(names(&index), ["gcr.io/runai/app:1.0", "gcr.io/runai/zipped:1.0"]);
    assert_eq!(index.images[0].archive, "deploy/images/app.tar");
    let charts: Vec<String> = index.charts.iter().map(|chart| format!("{} {}", chart.name, chart.version)).collect();
    assert_eq!(charts, ["runai-backend 2.8.20"]);
    let files: Vec<(&str, FileKind)> = index.files.iter().map(|file| (file.path.as_str(), file.kind)).collect();
    assert_eq!(
        files,
        [
            ("deploy/helm", FileKind::Helm),
            ("deploy/prepare_installation.sh", FileKind::Script),
            ("deploy/runai-crds.yaml", FileKind::Other),
        ]
    );
    reads_back(&index, bundle);
    let text = serde_json::to_string(&index).expect("JSON");
    assert_eq!(serde_json::from_str::<BundleIndex>(&text).expect("an index"), index);
}

#[test]
fn a_tree_is_read_plain_and_compressed() {
    check_tree(&tree(), Compression::None);
    check_tree(&gzip(&tree()), Compression::Gzip);
}

#[test]
fn a_layout_in_a_folder_lies_beside_charts() {
    let mut layout = Layout::default();
    let image = layout.image("app");
    let tar = layout.named(image, "app:1.0").under("images/");
    let index = index(tar.file("chart/control-plane-2.20.1.tgz", &chart("control-plane", "2.20.1+b1")).end());
    assert_eq!((names(&index), index.images[0].archive.as_str()), (vec!["app:1.0".to_owned()], "images"));
    let plan = plan_push(&index, "", &BTreeMap::new()).expect("a plan");
    let chart = plan.manifests.iter().find(|push| push.repository == "control-plane").expect("the chart");
    assert_eq!(chart.tag.as_deref(), Some("2.20.1_b1"));
}

#[test]
fn a_chart_in_a_layout_is_a_chart() {
    let mut layout = Layout::default();
    let config = layout.blob(br#"{"name": "c", "version": "1.0.0"}"#.to_vec(), crate::media_type::HELM_CONFIG);
    let archive = layout.blob(chart("c", "1.0.0"), crate::media_type::HELM_CHART);
    let manifest = layout.manifest(&config, &[archive]);
    layout.manifests.push(manifest.clone());
    let index = index(layout.end());
    assert_eq!((index.images.len(), json!(index.charts[0].manifest)), (0, manifest["digest"].clone()));
}

/// Two archives with the same name for different images, and two charts of one version: only what is named counts.
#[test]
fn parts_that_are_named_count_alone() {
    let bundle = Tar::default()
        .file("new/app.tar", &docker_archive("app:1.0", "new"))
        .file("old/app.tar", &docker_archive("app:1.0", "old"))
        .file("new/c.tgz", &chart("c", "1.0.0"))
        .file("old/c.tgz", &chart("c", "1.0.0+b1"))
        .end();
    let of = |images: Option<&str>, charts: Option<&str>| {
        let parts = crate::BundleParts { images: images.map(str::to_owned), charts: charts.map(str::to_owned) };
        crate::read_parts(std::io::Cursor::new(&bundle), crate::testing::SMALL, &parts)
    };
    assert_eq!(of(None, None).expect_err("two images of one name").code(), portolan_model::Code::BundleDuplicate);
    let found = of(Some("new"), Some("old/c.tgz")).expect("a bundle");
    assert_eq!((names(&found), found.images[0].archive.as_str()), (vec!["app:1.0".to_owned()], "new/app.tar"));
    assert_eq!(found.charts.iter().map(|chart| chart.path.as_str()).collect::<Vec<_>>(), ["old/c.tgz"]);
    let files: Vec<&str> = found.files.iter().map(|file| file.path.as_str()).collect();
    assert!(files.contains(&"new/c.tgz") && files.iter().any(|path| path.starts_with("old/app.tar/")), "{files:?}");
    reads_back(&found, &bundle);
    for (images, charts) in [(Some("none"), None), (None, Some("none")), (Some("ne"), None)] {
        let error = of(images, charts).expect_err("nothing is there");
        assert_eq!(error.code(), portolan_model::Code::BundleUnrecognized, "{error}");
    }
}

#[test]
fn what_is_not_recognized_is_listed() {
    let index = index(Tar::default().file("a.bin", b"a").file("manifest.json", b"{\"name\": \"web\"}").end());
    assert_eq!((index.images.len(), index.charts.len(), index.files.len()), (0, 0, 2));
}

#[test]
fn long_names_are_read() {
    let long = format!("deploy/{}.txt", "long".repeat(60));
    let record = |text: &str| {
        let plain = format!(" path={text}\n").len();
        let length = plain + (plain + 3).to_string().len();
        format!("{length} path={text}\n")
    };
    let gnu = Tar::default().entry("././@LongLink", tar::EntryType::GNULongName, "", format!("{long}\0").as_bytes());
    let pax = Tar::default().entry("x", tar::EntryType::XHeader, "", record(&long).as_bytes());
    for tar in [gnu, pax] {
        assert_eq!(index(tar.file("short", b"a").end()).files[0].path, long);
    }
}

/// What `docker pull` and `crane pull` leave where nobody gave a repository: `2.20.41`.
#[test]
fn a_bare_tag_is_no_name() {
    let mut layout = Layout::default();
    let mut image = layout.image("app");
    image["annotations"] = json!({ "org.opencontainers.image.ref.name": "2.20.41" });
    layout.manifests.push(image);
    let archive = docker_archive("2.20.41", "app");
    for bundle in [layout.end(), archive] {
        let index = index(bundle);
        assert_eq!(names(&index), Vec::<String>::new());
        let Err(BundleError::Unnamed { image }) = plan_push(&index, "", &BTreeMap::new()) else {
            panic!("it has a name")
        };
        assert!(image.starts_with("sha256:"), "{image}");
    }
}

#[test]
fn layers_of_an_archive_are_called_what_they_are() {
    let plain = layer("app");
    for (stored, end) in [(plain.clone(), ""), (gzip(&plain), "+gzip"), (zstd(&plain), "+zstd")] {
        let images = json!([{ "Config": "c.json", "RepoTags": ["app:1.0"], "Layers": ["layer.tar"] }]);
        let archive = Tar::default()
            .file("layer.tar", &stored)
            .file("c.json", &config(&[Digest::of(&plain)]))
            .file("manifest.json", images.to_string().as_bytes());
        let index = index(archive.end());
        let text = &index.documents[&index.images[0].manifest].text;
        let manifest: ManifestContent = serde_json::from_str(text).expect("a manifest");
        assert_eq!(manifest.layers[0].media_type, format!("application/vnd.oci.image.layer.v1.tar{end}"));
    }
}

/// zstd layers are recognized by their first bytes, whatever they are called, and their content is verified.
#[test]
fn a_zstd_layer_is_verified() {
    let bundle = |content: &str, media_type: &str| {
        let mut layout = Layout::default();
        let config = layout.blob(config(&[Digest::of(&layer("app"))]), crate::media_type::CONFIG);
        let zstd = layout.blob(zstd(&layer(content)), media_type);
        let image = layout.manifest(&config, &[zstd]);
        layout.named(image, "app:1.0").end()
    };
    // crane calls them gzip.
    for media_type in ["application/vnd.oci.image.layer.v1.tar+zstd", "application/vnd.oci.image.layer.v1.tar+gzip"] {
        assert_eq!(names(&index(bundle("app", media_type))), ["app:1.0"]);
        let error = crate::testing::refused(bundle("other", media_type));
        assert!(matches!(error, BundleError::LayerDiffers { .. }), "{error}");
    }
}

#[test]
fn an_image_without_a_name_is_named_before_it_is_pushed() {
    let mut layout = Layout::default();
    let image = layout.image("app");
    layout.manifests.push(image);
    let index = index(layout.end());
    assert!(matches!(plan_push(&index, "", &BTreeMap::new()), Err(BundleError::Unnamed { .. })));
    let name = ImageName::parse("app:1.0").expect("a name");
    for id in [&index.images[0].manifest, &index.images[0].platforms[0].config] {
        let plan = plan_push(&index, "", &BTreeMap::from([(id.clone(), name.clone())])).expect("a plan");
        assert_eq!(plan.manifests[0].repository, "app");
    }
}
