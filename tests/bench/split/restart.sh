# SPDX-License-Identifier: MIT
# Read by dom0.sh: drivers die under load, and how long each takes to come back is printed, from the core's report on. A guest more does not
# come with an attachment more: all but the first are idle ones of the same guest.
kills=10
windows=3

# Shown as it comes: all of it takes long.
row() { echo "BENCH $*"; }

# numbers NAME KEY...: the first number of each key in what skink says of it
numbers() {
	skink info "$1" --json | awk -v keys="$*" 'BEGIN { n = split(keys, key, " ") }
		{ name = $1; gsub(/[":]/, "", name); if (!(name in found)) { found[name] = $2; sub(",", "", found[name]) } }
		END { for (i = 2; i <= n; i++) print found[key[i]] }'
}

# come_back DRIVER ROW RESTARTS: it has answered and has all rings again, and was restarted $came times
come_back() {
	for _ in $(seq 200); do
		sleep 0.02
		set -- "$1" "$2" "$3" $(numbers "$1" restarts fenced copied resumed acknowledged taken answered frames_copied)
		[ "$4" != "$3" ] && [ "$9" != 0 ] && [ "${10}" != 0 ] && break
	done
	[ "$4" != "$3" ] || fail "$1 has not come back: $*"
	came=$4
	row "$2 ${10} instructions"
	row "$2.until_fenced $5 instructions"
	row "$2.copy $(($6 - $5)) instructions"
	row "$2.copied ${11} frames"
	row "$2.resume $(($7 - $6)) instructions"
	row "$2.device $(($8 - $7)) instructions"
	row "$2.all_rings $(($9 - $8)) instructions"
	row "$2.answer $((${10} - $8)) instructions"
}

# dies DRIVER ROW [disarmed]: again when it is back
dies() {
	set -- "$1" "$2" "$3" $(numbers "$1" id restarts)
	for _ in $(seq $kills); do
		must killer "$4" $3
		come_back "$1" "$2" "$5"
		set -- "$1" "$2" "$3" "$4" "$came"
	done
}

# hangs DRIVER ROW: it comes to a jump to itself, under load, and skinkd resets it when its deadline has passed: that is the report
hangs() {
	set -- "$1" "$2" $(numbers "$1" restarts)
	for seed in $(seq $kills); do
		must skink inject "$1" --class hang --seed "$seed" > /dev/null
		come_back "$1" "$2" "$3"
		set -- "$1" "$2" "$came"
	done
}

both_ways() {
	dies "$1" "$2.armed"
	dies "$1" "$2" disarmed
}

connected() {
	until [ "$(skink info "$1" --json | grep -c '"state": "connected"')" = "$2" ]; do sleep 0.2; done
}

# What has passed on the busiest interface.
bytes() { skink info client --json | sed -n 's/^ *"tx_bytes": \([0-9]*\),*$/\1/p' | sort -n | tail -n 1; }

# rate GAP_MS COUNT: $rate is KiB a second of the guest's stream, while its driver dies so often
rate() {
	set -- "$1" "$2" $(numbers wirea id) $(bytes) $(life true)
	must killer "$3" "$1" "$2"
	set -- "$4" "$5" $(bytes) $(life true)
	rate=$((($3 - $1) * 976562 / ($4 - $2)))
}

lost() {
	rate "$2" "$3"
	row "restart.net.virtio.lost.$1 $(awk "BEGIN { printf \"%.2f\", 100 * (1 - $rate / $whole) }") percent"
}

# Each time against what passed just before.
losses() {
	for _ in $(seq $windows); do
		set -- $(bytes) $(life true)
		sleep 1
		set -- "$1" "$2" $(bytes) $(life true)
		whole=$((($3 - $1) * 976562 / ($4 - $2)))
		lost 2s 2000 1
		lost 1s 1000 2
		lost 100ms 100 10
	done
}

# blk_disk LETTER DRIVER
blk_disk() {
	echo "<disk type='block' device='disk'><backenddomain name='$2'/><source><skink:extent whole='yes'/></source><target dev='xvd$1' bus='xen'/><shareable/></disk>"
}

# The client's interfaces and the writer's disks, so many of them, as their manifests have them: attached one by one under load each would
# take seconds.
interfaces() {
	skink_interface wirea 12
	for i in $(seq 2 "$1"); do skink_interface wirea "$(printf %02x $((i + 32)))"; done
}

disks() {
	for first in "" a b; do
		for last in a b c d e f g h i j k l m n o p q r s t u v w x y z; do echo $first$last; done
	done | head -n "$1" | while read -r letters; do blk_disk "$letters" disk0; done
}

# guests COUNT: the writer and the client, with so many of them each; both have their load, and the client runs
guests() {
	rm -f $logs/guest-writer.log $logs/guest-client.log
	skink_guest writer load-blk "$(disks "$1")"
	wait_for writer "IO loaded"
	connected writer "$1"
	must skink pause writer
	skink_guest client load-net "$(interfaces "$1")"
	wait_for client "IO loaded"
	connected client "$1"
	sleep 0.3
}

# others: a card and a disk of another kind, each with a guest of its own
others() {
	skink_guest carder load-e1000e "$(skink_interface wirec 13)"
	wait_for carder "IO loaded"
	sleep 0.3
	both_ways wirec restart.net.e1000e
	must skink destroy carder
	skink_guest storer load-blk "$(blk_disk a disk1)"
	wait_for storer "IO loaded"
	both_ways disk1 restart.blk.nvme
	must skink destroy storer
}

# all ROW: one guest is under load at a time; now it is the client
all() {
	both_ways wirea "restart.net.virtio$1"
	must skink pause client
	must skink unpause writer
	both_ways disk0 "restart.blk.virtio$1"
}

# alone: one attachment
alone() {
	guests 1
	all ""
	hangs disk0 restart.blk.virtio.hang
	must skink pause writer
	must skink unpause client
	hangs wirea restart.net.virtio.hang
	losses
	must skink pause client
	others
}

# beside COUNT: so many
beside() {
	guests "$1"
	all ".$1"
	must skink destroy client
	must skink destroy writer
}

skink_ready
skink_driver wirea net 4
skink_driver wireb net 5
skink_driver disk0 blk 6
skink_driver wirec net 7
skink_driver wired net 8
skink_driver disk1 blk 9
skink_guest server server-cards "$(skink_interface wireb 01)$(skink_interface wireb 11)$(skink_interface wired 21)"
wait_for server "IO serves"
case $part in
restart) alone ;;
restart-many) for count in 16 64; do beside $count; done ;;
restart-counts) kills=3; guests 1; all "" ;;
esac
echo "IO done"
sleep infinity
