//! What a rehearsal knows, rule by rule.

use std::fmt::Write;

use portolan_rehearse::{HELM_RULES, RULES};

const HEAD: &str = "\
# What a rehearsal knows

Made from `crates/rehearse/src/rules.rs` and `crates/rehearse/src/helm.rs` by `cargo xtask docs`.

A rehearsal tries a plan in a simulated cluster, in every order in which the things below can happen. Each rule is one
write of one actor, as the real one makes it, and has a number that a trace names where the rule decides the outcome. The
last column says where it was read: a path in the source of Kubernetes (1.27 to 1.34) or of Helm (3.14 to 4.3).

`cargo xtask fidelity` looks in the audit log of a real API server for the effects of these rules, and says in
[fidelity.md](fidelity.md) which it saw, under which helm and when.

## Kubernetes

| rule | what it says | read in |
|---|---|---|
";

const TAIL: &str = "
Every write, whoever makes it, meets the API server first. It gives an object that is created a UID that was never used
before, and PVCs and volumes their finalizers. It refuses a change of an immutable field, and a write whose UID or
resourceVersion is not the one that is there. An object that is deleted and has finalizers stays, terminating, until the
last of them is gone. A PVC without a class gets the default class.

## What goes wrong on purpose

Portolan is killed at every point, as often as it takes. Beside that, one fault is tried in each order of events: the answer
to a write is lost, a write of helm fails, helm is killed. A request to stop is tried between any two events.

## What is not modelled

What can reach a volume and is not modelled makes the volume Unknown, and a plan with an Unknown volume is not applied:

- a PVC that something other than a pod, a StatefulSet or a Deployment mounts: a Job, a CronJob that is not suspended, a
  DaemonSet, a ReplicaSet of no Deployment; workloads with 0 replicas and Jobs that have ended do not count
- a Deployment with strategy RollingUpdate that mounts it, has pods and changes: what its old and its new pod do to the same
  data while both run is not known. A PVC with ReadWriteOncePod is never given to both
- a Deployment that mounts it and is paused, or is deleted and made anew with pods, or gets more pods than it had
- a PVC that a custom resource names anywhere in its spec
- a PVC, or a workload that mounts it, whose owner was not read, or whose owner is a custom resource that the upgrade changes
- a StatefulSet with a `partition` above 0 that mounts it
- a search that was broken off because there were too many worlds

What is simplified, always to the worse side:

- the reclaim policy Recycle, and any that is not known, erases as Delete does

What is left out, and no verdict tells you:

- server-side apply, which Helm 4 can use: the rehearsal patches from three sides, as Helm 3 does, and as Helm 4 does for a
  release that Helm 3 made
- hooks of a chart: a rehearsal does not carry them out. Helm deletes a hook's object before it makes it again, so a plan
  whose chart has an existing PVC or volume among its hooks shows PL501; such a plan is refused
- other people and other controllers: operators, GitOps, admission webhooks, quotas. A run compares what its
  plan relies on before its first write; after that, each write names the UID and the version of its object, and helm is
  started only at the revision that was planned
- nodes that fail, volumes that cannot be attached or are full, storage that loses data by itself
- what is in a database beyond its identity, its password and its tables' rows and columns
- time: whatever can happen later is tried at once as well
";

/// `docs/rules.md`: every rule of the simulation, and what it leaves out.
pub(super) fn page() -> String {
    let mut out = HEAD.to_owned();
    for (_, number, says, source) in RULES {
        let _ = writeln!(out, "| {number} | {says} | `{source}` |");
    }
    out.push_str("\n## Helm\n\n| rule | what it says | read in |\n|---|---|---|\n");
    for (number, says, source) in HELM_RULES {
        let _ = writeln!(out, "| {number} | {says} | `{source}` |");
    }
    out.push_str(TAIL);
    out
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_table_cell_stays_one_cell() {
        let cells = portolan_rehearse::RULES.iter().map(|rule| (rule.2, rule.3));
        let helm = portolan_rehearse::HELM_RULES.iter().map(|rule| (rule.1, rule.2));
        for (says, source) in cells.chain(helm) {
            assert!(![says, source].iter().any(|text| text.contains('|') || text.contains('\n')), "{says}");
        }
    }
}
