#!/bin/sh
# SPDX-License-Identifier: MIT
# What the guests do, and the kernel on the bare machine; split= on the kernel's command line says which of them this is.
# Sizes are such that a round takes some tenths of a second.
rounds=3
turns=5

# interface MAC ADDRESS: $interface is up.
interface() {
	until interface=$(grep -l "$1" /sys/class/net/eth*/address 2>/dev/null); do sleep 0.1; done
	interface=${interface#/sys/class/net/}
	interface=${interface%%/*}
	ip addr add "$2/24" dev "$interface"
	ip link set "$interface" up
}

# streams NAME ADDRESS MIB DIRECTION...: by two sizes of packets; then single bytes. The other side follows in the size.
streams() {
	name=$1 address=$2 mib=$3
	shift 3
	for mtu in 1500 500; do
		ip link set "$interface" mtu $mtu
		for direction; do
			netload "$address" "net.$name.$direction.$mtu" "$direction" "$mib" $rounds
		done
	done
	ip link set "$interface" mtu 1500
	netload "$address" "net.$name.round_trip" echo 300 $rounds
}

# disk DEVICE
disk() {
	until [ -b "$1" ]; do sleep 0.1; done
	for depth in 1 32; do
		for what in read write; do
			blkload "$1" "blk.$what.4k.depth_$depth" $what random 4096 $depth 2000 $rounds
		done
	done
	for what in read write; do
		blkload "$1" "blk.$what.4k.aio_32" $what random 4096 32 2000 $rounds aio
		blkload "$1" "blk.$what.128k" $what sequential 131072 1 400 $rounds
	done
}

# compare ADDRESS DISK NAME
compare() {
	netload "$1" "ledger.net.send.$3" send 64 1
	blkload "$2" "ledger.blk.write.depth_1.$3" write random 4096 1 2000 1
	blkload "$2" "ledger.blk.write.aio_32.$3" write random 4096 32 4000 1 aio
}

# The other end of the wire is the second card's, in a network of its own.
bare_wire() {
	unshare -n sh -c 'until ip link show eth1 > /dev/null 2>&1; do sleep 0.1; done
		ip addr add 10.0.1.1/24 dev eth1; ip link set eth1 up; exec netload serve' &
	sleep 1
	ip link set eth1 netns $!
	interface 00:16:3e:00:01:04 10.0.1.2
	streams wire 10.0.1.1 16 send
}

# misbehave KIND DISK: until it is killed, with all that it started.
misbehave() {
	case $1 in
	polite) set -- polite quiet ;;
	disk) set -- blkload "$2" load write random 4096 32 2000 1000000 aio ;;
	*) set -- neighbour "$1" ;;
	esac
	echo "IO begun"
	[ "$1" = neighbour ] || exec > /dev/null
	exec setsid "$@"
}

# Each line of the console says what it does from then on.
neighbour() {
	modprobe xen-evtchn
	interface 00:16:3e:00:00:02 10.0.0.2
	until [ -b /dev/xvda ]; do sleep 0.1; done
	stty -echo
	child=
	echo "IO listens"
	while read -r kind; do
		[ -z "$child" ] || kill -9 -"$child"
		misbehave "$kind" /dev/xvda &
		child=$!
	done
}

# The victim and each neighbour in turn have as much of the CPU: a control group for each of the two.
bare_neighbours() {
	groups=/sys/fs/cgroup
	mount -t cgroup2 none $groups
	echo +cpu > $groups/cgroup.subtree_control
	mkdir $groups/victim $groups/neighbour
	interface 00:16:3e:00:01:04 10.0.0.2
	(echo 0 > $groups/victim/cgroup.procs; exec polite) &
	windows.sh nobody
	for kind in polite disk network memory fork; do
		(echo 0 > $groups/neighbour/cgroup.procs; misbehave $kind /dev/vda) &
		windows.sh $kind
		echo 1 > $groups/neighbour/cgroup.kill
	done
}

# Xen's driver domain: a bridge and a disk in its memory; what xl has attached it connects, as "xl devd" would.
connected() { [ "$(xenstore-read "$1/hotplug-status" 2> /dev/null)" = connected ]; }
hotplug_interface() {
	vif=vif$(basename "$(dirname "$1")").$(basename "$1")
	[ -e "/sys/class/net/$vif" ] && brctl addif lan "$vif" && ip link set "$vif" up && xenstore-write "$1/hotplug-status" connected
}
hotplug_disk() {
	disk=$(xenstore-read "$1/params") && xenstore-write "$1/physical-device" "$(stat -L -c %t:%T "$disk")" \
		"$1/physical-device-path" "$disk" "$1/hotplug-status" connected
}
# attached KIND: the back-ends of that kind in its store
attached() {
	for guest in $(xenstore-list "backend/$1" 2> /dev/null); do
		for number in $(xenstore-list "backend/$1/$guest" 2> /dev/null); do echo "backend/$1/$guest/$number"; done
	done
}
serve_as_driver() {
	for module in xen-netback xen-blkback bridge; do modprobe $module; done
	modprobe brd rd_nr=1 rd_size=65536
	[ -e /dev/xen/xenbus ] || { modprobe xenfs; mount -t xenfs none /proc/xen; }
	brctl addbr lan
	ip link set lan up
	xenstore-read domid && echo "IO serves"
	# Nobody waits long for it while it is new, and later it leaves the machine its CPU.
	passes=0
	while [ $((passes += 1)) -lt 250 ] || sleep 0.5; do
		sleep 0.02
		for path in $(attached vif); do connected "$path" || hotplug_interface "$path"; done
		for path in $(attached vbd); do connected "$path" || hotplug_disk "$path"; done
	done
}

# An interface that comes back is a new one: it is given its address again, as a network manager would. That the old one has gone is told.
keep_interface() {
	while sleep 0.1; do
		ip addr show | grep -q "$2/24" && continue
		echo "IO let go"
		interface "$1" "$2"
	done
}

# Each round of what it does is told.
rounds_told() { "$@" | while read -r _; do echo "IO goes on"; done; }

for word in $(cat /proc/cmdline); do
	case $word in split=*) role=${word#split=} ;; esac
done
case $role in
bare-*) for module in virtio_pci virtio_net virtio_blk; do modprobe $module; done ;;
esac
case $role in
server | server-cards)
	interface 00:16:3e:00:00:01 10.0.0.1
	interface 00:16:3e:00:00:11 10.0.1.1
	[ "$role" = server ] || interface 00:16:3e:00:00:21 10.0.2.1
	echo "IO serves"
	exec netload serve
	;;
net)
	interface 00:16:3e:00:00:02 10.0.0.2
	streams guest 10.0.0.1 64 send
	streams dom0 10.0.0.3 64 send receive
	interface 00:16:3e:00:00:12 10.0.1.2
	streams wire 10.0.1.1 16 send
	;;
blk) disk /dev/xvda ;;
ledger)
	interface 00:16:3e:00:00:02 10.0.0.2
	interface 00:16:3e:00:00:12 10.0.1.2
	until [ -b /dev/xvda ] && [ -b /dev/xvdb ]; do sleep 0.1; done
	for _ in $(seq $turns); do
		compare 10.0.0.1 /dev/xvda with
		compare 10.0.1.1 /dev/xvdb without
	done
	;;
load-net | load-net-stalls)
	interface 00:16:3e:00:00:12 10.0.1.2
	[ "$role" = load-net ] || netload 10.0.1.1 beside stalls 1000000 1 &
	netload 10.0.1.1 load send 16 1000000 > /dev/null &
	echo "IO loaded"
	wait
	;;
load-e1000e)
	interface 00:16:3e:00:00:13 10.0.2.2
	netload 10.0.2.1 load send 16 1000000 > /dev/null &
	echo "IO loaded"
	wait
	;;
load-blk | load-blk-stalls)
	until [ -b /dev/xvda ]; do sleep 0.1; done
	[ "$role" = load-blk ] || blkload /dev/xvda beside write random 4096 1 1000000 1 stalls &
	blkload /dev/xvda load write random 4096 32 2000 1000000 > /dev/null &
	echo "IO loaded"
	wait
	;;
driver) serve_as_driver ;;
outage-server)
	interface 00:16:3e:00:00:01 10.0.0.1
	keep_interface 00:16:3e:00:00:01 10.0.0.1 &
	echo "IO serves"
	exec netload serve
	;;
outage-net)
	interface 00:16:3e:00:00:02 10.0.0.2
	keep_interface 00:16:3e:00:00:02 10.0.0.2 &
	netload 10.0.0.1 beside stalls 1000000 1 &
	rounds_told netload 10.0.0.1 load send 64 1000000 &
	wait
	;;
outage-blk)
	until [ -b /dev/xvda ]; do sleep 0.1; done
	blkload /dev/xvda beside write random 4096 1 1000000 1 stalls &
	rounds_told blkload /dev/xvda load write random 4096 32 5000 1000000 &
	wait
	;;
victim) exec polite ;;
neighbour) neighbour ;;
bare-neighbours) bare_neighbours ;;
bare-net) bare_wire ;;
bare-blk) disk /dev/vda ;;
esac
echo "IO done"
