//! Bundles of images and charts, made in memory.

use std::io::Write as _;

use serde_json::json;
use sha2::{Digest, Sha256};

/// A tar archive.
pub struct Tar(tar::Builder<Vec<u8>>);

impl Default for Tar {
    fn default() -> Self {
        Self(tar::Builder::new(Vec::new()))
    }
}

impl Tar {
    /// Adds a file.
    ///
    /// # Panics
    /// Where the path does not fit into a header.
    #[must_use]
    pub fn file(mut self, path: &str, bytes: &[u8]) -> Self {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        self.0.append_data(&mut header, path, bytes).expect("memory");
        self
    }

    /// The archive.
    ///
    /// # Panics
    /// Never: it is written to memory.
    #[must_use]
    pub fn end(self) -> Vec<u8> {
        self.0.into_inner().expect("memory")
    }
}

/// The archive of an image, as `docker save` writes it: a layer that all of these share, and one of its own.
#[must_use]
pub fn image(name: &str) -> Vec<u8> {
    let layer = |content: &str| Tar::default().file("etc/version", &content.as_bytes().repeat(200_000)).end();
    let layers = [layer("base"), layer(name)];
    let diff_ids = layers.each_ref().map(|layer| format!("sha256:{}", hex::encode(Sha256::digest(layer))));
    let config =
        json!({ "os": "linux", "architecture": "amd64", "rootfs": { "type": "layers", "diff_ids": diff_ids } });
    let manifest = json!([{ "Config": "c.json", "RepoTags": [name], "Layers": ["a.tar", "b.tar"] }]);
    Tar::default()
        .file("a.tar", &layers[0])
        .file("b.tar", &layers[1])
        .file("c.json", config.to_string().as_bytes())
        .file("manifest.json", manifest.to_string().as_bytes())
        .end()
}

/// The same bytes, gzip-compressed.
///
/// # Panics
/// Never: it is written to memory.
#[must_use]
pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).expect("memory");
    encoder.finish().expect("memory")
}
