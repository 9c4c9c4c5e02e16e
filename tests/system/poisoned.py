# SPDX-License-Identifier: MIT
"""
poisoned.py: driver-domain/blk/request.c as it would be with a mistake in it: a write to one sector is the end of it. A front-end that
knows of such a sector can end every successor; this is how that is tried in a whole machine.

The text behind which the mistake is put is looked for and must be there once, so that what is built never turns into the driver itself.
"""
import sys

SOURCE = "driver-domain/blk/request.c"
SECTOR = 4712
BEHIND = "	status = judge(disk, &request);\n"
MISTAKE = f"	if (request.op == BLK_WRITE && request.sector == {SECTOR})\n		__builtin_trap();\n"


def main():
    with open(SOURCE, encoding="utf-8") as file:
        text = file.read()
    if text.count(BEHIND) != 1:
        sys.exit(f"{SOURCE}: what the mistake is put behind is there {text.count(BEHIND)} times: bring tests/system/poisoned.py up to date")
    print(text.replace(BEHIND, BEHIND + MISTAKE), end="")


if __name__ == "__main__":
    main()
