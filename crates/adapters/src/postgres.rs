//! A look into a PostgreSQL server through the API server's port-forward: no port is opened on this machine.
//! Read-only, and nothing of the data leaves the server but counts and the names of columns.

use std::collections::BTreeMap;
use std::error::Error as _;
use std::time::Duration;

use futures::{StreamExt, TryStreamExt, stream};
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use model::{DatabaseError, DatabaseRef, Snapshot, Table};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Instant, sleep, timeout};
use tokio_postgres::error::SqlState;
use tokio_postgres::tls::NoTlsStream;
use tokio_postgres::{Client, Connection, NoTls};

/// How long a server may take to let us in: one that is only just starting turns everybody away.
const CONNECT: Duration = Duration::from_secs(20);

/// The pause between two tries.
const PAUSE: Duration = Duration::from_secs(1);

/// How many counts are sent ahead of their answers. The server still runs one at a time.
const AHEAD: usize = 16;

/// Everything is read in one snapshot. With `row_security` off a policy that hides rows is an error and no
/// smaller count.
const BEGIN: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; \
     SET LOCAL statement_timeout = '60s'; SET LOCAL lock_timeout = '10s'; SET LOCAL row_security = off";

const SERVER: &str = "SELECT system_identifier::text, current_setting('server_version') \
     FROM pg_catalog.pg_control_system()";

/// Each table outside the system's schemas with the name to select from and its columns. Partitioned
/// parents are left out: their rows are counted in the partitions.
const TABLES: &str = "SELECT n.nspname || '.' || c.relname, \
            pg_catalog.format('%I.%I', n.nspname, c.relname), \
            ARRAY(SELECT a.attname || ' ' || pg_catalog.format_type(a.atttypid, a.atttypmod) \
                  FROM pg_catalog.pg_attribute a \
                  WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped \
                  ORDER BY a.attnum) \
     FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
     WHERE c.relkind = 'r' AND c.relpersistence <> 't' AND n.nspname <> 'information_schema' \
           AND n.nspname !~ '^pg_' \
     ORDER BY 1";

/// What is in a database.
///
/// # Errors
/// Why it could not be looked into.
pub async fn snapshot(client: kube::Client, database: &DatabaseRef, password: &str) -> Result<Snapshot, DatabaseError> {
    look(&connect(client, database, password).await?).await
}

async fn look(client: &Client) -> Result<Snapshot, DatabaseError> {
    client.batch_execute(BEGIN).await.map_err(judge)?;
    let server = client.query_one(SERVER, &[]).await.map_err(judge)?;
    let tables = tables(client).await?;
    // Nothing was written, so it does not matter how the transaction ends.
    let _ = client.batch_execute("ROLLBACK").await;
    Ok(Snapshot { system_identifier: server.get(0), server_version: server.get(1), tables })
}

async fn tables(client: &Client) -> Result<BTreeMap<String, Table>, DatabaseError> {
    let rows = client.query(TABLES, &[]).await.map_err(judge)?;
    stream::iter(rows)
        .map(|row| async move {
            let (name, quoted): (String, String) = (row.get(0), row.get(1));
            let counted = client
                .query_one(&format!("SELECT count(*) FROM {quoted}"), &[])
                .await
                .map_err(|error| in_table(&name, error))?;
            let rows: i64 = counted.get(0);
            let table = Table { rows: rows.unsigned_abs(), columns: row.get(2), ..Table::default() };
            Ok((name, table))
        })
        .buffered(AHEAD)
        .try_collect()
        .await
}

/// A connection; a server that is starting, or a pod that is not there yet, is tried again for a while.
async fn connect(client: kube::Client, database: &DatabaseRef, password: &str) -> Result<Client, DatabaseError> {
    let end = Instant::now() + CONNECT;
    loop {
        let left = end.saturating_duration_since(Instant::now());
        let error = match timeout(left, try_connect(client.clone(), database, password)).await {
            Ok(Ok(client)) => return Ok(client),
            Ok(Err(error)) => error,
            Err(_) => {
                let text = format!("no answer within {} s", CONNECT.as_secs());
                return Err(DatabaseError::Unreachable(text));
            }
        };
        let again = matches!(error, DatabaseError::Unreachable(_));
        if !again || end.saturating_duration_since(Instant::now()) < PAUSE {
            return Err(error);
        }
        sleep(PAUSE).await;
    }
}

