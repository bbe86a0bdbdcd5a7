//! `cargo xtask bench-search`: what a rehearsal takes beside an older build of the program, on simulated installations.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use portolan_trials::program::Program;
use serde_json::Value;

use super::page::Machine;
use super::series::{Pairs, Series};

/// What is rehearsed: in words, where it starts, and which steps are left out of the plan to [`TO`].
const REHEARSALS: [(&str, &str, &str); 3] = [
    ("openshift-2.8, all steps", "openshift-2.8", ""),
    ("openshift-2.8, without both protections", "openshift-2.8", "keep-claims,retain-volumes"),
    ("kubernetes-2.8, all steps", "kubernetes-2.8", ""),
];

const TO: &str = "2.20";

/// At most this part of the older build's time.
const PART: f64 = 0.1;

/// The heading of the section in the page, up to which the rest of the page goes.
const HEADING: &str = "\n## The search\n";

/// Measures, checks that both come to the same ends, and writes the section in `docs/bench.md`.
pub(crate) fn run(root: &Path, against: &Path, built: Option<&Path>, count: usize) -> Result<()> {
    ensure!(count > 0, "nothing is measured with --runs 0");
    let ours = built.map_or_else(|| Program::build_release(root), |path| Ok(Program::at(path)))?;
    let theirs = Program::at(against);
    let machine = Machine::look()?;
    let home = tempfile::tempdir()?;
    let mut rows = String::new();
    let mut missed = Vec::new();
    for (name, start, without) in REHEARSALS {
        let both = [&ours, &theirs].map(|program| Rehearsal { program, start, without, home: home.path() });
        let [our, their] = [both[0].result()?, both[1].result()?];
        ensure!(our.ends == their.ends, "{name}: the ends differ: {:?} and {:?}", our.ends, their.ends);
        let pairs = Pairs::measure(count, || both[0].took(), || both[1].took())?;
        let part = 1.0 / pairs.times_faster();
        let is_met = part <= PART;
        let row = format!(
            "| {name} | {count} | {} | {} | {} | {} | {} | {part:.3} | {} |",
            milliseconds(&pairs.ours),
            milliseconds(&pairs.theirs),
            our.states,
            their.states,
            our.ends.len(),
            if is_met { "yes" } else { "NO" }
        );
        println!("{row}");
        writeln!(rows, "{row}")?;
        if !is_met {
            missed.push(name);
        }
    }
    let path = root.join("docs/bench.md");
    let page = fs_err::read_to_string(&path)?;
    fs_err::write(&path, with_section(&page, &section(&rows, &theirs, &machine, &crate::today()?)?))?;
    ensure!(missed.is_empty(), "the aim is missed: {}; see docs/bench.md", missed.join("; "));
    Ok(())
}

/// The section of a page, with its heading; empty where it has none.
pub(crate) fn section_of(page: &str) -> &str {
    page.find(HEADING).map_or("", |at| &page[at..])
}

fn with_section(page: &str, section: &str) -> String {
    let rest = page.strip_suffix(section_of(page)).unwrap_or(page);
    format!("{rest}{section}")
}

fn milliseconds(series: &Series) -> String {
    series.scaled(1e3).show("ms")
}

fn section(rows: &str, theirs: &Program, machine: &Machine, date: &str) -> Result<String> {
    let version = theirs.command(Path::new("/")).arg("--version").output()?;
    let version = String::from_utf8_lossy(&version.stdout);
    Ok(format!(
        "{HEADING}\nWritten by `cargo xtask bench-search` on {date}; do not edit it. A rehearsal of a plan to {TO} on a simulated \
         installation, by a release build of `portolan` and by an older build ({}), in turns, on {machine}. The time is the one that the \
         program prints for the rehearsal, which runs in one thread; medians, with the smallest and the largest behind them. The aim is at \
         most {PART} of the older build's time. Both came to the same ends: the same verdicts in the same ways, for every volume.\n\n\
         | rehearsal | times | portolan | older build | states | states of the older build | ends | part of its time | met |\n\
         |---|---|---|---|---|---|---|---|---|\n{rows}",
        version.trim(),
    ))
}

