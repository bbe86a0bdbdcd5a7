use std::collections::BTreeMap;

use semver::Version;
use serde::Deserialize;

use crate::server::Server;

/// What is the same whatever the version.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Product {
    /// The version of this format.
    pub format: u32,
    /// What is upgraded, for people.
    pub product: String,
    /// The release as it is usually named.
    pub release: ReleaseName,
    /// The charts in order of era.
    pub charts: Vec<String>,
    /// The pages that steps come from.
    pub pages: BTreeMap<String, Page>,
    /// The databases that hold the data.
    #[serde(default)]
    pub databases: Vec<Database>,
    /// What the charts look up in the cluster and refuse.
    #[serde(default)]
    pub refusals: Vec<Refusal>,
    /// Where the platform is reached: the first that is there tells its domain.
    #[serde(default)]
    pub routes: Vec<Route>,
}

/// The usual name of a release.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReleaseName {
    /// The release.
    pub name: String,
    /// Its namespace.
    pub namespace: String,
}

/// A page that steps come from.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Page {
    /// Its title.
    pub title: String,
    /// Where it is kept.
    pub source: String,
}

/// A database.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Database {
    /// How steps name it.
    pub name: String,
    /// The `StatefulSet` that runs it.
    pub set: String,
    /// The server's port.
    pub port: u16,
    /// The role that logs in.
    pub user: String,
    /// The database.
    pub database: String,
    /// Its password.
    pub password: Password,
    /// Its server.
    pub server: Server,
}

/// Where a password is and where it goes.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Password {
    /// The Secret that holds it.
    pub secret: String,
    /// The keys under which it may be; the first that is there counts.
    pub keys: Vec<String>,
    /// The values path under which a chart takes it, by the chart's name.
    pub value: BTreeMap<String, String>,
}

/// A Secret that charts look up in the live cluster and refuse when it lacks a key.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Refusal {
    /// The Secret.
    pub secret: String,
    /// The key.
    pub key: String,
    /// The first version whose charts do so.
    pub since: Version,
    /// How the refusal begins.
    pub message: String,
}

/// Where the platform is reached.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Route {
    /// The object.
    pub object: String,
    /// Where in it the host is: a JSON pointer.
    pub host: String,
}
