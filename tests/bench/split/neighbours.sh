# SPDX-License-Identifier: MIT
# Read by dom0.sh: a victim, which does a fixed mixture of work (polite), beside nobody, beside one like it, and beside a neighbour that
# misbehaves in one way after the other. All have one vcpu of equal weight. Printed are the windows (windows.sh) and the victim's lines: neighbours.py.

skink_neighbours() {
	skink_driver lan net 4
	skink_driver disk0 blk 6
	skink_guest victim victim ""
	skink_guest neighbour neighbour "$(skink_interface lan 02)<disk type='block' device='disk'><backenddomain name='disk0'/><source><skink:extent whole='yes'/></source><target dev='xvda' bus='xen'/></disk>"
}

xl_neighbours() {
	must ip link add lan type bridge
	must ip link set lan up
	must ip link set eth0 master lan up
	xl_guest victim victim
	xl_guest neighbour neighbour "vif=[$(xl_interface lan 02)]" "disk=['format=raw,vdev=xvda,access=rw,script=/bench/block.sh,target=/dev/vda']"
}

begun() { grep -ac "IO begun" $logs/guest-neighbour.log; }

# wait_for_more COUNT: more than so many have begun
wait_for_more() {
	for _ in $(seq 600); do
		[ "$(begun)" -gt "$1" ] && return
		sleep 0.1
	done
	fail "the neighbour has not begun"
}

# What it sends events to is bound when it has said where.
beside() {
	set -- "$1" "$(begun)"
	echo "$1" > "$(xenstore-read "/local/domain/$id/console/tty")"
	wait_for_more "$2"
	if [ "$1" = events ]; then
		wait_for neighbour "PORT "
		neighbour drain "$id" "$(sed -n 's/.*PORT \([0-9]*\).*/\1/p' $logs/guest-neighbour.log)" &
	fi
	windows "$1"
}

# With the last lines of the victim.
windows() {
	windows.sh "$1"
	grep -aohE 'WORK .*' $logs/guest-victim.log | tail -n 60
}

${tool}_neighbours
wait_for victim "WORK "
wait_for neighbour "IO listens"
id=$(id_of neighbour)
windows nobody
for kind in polite disk network store memory fork events; do
	beside $kind
done
echo "IO done"
sleep infinity
