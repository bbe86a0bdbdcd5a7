//! With which Secrets the pods of a plan pull their images. What these Secrets hold beside the names of registries is not kept.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use portolan_helm_compat::hooks::{self, Hook};
use portolan_inventory::survey::Survey;
use portolan_kube_facts::{ImageReference, PodTemplate, is_openshift_registry, list};
use portolan_model::{
    Answer, ChartId, Code, Finding, HookEvent, ImageRef, Object, Overlay, Ref, SecretKey, SiteRegistry,
};
use serde_json::Value;

use super::mirrors::{Mirror, Mirrors};
use crate::planner::HopRendering;

/// The two types of a pull Secret, and the key of each (Kubernetes 1.34, `pkg/credentialprovider/secrets/secrets.go`). The kubelet
/// passes over Secrets of another type.
const TYPES: [(&str, &str); 2] =
    [("kubernetes.io/dockerconfigjson", ".dockerconfigjson"), ("kubernetes.io/dockercfg", ".dockercfg")];

/// The registry, or a part of it, that an entry of a pull Secret is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoginPlace {
    host: String,
    /// Empty, or with its slash.
    path: String,
}

impl LoginPlace {
    /// The place that a key of `auths` stands for (Kubernetes 1.34, `BasicDockerKeyring.Add` in `pkg/credentialprovider/keyring.go`).
    fn of(key: &str) -> Self {
        let plain = ["https://", "http://"].iter().find_map(|scheme| key.strip_prefix(scheme)).unwrap_or(key);
        let (host, path) = plain.find('/').map_or((plain, ""), |at| plain.split_at(at));
        let path = if ["/v1/", "/v2/"].iter().any(|version| path.starts_with(version)) { &path[3..] } else { path };
        Self { host: host.to_owned(), path: if path == "/" { String::new() } else { path.to_owned() } }
    }

    /// Whether the kubelet uses the entry for an image: a pattern for each label of the host, the same port, and the beginning of the
    /// path (`URLsMatch` there). What is for `index.docker.io` is for `docker.io`.
    fn is_for(&self, image: &ImageReference) -> bool {
        let registry = image.registry.as_str();
        let hosts = [Some(registry), (registry == "docker.io").then_some("index.docker.io")];
        let is_host = hosts.into_iter().flatten().any(|host| is_like(&self.host, host));
        is_host && format!("/{}", image.repository).starts_with(&self.path)
    }

    /// Whether CRI-O uses the entry for a mirror: the same host, and the same path or one above (containers-auth.json(5)).
    fn is_for_mirror(&self, image: &ImageReference) -> bool {
        let rest = format!("/{}", image.repository);
        let rest = rest.strip_prefix(self.path.as_str());
        self.host == image.registry && rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }
}

impl std::fmt::Display for LoginPlace {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}{}", self.host, self.path)
    }
}

fn is_like(pattern: &str, host: &str) -> bool {
    let split = |text: &str| {
        let (name, port) = text.rsplit_once(':').unwrap_or((text, ""));
        (name.split('.').map(str::to_owned).collect::<Vec<_>>(), port.to_owned())
    };
    let ((patterns, pattern_port), (labels, port)) = (split(pattern), split(host));
    let like = |(pattern, label): (&String, &String)| match pattern.split_once('*') {
        Some((begin, end)) => {
            label.len() >= begin.len() + end.len() && label.starts_with(begin) && label.ends_with(end)
        }
        None => pattern == label,
    };
    pattern_port == port && patterns.len() == labels.len() && patterns.iter().zip(&labels).all(like)
}

/// What is known of a pull Secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LoginSource {
    /// The registries that it has entries for.
    Places(Vec<LoginPlace>),
    /// Why it has none that the nodes use, in one clause.
    Unusable(String),
}

impl LoginSource {
    /// Reads a pull Secret. `text` gives the plaintext of a key.
    fn of(secret: &Object, text: impl Fn(&str) -> Option<String>) -> Self {
        let of_type = secret.text("/type");
        let Some((_, key)) = TYPES.iter().find(|(known, _)| *known == of_type) else {
            return Self::Unusable(format!("is of type {of_type}, which nodes do not use"));
        };
        let Some(text) = text(key) else { return Self::Unusable(format!("has no {key}")) };
        let json = serde_json::from_str::<Value>(&text).ok();
        let entries = json.as_ref().and_then(|json| if *key == TYPES[0].1 { json.get("auths") } else { Some(json) });
        match entries.and_then(Value::as_object) {
            Some(entries) => Self::Places(entries.keys().map(|key| LoginPlace::of(key)).collect()),
            None => Self::Unusable(format!("has a {key} that cannot be read")),
        }
    }

    /// The pull Secret of an OpenShift cluster, as it was read.
    #[must_use]
    pub fn global(answer: &Answer) -> Self {
        match answer {
            Answer::Items(items) => match items.first() {
                Some(secret) => Self::of(secret, |key| decoded(secret, key)),
                None => Self::Unusable("does not exist".into()),
            },
            Answer::Denied(why) => Self::Unusable(format!("may not be read: {why}")),
            Answer::NotServed | Answer::Server { .. } => Self::Unusable("cannot be read".into()),
        }
    }

