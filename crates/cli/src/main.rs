//! `portolan`: the command line. The only place that wires the core to the world.

use std::process::ExitCode;

use portolan_model::{Code, Finding};

mod answers;
mod args;
mod charts;
mod commands;
mod confirm;
mod effects;
mod options;
mod output;
mod prepare;
mod private_file;
mod progress;
mod site;

use args::{Cli, Command};
use output::Output;

#[tokio::main]
async fn main() -> ExitCode {
    let cli = match Cli::typed() {
        Ok(cli) => cli,
        Err(error) => return mistyped(&error),
    };
    let output = Output::new(&cli);
    if output.is_html() && !matches!(cli.command, Command::Values(_)) {
        let finding = Finding::blocking(Code::BadOption, "-o html is for portolan values alone").next("use -o json");
        output.finding(&finding);
        return ExitCode::from(finding.code.exit() as u8);
    }
    let result = match &cli.command {
        Command::Survey(args) => commands::survey::run(&cli.global, args, &output).await,
        Command::Plan(args) => commands::plan::run(&cli.global, args, &output).await,
        Command::Rehearse(args) => commands::rehearse::run(&cli.global, args, &output).await,
        Command::Apply(args) => commands::apply::run(&cli.global, args, &output).await,
        Command::Upgrade(args) => commands::upgrade::run(&cli.global, args, &output).await,
        Command::Protect(args) => commands::protect::run(&cli.global, args, &output).await,
        Command::Status(args) => commands::status::run(&cli.global, args, &output),
        Command::Verify(args) => commands::verify::run(&cli.global, args, &output).await,
        Command::Archive(args) => commands::archive::run(&cli.global, args, &output),
        Command::Bundle(args) => commands::bundle::run(&cli.global, args, &output).await,
        Command::Values(args) => commands::values::run(&cli.global, args, &output).await,
        Command::Page(args) => commands::page::run(&cli.global, args, &output).await,
        Command::Sim(args) => commands::sim::run(&cli.global, args, &output),
    };
    let exit = result.unwrap_or_else(|finding| {
        output.finding(&finding);
        finding.code.exit()
    });
    output.end();
    ExitCode::from(exit as u8)
}

/// Help and version are results; what cannot be understood is told like everything else that goes wrong.
fn mistyped(error: &clap::Error) -> ExitCode {
    if !error.use_stderr() {
        drop(error.print());
        return ExitCode::SUCCESS;
    }
    if error.kind() == clap::error::ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        drop(error.print());
    } else {
        Output::bare().finding(&usage(&error.to_string()));
    }
    ExitCode::from(portolan_model::Exit::Usage as u8)
}

/// A finding out of clap's words: `error: ...`, details, a tip, the usage.
fn usage(said: &str) -> Finding {
    let mut lines = said.lines().map(str::trim).filter(|line| !line.is_empty());
    let found = lines.next().unwrap_or_default().trim_start_matches("error: ").trim_end_matches(':');
    let mut finding = Finding::blocking(Code::BadOption, found);
    for line in lines {
        if let Some(usage) = line.strip_prefix("Usage: ") {
            let command: Vec<&str> = usage.split(' ').take_while(|word| !word.starts_with(['[', '<', '-'])).collect();
            finding = finding.next(format!("{} --help", command.join(" ")));
        } else if !line.starts_with("For more information") {
            finding = finding.with(line);
        }
    }
    finding
}
