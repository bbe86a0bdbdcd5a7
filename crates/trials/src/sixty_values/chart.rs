//! A chart of more than 150 templates with what makes values hard to follow: switches, `required`, `fail`, a schema, `tpl`, checksums,
//! random passwords and a subchart with two aliases; and 60 values for it, each with what it does.

use std::collections::BTreeMap;

use portolan_helm_compat::chart::PackedChart;
use portolan_helm_compat::values;
use serde_json::{Value, json};

/// The components, each behind a switch.
const COMPONENTS: usize = 12;

/// Those that are off by default.
const OFF: [usize; 4] = [0, 1, 7, 9];

/// What a value of the user's is expected to do.
pub(crate) enum Expected {
    /// It changes this field (`Kind/name` and the pointer), perhaps among others.
    Field(&'static str, &'static str),
    /// It changes nothing.
    Nothing,
    /// The chart does not render without it.
    Needed,
}

use Expected::{Field, Needed, Nothing};

const IMAGE: &str = "/spec/template/spec/containers/0/image";

/// A value of the user's: path, value, what it does.
type Row = (&'static str, Value, Expected);

/// All of the user's values.
pub(crate) fn expectations() -> Vec<Row> {
    [first(), second(), third()].into_iter().flatten().collect()
}

/// What applies to all, and two components that are off by default.
fn first() -> Vec<Row> {
    vec![
        ("global.domain", json!("apps.example.com"), Field("ConfigMap/release-c00", "/data/domain")),
        ("global.registry", json!("registry.example.com"), Field("Deployment/release-c00", IMAGE)),
        (
            "global.imagePullSecrets",
            json!([{"name": "pull"}]),
            Field("ServiceAccount/release-c02", "/imagePullSecrets"),
        ),
        ("licence.accepted", json!(true), Needed),
        ("licence.key", json!("abc"), Needed),
        ("c00.enabled", json!(true), Field("Deployment/release-c00", "")),
        ("c00.replicas", json!(3), Field("Deployment/release-c00", "/spec/replicas")),
        ("c00.image.repository", json!("mirror/c00"), Field("Deployment/release-c00", IMAGE)),
        ("c00.image.tag", json!("v1.2.3"), Field("Deployment/release-c00", IMAGE)),
        ("c00.logLevel", json!("debug"), Field("Deployment/release-c00", "/spec/template/spec/containers/0/args/0")),
        ("c00.host", json!("c00.{{ .Values.global.domain }}"), Field("ConfigMap/release-c00", "/data/app.conf")),
        ("c00.service.port", json!(8443), Field("Service/release-c00", "/spec/ports/0/port")),
        ("c00.password", json!("s3cret"), Field("Secret/release-c00", "/data/password")),
        ("c00.nodeSelector.disk", json!("ssd"), Field("Deployment/release-c00", "/spec/template/spec/nodeSelector")),
        (
            "c00.podAnnotations.example\\.com/team",
            json!("blue"),
            Field("Deployment/release-c00", "/spec/template/metadata/annotations/example.com~1team"),
        ),
        (
            "c00.tolerations",
            json!([{"key": "gpu", "operator": "Exists"}]),
            Field("Deployment/release-c00", "/spec/template/spec/tolerations"),
        ),
        ("c00.unused", json!("nobody reads this"), Nothing),
        ("c01.enabled", json!(true), Field("Service/release-c01", "")),
        ("c01.replicas", json!(2), Field("Deployment/release-c01", "/spec/replicas")),
        ("c01.image.tag", json!("v9.9.9"), Field("Deployment/release-c01", IMAGE)),
        ("c01.logLevel", json!("warn"), Field("ConfigMap/release-c01", "/data/app.conf")),
        ("c01.host", json!("other.example.com"), Field("ConfigMap/release-c01", "/data/app.conf")),
        ("c01.password", json!("hunter2"), Field("Secret/release-c01", "/data/password")),
        ("c01.metrics.enabled", json!(true), Field("ServiceMonitor/release-c01", "")),
        ("c01.metrics.interval", json!("17s"), Field("ServiceMonitor/release-c01", "/spec/endpoints/0/interval")),
    ]
}

/// Components that are on by default.
fn second() -> Vec<Row> {
    vec![
        ("c02.enabled", json!(true), Field("Deployment/release-c02", "")),
        ("c02.replicas", json!(1), Field("Deployment/release-c02", "/spec/replicas")),
        ("c02.service.type", json!("ClusterIP"), Field("Service/release-c02", "/spec/type")),
        ("c02.service.port", json!(9000), Field("Service/release-c02", "/spec/ports/0/port")),
        (
            "c02.extraEnv",
            json!([{"name": "HTTP_PROXY", "value": "http://proxy:3128"}]),
            Field("Deployment/release-c02", "/spec/template/spec/containers/0/env/1"),
        ),
        ("c03.autoscaling.enabled", json!(true), Field("HorizontalPodAutoscaler/release-c03", "")),
        ("c03.autoscaling.min", json!(2), Field("HorizontalPodAutoscaler/release-c03", "/spec/minReplicas")),
        ("c03.autoscaling.max", json!(20_000_000), Field("HorizontalPodAutoscaler/release-c03", "/spec/maxReplicas")),
        ("c03.replicas", json!(5), Nothing),
        (
            "c04.resources.limits.memory",
            json!("3Gi"),
            Field("Deployment/release-c04", "/spec/template/spec/containers/0/resources/limits"),
        ),
        (
            "c04.resources.requests.cpu",
            json!("250m"),
            Field("Deployment/release-c04", "/spec/template/spec/containers/0/resources/requests"),
        ),
        (
            "c04.config",
            json!("a = 1\nb = {{ .Values.global.domain }}\n"),
            Field("ConfigMap/release-c04", "/data/extra"),
        ),
        ("c05.enabled", json!(false), Field("Deployment/release-c05", "")),
        ("c05.replicas", json!(4), Nothing),
        (
            "c06.existingSecret",
            json!("theirs"),
            Field("Deployment/release-c06", "/spec/template/spec/containers/0/envFrom/0/secretRef/name"),
        ),
        ("c06.password", json!("ignored"), Nothing),
    ]
}

/// What spans components, the subchart, and what nobody reads.
fn third() -> Vec<Row> {
    vec![
        ("c07.logLevel", json!("trace"), Nothing),
        ("c08.image.tag", json!("v1"), Field("Deployment/release-c08", IMAGE)),
        ("c10.host", json!("c10.example.com"), Field("Ingress/release-c10", "/spec/rules/0")),
        ("ingress.enabled", json!(true), Field("Ingress/release-c10", "")),
        ("ingress.className", json!("nginx"), Field("Ingress/release-c10", "/spec/ingressClassName")),
        ("ingress.tls", json!(true), Field("Ingress/release-c10", "/spec/tls")),
        ("ingress.secretName", json!("site-tls"), Field("Ingress/release-c10", "/spec/tls/0/secretName")),
        (
            "ingress.annotations.nginx\\.org/timeout",
            json!("60s"),
            Field("Ingress/release-c10", "/metadata/annotations"),
        ),
        ("mainDb.enabled", json!(true), Field("StatefulSet/release-main-db", "")),
        (
            "mainDb.auth.username",
            json!("owner"),
            Field("StatefulSet/release-main-db", "/spec/template/spec/containers/0/env/0/value"),
        ),
        ("mainDb.auth.password", json!("letmein"), Field("Secret/release-main-db", "/data/password")),
        (
            "mainDb.persistence.size",
            json!("50Gi"),
            Field("StatefulSet/release-main-db", "/spec/volumeClaimTemplates/0/spec/resources/requests/storage"),
        ),
        (
            "mainDb.persistence.storageClass",
            json!("fast"),
            Field("StatefulSet/release-main-db", "/spec/volumeClaimTemplates/0/spec/storageClassName"),
        ),
        (
            "cacheDb.persistence.size",
            json!("2Gi"),
            Field("StatefulSet/release-cache-db", "/spec/volumeClaimTemplates/0/spec/resources/requests/storage"),
        ),
        (
            "cacheDb.auth.username",
            json!("cache"),
            Field("StatefulSet/release-cache-db", "/spec/template/spec/containers/0/env/0/value"),
        ),
        ("golbal.domain", json!("typo.example.com"), Nothing),
        ("legacy.tenantName", json!("old"), Nothing),
        ("legacy.list", json!(["a", "b"]), Nothing),
        ("legacy.on", json!(true), Nothing),
    ]
}

/// The user's values as a file has them.
pub(crate) fn given() -> Value {
    let mut all = json!({});
    for (path, value, _) in expectations() {
        values::set(&mut all, path, value);
    }
    all
}

/// The chart.
pub(crate) fn chart() -> PackedChart {
    PackedChart::of_files(files()).expect("the chart of the test")
}

/// How many templates the chart has, helpers left out.
pub fn templates() -> usize {
    files().keys().filter(|path| path.contains("templates/") && path.ends_with(".yaml")).count()
}

fn files() -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    let mut add = |path: String, text: String| {
        files.insert(path, text.into_bytes());
    };
    add("Chart.yaml".into(), ROOT.into());
    add("values.yaml".into(), defaults().to_string());
    add("values.schema.json".into(), schema().to_string());
    add("templates/checks.yaml".into(), CHECKS.into());
    for number in 0..COMPONENTS {
        let name = format!("c{number:02}");
        for (kind, body) in COMPONENT {
            let off = match *kind {
                "servicemonitor" => " .Values.NAME.metrics.enabled",
                "hpa" => " .Values.NAME.autoscaling.enabled",
                "ingress" => " .Values.ingress.enabled",
                "secret" => " (not .Values.NAME.existingSecret)",
                _ => "",
            };
            let text = format!("{{{{- if and .Values.NAME.enabled{off} }}}}\n{}\n{body}{{{{- end }}}}\n", head(kind));
            add(format!("templates/{name}/{kind}.yaml"), text.replace("NAME", &name));
        }
    }
    add("charts/database/Chart.yaml".into(), "apiVersion: v2\nname: database\nversion: 1.0.0\n".into());
    add("charts/database/values.yaml".into(), DATABASE_VALUES.into());
    for (kind, body) in DATABASE {
        add(format!("charts/database/templates/{kind}.yaml"), body.to_string());
    }
    files
}

