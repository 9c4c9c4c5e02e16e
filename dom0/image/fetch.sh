#!/bin/sh
# SPDX-License-Identifier: MIT
# fetch.sh DIR PACKAGE...: Debian packages into DIR, by the host's own apt sources, or those of APT_CONFIG; nothing
# is installed. The word --update asks for apt's lists anew.
set -eu
mkdir -p "$1"
cd "$1"
shift

update() {
	if [ "$(id -u)" = 0 ] || [ -n "${APT_CONFIG:-}" ]; then apt-get -q update; else sudo apt-get -q update; fi
}

for package; do
	if [ "$package" = --update ]; then
		update
	elif ! ls "$package"_*.deb >/dev/null 2>&1; then
		# A list that is older than the archive names files that are gone: update it and try once more.
		apt-get -q download "$package" 2>fetch.log ||
			{ update && apt-get -q download "$package" 2>fetch.log; } || { cat fetch.log >&2; exit 1; }
	fi
done
