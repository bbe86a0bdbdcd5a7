use std::path::Path;

use portolan_adapters::{bundles, store};
use portolan_bundle::BundleIndex;
use portolan_model::{Code, Exit, Finding};

use crate::args::{BundleArgs, BundleCommand, Global};
use crate::output::Output;

/// Reads a vendor's bundle.
pub(crate) async fn run(global: &Global, args: &BundleArgs, output: &Output) -> Result<Exit, Finding> {
    match &args.command {
        BundleCommand::Inspect { file } => {
            let index = index(global, file).await?;
            let mut value = serde_json::to_value(&index).expect("an index is JSON");
            // The texts of manifests are long, and for a registry.
            value.as_object_mut().expect("an index is a map").remove("documents");
            output.result(&portolan_report::bundle(&index), &value)?;
        }
    }
    Ok(Exit::Done)
}

/// The index of a bundle. Reading and hashing takes a while, and blocks.
async fn index(global: &Global, file: &Path) -> Result<BundleIndex, Finding> {
    let root = store::root(global.state_dir.as_deref())?;
    let file = file.to_owned();
    let read = tokio::task::spawn_blocking(move || bundles::index(&file, &root)).await;
    read.unwrap_or_else(|error| {
        Err(Finding::blocking(Code::BundleUnreadable, "reading the bundle failed").with(error.to_string()))
    })
}
