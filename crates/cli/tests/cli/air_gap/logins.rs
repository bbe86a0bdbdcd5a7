//! Registries with TLS and logins, by whole commands: a CA of the site's own, tokens, and every file and helper that keeps logins.

use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Stdio;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use portolan_testkit::authority::Authority;
use portolan_testkit::memory_registry::{Habit, LoginKind, MemoryRegistry};
use portolan_testkit::tunnels::Tunnels;
use serde_json::{Value, json};

use super::{STUB, bundle, edit, one_line, registry};
use crate::support::{Came, User, came};

const HOST: &str = "registry.example:5000";
const LOGIN: (&str, &str) = ("me", "hidden");
const PUSH: &str = "bundle push b.tar --to registry.example:5000/team/site";

/// A registry with a certificate of the site's own CA, on a host that only the proxy knows.
struct Site {
    user: User,
    registry: MemoryRegistry,
    tunnels: Tunnels,
}

impl Site {
    fn new(login: Option<(&str, &str)>, kind: LoginKind) -> Self {
        let (user, authority) = (User::new(), Authority::new("site").expect("an authority"));
        user.write("ca.pem", authority.pem());
        user.write("other.pem", Authority::new("other").expect("an authority").pem());
        bundle(&user, "b.tar", &[STUB]);
        let tls = authority.server(&["registry.example"]).expect("a certificate");
        let registry = MemoryRegistry::start_tls(login, kind, tls).expect("a registry");
        let tunnels = Tunnels::start(&[(HOST, &registry.address())]).expect("a proxy");
        Self { user, registry, tunnels }
    }

    fn run(&self, line: &str, variables: &[(&str, String)], input: &str) -> Came {
        let mut command = self.user.command(line);
        command.env("HTTPS_PROXY", self.tunnels.url()).env("HTTP_PROXY", self.tunnels.url()).env("NO_PROXY", "");
        command.envs(variables.iter().map(|(name, value)| (name, value))).stdin(Stdio::piped());
        let mut child = command.spawn().expect("the program starts");
        // A command that refuses its options reads no input.
        drop(child.stdin.take().expect("an input").write_all(input.as_bytes()));
        let came = came(&child.wait_with_output().expect("it ends"));
        assert!(!format!("{}{}", came.stdout, came.stderr).contains(LOGIN.1), "{}{}", came.stdout, came.stderr);
        came
    }

    fn path(&self, name: &str) -> String {
        self.user.path(name).display().to_string()
    }

    fn file(&self, name: &str, content: &Value) {
        let path = self.user.path(name);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        std::fs::write(path, content.to_string()).expect("a file");
    }

    fn has_the_image(&self) -> bool {
        self.registry.tags().contains(&"team/site/stub:1".to_owned())
    }
}

#[test]
fn a_registry_with_a_ca_of_its_own_is_trusted_when_that_is_named() {
    let site = Site::new(None, LoginKind::Basic);
    for without in ["", " --ca-file other.pem"] {
        let came = site.run(&format!("{PUSH}{without}"), &[], "");
        let told = one_line(&came.stderr);
        assert!(came.code == 10 && told.contains("PL621") && told.contains("UnknownIssuer"), "{told}");
        assert!(told.contains("--ca-file"), "{told}");
    }
    let plan = "plan --sim openshift-2.8 --to 2.20 --no-rehearsal --accept PL632 --reason mirrored";
    let came = site.run(&format!("{plan} --registry {HOST}"), &[], "");
    assert_eq!(came.code, 0, "nothing names it: {}{}", came.stdout, came.stderr);
    assert!(site.registry.seen().is_empty(), "{:?}", site.registry.seen());
    let came = site.run(&format!("{PUSH} --ca-file ca.pem"), &[], "");
    assert!(came.code == 0 && site.has_the_image(), "{}{}", came.stdout, came.stderr);
    let site = Site::new(None, LoginKind::Basic);
    let plan = format!("plan --sim openshift-2.8 --to 2.20 --no-rehearsal --registry {HOST} --pull-as rig.local");
    let without = site.run(&plan, &[], "");
    assert!(without.code == 3 && without.stdout.contains("PL633"), "{}{}", without.stdout, without.stderr);
    let with = site.run(&format!("{plan} --ca-file ca.pem"), &[], "");
    let told = one_line(&with.stdout);
    assert!(with.code == 3 && told.contains("PL631") && !told.contains("PL633"), "{told}{}", with.stderr);
}

