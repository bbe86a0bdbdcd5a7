//! Writes container images: docker archives with one layer, made from a list of entries without any other tool.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use fs_err as fs;
use serde_json::json;
use sha2::{Digest, Sha256};
use tar::{Builder, EntryType, Header};

/// The content of one layer, by path. Everything belongs to root and carries no time, so that the same content always
/// gives the same bytes.
#[derive(Debug, Default)]
pub(crate) struct Layer {
    entries: BTreeMap<String, (u32, Content)>,
}

#[derive(Debug)]
enum Content {
    Folder,
    Bytes(Vec<u8>),
    File(PathBuf),
    Link(String),
}

impl Layer {
    /// An empty layer.
    #[must_use]
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// A folder. Those above it come of themselves.
    pub(crate) fn folder(&mut self, path: &str, mode: u32) -> &mut Self {
        self.add(path, mode, Content::Folder)
    }

    /// A file with these bytes.
    pub(crate) fn bytes(&mut self, path: &str, mode: u32, bytes: impl Into<Vec<u8>>) -> &mut Self {
        self.add(path, mode, Content::Bytes(bytes.into()))
    }

    /// A file with the content of a file of the host (of what it points to, if it is a link).
    pub(crate) fn file(&mut self, path: &str, mode: u32, source: impl Into<PathBuf>) -> &mut Self {
        self.add(path, mode, Content::File(source.into()))
    }

    /// A symbolic link.
    pub(crate) fn link(&mut self, path: &str, target: &str) -> &mut Self {
        self.add(path, 0o777, Content::Link(target.to_owned()))
    }

    /// All files below a folder of the host, with the right to execute as it is there.
    pub(crate) fn tree(&mut self, path: &str, source: &Path) -> Result<&mut Self> {
        for entry in fs::read_dir(source)? {
            let entry = entry?;
            let name = format!("{path}/{}", entry.file_name().to_string_lossy());
            // What a link points to is taken in its place: it may lead out of the folder.
            let Ok(meta) = fs::metadata(entry.path()) else {
                continue;
            };
            if meta.is_dir() {
                self.folder(&name, 0o755).tree(&name, &entry.path())?;
            } else {
                let executable = std::os::unix::fs::PermissionsExt::mode(&meta.permissions()) & 0o111 != 0;
                self.file(&name, if executable { 0o755 } else { 0o644 }, entry.path());
            }
        }
        Ok(self)
    }

    fn add(&mut self, path: &str, mode: u32, content: Content) -> &mut Self {
        let mut above = Path::new(path).parent();
        while let Some(folder) = above.filter(|folder| !folder.as_os_str().is_empty()) {
            self.entries.entry(folder.to_string_lossy().into_owned()).or_insert((0o755, Content::Folder));
            above = folder.parent();
        }
        self.entries.insert(path.to_owned(), (mode, content));
        self
    }

    /// The layer as a tar archive.
    pub(crate) fn to_tar(&self) -> Result<Vec<u8>> {
        let mut tar = Builder::new(Vec::new());
        for (path, (mode, content)) in &self.entries {
            let mut header = Header::new_gnu();
            header.set_mode(*mode);
            match content {
                Content::Folder => {
                    header.set_entry_type(EntryType::Directory);
                    header.set_size(0);
                    tar.append_data(&mut header, format!("{path}/"), std::io::empty())?;
                }
                Content::Link(target) => {
                    header.set_entry_type(EntryType::Symlink);
                    header.set_size(0);
                    tar.append_link(&mut header, path, target)?;
                }
                Content::Bytes(bytes) => append(&mut tar, header, path, bytes)?,
                Content::File(source) => append(&mut tar, header, path, &fs::read(source)?)?,
            }
        }
        Ok(tar.into_inner()?)
    }
}

fn append(tar: &mut Builder<impl Write>, mut header: Header, path: &str, bytes: &[u8]) -> Result<()> {
    header.set_entry_type(EntryType::Regular);
    header.set_size(bytes.len() as u64);
    tar.append_data(&mut header, path, bytes).with_context(|| format!("cannot add {path} to the image"))
}

/// How an image's program is started.
#[derive(Debug, Clone, Default)]
pub(crate) struct Image {
    /// Name and tag, as pods ask for it.
    pub name: String,
    /// The program and its first arguments.
    pub entrypoint: Vec<String>,
    /// `NAME=value` each.
    pub env: Vec<String>,
    /// The user it runs as; empty for root.
    pub user: String,
    /// The signal that asks it to end; empty for SIGTERM.
    pub stop_signal: String,
}

