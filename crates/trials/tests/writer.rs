//! A client that writes a hundred rows a second until the database goes down: an upgrade is no false alarm for it, and rows
//! that go missing are noticed whatever came in their place.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Stdio};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use portolan_model::{Code, Outcome, TableChange};
use portolan_testkit::rig::{Rig, pins};
use portolan_trials::real::{ClusterFixture, DATABASE, known};

const TABLE: &str = "public.ledger";

/// Rows that are there before the client comes.
const SEEDS: u64 = 10_000;

/// One row, one transaction; ten milliseconds apart.
const PACE: Duration = Duration::from_millis(10);

/// A `psql` in the database's pod that is fed with one insert after another.
struct Client {
    psql: Child,
    acknowledged: JoinHandle<(BTreeSet<u64>, Duration)>,
    feeder: JoinHandle<()>,
}

impl Client {
    fn start(rig: &Rig, site: &ClusterFixture<'_>) -> Self {
        let mut command = rig.kubectl();
        command.args(["exec", "-i", "-n", site.space().name(), DATABASE, "--", "env"]);
        command.arg(format!("PGPASSWORD={}", site.password()));
        command.args(["psql", "-XqAt", "-v", "ON_ERROR_STOP=1", "-h", "localhost", "-U", "postgres"]);
        let mut psql =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("psql starts");
        let mut inserts = psql.stdin.take().expect("an input");
        let feeder = std::thread::spawn(move || {
            for id in SEEDS + 1.. {
                // The pipe breaks when the database has gone down, and psql with it.
                if writeln!(inserts, "insert into ledger values ({id}) returning id;").is_err() {
                    return;
                }
                std::thread::sleep(PACE);
            }
        });
        let answers = BufReader::new(psql.stdout.take().expect("an output"));
        let acknowledged = std::thread::spawn(move || {
            let mut times: Option<(Instant, Instant)> = None;
            let ids = answers.lines().map_while(Result::ok).filter_map(|line| line.parse().ok()).inspect(|_: &u64| {
                let now = Instant::now();
                times = Some((times.map_or(now, |(first, _)| first), now));
            });
            let ids = ids.collect();
            (ids, times.map_or(Duration::ZERO, |(first, last)| last - first))
        });
        Self { psql, acknowledged, feeder }
    }

    /// Waits for its end, which is the database's. The rows that were acknowledged, and over how long.
    fn end(mut self) -> (BTreeSet<u64>, Duration) {
        self.psql.wait().expect("psql ends");
        self.feeder.join().expect("the feeder ends");
        self.acknowledged.join().expect("the reader ends")
    }
}

fn ids(site: &ClusterFixture<'_>) -> BTreeSet<u64> {
    let line = sql(site, "select string_agg(id::text, ',') from ledger");
    line.split(',').map(|id| id.parse().expect("a number")).collect()
}

fn rows(site: &ClusterFixture<'_>) -> u64 {
    sql(site, "select count(*) from ledger").parse().expect("a number")
}

fn sql(site: &ClusterFixture<'_>, sql: &str) -> String {
    site.space().psql(DATABASE, site.password(), sql).expect("the database answers")
}

