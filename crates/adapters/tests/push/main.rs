//! Bundles pushed into a registry: a real one (`PORTOLAN_TEST_REGISTRY` names its program), and ones that do not behave.

mod read_back;

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use portolan_adapters::charts::Login;
use portolan_adapters::registry::{
    Asking, CompressedLayers, ImageAnswer, ImageQuestion, PushJob, PushProgress, PushReport, PushTarget,
    RegistryAccess, TagBefore, look, push,
};
use portolan_bundle::{BundleIndex, BundledImage, Limits, plan_push, read};
use portolan_model::{Code, Digest, Finding};
use portolan_testkit::bundle::{Tar, gzip, image};
use portolan_testkit::memory_registry::{Habit, MemoryRegistry};
use portolan_testkit::registry::{LOGIN, Registry};
use read_back::{Layout, breaking_once};

fn chart() -> Vec<u8> {
    let files = BTreeMap::from([("Chart.yaml".to_owned(), b"apiVersion: v2\nname: c\nversion: 1.2.3+b4\n".to_vec())]);
    portolan_helm_compat::chart::pack(&files, "c")
}

/// Two images that share a layer, and a chart.
fn bundle() -> Vec<u8> {
    Tar::default()
        .file("deploy/images/one.tar", &image("gcr.io/runai/one:1.0"))
        .file("deploy/images/two.tar", &image("runai/two:1.0"))
        .file("deploy/c-1.2.3.tgz", &chart())
        .end()
}

struct Pushing {
    _folder: tempfile::TempDir,
    file: PathBuf,
    index: BundleIndex,
    layers: CompressedLayers,
    asking: Asking,
}

impl Pushing {
    fn new(bytes: &[u8]) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("bundle.tar");
        std::fs::write(&file, bytes).expect("a file");
        let index = read(std::fs::File::open(&file).expect("a file"), Limits::default()).expect("a bundle");
        Self { _folder: folder, file, index, layers: CompressedLayers::default(), asking: Asking::Blobs }
    }

    async fn to(&self, host: &str, login: Option<(&str, &str)>) -> Result<PushReport, Finding> {
        let login = login.map(|(name, password)| Login { username: name.to_owned(), password: password.to_owned() });
        let access = RegistryAccess { login, plain_http: true, ca_file: None };
        let target = PushTarget::parse(&format!("{host}/site")).expect("a target");
        let plan = plan_push(&self.index, target.path.as_str(), &BTreeMap::new()).expect("a plan");
        let job =
            PushJob { file: &self.file, index: &self.index, plan: &plan, layers: &self.layers, asking: self.asking };
        push(&job, &target, &access, &PushProgress::default()).await
    }
}

fn registry(login: bool) -> Registry {
    let program = std::env::var_os("PORTOLAN_TEST_REGISTRY").expect("PORTOLAN_TEST_REGISTRY");
    Registry::start(Path::new(&program), login).expect("a registry")
}

fn names(report: &PushReport) -> BTreeSet<&str> {
    report.tags.iter().filter_map(|tag| tag.name.split_once('/')).map(|(_, name)| name).collect()
}

#[tokio::test]
#[ignore = "needs the rig: cargo xtask test"]
async fn a_bundle_is_pushed_once_and_read_back() {
    for bytes in [bundle(), gzip(&bundle())] {
        let (registry, pushing) = (registry(true), Pushing::new(&bytes));
        let first = pushing.to(registry.address(), Some(LOGIN)).await.expect("a push");
        assert_eq!(names(&first), BTreeSet::from(["site/runai/one:1.0", "site/runai/two:1.0", "site/c:1.2.3_b4"]));
        assert!(first.tags.iter().all(|tag| tag.before == TagBefore::Absent));
        // The shared layer is sent once: three layers, two configurations, the chart and its configuration.
        assert_eq!((first.sent, first.mounted, first.present), (7, 1, 0));
        let second = pushing.to(registry.address(), Some(LOGIN)).await.expect("a push");
        assert_eq!((second.sent, second.mounted, second.bytes), (0, 0, 0));
        assert!(second.tags.iter().all(|tag| tag.before == TagBefore::Same));
        let digests = |report: &PushReport| report.tags.iter().map(|tag| tag.digest.clone()).collect::<Vec<_>>();
        assert_eq!(digests(&second), digests(&first));
    }
}

