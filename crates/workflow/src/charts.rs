//! The charts to choose from, and the choice.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use portolan_adapters::charts::Listing;
use portolan_helm_compat::chart::PackedChart;
use portolan_helm_compat::helmignore::{self, IgnoreRules};
use portolan_model::{ChartId, Code, Digest, Fetched, Finding};
use portolan_plan::planner;

/// How many lines a list of versions has at most.
const LINES: usize = 12;

/// The charts to choose from.
pub struct Catalog {
    /// Those that are at hand.
    here: Vec<PackedChart>,
    /// Those that are fetched once they are chosen.
    there: Option<Listing>,
}

impl Catalog {
    /// Charts at hand, and those of a repository or registry.
    #[must_use]
    pub fn new(here: Vec<PackedChart>, there: Option<Listing>) -> Self {
        Self { here, there }
    }

    /// The fixture charts.
    #[must_use]
    pub fn of_fixtures() -> Self {
        Self::new(portolan_fixtures::charts(), None)
    }

    /// Name and version of each.
    #[must_use]
    pub fn ids(&self) -> Vec<ChartId> {
        let there = self.there.iter().flat_map(Listing::ids);
        self.here.iter().map(|chart| &chart.id).chain(there).cloned().collect()
    }

    /// The charts of a way: of each stop the chart that fits it, seen from the one before.
    ///
    /// # Errors
    /// [`Code::NoTarget`] if no chart fits, with those on offer; [`Code::Downgrade`].
    pub fn choose<S: AsRef<str>>(&self, installed: &ChartId, stops: &[S]) -> Result<Vec<ChartId>, Finding> {
        let ids = self.ids();
        if stops.is_empty() {
            let finding = Finding::blocking(Code::NoTarget, "no version to upgrade to was named");
            return Err(Finding { evidence: shortened(&ids), ..finding.next("add --to VERSION") });
        }
        let mut way = Vec::new();
        let mut from = installed.clone();
        for stop in stops {
            from = planner::pick(stop.as_ref(), &ids, &from).map_err(|finding| match finding.code {
                Code::NoTarget => Finding { evidence: shortened(&ids), ..finding },
                _ => finding,
            })?;
            way.push(from.clone());
        }
        Ok(way)
    }

    /// The archives of what was chosen, and which of them were fetched.
    ///
    /// # Errors
    /// If one cannot be fetched.
    pub async fn take(&self, way: Vec<ChartId>) -> Result<(Vec<PackedChart>, Vec<Fetched>), Finding> {
        let (mut picks, mut fetched) = (Vec::new(), Vec::new());
        for id in way {
            let here = self.here.iter().find(|chart| chart.id == id).cloned();
            let chart = match (here, &self.there) {
                (Some(chart), _) => chart,
                (None, Some(listing)) => {
                    let (archive, from) = listing.fetch(&id).await?;
                    let digest = Digest::of(&archive);
                    fetched.push(Fetched { chart: id.clone(), archive: digest.clone(), from });
                    PackedChart { id, archive, digest }
                }
                // invariant: what is chosen was offered, and what is not here is in the listing
                (None, None) => return Err(Finding::blocking(Code::NoChart, format!("there is no archive of {id}"))),
            };
            picks.push(chart);
        }
        Ok((picks, fetched))
    }
}

/// What there is, newest first: of each minor version the highest, and how many lower ones there are.
fn shortened(ids: &[ChartId]) -> Vec<String> {
    let mut minors: BTreeMap<(u64, u64, &str), Vec<&ChartId>> = BTreeMap::new();
    for id in ids {
        minors.entry((id.version.major, id.version.minor, &id.name)).or_default().push(id);
    }
    let mut lines: Vec<String> = minors
        .into_values()
        .rev()
        .filter_map(|ids| {
            let highest = ids.iter().max_by_key(|id| (id.version.pre.is_empty(), &id.version))?;
            let more = match ids.len() - 1 {
                0 => String::new(),
                more => format!(", and {more} more of {}.{}", highest.version.major, highest.version.minor),
            };
            Some(format!("available: {highest}{more}"))
        })
        .collect();
    if lines.len() > LINES {
        let older = lines.split_off(LINES).len();
        lines.push(format!("and {older} older minor versions"));
    }
    if lines.is_empty() { vec!["available: none".to_owned()] } else { lines }
}

