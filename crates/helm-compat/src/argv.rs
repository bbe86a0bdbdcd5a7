//! What helm is called with: functions of what the plan says and nothing else.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::time::Duration;

use portolan_model::{HelmOperation, HelmRun, HelmToken, ReleaseId, ValuesMode};
use serde_json::Value;

use crate::{TOKEN_LABEL, values};

/// How long helm waits for a single hook. We wait for workloads ourselves, so this bounds nothing else.
pub const HOOK_LIMIT: Duration = Duration::from_secs(900);

/// The arguments of the upgrade (the program itself not included). The flags are the same in helm 3.14.4, 3.22.0,
/// 4.0.4 and 4.3.1.
///
/// Left out on purpose: `--install` (a wrong namespace would become a fresh installation), `--wait` and `--atomic`
/// (they come after the deletions, and a rollback brings no data back), `--force` (it drops a live `keep`), and
/// every `--set` (arguments are readable by all users of the machine).
#[must_use]
pub fn upgrade_argv(
    run: &HelmRun,
    token: &HelmToken,
    context: &str,
    chart_path: &str,
    values_path: &str,
) -> Vec<String> {
    applying(["upgrade", mode_flag(run.mode)], (run, token), context, [chart_path, values_path])
}

/// The arguments of an installation. CRDs are left to a step that applies them: of a chart's folder `crds` helm writes them before it
/// makes a record.
///
/// Left out on purpose: `--replace` (a record of that name is somebody's), `--create-namespace`, and what [`upgrade_argv`] leaves out.
#[must_use]
pub fn install_argv(
    run: &HelmRun,
    token: &HelmToken,
    context: &str,
    chart_path: &str,
    values_path: &str,
) -> Vec<String> {
    applying(["install", SKIP_CRDS], (run, token), context, [chart_path, values_path])
}

/// The arguments of a command that applies a chart with values, and marks its record with the token.
fn applying(
    [command, flag]: [&str; 2],
    (run, token): (&HelmRun, &HelmToken),
    context: &str,
    [chart, values]: [&str; 2],
) -> Vec<String> {
    let mut argv = begin([command, &run.release.name, chart], &run.release, context);
    argv.extend(["--values", values, flag, "--labels"].map(str::to_owned));
    argv.push(format!("{TOKEN_LABEL}={token}"));
    argv.extend(hook_limit());
    argv
}

/// The arguments of an uninstall. Helm does not wait for pods: that is a step of its own.
#[must_use]
pub fn uninstall_argv(run: &HelmRun, keep_history: bool, context: &str) -> Vec<String> {
    let mut argv = begin(["uninstall", &run.release.name], &run.release, context);
    argv.extend(keep_history.then(|| KEEP_HISTORY.to_owned()));
    argv.extend(hook_limit());
    argv
}

const SKIP_CRDS: &str = "--skip-crds";
const KEEP_HISTORY: &str = "--keep-history";

fn begin<const N: usize>(words: [&str; N], release: &ReleaseId, context: &str) -> Vec<String> {
    let mut argv: Vec<String> = words.map(str::to_owned).into();
    argv.extend(["--namespace".to_owned(), release.namespace.clone()]);
    if !context.is_empty() {
        argv.extend(["--kube-context".to_owned(), context.to_owned()]);
    }
    argv
}

fn hook_limit() -> [String; 2] {
    ["--timeout".to_owned(), format!("{}s", HOOK_LIMIT.as_secs())]
}

/// The arguments of a rendering as the upgrade itself will be, lookups included: helm reads the cluster and writes nothing. The
/// API server's schemas are left out: helm validates with them only that a kind is known, which it finds out all the same, and
/// they take most of the time (2.6 MB of `OpenAPI`).
#[must_use]
pub fn dry_run_argv(release: &ReleaseId, mode: ValuesMode, chart_path: &str, values_path: &str) -> Vec<String> {
    [
        "upgrade",
        &release.name,
        chart_path,
        "--namespace",
        &release.namespace,
        "--values",
        values_path,
        mode_flag(mode),
        "--dry-run=server",
        "--disable-openapi-validation",
        "--output",
        "json",
    ]
    .map(str::to_owned)
    .into()
}

/// The flag for what becomes of the old values.
#[must_use]
pub fn mode_flag(mode: ValuesMode) -> &'static str {
    match mode {
        ValuesMode::Reset => "--reset-values",
        ValuesMode::ResetThenReuse => "--reset-then-reuse-values",
    }
}

