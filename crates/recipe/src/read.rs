//! From YAML to the types, with the place of what is wrong.

use portolan_model::{Code, Finding, ValuesMode};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_saphyr::Spanned;

use crate::boundary::{
    ClaimSelector, Crosses, DroppedValue, MovedValue, Platform, RecipeStep, Requirement, Setting, StepOrigin,
    StepTemplate, VersionBoundary,
};

/// A finding about a place in a file; line 0 for the file as a whole.
pub(crate) fn bad(file: &str, line: u64, what: impl std::fmt::Display) -> Finding {
    let place = if line == 0 { file.to_owned() } else { format!("{file}:{line}") };
    Finding::blocking(Code::BadRecipe, format!("{place}: {what}"))
}

/// Reads a file.
pub(crate) fn parse<T: DeserializeOwned>(file: &str, text: &str) -> Result<T, Finding> {
    serde_saphyr::from_str(text).map_err(|error| {
        let line = error.location().map_or(0, |at| at.line());
        let message = error.to_string();
        // The first line says what is wrong; the rest quotes the file.
        let message = message.lines().next().unwrap_or_default();
        let message = message.strip_prefix("error: ").unwrap_or(message);
        let (_, message) =
            message.split_once(": ").filter(|(head, _)| head.starts_with("line ")).unwrap_or(("", message));
        bad(file, line, message)
    })
}

/// A boundary as it stands in its file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct RawVersionBoundary {
    pub(crate) format: u32,
    boundary: String,
    #[serde(default)]
    crosses: Option<Crosses>,
    #[serde(default)]
    from_chart: Option<String>,
    #[serde(default)]
    to_chart: Option<String>,
    #[serde(default)]
    pub(crate) requires: Vec<Spanned<Requirement>>,
    pub(crate) steps: Vec<RawStep>,
}

/// A step as it stands in its file: one flat list of fields, so that an error has a line of its own.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct RawStep {
    pub(crate) id: Spanned<String>,
    kind: Spanned<String>,
    pub(crate) source: Spanned<StepOrigin>,
    why: String,
    #[serde(default)]
    platform: Option<Platform>,
    #[serde(default)]
    claims: Option<ClaimSelector>,
    #[serde(default)]
    database: Option<Spanned<String>>,
    #[serde(default)]
    objects: Option<Vec<Spanned<String>>>,
    #[serde(default)]
    of_release: Option<bool>,
    #[serde(default)]
    values: Option<ValuesMode>,
    #[serde(default)]
    pub(crate) set: Option<Vec<Spanned<Setting>>>,
    #[serde(default)]
    #[serde(rename = "move")]
    pub(crate) moved: Option<Vec<Spanned<MovedValue>>>,
    #[serde(default)]
    pub(crate) retired: Option<Vec<Spanned<DroppedValue>>>,
    #[serde(default)]
    may_change: Option<Vec<String>>,
}

/// The line that something stands on.
pub(crate) fn line<T>(spanned: &Spanned<T>) -> u64 {
    spanned.referenced.line()
}

impl RawVersionBoundary {
    pub(crate) fn check(self, file: &str, databases: &[&str]) -> Result<VersionBoundary, Finding> {
        let steps = self.steps.into_iter().map(|step| step.check(file, databases)).collect::<Result<_, _>>()?;
        Ok(VersionBoundary {
            name: self.boundary,
            file: file.to_owned(),
            crosses: self.crosses,
            from_chart: self.from_chart,
            to_chart: self.to_chart,
            requires: self.requires.into_iter().map(|required| required.value).collect(),
            steps,
        })
    }
}

