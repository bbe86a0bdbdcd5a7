//! What a reader must not accept.

use std::collections::{BTreeMap, BTreeSet};

use portolan_model::{Code, Digest};
use serde_json::{Value, json};

use crate::testing::{Layout, Tar, chart, config, docker_archive, gzip, header, index, layer, refused, zstd};
use crate::{BundleError, PushPaths, media_type, plan_push};

fn code(bytes: Vec<u8>) -> Code {
    refused(bytes).code()
}

#[test]
fn paths_and_links_that_lead_out() {
    for path in ["/etc/passwd", "../x", "a/../../x", "a/../x", "..", "a\\..\\x"] {
        assert_eq!(code(Tar::default().file(path, b"a").end()), Code::BundleOutside, "{path}");
    }
    for (path, target) in [("a", "/etc/passwd"), ("a", "../x"), ("a/b", "../../x"), ("a/b", "c/../../../x")] {
        assert_eq!(code(Tar::default().link(path, target).end()), Code::BundleOutside, "{path} -> {target}");
    }
    let hard = Tar::default().entry("a/b", tar::EntryType::Link, "../x", b"").end();
    assert_eq!(code(hard), Code::BundleOutside);
    // A link within the archive is what Docker writes.
    index(Tar::default().file("x", b"a").link("a/b", "../x").end());
}

#[test]
fn paths_that_lead_out_of_a_nested_archive() {
    let inner = Tar::default().file("../x", b"a").end();
    for bytes in [inner.clone(), gzip(&inner)] {
        let BundleError::Outside { at, .. } = refused(Tar::default().file("images/a.tar", &bytes).end()) else {
            panic!("it leads out");
        };
        assert_eq!(at, "images/a.tar");
    }
}

#[test]
fn two_entries_of_one_name() {
    for (a, b) in [("a", "a"), ("a", "./a"), ("d/a", "d//a")] {
        assert_eq!(code(Tar::default().file(a, b"1").file(b, b"2").end()), Code::BundleDuplicate, "{a} {b}");
    }
}

#[test]
fn two_images_of_one_name() {
    let tar = |other: &str| {
        Tar::default()
            .file("a.tar", &docker_archive("app:1.0", "one"))
            .file("b.tar", &docker_archive("app:1.0", other))
            .end()
    };
    assert_eq!(code(tar("two")), Code::BundleDuplicate);
    // The same image twice is one image.
    assert_eq!(index(tar("one")).images.len(), 1);
    // The same path in two registries is one place in the site's registry.
    let bundle = Tar::default()
        .file("a.tar", &docker_archive("a.io/app:1.0", "one"))
        .file("b.tar", &docker_archive("b.io/app:1.0", "two"))
        .end();
    let error = plan_push(&index(bundle), "", &BTreeMap::new()).expect_err("a refusal");
    assert_eq!(error.code(), Code::BundleDuplicate);
}

#[test]
fn two_images_of_one_name_where_a_path_has_two_parts() {
    let bundle = |other: &str| {
        let bundle = Tar::default()
            .file("a.tar", &docker_archive("a.io/one/app:1.0", "one"))
            .file("b.tar", &docker_archive(other, "two"));
        index(bundle.end())
    };
    let planned = |index| plan_push(&index, PushPaths::Namespace("site"), &BTreeMap::new());
    let error = planned(bundle("a.io/two/app:1.0")).expect_err("a refusal");
    assert!(error.code() == Code::BundleDuplicate && error.to_string().contains("last part of its path"), "{error}");
    let plan = planned(bundle("a.io/a/b/tool:1.0")).expect("a plan");
    let repositories: BTreeSet<&str> = plan.manifests.iter().map(|push| push.repository.as_str()).collect();
    assert_eq!(repositories, BTreeSet::from(["site/app", "site/tool"]));
}

#[test]
fn two_charts_of_one_version() {
    let other = "apiVersion: v2\nname: c\nversion: 1.0.0\ndescription: other\n";
    let other = portolan_helm_compat::chart::pack(&BTreeMap::from([("Chart.yaml".into(), other.into())]), "c");
    let tar = Tar::default().file("a.tgz", &chart("c", "1.0.0")).file("b.tgz", &other).end();
    assert_eq!(code(tar), Code::BundleDuplicate);
}

