use std::error::Error;
use std::path::Path;

use http::Uri;
use kube::Config;
use kube::config::{KubeConfigOptions, Kubeconfig, KubeconfigError};
use portolan_model::{Code, Finding};
use reqwest::Url;

use crate::proxies::Proxies;

/// Where to connect to, and as whom.
pub(super) struct Found {
    pub(super) config: Config,
    pub(super) user: String,
    pub(super) context: String,
}

pub(super) async fn load(path: Option<&Path>, context: Option<&str>) -> Result<Found, Finding> {
    let read = match path {
        Some(path) => Kubeconfig::read_from(path),
        None => Kubeconfig::read(),
    };
    let kubeconfig = match read {
        Ok(kubeconfig) => kubeconfig,
        // A pod has no kubeconfig; but one that was asked for must be there.
        Err(error) => {
            return match Config::incluster() {
                Ok(mut config) if path.is_none() => {
                    config.proxy_url = proxy(None, &config.cluster_url);
                    Ok(Found { config, user: "the pod's service account".into(), context: String::new() })
                }
                _ => Err(unusable(path, &error)),
            };
        }
    };
    let name = context.or(kubeconfig.current_context.as_deref()).unwrap_or_default().to_owned();
    let Some(user) = user_of(&kubeconfig, &name) else {
        return Err(no_context(&kubeconfig, &name));
    };
    let own_proxy = proxy_of(&kubeconfig, &name);
    let options = KubeConfigOptions { context: Some(name.clone()), ..KubeConfigOptions::default() };
    let read = Config::from_custom_kubeconfig(kubeconfig, &options).await;
    let mut config = read.map_err(|error| unusable(path, &error))?;
    config.proxy_url = proxy(own_proxy, &config.cluster_url);
    Ok(Found { config, user, context: name })
}

/// The proxy that a context's cluster has of its own (`proxy-url`).
fn proxy_of(kubeconfig: &Kubeconfig, context: &str) -> Option<String> {
    let named = kubeconfig.contexts.iter().find(|named| named.name == context)?;
    let cluster = &named.context.as_ref()?.cluster;
    let named = kubeconfig.clusters.iter().find(|named| named.name == *cluster)?;
    named.cluster.as_ref()?.proxy_url.clone().filter(|url| !url.is_empty())
}

/// The proxy to a server: the cluster's own whatever the variables say, as kubectl has it (client-go 0.34,
/// `tools/clientcmd/client_config.go` and `transport/cache.go`), else that of the variables. kube 5.0.0 holds `NO_PROXY` against the address
/// of the proxy in place of the server's.
fn proxy(own: Option<String>, server: &Uri) -> Option<Uri> {
    if let Some(own) = own {
        return own.parse().ok();
    }
    let server = Url::parse(&server.to_string()).ok()?;
    let proxies = Proxies::of_process();
    let proxy = proxies.of(&server)?.as_str();
    // So called by this library alone.
    proxy.replacen("socks5h:", "socks5:", 1).parse().ok()
}

/// The user of a context. `oc login` writes `jdoe/api-prod:6443`; only the first part is the user.
fn user_of(kubeconfig: &Kubeconfig, context: &str) -> Option<String> {
    let named = kubeconfig.contexts.iter().find(|named| named.name == context)?;
    let user = named.context.as_ref()?.user.clone().unwrap_or_default();
    Some(user.split('/').next().unwrap_or_default().to_owned())
}

fn no_context(kubeconfig: &Kubeconfig, name: &str) -> Finding {
    let found = if name.is_empty() {
        "the kubeconfig has no current context".to_owned()
    } else {
        format!("the kubeconfig has no context {name}")
    };
    let names: Vec<&str> = kubeconfig.contexts.iter().map(|named| named.name.as_str()).collect();
    Finding::blocking(Code::NoKubeconfig, found)
        .with(format!("its contexts: {}", names.join(", ")))
        .next("pass --context NAME, or choose one with `kubectl config use-context`")
}

fn unusable(path: Option<&Path>, error: &KubeconfigError) -> Finding {
    if let KubeconfigError::ParseNoProxy(why) = error {
        return Finding::blocking(Code::NoKubeconfig, "NO_PROXY cannot be read")
            .with(why.to_string())
            .why("without it, nobody knows whether the API server is reached through a proxy")
            .next("correct the variable: hosts, domains, addresses and networks, with a comma between two of them");
    }
    let found = match path {
        Some(path) => format!("the kubeconfig {} is not usable", path.display()),
        None => "there is no usable kubeconfig".to_owned(),
    };
    let said = error.to_string();
    let cause = error.source().map(ToString::to_string).filter(|cause| !said.contains(cause));
    cause.into_iter().fold(Finding::blocking(Code::NoKubeconfig, found).with(said), Finding::with)
}
