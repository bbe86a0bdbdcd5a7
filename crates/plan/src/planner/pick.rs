//! Choosing a chart.

use portolan_model::{ChartId, Code, Finding};
use semver::Version;

/// Chooses a chart. `spec` is a full version or the beginning of one: `2.20` is the highest 2.20.x on offer, where a
/// pre-release counts only when there is nothing else. Where two charts have the version, the one that is named as the
/// installed one; `control-plane-2.12.5` names the other.
///
/// # Errors
/// [`Code::NoTarget`] with what is on offer; [`Code::Downgrade`].
pub fn pick(spec: &str, offered: &[ChartId], installed: &ChartId) -> Result<ChartId, Finding> {
    let fits = |chart: &&ChartId| {
        let wanted = spec.strip_prefix(&format!("{}-", chart.name)).unwrap_or(spec);
        is_version(wanted.strip_prefix('v').unwrap_or(wanted), &chart.version)
    };
    let chosen = offered
        .iter()
        .filter(fits)
        .max_by_key(|chart| (chart.version.pre.is_empty(), &chart.version, chart.name == installed.name));
    let Some(chosen) = chosen else {
        return Err(no_target(spec, offered));
    };
    if chosen.version < installed.version {
        return Err(downgrade(chosen, installed));
    }
    Ok(chosen.clone())
}

fn is_version(wanted: &str, version: &Version) -> bool {
    if let Ok(exact) = Version::parse(wanted) {
        return exact == *version;
    }
    let parts: Option<Vec<u64>> = wanted.split('.').map(|part| part.parse().ok()).collect();
    parts.is_some_and(|parts| {
        let numbers = [version.major, version.minor, version.patch];
        !parts.is_empty() && parts.len() <= numbers.len() && numbers.starts_with(&parts)
    })
}

fn no_target(spec: &str, offered: &[ChartId]) -> Finding {
    let mut finding = Finding::blocking(Code::NoTarget, format!("there is no chart of version {spec}"));
    let mut offered: Vec<&ChartId> = offered.iter().collect();
    offered.sort_by(|a, b| (&a.version, &a.name).cmp(&(&b.version, &b.name)));
    for chart in offered {
        finding = finding.with(format!("available: {chart}"));
    }
    finding
}

/// The finding of a target below what is there before it.
pub(super) fn downgrade(to: &ChartId, from: &ChartId) -> Finding {
    Finding::blocking(Code::Downgrade, format!("{to} is lower than {from}"))
}