#[test]
fn sizes_that_are_not_true() {
    // Longer than what is left.
    let long = header("a", tar::EntryType::Regular, "", 1 << 20);
    assert_eq!(code(Tar::default().raw(&long, b"short").end()), Code::BundleCutShort);
    let endless = header("a", tar::EntryType::Regular, "", (1 << 33) - 1);
    assert_eq!(code(Tar::default().raw(&endless, b"short").end()), Code::BundleCutShort);
    // Two sizes, on which programs disagree.
    let tar = Tar::default().entry("x", tar::EntryType::XHeader, "", b"13 size=1024\n").file("a", b"other");
    assert_eq!(code(tar.end()), Code::BundleDiffers);
    // More than any file has, so that no sum of sizes overflows.
    let tar = Tar::default().entry("x", tar::EntryType::XHeader, "", b"29 size=18446744073709551104\n").file("a", b"");
    assert_eq!(code(tar.file("b", &[1; 4096]).end()), Code::BundleCutShort);
    // A descriptor's size.
    let mut layout = Layout::default();
    let mut image = layout.image("app");
    image["size"] = json!(7);
    assert_eq!(code(layout.named(image, "app:1").end()), Code::BundleDiffers);
}

#[test]
fn what_is_cut_short() {
    let whole = Tar::default().file("a", &[1; 600]).file("b", b"b").end();
    for length in [700, 1535, 1536, 2047, 2048, 2560] {
        assert_eq!(code(whole[..length].to_vec()), Code::BundleCutShort, "{length}");
    }
    assert_eq!(code(Tar::default().file("a", b"a").without_end()), Code::BundleCutShort);
    let nested = Tar::default().file("a.tar", &whole[..700]).end();
    assert_eq!(code(nested), Code::BundleCutShort);
}

#[test]
fn a_gzip_stream_that_is_cut_short_or_damaged() {
    let whole = gzip(&docker_archive("app:1.0", "app"));
    index(whole.clone());
    for missing in [1, 4, 8, 9, 100] {
        assert_eq!(code(whole[..whole.len() - missing].to_vec()), Code::BundleCutShort, "{missing}");
    }
    let mut damaged = whole;
    let checksum = damaged.len() - 6;
    damaged[checksum] ^= 1;
    assert_eq!(code(damaged), Code::BundleUnreadable);
}

#[test]
fn what_expands_to_more_than_the_limit() {
    let bomb = gzip(&Tar::default().file("a", &vec![0; 1 << 22]).end());
    assert!(bomb.len() < 1 << 16, "{}", bomb.len());
    assert_eq!(code(bomb.clone()), Code::BundleTooLarge);
    assert_eq!(code(Tar::default().file("images/a.tar.gz", &bomb).end()), Code::BundleTooLarge);
    // In a layer.
    let mut layout = Layout::default();
    let plain = Tar::default().file("a", &vec![0; 1 << 22]).end();
    let config = layout.blob(config(&[Digest::of(&plain)]), media_type::CONFIG);
    let layer = layout.blob(gzip(&plain), media_type::LAYER);
    let image = layout.manifest(&config, &[layer]);
    assert_eq!(code(layout.named(image, "app:1").end()), Code::BundleTooLarge);
}

#[test]
fn a_zstd_layer_that_expands_or_is_damaged() {
    let bundle = |layer: Vec<u8>, content: &[u8]| {
        let mut layout = Layout::default();
        let config = layout.blob(config(&[Digest::of(content)]), media_type::CONFIG);
        let layer = layout.blob(layer, "application/vnd.oci.image.layer.v1.tar+zstd");
        let image = layout.manifest(&config, &[layer]);
        layout.named(image, "app:1.0").end()
    };
    let large = vec![0; 1 << 22];
    let bomb = zstd(&large);
    assert!(bomb.len() < 1 << 16, "{}", bomb.len());
    assert_eq!(code(bundle(bomb, &large)), Code::BundleTooLarge);
    let plain = layer("app");
    let whole = zstd(&plain);
    for length in [5, whole.len() / 2, whole.len() - 1] {
        let cut = code(bundle(whole[..length].to_vec(), &plain));
        assert!(matches!(cut, Code::BundleUnreadable | Code::BundleCutShort), "{length}: {cut}");
    }
    // A frame without content (RFC 8878, 3.1.2) that says it has nine bytes, and has eight.
    let note = [&0x184D_2A50_u32.to_le_bytes()[..], &9_u32.to_le_bytes(), b"complete"].concat();
    assert_eq!(code(bundle([whole.clone(), note.clone()].concat(), &plain)), Code::BundleCutShort);
    index(bundle([whole, note, b"!".to_vec()].concat(), &plain));
}