/// The layers of an image in a registry in memory: their media type and their content.
fn layers(registry: &MemoryRegistry, repository: &str, tag: &str) -> Vec<(String, Vec<u8>)> {
    let manifest: serde_json::Value =
        serde_json::from_slice(&registry.manifest(repository, tag).expect("a manifest")).expect("JSON");
    let layers = manifest["layers"].as_array().expect("layers").iter();
    let text = |value: &serde_json::Value| value.as_str().expect("a text").to_owned();
    layers
        .map(|layer| {
            (
                text(&layer["mediaType"]),
                registry.blob(&text(&layer["digest"])).expect("a layer that the manifest names"),
            )
        })
        .collect()
}

#[tokio::test]
async fn a_plain_layer_is_compressed_on_its_way_and_stays_the_same_image() {
    for bytes in [bundle(), gzip(&bundle())] {
        let (registry, pushing) = (MemoryRegistry::start(None).expect("a registry"), Pushing::new(&bytes));
        let report = pushing.to(&registry.address(), None).await.expect("a push");
        let is_one = |image: &&BundledImage| image.names.iter().any(|name| name.repository == "runai/one");
        let image = pushing.index.images.iter().find(is_one).expect("it is there");
        assert_eq!(report.tags.iter().filter(|tag| tag.digest == image.manifest).count(), 0);
        for ((media_type, gzip), plain) in
            layers(&registry, "site/runai/one", "1.0").iter().zip(&image.platforms[0].layers)
        {
            assert_eq!(media_type, "application/vnd.oci.image.layer.v1.tar+gzip");
            let mut content = Vec::new();
            flate2::read::MultiGzDecoder::new(&**gzip).read_to_end(&mut content).expect("a gzip stream");
            // The layer in an archive is its own diffID.
            assert_eq!(portolan_model::Digest::of(&content), *plain);
            assert!(gzip.len() < content.len() / 10);
        }
        // Once more: nothing is sent, whether or not it is known what the layers became.
        let again = pushing.to(&registry.address(), None).await.expect("a push");
        assert!(again.tags.iter().all(|tag| tag.before == TagBefore::Same) && again.sent == 0, "{again:?}");
        let forgotten = Pushing { layers: CompressedLayers::default(), ..pushing };
        let again = forgotten.to(&registry.address(), None).await.expect("a push");
        let images: Vec<_> = again.tags.iter().filter(|tag| !tag.name.contains("/c:")).collect();
        assert!(images.iter().all(|tag| tag.before == TagBefore::SameImage) && again.sent == 0, "{again:?}");
    }
}

#[tokio::test]
async fn a_registry_that_says_no_digests_is_asked_for_what_it_was_sent() {
    let mut asked = Vec::new();
    for habit in [Habit::SaysDigests, Habit::SaysNone] {
        let registry = MemoryRegistry::start(None).expect("a registry").with(habit);
        let report = Pushing::new(&bundle()).to(&registry.address(), None).await.expect("a push");
        let is_asked = |request: &&String| request.starts_with("HEAD ") && request.contains("/blobs/sha256:");
        asked.push((registry.seen().iter().filter(is_asked).count(), report.sent));
    }
    let ((told, sent), (silent, _)) = (asked[0], asked[1]);
    assert_eq!(silent, told + sent);
    let others = [
        (Habit::KeepsNoBlobs, "is not there"),
        (Habit::KeepsHalf, "are there"),
        (Habit::SaysOthers, "was sent, sha256:"),
    ];
    for (habit, said) in others {
        let registry = MemoryRegistry::start(None).expect("a registry").with(habit);
        let finding = Pushing::new(&bundle()).to(&registry.address(), None).await.expect_err("it is not there");
        assert_eq!(finding.code, Code::RegistryDiffers, "{finding:?}");
        assert!(finding.evidence[0].contains(said), "{finding:?}");
        assert!(registry.tags().is_empty(), "a manifest without its blobs: {:?}", registry.tags());
    }
}

