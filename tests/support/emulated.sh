#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# emulated.sh PROGRAM [ARGUMENT…]: runs it on CPUs that this machine is not, where QEMU's user mode
# is installed: one with AVX2 and one without AVX. QEMU 7.2 reads 16 bytes where vfmadd132ss has 4,
# and 32 where vmaskmovps has fewer, so what fences memory leaves HG_SLACK_BYTES.
set -euo pipefail

emulator=qemu-x86_64
if ! command -v "$emulator" >/dev/null; then
    echo "no $emulator: no emulated CPUs"
    exit 0
fi
for cpu in Haswell Westmere; do
    echo "on an emulated $cpu: ${1##*/}"
    HG_SLACK_BYTES=64 "$emulator" -cpu "$cpu" "$@" 2>&1 | { grep -v "TCG doesn't" || true; }
done