#[test]
fn too_many_entries_and_too_many_archives_inside_each_other() {
    let many = |count: usize| (0..count).fold(Tar::default(), |tar, at| tar.file(&format!("f{at}"), b"")).end();
    index(many(60));
    assert_eq!(code(many(61)), Code::BundleTooLarge);
    // Over all archives together.
    assert_eq!(code(Tar::default().file("a.tar", &many(40)).file("b.tar", &many(40)).end()), Code::BundleTooLarge);
    let deep = |depth: usize| (0..depth).fold(many(1), |inner, _| Tar::default().file("a.tar", &inner).end());
    index(deep(3));
    assert_eq!(code(deep(4)), Code::BundleTooLarge);
}

#[test]
fn a_document_that_is_too_large() {
    let long = json!([{ "Config": "x".repeat(1 << 17), "Layers": [] }]).to_string();
    // It is not taken for Docker's list then.
    assert_eq!(index(Tar::default().file("other/manifest.json", long.as_bytes()).end()).images.len(), 0);
    let mut layout = Layout::default();
    let config = layout.blob(config(&[]), media_type::CONFIG);
    let manifest = json!({ "config": config, "layers": [], "pad": "x".repeat(1 << 19) }).to_string();
    let manifest = layout.blob(manifest.into_bytes(), media_type::MANIFEST);
    assert_eq!(code(layout.named(manifest, "app:1").end()), Code::BundleTooLarge);
}

#[test]
fn a_name_or_a_chart_that_is_too_large() {
    let named = |length: usize| {
        let tar = Tar::default().entry("././@LongLink", tar::EntryType::GNULongName, "", &vec![b'a'; length]);
        tar.file("b", b"content").end()
    };
    index(named(1 << 10));
    assert_eq!(code(named((1 << 16) + 1)), Code::BundleTooLarge);
    let chart = |digests: usize| {
        let noise = (0..digests).map(|at| Digest::of(&at.to_le_bytes()).hex().to_owned()).collect::<String>();
        let metadata = ("Chart.yaml".into(), b"apiVersion: v2\nname: c\nversion: 1.0.0\n".to_vec());
        let files = BTreeMap::from([metadata, ("noise".into(), noise.into_bytes())]);
        Tar::default().file("c.tgz", &portolan_helm_compat::chart::pack(&files, "c")).end()
    };
    assert_eq!(index(chart(100)).charts.len(), 1);
    assert_eq!(code(chart(1000)), Code::BundleTooLarge);
}

/// A docker-archive with this configuration and layer.
fn archive(config_path: &str, config: &[u8], layer: &[u8], names: &Value) -> Vec<u8> {
    let manifest = json!([{ "Config": config_path, "RepoTags": names, "Layers": ["l.tar"] }]);
    Tar::default()
        .file(config_path, config)
        .file("l.tar", layer)
        .file("manifest.json", manifest.to_string().as_bytes())
        .end()
}

#[test]
fn a_layer_that_does_not_match_its_diff_id() {
    let config = config(&[Digest::of(&layer("one"))]);
    let names = json!(["app:1"]);
    index(archive("c.json", &config, &layer("one"), &names));
    assert_eq!(code(archive("c.json", &config, &layer("two"), &names)), Code::LayerDiffers);
    // The compressed layers that crane writes.
    index(archive("c.json", &config, &gzip(&layer("one")), &names));
    assert_eq!(code(archive("c.json", &config, &gzip(&layer("two")), &names)), Code::LayerDiffers);
    let mut layout = Layout::default();
    let config = layout.blob(config, media_type::CONFIG);
    let layer = layout.blob(gzip(&layer("two")), media_type::LAYER);
    let image = layout.manifest(&config, &[layer]);
    assert_eq!(code(layout.named(image, "app:1").end()), Code::LayerDiffers);
}

