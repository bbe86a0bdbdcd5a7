//! Damaged bundles, each through every command that reads one: refused with a stable code, and nothing is written to the cluster, the
//! registry or the state folder.

use std::collections::BTreeMap;
use std::path::Path;

use portolan_testkit::bundle::{Tar, entries, expanding, gzip, image};
use portolan_testkit::memory_registry::MemoryRegistry;
use serde_json::Value;

use super::{is_untouched, one_line, registry, run, unnamed};
use crate::support::User;

const OLD: &str = "vendor.example/postgres:15";
const NEW: &str = "vendor.example/stub:1";

/// The registry of the simulated site.
const SITE: &str = "registry.site.example:5000/runai";

/// The files of a bundle that is whole.
fn parts() -> Vec<(String, Vec<u8>)> {
    let charts = portolan_fixtures::charts()
        .into_iter()
        .map(|chart| (format!("chart/{}-{}.tgz", chart.id.name, chart.id.version), chart.archive));
    let images = [OLD, NEW].map(|name| (format!("images/{}.tar", name.replace(['/', ':'], "-")), image(name)));
    charts.chain(images).collect()
}

fn packed(parts: impl IntoIterator<Item = (String, Vec<u8>)>) -> Tar {
    parts.into_iter().fold(Tar::default(), |tar, (path, bytes)| tar.file(&path, &bytes))
}

/// The bundle with one file changed.
fn changed(path: &str, change: impl Fn(&mut Vec<u8>)) -> Vec<u8> {
    let mut parts = parts();
    let (_, bytes) = parts.iter_mut().find(|(at, _)| at.contains(path)).expect("a part");
    change(bytes);
    packed(parts).end()
}

/// The same bundle as an OCI layout, as files.
fn layout(user: &User) -> Vec<(String, Vec<u8>)> {
    std::fs::write(user.path("parts.tar"), packed(parts()).end()).expect("a file");
    user.ok("bundle create layout.tar parts.tar");
    entries(&std::fs::read(user.path("layout.tar")).expect("a file"))
}

/// Changes the last byte of the first place where a text stands.
fn flip(bytes: &mut [u8], text: &str) {
    let at = bytes.windows(text.len()).position(|part| part == text.as_bytes()).expect("it is there");
    bytes[at + text.len() - 1] ^= 1;
}

/// Every file below a folder, but for the indexes that are kept of bundles, and the lock that a command holds while it looks.
fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok) {
        let path = entry.path();
        let is_index = folder.ends_with("portolan/bundles") && path.extension().is_some_and(|end| end == "json");
        if path.is_dir() {
            found.extend(files(&path));
        } else if !is_index && !path.ends_with("lock") {
            found.insert(path.display().to_string(), std::fs::read(&path).expect("a file"));
        }
    }
    found
}

/// A user with a simulated site without internet access.
struct AirGapped {
    user: User,
    registry: MemoryRegistry,
}

/// The commands that read a bundle.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Reader {
    Inspect,
    Push,
    SimulatedPush,
    Plan,
    Upgrade,
}

const READERS: [Reader; 5] = [Reader::Inspect, Reader::Push, Reader::SimulatedPush, Reader::Plan, Reader::Upgrade];

impl AirGapped {
    fn new() -> Self {
        let user = User::new();
        let values = portolan_fixtures::values_of(&["values/custom-env.yaml".to_owned()], &[]);
        user.write("custom-env.yaml", &values.to_string());
        user.ok("sim new openshift-2.8-airgapped site");
        // The state folder is there: what comes into it is seen.
        std::fs::write(user.path("b.tar"), packed(parts()).end()).expect("a file");
        user.ok("bundle inspect b.tar");
        Self { user, registry: registry() }
    }

    fn line(reader: Reader) -> String {
        let site = "--sim site --to 2.20 -f custom-env.yaml --accept PL231 --reason images --bundle b.tar";
        match reader {
            Reader::Inspect => "bundle inspect b.tar".into(),
            Reader::Push => "bundle push b.tar --to rig.local/site --plain-http".into(),
            Reader::SimulatedPush => format!("bundle push b.tar --to {SITE} --sim site"),
            Reader::Plan => format!("plan {site} --no-rehearsal"),
            Reader::Upgrade => format!("upgrade {site} --yes"),
        }
    }

