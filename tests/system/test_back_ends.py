# SPDX-License-Identifier: MIT
"""Back-ends in real driver domains, tried by scripted front-ends (tests/conformance/back_*.c) with what is right and what is wrong."""
import os
import re
import sys

import pytest

from dom0 import GUEST_LINE, Dom0, guest, wait_until
from machine import BUILD
from test_drivers import attach, devices, driver, facts, hostdev, image_with, interface, make_disk, partition, volume, with_namespace

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
        machine.check("skink volume create disk0 large 8MiB && skink volume create disk0 own 64MiB", 120)
        yield machine
        machine.end()


def begin(dom0, role, devices, words, line=GUEST_LINE, limit=60):
    """A scripted front-end that has come so far: the console of its domain."""
    name = f"judge-{role}"
    manifest = guest(name, memory_mib=32, kernel=f"{PLACE}/back-{role}.elf", initrd="", devices=devices).replace(GUEST_LINE, line)
    dom0.write("judge.xml", with_namespace(re.sub(r" *<initrd>.*\n", "", manifest)))
    log = f"/var/log/skink/consoles/guest-{name}.log"
    dom0.check(f"rm -f {log}; skink create judge.xml", 60)
    dom0.wait_for_words(log, words, limit)
    return log


def judged(dom0, role, devices):
    """What the scripted front-end said, without the times."""
    log = begin(dom0, role, devices, "conformance: done", limit=WALK)
    said = dom0.check(f"sed 's/^\\[[^]]*\\] //' {log}")
    dom0.check(f"skink destroy judge-{role}")
    return said


def keeps_all(said):
    plan = re.search(r"^1\.\.(\d+)$", said, re.M)
    assert plan and "conformance: done, 0 broken" in said, said
    assert len(re.findall(r"^ok \d+ - ", said, re.M)) == int(plan.group(1)) and "not ok" not in said, said


LARGE = volume("xvdc", "large").replace("<target", "<blockio logical_block_size='4096'/><target")
DEVICES = {"blk": partition("xvda", "data") + partition("xvdb", "small", "<readonly/>") + LARGE, "net": interface()}


# ------------------------------------------------------------------ Domain-0 is who else is served

@pytest.fixture(scope="module")
def neighbour(dom0):
    """Its disk and its interface are at the same drivers."""
    dom0.write("own.xml", volume("xvdq", "own"))
    attach(dom0, "own.xml", "xvdq")
    dom0.write("eth.xml", interface(more="<mac address='00:16:3e:00:00:01'/>"))
    dom0.check("skink attach Domain-0 eth.xml && until test -e /sys/class/net/eth0; do sleep 0.1; done", 90)
    dom0.check("ip link set eth0 up && ip addr add 10.0.2.20/24 dev eth0 && head -c 1M /dev/urandom > /tmp/own")
    wait_until(lambda: dom0.ends_with("ping -c 1 -W 2 10.0.2.2 > /dev/null", 20) == 0)
    return dom0


# Without end: "ok" for each that was as it should be, in /tmp/ROLE.
ROUNDS = {
    "blk": "dd if=/tmp/own of=/dev/xvdq bs=64k oflag=direct status=none && dd if=/dev/xvdq bs=64k count=16 iflag=direct status=none | cmp - /tmp/own",
    "net": "ping -c 4 -i 0.2 -W 20 -q 10.0.2.2 | grep -q ' 4 received'",
}
SERVED = {"blk": "disk0", "net": "net0"}
# What is told of the index of one, and of the half packet of the other.
DROPPED = {
    "blk": r"refused +judge-blk: disk xvda at disk0: queue 0: req_prod is \d+ where \d+ is answered and \d+ was seen, and the ring has 32 slots",
    "net": r"refused +judge-net: interface \S+ at net0: queue 0: a packet at 0x[0-9a-f]+ is not whole at req_prod 0x[0-9a-f]+",
}


@pytest.mark.parametrize("role", ("blk", "net"))
def test_front_end_that_lies_is_judged_and_dropped_and_its_neighbour_served(neighbour, role):
    neighbour.check(f"rm -f /tmp/stop; (while [ ! -e /tmp/stop ]; do {ROUNDS[role]} && echo ok || echo bad; done > /tmp/{role} 2>&1) & true")
    keeps_all(judged(neighbour, role, DEVICES[role]))
    # It was dropped a moment ago: one round may have begun before that, and the next has not.
    ended = int(neighbour.check(f"wc -l < /tmp/{role}"))
    wait_until(lambda: int(neighbour.check(f"wc -l < /tmp/{role}")) > ended + 1)
    neighbour.check(f"touch /tmp/stop; wait; ! grep -v ok /tmp/{role}")
    assert re.search(DROPPED[role], neighbour.check("skink events -n 20"))
    assert facts(neighbour, SERVED[role])["driver"]["restart"]["restarts"] == 0


# What is done meanwhile, to the end.
WORK = {
    "blk": "dd if=/tmp/own of=/dev/xvdq bs=16k oflag=direct status=none && dd if=/dev/xvdq bs=16k count=64 iflag=direct status=none | cmp - /tmp/own",
    "net": "ping -c 20 -i 0.2 -W 20 -q 10.0.2.2 | grep ' 20 received'",
}
MAC = "00:16:3e:00:00:0"
STORMS = {"blk": partition("xvda", "data"), "net": interface(more=f"<mac address='{MAC}2'/>")}


@pytest.mark.parametrize("role", ("blk", "net"))
def test_storm_of_events_leaves_its_neighbour_served_and_is_paid_by_who_sends_it(neighbour, role):
    theirs, own = {"blk": ("xvda", "xvdq"), "net": (f"{MAC}2", f"{MAC}1")}[role]
    begin(neighbour, role, STORMS[role], "conformance: storm", "storm")
    before = devices(neighbour, "Domain-0")[own]["counters"]["busy_ns"]
    neighbour.check(WORK[role], 300)
    storm = devices(neighbour, f"judge-{role}")[theirs]["counters"]["busy_ns"]
    assert storm > devices(neighbour, "Domain-0")[own]["counters"]["busy_ns"] - before, "the driver was busy for who asked for little"
    driver_of_it = facts(neighbour, SERVED[role])["driver"]
    assert driver_of_it["state"] == "serving" and driver_of_it["restart"]["restarts"] == 0, driver_of_it
    neighbour.check(f"skink destroy judge-{role}")


# ------------------------------------------------------------------ back-ends with mistakes

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
