//! Results to standard output, progress and errors to standard error.

use std::io::{IsTerminal, Write};
use std::sync::{Mutex, PoisonError};

use portolan_model::{Code, Finding};
use portolan_report::{Document, Style, TypedOptions};
use serde::Serialize;
use terminal_size::{Height, Width, terminal_size_of};

use crate::args::{Cli, Format, When};
use crate::options;

/// Where and how a command speaks.
pub(crate) struct Output {
    format: Format,
    stdout: Style,
    stderr: Style,
    typed: TypedOptions,
    told: Mutex<Told>,
}

/// What a machine was told so far.
#[derive(Default)]
struct Told {
    has_value: bool,
    findings: Vec<Finding>,
}

/// The value of a command that ends before it has one.
#[derive(Serialize)]
struct EndedEarly<'a> {
    findings: &'a [Finding],
}

impl Output {
    /// Colours only on a terminal, and never against `NO_COLOR`.
    pub(crate) fn new(cli: &Cli) -> Self {
        let global = &cli.global;
        Self { typed: options::typed(global, cli.command.target()), ..Self::with(global.output, global.color) }
    }

    /// For a command line that could not be read.
    pub(crate) fn bare() -> Self {
        Self::with(Format::Text, When::Auto)
    }

    fn with(format: Format, color: When) -> Self {
        let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
            || std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        let ascii = ["LC_ALL", "LC_CTYPE", "LANG"]
            .iter()
            .find_map(|name| std::env::var(name).ok().filter(|value| !value.is_empty()))
            .is_some_and(|locale| !locale.to_uppercase().replace('-', "").contains("UTF8"));
        let style = |terminal: bool, width: Option<(Width, Height)>| Style {
            color: !refused && (color == When::Always || (color == When::Auto && terminal)),
            ascii,
            width: width.map_or(0, |(width, _)| usize::from(width.0)),
        };
        let (stdout, stderr) = (std::io::stdout(), std::io::stderr());
        let stdout = style(stdout.is_terminal(), terminal_size_of(stdout));
        let stderr = style(stderr.is_terminal(), terminal_size_of(stderr));
        Self { format, stdout, stderr, typed: TypedOptions::default(), told: Mutex::default() }
    }

    /// Whether a machine reads.
    pub(crate) fn is_machine(&self) -> bool {
        self.format != Format::Text
    }

    /// Whether a browser reads; the command writes the page itself, into a file.
    pub(crate) fn is_html(&self) -> bool {
        self.format == Format::Html
    }

    /// A result: the page for people, the value for machines.
    pub(crate) fn result<T: Serialize>(&self, page: &Document, value: &T) -> Result<(), Finding> {
        self.page(page)?;
        self.value(value)
    }

    /// A value for machines; people do not get it.
    pub(crate) fn value<T: Serialize>(&self, value: &T) -> Result<(), Finding> {
        let text = match self.format {
            Format::Text | Format::Html => return Ok(()),
            Format::Json => {
                let mut text = serde_json::to_string_pretty(value).map_err(unwritable)?;
                text.push('\n');
                text
            }
            Format::Yaml => serde_saphyr::to_string(value).map_err(unwritable)?,
        };
        self.told.lock().unwrap_or_else(PoisonError::into_inner).has_value = true;
        print(&text)
    }

    /// For machines, where a command has ended without a value: what it found, as `{"findings": [...]}`.
    pub(crate) fn end(&self) {
        let findings = {
            let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
            if told.has_value { Vec::new() } else { std::mem::take(&mut told.findings) }
        };
        if !findings.is_empty() {
            // Standard error has them, and the exit code says that the command failed.
            drop(self.value(&EndedEarly { findings: &findings }));
        }
    }

    /// A page on the way to a result; machines do not get it.
    pub(crate) fn page(&self, page: &Document) -> Result<(), Finding> {
        if self.is_machine() { Ok(()) } else { print(&self.complete(page).terminal(&self.stdout)) }
    }

    /// A page whose commands can be run as they are.
    pub(crate) fn complete(&self, page: &Document) -> Document {
        page.clone().with_options(&self.typed)
    }

    /// The blank line between two pages.
    pub(crate) fn gap(&self) -> Result<(), Finding> {
        if self.is_machine() { Ok(()) } else { print("\n") }
    }

    /// The room of a line of progress: none where it does not go to a terminal.
    pub(crate) fn room(&self) -> Option<usize> {
        std::io::stderr().is_terminal().then_some(self.stderr.width)
    }

    /// Progress, or a question.
    pub(crate) fn say(&self, line: &str) {
        // A reader that has gone away is no reason to stop an upgrade.
        drop(writeln!(std::io::stderr(), "{line}"));
    }

    /// What has to be said beside a result, machines or not.
    pub(crate) fn note(&self, page: &Document) {
        drop(write!(std::io::stderr(), "{}", self.complete(page).terminal(&self.stderr)));
    }

    /// What went wrong.
    pub(crate) fn finding(&self, finding: &Finding) {
        self.findings(std::slice::from_ref(finding));
    }

    /// What went wrong, or is worth knowing.
    pub(crate) fn findings(&self, findings: &[Finding]) {
        self.told.lock().unwrap_or_else(PoisonError::into_inner).findings.extend_from_slice(findings);
        drop(write!(
            std::io::stderr(),
            "{}",
            self.complete(&portolan_report::findings(findings)).terminal(&self.stderr)
        ));
    }
}

fn print(text: &str) -> Result<(), Finding> {
    let mut stdout = std::io::stdout();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(unwritable(error)),
        _ => Ok(()),
    }
}

fn unwritable(error: impl std::fmt::Display) -> Finding {
    Finding::blocking(Code::CannotWrite, format!("the result cannot be written: {error}"))
}
