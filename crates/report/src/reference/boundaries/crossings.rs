//! From where to where, and what lies between: worked out from the boundaries alone.

use portolan_model::ChartId;
use portolan_recipe::{RecipeSet, VersionBoundary};
use semver::Version;

/// What the table does not say by itself.
pub(super) const NOTE: &str = "The name of the installed chart decides, not its number: an installation that is numbered 2.12 and \
still has the old chart crosses what the old chart crosses.";

/// Versions of a chart between which no boundary lies.
struct Stretch {
    /// The lowest of them, in whose name the others are asked.
    first: ChartId,
    /// Where the next one begins.
    end: Option<Version>,
    /// Whether the chart has versions below.
    from_the_start: bool,
}

/// Each pair of stretches, in words, and the boundaries between them.
pub(super) fn of(book: &RecipeSet) -> Vec<(String, String, Vec<&VersionBoundary>)> {
    let stretches = stretches(book);
    let mut out = Vec::new();
    for (at, from) in stretches.iter().enumerate() {
        for to in &stretches[at..] {
            let crossed = book.boundaries(&from.first, &to.first);
            out.push((from.to_string(), to.to_string(), crossed));
        }
    }
    out
}

fn stretches(book: &RecipeSet) -> Vec<Stretch> {
    let mut all: Vec<Version> =
        book.boundaries.iter().filter_map(|boundary| Some(boundary.crosses.as_ref()?.below.clone())).collect();
    all.sort();
    all.dedup();
    // A chart begins where a boundary leads to it from another one, and ends where one leads away.
    let change = |is: &dyn Fn(&VersionBoundary) -> bool| -> Option<Version> {
        let changes =
            book.boundaries.iter().filter(|boundary| boundary.from_chart != boundary.to_chart && is(boundary));
        changes.filter_map(|boundary| Some(boundary.crosses.as_ref()?.below.clone())).min()
    };
    let mut out = Vec::new();
    for chart in &book.product.charts {
        let begin = change(&|boundary| boundary.to_chart.as_ref() == Some(chart));
        let end = change(&|boundary| boundary.from_chart.as_ref() == Some(chart));
        let inside = |version: &&Version| {
            begin.as_ref().is_none_or(|begin| *version > begin) && end.as_ref().is_none_or(|end| *version < end)
        };
        let mut starts = vec![begin.clone().unwrap_or(Version::new(0, 0, 0))];
        starts.extend(all.iter().filter(inside).cloned());
        for (at, first) in starts.iter().enumerate() {
            out.push(Stretch {
                first: ChartId { name: chart.clone(), version: first.clone() },
                end: starts.get(at + 1).or(end.as_ref()).cloned(),
                from_the_start: at == 0 && begin.is_none(),
            });
        }
    }
    out
}

impl std::fmt::Display for Stretch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (chart, first) = (&self.first.name, short(&self.first.version));
        match (&self.end, self.from_the_start) {
            (None, true) => write!(f, "`{chart}`"),
            (None, false) => write!(f, "`{chart}` {first} or later"),
            (Some(end), true) => write!(f, "`{chart}` below {}", short(end)),
            (Some(end), false) => write!(f, "`{chart}` {first} to before {}", short(end)),
        }
    }
}

/// A version without a patch of nought.
pub(super) fn short(version: &Version) -> String {
    match version.patch {
        0 if version.pre.is_empty() => format!("{}.{}", version.major, version.minor),
        _ => version.to_string(),
    }
}