#[test]
fn tls_is_left_out_only_when_that_is_said() {
    let site = Site::new(Some(LOGIN), LoginKind::Basic);
    let plain = MemoryRegistry::start(Some(LOGIN)).expect("a registry");
    let address = plain.address();
    let line = format!("bundle push b.tar --to {address} --username me --password-stdin");
    let direct = [("NO_PROXY", "127.0.0.1".to_owned())];
    let came = site.run(&line, &direct, LOGIN.1);
    assert!(came.code == 10 && one_line(&came.stderr).contains("PL621"), "{}", came.stderr);
    assert!(plain.passwords().is_empty() && plain.tags().is_empty());
    let came = site.run(&format!("{line} --plain-http"), &direct, LOGIN.1);
    assert!(came.code == 0 && !plain.tags().is_empty(), "{}", came.stderr);
}

/// Where a login is kept: the files that keep it, and the variables that lead there.
fn keepers(site: &Site) -> Vec<(&'static str, Vec<(&'static str, String)>)> {
    let auth = STANDARD.encode(format!("{}:{}", LOGIN.0, LOGIN.1));
    let auths = |host: &str| json!({"auths": {host: {"auth": auth}}});
    site.file("docker/config.json", &auths(HOST));
    site.file("docker-address/config.json", &auths(&format!("https://{HOST}")));
    site.file("helper/config.json", &json!({"credHelpers": {HOST: "test"}}));
    site.file("store/config.json", &json!({"auths": {HOST: {}}, "credsStore": "test"}));
    site.file("runtime/containers/auth.json", &auths(&format!("{HOST}/team")));
    site.file("config/containers/auth.json", &auths(HOST));
    site.file("helm.json", &auths(HOST));
    // What `oc get secret pull-secret -n openshift-config` holds, and what was added to it.
    let others = STANDARD.encode("other:other");
    let pull_secret = json!({"auths": {
        "cloud.openshift.com": {"auth": others, "email": "a@b.example"},
        "quay.io": {"auth": others, "email": "a@b.example"},
        "registry.example": {"auth": others},
        HOST: {"auth": auth, "email": ""},
    }});
    site.file("pull-secret.json", &pull_secret);
    let helper = "#!/bin/sh\nread -r asked\n[ \"$asked\" = registry.example:5000 ] || { echo credentials not found; exit 1; }\n\
                  echo '{\"ServerURL\": \"registry.example:5000\", \"Username\": \"me\", \"Secret\": \"hidden\"}'\n";
    site.file("bin/none", &json!(null));
    site.user.write("bin/docker-credential-test", helper);
    let program = site.user.path("bin/docker-credential-test");
    std::fs::set_permissions(program, std::fs::Permissions::from_mode(0o755)).expect("a program");
    let bin = ("PATH", site.path("bin"));
    vec![
        ("docker", vec![("DOCKER_CONFIG", site.path("docker"))]),
        ("docker, by an address", vec![("DOCKER_CONFIG", site.path("docker-address"))]),
        ("a helper for the registry", vec![("DOCKER_CONFIG", site.path("helper")), bin.clone()]),
        ("a store for all", vec![("DOCKER_CONFIG", site.path("store")), bin]),
        ("podman, while logged in, for a path", vec![("XDG_RUNTIME_DIR", site.path("runtime"))]),
        ("podman", vec![("XDG_CONFIG_HOME", site.path("config"))]),
        ("a pull secret of OpenShift", vec![("REGISTRY_AUTH_FILE", site.path("pull-secret.json"))]),
        ("helm", vec![("HELM_REGISTRY_CONFIG", site.path("helm.json"))]),
    ]
}