fn head(kind: &str) -> String {
    let (version, kind) = match kind {
        "deployment" => ("apps/v1", "Deployment"),
        "service" => ("v1", "Service"),
        "configmap" => ("v1", "ConfigMap"),
        "scripts" => return head_named("v1", "ConfigMap", "-scripts"),
        "secret" => ("v1", "Secret"),
        "serviceaccount" => ("v1", "ServiceAccount"),
        "role" => ("rbac.authorization.k8s.io/v1", "Role"),
        "rolebinding" => ("rbac.authorization.k8s.io/v1", "RoleBinding"),
        "hpa" => ("autoscaling/v2", "HorizontalPodAutoscaler"),
        "pdb" => ("policy/v1", "PodDisruptionBudget"),
        "networkpolicy" => ("networking.k8s.io/v1", "NetworkPolicy"),
        "ingress" => ("networking.k8s.io/v1", "Ingress"),
        _ => ("monitoring.coreos.com/v1", "ServiceMonitor"),
    };
    head_named(version, kind, "")
}

fn head_named(version: &str, kind: &str, end: &str) -> String {
    let annotations = if kind == "Ingress" {
        "\n  {{- with .Values.ingress.annotations }}\n  annotations: {{ toYaml . | nindent 4 }}\n  {{- end }}"
    } else {
        ""
    };
    format!(
        "apiVersion: {version}\nkind: {kind}\nmetadata:\n  name: {{{{ .Release.Name }}}}-NAME{end}\n  labels:\n    \
         app.kubernetes.io/component: NAME\n    helm.sh/chart: {{{{ .Chart.Name }}}}-{{{{ .Chart.Version }}}}{annotations}"
    )
}

