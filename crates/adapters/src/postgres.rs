//! A look into a PostgreSQL server: in a pod through the API server's port-forward, so that no port is opened on this machine;
//! outside the cluster over the network (`connect.rs`). Read-only, and nothing of the data leaves the server but counts, the names of columns, and hashes of some keys.

mod connect;
mod place;
mod tls;

use std::collections::BTreeMap;
use std::error::Error as _;
use std::time::Duration;

use portolan_model::{DatabaseError, DatabaseRef, OtherDatabase, Snapshot, Table};
use tokio::time::timeout;
use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, Row};

use connect::{connect, no_answer, try_connect};

/// How long a server may take that is asked once.
const ONCE: Duration = Duration::from_secs(5);

/// Everything is read in one snapshot that writes nothing. A table that takes longer than the statement's limit, or that
/// somebody holds locked, is not counted. With `row_security` off a policy that hides rows is an error and no smaller
/// count. The rest makes a value the same text whatever the server or the role is set to.
const BEGIN: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; \
     SET LOCAL statement_timeout = '60s'; SET LOCAL lock_timeout = '5s'; SET LOCAL row_security = off; \
     SET LOCAL TimeZone = 'UTC'; SET LOCAL DateStyle = 'ISO, YMD'; SET LOCAL IntervalStyle = 'postgres'; \
     SET LOCAL extra_float_digits = 1; SET LOCAL bytea_output = 'hex'; \
     SAVEPOINT portolan";

const SERVER: &str = "SELECT system_identifier::text, current_setting('server_version') \
     FROM pg_catalog.pg_control_system()";

/// The server's other databases and whether they take connections; templates hold nobody's data.
const DATABASES: &str = "SELECT datname, datallowconn FROM pg_catalog.pg_database \
     WHERE NOT datistemplate AND datname <> pg_catalog.current_database() ORDER BY 1";

/// Each table outside the system's schemas with the name to select from, its columns, the row of its primary key (null
/// where it has none) and the estimate of its rows. Partitioned parents are left out: their rows are counted in the
/// partitions. Unlogged tables are left out: the server empties them itself after a crash.
const TABLES: &str = "SELECT n.nspname || '.' || c.relname, \
            pg_catalog.format('%I.%I', n.nspname, c.relname), \
            ARRAY(SELECT a.attname || ' ' || pg_catalog.format_type(a.atttypid, a.atttypmod) \
                  FROM pg_catalog.pg_attribute a \
                  WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped \
                  ORDER BY a.attnum), \
            (SELECT 'ROW(' || pg_catalog.string_agg(pg_catalog.format('t.%I', a.attname), ', ' ORDER BY k.place) || ')' \
             FROM pg_catalog.pg_index i, pg_catalog.unnest(i.indkey::int2[]) WITH ORDINALITY AS k (attnum, place), \
                  pg_catalog.pg_attribute a \
             WHERE i.indrelid = c.oid AND i.indisprimary AND a.attrelid = c.oid AND a.attnum = k.attnum \
                   AND k.place <= i.indnkeyatts), \
            greatest(c.reltuples, 0)::bigint \
     FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
     WHERE c.relkind = 'r' AND c.relpersistence = 'p' AND n.nspname <> 'information_schema' \
           AND n.nspname !~ '^pg_' \
     ORDER BY 1";

/// How deep a look into a database goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    /// Tables, columns, numbers of rows and a sample of keys.
    Rows,
    /// A digest over the content of each table too: every row is read.
    Content,
}

/// What is in a database.
///
/// # Errors
/// Why it could not be looked into.
pub async fn snapshot(
    client: kube::Client,
    database: &DatabaseRef,
    password: &str,
    depth: Depth,
) -> Result<Snapshot, DatabaseError> {
    let session = connect(client.clone(), database, password).await?;
    session.batch_execute(BEGIN).await.map_err(judge)?;
    let server = session.query_one(SERVER, &[]).await.map_err(judge)?;
    let tables = tables(&session, depth).await?;
    let mut others = BTreeMap::new();
    for row in session.query(DATABASES, &[]).await.map_err(judge)? {
        let name: String = row.get(0);
        let other = if row.get(1) {
            another(client.clone(), &DatabaseRef { database: name.clone(), ..database.clone() }, password, depth)
                .await?
        } else {
            OtherDatabase::Closed("it does not allow connections".into())
        };
        others.insert(name, other);
    }
    // Nothing was written, so it does not matter how the transaction ends.
    let _ = session.batch_execute("ROLLBACK").await;
    Ok(Snapshot {
        system_identifier: server.get(0),
        server_version: server.get(1),
        database: database.database.clone(),
        tables,
        others,
    })
}

