use std::collections::BTreeSet;
use std::fs::{DirBuilder, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

use portolan_adapters::store::{self, RunStore};
use portolan_model::{Code, Exit, Finding, Ref};
use portolan_rehearse::Rehearsal;
use portolan_workflow::archive::{self, Archived};
use portolan_workflow::{ArchiveChoice, Restoration};
use serde::Serialize;

use crate::args::{ArchiveArgs, ArchiveCommand, Global, RestoreArgs};
use crate::commands::{apply, runs, unfinished};
use crate::options;
use crate::output::Output;
use crate::prepare;

/// An object of the archive, for programs. Its content is a Secret's at times, so it is never printed.
#[derive(Serialize)]
struct Row<'a> {
    #[serde(flatten)]
    archived: &'a Archived,
    /// The file that `export` writes.
    file: String,
}

/// Lists what a run archived, puts it back, or writes it to files.
pub(crate) async fn run(global: &Global, args: &ArchiveArgs, output: &Output) -> Result<Exit, Finding> {
    match &args.command {
        ArchiveCommand::List { run } => {
            let store = runs::open(global, run.as_deref(), None)?;
            let objects = archive::of(&store.plan()?, &store.entries()?);
            let rows: Vec<Row<'_>> =
                objects.iter().map(|archived| Row { archived, file: file_name(&archived.object) }).collect();
            output.result(&portolan_report::archive(&objects), &rows)?;
        }
        ArchiveCommand::Export { run, to } => {
            let store = runs::open(global, run.as_deref(), None)?;
            let objects = archive::of(&store.plan()?, &store.entries()?);
            make(to)?;
            let mut files = Vec::new();
            for archived in &objects {
                let path = to.join(file_name(&archived.object));
                write(&path, &content(&store, archived)?)?;
                files.push(path.display().to_string());
            }
            output.value(&files)?;
            for file in &files {
                output.say(file);
            }
            output.say(&format!(
                "{} written, readable by you alone.",
                if files.len() == 1 { "1 file".to_owned() } else { format!("{} files", files.len()) }
            ));
        }
        ArchiveCommand::Restore(args) => return restore(global, args, output).await,
    }
    Ok(Exit::Done)
}

/// Puts back what a run deleted, by a plan of its own: shown, rehearsed, confirmed and carried out like every plan.
async fn restore(global: &Global, args: &RestoreArgs, output: &Output) -> Result<Exit, Finding> {
    let target = options::open(global).await?;
    if let Some(words) = options::simulated(&target) {
        output.say(&words);
    }
    let store = runs::open(global, Some(&args.run), None)?;
    let choice = ArchiveChoice::of(&store, &args.objects)?;
    let survey = prepare::survey_for(global, &target, choice.plan()).await?;
    prepare::same_cluster(&survey.inventory.cluster.uid, choice.plan())?;
    let root = options::state_root(&target, global)?;
    // The plan that puts back is about the first release alone, and the objects may be of each.
    let _others = store::lock_all(&root, &choice.plan().cluster, &choice.plan().other_releases)?;
    let Restoration { file, there } = match portolan_workflow::restore(&target, &survey, &choice).await {
        Ok(restoration) => restoration,
        Err(refused) => return Err(unfinished::not_put_back(global, &target, choice.plan(), refused).await),
    };
    let file = runs::begun_anew(&root, &file);
    for name in &there {
        output.say(&format!("{name} is there, and stays as it is."));
    }
    if file.plan.hops.is_empty() {
        output.value(&there)?;
        let all = match choice.len() {
            0 => "this run deleted nothing that has not been made again".to_owned(),
            1 => "1 object of the archive, and it is there".to_owned(),
            many => format!("{many} objects of the archive, and all are there"),
        };
        output.say(&format!("Nothing to do: {all}."));
        return Ok(Exit::Done);
    }
    let page = |rehearsal: Option<&Rehearsal>| {
        portolan_report::plan(&file.plan, &file.plan.digest(), rehearsal, args.at_once.commands.shown())
    };
    if args.at_once.dry_run {
        let rehearsal = apply::rehearsed_as_safe(&target, &survey, &file, output)?;
        output.result(&page(Some(&rehearsal)), &file.plan)?;
        return Ok(Exit::Done);
    }
    output.page(&page(None))?;
    let going = prepare::Going { survey: &survey, file: &file, place: None, yes: args.at_once.yes, prepull: false };
    apply::carry_out(global, target, &going, output).await
}

/// The file that an export writes for an object: `Secret-runai-backend-runai-backend-postgresql.yaml`. The names of Kubernetes hold
/// no character that a path minds.
fn file_name(name: &Ref) -> String {
    let namespace = if name.namespace().is_empty() { String::new() } else { format!("{}-", name.namespace()) };
    format!("{}-{namespace}{}.yaml", name.kind(), name.name().replace(['/', ':'], "_"))
}

/// The object as YAML, without what the server sets itself.
fn content(store: &RunStore, archived: &Archived) -> Result<String, Finding> {
    let copy = portolan_workflow::archived_copy(store, archived)?;
    let created = portolan_kube_facts::to_create(&copy.archived, &BTreeSet::new());
    serde_saphyr::to_string(&created).map_err(|error| {
        let found = format!("{} in the archive is damaged", archived.object);
        Finding::blocking(Code::BadJournal, found).about(&archived.object).with(error.to_string())
    })
}

fn make(folder: &Path) -> Result<(), Finding> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(|error| unwritable(folder, &error))
}

fn write(path: &Path, text: &str) -> Result<(), Finding> {
    // A file that is there is another one's, or of an earlier export with other rights: it is not reused.
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    let written = file.and_then(|mut file| file.write_all(text.as_bytes()));
    written.map_err(|error| unwritable(path, &error))
}

fn unwritable(path: &Path, error: &std::io::Error) -> Finding {
    // A file that is there is a wrong choice of the user's, not a failure of the system's.
    let code = if error.kind() == std::io::ErrorKind::AlreadyExists { Code::BadOption } else { Code::CannotWrite };
    let finding = Finding::blocking(code, format!("{} cannot be written", path.display()));
    finding.with(error.to_string()).next("name another folder with --to")
}
