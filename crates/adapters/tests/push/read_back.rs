//! What was pushed, read by other people's tools, from a registry of each major version.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use portolan_adapters::registry::{PushReport, PushedTag, TagBefore};
use portolan_model::Digest;
use portolan_testkit::bundle::{Tar, gzip, image};
use portolan_testkit::registry::Registry;
use portolan_testkit::rig::{Cache, ImageTools};
use serde_json::{Value, json};

use super::{Pushing, chart};

/// The registries: docker-registry 2.8.2 and distribution 3.1.2.
fn registries(tools: &ImageTools) -> [PathBuf; 2] {
    let three = std::env::var_os("PORTOLAN_TEST_REGISTRY").expect("PORTOLAN_TEST_REGISTRY");
    [tools.registry_2(), three.into()]
}

fn tools() -> ImageTools {
    ImageTools::get(&Cache::locate().expect("a cache")).expect("the tools")
}

/// Content that does not compress, the same for the same seed.
fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    };
    std::iter::repeat_with(&mut next).flatten().take(length).collect()
}

/// An OCI layout that is being made.
#[derive(Default)]
pub(super) struct Layout {
    blobs: Vec<Vec<u8>>,
}

impl Layout {
    fn blob(&mut self, bytes: Vec<u8>, media_type: &str) -> Value {
        let of = json!({"mediaType": media_type, "digest": Digest::of(&bytes), "size": bytes.len()});
        self.blobs.push(bytes);
        of
    }

    pub(super) fn image(&mut self, architecture: &str, seed: u64) -> Value {
        let layer = Tar::default().file("etc/noise", &noise(seed, 2 << 20)).end();
        let config = json!({"os": "linux", "architecture": architecture,
            "rootfs": {"type": "layers", "diff_ids": [Digest::of(&layer)]}});
        let config = self.blob(config.to_string().into_bytes(), "application/vnd.oci.image.config.v1+json");
        let layer = self.blob(gzip(&layer), "application/vnd.oci.image.layer.v1.tar+gzip");
        let manifest_type = "application/vnd.oci.image.manifest.v1+json";
        let manifest = json!({"schemaVersion": 2, "mediaType": manifest_type, "config": config, "layers": [layer]});
        let mut of = self.blob(manifest.to_string().into_bytes(), manifest_type);
        of["platform"] = json!({"os": "linux", "architecture": architecture});
        of
    }

