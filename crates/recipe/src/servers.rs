//! Servers of databases that are known by their image alone, whatever the product: which data each opens, as data in
//! `recipes/servers.yaml`.

use std::cmp::Ordering;
use std::sync::OnceLock;

use serde::Deserialize;

use crate::builtin;
use crate::server::{image_last_part, image_tag};

static TEXT: &str = include_str!("../../../recipes/servers.yaml");

/// The servers that are known.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DataServers {
    format: u32,
    /// Words of tags that say what an image is built on, by the C library of each.
    bases: Vec<Vec<String>>,
    servers: Vec<DataServer>,
}

/// A server of a database.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct DataServer {
    /// As people call it.
    pub name: String,
    /// The last parts of the names of images that run it; those of one list have the same layout of data.
    images: Vec<Vec<String>>,
    opens: Opens,
    /// The major versions in order, where a major version is no whole number: `8.0`, `8.4`.
    #[serde(default)]
    majors: Vec<String>,
    /// Those of them that an upgrade may leave out.
    #[serde(default)]
    optional: Vec<String>,
    /// Whether every minor version is a major one.
    #[serde(default)]
    by_minor: bool,
    /// The version from which on data of no version but its own is opened.
    #[serde(default)]
    exact_from: Option<String>,
    /// Versions through which data of before goes on its way to a later one.
    #[serde(default)]
    stops: Vec<String>,
    /// Versions from which on data of before is not opened as it is.
    #[serde(default)]
    breaks: Vec<String>,
    /// Words of settings with which a server already writes what those versions open.
    #[serde(default)]
    breaks_without: Vec<String>,
    /// Words of settings of which those versions want one.
    #[serde(default)]
    wants: Vec<String>,
    /// Words of settings that decide which data is used, or whether it is kept.
    pub settings: Vec<String>,
    /// Limits beyond which it takes no data, or does not start with what it has.
    #[serde(default)]
    pub limits: Vec<String>,
    /// Those of `settings` that are lists to which more may come.
    #[serde(default)]
    pub lists: Vec<String>,
    /// The first words of lines that say who may come to the data.
    #[serde(default)]
    pub admits: Vec<String>,
    /// Whether text is sorted as the C library of the image sorts it.
    #[serde(default)]
    sorts_by_c_library: bool,
    /// Limits beyond which it throws data away, and the setting that says whether it does.
    #[serde(default)]
    pub evicts: Option<Eviction>,
    /// Whether it writes data when it ends that it has in memory alone until then.
    #[serde(default)]
    pub writes_at_end: bool,
    /// Who says so.
    pub source: String,
}

/// Data that a server throws away where it has more than a limit says.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Eviction {
    /// Words of settings with the limit.
    pub limits: Vec<String>,
    /// The setting that says what goes first.
    pub by: String,
    /// Its text with which nothing goes, which it has where it is not set.
    pub never: String,
}

/// Whether an image is one of Bitnami's, by its place or its tag: it has data in another folder than that of the program's own authors, and
/// runs as another user.
#[must_use]
pub fn is_of_bitnami(image: &str) -> bool {
    let is_place =
        image.rsplit_once('/').is_some_and(|(place, _)| place.split('/').any(|part| part.starts_with("bitnami")));
    // As in `15.3.0-debian-11-r7`.
    let is_tag = || image_tag(image).is_some_and(|tag| tag.contains("-debian-") && tag.contains("-r"));
    is_place || is_tag()
}

/// Of which older versions a server opens data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Opens {
    /// Of the same major version.
    Same,
    /// Of the major version before, too.
    Next,
    /// Of all.
    Later,
    /// Of all, as far as is known.
    Any,
}

/// Whether data of one image is opened by another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DataOpens {
    /// It is.
    Yes,
    /// It is not, with the reason in words.
    No(String),
    /// One of the images does not say its version.
    NotKnown,
}

