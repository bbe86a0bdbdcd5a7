//! The reference pages in `docs/`, made from the tables that the program itself uses. `cargo xtask docs` writes them.

use std::collections::BTreeMap;

use portolan_model::Code;
use portolan_recipe::RecipeSet;

mod boundaries;
mod errors;
mod rules;

/// Folders below `docs/` in which every file is one of [`pages`].
pub const FOLDERS: [&str; 2] = ["boundaries", "errors"];

/// What the program says when it finds something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Example {
    /// What was typed.
    pub command: String,
    /// What was printed.
    pub message: String,
}

/// Every page, by its path below `docs/`: `errors.md` and a page for each code, with its example where there is one;
/// `boundaries/README.md` and a page for each boundary of the book; `rules.md`.
#[must_use]
pub fn pages(book: &RecipeSet, examples: &BTreeMap<Code, Example>) -> BTreeMap<String, String> {
    let mut pages = BTreeMap::from([("rules.md".to_owned(), rules::page())]);
    pages.extend(errors::pages(examples));
    pages.extend(boundaries::pages(book));
    pages
}

/// The first lines of a page that is made.
fn head(title: &str, source: &str) -> String {
    format!("# {title}\n\nMade from `{source}` by `cargo xtask docs`.\n")
}

/// Text for one cell of a table.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('\n', "<br>")
}

/// The text as a sentence. A command at its beginning stays as it is typed.
fn sentence(text: &str) -> String {
    let is_command = ["portolan ", "helm ", "kubectl ", "oc "].iter().any(|command| text.starts_with(command));
    let mut letters = text.chars();
    let first = letters.next().unwrap_or_default();
    let first = if is_command { first.to_string() } else { first.to_uppercase().to_string() };
    let end = if text.ends_with(['.', '?']) { "" } else { "." };
    format!("{first}{}{end}", letters.as_str())
}