/// The bundle of an image that has a manifest, and incompressible content.
fn layout() -> Pushing {
    let mut layout = Layout::default();
    let one = layout.image("amd64", 1);
    Pushing::new(&layout.end(vec![(one, "vendor.example/one:1")]))
}

/// `crane pull` and a push of what it pulled leave the configuration and the layers as they are, and write another manifest.
#[tokio::test]
async fn an_image_under_a_manifest_of_another_tool_is_the_same_image() {
    let (registry, pushing) = (MemoryRegistry::start(None).expect("a registry"), layout());
    let ours = pushing.index.images[0].manifest.clone();
    let first = pushing.to(&registry.address(), None).await.expect("a push");
    // What has a manifest in the bundle keeps it.
    assert_eq!((&first.tags[0].digest, &first.tags[0].before), (&ours, &TagBefore::Absent));
    let text = registry.manifest("site/one", "1").expect("it was pushed");
    let manifest: serde_json::Value = serde_json::from_slice(&text).expect("JSON");
    let theirs = serde_json::to_vec_pretty(&manifest).expect("JSON");
    registry.put_manifest("site/one", "1", &theirs);
    let again = pushing.to(&registry.address(), None).await.expect("a push");
    // The digest to pin is that of the registry.
    assert_eq!((&again.tags[0].digest, &again.tags[0].before), (&Digest::of(&theirs), &TagBefore::SameImage));
    assert_eq!((again.sent, registry.manifest("site/one", "1").expect("it is there")), (0, theirs.clone()));
    // Theirs is not left as it is where a layer of it is gone: ours takes its place.
    let layer = manifest["layers"][0]["digest"].as_str().expect("a layer").to_owned();
    registry.lose_blob(&layer);
    let again = pushing.to(&registry.address(), None).await.expect("a push");
    assert_eq!((again.sent, &again.tags[0].before), (1, &TagBefore::Other(Digest::of(&theirs))));
    assert!(registry.blob(&layer).is_some());
    // Another configuration is another image.
    let mut other = manifest;
    other["config"]["digest"] = serde_json::json!(Digest::of(b"other"));
    let other = serde_json::to_vec(&other).expect("JSON");
    registry.put_manifest("site/one", "1", &other);
    let replaced = pushing.to(&registry.address(), None).await.expect("a push");
    assert_eq!(replaced.tags[0].before, TagBefore::Other(Digest::of(&other)));
    assert_eq!(registry.manifest("site/one", "1").map(|text| Digest::of(&text)), Some(ours));
}

/// A registry that forgets an upload whose connection breaks off, and answers each part with the range of one byte, as the old one does
/// of an empty upload.
#[tokio::test]
async fn a_layer_is_sent_from_its_first_byte_where_the_connection_broke_off() {
    let (registry, pushing) = (MemoryRegistry::start(None).expect("a registry"), layout());
    let (way, broken) = breaking_once(&registry.address());
    pushing.to(&way, None).await.expect("a push");
    assert!(broken.load(std::sync::atomic::Ordering::SeqCst), "nothing broke off");
    for digest in &pushing.index.images[0].platforms[0].layers {
        let there = registry.blob(&digest.to_string()).expect("it is there");
        assert_eq!(Digest::of(&there), *digest);
    }
}

