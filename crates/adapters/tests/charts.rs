//! Charts from a repository and from a registry, fetched by real helms: `PORTOLAN_TEST_HELM` names them, with colons
//! between them, and `PORTOLAN_TEST_REGISTRY` the registry's program.

use std::ffi::OsString;
use std::path::Path;

use base64::Engine as _;
use portolan_adapters::charts::{Access, ChartSource, Files, Listing, Login};
use portolan_adapters::helm;
use portolan_model::{ChartId, Code, Digest, Finding, HelmClient};
use portolan_testkit::registry::{LOGIN, Registry};
use portolan_testkit::repository::{Repository, RepositoryContents};
use serde_json::json;

const CHART: &str = "control-plane";

async fn helms() -> Vec<HelmClient> {
    let paths = std::env::var_os("PORTOLAN_TEST_HELM").expect("PORTOLAN_TEST_HELM");
    let mut all = Vec::new();
    for path in std::env::split_paths(&paths) {
        all.push(helm::find(Some(&path)).await.expect("a helm"));
    }
    assert!(!all.is_empty(), "there is a helm");
    all
}

/// The fixture charts.
fn contents() -> RepositoryContents {
    let archive = |chart: portolan_helm_compat::chart::PackedChart| {
        (chart.id.name.clone(), chart.id.version.to_string(), chart.archive)
    };
    RepositoryContents {
        archives: portolan_fixtures::charts().into_iter().map(archive).collect(),
        ..RepositoryContents::default()
    }
}

fn id(version: &str) -> ChartId {
    ChartId { name: CHART.into(), version: version.parse().expect("a version") }
}

fn names() -> Vec<String> {
    vec!["runai-backend".into(), CHART.into()]
}

fn login(password: &str) -> Access {
    Access { login: Some(Login { username: "me".into(), password: password.into() }), plain_http: false }
}

/// The files of a user whose list of repositories lies in a folder.
fn files(folder: &Path) -> Files {
    let list = OsString::from(folder.join("repositories.yaml"));
    Files::by(&|name| (name == "HELM_REPOSITORY_CONFIG").then(|| list.clone()))
}

/// Lists a repository and fetches 2.20.41.
async fn fetch(url: &str, access: &Access, files: &Files, helm: &HelmClient) -> Result<(Vec<u8>, String), Finding> {
    let source = ChartSource::parse(url).expect("an address");
    let listing = Listing::of(&source, &names(), access, files, helm).await?;
    listing.fetch(&id("2.20.41")).await
}

#[tokio::test]
#[ignore = "needs the rig: cargo xtask test"]
async fn what_is_chosen_is_fetched_and_nothing_else() {
    for helm in helms().await {
        let contents = contents();
        let known = contents.archives.clone();
        let repository = Repository::start(contents).expect("a repository");
        let source = ChartSource::parse(&repository.url()).expect("an address");
        let access = Access::default();
        let listing = Listing::of(&source, &names(), &access, &Files::default(), &helm).await.expect("a listing");
        assert_eq!(listing.ids().count(), known.len());
        let (archive, from) = listing.fetch(&id("2.20.41")).await.expect("an archive");
        let wanted = known.iter().find(|its| its.1 == "2.20.41").expect("the chart");
        assert_eq!(Digest::of(&archive), Digest::of(&wanted.2));
        assert_eq!(from, repository.url());
        let seen = repository.seen();
        assert_eq!(
            seen.iter().filter(|path| path.ends_with(".tgz")).collect::<Vec<_>>(),
            ["/control-plane-2.20.41.tgz"]
        );
    }
}

#[tokio::test]
#[ignore = "needs the rig: cargo xtask test"]
async fn a_login_is_given_or_known_to_helm() {
    for helm in helms().await {
        let folder = tempfile::tempdir().expect("a folder");
        let files = files(folder.path());
        let contents = RepositoryContents { login: Some(("me".into(), "hidden".into())), ..contents() };
        let repository = Repository::start(contents).expect("a repository");
        let url = repository.url();
        for access in [Access::default(), login("wrong")] {
            let denied = fetch(&url, &access, &files, &helm).await.expect_err("nobody is let in");
            assert_eq!(denied.code, Code::RepositoryDenied, "{denied:?}");
            assert!(denied.evidence.iter().any(|line| line.contains("401")), "{denied:?}");
        }
        fetch(&url, &login("hidden"), &files, &helm).await.expect("the login that was given");
        let list = format!("repositories: [{{name: runai-backend, url: '{url}/', username: me, password: hidden}}]");
        let path = folder.path().join("repositories.yaml");
        std::fs::write(&path, &list).expect("a file");
        fetch(&url, &Access::default(), &files, &helm).await.expect("the login that helm knows");
        let denied = fetch(&url, &login("wrong"), &files, &helm).await.expect_err("the one that was given counts");
        assert_eq!(denied.code, Code::RepositoryDenied);
        assert!(!format!("{denied:?}").contains("hidden"), "{denied:?}");
        assert_eq!(std::fs::read_to_string(path).expect("a file"), list);
    }
}

