use serde::Deserialize;

/// How values say that a database is outside: for each fact the paths under which charts take it. The first that is set counts.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct OutsideRule {
    /// A switch that is `false` where the release does not run the server.
    pub switch: Vec<String>,
    /// The server's host.
    pub host: Vec<String>,
    /// Its port; where none is set that of the database's entry.
    #[serde(default)]
    pub port: Vec<String>,
    /// The role that logs in; where none is set that of the database's entry.
    #[serde(default)]
    pub user: Vec<String>,
    /// The database; where none is set that of the database's entry.
    #[serde(default)]
    pub database: Vec<String>,
    /// libpq's `sslmode`.
    #[serde(default)]
    pub ssl_mode: Vec<String>,
    /// The password.
    pub password: OutsidePassword,
    /// The authority that signed the server's certificate.
    #[serde(default)]
    pub ca: Option<OutsideCa>,
}

/// Where values have the password of a database that is outside.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct OutsidePassword {
    /// The password itself. It is read from the Secret that the chart made of it.
    #[serde(default)]
    pub value: Vec<String>,
    /// The name of a Secret.
    #[serde(default)]
    pub secret: Vec<String>,
    /// The key of that Secret.
    #[serde(default)]
    pub key: Vec<String>,
    /// The keys to try where no value names one.
    #[serde(default)]
    pub keys: Vec<String>,
}

/// Where values have the certificate of an authority.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct OutsideCa {
    /// The name of a Secret.
    #[serde(default)]
    pub secret: Vec<String>,
    /// The name of a `ConfigMap`.
    #[serde(default)]
    pub config_map: Vec<String>,
    /// The key of either.
    #[serde(default)]
    pub key: Vec<String>,
    /// The keys to try where no value names one.
    #[serde(default)]
    pub keys: Vec<String>,
}