impl DataServers {
    /// Those that Portolan brings along.
    ///
    /// # Panics
    /// Where the file is not usable, which a test of this crate would have seen.
    #[must_use]
    pub fn builtin() -> &'static Self {
        static KNOWN: OnceLock<DataServers> = OnceLock::new();
        KNOWN.get_or_init(|| builtin::read("recipes/servers.yaml", TEXT, |known: &Self| known.format))
    }

    /// The server that an image runs.
    #[must_use]
    pub fn of_image(&self, image: &str) -> Option<&DataServer> {
        self.servers.iter().find(|server| server.layout(image).is_some())
    }

    /// Whether text is sorted in another way by the C library of another image, as far as both tags say what they are built on.
    #[must_use]
    pub fn sorts_otherwise(&self, server: &DataServer, old: &str, new: &str) -> bool {
        let base = |image: &str| {
            let tag = image_tag(image)?;
            let is_in = |word: &String| {
                tag.match_indices(word.as_str()).any(|(at, found)| {
                    !tag[at + found.len()..].starts_with(|c: char| c.is_ascii_alphanumeric())
                        && !tag[..at].ends_with(|c: char| c.is_ascii_alphanumeric())
                })
            };
            self.bases.iter().position(|words| words.iter().any(is_in))
        };
        server.sorts_by_c_library && matches!((base(old), base(new)), (Some(was), Some(will)) if was != will)
    }
}

impl DataServer {
    /// Which of its layouts of data an image has.
    fn layout(&self, image: &str) -> Option<usize> {
        let last = image_last_part(image);
        self.images.iter().position(|images| images.iter().any(|name| name == last))
    }

    /// Whether an image does not say which version it is, so that each pull may bring another one, which may not open the data.
    #[must_use]
    pub fn may_be_any(&self, image: &str) -> bool {
        let opens_all = self.opens == Opens::Later && self.stops.is_empty() && self.breaks.is_empty();
        !opens_all
            && !image.contains('@')
            && self.version(image).is_none()
            && matches!(image_tag(image), None | Some("latest"))
    }

    /// Whether the server in `new` opens the data that the one in `old` wrote. Both run this server. `told` says whether the old one, and
    /// the new one, has a setting of this word.
    #[must_use]
    pub fn opens(&self, old: &str, new: &str, told: [&dyn Fn(&str) -> bool; 2]) -> DataOpens {
        if self.layout(old) != self.layout(new) {
            return DataOpens::No(format!(
                "{} lays its data out in another way than {}",
                image_last_part(new),
                image_last_part(old)
            ));
        }
        if image_tag(old).is_some() && old.rsplit(':').next() == new.rsplit(':').next() {
            return DataOpens::Yes;
        }
        if self.sorts_by_c_library && has_musl(old) != has_musl(new) {
            let reason =
                "another C library sorts text in another way, and indexes over text are damaged without a word";
            return DataOpens::No(reason.into());
        }
        let [was_told, is_told] = told;
        let is_newer =
            self.breaks_without.iter().any(|word| was_told(word)) || self.wants.iter().any(|word| is_told(word));
        if let Some(reason) = self.crossed((old, new), is_newer) {
            return DataOpens::No(reason);
        }
        if self.opens == Opens::Any {
            let agrees = tags_agree(old, new);
            return if agrees == DataOpens::NotKnown { DataOpens::Yes } else { agrees };
        }
        let (Some(was), Some(will)) = (self.version(old), self.version(new)) else { return DataOpens::NotKnown };
        let name = &self.name;
        let text = |version: &Version| version.text.clone();
        if self.is_beyond(&will) && (will.major, &will.rest) != (was.major, &was.rest) {
            return DataOpens::NotKnown;
        }
        if let Some(from) = &self.exact_from
            && beside(&was.rest, &line(from)) != Ordering::Less
            && was.rest != will.rest
        {
            return DataOpens::No(format!(
                "{name} {} opens data of {} only where it is told to upgrade it",
                text(&will),
                text(&was)
            ));
        }
        if (will.major, &will.rest) < (was.major, &was.rest) {
            return DataOpens::No(format!("{name} {} does not open data of the later {}", text(&will), text(&was)));
        }
        let steps = self.steps(&was, &will);
        match self.opens {
            Opens::Same if steps > 0 => {
                DataOpens::No(format!("{name} {} does not open data of {} as it is", text(&will), text(&was)))
            }
            Opens::Next if steps > 1 => DataOpens::No(format!(
                "{name} goes one major version at a time: {} does not open data of {}",
                text(&will),
                text(&was)
            )),
            _ => DataOpens::Yes,
        }
    }

