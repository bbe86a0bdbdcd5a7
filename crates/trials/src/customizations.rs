//! Sixty customizations of one site, as the vendor's page finds them (`helm get values`, `helm show values` and dyff) and as
//! `portolan values` does.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use portolan_helm_compat::values;
use portolan_testkit::rig::{Dyff, Rig};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::program::Program;
use crate::real::ClusterFixture;
use crate::shell::Shell;

const START: &str = "openshift-2.8";
const CHART: &str = "runai-backend-2.8.20";
const NEW: &str = "2.20.41";

/// What the vendor's script leaves out of the comparison (cp-helm-vals-diff.sh, docs of 2.13).
const LEFT_OUT: [&str; 4] = [
    "backend.openshiftIdp.firstAdmin",
    "backend.https.key",
    "backend.https.crt",
    "nginx-ingress.controller.service.externalIPs",
];

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    rows: Vec<Customization>,
}

/// A value that a site set.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Customization {
    /// What it is about: `password`.
    pub kind: String,
    /// Its path.
    pub path: String,
    /// What it was set to.
    pub value: Value,
    /// Whether nothing that is printed may hold it.
    #[serde(default)]
    pub secret: bool,
}

/// All of them.
///
/// # Panics
/// Where our own file is broken, which a test has seen.
#[must_use]
pub fn planted() -> Vec<Customization> {
    let table: Table =
        serde_saphyr::from_str(include_str!("../customizations.yaml")).expect("customizations.yaml is readable");
    table.rows
}

/// Those values as a map.
fn all_of(rows: &[Customization]) -> Value {
    let mut all = json!({});
    for row in rows {
        values::set(&mut all, &row.path, row.value.clone());
    }
    all
}

/// Who found a customization.
#[derive(Clone, Debug)]
pub struct Row {
    /// The customization.
    pub planted: Customization,
    /// Whether dyff reports it.
    pub dyff: bool,
    /// Whether dyff reports it as the vendor's script calls it.
    pub script: bool,
    /// Whether Portolan tells that it is set, and what becomes of it; if so, that.
    pub ours: Option<String>,
}

/// What was found, with which programs, and how long it took.
#[derive(Clone, Debug)]
pub struct Found {
    /// One row for each customization.
    pub rows: Vec<Row>,
    /// Lines of the report that the script makes.
    pub lines: usize,
    /// How many of the passwords and keys are in clear in what each way prints: the vendor's, ours.
    pub in_clear: [usize; 2],
    /// `helm get values`, `helm show values` and dyff together; then `portolan values` of today, and with what becomes of each value.
    pub took: [Duration; 3],
    /// The versions of helm and dyff.
    pub versions: [String; 2],
}

impl Found {
    /// How many each way found: dyff, the script, ours.
    #[must_use]
    pub fn counts(&self) -> [usize; 3] {
        let of = |is: &dyn Fn(&Row) -> bool| self.rows.iter().filter(|row| is(row)).count();
        [of(&|row| row.dyff), of(&|row| row.script), of(&|row| row.ours.is_some())]
    }
}

/// Installs the site on the rig and asks both ways.
///
/// # Errors
/// Where a program fails.
pub fn find(rig: &Rig, helm: &str, dyff: &Dyff, program: &Program) -> Result<Found> {
    let rows = planted();
    let site = ClusterFixture::install_with(rig, START, helm, all_of(&rows), |_| Ok(()))?;
    let shell = Shell::new(rig, program, &rig.helm(helm)?)?;
    fs_err::os::unix::fs::symlink(dyff.path(), shell.home().join("bin/dyff"))?;
    let space = site.space().name();
    let vendor = Vendor::of(&shell, space, &site.archive(CHART)?.to_string_lossy())?;
    let printed = vendor.report(&LEFT_OUT)?;
    // Written anew, as the files without a value are: a number has other digits then.
    let vendor = Vendor { current: serde_saphyr::to_string(&vendor.values()?)?, ..vendor };
    let (all, script) = (vendor.report(&[])?, vendor.report(&LEFT_OUT)?);
    let ours = Ours::of(&shell, space, &site.charts()?.to_string_lossy())?;
    let in_clear = |text: &str| {
        let secrets = rows.iter().filter(|row| row.secret).filter_map(|row| row.value.as_str());
        secrets.filter(|secret| text.contains(secret)).count()
    };
    Ok(Found {
        in_clear: [in_clear(&printed), in_clear(&ours.printed)],
        lines: printed.lines().count(),
        took: [vendor.took, ours.took[0], ours.took[1]],
        versions: [helm.to_owned(), dyff.version().to_owned()],
        rows: rows
            .iter()
            .map(|row| {
                let found = |with: &str, left_out: &[&str]| -> Result<bool> {
                    Ok(Vendor::names(row, with, &vendor.without(&row.path)?.report(left_out)?))
                };
                Ok(Row {
                    dyff: found(&all, &[])?,
                    script: found(&script, &LEFT_OUT)?,
                    ours: ours.decided.get(&row.path).cloned(),
                    planted: row.clone(),
                })
            })
            .collect::<Result<_>>()?,
    })
}

