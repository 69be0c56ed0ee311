#!/bin/sh
# Installs the Debian packages that are missing, where that is possible: `lab` those of `rampart lab` and the demo, otherwise
# those of all tests. Tests that miss one skip and say so.
set -u

wanted=
have() { command -v "$1" >/dev/null 2>&1 || [ -x "/usr/sbin/$1" ] || [ -x "/sbin/$1" ]; }
want() { have "$1" || wanted="$wanted ${2:-$1}"; }
want ip iproute2
want nft nftables
want tcpdump
use='the lab needs them'
if [ "${1:-}" != lab ]; then
  use='the tests that need them are skipped'
  want chromium
  want conntrack
  want curl
  want jq
  want openssl
  want promtool prometheus
  # Nodes of a real Kubernetes.
  want containerd
  want runc
  want iptables
  want mmdebstrap
  want busybox busybox-static
  [ -x /usr/lib/cni/bridge ] || wanted="$wanted containernetworking-plugins"
fi
[ -n "$wanted" ] || exit 0

skip() { echo "not installed:$wanted ($1); $use" >&2; exit 0; }
command -v apt-get >/dev/null 2>&1 || skip 'no apt-get on this system'
[ "$(id -u)" = 0 ] || skip 'installing needs root'

echo "installing:$wanted" >&2
export DEBIAN_FRONTEND=noninteractive
log=$(mktemp)
# shellcheck disable=SC2086 # a list of words
if ! { apt-get update && apt-get install -y --no-install-recommends $wanted; } >"$log" 2>&1 </dev/null; then
  tail -n 5 "$log" >&2
  rm -f "$log"
  skip 'apt-get failed'
fi
rm -f "$log"
