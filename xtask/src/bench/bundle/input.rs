//! What is pushed: images made of files of this machine.

use std::collections::VecDeque;
use std::fmt;
use std::io::Write as _;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use portolan_testkit::rig::Cache;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::bench::resource_usage;

/// What a bundle looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// An OCI layout in a plain tar archive; its layers are compressed.
    Layout,
    /// A plain tar archive with an archive for each image, as `docker save` wrote them before version 25.
    Archives,
    /// The same, compressed as a whole.
    Gzip,
}

impl Shape {
    pub(super) const ALL: [Self; 3] = [Self::Layout, Self::Archives, Self::Gzip];
}

/// An image as other tools are given it.
pub(super) struct TheirImage {
    /// Repository and tag.
    pub(super) name: String,
    /// Its own archive or its own layout, in the folder of what is unpacked.
    pub(super) archive: String,
}

/// A bundle.
pub(super) struct Input {
    pub(super) shape: Shape,
    pub(super) bundle: PathBuf,
    /// Its content, unpacked.
    pub(super) theirs: PathBuf,
    pub(super) images: Vec<TheirImage>,
}

/// Bytes of the layers that an image has of its own, before compression: a large one, and smaller ones.
const OWN_LAYERS: [u64; 3] = [40 << 20, 12 << 20, 2 << 20];

/// Layers that images share, and their bytes.
const SHARED_LAYERS: usize = 3;
const SHARED_LAYER: u64 = 24 << 20;

/// No file that is larger goes into a layer.
const LARGEST_FILE: u64 = 128 << 20;

impl Input {
    /// Makes one of at least this size.
    pub(super) fn make(shape: Shape, size: u64, cache: &Cache, folder: &Path) -> Result<Self> {
        let (theirs, bundle) = (folder.join("theirs"), folder.join("bundle.tar"));
        let mut making = Making { shape, layers: folder.join("layers"), files: Files::of(cache)?, size: 0 };
        fs_err::create_dir_all(&making.layers)?;
        let shared = (0..SHARED_LAYERS).map(|_| making.layer(SHARED_LAYER)).collect::<Result<Vec<_>>>()?;
        let mut images = Vec::new();
        while making.size < size {
            let mut layers = vec![shared[images.len() % SHARED_LAYERS].clone()];
            if shape != Shape::Layout && !images.is_empty() {
                making.size += layers[0].size;
            }
            for bytes in OWN_LAYERS {
                layers.push(making.layer(bytes)?);
            }
            images.push(Image { name: format!("bench/app-{:02}:1", images.len()), layers });
        }
        let mut tar = Command::new("tar");
        let theirs_images = match shape {
            Shape::Layout => {
                write_layout(&theirs, &images)?;
                tar.arg("-C").arg(theirs.join("layout")).args(["-cf"]).arg(&bundle).args([
                    "oci-layout",
                    "index.json",
                    "blobs",
                ]);
                images.iter().map(|image| image.theirs("layouts", "")).collect()
            }
            Shape::Archives | Shape::Gzip => {
                write_archives(&theirs, &images)?;
                if shape == Shape::Gzip {
                    tar.args(["-I", "gzip -1"]);
                }
                tar.arg("-C").arg(&theirs).arg("-cf").arg(&bundle).arg("images");
                images.iter().map(|image| image.theirs("images", ".tar")).collect()
            }
        };
        resource_usage::time(&mut tar)?;
        fs_err::remove_dir_all(&making.layers)?;
        Ok(Self { shape, bundle, theirs, images: theirs_images })
    }

    /// Bytes of the bundle.
    pub(super) fn size(&self) -> Result<u64> {
        Ok(fs_err::metadata(&self.bundle)?.len())
    }
}

