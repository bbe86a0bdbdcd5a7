//! The view of a forecast for programs. Field names are stable; fields may be added.

use std::collections::BTreeSet;

use model::DatabaseRef;
use rehearse::{DatabaseEnd, Forecast, VolumeForecast};
use serde::Serialize;
use serde_json::{Value, json};

#[derive(Serialize)]
struct ForecastView<'a> {
    format: u32,
    headline: model::Verdict,
    safe: bool,
    worlds: usize,
    events: usize,
    crashes: usize,
    unmodelled: &'a [model::Ref],
    volumes: Vec<VolumeView<'a>>,
    findings: Vec<model::Finding>,
}

#[derive(Serialize)]
struct VolumeView<'a> {
    #[serde(flatten)]
    aim: &'a model::VolumeAim,
    headline: model::Verdict,
    finishes: bool,
    unknown: &'a [model::Unmodelled],
    ends: Vec<EndView<'a>>,
}

#[derive(Serialize)]
struct EndView<'a> {
    #[serde(flatten)]
    end: &'a model::VolumeEnd,
    worlds: usize,
    at_step: Option<u32>,
    story: &'a [rehearse::TraceLine],
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
        format: model::FORMAT,
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
        aim: &item.aim,
        headline: item.headline,
        finishes: item.finishes,
        unknown: &item.unknown,
        ends: item
            .ends
            .iter()
            .map(|(end, trace)| EndView { end, worlds: trace.worlds, at_step: trace.at_step, story: &trace.lines })
            .collect(),
    }
}