    /// Whether more versions of it are known to open the data than the tags of any program say.
    #[must_use]
    pub fn is_known_to_open(&self) -> bool {
        self.opens != Opens::Any
    }

    /// The version that data may not be taken over, in words; `is_newer` says that the data is as the versions that break want it.
    fn crossed(&self, (old, new): (&str, &str), is_newer: bool) -> Option<String> {
        let number = |image: &str| number(image_tag(image)?, self.opens != Opens::Any);
        let ((was, old), (will, new)) = (number(old)?, number(new)?);
        let crosses = |of: &&String, from_it: bool| {
            let (before, after) = (beside(&old, &line(of)), beside(&new, &line(of)));
            before == Ordering::Less && (after == Ordering::Greater || (from_it && after == Ordering::Equal))
        };
        if let Some(stop) = self.stops.iter().find(|stop| crosses(stop, false)) {
            return Some(format!("{} goes through {stop}: {will} does not open data of {was}", self.name));
        }
        let first = self.breaks.iter().find(|first| !is_newer && crosses(first, true))?;
        if !self.wants.is_empty() {
            let wants = self.wants.join(", ");
            return Some(format!(
                "{} from {first} on does not start without one of {wants}: {will} comes after {was}",
                self.name
            ));
        }
        Some(format!("{} from {first} on does not open data of before as it is: {will} comes after {was}", self.name))
    }

    /// How many major versions a version is after another, without those that may be left out.
    fn steps(&self, was: &Version, will: &Version) -> u64 {
        let is_between = |optional: &&String| {
            let at = self.majors.iter().position(|major| major == *optional).map_or(0, |at| at as u64 + 1);
            was.major < at && at < will.major
        };
        will.major - was.major - self.optional.iter().filter(is_between).count() as u64
    }

    /// Whether a version comes after all that are known: how many major versions lie between is not known.
    fn is_beyond(&self, version: &Version) -> bool {
        let last = self.majors.last().and_then(|last| line(last).first().copied());
        last.is_some_and(|last| version.rest.first().is_some_and(|first| *first > last))
    }

    /// What an image's tag says of the version.
    fn version(&self, image: &str) -> Option<Version> {
        let (text, numbers) = number(image_tag(image)?, true)?;
        let first = *numbers.first()?;
        if self.by_minor {
            /// More than any minor version.
            const MINORS: u64 = 1_000;
            let minor = numbers.get(1).copied().unwrap_or_default();
            return Some(Version { text, major: first * MINORS + minor, rest: numbers });
        }
        if self.majors.is_empty() {
            return Some(Version { text, major: first, rest: numbers[1..].to_vec() });
        }
        // A major version of two numbers; between two of those that are known, as one behind the lower.
        let below = self.majors.iter().filter(|known| line(known) <= numbers[..numbers.len().min(2)].to_vec()).count();
        Some(Version { text, major: below as u64, rest: numbers })
    }
}

/// The numbers of a line of versions: `3.11`.
fn line(text: &str) -> Vec<u64> {
    text.split('.').filter_map(|part| part.parse().ok()).collect()
}

/// Whether a version is before a line of versions, in it, or after it.
fn beside(version: &[u64], line: &[u64]) -> Ordering {
    version[..version.len().min(line.len())].cmp(&line[..version.len().min(line.len())])
}

/// The first numbers of two images of one program, where the new one's is the higher: a major version comes that may ask for something.
/// Dates are no such numbers.
#[must_use]
pub fn major_rises(old: &str, new: &str) -> Option<(u64, u64)> {
    const YEARS: u64 = 1_000;
    let first = |image: &str| number(image_tag(image)?, false)?.1.first().copied();
    let (was, will) = (first(old)?, first(new)?);
    (was < will && will < YEARS).then_some((was, will))
}

