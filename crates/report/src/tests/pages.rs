//! Whole pages, as they are to be read.

use portolan_model::Outcome;
use portolan_rehearse::ClaimDeletion;

use super::samples::{self, FOLDER};
use crate::{Document, Style};

/// The page without colours; the plan's digest is of no interest.
pub(super) fn shown(page: &Document, plan: &portolan_model::Plan) -> String {
    page.terminal(&Style::default()).replace(plan.digest().short(), "3f9c2a71")
}

#[track_caller]
fn reads(page: &Document, plan: &portolan_model::Plan, expected: &str) {
    let text = shown(page, plan);
    assert!(text == expected, "the page reads:\n{text}");
}

#[test]
fn a_survey() {
    let plan = samples::plan();
    let page = crate::survey(&samples::inventory(), Some("Simulated installation openshift-2.8."));
    reads(&page, &plan, SURVEY);
}

#[test]
fn a_plan() {
    let plan = samples::plan();
    let page = crate::plan(&plan, &plan.digest(), Some(&samples::rehearsed(&samples::safe())), crate::Commands::Shown);
    reads(&page, &plan, PLAN);
}

#[test]
fn a_plan_over_two_releases_names_both_and_says_on_which_a_hop_works() {
    let mut plan = samples::plan();
    let other = portolan_model::ReleaseId { namespace: "runai".into(), name: "cluster".into() };
    plan.other_releases = vec![other.clone()];
    plan.hops.push(portolan_model::Hop { release: Some(other), ..plan.hops[0].clone() });
    let page = crate::plan(&plan, &plan.digest(), None, crate::Commands::Hidden);
    let text = shown(&page, &plan);
    assert!(text.contains("\nRelease  runai-backend/runai-backend and runai/cluster\n"), "{text}");
    let headings: Vec<&str> = text.lines().filter(|line| line.starts_with("Hop ")).collect();
    let way = "runai-backend 2.8.20 -> control-plane 2.20.41";
    assert_eq!(headings, [format!("Hop 1 of 2   {way}"), format!("Hop 2 of 2   {way}   release runai/cluster")]);
    let text = shown(&crate::looked_at(&plan, std::path::Path::new(FOLDER)), &plan);
    assert!(text.contains("runai-backend in namespace runai-backend and cluster in namespace runai"), "{text}");
}

#[test]
fn a_rehearsal() {
    let plan = samples::plan();
    let page = crate::rehearsal(&plan, &samples::rehearsed(&samples::safe()));
    reads(&page, &plan, REHEARSAL);
}

#[test]
fn a_rehearsal_that_is_not_safe() {
    let (plan, forecast) = samples::unguarded();
    let page = crate::rehearsal(&plan, &samples::rehearsed(&forecast));
    reads(&page, &plan, REHEARSAL_THAT_IS_NOT_SAFE);
}

#[test]
fn what_prevents_a_bad_end_depends_on_who_deleted_the_pvc() {
    let (plan, forecast) = samples::unguarded();
    for (deletion, said) in [
        (Some(ClaimDeletion::HelmUpgrade), "Prevented by: helm.sh/resource-policy: keep on the PVC (then Safe)."),
        (
            Some(ClaimDeletion::HelmUninstall),
            "keep on the PVC does not prevent it: helm uninstall reads it in the stored",
        ),
        (Some(ClaimDeletion::Collected), "keep on the PVC does not prevent it: the garbage collector"),
        (Some(ClaimDeletion::Another), "keep on the PVC does not prevent it: only helm reads it"),
        (None, "The plan has step 1 (retain); that does not prevent it here."),
    ] {
        let mut forecast = forecast.clone();
        forecast.volumes[0].ends.values_mut().for_each(|trace| trace.deletion = deletion);
        let page = crate::rehearsal(&plan, &samples::rehearsed(&forecast)).markdown();
        assert!(page.contains(said), "{deletion:?}: {page}");
        assert_eq!(page.contains("Prevented by"), deletion == Some(ClaimDeletion::HelmUpgrade), "{deletion:?}: {page}");
        let saved = "(retain); that is why it is Detached, not Lost.";
        assert_eq!(page.contains(saved), deletion.is_some(), "{deletion:?}: {page}");
    }
}