/// The vendor's way: the values of the release, and the defaults of its chart.
struct Vendor<'a> {
    shell: &'a Shell,
    /// The user-supplied values, without the heading.
    current: String,
    took: Duration,
}

impl<'a> Vendor<'a> {
    fn of(shell: &'a Shell, space: &str, chart: &str) -> Result<Self> {
        let begin = Instant::now();
        // As the script does, but for the tool that made the old defaults, which nobody can have any more.
        shell.ok(&format!("helm get values runai-backend -n {space} | tail -n +2 > current.yaml"))?;
        shell.ok(&format!("helm show values {chart} > defaults.yaml"))?;
        shell.ok("dyff between defaults.yaml current.yaml --omit-header --color off")?;
        let took = begin.elapsed();
        Ok(Self { shell, current: fs_err::read_to_string(shell.home().join("current.yaml"))?, took })
    }

    fn values(&self) -> Result<Value> {
        Ok(serde_saphyr::from_str(&self.current)?)
    }

    /// The same site without a value.
    fn without(&self, path: &str) -> Result<Self> {
        let mut values = self.values()?;
        ensure!(values::get(&values, path).is_some(), "helm get values tells nothing of {path}");
        values::remove(&mut values, path);
        Ok(Self { shell: self.shell, current: serde_saphyr::to_string(&values)?, took: Duration::ZERO })
    }

    fn report(&self, left_out: &[&str]) -> Result<String> {
        fs_err::write(self.shell.home().join("values.yaml"), &self.current)?;
        let left_out: String = left_out.iter().map(|path| format!(" --exclude {path}")).collect();
        let line = format!("dyff between defaults.yaml values.yaml --omit-header --color off{left_out}");
        Ok(self.shell.ok(&line)?.stdout)
    }

    /// Whether a report names a value: it has lines that the report of the same site without the value does not have, and one of them
    /// has its key.
    fn names(row: &Customization, with: &str, without: &str) -> bool {
        let mut others: BTreeMap<&str, usize> = BTreeMap::new();
        for line in without.lines() {
            *others.entry(line).or_default() += 1;
        }
        let key = row.path.replace("\\.", "\0");
        let key = key.rsplit('.').next().unwrap_or_default().replace('\0', ".");
        with.lines().any(|line| match others.get_mut(line) {
            Some(left) if *left > 0 => {
                *left -= 1;
                false
            }
            _ => line.contains(&key),
        })
    }
}

/// Our way: what `portolan values` prints of each.
struct Ours {
    decided: BTreeMap<String, String>,
    printed: String,
    took: [Duration; 2],
}