#[tokio::test]
#[ignore = "needs the rig: cargo xtask test"]
async fn what_is_wrong_with_a_repository_is_told() {
    for helm in helms().await {
        let answer = |path: &str, status: u16, body: &[u8]| {
            let mut contents = contents();
            contents.instead.insert(path.into(), (status, body.to_vec()));
            contents
        };
        let page = b"<html><head><title>Log in</title></head><body>\n<p>Log in: here</p></body></html>";
        let archive = "/control-plane-2.20.41.tgz";
        let mut renamed = contents();
        for its in &mut renamed.archives {
            if its.0 == CHART && its.1 == "2.13.19" {
                its.1 = "2.20.41".into();
            }
        }
        renamed.archives.retain(|its| its.1 == "2.20.41");
        let cases = [
            (answer("/index.yaml", 200, page), Code::BadIndex),
            (answer("/index.yaml", 200, b""), Code::BadIndex),
            (answer("/index.yaml", 404, page), Code::BadIndex),
            (answer("/index.yaml", 403, page), Code::RepositoryDenied),
            (answer("/index.yaml", 503, page), Code::RepositoryUnreachable),
            (RepositoryContents::default(), Code::NotInRepository),
            (answer(archive, 404, page), Code::NotInRepository),
            (answer(archive, 403, page), Code::RepositoryDenied),
            (answer(archive, 200, page), Code::OtherArchive),
            (renamed, Code::OtherChart),
        ];
        for (at, (contents, code)) in cases.into_iter().enumerate() {
            let repository = Repository::start(contents).expect("a repository");
            let finding = fetch(&repository.url(), &Access::default(), &Files::default(), &helm).await;
            let finding = finding.expect_err("something is wrong");
            assert_eq!(finding.code, code, "case {at}, helm {}: {finding:?}", helm.version());
            assert!(!finding.evidence.is_empty(), "{finding:?}");
        }
        let finding = fetch("http://127.0.0.1:1", &Access::default(), &Files::default(), &helm).await;
        let finding = finding.expect_err("nobody is there");
        assert_eq!(finding.code, Code::RepositoryUnreachable, "{finding:?}");
        assert!(finding.evidence.iter().any(|line| line.contains("connection refused")), "{finding:?}");
    }
}

fn registry(login: bool) -> Registry {
    let program = std::env::var_os("PORTOLAN_TEST_REGISTRY").expect("PORTOLAN_TEST_REGISTRY");
    Registry::start(Path::new(&program), login).expect("a registry")
}

/// What helm and docker were told, in a folder: a file of logins for a registry.
fn logins(folder: &Path, name: &str, host: &str) -> OsString {
    let auth = base64::engine::general_purpose::STANDARD.encode(format!("{}:{}", LOGIN.0, LOGIN.1));
    let path = folder.join(name);
    std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
    std::fs::write(&path, json!({ "auths": { host: { "auth": auth } } }).to_string()).expect("a file");
    path.into()
}

/// Pushes the fixture charts with helm itself.
fn push(helm: &HelmClient, folder: &Path, host: &str, logins: &OsString) {
    for (name, version, archive) in contents().archives {
        let path = folder.join(format!("{name}-{version}.tgz"));
        std::fs::write(&path, archive).expect("a file");
        let mut command = std::process::Command::new(helm.path().expect("a program"));
        command.arg("push").arg(&path).arg(format!("oci://{host}/charts")).arg("--plain-http");
        let output = command.env("HELM_REGISTRY_CONFIG", logins).env("HOME", folder).output().expect("helm");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
}

#[tokio::test]
#[ignore = "needs the rig: cargo xtask test"]
async fn a_registry_is_asked_for_its_tags_and_helm_pulls() {
    let open = |login| Access { login, plain_http: true };
    for helm in helms().await {
        let folder = tempfile::tempdir().expect("a folder");
        let registry = registry(true);
        let host = registry.address();
        let helms_file = logins(folder.path(), "helm.json", host);
        push(&helm, folder.path(), host, &helms_file);
        let known = Files::by(&|name| (name == "HELM_REGISTRY_CONFIG").then(|| helms_file.clone()));
        let wanted =
            contents().archives.into_iter().find(|its| its.0 == CHART && its.1 == "2.20.41").expect("the chart").2;
        let given = Some(Login { username: LOGIN.0.into(), password: LOGIN.1.into() });
        for (path, access, files) in [
            ("charts", open(given.clone()), &Files::default()),
            ("charts/control-plane", open(given), &Files::default()),
            ("charts", open(None), &known),
        ] {
            let (archive, from) =
                fetch(&format!("oci://{host}/{path}"), &access, files, &helm).await.expect("an archive");
            assert_eq!(Digest::of(&archive), Digest::of(&wanted), "{path}, helm {}", helm.version());
            assert_eq!(from, format!("oci://{host}/charts/control-plane"));
        }
        let wrong = open(Some(Login { username: LOGIN.0.into(), password: "wrong".into() }));
        for access in [open(None), wrong] {
            let denied = fetch(&format!("oci://{host}/charts"), &access, &Files::default(), &helm).await;
            let denied = denied.expect_err("nobody is let in");
            assert_eq!(denied.code, Code::RepositoryDenied, "{denied:?}");
        }
    }
}

#[tokio::test]
#[ignore = "needs the rig: cargo xtask test"]
async fn what_is_wrong_with_a_registry_is_told() {
    let helm = helms().await.pop().expect("a helm");
    let registry = registry(false);
    let page = RepositoryContents {
        instead: [("/v2/".to_owned(), (200, b"<html>".to_vec()))].into(),
        ..RepositoryContents::default()
    };
    let no_registry = Repository::start(page).expect("a server").url();
    for (url, code) in [
        (format!("oci://{}/nothing", registry.address()), Code::NotInRepository),
        ("oci://127.0.0.1:1/charts".to_owned(), Code::RepositoryUnreachable),
        (no_registry.replace("http", "oci"), Code::NotInRepository),
    ] {
        let access = Access { login: None, plain_http: true };
        let finding = fetch(&url, &access, &Files::default(), &helm).await.expect_err("something is wrong");
        assert_eq!(finding.code, code, "{url}: {finding:?}");
        assert!(!finding.evidence.is_empty(), "{finding:?}");
    }
}