impl RawStep {
    fn check(mut self, file: &str, databases: &[&str]) -> Result<RecipeStep, Finding> {
        let at = line(&self.kind);
        let kind = self.kind.value.clone();
        let ask = match kind.as_str() {
            "retain-volume" => StepTemplate::RetainVolume { claims: self.claims(file)? },
            "keep-claim" => StepTemplate::KeepClaim { claims: self.claims(file)? },
            "record-database" => StepTemplate::RecordDatabase { database: self.database(file, databases)? },
            "archive-object" => StepTemplate::ArchiveObject { objects: self.objects(file)? },
            "carry-credentials" => StepTemplate::CarryCredentials { database: self.database(file, databases)? },
            "delete-object" => StepTemplate::DeleteObject {
                objects: self.deletable(file)?,
                of_release: self.of_release.take().unwrap_or_default(),
            },
            "helm-upgrade" => StepTemplate::HelmUpgrade {
                values: self.values.take(),
                set: self.set.take().unwrap_or_default().into_iter().map(|setting| setting.value).collect(),
                moved: self.moved.take().unwrap_or_default().into_iter().map(|moved| moved.value).collect(),
                retired: self.retired.take().unwrap_or_default().into_iter().map(|retired| retired.value).collect(),
            },
            "wait-ready" => StepTemplate::WaitReady,
            "verify-volume" => StepTemplate::VerifyVolume { claims: self.claims(file)? },
            "verify-database" => StepTemplate::VerifyDatabase {
                database: self.database(file, databases)?,
                may_change: self.may_change.take().unwrap_or_default(),
            },
            other => {
                let known = StepTemplate::KINDS.join(", ");
                return Err(
                    bad(file, at, format!("unknown kind of step `{other}`")).with(format!("available: {known}"))
                );
            }
        };
        if let Some(left) = self.left_over() {
            return Err(bad(file, at, format!("a step of kind {kind} has no `{left}`")));
        }
        Ok(RecipeStep { id: self.id.value, ask, platform: self.platform, source: self.source.value, why: self.why })
    }

    fn missing(&self, file: &str, field: &str) -> Finding {
        bad(file, line(&self.kind), format!("a step of kind {} needs `{field}`", self.kind.value))
    }

    fn claims(&mut self, file: &str) -> Result<ClaimSelector, Finding> {
        self.claims.take().ok_or_else(|| self.missing(file, "claims"))
    }

    fn database(&mut self, file: &str, known: &[&str]) -> Result<String, Finding> {
        let name = self.database.take().ok_or_else(|| self.missing(file, "database"))?;
        if known.contains(&name.value.as_str()) {
            return Ok(name.value);
        }
        let finding = bad(file, line(&name), format!("there is no database `{}`", name.value));
        Err(finding.with(format!("the product has: {}", known.join(", "))))
    }

    fn objects(&mut self, file: &str) -> Result<Vec<String>, Finding> {
        let objects = self.objects.take().ok_or_else(|| self.missing(file, "objects"))?;
        let release = portolan_model::ReleaseId { namespace: "n".into(), name: "r".into() };
        for object in &objects {
            if crate::object(&object.value, &release).is_none() {
                return Err(bad(file, line(object), format!("`{}` is not Kind/name", object.value)));
            }
        }
        Ok(objects.into_iter().map(|object| object.value).collect())
    }

    /// Storage is never deleted, nor what takes storage with it.
    fn deletable(&mut self, file: &str) -> Result<Vec<String>, Finding> {
        const NEVER: [&str; 4] = ["CustomResourceDefinition", "Namespace", "PersistentVolume", "PersistentVolumeClaim"];
        for object in self.objects.iter().flatten() {
            let kind = object.value.split(['/', '.']).next().unwrap_or_default();
            if NEVER.contains(&kind) {
                return Err(bad(file, line(object), format!("a {kind} is never deleted")));
            }
        }
        self.objects(file)
    }

    /// An argument that the kind does not take.
    fn left_over(&self) -> Option<&'static str> {
        let given = [
            ("claims", self.claims.is_some()),
            ("database", self.database.is_some()),
            ("objects", self.objects.is_some()),
            ("values", self.values.is_some()),
            ("set", self.set.is_some()),
            ("move", self.moved.is_some()),
            ("retired", self.retired.is_some()),
            ("of-release", self.of_release.is_some()),
            ("may-change", self.may_change.is_some()),
        ];
        given.into_iter().find_map(|(name, is_given)| is_given.then_some(name))
    }
}
