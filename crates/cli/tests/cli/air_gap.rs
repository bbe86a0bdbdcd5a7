//! A site without internet access: plans and upgrades out of a bundle, with a registry on this machine. The recorded renderings of
//! the fixture charts name `rig.local`; the registry answers for that host as a proxy.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use portolan_testkit::bundle::{Tar, image};
use portolan_testkit::memory_registry::MemoryRegistry;
use portolan_testkit::registry::{LOGIN, Registry};
use serde_json::{Value, json};

use crate::support::{Came, User, came, helms};

mod damaged;
mod logins;
mod proxies;
mod pull_as;

const POSTGRES: &str = "rig.local/postgres:15";
const STUB: &str = "rig.local/stub:1";
const PLAN: &str = "plan --sim openshift-2.8 --to 2.20 --no-rehearsal --plain-http --registry rig.local";

/// A bundle of the fixture charts and some images.
fn bundle(user: &User, name: &str, images: &[&str]) {
    let mut tar = Tar::default().file("chart/helm", b"#!/bin/sh\n");
    for chart in portolan_fixtures::charts() {
        tar = tar.file(&format!("chart/{}-{}.tgz", chart.id.name, chart.id.version), &chart.archive);
    }
    for (at, name) in images.iter().enumerate() {
        tar = tar.file(&format!("images/{at}.tar"), &image(name));
    }
    std::fs::write(user.path(name), tar.end()).expect("a file");
}

/// A command of a user whose way to every host is the registry.
fn run(user: &User, registry: &MemoryRegistry, line: &str) -> Came {
    let mut command = user.command(line);
    command.env("HTTP_PROXY", format!("http://{}", registry.address())).env("NO_PROXY", "");
    came(&command.output().expect("the program starts"))
}

/// A page without the ends of its lines: long ones are broken somewhere.
fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn registry() -> MemoryRegistry {
    MemoryRegistry::start(None).expect("a registry")
}

/// Whether nothing was pushed.
fn is_untouched(registry: &MemoryRegistry) -> bool {
    registry.seen().iter().all(|request| request.starts_with("GET") || request.starts_with("HEAD"))
}

#[test]
fn a_plan_out_of_a_bundle_needs_every_image_and_pushes_none() {
    let (user, registry) = (User::new(), registry());
    bundle(&user, "whole.tar", &[POSTGRES, STUB]);
    bundle(&user, "short.tar", &[POSTGRES]);
    let came = run(&user, &registry, &format!("{PLAN} --bundle short.tar"));
    assert_eq!(came.code, 3, "{}{}", came.stdout, came.stderr);
    let told = one_line(&came.stdout);
    for named in
        ["PL631", "neither rig.local nor the bundle has 1 image", "rig.local/stub:1: Deployment/", "ask the vendor"]
    {
        assert!(told.contains(named), "{named}\n{told}");
    }
    assert!(!came.stdout.contains("rig.local/postgres:15:"), "{}", came.stdout);
    let came = run(&user, &registry, &format!("{PLAN} --bundle whole.tar --out whole.plan"));
    assert_eq!(came.code, 0, "{}{}", came.stdout, came.stderr);
    let told = "Images: 2 named by the new version, 0 at rig.local, 2 to be pushed from whole.tar";
    let next = "Before it is applied: portolan bundle push whole.tar --to rig.local --plain-http";
    assert!(came.stderr.contains(told) && came.stderr.contains(next), "{}", came.stderr);
    assert!(is_untouched(&registry), "{:?}", registry.seen());
    let plan: Value = serde_json::from_slice(&std::fs::read(user.path("whole.plan")).expect("a plan")).expect("JSON");
    assert_eq!(plan["plan"]["registry"], serde_json::json!({ "host": "rig.local", "plainHttp": true }));
}

