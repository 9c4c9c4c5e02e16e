#!/bin/sh
# SPDX-License-Identifier: MIT
# modules.sh DIR ROOT MODULE...: kernel modules, and all that they need, from DIR (kernel.sh) into ROOT.
set -eu
dir=$1 root=$2
shift 2
version=$(cat "$dir/kernel-version")
from=$dir/kernel-root/lib/modules/$version
to=$root/lib/modules/$version

mkdir -p "$to"
for module; do
	line=$(grep -E "(^|/)$module\.ko(\.xz)?:" "$from/modules.dep") ||
		{ echo "modules.sh: this kernel has no module $module" >&2; exit 1; }
	for file in $(echo "$line" | tr -d :); do
		mkdir -p "$to/$(dirname "$file")"
		cp "$from/$file" "$to/$file"
	done
done
find "$to" -name '*.ko.xz' -exec xz -d {} +
cp "$from"/modules.order "$from"/modules.builtin* "$to/"
depmod -b "$(realpath "$root")" "$version"