#[test]
fn a_login_is_found_wherever_it_is_kept() {
    for kind in [LoginKind::Basic, LoginKind::Token] {
        let site = Site::new(Some(LOGIN), kind);
        let line = format!("{PUSH} --ca-file ca.pem");
        for (keeper, variables) in keepers(&site) {
            let came = site.run(&line, &variables, "");
            assert!(came.code == 0 && site.has_the_image(), "{kind:?} {keeper}: {}", came.stderr);
            site.registry.remove("team/site/stub", "1");
        }
        let came = site.run(&format!("{line} --username me --password-stdin"), &[], LOGIN.1);
        assert!(came.code == 0 && site.has_the_image(), "{kind:?}: {}", came.stderr);
        let passwords = site.registry.passwords();
        // A registry with a token service is told tokens, and that service alone the password.
        assert_eq!(passwords.contains("/v2/team/site/stub/manifests/1"), kind == LoginKind::Basic, "{passwords:?}");
        assert!(kind == LoginKind::Basic || passwords.iter().all(|path| path == "/token"), "{passwords:?}");
    }
}

#[test]
fn a_login_of_another_host_or_port_goes_nowhere() {
    for kind in [LoginKind::Basic, LoginKind::Token] {
        let site = Site::new(Some(LOGIN), kind);
        let auth = STANDARD.encode(format!("{}:{}", LOGIN.0, LOGIN.1));
        let others = ["registry.example", "registry.example:5001", "other.example:5000", "registry.example:5000/other"];
        let auths: Value = others.into_iter().map(|host| (host.to_owned(), json!({"auth": auth}))).collect();
        site.file("docker/config.json", &json!({"auths": auths}));
        let variables = [("DOCKER_CONFIG", site.path("docker"))];
        let came = site.run(&format!("{PUSH} --ca-file ca.pem"), &variables, "");
        let told = one_line(&came.stderr);
        assert!(came.code == 10 && told.contains("PL622"), "{kind:?}: {told}");
        assert!(site.registry.passwords().is_empty() && site.registry.tags().is_empty(), "{kind:?}");
        let came = site.run(&format!("{PUSH} --ca-file ca.pem --username me --password-stdin"), &[], "wrong");
        assert!(came.code == 10 && one_line(&came.stderr).contains("PL622"), "{kind:?}: {}", came.stderr);
    }
}

#[test]
fn a_registry_with_tls_gets_neither_a_login_nor_a_blob_without_it() {
    let plain_token = Site::new(Some(LOGIN), LoginKind::PlainToken);
    let mut plain_uploads = Site::new(None, LoginKind::Basic);
    plain_uploads.registry = plain_uploads.registry.with(Habit::TakesPlainUploads);
    for (site, code, said) in [
        (&plain_token, "PL622", "its token service has no TLS"),
        (&plain_uploads, "PL621", "it wants a blob to be sent without TLS"),
    ] {
        let came = site.run(&format!("{PUSH} --ca-file ca.pem --username me --password-stdin"), &[], LOGIN.1);
        let told = one_line(&came.stderr);
        assert!(came.code == 10 && told.contains(code) && told.contains(said), "{told}");
        assert!(!site.has_the_image() && site.registry.passwords().is_empty(), "{:?}", site.registry.passwords());
        // What goes without TLS would go through the proxy by this host and port, as plain text.
        assert!(site.tunnels.seen().iter().all(|asked| asked == HOST), "{:?}", site.tunnels.seen());
    }
}