    /// What the commands that are expected to refuse a bundle say of it.
    fn refuse(&self, bundle: &[u8], readers: &[Reader], code: &str, said: &str) {
        std::fs::write(self.user.path("b.tar"), bundle).expect("a file");
        let home = self.user.path("");
        for reader in readers {
            let before = files(&home);
            let came = run(&self.user, &self.registry, &Self::line(*reader));
            let told = one_line(&format!("{}{}", came.stdout, came.stderr));
            let exit = if code == "PL631" { 3 } else { 10 };
            assert_eq!(came.code, exit, "{reader:?}: {told}");
            assert!(told.contains(code) && told.contains(said), "{reader:?}: {told}");
            let after = files(&home);
            let names: Vec<&String> =
                after.iter().filter(|(name, bytes)| before.get(*name) != Some(*bytes)).map(|(name, _)| name).collect();
            assert!(before == after, "{reader:?} left {names:?}");
            assert!(is_untouched(&self.registry), "{reader:?}: {:?}", self.registry.seen());
        }
    }

    /// The commands do what they are for.
    fn accept(&self, bundle: &[u8], readers: &[Reader]) {
        std::fs::write(self.user.path("b.tar"), bundle).expect("a file");
        for reader in readers {
            let came = run(&self.user, &self.registry, &Self::line(*reader));
            assert_eq!(came.code, 0, "{reader:?}: {}{}", came.stdout, came.stderr);
        }
    }
}

#[test]
fn a_whole_bundle_is_accepted_in_every_shape() {
    for shape in ["tar", "gzip", "layout"] {
        let site = AirGapped::new();
        let bundle = match shape {
            "tar" => packed(parts()).end(),
            "gzip" => gzip(&packed(parts()).end()),
            _ => packed(layout(&site.user)).end(),
        };
        site.accept(&bundle, &READERS);
        assert!(site.registry.tags().contains(&"site/stub:1".to_owned()), "{shape}");
        assert!(site.user.installation("site").contains(&format!("{SITE}/stub:1")), "{shape}");
    }
}

#[test]
fn an_image_that_is_left_out() {
    let site = AirGapped::new();
    // Nobody knows by the bundle alone that there should be more.
    let short = packed(parts().into_iter().filter(|(path, _)| !path.contains("stub"))).end();
    site.refuse(&short, &[Reader::Plan, Reader::Upgrade], "PL631", &format!("{SITE}/stub:1"));
    site.accept(&short, &[Reader::Inspect, Reader::SimulatedPush]);
    // A layout lists it.
    let files = layout(&site.user);
    let listed = files.iter().find(|(path, _)| path == "index.json").expect("an index");
    let listed: Value = serde_json::from_slice(&listed.1).expect("JSON");
    let stub = |entry: &&Value| entry.to_string().contains("stub:1");
    let digest =
        listed["manifests"].as_array().expect("a list").iter().find(stub).expect("the image")["digest"].clone();
    let (_, hex) = digest.as_str().expect("a digest").split_once(':').expect("an algorithm");
    let short = packed(files.iter().filter(|(path, _)| !path.ends_with(hex)).cloned()).end();
    AirGapped::new().refuse(&short, &READERS, "PL609", &format!("refers to {}", digest.as_str().unwrap_or_default()));
}

#[test]
fn an_image_that_is_truncated() {
    let site = AirGapped::new();
    let half = changed("stub", |image| image.truncate(image.len() / 2));
    site.refuse(&half, &READERS, "PL602", "images/vendor.example-stub-1.tar is cut short");
    // Between two entries of the image.
    let header = 512;
    let whole = image(NEW);
    let second = whole.windows(5).position(|part| part == b"b.tar").expect("the second layer");
    let between = changed("stub", |image| image.truncate(second / header * header));
    site.refuse(&between, &READERS, "PL602", "images/vendor.example-stub-1.tar is cut short");
    let mut bundle = packed(parts()).end();
    bundle.truncate(bundle.len() - 2 * header);
    site.refuse(&bundle, &READERS, "PL602", "the bundle is cut short");
}

#[test]
fn content_with_a_wrong_digest() {
    let site = AirGapped::new();
    for what in ["\"rootfs\"", "\"layers\"", NEW] {
        let mut files = layout(&site.user);
        let is_meant = |path: &str, bytes: &[u8]| {
            path.starts_with("blobs/") && bytes.windows(what.len()).any(|part| part == what.as_bytes())
        };
        let (path, bytes) = files.iter_mut().find(|(path, bytes)| is_meant(path, bytes)).expect("a blob");
        let path = path.clone();
        // What is changed leaves JSON as it was.
        let at = bytes.len() - 2 - usize::from(bytes.ends_with(b"\n"));
        if what == NEW {
            flip(bytes, what);
        } else {
            bytes[at] = b' ';
        }
        std::fs::remove_file(site.user.path("layout.tar")).expect("it is there");
        std::fs::remove_file(site.user.path("parts.tar")).expect("it is there");
        site.refuse(&packed(files).end(), &READERS, "PL606", &path);
    }
}

