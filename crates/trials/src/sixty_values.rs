//! 60 values of a chart with more than 150 templates, and the search for what each of them does, with real helm.

mod chart;

use anyhow::{Context, Result, ensure};
use portolan_helm_compat::chart::{self as archives, ChartArchive};
use portolan_helm_compat::values;
use portolan_model::ValuesPath;
use portolan_workflow::{Effect, Effects};
use serde_json::Value;

use self::chart::Expected;
pub use self::chart::templates;
use crate::offline::OfflineHelm;

/// The chart in a folder of a helm that renders it, and the values.
pub struct SixtyValues {
    helm: OfflineHelm,
    packed: String,
    file: String,
    given: Value,
    chart: ChartArchive,
}

impl SixtyValues {
    /// Packs the chart for the helm of a version. An error where the rig does not have that one.
    pub fn new(helm: &'static str) -> Result<Self> {
        let (helm, packed, given) = (OfflineHelm::new(helm)?, chart::chart(), chart::given());
        let chart = archives::read(&packed.archive).context("the chart cannot be read")?;
        ensure!(templates() >= 150, "{} templates", templates());
        ensure!(chart::expectations().len() == 60, "{} values", chart::expectations().len());
        let file = helm.write("given.yaml", values::file(&given).as_bytes());
        Ok(Self { packed: helm.write("chart.tgz", &packed.archive), helm, file, given, chart })
    }

    /// Renders once with all values, by `helm template`.
    pub fn render_once(&self) -> Result<()> {
        self.helm
            .run(&[self.packed.clone(), "--values".into(), self.file.clone()])
            .map(drop)
            .map_err(anyhow::Error::msg)
    }

    /// Searches what each value does.
    pub fn search(&self) -> Effects {
        self.helm.effects(&self.packed, &self.chart, &self.given)
    }
}

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
