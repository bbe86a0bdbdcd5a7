//! Databases that are outside, by what the values say: nothing of a plan guards them, so somebody has to name a backup.

use portolan_helm_compat::values;
use portolan_model::{
    CaSource, Code, DatabaseError, DatabaseRef, Finding, Inventory, Object, OutsideServer, Plan, Ref, SecretKey,
    SslMode, StepKind,
};
use portolan_recipe::{Database, OutsideRule, fill};
use serde_json::Value;

use super::hop_input::HopInput;
use super::resolve::ResolvedRelease;
use super::{Secrets, Servers, UpgradeRequest};

/// A database that the release uses and does not run.
pub(super) struct OutsideDatabase<'a> {
    pub(super) recipe: &'a Database,
    rule: &'a OutsideRule,
    address: Address,
    /// Where and as whom it is looked into, else why it cannot be.
    pub(super) reference: Result<DatabaseRef, String>,
}

/// Where values say that a database is.
#[derive(Clone, PartialEq, Eq)]
struct Address {
    /// `None` where no value names it.
    host: Option<String>,
    port: u16,
    user: String,
    database: String,
}

impl std::fmt::Display for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { host, port, user, database } = self;
        match host {
            Some(host) => write!(f, "{database} on {host}:{port} as {user}"),
            None => write!(f, "{database} on a host that no value names, as {user}"),
        }
    }
}

impl<'a> OutsideDatabase<'a> {
    /// The database of a recipe, if the values of today say that the release does not run it.
    pub(super) fn find(inventory: &Inventory, secrets: &Secrets<'_>, recipe: &'a Database) -> Option<Self> {
        let rule = recipe.outside.as_ref()?;
        let config = &inventory.release.config;
        let address = address(recipe, rule, config)?;
        let site = Site { inventory, secrets, recipe, rule };
        let reference = site.reference(&address, config);
        Some(Self { recipe, rule, address, reference })
    }

    /// Takes the authority from a file of this machine, whatever the values name.
    pub(super) fn trust(&mut self, file: &str) {
        if let Ok(DatabaseRef { outside: Some(server), .. }) = &mut self.reference {
            server.ca = Some(CaSource::File(file.to_owned()));
        }
    }

    /// Whether the values after a hop name another server, or none.
    fn moved(&self, input: &HopInput<'_>) -> Option<Finding> {
        let after = address(self.recipe, self.rule, &input.after);
        if after.as_ref() == Some(&self.address) {
            return None;
        }
        let then = match &after {
            Some(address) => address.to_string(),
            None => "a server that the release runs by itself".into(),
        };
        let names = [&self.rule.switch, &self.rule.host].into_iter().flatten().cloned().collect::<Vec<_>>();
        Some(
            Finding::blocking(
                Code::OtherServer,
                format!("{} does not use the database server of today for {}", input.pick.id, self.recipe.name),
            )
            .with(format!("today: {}", self.address))
            .with(format!("then: {then}"))
            .with(format!("the recipe looks for it in: {}", names.join(", "))),
        )
    }

    /// What is said of it in any plan: a backup is named, or has to be.
    fn guarded(&self, backup: Option<&str>) -> Finding {
        let found = format!("database outside: {}", self.address);
        match backup {
            None => Finding::blocking(Code::DatabaseOutside, found),
            Some(backup) => Finding::note(Code::DatabaseOutside, format!("{found}; its backup: {backup}"))
                .with("the backup was named with --backup-of-database; Portolan did not look at it")
                .next(
                    "be sure that the backup is newer than the last change that must not be lost, and can be restored",
                ),
        }
    }
}

/// Puts what is known of databases outside into a plan: findings, and no steps for one that cannot be looked into.
pub(super) fn settle(plan: &mut Plan, resolved: &ResolvedRelease<'_>, inputs: &[HopInput<'_>], servers: &Servers) {
    for outside in resolved.outside.iter().filter(|_| !inputs.is_empty()) {
        plan.findings.push(outside.guarded(plan.backup.as_deref()));
        plan.findings.extend(inputs.iter().filter_map(|input| outside.moved(input)));
        let not_looked_at = |why: &str| {
            Finding::warning(Code::NotLookedAt, format!("database outside: {} was not looked at", outside.address))
                .with(why)
        };
        let reference = match &outside.reference {
            Err(why) => {
                plan.findings.push(not_looked_at(why));
                continue;
            }
            Ok(reference) => reference,
        };
        match servers.get(&reference.pod) {
            Some(Ok(_)) => plan.databases.push(reference.clone()),
            Some(Err(DatabaseError::PasswordRefused)) => {
                let secret = &reference.password.secret;
                let found = format!("{} refuses the password in {secret}", reference.pod.name());
                plan.findings.push(
                    Finding::blocking(Code::PasswordRefused, found)
                        .with(format!("key {}, user {}", reference.password.key, reference.user))
                        .next("correct the Secret or the role's password, then plan again"),
                );
                leave_out(plan, reference);
            }
            said => {
                let why = match said {
                    Some(Err(
                        DatabaseError::Unreachable(text) | DatabaseError::NoDatabase(text) | DatabaseError::Other(text),
                    )) => text.as_str(),
                    _ => "its server was not asked",
                };
                plan.findings.push(not_looked_at(why));
                leave_out(plan, reference);
            }
        }
    }
}

fn leave_out(plan: &mut Plan, gone: &DatabaseRef) {
    let is_about_it = |kind: &StepKind| match kind {
        StepKind::RecordDatabase { database } | StepKind::VerifyDatabase { database, .. } => database == gone,
        _ => false,
    };
    plan.hops.iter_mut().for_each(|hop| hop.steps.retain(|step| !is_about_it(&step.kind)));
}

