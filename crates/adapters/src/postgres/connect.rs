//! A connection to a server, wherever it is.

use std::time::Duration;

use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use portolan_model::{DatabaseError, DatabaseRef, OutsideServer, Ref, SslMode};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout};
use tokio_postgres::config::SslMode as Asked;
use tokio_postgres::error::SqlState;
use tokio_postgres::tls::TlsConnect;
use tokio_postgres::{Client, NoTls};

use super::judge;
use super::place::{Place, place};
use super::tls::Tls;

/// How long a server may take to let us in: one that is only just starting turns everybody away.
const CONNECT: Duration = Duration::from_secs(20);

/// The pause between two tries.
const PAUSE: Duration = Duration::from_secs(1);

/// A connection; a server that is starting, or a pod that is not there yet, is tried again for a while.
pub(super) async fn connect(
    client: kube::Client,
    database: &DatabaseRef,
    password: &str,
) -> Result<Client, DatabaseError> {
    let end = Instant::now() + CONNECT;
    loop {
        let left = end.saturating_duration_since(Instant::now());
        let error = match timeout(left, try_connect(client.clone(), database, password)).await {
            Ok(Ok(client)) => return Ok(client),
            Ok(Err(error)) => error,
            Err(_) => return Err(no_answer(CONNECT)),
        };
        let again = matches!(error, DatabaseError::Unreachable(_));
        if !again || end.saturating_duration_since(Instant::now()) < PAUSE {
            return Err(error);
        }
        sleep(PAUSE).await;
    }
}

pub(super) fn no_answer(within: Duration) -> DatabaseError {
    DatabaseError::Unreachable(format!("no answer within {} s", within.as_secs()))
}

/// One try.
pub(super) async fn try_connect(
    client: kube::Client,
    database: &DatabaseRef,
    password: &str,
) -> Result<Client, DatabaseError> {
    let login = Login { database, password };
    match &database.outside {
        None => through(client, &database.pod, database.port, &login, NoTls).await,
        Some(server) => outside(client, server, &login).await,
    }
}

/// To a server outside: its name means what it means to the release's pods.
async fn outside(client: kube::Client, server: &OutsideServer, login: &Login<'_>) -> Result<Client, DatabaseError> {
    let database = login.database;
    let tls = Tls::of(&client, server).await?;
    let namespace = database.password.secret.namespace();
    match place(&client, namespace, &server.host, database.port).await? {
        Place::Pod(pod, port) => through(client, &pod, port, login, tls).await,
        Place::Address(host, port) => {
            let stream = TcpStream::connect((host.as_str(), port))
                .await
                .map_err(|error| DatabaseError::Unreachable(format!("{host}:{port}: {error}")))?;
            login.enter(stream, tls, ()).await.map_err(judge_outside)
        }
    }
}

/// Through a port-forward to a pod.
async fn through<T>(
    client: kube::Client,
    pod: &Ref,
    port: u16,
    login: &Login<'_>,
    tls: T,
) -> Result<Client, DatabaseError>
where
    T: TlsConnect<Box<dyn Stream>>,
    T::Stream: Send + 'static,
{
    let pods: Api<Pod> = Api::namespaced(client, pod.namespace());
    let mut forwarder = pods.portforward(pod.name(), &[port]).await.map_err(|error| {
        DatabaseError::Unreachable(match error {
            kube::Error::Api(status) => status.message.clone(),
            other => other.to_string(),
        })
    })?;
    let (Some(stream), Some(broken)) = (forwarder.take_stream(port), forwarder.take_error(port)) else {
        return Err(DatabaseError::Other("the port cannot be forwarded".into()));
    };
    let stream: Box<dyn Stream> = Box::new(stream);
    // The forwarder lives as long as the connection.
    let entered = login.enter(stream, tls, forwarder).await;
    match entered {
        Ok(client) => Ok(client),
        Err(error) if login.database.is_outside() => Err(judge_outside(error)),
        Err(error) => Err(refused(error, broken).await),
    }
}

/// What a connection is made over.
trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

/// As whom.
struct Login<'a> {
    database: &'a DatabaseRef,
    password: &'a str,
}

impl Login<'_> {
    /// Logs in over a stream; `keep` is dropped when the connection ends.
    async fn enter<S, T>(&self, stream: S, tls: T, keep: impl Send + 'static) -> Result<Client, tokio_postgres::Error>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
        T: TlsConnect<S>,
        T::Stream: Send + 'static,
    {
        let asked = match self.database.outside.as_ref().map(|server| server.ssl_mode) {
            None | Some(SslMode::Disable) => Asked::Disable,
            Some(SslMode::Prefer) => Asked::Prefer,
            Some(SslMode::Require | SslMode::VerifyCa | SslMode::VerifyFull) => Asked::Require,
        };
        let (client, connection) = tokio_postgres::Config::new()
            .user(&self.database.user)
            .password(self.password)
            .dbname(&self.database.database)
            .application_name("portolan")
            .ssl_mode(asked)
            .connect_raw(stream, tls)
            .await?;
        tokio::spawn(async move {
            // Its errors come out at the client too.
            let _ = connection.await;
            drop(keep);
        });
        Ok(client)
    }
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

/// A server outside may let in the release's pods and not this machine: that says nothing about the password.
fn judge_outside(error: tokio_postgres::Error) -> DatabaseError {
    match error.as_db_error() {
        Some(said) if *said.code() == SqlState::INVALID_AUTHORIZATION_SPECIFICATION => {
            DatabaseError::Other(said.message().to_owned())
        }
        _ => judge(error),
    }
}