/// What a person would type for this run, a line each, with a `--set` for each value given. The chart is the archive that `helm pull`
/// writes, by its path: for a name alone helm takes a folder of that name before any repository (`LocateChart` in
/// `pkg/action/install.go`, helm 3.22.0). A carried value stands there as the name of a shell variable, and so does each of `hidden`, the paths of credentials.
#[must_use]
pub fn show_command(op: HelmOperation, run: &HelmRun, given: &Value, hidden: &BTreeSet<String>) -> Vec<String> {
    let flag = match op {
        HelmOperation::Install => SKIP_CRDS,
        HelmOperation::Upgrade => mode_flag(run.mode),
        HelmOperation::Uninstall { keep_history } => {
            let flag = if keep_history { format!(" {KEEP_HISTORY}") } else { String::new() };
            return vec![format!(
                "helm uninstall {} -n {}{flag}",
                word(&run.release.name),
                word(&run.release.namespace)
            )];
        }
    };
    let archive = format!("./{}-{}.tgz", run.chart.name, run.chart.version);
    let mut lines = vec![
        format!("helm {op} {} {}", word(&run.release.name), word(&archive)),
        format!("-n {} {flag}", word(&run.release.namespace)),
    ];
    let carried: Vec<&str> = run.carried.iter().map(|one| one.path.as_str()).collect();
    for (path, value) in values::flatten(given) {
        if !carried.contains(&path.as_str()) {
            lines.push(if hidden.contains(&path) { placeholder(&path) } else { setting(&path, &value) });
        }
    }
    lines.extend(carried.into_iter().map(placeholder));
    let last = lines.len() - 1;
    for (index, line) in lines.iter_mut().enumerate() {
        if index > 0 {
            line.insert_str(0, "  ");
        }
        if index < last {
            line.push_str(" \\");
        }
    }
    lines
}

/// `--set path="$PATH_IN_CAPITALS"`.
fn placeholder(path: &str) -> String {
    let name: String =
        path.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' }).collect();
    let name = name.trim_start_matches(|c: char| c.is_ascii_digit());
    format!("--set-string {}=\"${name}\"", word(path))
}

fn setting(path: &str, value: &Value) -> String {
    const SECRET: [&str; 5] = ["password", "passwd", "secret", "token", "privatekey"];
    let last = path.rsplit('.').next().unwrap_or(path).to_lowercase();
    // A reference such as `existingSecret` or `passwordKey` names a secret and is none.
    if value.is_string() && SECRET.iter().any(|end| last.ends_with(end)) && !last.contains("existing") {
        return placeholder(path);
    }
    // A dot and a backslash inside a key are escaped already.
    let path = [',', '=', '['].iter().fold(path.to_owned(), |path, c| path.replace(*c, &format!("\\{c}")));
    let (flag, text) = match value {
        Value::String(text) if reads_as_text(text) => ("--set", escape(text)),
        Value::String(text) => ("--set-string", escape(text)),
        Value::Array(items) if !items.is_empty() && items.iter().all(is_simple) => {
            let items: Vec<String> = items.iter().map(item).collect();
            ("--set", format!("{{{}}}", items.join(",")))
        }
        Value::Null | Value::Bool(_) => ("--set", value.to_string()),
        Value::Number(number) if is_small(number) => ("--set", value.to_string()),
        _ => ("--set-json", value.to_string()),
    };
    format!("{flag} {}", word(&format!("{path}={text}")))
}

/// Whether `--set` leaves a text a text.
fn reads_as_text(text: &str) -> bool {
    values::parse_set(&format!("a={}", escape(text))).is_ok_and(|read| read["a"] == Value::String(text.to_owned()))
}

/// Whether an item can stand between braces.
pub(crate) fn is_simple(value: &Value) -> bool {
    match value {
        Value::String(text) => reads_as_text(text),
        Value::Null | Value::Bool(_) => true,
        Value::Number(number) => is_small(number),
        _ => false,
    }
}

/// Whether `--set` and a values file give the same: a larger number is printed with an exponent out of a file.
pub(crate) fn is_small(number: &serde_json::Number) -> bool {
    number.is_i64() && values::printed(number) == Some(number.to_string())
}

pub(crate) fn item(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), escape)
}

/// Escapes what the grammar of `--set` would take for itself.
pub(crate) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        if matches!(c, ',' | '{' | '}' | '\\') {
            escaped.push('\\');
        }
        escaped.push(c);
    }
    escaped
}

