//! Where a command works: a cluster, or a simulated installation.

use std::path::{Path, PathBuf};

use portolan_adapters::helm;
use portolan_adapters::{kubernetes::Client, postgres};
use portolan_inventory::Survey;
use portolan_model::{
    Answer, ChartId, Code, DatabaseRef, Finding, HelmClient, HelmToken, Object, Plan, Ref, ReleaseId, Right, RouteLook,
    Seen, SurveyQuery, Uid,
};
use portolan_plan::planner::Servers;
use portolan_rehearse::{KnownDatabase, World};

use crate::run::ask_routes;
use crate::simulated::Simulated;

/// An installation to work on.
pub enum Target {
    /// On a cluster.
    Cluster(Box<Cluster>),
    /// Simulated.
    Simulated(Box<Simulated>),
}

/// A cluster, and the helm to work on it with.
pub struct Cluster {
    /// The client.
    pub client: Client,
    /// The helm program that the user named.
    pub helm: Option<PathBuf>,
}

impl Target {
    /// A cluster.
    #[must_use]
    pub fn cluster(client: Client, helm: Option<PathBuf>) -> Self {
        Self::Cluster(Box::new(Cluster { client, helm }))
    }

    /// A simulated installation.
    #[must_use]
    pub fn simulated(simulated: Simulated) -> Self {
        Self::Simulated(Box::new(simulated))
    }

    /// The helm of this machine; `None` if there is none, or if the installation is simulated and has one of its own.
    ///
    /// # Errors
    /// If the helm that the user named cannot be used.
    pub async fn find_helm(&self) -> Result<Option<HelmClient>, Finding> {
        match self {
            Self::Simulated(_) => Ok(None),
            Self::Cluster(cluster) => match helm::find(cluster.helm.as_deref()).await {
                Ok(client) => Ok(Some(client)),
                Err(finding) if cluster.helm.is_some() => Err(finding),
                Err(_) => Ok(None),
            },
        }
    }

    /// The helm that was found; else why there is none.
    ///
    /// # Errors
    /// [`Code::NoHelm`] if this machine has no usable helm.
    pub(crate) async fn helm_of(&self, survey: &Survey) -> Result<HelmClient, Finding> {
        match (&survey.inventory.helm, self) {
            (Some(helm), _) => Ok(helm.clone()),
            (None, Self::Simulated(simulated)) => Ok(simulated.installation.helm()),
            (None, Self::Cluster(cluster)) => helm::find(cluster.helm.as_deref()).await,
        }
    }

    /// The UID of the namespace kube-system, which names the cluster; `None` if it cannot be read.
    pub async fn cluster_uid(&self) -> Option<Uid> {
        match self.see(&Ref::new("", "Namespace", "", "kube-system")).await {
            Seen::There(namespace) => namespace.uid(),
            Seen::Absent | Seen::Unreadable(_) => None,
        }
    }

    /// One object.
    pub async fn see(&self, name: &Ref) -> Seen {
        match self {
            Self::Simulated(simulated) => simulated.see(name),
            Self::Cluster(cluster) => cluster.client.see(name).await,
        }
    }

    /// The answers to questions, in their order.
    pub(crate) async fn answers(&self, asks: &[SurveyQuery]) -> Result<Vec<Answer>, Finding> {
        match self {
            Self::Simulated(simulated) => {
                Ok(asks.iter().map(|ask| simulated.installation.world().answer(ask)).collect())
            }
            Self::Cluster(cluster) => cluster.client.answers(asks).await,
        }
    }

    /// The versions of the databases' servers, or why one did not say it.
    pub async fn servers(&self, survey: &Survey, databases: Vec<DatabaseRef>) -> Servers {
        let mut servers = Servers::new();
        for database in databases {
            let said = match self {
                Self::Simulated(simulated) => simulated.installation.world().server_version(&database),
                Self::Cluster(cluster) => {
                    let password = survey.secrets.get(&database.password).unwrap_or_default();
                    Some(postgres::version(cluster.client.raw(), &database, password).await)
                }
            };
            servers.extend(said.map(|said| (database.pod, said)));
        }
        servers
    }

    /// The world that a rehearsal starts from.
    #[must_use]
    pub fn world(&self, survey: &Survey, databases: &[KnownDatabase]) -> World {
        match self {
            Self::Simulated(simulated) => simulated.installation.world().clone(),
            Self::Cluster(_) => portolan_rehearse::from_inventory(&survey.inventory, databases),
        }
    }

    /// Sends a request to each Route and Ingress.
    pub async fn ask_routes(&self, routes: &[Ref]) -> Vec<RouteLook> {
        match self {
            Self::Simulated(simulated) => simulated.installation.world().ask_routes(routes),
            Self::Cluster(cluster) => ask_routes(&cluster.client, routes).await,
        }
    }

    /// Checks that this user may write all that a plan writes, helm's part included. In a simulation everybody may.
    ///
    /// # Errors
    /// [`Code::MayNotWrite`] with what is missing.
    pub async fn check_rights(&self, plan: &Plan) -> Result<(), Finding> {
        let Self::Cluster(cluster) = self else { return Ok(()) };
        let rights: Vec<Right> = plan.rights().into_iter().collect();
        let missing = cluster.client.forbidden(&rights).await?;
        if missing.is_empty() {
            return Ok(());
        }
        let user = cluster.client.user();
        let found = format!("user {user} may not write what the plan writes; nothing was written");
        Err(missing
            .iter()
            .fold(Finding::blocking(Code::MayNotWrite, found), |finding, right| finding.with(right.to_string())))
    }

    /// The chart and the number of a release's newest revision; `None` where it has no record.
    ///
    /// # Errors
    /// If its records cannot be read.
    pub(crate) async fn newest(&self, release: &ReleaseId) -> Result<Option<(ChartId, u32)>, Finding> {
        let facts = match self {
            Self::Simulated(simulated) => simulated.installation.world().releases(release),
            Self::Cluster(cluster) => cluster.client.releases(release, &[].into()).await?,
        };
        Ok(facts.into_iter().last().map(|newest| (newest.chart, newest.revision)))
    }

    /// Whether the helm of a token, started by the run in this folder, still runs.
    pub(crate) fn runs_helm(&self, folder: &Path, token: &HelmToken) -> bool {
        match self {
            Self::Simulated(simulated) => simulated.installation.runs_helm(token),
            Self::Cluster(_) => helm::is_alive(folder, token),
        }
    }

    /// Objects by their names.
    pub async fn read(&self, names: &[Ref]) -> Vec<Seen> {
        match self {
            Self::Simulated(simulated) => names.iter().map(|name| simulated.see(name)).collect(),
            Self::Cluster(cluster) => cluster.client.read(names).await,
        }
    }
}

impl Simulated {
    pub(crate) fn see(&self, name: &Ref) -> Seen {
        self.installation.world().get(name).cloned().map_or(Seen::Absent, |object: Object| Seen::There(object))
    }
}
