{{- /*
The store of metrics, on plain Kubernetes alone. Takes a dict: root, claim (empty: the set makes its own), size, storageClass.
What cannot be changed of the set is the same in every version, so an upgrade patches it in place, unless the claim's
way changes.
*/}}
{{- define "runai.thanosReceive" -}}
{{- $name := printf "%s-thanos-receive" .root.Release.Name }}
{{- $who := dict "root" .root "name" "thanos-receive" "component" "metrics" }}
{{- $labels := include "runai.labels" $who }}
apiVersion: v1
kind: Service
metadata:
  name: {{ $name }}
  labels: {{- $labels | nindent 4 }}
spec:
  clusterIP: None
  ports:
    - {name: http, port: 10902, targetPort: http}
  selector: {{- include "runai.selector" $who | nindent 4 }}
---
apiVersion: apps/v1
kind: StatefulSet
metadata:
  name: {{ $name }}
  labels: {{- $labels | nindent 4 }}
spec:
  replicas: 1
  serviceName: {{ $name }}
  selector:
    matchLabels: {{- include "runai.selector" $who | nindent 6 }}
  template:
    metadata:
      labels: {{- include "runai.selector" $who | nindent 8 }}
      annotations:
        helm.sh/chart: {{ include "runai.chart" .root }}   # rolls the pod on every upgrade
    spec:
      serviceAccountName: {{ .root.Release.Name }}
      terminationGracePeriodSeconds: 5
      containers:
        - name: receive
          image: {{ .root.Values.images.stub }}   # stores nothing: a test writes into the folder itself
          imagePullPolicy: IfNotPresent
          ports:
            - {name: http, containerPort: 8080}
          readinessProbe:
            httpGet: {path: /, port: http}
            periodSeconds: 1
          volumeMounts:
            - {name: data, mountPath: /var/thanos/receive}
      {{- with .claim }}
      volumes:
        - name: data
          persistentVolumeClaim:
            claimName: {{ . }}
      {{- end }}
  {{- if not .claim }}
  volumeClaimTemplates:
    - metadata:
        name: data
        labels: {{- include "runai.selector" $who | nindent 10 }}
      spec:
        accessModes: [ReadWriteOnce]
        resources:
          requests:
            storage: {{ .size }}
        {{- with .storageClass }}
        storageClassName: {{ . }}
        {{- end }}
  {{- end }}
{{- end }}
