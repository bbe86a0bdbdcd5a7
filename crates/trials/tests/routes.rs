//! What routes answer in a simulated installation.

use portolan_model::{Code, Ref, RouteSeen};
use portolan_trials::sim;

#[test]
fn a_route_answers_while_what_is_behind_it_is_ready() {
    let mut installation = sim::installation("openshift-2.8");
    let file = sim::plan(installation.world(), &["2.20"], &[]).expect("a plan");
    let routes = portolan_kube_facts::routes(&file.plan);
    assert_eq!(routes.len(), 1, "{routes:?}");
    let ask = |installation: &portolan_rehearse::Installation| installation.world().ask_routes(&routes).remove(0);
    let look = ask(&installation);
    assert_eq!(look.seen, RouteSeen::Answers { status: 200, certificate: None });
    assert!(look.finding().is_none());

    let release = &file.plan.release;
    let backend = Ref::new("apps", "Deployment", &release.namespace, &format!("{}-frontend", release.name));
    installation.delete(&backend);
    let look = ask(&installation);
    assert_eq!(look.seen, RouteSeen::Fails { status: 503 });
    assert_eq!(look.finding().map(|finding| finding.code), Some(Code::RouteDown));

    installation.delete(&routes[0]);
    assert!(matches!(ask(&installation).seen, RouteSeen::Broken { .. }));
}
