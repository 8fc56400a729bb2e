#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The main job on real input: starts a daemon on a private socket, gives it the digits and the
# network's weights, classifies every image through the client library, shows what the cache did,
# stops the daemon and checks that everything came back. Usage: run.sh BUILD_DIRECTORY
set -euo pipefail

build=$1
root=$(cd "$(dirname "$0")/../.." && pwd)
cd "$root"
work=$(mktemp -d)
export HOLOGRAM_SOCKET=$work/hologram.sock
ctl=$build/bin/hologramctl
daemon=

finish() {
    [ -z "$daemon" ] || kill "$daemon" 2>/dev/null || true
    rm -rf "$work"
}
trap finish EXIT

fail() {
    echo "demo: $1" >&2
    cat "$work/daemon.log" >&2
    exit 1
}

"$build/bin/hologramd" --socket "$HOLOGRAM_SOCKET" --set http.listen=127.0.0.1:0 \
    2>"$work/daemon.log" &
daemon=$!
for _ in $(seq 100); do
    "$ctl" ping >/dev/null 2>&1 && break
    kill -0 "$daemon" 2>/dev/null || fail "the daemon did not start"
    sleep 0.05
done
echo "hologramd runs on $HOLOGRAM_SOCKET"

# None of them changes: whoever classifies reads the same, and the daemon may keep what it makes of it.
names="images labels w1 b1 w2 b2"
for name in $names; do
    "$ctl" put --constant "digits/$name" "tests/data/digits_$name.npy" >/dev/null
done
"$build/bin/digits" | tee "$work/digits.log" | grep -v '^test accuracy' || fail "digits failed"
accuracy=$(grep '^test accuracy: ' "$work/digits.log") || fail "digits failed"

echo
"$ctl" stats
url=$("$ctl" stats --json | "${PYTHON:-/usr/bin/python3}" -c \
    'import json, sys; print(json.load(sys.stdin)["metrics_url"])')
echo
echo "$url says:"
curl -sf "$url" >"$work/metrics" || fail "no metrics at $url"
grep -E '^hologram_(requests_total|program_cache_(hits|misses)_total)\{.*\} [1-9]' "$work/metrics" |
    sed 's/^/  /'

for name in $names; do
    "$ctl" free "digits/$name" >/dev/null
done
left=$("$ctl" stats --json | "${PYTHON:-/usr/bin/python3}" -c \
    'import json, sys; print(sum(p["bytes_used"] for p in json.load(sys.stdin)["pools"]))')
[ "$left" = 0 ] || fail "$left bytes of buffers were not given back"
kill -TERM "$daemon"
wait "$daemon" || fail "the daemon ended with status $?"
daemon=
echo
echo "the daemon stopped cleanly, and every buffer came back"
echo "$accuracy"
