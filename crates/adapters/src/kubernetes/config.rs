use std::error::Error;
use std::path::Path;

use kube::Config;
use kube::config::{KubeConfigOptions, Kubeconfig, KubeconfigError};
use portolan_model::{Code, Finding};

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
                Ok(config) if path.is_none() => {
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
    let options = KubeConfigOptions { context: Some(name.clone()), ..KubeConfigOptions::default() };
    let config = Config::from_custom_kubeconfig(kubeconfig, &options).await.map_err(|error| unusable(path, &error))?;
    Ok(Found { config, user, context: name })
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
    let found = match path {
        Some(path) => format!("the kubeconfig {} is not usable", path.display()),
        None => "there is no usable kubeconfig".to_owned(),
    };
    let mut finding = Finding::blocking(Code::NoKubeconfig, found).with(error.to_string());
    if let Some(source) = error.source() {
        finding = finding.with(source.to_string());
    }
    finding
}
