//! Whether the databases will open: the server that runs on the data today against the one of the planned manifest.
//!
//! A rehearsal follows volumes, and all three things that are looked at here leave the volume where it is: a server of
//! another major version refuses the data, as does one of another user; one with another data directory makes an empty
//! one beside the old one and starts on it. What cannot be told is a warning and says what is missing.
//! Another password is seen in `notes.rs`, a PVC that is not mounted any more as well.

mod directory;
mod server;
mod user;

use portolan_kube_facts::Claims;
use portolan_model::{Code, Finding, Major, Manifest, Object, Ref};

use super::findings::HopContext;
use super::hop_input::HopInput;
use super::projected_state::ProjectedState;
use super::resolve::{FoundDatabase, ResolvedRelease};
use super::{Servers, form, mounts};
use server::ServerContainer;

/// A database when a hop begins.
struct DatabaseCheck<'a> {
    resolved: &'a ResolvedRelease<'a>,
    input: &'a HopInput<'a>,
    state: &'a ProjectedState,
    planned: &'a Manifest,
    servers: &'a Servers,
    database: &'a FoundDatabase<'a>,
}

/// What can be said about the databases of a hop; `state` is the installation before it.
pub(super) fn of_hop(
    resolved: &ResolvedRelease<'_>,
    input: &HopInput<'_>,
    state: &ProjectedState,
    planned: &Manifest,
    servers: &Servers,
) -> Vec<Finding> {
    let checks =
        resolved.databases.iter().map(|database| DatabaseCheck { resolved, input, state, planned, servers, database });
    checks.flat_map(|check| check.findings()).collect()
}

/// Whether the recipe tells, of a container that runs a known database's server, where its data lies before and after a hop.
pub(super) fn knows_place(context: &HopContext<'_>, workload: &Ref, container: &str) -> bool {
    servers(context, workload, container)
        .is_some_and(|(old, new)| directory::is_known(&old) && directory::is_known(&new))
}

/// Where the data of a known database lies before a hop, if that goes with its pod.
pub(super) fn without_claim(context: &HopContext<'_>, workload: &Ref, container: &str) -> Option<String> {
    servers(context, workload, container).and_then(|(old, _)| directory::without_claim(&old))
}

/// Whether a container runs a known database's server before and after a hop, so that its user is compared here.
pub(super) fn judges_user(context: &HopContext<'_>, workload: &Ref, container: &str) -> bool {
    servers(context, workload, container).is_some()
}

/// The user that OpenShift gives to the pods of the release's namespace.
pub(super) fn user_of_range(resolved: &ResolvedRelease<'_>) -> Option<u64> {
    user::first_of_range(resolved)
}

/// The server in a container, before and after a hop.
fn servers<'a>(
    context: &'a HopContext<'_>,
    workload: &Ref,
    container: &str,
) -> Option<(ServerContainer<'a>, ServerContainer<'a>)> {
    let database = context.resolved.databases.iter().find(|database| database.set == *workload)?;
    static NONE: Servers = Servers::new();
    let HopContext { resolved, input, before: state, planned, .. } = *context;
    let check = DatabaseCheck { resolved, input, state, planned, servers: &NONE, database };
    let (old, recipe) = (check.today()?, &database.recipe.server);
    let new = check.afterwards(old)?;
    let pair = (ServerContainer::of(old, recipe)?, ServerContainer::of(new, recipe)?);
    (pair.0.container["name"] == container).then_some(pair)
}

impl<'a> DatabaseCheck<'a> {
    fn findings(&self) -> Vec<Finding> {
        let recipe = &self.database.recipe.server;
        let Some(old) = self.today() else { return Vec::new() };
        // Where nothing takes the data over, that is what is said.
        let Some(new) = self.afterwards(old) else { return Vec::new() };
        let (Some(old), Some(new)) = (ServerContainer::of(old, recipe), ServerContainer::of(new, recipe)) else {
            return vec![
                self.may_not_open(format!("which container of {} runs the server cannot be told", self.database.set))
                    .with(format!("looked for a container named {}", recipe.container)),
            ];
        };
        [self.major(&old, &new), directory::compare(self, &old, &new), user::compare(self, &old, &new)]
            .into_iter()
            .flatten()
            .collect()
    }