#[test]
fn a_layer_that_its_configuration_does_not_name() {
    let site = AirGapped::new();
    let bundle = changed("stub", |image| flip(image, &format!("{NEW}{NEW}")));
    site.refuse(&bundle, &READERS, "PL607", &format!("of {NEW} does not match"));
    // Gzip-compressed on the way, too.
    site.refuse(&gzip(&bundle), &READERS, "PL607", &format!("of {NEW} does not match"));
}

#[test]
fn a_path_that_climbs_out() {
    let site = AirGapped::new();
    for path in ["../../etc/cron.d/x", "/etc/cron.d/x", "images/../../x"] {
        let bundle = packed(parts()).file_with_record(path, b"* * * * * root x").end();
        site.refuse(&bundle, &READERS, "PL603", path);
    }
    let bundle = packed(parts()).link("images/x", "../../../etc/shadow").end();
    site.refuse(&bundle, &READERS, "PL603", "../../../etc/shadow");
    // Inside an image's archive.
    let inner = packed(entries(&image("vendor.example/other:1"))).file_with_record("../x", b"x").end();
    let bundle = packed(parts()).file("images/other.tar", &inner).end();
    site.refuse(&bundle, &READERS, "PL603", "images/other.tar has an entry that leads outside");
    // A link that stays inside is what tools write.
    site.accept(&packed(parts()).link("images/latest.tar", "vendor.example-stub-1.tar").end(), &[Reader::Inspect]);
}

#[test]
fn a_huge_expansion() {
    let site = AirGapped::new();
    for path in ["images/zeros.tar.gz", "chart/zeros.tgz"] {
        let bundle = packed(parts()).file(path, &expanding(272)).end();
        site.refuse(&bundle, &READERS, "PL605", path);
    }
    // What is large is not refused before it is huge.
    site.accept(&packed(parts()).file("images/zeros.tar.gz", &expanding(16)).end(), &[Reader::Inspect]);
}

#[test]
fn two_files_of_one_name() {
    let site = AirGapped::new();
    for path in ["images/vendor.example-stub-1.tar", "images/./vendor.example-stub-1.tar"] {
        let bundle = packed(parts()).file(path, &image("vendor.example/other:1")).end();
        site.refuse(&bundle, &READERS, "PL604", "images/vendor.example-stub-1.tar");
    }
    // Two archives that give their images one name.
    let other = packed(entries(&image(NEW)).into_iter().map(|(path, bytes)| match path.as_str() {
        "c.json" => (path, String::from_utf8(bytes).expect("JSON").replace("amd64", "arm64").into_bytes()),
        _ => (path, bytes),
    }));
    let bundle = packed(parts()).file("images/again.tar", &other.end()).end();
    site.refuse(&bundle, &READERS, "PL604", NEW);
    // The same image twice is no contradiction.
    site.accept(&packed(parts()).file("images/again.tar", &image(NEW)).end(), &[Reader::Inspect, Reader::Plan]);
}

#[test]
fn a_gzip_stream_that_is_cut_short() {
    let site = AirGapped::new();
    let whole = gzip(&packed(parts()).end());
    // In the middle, in the sum at its end, and between the two.
    for left in [whole.len() / 2, whole.len() - 8, whole.len() - 1] {
        site.refuse(&whole[..left], &READERS, "PL602", "is cut short");
    }
    let nested = |left: fn(usize) -> usize| {
        let image = gzip(&image(NEW));
        changed("stub", move |part| *part = image[..left(image.len())].to_vec())
    };
    for left in [|all| all / 2, |all| all - 8, |all| all - 1] {
        site.refuse(&nested(left), &READERS, "PL602", "images/vendor.example-stub-1.tar is cut short");
    }
    site.accept(&nested(|all| all), &[Reader::Inspect]);
}

#[test]
fn an_image_without_a_name() {
    let site = AirGapped::new();
    let bundle = packed(parts()).file("images/unnamed.tar", &unnamed()).end();
    let readers: Vec<Reader> = READERS.into_iter().filter(|reader| *reader != Reader::Inspect).collect();
    site.refuse(&bundle, &readers, "PL608", "has no name");
    site.accept(&bundle, &[Reader::Inspect]);
}
