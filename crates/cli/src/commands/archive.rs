use std::fs::{DirBuilder, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

use portolan_adapters::store::RunStore;
use portolan_model::{Code, Exit, Finding, Object};
use portolan_workflow::archive::{self, Archived};
use serde::Serialize;

use crate::args::{ArchiveArgs, ArchiveCommand, Global};
use crate::commands::runs;
use crate::output::Output;

/// An object of the archive, for programs. Its content is a Secret's at times, so it is never printed.
#[derive(Serialize)]
struct Row<'a> {
    #[serde(flatten)]
    archived: &'a Archived,
    /// The file that `export` writes.
    file: String,
}

/// Lists what a run archived, or writes it to files.
pub(crate) fn run(global: &Global, args: &ArchiveArgs, output: &Output) -> Result<Exit, Finding> {
    match &args.command {
        ArchiveCommand::List { run } => {
            let store = runs::open(global, run.as_deref(), None)?;
            let objects = archive::of(&store.plan()?, &store.entries()?);
            let rows: Vec<Row<'_>> =
                objects.iter().map(|archived| Row { archived, file: archive::file_name(&archived.object) }).collect();
            output.result(&portolan_report::archive(&objects), &rows)?;
        }
        ArchiveCommand::Export { run, to } => {
            let store = runs::open(global, run.as_deref(), None)?;
            let objects = archive::of(&store.plan()?, &store.entries()?);
            make(to)?;
            let mut files = Vec::new();
            for archived in &objects {
                let path = to.join(archive::file_name(&archived.object));
                write(&path, &content(&store, archived)?)?;
                files.push(path.display().to_string());
            }
            output.value(&files)?;
            for file in &files {
                output.say(file);
            }
            output.say(&format!(
                "{} written, readable by you alone. `kubectl create -f FILE` makes one again where it is gone.",
                if files.len() == 1 { "1 file".to_owned() } else { format!("{} files", files.len()) }
            ));
        }
    }
    Ok(Exit::Done)
}

/// The object as YAML, without what the server sets itself.
fn content(store: &RunStore, archived: &Archived) -> Result<String, Finding> {
    let damaged = |error: String| {
        let found = format!("{} in the archive is damaged", archived.object);
        Finding::blocking(Code::BadJournal, found).about(&archived.object).with(error)
    };
    let bytes = store.blob(&archived.digest)?;
    let object: Object = serde_json::from_slice(&bytes).map_err(|error| damaged(error.to_string()))?;
    serde_saphyr::to_string(&archive::to_create(&object)).map_err(|error| damaged(error.to_string()))
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