/// What a registry says of an image.
async fn asked(registry: &MemoryRegistry, reference: &str, expected: Option<&Digest>) -> ImageAnswer {
    let access = RegistryAccess { plain_http: true, ..RegistryAccess::default() };
    let (repository, reference) = ("site/runai/one".into(), reference.into());
    let question = ImageQuestion { repository, reference, expected: expected.cloned() };
    look(&registry.address(), &access, &[question]).await.expect("an answer").remove(0)
}

#[tokio::test]
async fn the_digest_of_a_manifest_is_computed_where_the_registry_does_not_say_it() {
    let registry = MemoryRegistry::start(None).expect("a registry");
    Pushing::new(&bundle()).to(&registry.address(), None).await.expect("a push");
    let manifest = Digest::of(&registry.manifest("site/runai/one", "1.0").expect("it was pushed"));
    let reads = |registry: &MemoryRegistry| {
        registry.seen().iter().filter(|request| *request == "GET /v2/site/runai/one/manifests/1.0").count()
    };
    let before = reads(&registry);
    for expected in [None, Some(&manifest)] {
        let said = asked(&registry, "1.0", expected).await;
        assert_eq!(said, ImageAnswer::There { manifest: Some(manifest.clone()), config: None });
    }
    assert_eq!(reads(&registry), before, "a digest that is said is not computed");
    let other = Digest::of(b"other").to_string();
    let text = registry.manifest("site/runai/one", "1.0").expect("it was pushed");
    registry.put_manifest("site/runai/one", &other, &text);
    let is_refused = |said: &ImageAnswer| matches!(said, ImageAnswer::Unknown(why) if why.contains("another content"));
    let said = asked(&registry, &other, None).await;
    assert!(is_refused(&said), "it says another digest than it was asked for: {said:?}");
    let registry = registry.with(Habit::SaysNone);
    for (reference, expected) in [("1.0", None), ("1.0", Some(&manifest)), (manifest.to_string().as_str(), None)] {
        let said = asked(&registry, reference, expected).await;
        assert!(
            matches!(&said, ImageAnswer::There { manifest: Some(found), config: Some(_) } if *found == manifest),
            "{said:?}"
        );
    }
    assert_eq!(asked(&registry, "2.0", None).await, ImageAnswer::Absent);
    let said = asked(&registry, &other, None).await;
    assert!(is_refused(&said), "{said:?}");
    let registry = registry.with(Habit::ShowsPages);
    let said = asked(&registry, "1.0", None).await;
    assert!(matches!(&said, ImageAnswer::Unknown(why) if why.contains("no manifest")), "{said:?}");
}

/// skopeo calls a plain layer that the registry has already by the name of a compressed one.
#[tokio::test]
async fn a_layer_that_the_registry_has_plain_is_called_what_it_is() {
    let (registry, pushing) = (MemoryRegistry::start(None).expect("a registry"), Pushing::new(&bundle()));
    let bytes = std::fs::read(&pushing.file).expect("a file");
    for digest in pushing.index.images.iter().flat_map(|image| &image.platforms[0].layers) {
        let extent = pushing.index.blobs[digest].location.extent;
        registry.put_blob(&bytes[extent.offset as usize..(extent.offset + extent.size) as usize]);
    }
    pushing.to(&registry.address(), None).await.expect("a push");
    for repository in ["site/runai/one", "site/runai/two"] {
        for (media_type, content) in layers(&registry, repository, "1.0") {
            assert_eq!(media_type.ends_with("+gzip"), content.starts_with(&[0x1f, 0x8b]), "{media_type}");
        }
    }
}

#[tokio::test]
async fn a_push_goes_on_after_layers_that_were_compressed_before() {
    let (registry, pushing) = (MemoryRegistry::start(None).expect("a registry"), Pushing::new(&bundle()));
    pushing.to(&registry.address(), None).await.expect("a push");
    registry.remove("site/runai/one", "1.0");
    let again = pushing.to(&registry.address(), None).await.expect("a push");
    assert_eq!((again.sent, again.bytes), (0, 0));
    assert!(registry.tags().contains(&"site/runai/one:1.0".to_owned()));
}