/// A word of a shell command, quoted where a shell would read something else.
#[must_use]
pub fn word(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=@%+,".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        return text.to_owned();
    }
    let mut quoted = String::new();
    let _ = write!(quoted, "'{}'", text.replace('\'', r"'\''"));
    quoted
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use portolan_model::{Carried, ChartId, Digest, HelmClient, Ref, SecretKey, ValuesPath};
    use semver::Version;
    use serde_json::json;

    use super::*;

    fn run(mode: ValuesMode) -> HelmRun {
        let none = Digest::of(b"");
        HelmRun {
            release: ReleaseId { namespace: "runai-backend".into(), name: "runai-backend".into() },
            base_revision: Some(7),
            client: HelmClient::Simulated { version: Version::new(3, 14, 4) },
            chart: ChartId { name: "control-plane".into(), version: Version::new(2, 20, 41) },
            archive: Some(none.clone()),
            values: Some(none.clone()),
            carried: vec![Carried {
                path: ValuesPath::new("postgresql.auth.password"),
                from: SecretKey { secret: Ref::secret("runai-backend", "s"), key: "password".into() },
            }],
            mode,
            manifest: none,
            docs: BTreeMap::new(),
            nondeterministic_fields: BTreeMap::new(),
            required_keys: Vec::new(),
        }
    }

    #[test]
    fn the_arguments_are_a_function_of_the_run() {
        let argv = upgrade_argv(&run(ValuesMode::Reset), &HelmToken::of_label("t1"), "prod", "c.tgz", "v.json");
        assert_eq!(
            argv.join(" "),
            "upgrade runai-backend c.tgz --namespace runai-backend --kube-context prod --values v.json \
             --reset-values --labels portolan-token=t1 --timeout 900s"
        );
        let argv = upgrade_argv(&run(ValuesMode::ResetThenReuse), &HelmToken::of_label("t1"), "", "c.tgz", "v");
        assert!(argv.contains(&"--reset-then-reuse-values".to_owned()));
        assert!(!argv.contains(&"--kube-context".to_owned()));
        for flag in ["-i", "--install", "--wait", "--atomic", "--force", "--set"] {
            assert!(!argv.contains(&flag.to_owned()), "{flag}");
        }
    }

    #[test]
    fn an_installation_and_an_uninstall_have_their_own_arguments() {
        let run = run(ValuesMode::Reset);
        let argv = install_argv(&run, &HelmToken::of_label("t1"), "prod", "c.tgz", "v.json");
        assert_eq!(
            argv.join(" "),
            "install runai-backend c.tgz --namespace runai-backend --kube-context prod --values v.json --skip-crds \
             --labels portolan-token=t1 --timeout 900s"
        );
        let argv = |keep_history| uninstall_argv(&run, keep_history, "").join(" ");
        assert_eq!(argv(false), "uninstall runai-backend --namespace runai-backend --timeout 900s");
        assert_eq!(argv(true), "uninstall runai-backend --namespace runai-backend --keep-history --timeout 900s");
        let shown = |op| show_command(op, &run, &json!({"a": 1}), &BTreeSet::new());
        assert_eq!(
            shown(HelmOperation::Install)[..2],
            [r"helm install runai-backend ./control-plane-2.20.41.tgz \", r"  -n runai-backend --skip-crds \"]
        );
        assert_eq!(
            shown(HelmOperation::Uninstall { keep_history: true }),
            ["helm uninstall runai-backend -n runai-backend --keep-history"]
        );
    }

    #[test]
    fn a_dry_run_is_the_upgrade_without_its_writes() {
        let argv = dry_run_argv(&run(ValuesMode::Reset).release, ValuesMode::Reset, "c.tgz", "v.yaml");
        assert_eq!(
            argv.join(" "),
            "upgrade runai-backend c.tgz --namespace runai-backend --values v.yaml --reset-values --dry-run=server \
             --disable-openapi-validation --output json"
        );
    }

    #[test]
    fn a_person_sees_what_to_type_and_no_secret() {
        let given = json!({
            "global": {"domain": "runai.apps.example.com", "registry": {"password": "hunter2"}},
            "postgresql": {"auth": {"password": "also-not"}, "primary": {"persistence": {"existingClaim": "pvc-postgresql"}}},
            "thanos": {"query": {"stores": ["thanos-grpc-port-forwarder:10901"]}},
            "odd": {"a,b=[c.d]": 1, "text": "a,b {c}", "number": "007", "int": "5", "list": [], "maps": [{"a": 1}], "float": 1.5, "large": 20_260_131, "ids": [1, 20_260_131], "no": null, "on": true},
        });
        assert_eq!(
            show_command(HelmOperation::Upgrade, &run(ValuesMode::Reset), &given, &BTreeSet::new()),
            [
                r"helm upgrade runai-backend ./control-plane-2.20.41.tgz \",
                r"  -n runai-backend --reset-values \",
                r"  --set global.domain=runai.apps.example.com \",
                r#"  --set-string global.registry.password="$GLOBAL_REGISTRY_PASSWORD" \"#,
                r"  --set 'odd.a\,b\=\[c\.d]=1' \",
                r"  --set-json odd.float=1.5 \",
                r"  --set-json 'odd.ids=[1,20260131]' \",
                r"  --set-string odd.int=5 \",
                r"  --set-json odd.large=20260131 \",
                r"  --set-json 'odd.list=[]' \",
                r#"  --set-json 'odd.maps=[{"a":1}]' \"#,
                r"  --set odd.no=null \",
                r"  --set odd.number=007 \",
                r"  --set odd.on=true \",
                r"  --set 'odd.text=a\,b \{c\}' \",
                r"  --set postgresql.primary.persistence.existingClaim=pvc-postgresql \",
                r"  --set 'thanos.query.stores={thanos-grpc-port-forwarder:10901}' \",
                r#"  --set-string postgresql.auth.password="$POSTGRESQL_AUTH_PASSWORD""#,
            ]
        );
    }
}