/// Whether an image of a program that is not known runs on the data of another image of it as far as their tags say: not where the
/// new one is older, or brings another PostgreSQL. Programs read what older versions of theirs wrote, as a rule, and not the contrary.
#[must_use]
pub fn tags_agree(old: &str, new: &str) -> DataOpens {
    let postgresql = |image: &str| image_tag(image)?.rsplit_once("pg")?.1.split(['.', '-', '_']).next()?.parse().ok();
    let number = |image: &str| number(image_tag(image)?, false);
    let (Some((was, old_numbers)), Some((will, new_numbers))) = (number(old), number(new)) else {
        return DataOpens::NotKnown;
    };
    match (postgresql(old), postgresql(new)) {
        (Some::<u64>(was), Some::<u64>(will)) if was != will => {
            DataOpens::No(format!("PostgreSQL {will} does not open data of {was} as it is"))
        }
        _ if new_numbers < old_numbers => DataOpens::No(format!(
            "{} {will} runs on data of the later {was}, and older versions seldom read what later ones wrote",
            image_last_part(new)
        )),
        _ => DataOpens::Yes,
    }
}

/// The version that a tag says: its text and its numbers. What it is built on may come first where the program is known
/// (`ubi8-14.6-0`); of another's tag the beginning alone is read, as `main-4f3a` says no version.
fn number(tag: &str, is_known: bool) -> Option<(String, Vec<u64>)> {
    // A day: `RELEASE.2022-10-29T06-21-33Z`.
    if let Some((day, _)) = tag.strip_prefix("RELEASE.").and_then(|rest| rest.split_once('T')) {
        let numbers: Option<Vec<u64>> = day.split('-').map(|part| part.parse().ok()).collect();
        return Some((day.to_owned(), numbers?));
    }
    // `pg16`, `2.17.2-pg16`: the server's own version is behind the letters.
    let tag = tag.rsplit_once("pg").map_or(tag, |(_, after)| after);
    let starts_with_digit = |text: &str| text.starts_with(|c: char| c.is_ascii_digit());
    let tag = tag.strip_prefix('v').filter(|rest| starts_with_digit(rest)).unwrap_or(tag);
    let tag = if starts_with_digit(tag) { tag } else { tag.split_once('-').filter(|_| is_known)?.1 };
    let end = tag.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(tag.len());
    let text = tag[..end].trim_matches('.').to_owned();
    // `4f3a` is no version.
    if !text.contains('.') && tag[end..].starts_with(|c: char| c.is_ascii_alphanumeric()) {
        return None;
    }
    let numbers: Vec<u64> = text.split('.').map_while(|part| part.parse().ok()).collect();
    (!numbers.is_empty()).then_some((text, numbers))
}

/// Whether an image is built on musl instead of glibc, by its tag.
fn has_musl(image: &str) -> bool {
    image_tag(image).is_some_and(|tag| tag.contains("alpine"))
}

