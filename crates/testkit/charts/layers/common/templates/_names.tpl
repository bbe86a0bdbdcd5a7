{{- /* No version in here: selectors cannot be changed. Takes a dict: root, name, component. */}}
{{- define "runai.selector" -}}
app.kubernetes.io/name: {{ .name }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end }}

{{- define "runai.labels" -}}
{{ include "runai.selector" . }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ include "runai.chart" .root }}
{{- end }}

{{- define "runai.chart" -}}
{{ .Chart.Name }}-{{ .Chart.Version }}
{{- end }}
