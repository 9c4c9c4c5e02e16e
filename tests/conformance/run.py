#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""
The conformance test: boots a Xen PV kernel as a guest of Skink, against a back-end in Dom0 that walks its front-end
through the rules of docs/protocols.md; or a driver domain, against a guest that does the same to its back-end. TAP on standard output.

  run.py --role net|blk --kernel my.elf [--initrd FILE] [--cmdline TEXT] [--step BLK-17] [--memory MIB]
  run.py --side back --role net|blk [--kernel my-driver.elf] [--device virtio|nvme|e1000e] [--step BLK-60]

Exit status: 0 every MUST is kept, 1 one is not, 2 the harness failed, or was asked for what there is not, and nothing is known.
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

import back                              # noqa: E402
from dom0 import UNPACKED, Dom0, guest   # noqa: E402
from machine import BUILD                # noqa: E402
from tap import Result                   # noqa: E402

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


@contextlib.contextmanager
def back_session(name, back_ends, models=(), more=()):
    """The same for back-ends: with a disk and a card, and `more` files."""
    whole = image({file for back_end in back_ends for file in back_end.files()} | set(more))
    try:
        with back.machine(name, whole, dict(models), back.WALK * (1 + len(back_ends))) as dom0:
            yield dom0
    finally:
        os.unlink(whole)


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


def walk_back(dom0, back_end, step=""):
    return back.walk(dom0, back_end, inside, step)


# ------------------------------------------------------------------ what is asked for

class Asked(argparse.ArgumentParser):
    """Names what make knows it by."""

    def error(self, message):
        sys.stderr.write(f"make conformance: {message}\nmake conformance [SIDE=front] ROLE=net|blk KERNEL= [INITRD= CMDLINE= STEP=], or "
                         "SIDE=back ROLE=net|blk [KERNEL= DEVICE= STEP=]; docs/front-ends.md says what each is\n")
        sys.exit(2)


def judged_rules(side, role):
    """Those that a walk has a verdict on."""
    if side == "back":
        with open(f"tests/conformance/back_{role}.c", encoding="utf-8") as script:
            return {back.TOLD} | set(re.findall(r'^\t\t\{ "([A-Z]+-\d+)",', script.read(), re.M))
    with open("tests/conformance/rules.def", encoding="utf-8") as rules:
        return {rule.replace("_", "-") for rule, of in re.findall(r"^RULE\((\w+), \w+, (\w+)", rules.read(), re.M) if of in ("BOTH", role.upper())}


def is_kernel(file):
    """An ELF, or a bzImage."""
    with open(file, "rb") as kernel:
        head = kernel.read(0x206)
    return head.startswith(b"\x7fELF") or head[0x202:] == b"HdrS"


def complaint(asked):
    """What is wrong with what is asked for, and what to write instead; None: nothing."""
    if asked.side not in ("front", "back"):
        return f"SIDE={asked.side}: front or back"
    if asked.role not in ("net", "blk"):
        return f"ROLE={asked.role}: net or blk" if asked.role else "ROLE= is missing: net or blk"
    if asked.side == "front" and not asked.kernel:
        return "KERNEL= is missing: the kernel whose front-end is to be tried"
    for name, file in (("KERNEL", asked.kernel), ("INITRD", asked.initrd)):
        if file and not os.path.isfile(file):
            return f"{name}={file}: no such file"
    if asked.kernel and not is_kernel(asked.kernel):
        return f"KERNEL={asked.kernel}: neither an ELF nor a bzImage"
    if asked.side == "back" and (asked.initrd or asked.cmdline):
        return "INITRD= and CMDLINE= are for front-ends: a driver domain has neither here"
    if asked.device and (asked.side == "front" or asked.device not in back.MODELS[asked.role]):
        return f"DEVICE={asked.device}: with SIDE=back, {' or '.join(back.MODELS[asked.role])} for ROLE={asked.role}"
    if asked.step and asked.step not in judged_rules(asked.side, asked.role):
        return f"STEP={asked.step}: no rule that this walk judges; docs/protocols.md marks them (● for front-ends, ○ for back-ends)"
    return None


def parse():
    parser = Asked(prog="make conformance")
    for name in ("role", "kernel", "initrd", "cmdline", "device", "step"):
        parser.add_argument(f"--{name}", default="")
    parser.add_argument("--side", default="front")
    parser.add_argument("--memory", type=int, default=128)
    asked = parser.parse_args()
    wrong = complaint(asked)
    if wrong:
        parser.error(wrong)
    return asked


# ------------------------------------------------------------------ the two walks

def try_front(asked):
    subject = Subject(asked.role, asked.kernel, asked.initrd, asked.cmdline or "console=hvc0", asked.memory)
    with session(f"conformance-{asked.role}", [subject]) as dom0:
        return walk(dom0, subject, asked.step)


def try_back(asked):
    back_end = back.BackEnd(asked.role, asked.kernel)
    models = {asked.role: asked.device} if asked.device else {}
    with back_session(f"conformance-back-{asked.role}", [back_end], models) as dom0:
        return walk_back(dom0, back_end, asked.step)


def main():
    asked = parse()
    result = try_back(asked) if asked.side == "back" else try_front(asked)
    print(result.tap)
    if result.harness_failed():
        print(f"the harness failed, status {result.status}: {result.error}\nthe consoles end:\n{result.console}", file=sys.stderr)
        return 2
    if result.status:
        print("\n".join(f"# console: {line}" for line in result.console.splitlines()))
    return result.status


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Exception as failure:   # whatever it is, it is no verdict
        if not isinstance(failure, AssertionError):
            traceback.print_exc()
        print(f"the harness failed: {failure}", file=sys.stderr)
        sys.exit(2)