#[tokio::test]
async fn a_push_repairs_a_registry_that_has_the_manifests_and_lost_a_blob() {
    for pushing in [layout(), Pushing::new(&bundle()), Pushing::new(&gzip(&bundle()))] {
        let registry = MemoryRegistry::start(None).expect("a registry");
        pushing.to(&registry.address(), None).await.expect("a push");
        let manifests = || {
            registry
                .seen()
                .iter()
                .filter(|request| request.starts_with("PUT") && request.contains("/manifests/"))
                .count()
        };
        let (lost, whole) = (blobs(&registry), manifests());
        for digest in &lost {
            registry.lose_blob(digest);
            let again = pushing.to(&registry.address(), None).await.expect("a push");
            assert!(again.sent > 0 && again.tags.iter().all(|tag| tag.before == TagBefore::Same), "{again:?}");
            let there = registry.blob(digest).expect("it is there again");
            assert_eq!(Digest::of(&there).to_string(), *digest);
        }
        let again = pushing.to(&registry.address(), None).await.expect("a push");
        assert_eq!((again.sent, again.bytes, manifests()), (0, 0, whole));
        // Each blob is asked for, and nothing is asked twice.
        let mut asked = registry.seen().split_off(registry.seen().len() - again.present - again.tags.len() - 1);
        asked.sort();
        assert_eq!(asked.iter().filter(|request| request.starts_with("HEAD")).count(), again.present, "{asked:?}");
        assert!(asked.windows(2).all(|pair| pair[0] != pair[1]), "{asked:?}");
    }
}

#[tokio::test]
async fn a_second_push_asks_for_each_manifest_and_for_nothing_else() {
    for pushing in [layout(), Pushing::new(&bundle()), Pushing::new(&gzip(&bundle()))] {
        let pushing = Pushing { asking: Asking::Manifests, ..pushing };
        let registry = MemoryRegistry::start(None).expect("a registry");
        let first = pushing.to(&registry.address(), None).await.expect("a push");
        let before = registry.seen().len();
        let again = pushing.to(&registry.address(), None).await.expect("a push");
        let manifests = again.not_asked;
        assert_eq!((first.not_asked, again.sent, again.present), (0, 0, 0));
        assert!(
            manifests >= again.tags.len() && again.tags.iter().all(|tag| tag.before == TagBefore::Same),
            "{again:?}"
        );
        let asked = registry.seen().split_off(before);
        let (reads, greeting): (Vec<_>, Vec<_>) = asked.iter().partition(|request| request.contains("/manifests/"));
        assert!(reads.iter().all(|request| request.starts_with("GET")), "{asked:?}");
        assert_eq!((reads.len(), greeting.len()), (manifests, 1), "{asked:?}");
        // A tag that is gone is put back, and its blobs are asked for.
        registry.remove("site/c", "1.2.3");
        let third = pushing.to(&registry.address(), None).await.expect("a push");
        let gone = third.tags.iter().filter(|tag| tag.before == TagBefore::Absent).count();
        assert_eq!((third.not_asked, third.sent), (manifests - gone, 0), "{third:?}");
        assert_eq!(gone > 0, third.present > 0, "{third:?}");
    }
}

/// The blobs that the manifests in a registry name.
fn blobs(registry: &MemoryRegistry) -> BTreeSet<String> {
    let mut blobs = BTreeSet::new();
    for name in registry.tags() {
        let (repository, tag) = name.rsplit_once(':').expect("a tag");
        let text = registry.manifest(repository, tag).expect("a manifest");
        let manifest: serde_json::Value = serde_json::from_slice(&text).expect("JSON");
        let layers = manifest["layers"].as_array().into_iter().flatten();
        let digests = layers.chain([&manifest["config"]]).filter_map(|blob| blob["digest"].as_str());
        blobs.extend(digests.map(str::to_owned));
    }
    blobs
}

