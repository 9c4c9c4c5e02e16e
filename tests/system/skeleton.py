# SPDX-License-Identifier: MIT
"""
The code of docs/driver-domains.md, as a driver domain: its skeleton word by word, and what it says of the device inside a function.

  skeleton.py FOLDER      writes FOLDER/skeleton.c and FOLDER/device.c
"""
import re
import sys

DEVICE = """#include "device/blk.h"
#include "device/drivers.h"
#include "runtime/console.h"
#include "runtime/driver_domain.h"

static void __attribute__((noreturn)) failed(struct blk_device *which, const char *why)
{
	panic("%s: %s", which->driver->name, why);
}

void device_begin(void);

void device_begin(void)
{
"""


def main(folder):
    with open("docs/driver-domains.md", encoding="utf-8") as page:
        skeleton, device = re.findall(r"^```c\n(.*?)^```$", page.read(), re.M | re.S)
    for name, text in (("skeleton", skeleton), ("device", DEVICE + device + "}\n")):
        with open(f"{folder}/{name}.c", "w", encoding="utf-8") as out:
            out.write(text)


if __name__ == "__main__":
    main(sys.argv[1])
