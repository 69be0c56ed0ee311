{{- define "rampart.restricted" -}}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  runAsUser: 0
  runAsGroup: 0
  capabilities:
    drop: [ALL]
    # Root without it may not write nftables; another user could not use it without privilege escalation.
    add: [NET_ADMIN]
{{- end -}}

{{- define "rampart.environment" -}}
env:
  - name: RAMPART_AGENT_NODE
    valueFrom:
      fieldRef:
        fieldPath: spec.nodeName
  - name: RAMPART_AGENT_LISTEN
    {{- if contains ":" .Values.http.host }}
    value: {{ printf "[%s]:%v" .Values.http.host .Values.http.port | quote }}
    {{- else }}
    value: {{ printf "%s:%v" .Values.http.host .Values.http.port | quote }}
    {{- end }}
  - name: RAMPART_AGENT_CNI_CACHE
    value: {{ ternary "/var/lib/cni" "" .Values.cniCache.enabled | quote }}
  {{- if .Values.taint.enabled }}
  - name: RAMPART_AGENT_TAINT
    value: {{ .Values.taint.key | quote }}
  {{- end }}
  {{- with .Values.apiServer.host }}
  - name: KUBERNETES_SERVICE_HOST
    value: {{ . | quote }}
  - name: KUBERNETES_SERVICE_PORT
    value: {{ $.Values.apiServer.port | quote }}
  {{- end }}
  {{- with .Values.extraEnv }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end -}}

{{- define "rampart.mounts" -}}
- name: config
  mountPath: /etc/rampart
  readOnly: true
{{- if .Values.cniCache.enabled }}
- name: cni
  mountPath: /var/lib/cni
  readOnly: true
{{- end }}
{{- end -}}

{{- define "rampart.probe" -}}
{{- $top := index . 0 -}}
httpGet:
  path: {{ index . 1 }}
  port: http
  {{- with $top.Values.http.host }}
  host: {{ . | quote }}
  {{- end }}
{{- end -}}

{{/* Whatever starts as the agent is told the same: it has to speak of the same table. */}}
{{- define "rampart.arguments" -}}
- --config=/etc/rampart/agent.yaml
{{- with .Values.extraArgs }}
{{ toYaml . }}
{{- end }}
{{- end }}
