#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""
The conformance test: boots a Xen PV kernel as a guest of Skink, against a back-end in Dom0 that walks its front-end
through the rules of docs/protocols.md. TAP on standard output.

  run.py --role net|blk --kernel my.elf [--initrd FILE] [--cmdline TEXT] [--step BLK-17] [--memory MIB]

Exit status: 0 every MUST is kept, 1 one is not, 2 the harness failed and nothing is known.
"""
import argparse
import os
import re
import shutil
import subprocess
import sys
import traceback

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "system"))

from dom0 import IMAGE, Dom0, guest   # noqa: E402
from machine import BUILD             # noqa: E402

PLACE = "var/lib/skink/images"
BACKEND = f"{BUILD}/conformance/backend"
NAME = "front"
# As long as all waits of the script together, on a machine that emulates.
WALK = 1200


def image(files):
    """Dom0's image, and behind it what this run adds."""
    root = f"{BUILD}/conformance/image"
    shutil.rmtree(root, ignore_errors=True)
    os.makedirs(f"{root}/{PLACE}")
    for source, name in files.items():
        shutil.copy(source, f"{root}/{PLACE}/{name}")
    os.chmod(f"{root}/{PLACE}/backend", 0o755)
    whole = f"{BUILD}/conformance/dom0-{os.getpid()}.cpio.zst"
    with open(whole, "wb") as file:
        with open(IMAGE, "rb") as base:
            shutil.copyfileobj(base, file)
        archive = subprocess.run(["dom0/image/pack.sh", root], stdout=subprocess.PIPE, check=True).stdout
        file.write(subprocess.run(["zstd", "-q", "-c"], input=archive, stdout=subprocess.PIPE, check=True).stdout)
    return whole


def manifest(arguments):
    text = guest(NAME, memory_mib=arguments.memory, kernel=f"/{PLACE}/conformance-kernel",
                 initrd=f"/{PLACE}/conformance-initrd")
    if not arguments.initrd:
        text = re.sub(r" *<initrd>.*\n", "", text)
    return text.replace("console=hvc0", arguments.cmdline)


def walk(arguments, whole):
    with Dom0(f"conformance-{arguments.role}", image=whole, limit=WALK + 600, memory=2048) as dom0:
        dom0.log_in()
        dom0.write("front.xml", manifest(arguments))
        dom0.check("skink create front.xml", 120)
        number = dom0.check(f"skink list {NAME} | awk 'NR == 2 {{ print $2 }}'").split()[-1]
        step = arguments.step or ""
        status, said = dom0.run(f"/{PLACE}/backend {arguments.role} {number} {step} > tap 2> error", WALK)
        tap = dom0.run("cat tap", 120)[1]
        said = dom0.run("cat error")[1]
        console = dom0.run(f"tail -n 20 /var/log/skink/consoles/guest-{NAME}.log")[1]
        return status, tap, said, console


def parse():
    parser = argparse.ArgumentParser(prog="make conformance")
    parser.add_argument("--role", choices=["net", "blk"], required=True)
    parser.add_argument("--kernel", required=True)
    parser.add_argument("--initrd")
    parser.add_argument("--cmdline", default="console=hvc0")
    parser.add_argument("--step")
    parser.add_argument("--memory", type=int, default=128)
    arguments = parser.parse_args()
    for file in filter(None, (arguments.kernel, arguments.initrd)):
        if not os.path.exists(file):
            parser.error(f"{file}: no such file")
    return arguments


def main():
    arguments = parse()
    files = {BACKEND: "backend", arguments.kernel: "conformance-kernel"}
    if arguments.initrd:
        files[arguments.initrd] = "conformance-initrd"
    whole = image(files)
    try:
        status, tap, said, console = walk(arguments, whole)
    finally:
        os.unlink(whole)
    print(tap)
    if status not in (0, 1) or not tap.startswith("TAP version"):
        print(f"the harness failed, status {status}: {said}\nthe guest's console ends:\n{console}", file=sys.stderr)
        return 2
    if status:
        print("\n".join(f"# guest: {line}" for line in console.splitlines()))
    return status


try:
    sys.exit(main())
except (AssertionError, OSError, subprocess.SubprocessError):
    traceback.print_exc()
    sys.exit(2)
