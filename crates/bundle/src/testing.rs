//! Small bundles, made in memory.

use std::io::{Cursor, Write as _};

use portolan_model::Digest;
use serde_json::{Value, json};

use crate::{BundleError, BundleIndex, Limits, read};

/// A tar archive that may be as wrong as a test wants.
#[derive(Default)]
pub(crate) struct Tar(Vec<u8>);

impl Tar {
    pub(crate) fn file(self, path: &str, bytes: &[u8]) -> Self {
        self.entry(path, tar::EntryType::Regular, "", bytes)
    }

    pub(crate) fn link(self, path: &str, target: &str) -> Self {
        self.entry(path, tar::EntryType::Symlink, target, b"")
    }

    pub(crate) fn entry(self, path: &str, kind: tar::EntryType, link: &str, bytes: &[u8]) -> Self {
        let header = header(path, kind, link, bytes.len() as u64);
        self.raw(&header, bytes)
    }

    /// A header as it is, then its content.
    pub(crate) fn raw(mut self, header: &tar::Header, bytes: &[u8]) -> Self {
        self.0.extend(header.as_bytes());
        self.0.extend(bytes);
        self.0.resize(self.0.len().next_multiple_of(512), 0);
        self
    }

    /// The archive without the mark at its end.
    pub(crate) fn without_end(self) -> Vec<u8> {
        self.0
    }

    pub(crate) fn end(mut self) -> Vec<u8> {
        self.0.extend([0; 1024]);
        self.0
    }
}

/// The library refuses to write paths that lead out, so they are put into the header by hand.
pub(crate) fn header(path: &str, kind: tar::EntryType, link: &str, size: u64) -> tar::Header {
    let mut header = tar::Header::new_ustar();
    header.as_mut_bytes()[..path.len()].copy_from_slice(path.as_bytes());
    header.as_mut_bytes()[157..157 + link.len()].copy_from_slice(link.as_bytes());
    header.set_entry_type(kind);
    header.set_size(size);
    header.set_mode(0o644);
    header.set_cksum();
    header
}

pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).expect("memory");
    encoder.finish().expect("memory")
}

/// A zstd stream of two frames, with one between them that has no content.
pub(crate) fn zstd(bytes: &[u8]) -> Vec<u8> {
    let frame = |part: &[u8]| ruzstd::encoding::compress_to_vec(part, ruzstd::encoding::CompressionLevel::Fastest);
    let (first, second) = bytes.split_at(bytes.len() / 2);
    let notes = [0x50, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, b'a', b'b', b'c'];
    [frame(first), notes.to_vec(), frame(second)].concat()
}

/// A layer with one file.
pub(crate) fn layer(content: &str) -> Vec<u8> {
    // Layers may have what an archive of a vendor must not have.
    Tar::default().file("etc/version", content.as_bytes()).link("etc/absolute", "/etc/passwd").end()
}

/// The configuration of an image.
pub(crate) fn config(diff_ids: &[Digest]) -> Vec<u8> {
    let config = json!({
        "os": "linux", "architecture": "amd64", "config": {},
        "rootfs": { "type": "layers", "diff_ids": diff_ids },
    });
    config.to_string().into_bytes()
}

/// An archive as `docker save` wrote it before version 25: two layers, the second one a link for the first image's.
pub(crate) fn docker_archive(name: &str, content: &str) -> Vec<u8> {
    let layers = [layer("base"), layer(content)];
    let config = config(&layers.each_ref().map(|layer| Digest::of(layer)));
    let path = format!("{}.json", Digest::of(&config).hex());
    let manifest = json!([{ "Config": path, "RepoTags": [name], "Layers": ["a/layer.tar", "b/layer.tar"] }]);
    Tar::default()
        .file("a/VERSION", b"1.0")
        .file("base/layer.tar", &layers[0])
        .link("a/layer.tar", "../base/layer.tar")
        .file("b/layer.tar", &layers[1])
        .file(&path, &config)
        .file("manifest.json", manifest.to_string().as_bytes())
        .end()
}

/// The blobs of an OCI layout.
#[derive(Default)]
pub(crate) struct Layout {
    pub(crate) blobs: Vec<Vec<u8>>,
    pub(crate) manifests: Vec<Value>,
    pub(crate) docker: Option<Value>,
}

impl Layout {
    pub(crate) fn blob(&mut self, bytes: Vec<u8>, media_type: &str) -> Value {
        let descriptor = json!({ "mediaType": media_type, "digest": Digest::of(&bytes), "size": bytes.len() });
        if !self.blobs.contains(&bytes) {
            self.blobs.push(bytes);
        }
        descriptor
    }

    /// An image with one gzip layer; its descriptor.
    pub(crate) fn image(&mut self, content: &str) -> Value {
        let layer = layer(content);
        let config = self.blob(config(&[Digest::of(&layer)]), crate::media_type::CONFIG);
        let layer = self.blob(gzip(&layer), "application/vnd.oci.image.layer.v1.tar+gzip");
        self.manifest(&config, &[layer])
    }

    pub(crate) fn manifest(&mut self, config: &Value, layers: &[Value]) -> Value {
        let manifest =
            json!({ "schemaVersion": 2, "mediaType": crate::media_type::MANIFEST, "config": config, "layers": layers });
        self.blob(manifest.to_string().into_bytes(), crate::media_type::MANIFEST)
    }

    pub(crate) fn named(mut self, mut descriptor: Value, name: &str) -> Self {
        descriptor["annotations"] =
            json!({ "io.containerd.image.name": name, "org.opencontainers.image.ref.name": "1.0" });
        self.manifests.push(descriptor);
        self
    }

    pub(crate) fn end(&self) -> Vec<u8> {
        self.under("").end()
    }

    pub(crate) fn under(&self, prefix: &str) -> Tar {
        let index = json!({ "schemaVersion": 2, "manifests": self.manifests });
        let mut tar = Tar::default();
        for blob in &self.blobs {
            tar = tar.file(&format!("{prefix}blobs/sha256/{}", Digest::of(blob).hex()), blob);
        }
        tar = tar.file(&format!("{prefix}index.json"), index.to_string().as_bytes());
        if let Some(docker) = &self.docker {
            tar = tar.file(&format!("{prefix}manifest.json"), docker.to_string().as_bytes());
        }
        tar.file(&format!("{prefix}oci-layout"), br#"{"imageLayoutVersion": "1.0.0"}"#)
    }
}

pub(crate) fn chart(name: &str, version: &str) -> Vec<u8> {
    let text = format!("apiVersion: v2\nname: {name}\nversion: {version}\n");
    portolan_helm_compat::chart::pack(
        &std::collections::BTreeMap::from([("Chart.yaml".into(), text.into_bytes())]),
        name,
    )
}

/// Limits that a small input can exceed.
pub(crate) const SMALL: Limits =
    Limits { entries: 60, depth: 3, expanded_floor: 1 << 16, expanded_ratio: 50, document: 1 << 16, chart: 1 << 14 };

pub(crate) fn index(bytes: Vec<u8>) -> BundleIndex {
    read(Cursor::new(bytes), SMALL).expect("a bundle")
}

pub(crate) fn refused(bytes: Vec<u8>) -> BundleError {
    read(Cursor::new(bytes), SMALL).expect_err("a refusal")
}
