#!/bin/sh
# SPDX-License-Identifier: MIT
# initrd.sh OUT INIT DIR PROGRAM...: busybox, the kernel's Xen modules (from DIR, see kernel.sh; none if DIR is -),
# programs, and INIT: a file, or a folder with more than that; in MODULES are names of more modules. The same inputs give the same bytes.
set -eu
out=$1 init=$2 dir=$3
shift 3
here=$(dirname "$0")
root=$out.d

rm -rf "$root"
for name in bin dev proc sys tmp run etc root mnt; do mkdir -p "$root/$name"; done
cp /bin/busybox "$root/bin/busybox"
for applet in $("$root/bin/busybox" --list); do
	[ "$applet" = busybox ] || ln -s busybox "$root/bin/$applet"
done
ln -s bin "$root/sbin"
for program; do install -m 755 "$program" "$root/bin/"; done
echo 'root:x:0:0:root:/root:/bin/sh' > "$root/etc/passwd"
echo 'root:x:0:' > "$root/etc/group"
if [ -d "$init" ]; then
	cp -R "$init/." "$root/"
	ln -s bin/init "$root/init"
else
	install -m 755 "$init" "$root/init"
fi
[ "$dir" = - ] ||
	"$here/modules.sh" "$dir" "$root" xenfs xen-evtchn xen-gntdev xen-gntalloc xen-privcmd xen-netfront xen-blkfront ${MODULES:-}

"$here/pack.sh" "$root" | gzip -1n > "$out"
rm -rf "$root"
