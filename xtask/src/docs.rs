//! `cargo xtask docs`: the reference pages in `docs/`, from the program's own tables.

use std::path::Path;

use anyhow::{Result, bail};

/// Writes the pages; with `check` only says whether they are stale.
pub(crate) fn write(root: &Path, check: bool) -> Result<()> {
    let folder = root.join("docs");
    let pages = [("errors.md", report::reference::errors()), ("rules.md", report::reference::rules())];
    let pages = pages.map(|(name, text)| (name.to_owned(), text)).into_iter();
    for (name, text) in pages.chain(report::schema::all().map(|(name, text)| (format!("schema/{name}"), text))) {
        let path = folder.join(&name);
        if fs_err::read_to_string(&path).is_ok_and(|there| there == text) {
            continue;
        }
        if check {
            bail!("docs/{name} is stale: cargo xtask docs");
        }
        fs_err::create_dir_all(path.parent().unwrap_or(&folder))?;
        fs_err::write(&path, text)?;
        println!("wrote docs/{name}");
    }
    Ok(())
}
