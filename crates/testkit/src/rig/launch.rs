//! The inside of a rig: the first process of its namespaces starts all the others and ends with them.

use std::path::Path;
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, bail};
use fs_err as fs;

use super::api::{Api, Upstream};
use super::cache::Build;
use super::config::{BRIDGE, NODE, READY_PORT, VOLUMES};
use super::images::archives;
use super::net::{API_PORT, Net};
use super::state::{NodeImages, State, output, poll, tail};

/// The file that says that the namespaces are there, so that the host can put its link into them.
pub(crate) const NAMESPACES: &str = "namespaces";
/// The file that says that everything runs.
pub(crate) const READY: &str = "ready";
/// The file that says why it does not.
pub(crate) const FAILED: &str = "failed";

/// Runs as the first process of a rig's own mount, pid and network namespaces, and does not return while the rig lives.
///
/// # Errors
/// Where a program could not be started; the reason is in the run folder's `failed` as well.
pub fn inside(run: &Path, build: &Build) -> Result<()> {
    let state = State::read(run).context("the run folder says nothing of a rig")?;
    let started = start(run, build, &state);
    match &started {
        Ok(_) => fs::write(run.join(READY), "")?,
        Err(error) => fs::write(run.join(FAILED), format!("{error:#}"))?,
    }
    let children = started?;
    // The first process of a pid namespace is handed every orphan: they are reaped here. Where a program of the rig
    // ends, the rig ends: half of one would only mislead.
    loop {
        match rustix::process::wait(rustix::process::WaitOptions::empty()) {
            Ok(Some((pid, status))) => {
                let dead =
                    children.iter().find(|(child, _)| u32::try_from(pid.as_raw_nonzero().get()) == Ok(child.id()));
                if let Some((_, name)) = dead {
                    bail!("{name} ended: {status:?}: {}", tail(&run.join("log").join(format!("{name}.log")), 5));
                }
            }
            Ok(None) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => bail!("waiting for the rig's processes: {error}"),
        }
    }
}