/// A version, by what counts.
struct Version {
    text: String,
    major: u64,
    rest: Vec<u64>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_opens_what_its_documentation_says() {
        let known = DataServers::builtin();
        assert_eq!(known.format, 1);
        for (old, new, opens) in [
            ("postgres:15", "postgres:15.4-bookworm", true),
            ("postgres:15-bookworm", "postgres:15-alpine", false),
            ("crunchy-postgres:ubi8-14.6-0", "crunchy-postgres:ubi8-14.9-0", true),
            ("crunchy-postgres:ubi8-14.6-0", "crunchy-postgres:ubi8-15.1-0", false),
            ("timescaledb-ha:pg15", "timescaledb-ha:pg16", false),
            ("percona-server:5.7", "percona-server:8.4", false),
            ("cassandra:3.11", "cassandra:4.0", true),
            ("cassandra:3.11", "cassandra:5.0", false),
            ("cockroach:v22.1.0", "cockroach:v24.1.0", false),
            ("docker.io/library/postgres:15.3", "mirror.example:5000/postgres:15.10", true),
            ("postgres:15", "postgres:16", false),
            ("bitnami/postgresql:15", "postgres:15", false),
            ("timescale/timescaledb:2.14.2-pg15", "timescale/timescaledb:2.17.0-pg15", true),
            ("timescale/timescaledb:2.14.2-pg15", "timescale/timescaledb:2.14.2-pg16", false),
            ("mysql:8.0.36", "mysql:8.4.1", true),
            ("mysql:5.7", "mysql:8.4", false),
            ("mysql:8.0", "mysql:9.2", false),
            ("mysql:8.4", "mysql:9.2", true),
            ("etcd:3.4.27", "etcd:3.6.1", false),
            ("etcd:v3.5.9", "etcd:v3.6.1", true),
            ("mysql:8.0", "mysql:5.7", false),
            ("mysql:8.0.30", "mysql:8.0.28", false),
            ("mariadb:10.6", "mariadb:11.4", true),
            ("mongo:4.4", "mongo:7.0", false),
            ("mongo:6.0", "mongo:7.0", true),
            ("redis:6.2", "redis:8", true),
            ("redis:8", "redis:7", false),
            ("elasticsearch:7.17.0", "elasticsearch:9.0.0", false),
            ("elasticsearch:7.17.0", "elasticsearch:8.17.0", true),
            ("redis@sha256:aa", "redis@sha256:aa", true),
        ] {
            assert_opens(old, new, opens);
        }
        let postgres = known.of_image("postgres:15").expect("known");
        assert_eq!(postgres.opens("postgres:15", "postgres:latest", [&|_| false; 2]), DataOpens::NotKnown);
        assert!(known.of_image("acme/app:10").is_none());
        assert!(known.of_image("x/postgres-exporter:1").is_none());
    }

    fn assert_opens(old: &str, new: &str, opens: bool) {
        let server = DataServers::builtin().of_image(old).unwrap_or_else(|| panic!("{old} is not known"));
        let said = server.opens(old, new, [&|_| false; 2]);
        assert_eq!(said == DataOpens::Yes || old == new, opens, "{old} -> {new}: {said:?}");
    }

    #[test]
    fn versions_are_not_jumped_over_and_some_open_nothing_of_before() {
        for (old, new, opens) in [
            // Versions that must not be jumped over.
            ("rabbitmq:3.10.8-debian-11-r0", "rabbitmq:3.13.1", false),
            ("rabbitmq:3.12.12", "rabbitmq:4.0.5", false),
            ("rabbitmq:3.12.12", "rabbitmq:3.13.1", true),
            ("rabbitmq:3.13.7", "rabbitmq:4.1.0", true),
            ("sonarqube:8.9-community", "sonarqube:10.3.0-community", false),
            ("sonarqube:9.9.1-community", "sonarqube:10.3.0-community", true),
            ("sonarqube:8.9", "sonarqube:9.9.8", true),
            ("qdrant/qdrant:v1.1.0", "qdrant/qdrant:v1.9.0", false),
            ("qdrant/qdrant:v1.8.4", "qdrant/qdrant:v1.9.0", true),
            ("meilisearch:v1.5", "meilisearch:v1.9", false),
            ("meilisearch:v1.5.0", "meilisearch:v1.5.1", true),
            ("meilisearch:v1.13.0", "meilisearch:v1.13.1", false),
            ("meilisearch:v1.15.0", "meilisearch:v1.49.0", false),
            ("qdrant/qdrant:v1.15.0", "qdrant/qdrant:v1.17.0", false),
            ("qdrant/qdrant:v1.16.3", "qdrant/qdrant:v1.17.0", true),
            ("etcd:3.5.9", "etcd:3.7.0", false),
            ("mongo:4.0", "mongo:4.4", false),
            ("mongo:4.4", "mongo:5.0", true),
            ("mongo:7.0", "mongo:8.2", false),
            ("mongo:8.0", "mongo:8.2", true),
            ("elasticsearch:7.10.0", "elasticsearch:8.17.0", false),
            ("elasticsearch:8.11.0", "elasticsearch:9.1.0", false),
            ("opensearch:2.11.0", "opensearch:3.1.0", false),
            ("kafka:3.6.1", "kafka:4.0.0", false),
            ("kafka:3.4.0", "kafka:3.9.0", true),
            ("cp-kafka:7.6.0", "cp-kafka:8.0.0", false),
            ("prometheus:v1.8.2", "prometheus:v2.50.0", false),
            ("prometheus:v2.50.0", "prometheus:v3.1.0", true),
            ("keycloak/keycloak:19.0", "keycloak/keycloak:22.0", false),
            // Versions that do not open the data of before.
            ("sonatype/nexus3:3.70.1", "sonatype/nexus3:3.71.0", false),
            ("sonatype/nexus3:3.71.0", "sonatype/nexus3:3.80.0", true),
            ("jboss/keycloak:16.1.1", "keycloak/keycloak:23.0.0", false),
            ("keycloak/keycloak:22.0", "keycloak/keycloak:26.1", true),
            ("zookeeper:3.4.14", "zookeeper:3.8.0", false),
            ("zookeeper:3.8.0", "zookeeper:3.9.1", true),
            // Programs whose settings alone are known.
            ("grafana/grafana:10.2.3", "grafana/grafana:11.0.0", true),
            ("grafana/grafana:11.0.0", "grafana/grafana:9.5.1", false),
            ("grafana/grafana:10.2.3", "grafana/grafana:latest", true),
            ("minio/minio:RELEASE.2024-03-01T16-36-33Z", "minio/minio:RELEASE.2025-01-17T01-24-54Z", true),
        ] {
            assert_opens(old, new, opens);
        }
    }

