#!/usr/bin/env bash
# NO_PROXY in a Kubernetes client, and whose address it is held against.
#
# Seen on 2026-11-30 with kube 5.0.0 (kube-client 5.0.0, `src/config/file_loader.rs`, `ConfigLoader::proxy_url`), Rust 1.95. With
# HTTPS_PROXY set, the entries of NO_PROXY are compared with the address of the proxy, not with that of the API server:
#   - a server that NO_PROXY names is asked through the proxy all the same;
#   - a proxy that is itself within NO_PROXY (10.0.0.0/8, say) is not used for any server;
#   - a proxy that the kubeconfig names (`proxy-url`) is subject to NO_PROXY too;
#   - a comma at the end of NO_PROXY makes the kubeconfig unusable.
# Expected was what kubectl does (golang.org/x/net/http/httpproxy; client-go for `proxy-url`): the server decides, `proxy-url` counts in
# any case, and empty entries are passed over.
set -euo pipefail
command -v cargo >/dev/null || { echo "cargo is needed" >&2; exit 2; }
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
mkdir src
cat >Cargo.toml <<'TOML'
[package]
name = "finding"
version = "0.0.0"
edition = "2024"

[dependencies]
kube = { version = "=5.0.0", default-features = false, features = ["config", "client", "http-proxy"] }
# The API's types have to be of some version of Kubernetes.
k8s-openapi = { version = "=0.29.0", features = ["latest"] }
serde_json = "1"
tokio = { version = "1", features = ["macros", "rt"] }
TOML
cat >src/main.rs <<'RUST'
use kube::config::{Config, KubeConfigOptions, Kubeconfig};

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let own = std::env::args().nth(1).map_or(String::new(), |own| format!(r#", "proxy-url": "{own}""#));
    let text = format!(
        r#"{{"apiVersion": "v1", "kind": "Config", "current-context": "c",
            "clusters": [{{"name": "c", "cluster": {{"server": "https://api.example:6443"{own}}}}}],
            "users": [{{"name": "u", "user": {{}}}}],
            "contexts": [{{"name": "c", "context": {{"cluster": "c", "user": "u"}}}}]}}"#
    );
    let config: Kubeconfig = serde_json::from_str(&text).expect("a kubeconfig");
    match Config::from_custom_kubeconfig(config, &KubeConfigOptions::default()).await {
        Ok(config) => println!("{}", config.proxy_url.map_or("direct".to_owned(), |url| url.to_string())),
        Err(error) => println!("error: {error}"),
    }
}
RUST
cargo build --quiet || exit 2
look() { printf '%s: ' "$1"; shift; env -u http_proxy -u https_proxy -u no_proxy "$@"; }
{
  look "NO_PROXY names the server" HTTPS_PROXY=http://10.0.0.1:3128 NO_PROXY=api.example:6443 target/debug/finding
  look "NO_PROXY names the proxy" HTTPS_PROXY=http://10.0.0.1:3128 NO_PROXY=10.0.0.0/8 target/debug/finding
  look "the kubeconfig names the proxy" NO_PROXY=10.0.0.0/8 target/debug/finding http://10.0.0.1:3128
  look "a comma at the end" HTTPS_PROXY=http://10.0.0.1:3128 NO_PROXY=other.example, target/debug/finding
} >seen
cat seen
cat >expected <<'OUT'
NO_PROXY names the server: http://10.0.0.1:3128/
NO_PROXY names the proxy: direct
the kubeconfig names the proxy: direct
a comma at the end: error: failed to parse NO_PROXY/no_proxy env var
OUT
diff expected seen || { echo "it is otherwise now"; exit 1; }