fn defaults() -> Value {
    let mut all = json!({
        "global": {"registry": "registry.default.io", "imagePullSecrets": []},
        "licence": {"accepted": false},
        "ingress": {"enabled": false, "className": "", "tls": false, "annotations": {}},
        "mainDb": {"enabled": false}, "cacheDb": {"enabled": true},
    });
    for number in 0..COMPONENTS {
        let name = format!("c{number:02}");
        all[&name] = json!({
            "enabled": !OFF.contains(&number), "replicas": 1, "logLevel": "info", "host": "", "extraEnv": [], "config": "",
            "image": {"repository": format!("vendor/{name}"), "tag": ""}, "service": {"type": "ClusterIP", "port": 8080},
            "existingSecret": "", "nodeSelector": {}, "podAnnotations": {}, "tolerations": [], "resources": {},
            "metrics": {"enabled": false, "interval": "30s"}, "autoscaling": {"enabled": false, "min": 1, "max": 10},
        });
    }
    all
}

fn schema() -> Value {
    let service = json!({"properties": {"type": {"type": "string", "enum": ["ClusterIP", "NodePort", "LoadBalancer"]}, "port": {"type": "integer"}}});
    let component = json!({"properties": {"service": service, "replicas": {"type": "integer"}}});
    let components = (0..COMPONENTS).map(|number| (format!("c{number:02}"), component.clone()));
    json!({"$schema": "http://json-schema.org/draft-07/schema#", "properties": components.collect::<Value>()})
}

