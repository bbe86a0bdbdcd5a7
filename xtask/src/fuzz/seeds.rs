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
    let zipped: Vec<Vec<u8>> = [&deploy, &package, &layout].map(|bytes| gzip(bytes)).into();
    [archive, deploy, package, layout, hybrid, nested].into_iter().chain(zipped).collect()
}

fn saved(names: &[&str]) -> Vec<u8> {
    let base = BaseImage::program("run", b"program", &[]);
    let mut archive = ImageArchive::default();
    names.iter().for_each(|name| archive.add(name, &base));
    archive.end()
}

/// An image layout; with a name it is what `docker save` writes since version 25: a layout with a `manifest.json`.
fn layout(saved_as: Option<&str>) -> Vec<u8> {
    let mut blobs: BTreeMap<String, Vec<u8>> = BTreeMap::new();
    let mut put = |media_type: &str, bytes: Vec<u8>| {
        let digest = hex::encode(Sha256::digest(&bytes));
        let descriptor = json!({ "mediaType": media_type, "digest": format!("sha256:{digest}"), "size": bytes.len() });
        blobs.insert(digest, bytes);
        descriptor
    };
    let plain = Tar::default().file("etc/a", b"a").end();
    let diff_id = format!("sha256:{}", hex::encode(Sha256::digest(&plain)));
    let layer = put("application/vnd.oci.image.layer.v1.tar+gzip", gzip(&plain));
    let config =
        json!({ "os": "linux", "architecture": "amd64", "rootfs": { "type": "layers", "diff_ids": [diff_id] } });
    let config = put("application/vnd.oci.image.config.v1+json", config.to_string().into_bytes());
    let manifest = json!({ "schemaVersion": 2, "config": config, "layers": [layer] });
    let child = put("application/vnd.oci.image.manifest.v1+json", manifest.to_string().into_bytes());
    let mut platform = child;
    platform["platform"] = json!({ "os": "linux", "architecture": "amd64" });
    let list = json!({ "schemaVersion": 2, "manifests": [platform] });
    let mut top = put("application/vnd.oci.image.index.v1+json", list.to_string().into_bytes());
    top["annotations"] = json!({ "org.opencontainers.image.ref.name": "vendor.example/a:1" });
    let index = json!({ "schemaVersion": 2, "manifests": [top] });
    let mut tar = Tar::default()
        .file("oci-layout", br#"{"imageLayoutVersion":"1.0.0"}"#)
        .file("index.json", index.to_string().as_bytes());
    if let Some(name) = saved_as {
        let path =
            |descriptor: &Value| descriptor["digest"].as_str().unwrap_or_default().replace("sha256:", "blobs/sha256/");
        let docker = json!([{ "Config": path(&config), "RepoTags": [name], "Layers": [path(&layer)] }]);
        tar = tar.file("manifest.json", docker.to_string().as_bytes());
    }
    for (digest, bytes) in &blobs {
        tar = tar.file(&format!("blobs/sha256/{digest}"), bytes);
    }
    tar.end()
}
