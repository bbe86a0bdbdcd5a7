//! Small bundles of every shape that the reader knows.

use std::collections::BTreeMap;

use portolan_testkit::bundle::{BaseImage, ImageArchive, Tar, gzip};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

/// All of them, each accepted as it is.
pub(crate) fn all() -> Vec<Vec<u8>> {
    let archive = saved(&["vendor.example/a:1", "vendor.example/b:1"]);
    let chart = gzip(&Tar::default().file("app/Chart.yaml", b"apiVersion: v2\nname: app\nversion: 1.0.0\n").end());
    let deploy = Tar::default()
        .program("deploy/prepare_installation.sh", b"#!/bin/sh\n")
        .file("deploy/app-1.0.0.tgz", &chart)
        .file("deploy/crds.yaml", b"kind: CustomResourceDefinition\n")
        .file("deploy/images/a.tar", &saved(&["vendor.example/a:1"]))
        .file("deploy/images/b.tar.gz", &gzip(&saved(&["vendor.example/b:1"])))
        .end();
    let package = Tar::default()
        .program("setup.sh", b"#!/bin/sh\n")
        .program("helm", b"\x7fELF0000")
        .file("chart/app-1.0.0.tgz", &chart)
        .file("images.tar", &archive)
        .end();
    let (layout, hybrid) = (layout(None), layout(Some("vendor.example/a:1")));
    let nested = Tar::default().file("layouts/a.tar", &layout).file("chart/app-1.0.0.tgz", &chart).end();
    let long = format!("deploy/{}/app-1.0.0.tgz", "long".repeat(40));
    let long_names =
        Tar::default().file(&long, &chart).file_with_record(&long.replace("app-", "other-"), b"no chart").end();
    let zipped: Vec<Vec<u8>> = [&deploy, &package, &layout].map(|bytes| gzip(bytes)).into();
    [archive, linked(), deploy, package, layout, zstd_layout(), chart_layout(&chart), hybrid, nested, long_names]
        .into_iter()
        .chain(zipped)
        .collect()
}

/// An archive as old releases of `docker save` wrote it: a layer that is there twice is a link the second time.
fn linked() -> Vec<u8> {
    let layer = Tar::default().file("etc/a", b"a").end();
    let diff_id = format!("sha256:{}", hex::encode(Sha256::digest(&layer)));
    let config = json!({ "os": "linux", "architecture": "amd64", "rootfs": { "type": "layers", "diff_ids": [diff_id, diff_id] } });
    let manifest =
        json!([{ "Config": "c.json", "RepoTags": ["vendor.example/a:1"], "Layers": ["1/layer.tar", "2/layer.tar"] }]);
    Tar::default()
        .file("1/layer.tar", &layer)
        .link("2/layer.tar", "../1/layer.tar")
        .file("c.json", config.to_string().as_bytes())
        .file("manifest.json", manifest.to_string().as_bytes())
        .end()
}

fn saved(names: &[&str]) -> Vec<u8> {
    let base = BaseImage::program("run", b"program", &[]);
    let mut archive = ImageArchive::default();
    names.iter().for_each(|name| archive.add(name, &base));
    archive.end()
}

/// The blobs of a layout, by what comes behind `sha256:` in their digests.
#[derive(Default)]
struct Blobs(BTreeMap<String, Vec<u8>>);

impl Blobs {
    /// Adds one, and gives its descriptor.
    fn put(&mut self, media_type: &str, bytes: Vec<u8>) -> Value {
        let digest = hex::encode(Sha256::digest(&bytes));
        let descriptor = json!({ "mediaType": media_type, "digest": format!("sha256:{digest}"), "size": bytes.len() });
        self.0.insert(digest, bytes);
        descriptor
    }

    /// Adds an image of one layer: its configuration, the layer and its manifest.
    fn image(&mut self, layer_type: &str, compressed: impl Fn(&[u8]) -> Vec<u8>) -> [Value; 3] {
        let plain = Tar::default().file("etc/a", b"a").end();
        let diff_id = format!("sha256:{}", hex::encode(Sha256::digest(&plain)));
        let layer = self.put(layer_type, compressed(&plain));
        let config =
            json!({ "os": "linux", "architecture": "amd64", "rootfs": { "type": "layers", "diff_ids": [diff_id] } });
        let config = self.put("application/vnd.oci.image.config.v1+json", config.to_string().into_bytes());
        let manifest = self.manifest(&config, &layer);
        [config, layer, manifest]
    }

    fn manifest(&mut self, config: &Value, layer: &Value) -> Value {
        let manifest = json!({ "schemaVersion": 2, "config": config, "layers": [layer] });
        self.put("application/vnd.oci.image.manifest.v1+json", manifest.to_string().into_bytes())
    }

    /// The layout whose index names this, with further files.
    fn layout(&self, mut named: Value, name: &str, files: &[(&str, String)]) -> Vec<u8> {
        named["annotations"] = json!({ "org.opencontainers.image.ref.name": name });
        let index = json!({ "schemaVersion": 2, "manifests": [named] });
        let mut tar = Tar::default()
            .file("oci-layout", br#"{"imageLayoutVersion":"1.0.0"}"#)
            .file("index.json", index.to_string().as_bytes());
        for (path, text) in files {
            tar = tar.file(path, text.as_bytes());
        }
        for (digest, bytes) in &self.0 {
            tar = tar.file(&format!("blobs/sha256/{digest}"), bytes);
        }
        tar.end()
    }
}

/// An image layout; with a name it is what `docker save` writes since version 25: a layout with a `manifest.json`.
fn layout(saved_as: Option<&str>) -> Vec<u8> {
    let mut blobs = Blobs::default();
    let [config, layer, child] = blobs.image("application/vnd.oci.image.layer.v1.tar+gzip", gzip);
    let mut platform = child;
    platform["platform"] = json!({ "os": "linux", "architecture": "amd64" });
    let list = json!({ "schemaVersion": 2, "manifests": [platform] });
    let top = blobs.put("application/vnd.oci.image.index.v1+json", list.to_string().into_bytes());
    let path =
        |descriptor: &Value| descriptor["digest"].as_str().unwrap_or_default().replace("sha256:", "blobs/sha256/");
    let docker = |name| json!([{ "Config": path(&config), "RepoTags": [name], "Layers": [path(&layer)] }]).to_string();
    let files: Vec<(&str, String)> = saved_as.map(|name| ("manifest.json", docker(name))).into_iter().collect();
    blobs.layout(top, "vendor.example/a:1", &files)
}

/// A layout whose layer is compressed with zstd.
fn zstd_layout() -> Vec<u8> {
    let mut blobs = Blobs::default();
    let zstd = |bytes: &[u8]| ruzstd::encoding::compress_to_vec(bytes, ruzstd::encoding::CompressionLevel::Fastest);
    let [_, _, manifest] = blobs.image("application/vnd.oci.image.layer.v1.tar+zstd", zstd);
    blobs.layout(manifest, "vendor.example/a:1", &[])
}

/// A layout with a chart, as helm pushes it.
fn chart_layout(chart: &[u8]) -> Vec<u8> {
    let mut blobs = Blobs::default();
    let config = blobs.put("application/vnd.cncf.helm.config.v1+json", br#"{"name":"app","version":"1.0.0"}"#.to_vec());
    let layer = blobs.put("application/vnd.cncf.helm.chart.content.v1.tar+gzip", chart.to_vec());
    let manifest = blobs.manifest(&config, &layer);
    blobs.layout(manifest, "1.0.0", &[])
}
