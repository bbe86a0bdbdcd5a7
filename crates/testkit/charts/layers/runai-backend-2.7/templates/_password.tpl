{{- /* The charts from 2.9 on write another key, and refuse a secret that has this one alone. */}}
{{- define "runai.passwordKey" -}}
postgresql-password
{{- end }}
