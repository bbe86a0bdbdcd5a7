use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use portolan_adapters::postgres::Depth;
use portolan_inventory::survey::Survey;
use portolan_model::{
    Baseline, Code, Comparison, DatabaseError, DatabaseRef, Exit, FORMAT, Finding, Object, RecordedDatabase, Ref,
    Severity,
};
use portolan_recipe::{RecipeSet, StepTemplate};
use portolan_workflow::Target;

use crate::args::{Global, VerifyArgs};
use crate::commands::plan::save;
use crate::options;
use crate::output::Output;
use crate::prepare;

/// `verify --save` and `verify --against`: facts of an installation, without a plan or a run. Nothing is written there.
pub(crate) async fn run(global: &Global, args: &VerifyArgs, output: &Output) -> Result<Exit, Finding> {
    let before = args.against.as_deref().map(load).transpose()?;
    let target = options::open(global).await?;
    let (book, survey) = prepare::survey(global, &target).await?;
    if let Some(before) = &before {
        same_installation(before, &survey)?;
    }
    let is_digested = |baseline: &Baseline| {
        baseline.databases.iter().flat_map(|one| one.snapshot.tables.values()).any(|table| table.digest.is_some())
    };
    // A comparison looks as deep as the file does.
    let depth = if args.digest || before.as_ref().is_some_and(is_digested) { Depth::Content } else { Depth::Rows };
    let (now, refused) = look(&target, &survey, &book, depth, output).await?;
    match (before, &args.save) {
        (Some(before), _) => compare(&target, &survey, &book, &before, &now, &refused, output).await,
        (None, Some(path)) => {
            if let Some(finding) = refused.into_iter().next() {
                return Err(finding);
            }
            save(path, &now)?;
            output.result(&portolan_report::baseline(&now), &now)?;
            output.say(&format!("Saved to {}", path.display()));
            Ok(Exit::Done)
        }
        // invariant: this is run with one of the two
        (None, None) => Ok(Exit::Done),
    }
}

/// What is there now, and which databases could not be looked into.
async fn look(
    target: &Target,
    survey: &Survey,
    book: &RecipeSet,
    depth: Depth,
    output: &Output,
) -> Result<(Baseline, Vec<Finding>), Finding> {
    let inventory = &survey.inventory;
    let (mut databases, mut refused) = (Vec::new(), Vec::new());
    for database in portolan_workflow::databases(survey, book)? {
        if matches!(target, Target::Cluster(_)) {
            output.say(&portolan_report::reading(&database.pod));
        }
        match portolan_workflow::look_into(target, survey, &database, depth).await {
            Ok(snapshot) => databases.push(RecordedDatabase { database, snapshot }),
            Err(error) => refused.push(unseen(&database, &error)),
        }
    }
    let is_claim = |name: &&Ref| name.is_claim_in(&inventory.release.id.namespace);
    let taken = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let now = Baseline {
        format: FORMAT,
        taken,
        cluster: inventory.cluster.uid.clone(),
        server: inventory.cluster.server.clone(),
        release: inventory.release.id.clone(),
        revision: inventory.release.revision,
        chart: inventory.release.chart.clone(),
        claims: inventory.objects.keys().filter(is_claim).cloned().collect(),
        volumes: inventory.volumes.clone(),
        workloads: inventory.workloads.clone(),
        databases,
    };
    Ok((now, refused))
}

async fn compare(
    target: &Target,
    survey: &Survey,
    book: &RecipeSet,
    before: &Baseline,
    now: &Baseline,
    refused: &[Finding],
    output: &Output,
) -> Result<Exit, Finding> {
    let mut checks = portolan_workflow::compare(before, now, &may_change(book, before, now));
    // Why a database could not be looked into says more than that it could not be.
    for finding in refused {
        let open = checks.iter_mut().filter_map(|check| check.finding.as_mut());
        for its in open.filter(|its| its.code == Code::NoDatabase && its.evidence.is_empty()) {
            *its = finding.clone();
        }
    }
    let names: Vec<Ref> =
        survey.inventory.release.docs.iter().filter_map(Object::name).filter(portolan_kube_facts::is_route).collect();
    let routes = target.ask_routes(&names).await;
    let compared = Comparison { taken: before.taken, checks, routes };
    output.result(&portolan_report::comparison(&compared), &compared)?;
    let findings = compared.findings();
    output.findings(&findings);
    let is_wrong = findings.iter().any(|finding| finding.severity == Severity::Blocking);
    Ok(if is_wrong { Exit::Blocked } else { Exit::Done })
}

/// The tables that a migration between two charts may change, by the recipes of the boundaries between them.
fn may_change(book: &RecipeSet, before: &Baseline, now: &Baseline) -> Vec<String> {
    let steps = book.boundaries(&before.chart, &now.chart).into_iter().flat_map(|boundary| &boundary.steps);
    steps
        .filter_map(|step| match &step.ask {
            StepTemplate::VerifyDatabase { may_change, .. } => Some(may_change.clone()),
            _ => None,
        })
        .flatten()
        .collect()
}

fn unseen(database: &DatabaseRef, error: &DatabaseError) -> Finding {
    let (code, said) = match error {
        DatabaseError::PasswordRefused => (Code::PasswordRefused, "the server refused the password"),
        DatabaseError::Unreachable(text) | DatabaseError::NoDatabase(text) | DatabaseError::Other(text) => {
            (Code::NoDatabase, text.as_str())
        }
    };
    let finding = Finding::blocking(code, format!("{} could not be looked into", database.pod)).with(said);
    // Without a run there is no archive to look in.
    if code == Code::PasswordRefused {
        return finding.next(format!("see whether {} was changed, and by whom", database.password.secret));
    }
    finding
}

/// A baseline out of its file.
fn load(path: &Path) -> Result<Baseline, Finding> {
    let bad = |error: String| {
        let found = format!("{} is no file of `portolan verify --save`", path.display());
        Finding::blocking(Code::BadBaseline, found).with(error)
    };
    let text = fs_err::read_to_string(path).map_err(|error| bad(error.to_string()))?;
    let file: serde_json::Value = serde_json::from_str(&text).map_err(|error| bad(error.to_string()))?;
    portolan_model::check_format(&file).map_err(|error| bad(error.to_string()))?;
    serde_json::from_value(file).map_err(|error| bad(error.to_string()))
}

/// Names can be the same where the data is not.
fn same_installation(before: &Baseline, survey: &Survey) -> Result<(), Finding> {
    let inventory = &survey.inventory;
    if before.cluster == inventory.cluster.uid && before.release == inventory.release.id {
        return Ok(());
    }
    Err(Finding::blocking(Code::OtherCluster, "the file was written for another installation")
        .with(format!("the file's: {} on cluster {} at {}", before.release, before.cluster, before.server))
        .with(format!("this one:   {} on cluster {}", inventory.release.id, inventory.cluster.uid))
        .next("choose the right context, namespace and release"))
}
