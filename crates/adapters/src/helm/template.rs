use std::path::Path;
use std::time::Duration;

use model::{Code, Finding, HelmClient, RenderJob, Rendered, Rendering};

use super::Home;

/// How long a rendering may take. The largest charts take seconds.
const LIMIT: Duration = Duration::from_secs(180);

/// Renders a chart twice as an upgrade. No cluster is reached, and nothing is left on the disk.
///
/// # Errors
/// [`Code::ChartRefuses`] with helm's own words where the chart does not render.
pub async fn template(client: &HelmClient, job: &RenderJob) -> Result<Rendering, Finding> {
    let (first, second) = tokio::try_join!(once(client, job), once(client, job))?;
    Ok(Rendering { first: Rendered::of_text(first), second: Rendered::of_text(second), reads: Vec::new() })
}

async fn once(client: &HelmClient, job: &RenderJob) -> Result<String, Finding> {
    let home = Home::new(client, "a rendering")?;
    let chart = home.write("chart.tgz", &job.archive)?;
    let values = home.write("values.yaml", crate::compat::values_file(&job.values).as_bytes())?;
    let arguments = crate::compat::template_argv(job, &chart, &values);
    let output = home
        .run(arguments, None, LIMIT)
        .await?
        .ok_or_else(|| refuses("helm did not end").with(format!("it was given {} s", LIMIT.as_secs())))?;
    if output.status.success() {
        return String::from_utf8(output.stdout).map_err(|_| refuses("the rendering is not UTF-8 text"));
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(evidence(&said, home.root()).into_iter().fold(refuses("helm does not render the chart"), Finding::with))
}

pub(super) fn refuses(found: &str) -> Finding {
    Finding::blocking(Code::ChartRefuses, found)
}

/// What helm said, without its advice and without a folder that is gone by the time it is read.
pub(super) fn evidence(said: &str, scratch: &Path) -> Vec<String> {
    let scratch = format!("{}/", scratch.display());
    said.lines()
        .map(|line| line.trim_end().replace(&scratch, ""))
        .map(|line| line.strip_prefix("Error: ").map(str::to_owned).unwrap_or(line))
        .filter(|line| !line.trim().is_empty() && !line.starts_with("Use --debug flag"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_helm_said_is_told_without_its_advice() {
        let said = "Error: values don't meet the specifications of the schema(s):\nx: y in /s/values.yaml\n\n\
                    Use --debug flag to render out invalid YAML\n";
        assert_eq!(
            evidence(said, Path::new("/s")),
            ["values don't meet the specifications of the schema(s):", "x: y in values.yaml"]
        );
    }
}