#[test]
fn a_page_followed_by_hand() {
    let plan = samples::plan();
    let lines = vec![
        (36, "kubectl delete secret -n runai-backend runai-backend-postgresql".to_owned()),
        (
            113,
            "helm upgrade -i runai-backend -n runai-backend runai-backend/control-plane \
               --set global.domain=runai.apps.prod --set global.config.kubernetesDistribution=openshift"
                .to_owned(),
        ),
    ];
    let page = crate::page_script("The page, followed by hand", &lines, &samples::rehearsed(&samples::lost()), &[]);
    reads(&page, &plan, PAGE_FOLLOWED_BY_HAND);
}

#[test]
fn a_refusal() {
    let plan = samples::plan();
    let page = crate::finding(&samples::moved());
    reads(&page, &plan, REFUSAL);
}

#[test]
fn a_status_of_a_run_that_stopped() {
    let plan = samples::plan();
    let entries = samples::journal(6, Some(Outcome::StoppedSafely));
    let page = crate::status(&plan, &entries, FOLDER);
    reads(&page, &plan, STATUS_OF_A_RUN_THAT_STOPPED);
}

#[test]
fn a_report_of_a_run() {
    let plan = samples::plan();
    let entries = samples::journal(9, Some(Outcome::Finished));
    let page =
        crate::run(&plan, &entries, &samples::run_end(Some(&samples::rehearsed(&samples::safe())), &samples::now()));
    reads(&page, &plan, REPORT_OF_A_RUN);
}

const SURVEY: &str = r#"Simulated installation openshift-2.8.

Server    https://api.prod:6443   user jdoe   cluster 5c1e0f2a   OpenShift 4.14.31
Release   runai-backend/runai-backend   chart runai-backend-2.8.20   revision 7, deployed 2024-02-11
History   revisions 7 (2.8.20, deployed), 6 (2.8.20, superseded), 5 (2.8.20, failed), and 1 older
          cannot be read: revision 3
Hosts     runai.apps.prod
Storage   standard (default, Delete)   1 other class
Helm      3.14.4  /usr/local/bin/helm
Requests  38 reads, 0 writes   not seen: 1 kind

VOLUME    PVC             RECLAIM  KEEP         MOUNTED BY    IF UNINSTALLED TODAY
                                   live/stored
pvc-8a1f  pvc-postgresql  Delete   no / no      postgresql-0  Lost: the PVC is the release's, and
                                                              the volume's policy is Delete

Lost: the volume's data is erased.

1 volume holds data and would be lost if the release were uninstalled today.

1 of 2 workloads ready.

NOT READY                             STATE
StatefulSet/runai-backend-postgresql  0 of 1 ready

Not seen: StorageClass (whole cluster). What depends on it is Unknown, never Safe.

Next: portolan plan --to VERSION      shows every step; writes nothing
"#;

const PLAN: &str = r#"Plan     3f9c2a71   runai-backend 2.8.20 -> control-plane 2.20.41   1 hop (a run of helm)
         for cluster 5c1e0f2a, while 1 object is unchanged
Release  runai-backend/runai-backend
Server   https://api.prod:6443
Helm     3.14.4  /usr/local/bin/helm
Data     pvc-8a1f (pvc-postgresql)   database backend on postgresql-0
Recipes  into 2.9, into 2.12

warning[PL210]: storage classes may not be read
  why: what is not seen cannot be called safe
  next: ask for the rights named

+ create  ~ change  - delete  = no change, or kept  @ adopt  ! cannot be undone

1  ~ retain   PersistentVolume/pvc-8a1f             reclaim policy Delete -> Retain    page line 36
   kubectl patch pv pvc-8a1f -p '{"spec":{"persistentVolumeReclaimPolicy":"Retain"}}'
2  ~ keep     PersistentVolumeClaim/pvc-postgresql  helm.sh/resource-policy: keep      page line 67
   kubectl annotate pvc pvc-postgresql helm.sh/resource-policy=keep
3  = record   database backend on postgresql-0                                         portolan
              identity, and how many rows each table has; no backup
4  = archive  Secret/runai-backend-postgresql, StatefulSet/runai-backend-postgresql    portolan
5  - delete   StatefulSet/runai-backend-postgresql  archived in step 4                 page line 39
   kubectl delete sts -n runai-backend runai-backend-postgresql
6  = wait     Pod/postgresql-0                      ended, in at most 2 min 0 s        page line 39
   kubectl wait --for=delete pod -n runai-backend postgresql-0
7  ! helm     upgrade runai-backend control-plane 2.20.41 (sha256:cc57fc19)            page line 113
              1 add, 0 change, 1 delete
   helm upgrade runai-backend control-plane-2.20.41.tgz -n runai-backend --reset-then-reuse-values \
     -f values.yaml --set postgresql.primary.persistence.existingClaim=pvc-postgresql
     = PersistentVolumeClaim/pvc-postgresql  held back by keep (step 2)
     - Route/old                             the new chart does not have it
     + PersistentVolumeClaim/data-redis-0    new and empty, 8Gi, the default class