#[test]
#[ignore = "needs the rig: cargo xtask test"]
fn a_client_that_writes_until_the_end_is_no_alarm_and_missing_rows_are() {
    let rig = Rig::shared().expect("the rig");
    let site = ClusterFixture::install(&rig, "openshift-2.8", pins::HELM[1]).expect("an installation");
    sql(
        &site,
        &format!("create table ledger (id bigint primary key); insert into ledger select generate_series(1, {SEEDS})"),
    );
    let client = Client::start(&rig, &site);
    site.space().wait("the client's rows", |_| Ok(rows(&site) > SEEDS + 100)).expect("the client writes");

    let (_, file) = site.plan(&["2.20"], &[]).expect("a plan");
    let (outcome, folder) = site.apply(&file, &mut |_| {}).expect("a run");
    let (acknowledged, span) = client.end();
    let rate = acknowledged.len() as f64 / span.as_secs_f64();
    println!("{} rows acknowledged, {rate:.0} a second", acknowledged.len());
    // How fast it is depends on the machine; that it wrote all along is what matters.
    assert!(acknowledged.len() > 200, "{} rows acknowledged, {rate:.0} a second", acknowledged.len());
    assert_eq!(outcome, Outcome::Finished);
    let there = ids(&site);
    let missing: Vec<&u64> = acknowledged.iter().filter(|id| !there.contains(id)).collect();
    assert!(missing.is_empty(), "acknowledged and not there: {missing:?}");

    // It wrote between the two looks, so this is the case that matters.
    let state = known(&folder).expect("a journal");
    let pod = &file.plan.databases[0].pod;
    let (before, after) = (&state.baseline[pod], &state.latest[pod]);
    println!("{} rows at the baseline, {} after", before.tables[TABLE].rows, after.tables[TABLE].rows);
    assert_eq!(after.changes_since(before, &[])[TABLE], TableChange::Grew);
    assert_eq!(site.verify(&folder).expect("a look").0, Outcome::Finished);

    a_locked_table_is_told(&rig, &site, &folder);
    digests_see_other_content(&site, &file.plan.databases[0]);

    // As many new rows as went: the number says nothing.
    sql(&site, &format!("delete from ledger where id <= {SEEDS} and id % 20 = 0"));
    sql(&site, &format!("insert into ledger select 1000000 + generate_series(1, {SEEDS} / 20)"));
    assert_eq!(rows(&site), there.len() as u64);
    let (outcome, _) = site.verify(&folder).expect("a look");
    let Outcome::Halted { finding } = outcome else { panic!("{outcome:?}") };
    assert_eq!(finding.code, Code::RowsLost);
    println!("{}", finding.evidence.join("\n"));
    assert!(finding.evidence.iter().any(|line| line.contains(TABLE)), "{finding:?}");
}

/// A table that somebody holds locked is not waited for, and no alarm.
fn a_locked_table_is_told(rig: &Rig, site: &ClusterFixture<'_>, folder: &std::path::Path) {
    let mut command = rig.kubectl();
    command.args(["exec", "-i", "-n", site.space().name(), DATABASE, "--", "env"]);
    command.arg(format!("PGPASSWORD={}", site.password()));
    command.args(["psql", "-XqAt", "-h", "localhost", "-U", "postgres"]).stdin(Stdio::piped());
    let mut psql = command.stdout(Stdio::piped()).spawn().expect("psql starts");
    let mut input = psql.stdin.take().expect("an input");
    writeln!(input, "begin; lock table ledger in access exclusive mode; select 'locked';").expect("it reads");
    let mut said = String::new();
    BufReader::new(psql.stdout.take().expect("an output")).read_line(&mut said).expect("it answers");
    assert_eq!(said, "locked\n");
    let (outcome, notes) = site.verify(folder).expect("a look");
    assert_eq!(outcome, Outcome::Finished);
    assert!(notes.iter().any(|note| note.contains(&format!("locked by somebody, not counted: {TABLE}"))), "{notes:?}");
    // Its end is the end of the lock.
    drop(input);
    psql.wait().expect("psql ends");
}

fn digests_see_other_content(site: &ClusterFixture<'_>, database: &portolan_model::DatabaseRef) {
    sql(site, "create table note (id int primary key, text text); insert into note values (1, 'a'), (2, 'b')");
    let before = site.look_deep(database).expect("a look");
    let same = site.look_deep(database).expect("a look");
    assert_eq!(before.tables, same.tables, "two looks are alike");
    sql(site, "update note set text = 'c' where id = 2");
    let after = site.look_deep(database).expect("a look");
    let changes = after.changes_since(&before, &[]);
    assert_eq!(changes["public.note"], TableChange::Rewritten);
    assert_eq!(changes[TABLE], TableChange::Equal);
}
