use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    ChartId, Code, Content, DatabaseRef, Digest, Finding, HelmClient, HelmOperation, HelmRun, JsonPointer, Orphan,
    PlannedHook, Ref, ReleaseId, Severity, Step, StepKind, Uid, ValuesPath, canonical,
};

/// A plan: data with no choices left. Applying it in a world that moved is refused.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Plan {
    /// The version of this format.
    pub format: u32,
    /// The cluster it was made for: see [`crate::Cluster::uid`].
    pub cluster: Uid,
    /// That cluster's address, for people.
    pub server: String,
    /// The release that the run, its folder and its report are named after. Most plans have no other one.
    pub release: ReleaseId,
    /// The other releases that hops of the plan work on. A run holds the locks of all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub other_releases: Vec<ReleaseId>,
    /// The helm that rendered and will upgrade.
    pub helm: HelmClient,
    /// What is installed of [`Self::release`].
    pub from: ChartId,
    /// What will be.
    pub to: ChartId,
    /// One version to the next.
    pub hops: Vec<Hop>,
    /// The objects that the plan looked at, and what it relied on.
    pub preconditions: BTreeMap<Ref, Precondition>,
    /// The objects that helm looked up while it rendered, and their absence: what it rendered depends on them.
    #[serde(default)]
    pub lookups: BTreeMap<Ref, Precondition>,
    /// What the charts asked of the server's kinds: what is rendered depends on it.
    #[serde(default)]
    pub kinds: ReliedKinds,
    /// The volumes that hold data.
    pub volumes: Vec<ProtectedVolume>,
    /// What can reach a volume and is not modelled: each makes the volume Unknown.
    #[serde(default)]
    pub unmodelled: Vec<Unmodelled>,
    /// The databases on them.
    pub databases: Vec<DatabaseRef>,
    /// Recipe steps that were left out on request.
    pub without: Vec<String>,
    /// Findings that somebody accepted by their code, with the reason.
    pub accepted: Vec<Accepted>,
    /// The backup of the databases that are outside, as the user named it. Portolan does not look at it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backup: Option<String>,
    /// The registry that all images of the plan have to come from; `None` for a site that reaches the internet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub registry: Option<SiteRegistry>,
    /// What the planner has to say.
    pub findings: Vec<Finding>,
}

/// The registry of a site without internet access, and how this machine reaches it. The login is not part of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SiteRegistry {
    /// Host, with the port where there is one, as this machine reaches it: `registry.example:5000`.
    pub host: String,
    /// Host and port by which nodes pull from it, where that is another name: OpenShift's own registry is pushed to through its route,
    /// and pulled from by the name of its Service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pull_as: Option<String>,
    /// The path in front of what a bundle's push puts there; may be empty.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub path: String,
    /// Whether it is spoken to without TLS.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub plain_http: bool,
    /// A file of certificates to trust beside those of the system.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<String>,
}

impl SiteRegistry {
    /// Host and port as images name it.
    #[must_use]
    pub fn pull_host(&self) -> &str {
        self.pull_as.as_deref().unwrap_or(&self.host)
    }

    /// Whether a host that an image names is this registry. A port that the scheme implies may be written or not.
    #[must_use]
    pub fn is(&self, host: &str) -> bool {
        let port = if self.plain_http { ":80" } else { ":443" };
        let plain = |host: &str| host.strip_suffix(port).unwrap_or(host).to_ascii_lowercase();
        plain(self.pull_host()) == plain(host)
    }

    /// Its address as images name it: `HOST[:PORT][/PATH]`.
    #[must_use]
    pub fn pull_address(&self) -> String {
        if self.path.is_empty() { self.pull_host().to_owned() } else { format!("{}/{}", self.pull_host(), self.path) }
    }

    /// Its address and the name that nodes have for it, as options of `bundle push`.
    #[must_use]
    pub fn push_options(&self) -> String {
        let pull_as = self.pull_as.as_ref().map_or_else(String::new, |host| format!(" --pull-as {host}"));
        format!("--to {self}{pull_as}")
    }
}

