//! What was measured of pushes, as a page of the docs.

use std::fmt;
use std::fmt::Write as _;

use super::Options;
use crate::bench::page::Machine;
use crate::bench::series::{Pairs, Series};

/// What was measured of one thing.
pub(super) struct Row {
    pub(super) what: String,
    input: String,
    count: usize,
    ours: String,
    theirs: String,
    measured: String,
    aim: String,
    /// `None` where there is no aim.
    pub(super) is_met: Option<bool>,
}

/// The heads of the table's columns.
pub(super) const HEAD: &str = "| what | bundle | times | portolan | the other | measured | aim | met |\n\
                               |---|---|---|---|---|---|---|---|";

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { what, input, count, ours, theirs, measured, aim, is_met } = self;
        let met = match is_met {
            None => "-",
            Some(true) => "yes",
            Some(false) => "NO",
        };
        write!(f, "| {what} | {input} | {count} | {ours} | {theirs} | {measured} | {aim} | {met} |")
    }
}

/// The rows of one bundle.
pub(super) struct Rows {
    pub(super) input: String,
    pub(super) count: usize,
}

impl Rows {
    pub(super) fn times(&self, what: &str, pairs: &Pairs, aim: Option<f64>) -> Row {
        let times = pairs.times_faster();
        let theirs = pairs.theirs.show("s");
        let measured = format!("{times:.2} times faster");
        let aim = aim.map(|aim| (format!("at least {aim:.1} times"), times >= aim));
        self.row(what, pairs.ours.show("s"), theirs, measured, aim)
    }

    pub(super) fn bytes(&self, what: &str, [ours, theirs]: [u64; 2], aim: f64) -> Row {
        let times = ours as f64 / theirs as f64;
        let measured = format!("{times:.2} times");
        self.row(
            what,
            megabytes(ours),
            megabytes(theirs),
            measured,
            Some((format!("at most {aim:.1} times"), times <= aim)),
        )
    }

    pub(super) fn memory(&self, what: &str, peak: u64, aim: f64) -> Row {
        let aim = Some((format!("less than {aim:.0} MB"), (peak as f64) < aim * 1e6));
        self.row(what, megabytes(peak), "-".into(), megabytes(peak), aim)
    }

    pub(super) fn disk(&self, what: &str, written: u64, bundle: u64, aim: f64) -> Row {
        let part = written as f64 / bundle as f64;
        let measured = format!("{:.3} % of the bundle", part * 100.0);
        self.row(
            what,
            megabytes(written),
            "-".into(),
            measured,
            Some((format!("at most {:.0} %", aim * 100.0), part <= aim)),
        )
    }

    pub(super) fn alone(&self, what: &str, took: std::time::Duration) -> Row {
        let took = Series::new([took.as_secs_f64()]).show("s");
        self.row(what, took, "-".into(), "-".into(), None)
    }

    fn row(&self, what: &str, ours: String, theirs: String, measured: String, aim: Option<(String, bool)>) -> Row {
        let (aim, is_met) = aim.map_or_else(|| ("-".to_owned(), None), |(aim, is_met)| (aim, Some(is_met)));
        Row { what: what.to_owned(), input: self.input.clone(), count: self.count, ours, theirs, measured, aim, is_met }
    }
}

fn megabytes(bytes: u64) -> String {
    format!("{:.1} MB", bytes as f64 / 1e6)
}

/// The page.
pub(super) fn page(rows: &[Row], versions: &str, machine: &Machine, options: Options, date: &str) -> String {
    let (aims, met) = rows.iter().fold((0, 0), |(aims, met), row| match row.is_met {
        None => (aims, met),
        Some(is_met) => (aims + 1, met + usize::from(is_met)),
    });
    let mut text = format!(
        "# What a push costs\n\nWritten by `cargo xtask bench bundle --gigabytes {}` on {date}; do not edit it. Bundles of images whose layers \
         are files of the machine, pushed by a release build of `portolan`, and the same images by {versions}, in turns on \
         {machine}, each into an empty registry ({}) of its own on the same machine. Numbers are medians, with the smallest and the largest \
         behind them.\n\n{met} of {aims} aims are met.\n\n{HEAD}\n",
        options.gigabytes,
        portolan_testkit::rig::pins::REGISTRY,
    );
    for row in rows {
        // Writing to a text cannot fail.
        let _ = writeln!(text, "{row}");
    }
    text.push_str(
        "\n- **Portolan** reads the one file. **The others** are given what they read: a layout that is unpacked already, or an archive of \
         each image that is unpacked already; what a `.tar.gz` takes to be unpacked is part of their first push, and not of their second.\n\
         - **The best of the others side by side** is the fastest of 2 and 4 `skopeo copy --dest-compress-level 1`, and 2 and 4 `crane push`, at once: all of them \
         compress as fast as gzip can, as Portolan does.\n\
         - **A push** has the index of the bundle: an earlier look at the bundle made it. What that takes is in the last two rows of each bundle, \
         and a person who pushes without it waits for both.\n\
         - **Bytes in the registry**: layers that lie plain in a docker archive are compressed by Portolan and by skopeo, each in its way.\n",
    );
    text
}
