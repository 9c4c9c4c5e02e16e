#!/bin/sh
# SPDX-License-Identifier: MIT
# system.sh OUT PACKAGES: the Debian part of Dom0 as a cpio archive packed by zstd: what the file PACKAGES
# names, from the host's own apt sources. Needs no root where an ordinary user may make namespaces.
# The same packages give the same bytes.
set -eu
out=$1 packages=$2
# The day Debian 12 came out: no file is younger.
export SOURCE_DATE_EPOCH=1686355200

"$(dirname "$0")/sources.sh" > "$out.list"

# Documentation is left out but the manual; so is what only other languages and other devices need.
mmdebstrap --variant=custom --format=tar --hook-dir=/usr/share/mmdebstrap/hooks/merged-usr \
	--include="$(sed 's/#.*//' "$packages" | xargs | tr ' ' ,)" \
	--dpkgopt='path-exclude=/usr/share/doc/*' \
	--dpkgopt='path-exclude=/usr/share/doc-base/*' \
	--dpkgopt='path-exclude=/usr/share/info/*' \
	--dpkgopt='path-exclude=/usr/share/lintian/*' \
	--dpkgopt='path-exclude=/usr/share/locale/*' \
	--dpkgopt='path-exclude=/usr/share/man/*' \
	--dpkgopt='path-include=/usr/share/man/man[1-9]/*' \
	--dpkgopt='path-exclude=/usr/lib/x86_64-linux-gnu/gconv/*' \
	--dpkgopt='path-exclude=/etc/init.d/*' \
	--customize-hook='chroot "$1" passwd -q -d root' \
	--customize-hook='chroot "$1" groupadd -r skink' \
	--customize-hook='rm -rf "$1"/var/log/* "$1"/var/cache/debconf/*-old' \
	bookworm "$out.tar" "$out.list"
"$(dirname "$0")/tar2cpio.py" < "$out.tar" | zstd -q -12 -T0 -f -o "$out"
rm -f "$out.tar" "$out.list"
