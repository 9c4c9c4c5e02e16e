#!/bin/bash
# SPDX-License-Identifier: MIT
# play.sh LOG COMMAND...: COMMAND boots a machine, on a console that nobody sits at, and the tour is played; LOG is what it says. A machine that is left at its
# shell then (the ISO's, which is the same for everybody) is switched off from there. Exit code: the tour's; 1: it did not come to its end.
set -u
log=$1
shift

# The shell may not be there yet. Nobody reads any more: this ends by itself, and until then holds nothing that somebody waits for.
switch_off() {
	until grep -q '^tour: exit code' "$log"; do
		sleep 1
		kill -0 $$ 2> /dev/null || exit
	done
	while sleep 3; do echo poweroff 2> /dev/null || exit; done
}

: > "$log"
"$@" < <(exec 2> /dev/null; switch_off) 2>&1 | tee "$log"
exit "$(sed -n 's/^tour: exit code \([0-9]*\).*/\1/p' "$log" | grep . || echo 1)"