/// A program of the rig and its name.
type Program = (Child, &'static str);

/// Starts one of the rig's programs with its output in the log folder.
fn spawn(run: &Path, build: &Build, name: &'static str, command: &mut Command) -> Result<Program> {
    let log = fs::File::create(run.join("log").join(format!("{name}.log")))?;
    let child = command
        .env("PATH", build.path())
        .stdin(Stdio::null())
        .stdout(log.file().try_clone()?)
        .stderr(log.into_parts().0)
        .spawn()
        .with_context(|| format!("starting {name}"))?;
    Ok((child, name))
}

/// A program of the unpacked packages, with the libraries that lie beside it.
pub(crate) fn packaged(build: &Build, program: &str) -> Command {
    let mut command = Command::new(program);
    command
        .env("PATH", build.path())
        .env("LD_LIBRARY_PATH", build.libraries())
        .env("XTABLES_LIBDIR", build.node().join("usr/lib").join(super::cache::TRIPLE).join("xtables"));
    command
}

fn start(run: &Path, build: &Build, state: &State) -> Result<Vec<Program>> {
    let net = state.net();
    mounts(run)?;
    fs::write(run.join(NAMESPACES), "")?;
    network(net)?;
    super::config::write(run, state, build)?;
    super::cgroup::create(&state.cgroup())?;
    let mut children = control_plane(run, build, net)?;
    let api = Api::new(Upstream::new(std::net::Ipv4Addr::LOCALHOST, run)?);
    children.push(containerd(run, build)?);
    poll("the API server", || Ok(api.is_ready().then_some(())))
        .with_context(|| tail(&run.join("log/apiserver.log"), 5))?;
    children.append(&mut controllers(run, build)?);
    images(run, build, state.images)?;
    children.append(&mut node(run, build, net)?);
    super::cluster::prepare(&api, state)?;
    let dns = Command::new(build.coredns()).arg("-conf").arg(run.join("Corefile")).spawn_in(run, build, "coredns")?;
    children.push(dns);
    poll("the node", || Ok(api.node_is_ready(NODE)?.then_some(())))
        .with_context(|| tail(&run.join("log/kubelet.log"), 5))?;
    poll("CoreDNS", || {
        use std::io::{Read as _, Write as _};
        let mut stream = std::net::TcpStream::connect(("127.0.0.1", READY_PORT))?;
        stream.write_all(b"GET /ready HTTP/1.0\r\n\r\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer.starts_with("HTTP/1.0 200").then_some(()))
    })?;
    Ok(children)
}

/// Starting a command as one of the rig's programs.
trait SpawnIn {
    fn spawn_in(&mut self, run: &Path, build: &Build, name: &'static str) -> Result<Program>;
}

impl SpawnIn for Command {
    fn spawn_in(&mut self, run: &Path, build: &Build, name: &'static str) -> Result<Program> {
        spawn(run, build, name, self)
    }
}

/// A `/proc` of these namespaces, and mounts that pods can share.
fn mounts(run: &Path) -> Result<()> {
    let mount = |args: &[&str]| output(Command::new("mount").args(args)).map(drop);
    mount(&["--make-rprivate", "/"])?;
    mount(&["-t", "proc", "proc", "/proc"])?;
    // What the node's programs leave outside of the run folder goes with the namespaces.
    mount(&["-t", "tmpfs", "tmpfs", "/run"])?;
    mount(&["-t", "tmpfs", "tmpfs", "/var/log"])?;
    fs::create_dir_all(VOLUMES)?;
    fs::create_dir_all(run.join("volumes"))?;
    mount(&["--bind", &run.join("volumes").display().to_string(), VOLUMES])?;
    mount(&["--make-rshared", "/"])?;
    fs::create_dir_all("/run/netns")?;
    Ok(())
}

/// The rig's end of the link to the host, and the bridge that is node address, pods' gateway and name server at once.
fn network(net: Net) -> Result<()> {
    let ip = |args: &str| output(Command::new("ip").args(args.split(' '))).map(drop);
    ip("link set lo up")?;
    poll("the host's link", || {
        Ok(Path::new("/sys/class/net").join(net.inner_link()).exists().then_some(()).or_else(|| {
            // `/sys` is the host's: ask the kernel for this namespace.
            ip(&format!("link show {}", net.inner_link())).is_ok().then_some(())
        }))
    })?;
    ip(&format!("addr add {}/{} dev {}", net.inner(), Net::LINK_PREFIX, net.inner_link()))?;
    ip(&format!("link set {} up", net.inner_link()))?;
    ip(&format!("route add default via {}", net.host()))?;
    ip(&format!("link add {BRIDGE} type bridge"))?;
    ip(&format!("addr add {}/24 dev {BRIDGE}", net.node()))?;
    ip(&format!("link set {BRIDGE} up"))?;
    fs::write("/proc/sys/net/ipv4/ip_forward", "1")?;
    Ok(())
}

fn control_plane(run: &Path, build: &Build, net: Net) -> Result<Vec<Program>> {
    let pki = |name: &str| run.join("pki").join(name).display().to_string();
    let etcd = Command::new(build.etcd())
        .arg("--data-dir")
        .arg(run.join("etcd"))
        .args(["--listen-client-urls", "http://127.0.0.1:2379", "--advertise-client-urls", "http://127.0.0.1:2379"])
        // Nothing of a rig outlives it.
        .args(["--listen-peer-urls", "http://127.0.0.1:2380", "--unsafe-no-fsync"])
        .spawn_in(run, build, "etcd")?;
    let apiserver = Command::new(build.kubernetes("kube-apiserver"))
        .args(["--etcd-servers=http://127.0.0.1:2379", "--bind-address=0.0.0.0"])
        .arg(format!("--secure-port={API_PORT}"))
        .arg(format!("--advertise-address={}", net.node()))
        .arg(format!("--client-ca-file={}", pki("ca.crt")))
        .arg(format!("--tls-cert-file={}", pki("apiserver.crt")))
        .arg(format!("--tls-private-key-file={}", pki("apiserver.key")))
        .arg(format!("--service-account-key-file={}", pki("accounts.pub")))
        .arg(format!("--service-account-signing-key-file={}", pki("accounts.key")))
        .arg("--service-account-issuer=https://kubernetes.default.svc")
        .arg(format!("--service-cluster-ip-range={}", net.services()))
        .args(["--authorization-mode=Node,RBAC", "--allow-privileged=true", "--endpoint-reconciler-type=none"])
        .arg("--enable-admission-plugins=NodeRestriction")
        .arg("--kubelet-preferred-address-types=InternalIP")
        .arg(format!("--kubelet-client-certificate={}", pki("apiserver-kubelet.crt")))
        .arg(format!("--kubelet-client-key={}", pki("apiserver-kubelet.key")))
        .arg(format!("--audit-policy-file={}", run.join("audit-policy.yaml").display()))
        .arg(format!("--audit-log-path={}", run.join("audit.log").display()))
        .spawn_in(run, build, "apiserver")?;
    Ok(vec![etcd, apiserver])
}

fn controllers(run: &Path, build: &Build) -> Result<Vec<Program>> {
    let kubeconfig = |name: &str| format!("--kubeconfig={}", run.join(format!("{name}.kubeconfig")).display());
    let manager = Command::new(build.kubernetes("kube-controller-manager"))
        .arg(kubeconfig("controller-manager"))
        .arg(format!("--service-account-private-key-file={}", run.join("pki/accounts.key").display()))
        .arg(format!("--root-ca-file={}", run.join("pki/ca.crt").display()))
        .args(["--use-service-account-credentials", "--leader-elect=false", "--enable-hostpath-provisioner=true"])
        .args(["--bind-address=127.0.0.1", "--secure-port=10257", "--kube-api-qps=200", "--kube-api-burst=400"])
        // A machine that stands still for a minute is no node that is lost.
        .arg("--node-monitor-grace-period=10m")
        .spawn_in(run, build, "controller-manager")?;
    let scheduler = Command::new(build.kubernetes("kube-scheduler"))
        .arg(kubeconfig("scheduler"))
        .args(["--leader-elect=false", "--bind-address=127.0.0.1", "--secure-port=10259"])
        // With it a pod is tried again the moment its PVC is bound, at times before the scheduler's own copy of the PVC
        // is (pkg/scheduler/util/assumecache has a handler of its own): it fails, and is next looked at after 5 minutes.
        .arg("--feature-gates=SchedulerPopFromBackoffQ=false")
        // Whatever else keeps a pod back that could run is not kept for those 5 minutes either.
        .arg("--pod-max-in-unschedulable-pods-duration=10s")
        .spawn_in(run, build, "scheduler")?;
    Ok(vec![manager, scheduler])
}

fn containerd(run: &Path, build: &Build) -> Result<Program> {
    packaged(build, "containerd").arg("-c").arg(run.join("containerd.toml")).spawn_in(run, build, "containerd")
}

fn images(run: &Path, build: &Build, images: NodeImages) -> Result<()> {
    let socket = run.join("containerd.sock");
    let ctr = |args: &[&str]| output(packaged(build, "ctr").arg("-a").arg(&socket).args(args)).map(drop);
    poll("containerd", || ctr(&["version"]).map(Some)).with_context(|| tail(&run.join("log/containerd.log"), 5))?;
    for name in archives(images) {
        ctr(&["-n", "k8s.io", "images", "import", &build.image(name).display().to_string()])?;
    }
    Ok(())
}

fn node(run: &Path, build: &Build, net: Net) -> Result<Vec<Program>> {
    let kubelet = packaged(build, &build.kubernetes("kubelet").display().to_string())
        .arg(format!("--kubeconfig={}", run.join("kubelet.kubeconfig").display()))
        .arg(format!("--config={}", run.join("kubelet.yaml").display()))
        .arg(format!("--node-ip={}", net.node()))
        .arg(format!("--hostname-override={NODE}"))
        .arg(format!("--root-dir={}", run.join("kubelet").display()))
        .arg(format!("--cert-dir={}", run.join("kubelet/pki").display()))
        .spawn_in(run, build, "kubelet")?;
    let proxy = packaged(build, &build.kubernetes("kube-proxy").display().to_string())
        .arg(format!("--kubeconfig={}", run.join("proxy.kubeconfig").display()))
        .arg(format!("--hostname-override={NODE}"))
        .arg(format!("--cluster-cidr={}", net.pods()))
        .args(["--proxy-mode=iptables", "--conntrack-max-per-core=0"])
        .args(["--healthz-bind-address=127.0.0.1:10256", "--metrics-bind-address=127.0.0.1:10249"])
        .spawn_in(run, build, "proxy")?;
    Ok(vec![kubelet, proxy])
}
