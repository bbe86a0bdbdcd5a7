//! A look into a real server through the API server. `PORTOLAN_TEST_POSTGRES` names the image of a
//! PostgreSQL that takes its password from `POSTGRES_PASSWORD`.

use std::time::Duration;

use portolan_adapters::kubernetes::Client;
use portolan_adapters::postgres::{Depth, snapshot, version};
use portolan_model::{Cond, DatabaseError, DatabaseRef, Ref, Reply, SecretKey, Wait};
use serde_json::json;

use crate::{admin, namespace, post};

async fn server(client: &Client, namespace: &str) -> DatabaseRef {
    let image = std::env::var("PORTOLAN_TEST_POSTGRES").expect("PORTOLAN_TEST_POSTGRES");
    let account = Wait {
        step: 0,
        until: vec![Cond::Ready(Ref::new("", "ServiceAccount", namespace, "default"))],
        limit: Duration::from_secs(30),
    };
    assert_eq!(client.wait(&account, "default", &|_| false, &mut |_, _| {}).await, Reply::Met);
    let pod = json!({
        "metadata": { "name": "pg-0" },
        "spec": {
            "containers": [{
                "name": "postgres", "image": image, "imagePullPolicy": "IfNotPresent",
                "env": [{ "name": "POSTGRES_PASSWORD", "value": "hidden" }],
                "volumeMounts": [{ "name": "data", "mountPath": "/pgdata" }],
            }],
            "volumes": [{ "name": "data", "emptyDir": {} }],
            "securityContext": { "fsGroup": 1001 },
        },
    });
    post(client, &format!("/api/v1/namespaces/{namespace}/pods"), pod).await;
    DatabaseRef {
        pod: Ref::pod(namespace, "pg-0"),
        port: 5432,
        user: "postgres".into(),
        database: "postgres".into(),
        password: SecretKey { secret: Ref::secret(namespace, "pg"), key: "password".into() },
        outside: None,
    }
}

#[tokio::test]
#[ignore = "needs the rig: cargo xtask test"]
async fn a_database_is_looked_into_through_the_api_server() {
    let client = admin().await;
    let namespace = namespace(&client).await;
    let database = server(&client, &namespace).await;
    let running = Wait { step: 0, until: vec![Cond::Ready(database.pod.clone())], limit: Duration::from_secs(60) };
    assert_eq!(client.wait(&running, "default", &|_| false, &mut |_, _| {}).await, Reply::Met);
    // The pod is ready before the server is: the look itself waits for it.
    let first = snapshot(client.raw(), &database, "hidden", Depth::Rows).await.expect("a snapshot");
    assert!(first.system_identifier.parse::<u64>().is_ok(), "{first:?}");
    assert!(first.server_version.starts_with(|c: char| c.is_ascii_digit()));
    let second = snapshot(client.raw(), &database, "hidden", Depth::Rows).await;
    assert_eq!(second.as_ref(), Ok(&first));

    assert_eq!(version(client.raw(), &database, "hidden").await.as_ref(), Ok(&first.server_version));
    assert_eq!(version(client.raw(), &database, "wrong").await, Err(DatabaseError::PasswordRefused));

    let refused = snapshot(client.raw(), &database, "wrong", Depth::Rows).await;
    assert_eq!(refused, Err(DatabaseError::PasswordRefused));
    let mut other = database.clone();
    other.database = "absent".into();
    let refused = snapshot(client.raw(), &other, "hidden", Depth::Rows).await;
    assert!(matches!(refused, Err(DatabaseError::NoDatabase(_))), "{refused:?}");
    let mut closed = database;
    closed.port = 5999;
    let refused = version(client.raw(), &closed, "hidden").await;
    assert!(matches!(refused, Err(DatabaseError::Unreachable(_))), "{refused:?}");
    let refused = tokio::time::timeout(Duration::from_secs(40), snapshot(client.raw(), &closed, "hidden", Depth::Rows));
    let refused = refused.await.expect("it gives up");
    assert!(matches!(refused, Err(DatabaseError::Unreachable(_))), "{refused:?}");
}