const ROOT: &str = "apiVersion: v2
name: platform
version: 1.0.0
appVersion: 7.7.7
dependencies:
- {name: database, version: 1.0.0, alias: mainDb, condition: mainDb.enabled}
- {name: database, version: 1.0.0, alias: cacheDb, condition: cacheDb.enabled}
";

const CHECKS: &str = r#"{{- if not .Values.licence.accepted }}{{ fail "the terms of use were not agreed to" }}{{ end }}
{{- $_ := required "licence.key is missing" .Values.licence.key }}
{{- $_ := required "a domain is needed" .Values.global.domain }}
{{- if and .Values.ingress.tls (not .Values.ingress.secretName) }}{{ fail "ingress.tls needs ingress.secretName" }}{{ end }}
"#;

const COMPONENT: &[(&str, &str)] = &[
    (
        "deployment",
        r#"spec:
  {{- if not .Values.NAME.autoscaling.enabled }}
  replicas: {{ .Values.NAME.replicas }}
  {{- end }}
  selector: {matchLabels: {app: NAME}}
  template:
    metadata:
      labels: {app: NAME}
      annotations:
        checksum/config: {{ include (print $.Template.BasePath "/NAME/configmap.yaml") . | sha256sum }}
        checksum/secret: {{ include (print $.Template.BasePath "/NAME/secret.yaml") . | sha256sum }}
        {{- with .Values.NAME.podAnnotations }}{{ toYaml . | nindent 8 }}{{- end }}
    spec:
      serviceAccountName: {{ .Release.Name }}-NAME
      {{- with .Values.NAME.nodeSelector }}
      nodeSelector: {{ toYaml . | nindent 8 }}
      {{- end }}
      {{- with .Values.NAME.tolerations }}
      tolerations: {{ toYaml . | nindent 8 }}
      {{- end }}
      containers:
      - name: main
        image: "{{ .Values.global.registry }}/{{ .Values.NAME.image.repository }}:{{ .Values.NAME.image.tag | default .Chart.AppVersion }}"
        args: ["--log-level={{ .Values.NAME.logLevel }}", "--port={{ .Values.NAME.service.port }}"]
        env:
        - name: DOMAIN
          value: {{ .Values.global.domain | quote }}
        {{- with .Values.NAME.extraEnv }}{{ toYaml . | nindent 8 }}{{- end }}
        envFrom:
        - secretRef: {name: {{ .Values.NAME.existingSecret | default (printf "%s-NAME" .Release.Name) }}}
        {{- with .Values.NAME.resources }}
        resources: {{ toYaml . | nindent 10 }}
        {{- end }}
"#,
    ),
    (
        "service",
        "spec:\n  type: {{ .Values.NAME.service.type }}\n  selector: {app: NAME}\n  ports:\n  - {name: http, port: {{ .Values.NAME.service.port }}}\n",
    ),
    (
        "configmap",
        r#"data:
  domain: {{ .Values.global.domain | quote }}
  app.conf: |
    host={{ tpl .Values.NAME.host . }}
    url=https://{{ tpl .Values.NAME.host . | default .Values.global.domain }}:{{ .Values.NAME.service.port }}/NAME
    log={{ .Values.NAME.logLevel }}
  extra: {{ tpl .Values.NAME.config . | quote }}
"#,
    ),
    ("scripts", "data:\n  run.sh: |\n    #!/bin/sh\n    exec /bin/NAME --domain {{ .Values.global.domain }}\n"),
    (
        "secret",
        "data:\n  password: {{ .Values.NAME.password | default (randAlphaNum 16) | b64enc }}\n  cookie: {{ randAlphaNum 32 | b64enc }}\n",
    ),
    (
        "serviceaccount",
        "{{- with .Values.global.imagePullSecrets }}\nimagePullSecrets: {{ toYaml . | nindent 2 }}\n{{- end }}\nautomountServiceAccountToken: true\n",
    ),
    ("role", "rules:\n- {apiGroups: [\"\"], resources: [pods], verbs: [get, list]}\n"),
    (
        "rolebinding",
        "roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: {{ .Release.Name }}-NAME}\nsubjects:\n- {kind: ServiceAccount, name: {{ .Release.Name }}-NAME}\n",
    ),
    (
        "hpa",
        "spec:\n  minReplicas: {{ .Values.NAME.autoscaling.min }}\n  maxReplicas: {{ .Values.NAME.autoscaling.max | int }}\n  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: {{ .Release.Name }}-NAME}\n",
    ),
    ("pdb", "spec:\n  minAvailable: 1\n  selector: {matchLabels: {app: NAME}}\n"),
    (
        "networkpolicy",
        "spec:\n  podSelector: {matchLabels: {app: NAME}}\n  ingress:\n  - ports:\n    - port: {{ .Values.NAME.service.port }}\n",
    ),
    (
        "ingress",
        r#"spec:
  {{- with .Values.ingress.className }}
  ingressClassName: {{ . }}
  {{- end }}
  {{- if .Values.ingress.tls }}
  tls:
  - secretName: {{ .Values.ingress.secretName }}
  {{- end }}
  rules:
  - host: {{ tpl .Values.NAME.host . | default (printf "NAME.%s" .Values.global.domain) | quote }}
    http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: {{ .Release.Name }}-NAME, port: {name: http}}}}]}
