//! The rig's certificates, made anew for every start, and the kubeconfigs that carry them.

use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;

use anyhow::Result;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use fs_err as fs;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    SanType,
};
use serde_json::json;

use super::net::{API_PORT, Net};

/// A certificate's subject and the names and addresses it answers to.
struct Leaf {
    file: &'static str,
    group: Option<&'static str>,
    user: String,
    names: Vec<String>,
    addresses: Vec<Ipv4Addr>,
}

impl Leaf {
    fn client(file: &'static str, group: Option<&'static str>, user: &str) -> Self {
        Self { file, group, user: user.to_owned(), names: vec![], addresses: vec![] }
    }
}

/// The clients that get a kubeconfig of their own.
const CLIENTS: [&str; 5] = ["admin", "controller-manager", "scheduler", "proxy", "kubelet"];

/// Writes every certificate, key and kubeconfig into `run`; `node` is the node's name.
pub(crate) fn write(run: &Path, net: Net, node: &str) -> Result<()> {
    let pki = run.join("pki");
    fs::create_dir_all(&pki)?;
    let key = KeyPair::generate()?;
    let mut params = CertificateParams::new(vec![])?;
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
    params.distinguished_name.push(DnType::CommonName, "rig");
    let ca = params.self_signed(&key)?.pem();
    let issuer = Issuer::from_params(&params, &key);
    fs::write(pki.join("ca.crt"), &ca)?;
    for leaf in leaves(net, node) {
        let (cert, key) = sign(&leaf, &issuer)?;
        fs::write(pki.join(format!("{}.crt", leaf.file)), &cert)?;
        write_secret(&pki.join(format!("{}.key", leaf.file)), key.as_bytes())?;
        if CLIENTS.contains(&leaf.file) {
            let config =
                |host: Ipv4Addr| kubeconfig(&format!("https://{host}:{API_PORT}"), Some(&ca), Some((&cert, &key)));
            write_secret(&run.join(format!("{}.kubeconfig", leaf.file)), &config(Ipv4Addr::LOCALHOST)?)?;
            if leaf.file == "admin" {
                write_secret(&run.join("kubeconfig"), &config(net.inner())?)?;
            }
        }
    }
    let accounts = KeyPair::generate()?;
    write_secret(&pki.join("accounts.key"), accounts.serialize_pem().as_bytes())?;
    fs::write(pki.join("accounts.pub"), accounts.public_key_pem())?;
    Ok(())
}

fn leaves(net: Net, node: &str) -> Vec<Leaf> {
    let masters = Some("system:masters");
    let service =
        ["kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local"];
    let mut server = Leaf::client("apiserver", None, "kube-apiserver");
    server.names = service.iter().chain(&["localhost"]).map(|&name| name.to_owned()).collect();
    server.addresses = vec![Ipv4Addr::LOCALHOST, net.inner(), net.node(), net.kubernetes_service()];
    let mut kubelet = Leaf::client("kubelet", Some("system:nodes"), &format!("system:node:{node}"));
    kubelet.names = vec![node.to_owned()];
    kubelet.addresses = vec![net.node()];
    vec![
        server,
        kubelet,
        Leaf::client("admin", masters, "admin"),
        Leaf::client("apiserver-kubelet", masters, "apiserver-kubelet"),
        Leaf::client("controller-manager", None, "system:kube-controller-manager"),
        Leaf::client("scheduler", None, "system:kube-scheduler"),
        Leaf::client("proxy", None, "system:kube-proxy"),
    ]
}

fn sign(leaf: &Leaf, issuer: &Issuer<'_, &KeyPair>) -> Result<(String, String)> {
    let key = KeyPair::generate()?;
    let mut params = CertificateParams::new(leaf.names.clone())?;
    params.subject_alt_names.extend(leaf.addresses.iter().map(|&address| SanType::IpAddress(IpAddr::V4(address))));
    if let Some(group) = leaf.group {
        params.distinguished_name.push(DnType::OrganizationName, group);
    }
    params.distinguished_name.push(DnType::CommonName, leaf.user.as_str());
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
    Ok((params.signed_by(&key, issuer)?.pem(), key.serialize_pem()))
}

/// A kubeconfig with all it needs inside, so that it can be copied anywhere. It is written as JSON, which YAML contains.
pub(crate) fn kubeconfig(server: &str, ca: Option<&str>, client: Option<(&str, &str)>) -> Result<Vec<u8>> {
    let mut cluster = json!({ "server": server });
    if let Some(ca) = ca {
        cluster["certificate-authority-data"] = json!(STANDARD.encode(ca));
    }
    let user = match client {
        Some((cert, key)) => {
            json!({ "client-certificate-data": STANDARD.encode(cert), "client-key-data": STANDARD.encode(key) })
        }
        None => json!({}),
    };
    Ok(serde_json::to_vec_pretty(&json!({
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{ "name": "rig", "cluster": cluster }],
        "users": [{ "name": "rig", "user": user }],
        "contexts": [{ "name": "rig", "context": { "cluster": "rig", "user": "rig" } }],
        "current-context": "rig",
    }))?)
}

/// Writes a file that only its owner reads.
pub(crate) fn write_secret(path: &Path, bytes: &[u8]) -> Result<()> {
    use std::io::Write;
    use std::os::unix::fs::OpenOptionsExt;
    let mut file = std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    file.write_all(bytes)?;
    Ok(())
}