#[test]
fn a_layer_of_two_images_matches_the_diff_ids_of_both() {
    let bundle = |other: &str| {
        let mut layout = Layout::default();
        let shared = layout.blob(gzip(&layer("one")), media_type::LAYER);
        let images = ["one", other].map(|content| {
            // Two configurations, whatever their layers are.
            let mut text = config(&[Digest::of(&layer(content))]);
            text.extend(vec![b' '; layout.blobs.len()]);
            let config = layout.blob(text, media_type::CONFIG);
            layout.manifest(&config, std::slice::from_ref(&shared))
        });
        let [one, two] = images;
        layout.named(one, "one:1").named(two, "two:1").end()
    };
    assert_eq!(index(bundle("one")).images.len(), 2);
    assert_eq!(code(bundle("two")), Code::LayerDiffers);
}

#[test]
fn another_number_of_layers_than_the_configuration_says() {
    let none = config(&[]);
    assert_eq!(code(archive("c.json", &none, &layer("one"), &json!(["app:1"]))), Code::LayerDiffers);
    let mut layout = Layout::default();
    let config = layout.blob(none, media_type::CONFIG);
    let layer = layout.blob(layer("one"), media_type::LAYER);
    let image = layout.manifest(&config, &[layer]);
    assert_eq!(code(layout.named(image, "app:1").end()), Code::LayerDiffers);
}

#[test]
fn content_that_does_not_match_its_digest() {
    let config = config(&[Digest::of(&layer("one"))]);
    let path = format!("{}.json", Digest::of(b"other").hex());
    assert_eq!(code(archive(&path, &config, &layer("one"), &json!(["app:1"]))), Code::BundleDiffers);
    for wrong in 0..3 {
        let mut layout = Layout::default();
        let image = layout.image("app");
        let layout = layout.named(image, "app:1");
        let index = json!({ "schemaVersion": 2, "manifests": layout.manifests }).to_string();
        let mut tar = Tar::default().file("oci-layout", b"{}").file("index.json", index.as_bytes());
        for (at, blob) in layout.blobs.iter().enumerate() {
            let path = format!("blobs/sha256/{}", Digest::of(blob).hex());
            let mut blob = blob.clone();
            if at == wrong {
                // A space more or less does not matter to JSON, nor an operating system's number to gzip.
                let place = if blob[0] == b'{' { blob.len() - 2 } else { 9 };
                blob[place] = if blob[place] == b'}' { b' ' } else { 7 };
            }
            tar = tar.file(&path, &blob);
        }
        let found = code(tar.end());
        assert_eq!(found, Code::BundleDiffers, "blob {wrong}");
    }
}

#[test]
fn content_that_is_missing() {
    let config = config(&[Digest::of(&layer("one"))]);
    let manifest = json!([{ "Config": "c.json", "RepoTags": ["app:1"], "Layers": ["l.tar"] }]).to_string();
    assert_eq!(
        code(Tar::default().file("c.json", &config).file("manifest.json", manifest.as_bytes()).end()),
        Code::BundleIncomplete
    );
    assert_eq!(code(Tar::default().file("manifest.json", manifest.as_bytes()).end()), Code::BundleIncomplete);
    for missing in 0..3 {
        let mut layout = Layout::default();
        let image = layout.image("app");
        layout.blobs.remove(missing);
        assert_eq!(code(layout.named(image, "app:1").end()), Code::BundleIncomplete, "blob {missing}");
    }
    // A link to nothing, and a circle.
    for target in ["nothing", "l.tar"] {
        let tar = Tar::default().file("c.json", &config).link("l.tar", target);
        assert_eq!(code(tar.file("manifest.json", manifest.as_bytes()).end()), Code::BundleIncomplete);
    }
}

#[test]
fn a_digest_that_is_a_path() {
    let mut layout = Layout::default();
    let mut image = layout.image("app");
    image["digest"] = json!("sha256:../../index.json");
    assert_eq!(code(layout.named(image, "app:1").end()), Code::BundleUnreadable);
}

#[test]
fn what_is_no_archive() {
    for bytes in [Vec::new(), b"hello".to_vec(), gzip(b"hello"), vec![0; 2048]] {
        assert_eq!(code(bytes), Code::BundleUnreadable);
    }
}

#[test]
fn a_damaged_header() {
    let mut bytes = Tar::default().file("a", b"a").file("b", b"b").end();
    bytes[1024] = b'c';
    assert_eq!(code(bytes), Code::BundleUnreadable);
}
