#!/bin/sh
# SPDX-License-Identifier: MIT
# backports.sh DIR: the newer kernel that Debian offers to users of 12, unpacked into DIR as kernel.sh does. apt is
# told of it in DIR alone: the host's configuration stays as it is.
set -eu
here=$(realpath "$(dirname "$0")")
mkdir -p "$1/lists/partial" "$1/archives/partial"
cd "$1"

mirror() {
	apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Origin: Debian' 'Codename: bookworm' | head -1
}
uri=$(mirror)
[ -n "$uri" ] || { echo "backports.sh: apt has no source of Debian 12 (bookworm): see sources.list(5)" >&2; exit 1; }
echo "deb $uri bookworm-backports main" > sources.list
: > status
cat > apt.conf <<END
Dir::State::Lists "$PWD/lists";
Dir::State::Status "$PWD/status";
Dir::Cache "$PWD";
Dir::Etc::SourceList "$PWD/sources.list";
Dir::Etc::SourceParts "/dev/null";
APT::Sandbox::User "";
END
APT_CONFIG=$PWD/apt.conf "$here/kernel.sh" .
