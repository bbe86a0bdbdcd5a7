//! A release of a small chart in a namespace of its own.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use anyhow::{Context, Result, bail};
use portolan_model::Object;
use portolan_testkit::rig::{Namespace, Rig};
use serde_json::{Value, json};

use super::live::Live;
use super::{Chart, Prepare, Upgrade};
use crate::program::Program;

/// The name of every release.
pub(super) const RELEASE: &str = "store";
/// The version that is installed.
pub(super) const OLD: &str = "2.13.0";
/// A version on the way.
pub(super) const MIDDLE: &str = "2.17.0";
/// The version to upgrade to.
pub(super) const NEW: &str = "2.20.0";

/// How long the waits of an upgrade by Portolan may take: nothing of these charts takes long.
const LIMITS: &str = "ready=300s,delete=300s,helm=300s";

/// A release in a namespace of its own.
pub struct CaseFixture<'a> {
    rig: &'a Rig,
    space: Namespace<'a>,
    live: Live<'a>,
    helm: PathBuf,
    folder: tempfile::TempDir,
    /// What each file `rows` on a volume of this site held when it was installed, by its place on the host.
    rows: BTreeMap<PathBuf, String>,
}

impl<'a> CaseFixture<'a> {
    /// Installs 2.13.0 with a real helm, waits until it is ready, and does what the case prepares.
    ///
    /// # Errors
    /// What helm or the cluster says.
    pub fn install(rig: &'a Rig, helm: &str, raw: &Value) -> Result<Self> {
        let space = rig.namespace("report")?;
        let helm = rig.helm(helm)?;
        let live = Live::new(rig, space.name());
        let mut site = Self { rig, live, space, helm, folder: tempfile::tempdir()?, rows: BTreeMap::new() };
        // What an upgrade takes from the live cluster is not there yet.
        let begins = |key: &&str| !matches!(*key, "new" | "middle" | "prepare" | "options" | "more");
        let map = raw.as_object().context("an upgrade is a map")?;
        let steps: Vec<Prepare> = serde_json::from_value(raw.get("prepare").cloned().unwrap_or(json!([])))?;
        let first =
            map.iter().filter(|(key, _)| begins(&key.as_str())).map(|(key, value)| (key.clone(), value.clone()));
        let upgrade = site.upgrade(&Value::Object(first.collect()))?;
        let chart = site.folder.path().join(OLD);
        Chart::new(OLD, upgrade.frame, &[&upgrade.both, &upgrade.old])?.write(&chart)?;
        let values = site.folder.path().join("values.json");
        fs_err::write(&values, if upgrade.values.is_null() { "{}".into() } else { upgrade.values.to_string() })?;
        let mut command = site.helm();
        command.args(["install", RELEASE, "--timeout", "5m"]).arg(&chart).arg("-f").arg(values);
        command.args(upgrade.set.iter().flat_map(|set| ["--set", set]));
        said(command.output()?)?;
        if upgrade.ready {
            site.wait("the installation", || site.is_ready())?;
        }
        if !steps.is_empty() {
            site.prepare(&steps)?;
            // A step may have started pods anew.
            if upgrade.ready {
                site.wait("what was prepared", || site.is_ready())?;
            }
        }
        site.rows = site.rows_on_volumes()?;
        Ok(site)
    }

    /// `kubectl wait` does not wait for an object that is not there yet; this does.
    fn kubectl_after_its_objects(&self, args: &[&str]) -> Result<()> {
        if let ["wait", rest @ ..] = args
            && !rest.contains(&"--for=delete")
        {
            let objects = rest.iter().filter(|arg| !arg.starts_with("--for"));
            drop(self.kubectl(&[&["wait", "--for=create"], &*objects.copied().collect::<Vec<_>>()].concat())?);
        }
        self.kubectl(args).map(drop)
    }

