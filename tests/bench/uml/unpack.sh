#!/bin/sh
# SPDX-License-Identifier: MIT
# unpack.sh DIR: Debian's User-Mode Linux, unpacked into DIR and never installed: DIR/linux.uml.
set -eu
dom0/image/fetch.sh "$1" user-mode-linux
dpkg-deb -x "$1"/user-mode-linux_*.deb "$1/root"
cp "$1/root/usr/bin/linux.uml" "$1/linux.uml"
