//! `cargo xtask bench`: what planning and applying cost beside helm and the page alone, on a real cluster of its own.

mod background_objects;
pub(crate) mod bundle;
mod page;
mod resource_usage;
pub(crate) mod search;
mod series;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use portolan_model::{Change, Plan};
use portolan_recipe::PageOp;
use portolan_testkit::proxy::Proxy;
use portolan_testkit::rig::{Rig, Shape};
use portolan_trials::fidelity;
use portolan_trials::matrix::ROWS;
use portolan_trials::real::ClusterFixture;
use portolan_trials::sixty_values::{self, SixtyValues};

use self::page::{Machine, Row};
use self::series::{Pairs, Series};
use portolan_trials::program::Program;

/// The helms that are measured; upgrades, which take minutes, under the first alone.
const HELMS: [&str; 2] = ["3.22.0", "4.3.1"];

/// What is upgraded, and to what.
const START: &str = "openshift-2.8";
const TO: &str = "2.20";
const CHART: &str = "control-plane-2.20.41";

/// The reading of the page that does all of it.
const READING: &str = "union";

/// How often a plan among other people's objects is measured.
const CROWDED: usize = 5;

/// The aims: how many times helm's dry run, seconds of our own on a processor, how many seconds more than the page, and for a
/// plan among [`background_objects::SIZE`] objects seconds on a processor, megabytes, and requests besides one for each object that is
/// written and for each pod template.
const TIMES: f64 = 1.0;
const OWN: f64 = 0.3;
const MORE: f64 = 2.0;
const PROCESSOR: f64 = 1.2;
const MEMORY: f64 = 100.0;
const REQUESTS: usize = 35;

/// The aim for the effects of 60 values: how many times the time of one rendering of their chart.
const RENDERINGS: f64 = 10.0;

/// Searches once what each of 60 values does, and prints the seconds that it took.
pub(crate) fn search_effects(helm: &str) -> Result<()> {
    let helm = HELMS.into_iter().find(|known| *known == helm).context("this helm is not measured")?;
    let values = SixtyValues::new(helm)?;
    let begin = Instant::now();
    let effects = values.search();
    let took = begin.elapsed();
    let wrong = sixty_values::wrong(&effects);
    ensure!(wrong.is_empty(), "{}", wrong.join("\n"));
    println!("{}", took.as_secs_f64());
    Ok(())
}

/// Measures and writes the page.
pub(crate) fn run(root: &Path, plans: usize, upgrades: usize) -> Result<()> {
    ensure!(plans > 0 && upgrades > 0, "there is nothing to measure");
    let (program, xtask) = (Program::build_release(root)?, Program::build_release_xtask(root)?);
    let machine = Machine::look()?;
    // A rig that others work on would be measured with their work.
    let rig = Rig::up("bench", Shape::Openshift)?;
    let bench = Bench { program, xtask, rig: &rig, home: tempfile::tempdir()? };
    let measured = bench.measure(plans, upgrades);
    Rig::down("bench")?;
    let rows = measured?;
    let path = root.join("docs/bench.md");
    // What `bench-search` wrote stays.
    let old = fs_err::read_to_string(&path).unwrap_or_default();
    let page = page::page(&rows, &machine, &crate::today()?);
    fs_err::write(&path, format!("{page}{}", search::section_of(&old)))?;
    let missed: Vec<&str> = rows.iter().filter(|row| !row.is_met).map(|row| row.what.as_str()).collect();
    if !missed.is_empty() {
        bail!("{} of {} aims are missed: {}; see docs/bench.md", missed.len(), rows.len(), missed.join("; "));
    }
    Ok(())
}

struct Bench<'a> {
    program: Program,
    /// This program too, as a release build.
    xtask: Program,
    rig: &'a Rig,
    home: tempfile::TempDir,
}

impl<'a> Bench<'a> {
    fn measure(&self, plans: usize, upgrades: usize) -> Result<Vec<Row>> {
        println!("{}", page::HEAD);
        let mut rows = Vec::new();
        let mut tell = |row: Row| {
            println!("{row}");
            rows.push(row);
        };
        for helm in HELMS {
            let mut site = self.install(helm)?;
            let (_, file) = site.plan(&[TO], &[])?;
            tell(self.plans(&mut site, helm, plans)?);
            tell(self.own(&site, helm, plans)?);
            let other = self.rig.namespace("other")?;
            background_objects::add(self.rig, site.space(), &other)?;
            self.crowded(&site, helm, &file.plan)?.into_iter().for_each(&mut tell);
        }
        for helm in HELMS {
            tell(self.effects(helm, plans)?);
        }
        tell(self.upgrades(HELMS[0], upgrades)?);
        Ok(rows)
    }