    fn prepare(&self, steps: &[Prepare]) -> Result<()> {
        for step in steps {
            // Each step may read what the one before has made.
            match step {
                Prepare::Create(object) => {
                    drop(self.kubectl_with(&["create", "-f", "-"], &self.filled(object)?.to_string())?);
                }
                Prepare::Patch(patch) => {
                    let (object, with) = (self.filled_text(&patch.object)?, self.filled(&patch.with)?.to_string());
                    let manager = patch.manager.as_ref().map(|manager| format!("--field-manager={manager}"));
                    let mut args = vec!["patch", object.as_str(), "--type=merge", "-p", with.as_str()];
                    args.extend(manager.as_deref());
                    drop(self.kubectl(&args)?);
                }
                Prepare::Apply(object) => {
                    let args = ["apply", "--server-side", "--field-manager=hand", "-f", "-"];
                    drop(self.kubectl_with(&args, &self.filled(object)?.to_string())?);
                }
                Prepare::Kubectl(args) => {
                    let args = args.iter().map(|arg| self.filled_text(arg)).collect::<Result<Vec<_>>>()?;
                    self.kubectl_after_its_objects(&args.iter().map(String::as_str).collect::<Vec<_>>())?;
                }
            }
        }
        Ok(())
    }

    /// An upgrade with what is said of this site in it.
    ///
    /// # Errors
    /// Where it is no upgrade.
    pub fn upgrade(&self, raw: &Value) -> Result<Upgrade> {
        Ok(serde_json::from_value(self.filled(raw)?)?)
    }

    /// Fills in what is of this site: see [`CaseFixture::filled_text`]; `$PORT` is a number, `$ADDRESS:N` the address with that number
    /// among those for Services that ask for one, and `$RANDOM:N` a text of N letters and digits that do not compress.
    fn filled(&self, value: &Value) -> Result<Value> {
        Ok(match value {
            Value::String(text) => match text.strip_prefix("$RANDOM:").and_then(|count| count.parse().ok()) {
                Some(count) => Value::String(random(count)),
                None if text == "$PORT" => json!(self.port()),
                None => match text.strip_prefix("$ADDRESS:") {
                    Some(number) => json!(self.rig.service_address(number.parse()?)),
                    None => Value::String(self.filled_text(text)?),
                },
            },
            Value::Array(list) => list.iter().map(|item| self.filled(item)).collect::<Result<_>>()?,
            Value::Object(map) => {
                let filled = |(key, value): (&String, &Value)| Ok((self.filled_text(key)?, self.filled(value)?));
                map.iter().map(filled).collect::<Result<_>>()?
            }
            other => other.clone(),
        })
    }

    /// `$NS` becomes the namespace, and `$GET:Kind/name:POINTER` at the end what is at that place of a live object.
    ///
    /// # Errors
    /// Where there is no such object.
    pub fn filled_text(&self, text: &str) -> Result<String> {
        let text = text.replace("$NS", self.namespace());
        let Some((before, place)) = text.split_once("$GET:") else { return Ok(text) };
        let (object, pointer) = place.split_once(':').context("$GET: is Kind/name:POINTER")?;
        let object = self.get(object)?.with_context(|| format!("there is no {object}"))?;
        let value = object.pointer(pointer).and_then(Value::as_str).with_context(|| format!("nothing at {pointer}"))?;
        Ok(format!("{before}{value}"))
    }

    /// A node port of this site's own, as far as a process can tell.
    fn port(&self) -> u32 {
        let number = self.namespace().bytes().fold(7_u32, |sum, byte| sum.wrapping_mul(31).wrapping_add(byte.into()));
        30_000 + number % 2_700
    }

    /// The namespace's name.
    #[must_use]
    pub fn namespace(&self) -> &str {
        self.space.name()
    }

    /// Waits for a condition.
    ///
    /// # Errors
    /// Where it does not hold in time.
    pub fn wait(&self, what: &str, mut holds: impl FnMut() -> Result<bool>) -> Result<()> {
        self.space.wait(what, |_| holds())
    }

    /// Whether every workload of the site's namespaces is ready, and the frame's pod has written its data.
    ///
    /// # Errors
    /// Where the cluster cannot be asked.
    pub fn is_ready(&self) -> Result<bool> {
        let list = self.live.list(&["pod", "statefulset", "deployment", "job"])?;
        // A pod of a Job, or one that nobody owns, is no workload.
        let is_store = |item: &Value| item["kind"] == "Pod" && item["metadata"]["name"] == "store-0";
        let ready = |item: &&Value| {
            (item["kind"] == "Pod" && !is_store(item))
                || portolan_kube_facts::readiness(&Object::new((*item).clone())).is_ok()
        };
        if !list.iter().all(|item| ready(&item)) {
            return Ok(false);
        }
        Ok(!list.iter().any(is_store) || !self.rows_on_volumes()?.is_empty())
    }

