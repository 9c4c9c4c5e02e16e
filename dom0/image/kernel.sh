#!/bin/sh
# SPDX-License-Identifier: MIT
# kernel.sh DIR: Debian's kernel package, unpacked: DIR/vmlinuz, DIR/kernel-root/lib/modules, DIR/kernel-version.
set -eu
mkdir -p "$1"
cd "$1"

sudo=$([ "$(id -u)" = 0 ] || echo sudo)
name() { apt-cache depends linux-image-amd64 2>/dev/null | awk '/Depends: linux-image-/ { print $2; exit }'; }
package=${KERNEL_PACKAGE:-$(name)}
if [ -z "$package" ]; then
	$sudo apt-get -q update
	package=$(name)
fi
[ -n "$package" ] || { echo "kernel.sh: apt knows no linux-image-amd64" >&2; exit 1; }

# A list that is older than the archive names files that are gone: update it and try once more.
download() { apt-get -q download "$package" 2>download.log; }
if ! ls "$package"_*.deb >/dev/null 2>&1; then
	download || { $sudo apt-get -q update && download; } || { cat download.log >&2; exit 1; }
fi
rm -rf kernel-root
dpkg-deb -x "$package"_*.deb kernel-root
version=$(ls kernel-root/lib/modules)
depmod -b "$PWD/kernel-root" "$version"
echo "$version" > kernel-version
cp "kernel-root/boot/vmlinuz-$version" vmlinuz
