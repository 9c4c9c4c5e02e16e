#!/bin/sh
# SPDX-License-Identifier: MIT
# windows.sh KIND: what the victim does between the two times of each line is what it gets beside this neighbour.
sleep 0.5
for _ in 1 2 3; do
	set -- "$1" $(life true)
	sleep 1
	set -- "$1" "$3" $(life true)
	echo "WINDOW $1 $2 $3"
done