    #[test]
    fn a_broker_that_ran_without_zookeeper_is_opened_by_one_that_needs_none() {
        let known = DataServers::builtin();
        for (old, new) in [("kafka:3.9.0", "kafka:4.0.0"), ("cp-kafka:7.6.0", "cp-kafka:8.0.0")] {
            let server = known.of_image(old).expect("known");
            let of = |was: &str, is: &str| server.opens(old, new, [&|word| word == was, &|word| word == is]);
            assert_eq!(of("process.roles", "process.roles"), DataOpens::Yes, "{old}");
            assert_ne!(of("broker.id", "process.roles"), DataOpens::Yes, "{old}");
        }
    }

    #[test]
    fn what_a_version_wants_is_looked_for_in_its_own_settings() {
        for (old, new, was, is, opens) in [
            ("loki:2.9.8", "loki:3.1.0", "", "", false),
            ("loki:2.9.8", "loki:3.1.0", "", "schema=v13", true),
            ("loki:2.9.8", "loki:3.1.0", "schema=v13", "", false),
            ("loki:2.9.8", "loki:3.1.0", "", "allow_structured_metadata=false", true),
            ("loki:3.0.0", "loki:3.1.0", "", "", true),
            ("openbao:2.5.1", "openbao:2.7.0", "storage=file", "", false),
            ("openbao:2.5.1", "openbao:2.7.0", "storage=raft", "", true),
            ("openbao:2.5.1", "openbao:2.7.0", "", "storage=raft", false),
            ("openbao:2.7.0", "openbao:2.7.1", "", "", true),
            ("minio:RELEASE.2022-10-24T18-35-07Z", "minio:RELEASE.2022-10-29T06-21-33Z", "", "", false),
            ("minio:RELEASE.2022-03-01T00-00-00Z", "minio:RELEASE.2024-01-01T00-00-00Z", "arguments={1...", "", true),
            ("minio:RELEASE.2022-11-01T00-00-00Z", "minio:RELEASE.2024-01-01T00-00-00Z", "", "", true),
            ("bitnami/minio:2022.9.17-debian-11-r0", "bitnami/minio:2023.1.2-debian-11-r0", "", "", false),
        ] {
            let server = DataServers::builtin().of_image(old).expect("known");
            let said = server.opens(old, new, [&|word| word == was, &|word| word == is]);
            assert_eq!(said == DataOpens::Yes, opens, "{old} -> {new}: {said:?}");
        }
    }

