//! A repository with an `index.yaml`, on helm's list in a home of its own.

use portolan_model::{Code, Finding};
use serde_json::json;

use super::{Access, ChartSource, Files, Offer, said};
use crate::helm::Home;

/// Its name on that list.
const NAME: &str = "portolan";

/// Lets helm fetch the index, and reads it.
pub(super) async fn list(
    home: &Home,
    url: &str,
    names: &[String],
    access: &Access,
    files: &Files,
) -> Result<Vec<Offer>, Finding> {
    // The user's entry as it is: login, certificates, and whether the login may go to other hosts too.
    let mut entry = files.entry(url)?.unwrap_or_else(|| json!({}));
    entry["name"] = NAME.into();
    entry["url"] = url.into();
    if let Some(login) = &access.login {
        entry = login.clone().into_entry(entry);
    }
    // JSON is YAML. In this file, and not among the arguments, which every user of this machine can see.
    let list = json!({ "apiVersion": "", "generated": "1970-01-01T00:00:00Z", "repositories": [entry] });
    home.write("config/repositories.yaml", list.to_string().as_bytes())?;
    let said = said::fetch(home, &["repo", "update", NAME], None).await?;
    let source = ChartSource::Repository { url: url.to_owned() };
    // Helm 3 ends well without an index too.
    let Ok(index) = std::fs::read_to_string(home.path(&format!("cache/repository/{NAME}-index.yaml"))) else {
        return Err(said::of_index(&said.text, &source));
    };
    let listed = crate::compat::index(&index, names)
        .map_err(|error| Finding::blocking(Code::BadIndex, format!("{source} has no readable index")).with(error))?;
    let offer = |chart: portolan_helm_compat::index::Listed| Offer {
        pull: format!("{NAME}/{}", chart.id.name),
        id: chart.id,
        version: chart.version,
        digest: chart.digest,
    };
    Ok(listed.into_iter().map(offer).collect())
}
