#!/bin/sh
# SPDX-License-Identifier: MIT
# root.sh OUT MIB PACKAGES: a Debian root file system with systemd, as an ext4 image of so many MiB: a guest's disk. What the file
# PACKAGES names and what every Debian has, from the host's own apt sources.
set -eu
out=$1 mib=$2 packages=$3
export SOURCE_DATE_EPOCH=1686355200

"$(dirname "$0")/sources.sh" > "$out.list"
mmdebstrap --variant=minbase --format=tar --hook-dir=/usr/share/mmdebstrap/hooks/merged-usr \
	--include="$(sed 's/#.*//' "$packages" | xargs | tr ' ' ,)" \
	--dpkgopt='path-exclude=/usr/share/doc/*' \
	--dpkgopt='path-exclude=/usr/share/locale/*' \
	--dpkgopt='path-exclude=/usr/share/man/*' \
	--customize-hook='chroot "$1" passwd -q -d root' \
	--customize-hook='echo debian > "$1/etc/hostname"' \
	--customize-hook='echo "/dev/xvda / ext4 errors=remount-ro 0 1" > "$1/etc/fstab"' \
	--customize-hook='rm -rf "$1"/var/lib/apt/lists/* "$1"/var/cache/apt/*' \
	bookworm "$out.tar" "$out.list"

# The files are root's in the image, whoever makes it.
rm -rf "$out.d"
mkdir "$out.d"
fakeroot sh -eu -c 'tar -C "$1.d" -xf "$1.tar"; mke2fs -q -F -t ext4 -L root -d "$1.d" "$1" "$2M"' - "$out" "$mib"
rm -rf "$out.d" "$out.tar" "$out.list"
