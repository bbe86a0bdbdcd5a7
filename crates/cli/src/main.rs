//! `portolan`: the command line. The only place that wires the core to the world.

use std::process::ExitCode;

use clap::Parser;

mod args;
mod commands;
mod confirm;
mod drive;
mod output;
mod prepare;
mod site;

use args::{Cli, Command};
use output::Output;

#[tokio::main]
async fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            drop(error.print());
            return ExitCode::from(if error.use_stderr() { model::Exit::Usage as u8 } else { 0 });
        }
    };
    let output = Output::new(&cli.global);
    let result = match &cli.command {
        Command::Survey(args) => commands::survey::run(&cli.global, args, &output).await,
        Command::Plan(args) => commands::plan::run(&cli.global, args, &output).await,
        Command::Rehearse(args) => commands::rehearse::run(&cli.global, args, &output).await,
        Command::Apply(args) => commands::apply::run(&cli.global, args, &output).await,
        Command::Upgrade(args) => commands::upgrade::run(&cli.global, args, &output).await,
        Command::Status(args) => commands::status::run(&cli.global, args, &output),
        Command::Verify(args) => commands::verify::run(&cli.global, args, &output).await,
        Command::Page(args) => commands::page::run(&cli.global, args, &output).await,
        Command::Sim(args) => commands::sim::run(&cli.global, args, &output),
    };
    match result {
        Ok(exit) => ExitCode::from(exit as u8),
        Err(finding) => {
            output.finding(&finding);
            ExitCode::from(finding.code.exit() as u8)
        }
    }
}