/// A rehearsal by one program.
struct Rehearsal<'a> {
    program: &'a Program,
    start: &'a str,
    without: &'a str,
    home: &'a Path,
}

/// What a rehearsal comes to.
struct Rehearsed {
    /// Of each volume: its PVC, its verdict and whether the plan finishes, and each end as verdict, how, and status of the release.
    ends: BTreeSet<[String; 4]>,
    states: u64,
}

impl Rehearsal<'_> {
    fn output(&self, how: &[&str]) -> Result<String> {
        let mut command = self.program.command(self.home);
        command.args(["rehearse", "--sim", self.start, "--to", TO]).args(how);
        if !self.without.is_empty() {
            command.args(["--without", self.without]);
        }
        let output = command.output().with_context(|| format!("starting {}", self.program.path().display()))?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        if text.is_empty() {
            bail!("{}: {}", self.program.path().display(), String::from_utf8_lossy(&output.stderr).trim());
        }
        Ok(text)
    }

    fn result(&self) -> Result<Rehearsed> {
        let json: Value = serde_json::from_str(&self.output(&["-o", "json"])?)?;
        let text = |value: &Value, field: &str| value[field].as_str().unwrap_or_default().to_owned();
        let mut ends = BTreeSet::new();
        for volume in json["volumes"].as_array().into_iter().flatten() {
            let claim = text(volume, "claim");
            ends.insert([claim.clone(), text(volume, "headline"), volume["finishes"].to_string(), String::new()]);
            for end in volume["ends"].as_array().into_iter().flatten() {
                // The verdict as it is seen on a cluster: an older build has no other, and does not weigh it.
                let verdict = if end["seen"].is_null() { text(end, "verdict") } else { text(end, "seen") };
                ends.insert([claim.clone(), verdict, text(end, "end"), text(end, "release")]);
            }
        }
        ensure!(!ends.is_empty(), "{} on {} has no ends", self.program.path().display(), self.start);
        Ok(Rehearsed { ends, states: json["worlds"].as_u64().context("there is no number of states")? })
    }

    /// How long the rehearsal took.
    fn took(&self) -> Result<Duration> {
        took(&self.output(&[])?)
    }
}

/// How long a rehearsal took that printed this: the older build prints it in whole tenths of a second, but the number of states and how
/// many of them it looked at in a second too, and so does this one.
fn took(text: &str) -> Result<Duration> {
    let (_, looked) = text.split_once("Looked at").context("no line says what was looked at")?;
    let (looked, _) = looked.split_once(" a second").with_context(|| format!("`{looked}` has no rate"))?;
    let numbers = looked.split(|c: char| !c.is_ascii_digit() && c != ',').map(|number| number.replace(',', ""));
    let numbers: Vec<f64> = numbers.filter_map(|number| number.parse().ok()).collect();
    let [Some(states), Some(per_second)] = [numbers.first(), numbers.last()] else {
        bail!("`{looked}` has no numbers")
    };
    Ok(Duration::from_secs_f64(states / per_second))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_comes_from_the_states_and_their_rate() {
        let now = "Looked at  2,000 states of a simulated cluster, 7,069 events, 1,580\n           crash points, in 0.02 s (100,000 states a second)\n";
        let before = "Looked at  1,500 worlds (10,000 a second)   6,944 events   966 crash points   0.1 s\n";
        assert_eq!(took(now).expect("a rate"), Duration::from_millis(20));
        assert_eq!(took(before).expect("a rate"), Duration::from_millis(150));
        assert!(took("Looked at 5 states in 0.1 s\n").is_err());
    }

    #[test]
    fn the_section_is_replaced_and_the_rest_stays() {
        let page = with_section("# Page\n\nrows\n", "\n## The search\n\none\n");
        assert_eq!(section_of(&page), "\n## The search\n\none\n");
        assert_eq!(with_section(&page, "\n## The search\n\ntwo\n"), "# Page\n\nrows\n\n## The search\n\ntwo\n");
        assert_eq!(section_of("# Page\n"), "");
    }
}