#[tokio::test]
async fn a_file_that_changed_is_told_apart_from_a_registry_that_refuses() {
    let (registry, pushing) = (MemoryRegistry::start(None).expect("a registry"), Pushing::new(&bundle()));
    let mut bytes = std::fs::read(&pushing.file).expect("a file");
    let archive = chart();
    let place =
        bytes.windows(archive.len()).position(|part| part == archive).expect("the chart, which is sent as it is");
    bytes[place + archive.len() - 1] ^= 1;
    std::fs::write(&pushing.file, bytes).expect("a file");
    let finding = pushing.to(&registry.address(), None).await.expect_err("a changed file");
    assert_eq!(finding.code, Code::BundleDiffers, "{finding:?}");
}

#[tokio::test]
#[ignore = "needs the rig: cargo xtask test"]
async fn helm_pulls_the_chart_that_was_pushed() {
    let (registry, pushing) = (registry(false), Pushing::new(&bundle()));
    pushing.to(registry.address(), None).await.expect("a push");
    let helms = std::env::var("PORTOLAN_TEST_HELM").expect("PORTOLAN_TEST_HELM");
    for helm in helms.split(':') {
        let folder = tempfile::tempdir().expect("a folder");
        let mut command = std::process::Command::new(helm);
        command
            .args(["pull", "--plain-http", "--version", "1.2.3+b4"])
            .arg(format!("oci://{}/site/c", registry.address()));
        let output = command.current_dir(&folder).env("HOME", folder.path()).output().expect("helm");
        assert!(output.status.success(), "{helm}: {}", String::from_utf8_lossy(&output.stderr));
        let file = std::fs::read_dir(folder.path()).expect("a folder").filter_map(Result::ok).map(|entry| entry.path());
        let file = file.into_iter().find(|path| path.extension().is_some_and(|end| end == "tgz")).expect("an archive");
        assert_eq!(std::fs::read(file).expect("a file"), chart(), "{helm}");
    }
}

#[tokio::test]
#[ignore = "needs the rig: cargo xtask test"]
async fn what_is_wrong_with_a_push_is_told() {
    let (registry, pushing) = (registry(true), Pushing::new(&bundle()));
    for login in [None, Some(("me", "hidden"))] {
        let finding = pushing.to(registry.address(), login).await.expect_err("no right");
        assert!(finding.code == Code::RegistryDenied && !format!("{finding:?}").contains("hidden"), "{finding:?}");
    }
    // The file changes after it was indexed.
    let bytes = std::fs::read(&pushing.file).expect("a file");
    let place = bytes.windows(8).position(|part| part == b"basebase").expect("the layer");
    let mut changed = bytes.clone();
    changed[place] = b'B';
    std::fs::write(&pushing.file, changed).expect("a file");
    let finding = pushing.to(registry.address(), Some(LOGIN)).await.expect_err("a changed file");
    assert_eq!(finding.code, Code::BundleDiffers);
    // A run again goes on.
    std::fs::write(&pushing.file, bytes).expect("a file");
    pushing.to(registry.address(), Some(LOGIN)).await.expect("a push");
}

/// A server that answers each request with what a function says, and keeps the heads of requests.
fn server(answer: impl Fn(&str) -> String + Send + 'static) -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address").to_string();
    let heads = Arc::new(Mutex::new(Vec::new()));
    let kept = heads.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming().filter_map(Result::ok) {
            let head = head(&stream);
            let answer = answer(&head);
            kept.lock().expect("a list").push(head);
            let _ = write!(&stream, "HTTP/1.1 {answer}Connection: close\r\nContent-Length: 0\r\n\r\n");
        }
    });
    (address, heads)
}

