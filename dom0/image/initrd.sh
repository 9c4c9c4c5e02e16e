#!/bin/sh
# SPDX-License-Identifier: MIT
# initrd.sh OUT DIR INIT PROGRAM...: busybox, the kernel's Xen modules (from DIR, see kernel.sh), INIT and programs.
# The same inputs give the same bytes.
set -eu
out=$1 dir=$2 init=$3
shift 3
version=$(cat "$dir/kernel-version")
from=$dir/kernel-root
root=$out.d

rm -rf "$root"
mkdir -p "$root/bin" "$root/dev" "$root/proc" "$root/sys" "$root/tmp" "$root/run" "$root/etc" "$root/root" \
	"$root/lib/modules/$version"
cp /bin/busybox "$root/bin/busybox"
for applet in $("$root/bin/busybox" --list); do
	[ "$applet" = busybox ] || ln -s busybox "$root/bin/$applet"
done
ln -s bin "$root/sbin"
install -m 755 "$init" "$root/init"
for program; do install -m 755 "$program" "$root/bin/"; done
echo 'root:x:0:0:root:/root:/bin/sh' > "$root/etc/passwd"
echo 'root:x:0:' > "$root/etc/group"

for module in xenfs xen-evtchn xen-gntdev xen-gntalloc xen-privcmd xen-netfront xen-blkfront; do
	grep -E "/$module\.ko:" "$from/lib/modules/$version/modules.dep" | tr -d : | tr ' ' '\n' |
	while read -r file; do
		[ -n "$file" ] || continue
		mkdir -p "$root/lib/modules/$version/$(dirname "$file")"
		cp "$from/lib/modules/$version/$file" "$root/lib/modules/$version/$file"
	done
done
cp "$from/lib/modules/$version"/modules.order "$from/lib/modules/$version"/modules.builtin* "$root/lib/modules/$version/"
depmod -b "$PWD/$root" "$version"

find "$root" -exec touch -h -d @0 {} +
(cd "$root" && find . -print0 | LC_ALL=C sort -z |
	cpio --null -o -H newc --owner 0:0 --quiet --reproducible) | gzip -1n > "$out"
rm -rf "$root"
