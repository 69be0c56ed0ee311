#!/bin/sh
# Installs the Debian packages that the end-to-end tests use, where that is possible; tests that miss one skip and say so.
set -u

wanted=
want() { command -v "$1" >/dev/null 2>&1 || wanted="$wanted ${2:-$1}"; }
want chromium
want curl
want jq
want openssl
[ -n "$wanted" ] || exit 0

skip() { echo "not installed:$wanted ($1); the tests that need them are skipped" >&2; exit 0; }
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
