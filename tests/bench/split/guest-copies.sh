#!/bin/sh
# SPDX-License-Identifier: MIT
# A copy of the work, in a guest that is told by a line of its console that so many do it, or as many of them at once under the bare kernel:
# split= on the kernel's command line says which of them this is. "COPY count begin end": the time stamp counter of the machine.
export PATH=/usr/bin:/bin

# copy COUNT FOLDER
copy() {
	cd "$2" && rm -f huffman.o
	times=$(life make -s huffman.o CC=gcc CFLAGS=-O1) && [ -s huffman.o ] || times=failed
	echo "COPY $1 $times"
}

bare() {
	for count in $(cat /bench/copies); do
		for number in $(seq "$count"); do
			[ -d /src/$number ] || cp -r /src/bzip2 /src/$number
		done
		for number in $(seq "$count"); do copy "$count" /src/$number >> /tmp/copies.$count & done
		wait
		cat /tmp/copies.$count
	done
	echo "IO done"
}

case $(cat /proc/cmdline) in *split=bare-copies*) bare; exit ;; esac
stty -echo
echo "IO listens"
while read -r count; do copy "$count" /src/bzip2; done
