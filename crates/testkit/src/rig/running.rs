//! A rig from outside: bring it up, find it, take it down.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use fs_err as fs;
use rustix::process::{Pid, Signal};

use super::api::{Api, Upstream};
use super::cache::{Build, Cache};
use super::config::{NODE, REGISTRIES, VOLUMES};
use super::launch::{FAILED, NAMESPACES, READY, packaged};
use super::net::{Net, RIGS};
use super::state::{NodeImages, PATIENCE, Process, Shape, State, check_name, output, poll, tail};
use super::{cgroup, pki};

/// A running rig.
pub struct Rig {
    state: State,
    run: PathBuf,
    build: Build,
    api: Api,
}

/// Whether the rig can be had on this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Availability {
    /// It is built.
    Ready,
    /// It is not built yet, and can be.
    CanBuild,
    /// It cannot be had.
    Missing {
        /// Why.
        why: String,
    },
}

/// Whether the rig can be had on this machine.
#[must_use]
pub fn availability() -> Availability {
    let missing = |why: &str| Availability::Missing { why: why.into() };
    if !cfg!(target_os = "linux") {
        return missing("it needs Linux");
    }
    if !rustix::process::geteuid().is_root() {
        return missing("it needs root");
    }
    match Cache::locate() {
        Ok(cache) if cache.build().is_complete() => return Availability::Ready,
        Ok(_) => {}
        Err(error) => return missing(&format!("{error:#}")),
    }
    match super::build::requirements() {
        Ok(()) => Availability::CanBuild,
        Err(error) => missing(&format!("{error:#}")),
    }
}

impl Rig {
    /// The rig `main` in the shape of OpenShift, that all test binaries share; it is started where it does not run.
    ///
    /// # Errors
    /// Where it is not built, or cannot be started.
    pub fn shared() -> Result<Self> {
        Self::shared_in(Shape::Openshift)
    }

    /// The rig that all test binaries share, of a shape: `main` or `kubernetes`; it is started where it does not run.
    ///
    /// # Errors
    /// Where it is not built, or cannot be started.
    pub fn shared_in(shape: Shape) -> Result<Self> {
        Self::up(Self::shared_name(shape), shape)
    }

