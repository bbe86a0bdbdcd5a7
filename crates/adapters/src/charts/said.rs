//! What helm says when it cannot fetch, as a finding. Helm gives every failure the same exit code, so its text is
//! all there is: `failed to fetch URL : 401 Unauthorized` (helm 3.22.0, `pkg/getter/httpgetter.go`), or what Go's HTTP
//! client says.

use std::path::Path;
use std::time::Duration;

use portolan_model::{ChartId, Code, Finding};

use super::ChartSource;
use crate::helm::Home;

/// How long a request to a repository may take. An index of many megabytes takes less.
const LIMIT: Duration = Duration::from_secs(300);

/// What helm said in the end.
pub(super) struct Said {
    /// Whether it says that it went well.
    pub(super) well: bool,
    /// Both of its outputs.
    pub(super) text: String,
}

/// Lets helm fetch.
///
/// # Errors
/// Where helm cannot be run, or does not end.
pub(super) async fn fetch(home: &Home, arguments: &[&str], registry: Option<&Path>) -> Result<Said, Finding> {
    let output = home.run(arguments, registry, LIMIT).await?.ok_or_else(|| {
        Finding::blocking(Code::RepositoryUnreachable, "the chart repository does not come to an end")
            .with(format!("helm was given {} s", LIMIT.as_secs()))
    })?;
    let text = [output.stderr, output.stdout].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
    Ok(Said { well: output.status.success(), text })
}

/// Of an index that did not come.
pub(super) fn of_index(text: &str, source: &ChartSource) -> Finding {
    let code = match status(text) {
        Some(401 | 403) => Code::RepositoryDenied,
        Some(404) => Code::BadIndex,
        Some(_) => Code::RepositoryUnreachable,
        None if is_of_the_network(text) => Code::RepositoryUnreachable,
        None => Code::BadIndex,
    };
    finding(code, text, source)
}

/// Of an archive that did not come.
pub(super) fn of_pull(text: &str, chart: &ChartId, source: &ChartSource) -> Finding {
    let code = match status(text) {
        Some(401 | 403) => Code::RepositoryDenied,
        Some(404) => Code::NotInRepository,
        _ if text.to_lowercase().contains("digest") => Code::OtherArchive,
        _ => Code::RepositoryUnreachable,
    };
    let mut finding = finding(code, text, source);
    finding.found = format!("{chart} cannot be fetched: {}", finding.found);
    finding
}

fn finding(code: Code, text: &str, source: &ChartSource) -> Finding {
    let found = match code {
        Code::RepositoryDenied => format!("{source} turns this login away"),
        Code::RepositoryUnreachable => format!("{source} does not answer as it should"),
        Code::NotInRepository => format!("{source} does not have it"),
        Code::OtherArchive => format!("{source} gives another archive than its index says"),
        _ => format!("{source} has no readable index"),
    };
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !is_chatter(line));
    lines.map(|line| hidden(line.trim_start_matches("Error: "))).fold(Finding::blocking(code, found), Finding::with)
}

fn is_chatter(line: &str) -> bool {
    ["Hang tight", "Update Complete", "...Unable to get an update"].iter().any(|start| line.starts_with(start))
}

/// The HTTP status in helm's text.
fn status(text: &str) -> Option<u16> {
    // `... : 401 Unauthorized`; of a registry `response status code 401: ...`, `unexpected status: 401 ...`.
    ["failed to fetch ", "status code ", "status: "].into_iter().find_map(|before| {
        let (_, after) = text.split_once(before)?;
        let line = after.lines().next()?;
        let number = if before.starts_with("failed") { line.rsplit_once(" : ")?.1 } else { line };
        number.get(..3)?.parse().ok()
    })
}

/// Whether Go's HTTP client speaks: `Get "https://…": dial tcp: …`.
fn is_of_the_network(text: &str) -> bool {
    text.contains("Get \"") || text.contains("dial tcp") || text.contains("x509:")
}

/// A line without what can be secret in an address: the login and the query.
fn hidden(line: &str) -> String {
    let word = |word: &str| {
        let Some((scheme, rest)) = word.split_once("://") else { return word.to_owned() };
        let end = rest.find(['/', '?', '"']).unwrap_or(rest.len());
        let rest = rest[..end].rfind('@').map_or(rest, |at| &rest[at + 1..]);
        let Some(query) = rest.find('?') else { return format!("{scheme}://{rest}") };
        let tail = &rest[query..];
        let tail = tail.trim_start_matches(|c: char| !matches!(c, '"' | ')' | ','));
        format!("{scheme}://{}{tail}", &rest[..query])
    };
    line.split(' ').map(word).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_is_told_by_its_status_or_by_the_network() {
        let source = ChartSource::parse("https://h/c").expect("an address");
        let fetch = "...Unable to get an update from the \"portolan\" chart repository (https://h/c):\n\tfailed to fetch https://h/c/index.yaml :";
        for (text, code) in [
            (format!("{fetch} 401 Unauthorized"), Code::RepositoryDenied),
            (format!("{fetch} 403 Forbidden"), Code::RepositoryDenied),
            (format!("{fetch} 404 Not Found"), Code::BadIndex),
            (format!("{fetch} 502 Bad Gateway"), Code::RepositoryUnreachable),
            (
                "Get \"https://h/c/index.yaml\": dial tcp: lookup h: no such host".to_owned(),
                Code::RepositoryUnreachable,
            ),
            ("error converting YAML to JSON: yaml: line 3".to_owned(), Code::BadIndex),
        ] {
            let finding = of_index(&text, &source);
            assert_eq!(finding.code, code, "{text}");
            assert_eq!(finding.evidence.len(), 1, "{finding:?}");
        }
        let chart = ChartId { name: "c".into(), version: semver::Version::new(1, 0, 0) };
        for (text, code) in [
            ("Error: failed to fetch https://h/c-1.0.0.tgz : 404 Not Found", Code::NotInRepository),
            ("Error: GET \"https://h/v2/\": response status code 403: denied: no", Code::RepositoryDenied),
            ("Error: unexpected status: 401 Unauthorized", Code::RepositoryDenied),
            ("Error: dial tcp: connection refused", Code::RepositoryUnreachable),
        ] {
            assert_eq!(of_pull(text, &chart, &source).code, code, "{text}");
        }
    }

    #[test]
    fn no_login_and_no_signature_is_repeated() {
        assert_eq!(
            hidden("failed to fetch https://me:hidden@h/a.tgz?sig=hidden : 403 Forbidden"),
            "failed to fetch https://h/a.tgz : 403 Forbidden"
        );
        assert_eq!(hidden("Get \"https://h/a?b=hidden\": EOF"), "Get \"https://h/a\": EOF");
    }
}