    /// What the frame's pod sees as its rows; `None` where it does not run or has none.
    ///
    /// # Errors
    /// Where the cluster cannot be asked.
    pub fn rows_of_pod(&self) -> Result<Option<String>> {
        let ends = |pod: &Value| pod["metadata"]["deletionTimestamp"].is_string();
        let named = |pod: &&Value| pod["metadata"]["name"] == "store-0" && !ends(pod);
        // The pods of a Deployment have names of their own.
        let labelled = |pod: &&Value| pod["metadata"]["labels"]["app"] == "store" && !ends(pod);
        let pods = self.live.list(&["pod"])?;
        let Some(pod) = pods.iter().find(named).or_else(|| pods.iter().find(labelled)) else { return Ok(None) };
        let text = |key: &str| pod["metadata"][key].as_str().unwrap_or_default();
        let (space, name) = (text("namespace"), text("name"));
        let read = "test -e \"$DATA_DIR/open\" && cat \"$DATA_DIR/rows\"";
        let args = ["-n", space, "exec", name, "-c", "store", "--", "sh", "-c", read];
        let out = self.rig.kubectl().args(args).output()?;
        Ok(out.status.success().then(|| String::from_utf8_lossy(&out.stdout).trim().to_owned()))
    }

    /// What the files `rows` held when the site was installed.
    pub fn first_rows(&self) -> impl Iterator<Item = &str> {
        self.rows.values().map(String::as_str)
    }

    /// The files that were on the volumes at the beginning and are gone or hold something else.
    #[must_use]
    pub fn lost_rows(&self) -> Vec<&Path> {
        let same =
            |(path, text): &(&PathBuf, &String)| fs_err::read_to_string(path).is_ok_and(|now| now.trim() == *text);
        self.rows.iter().filter(|file| !same(file)).map(|(path, _)| path.as_path()).collect()
    }

    fn rows_on_volumes(&self) -> Result<BTreeMap<PathBuf, String>> {
        let mut all = BTreeMap::new();
        for volume in self.live.volumes()? {
            let Some(folder) = self.rig.folder(&volume) else { continue };
            find_rows(&folder, &mut all)?;
        }
        Ok(all)
    }

