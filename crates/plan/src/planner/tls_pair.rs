//! A certificate and its private key that stand among the old values and lie in a Secret from now on.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use portolan_helm_compat::values;
use portolan_model::{Ref, ReleaseId, SecretKey};
use portolan_recipe::{PairSecret, StepTemplate, Transform};
use serde_json::Value;

use super::hop_input::HopInput;
use super::resolve::ResolvedRelease;

/// Whether the Secret is there and holds another pair than these values, if they have a whole one. Of a Secret that may not be read, and
/// of a saved inventory without credentials, that is not known.
pub(super) fn is_another(resolved: &ResolvedRelease<'_>, pair: &PairSecret, values: &Value) -> bool {
    let secret = Ref::secret(&resolved.release().namespace, &pair.secret);
    let given = pair.keys.each_ref().map(|key| plain(values.get(key)?.as_str()?));
    let [Some(certificate), Some(key)] = given else { return false };
    [certificate, key].into_iter().zip(PairSecret::DATA).any(|(given, key)| {
        let there = resolved.plaintext(&SecretKey { secret: secret.clone(), key: key.into() });
        there.is_some_and(|there| given.trim() != there.trim())
    })
}

/// The text of a part of a pair, which the vendor's tool wrote in base64. `None` where it is neither that nor PEM.
fn plain(text: &str) -> Option<String> {
    if text.trim_start().starts_with("-----BEGIN") {
        return Some(text.to_owned());
    }
    in_base64(text).and_then(|bytes| String::from_utf8(bytes).ok())
}

fn in_base64(text: &str) -> Option<Vec<u8>> {
    let code: String = text.split_ascii_whitespace().collect();
    STANDARD.decode(code).ok().filter(|bytes| !bytes.is_empty())
}

/// The command that makes a Secret of the pair that stands among the values of today, in base64, and shows none of it. `None` where
/// no recipe makes a Secret of this name out of values that are set.
pub(super) fn command(resolved: &ResolvedRelease<'_>, input: &HopInput<'_>, secret: &Ref) -> Option<String> {
    let rows = input.asks.iter().flat_map(|(_, step)| match &step.ask {
        StepTemplate::HelmUpgrade { moved, .. } => moved.as_slice(),
        _ => &[],
    });
    let mut pairs = rows.filter(|row| resolved.is_for(row.platform)).filter_map(|row| match &row.transform {
        Transform::SecretFromPair(pair) if pair.secret == secret.name() => Some((&row.from, pair)),
        _ => None,
    });
    let is_usable = |path: &String| {
        let text = values::get(&resolved.inventory.release.config, path).and_then(Value::as_str);
        text.is_some_and(|text| in_base64(text).is_some())
    };
    let (from, pair) = pairs.next()?;
    let paths = pair.keys.each_ref().map(|key| format!("{from}.{key}"));
    paths.iter().all(is_usable).then(|| {
        let ReleaseId { namespace, name } = resolved.release();
        let data: Vec<String> =
            PairSecret::DATA.iter().zip(&paths).map(|(key, path)| format!("\"{key}\": .{path}")).collect();
        format!(
            "helm get values {name} -n {namespace} -o json | jq '{{apiVersion: \"v1\", kind: \"Secret\", type: \"kubernetes.io/tls\", \
             metadata: {{name: \"{}\"}}, data: {{{}}}}}' | kubectl create -n {namespace} -f -",
            pair.secret,
            data.join(", ")
        )
    })
}
