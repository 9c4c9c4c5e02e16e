#!/bin/sh
# SPDX-License-Identifier: MIT
# In place of Dom0's login: a guest is made, listed and ended, by skink on Skink and by xl on Xen. /bench/many is how
# many small domains there are for the last rows. What is measured is printed at the end, when nobody else prints.
exec < /dev/hvc0 > /dev/hvc0 2>&1
PATH=/usr/sbin:/usr/bin:/bench
cd /bench
logs=/var/log/skink/consoles
read -r many < many
life --random

fail() { echo "LIFE failed: $*"; sleep infinity; }

# timed ROW COMMAND...: $began and $ended are set.
timed() {
	row=$1
	shift
	set -- "$row" $(life "$@" || echo failed "$@")
	[ "$2" != failed ] && [ $# = 3 ] || fail "$*"
	began=$2 ended=$3
	echo "BENCH $row $((ended - began))" >> results
}

if [ -e skink ]; then
	tool=skink paused=--paused
	until skink version > /dev/null 2>&1; do sleep 0.2; done
	# manifest NAME MEMORY KERNEL INITRD CMDLINE
	manifest() {
		echo "<domain type='skink'><name>$1</name><memory unit='MiB'>$2</memory><vcpu>1</vcpu>
			<os><type>linux</type><kernel>$3</kernel>${4:+<initrd>$4</initrd>}<cmdline>$5</cmdline></os>
			<devices><console type='pty'/></devices></domain>" > "$1.conf"
	}
else
	tool=xl paused=-p
	mkdir -p /var/lib/xen /var/log/xen /run/xen
	# What xen-init-dom0 would have told xl.
	xenstore-write /local/pool/0/name Pool-0
	manifest() {
		printf '%s\n' "name='$1'" "memory=$2" "vcpus=1" "kernel='$3'" "${4:+ramdisk='$4'}" "cmdline='$5'" \
			"tsc_mode='native'" > "$1.conf"
	}
fi
xenstore-exists /local/domain/0/name || fail "no xenstored"

# life_of NAME ROW KERNEL: the times of one guest, from exec of create on.
life_of() {
	manifest "$1" 128 "$3" /bench/initrd "first=0000000000000000 console=hvc0 quiet"
	timed "$2_returns" $tool create "$1.conf"
	start=$began
	until grep -q LIFE $logs/guest-$1.log; do sleep 0.5; done
	set -- "$1" "$2" $(sed -n 's/.*LIFE \([0-9]*\) \([0-9]*\).*/\1 \2/p' $logs/guest-$1.log)
	[ $# = 4 ] || fail "guest: $*"
	echo "BENCH $2_first_instruction $(($3 - start))" >> results
	echo "BENCH $2_init $(($4 - start))" >> results
	# It has come to rest, and a kernel that was new is kept.
	sleep 10
}

[ $tool = xl ] || life_of zeroth create_prepared_kernel /bench/vmlinuz
[ $tool = xl ] || $tool destroy zeroth > /dev/null
life_of first create_new_kernel /bench/unknown
timed destroy_128_mib $tool destroy first
life_of second create_known_kernel /bench/unknown
timed list_1_guest $tool list
for i in $(seq $many); do
	manifest small$i 16 /bench/small.elf "" ""
	timed create_small_$i $tool create $paused small$i.conf
	case $i in 10 | 100) timed list_$((i + 1))_guests $tool list ;; esac
done
timed destroy_with_$((many + 1))_guests $tool destroy second

echo
sed -E '/create_small_[0-9]* /{/create_small_(1|10|100) /!d}' results
echo "LIFE done"
sleep infinity