8  = verify   PersistentVolumeClaim/pvc-postgresql                                     portolan
              still on pvc-8a1f, mounted by postgresql-0
9  = verify   database backend on postgresql-0      the same database, nothing gone    portolan

VALUE SET TODAY    BECOMES
deployment.domain  global.domain
theme              you decide: no recipe knows it

1 value set today goes on as it is.

Plan: 1 to add, 2 to change, 2 to delete, 1 to keep; 1 step cannot be undone (7).
Rehearsed: 1 volume Safe in 31,204 states of a simulated cluster, with a crash at any of 2,118
  points, in 0.8 s.

Next: portolan apply --to 2.20.41      plan --out FILE saves the plan
"#;

const REHEARSAL: &str = r#"Plan       3f9c2a71   runai-backend 2.8.20 -> control-plane 2.20.41
Release    runai-backend/runai-backend
Looked at  31,204 states of a simulated cluster, 61,000 events that lead from one to the next, 2,118
           crash points (where Portolan or helm is killed), in 0.8 s (39,005 states a second)

VOLUME    PVC             VERDICT  WHY
pvc-8a1f  pvc-postgresql  Safe     mounted by the new workload in all of 12 finished ends; held by
                                   its PVC in all of 30 stopped ends

Safe: the volume survives and its workload mounts it, or its PVC holds it where the run stops.

No rules for 2 objects: ConfigMap 1, Service 1. None of them is one of these PVCs or volumes, names
  one of these PVCs, or owns a pod that does, so none can reach a volume.

Safe: 1 volume, in every order of events that was looked at, with a crash at any of 2,118 points.

Next: portolan apply --to 2.20.41
"#;

const REHEARSAL_THAT_IS_NOT_SAFE: &str = r#"Plan       3f9c2a71   runai-backend 2.8.20 -> control-plane 2.20.41
Release    runai-backend/runai-backend
Looked at  31,204 states of a simulated cluster, 61,000 events that lead from one to the next, 2,118
           crash points (where Portolan or helm is killed), in 0.8 s (39,005 states a second)

VOLUME    PVC             VERDICT   WHY
pvc-8a1f  pvc-postgresql  Detached  Detached in 212 of 306 ends, Safe in 94

Detached: the volume keeps its data, and no workload mounts it any more.
Safe: the volume survives and its workload mounts it, or its PVC holds it where the run stops.

pvc-8a1f (pvc-postgresql)

ENDS  VERDICT   RUN       RELEASE   GOES WRONG AT
 212  Detached  stopped   deployed  step 6
  94  Safe      finished  deployed

The shortest way there:

  step 5  helm deletes PersistentVolumeClaim/pvc-postgresql: the new chart does not have it
  step 6  PersistentVolumeClaim/pvc-postgresql goes                                          rule R6
  step 6  PersistentVolume/pvc-8a1f is released                                              rule R5

Decided by rule H12: what only the old manifest has is deleted last, unless its live annotation is
  exactly keep; helm 3 before 3.17.1 compares kinds without their groups, and helm 4.0.0 to 4.1.0
  versions too (pkg/kube/client.go).
R5: a volume whose PVC is gone is released.
R6: a PVC that is being deleted goes when no scheduled pod names it.

Prevented by: helm.sh/resource-policy: keep on the PVC (then Safe).
Left out of this plan: keep (--without).
The plan has step 1 (retain); that is why it is Detached, not Lost.

No rules for 2 objects: ConfigMap 1, Service 1. None of them is one of these PVCs or volumes, names
  one of these PVCs, or owns a pod that does, so none can reach a volume.

Not Safe: this plan is not applied.

Next: portolan plan --to 2.20.41      leaves nothing out
"#;

const PAGE_FOLLOWED_BY_HAND: &str = r#"The page, followed by hand

line 36   kubectl delete secret -n runai-backend runai-backend-postgresql
line 113  helm upgrade -i runai-backend -n runai-backend runai-backend/control-plane \
            --set global.domain=runai.apps.prod \
            --set global.config.kubernetesDistribution=openshift

Looked at  31,204 states of a simulated cluster, 61,000 events that lead from one to the next, 2,118
           crash points (where Portolan or helm is killed), in 0.8 s (39,005 states a second)

pvc-8a1f (pvc-postgresql)