impl std::fmt::Display for SiteRegistry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.host)?;
        if self.path.is_empty() { Ok(()) } else { write!(f, "/{}", self.path) }
    }
}

/// One version to the next.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Hop {
    /// The release that it works on, where that is one of [`Plan::other_releases`]; `None` for the plan's own. Whoever wants
    /// to know the release asks [`Plan::release_of`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub release: Option<ReleaseId>,
    /// From this chart.
    pub from: ChartId,
    /// To this one.
    pub to: ChartId,
    /// The boundaries that it crosses, such as `into 2.9`.
    pub boundaries: Vec<String>,
    /// The steps, in order.
    pub steps: Vec<Step>,
    /// What helm will do to each object.
    pub changes: Vec<ObjectChange>,
    /// PVCs that will be new and empty.
    pub new_claims: Vec<NewClaim>,
    /// The hooks of the new chart, in the order in which helm runs those of one event.
    #[serde(default)]
    pub hooks: Vec<PlannedHook>,
    /// What becomes of each user-supplied value.
    pub values: Vec<PlannedValue>,
}

/// What helm does to one object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ObjectChange {
    /// The object.
    pub object: Ref,
    /// What helm does to it.
    pub change: Change,
    /// Why, in one clause; empty if the change says it.
    pub why: String,
}

/// A user-supplied value and what becomes of it. The value itself is not in a plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PlannedValue {
    /// Its path.
    pub path: ValuesPath,
    /// What becomes of it.
    pub change: ValueChange,
    /// What a recipe knows of a value that is [`ValueChange::Dropped`], in one clause; empty where it knows nothing.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub hint: String,
}

/// What becomes of a user-supplied value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ValueChange {
    /// It goes on as it is, and does what it does today.
    Carried,
    /// It goes on, and nothing in the new chart reads it.
    WithoutEffect,
    /// It goes on, and helm prints it as other text: that text.
    RendersAs(String),
    /// It goes on under another path.
    Moved(MovedTo),
    /// It goes on under another path, and nothing in the new chart reads it there.
    MovedWithoutEffect(MovedTo),
    /// Something else is in its place.
    Replaced(String),
    /// The new chart needs it no more.
    Obsolete(ObsoleteValue),
    /// The new chart is not given it, as a person decided.
    LeftOut,
    /// The new chart is not given it, nor anything in its place.
    Dropped,
}

/// What is in the place of a value that is not needed any more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ObsoleteValue {
    /// What does its work now: `the users that the database has`.
    pub by: String,
    /// Who says so: a page, `portolan`, or `installer` for what the vendor's installer is known to write.
    pub source: String,
}

/// The new place of a value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct MovedTo {
    /// The new path.
    pub path: ValuesPath,
    /// How the value becomes the new one, in words that follow the path; empty where it is the same.
    pub how: String,
    /// Who says so: a page, or `answered`.
    pub source: String,
}

/// Something that can reach a volume and that no rule of the simulation covers.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub struct Unmodelled {
    /// [`Code::HookReachesStorage`] or [`Code::NotModelled`].
    pub code: Code,
    /// The PVC of the volume.
    pub claim: Ref,
    /// The object that can reach it: a hook, a CronJob, an owner.
    pub object: Ref,
    /// The field of that object by which it can.
    pub field: JsonPointer,
    /// What is not modelled, in one clause: `what the hook's program does is not known`.
    pub reason: String,
    /// How the user can get rid of it, in one clause: `disable the hook in the values`.
    pub way_out: String,
    /// Whether somebody accepted it for this volume: the verdict stays Unknown and does not block.
    pub accepted: bool,
}