    /// What is on the cluster of this site.
    pub(super) fn live(&self) -> &Live<'a> {
        &self.live
    }

    /// An object of the site, as `Kind/name` or `Kind/namespace/name`.
    ///
    /// # Errors
    /// Where the cluster cannot be asked.
    pub fn get(&self, object: &str) -> Result<Option<Value>> {
        self.live.get(&self.filled_text(object)?)
    }

    fn kubectl_command(&self, args: &[&str]) -> Command {
        let mut command = self.rig.kubectl();
        command.args(["-n", self.namespace()]).args(args).stdin(Stdio::null());
        command
    }

    /// What kubectl prints, in the release's namespace.
    ///
    /// # Errors
    /// What it says where it fails.
    pub fn kubectl(&self, args: &[&str]) -> Result<String> {
        said(self.kubectl_command(args).output()?).with_context(|| format!("kubectl {}", args.join(" ")))
    }

    fn kubectl_with(&self, args: &[&str], input: &str) -> Result<String> {
        let mut command = self.kubectl_command(args);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
        child.stdin.take().context("kubectl has an input")?.write_all(input.as_bytes())?;
        said(child.wait_with_output()?).with_context(|| format!("kubectl {}: {input}", args.join(" ")))
    }

    fn helm(&self) -> Command {
        let mut command = Command::new(&self.helm);
        command.env("HOME", self.folder.path()).arg("--kubeconfig").arg(self.rig.kubeconfig());
        command.args(["-n", self.namespace()]).stdin(Stdio::null());
        command
    }

    /// The charts on the way, in order: their versions and folders.
    fn charts(&self, upgrade: &Upgrade, name: &str) -> Result<(PathBuf, Vec<&'static str>)> {
        let folder = self.folder.path().join(name);
        let mut versions = Vec::new();
        for (version, delta) in [(MIDDLE, upgrade.middle.as_ref()), (NEW, Some(&upgrade.new))] {
            let Some(delta) = delta else { continue };
            Chart::new(version, upgrade.frame, &[&upgrade.both, delta])?.write(&folder.join(version))?;
            versions.push(version);
        }
        Ok((folder, versions))
    }

    /// Writes the charts that an upgrade leads to; their folder.
    ///
    /// # Errors
    /// Where they cannot be written.
    pub fn write_charts(&self, upgrade: &Upgrade, name: &str) -> Result<PathBuf> {
        Ok(self.charts(upgrade, name)?.0)
    }

    /// The options that helm and Portolan both take.
    fn options(&self, upgrade: &Upgrade) -> Result<Vec<String>> {
        let mut options = upgrade.options.clone();
        if !upgrade.more.is_null() {
            let file = self.folder.path().join("more.json");
            fs_err::write(&file, upgrade.more.to_string())?;
            options.extend(["-f".into(), file.display().to_string()]);
        }
        Ok(options)
    }

    /// Upgrades with helm alone; what each helm said, until one fails.
    pub(super) fn bare_helm(&self, upgrade: &Upgrade) -> Result<Output> {
        let (folder, versions) = self.charts(upgrade, "bare")?;
        let mut last = None;
        for version in versions {
            if last.is_some() {
                self.wait("the release on the way", || self.is_ready())?;
            }
            let mut command = self.helm();
            command.args(["upgrade", RELEASE, "--reset-then-reuse-values", "--timeout", "20s"]);
            let out = command.arg(folder.join(version)).args(self.options(upgrade)?).output()?;
            let failed = !out.status.success();
            last = Some(out);
            if failed {
                break;
            }
        }
        last.context("there is always a chart to upgrade to")
    }

    /// Runs Portolan for an upgrade: `plan` with what is given, or `upgrade`.
    pub(super) fn portolan(&self, program: &Program, name: &str, upgrade: &Upgrade, words: &[&str]) -> Result<Output> {
        let (folder, versions) = self.charts(upgrade, name)?;
        let mut command = program.command(self.folder.path());
        command
            .args(words)
            .args(["--to", NEW, "-n", self.namespace(), "--release", RELEASE])
            .args(self.options(upgrade)?);
        if let Some(recipes) = upgrade.recipes() {
            command.arg("--recipes").arg(recipes);
        }
        if versions.len() > 1 {
            command.args(["--via", MIDDLE]);
        }
        command.args(["--timeout", LIMITS]);
        command.arg("--chart").arg(folder).arg("--kubeconfig").arg(self.rig.kubeconfig());
        command.arg("--helm").arg(&self.helm).arg("--state-dir").arg(self.folder.path().join("state"));
        Ok(command.output()?)
    }

    /// What a rehearsal of a saved plan says, as JSON.
    pub(super) fn rehearse(&self, program: &Program, plan: &str) -> Result<Value> {
        let mut command = program.command(self.folder.path());
        command.args(["rehearse", plan, "-o", "json", "-n", self.namespace(), "--release", RELEASE]);
        command.arg("--kubeconfig").arg(self.rig.kubeconfig()).arg("--helm").arg(&self.helm);
        Ok(serde_json::from_slice(&command.output()?.stdout)?)
    }
}

impl Drop for CaseFixture<'_> {
    fn drop(&mut self) {
        if let Err(error) = self.live.clean()
            && !std::thread::panicking()
        {
            panic!("{} was not cleaned up: {error:#}", self.namespace());
        }
    }
}

/// What a command printed; its error output is the error.
fn said(out: Output) -> Result<String> {
    if !out.status.success() {
        bail!("{}", String::from_utf8_lossy(&out.stderr).trim());
    }
    Ok(String::from_utf8(out.stdout)?)
}

fn find_rows(folder: &Path, all: &mut BTreeMap<PathBuf, String>) -> Result<()> {
    if !folder.is_dir() {
        return Ok(());
    }
    for entry in fs_err::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            find_rows(&path, all)?;
        } else if path.ends_with("rows") {
            all.insert(path.clone(), fs_err::read_to_string(&path)?.trim().to_owned());
        }
    }
    Ok(())
}

/// Letters and digits, the same ones each time.
fn random(count: usize) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789xy";
    let mut state: u64 = 0x9E37_79B9_7F4A_7C15;
    let letters = std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        char::from(LETTERS[usize::try_from(state >> 58).unwrap_or_default()])
    });
    letters.take(count).collect()
}