#[test]
fn an_upgrade_out_of_a_bundle_pushes_checks_and_goes_on() {
    let (user, registry) = (User::new(), registry());
    bundle(&user, "whole.tar", &[POSTGRES, STUB]);
    user.ok("sim new openshift-2.8 site");
    let line = "upgrade --sim site --to 2.20 --yes --plain-http --registry rig.local --bundle whole.tar";
    let came = run(&user, &registry, line);
    assert_eq!(came.code, 0, "{}{}", came.stdout, came.stderr);
    let tags = registry.tags();
    assert!(["postgres:15", "stub:1", "control-plane:2.20.41"].iter().all(|tag| tags.contains(&(*tag).to_owned())));
    // The images were asked for once more between the push and the first write.
    let seen = registry.seen();
    let pushed = seen.iter().rposition(|request| request.starts_with("PUT")).expect("a push");
    assert!(seen[pushed..].contains(&"HEAD /v2/stub/manifests/1".to_owned()), "{seen:?}");
    assert!(user.installation("site").contains("control-plane-2.20.41"));
}

/// A registry keeps a manifest whose layer it has lost, and says that it has the image.
#[test]
fn a_layer_that_the_registry_lost_is_sent_again_on_demand_and_before_an_upgrade() {
    let (user, registry) = (User::new(), registry());
    bundle(&user, "whole.tar", &[POSTGRES, STUB]);
    user.ok("sim new openshift-2.8 site");
    let push = "bundle push whole.tar --to rig.local --plain-http";
    let upgrade = "upgrade --sim site --to 2.20 --yes --plain-http --registry rig.local --bundle whole.tar";
    assert_eq!(run(&user, &registry, push).code, 0);
    let manifest = registry.manifest("stub", "1").expect("it was pushed");
    let manifest: serde_json::Value = serde_json::from_slice(&manifest).expect("JSON");
    let layer = manifest["layers"][0]["digest"].as_str().expect("a layer").to_owned();
    for (line, is_sent) in
        [(push.to_owned(), false), (format!("{push} --check-layers"), true), (upgrade.to_owned(), true)]
    {
        registry.lose_blob(&layer);
        let came = run(&user, &registry, &line);
        assert_eq!(
            (came.code, registry.blob(&layer).is_some()),
            (0, is_sent),
            "{line}: {}{}",
            came.stdout,
            came.stderr
        );
        assert_eq!(came.stdout.contains("not asked for"), !is_sent, "{}", came.stdout);
    }
}

/// A container without the package of certificates.
#[test]
fn a_registry_without_tls_needs_no_certificates() {
    let (user, registry) = (User::new(), registry());
    bundle(&user, "whole.tar", &[STUB]);
    let push = |options: &str| {
        let mut command = user.command(&format!("bundle push whole.tar --to {} {options}", registry.address()));
        command.env("SSL_CERT_FILE", user.path("none.pem")).env("SSL_CERT_DIR", user.path("none"));
        came(&command.output().expect("the program starts"))
    };
    let came = push("--plain-http");
    assert_eq!(came.code, 0, "{}{}", came.stdout, came.stderr);
    assert!(registry.tags().contains(&"stub:1".to_owned()), "{:?}", registry.tags());
    // With TLS, nobody is trusted who is not named.
    let came = push("");
    assert!(came.code != 0 && came.stderr.contains("certificate"), "{} {}", came.code, came.stderr);
}

#[test]
fn a_bundle_is_made_of_parts_and_the_next_one_of_what_is_new() {
    let (user, registry) = (User::new(), registry());
    bundle(&user, "whole.tar", &[STUB]);
    std::fs::write(user.path("postgres.tar"), image(POSTGRES)).expect("a file");
    let made = user.ok("bundle create made.tar whole.tar postgres.tar");
    for named in [STUB, POSTGRES, "control-plane"] {
        assert!(made.contains(named), "{named}\n{made}");
    }
    // What was made serves as what it was made of, its helm included.
    let came = run(&user, &registry, &format!("{PLAN} --bundle made.tar"));
    assert_eq!(came.code, 0, "{}{}", came.stdout, came.stderr);
    assert!(came.stderr.contains("2 to be pushed from made.tar"), "{}", came.stderr);
    let delta = user.ok("bundle create delta.tar made.tar --since whole.tar");
    assert!(delta.contains(POSTGRES) && !delta.contains(STUB) && !delta.contains("control-plane"), "{delta}");
    let again = user.run("bundle create delta.tar made.tar");
    assert!(again.code != 0 && again.stderr.contains("delta.tar cannot be written"), "{} {}", again.code, again.stderr);
}

