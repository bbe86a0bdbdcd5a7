//! Chart archives.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::io::{Read as _, Write as _};

use portolan_model::{ChartId, Digest};
use semver::Version;
use serde_json::{Value, json};

use crate::yaml;

mod capabilities;
mod subcharts;

pub use capabilities::asked_kinds;
pub use subcharts::subcharts;

/// What an archive may have at most once unpacked (helm 3.22.0, `pkg/chart/loader/archive.go`).
const LARGEST: u64 = 100 * 1024 * 1024;

/// A chart archive, read.
#[derive(Clone, Debug, PartialEq)]
pub struct ChartArchive {
    /// The chart's name.
    pub name: String,
    /// Its version.
    pub version: Version,
    /// The version of what it installs; empty where it does not say.
    pub app_version: String,
    /// Which versions of Kubernetes it accepts, as Helm writes constraints; `None` for any.
    pub kube_version: Option<String>,
    /// The charts that it brings along.
    pub dependencies: Vec<Dependency>,
    /// Its default values.
    pub values: Value,
    /// Its files, by their paths inside the chart.
    pub files: BTreeMap<String, Vec<u8>>,
}

/// A chart that another one brings along.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dependency {
    /// Its name.
    pub name: String,
    /// Which versions of it fit.
    pub version: String,
    /// Where it comes from; empty where it lies in the archive.
    pub repository: String,
    /// The values path that switches it on or off; empty where none does.
    pub condition: String,
}

/// Why an archive is no usable chart.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChartError {
    /// It is no gzipped tar.
    #[error("it is no gzipped tar archive: {0}")]
    NotAnArchive(String),
    /// An entry could reach outside the folder that it is unpacked into.
    #[error("its entry `{0}` leads outside the chart")]
    Outside(String),
    /// It has a link, or something else that is neither file nor folder.
    #[error("its entry `{0}` is neither a file nor a folder")]
    NotAFile(String),
    /// It is too large.
    #[error("it is larger than 100 MiB once unpacked")]
    TooLarge,
    /// A file is missing.
    #[error("it has no `{0}`")]
    Missing(&'static str),
    /// A file is not readable.
    #[error("its `{file}` is not usable: {message}")]
    BadFile {
        /// Which one.
        file: &'static str,
        /// What is wrong with it.
        message: String,
    },
}

impl ChartArchive {
    /// Name and version.
    #[must_use]
    pub fn id(&self) -> ChartId {
        ChartId { name: self.name.clone(), version: self.version.clone() }
    }
}

/// A chart as the archive that helm is given.
#[derive(Clone)]
pub struct PackedChart {
    /// The chart's name and version.
    pub id: ChartId,
    /// The archive: a gzipped tar.
    pub archive: Vec<u8>,
    /// The archive's digest.
    pub digest: Digest,
}

impl fmt::Debug for PackedChart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PackedChart({}, {} bytes)", self.id, self.archive.len())
    }
}

impl PackedChart {
    /// Packs the files of a chart's folder, by their paths inside the chart. The same files give the same archive.
    ///
    /// # Errors
    /// If `Chart.yaml` or `values.yaml` is not usable.
    pub fn of_files(files: BTreeMap<String, Vec<u8>>) -> Result<Self, ChartError> {
        let chart = of_files(files)?;
        let archive = pack(&chart.files, &chart.name);
        Ok(Self { id: chart.id(), digest: Digest::of(&archive), archive })
    }

    /// Takes an archive as it is.
    ///
    /// # Errors
    /// As [`read`].
    pub fn of_archive(archive: Vec<u8>) -> Result<Self, ChartError> {
        Ok(Self { id: read(&archive)?.id(), digest: Digest::of(&archive), archive })
    }
}

/// Packs a chart's files (paths inside the chart) as helm wants them: under a folder of the chart's name. The
/// same files give the same bytes: sorted, without times, owners and names of users.
///
/// # Panics
/// Where a path cannot stand in a tar archive: when it is absolute or has `..`.
#[must_use]
pub fn pack(files: &BTreeMap<String, Vec<u8>>, name: &str) -> Vec<u8> {
    let gzip = flate2::GzBuilder::new().mtime(0).operating_system(255).write(Vec::new(), flate2::Compression::new(6));
    let mut tar = tar::Builder::new(gzip);
    for (path, bytes) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(0);
        header.set_entry_type(tar::EntryType::Regular);
        tar.append_data(&mut header, format!("{name}/{path}"), bytes.as_slice()).expect("a relative path and memory");
    }
    let mut gzip = tar.into_inner().expect("memory takes it");
    gzip.flush().expect("memory takes it");
    gzip.finish().expect("memory takes it")
}

/// Reads a chart archive. Nothing is unpacked anywhere.
///
/// # Errors
/// Where it is no archive, is too large, has links or paths that lead outside, or lacks a usable `Chart.yaml`.
pub fn read(archive: &[u8]) -> Result<ChartArchive, ChartError> {
    of_files(unpack(archive)?)
}

