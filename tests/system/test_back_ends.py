# SPDX-License-Identifier: MIT
"""Back-ends in real driver domains, tried by scripted front-ends (tests/conformance/back_*.c) with what is right and what is wrong."""
import os
import re
import sys

import pytest

from dom0 import Dom0, guest
from machine import BUILD
from test_drivers import disk, driver, hostdev, image_with, interface, make_disk, partition, with_namespace

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "conformance"))
from back_mutants import BACK_MUTANTS, names   # noqa: E402

PLACE = "/usr/lib/skink"
# As long as all its waits together.
WALK = 600


@pytest.fixture(scope="module")
def dom0():
    files = {f"{PLACE[1:]}/back-{role}.elf": f"{BUILD}/conformance/back-{role}.elf" for role in ("blk", "net")}
    files |= {f"{PLACE[1:]}/{name}.elf": f"{BUILD}/conformance/back-mutants/{name}.elf" for name in names()}
    image = image_with("back-ends", files)
    options = ("-drive", f"file={make_disk('back-ends')},format=raw,if=none,id=disk0",
               "-device", "virtio-blk-pci,drive=disk0,addr=4,disable-legacy=on",
               "-netdev", "user,id=net0", "-device", "virtio-net-pci,netdev=net0,addr=5,disable-legacy=on")
    with Dom0("back-ends", smp=os.environ.get("SMP", "1"), memory=2048, limit=1800, image=image, more=options) as machine:
        machine.log_in()
        machine.write("disk0.xml", driver("disk0", "blk", hostdev(4)))
        machine.write("net0.xml", driver("net0", "net", hostdev(5)))
        machine.check("skink create disk0.xml && skink create net0.xml", 60)
        yield machine
        machine.end()


def judged(dom0, role, devices):
    """What the scripted front-end said: the console of its domain, without the times."""
    name = f"judge-{role}"
    manifest = guest(name, memory_mib=32, kernel=f"{PLACE}/back-{role}.elf", initrd="", devices=devices)
    dom0.write("judge.xml", with_namespace(re.sub(r" *<initrd>.*\n", "", manifest)))
    log = f"/var/log/skink/consoles/guest-{name}.log"
    dom0.check(f"rm -f {log}; skink create judge.xml", 60)
    dom0.wait_for_words(log, "conformance: done", WALK)
    said = dom0.check(f"sed 's/^\\[[^]]*\\] //' {log}")
    dom0.check(f"skink destroy {name}")
    return said


def keeps_all(said):
    plan = re.search(r"^1\.\.(\d+)$", said, re.M)
    assert plan and "conformance: done, 0 broken" in said, said
    assert len(re.findall(r"^ok \d+ - ", said, re.M)) == int(plan.group(1)) and "not ok" not in said, said


DEVICES = {"blk": partition("xvda", "data") + partition("xvdb", "small", "<readonly/>"), "net": interface()}


def test_disk(dom0):
    keeps_all(judged(dom0, "blk", DEVICES["blk"]))


def test_interface(dom0):
    keeps_all(judged(dom0, "net", DEVICES["net"]))


# One of each role, and all of them in test-full.
TRIED = range(len(BACK_MUTANTS)) if os.environ.get("SKINK_FULL") else [names().index("BLK-62-blk-9"), names().index("NET-61-net-5")]


@pytest.mark.parametrize("number", TRIED, ids=[names()[number] for number in TRIED])
def test_mutant_is_named(dom0, number):
    rule, role, *_ = BACK_MUTANTS[number]
    name, slot = {"blk": ("disk0", 4), "net": ("net0", 5)}[role]
    dom0.check(f"skink destroy --force {name}", 60)
    dom0.write(f"{name}.xml", driver(name, role, hostdev(slot), kernel=f"{PLACE}/{names()[number]}.elf"))
    dom0.check(f"skink create {name}.xml", 60)
    said = judged(dom0, role, DEVICES[role])
    assert set(re.findall(r"^not ok \d+ - (\S+)", said, re.M)) == {rule}, said
