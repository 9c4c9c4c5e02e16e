# SPDX-License-Identifier: MIT
# Read by dom0.sh: drivers die under load, and how long each takes to come back is printed, from the core's report on. A guest more does not
# come with an attachment more: all but the first are idle ones of the same guest.
kills=10
# Seconds from a driver that is back to its next death.
apart=0
windows=3
upgrades=5
turns=3
# Interfaces of one guest: Linux takes 514 grants for each, and a domain has 64 pages of them.
most=32

# Shown as it comes: all of it takes long.
row() { echo "BENCH $*"; }

# numbers NAME KEY...: the first number of each key in what skink says of it
numbers() {
	skink info "$1" --json | awk -v keys="$*" 'BEGIN { n = split(keys, key, " ") }
		{ name = $1; gsub(/[":]/, "", name); if (!(name in found)) { found[name] = $2; sub(",", "", found[name]) } }
		END { for (i = 2; i <= n; i++) print found[key[i]] }'
}

# back DRIVER RESTARTS: it has answered and has all rings again, and was restarted $came times; $steps: from the report on, and what was copied
back() {
	for _ in $(seq 200); do
		sleep 0.02
		set -- "$1" "$2" $(numbers "$1" restarts found begun fenced copied resumed acknowledged taken answered frames_copied)
		[ "$3" != "$2" ] && [ "${10}" != 0 ] && [ "${11}" != 0 ] && break
	done
	[ "$3" != "$2" ] && [ "${10}" != 0 ] || fail "$1 has not come back: $*"
	[ "${11}" != 0 ] || [ "$4" = 0 ] || fail "$1 has answered nobody: $*"
	came=$3 found=$4
	shift 4
	steps=$*
}

# was_idle STEPS...: nobody waited, and nobody came until all rings were taken over; the first answer is to the guest's next request, whenever that is
was_idle() {
	[ "$found" = 0 ] && { [ "$7" = 0 ] || [ "$7" -gt "$6" ]; }
}

# come_back DRIVER ROW RESTARTS: from the place where it said ready. False: there was nothing to answer
come_back() {
	back "$1" "$3"
	set -- "$2" $steps
	row "$1.back $6 ns"
	if was_idle $steps; then
		row "$1.idle $7 ns"
		return 1
	fi
	row "$1 $8 ns"
	row "$1.wake_up $2 ns"
	row "$1.fence $(($3 - $2)) ns"
	row "$1.copy $(($4 - $3)) ns"
	row "$1.copied $9 frames"
	row "$1.resume $(($5 - $4)) ns"
	row "$1.device $(($6 - $5)) ns"
	row "$1.all_rings $(($7 - $6)) ns"
	row "$1.answer $(($8 - $6)) ns"
}

# dies DRIVER ROW [disarmed]: again when it is back, until so many deaths had something to answer
dies() {
	set -- "$1" "$2" "$3" $(numbers "$1" id restarts)
	busy=0
	for _ in $(seq $((4 * kills))); do
		sleep $apart
		must killer "$4" $3
		come_back "$1" "$2" "$5" && busy=$((busy + 1))
		[ $busy -lt $kills ] || return
		set -- "$1" "$2" "$3" "$4" "$came"
	done
}

# until_seen DRIVER TIME: instructions from then until skinkd saw what it died of, by the same clock
until_seen() {
	awk "BEGIN { printf \"%.0f\", ($(numbers "$1" time) - $2) * 1e9 }"
}

# hangs DRIVER ROW: it comes to a jump to itself, under load, and skinkd resets it when its deadline has passed: that is the report
hangs() {
	set -- "$1" "$2" $(numbers "$1" restarts)
	busy=0
	for seed in $(seq $((4 * kills))); do
		struck=$(skink inject "$1" --class hang --seed "$seed" --json | sed -n 's/^ *"time": \([0-9.]*\),*$/\1/p')
		[ -n "$struck" ] || fail "no fault in $1"
		# Who looks for it keeps Domain-0 busy, and skinkd's looks late: those count for little (HE2 of health.h).
		sleep 0.3
		if come_back "$1" "$2" "$3"; then
			busy=$((busy + 1))
			row_of_hang "$2" "$(numbers "$1" late_us)" $steps
		fi
		row "$2.detection $(until_seen "$1" "$struck") ns"
		[ $busy -lt $kills ] || return
		set -- "$1" "$2" "$came"
	done
}

# row_of_hang ROW LATE_US STEPS...: skinkd had wanted to look so much earlier, when its deadline would have passed
row_of_hang() {
	row "$1.late $(($2 * 1000)) ns"
	row "$1.from_deadline $(($2 * 1000 + $9)) ns"
}

stalls() { grep -ac STALL "$logs/guest-$1.log"; }

# upgraded DRIVER ROLE GUEST: another image takes its place under that guest's load, again and again; each is a file of its own, with the same in it
upgraded() {
	for turn in $(seq $upgrades); do
		before=$(stalls "$3")
		must cp "/usr/lib/skink/$2.elf" "/bench/$2-$turn.elf"
		set -- "$1" "$2" "$3" $(numbers "$1" restarts)
		must skink upgrade "$1" --image "/bench/$2-$turn.elf" > /dev/null
		back "$1" "$4"
		# The driver goes before all others for a second.
		sleep 1
		row_of_upgrade "upgrade.$2.virtio" $steps $(sed -n 's/.*STALL \([0-9]*\).*/\1/p' "$logs/guest-$3.log" | tail -n "+$((before + 1))" | sort -n | tail -n 1)
	done
}

# row_of_upgrade ROW STEPS... LONGEST: what was copied is no step of it
row_of_upgrade() {
	row "$1 $8 ns"
	row "$1.device $6 ns"
	row "$1.all_rings $(($7 - $6)) ns"
	[ -z "${10}" ] || row "$1.longest_request ${10} ns"
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

# The guests' interfaces and the writer's disks are as their manifests have them: attached one by one under load each would take seconds.
# interfaces FIRST LAST: idle ones
interfaces() {
	for i in $(seq "$1" "$2"); do skink_interface wirea "$(printf %02x $((i + 32)))"; done
}

# idler COUNT: a guest with the interfaces that are too many for the client
idler() {
	skink_guest idler idle "$(interfaces $((most + 1)) "$1")"
	connected idler $(($1 - most))
}

disks() {
	for first in "" a b; do
		for last in a b c d e f g h i j k l m n o p q r s t u v w x y z; do echo $first$last; done
	done | head -n "$1" | while read -r letters; do blk_disk "$letters" disk0; done
}

# guests COUNT [-stalls]: the writer and the client, with so many of them each, or an idler besides; both have their load, and the client runs.
# The second word: they tell what took long
guests() {
	rm -f $logs/guest-writer.log $logs/guest-client.log
	skink_guest writer "load-blk$2" "$(disks "$1")"
	wait_for writer "IO loaded"
	connected writer "$1"
	must skink pause writer
	[ "$1" -le $most ] || idler "$1"
	set -- $(($1 < most ? $1 : most)) "$2"
	skink_guest client "load-net$2" "$(skink_interface wirea 12; interfaces 2 "$1")"
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

# hanging ROW: while it is the writer's turn; then it is the client's
hanging() {
	hangs disk0 "restart.blk.virtio$1.hang"
	must skink pause writer
	must skink unpause client
	hangs wirea "restart.net.virtio$1.hang"
}

# alone: one attachment
alone() {
	guests 1
	all ""
	hanging ""
	losses
	must skink pause client
	others
}

# beside COUNT: so many
beside() {
	guests "$1"
	all ".$1"
	hanging ".$1"
	[ "$1" -le $most ] || must skink destroy idler
	must skink destroy client
	must skink destroy writer
}

# upgrading: the client's driver first
upgrading() {
	guests 1 -stalls
	upgraded wirea net client
	must skink pause client
	must skink unpause writer
	upgraded disk0 blk writer
}

# Post-mortems that were written since the last keeping().
written() { ls /var/log/skink/deaths | wc -l; }

# keeping COUNT: skinkd makes post-mortems, and keeps so many of them; 0: it makes none
keeping() {
	echo "post_mortems_kept = $1" > /etc/skink/skinkd.conf
	must sv -w 20 restart skinkd
	skink_ready
	for driver in wirea disk0; do must skink wait $driver --for recovered > /dev/null; done
	sleep 0.5
	rm -f /var/log/skink/deaths/*
}

# told DRIVER ROW: with post-mortems and without, in turn, so that both have the same of what else changes. skinkd writes each 50 ms after
# the death: the next is not to come while Domain-0 is busy with that of the one before.
told() {
	apart=0.3
	for _ in $(seq $turns); do
		keeping 64
		both_ways "$1" "$2.with_post_mortem"
		sleep 0.5
		[ "$(written)" != 0 ] || fail "no death has left a post-mortem"
		keeping 0
		both_ways "$1" "$2.without_post_mortem"
		[ "$(written)" = 0 ] || fail "a post-mortem that nobody wants"
	done
}

telling() {
	guests 1
	must skink pause client
	must skink unpause writer
	told disk0 restart.blk.virtio
	must skink pause writer
	must skink unpause client
	told wirea restart.net.virtio
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
restart-hang)
	guests 1
	must skink pause client
	must skink unpause writer
	hanging ""
	;;
restart-many) for count in 16 64; do beside $count; done ;;
restart-post-mortems) telling ;;
restart-upgrade) upgrading ;;
restart-counts)
	kills=3
	guests 1
	all ""
	must skink pause writer
	others
	;;
esac
echo "IO done"
sleep infinity
