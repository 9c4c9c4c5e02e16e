#!/bin/sh
# SPDX-License-Identifier: MIT
# images.sh OUT SKINKD FILE=NAME...: an archive that lays files into Dom0's /var/lib/skink/images, and beside them what
# SKINKD unpacks ahead of their use of those whose names begin with vmlinuz. The same inputs give the same bytes.
set -eu
out=$1 skinkd=$2
shift 2
root=$out.d state=$out.state
rm -rf "$root"
for pair; do install -D -m 644 "${pair%%=*}" "$root/var/lib/skink/images/${pair#*=}"; done

# What is there already is not unpacked again: that takes seconds.
mkdir -p "$state"
printf '%s\n' "state_dir = $state" "prepare_kernels = $root/var/lib/skink/images/vmlinuz*" > "$out.conf"
"$skinkd" --prepare-kernels --config "$out.conf"
cp -R "$state/kernels" "$root/var/lib/skink/"

"$(dirname "$0")/pack.sh" "$root" > "$out"
rm -rf "$root" "$out.conf"
