//! `cargo xtask docs`: the reference pages in `docs/`, from the program's own tables.

use std::path::Path;

use anyhow::{Result, bail};

/// Writes the pages; with `check` only says whether they are stale.
pub(crate) fn write(root: &Path, check: bool) -> Result<()> {
    let folder = root.join("docs");
    for (name, text) in [("errors.md", report::reference::errors()), ("rules.md", report::reference::rules())] {
        let path = folder.join(name);
        if fs_err::read_to_string(&path).is_ok_and(|there| there == text) {
            continue;
        }
        if check {
            bail!("docs/{name} is stale: cargo xtask docs");
        }
        fs_err::create_dir_all(&folder)?;
        fs_err::write(&path, text)?;
        println!("wrote docs/{name}");
    }
    Ok(())
}
