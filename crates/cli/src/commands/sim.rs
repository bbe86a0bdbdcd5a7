use portolan_model::{Code, Exit, Finding};
use portolan_workflow::Simulated;
use serde_json::json;

use crate::args::{Global, SimArgs, SimCommand};
use crate::options;
use crate::output::Output;

/// Makes and lists simulated installations.
pub(crate) fn run(global: &Global, args: &SimArgs, output: &Output) -> Result<Exit, Finding> {
    match &args.command {
        SimCommand::List => {
            let names = portolan_fixtures::installation_names();
            output.result(&portolan_report::names("Simulated installations", &names), &names)?;
        }
        SimCommand::New { name, folder } => {
            if folder.join("installation.json").exists() {
                let found = format!("{} holds a simulated installation already", folder.display());
                return Err(Finding::blocking(Code::BadOption, found).next("choose another folder"));
            }
            let installation = Simulated::open(name, &options::book(global)?)?.installation;
            fs_err::create_dir_all(folder).map_err(|error| {
                Finding::blocking(Code::CannotWrite, format!("{} cannot be made", folder.display()))
                    .with(error.to_string())
            })?;
            let sim = Simulated { folder: Some(folder.clone()), ..Simulated::new(installation) };
            sim.save()?;
            output.value(&json!({"name": name, "folder": folder}))?;
            output.say(&format!("Next: portolan survey --sim {}", folder.display()));
        }
        SimCommand::Settle { folder } => {
            let mut sim = Simulated::load(folder)?;
            sim.installation.settle();
            sim.save()?;
            output.value(&json!({"name": sim.installation.name, "folder": folder}))?;
            output.say(&format!("Settled.   Next: portolan survey --sim {}", folder.display()));
        }
    }
    Ok(Exit::Done)
}