/// Another database of the same server. That this role may not open it is an answer; that the server does not answer is none.
async fn another(
    client: kube::Client,
    database: &DatabaseRef,
    password: &str,
    depth: Depth,
) -> Result<OtherDatabase, DatabaseError> {
    let look = async {
        let session = connect(client, database, password).await?;
        session.batch_execute(BEGIN).await.map_err(judge)?;
        let tables = tables(&session, depth).await?;
        let _ = session.batch_execute("ROLLBACK").await;
        Ok(tables)
    };
    match look.await {
        Ok(tables) => Ok(OtherDatabase::Tables(tables)),
        Err(DatabaseError::PasswordRefused) => Ok(OtherDatabase::Closed("the server refuses this role".into())),
        Err(DatabaseError::NoDatabase(text) | DatabaseError::Other(text)) => Ok(OtherDatabase::Closed(text)),
        Err(error @ DatabaseError::Unreachable(_)) => Err(error),
    }
}

/// What a server says of its version, as `SHOW server_version` prints it. It is asked once: who plans does not wait for
/// a server that is down.
///
/// # Errors
/// Why it could not be asked.
pub async fn version(client: kube::Client, database: &DatabaseRef, password: &str) -> Result<String, DatabaseError> {
    let ask = async {
        let client = try_connect(client, database, password).await?;
        Ok(client.query_one("SHOW server_version", &[]).await.map_err(judge)?.get(0))
    };
    timeout(ONCE, ask).await.unwrap_or_else(|_| Err(no_answer(ONCE)))
}

/// The tables of the database that a session is in.
async fn tables(client: &Client, depth: Depth) -> Result<BTreeMap<String, Table>, DatabaseError> {
    let mut tables = BTreeMap::new();
    for row in client.query(TABLES, &[]).await.map_err(judge)? {
        let name: String = row.get(0);
        let table = table(client, &row, depth).await.map_err(|error| in_table(&name, error))?;
        tables.insert(name, table);
    }
    Ok(tables)
}

/// One table. What takes too long is left out, and the number of rows is then the server's estimate.
async fn table(client: &Client, row: &Row, depth: Depth) -> Result<Table, tokio_postgres::Error> {
    let (quoted, key): (String, Option<String>) = (row.get(1), row.get(3));
    let counted = in_time(client, &format!("SELECT count(*) FROM {quoted}")).await?;
    let (about, locked) = (counted.is_err(), counted.as_ref().is_err_and(|late| *late == Late::Locked));
    let estimate: i64 = row.get(4);
    let rows = counted.ok().and_then(|rows| rows.first()?.get(0)).unwrap_or(estimate).unsigned_abs();
    let mut table = Table { rows, columns: row.get(2), about, locked, ..Table::default() };
    if locked {
        // Each statement would wait for the same lock.
        return Ok(table);
    }
    if let Some(key) = key {
        let sql = format!(
            "SELECT h FROM (SELECT pg_catalog.hashtextextended({key}::text, 0) AS h FROM {quoted} t) k ORDER BY h LIMIT {}",
            Table::KEYS
        );
        let keys = in_time(client, &sql).await?.unwrap_or_default();
        table.keys = keys.iter().map(|row| row.get(0)).collect();
    }
    if depth == Depth::Content {
        // Of bigint the sum is numeric: it cannot overflow, and the order of the rows makes no difference.
        let sql = format!("SELECT coalesce(sum(pg_catalog.hashtextextended(t::text, 0)), 0)::text FROM {quoted} t");
        table.digest = in_time(client, &sql).await?.ok().and_then(|rows| rows.first()?.get(0));
    }
    Ok(table)
}

/// Why a table could not be read in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Late {
    /// Somebody holds a lock on it: `lock_timeout` ran out.
    Locked,
    /// The statement took too long: `statement_timeout` ran out.
    Slow,
}

impl Late {
    fn of(code: &SqlState) -> Option<Self> {
        match *code {
            SqlState::LOCK_NOT_AVAILABLE => Some(Self::Locked),
            SqlState::QUERY_CANCELED => Some(Self::Slow),
            _ => None,
        }
    }
}

/// The answer, or why it did not come in time.
async fn in_time(client: &Client, sql: &str) -> Result<Result<Vec<Row>, Late>, tokio_postgres::Error> {
    match client.query(sql, &[]).await {
        Ok(rows) => Ok(Ok(rows)),
        Err(error) => {
            let Some(late) = error.code().and_then(Late::of) else { return Err(error) };
            client.batch_execute("ROLLBACK TO SAVEPOINT portolan").await?;
            Ok(Err(late))
        }
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
        assert_eq!(Late::of(&SqlState::from_code("55P03")), Some(Late::Locked));
        assert_eq!(Late::of(&SqlState::from_code("57014")), Some(Late::Slow));
        assert_eq!(judge(&SqlState::INSUFFICIENT_PRIVILEGE), DatabaseError::Other("text (42501)".into()));
    }
}
