//! What can be wrong: an index, and a page for each code.

use std::collections::BTreeMap;
use std::fmt::Write;

use portolan_model::{Code, Exit};

use super::{Example, cell, head, sentence};

/// Where the codes are.
const SOURCE: &str = "crates/model/src/code.rs";

const INTRODUCTION: &str = "
Everything that Portolan finds wrong has a code that stays the same from version to version. A message reads from top to
bottom: what was found here, what it was found in, why that matters, and what to do next:

    error[PL301]: the installation is not as it was when the plan was made; nothing was written
      PersistentVolumeClaim/pvc-postgresql  metadata.annotations.helm.sh/resource-policy: keep -> (absent)
      29 of 30 objects are unchanged
      why: step 11 relies on it: helm deletes a PVC, or keeps it, by this annotation
      next: portolan plan

`error` means that the command ended there; `warning` means that it went on. A code's page says what holds in general. A
message may say it better, since it knows the installation: where the two differ, follow the message.

## Exit codes

| code | meaning |
|---|---|
";

/// What the hundreds of a code's number stand for.
const HUNDREDS: [(u16, &str); 6] = [
    (1, "Before anything is looked at"),
    (2, "While a plan is made"),
    (3, "While a plan is carried out"),
    (4, "While the result is verified"),
    (5, "While a plan is rehearsed"),
    (6, "While a bundle is read or pushed, and images are looked for"),
];

/// Codes that somebody may take upon themselves.
const ACCEPTABLE: &str = "
## Who accepts it

Whoever knows that it does no harm can say so, with the reason, which is kept in the plan and in the report:
`--accept CODE --reason TEXT`.
";

pub(super) fn pages(examples: &BTreeMap<Code, Example>) -> BTreeMap<String, String> {
    let page = |code: Code| (format!("errors/{code}.md"), page(code, examples.get(&code)));
    std::iter::once(("errors.md".to_owned(), index())).chain(Code::ALL.iter().copied().map(page)).collect()
}

fn index() -> String {
    let mut out = head("What can be wrong", SOURCE) + INTRODUCTION;
    for (exit, meaning) in Exit::TABLE {
        let _ = writeln!(out, "| {} | {} |", exit as u8, cell(meaning));
    }
    let mut last = None;
    for &code in Code::ALL {
        let hundred = code as u16 / 100;
        if last.replace(hundred) != Some(hundred) {
            let title = HUNDREDS.iter().find(|(of, _)| *of == hundred).map_or("Else", |(_, title)| title);
            let _ = write!(out, "\n## {title}\n\n| code | what was found | exit code |\n|---|---|---|\n");
        }
        let _ = writeln!(out, "| [{code}](errors/{code}.md) | {} | {} |", cell(code.title()), code.exit() as u8);
    }
    out
}

fn page(code: Code, example: Option<&Example>) -> String {
    let exit = code.exit();
    let meaning = Exit::TABLE.iter().find(|row| row.0 == exit).map_or("", |row| row.1);
    let mut out = head(&format!("{code}: {}", code.title()), SOURCE);
    let parts = [
        ("Why it matters", sentence(code.why())),
        ("What to do next", sentence(code.next())),
        ("Exit code", format!("{}: {meaning}.", exit as u8)),
    ];
    for (title, text) in parts {
        let _ = write!(out, "\n## {title}\n\n{text}\n");
    }
    if code.acceptance() != portolan_model::Acceptance::Never {
        out.push_str(ACCEPTABLE);
    }
    if let Some(example) = example {
        let _ = write!(out, "\n## Example\n\n```console\n$ {}\n{}\n```\n", example.command, example.message.trim_end());
    }
    out.push_str("\n[All codes](../errors.md)\n");
    out
}
