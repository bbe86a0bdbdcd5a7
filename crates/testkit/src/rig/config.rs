//! The configuration files of the rig's programs.

use std::path::Path;

use anyhow::Result;
use fs_err as fs;
use serde_json::json;

use super::cache::Build;
use super::images;
use super::state::State;

/// The name of the rig's only node.
pub(crate) const NODE: &str = "rig";

/// The bridge between the pods, inside the rig's network namespace.
pub(crate) const BRIDGE: &str = "rig0";

/// Where the in-tree hostPath provisioner puts its volumes; fixed in Kubernetes' source.
pub(crate) const VOLUMES: &str = "/tmp/hostpath_pv";

/// The folder of the run folder that says how registries are reached: containerd reads it at each pull.
pub(crate) const REGISTRIES: &str = "registries";

/// Writes all configuration files into the run folder. JSON stands for YAML wherever that is read.
pub(crate) fn write(run: &Path, state: &State, build: &Build) -> Result<()> {
    for dir in ["cni", "log", "kubelet", "volumes", REGISTRIES] {
        fs::create_dir_all(run.join(dir))?;
    }
    let json = |name: &str, value: serde_json::Value| fs::write(run.join(name), value.to_string());
    json("cni/10-rig.conflist", cni(run, state))?;
    json("kubelet.yaml", kubelet(run, state))?;
    json("audit-policy.yaml", audit_policy())?;
    fs::write(run.join("containerd.toml"), containerd(run, build))?;
    fs::write(run.join("Corefile"), corefile(run, state))?;
    Ok(())
}

fn cni(run: &Path, state: &State) -> serde_json::Value {
    let net = state.net();
    json!({
        "cniVersion": "0.4.0",
        "name": "rig",
        "plugins": [
            {
                "type": "bridge", "bridge": BRIDGE, "isGateway": true, "hairpinMode": true, "ipMasq": false,
                "ipam": {
                    "type": "host-local",
                    "dataDir": run.join("ipam"),
                    "ranges": [[{ "subnet": net.pods(), "gateway": net.node() }]],
                    "routes": [{ "dst": "0.0.0.0/0" }],
                },
            },
            { "type": "loopback" },
        ],
    })
}

fn kubelet(run: &Path, state: &State) -> serde_json::Value {
    let pki = |name: &str| run.join("pki").join(name);
    let net = state.net();
    json!({
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "authentication": {
            "anonymous": { "enabled": false },
            "webhook": { "enabled": true },
            "x509": { "clientCAFile": pki("ca.crt") },
        },
        "authorization": { "mode": "Webhook" },
        "tlsCertFile": pki("kubelet.crt"),
        "tlsPrivateKeyFile": pki("kubelet.key"),
        "cgroupDriver": "cgroupfs",
        "cgroupsPerQOS": true,
        "cgroupRoot": format!("/{}", state.cgroup()),
        "enforceNodeAllocatable": [],
        "failSwapOn": false,
        "failCgroupV1": false,
        "containerRuntimeEndpoint": format!("unix://{}", run.join("containerd.sock").display()),
        "clusterDomain": "cluster.local",
        "clusterDNS": [net.node()],
        "resolvConf": "",
        "address": net.node(),
        "maxPods": 200,
        // The machine's disk and memory are not the rig's to judge.
        "evictionHard": { "memory.available": "0%", "nodefs.available": "0%", "imagefs.available": "0%" },
        "imageGCHighThresholdPercent": 100,
        "serializeImagePulls": false,
        "registryPullQPS": 0,
        "kubeAPIQPS": 200,
        "kubeAPIBurst": 400,
        "eventRecordQPS": 0,
        "syncFrequency": "5s",
        "volumePluginDir": run.join("kubelet/volumeplugins"),
        "podLogsDir": run.join("podlogs"),
    })
}

/// Every write, by its metadata. Reads, leases and events would drown them.
fn audit_policy() -> serde_json::Value {
    json!({
        "apiVersion": "audit.k8s.io/v1",
        "kind": "Policy",
        "omitStages": ["RequestReceived"],
        "rules": [
            { "level": "None", "verbs": ["get", "list", "watch"] },
            { "level": "None", "resources": [
                { "group": "coordination.k8s.io", "resources": ["leases"] },
                { "group": "", "resources": ["events"] },
                { "group": "events.k8s.io", "resources": ["events"] },
            ] },
            { "level": "Metadata" },
        ],
    })
}

fn containerd(run: &Path, build: &Build) -> String {
    let path = |dir: &str| format!("{:?}", run.join(dir));
    format!(
        r#"version = 2
root = {root}
state = {state}
[grpc]
  address = {socket}
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{pause}"
  enable_selinux = false
  # Where the capability to lower it is missing, no pod would start without this.
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".registry]
    config_path = {registries}
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = {plugins:?}
    conf_dir = {cni}
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "overlayfs"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
      [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
        SystemdCgroup = false
"#,
        root = path("containerd"),
        state = path("containerd-state"),
        socket = path("containerd.sock"),
        registries = path(REGISTRIES),
        cni = path("cni"),
        pause = images::PAUSE,
        plugins = build.node().join("usr/lib/cni"),
    )
}

fn corefile(run: &Path, state: &State) -> String {
    format!(
        ".:53 {{\n  bind {node}\n  errors\n  ready 127.0.0.1:{READY_PORT}\n  kubernetes cluster.local in-addr.arpa {{\n    \
         kubeconfig {run}/admin.kubeconfig rig\n    ttl 1\n  }}\n}}\n",
        node = state.net().node(),
        run = run.display(),
    )
}

/// Where CoreDNS says that it has read the cluster's services.
pub(crate) const READY_PORT: u16 = 8181;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rig::{Cache, NodeImages, Shape};

    #[test]
    fn every_file_speaks_of_this_rig_alone() {
        let dir = tempfile::tempdir().unwrap();
        let state = State {
            name: "side".into(),
            index: 5,
            shape: Shape::Kubernetes,
            images: NodeImages::All,
            key: String::new(),
        };
        write(dir.path(), &state, &Cache::at("/cache").build()).unwrap();
        let read = |name: &str| fs::read_to_string(dir.path().join(name)).unwrap();
        assert!(read("kubelet.yaml").contains(r#""cgroupRoot":"/portolan-rig-side""#));
        assert!(read("cni/10-rig.conflist").contains("10.133.0.0/24"));
        assert!(read("Corefile").contains("bind 10.133.0.1"));
        assert!(read("containerd.toml").contains(&dir.path().join("containerd.sock").display().to_string()));
    }
}