    pub(super) fn end(&self, named: Vec<(Value, &str)>) -> Vec<u8> {
        let named = named.into_iter().map(|(mut of, name)| {
            of["annotations"] = json!({"io.containerd.image.name": name});
            of
        });
        let index = json!({"schemaVersion": 2, "manifests": named.collect::<Vec<_>>()});
        let mut tar = Tar::default().file("oci-layout", br#"{"imageLayoutVersion": "1.0.0"}"#);
        tar = tar.file("index.json", index.to_string().as_bytes());
        let mut seen = std::collections::BTreeSet::new();
        for blob in self.blobs.iter().filter(|blob| seen.insert(Digest::of(blob))) {
            tar = tar.file(&format!("blobs/sha256/{}", Digest::of(blob).hex()), blob);
        }
        tar.end()
    }
}

/// An image of a layout, an index of two platforms, an image of `docker save`, and a chart.
fn bundle() -> Vec<u8> {
    let mut layout = Layout::default();
    let one = layout.image("amd64", 1);
    let platforms = [layout.image("amd64", 2), layout.image("arm64", 3)];
    let index_type = "application/vnd.oci.image.index.v1+json";
    let index = json!({"schemaVersion": 2, "mediaType": index_type, "manifests": platforms});
    let index = layout.blob(index.to_string().into_bytes(), index_type);
    let layout = layout.end(vec![(one, "vendor.example/one:1"), (index, "vendor.example/both:1")]);
    Tar::default()
        .file("layout.tar", &layout)
        .file("saved.tar", &image("vendor.example/saved:1"))
        .file("c-1.2.3.tgz", &chart())
        .end()
}

/// What a tool prints.
fn printed(command: &mut Command) -> Vec<u8> {
    let output = command.output().expect("the tool starts");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {said}{}", String::from_utf8_lossy(&output.stdout));
    output.stdout
}

fn text(command: &mut Command) -> String {
    String::from_utf8(printed(command)).expect("a text").trim().to_owned()
}

/// Reads an image with each tool, its content included.
fn read(tools: &ImageTools, home: &Path, tag: &PushedTag) {
    let (name, digest) = (tag.name.as_str(), tag.digest.to_string());
    let folder = |what: &str| home.join(format!("{what}-{}", tag.digest.short()));
    let docker = format!("docker://{name}");
    let raw = printed(tools.skopeo(home).args(["inspect", "--tls-verify=false", "--raw", &docker]));
    assert_eq!(Digest::of(&raw), tag.digest, "skopeo {name}");
    assert_eq!(text(tools.crane(home).args(["digest", "--insecure", name])), digest, "crane {name}");
    let descriptor = text(tools.oras(home).args(["manifest", "fetch", "--plain-http", "--descriptor", name]));
    let descriptor: Value = serde_json::from_str(&descriptor).expect("JSON");
    assert_eq!(descriptor["digest"], *digest, "oras {name}");
    // oras verifies every digest that it copies.
    let to = format!("{}:x", folder("oras").display());
    printed(tools.oras(home).args(["copy", "--from-plain-http", name, "--to-oci-layout", &to]));
    if name.contains("/c:") {
        return;
    }
    let to = format!("oci:{}:x", folder("skopeo").display());
    let copy = ["copy", "--quiet", "--all", "--preserve-digests", "--src-tls-verify=false", &docker, &to];
    printed(tools.skopeo(home).args(copy));
    let index = std::fs::read(folder("skopeo").join("index.json")).expect("a layout");
    let index: Value = serde_json::from_slice(&index).expect("JSON");
    assert_eq!(index["manifests"][0]["digest"], *digest, "skopeo copy {name}");
    // crane compares the layers with their diffIDs.
    printed(tools.crane(home).args(["validate", "--insecure", "--remote", name]));
}

fn find<'a>(report: &'a PushReport, end: &str) -> &'a PushedTag {
    report.tags.iter().find(|tag| tag.name.ends_with(end)).expect("it was pushed")
}

#[tokio::test]
#[ignore = "needs the rig: cargo xtask test"]
async fn what_was_pushed_is_read_by_other_tools_with_the_same_digests() {
    let tools = tools();
    for program in registries(&tools) {
        let registry = Registry::start(&program, false).expect("a registry");
        let (pushing, home) = (Pushing::new(&bundle()), tempfile::tempdir().expect("a folder"));
        let report = pushing.to(registry.address(), None).await.expect("a push");
        assert_eq!(report.tags.len(), 4, "{report:?}");
        report.tags.iter().for_each(|tag| read(&tools, home.path(), tag));
        // Content that lies in the bundle with its manifest keeps its digest.
        for (end, name) in [("/one:1", "one"), ("/both:1", "both")] {
            let images = &pushing.index.images;
            let known = images.iter().find(|image| image.names.iter().any(|known| known.repository.ends_with(name)));
            assert_eq!(find(&report, end).digest, known.expect("it is there").manifest);
        }
        let chart = &find(&report, "/c:1.2.3_b4").digest;
        let helms = std::env::var("PORTOLAN_TEST_HELM").expect("PORTOLAN_TEST_HELM");
        for helm in helms.split(':') {
            let mut command = Command::new(helm);
            command.args(["pull", "--plain-http", "--version", "1.2.3+b4"]).current_dir(&home).env("HOME", home.path());
            let output = command.arg(format!("oci://{}/site/c", registry.address())).output().expect("helm");
            // Helm says it on one of the two, by its version.
            let said = [output.stdout, output.stderr].map(|said| String::from_utf8_lossy(&said).into_owned()).concat();
            assert!(output.status.success() && said.contains(&format!("Digest: {chart}")), "{helm}: {said}");
        }
    }
}

