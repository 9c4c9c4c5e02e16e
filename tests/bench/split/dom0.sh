#!/bin/sh
# SPDX-License-Identifier: MIT
# In place of Dom0's login: the guests of one part (/bench/part: net or blk) are made, by skink with driver domains on Skink, by xl with
# Linux's back-ends in this Dom0 on Xen, and what they measure is printed when they are done. restart..., neighbours, outage, copies: there are scripts of those names.
exec < /dev/hvc0 > /dev/hvc0 2>&1
PATH=/usr/sbin:/usr/bin:/bench
cd /bench
logs=/var/log/skink/consoles
read -r part < part
life --random

# What has been measured until then counts.
fail() {
	grep -aohE '(BENCH|SPREAD) .*' $logs/guest-client.log
	echo "IO failed: $*"
	sleep infinity
}
must() { "$@" || fail "$*"; }

# wait_for GUEST PATTERN [PAUSE]: what takes longer than this has stopped, and the guest's last lines say where. It is looked for so often
# that who measures meanwhile is not disturbed; who measures the wait itself takes a shorter pause.
wait_for() {
	for _ in $(seq 600); do
		grep -aq "$2" $logs/guest-"$1".log 2> /dev/null && return
		sleep "${3:-0.5}"
	done
	tail -n 12 $logs/guest-*.log
	fail "no '$2' in guest $1"
}

id_of() {
	for id in $(xenstore-list /local/domain); do
		[ "$(xenstore-read "/local/domain/$id/name")" = "$1" ] && echo "$id"
	done
}

skink_ready() {
	until skink version > /dev/null 2>&1; do sleep 0.2; done
}

# Of the machine's memory, in KiB.
memory_free() {
	skink info --json | sed -n 's/.*"memory_free_kib": \([0-9]*\).*/\1/p'
}

