//! What was found, seen with the recipes' eyes: where the databases are, what their passwords are, which volumes are in
//! use, where the platform is reached.

use portolan_model::{Code, DatabaseRef, Finding, Inventory, Object, Platform, Ref, ReleaseId, SecretKey, Volume};
use portolan_recipe::{Database, RecipeSet, fill};

use super::existing_secret::SiteSecret;
use super::outside::OutsideDatabase;
use super::{Secrets, existing_secret, form, is_kind, mounts};
use portolan_inventory::survey;

pub(super) struct ResolvedRelease<'a> {
    pub(super) inventory: &'a Inventory,
    pub(super) book: &'a RecipeSet,
    /// The values of live Secrets; `None` where only databases are looked for.
    pub(super) secrets: Option<&'a survey::Secrets>,
    /// The databases that the release runs.
    pub(super) databases: Vec<FoundDatabase<'a>>,
    /// The databases that it uses and does not run, by what its values say.
    pub(super) outside: Vec<OutsideDatabase<'a>>,
    /// Databases of the recipes that it does not run, and of which its values say nothing.
    pub(super) elsewhere: Vec<&'a Database>,
}

/// A database that the release runs.
pub(super) struct FoundDatabase<'a> {
    pub(super) recipe: &'a Database,
    pub(super) reference: DatabaseRef,
    pub(super) set: Ref,
    pub(super) plaintext: String,
    /// The Secret of the site's own that holds the password, where values name one.
    pub(super) site_secret: Option<SiteSecret>,
    /// The PVC that its set names; `None` where the set makes its PVC from a template.
    pub(super) claim: Option<String>,
}

impl FoundDatabase<'_> {
    /// Whether the password is in a Secret of the site's own.
    pub(super) fn has_site_secret(&self) -> bool {
        self.site_secret.is_some()
    }
}

impl<'a> ResolvedRelease<'a> {
    pub(super) fn find(inventory: &'a Inventory, secrets: &Secrets<'_>, book: &'a RecipeSet) -> Result<Self, Finding> {
        let mut resolved =
            Self { inventory, book, secrets: None, databases: Vec::new(), outside: Vec::new(), elsewhere: Vec::new() };
        for recipe in &book.product.databases {
            let set = Ref::set(&resolved.release().namespace, &fill(&recipe.set, resolved.release()));
            let is_stored = inventory.release.docs.iter().any(|doc| doc.name().as_ref() == Some(&set));
            if !is_stored && let Some(found) = OutsideDatabase::find(inventory, secrets, recipe) {
                resolved.outside.push(found);
                continue;
            }
            match resolved.form(&set) {
                None => resolved.elsewhere.push(recipe),
                Some(form) => {
                    let found = found(inventory, secrets, recipe, set, form)?;
                    resolved.databases.push(found);
                }
            }
        }
        Ok(resolved)
    }