    /// The name of the shared rig of a shape.
    #[must_use]
    pub fn shared_name(shape: Shape) -> &'static str {
        match shape {
            Shape::Openshift => "main",
            Shape::Kubernetes => "kubernetes",
        }
    }

    /// Keeps others on this rig away from what is named, until it is dropped.
    ///
    /// # Errors
    /// Where the lock cannot be taken.
    pub fn lock(&self, what: &str) -> Result<std::fs::File> {
        Cache::locate()?.lock(&format!("{}-{what}", self.state.name), || {})
    }

    /// A rig of this name, started where it does not run.
    ///
    /// # Errors
    /// Where it is not built, or cannot be started.
    pub fn up(name: &str, shape: Shape) -> Result<Self> {
        Self::up_with(name, shape, NodeImages::All)
    }

    /// A rig of this name whose node has these images, started where it does not run.
    ///
    /// # Errors
    /// Where it is not built, or cannot be started.
    pub fn up_with(name: &str, shape: Shape, images: NodeImages) -> Result<Self> {
        check_name(name)?;
        let cache = Cache::locate()?;
        let build = cache.build();
        if !build.is_complete() {
            bail!("the rig is not built: cargo xtask rig build");
        }
        if !rustix::process::geteuid().is_root() {
            bail!("the rig needs root for its namespaces: sudo -E cargo xtask rig up");
        }
        let _lock = cache.lock(name, || {})?;
        let run = cache.run(name);
        if let Some(rig) = Self::find_in(&cache, name)
            && rig.state.key == build.key()
            && rig.state.shape == shape
            && rig.state.images == images
        {
            return Ok(rig);
        }
        take_down(&run, name)?;
        let about = State { name: name.into(), index: 0, shape, images, key: build.key() };
        let state = claim_index(&cache, &run, about)?;
        start(&run, &state)
            .with_context(|| format!("the rig did not come up; its logs are in {}", run.join("log").display()))?;
        Self::open(state, run, build)
    }

    /// A rig of this name, if it runs and answers.
    ///
    /// # Errors
    /// Where the cache folder cannot be found.
    pub fn find(name: &str) -> Result<Option<Self>> {
        Ok(Self::find_in(&Cache::locate()?, name))
    }

    fn find_in(cache: &Cache, name: &str) -> Option<Self> {
        let run = cache.run(name);
        let state = State::read(&run)?;
        let lives = Process::read(&run)?.lives() && run.join(READY).exists();
        let rig = Self::open(state, run, cache.build()).ok()?;
        (lives && rig.api.is_ready() && rig.api.node_is_ready(NODE).unwrap_or(false)).then_some(rig)
    }

    fn open(state: State, run: PathBuf, build: Build) -> Result<Self> {
        let api = Api::new(Upstream::new(state.net().inner(), &run)?);
        Ok(Self { state, run, build, api })
    }

    /// Takes a rig down. Nothing of it is left but its logs.
    ///
    /// # Errors
    /// Where something of it cannot be removed.
    pub fn down(name: &str) -> Result<()> {
        check_name(name)?;
        let cache = Cache::locate()?;
        let _lock = cache.lock(name, || {})?;
        take_down(&cache.run(name), name)
    }

    /// Its state.
    #[must_use]
    pub fn state(&self) -> &State {
        &self.state
    }

    /// The folder with its logs.
    #[must_use]
    pub fn run(&self) -> &Path {
        &self.run
    }

    /// What it was built from.
    #[must_use]
    pub fn build(&self) -> &Build {
        &self.build
    }

    /// A client with an administrator's rights.
    #[must_use]
    pub fn api(&self) -> &Api {
        &self.api
    }

    /// An administrator's kubeconfig that works on the host.
    #[must_use]
    pub fn kubeconfig(&self) -> PathBuf {
        self.run.join("kubeconfig")
    }

    /// An address for a Service that asks for one: no other Service is given it as long as there are others.
    #[must_use]
    pub fn service_address(&self, number: u8) -> Ipv4Addr {
        self.state.net().service(number)
    }

    /// The helm of a version.
    ///
    /// # Errors
    /// Where the rig has none of this version.
    pub fn helm(&self, version: &str) -> Result<PathBuf> {
        self.build.helm(version)
    }

    /// The folder behind a hostPath volume, as the host sees it.
    #[must_use]
    pub fn folder(&self, volume: &serde_json::Value) -> Option<PathBuf> {
        let path = Path::new(volume["spec"]["hostPath"]["path"].as_str()?);
        Some(self.run.join("volumes").join(path.strip_prefix(VOLUMES).ok()?))
    }

    /// Lets the node pull from a registry that speaks without TLS.
    ///
    /// # Errors
    /// Where it cannot be written down.
    pub fn pull_plainly_from(&self, registry: &str) -> Result<()> {
        let folder = self.run.join(REGISTRIES).join(registry);
        fs::create_dir_all(&folder)?;
        let text = format!("[host.\"http://{registry}\"]\n  capabilities = [\"pull\", \"resolve\"]\n");
        Ok(fs::write(folder.join("hosts.toml"), format!("server = \"http://{registry}\"\n{text}"))?)
    }

    /// The names of the images that the node has.
    ///
    /// # Errors
    /// What its container runtime says.
    pub fn node_images(&self) -> Result<BTreeSet<String>> {
        let socket = self.run.join("containerd.sock");
        let mut ctr = packaged(&self.build, "ctr");
        let listed = output(ctr.arg("-a").arg(socket).args(["-n", "k8s.io", "images", "list", "-q"]))?;
        // The runtime lists an image under its configuration's digest as well.
        let names = String::from_utf8(listed)?;
        Ok(names
            .lines()
            .filter(|name| !name.starts_with("sha256:") && !name.contains('@'))
            .map(str::to_owned)
            .collect())
    }

    /// kubectl as an administrator.
    #[must_use]
    pub fn kubectl(&self) -> Command {
        let mut command = Command::new(self.build.kubernetes("kubectl"));
        command.arg("--kubeconfig").arg(self.kubeconfig());
        command
    }
}

/// Writes down a rig with the lowest index that no other has. One lock for all names, so that two rigs that start
/// together do not take the same addresses.
fn claim_index(cache: &Cache, run: &Path, about: State) -> Result<State> {
    let _lock = cache.lock("index", || {})?;
    let used: Vec<u8> = fs::read_dir(cache.runs())?
        .filter_map(|entry| State::read(&entry.ok()?.path()))
        .map(|state| state.index)
        .collect();
    let is_free =
        |index: &u8| !used.contains(index) && !Path::new("/sys/class/net").join(Net::new(*index).host_link()).exists();
    let index = (0..RIGS).find(is_free).context("this machine holds no more rigs")?;
    let state = State { index, ..about };
    fs::create_dir_all(run.join("log"))?;
    state.write(run)?;
    Ok(state)
}

