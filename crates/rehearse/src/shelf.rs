//! What a simulation brings along: the fixture charts, their recorded renderings, and the installations that
//! they make.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use helm_compat::chart::{self, ChartError};
use helm_compat::{credential, values};
use include_dir::{Dir, include_dir};
use model::{ChartId, Digest, ReleaseId, Rendered, Rendering};
use serde::{Deserialize, Serialize};
use serde_json::Value;

static CHARTS: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../testkit/charts");
static SIMS: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/sims");

/// A chart as one archive.
#[derive(Clone, Debug)]
pub struct Chart {
    /// Its name and version.
    pub id: ChartId,
    /// The archive, byte-equal each time.
    pub archive: Vec<u8>,
    /// The archive's digest.
    pub digest: Digest,
}

/// A rendering by a real helm.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Recorded {
    /// Which chart, for people.
    pub chart: String,
    /// Which helm made it.
    pub helm: String,
    /// The rendering.
    pub first: String,
    /// A second one, where it differs.
    pub second: Option<String>,
}

impl Recorded {
    /// What a plan is given.
    #[must_use]
    pub fn rendering(self) -> Rendering {
        let second = self.second.unwrap_or_else(|| self.first.clone());
        let [first, second] = [self.first, second].map(Rendered::of_text);
        Rendering { first, second, reads: Vec::new() }
    }
}

/// A fixture chart: its name, its version, and the layers that it is made of.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Recipe {
    name: String,
    version: String,
    layers: Vec<String>,
}

impl Recipe {
    /// The chart's files. A file of a later layer takes the place of an earlier one's; sections of values are joined.
    fn files(&self) -> BTreeMap<String, Vec<u8>> {
        let Self { name, version, layers } = self;
        let mut files: BTreeMap<String, Vec<u8>> = BTreeMap::new();
        for layer in layers {
            let folder = format!("layers/{layer}");
            let mut own = BTreeMap::new();
            collect(CHARTS.get_dir(&folder).expect("charts.yaml names layers that are there"), &folder, &mut own);
            for (path, bytes) in own {
                let file = files.entry(path.clone()).or_default();
                if path != "values.yaml" {
                    file.clear();
                }
                file.extend(bytes);
            }
        }
        let about = format!(
            "apiVersion: v2\nname: {name}\ndescription: >-\n  A test fixture of Portolan's own, shaped after the vendor's public \
             descriptions of the Run:ai control plane {version}.\n  It is not the vendor's chart and runs none of the vendor's \
             software.\ntype: application\nversion: {version}\nappVersion: \"{version}\"\n"
        );
        files.insert("Chart.yaml".into(), about.into_bytes());
        files
    }
}

fn recipes() -> Vec<Recipe> {
    let text = CHARTS.get_file("charts.yaml").and_then(|file| file.contents_utf8()).expect("charts.yaml is there");
    serde_saphyr::from_str(text).expect("charts.yaml is readable")
}

/// The fixture charts.
///
/// # Panics
/// Where a chart of ours is broken, which a test of ours would have seen.
#[must_use]
pub fn charts() -> Vec<Chart> {
    let pack = |recipe: &Recipe| pack(recipe.files()).expect("a chart of ours is readable");
    let mut charts: Vec<Chart> = recipes().iter().map(pack).collect();
    charts.sort_by(|a, b| (&a.id.name, &a.id.version).cmp(&(&b.id.name, &b.id.version)));
    charts
}

/// The files of a fixture chart, by name and version: `control-plane-2.20.41`.
#[must_use]
pub fn files(chart: &str) -> Option<BTreeMap<String, Vec<u8>>> {
    let is = |recipe: &&Recipe| format!("{}-{}", recipe.name, recipe.version) == chart;
    recipes().iter().find(is).map(Recipe::files)
}

/// A chart out of the files of its folder.
///
/// # Errors
/// If `Chart.yaml` or `values.yaml` is not usable.
pub fn pack(files: BTreeMap<String, Vec<u8>>) -> Result<Chart, ChartError> {
    let chart = chart::of_files(files)?;
    let archive = chart::pack(&chart.files, &chart.name);
    Ok(Chart { id: chart.id(), digest: Digest::of(&archive), archive })
}

fn collect(dir: &Dir<'_>, root: &str, files: &mut BTreeMap<String, Vec<u8>>) {
    for file in dir.files() {
        let path = file.path().to_string_lossy();
        files.insert(path.trim_start_matches(root).trim_start_matches('/').to_owned(), file.contents().to_vec());
    }
    for dir in dir.dirs() {
        collect(dir, root, files);
    }
}

/// The name of a recorded rendering: what it was made of.
#[must_use]
pub fn key(archive: &Digest, release: &ReleaseId, values: &Value) -> String {
    Digest::of_value(&(archive, release, values)).hex()[..16].to_owned()
}

/// A recorded rendering.
#[must_use]
pub fn recorded(key: &str) -> Option<Recorded> {
    let file = SIMS.get_file(format!("renderings/{key}.json"))?;
    serde_json::from_slice(file.contents()).ok()
}