impl Unmodelled {
    /// In one line, as a forecast shows it.
    #[must_use]
    pub fn line(&self) -> String {
        let field = if self.field.is_whole() { String::new() } else { format!(" {}", self.field) };
        format!("{}{field}: {}", self.object, self.reason)
    }

    /// The option that accepts it, without its reason: `--accept PL255=pvc-postgresql`.
    #[must_use]
    pub fn accept_option(&self) -> String {
        format!("--accept {}={}", self.code, self.claim.name())
    }
}

/// A finding that would stop a plan and that somebody took upon themselves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Accepted {
    /// The finding's code.
    pub code: Code,
    /// The PVC whose findings are accepted; `None` for a code that is accepted as a whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claim: Option<String>,
    /// Why, in that person's words.
    pub reason: String,
}

/// What helm will do to an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Change {
    /// It is new.
    Create,
    /// It changes in place.
    Change,
    /// It is deleted.
    Delete,
    /// It would be deleted and is held back.
    Keep,
    /// It is there and becomes the release's.
    Adopt,
    /// It stays as it is.
    Same,
}

/// A PVC that will be new and empty.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct NewClaim {
    /// The PVC.
    pub claim: Ref,
    /// The set whose template makes it.
    pub set: Ref,
    /// Its size.
    pub size: String,
    /// Its class; `None` for the default one.
    pub class: Option<String>,
}

/// What the plan relied on of one object.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Precondition {
    /// Whether it is there, and which one.
    pub object: Expected,
    /// The fields.
    pub fields: Vec<Field>,
    /// The whole content; see [`crate::Object::content_digest`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content: Option<Digest>,
}

impl Precondition {
    /// The object of this UID, whatever its fields are.
    #[must_use]
    pub fn same(uid: Uid) -> Self {
        Self { object: Expected::Same(uid), fields: Vec::new(), content: None }
    }

    /// No object of the name.
    #[must_use]
    pub fn absent() -> Self {
        Self { object: Expected::Absent, fields: Vec::new(), content: None }
    }
}

/// Whether an object is expected to be there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Expected {
    /// It is not.
    Absent,
    /// It is, under this UID.
    Same(Uid),
    /// It is, and has no UID: an aggregated API makes it up when it is asked.
    Unnamed,
    /// A Secret is, with these keys at least, under any UID and with whatever it holds: a controller may make it again at any time.
    WithKeys(BTreeSet<String>),
}

/// A field that the plan relied on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Field {
    /// Where.
    pub pointer: JsonPointer,
    /// What was there; null where nothing was.
    pub value: Value,
    /// What goes wrong otherwise.
    pub why: String,
}

/// A volume that holds data and is to be Safe.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ProtectedVolume {
    /// The PVC.
    pub claim: Ref,
    /// The PVC's UID.
    pub claim_uid: Uid,
    /// The volume.
    pub volume: Ref,
    /// The volume's UID.
    pub volume_uid: Uid,
}

impl Plan {
    /// The plan's digest: its name.
    #[must_use]
    pub fn digest(&self) -> Digest {
        Digest::of(&canonical(self))
    }

    /// The command that makes the plan again, on what is there now: `portolan plan --to 2.20.41 --without keep-claims`. What else was typed,
    /// such as values, is not in a plan.
    #[must_use]
    pub fn command(&self) -> String {
        if self.steps().any(|step| step.helm().is_some()) {
            return format!("portolan plan {}", self.options());
        }
        if self.restores() { "portolan archive restore RUN".into() } else { "portolan protect".into() }
    }

    /// Whether it puts back what an earlier run deleted.
    #[must_use]
    pub fn restores(&self) -> bool {
        self.steps().any(|step| matches!(step.kind, StepKind::RestoreObject { .. }))
    }

    /// The options that make the plan: `--to 2.20.41 --without keep-claims`.
    #[must_use]
    pub fn options(&self) -> String {
        let without =
            if self.without.is_empty() { String::new() } else { format!(" --without {}", self.without.join(",")) };
        format!("--to {}{without}", self.to.version)
    }

