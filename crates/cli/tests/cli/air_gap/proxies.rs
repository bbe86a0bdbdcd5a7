//! `HTTPS_PROXY` and `NO_PROXY`, by whole commands: what a proxy is asked for, client by client.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use portolan_testkit::authority::Authority;
use portolan_testkit::memory_registry::{LoginKind, MemoryRegistry};
use portolan_testkit::tunnels::Tunnels;
use serde_json::json;

use super::{STUB, bundle, one_line};
use crate::support::{Came, User, came, helms};

/// `NO_PROXY`, and whether a host is asked through the proxy nonetheless. `HOST` and `PORT` stand for that host's.
const EXCEPTIONS: [(&str, bool); 9] = [
    ("", true),
    ("other.example", true),
    // The address of the proxy.
    ("127.0.0.1", true),
    ("localhost,127.0.0.0/8", true),
    ("HOST:1", true),
    ("HOST", false),
    ("HOST:PORT", false),
    (".example", false),
    ("*", false),
];

/// A command whose HTTPS goes through a proxy, but for what is excepted.
fn run(user: &User, line: &str, tunnels: &Tunnels, no: &str, variables: &[(&str, String)]) -> Came {
    let mut command = user.command(line);
    command.env("HTTPS_PROXY", tunnels.url()).env("NO_PROXY", no);
    command.envs(variables.iter().map(|(name, value)| (name, value)));
    came(&command.output().expect("the program starts"))
}

/// Runs a command under each exception, and compares what the proxy was asked for. `place` is where the host really is, if anywhere.
fn each_exception(host: &str, port: u16, place: Option<&str>, mut asked: impl FnMut(&Tunnels, &str) -> Came) {
    let name = format!("{host}:{port}");
    let hosts: Vec<(&str, &str)> = place.map(|place| (name.as_str(), place)).into_iter().collect();
    for (no, is_proxied) in EXCEPTIONS {
        let no = no.replace("HOST", host).replace("PORT", &port.to_string());
        // One for each: a command that ends at its first answer may leave a question that is read later.
        let tunnels = Tunnels::start(&hosts).expect("a proxy");
        let came = asked(&tunnels, &no);
        let seen = tunnels.seen();
        assert!(seen.iter().all(|one| *one == name), "{no}: {seen:?}");
        assert_eq!(!seen.is_empty(), is_proxied, "NO_PROXY={no}: {}{}", came.stdout, came.stderr);
    }
}

const PUSH: &str = "bundle push b.tar --to registry.example:5000 --ca-file ca.pem";

/// A registry at a name that a proxy alone knows, and what [`PUSH`] needs.
fn registry_behind_a_proxy(user: &User) -> MemoryRegistry {
    let authority = Authority::new("site").expect("an authority");
    user.write("ca.pem", authority.pem());
    bundle(user, "b.tar", &[STUB]);
    let tls = authority.server(&["registry.example"]).expect("a certificate");
    MemoryRegistry::start_tls(None, LoginKind::Basic, tls).expect("a registry")
}

#[test]
fn a_registry_is_reached_through_the_proxy_unless_it_is_excepted() {
    let user = User::new();
    let registry = registry_behind_a_proxy(&user);
    each_exception("registry.example", 5000, Some(&registry.address()), |tunnels, no| {
        let came = run(&user, PUSH, tunnels, no, &[]);
        // The host is known to the proxy alone.
        assert!(came.code == 0 || one_line(&came.stderr).contains("PL621"), "{}", came.stderr);
        came
    });
    assert!(!registry.tags().is_empty());
}

/// A kubeconfig for a server that is not there.
fn kubeconfig(user: &User, proxy: Option<&str>) -> (&'static str, String) {
    let mut cluster = json!({"server": "https://api.example:6443"});
    if let Some(proxy) = proxy {
        cluster["proxy-url"] = json!(proxy);
    }
    let config = json!({"apiVersion": "v1", "kind": "Config", "current-context": "c",
        "clusters": [{"name": "c", "cluster": cluster}],
        "users": [{"name": "u", "user": {"token": STANDARD.encode("t")}}],
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}]});
    user.write("kubeconfig", &config.to_string());
    ("KUBECONFIG", user.path("kubeconfig").display().to_string())
}

