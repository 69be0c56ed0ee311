{{/* What a schema cannot say, or not in words that help. */}}
{{- define "rampart.refused" -}}
{{- if eq (toString .Values.image.tag) "latest" -}}
{{- fail "image.tag: `latest` says nothing about what runs on which node; name a version, or set image.digest" -}}
{{- end -}}
{{- $elsewhere := dict "node" "every agent has the name of its own node" "listen" "set http.host and http.port" "cniCache" "set cniCache.enabled and cniCache.path" "taint" "set taint.enabled and taint.key" -}}
{{- range $name, $instead := $elsewhere -}}
{{- if hasKey (default dict $.Values.config) $name -}}
{{- fail (printf "config.%s would have no effect: %s" $name $instead) -}}
{{- end -}}
{{- end -}}
{{- range $values, $labels := dict "commonLabels" .Values.commonLabels "podLabels" .Values.podLabels -}}
{{- range $label := list "app.kubernetes.io/name" "app.kubernetes.io/instance" "app.kubernetes.io/component" "app.kubernetes.io/version" "app.kubernetes.io/part-of" "app.kubernetes.io/managed-by" -}}
{{- if hasKey (default dict $labels) $label -}}
{{- fail (printf "%s: the chart itself sets the label `%s`" $values $label) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