/// Reads a chart's files (paths inside the chart), as they are in an archive or in the chart's folder.
///
/// # Errors
/// If `Chart.yaml` or `values.yaml` is not usable.
pub fn of_files(files: BTreeMap<String, Vec<u8>>) -> Result<ChartArchive, ChartError> {
    let chart = document(&files, "Chart.yaml")?.ok_or(ChartError::Missing("Chart.yaml"))?;
    let values = document(&files, "values.yaml")?.unwrap_or_else(|| json!({}));
    let text = |at: &Value, key: &str| match at.get(key) {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Number(number)) => number.to_string(),
        _ => String::new(),
    };
    let bad = |message: &str| ChartError::BadFile { file: "Chart.yaml", message: message.to_owned() };
    let name = text(&chart, "name");
    if matches!(name.as_str(), "" | "." | "..") || name.contains(['/', '\\', '\0']) {
        return Err(bad("it has no usable name"));
    }
    let version = version(&text(&chart, "version")).ok_or_else(|| bad("it has no usable version"))?;
    let dependencies = chart
        .get("dependencies")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .map(|dependency| Dependency {
            name: text(dependency, "name"),
            version: text(dependency, "version"),
            repository: text(dependency, "repository"),
            condition: text(dependency, "condition"),
        })
        .collect();
    Ok(ChartArchive {
        name,
        version,
        app_version: text(&chart, "appVersion"),
        kube_version: Some(text(&chart, "kubeVersion")).filter(|text| !text.is_empty()),
        dependencies,
        values,
        files,
    })
}

/// A chart's version. Charts exist whose version is no full one (`2.8`) or begins with a `v`; Helm's reader
/// fills up what is missing (Masterminds/semver `NewVersion`), and so do we.
#[must_use]
pub fn version(text: &str) -> Option<Version> {
    let text = text.trim();
    let text = text.strip_prefix('v').unwrap_or(text);
    let end = text.find(['-', '+']).unwrap_or(text.len());
    let (numbers, rest) = text.split_at(end);
    let mut parts: Vec<u64> = numbers.split('.').map(|part| part.parse().ok()).collect::<Option<_>>()?;
    if parts.len() > 3 {
        return None;
    }
    parts.resize(3, 0);
    Version::parse(&format!("{}.{}.{}{rest}", parts[0], parts[1], parts[2])).ok()
}

/// A YAML file of the chart; `None` where it is missing or empty.
fn document(files: &BTreeMap<String, Vec<u8>>, file: &'static str) -> Result<Option<Value>, ChartError> {
    let bad = |message: String| ChartError::BadFile { file, message };
    let Some(bytes) = files.get(file) else {
        return Ok(None);
    };
    let text = std::str::from_utf8(bytes).map_err(|error| bad(error.to_string()))?;
    let docs = yaml::documents(text).map_err(|error| bad(format!("line {}: {}", error.line, error.message)))?;
    match docs.into_iter().next() {
        None => Ok(None),
        Some(doc) if doc.is_object() => Ok(Some(doc)),
        Some(_) => Err(bad("it is not a map".into())),
    }
}

fn unpack(archive: &[u8]) -> Result<BTreeMap<String, Vec<u8>>, ChartError> {
    let plain = flate2::read::MultiGzDecoder::new(archive).take(LARGEST + 1);
    let mut tar = tar::Archive::new(plain);
    let files = entries(&mut tar);
    // A reader that was cut off says that the archive is damaged, which is not what is wrong with it.
    if tar.into_inner().limit() == 0 {
        return Err(ChartError::TooLarge);
    }
    files
}

fn entries<R: std::io::Read>(tar: &mut tar::Archive<R>) -> Result<BTreeMap<String, Vec<u8>>, ChartError> {
    let not = |error: std::io::Error| ChartError::NotAnArchive(error.to_string());
    let mut files = BTreeMap::new();
    let mut folders = BTreeSet::new();
    for entry in tar.entries().map_err(not)? {
        let mut entry = entry.map_err(not)?;
        let path = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        let kind = entry.header().entry_type();
        if kind == tar::EntryType::XGlobalHeader {
            continue;
        }
        let inner = inside(&path)?;
        if kind.is_dir() {
            continue;
        }
        if !kind.is_file() {
            return Err(ChartError::NotAFile(path));
        }
        // A file beside the chart's folder: helm calls this a chart without a base directory.
        let Some((folder, inner)) = inner.split_once('/') else {
            return Err(ChartError::Outside(path));
        };
        folders.insert(folder.to_owned());
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).map_err(not)?;
        files.insert(inner.to_owned(), bytes);
    }
    if folders.len() > 1 {
        let all: Vec<String> = folders.into_iter().collect();
        return Err(ChartError::Outside(all.join(", ")));
    }
    Ok(files)
}