/// Reads a chart: an archive, a folder of one, or a folder of several.
///
/// # Errors
/// [`Code::NoChart`] if it is none.
pub fn read_charts(path: &Path, all: &mut Vec<PackedChart>) -> Result<(), Finding> {
    if !path.exists() {
        return Err(Finding::blocking(Code::NoChart, format!("{} does not exist", path.display())));
    }
    let unusable =
        |error: String| Finding::blocking(Code::NoChart, format!("{} is not a helm chart", path.display())).with(error);
    if path.is_dir() && path.join("Chart.yaml").exists() {
        let rules = match fs_err::read_to_string(path.join(helmignore::FILE)) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
            Err(error) => return Err(unusable(error.to_string())),
        };
        let mut files = BTreeMap::new();
        let folder = ChartFolder { root: path, ignored: IgnoreRules::parse(&rules).map_err(&unusable)? };
        folder.read(path, &mut files).map_err(|error| unusable(error.to_string()))?;
        all.push(PackedChart::of_files(files).map_err(|error| unusable(error.to_string()))?);
        return Ok(());
    }
    if path.is_dir() {
        let mut paths: Vec<PathBuf> = fs_err::read_dir(path)
            .and_then(|entries| entries.map(|entry| entry.map(|entry| entry.path())).collect())
            .map_err(|error| unusable(error.to_string()))?;
        paths.sort();
        let is_chart =
            |path: &Path| path.join("Chart.yaml").exists() || path.extension().is_some_and(|end| end == "tgz");
        for inner in paths.iter().filter(|path| is_chart(path)) {
            read_charts(inner, all)?;
        }
        return Ok(());
    }
    let archive = fs_err::read(path).map_err(|error| unusable(error.to_string()))?;
    all.push(PackedChart::of_archive(archive).map_err(|error| unusable(error.to_string()))?);
    Ok(())
}

/// A chart's folder, read as helm reads it.
struct ChartFolder<'a> {
    root: &'a Path,
    ignored: IgnoreRules,
}

impl ChartFolder<'_> {
    fn read(&self, folder: &Path, files: &mut BTreeMap<String, Vec<u8>>) -> std::io::Result<()> {
        for entry in fs_err::read_dir(folder)? {
            let path = entry?.path();
            let name = path.strip_prefix(self.root).unwrap_or(&path).to_string_lossy().into_owned();
            let kind = fs_err::metadata(&path)?;
            if self.ignored.ignores(&name, kind.is_dir()) {
                continue;
            }
            if kind.is_dir() {
                self.read(&path, files)?;
            } else if kind.is_file() {
                files.insert(name, fs_err::read(&path)?);
            } else {
                let text = format!("{} is neither a file nor a folder", path.display());
                return Err(std::io::Error::other(text));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(name: &str, version: &str) -> ChartId {
        ChartId { name: name.into(), version: version.parse().expect("a version") }
    }

    #[test]
    fn versions_are_shown_newest_first_and_one_for_each_minor() {
        let mut ids: Vec<ChartId> = (1..=20).map(|minor| id("new", &format!("2.{minor}.0"))).collect();
        ids.extend([id("new", "2.20.41"), id("new", "2.20.42-rc.1"), id("old", "2.9.1"), id("new", "3.0.0-rc.1")]);
        let lines = shortened(&ids);
        assert_eq!(lines[0], "available: new 3.0.0-rc.1");
        assert_eq!(lines[1], "available: new 2.20.41, and 2 more of 2.20");
        assert_eq!(lines[2], "available: new 2.19.0");
        assert_eq!((lines.len(), lines[LINES].as_str()), (LINES + 1, "and 10 older minor versions"));
        assert_eq!(shortened(&[]), ["available: none"]);
    }
}
