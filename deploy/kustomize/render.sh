#!/bin/sh
# Writes what kustomize users apply, from the chart with its default values: render.sh [FOLDER]
set -eu

here=$(cd "$(dirname "$0")" && pwd)
out=${1:-$here}
helm=${HELM:-helm}

render() { # FILE ARGUMENT...
  file=$out/$1
  shift
  mkdir -p "${file%/*}"
  # A file that cannot be rendered stays as it is.
  rendered=$("$helm" template rampart "$here/../chart/rampart" --namespace rampart-system --kube-version 1.34.0 "$@")
  {
    echo '# Written by deploy/kustomize/render.sh from the chart; change that instead.'
    printf '%s\n' "$rendered" | sed -e '/^# Source: /d' -e 's|managed-by: Helm$|managed-by: kustomize|'
  } >"$file"
}

render base/agent.yaml
render monitoring/monitoring.yaml --set podMonitor.enabled=true,prometheusRule.enabled=true,dashboard.enabled=true \
  --show-only templates/podmonitor.yaml --show-only templates/prometheusrule.yaml --show-only templates/dashboard.yaml
render cleanup/agent.yaml --set cleanup=true --show-only templates/daemonset.yaml
