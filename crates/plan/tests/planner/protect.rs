//! The protections alone.

use portolan_model::{Code, Coverage, HelmClient, Plan, Ref, ScopeCoverage, Severity};
use portolan_plan::linter::lint;
use portolan_plan::planner;
use semver::Version;

use crate::fixture::{Fixture, NS, at_2_8, at_2_13, words};

fn protect(fixture: &Fixture) -> Plan {
    let helm = HelmClient::Simulated { version: Version::new(3, 14, 4) };
    planner::protect(&fixture.inventory, &helm).expect("it can be protected").file.plan
}

#[test]
fn what_does_not_hold_yet_is_done_and_nothing_else() {
    let mut fixture = at_2_8();
    let plan = protect(&fixture);
    let verify = "verify PersistentVolumeClaim/pvc-postgresql in ";
    assert_eq!(words(&plan, 0), ["retain PersistentVolume/pv-1", "keep PersistentVolumeClaim/pvc-postgresql", verify]);
    assert_eq!(lint(&plan), []);
    assert!(plan.preconditions.contains_key(&Ref::volume("pv-1")));
    fixture.inventory.volumes[0].policy = Some("Retain".into());
    assert_eq!(words(&protect(&fixture), 0), ["keep PersistentVolumeClaim/pvc-postgresql", verify]);
    fixture.inventory.volumes[0].keep_live = Some("keep".into());
    assert!(protect(&fixture).hops.is_empty());
    // A PVC that the release's manifest does not have is nothing to helm.
    let made = "verify PersistentVolumeClaim/data-runai-backend-postgresql-0 in ";
    assert_eq!(words(&protect(&at_2_13()), 0), ["retain PersistentVolume/pv-1", made]);
}

#[test]
fn a_release_that_cannot_be_upgraded_can_be_protected() {
    let mut fixture = at_2_8();
    fixture.secrets.clear();
    fixture.inventory.release.status = portolan_model::ReleaseStatus::Failed;
    assert_eq!(protect(&fixture).hops.len(), 1);
    for ScopeCoverage { scope, coverage } in &mut fixture.inventory.coverage {
        if scope.kind == "PersistentVolumeClaim" {
            *coverage = Coverage::Denied("403".into());
        }
    }
    let helm = HelmClient::Simulated { version: Version::new(3, 14, 4) };
    let finding = planner::protect(&fixture.inventory, &helm).expect_err("what is not seen cannot be protected");
    assert_eq!(finding.code, Code::NotVisible);
}

#[test]
fn a_volume_that_cannot_be_protected_does_not_keep_the_others_from_it() {
    let helm = HelmClient::Simulated { version: Version::new(3, 14, 4) };
    let mut fixture = at_2_8();
    let mut other = fixture.inventory.volumes[0].clone();
    other.claim = Ref::claim(NS, "other");
    other.volume = Some(Ref::volume("pv-2"));
    (other.terminating, other.in_manifest) = (true, false);
    fixture.inventory.volumes.push(other);
    let planner::Protection { file, open } = planner::protect(&fixture.inventory, &helm).expect("it can be protected");
    let verify = "verify PersistentVolumeClaim/pvc-postgresql in ";
    let guards = [
        "retain PersistentVolume/pv-1",
        "retain PersistentVolume/pv-2",
        "keep PersistentVolumeClaim/pvc-postgresql",
        verify,
    ];
    assert_eq!(words(&file.plan, 0), guards);
    assert_eq!(
        open.iter().map(|finding| (finding.code, finding.severity)).collect::<Vec<_>>(),
        [(Code::NotSafe, Severity::Blocking)]
    );
    // The deletion that has begun does not stand in the way of what saves its disk.
    let relies_on_life = |claim: &Ref| {
        let fields = file.plan.preconditions.get(claim).into_iter().flat_map(|one| &one.fields);
        fields.into_iter().any(|field| field.pointer.to_string() == "/metadata/deletionTimestamp")
    };
    let lives: Vec<bool> = fixture.inventory.volumes.iter().map(|volume| relies_on_life(&volume.claim)).collect();
    assert_eq!(lives, [true, false]);
    // Nothing holds a volume that is being deleted itself.
    fixture.inventory.volumes[1].terminating = false;
    fixture.inventory.volumes[1].volume_terminating = true;
    let planner::Protection { file, open } = planner::protect(&fixture.inventory, &helm).expect("it can be protected");
    assert_eq!(
        words(&file.plan, 0),
        ["retain PersistentVolume/pv-1", "keep PersistentVolumeClaim/pvc-postgresql", verify]
    );
    assert_eq!(open[0].object(), Some(&Ref::volume("pv-2")));
}

#[test]
fn what_takes_a_protected_claim_along_is_told() {
    let helm = HelmClient::Simulated { version: Version::new(3, 14, 4) };
    for (policy, told) in [("Delete", true), ("Retain", false)] {
        let mut fixture = at_2_13();
        let name = Ref::set(NS, "runai-backend-postgresql");
        let mut json = (*fixture.inventory.objects[&name].0).clone();
        json["spec"]["persistentVolumeClaimRetentionPolicy"] = serde_json::json!({"whenDeleted": policy});
        fixture.inventory.objects.insert(name, portolan_model::Object::new(json));
        let open = planner::protect(&fixture.inventory, &helm).expect("it can be protected").open;
        assert_eq!(
            open.iter().map(|finding| finding.code).collect::<Vec<_>>(),
            [Code::DeletedWith][..usize::from(told)]
        );
    }
}
