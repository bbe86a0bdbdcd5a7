//! The reference pages in `docs/`, made from the tables that the program itself uses. `cargo xtask docs` writes them.

use std::fmt::Write;

use model::{Code, Exit};
use rehearse::{HELM_RULES, RULES};

const ERRORS: &str = "\
# What can be wrong

Made from `crates/model/src/code.rs` by `cargo xtask docs`.

Everything that Portolan finds wrong has a code that stays the same from version to version. A message reads from top to
bottom: what was found here, what it was found in, why that matters, and what to do next:

    error[PL301]: the installation is not as it was when the plan was made
      PersistentVolumeClaim/pvc-postgresql  metadata.annotations[helm.sh/resource-policy]: keep -> (absent)
      why: step 9 relies on it: without it helm deletes the claim
      next: portolan plan --to 2.20 --out new.plan

`error` means that the command ended there; `warning` means that it went on. Below each code is what holds in general. A
message may say it better, since it knows the installation: where the two differ, follow the message.

## Exit codes

| code | meaning |
|---|---|
";

const RULES_HEAD: &str = "\
# What a rehearsal knows

Made from `crates/rehearse/src/rules.rs` and `crates/rehearse/src/helm.rs` by `cargo xtask docs`.

A rehearsal tries a plan in a simulated cluster, in every order in which the things below can happen. Each rule is one
write of one actor, as the real one makes it, and has a number that a story names where the rule decides the outcome. The
last column says where it was read: a path in the source of Kubernetes (1.27 to 1.34) or of Helm (3.14 to 4.3).

[fidelity.md](fidelity.md) says which of these rules were seen at work on a real cluster, under which helm and when.

## Kubernetes

| rule | what it says | read in |
|---|---|---|
";

const RULES_TAIL: &str = "
Every write, whoever makes it, meets the API server first. It gives an object that is created a UID that was never used
before, and claims and volumes their finalizers. It refuses a change of an immutable field, and a write whose UID or
resourceVersion is not the one that is there. An object that is deleted and has finalizers stays, terminating, until the
last of them is gone. A claim without a class gets the default class.

## What goes wrong on purpose

Portolan is killed at every point, as often as it takes. Beside that, one fault is tried in each order of events: the answer
to a write is lost, a write of helm fails, helm is killed. A request to stop is tried between any two events.

## What is not modelled

What can reach a volume and is not modelled makes the volume Unknown, and a plan with an Unknown volume is not applied:

- a claim that something other than a pod or a StatefulSet mounts: a Deployment, a Job, a CronJob, a DaemonSet, or a kind of
  some operator
- a claim that is owned by something other than a StatefulSet
- a search that was broken off because there were too many worlds

What is simplified, always to the worse side:

- the reclaim policy Recycle, and any that is not known, erases as Delete does

What is left out, and no verdict tells you:

- scale-down: a StatefulSet with fewer replicas than before keeps its pods, and `whenScaled` of its claim retention policy
  does nothing (`whenDeleted` is modelled)
- server-side apply, which Helm 4 can use: the rehearsal patches from three sides, as Helm 3 does, and as Helm 4 does for a
  release that Helm 3 made
- hooks of a chart: a rehearsal does not carry them out. Helm deletes a hook's object before it makes it again, so a plan
  whose chart has an existing claim or volume among its hooks shows PL501; such a plan is refused
- other people and other controllers: operators, GitOps, admission webhooks, quotas. A run compares what its
  plan relies on before its first write; after that, each write names the UID and the version of its object, and helm is
  started only at the revision that was planned
- nodes that fail, volumes that cannot be attached or are full, storage that loses data by itself
- what is in a database beyond its identity, its password and its tables' rows and columns
- time: whatever can happen later is tried at once as well
";

/// `docs/errors.md`: every code and every exit code.
#[must_use]
pub fn errors() -> String {
    let mut out = ERRORS.to_owned();
    for (exit, meaning) in Exit::TABLE {
        let _ = writeln!(out, "| {} | {meaning} |", exit as u8);
    }
    for &code in Code::ALL {
        let exit = code.exit();
        let meaning = Exit::TABLE.iter().find(|row| row.0 == exit).map_or("", |row| row.1);
        let _ = write!(
            out,
            "\n## {code} {}\n\n- Why it matters: {}\n- What to do next: {}\n- Exit code: {} ({meaning})\n",
            code.title(),
            code.why(),
            code.next(),
            exit as u8,
        );
    }
    out
}

/// `docs/rules.md`: every rule of the simulation, and what it leaves out.
#[must_use]
pub fn rules() -> String {
    let mut out = RULES_HEAD.to_owned();
    for (_, number, says, source) in RULES {
        let _ = writeln!(out, "| {number} | {says} | `{source}` |");
    }
    out.push_str("\n## Helm\n\n| rule | what it says | read in |\n|---|---|---|\n");
    for (number, says, source) in HELM_RULES {
        let _ = writeln!(out, "| {number} | {says} | `{source}` |");
    }
    out.push_str(RULES_TAIL);
    out
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_pages_in_docs_are_those_of_the_tables() {
        assert_eq!(super::errors(), include_str!("../../../docs/errors.md"), "run cargo xtask docs");
        assert_eq!(super::rules(), include_str!("../../../docs/rules.md"), "run cargo xtask docs");
    }

    #[test]
    fn a_table_cell_stays_one_cell() {
        let cells = rehearse::RULES.iter().map(|rule| (rule.2, rule.3));
        let helm = rehearse::HELM_RULES.iter().map(|rule| (rule.1, rule.2));
        for (says, source) in cells.chain(helm) {
            assert!(![says, source].iter().any(|text| text.contains('|') || text.contains('\n')), "{says}");
        }
    }
}
