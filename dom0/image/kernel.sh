#!/bin/sh
# SPDX-License-Identifier: MIT
# kernel.sh DIR: Debian's kernel package, unpacked: DIR/vmlinuz, DIR/kernel-root/lib/modules, DIR/kernel-version.
set -eu
here=$(realpath "$(dirname "$0")")
mkdir -p "$1"
cd "$1"

name() { apt-cache depends linux-image-amd64 2>/dev/null | awk '/Depends: linux-image-/ { print $2; exit }'; }
package=${KERNEL_PACKAGE:-$(name)}
if [ -z "$package" ]; then
	"$here/fetch.sh" . --update
	package=$(name)
fi
[ -n "$package" ] || { echo "kernel.sh: apt knows no linux-image-amd64" >&2; exit 1; }

"$here/fetch.sh" . "$package"
rm -rf kernel-root
dpkg-deb -x "$package"_*.deb kernel-root
version=$(ls kernel-root/lib/modules)
depmod -b "$PWD/kernel-root" "$version"
echo "$version" > kernel-version
cp "kernel-root/boot/vmlinuz-$version" vmlinuz
