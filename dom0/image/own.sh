#!/bin/sh
# SPDX-License-Identifier: MIT
# own.sh OUT DIR FILES FILE=PLACE...: what lies over the Debian part of Dom0: the kernel's modules (from DIR, see
# kernel.sh), Xen's programs (of which apt would bring Python along), the tree FILES, and each FILE at its PLACE.
# The same inputs give the same bytes.
set -eu
out=$1 dir=$2 files=$3
shift 3
here=$(dirname "$0")
root=$out.d
xen=$out.xen

rm -rf "$root" "$xen"
# As in the Debian part, where these are links.
mkdir -p "$root/usr/bin" "$root/usr/lib" "$root/usr/sbin"
for name in bin lib sbin; do ln -s usr/$name "$root/$name"; done

"$here/modules.sh" "$dir" "$root" xenfs xen-evtchn xen-gntdev xen-gntalloc xen-privcmd xen-netfront xen-blkfront \
	ext4 crc32c_generic loop isofs vfat nls_cp437 nls_ascii

"$here/fetch.sh" "$dir/packages" xen-utils-4.17 xen-utils-common
for package in "$dir"/packages/xen-utils-*.deb; do dpkg-deb -x "$package" "$xen"; done
take() { for file; do install -D "$xen/$file" "$root/$file"; done; }
take usr/lib/xen-4.17/bin/xl usr/lib/xen-4.17/bin/xenstored usr/lib/xen-4.17/bin/xenconsoled \
	etc/xen/xl.conf usr/share/man/man1/xl.1.gz usr/share/bash-completion/completions/xl
ln -s ../lib/xen-4.17/bin/xl "$root/usr/sbin/xl"

# What the injector of faults is linked with, and nothing else is.
"$here/fetch.sh" "$dir/packages" libzydis4.0 libzycore1.4
for package in "$dir"/packages/libzy*.deb; do dpkg-deb --fsys-tarfile "$package" | tar -x -C "$root" --wildcards './usr/lib/*.so.*'; done

cp -R "$files/." "$root/"
ln -s /lib/runit/runit-init "$root/usr/sbin/init"
ln -s /sbin/init "$root/init"
for name in halt poweroff reboot shutdown; do ln -s /lib/runit/shutdown "$root/usr/sbin/$name"; done

for pair; do
	install -D -m 644 "${pair%%=*}" "$root/${pair#*=}"
	case $pair in *bin/*) strip "$root/${pair#*=}"; chmod 755 "$root/${pair#*=}" ;; esac
done

mkdir -p "$root/etc/runit/runsvdir/dom0" "$root/etc/skink/domains" "$root/etc/skink/system"
for service in "$root"/etc/sv/*; do
	ln -s "/etc/sv/${service##*/}" "$root/etc/runit/runsvdir/dom0/"
done
ln -s dom0 "$root/etc/runit/runsvdir/current"

chmod -R u+rwX,go+rX,go-w "$root"
"$here/pack.sh" "$root" | zstd -q -12 -T0 -f -o "$out"
rm -rf "$root" "$xen"