#[test]
fn an_image_without_a_name_is_given_one_by_the_upgrade() {
    let (user, registry) = (User::new(), registry());
    let mut tar = Tar::default().file("images/0.tar", &image(STUB)).file("images/1.tar", &unnamed());
    for chart in portolan_fixtures::charts() {
        tar = tar.file(&format!("chart/{}-{}.tgz", chart.id.name, chart.id.version), &chart.archive);
    }
    std::fs::write(user.path("whole.tar"), tar.end()).expect("a file");
    user.ok("sim new openshift-2.8 site");
    let line = "upgrade --sim site --to 2.20 --yes --plain-http --registry rig.local --bundle whole.tar";
    let came = run(&user, &registry, line);
    assert!(came.stderr.contains("error[PL608]") && is_untouched(&registry), "{}", came.stderr);
    let index: Value = serde_json::from_str(&user.ok("bundle inspect whole.tar -o json")).expect("JSON");
    let images = index["images"].as_array().expect("a list");
    let digest = images.iter().find(|image| image["names"] == serde_json::json!([])).expect("one without a name");
    let digest = digest["manifest"].as_str().expect("a digest");
    let came = run(&user, &registry, &format!("{line} --name {digest}=postgres:15"));
    assert_eq!(came.code, 0, "{}{}", came.stdout, came.stderr);
    assert!(registry.tags().contains(&"postgres:15".to_owned()), "{:?}", registry.tags());
}

/// The archive of an image whose names its tool left out.
fn unnamed() -> Vec<u8> {
    let named = image(POSTGRES);
    let (name, none) = (format!("[\"{POSTGRES}\"]"), format!("[{:1$}]", "", POSTGRES.len() + 2));
    let at = named.windows(name.len()).position(|part| part == name.as_bytes()).expect("it is named");
    let mut unnamed = named;
    unnamed[at..at + name.len()].copy_from_slice(none.as_bytes());
    unnamed
}

#[test]
fn an_upgrade_without_an_image_writes_nothing_anywhere() {
    let (user, registry) = (User::new(), registry());
    bundle(&user, "short.tar", &[STUB]);
    user.ok("sim new openshift-2.8 site");
    let before = user.installation("site");
    let line = "upgrade --sim site --to 2.20 --yes --plain-http --registry rig.local --bundle short.tar";
    let came = run(&user, &registry, line);
    assert_eq!(came.code, 3, "{}{}", came.stdout, came.stderr);
    assert!(came.stderr.contains("error[PL631]"), "{}", came.stderr);
    assert!(user.installation("site") == before && is_untouched(&registry));
}