    /// The value of a live Secret's key.
    pub(super) fn plaintext(&self, key: &SecretKey) -> Option<&'a str> {
        self.secrets?.get(key)
    }

    pub(super) fn release(&self) -> &'a ReleaseId {
        &self.inventory.release.id
    }

    fn form(&self, name: &Ref) -> Option<&'a Object> {
        form(&self.inventory.objects, &self.inventory.release.docs, name)
    }

    /// Every database that can be looked into, whoever runs it.
    pub(super) fn references(&self) -> impl Iterator<Item = &DatabaseRef> {
        let outside = self.outside.iter().filter_map(|outside| outside.reference.as_ref().ok());
        self.databases.iter().map(|database| &database.reference).chain(outside)
    }

    /// Where a database is looked into, whoever runs it.
    pub(super) fn reference(&self, name: &str) -> Option<&DatabaseRef> {
        let outside = || self.outside.iter().find(|outside| outside.recipe.name == name)?.reference.as_ref().ok();
        self.database(name).map(|found| &found.reference).or_else(outside)
    }

    /// Whether an object is a Secret of the site's own with a database's password: no chart makes it again.
    pub(super) fn is_site_secret(&self, name: &Ref) -> bool {
        self.databases.iter().any(|database| database.site_secret.as_ref().is_some_and(|site| site.secret == *name))
    }

    pub(super) fn database(&self, name: &str) -> Option<&FoundDatabase<'a>> {
        self.databases.iter().find(|database| database.recipe.name == name)
    }

    /// The PVC that the set of a database or store names today; `None` where it makes its PVC from a template, or the
    /// release does not run it.
    pub(super) fn claim(&self, name: &str) -> Option<String> {
        if let Some(found) = self.database(name) {
            return found.claim.clone();
        }
        let store = self.book.product.stores.iter().find(|store| store.name == name)?;
        claim_of(self.form(&Ref::set(&self.release().namespace, &fill(&store.set, self.release())))?)
    }

    /// Whether what a recipe says for a platform, or for any, is for this cluster.
    pub(super) fn is_for(&self, platform: Option<portolan_recipe::Platform>) -> bool {
        platform.is_none_or(|platform| platform.is_of(&self.inventory.cluster.platform))
    }

    /// Whether a workload mounts a PVC today, or would if it ran.
    pub(super) fn is_in_use(&self, volume: &Volume) -> bool {
        let forms = self.inventory.objects.values().chain(&self.inventory.release.docs);
        !volume.mounts.is_empty() || mounts::is_mounted(forms, &volume.claim)
    }

    /// The volumes that hold data and that a workload mounts, or would.
    pub(super) fn in_use(&self) -> impl Iterator<Item = &'a Volume> {
        self.inventory.data_volumes().filter(|volume| self.is_in_use(volume))
    }

    /// The host under which the platform is reached today, else the one that its platform suggests.
    pub(super) fn domain(&self) -> Option<String> {
        let host = self.book.product.routes.iter().find_map(|route| {
            let object = self.form(&portolan_recipe::object(&route.object, self.release())?)?;
            Some(object.text(&route.host)).filter(|host| !host.is_empty())
        });
        match (host, &self.inventory.cluster.platform) {
            (Some(host), _) => Some(host.to_owned()),
            (None, Platform::OpenShift { apps_domain, .. }) if !apps_domain.is_empty() => {
                Some(format!("runai.{apps_domain}"))
            }
            (None, _) => None,
        }
    }
}

/// Of several the first: a set may mount a PVC for backups too, but none is known that does.
fn claim_of(form: &Object) -> Option<String> {
    let template = portolan_kube_facts::PodTemplate::of(form).filter(|_| is_kind(form, "StatefulSet"))?;
    template.claims().next().map(str::to_owned)
}

fn found<'a>(
    inventory: &Inventory,
    secrets: &Secrets<'_>,
    recipe: &'a Database,
    set: Ref,
    form: &Object,
) -> Result<FoundDatabase<'a>, Finding> {
    let release = &inventory.release.id;
    let site_secret = existing_secret::today(inventory, recipe, form);
    let (secret, keys) = match &site_secret {
        Some(site) => (site.secret.clone(), site.keys.clone()),
        None => {
            let own = Ref::secret(&release.namespace, &fill(&recipe.password.secret, release));
            (own, recipe.password.keys.clone())
        }
    };
    let candidates = keys.iter().map(|key| SecretKey { secret: secret.clone(), key: key.clone() });
    let known = candidates.filter_map(|key| Some((secrets(&key)?, key))).find(|(text, _)| !text.is_empty());
    let Some((plaintext, password)) = known else {
        let finding =
            Finding::blocking(Code::NoCredentials, format!("the password of {} cannot be found", recipe.name));
        return Err(match inventory.objects.get(&secret) {
            None => finding.with(format!("{secret} is not there")),
            Some(live) => finding.with(format!(
                "{secret} has the keys {}; looked for {}",
                live.data_keys().join(", "),
                keys.join(", ")
            )),
        });
    };
    Ok(FoundDatabase {
        recipe,
        reference: DatabaseRef {
            pod: Ref::pod(set.namespace(), &format!("{}-0", set.name())),
            port: recipe.port,
            user: recipe.user.clone(),
            database: recipe.database.clone(),
            password,
            outside: None,
        },
        plaintext,
        site_secret,
        claim: claim_of(form),
        set,
    })
}
