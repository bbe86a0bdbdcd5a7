//! Bundles of images and charts, made in memory.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read as _, Write as _};
use std::path::Path;

use anyhow::Context as _;
use serde_json::{Value, json};
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
    pub fn file(self, path: &str, bytes: &[u8]) -> Self {
        self.entry(path, bytes, 0o644)
    }

    /// Adds a file that can be run.
    ///
    /// # Panics
    /// Where the path does not fit into a header.
    #[must_use]
    pub fn program(self, path: &str, bytes: &[u8]) -> Self {
        self.entry(path, bytes, 0o755)
    }

    /// Adds a file whose path is in a record of its own before it, as POSIX has it.
    ///
    /// # Panics
    /// Never: it is written to memory.
    #[must_use]
    pub fn file_with_record(mut self, path: &str, bytes: &[u8]) -> Self {
        self.0.append_pax_extensions([("path", path.as_bytes())]).expect("memory");
        self.file("file", bytes)
    }

    /// Adds a symbolic link.
    ///
    /// # Panics
    /// Where a path does not fit into a header.
    #[must_use]
    pub fn link(mut self, path: &str, to: &str) -> Self {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(tar::EntryType::Symlink);
        header.set_size(0);
        self.0.append_link(&mut header, path, to).expect("memory");
        self
    }

    fn entry(mut self, path: &str, bytes: &[u8], mode: u32) -> Self {
        self.append(path, bytes, mode);
        self
    }

    fn append(&mut self, path: &str, bytes: &[u8], mode: u32) {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(mode);
        self.0.append_data(&mut header, path, bytes).expect("memory");
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

/// The files of a tar archive, in order.
///
/// # Panics
/// Where it is not one.
#[must_use]
pub fn entries(archive: &[u8]) -> Vec<(String, Vec<u8>)> {
    let mut files = Vec::new();
    for entry in tar::Archive::new(archive).entries().expect("an archive") {
        let mut entry = entry.expect("an entry");
        let path = entry.path().expect("a path").to_string_lossy().into_owned();
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).expect("its content");
        files.push((path, bytes));
    }
    files
}

/// The same bytes, gzip-compressed.
///
/// # Panics
/// Never: it is written to memory.
#[must_use]
pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    compressed(bytes, flate2::Compression::fast())
}

fn compressed(bytes: &[u8], level: flate2::Compression) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), level);
    encoder.write_all(bytes).expect("memory");
    encoder.finish().expect("memory")
}

/// A gzip stream that expands to this many MiB, about a thousand times its own size: an archive with one file of zeros.
///
/// # Panics
/// Never: it is written to memory.
#[must_use]
pub fn expanding(mebibytes: usize) -> Vec<u8> {
    const MEBIBYTE: usize = 1 << 20;
    let mut header = tar::Header::new_ustar();
    header.set_path("zeros").expect("a short path");
    header.set_size((mebibytes * MEBIBYTE) as u64);
    header.set_cksum();
    let part = |bytes: &[u8]| compressed(bytes, flate2::Compression::best());
    // Streams that follow each other are one (RFC 1952, section 2.2).
    [part(header.as_bytes()), part(&vec![0; MEBIBYTE]).repeat(mebibytes), part(&[0; 1024])].concat()
}

/// What images are made from: the only layer of one, and its configuration.
#[derive(Clone, Debug)]
pub struct BaseImage {
    layer: Vec<u8>,
    config: Value,
}

impl BaseImage {
    /// A program without libraries, started with these arguments.
    #[must_use]
    pub fn program(name: &str, bytes: &[u8], arguments: &[&str]) -> Self {
        let entrypoint: Vec<String> =
            std::iter::once(format!("/{name}")).chain(arguments.iter().map(ToString::to_string)).collect();
        let config = json!({ "os": "linux", "architecture": architecture(), "config": { "Entrypoint": entrypoint } });
        Self { layer: Tar::default().program(name, bytes).end(), config }
    }

    /// The image of an archive with one image of one layer.
    ///
    /// # Errors
    /// Where it cannot be read, or is no such archive.
    pub fn read(archive: &Path) -> anyhow::Result<Self> {
        let mut files: BTreeMap<String, Vec<u8>> = BTreeMap::new();
        for entry in tar::Archive::new(fs_err::File::open(archive)?).entries()? {
            let mut entry = entry?;
            let path = entry.path()?.to_string_lossy().into_owned();
            entry.read_to_end(files.entry(path).or_default())?;
        }
        let mut take = |path: &str| files.remove(path).with_context(|| format!("{} has no {path}", archive.display()));
        let manifest: Value = serde_json::from_slice(&take("manifest.json")?)?;
        let text = |pointer: &str| manifest.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
        let config = serde_json::from_slice(&take(text("/0/Config"))?)?;
        Ok(Self { layer: take(text("/0/Layers/0"))?, config })
    }
}

fn architecture() -> &'static str {
    if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" }
}

/// An archive of several images, as `docker save` writes it when it is given several names: a layer that they share lies in it
/// once.
#[derive(Default)]
pub struct ImageArchive {
    tar: Tar,
    layers: BTreeSet<String>,
    images: Vec<Value>,
}

impl ImageArchive {
    /// Adds an image: the base's layer, and one of its own that makes it another image.
    pub fn add(&mut self, name: &str, base: &BaseImage) {
        let own = Tar::default().file("etc/image", name.as_bytes()).end();
        let (mut diff_ids, mut layers) = (Vec::new(), Vec::new());
        for layer in [&base.layer, &own] {
            let digest = hex::encode(Sha256::digest(layer));
            let path = format!("{digest}/layer.tar");
            if self.layers.insert(digest.clone()) {
                self.tar.append(&path, layer, 0o644);
            }
            diff_ids.push(format!("sha256:{digest}"));
            layers.push(path);
        }
        let mut config = base.config.clone();
        config["rootfs"] = json!({ "type": "layers", "diff_ids": diff_ids });
        config["history"] = json!([{}, {}]);
        let config = config.to_string();
        let path = format!("{}.json", hex::encode(Sha256::digest(&config)));
        self.tar.append(&path, config.as_bytes(), 0o644);
        self.images.push(json!({ "Config": path, "RepoTags": [name], "Layers": layers }));
    }

    /// The archive.
    #[must_use]
    pub fn end(self) -> Vec<u8> {
        self.tar.file("manifest.json", Value::Array(self.images).to_string().as_bytes()).end()
    }
}