/// Reads a request, its body included; only the head is of interest.
fn head(mut stream: &TcpStream) -> String {
    let (mut bytes, mut part) = (Vec::new(), [0; 1 << 16]);
    let (mut left, mut is_chunked, mut body) = (None, false, Vec::new());
    while left.is_none_or(|left| left > 0) || (is_chunked && !body.ends_with(b"0\r\n\r\n")) {
        let read = stream.read(&mut part).unwrap_or(0);
        if read == 0 {
            break;
        }
        if is_chunked {
            body.extend_from_slice(&part[..read]);
            continue;
        }
        if let Some(left) = &mut left {
            *left -= read as i64;
            continue;
        }
        bytes.extend_from_slice(&part[..read]);
        if let Some(end) = bytes.windows(4).position(|part| part == b"\r\n\r\n") {
            let text = String::from_utf8_lossy(&bytes[..end]).to_lowercase();
            let length: i64 =
                text.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok()).unwrap_or(0);
            is_chunked = text.contains("transfer-encoding: chunked");
            body = bytes.split_off(end + 4);
            left = Some(length - body.len() as i64);
        }
    }
    String::from_utf8_lossy(&bytes).to_lowercase()
}

#[tokio::test]
async fn a_login_goes_to_the_registry_alone() {
    let (elsewhere, seen) = server(|head| match head.starts_with("patch") {
        true => "202 Accepted\r\nLocation: /upload?state=1\r\n".to_owned(),
        false => {
            let digest = head.split("digest=").nth(1).and_then(|rest| rest.split_once(' ')).expect("a digest").0;
            format!("201 Created\r\nDocker-Content-Digest: {}\r\n", digest.replace("%3a", ":"))
        }
    });
    let to = elsewhere.clone();
    let (registry, asked) = server(move |head| {
        if !head.contains("authorization: basic") {
            "401 Unauthorized\r\nWWW-Authenticate: Basic realm=\"r\"\r\n".to_owned()
        } else if head.starts_with("post") {
            format!("202 Accepted\r\nLocation: http://{to}/upload?state=1\r\n")
        } else {
            "404 Not Found\r\n".to_owned()
        }
    });
    // The manifest is refused in the end: this registry has nothing.
    let pushing = Pushing::new(&image("a/b:1"));
    let finding = pushing.to(&registry, Some(("me", "hidden"))).await.expect_err("no manifest");
    assert_eq!(finding.code, Code::RegistryRefused);
    let (seen, asked) = (seen.lock().expect("a list").clone(), asked.lock().expect("a list").clone());
    assert!(asked.iter().any(|head| head.contains("authorization: basic")), "{asked:?}");
    // Two layers that are compressed on their way, and the configuration.
    let (patches, puts): (Vec<&String>, Vec<&String>) = seen.iter().partition(|head| head.starts_with("patch "));
    assert_eq!((patches.len(), puts.len()), (2, 3), "{seen:?}");
    assert!(patches.iter().all(|head| head.starts_with("patch /upload?state=1 ")), "{seen:?}");
    assert!(puts.iter().all(|head| head.starts_with("put /upload?state=1&digest=sha256")), "{seen:?}");
    assert!(seen.iter().all(|head| !head.contains("authorization")), "{seen:?}");
}

#[tokio::test]
async fn a_token_service_elsewhere_needs_tls() {
    let (registry, _) = server(|_| {
        "401 Unauthorized\r\nWWW-Authenticate: Bearer realm=\"http://token.example/t\",service=\"s\"\r\n".to_owned()
    });
    let finding = Pushing::new(&image("a/b:1")).to(&registry, Some(("me", "hidden"))).await.expect_err("no TLS");
    assert!(finding.code == Code::RegistryDenied && finding.evidence[0].contains("TLS"), "{finding:?}");
}

#[tokio::test]
async fn nothing_listens() {
    let free = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a port");
    let finding = Pushing::new(&image("a/b:1")).to(&free.to_string(), None).await.expect_err("nobody");
    assert_eq!(finding.code, Code::RegistryUnreachable);
}