impl Image {
    /// Writes the image with its only layer as a docker archive.
    pub(crate) fn write(&self, layer: &Layer, to: &Path) -> Result<()> {
        let layer = layer.to_tar()?;
        let digest = hex::encode(Sha256::digest(&layer));
        let mut config = json!({
            "Entrypoint": self.entrypoint,
            "Env": self.env,
        });
        for (key, value) in [("User", &self.user), ("StopSignal", &self.stop_signal)] {
            if !value.is_empty() {
                config[key] = json!(value);
            }
        }
        let config = serde_json::to_vec(&json!({
            "architecture": if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" },
            "os": "linux",
            "config": config,
            "rootfs": { "type": "layers", "diff_ids": [format!("sha256:{digest}")] },
            "history": [{}],
        }))?;
        let config_name = format!("{}.json", hex::encode(Sha256::digest(&config)));
        let layer_name = format!("{digest}/layer.tar");
        let manifest = serde_json::to_vec(&json!([{
            "Config": config_name,
            "RepoTags": [self.name],
            "Layers": [layer_name],
        }]))?;

        let mut tar = Builder::new(std::io::BufWriter::new(fs::File::create(to)?));
        for (path, bytes) in [(&config_name, &config), (&layer_name, &layer), (&"manifest.json".to_owned(), &manifest)]
        {
            let mut header = Header::new_gnu();
            header.set_mode(0o644);
            append(&mut tar, header, path, bytes)?;
        }
        tar.into_inner()?.flush()?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use serde_json::Value;

    use super::*;

    fn entries(bytes: &[u8]) -> Vec<(String, u32, Vec<u8>)> {
        let mut archive = tar::Archive::new(bytes);
        let read = |entry: std::io::Result<tar::Entry<'_, _>>| {
            let mut entry = entry.unwrap();
            let path = entry.path().unwrap().display().to_string();
            let mut content = Vec::new();
            if let Some(target) = entry.link_name().unwrap() {
                content.extend(target.display().to_string().bytes());
            } else {
                entry.read_to_end(&mut content).unwrap();
            }
            (path, entry.header().mode().unwrap(), content)
        };
        archive.entries().unwrap().map(read).collect()
    }

    #[test]
    fn a_layer_has_its_folders_before_its_files() {
        let mut layer = Layer::new();
        layer.bytes("usr/bin/run", 0o755, *b"#!").link("bin", "usr/bin").folder("tmp", 0o1777);
        let entries = entries(&layer.to_tar().unwrap());
        let paths: Vec<&str> = entries.iter().map(|(path, ..)| path.as_str()).collect();
        assert_eq!(paths, ["bin", "tmp/", "usr/", "usr/bin/", "usr/bin/run"]);
        assert_eq!(entries[0].2, b"usr/bin");
        assert_eq!(entries[1].1, 0o1777);
        assert_eq!(entries[4], ("usr/bin/run".into(), 0o755, b"#!".to_vec()));
    }

    #[test]
    fn an_archive_names_its_config_and_its_layer_by_their_digests() {
        let dir = tempfile::tempdir().unwrap();
        let mut layer = Layer::new();
        layer.bytes("run", 0o755, *b"x");
        let image = Image {
            name: "rig.local/x:1".into(),
            entrypoint: vec!["/run".into()],
            user: "1001".into(),
            ..Image::default()
        };
        let (first, second) = (dir.path().join("a.tar"), dir.path().join("b.tar"));
        image.write(&layer, &first).unwrap();
        image.write(&layer, &second).unwrap();
        let bytes = fs::read(&first).unwrap();
        assert_eq!(bytes, fs::read(&second).unwrap(), "the same image gives the same bytes");

        let entries = entries(&bytes);
        let manifest: Value = serde_json::from_slice(&entries[2].2).unwrap();
        assert_eq!(entries[2].0, "manifest.json");
        assert_eq!(manifest[0]["RepoTags"], json!(["rig.local/x:1"]));
        assert_eq!(manifest[0]["Config"], json!(entries[0].0));
        assert_eq!(manifest[0]["Layers"], json!([entries[1].0]));
        assert_eq!(entries[0].0, format!("{}.json", hex::encode(Sha256::digest(&entries[0].2))));

        let config: Value = serde_json::from_slice(&entries[0].2).unwrap();
        let digest = hex::encode(Sha256::digest(&entries[1].2));
        assert_eq!(config["rootfs"]["diff_ids"], json!([format!("sha256:{digest}")]));
        assert_eq!(config["config"]["User"], "1001");
        assert_eq!(config["config"].get("StopSignal"), None);
    }
}