/// The same archive, pushed by skopeo and by crane, has three manifests, and one configuration.
#[tokio::test]
#[ignore = "needs the rig: cargo xtask test"]
async fn an_image_that_another_tool_pushed_is_the_same_image() {
    let tools = tools();
    for program in registries(&tools) {
        let registry = Registry::start(&program, false).expect("a registry");
        let (home, archive) = (tempfile::tempdir().expect("a folder"), image("vendor.example/saved:1"));
        let file = home.path().join("saved.tar");
        std::fs::write(&file, &archive).expect("a file");
        let pushing = Pushing::new(&archive);
        let mut theirs = Vec::new();
        for tool in ["skopeo", "crane"] {
            let name = format!("{}/site/saved:1", registry.address());
            match tool {
                "skopeo" => printed(tools.skopeo(home.path()).args([
                    "copy",
                    "--quiet",
                    "--dest-tls-verify=false",
                    &format!("docker-archive:{}", file.display()),
                    &format!("docker://{name}"),
                ])),
                _ => printed(tools.crane(home.path()).args(["push", "--insecure"]).arg(&file).arg(&name)),
            };
            theirs.push(text(tools.crane(home.path()).args(["digest", "--insecure", &name])));
            let report = pushing.to(registry.address(), None).await.expect("a push");
            let saved = find(&report, "/saved:1");
            assert_eq!((&saved.before, report.sent), (&TagBefore::SameImage, 0), "{tool}: {report:?}");
        }
        assert_ne!(theirs[0], theirs[1]);
    }
}

/// A way to a registry that breaks off once, in the middle of an upload.
pub(super) fn breaking_once(to: &str) -> (String, Arc<AtomicBool>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address").to_string();
    let (to, broken) = (to.to_owned(), Arc::new(AtomicBool::new(false)));
    let told = broken.clone();
    std::thread::spawn(move || {
        for client in listener.incoming().filter_map(Result::ok) {
            let (to, broken) = (to.clone(), broken.clone());
            std::thread::spawn(move || {
                let Ok(server) = TcpStream::connect(to) else { return };
                let (Ok(back_from), Ok(back_to)) = (server.try_clone(), client.try_clone()) else { return };
                std::thread::spawn(move || forward(back_from, back_to, &|_| false));
                let cuts = |bytes: usize| bytes > 500_000 && !broken.swap(true, Ordering::SeqCst);
                forward(client, server, &cuts);
            });
        }
    });
    (address, told)
}

/// Hands bytes on until there are no more, or their number is the end.
fn forward(mut from: TcpStream, mut to: TcpStream, ends_at: &dyn Fn(usize) -> bool) {
    let (mut part, mut all) = (vec![0; 1 << 14], 0);
    loop {
        let read = from.read(&mut part).unwrap_or(0);
        all += read;
        if read == 0 || ends_at(all) || to.write_all(&part[..read]).is_err() {
            break;
        }
    }
    let _ = from.shutdown(std::net::Shutdown::Both);
    let _ = to.shutdown(std::net::Shutdown::Both);
}

/// The old registry forgets an upload whose connection breaks off, and appends what is sent twice; the new one goes on. A blob begins
/// anew in both, and no byte of it is taken for sent.
#[tokio::test]
#[ignore = "needs the rig: cargo xtask test"]
async fn a_blob_begins_anew_where_the_connection_broke_off() {
    let tools = tools();
    for program in registries(&tools) {
        let registry = Registry::start(&program, false).expect("a registry");
        let (way, broken) = breaking_once(registry.address());
        let (pushing, home) = (Pushing::new(&bundle()), tempfile::tempdir().expect("a folder"));
        let report = pushing.to(&way, None).await.expect("a push");
        assert!(broken.load(Ordering::SeqCst), "nothing broke off");
        report.tags.iter().for_each(|tag| read(&tools, home.path(), tag));
    }
}
