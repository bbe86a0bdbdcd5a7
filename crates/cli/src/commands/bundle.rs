use std::path::Path;

use portolan_adapters::charts::Files;
use portolan_adapters::registry::{Asking, CompressedLayers, PushJob, PushReport, PushTarget, RegistryAccess};
use portolan_adapters::{bundles, store};
use portolan_bundle::{BundleIndex, BundleParts};
use portolan_model::{Code, Exit, Finding};
use portolan_report::Document;
use portolan_workflow::Target;

use crate::args::{BundleArgs, BundleCommand, CreateOptions, Global, PartOptions, PushOptions};
use crate::charts::login;
use crate::output::Output;
use crate::pushes::{index, names, page, send};
use crate::site;

/// Reads a vendor's bundle, pushes it into a registry, or makes one.
pub(crate) async fn run(global: &Global, args: &BundleArgs, output: &Output) -> Result<Exit, Finding> {
    match &args.command {
        BundleCommand::Inspect { file, parts } => {
            let index = index(global, file, &parts.parts()).await?;
            output.result(&portolan_report::bundle(&index).then(push_next(file, &index)), &shown(&index))?;
            if index.images.is_empty() && index.charts.is_empty() {
                let next = "name what it has by --images PATH and --charts PATH; the files above are all that it holds";
                return Err(unrecognized().next(next));
            }
        }
        BundleCommand::Create(options) => {
            let index = create(global, options).await?;
            output.result(&portolan_report::bundle(&index).then(push_next(&options.out, &index)), &shown(&index))?;
        }
        BundleCommand::Push(options) => {
            if let Some(line) = push_simulated(global, options).await? {
                output.say(&line);
                return Ok(Exit::Done);
            }
            let report = push(global, options, output).await?;
            output.result(&page(&report), &report)?;
            if let Some(name) = &options.pull_as {
                output.say(&format!("Nodes pull the same from {name}: the values of the chart have to name that."));
            }
        }
    }
    Ok(Exit::Done)
}

/// The command that pushes a bundle; nothing where it has nothing to push.
fn push_next(file: &Path, index: &BundleIndex) -> Document {
    if index.images.is_empty() && index.charts.is_empty() {
        return Document::default();
    }
    let command = format!("portolan bundle push {} --to HOST:PORT/PATH", file.display());
    Document::next(&command, "pushes it into a registry")
}

fn unrecognized() -> Finding {
    Finding::blocking(Code::BundleUnrecognized, "the bundle has neither images nor charts")
}

impl PartOptions {
    fn parts(&self) -> BundleParts {
        BundleParts { images: self.images.clone(), charts: self.charts.clone() }
    }
}

/// An index for programs. The texts of manifests are long, and for a registry.
fn shown(index: &BundleIndex) -> serde_json::Value {
    let mut value = serde_json::to_value(index).expect("an index is JSON");
    value.as_object_mut().expect("an index is a map").remove("documents");
    value
}

async fn create(global: &Global, options: &CreateOptions) -> Result<BundleIndex, Finding> {
    let names = names(&options.name)?;
    let mut sources = Vec::new();
    for file in &options.from {
        sources.push(index(global, file, &BundleParts::default()).await?);
    }
    let since = match &options.since {
        Some(file) => Some(index(global, file, &BundleParts::default()).await?),
        None => None,
    };
    let all: Vec<&BundleIndex> = sources.iter().collect();
    let layout = portolan_bundle::plan_layout(&all, &names, since.as_ref()).map_err(|error| error.finding())?;
    let (to, from) = (options.out.clone(), options.from.clone());
    let written = tokio::task::spawn_blocking(move || bundles::create(&to, &layout, &from)).await;
    written.unwrap_or_else(|error| {
        Err(Finding::blocking(Code::BundleUnreadable, "writing the bundle failed").with(error.to_string()))
    })
}

async fn push(global: &Global, options: &PushOptions, output: &Output) -> Result<PushReport, Finding> {
    let target = PushTarget::parse(&options.to)?.pulled_as(options.pull_as.as_deref())?;
    let (paths, names) = (target.paths()?, names(&options.name)?);
    let login = match login(options.username.as_deref(), options.password_stdin, None)? {
        Some(login) => Some(login),
        None => Files::of_user().registry_login(&target.host, &target.path)?,
    };
    let access = RegistryAccess { login, plain_http: options.plain_http, ca_file: options.ca_file.clone() };
    let index = index(global, &options.file, &options.parts.parts()).await?;
    if index.images.is_empty() && index.charts.is_empty() {
        return Err(unrecognized().next(format!("portolan bundle inspect {}", options.file.display())));
    }
    let plan = portolan_bundle::plan_push(&index, paths, &names).map_err(|error| error.finding())?;
    let layers = CompressedLayers::of(&store::root(global.state_dir.as_deref())?);
    let asking = if options.check_layers { Asking::Blobs } else { Asking::Manifests };
    let job = PushJob { file: &options.file, index: &index, plan: &plan, layers: &layers, asking };
    send(&job, &target, &access, output).await
}

/// Pushes into the registry of a simulated site; `None` if the options name another one.
async fn push_simulated(global: &Global, options: &PushOptions) -> Result<Option<String>, Finding> {
    if global.sim.is_none() {
        return Ok(None);
    }
    let Target::Simulated(mut simulated) = crate::options::open(global).await? else { return Ok(None) };
    let target = PushTarget::parse(&options.to)?.pulled_as(options.pull_as.as_deref())?;
    if simulated.installation.registry.as_ref().is_none_or(|registry| registry.host != target.host) {
        return Ok(None);
    }
    let index = index(global, &options.file, &options.parts.parts()).await?;
    let push =
        portolan_bundle::plan_push(&index, target.paths()?, &names(&options.name)?).map_err(|error| error.finding())?;
    site::simulated_push(&mut simulated, &push).map(Some)
}
