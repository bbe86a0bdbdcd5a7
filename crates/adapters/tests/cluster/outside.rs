//! A look into a server outside the release, over each SSL mode: a real PostgreSQL that takes no login without TLS, behind a
//! Service of its own.

use std::time::Duration;

use portolan_adapters::kubernetes::Client;
use portolan_adapters::postgres::{Depth, snapshot, version};
use portolan_model::{CaSource, Cond, DatabaseError, DatabaseRef, OutsideServer, Ref, Reply, SecretKey, SslMode, Wait};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use serde_json::json;

use crate::{admin, namespace, post, there};

/// The image's entrypoint, with TLS, and without logins that do not use it.
const SERVER: &str = "sed -e 's|^exec postgres .*|& -c ssl=on -c ssl_cert_file=/tls/crt -c ssl_key_file=/tls/key|' \
     -e 's|host all all all|hostssl all all all|' /usr/local/bin/postgres.sh >/tmp/tls.sh; exec sh /tmp/tls.sh";

/// An authority, and what it signed for a host.
struct Signed {
    ca: String,
    certificate: String,
    key: String,
}

fn sign(host: &str) -> Signed {
    let ca_key = KeyPair::generate().expect("a key");
    let mut ca = CertificateParams::new(vec![]).expect("parameters");
    ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let pem = ca.self_signed(&ca_key).expect("an authority").pem();
    let key = KeyPair::generate().expect("a key");
    let leaf = CertificateParams::new(vec![host.to_owned()]).expect("parameters");
    let certificate = leaf.signed_by(&key, &Issuer::from_params(&ca, &ca_key)).expect("a certificate").pem();
    Signed { ca: pem, certificate, key: key.serialize_pem() }
}

/// Starts the server; its address in the cluster.
async fn server(client: &Client, namespace: &str, signed: &Signed) -> String {
    let image = std::env::var("PORTOLAN_TEST_POSTGRES").expect("PORTOLAN_TEST_POSTGRES");
    let until = |target: Ref| Wait { step: 0, until: vec![Cond::Ready(target)], limit: Duration::from_secs(60) };
    let account = until(Ref::new("", "ServiceAccount", namespace, "default"));
    assert_eq!(client.wait(&account, "default", &|_| false, &mut |_, _| {}).await, Reply::Met);
    let of = |kind: &str| format!("/api/v1/namespaces/{namespace}/{kind}");
    let tls = json!({"metadata": {"name": "tls"}, "stringData": {"crt": signed.certificate, "key": signed.key}});
    post(client, &of("secrets"), tls).await;
    for (name, ca) in [("right", &signed.ca), ("wrong", &sign("x").ca)] {
        post(client, &of("configmaps"), json!({"metadata": {"name": name}, "data": {"ca.crt": ca}})).await;
    }
    let secret = json!({"metadata": {"name": "ca"}, "stringData": {"ca.crt": signed.ca}});
    post(client, &of("secrets"), secret).await;
    let service = json!({"metadata": {"name": "db"}, "spec": {"selector": {"app": "db"}, "ports": [{"port": 6432, "targetPort": 5432}]}});
    post(client, &of("services"), service).await;
    let pod = json!({
        "metadata": {"name": "db-0", "labels": {"app": "db"}},
        "spec": {
            "containers": [{
                "name": "postgres", "image": image, "imagePullPolicy": "IfNotPresent", "command": ["sh", "-ec", SERVER],
                "env": [{"name": "POSTGRES_PASSWORD", "value": "hidden"}],
                "readinessProbe": {"tcpSocket": {"port": 5432}, "periodSeconds": 1},
                "volumeMounts": [{"name": "data", "mountPath": "/pgdata"}, {"name": "tls", "mountPath": "/tls"}],
            }],
            "volumes": [{"name": "data", "emptyDir": {}}, {"name": "tls", "secret": {"secretName": "tls", "defaultMode": 0o440}}],
            "securityContext": {"fsGroup": 1001, "runAsUser": 1001, "runAsGroup": 1001},
        },
    });
    post(client, &of("pods"), pod).await;
    let ready = until(Ref::pod(namespace, "db-0"));
    assert_eq!(client.wait(&ready, "default", &|_| false, &mut |_, _| {}).await, Reply::Met);
    there(client, &Ref::new("", "Service", namespace, "db")).await.text("/spec/clusterIP").to_owned()
}

#[tokio::test]
#[ignore = "needs the rig: cargo xtask test"]
async fn a_server_outside_is_looked_into_over_its_ssl_mode() {
    let client = admin().await;
    let namespace = namespace(&client).await;
    let name = format!("db.{namespace}.svc");
    let signed = sign(&name);
    let address = server(&client, &namespace, &signed).await;
    let map =
        |name: &str| CaSource::ConfigMap { object: Ref::new("", "ConfigMap", &namespace, name), key: "ca.crt".into() };
    let secret = CaSource::Secret(SecretKey { secret: Ref::secret(&namespace, "ca"), key: "ca.crt".into() });
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("ca.pem");
    std::fs::write(&path, &signed.ca).expect("a file");
    let file = CaSource::File(path.to_string_lossy().into_owned());
    let database = |host: &str, ssl_mode: SslMode, ca: Option<CaSource>| DatabaseRef {
        pod: Ref::outside(host, 6432),
        port: 6432,
        user: "postgres".into(),
        database: "postgres".into(),
        password: SecretKey { secret: Ref::secret(&namespace, "pg"), key: "password".into() },
        outside: Some(OutsideServer { host: host.into(), ssl_mode, ca }),
    };
    // By its name it is reached through a port-forward, by its address over the network.
    let first = snapshot(client.raw(), &database(&name, SslMode::Require, None), "hidden", Depth::Rows).await;
    let first = first.expect("a snapshot");
    let taken = [
        (&name, SslMode::Prefer, None),
        (&name, SslMode::VerifyFull, Some(map("right"))),
        (&name, SslMode::VerifyFull, Some(secret)),
        (&address, SslMode::Require, None),
        (&address, SslMode::VerifyCa, Some(file)),
    ];
    for (host, mode, ca) in taken {
        let seen = snapshot(client.raw(), &database(host, mode, ca), "hidden", Depth::Rows).await;
        assert_eq!(seen.as_ref(), Ok(&first), "{host} {}", mode.word());
    }
    // Through a port-forward a login comes from the pod itself, for which pg_hba.conf has lines of its own.
    let refused = [
        (&address, SslMode::Disable, None, "no encryption"),
        (&name, SslMode::VerifyCa, Some(map("wrong")), "invalid peer certificate"),
        (&name, SslMode::VerifyCa, None, "UnknownIssuer"),
        (&address, SslMode::VerifyFull, Some(map("right")), "not valid for name"),
        (&name, SslMode::VerifyCa, Some(map("absent")), "absent"),
    ];
    for (host, mode, ca, why) in refused {
        let said = match version(client.raw(), &database(host, mode, ca), "hidden").await {
            Err(DatabaseError::Other(text) | DatabaseError::Unreachable(text)) => text,
            other => panic!("{host} {}: {other:?}", mode.word()),
        };
        assert!(said.contains(why), "{host} {}: {said}", mode.word());
    }
    let wrong = version(client.raw(), &database(&name, SslMode::Require, None), "wrong").await;
    assert_eq!(wrong, Err(DatabaseError::PasswordRefused));
    // A bare name that is no Service may be another machine here.
    let bare = version(client.raw(), &database("nowhere", SslMode::Require, None), "hidden").await;
    assert!(matches!(&bare, Err(DatabaseError::Unreachable(text)) if text.contains("is no Service")), "{bare:?}");
}
