//! `docs/values.md`: what `portolan values` prints on the simulated 2.8 site that has customizations.

use std::path::Path;

use anyhow::{Context, Result};
use portolan_trials::program::Program;

const SITE: &str = "openshift-2.8-customized";

/// What is typed one after another in one folder, with what it is for, and the file that it writes.
const COMMANDS: &[(&str, &str, Option<&str>)] = &[
    (
        "Every value that is set today, with the default of the installed chart beside it. `installer` is what the vendor's \
      tool wrote into every site's values:",
        "values diff",
        None,
    ),
    (
        "What becomes of each on the way to 2.20. What nobody knows is asked, and the questions go into a file:",
        "values --to 2.20 --answers answers.yaml",
        Some("answers.yaml"),
    ),
    ("Where each value goes, and by which source:", "values map --to 2.20", None),
    (
        "What each value that goes on does, today and then, is found out by rendering: by helm, or where there is none, of this simulated \
      installation by what a helm rendered once:",
        "values effects --to 2.20",
        None,
    ),
    (
        "The new chart's values as a file, each with where it comes from. Credentials are written only with `--show-secrets`:",
        "values --to 2.20 --answers answers.yaml --write new.yaml",
        Some("new.yaml"),
    ),
    ("The same as `--set` flags, as far as helm reads them as it reads the file:", "values --to 2.20 --as-set", None),
];

/// How the questions are answered before the file of values is written.
const ANSWER: (&str, &str) = ("\": ask", "\": drop");

/// The page.
pub(crate) fn page(program: &Program) -> Result<String> {
    let folder = tempfile::tempdir()?;
    let mut page = format!(
        "# The values of a site\n\nMade by `cargo xtask docs` from what the program prints on the simulated installation `{SITE}`.\n"
    );
    for (about, command, file) in COMMANDS {
        if command.contains("--write") {
            answer(folder.path())?;
            page.push_str(
                "\nThe questions are answered in the file: `drop` in place of `ask`, `keep`, or `{to: NEW.PATH}`.\n",
            );
        }
        let line = format!("{command} --sim {SITE}");
        let said = program.run(folder.path(), &line.split(' ').collect::<Vec<_>>())?;
        page.push_str(&format!("\n{about}\n\n    $ portolan {line}\n{}", indented(&said)));
        if let Some(file) = file {
            let text = fs_err::read_to_string(folder.path().join(file))?;
            page.push_str(&format!("\n    $ cat {file}\n{}", indented(&text)));
        }
    }
    Ok(page)
}

fn answer(folder: &Path) -> Result<()> {
    let path = folder.join("answers.yaml");
    let asked = fs_err::read_to_string(&path).context("the questions were written")?;
    fs_err::write(&path, asked.replace(ANSWER.0, ANSWER.1))?;
    Ok(())
}

/// Without the line that says how much of the simulation was seen on a cluster: another one after each look.
fn indented(text: &str) -> String {
    let lines = text.lines().filter(|line| !line.starts_with("Simulated installation "));
    lines
        .map(|line| if line.trim().is_empty() { "\n".to_owned() } else { format!("    {}\n", line.trim_end()) })
        .collect()
}
