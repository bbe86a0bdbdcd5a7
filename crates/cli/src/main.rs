//! `portolan`: the command line. The only place that wires the core to the world.

use std::process::ExitCode;
use std::time::Duration;

use portolan_model::{Code, Exit, Finding};

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
mod pushes;
mod site;

use args::{Cli, Command};
use output::Output;

#[tokio::main]
async fn main() -> ExitCode {
    keep_memory();
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
    tokio::spawn(end_if_busy());
    let result = tokio::select! {
        result = carry_out(&cli, &output) => result,
        // What the command had begun is dropped by now: helm's processes, and the folders that they worked in.
        signal = portolan_workflow::interrupted() => return end_by(signal),
    };
    let exit = result.unwrap_or_else(|finding| {
        output.finding(&finding);
        finding.code.exit()
    });
    output.end();
    ExitCode::from(exit as u8)
}

/// Lets glibc keep some megabytes that are free and not give them back to the kernel, only to ask for them anew: each page costs a fault
/// then. The limit follows the largest allocation made by `mmap` that was freed (mallopt(3), `M_MMAP_THRESHOLD`); no page of this one is
/// touched.
fn keep_memory() {
    drop(std::hint::black_box(Vec::<u8>::with_capacity(2 << 20)));
}

async fn carry_out(cli: &Cli, output: &Output) -> Result<Exit, Finding> {
    match &cli.command {
        Command::Survey(args) => commands::survey::run(&cli.global, args, output).await,
        Command::Plan(args) => commands::plan::run(&cli.global, args, output).await,
        Command::Rehearse(args) => commands::rehearse::run(&cli.global, args, output).await,
        Command::Apply(args) => commands::apply::run(&cli.global, args, output).await,
        Command::Upgrade(args) => commands::upgrade::run(&cli.global, args, output).await,
        Command::Protect(args) => commands::protect::run(&cli.global, args, output).await,
        Command::Status(args) => commands::status::run(&cli.global, args, output),
        Command::Verify(args) => commands::verify::run(&cli.global, args, output).await,
        Command::Archive(args) => commands::archive::run(&cli.global, args, output).await,
        Command::Bundle(args) => commands::bundle::run(&cli.global, args, output).await,
        Command::Values(args) => commands::values::run(&cli.global, args, output).await,
        Command::Page(args) => commands::page::run(&cli.global, args, output).await,
        Command::Sim(args) => commands::sim::run(&cli.global, args, output),
    }
}

/// How long a command has, after a signal, to come to a point where it can be dropped.
const BUSY: Duration = Duration::from_secs(1);

/// Ends the process by a signal if the command computes, or waits for somebody to type, and hears nothing.
async fn end_if_busy() {
    let signal = portolan_workflow::interrupted().await;
    tokio::time::sleep(BUSY).await;
    end_by(signal);
}

/// Ends the process as the signal would have done, so that a shell sees what happened.
fn end_by(signal: i32) -> ExitCode {
    // It does not return for a signal that ends processes.
    let _ = signal_hook::low_level::emulate_default_handler(signal);
    ExitCode::from(u8::try_from(128 + signal).unwrap_or(u8::MAX))
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
    ExitCode::from(Exit::Usage as u8)
}

/// What does the work of a command that other tools have.
fn instead(found: &str) -> Option<&'static str> {
    let word = found.strip_prefix("unrecognized subcommand '")?.trim_end_matches('\'');
    match word {
        "resume" | "continue" => Some("portolan apply RUN goes on with a run, and portolan status names it"),
        "undo" | "rollback" | "revert" => Some(
            "nothing is undone by a command: report.md in the run's folder, which portolan status names, says for each step how to go \
             back by hand, and where there is no way back",
        ),
        _ => None,
    }
}

/// A finding out of clap's words: `error: ...`, details, a tip, the usage.
fn usage(said: &str) -> Finding {
    let mut lines = said.lines().map(str::trim).filter(|line| !line.is_empty());
    let found = lines.next().unwrap_or_default().trim_start_matches("error: ").trim_end_matches(':');
    let mut finding = Finding::blocking(Code::BadOption, found);
    if let Some(instead) = instead(found) {
        return finding.next(instead);
    }
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