impl fmt::Display for Input {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shape = match self.shape {
            Shape::Layout => "OCI layout, plain tar",
            Shape::Archives => "docker archives, plain tar",
            Shape::Gzip => "docker archives, .tar.gz",
        };
        let size = self.size().unwrap_or(0) as f64 / f64::from(1 << 30);
        write!(f, "{shape}: {} images, {size:.2} GiB", self.images.len())
    }
}

struct Image {
    name: String,
    layers: Vec<Layer>,
}

#[derive(Clone)]
struct Layer {
    /// Its file, named after its digest.
    file: PathBuf,
    digest: String,
    diff_id: String,
    size: u64,
}

impl Image {
    fn theirs(&self, folder: &str, end: &str) -> TheirImage {
        TheirImage { name: self.name.clone(), archive: format!("{folder}/{}{end}", self.short()) }
    }

    fn short(&self) -> &str {
        self.name.trim_start_matches("bench/").trim_end_matches(":1")
    }

    fn config(&self) -> String {
        let diff_ids: Vec<String> = self.layers.iter().map(|layer| format!("sha256:{}", layer.diff_id)).collect();
        let rootfs = json!({ "type": "layers", "diff_ids": diff_ids });
        json!({ "os": "linux", "architecture": "amd64", "config": { "Labels": { "name": self.name } }, "rootfs": rootfs }).to_string()
    }
}

struct Making {
    shape: Shape,
    layers: PathBuf,
    files: Files,
    /// Bytes of the bundle so far.
    size: u64,
}

impl Making {
    /// A layer of the next files.
    fn layer(&mut self, bytes: u64) -> Result<Layer> {
        let mut tar = tar::Builder::new(Vec::new());
        tar.mode(tar::HeaderMode::Deterministic);
        while (tar.get_ref().len() as u64) < bytes {
            let path = self.files.next().context("this machine has not enough files for so large a bundle")?;
            let name = path.strip_prefix("/").unwrap_or(&path).to_owned();
            // Some cannot be read, or have names that are too long.
            let Ok(content) = fs_err::read(&path) else { continue };
            let mut header = tar::Header::new_gnu();
            header.set_size(content.len() as u64);
            header.set_mode(0o755);
            tar.append_data(&mut header, name, &*content)?;
        }
        let plain = tar.into_inner()?;
        let diff_id = hex::encode(Sha256::digest(&plain));
        let stored = if self.shape == Shape::Layout { gzip(&plain)? } else { plain };
        let digest = hex::encode(Sha256::digest(&stored));
        let file = self.layers.join(&digest);
        fs_err::write(&file, &stored)?;
        self.size += stored.len() as u64;
        Ok(Layer { file, digest, diff_id, size: stored.len() as u64 })
    }
}

fn gzip(bytes: &[u8]) -> Result<Vec<u8>> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes)?;
    Ok(encoder.finish()?)
}

/// `layout` with all images, and in `layouts` one for each with the same blobs.
fn write_layout(to: &Path, images: &[Image]) -> Result<()> {
    let blobs = to.join("layout/blobs/sha256");
    fs_err::create_dir_all(&blobs)?;
    let blob = |text: &str| -> Result<Value> {
        let digest = hex::encode(Sha256::digest(text));
        fs_err::write(blobs.join(&digest), text)?;
        Ok(json!({ "digest": format!("sha256:{digest}"), "size": text.len() }))
    };
    let (mut all, version) = (Vec::new(), json!({ "imageLayoutVersion": "1.0.0" }).to_string());
    let index = |manifests: &[Value]| json!({ "schemaVersion": 2, "manifests": manifests }).to_string();
    for image in images {
        let mut config = blob(&image.config())?;
        config["mediaType"] = json!("application/vnd.oci.image.config.v1+json");
        let mut layers = Vec::new();
        for layer in &image.layers {
            if !blobs.join(&layer.digest).exists() {
                fs_err::copy(&layer.file, blobs.join(&layer.digest))?;
            }
            layers.push(json!({
                "mediaType": "application/vnd.oci.image.layer.v1.tar+gzip", "digest": format!("sha256:{}", layer.digest), "size": layer.size,
            }));
        }
        let media_type = "application/vnd.oci.image.manifest.v1+json";
        let manifest = json!({ "schemaVersion": 2, "mediaType": media_type, "config": config, "layers": layers });
        let mut descriptor = blob(&manifest.to_string())?;
        descriptor["mediaType"] = json!(media_type);
        descriptor["annotations"] = json!({ "org.opencontainers.image.ref.name": image.name });
        let own = to.join("layouts").join(image.short());
        fs_err::create_dir_all(&own)?;
        symlink("../../layout/blobs", own.join("blobs"))?;
        fs_err::write(own.join("oci-layout"), &version)?;
        fs_err::write(own.join("index.json"), index(std::slice::from_ref(&descriptor)))?;
        all.push(descriptor);
    }
    fs_err::write(to.join("layout/oci-layout"), &version)?;
    Ok(fs_err::write(to.join("layout/index.json"), index(&all))?)
}