Lost in 212 of 306 ends, Doomed in 94, Safe in 0

Lost: the volume's data is erased.
Doomed: the volume's deletion has begun, and its data is erased when its last pod goes.

ENDS  VERDICT  RUN       RELEASE   GOES WRONG AT
 212  Lost     finished  deployed  line 113
  94  Doomed   finished  deployed  line 113

The shortest way there:

  line 36   kubectl delete secret runai-backend-postgresql
  line 113  helm upgrade
            helm deletes PersistentVolumeClaim/pvc-postgresql: the new chart does not have
            it
            PersistentVolumeClaim/pvc-postgresql goes                                        rule R6
            PersistentVolume/pvc-8a1f and its disk are erased                                rule R8

Decided by rule R8: a released volume with policy Delete is erased, with its disk
  (pkg/controller/volume/persistentvolume/pv_controller.go).
R6: a PVC that is being deleted goes when no scheduled pod names it.

No rules for 2 objects: ConfigMap 1, Service 1. None of them is one of these PVCs or volumes, names
  one of these PVCs, or owns a pod that does, so none can reach a volume.

Not Safe: pvc-postgresql Lost.

Next: portolan plan --to VERSION      sets Retain and keep before anything is deleted
"#;

const REFUSAL: &str = r#"error[PL301]: the installation is not as it was when the plan was made; nothing was written
  PersistentVolumeClaim/pvc-postgresql
    metadata.annotations.helm.sh/resource-policy: keep -> (absent)
  29 of 30 objects are unchanged
  why: step 8 relies on it: helm deletes a PVC, or keeps it, by this annotation
  next: portolan plan
"#;

const STATUS_OF_A_RUN_THAT_STOPPED: &str = r#"Run      3f9c2a71   runai-backend 2.8.20 -> control-plane 2.20.41   6 of 9 steps done
Release  runai-backend/runai-backend   https://api.prod:6443
Folder   ~/.local/state/portolan/5c1e0f2a/runai-backend/7f3a
Times    2025-08-01T10:00:00Z to 2025-08-01T10:01:12Z   72 s   on bastion

Stopped safely after step 6 of 9.
Database backend on postgresql-0 was stopped by this run and has not been started again by it; its
  data is on pvc-8a1f (this run set Retain, keep). By the plan, step 7 brings it back.

VOLUME    PVC             SET BY THIS RUN                 VERIFIED
pvc-8a1f  pvc-postgresql  Retain (step 1), keep (step 2)  not yet: step 8

STEP  WHAT                                                   STATE    NOTE
   1  retain PersistentVolume/pvc-8a1f                       done     reclaim policy is Retain
   2  keep PersistentVolumeClaim/pvc-postgresql              already  annotation is keep
   3  record database backend on postgresql-0                done     PostgreSQL 15.20, 3 tables, 15
                                                                      rows
   4  archive Secret/runai-backend-postgresql,               done     2 objects in the archive
      StatefulSet/runai-backend-postgresql
   5  delete StatefulSet/runai-backend-postgresql            done     StatefulSet/runai-backend-
                                                                      postgresql is gone
   6  wait Pod/postgresql-0                                  done     1 pod ended
   7  helm upgrade runai-backend control-plane 2.20.41       here
   8  verify PersistentVolumeClaim/pvc-postgresql            to come
   9  verify database backend on postgresql-0                to come

Next: portolan apply 3f9c2a71      goes on at step 7
"#;

const REPORT_OF_A_RUN: &str = r#"Run      3f9c2a71   runai-backend 2.8.20 -> control-plane 2.20.41
Release  runai-backend/runai-backend
Server   https://api.prod:6443   cluster 5c1e0f2a
Helm     3.14.4  /usr/local/bin/helm
Times    2025-08-01T10:00:00Z to 2025-08-01T10:01:39Z   99 s   on bastion
Folder   ~/.local/state/portolan/5c1e0f2a/runai-backend/7f3a

Finished: all 9 steps are done and verified.
Rehearsed: 1 volume Safe in 31,204 states of a simulated cluster, with a crash at any of 2,118
  points, in 0.8 s.

Volumes

VOLUME    PVC             VERDICT  WHY
pvc-8a1f  pvc-postgresql  Safe     PersistentVolumeClaim/pvc-postgresql is on
                                   PersistentVolume/pvc-8a1f, same UIDs (step 8, volume UID v-1)

Database backend on postgresql-0

identity  7291000000000000001  same
server    PostgreSQL 15.20
tables    4: 1 equal, 1 new, 1 grew, 1 changed by the migration, 0 gone

