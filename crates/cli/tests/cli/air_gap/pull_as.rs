//! A registry with two names: bundles are pushed by one, nodes pull by the other.

use std::collections::BTreeSet;

use super::{PLAN, POSTGRES, STUB, bundle, is_untouched, one_line, registry, run};
use crate::support::User;

/// The name in the recorded renderings.
const PULLED: &str = "rig.local";

#[test]
fn images_are_compared_by_the_name_of_the_nodes_and_asked_for_by_that_of_the_push() {
    let (user, registry) = (User::new(), registry());
    bundle(&user, "whole.tar", &[POSTGRES, STUB]);
    user.ok("sim new openshift-2.8 site");
    let plan = PLAN.replace("openshift-2.8", "site").replace(PULLED, "route.example");
    let without = run(&user, &registry, &plan);
    assert!(without.code == 3 && without.stdout.contains("PL632"), "{}{}", without.stdout, without.stderr);
    let other = run(&user, &registry, &format!("{plan} --pull-as other.example"));
    let told = one_line(&other.stdout);
    assert!(other.code == 3 && told.contains("PL632") && told.contains("values that name other.example"), "{told}");
    let plan = format!("{plan} --pull-as {PULLED}");
    let before = run(&user, &registry, &plan);
    let told = one_line(&before.stdout);
    assert!(before.code == 3 && told.contains("PL631") && !told.contains("PL632"), "{told}{}", before.stderr);
    let push = format!("--to route.example --pull-as {PULLED}");
    assert!(told.contains(&format!("portolan bundle push FILE {push}")), "{told}");
    let planned = run(&user, &registry, &format!("{plan} --bundle whole.tar --out site.plan"));
    assert_eq!(planned.code, 0, "{}{}", planned.stdout, planned.stderr);
    let next = format!("Before it is applied: portolan bundle push whole.tar {push} --plain-http");
    assert!(planned.stderr.contains(&next) && is_untouched(&registry), "{}", planned.stderr);
    let pushed = run(&user, &registry, &format!("bundle push whole.tar {push} --plain-http"));
    assert!(pushed.code == 0 && pushed.stderr.contains(&format!("pull the same from {PULLED}")), "{}", pushed.stderr);
    // The plan keeps both names.
    registry.remove("stub", "1");
    let missing = run(&user, &registry, "apply --sim site site.plan --yes");
    assert!(missing.code == 3 && missing.stderr.contains("error[PL631]"), "{}", missing.stderr);
    let upgraded = run(
        &user,
        &registry,
        &format!(
            "upgrade --sim site --to 2.20 --yes --plain-http --registry route.example --pull-as {PULLED} --bundle whole.tar"
        ),
    );
    assert_eq!(upgraded.code, 0, "{}{}", upgraded.stdout, upgraded.stderr);
    assert_eq!(registry.hosts(), BTreeSet::from(["route.example".to_owned()]));
}

#[test]
fn the_registry_of_openshift_is_given_a_namespace_and_a_name() {
    let (user, registry) = (User::new(), registry());
    bundle(&user, "whole.tar", &["vendor.example/team/postgres:15", STUB]);
    let service = "--plain-http --pull-as image-registry.openshift-image-registry.svc:5000";
    for to in ["route.example", "route.example/site/runai"] {
        for line in [
            format!("bundle push whole.tar --to {to} {service}"),
            format!("plan --sim openshift-2.8 --to 2.20 --bundle whole.tar --registry {to} {service}"),
        ] {
            let came = run(&user, &registry, &line);
            let told = one_line(&came.stderr);
            assert!(came.code == 64 && told.contains("needs a namespace as the path"), "{line}: {} {told}", came.code);
        }
    }
    assert!(registry.seen().is_empty(), "{:?}", registry.seen());
    let came = run(&user, &registry, &format!("bundle push whole.tar --to route.example/site {service}"));
    assert_eq!(came.code, 0, "{}", came.stderr);
    let tags = registry.tags();
    for tag in ["site/postgres:15", "site/stub:1", "site/control-plane:2.20.41"] {
        assert!(tags.contains(&tag.to_owned()), "{tag}: {tags:?}");
    }
    // Another registry with two names keeps the paths of the images.
    let came = run(&user, &registry, "bundle push whole.tar --to route.example/site --pull-as other:5000 --plain-http");
    assert!(came.code == 0 && registry.tags().contains(&"site/team/postgres:15".to_owned()), "{:?}", registry.tags());
}