/// The recorded rendering of a chart with values. Where stand-ins for a password are among these, the rendering that was
/// recorded with the password serves, with the stand-in in its place: to a chart a password is a text like any other.
#[must_use]
pub fn rendering(archive: &Digest, release: &ReleaseId, values: &Value) -> Option<Recorded> {
    if let Some(recorded) = recorded(&key(archive, release, values)) {
        return Some(recorded);
    }
    let mut stands = None;
    let found = starts().starts.iter().find_map(|start| {
        let mut filled = values.clone();
        fill(&mut filled, &start.password, &mut stands);
        Some((recorded(&key(archive, release, &filled))?, start.password.clone()))
    });
    let ((recorded, password), stands) = (found?, stands?);
    let back =
        |text: String| text.replace(&password, &stands).replace(&STANDARD.encode(&password), &STANDARD.encode(&stands));
    Some(Recorded { first: back(recorded.first), second: recorded.second.map(back), ..recorded })
}

/// Puts a password in the place of stand-ins, and remembers the stand-in.
fn fill(values: &mut Value, password: &str, stands: &mut Option<String>) {
    match values {
        Value::String(text) if credential::is_stand_in(text) => {
            *stands = Some(std::mem::replace(text, password.to_owned()));
        }
        Value::Array(items) => items.iter_mut().for_each(|item| fill(item, password, stands)),
        Value::Object(map) => map.values_mut().for_each(|value| fill(value, password, stands)),
        _ => {}
    }
}

/// The names of all recorded renderings.
pub fn recordings() -> impl Iterator<Item = String> {
    SIMS.get_dir("renderings")
        .into_iter()
        .flat_map(|dir| dir.files())
        .filter_map(|file| Some(file.path().file_stem()?.to_string_lossy().into_owned()))
}

/// The installations that an upgrade starts from.
#[derive(Clone, Debug, Deserialize)]
pub struct Starts {
    /// The namespace of the release.
    pub namespace: String,
    /// The release's name.
    pub release: String,
    /// The installations.
    pub starts: Vec<Start>,
}

/// An installation and the way to it.
#[derive(Clone, Debug, Deserialize)]
pub struct Start {
    /// Its name.
    pub name: String,
    /// The platform it is on: `openshift` or `kubernetes`.
    pub platform: String,
    /// Whether it has objects whose names are the cluster's, so that there can be one of these at a time.
    #[serde(default)]
    pub alone: bool,
    /// The claim that the metrics lie on.
    #[serde(default)]
    pub metrics: Option<String>,
    /// The password in the database at the end.
    pub password: String,
    /// The claim that the database lies on.
    pub claim: String,
    /// The way.
    pub steps: Vec<StartStep>,
}

/// A step on the way to an installation.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub enum StartStep {
    /// A run of helm.
    Helm {
        /// `install` or `upgrade`.
        helm: String,
        /// The chart's folder.
        chart: String,
        /// Values files.
        #[serde(default)]
        values: Vec<String>,
        /// `--set` arguments.
        #[serde(default)]
        set: Vec<String>,
    },
    /// An annotation on a live object.
    Annotate {
        /// What is annotated.
        annotate: Annotate,
    },
    /// An object that the site's people made in the release's namespace.
    Create {
        /// The object.
        create: Value,
    },
}

/// An annotation on a live object.
#[derive(Clone, Debug, Deserialize)]
pub struct Annotate {
    /// The object's kind.
    pub kind: String,
    /// The object's name.
    pub name: String,
    /// The annotations.
    pub annotations: BTreeMap<String, String>,
}

/// The installations that the fixture charts know.
///
/// # Panics
/// Where our own file is broken, which a test of ours would have seen.
#[must_use]
pub fn starts() -> Starts {
    let text = CHARTS.get_file("starts.yaml").and_then(|file| file.contents_utf8()).expect("starts.yaml is there");
    serde_saphyr::from_str(text).expect("starts.yaml is readable")
}

/// One of them by its name.
#[must_use]
pub fn start(name: &str) -> Option<Start> {
    starts().starts.into_iter().find(|start| start.name == name)
}

/// The user-supplied values of a run of helm on the way to an installation.
///
/// # Panics
/// Where our own files are broken, which a test of ours would have seen.
#[must_use]
pub fn start_values(files: &[String], set: &[String]) -> Value {
    let mut all = serde_json::json!({});
    for name in files {
        let text = CHARTS.get_file(name).and_then(|file| file.contents_utf8()).expect("a values file of ours is there");
        all = values::layer(&all, &values::parse(text, name).expect("a values file of ours is readable"));
    }
    for argument in set {
        values::parse_set_into(argument, &mut all).expect("a --set argument of ours is readable");
    }
    all
}

/// An object as it stands in a namespace.
#[must_use]
pub fn in_namespace(object: &Value, namespace: &str) -> Value {
    let mut object = object.clone();
    object["metadata"]["namespace"] = namespace.into();
    object
}

/// A file of the simulations.
pub(crate) fn simulation(name: &str) -> Option<&'static str> {
    SIMS.get_file(name)?.contents_utf8()
}

/// What of the rules was checked against a real cluster, as `cargo xtask fidelity` wrote it.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct Checked {
    /// When.
    pub date: String,
    /// The helms.
    pub helms: Vec<String>,
    /// The rules' numbers.
    pub rules: Vec<String>,
}

/// What of the rules was checked.
#[must_use]
pub fn checked() -> Checked {
    simulation("checked.yaml").and_then(|text| serde_saphyr::from_str(text).ok()).unwrap_or_default()
}