"#,
    ),
    ("servicemonitor", "spec:\n  endpoints:\n  - {port: http, interval: {{ .Values.NAME.metrics.interval }}}\n"),
];

const DATABASE_VALUES: &str = "auth: {username: postgres}\npersistence: {size: 8Gi, storageClass: \"\"}\n";

const DATABASE: &[(&str, &str)] = &[
    (
        "statefulset",
        r#"apiVersion: apps/v1
kind: StatefulSet
metadata:
  name: {{ .Release.Name }}-{{ kebabcase .Chart.Name }}
spec:
  serviceName: {{ kebabcase .Chart.Name }}
  selector: {matchLabels: {app: {{ .Chart.Name }}}}
  template:
    metadata: {labels: {app: {{ .Chart.Name }}}}
    spec:
      containers:
      - name: database
        image: "{{ .Values.global.registry }}/database:16"
        env:
        - {name: USER, value: {{ .Values.auth.username | quote }}}
  volumeClaimTemplates:
  - metadata: {name: data}
    spec:
      accessModes: [ReadWriteOnce]
      {{- with .Values.persistence.storageClass }}
      storageClassName: {{ . }}
      {{- end }}
      resources: {requests: {storage: {{ .Values.persistence.size }}}}
"#,
    ),
    (
        "secret",
        "apiVersion: v1\nkind: Secret\nmetadata:\n  name: {{ .Release.Name }}-{{ kebabcase .Chart.Name }}\ndata:\n  password: {{ .Values.auth.password | default (randAlphaNum 16) | b64enc }}\n",
    ),
    (
        "service",
        "apiVersion: v1\nkind: Service\nmetadata:\n  name: {{ .Release.Name }}-{{ kebabcase .Chart.Name }}\nspec:\n  ports: [{name: db, port: 5432}]\n",
    ),
];