    /// What was found for which the plan is not applied.
    pub fn blocking(&self) -> impl Iterator<Item = &Finding> {
        self.findings.iter().filter(|finding| finding.severity == Severity::Blocking)
    }

    /// The releases that it works on, its own first.
    pub fn releases(&self) -> impl Iterator<Item = &ReleaseId> {
        std::iter::once(&self.release).chain(&self.other_releases)
    }

    /// The release that a hop of this plan works on.
    #[must_use]
    pub fn release_of<'a>(&'a self, hop: &'a Hop) -> &'a ReleaseId {
        hop.release.as_ref().unwrap_or(&self.release)
    }

    /// The hops that work on a release, in order.
    pub fn hops_of(&self, release: &ReleaseId) -> impl Iterator<Item = &Hop> {
        self.hops.iter().filter(move |hop| self.release_of(hop) == release)
    }

    /// The last hop of each release, in order.
    pub fn last_hops(&self) -> impl Iterator<Item = &Hop> {
        let is_again = |hop: &Hop, later: &[Hop]| later.iter().any(|one| self.release_of(one) == self.release_of(hop));
        let hops = self.hops.iter().enumerate();
        hops.filter(move |(at, hop)| !is_again(hop, &self.hops[at + 1..])).map(|(_, hop)| hop)
    }

    /// The release that the step at a place among all steps works on; the plan's own where there is no such step.
    #[must_use]
    pub fn release_at(&self, index: u32) -> &ReleaseId {
        let mut steps = self.hops.iter().flat_map(|hop| hop.steps.iter().map(move |_| hop));
        steps.nth(index as usize).map_or(&self.release, |hop| self.release_of(hop))
    }

    /// What is installed of a release when the plan begins, and what will be when it has ended; `None` where the plan does not say it.
    #[must_use]
    pub fn charts_of(&self, release: &ReleaseId) -> Option<(&ChartId, &ChartId)> {
        if *release == self.release {
            return Some((&self.from, &self.to));
        }
        let first = self.hops_of(release).next()?;
        self.hops_of(release).last().map(|last| (&first.from, &last.to))
    }

    /// All steps of all hops, in order.
    pub fn steps(&self) -> impl Iterator<Item = &Step> {
        self.hops.iter().flat_map(|hop| &hop.steps)
    }

    /// The pods that end with what the plan deletes.
    pub fn orphans(&self) -> impl Iterator<Item = &Orphan> {
        self.steps()
            .filter_map(|step| if let StepKind::WaitGone { pods } = &step.kind { Some(pods) } else { None })
            .flatten()
    }

    /// The runs of helm of all hops, in order.
    pub fn helm_runs(&self) -> impl Iterator<Item = &HelmRun> {
        self.steps().filter_map(Step::helm_run)
    }

    /// The runs of helm of all hops, in order, with what each does.
    pub fn helms(&self) -> impl Iterator<Item = (HelmOperation, &HelmRun)> {
        self.steps().filter_map(Step::helm)
    }

    /// The same for one release.
    pub fn helms_of(&self, release: &ReleaseId) -> impl Iterator<Item = (HelmOperation, &HelmRun)> {
        self.helms().filter(move |(_, run)| run.release == *release)
    }

    /// The step at a place among all steps.
    #[must_use]
    pub fn step(&self, index: u32) -> Option<&Step> {
        self.steps().nth(index as usize)
    }

