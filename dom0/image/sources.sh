#!/bin/sh
# SPDX-License-Identifier: MIT
# sources.sh: the host's own apt sources of Debian 12, in the form of sources.list(5), for mmdebstrap.
set -eu
sudo=$([ "$(id -u)" = 0 ] || echo sudo)

debian_sources() {
	apt-get indextargets --format 'deb $(REPO_URI) $(RELEASE) $(COMPONENT)' \
		'Created-By: Packages' 'Origin: Debian' 'Architecture: amd64' | grep bookworm | grep -v backports | sort -u
}
debian_sources || { $sudo apt-get -q update >&2; debian_sources; } ||
	{ echo "sources.sh: apt has no sources of Debian 12 (bookworm): see sources.list(5)" >&2; exit 1; }
