//! Asks before anything is written.

use std::io::{BufRead, IsTerminal, Write};

use portolan_model::{Code, Finding};

/// Asks for the release's name. Without a terminal nobody can answer, so nothing is written.
pub(crate) fn by_name(what: &str, name: &str) -> Result<(), Finding> {
    let not = |found: &str| Finding::blocking(Code::NotConfirmed, found);
    if !std::io::stdin().is_terminal() {
        return Err(not("no terminal to confirm on").next("pass --yes where nobody can be asked"));
    }
    let mut stderr = std::io::stderr();
    drop(write!(stderr, "{what}\nType the release's name to go on: "));
    drop(stderr.flush());
    let mut line = String::new();
    std::io::stdin().lock().read_line(&mut line).map_err(|error| not(&format!("nothing could be read: {error}")))?;
    if line.trim() == name { Ok(()) } else { Err(not(&format!("`{}` is not the release's name", line.trim()))) }
}
