#!/bin/sh
# Builds the conformance suite of ClusterNetworkPolicy outside of this repository, from its Go module, once.
# Prints the folder: conformance.test, and config/crd of the same version.
set -eu

version=v0.2.0
module=sigs.k8s.io/network-policy-api
out=${XDG_CACHE_HOME:-$HOME/.cache}/rampart-cnp/$version
sctp=with
# The kernel decides whether there is SCTP: without it, its attempts are left out, and said.
[ -e /proc/net/sctp ] || modprobe -q sctp 2>/dev/null && [ -e /proc/net/sctp ] || sctp=without
if [ ! -x "$out/conformance.test" ] || [ "$(cat "$out/sctp" 2>/dev/null)" != $sctp ]; then
  command -v go >/dev/null || { echo 'there is no go to build the suite with' >&2; exit 1; }
  rm -rf "$out"
  mkdir -p "$out"
  work=$(mktemp -d)
  trap 'chmod -R u+w "$work"; rm -rf "$work"' EXIT
  cd "$work"
  dir=$(go mod download -json "$module@$version" | sed -n 's/^\t"Dir": "\(.*\)",$/\1/p')
  cp -r "$dir" src
  chmod -R u+w src
  cd src
  if [ $sctp = without ]; then
    sed -i '/^func PokeServer(/a\	if protocol == "sctp" { t.Logf("LEFT OUT: %s to port %d by SCTP", clientPod, targetPort); return }' conformance/utils/kubernetes/helper.go
    grep -q 'LEFT OUT' conformance/utils/kubernetes/helper.go
  fi
  CGO_ENABLED=0 nice go test -c -p 2 -trimpath -buildvcs=false -ldflags '-s -w' -o "$out/conformance.test" ./conformance >&2
  mkdir "$out/crd"
  cp config/crd/experimental/*clusternetworkpolicies.yaml "$out/crd/"
  echo $sctp >"$out/sctp"
fi
echo "$out"