    /// Every write of the plan's, helm's among them.
    #[must_use]
    pub fn rights(&self) -> BTreeSet<Right> {
        let mut all = BTreeSet::new();
        let mut put = |verb: &'static str, target: &Ref| {
            all.insert(Right { verb, target: target.clone() });
        };
        for hop in &self.hops {
            for step in &hop.steps {
                match &step.kind {
                    StepKind::RetainVolume { volume, .. } => put("patch", volume),
                    StepKind::KeepClaim { claim, .. } => put("patch", claim),
                    StepKind::DeleteObject { target, .. } => put("delete", target),
                    StepKind::RestoreObject { target, .. } => put("create", &any_of(target)),
                    StepKind::Helm { op, run } => {
                        // The release's record.
                        let record = Ref::secret(&run.release.namespace, "");
                        match op {
                            HelmOperation::Install | HelmOperation::Upgrade => put("create", &record),
                            HelmOperation::Uninstall { keep_history: false } => put("delete", &record),
                            HelmOperation::Uninstall { keep_history: true } => {}
                        }
                        put("update", &record);
                    }
                    _ => {}
                }
            }
            for ObjectChange { change, object: name, .. } in &hop.changes {
                match change {
                    Change::Create => put("create", &any_of(name)),
                    Change::Change | Change::Adopt => put("patch", name),
                    Change::Delete => put("delete", name),
                    Change::Keep | Change::Same => {}
                }
            }
        }
        all
    }

    /// How many steps cannot be undone, and which (from 1).
    #[must_use]
    pub fn forward_only(&self) -> Vec<usize> {
        self.steps()
            .enumerate()
            .filter(|(_, step)| matches!(step.kind, StepKind::Helm { .. }))
            .map(|(index, _)| index + 1)
            .collect()
    }
}

/// Any object of a kind and namespace: rights to create cannot be given for a name.
fn any_of(name: &Ref) -> Ref {
    Ref::new(name.group(), name.kind(), name.namespace(), "")
}

/// Something that a plan does to an object, as the API server's rights name it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Right {
    /// `create`, `patch` or `delete`.
    pub verb: &'static str,
    /// The object.
    pub target: Ref,
}

impl std::fmt::Display for Right {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.verb, self.target)
    }
}

/// A plan with the objects it refers to by digest: one file that another machine can apply.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PlanFile {
    /// The plan.
    pub plan: Plan,
    /// The objects by digest.
    pub objects: BTreeMap<Digest, Content>,
    /// Where the archives came from that were fetched. No part of the plan's digest: an archive is the same one
    /// wherever it was.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fetched: Vec<Fetched>,
}

/// What charts asked of the kinds that the server has, as helm calls these (`apps/v1`, `route.openshift.io/v1/Route`), with the answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ReliedKinds {
    /// Nothing but these names, and whether the server has them.
    Named(BTreeMap<String, bool>),
    /// Perhaps any: all that the server has.
    Any(BTreeSet<String>),
}

impl Default for ReliedKinds {
    fn default() -> Self {
        Self::Named(BTreeMap::new())
    }
}

impl ReliedKinds {
    /// What is relied on where charts ask for these names (`None`: perhaps for any), and the server has those.
    #[must_use]
    pub fn new(asked: Option<BTreeSet<String>>, has: &[String]) -> Self {
        match asked {
            None => Self::Any(has.iter().cloned().collect()),
            Some(asked) => Self::Named(asked.into_iter().map(|name| (name.clone(), has.contains(&name))).collect()),
        }
    }

    /// The names of which the answer is another one where the server has these; each with whether it has it now.
    #[must_use]
    pub fn differing(&self, has: &[String]) -> BTreeMap<String, bool> {
        match self {
            Self::Named(names) => {
                let now = names.iter().map(|(name, was)| (name, *was, has.contains(name)));
                now.filter(|(_, was, is)| was != is).map(|(name, _, is)| (name.clone(), is)).collect()
            }
            Self::Any(before) => {
                let now: BTreeSet<String> = has.iter().cloned().collect();
                before.symmetric_difference(&now).map(|name| (name.clone(), now.contains(name))).collect()
            }
        }
    }
}

/// A chart's archive that was fetched.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Fetched {
    /// The chart.
    pub chart: ChartId,
    /// The archive.
    pub archive: Digest,
    /// The repository's address; it holds no credentials.
    pub from: String,
}

#[cfg(test)]
mod tests;
