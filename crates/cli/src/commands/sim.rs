use model::{Code, Exit, Finding};
use serde_json::json;

use crate::args::{Global, SimArgs, SimCommand};
use crate::output::Output;
use crate::site::{self, Sim};

/// Makes and lists simulated installations.
pub(crate) fn run(global: &Global, args: &SimArgs, output: &Output) -> Result<Exit, Finding> {
    match &args.command {
        SimCommand::List => {
            let names = fixtures::installation_names();
            output.result(&report::names("Simulated installations", &names), &names)?;
        }
        SimCommand::New { name, folder } => {
            if folder.join("installation.json").exists() {
                let found = format!("{} holds a simulated installation already", folder.display());
                return Err(Finding::blocking(Code::BadOption, found).next("choose another folder"));
            }
            let installation = Sim::open(name, &site::book(global)?)?.installation;
            fs_err::create_dir_all(folder).map_err(|error| {
                Finding::blocking(Code::CannotWrite, format!("{} cannot be made", folder.display()))
                    .with(error.to_string())
            })?;
            let sim = Sim { installation, folder: Some(folder.clone()), found: None };
            sim.save()?;
            output.value(&json!({"name": name, "folder": folder}))?;
            output.say(&format!("Next: portolan survey --sim {}", folder.display()));
        }
        SimCommand::Settle { folder } => {
            let mut sim = Sim::load(folder)?;
            sim.installation.settle();
            sim.save()?;
            output.value(&json!({"name": sim.installation.name, "folder": folder}))?;
            output.say(&format!("Settled.   Next: portolan survey --sim {}", folder.display()));
        }
    }
    Ok(Exit::Done)
}