#[test]
fn the_api_server_is_reached_through_the_proxy_unless_it_is_excepted() {
    let user = User::new();
    let config = kubeconfig(&user, None);
    each_exception("api.example", 6443, None, |tunnels, no| {
        let came = run(&user, "survey -n runai-backend", tunnels, no, std::slice::from_ref(&config));
        assert!(came.code == 10 && came.stderr.contains("PL102"), "{no}: {}", came.stderr);
        came
    });
    // A cluster's own proxy counts whatever the variables say, as with kubectl.
    let others = Tunnels::start(&[]).expect("a proxy");
    for no in ["", "api.example", "127.0.0.1"] {
        let own = Tunnels::start(&[]).expect("a proxy");
        let config = kubeconfig(&user, Some(&own.url()));
        run(&user, "survey -n runai-backend", &others, no, &[config]);
        assert!(!own.seen().is_empty(), "{no}");
    }
    assert_eq!(others.seen(), Vec::<String>::new());
}

/// As `ssh -D` is one. No client looks the host up itself.
#[test]
fn a_registry_and_the_api_server_are_reached_through_a_socks_proxy() {
    let user = User::new();
    let registry = registry_behind_a_proxy(&user);
    let config = kubeconfig(&user, None);
    for scheme in ["socks5:", "socks5h:"] {
        let registry_alone = Tunnels::start(&[("registry.example:5000", &registry.address())]).expect("a proxy");
        let proxy = registry_alone.socks_url(None).replace("socks5:", scheme);
        let mut command = user.command(PUSH);
        let pushed = came(&command.env("HTTPS_PROXY", &proxy).output().expect("the program starts"));
        assert!(pushed.code == 0 && !registry.tags().is_empty(), "{proxy}: {}", pushed.stderr);
        registry.remove("stub", "1");
        let tunnels = Tunnels::start(&[]).expect("a proxy");
        let proxy = tunnels.socks_url(None).replace("socks5:", scheme);
        let mut command = user.command("survey -n runai-backend");
        let surveyed =
            command.env(config.0, &config.1).env("HTTPS_PROXY", &proxy).output().expect("the program starts");
        let asked = tunnels.seen();
        assert!(asked.first().is_some_and(|host| host == "api.example:6443"), "{asked:?} {:?}", came(&surveyed).stderr);
    }
}

#[test]
fn exceptions_that_cannot_be_read_are_named() {
    let (user, tunnels) = (User::new(), Tunnels::start(&[]).expect("a proxy"));
    let config = kubeconfig(&user, None);
    let came = run(&user, "survey -n runai-backend", &tunnels, "other.example,", &[config]);
    let told = one_line(&came.stderr);
    assert!(came.code == 10 && told.contains("NO_PROXY cannot be read"), "{told}");
}

#[test]
#[ignore = "needs the rig: cargo xtask test"]
fn helm_and_what_asks_for_it_go_through_the_proxy_unless_that_is_excepted() {
    for helm in helms() {
        let user = User::new();
        let helm = ("PORTOLAN_HELM", helm.display().to_string());
        for (host, port, repository) in [
            ("charts.example", 443, "https://charts.example/c"),
            ("registry.example", 5000, "oci://registry.example:5000/c"),
        ] {
            let line = format!("plan --sim openshift-2.8 --to 2.20 --no-rehearsal --repo {repository}");
            each_exception(host, port, None, |tunnels, no| {
                let came = run(&user, &line, tunnels, no, std::slice::from_ref(&helm));
                assert!(came.code == 10 && came.stderr.contains("PL211"), "{no}: {}", came.stderr);
                came
            });
        }
    }
}