/// A path of an archive in its plain form, where it stays inside.
fn inside(path: &str) -> Result<String, ChartError> {
    let outside = || ChartError::Outside(path.to_owned());
    let plain = path.replace('\\', "/");
    let drive = plain.as_bytes().get(1) == Some(&b':');
    if plain.starts_with('/') || drive || plain.contains('\0') {
        return Err(outside());
    }
    let parts: Vec<&str> = plain.split('/').filter(|part| !part.is_empty() && *part != ".").collect();
    if parts.is_empty() || parts.contains(&"..") {
        return Err(outside());
    }
    Ok(parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files() -> BTreeMap<String, Vec<u8>> {
        BTreeMap::from([
            (
                "Chart.yaml".into(),
                b"apiVersion: v2\nname: c\nversion: 2.8.20\nappVersion: 2.8\nkubeVersion: '>=1.24-0'\ndependencies:\n- {name: d, version: 1.x.x, condition: d.enabled}\n".to_vec(),
            ),
            ("values.yaml".into(), b"a: {b: yes}\n".to_vec()),
            (
                format!("templates/{}.yaml", "long-".repeat(40)),
                b"x".to_vec(),
            ),
        ])
    }

    #[test]
    fn an_archive_is_the_same_each_time_and_reads_back() {
        let archive = pack(&files(), "c");
        assert_eq!(archive, pack(&files(), "c"));
        assert_eq!(archive[4..8], [0; 4], "no time in the header");
        let chart = read(&archive).expect("it is a chart");
        assert_eq!(chart.id().to_string(), "c 2.8.20");
        assert_eq!(chart.app_version, "2.8");
        assert_eq!(chart.kube_version.as_deref(), Some(">=1.24-0"));
        assert_eq!(chart.dependencies[0].condition, "d.enabled");
        assert_eq!(chart.values, json!({"a": {"b": true}}));
        assert_eq!(chart.files, files());
    }

    fn odd(path: &str, kind: tar::EntryType) -> Vec<u8> {
        let mut tar = tar::Builder::new(flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::new(1)));
        let mut header = tar::Header::new_ustar();
        // The library refuses to write such names, so they are put into the header by hand.
        header.as_mut_bytes()[..path.len()].copy_from_slice(path.as_bytes());
        header.set_entry_type(kind);
        header.set_size(0);
        header.set_cksum();
        tar.append(&header, std::io::empty()).expect("memory");
        tar.into_inner().and_then(flate2::write::GzEncoder::finish).expect("memory")
    }

    #[test]
    fn what_leads_outside_is_refused() {
        for path in ["/etc/passwd", "../x", "c/../../x", "c:/x", "c\\..\\..\\x", "beside"] {
            let error = read(&odd(path, tar::EntryType::Regular)).expect_err(path);
            assert!(matches!(error, ChartError::Outside(_)), "{path}: {error}");
        }
        for kind in [tar::EntryType::Symlink, tar::EntryType::Link] {
            let error = read(&odd("c/x", kind)).expect_err("a link");
            assert!(matches!(error, ChartError::NotAFile(_)), "{error}");
        }
        assert!(matches!(read(&odd("c/x", tar::EntryType::Regular)), Err(ChartError::Missing("Chart.yaml"))));
        assert!(matches!(read(b"no"), Err(ChartError::NotAnArchive(_))));
    }

    #[test]
    fn a_chart_file_is_read_as_yaml_and_what_is_wrong_with_it_is_said() {
        let of = |text: &str| {
            let chart = of_files(BTreeMap::from([("Chart.yaml".into(), text.as_bytes().to_vec())]));
            chart.map(|chart| chart.id().to_string()).map_err(|error| error.to_string())
        };
        for text in [
            "{\"apiVersion\": \"v2\", \"name\": \"c\", \"version\": \"1.2.3\"}",
            "'name': 'c' # ours\nversion: 1.2.3\n",
            "\"name\" :  \"c\"\n\"version\": v1.2.3\n",
        ] {
            assert_eq!(of(text), Ok("c 1.2.3".into()), "{text}");
        }
        for (text, wrong) in [
            ("version: 1.2.3\n", "name"),
            ("name: ''\nversion: 1.2.3\n", "name"),
            ("name: ..\nversion: 1.2.3\n", "name"),
            ("name: a/b\nversion: 1.2.3\n", "name"),
            ("name: \"a\\0b\"\nversion: 1.2.3\n", "name"),
            ("name: c\n", "version"),
            ("name: c\nversion: new\n", "version"),
            ("- name: c\n", "not a map"),
            ("name: [c\n", "line"),
            ("", "no `Chart.yaml`"),
        ] {
            let said = of(text).expect_err(text);
            assert!(said.contains(wrong), "{text}: {said}");
        }
    }

    #[test]
    fn an_archive_over_the_budget_is_refused() {
        let mut files = files();
        let large = usize::try_from(LARGEST).expect("it fits");
        files.insert("big".into(), vec![0; large]);
        assert_eq!(read(&pack(&files, "c")), Err(ChartError::TooLarge));
    }

    #[test]
    fn short_versions_are_filled_up() {
        for (text, version) in [
            ("2.8", Some("2.8.0")),
            ("2", Some("2.0.0")),
            ("v2.8.1", Some("2.8.1")),
            ("2.08.1", Some("2.8.1")),
            ("2.8.1-rc.1+x", Some("2.8.1-rc.1+x")),
            ("2.8.1.4", None),
            ("", None),
            ("new", None),
        ] {
            assert_eq!(super::version(text).map(|version| version.to_string()), version.map(str::to_owned), "{text}");
        }
    }
}
