# SPDX-License-Identifier: MIT
# Read by dom0.sh: a network and a disk driver domain end under load, once, and how long their guests got no answer is printed, as they saw
# it themselves. On Skink they die and skinkd resets them. On Xen they are destroyed and created again, and their front-ends are detached and
# attached, as an administrator would have to.
patience=60	# so many seconds without an answer are for ever

row() { echo "BENCH $*"; }
lines() { grep -ac "$2" "$logs/guest-$1.log"; }

# longest GUEST LINES: of its requests that took more than a millisecond, but for the first so many
longest() { sed -n 's/.*STALL \([0-9]*\).*/\1/p' "$logs/guest-$1.log" | tail -n "+$(($2 + 1))" | sort -n | tail -n 1; }

# goes_on GUEST ROUNDS: its load has done some rounds more
goes_on() {
	for _ in $(seq $((patience * 5))); do
		[ "$(lines "$1" "IO goes on")" -lt $(($2 + 4)) ] || return 0
		sleep 0.2
	done
	return 1
}

# told GUEST ROW STALLS ROUNDS: what it has seen since it had said so much. No row of the outage: none took a millisecond, or it is still out.
told() {
	if goes_on "$1" "$4"; then
		row "$2.recovered 1 times"
		took=$(longest "$1" "$3")
		[ -z "$took" ] || row "$2 $took ns"
	else
		row "$2.recovered 0 times"
	fi
}

# Both have their load, and what takes long with nobody dying is known.
both_loaded() {
	wait_for client "IO goes on"
	wait_for writer "IO goes on"
	set -- "$(lines client STALL)" "$(lines writer STALL)"
	sleep 3
	for pair in "client $1 net" "writer $2 blk"; do
		set -- $pair
		took=$(longest "$1" "$2")
		[ -z "$took" ] || row "outage.$3.before $took ns"
	done
}

# ---- Skink ----

# dies DRIVER GUEST ROW
dies() {
	set -- "$(skink info "$1" --json | sed -n 's/^ *"id": \([0-9]*\),*$/\1/p' | head -n 1)" "$2" "$3" "$(lines "$2" STALL)" "$(lines "$2" "IO goes on")"
	must killer "$1" disarmed
	told "$2" "$3" "$4" "$5"
}

skink_outage() {
	skink_driver lan net
	skink_driver disk0 blk 6
	skink_guest server outage-server "$(skink_interface lan 01)"
	wait_for server "IO serves"
	skink_guest client outage-net "$(skink_interface lan 02)"
	skink_guest writer outage-blk "<disk type='block' device='disk'><backenddomain name='disk0'/><source><skink:extent whole='yes'/></source><target dev='xvda' bus='xen'/></disk>"
	both_loaded
	dies lan client outage.net
	must skink pause client
	dies disk0 writer outage.blk
}

# ---- Xen ----

disk_of_writer="format=raw,vdev=xvda,access=rw,backend=driver,backendtype=phy,target=/dev/ram0"

# xl_interface_of NUMBER
xl_interface_of() { echo "mac=00:16:3e:00:00:$1 backend=driver"; }

# What was detached its guest lets go some time later; what is attached before that never connects. Of that nothing is in the store, from
# which xl itself takes what it detaches: the guests say it.
interfaces_again() {
	must xl network-detach client 0
	must xl network-detach server 0
	wait_for client "IO let go" 0.05
	wait_for server "IO let go" 0.05
	must xl network-attach client $(xl_interface_of 02)
	must xl network-attach server $(xl_interface_of 01)
}
disk_again() {
	timeout $patience xl block-detach writer xvda
	timeout $patience xl block-attach writer "$disk_of_writer"
}

xl_outage() {
	ramdisk=/bench/driver-initrd
	xl_guest driver driver "driver_domain=1"
	ramdisk=
	wait_for driver "IO serves"
	xl_guest server outage-server "vif=['$(xl_interface_of 01 | tr ' ' ,)']"
	wait_for server "IO serves"
	xl_guest client outage-net "vif=['$(xl_interface_of 02 | tr ' ' ,)']"
	xl_guest writer outage-blk "disk=['$disk_of_writer']"
	both_loaded
	set -- "$(lines client STALL)" "$(lines writer STALL)"
	must xl destroy driver
	set -- "$1" "$2" "$(lines client "IO goes on")" "$(lines writer "IO goes on")"
	: > $logs/guest-driver.log
	must xl create -q driver.conf
	wait_for driver "IO serves" 0.05
	interfaces_again
	told client outage.net "$1" "$3"
	# They would go on polling while the disk is waited for.
	must xl pause client
	must xl pause server
	disk_again
	told writer outage.blk "$2" "$4"
}

${tool}_outage
echo "IO done"
sleep infinity