    #[test]
    fn some_major_versions_may_be_left_out() {
        for (old, new, opens) in [
            ("cockroach:v24.1.0", "cockroach:v24.3.2", true),
            ("cockroach:v24.1.0", "cockroach:v24.2.2", true),
            ("cockroach:v24.2.0", "cockroach:v24.3.2", true),
            ("cockroach:v24.2.0", "cockroach:v25.1.2", false),
            ("cockroach:v24.3.0", "cockroach:v25.2.0", true),
            ("cockroach:v25.2.0", "cockroach:v26.2.0", false),
            ("cockroach:v25.4.0", "cockroach:v26.2.0", true),
            ("cockroach:v23.2.0", "cockroach:v24.2.0", false),
            ("cockroach:v23.1.0", "cockroach:v24.1.0", false),
            ("neo4j:5.3.0", "neo4j:5.26.1-enterprise", true),
            ("neo4j:5.26.1", "neo4j:2025.04.0", true),
            ("neo4j:5.26.1", "neo4j:2026.02.0", true),
            ("neo4j:2025.01.0", "neo4j:2026.02.0", true),
            ("neo4j:5.20.0", "neo4j:2025.04.0", false),
            ("neo4j:4.4.30", "neo4j:5.26.1", false),
            ("neo4j:4.3.1", "neo4j:4.4.30", true),
            ("neo4j:4.2.1", "neo4j:4.4.30", false),
            ("neo4j:3.5.1", "neo4j:4.0.12", false),
            ("neo4j:2026.02.0", "neo4j:2025.04.0", false),
        ] {
            assert_opens(old, new, opens);
        }
    }

    #[test]
    fn an_image_says_what_it_is_built_on_or_may_be_of_any_version() {
        let known = DataServers::builtin();
        for (old, new, is) in [
            ("postgres:15-bookworm", "postgres:15-trixie", true),
            ("postgres:15.4-bookworm", "postgres:15.9-bookworm", false),
            ("bitnami/postgresql:15.4.0-debian-11-r5", "bitnami/postgresql:15.8.0-debian-12-r1", true),
            ("bitnami/postgresql:15.4.0-debian-11-r5", "bitnami/postgresql:15.8.0-debian-11-r115", false),
            ("postgres:15-bookworm", "postgres:15", false),
            ("crunchy-postgres:ubi8-15.1-0", "crunchy-postgres:ubi9-15.4-0", true),
        ] {
            let server = known.of_image(old).expect("known");
            assert_eq!(known.sorts_otherwise(server, old, new), is, "{old} -> {new}");
        }
        for (image, is) in [
            ("postgres", true),
            ("postgres:latest", true),
            ("mirror.example:5000/postgres", true),
            ("postgres:15", false),
            ("postgres@sha256:aa", false),
            ("redis", false),
            ("neo4j", true),
            ("kafka:latest", true),
        ] {
            assert_eq!(known.of_image(image).expect("known").may_be_any(image), is, "{image}");
        }
    }

    #[test]
    fn a_first_number_that_rises_is_a_major_version() {
        for (old, new, is) in [
            ("app:1.4", "app:2.0", Some((1, 2))),
            ("app:v1.4", "app:v1.9", None),
            ("app:2.0", "app:1.4", None),
            ("app:2023.1", "app:2024.1", None),
            ("app:latest", "app:2.0", None),
        ] {
            assert_eq!(major_rises(old, new), is, "{old} -> {new}");
        }
    }

    #[test]
    fn tags_of_other_programs_say_whether_they_go_back() {
        let agree = |old: &str, new: &str| match tags_agree(old, new) {
            DataOpens::Yes => Some(true),
            DataOpens::No(_) => Some(false),
            DataOpens::NotKnown => None,
        };
        for (old, new, is) in [
            ("grafana/grafana:10.1", "grafana/grafana:11.0.0", Some(true)),
            ("grafana/grafana:11.0.0", "grafana/grafana:9.5.1", Some(false)),
            ("vault:1.17", "vault:1.9", Some(false)),
            ("patroni:3.0-pg15", "patroni:3.1-pg15", Some(true)),
            ("patroni:3.0-pg15", "patroni:3.1-pg16", Some(false)),
            ("acme/db:pg15-3", "acme/db:pg16-1", Some(false)),
            ("app:latest", "app:1.0", None),
            ("app:main-4f3a", "app:main-99aa", None),
        ] {
            assert_eq!(agree(old, new), is, "{old} -> {new}");
        }
    }
}