#[test]
fn a_saved_plan_is_not_applied_before_the_bundle_was_pushed() {
    let (user, registry) = (User::new(), registry());
    bundle(&user, "whole.tar", &[POSTGRES, STUB]);
    user.ok("sim new openshift-2.8 site");
    let before = user.installation("site");
    let plan = PLAN.replace("openshift-2.8", "site");
    let came = run(&user, &registry, &format!("{plan} --bundle whole.tar --out site.plan"));
    assert_eq!(came.code, 0, "{}{}", came.stdout, came.stderr);
    let came = run(&user, &registry, "apply --sim site site.plan --yes");
    assert_eq!(came.code, 3, "{}{}", came.stdout, came.stderr);
    assert!(came.stderr.contains("error[PL631]") && came.stderr.contains("rig.local does not have 2 images"));
    assert_eq!(user.installation("site"), before);
    assert_eq!(run(&user, &registry, "bundle push whole.tar --to rig.local --plain-http").code, 0);
    registry.remove("stub", "1");
    let came = run(&user, &registry, "apply --sim site site.plan --yes");
    assert!(came.code == 3 && came.stderr.contains("rig.local/stub:1"), "{}", came.stderr);
    assert_eq!(run(&user, &registry, "bundle push whole.tar --to rig.local --plain-http").code, 0);
    let came = run(&user, &registry, "apply --sim site site.plan --yes");
    assert_eq!(came.code, 0, "{}{}", came.stdout, came.stderr);
}

#[test]
fn images_of_another_registry_block_with_the_value_that_names_them() {
    let (user, registry) = (User::new(), registry());
    let elsewhere = PLAN.replace("rig.local", "registry.example:5000/runai");
    let came = run(&user, &registry, &elsewhere);
    assert_eq!(came.code, 3, "{}{}", came.stdout, came.stderr);
    for named in ["PL632", "2 images name rig.local", "images.postgres", "-f custom-env.yaml"] {
        let told = one_line(&came.stdout);
        assert!(told.contains(named), "{named}\n{told}");
    }
    // Nobody is asked for what comes from elsewhere.
    assert_eq!(registry.seen(), Vec::<String>::new());
    let came = run(&user, &registry, &format!("{elsewhere} --accept PL632 --reason mirrored"));
    assert_eq!(came.code, 0, "{}{}", came.stdout, came.stderr);
}

#[test]
fn a_registry_that_does_not_say_blocks() {
    let (user, registry) = (User::new(), MemoryRegistry::start(Some(("me", "hidden"))).expect("a registry"));
    let refused = run(&user, &registry, PLAN);
    assert_eq!(refused.code, 3, "{}{}", refused.stdout, refused.stderr);
    let told = one_line(&refused.stdout);
    assert!(told.contains("PL633") && told.contains("2 images not checked, because rig.local wants a login"), "{told}");
    // Nothing listens there.
    let mut command = user.command(PLAN);
    command.env("HTTP_PROXY", "http://127.0.0.1:1").env("NO_PROXY", "");
    let down = came(&command.output().expect("the program starts"));
    assert!(down.code == 3 && down.stdout.contains("PL633"), "{}{}", down.stdout, down.stderr);
}

/// A real registry and a real helm: the values name the registry, and what is rendered is what was pushed.
#[test]
#[ignore = "needs the rig: cargo xtask test"]
fn an_upgrade_out_of_a_bundle_into_a_real_registry() {
    let program = std::env::var_os("PORTOLAN_TEST_REGISTRY").expect("PORTOLAN_TEST_REGISTRY");
    for helm in helms() {
        let registry = Registry::start(std::path::Path::new(&program), true).expect("a registry");
        let (host, user) = (registry.address(), User::new());
        bundle(&user, "whole.tar", &["vendor.example/runai/postgres:15", "vendor.example/runai/stub:1"]);
        bundle(&user, "short.tar", &["vendor.example/runai/postgres:15"]);
        let image = |name: &str| format!("{host}/site/runai/{name}");
        let (postgres, stub) = (image("postgres:15"), image("stub:1"));
        user.write(
            "custom-env.yaml",
            &format!("images: {{postgres: '{postgres}', migrate: '{postgres}', stub: '{stub}'}}\n"),
        );
        user.ok("sim new openshift-2.8 site");
        let run = |line: &str| {
            let line = format!("{line} --plain-http --registry {host}/site --username {} --password-stdin", LOGIN.0);
            let mut child = user
                .command(&line)
                .env("PORTOLAN_HELM", &helm)
                .stdin(std::process::Stdio::piped())
                .spawn()
                .expect("the program starts");
            std::io::Write::write_all(&mut child.stdin.take().expect("an input"), LOGIN.1.as_bytes())
                .expect("it reads");
            came(&child.wait_with_output().expect("it ends"))
        };
        let line = "--sim site --to 2.20 -f custom-env.yaml --accept PL635 --reason nodes";
        let without = run("plan --sim site --to 2.20 --no-rehearsal --bundle whole.tar");
        let told = one_line(&without.stdout);
        assert!(without.code == 3 && told.contains("PL632") && told.contains("images.stub"), "{told}");
        let short = run(&format!("upgrade {line} --yes --bundle short.tar"));
        assert!(short.code == 3 && short.stderr.contains(&format!("{stub}: Deployment/")), "{}", short.stderr);
        let whole = run(&format!("upgrade {line} --yes --bundle whole.tar"));
        assert_eq!(whole.code, 0, "{}{}", whole.stdout, whole.stderr);
        assert!(user.installation("site").contains(&stub), "the registry is in the objects");
    }
}