CHANGE                    TABLES
changed by the migration  public.clusters
grew                      keycloak.users
new                       public.new

Steps

STEP  WHAT                                             STATE    TOOK  NOTE
   1  retain PersistentVolume/pvc-8a1f                 done      9 s  reclaim policy is Retain
   2  keep PersistentVolumeClaim/pvc-postgresql        already   9 s  annotation is keep
   3  record database backend on postgresql-0          done      9 s  PostgreSQL 15.20, 3 tables, 15
                                                                      rows
   4  archive Secret/runai-backend-postgresql,         done      9 s  2 objects in the archive
      StatefulSet/runai-backend-postgresql
   5  delete StatefulSet/runai-backend-postgresql      done      9 s  StatefulSet/runai-backend-
                                                                      postgresql is gone
   6  wait Pod/postgresql-0                            done      9 s  1 pod ended
   7  helm upgrade runai-backend control-plane         done      9 s  revision 8 deployed; the
      2.20.41                                                         stored manifest is the planned
                                                                      one (41 objects)
   8  verify PersistentVolumeClaim/pvc-postgresql      done      9 s  PersistentVolumeClaim/pvc-
                                                                      postgresql is on
                                                                      PersistentVolume/pvc-8a1f,
                                                                      same UIDs
   9  verify database backend on postgresql-0          done      9 s  same database; 4 tables: 1
                                                                      equal, 1 grew, 1 new, changed
                                                                      by the migration:
                                                                      public.clusters

What stays

Retain and keep stay on pvc-postgresql (pvc-8a1f).
With Retain the disk outlives its PVC; with keep a later helm upgrade leaves the PVC. Leave them on.

2 objects as before the run: `portolan archive list 3f9c2a71`.

Rolling back

Step 7 cannot be undone: what the migrations changed in a database stays changed under an older
  chart.

There is no tested way back to runai-backend 2.8.20: the API server refuses the older chart where it
  changes a field that cannot be changed, such as a StatefulSet's volumeClaimTemplates, and helm
  then stops half-way.
Never `helm rollback`: it does not take over a PVC that was kept, and can fail half-way.
Whatever is tried: pvc-8a1f (pvc-postgresql) is protected by Retain and keep.

Step 5: helm has installed the new chart since; there is nothing to put back. `portolan archive
  export 3f9c2a71` writes the copies.
Step 1 protected the data: leave that on.

Next: portolan verify 3f9c2a71      checks volumes and database again, at any time
"#;

#[test]
fn a_forecast_for_programs() {
    let value = crate::json::forecast(&samples::safe());
    assert_eq!(value["headline"], "Safe");
    assert_eq!(value["safe"], true);
    let expected = serde_json::json!([
        {"verdict": "Safe", "end": "Finished", "release": "deployed", "seen": "Safe", "holds": true, "worlds": 12,
         "at_step": 6, "trace": []},
        // Nobody mounts the volume where the run stopped, and its PVC holds it.
        {"verdict": "Safe", "end": "Stopped", "release": "deployed", "seen": "Detached", "holds": true, "worlds": 30,
         "at_step": 6, "trace": []}
    ]);
    assert_eq!(value["volumes"][0]["ends"], expected);
    assert_eq!(value["volumes"][0]["claim"], "PersistentVolumeClaim/runai-backend/pvc-postgresql");
}

#[test]
fn a_written_report() {
    let plan = samples::plan();
    let page =
        crate::run(&plan, &samples::journal(9, Some(Outcome::Finished)), &samples::run_end(None, &samples::now()));
    let text = page.markdown();
    let row = "| pvc-8a1f | pvc-postgresql | **Safe** | PersistentVolumeClaim/pvc-postgresql is on \
               PersistentVolume/pvc-8a1f, same UIDs (step 8, volume UID v-1) |";
    assert!(text.contains("## Volumes\n\n| VOLUME | PVC | VERDICT | WHY |\n|---|---|---|---|\n"), "{text}");
    assert!(text.contains(row), "{text}");
    assert!(text.contains("**Never `helm rollback`**"), "{text}");
    let plan = crate::plan(&plan, &plan.digest(), None, crate::Commands::Shown).markdown();
    let step = "1. `~` **retain** PersistentVolume/pvc-8a1f: reclaim policy Delete \u{2192} Retain (page line 36)\n\n   \
                Because of retain.\n\n   ```sh\n   kubectl patch pv pvc-8a1f -p ";
    assert!(plan.contains(step), "{plan}");
}
