#!/bin/sh
# SPDX-License-Identifier: MIT
# Read by dom0.sh: the same work in as many guests at once as the file copies says, one number after the other (guest-copies.sh: what they do).
# The guests of one round are there in the next, and those of a later round are not made yet. Printed are their lines: copies.py.

create_copy() {
	if [ $tool = skink ]; then skink_guest "copy$1" copies ""; else xl_guest "copy$1" copies; fi
	wait_for "copy$1" "IO listens"
	xenstore-read "/local/domain/$(id_of "copy$1")/console/tty" >> ttys
}

# Who waits for them looks now and then: they have the CPU.
together() {
	sleep 1
	for tty in $(cat ttys); do echo "$1" > "$tty"; done
	for number in $(seq "$1"); do wait_for "copy$number" "COPY $1 " 2; done
	grep -aohE "COPY $1 .*" $logs/guest-copy*.log
}

made=0
for count in $(cat copies); do
	while [ $made -lt "$count" ]; do create_copy $((made += 1)); done
	together "$count"
done
echo "IO done"
sleep infinity