async fn try_connect(client: kube::Client, database: &DatabaseRef, password: &str) -> Result<Client, DatabaseError> {
    let pods: Api<Pod> = Api::namespaced(client, database.pod.namespace());
    let mut forwarder = pods.portforward(database.pod.name(), &[database.port]).await.map_err(|error| {
        DatabaseError::Unreachable(match error {
            kube::Error::Api(status) => status.message.clone(),
            other => other.to_string(),
        })
    })?;
    let (Some(stream), Some(broken)) = (forwarder.take_stream(database.port), forwarder.take_error(database.port))
    else {
        return Err(DatabaseError::Other("the port cannot be forwarded".into()));
    };
    let (client, connection) = match enter(stream, database, password).await {
        Ok(connected) => connected,
        Err(error) => return Err(refused(error, broken).await),
    };
    tokio::spawn(async move {
        // Its errors come out at the client too. The forwarder lives as long as the connection.
        let _ = connection.await;
        drop(forwarder);
    });
    Ok(client)
}

async fn enter<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    database: &DatabaseRef,
    password: &str,
) -> Result<(Client, Connection<S, NoTlsStream>), tokio_postgres::Error> {
    tokio_postgres::Config::new()
        .user(&database.user)
        .password(password)
        .dbname(&database.database)
        .application_name("portolan")
        .connect_raw(stream, NoTls)
        .await
}

/// Why a connection failed: where the server did not say, the kubelet may have (`connection refused`).
async fn refused(error: tokio_postgres::Error, broken: impl Future<Output = Option<String>>) -> DatabaseError {
    match judge(error) {
        DatabaseError::Unreachable(text) => {
            let said = timeout(Duration::from_millis(500), broken).await;
            DatabaseError::Unreachable(said.ok().flatten().map_or(text, |said| said.trim().into()))
        }
        other => other,
    }
}

fn in_table(name: &str, error: tokio_postgres::Error) -> DatabaseError {
    match judge(error) {
        DatabaseError::Other(text) => DatabaseError::Other(format!("table {name}: {text}")),
        other => other,
    }
}

/// What an error of the server means.
// By value: it is the last that is done with it, and so it fits `map_err`.
#[allow(clippy::needless_pass_by_value)]
fn judge(error: tokio_postgres::Error) -> DatabaseError {
    let Some(said) = error.as_db_error() else {
        let text = match error.source() {
            Some(source) => format!("{error}: {source}"),
            None => error.to_string(),
        };
        return DatabaseError::Unreachable(text);
    };
    judge_state(said.code(), said.message())
}

fn judge_state(code: &SqlState, message: &str) -> DatabaseError {
    match code.code() {
        "28P01" | "28000" => DatabaseError::PasswordRefused,
        "3D000" => DatabaseError::NoDatabase(message.to_owned()),
        // Starting, shutting down, in recovery, or full for the moment.
        "57P01" | "57P02" | "57P03" | "53300" => DatabaseError::Unreachable(message.to_owned()),
        code => DatabaseError::Other(format!("{message} ({code})")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_servers_codes_mean() {
        let judge = |code: &SqlState| judge_state(code, "text");
        assert_eq!(judge(&SqlState::INVALID_PASSWORD), DatabaseError::PasswordRefused);
        assert_eq!(judge(&SqlState::INVALID_AUTHORIZATION_SPECIFICATION), DatabaseError::PasswordRefused);
        assert_eq!(judge(&SqlState::INVALID_CATALOG_NAME), DatabaseError::NoDatabase("text".into()));
        assert_eq!(judge(&SqlState::CANNOT_CONNECT_NOW), DatabaseError::Unreachable("text".into()));
        assert_eq!(judge(&SqlState::INSUFFICIENT_PRIVILEGE), DatabaseError::Other("text (42501)".into()));
    }
}