impl Ours {
    fn of(shell: &Shell, space: &str, charts: &str) -> Result<Self> {
        let timed = |line: &str| -> Result<_> {
            let begin = Instant::now();
            let said = shell.run(line)?;
            // 3: something is asked.
            ensure!([0, 3].contains(&said.code), "{line} ended with {}\n{}", said.code, said.stderr);
            Ok((said, begin.elapsed()))
        };
        let (today, first) = timed(&format!("portolan values -n {space}"))?;
        let (then, second) = timed(&format!("portolan values -n {space} --to {NEW} --chart {charts} -o json"))?;
        let view: Value = serde_json::from_str(&then.stdout).context("portolan values prints JSON")?;
        let values = view["values"].as_array().context("it has values")?;
        let decided = values.iter().filter(|value| value["set_by"] != "installer");
        Ok(Self {
            decided: decided
                .filter_map(|value| Some((value["path"].as_str()?.to_owned(), decision(value.pointer("/changes/0")?))))
                .collect(),
            printed: [today.stdout, today.stderr, then.stdout, then.stderr].concat(),
            took: [first, second],
        })
    }
}

/// What becomes of a value, in a few words.
fn decision(change: &Value) -> String {
    match change {
        Value::String(word) if word == "dropped" => "asked".into(),
        Value::String(word) if word == "carried" => "the same".into(),
        Value::String(word) => word.replace('-', " "),
        change => {
            let to = change.pointer("/moved/path").or(change.pointer("/moved-without-effect/path"));
            let replaced = change.get("replaced").or(change.pointer("/obsolete/by")).and_then(Value::as_str);
            match (to.and_then(Value::as_str), replaced) {
                (Some(path), _) => format!("`{path}`"),
                (None, Some(by)) => format!("replaced: {by}"),
                _ => "printed as another number".into(),
            }
        }
    }
}

/// The page.
#[must_use]
pub fn page(found: &Found, date: &str) -> String {
    let [dyff, script, ours] = found.counts();
    let all = found.rows.len();
    let [helm_version, dyff_version] = &found.versions;
    let [vendor, today, then] = found.took.map(|took| took.as_millis());
    let secrets = found.rows.iter().filter(|row| row.planted.secret).count();
    let mut text = format!(
        "# Customizations of one site\n\nWritten by `cargo xtask customizations` on {date} from `crates/trials/customizations.yaml`; do not \
         edit it. {all} values were set on one site of {CHART} on a real cluster, with helm {helm_version}. The vendor's way is the one of its \
         script: `helm get values`, compared by dyff {dyff_version} with the chart's defaults (`helm show values` stands in for the vendor's old \
         tool, which is not to be had any more); the script leaves four paths out of the comparison. A value is found where the report has a \
         line with its key that it does not have for the same site without the value. Ours is `portolan values --to {NEW}`: a value is found \
         where it is told as set by the site and with what becomes of it; `asked` blocks the upgrade until somebody answers.\n\n\
         | | vendor's script | dyff without the script's exceptions | Portolan |\n|---|---|---|---|\n\
         | found | {script} of {all} | {dyff} of {all} | {ours} of {all} |\n\
         | lost | {} | {} | {} |\n\
         | passwords and keys printed in clear | {} of {secrets} | | {} of {secrets} |\n\
         | wall time | {vendor} ms | | {today} ms for what is set, {then} ms with what becomes of it |\n\n\
         The script's report has {} lines, with every default that the site did not set among them, and does not say where a value goes.\n\n\
         | customization | kind | script | dyff | Portolan: becomes |\n|---|---|---|---|---|\n",
        all - script,
        all - dyff,
        all - ours,
        found.in_clear[0],
        found.in_clear[1],
        found.lines,
    );
    let mark = |is: bool| if is { "found" } else { "LOST" };
    for row in &found.rows {
        let Customization { path, kind, .. } = &row.planted;
        let ours = row.ours.as_deref().unwrap_or("LOST");
        text.push_str(&format!("| `{path}` | {kind} | {} | {} | {ours} |\n", mark(row.script), mark(row.dyff)));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_sixty_and_each_path_is_planted_once() {
        let rows = planted();
        assert_eq!(rows.len(), 60);
        assert_eq!(values::flatten(&all_of(&rows)).len(), 60);
        for kind in ["TLS pair", "first admin", "external IPs", "session secret", "null"] {
            assert!(rows.iter().any(|row| row.kind == kind), "{kind}");
        }
        assert!(LEFT_OUT.iter().all(|path| rows.iter().any(|row| row.path == *path)));
    }
}