#[test]
fn a_login_that_docker_knows_is_used() {
    let (user, registry) = (User::new(), MemoryRegistry::start(Some(("me", "hidden"))).expect("a registry"));
    std::fs::create_dir(user.path(".docker")).expect("a folder");
    user.write(".docker/config.json", r#"{"auths": {"rig.local": {"auth": "bWU6aGlkZGVu"}}}"#);
    let came = run(&user, &registry, PLAN);
    assert!(came.code == 3 && came.stdout.contains("PL631") && !came.stdout.contains("PL633"), "{}", came.stdout);
}

/// Changes the world of the simulated installation `site`.
fn edit(user: &User, change: impl FnOnce(&mut Value)) {
    let mut installation: Value = serde_json::from_str(&user.installation("site")).expect("JSON");
    change(&mut installation["world"]);
    user.write("site/installation.json", &installation.to_string());
}

/// A pull Secret for the registry.
fn pull_secret(namespace: &str, name: &str, host: &str) -> Value {
    let config = format!(r#"{{"auths": {{"{host}": {{"auth": "bWU6aGlkZGVu"}}}}}}"#);
    let config = STANDARD.encode(config);
    json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name, "namespace": namespace, "uid": name},
        "type": "kubernetes.io/dockerconfigjson", "data": {".dockerconfigjson": config}})
}

