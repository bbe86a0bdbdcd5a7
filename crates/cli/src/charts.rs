//! The charts to choose from: files, a repository, or those that a simulation brings along.

use helm_compat::chart::PackedChart;
use helm_compat::helmignore::{self, IgnoreRules};
use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};

use adapters::charts::{Access, Files, Listing, Login, Source};
use adapters::helm;
use model::{ChartId, Code, Digest, Fetched, Finding};
use plan::planner::{self, ChartPick};
use recipe::Book;

use crate::args::{Global, Target};
use crate::output::Output;
use crate::site::Site;

/// Where a password is looked for that is not on standard input.
const PASSWORD: &str = "PORTOLAN_REPO_PASSWORD";

/// How many lines a list of versions has at most.
const LINES: usize = 12;

/// The charts to choose from.
pub(crate) struct Offered {
    here: Vec<PackedChart>,
    /// What is fetched once it is chosen.
    there: Option<Listing>,
}

/// Looks at what the options name. A repository is asked only where one is named.
pub(crate) async fn offered(
    global: &Global,
    site: &Site,
    target: &Target,
    book: &Book,
    output: &Output,
) -> Result<Offered, Finding> {
    let (registries, paths): (Vec<&PathBuf>, Vec<&PathBuf>) =
        target.chart.iter().partition(|path| Source::is_registry(&path.to_string_lossy()));
    let mut here = Vec::new();
    for path in &paths {
        read_charts(path, &mut here)?;
    }
    let addresses: Vec<String> =
        target.repo.iter().cloned().chain(registries.iter().map(|path| path.to_string_lossy().into_owned())).collect();
    let there = match addresses.as_slice() {
        [] => None,
        [address] => Some(listing(global, target, book, address, output).await?),
        _ => return Err(Finding::blocking(Code::BadOption, "more than one registry is named").next("name one of them")),
    };
    match site {
        _ if there.is_some() || !paths.is_empty() => {}
        Site::Sim(sim) if sim.has_charts() => here = fixtures::charts(),
        _ => return Err(none_named(book)),
    }
    if there.is_none() && (target.username.is_some() || target.plain_http) {
        let found = "a login or --plain-http without a repository";
        return Err(Finding::blocking(Code::BadOption, found).next("add --repo URL"));
    }
    Ok(Offered { here, there })
}

/// Nothing is fetched that was not asked for, the usual repository included.
fn none_named(book: &Book) -> Finding {
    let finding = Finding::blocking(Code::NoChart, "no chart was named");
    match &book.product.repository {
        Some(repository) => finding.next(format!("add --repo {}, or --chart FILE|FOLDER", repository.url)),
        None => finding,
    }
}

async fn listing(
    global: &Global,
    target: &Target,
    book: &Book,
    address: &str,
    output: &Output,
) -> Result<Listing, Finding> {
    let source = Source::parse(address)?;
    let access = Access { login: login(target)?, plain_http: target.plain_http };
    let files = Files::of_user();
    if let (Source::Repository { url }, Some(usual)) = (&source, &book.product.repository)
        && let Some(warning) = files.another(&usual.name, url)?
    {
        output.finding(&warning);
    }
    let helm = helm::find(global.helm.as_deref()).await?;
    Listing::of(&source, &book.product.charts, &access, &files, &helm).await
}

fn login(target: &Target) -> Result<Option<Login>, Finding> {
    let Some(username) = target.username.clone() else { return Ok(None) };
    let no_password = |found: &str| {
        let next = format!("add --password-stdin, or set {PASSWORD}");
        Finding::blocking(Code::BadOption, found).next(next)
    };
    let password = if target.password_stdin {
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text).map_err(|_| no_password("the password cannot be read"))?;
        text.trim_end_matches(['\n', '\r']).to_owned()
    } else {
        std::env::var(PASSWORD).unwrap_or_default()
    };
    if password.is_empty() { Err(no_password("there is no password")) } else { Ok(Some(Login { username, password })) }
}

