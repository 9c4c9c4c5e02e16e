#!/bin/sh
# SPDX-License-Identifier: MIT
# image.sh OUT PACKAGES: a Debian with the applications that `make bench` measures, as a cpio archive: what the file PACKAGES names, from the
# host's own apt sources, and the source of Debian's bzip2, which is compiled there. It is not packed: a kernel under icount would unpack it for minutes.
set -eu
out=$1 packages=$2
export SOURCE_DATE_EPOCH=1686355200

dom0/image/sources.sh > "$out.list"
# What nobody runs there and takes much memory is left out.
mmdebstrap --variant=minbase --format=tar --hook-dir=/usr/share/mmdebstrap/hooks/merged-usr \
	--include="$(sed 's/#.*//' "$packages" | xargs | tr ' ' ,)" \
	$(set -f; for path in '/usr/share/doc/*' '/usr/share/info/*' '/usr/share/locale/*' '/usr/share/man/*' '/usr/share/i18n/*' \
		'/usr/lib/x86_64-linux-gnu/gconv/*' \
		'/usr/lib/x86_64-linux-gnu/lib*san.so*' '/usr/lib/gcc/*/lib*san*' '/usr/lib/gcc/*/lto1' '/usr/bin/*lto-dump*' \
		'/usr/bin/*gold' '/usr/bin/*dwp' '/usr/lib/x86_64-linux-gnu/libgprofng*' \
		'/usr/lib/x86_64-linux-gnu/libLLVM*' '/usr/lib/postgresql/*/lib/bitcode/*' '/usr/share/mysql/bench/*'; do
		echo "--dpkgopt=path-exclude=$path"; done) \
	--customize-hook='cat "$1"/etc/apt/sources.list.d/*.list | sed "s/^deb /deb-src /" > "$1"/tmp/sources && mv "$1"/tmp/sources "$1"/etc/apt/sources.list.d/source.list' \
	--customize-hook='chroot "$1" apt-get -q update' \
	--customize-hook='chroot "$1" sh -c "cd /usr/src && apt-get -q --download-only source bzip2"' \
	--customize-hook='cd "$1"/usr/src && mkdir bzip2 && tar -C bzip2 --strip-components=1 -xf bzip2_*.orig.tar.gz && rm -f bzip2_*' \
	--customize-hook='rm -rf "$1"/var/log/* "$1"/var/lib/apt/lists/* "$1"/var/cache/*' \
	bookworm "$out.tar" "$out.list"
dom0/image/tar2cpio.py < "$out.tar" > "$out"
rm -f "$out.tar" "$out.list"