    fn install(&self, helm: &str) -> Result<ClusterFixture<'a>> {
        let site = ClusterFixture::install(self.rig, START, helm)?;
        site.write_rows(ROWS)?;
        site.wait_until_ready()?;
        Ok(site)
    }

    /// Survey, plan and rehearsal in one process, beside helm's own dry run of the same upgrade.
    fn plans(&self, site: &mut ClusterFixture<'_>, helm: &str, count: usize) -> Result<Row> {
        let (found, file) = site.plan(&[TO], &[])?;
        let mut plan = self.plan(site, helm, &self.rig.kubeconfig())?;
        let mut dry_run = site.dry_run(&found, &file)?;
        let mut plan = || resource_usage::time(&mut plan);
        // Without what the page has people do first, the new chart does not render on the old installation.
        let mut dry_run = || site.with_required_keys(&file, || resource_usage::time(&mut dry_run));
        // The first of each finds what it reads still on the disk.
        plan()?;
        dry_run()?;
        let pairs = Pairs::measure(count, plan, dry_run)?;
        let times = pairs.ours.median() / pairs.theirs.median();
        let what = "survey, plan and rehearsal, beside `helm upgrade --dry-run=server`";
        let measured = format!("{times:.2} times");
        Ok(pairs.row(what, helm, measured, format!("at most {TIMES:.1} times"), times <= TIMES))
    }

    /// What a plan costs without helm.
    fn own(&self, site: &ClusterFixture<'_>, helm: &str, count: usize) -> Result<Row> {
        let mut plan = self.plan(site, helm, &self.rig.kubeconfig())?;
        let spent: Vec<_> = (0..count).map(|_| resource_usage::spend(&mut plan)).collect::<Result<_>>()?;
        let own = Series::new(spent.iter().map(|spent| spent.own.as_secs_f64()));
        let helms = Series::new(spent.iter().map(|spent| spent.children.as_secs_f64()));
        Ok(Row {
            what: "plan: time on a processor, Portolan alone".into(),
            helm: helm.into(),
            count,
            ours: own.show("s"),
            theirs: helms.show("s"),
            measured: format!("{:.2} s", own.median()),
            protected: format!("at most {OWN:.1} s"),
            is_met: own.median() <= OWN,
        })
    }

    /// What each of 60 values does, beside one rendering of their chart. A release build searches, as the product does.
    fn effects(&self, helm: &'static str, count: usize) -> Result<Row> {
        let values = SixtyValues::new(helm)?;
        let search = || {
            let mut command = self.xtask.command(self.home.path());
            // The helms of the rig are below the home folder.
            command.envs(std::env::var_os("HOME").map(|home| ("HOME", home)));
            let out = command.args(["bench", "effects", "--helm", helm]).output()?;
            let said = String::from_utf8_lossy(&out.stdout);
            let seconds: f64 =
                said.trim().parse().with_context(|| String::from_utf8_lossy(&out.stderr).into_owned())?;
            Ok(Duration::from_secs_f64(seconds))
        };
        let one = || {
            let begin = Instant::now();
            values.render_once()?;
            Ok(begin.elapsed())
        };
        let pairs = Pairs::measure(count, search, one)?;
        let times = pairs.ours.median() / pairs.theirs.median();
        let what =
            format!("the effects of 60 values in {} templates, beside one `helm template`", sixty_values::templates());
        let measured = format!("{times:.1} times");
        Ok(pairs.row(&what, helm, measured, format!("at most {RENDERINGS:.0} times"), times <= RENDERINGS))
    }

    /// A plan carried out, beside the page's commands typed, each from its first second until everything is ready.
    fn upgrades(&self, helm: &str, count: usize) -> Result<Row> {
        let pairs = Pairs::measure(count, || self.apply(helm), || self.type_page(helm))?;
        let more = pairs.ours.median() - pairs.theirs.median();
        let what = "`portolan apply`, beside the page typed";
        let measured = format!("{more:.2} s more");
        Ok(pairs.row(what, helm, measured, format!("at most {MORE:.0} s more"), more <= MORE))
    }

    fn apply(&self, helm: &str) -> Result<Duration> {
        let mut site = self.install(helm)?;
        let plan = self.home.path().join("upgrade.plan");
        let kubeconfig = self.rig.kubeconfig();
        resource_usage::time(self.plan(&site, helm, &kubeconfig)?.arg("--out").arg(&plan))?;
        let mut apply = self.portolan(&site, helm, &kubeconfig, "apply")?;
        apply.arg(&plan).arg("--yes");
        let begin = Instant::now();
        resource_usage::time(&mut apply)?;
        site.wait_until_ready()?;
        let took = begin.elapsed();
        is_upgraded(&mut site)?;
        Ok(took)
    }

    fn type_page(&self, helm: &str) -> Result<Duration> {
        let mut site = self.install(helm)?;
        let domain = format!("runai.{}", portolan_testkit::rig::APPS_DOMAIN);
        let mut lines = fidelity::reading(READING)?.filled(&domain, &site.release());
        let (found, file) = site.plan(&[TO], &[])?;
        for line in &mut lines {
            if let PageOp::HelmUpgrade { set, .. } = &mut line.op {
                set.extend(site.passwords(&found, &file)?);
            }
        }
        let begin = Instant::now();
        site.type_page(&lines, &mut |_| {})?;
        site.wait_until_ready()?;
        let took = begin.elapsed();
        is_upgraded(&mut site)?;
        Ok(took)
    }

    /// What a plan costs where the cluster is full of other people's objects.
    fn crowded(&self, site: &ClusterFixture<'_>, helm: &str, planned: &Plan) -> Result<Vec<Row>> {
        let mut plan = self.plan(site, helm, &self.rig.kubeconfig())?;
        let spent: Vec<_> = (0..CROWDED).map(|_| resource_usage::spend(&mut plan)).collect::<Result<_>>()?;
        let seconds =
            |part: fn(&resource_usage::Spent) -> Duration| Series::new(spent.iter().map(|s| part(s).as_secs_f64()));
        let megabytes =
            |part: fn(&resource_usage::Spent) -> u64| Series::new(spent.iter().map(|s| part(s) as f64 / 1e6));
        let row = |what: &str, ours: String, theirs: String, measured: String, protected: String, is_met: bool| Row {
            what: format!("plan among {} objects: {what}", background_objects::SIZE),
            helm: helm.into(),
            count: CROWDED,
            ours,
            theirs,
            measured,
            protected,
            is_met,
        };
        let both = seconds(|spent| spent.own + spent.children).median();
        let memory = megabytes(|spent| spent.peak);
        let proxy = Proxy::start(self.rig)?;
        resource_usage::time(&mut self.plan(site, helm, proxy.kubeconfig())?)?;
        let log = proxy.log();
        let writes: Vec<_> = proxy.writes().into_iter().filter(|seen| !seen.query.contains("dryRun=All")).collect();
        ensure!(writes.is_empty(), "a plan writes: {writes:?}");
        // What helm asks goes through the plan's own connection; a `lookup` and a plan's survey look the same.
        let most = REQUESTS + written(planned);
        Ok(vec![
            row(
                "time on a processor",
                seconds(|spent| spent.own).show("s"),
                seconds(|spent| spent.children).show("s"),
                format!("{both:.2} s in all"),
                format!("less than {PROCESSOR:.1} s"),
                both < PROCESSOR,
            ),
            row(
                "memory at its peak",
                memory.show("MB"),
                megabytes(|spent| spent.peak_of_children).show("MB"),
                format!("{:.0} MB", memory.median()),
                format!("at most {MEMORY:.0} MB"),
                memory.median() <= MEMORY,
            ),
            row(
                "requests to the API server",
                log.len().to_string(),
                "-".into(),
                format!("{} in all", log.len()),
                format!("at most {most}"),
                log.len() <= most,
            ),
        ])
    }

    fn plan(&self, site: &ClusterFixture<'_>, helm: &str, kubeconfig: &Path) -> Result<Command> {
        let mut command = self.portolan(site, helm, kubeconfig, "plan")?;
        command.args(["--to", TO, "--chart"]).arg(site.archive(CHART)?);
        Ok(command)
    }

    fn portolan(&self, site: &ClusterFixture<'_>, helm: &str, kubeconfig: &Path, what: &str) -> Result<Command> {
        let helm: PathBuf = self.rig.helm(helm)?;
        let mut command = self.program.command(self.home.path());
        command.arg(what).args(["--namespace", site.space().name(), "--kubeconfig"]).arg(kubeconfig);
        command.arg("--helm").arg(helm);
        Ok(command)
    }
}

/// How many objects helm writes, each pod template among them once more.
fn written(plan: &Plan) -> usize {
    let changes = plan.hops.iter().flat_map(|hop| &hop.changes);
    let written = changes.filter(|one| matches!(one.change, Change::Create | Change::Change | Change::Adopt));
    let has_pods = |kind: &str| matches!(kind, "CronJob" | "DaemonSet" | "Deployment" | "Job" | "StatefulSet");
    written.map(|one| if has_pods(one.object.kind()) { 2 } else { 1 }).sum()
}

/// Whether what was measured did what it was to do.
fn is_upgraded(site: &mut ClusterFixture<'_>) -> Result<()> {
    let found = site.survey()?.inventory.release;
    let chart = format!("{}-{}", found.chart.name, found.chart.version);
    ensure!(chart == CHART && found.status == portolan_model::ReleaseStatus::Deployed, "{chart} is {}", found.status);
    Ok(())
}