/// A backup that is named for nothing may stand for a wrong idea of where the data is.
pub(super) fn check_options(resolved: &ResolvedRelease<'_>, request: &UpgradeRequest) -> Result<(), Finding> {
    let option = match (&request.backup, &request.database_ca) {
        (Some(_), _) => "--backup-of-database",
        (None, Some(_)) => "--ca-of-database",
        (None, None) => return Ok(()),
    };
    if !resolved.outside.is_empty() {
        return Ok(());
    }
    let found = format!("{option} is given, and no database of this release is outside");
    Err(Finding::blocking(Code::BadOption, found)
        .with("no value that the recipe knows says so")
        .next("leave the option out; the plan guards the release's own databases"))
}

/// The first of some paths that has a text or a number.
fn text(config: &Value, paths: &[String]) -> Option<String> {
    paths.iter().find_map(|path| match values::get(config, path)? {
        Value::String(text) if !text.is_empty() => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    })
}

/// Where values say that a database is; `None` where they do not say that it is outside.
fn address(recipe: &Database, rule: &OutsideRule, config: &Value) -> Option<Address> {
    let is_off = rule.switch.iter().any(|path| values::get(config, path) == Some(&Value::Bool(false)));
    let host = text(config, &rule.host);
    (is_off || (rule.switch.is_empty() && host.is_some())).then(|| Address {
        host,
        port: text(config, &rule.port).and_then(|port| port.parse().ok()).unwrap_or(recipe.port),
        user: text(config, &rule.user).unwrap_or_else(|| recipe.user.clone()),
        database: text(config, &rule.database).unwrap_or_else(|| recipe.database.clone()),
    })
}

/// What a reference is made from.
struct Site<'a> {
    inventory: &'a Inventory,
    secrets: &'a Secrets<'a>,
    recipe: &'a Database,
    rule: &'a OutsideRule,
}

impl Site<'_> {
    fn reference(&self, address: &Address, config: &Value) -> Result<DatabaseRef, String> {
        let Some(host) = address.host.clone() else {
            return Err(format!("no value says where it is; looked for {}", self.rule.host.join(", ")));
        };
        if host.contains('/') {
            return Err(format!("`{host}` is the path of a socket, which only its own machine reaches"));
        }
        let mode = text(config, &self.rule.ssl_mode).unwrap_or_default();
        let ssl_mode: SslMode = mode.parse()?;
        Ok(DatabaseRef {
            pod: Ref::outside(&host, address.port),
            port: address.port,
            user: address.user.clone(),
            database: address.database.clone(),
            password: self.password(config)?,
            outside: Some(OutsideServer { host, ssl_mode, ca: self.ca(config)? }),
        })
    }

    /// The key of a Secret that has the password: of the Secret that the values name, else of one that the chart made.
    fn password(&self, config: &Value) -> Result<SecretKey, String> {
        let rule = &self.rule.password;
        if let Some(name) = text(config, &rule.secret) {
            let secret = self.secret(&name);
            let keys = text(config, &rule.key).map_or_else(|| rule.keys.clone(), |key| vec![key]);
            return self.key_of(&secret, &keys).map(|key| SecretKey { secret, key });
        }
        let Some(given) = text(config, &rule.value) else {
            return Err(format!("{} has no password among its values that the recipe knows", self.recipe.name));
        };
        let mut all = self.inventory.objects.iter().filter(|(name, _)| name.kind() == "Secret");
        all.find_map(|(secret, object)| {
            let mut keys = object.data_keys().into_iter().filter(|key| key.to_lowercase().contains("password"));
            let key = keys.find(|key| {
                (self.secrets)(&SecretKey { secret: secret.clone(), key: (*key).to_owned() }).as_ref() == Some(&given)
            })?;
            Some(SecretKey { secret: secret.clone(), key: key.to_owned() })
        })
        .ok_or_else(|| "its password is among the values, and no Secret of the namespace holds it".into())
    }

    fn ca(&self, config: &Value) -> Result<Option<CaSource>, String> {
        let Some(rule) = &self.rule.ca else { return Ok(None) };
        let keys = text(config, &rule.key).map_or_else(|| rule.keys.clone(), |key| vec![key]);
        if let Some(name) = text(config, &rule.secret) {
            let secret = self.secret(&name);
            let key = self.key_of(&secret, &keys)?;
            return Ok(Some(CaSource::Secret(SecretKey { secret, key })));
        }
        let Some(name) = text(config, &rule.config_map) else { return Ok(None) };
        let release = &self.inventory.release.id;
        let object = Ref::new("", "ConfigMap", &release.namespace, &fill(&name, release));
        // A survey may not have read it; its first key is as good as any then.
        let key = self.key_of(&object, &keys).or_else(|why| keys.first().cloned().ok_or(why))?;
        Ok(Some(CaSource::ConfigMap { object, key }))
    }

    fn secret(&self, name: &str) -> Ref {
        let release = &self.inventory.release.id;
        Ref::secret(&release.namespace, &fill(name, release))
    }

    /// The first key of these that an object has.
    fn key_of(&self, object: &Ref, keys: &[String]) -> Result<String, String> {
        let live: &Object = self.inventory.objects.get(object).ok_or_else(|| format!("{object} is not there"))?;
        let has = live.data_keys();
        keys.iter()
            .find(|key| has.contains(&key.as_str()))
            .cloned()
            .ok_or_else(|| format!("{object} has the keys {}; looked for {}", has.join(", "), keys.join(", ")))
    }
}
