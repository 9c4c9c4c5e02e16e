# SPDX-License-Identifier: MIT
"""
poisoned.py ROLE: a source of that driver as it would be with a mistake in it: a write to one sector, or a packet of one length, is the end of it. A
front-end that knows of it can end every successor; this is how that is tried in a whole machine.

The text behind which the mistake is put is looked for and must be there once, so that what is built never turns into the driver itself.
"""
import sys

SECTOR = 4712
LENGTH = 1235       # of a frame, without its FCS: odd, so that no segment of a stream that is written in whole KiB has it by chance
# Of each role: the source, and behind which line of it stands what.
MISTAKES = {
    "blk": ("driver-domain/blk/request.c", "	status = judge(disk, &request);\n",
            f"	if (request.op == BLK_WRITE && request.sector == {SECTOR})\n		__builtin_trap();\n"),
    "net": ("driver-domain/net/transmit.c", "		doing(packet);\n", f"		if (packet->length == {LENGTH})\n			__builtin_trap();\n"),
}


def main():
    source, behind, mistake = MISTAKES[sys.argv[1]]
    with open(source, encoding="utf-8") as file:
        text = file.read()
    if text.count(behind) != 1:
        sys.exit(f"{source}: what the mistake is put behind is there {text.count(behind)} times: bring tests/system/poisoned.py up to date")
    print(text.replace(behind, behind + mistake), end="")


if __name__ == "__main__":
    main()
