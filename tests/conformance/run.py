#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""
The conformance test: boots a Xen PV kernel as a guest of Skink, against a back-end in Dom0 that walks its front-end
through the rules of docs/protocols.md. TAP on standard output.

  run.py --role net|blk --kernel my.elf [--initrd FILE] [--cmdline TEXT] [--step BLK-17] [--memory MIB]

Exit status: 0 every MUST is kept, 1 one is not, 2 the harness failed and nothing is known.
"""
import argparse
import contextlib
import os
import re
import shutil
import subprocess
import sys
import traceback

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "system"))

from dom0 import UNPACKED, Dom0, guest   # noqa: E402
from machine import BUILD             # noqa: E402

PLACE = "var/lib/skink/images"
BACKEND = f"{BUILD}/conformance/backend"
# As long as all waits of the script together, on a machine that emulates.
WALK = 1200


class Subject:
    """A kernel to be tried, and what it is started with."""

    def __init__(self, role, kernel, initrd=None, cmdline="console=hvc0", memory=128):
        self.role, self.kernel, self.initrd, self.cmdline, self.memory = role, kernel, initrd, cmdline, memory

    def files(self):
        return [file for file in (self.kernel, self.initrd) if file]

    def manifest(self, name):
        text = guest(name, memory_mib=self.memory, kernel=inside(self.kernel), initrd=inside(self.initrd or ""))
        if not self.initrd:
            text = re.sub(r" *<initrd>.*\n", "", text)
        return text.replace("console=hvc0", self.cmdline)


def inside(file):
    """Where a file of this machine is in Dom0."""
    return f"/{PLACE}/conformance-" + re.sub(r"[^\w.-]", "-", file.strip("./"))


def image(files):
    """Dom0's image, and behind it what this run adds."""
    root = f"{BUILD}/conformance/image-{os.getpid()}"
    os.makedirs(f"{root}/{PLACE}")
    shutil.copy(BACKEND, f"{root}/{PLACE}/conformance-backend")
    os.chmod(f"{root}/{PLACE}/conformance-backend", 0o755)
    for file in files:
        shutil.copy(file, root + inside(file))
    whole = f"{root}.cpio.zst"
    with open(whole, "wb") as file:
        with open(UNPACKED, "rb") as base:
            shutil.copyfileobj(base, file)
        archive = subprocess.run(["dom0/image/pack.sh", root], stdout=subprocess.PIPE, check=True).stdout
        file.write(subprocess.run(["zstd", "-q", "-c"], input=archive, stdout=subprocess.PIPE, check=True).stdout)
    shutil.rmtree(root)
    return whole


@contextlib.contextmanager
def session(name, subjects):
    """A Dom0 that has the subjects' files, with somebody logged in."""
    whole = image({file for subject in subjects for file in subject.files()})
    try:
        with Dom0(name, image=whole, limit=WALK * (1 + len(subjects)), memory=2048) as dom0:
            yield dom0.log_in()
    finally:
        os.unlink(whole)


class Result:
    """Exit status of the script, its TAP, what it said of itself, and the end of the guest's console."""

    def __init__(self, status, tap, error, console):
        self.status, self.tap, self.error, self.console = status, tap, error, console

    def harness_failed(self):
        return self.status not in (0, 1) or not self.tap.startswith("TAP version")


def walk(dom0, subject, step="", name="front"):
    """In a domain of that name, whose console's log is its own."""
    dom0.write("front.xml", subject.manifest(name))
    dom0.check("skink create front.xml", 120)
    number = dom0.check(f"skink list {name} | awk 'NR == 2 {{ print $2 }}'").split()[-1]
    status, _ = dom0.run(f"/{PLACE}/conformance-backend {subject.role} {number} {step} > tap 2> error", WALK)
    result = Result(status, dom0.run("cat tap", 120)[1], dom0.run("cat error")[1],
                    dom0.run(f"tail -n 20 /var/log/skink/consoles/guest-{name}.log")[1])
    dom0.check(f"skink destroy {name}", 60)
    return result


def parse():
    parser = argparse.ArgumentParser(prog="make conformance")
    parser.add_argument("--role", choices=["net", "blk"], required=True)
    parser.add_argument("--kernel", required=True)
    parser.add_argument("--initrd")
    parser.add_argument("--cmdline", default="console=hvc0")
    parser.add_argument("--step", default="")
    parser.add_argument("--memory", type=int, default=128)
    arguments = parser.parse_args()
    for file in filter(None, (arguments.kernel, arguments.initrd)):
        if not os.path.exists(file):
            parser.error(f"{file}: no such file")
    with open("tests/conformance/rules.def", encoding="utf-8") as rules:
        if arguments.step and f"RULE({arguments.step.replace('-', '_')}," not in rules.read():
            parser.error(f"{arguments.step}: no rule that is judged; docs/protocols.md marks those that are")
    return arguments


def main():
    arguments = parse()
    subject = Subject(arguments.role, arguments.kernel, arguments.initrd, arguments.cmdline, arguments.memory)
    with session(f"conformance-{arguments.role}", [subject]) as dom0:
        result = walk(dom0, subject, arguments.step)
    print(result.tap)
    if result.harness_failed():
        print(f"the harness failed, status {result.status}: {result.error}\nthe guest's console ends:\n{result.console}",
              file=sys.stderr)
        return 2
    if result.status:
        print("\n".join(f"# guest: {line}" for line in result.console.splitlines()))
    return result.status


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (AssertionError, OSError, subprocess.SubprocessError):
        traceback.print_exc()
        sys.exit(2)
