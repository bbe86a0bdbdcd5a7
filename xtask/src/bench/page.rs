//! What was measured, as a page of the docs and a line of the terminal.

use std::fmt;
use std::fmt::Write as _;

use anyhow::{Context, Result};
use portolan_testkit::rig::pins;

/// What was measured of one thing, and what was aimed at.
pub(crate) struct Row {
    pub(crate) what: String,
    pub(crate) helm: String,
    /// How often it was measured.
    pub(crate) count: usize,
    pub(crate) ours: String,
    /// What stands beside it; of a plan's own cost the part of helm.
    pub(crate) theirs: String,
    pub(crate) measured: String,
    pub(crate) protected: String,
    pub(crate) is_met: bool,
}

impl Row {
    fn met(&self) -> &'static str {
        if self.is_met { "yes" } else { "NO" }
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { what, helm, count, ours, theirs, measured, protected, .. } = self;
        write!(f, "| {what} | {helm} | {count} | {ours} | {theirs} | {measured} | {protected} | {} |", self.met())
    }
}

/// The heads of the table's columns.
pub(crate) const HEAD: &str = "| what | helm | times | portolan | helm, or the page | measured | aim | met |\n\
                               |---|---|---|---|---|---|---|---|";

/// The machine that measured.
pub(crate) struct Machine {
    processors: usize,
    model: String,
    /// Its load over a minute, before anything was started.
    load: String,
}

impl Machine {
    /// Looks at this one.
    pub(crate) fn look() -> Result<Self> {
        let processor = fs_err::read_to_string("/proc/cpuinfo")?;
        let named = processor.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
        let load = fs_err::read_to_string("/proc/loadavg")?;
        Ok(Self {
            processors: std::thread::available_parallelism()?.get(),
            model: named.map_or("a processor without a name", |(_, name)| name.trim()).to_owned(),
            load: load.split_whitespace().next().context("there is a load")?.to_owned(),
        })
    }
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { processors, model, load } = self;
        write!(f, "one machine ({processors} × {model}, load {load} before)")
    }
}

/// The rows as a page of the docs.
pub(crate) fn page(rows: &[Row], machine: &Machine, date: &str) -> String {
    let met = rows.iter().filter(|row| row.is_met).count();
    let mut text = format!(
        "# What it costs\n\nWritten by `cargo xtask bench` on {date}; do not edit it. Each row is a ratio or a limit, measured in \
         one run on {machine}, with a release build of `portolan` against a Kubernetes \
         {} of the run's own on the same machine, with our own charts (shaped after the vendor's), from {} to {}. Numbers are medians, with \
         the smallest and the largest behind them. What is compared was measured in turns.\n\n\
         {met} of {} aims are met.\n\n{}\n",
        pins::KUBERNETES,
        super::START,
        super::CHART,
        rows.len(),
        HEAD,
    );
    for row in rows {
        // Writing to a text cannot fail.
        let _ = writeln!(text, "{row}");
    }
    let _ = write!(
        text,
        "\n- **Survey, plan and rehearsal** is one `portolan plan`, which rehearses, from its start to its end. The digest of the \
         helm program is in the cache folder from the first of them. Helm's dry run has \
         the same chart and the same values. On an untouched start it would be refused for the key that the chart looks up in the \
         database's Secret, so that key is there, untimed, while it runs.\n\
         - **`portolan apply`** is given a plan; it surveys and rehearses again, asks for its rights, looks into the database before and after, \
         and asks the routes. The page is its reading `{}`: its commands typed one after the other without a pause, by the real kubectl and \
         helm, and with the database's password given to helm, which the page has lost by then: without it the migration \
         never ends. Both on a fresh installation, and both end when every Deployment and StatefulSet is ready and every Job is done.\n\
         - **A plan among {} objects**: ConfigMaps, Secrets, records of other releases, PVCs with their volumes, Deployments and StatefulSets \
         scaled to 0, Services and pods that are not scheduled; three quarters of them in the release's own namespace. Time on a \
         processor is that of `portolan` and of the helms that it runs; memory is the peak of `portolan` alone, and beside it that of one \
         helm, which is there at the same time. Requests are counted by a proxy.\n\
         - **The effects of 60 values** are found by at most 20 renderings, two at a time.\n",
        super::READING,
        super::background_objects::SIZE,
    );
    text
}
