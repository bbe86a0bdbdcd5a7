//! Charts out of a repository on this machine, fetched by a real helm: the last one that `PORTOLAN_TEST_HELM` names.

use std::io::Write as _;
use std::process::Stdio;

use portolan_testkit::repository::{Repository, RepositoryContents};
use serde_json::Value;

use crate::support::{Came, User, came, helms};

fn contents() -> RepositoryContents {
    let archive = |chart: portolan_helm_compat::chart::PackedChart| {
        (chart.id.name.clone(), chart.id.version.to_string(), chart.archive)
    };
    RepositoryContents {
        archives: portolan_fixtures::charts().into_iter().map(archive).collect(),
        ..RepositoryContents::default()
    }
}

/// A command of a user who has helm, with something on its standard input.
fn run(user: &User, line: &str, input: &str) -> Came {
    let mut command = user.command(line);
    let mut child = command
        .env("PORTOLAN_HELM", helms().pop().expect("a helm"))
        .stdin(Stdio::piped())
        .spawn()
        .expect("the program starts");
    child.stdin.take().expect("an input").write_all(input.as_bytes()).expect("it reads");
    came(&child.wait_with_output().expect("it ends"))
}

fn plan_file(user: &User, name: &str) -> Value {
    serde_json::from_str(&std::fs::read_to_string(user.path(name)).expect("a plan")).expect("JSON")
}

#[test]
#[ignore = "needs the rig: cargo xtask test"]
fn a_chart_from_a_repository_makes_the_plan_that_the_same_file_makes() {
    let user = User::new();
    let repository =
        Repository::start(RepositoryContents { login: Some(("me".into(), "hidden".into())), ..contents() });
    let repository = repository.expect("a repository");
    let url = repository.url();
    user.ok("plan --sim openshift-2.8 --to 2.20 --out here.plan");
    let line =
        format!("plan --sim openshift-2.8 --to 2.20 --repo {url}/ --username me --password-stdin --out there.plan");
    let came = run(&user, &line, "hidden\n");
    assert_eq!(came.code, 0, "{}", came.stderr);
    let (here, there) = (plan_file(&user, "here.plan"), plan_file(&user, "there.plan"));
    assert_eq!(here["plan"], there["plan"]);
    assert_eq!(here["objects"], there["objects"]);
    assert_eq!(here["fetched"], Value::Null);
    assert_eq!(there["fetched"][0]["from"], url.as_str());
    for named in [
        &format!("Chart  control-plane 2.20.41 from {url}, sha256:"),
        &format!("helm repo add runai-backend {url}"),
        "helm pull runai-backend/control-plane --version 2.20.41",
    ] {
        assert!(came.stdout.contains(named), "{named}\n{}", came.stdout);
    }
    let told = format!("{}{}{}", came.stdout, came.stderr, there);
    assert!(!told.contains("hidden"), "the password is told");
    assert!(!user.path(".config").exists() && !user.path(".cache/helm").exists(), "helm has left something");
}

#[test]
#[ignore = "needs the rig: cargo xtask test"]
fn without_a_version_it_is_told_what_there_is() {
    let user = User::new();
    let repository = Repository::start(contents()).expect("a repository");
    let url = repository.url();
    let came = run(&user, &format!("plan --sim openshift-2.8 --repo {url}"), "");
    assert_eq!(came.code, 3, "{}", came.stderr);
    assert!(came.stderr.contains("error[PL202]") && came.stderr.contains("available: control-plane 2.20.41"));
    assert_eq!(repository.seen(), ["/index.yaml"]);
}

#[test]
#[ignore = "needs the rig: cargo xtask test"]
fn another_address_under_the_usual_name_is_told() {
    let user = User::new();
    let repository = Repository::start(contents()).expect("a repository");
    let url = repository.url();
    user.write("list.yaml", "repositories: [{name: runai-backend, url: 'https://old.example.com/charts'}]");
    let mut command = user.command(&format!("plan --sim openshift-2.8 --to 2.20 --repo {url}"));
    command.env("PORTOLAN_HELM", helms().pop().expect("a helm")).env("HELM_REPOSITORY_CONFIG", user.path("list.yaml"));
    let came = came(&command.output().expect("the program starts"));
    assert_eq!(came.code, 0, "{}", came.stderr);
    assert!(came.stderr.contains("warning[PL217]"), "{}", came.stderr);
    assert!(came.stderr.contains("https://old.example.com/charts"), "{}", came.stderr);
}