    fn places(&self) -> &[LoginPlace] {
        match self {
            Self::Places(places) => places,
            Self::Unusable(_) => &[],
        }
    }

    fn told(&self) -> String {
        match self {
            Self::Places(places) if places.is_empty() => "has no entry".into(),
            Self::Places(places) => {
                let places: Vec<String> = places.iter().map(LoginPlace::to_string).collect();
                format!("is for {}", places.join(", "))
            }
            Self::Unusable(why) => why.clone(),
        }
    }
}

/// The names of the pull Secrets that a pod or a service account names.
pub(super) fn secret_names(of: &Value) -> Vec<String> {
    let names = list(of, "imagePullSecrets").iter().filter_map(|secret| secret["name"].as_str());
    names.filter(|name| !name.is_empty()).map(str::to_owned).collect()
}

/// A value of a Secret that is in clear.
fn decoded(secret: &Object, key: &str) -> Option<String> {
    if let Some(text) = secret.at("/stringData").and_then(|data| data.get(key)?.as_str()) {
        return Some(text.to_owned());
    }
    let data = secret.at("/data")?.get(key)?.as_str()?;
    String::from_utf8(STANDARD.decode(data).ok()?).ok()
}

/// The pods of a template: the images that they pull, and the Secrets that they have for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PodPull {
    /// The chart that the hop upgrades to.
    pub to: ChartId,
    /// The object or hook.
    pub object: Ref,
    /// The images, as they are written.
    pub images: Vec<ImageRef>,
    /// The pull Secrets: the name of each, and what is known of it.
    pub secrets: Vec<(String, LoginSource)>,
}

impl PodPull {
    fn has_login(&self, image: &ImageReference) -> bool {
        self.secrets.iter().flat_map(|(_, source)| source.places()).any(|place| place.is_for(image))
    }

    /// Whether an image is in OpenShift's own registry, in the namespace of the pods: their accounts have the right and get a login
    /// (`openshift/openshift-controller-manager`, `pkg/authorization/defaultrolebindings/project_policy.go`: `system:image-pullers`).
    fn is_of_project(&self, image: &ImageReference) -> bool {
        let namespace = image.repository.split('/').next().unwrap_or_default();
        is_openshift_registry(&image.registry) && namespace == self.object.namespace()
    }

    fn told(&self) -> String {
        if self.secrets.is_empty() {
            return "no pull Secret".into();
        }
        let told = self.secrets.iter().map(|(name, source)| format!("Secret/{name} {}", source.told()));
        told.collect::<Vec<_>>().join("; ")
    }
}

/// What lives while a hop's pods start.
pub(crate) struct HopObjects<'a> {
    survey: &'a Survey,
    /// What helm finds changed when it starts.
    before: &'a Overlay,
    /// What is changed when it has ended.
    after: &'a Overlay,
    rendered: &'a HopRendering,
    hooks: Vec<Hook<'a>>,
}

impl<'a> HopObjects<'a> {
    /// Those of a hop, of which `changed` says what it finds changed when helm starts, and what when it has ended.
    pub(crate) fn new(survey: &'a Survey, changed: &'a [Overlay; 2], rendered: &'a HopRendering) -> Self {
        let [before, after] = changed;
        Self { survey, before, after, rendered, hooks: hooks::of(&rendered.hooks) }
    }

    /// The objects of the hop, without its hooks.
    pub(crate) fn rendered(&self) -> impl Iterator<Item = &Object> {
        self.rendered.objects.iter()
    }

    /// A key of a Secret, in clear, as it is when helm has ended; `None` where it is not there, or not known.
    pub(crate) fn secret_text(&self, name: &Ref, key: &str) -> Option<String> {
        let planned = self.rendered().find(|object| object.name().as_ref() == Some(name));
        let secret = planned.or_else(|| self.object(name, self.after))?;
        decoded(secret, key).or_else(|| self.surveyed(name, key))
    }

    /// The pods of the hop that pull images.
    pub(crate) fn pods(&self, to: &ChartId) -> Vec<PodPull> {
        let objects = self.rendered.objects.iter().map(|object| (object, self.after));
        let hooks = self.hooks.iter().filter(|hook| hook.runs_in_upgrade()).map(|hook| {
            let before = if hook.is_at(HookEvent::PreUpgrade) { self.before } else { self.after };
            (hook.object, before)
        });
        objects.chain(hooks).filter_map(|(object, then)| self.pod(to, object, then)).collect()
    }

    fn pod(&self, to: &ChartId, object: &Object, then: &Overlay) -> Option<PodPull> {
        let template = PodTemplate::of(object)?;
        let images: Vec<ImageRef> =
            portolan_kube_facts::images(object).into_iter().map(|field| ImageRef::new(field.image)).collect();
        let name = object.name().filter(|_| !images.is_empty())?;
        let names = self.pull_secrets(template, name.namespace(), then);
        let secrets = names.into_iter().map(|secret| {
            let source = self.login(&Ref::secret(name.namespace(), &secret), then);
            (secret, source)
        });
        Some(PodPull { to: to.clone(), object: name.clone(), images, secrets: secrets.collect() })
    }