/// An archive for each image in `images`.
fn write_archives(to: &Path, images: &[Image]) -> Result<()> {
    fs_err::create_dir_all(to.join("images"))?;
    for image in images {
        let mut tar =
            tar::Builder::new(fs_err::File::create(to.join("images").join(format!("{}.tar", image.short())))?);
        let mut add = |name: &str, content: &[u8]| {
            let mut header = tar::Header::new_gnu();
            header.set_size(content.len() as u64);
            header.set_mode(0o644);
            tar.append_data(&mut header, name, content)
        };
        let mut layers = Vec::new();
        for layer in &image.layers {
            let name = format!("{}/layer.tar", layer.digest);
            add(&name, &fs_err::read(&layer.file)?)?;
            layers.push(name);
        }
        let config = image.config();
        let name = format!("{}.json", hex::encode(Sha256::digest(&config)));
        add(&name, config.as_bytes())?;
        let manifest = json!([{ "Config": name, "RepoTags": [image.name], "Layers": layers }]);
        add("manifest.json", manifest.to_string().as_bytes())?;
        tar.finish()?;
    }
    Ok(())
}

/// Files of this machine, each once, folder by folder.
struct Files {
    folders: Vec<PathBuf>,
    files: VecDeque<PathBuf>,
}

impl Files {
    /// Those of the system, of the rig, and of what Rust and Go keep.
    fn of(cache: &Cache) -> Result<Self> {
        let go = Command::new("go").arg("env").args(["GOMODCACHE", "GOCACHE"]).output()?;
        let go = String::from_utf8_lossy(&go.stdout).lines().map(PathBuf::from).collect::<Vec<_>>();
        let home = PathBuf::from(std::env::var_os("HOME").context("HOME is set")?);
        let mut folders =
            vec![PathBuf::from("/usr"), cache.build().dir().to_owned(), home.join(".rustup"), home.join(".cargo")];
        folders.extend(go);
        folders.reverse();
        Ok(Self { folders, files: VecDeque::new() })
    }
}

impl Iterator for Files {
    type Item = PathBuf;

    fn next(&mut self) -> Option<PathBuf> {
        loop {
            if let Some(file) = self.files.pop_front() {
                return Some(file);
            }
            let folder = self.folders.pop()?;
            let Ok(entries) = std::fs::read_dir(folder) else { continue };
            let mut entries: Vec<PathBuf> = entries.filter_map(Result::ok).map(|entry| entry.path()).collect();
            entries.sort();
            let mut folders = Vec::new();
            for path in entries {
                let Ok(metadata) = path.symlink_metadata() else { continue };
                if metadata.is_dir() {
                    folders.push(path);
                } else if metadata.is_file() && (1..=LARGEST_FILE).contains(&metadata.len()) {
                    self.files.push_back(path);
                }
            }
            self.folders.extend(folders.into_iter().rev());
        }
    }
}
