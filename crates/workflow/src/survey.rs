//! What is installed.

use std::collections::BTreeMap;

use portolan_adapters::kubernetes::Client;
use portolan_adapters::postgres::{self, Depth};
use portolan_inventory::{Survey, survey as questions};
use portolan_model::{
    Answer, ChartId, DatabaseError, DatabaseRef, Finding, Inventory, Release, ReleaseId, SecretKey, Snapshot,
    SurveyQuery,
};
use portolan_plan::planner;
use portolan_recipe::RecipeSet;
use serde_json::Value;

use crate::target::Target;

/// Surveys a release; writes nothing. The helm of this machine is looked for meanwhile.
///
/// # Errors
/// As [`portolan_inventory::survey::conclude`]; and if the API server does not answer, or the helm that the user named cannot be used.
pub async fn survey(target: &Target, release: &ReleaseId) -> Result<Survey, Finding> {
    match target {
        Target::Simulated(simulated) => {
            let helm = Some(simulated.installation.helm());
            if let Some(saved) = simulated.saved_survey(release) {
                let mut survey = saved?;
                survey.inventory.helm = helm;
                return Ok(survey);
            }
            let world = simulated.installation.world();
            let cluster = &world.facts().cluster;
            let answers = rounds(release, async |asks| Ok(asks.iter().map(|ask| world.answer(ask)).collect())).await?;
            let mut survey = questions::conclude(release, &answers, &cluster.server, &cluster.user, helm)?;
            survey.inventory.cluster.api_versions.clone_from(&cluster.api_versions);
            survey.inventory.release.defaults = simulated_defaults(&survey.inventory.release.chart);
            Ok(survey)
        }
        Target::Cluster(cluster) => {
            let (helm, mut survey) = tokio::try_join!(target.find_helm(), survey_cluster(&cluster.client, release))?;
            survey.inventory.helm = helm;
            Ok(survey)
        }
    }
}

/// The default values of a chart that simulated installations are made of: their records have no chart in them.
fn simulated_defaults(chart: &ChartId) -> Value {
    let files = portolan_fixtures::chart_files(&format!("{}-{}", chart.name, chart.version));
    let chart = files.and_then(|files| portolan_helm_compat::chart::of_files(files).ok());
    chart.map(|chart| chart.values).unwrap_or_default()
}

/// Surveys a release on a cluster, without a helm.
///
/// # Errors
/// As [`survey`].
pub async fn survey_cluster(client: &Client, release: &ReleaseId) -> Result<Survey, Finding> {
    let answers = rounds(release, async |asks| client.answers(&asks).await);
    let (answers, api_versions) = tokio::try_join!(answers, client.api_versions())?;
    let mut survey = questions::conclude(release, &answers, client.server(), client.user(), None)?;
    survey.inventory.cluster.api_versions = api_versions;
    survey.inventory.requests = client.requests();
    Ok(survey)
}

/// A release as its records say: two questions, where [`survey`] asks dozens.
///
/// # Errors
/// As [`portolan_inventory::survey::release`], and if the API server does not answer.
pub(crate) async fn release(target: &Target, id: &ReleaseId) -> Result<Release, Finding> {
    let asks = questions::record_questions(id);
    let answers = target.answers(&asks).await?;
    questions::release(id, &asks.into_iter().zip(answers).collect())
}

/// Asks until the survey has no further question.
async fn rounds(
    release: &ReleaseId,
    answer: impl AsyncFn(Vec<SurveyQuery>) -> Result<Vec<Answer>, Finding>,
) -> Result<BTreeMap<SurveyQuery, Answer>, Finding> {
    let mut answers = BTreeMap::new();
    let mut asks = questions::first(release);
    while !asks.is_empty() {
        answers.extend(asks.clone().into_iter().zip(answer(asks).await?));
        asks = questions::further(&answers, release);
    }
    Ok(answers)
}

/// The databases that the recipes know and that the release runs.
///
/// # Errors
/// [`portolan_model::Code::NoCredentials`] if the password of one cannot be found.
pub fn databases(survey: &Survey, book: &RecipeSet) -> Result<Vec<DatabaseRef>, Finding> {
    let inventory: &Inventory = &survey.inventory;
    planner::databases(inventory, &|key: &SecretKey| survey.secrets.get(key).map(str::to_owned), book)
}

/// Looks into a database with the password of the survey.
///
/// # Errors
/// What the server says.
pub async fn look_into(
    target: &Target,
    survey: &Survey,
    database: &DatabaseRef,
    depth: Depth,
) -> Result<Snapshot, DatabaseError> {
    match target {
        Target::Simulated(simulated) => simulated.installation.world().look_into(database),
        Target::Cluster(cluster) => {
            let password = survey.secrets.get(&database.password).unwrap_or_default();
            postgres::snapshot(cluster.client.raw(), database, password, depth).await
        }
    }
}