    /// The pull Secrets of a pod; where it names none, those of its account (Kubernetes 1.34, `Admit` in
    /// `plugin/pkg/admission/serviceaccount/admission.go`).
    fn pull_secrets(&self, template: PodTemplate<'_>, namespace: &str, then: &Overlay) -> Vec<String> {
        if !list(template.spec, "imagePullSecrets").is_empty() {
            return secret_names(template.spec);
        }
        let account = self.object(&Ref::new("", "ServiceAccount", namespace, template.account()), then);
        account.map_or_else(Vec::new, |account| secret_names(&account.0))
    }

    fn login(&self, name: &Ref, then: &Overlay) -> LoginSource {
        match self.object(name, then) {
            Some(secret) => LoginSource::of(secret, |key| decoded(secret, key).or_else(|| self.surveyed(name, key))),
            None if self.survey.inventory.is_complete("Secret", name.namespace()) => {
                LoginSource::Unusable("does not exist".into())
            }
            None => LoginSource::Unusable("was not read".into()),
        }
    }

    /// What a survey keeps of a Secret's object has no values: these are beside it.
    fn surveyed(&self, name: &Ref, key: &str) -> Option<String> {
        let key = SecretKey { secret: name.clone(), key: key.to_owned() };
        self.survey.secrets.get(&key).map(str::to_owned)
    }

    /// An object as it is then. Hooks that helm leaves stay beside the objects.
    fn object<'b>(&'b self, name: &Ref, then: &'b Overlay) -> Option<&'b Object> {
        let is_it = |object: &&Object| object.name().as_ref() == Some(name);
        if let Some(hook) = self.hooks.iter().find(|hook| is_it(&hook.object)) {
            return Some(hook.object);
        }
        if then.hidden.contains(name) {
            return None;
        }
        then.shown.get(name).or_else(|| self.survey.inventory.objects.get(name))
    }
}

/// An image at the site's registry that pods have no login for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LackingLogin<'a> {
    /// The pods.
    pub pod: &'a PodPull,
    /// The image, as it is written.
    pub image: &'a ImageRef,
    /// The image at the registry.
    pub at: ImageReference,
    /// The mirror set that leads there; `None` where the image names the registry. Secrets of pods are not used for mirrors
    /// (OpenShift Container Platform 4.17, "Images", "Configuring image registry repository mirroring").
    pub mirror: Option<Mirror>,
}

/// The images at the site's registry that pods have no login of their own for. Nobody knows yet whether one is needed.
#[must_use]
pub fn lacking<'a>(pods: &'a [PodPull], registry: &SiteRegistry, mirrors: &Mirrors) -> Vec<LackingLogin<'a>> {
    let mut found = Vec::new();
    for pod in pods {
        for image in &pod.images {
            let Some((at, mirror)) = super::place_at(image, registry, mirrors) else { continue };
            if mirror.is_some() || !pod.has_login(&at) && !pod.is_of_project(&at) {
                found.push(LackingLogin { pod, image, at, mirror });
            }
        }
    }
    found
}

/// Whether the pull Secret of the cluster is used for an image.
#[must_use]
pub fn is_global(lacking: &LackingLogin<'_>, global: &LoginSource) -> bool {
    let is_for = if lacking.mirror.is_some() { LoginPlace::is_for_mirror } else { LoginPlace::is_for };
    global.places().iter().any(|place| is_for(place, &lacking.at))
}

/// Says which pods cannot pull from a registry that wants a login.
#[must_use]
pub fn finding(
    lacking: &[LackingLogin<'_>],
    registry: &SiteRegistry,
    release: &str,
    global: Option<&LoginSource>,
) -> Option<Finding> {
    let first = lacking.first()?;
    let host = registry.pull_host();
    let pods: std::collections::BTreeSet<&Ref> = lacking.iter().map(|one| &one.pod.object).collect();
    let count = if pods.len() == 1 { "1 object".to_owned() } else { format!("{} objects", pods.len()) };
    let found = format!("{host} wants a login, and the pods of {count} have none for it");
    let mut finding = Finding::blocking(Code::NoPullLogin, found);
    for LackingLogin { pod, image, mirror, .. } in lacking {
        let why = mirror
            .as_ref()
            .map_or_else(|| pod.told(), |mirror| format!("{mirror}; nodes use no pull Secret of a pod for a mirror"));
        finding = finding.with(format!("{} {image}: {why}", pod.object));
    }
    if let Some(global) = global {
        finding = finding.with(format!("Secret/pull-secret in openshift-config {}", global.told()));
    }
    let accept =
        format!("where the nodes have a login of their own, accept: --accept {} --reason TEXT", Code::NoPullLogin);
    Some(finding.next(if first.mirror.is_some() {
        format!("add an entry for {host} to the Secret pull-secret in openshift-config; {accept}")
    } else {
        format!(
            "make a Secret with kubectl create secret docker-registry NAME -n {release} --docker-server={host}, and name it in the \
             values that the chart has for pull Secrets (imagePullSecrets); {accept}"
        )
    }))
}

#[cfg(test)]
mod tests;
