//! The view of a forecast for programs. Field names are stable; fields may be added.

use std::collections::BTreeSet;

use portolan_model::DatabaseRef;
use portolan_rehearse::{DatabaseEnd, Forecast, VolumeForecast};
use serde::Serialize;
use serde_json::{Value, json};

#[derive(Serialize)]
struct ForecastView<'a> {
    format: u32,
    headline: portolan_model::Verdict,
    safe: bool,
    worlds: usize,
    events: usize,
    crashes: usize,
    unmodelled: &'a [portolan_model::Ref],
    volumes: Vec<VolumeView<'a>>,
    findings: Vec<portolan_model::Finding>,
}

#[derive(Serialize)]
struct VolumeView<'a> {
    #[serde(flatten)]
    protected: &'a portolan_model::ProtectedVolume,
    headline: portolan_model::Verdict,
    finishes: bool,
    unknown: &'a [portolan_model::Unmodelled],
    ends: Vec<EndView<'a>>,
}

#[derive(Serialize)]
struct EndView<'a> {
    /// What the end counts as.
    verdict: portolan_model::Verdict,
    end: portolan_model::End,
    release: portolan_model::ReleaseStatus,
    /// The verdict as it is seen on a cluster, however the run ended.
    seen: portolan_model::Verdict,
    /// Whether the PVC holds its volume.
    holds: bool,
    worlds: usize,
    at_step: Option<u32>,
    trace: &'a [portolan_rehearse::TraceLine],
}

/// What looks into databases show in the ends of a page, as JSON.
#[must_use]
pub fn databases(databases: &[(DatabaseRef, BTreeSet<DatabaseEnd>)]) -> Value {
    let word = |end: &DatabaseEnd| match end {
        DatabaseEnd::Opens => "opens",
        DatabaseEnd::Down => "down",
        DatabaseEnd::RefusesPassword => "refuses-password",
        DatabaseEnd::Another => "another",
    };
    let one = |(database, ends): &(DatabaseRef, BTreeSet<DatabaseEnd>)| json!({"database": database.database, "pod": database.pod, "ends": ends.iter().map(word).collect::<Vec<_>>()});
    databases.iter().map(one).collect()
}

/// A forecast as JSON.
///
/// # Panics
/// Never: none of the views has a key that is not text.
#[must_use]
pub fn forecast(forecast: &Forecast) -> Value {
    let view = ForecastView {
        format: portolan_model::FORMAT,
        headline: forecast.headline(),
        safe: forecast.is_safe(),
        worlds: forecast.worlds,
        events: forecast.edges,
        crashes: forecast.crashes,
        unmodelled: &forecast.unmodelled,
        volumes: forecast.volumes.iter().map(volume).collect(),
        findings: forecast.findings(),
    };
    serde_json::to_value(view).expect("the view is JSON")
}

fn volume(item: &VolumeForecast) -> VolumeView<'_> {
    VolumeView {
        protected: &item.protected,
        headline: item.headline,
        finishes: item.finishes,
        unknown: &item.unknown,
        ends: item.ends.iter().map(|(end, trace)| end_view(end, trace)).collect(),
    }
}

fn end_view<'a>(end: &portolan_rehearse::WeighedEnd, trace: &'a portolan_rehearse::Trace) -> EndView<'a> {
    EndView {
        verdict: end.counts_as,
        end: end.seen.end,
        release: end.seen.release,
        seen: end.seen.verdict,
        holds: end.holds,
        worlds: trace.worlds,
        at_step: trace.at_step,
        trace: &trace.lines,
    }
}
