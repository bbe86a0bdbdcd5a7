{{- define "runai.passwordKey" -}}
postgres-password
{{- end }}

{{- /*
The password in base64, by the rule of bitnami/common: the live secret's, else the given one, else a random one.
A live secret without the key stops the rendering; so does one that runai-backend 2.8 left, whose key is
`postgresql-password`.
*/}}
{{- define "runai.postgresPassword" -}}
{{- $name := printf "%s-postgresql" .Release.Name }}
{{- $key := include "runai.passwordKey" . }}
{{- $live := (lookup "v1" "Secret" .Release.Namespace $name).data }}
{{- if not $live }}
  {{- .Values.postgresql.password | default (randAlphaNum 10) | toString | b64enc }}
{{- else if hasKey $live $key }}
  {{- get $live $key }}
{{- else }}
  {{- fail (printf "\nPASSWORDS ERROR: The secret %q does not contain the key %q\n" $name $key) }}
{{- end }}
{{- end }}
