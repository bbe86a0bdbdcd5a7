use std::collections::BTreeMap;

use semver::Version;
use serde::Deserialize;
use serde_json::Value;

use crate::boundary::{Platform, StepOrigin};
use crate::outside::OutsideRule;
use crate::server::ServerSpec;

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
    /// Where they are kept; `None` where that is not the same for everybody.
    #[serde(default)]
    pub repository: Option<Repository>,
    /// The pages that steps come from.
    pub pages: BTreeMap<String, VendorDoc>,
    /// The databases that hold the data.
    #[serde(default)]
    pub databases: Vec<Database>,
    /// What holds data beside them.
    #[serde(default)]
    pub stores: Vec<Store>,
    /// What the vendor's installer writes into the values of every site.
    #[serde(default)]
    pub installer: Vec<InstallerValues>,
    /// What the vendor says of jumps from version to version.
    #[serde(default)]
    pub advice: Option<Advice>,
    /// What the charts look up in the cluster and refuse.
    #[serde(default)]
    pub refusals: Vec<Refusal>,
    /// Where the platform is reached: the first that is there tells its domain.
    #[serde(default)]
    pub routes: Vec<Route>,
    /// Where the charts' images come from.
    #[serde(default)]
    pub images: ProductImages,
    /// How pods are told of a CA of the site's own.
    #[serde(default, rename = "custom-ca")]
    pub custom_ca: Option<CustomCa>,
    /// What is known of logins.
    #[serde(default)]
    pub identity: Identity,
}

/// How the charts' pods are told of a CA of the site's own.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CustomCa {
    /// The value that has to be true: a dotted path.
    pub switch: String,
    /// The Secret in the release's namespace.
    pub secret: String,
    /// Its key with the certificates, in PEM.
    pub key: String,
}

/// What values say of logins.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Identity {
    /// The values paths of identity providers' addresses.
    #[serde(default)]
    pub providers: Vec<String>,
}

/// What is known of the charts' images.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct ProductImages {
    /// What makes a chart's images name a registry of the site: an option of `portolan plan`, by the chart's name.
    #[serde(default)]
    pub registry_option: BTreeMap<String, String>,
    /// Fields that name an image and are no pod's.
    #[serde(default)]
    pub fields: Vec<ImageInField>,
    /// Arguments of a program that name an image which it starts.
    #[serde(default)]
    pub arguments: Vec<ImageInArgument>,
}

/// A field of an object that names an image: of a custom resource, or a key of a `ConfigMap`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImageInField {
    /// `Kind/name` or `Kind.group/name`; `*` in place of the name for every object of the kind.
    pub object: String,
    /// The field: a JSON pointer.
    pub at: String,
}

/// An argument of a container that names an image.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImageInArgument {
    /// As in [`ImageInField`].
    pub object: String,
    /// What stands before the image: `--prometheus-config-reloader=`.
    pub prefix: String,
}

/// A workload that holds data and is no database.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Store {
    /// How recipes name it.
    pub name: String,
    /// The `StatefulSet` that runs it.
    pub set: String,
}

/// What the vendor's installer writes into the values of every site of a platform: what is still exactly so, nobody has set.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InstallerValues {
    /// The chart.
    pub chart: String,
    /// On which platform only.
    #[serde(default)]
    pub platform: Option<Platform>,
    /// The values.
    pub values: Value,
    /// Where they are published.
    pub source: VendorDoc,
}

/// What the vendor says of jumps from version to version, and of the platforms below them.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Advice {
    /// The versions that were released, in order, as `major.minor`.
    pub versions: Vec<Minor>,
    /// How many of them a hop may go up.
    pub most: usize,
    /// Where it comes from.
    pub source: VendorDoc,
    /// The platforms that a version is made for.
    pub platforms: Vec<Supported>,
    /// Where that comes from.
    pub platforms_source: VendorDoc,
}

/// A version without its patch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Minor {
    /// Its first number.
    pub major: u64,
    /// Its second.
    pub minor: u64,
}

/// The platforms that a version is made for, the lowest and the highest.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Supported {
    /// The version.
    pub version: Minor,
    /// Of Kubernetes.
    pub kubernetes: (Minor, Minor),
    /// Of `OpenShift`.
    pub openshift: (Minor, Minor),
}

impl Minor {
    /// The beginning of a version's text: `v1.29.4` is 1.29.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.trim_start_matches('v').split('.');
        let (major, minor) = (parts.next()?.parse().ok()?, parts.next()?);
        // Some servers say `1.29+`.
        let minor = minor.trim_end_matches(|c: char| !c.is_ascii_digit()).parse().ok()?;
        Some(Self { major, minor })
    }
}

impl From<&Version> for Minor {
    fn from(version: &Version) -> Self {
        Self { major: version.major, minor: version.minor }
    }
}

impl std::fmt::Display for Minor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

impl<'de> Deserialize<'de> for Minor {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| serde::de::Error::custom(format!("`{text}` is no version such as 2.20")))
    }
}

/// Where the vendor keeps the charts.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Repository {
    /// The name under which the page adds it to helm's list.
    pub name: String,
    /// Its address.
    pub url: String,
    /// Where the page says so.
    pub source: StepOrigin,
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
pub struct VendorDoc {
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
    pub server: ServerSpec,
    /// How values say that the server is not of the release.
    #[serde(default)]
    pub outside: Option<OutsideRule>,
}

/// Where a password is and where it goes.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Password {
    /// The Secret that holds it.
    pub secret: String,
    /// The keys under which it may be; the first that is there counts.
    pub keys: Vec<String>,
    /// The values path under which a chart takes it, by the chart's name.
    pub value: BTreeMap<String, String>,
    /// Under which values a chart takes the name of a Secret of the site's own, by the chart's name; the first that is set
    /// counts, and the last is where one is given.
    #[serde(default)]
    pub existing: BTreeMap<String, Vec<ExistingSecret>>,
    /// The keys under which a Secret of the site's own may hold the password of the application's role; the first that is there
    /// and is not the one above counts.
    #[serde(default)]
    pub user_keys: Vec<String>,
    /// The variables that give the server's container this password, the first that is set counting: they tell which Secret it is
    /// where no known value does.
    #[serde(default)]
    pub variables: Vec<String>,
}

/// The values that name a Secret of the site's own. Charts look for each key in all places, wherever the Secret is named.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct ExistingSecret {
    /// The values path of its name.
    pub secret: String,
    /// The values path of its key, where the chart lets it be chosen.
    #[serde(default)]
    pub key: Option<String>,
    /// The values path of the key with the password of the application's role, where the chart lets it be chosen.
    #[serde(default)]
    pub user_key: Option<String>,
}

impl ExistingSecret {
    /// All its values paths.
    pub fn paths(&self) -> impl Iterator<Item = &String> {
        std::iter::once(&self.secret).chain(&self.key).chain(&self.user_key)
    }
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