impl Offered {
    /// All of them.
    pub(crate) fn ids(&self) -> Vec<ChartId> {
        let there = self.there.iter().flat_map(Listing::ids);
        self.here.iter().map(|chart| &chart.id).chain(there).cloned().collect()
    }

    /// The charts of the way that the options name.
    pub(crate) fn choose(&self, target: &Target, installed: &ChartId) -> Result<Vec<ChartId>, Finding> {
        let ids = self.ids();
        let Some(to) = &target.to else {
            let finding = Finding::blocking(Code::NoTarget, "no version to upgrade to was named");
            return Err(Finding { evidence: shortened(&ids), ..finding.next("add --to VERSION") });
        };
        let mut way = Vec::new();
        let mut from = installed.clone();
        for spec in target.via.iter().chain([to]) {
            from = planner::pick(spec, &ids, &from).map_err(|finding| match finding.code {
                Code::NoTarget => Finding { evidence: shortened(&ids), ..finding },
                _ => finding,
            })?;
            way.push(from.clone());
        }
        Ok(way)
    }

    /// The archives of what was chosen, and which of them were fetched.
    pub(crate) async fn take(&self, way: Vec<ChartId>) -> Result<(Vec<ChartPick>, Vec<Fetched>), Finding> {
        let (mut picks, mut fetched) = (Vec::new(), Vec::new());
        for id in way {
            let here = self.here.iter().find(|chart| chart.id == id).map(|chart| chart.archive.clone());
            let archive = match (here, &self.there) {
                (Some(archive), _) => archive,
                (None, Some(listing)) => {
                    let (archive, from) = listing.fetch(&id).await?;
                    fetched.push(Fetched { chart: id.clone(), archive: Digest::of(&archive), from });
                    archive
                }
                // invariant: what is chosen was offered, and what is not here is in the listing
                (None, None) => return Err(Finding::blocking(Code::NoChart, format!("there is no archive of {id}"))),
            };
            picks.push(ChartPick { id, archive });
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
            Some(format!("there is: {highest}{more}"))
        })
        .collect();
    if lines.len() > LINES {
        let older = lines.split_off(LINES).len();
        lines.push(format!("and {older} older minor versions"));
    }
    if lines.is_empty() { vec!["there is: none".to_owned()] } else { lines }
}

fn read_charts(path: &Path, all: &mut Vec<PackedChart>) -> Result<(), Finding> {
    let unusable =
        |error: String| Finding::blocking(Code::NoChart, format!("{} is no chart", path.display())).with(error);
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
    fn the_usual_repository_is_named_and_not_asked() {
        let mut book = Book::builtin();
        let finding = none_named(&book);
        assert_eq!(finding.code, Code::NoChart);
        assert!(finding.next.contains("--repo https://runai.jfrog.io/artifactory/cp-charts-prod"), "{}", finding.next);
        book.product.repository = None;
        assert_eq!(none_named(&book).next, Code::NoChart.next());
    }

    #[test]
    fn versions_are_shown_newest_first_and_one_for_each_minor() {
        let mut ids: Vec<ChartId> = (1..=20).map(|minor| id("new", &format!("2.{minor}.0"))).collect();
        ids.extend([id("new", "2.20.41"), id("new", "2.20.42-rc.1"), id("old", "2.9.1"), id("new", "3.0.0-rc.1")]);
        let lines = shortened(&ids);
        assert_eq!(lines[0], "there is: new 3.0.0-rc.1");
        assert_eq!(lines[1], "there is: new 2.20.41, and 2 more of 2.20");
        assert_eq!(lines[2], "there is: new 2.19.0");
        assert_eq!((lines.len(), lines[LINES].as_str()), (LINES + 1, "and 10 older minor versions"));
        assert_eq!(shortened(&[]), ["there is: none"]);
    }
}