# skink_driver NAME ROLE [SLOT]. However often it dies, it is restarted at once.
skink_driver() {
	cat > "$1.xml" <<END
<domain type='skink' xmlns:skink='urn:skink:manifest:1'><name>$1</name><memory unit='MiB'>16</memory>
<skink:driver role='$2'><skink:dma ${3:+unprotected='yes'}/><skink:inject allow='yes'/>$health<skink:restart limit='1000' within='1ms'/></skink:driver>
<devices>${3:+<hostdev mode='subsystem' type='pci'><source><address domain='0x0000' bus='0x00' slot='0x0$3' function='0x0'/></source></hostdev>}</devices></domain>
END
	free=$(memory_free)
	# Less what it costs to wait for nothing.
	set -- "$1" "$2" $(life sh -c "skink create $1.xml && skink wait $1 --for recovered") $(life sh -c "skink wait $1 --for recovered")
	[ $# = 6 ] || fail "skink create $1.xml"
	echo "BENCH $1.create_to_serving $(($4 - $3 - ($6 - $5))) instructions" >> created
	echo "BENCH $1.memory $((free - $(memory_free))) KiB" >> created
}

# skink_guest NAME ROLE DEVICES
skink_guest() {
	cat > "$1.xml" <<END
<domain type='skink' xmlns:skink='urn:skink:manifest:1'><name>$1</name><memory unit='MiB'>256</memory><vcpu>1</vcpu>
<os><type>linux</type><kernel>/var/lib/skink/images/vmlinuz</kernel><initrd>/bench/initrd</initrd><cmdline>console=hvc0 quiet nokaslr norandmaps split=$2</cmdline></os>
<devices><console type='pty'/>$3</devices></domain>
END
	must skink create "$1.xml"
}

# skink_interface SWITCH NUMBER
skink_interface() {
	echo "<interface type='bridge'><source bridge='$1'/><mac address='00:16:3e:00:00:$2'/></interface>"
}

skink_net() {
	skink_driver lan net
	skink_driver wirea net 4
	skink_driver wireb net 5
	skink_interface lan 03 > eth.xml
	must skink attach Domain-0 eth.xml
	skink_guest server server "$(skink_interface lan 01)$(skink_interface wireb 11)"
	wait_for server "IO serves"
	skink_guest client net "$(skink_interface lan 02)$(skink_interface wirea 12)"
}

# skink_disk LETTER DRIVER
skink_disk() {
	echo "<disk type='block' device='disk'><backenddomain name='$2'/><source><skink:extent whole='yes'/></source><target dev='xvd$1' bus='xen'/></disk>"
}

skink_blk() {
	skink_driver disk0 blk 6
	skink_guest client blk "$(skink_disk a disk0)"
}

# ledgerless NAME ROLE: another image is in it; what it runs before others for has passed.
ledgerless() {
	must skink upgrade "$1" --image "/bench/ledgerless-$2.elf" > /dev/null
	skink info "$1" --json | grep -q '"image": "/bench/ledgerless' || fail "$1 has its own image"
	sleep 1
}

# The same twice, side by side in one guest. Who writes nothing into its ledger answers nothing, as skinkd sees it: all are given time.
skink_ledger() {
	health="<skink:health hang='1min' heartbeat='1min' device='10min'/>"
	skink_driver with net
	skink_driver without net
	skink_driver disk0 blk 6
	skink_driver disk1 blk 7
	ledgerless without net
	ledgerless disk1 blk
	skink_guest server server "$(skink_interface with 01)$(skink_interface without 11)"
	wait_for server "IO serves"
	skink_guest client ledger "$(skink_interface with 02)$(skink_interface without 12)$(skink_disk a disk0)$(skink_disk b disk1)"
}

xl_ready() {
	for module in virtio_pci virtio_net virtio_blk xen-netback xen-blkback bridge; do must modprobe $module; done
	mkdir -p /var/lib/xen /var/log/xen /run/xen
	# What xen-init-dom0 would have told xl.
	must xenstore-write /local/pool/0/name Pool-0
}

# xl_guest NAME ROLE LINE...
xl_guest() {
	name=$1 role=$2
	shift 2
	printf '%s\n' "name='$name'" "memory=256" "vcpus=1" "kernel='/bench/vmlinux'" "ramdisk='${ramdisk:-/bench/initrd}'" "tsc_mode='native'" \
		"extra='console=hvc0 quiet nokaslr norandmaps split=$role'" "$@" > "$name.conf"
	must xl create -q "$name.conf"
}

# xl_interface SWITCH NUMBER
xl_interface() {
	echo "'mac=00:16:3e:00:00:$2,bridge=$1,script=/bench/vif.sh'"
}

xl_net() {
	for bridge in lan wirea wireb; do
		must ip link add $bridge type bridge
		must ip link set $bridge up
	done
	must ip link set eth0 master wirea up
	must ip link set eth1 master wireb up
	must ip addr add 10.0.0.3/24 dev lan
	xl_guest server server "vif=[$(xl_interface lan 01), $(xl_interface wireb 11)]"
	wait_for server "IO serves"
	xl_guest client net "vif=[$(xl_interface lan 02), $(xl_interface wirea 12)]"
}

xl_blk() {
	xl_guest client blk "disk=['format=raw,vdev=xvda,access=rw,script=/bench/block.sh,target=/dev/vda']"
}

tool=xl
[ -e skink ] && tool=skink
case $part in restart*) . ./restart.sh ;; esac
${tool}_ready
xenstore-exists /local/domain/0/name || fail "no xenstored"
case $part in neighbours | outage | copies) . "./$part.sh" ;; esac
${tool}_$part
if [ "$part$tool" = netskink ]; then
	until ip link show eth0 > /dev/null 2>&1; do sleep 0.2; done
	must ip addr add 10.0.0.3/24 dev eth0
	must ip link set eth0 up
fi
netload serve &
wait_for client "IO done"

echo
grep -aohE '(BENCH|SPREAD) .*' $logs/guest-client.log
[ ! -e created ] || cat created
echo "IO done"
sleep infinity