#[test]
fn pods_that_have_no_login_for_the_registry_are_found() {
    let (user, registry) = (User::new(), MemoryRegistry::start(Some(("me", "hidden"))).expect("a registry"));
    std::fs::create_dir(user.path(".docker")).expect("a folder");
    user.write(".docker/config.json", r#"{"auths": {"rig.local": {"auth": "bWU6aGlkZGVu"}}}"#);
    bundle(&user, "whole.tar", &[POSTGRES, STUB]);
    user.ok("sim new openshift-2.8 site");
    assert_eq!(run(&user, &registry, "bundle push whole.tar --to rig.local --plain-http").code, 0);
    let plan = PLAN.replace("openshift-2.8", "site");
    let without = run(&user, &registry, &plan);
    let told = one_line(&without.stdout);
    assert_eq!(without.code, 3, "{told}{}", without.stderr);
    for named in [
        "PL635",
        "rig.local wants a login",
        "rig.local/stub:1: no pull Secret",
        "Secret/pull-secret in openshift-config does not exist",
        "--docker-server=rig.local",
    ] {
        assert!(told.contains(named), "{named}\n{told}");
    }
    // Secrets of the namespace, named by the accounts of the pods.
    let before = user.installation("site");
    let secret = "Secret/runai-backend/site-pull";
    let accounts = |world: &mut Value, host: &str| {
        let objects = world["objects"].as_object_mut().expect("objects");
        objects.insert(secret.into(), pull_secret("runai-backend", "site-pull", host));
        let default = json!({"apiVersion": "v1", "kind": "ServiceAccount",
            "metadata": {"name": "default", "namespace": "runai-backend", "uid": "default"}});
        objects.insert("ServiceAccount/runai-backend/default".into(), default);
        for (_, account) in objects.iter_mut().filter(|(name, _)| name.starts_with("ServiceAccount/")) {
            account["imagePullSecrets"] = json!([{"name": "site-pull"}]);
        }
    };
    edit(&user, |world| accounts(world, "other.local"));
    let other = run(&user, &registry, &plan);
    let told = one_line(&other.stdout);
    assert!(other.code == 3 && told.contains("Secret/site-pull is for other.local"), "{told}");
    edit(&user, |world| accounts(world, "rig.local"));
    let with = run(&user, &registry, &plan);
    assert!(with.code == 0 && !with.stdout.contains("PL635"), "{}{}", with.stdout, with.stderr);
    // The Secret that all nodes of an OpenShift cluster have.
    user.write("site/installation.json", &before);
    edit(&user, |world| {
        world["objects"]["Secret/openshift-config/pull-secret"] =
            pull_secret("openshift-config", "pull-secret", "rig.local");
    });
    let global = run(&user, &registry, &plan);
    assert!(global.code == 0 && !global.stdout.contains("PL635"), "{}{}", global.stdout, global.stderr);
    for came in [without, other, with, global] {
        assert!(!format!("{}{}", came.stdout, came.stderr).contains("bWU6aGlkZGVu"));
    }
}

#[test]
fn a_mirror_set_leads_to_the_registry_for_the_references_that_it_is_for() {
    let (user, registry) = (User::new(), registry());
    bundle(&user, "whole.tar", &[POSTGRES, STUB]);
    user.ok("sim new openshift-2.8 site");
    assert_eq!(run(&user, &registry, "bundle push whole.tar --to mirror.example:5000/m --plain-http").code, 0);
    let before = user.installation("site");
    let set = |kind: &str, field: &str| {
        user.write("site/installation.json", &before);
        edit(&user, |world| {
            let names =
                ["ImageTagMirrorSet", "ImageDigestMirrorSet"].map(|kind| format!("config.openshift.io/v1/{kind}"));
            world["facts"]["cluster"]["api_versions"] = json!(names);
            world["objects"][format!("{kind}.config.openshift.io/site")] = json!({
                "apiVersion": "config.openshift.io/v1", "kind": kind, "metadata": {"name": "site", "uid": "site"},
                "spec": {field: [{"source": "rig.local", "mirrors": ["mirror.example:5000/m"]}]}});
        });
    };
    let plan = PLAN.replace("openshift-2.8", "site").replace("rig.local", "mirror.example:5000");
    let none = run(&user, &registry, &plan);
    assert!(none.code == 3 && none.stdout.contains("PL632"), "{}{}", none.stdout, none.stderr);
    set("ImageDigestMirrorSet", "imageDigestMirrors");
    let digests = run(&user, &registry, &plan);
    let told = one_line(&digests.stdout);
    assert!(digests.code == 3 && told.contains("PL636") && !told.contains("PL632"), "{told}{}", digests.stderr);
    assert!(told.contains("{source: rig.local, mirrors: [mirror.example:5000/m]}"), "{told}");
    set("ImageTagMirrorSet", "imageTagMirrors");
    let tags = run(&user, &registry, &plan);
    assert_eq!(tags.code, 0, "{}{}", tags.stdout, tags.stderr);
    assert!(registry.seen().contains(&"HEAD /v2/m/stub/manifests/1".to_owned()), "{:?}", registry.seen());
    registry.remove("m/stub", "1");
    let missing = run(&user, &registry, &plan);
    let told = one_line(&missing.stdout);
    assert!(missing.code == 3 && told.contains("PL631") && told.contains("ImageTagMirrorSet/site"), "{told}");
}

/// A simulated site has a simulated registry: nothing is sent anywhere.
#[test]
fn a_simulated_site_is_upgraded_out_of_a_bundle_without_a_registry() {
    let user = User::new();
    let (old, new) = ("vendor.example/postgres:15", "vendor.example/stub:1");
    bundle(&user, "whole.tar", &[old, new]);
    bundle(&user, "short.tar", &[old]);
    let values = portolan_fixtures::values_of(&["values/custom-env.yaml".to_owned()], &[]);
    user.write("custom-env.yaml", &values.to_string());
    user.ok("sim new openshift-2.8-airgapped site");
    let alone = |line: &str| {
        let mut command = user.command(line);
        // Whoever asks a registry comes here, where nobody listens.
        command.env("HTTP_PROXY", "http://127.0.0.1:1").env("HTTPS_PROXY", "http://127.0.0.1:1").env("NO_PROXY", "");
        came(&command.output().expect("the program starts"))
    };
    let named = "registry.site.example:5000/runai";
    // The fixture charts' own `images` are no recipe's.
    let accepted = "--accept PL231 --reason images";
    let line = format!("--sim site --to 2.20 -f custom-env.yaml {accepted}");
    let unnamed = alone("plan --sim site --to 2.20 --no-rehearsal --bundle whole.tar");
    let told = one_line(&unnamed.stdout);
    assert!(unnamed.code == 3 && told.contains("PL632") && told.contains("custom-env.yaml"), "{told}");
    let short = alone(&format!("plan {line} --no-rehearsal --bundle short.tar"));
    let told = one_line(&short.stdout);
    let missing = format!("neither {named} nor the bundle has 1 image");
    assert!(short.code == 3 && told.contains("PL631") && told.contains(&missing), "{told}{}", short.stderr);
    let whole = alone(&format!("plan {line} --bundle whole.tar --out site.plan"));
    assert_eq!(whole.code, 0, "{}{}", whole.stdout, whole.stderr);
    let counts = "2 named by the new version, 1 at registry.site.example:5000, 1 to be pushed from whole.tar";
    let next = format!("portolan bundle push whole.tar --to {named} --sim site");
    assert!(whole.stderr.contains(counts) && whole.stderr.contains(&next), "{}", whole.stderr);
    let early = alone("apply --sim site site.plan --yes");
    assert!(early.code == 3 && early.stderr.contains("error[PL631]"), "{}{}", early.stdout, early.stderr);
    let pushed = alone(&format!("bundle push whole.tar --to {named} --sim site"));
    assert!(pushed.code == 0 && pushed.stderr.contains("names of the bundle"), "{}", pushed.stderr);
    let applied = alone("apply --sim site site.plan --yes");
    assert_eq!(applied.code, 0, "{}{}", applied.stdout, applied.stderr);
    // In one command, which pushes first.
    user.ok("sim new openshift-2.8-airgapped again");
    let came = alone(&format!("upgrade --sim again --to 2.20 -f custom-env.yaml {accepted} --bundle whole.tar --yes"));
    assert_eq!(came.code, 0, "{}{}", came.stdout, came.stderr);
    assert!(user.installation("again").contains(&format!("{named}/stub:1")));
}

#[test]
fn a_bundle_goes_with_a_registry_and_without_another_chart() {
    let user = User::new();
    for (line, named) in [
        ("plan --sim openshift-2.8 --to 2.20 --bundle b.tar", "--registry"),
        ("plan --sim openshift-2.8 --to 2.20 --registry h --bundle b.tar --chart c.tgz", "--chart"),
        ("plan --sim openshift-2.8 --to 2.20 --registry https://h", "scheme"),
        ("plan --sim openshift-2.8 --to 2.20 --registry h --bundle none.tar", "PL601"),
    ] {
        let came = user.run(line);
        assert!(came.code != 0 && came.stderr.contains(named), "{line}: {}", came.stderr);
    }
}
