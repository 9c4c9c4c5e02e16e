#!/bin/sh
# SPDX-License-Identifier: MIT
# images.sh OUT FILE=NAME...: an archive that lays files into Dom0's /var/lib/skink/images. They are packed already.
set -eu
out=$1
shift
root=$out.d
rm -rf "$root"
for pair; do install -D -m 644 "${pair%%=*}" "$root/var/lib/skink/images/${pair#*=}"; done
"$(dirname "$0")/pack.sh" "$root" > "$out"
rm -rf "$root"