fn start(run: &Path, state: &State) -> Result<()> {
    let net = state.net();
    fs::write(run.join(SETTINGS), serde_json::to_vec(&kernel_settings())?)?;
    pki::write(run, net, NODE)?;
    let log = fs::File::create(run.join("log/inside.log"))?.into_parts().0;
    let program =
        std::env::var_os("PORTOLAN_RIG_INSIDE").map_or_else(inside_program, |path| Ok(PathBuf::from(path)))?;
    // A rig outlives the terminal and the test that started it, so it gets a session of its own.
    let mut child = Command::new("setsid")
        .args(["unshare", "--mount", "--pid", "--net", "--fork", "--kill-child"])
        .arg(program)
        .args(["rig", "inside"])
        .arg(run)
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        .spawn()
        .context("starting setsid unshare")?;
    let parent = i32::try_from(child.id())?;
    let init = poll("the rig's first process", || Ok(first_child(parent)))
        .with_context(|| tail(&run.join("log/inside.log"), 5))?;
    init.write(run)?;
    let dead = |child: &mut std::process::Child| child.try_wait().ok().flatten().is_some();
    wait_for(run, NAMESPACES, &mut || dead(&mut child))?;
    link(net, init.pid)?;
    wait_for(run, READY, &mut || dead(&mut child))?;
    Ok(())
}

/// The program that can run as the first process: xtask, built beside the tests.
fn inside_program() -> Result<PathBuf> {
    let me = std::env::current_exe()?;
    let found = me.ancestors().map(|dir| dir.join("xtask")).find(|path| path.is_file());
    found.context("the program xtask is not built beside this one: cargo build -p xtask")
}

fn first_child(parent: i32) -> Option<Process> {
    let children = fs::read_to_string(format!("/proc/{parent}/task/{parent}/children")).ok()?;
    Process::of(children.split_whitespace().next()?.parse().ok()?)
}

fn wait_for(run: &Path, file: &str, dead: &mut dyn FnMut() -> bool) -> Result<()> {
    let until = Instant::now() + PATIENCE;
    while !run.join(file).exists() {
        if let Ok(why) = fs::read_to_string(run.join(FAILED)) {
            bail!("{why}");
        }
        if dead() || Instant::now() > until {
            bail!("it stopped before `{file}`: {}", tail(&run.join("log/inside.log"), 5));
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

/// One veth pair, and routes to the pods and services behind it; they go with the namespace.
fn link(net: Net, init: i32) -> Result<()> {
    let ip = |args: String| output(Command::new("ip").args(args.split(' '))).map(drop);
    ip(format!("link add {} type veth peer name {} netns {init}", net.host_link(), net.inner_link()))?;
    ip(format!("addr add {}/{} dev {}", net.host(), Net::LINK_PREFIX, net.host_link()))?;
    ip(format!("link set {} up", net.host_link()))?;
    ip(format!("route add {} via {}", net.pods(), net.inner()))?;
    ip(format!("route add {} via {}", net.services(), net.inner()))
}

fn take_down(run: &Path, name: &str) -> Result<()> {
    if let Some(init) = Process::read(run).filter(Process::lives)
        && let Some(pid) = Pid::from_raw(init.pid)
    {
        rustix::process::kill_process(pid, Signal::KILL).context("killing the rig's first process")?;
        poll("the end of the rig's first process", || Ok((!init.lives()).then_some(())))?;
    }
    if let Some(state) = State::read(run) {
        let net = state.net();
        let link = net.host_link();
        poll("the end of the rig's link", || Ok((!Path::new("/sys/class/net").join(&link).exists()).then_some(())))?;
    }
    cgroup::remove(&super::state::cgroup(name))?;
    restore_settings(run);
    if run.exists() {
        remove_all(run)?;
    }
    Ok(())
}

/// The kernel settings that a kubelet changes for the whole machine.
const KERNEL: [&str; 5] =
    ["vm/overcommit_memory", "vm/panic_on_oom", "kernel/panic", "kernel/panic_on_oops", "kernel/keys/root_maxkeys"];

/// Where they are kept as they were.
const SETTINGS: &str = "kernel.json";

fn kernel_settings() -> BTreeMap<&'static str, String> {
    let read = |name: &&'static str| Some((*name, fs::read_to_string(Path::new("/proc/sys").join(name)).ok()?));
    KERNEL.iter().filter_map(read).collect()
}

/// Puts them back. One that cannot be written was not changed either.
fn restore_settings(run: &Path) {
    let kept: Option<BTreeMap<String, String>> =
        fs::read(run.join(SETTINGS)).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok());
    for (name, value) in kept.unwrap_or_default() {
        drop(fs::write(Path::new("/proc/sys").join(name), value));
    }
}

/// Removes a run folder. What was mounted below it went with its namespace.
fn remove_all(run: &Path) -> Result<()> {
    poll("removing the run folder", || match fs::remove_dir_all(run) {
        Ok(()) => Ok(Some(())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Some(())),
        Err(error) => Err(error.into()),
    })
}