    /// The workload that runs the server before the hop.
    fn today(&self) -> Option<&'a Object> {
        form(&self.state.objects, &self.state.docs, &self.database.set)
    }

    /// The workload that runs it afterwards: the one of the same name, else one that mounts a PVC of the old one.
    fn afterwards(&self, old: &Object) -> Option<&'a Object> {
        let docs = &self.planned.docs;
        let same = docs.iter().find(|doc| doc.name().as_ref() == Some(&self.database.set));
        same.or_else(|| {
            let claims: Vec<Ref> = Claims::of(&self.database.set, old).into_all().collect();
            docs.iter().find(|doc| claims.iter().any(|claim| mounts::is_mounted([*doc], claim)))
        })
    }

    fn chart(&self) -> String {
        self.input.pick.id.to_string()
    }

    fn may_not_open(&self, found: impl Into<String>) -> Finding {
        Finding::warning(Code::MayNotOpen, found).with(format!("in {}, for {}", self.chart(), self.database.set))
    }

    /// A server refuses the data of another major version: `ValidatePgVersion` in PostgreSQL's
    /// src/backend/utils/init/miscinit.c (15.x), which compares its own with the file `PG_VERSION`.
    fn major(&self, old: &ServerContainer<'_>, new: &ServerContainer<'_>) -> Option<Finding> {
        // A digest is the same program, whatever its name says.
        if old.image == new.image && new.image.contains('@') {
            return None;
        }
        let Writer { major: wrote, source, asked } = self.writer(old);
        let image = format!("the new image: {}", shown(new.image));
        let (Some(wrote), Some(runs)) = (wrote, new.major()) else {
            let of = if wrote.is_none() { "wrote the data" } else { "the new image has" };
            let next = match wrote {
                Some(wrote) => format!(
                    "see what `postgres --version` says in the new image; it has to be {wrote}. A tag that begins with \
                     the version would tell"
                ),
                None => {
                    "see what SHOW server_version says today and `postgres --version` in the new image: the numbers \
                         before the point have to be equal"
                        .to_owned()
                }
            };
            let finding = self.may_not_open(format!("which major version of PostgreSQL {of} is not known"));
            return Some(finding.with(source).with(image).next(next));
        };
        if wrote != runs {
            let found = format!("{} runs PostgreSQL {runs} on the data of PostgreSQL {wrote}", self.chart());
            return Some(Finding::blocking(Code::OtherMajor, found).with(source).with(image));
        }
        (!asked && self.is_first()).then(|| {
            Finding::note(Code::NoDatabase, format!("the server of {} did not say its version", self.database.set))
                .with(source)
                .why("a data directory is of the major version that wrote it, and an image's name is only a name")
                .next("plan again while the database runs, if in doubt")
        })
    }

    /// What wrote the data. In the first hop that is the server that runs; in a later one the image of the hop before says
    /// it, and where it does not the data is still that of the first.
    fn writer(&self, old: &ServerContainer<'_>) -> Writer {
        let pod = &self.database.reference.pod;
        let asked = self.servers.get(pod).and_then(|said| said.as_ref().ok()).map(|said| Writer {
            major: Major::of(said),
            source: format!("{pod} says that it is PostgreSQL {said}"),
            asked: true,
        });
        let source = format!("the image today: {}", shown(old.image));
        let by_image = Writer { major: old.major(), source, asked: false };
        let mut all: Vec<Writer> = asked.into_iter().chain([by_image]).collect();
        if !self.is_first() {
            all.reverse();
        }
        let best = all.iter().position(|writer| writer.major.is_some()).unwrap_or(0);
        all.swap_remove(best)
    }

    fn is_first(&self) -> bool {
        self.state.revision == self.resolved.inventory.release.revision
    }
}

/// Who wrote the data.
struct Writer {
    major: Option<Major>,
    /// How that is known, or what was looked at without an answer.
    source: String,
    /// Whether a server said it itself.
    asked: bool,
}

fn shown(image: &str) -> &str {
    if image.is_empty() { "none is named" } else { image }
}
