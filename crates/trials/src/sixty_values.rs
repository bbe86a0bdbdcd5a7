//! 60 values of a chart with more than 150 templates, and the search for what each of them does, with real helm.

mod chart;

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use portolan_helm_compat::chart::{self as archives, ChartArchive};
use portolan_helm_compat::{manifest, values};
use portolan_model::{Object, ValuesPath};
use portolan_workflow::{Effect, EffectSearch, Effects};
use serde_json::Value;

use self::chart::Expected;
pub use self::chart::templates;

/// The chart in a folder of its own, the values, and the helm that renders it.
pub struct SixtyValues {
    helm: PathBuf,
    folder: tempfile::TempDir,
    given: Value,
    chart: ChartArchive,
}

impl SixtyValues {
    /// Packs the chart. An error where its folder cannot be written.
    pub fn new(helm: PathBuf) -> Result<Self> {
        let packed = chart::chart();
        let folder = tempfile::tempdir()?;
        fs_err::write(folder.path().join(CHART), &packed.archive)?;
        let chart = archives::read(&packed.archive).context("the chart cannot be read")?;
        ensure!(templates() >= 150, "{} templates", templates());
        ensure!(chart::expectations().len() == 60, "{} values", chart::expectations().len());
        Ok(Self { helm, folder, given: chart::given(), chart })
    }

    /// Renders once with all values, by `helm template`.
    pub fn render_once(&self) -> Result<()> {
        self.render(0, &self.given).map(drop).map_err(anyhow::Error::msg)
    }

    /// Searches as the product does, two renderings side by side.
    pub fn search(&self) -> Effects {
        let mut search = EffectSearch::new("r", &self.given, &self.chart.values).reading(&self.chart.files);
        loop {
            let jobs = search.jobs();
            if jobs.is_empty() {
                return search.finish();
            }
            std::thread::scope(|scope| {
                let renderings: Vec<_> = jobs
                    .iter()
                    .enumerate()
                    .map(|(at, job)| (job.id, scope.spawn(move || self.render(at, &job.values))))
                    .collect();
                for (id, rendering) in renderings {
                    search.rendered(id, rendering.join().expect("a rendering"));
                }
            });
        }
    }

    fn render(&self, id: usize, values: &Value) -> Result<Vec<Object>, String> {
        let file = self.folder.path().join(format!("values-{id}.yaml"));
        fs_err::write(&file, values::file(values)).expect("a values file");
        let out = Command::new(&self.helm)
            .args(["template", "r"])
            .arg(self.folder.path().join(CHART))
            .args(["--namespace", "n", "--values"])
            .arg(&file)
            .output()
            .expect("helm starts");
        if !out.status.success() {
            let said = String::from_utf8_lossy(&out.stderr).into_owned();
            let said = said.lines().filter(|line| !line.starts_with("Use --debug"));
            return Err(said.collect::<Vec<_>>().join("\n"));
        }
        Ok(manifest::parse(&String::from_utf8_lossy(&out.stdout), "n").expect("helm's manifest"))
    }
}

const CHART: &str = "chart.tgz";

/// The values of which something else was found than what they do, each with what was found.
pub fn wrong(effects: &Effects) -> Vec<String> {
    let mut wrong = Vec::new();
    for (path, _, expected) in chart::expectations() {
        let effect = &effects.of[&ValuesPath::new(path)];
        let is_right = match (&expected, effect) {
            (Expected::Nothing, Effect::None) | (Expected::Needed, Effect::Needed { .. }) => true,
            (Expected::Field(object, pointer), Effect::Fields(fields)) => {
                fields.iter().any(|field| field.object.to_string() == *object && field.pointer.starts_with(pointer))
            }
            _ => false,
        };
        if !is_right {
            wrong.push(format!("{path}: {effect:?}"));
        }
    }
    wrong
}
