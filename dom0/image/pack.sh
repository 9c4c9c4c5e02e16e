#!/bin/sh
# SPDX-License-Identifier: MIT
# pack.sh ROOT > CPIO: a folder as an archive that Linux unpacks when it starts. The same files give the same bytes.
set -eu
cd "$1"
find . -exec touch -h -d @0 {} +
find . -print0 | LC_ALL=C sort -z | cpio --null -o -H newc --owner 0:0 --quiet --reproducible
