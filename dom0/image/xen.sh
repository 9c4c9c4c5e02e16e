#!/bin/sh
# SPDX-License-Identifier: MIT
# xen.sh DIR: Debian's Xen, unpacked into DIR and never installed: DIR/xen.
set -eu
mkdir -p "$1"
cd "$1"
package=xen-hypervisor-4.17-amd64
ls ${package}_*.deb >/dev/null 2>&1 || apt-get -q download $package 2>download.log || { cat download.log >&2; exit 1; }
dpkg-deb -x ${package}_*.deb root
gunzip -c root/boot/xen-4.17-amd64.gz > xen