#[test]
fn a_ca_that_nodes_or_pods_do_not_know_is_found() {
    let site = Site::new(None, LoginKind::Basic);
    site.user.ok("sim new openshift-2.8 site");
    assert_eq!(site.run("bundle push b.tar --to registry.example:5000 --ca-file ca.pem", &[], "").code, 0);
    let accepted = "--accept PL631 --reason postgres";
    let plan =
        format!("plan --sim site --to 2.20 --no-rehearsal --registry {HOST} --pull-as rig.local --ca-file ca.pem");
    let config = |key: &str, pem: &str| {
        edit(&site.user, |world| {
            let named = |kind: &str, field: &str| {
                json!({"apiVersion": "config.openshift.io/v1", "kind": kind, "metadata": {"name": "cluster", "uid": kind},
                    "spec": {field: {"name": "cas"}}})
            };
            world["objects"]["Image.config.openshift.io/cluster"] = named("Image", "additionalTrustedCA");
            world["objects"]["Proxy.config.openshift.io/cluster"] = named("Proxy", "none");
            world["objects"]["ConfigMap/openshift-config/cas"] = json!({"apiVersion": "v1", "kind": "ConfigMap",
                "metadata": {"name": "cas", "namespace": "openshift-config", "uid": "cas"}, "data": {key: pem}});
        });
    };
    let pem = std::fs::read_to_string(site.user.path("ca.pem")).expect("a file");
    let other = std::fs::read_to_string(site.user.path("other.pem")).expect("a file");
    for (key, content, nodes_know) in [("rig.local", other.as_str(), false), ("rig.local", pem.as_str(), true)] {
        config(key, content);
        let came = site.run(&plan, &[], "");
        let told = one_line(&came.stdout);
        assert!(
            told.contains("PL641") && told.contains("global.customCA.enabled is not true"),
            "{told}{}",
            came.stderr
        );
        assert_eq!(told.contains("has it neither under rig.local nor"), !nodes_know, "{told}");
    }
    // A registry that this machine trusts anyway, or that has no TLS, needs no CA anywhere.
    let plain = MemoryRegistry::start(None).expect("a registry");
    let line = plan.replace(HOST, &plain.address()).replace("--ca-file ca.pem", "--plain-http");
    let came = site.run(&format!("{line} {accepted}"), &[], "");
    assert!(!came.stdout.contains("PL641"), "{}", came.stdout);
}

/// The router's certificate, on a site whose registry needs no CA.
#[test]
fn a_ca_of_the_platforms_own_certificate_that_pods_do_not_know_is_found() {
    let (user, registry) = (User::new(), registry());
    let (own, other) = (Authority::new("own").expect("an authority"), Authority::new("other").expect("an authority"));
    user.write("own.pem", own.pem());
    user.write("other.pem", other.pem());
    user.ok("sim new openshift-2.8 site");
    let published = own.certificate(&["*.apps.rig.example.com"]).expect("a certificate");
    let plan = |knows: &str| {
        let mut command = user.command(&super::PLAN.replace("openshift-2.8", "site"));
        command.env("HTTP_PROXY", format!("http://{}", registry.address())).env("NO_PROXY", "");
        // The CAs of this machine.
        command.env("SSL_CERT_FILE", user.path(knows));
        one_line(&came(&command.output().expect("the program starts")).stdout)
    };
    assert!(!plan("other.pem").contains("PL641"), "nothing is known of the router");
    edit(&user, |world| {
        world["objects"]["ConfigMap/openshift-config-managed/default-ingress-cert"] = json!({"apiVersion": "v1",
            "kind": "ConfigMap", "metadata": {"name": "default-ingress-cert", "namespace": "openshift-config-managed",
            "uid": "router"}, "data": {"ca-bundle.crt": published}});
    });
    let told = plan("other.pem");
    for text in [
        "PL641",
        "the certificate of runai.apps.rig.example.com is signed by a CA of the site's own, which the pods do not know",
        "ca-bundle.crt of ConfigMap/default-ingress-cert in openshift-config-managed",
        "global.customCA.enabled is not true",
    ] {
        assert!(told.contains(text), "{text}: {told}");
    }
    assert!(!plan("own.pem").contains("PL641"), "this machine knows it");
}
