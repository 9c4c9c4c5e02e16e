# SPDX-License-Identifier: MIT
"""
Back-ends in real driver domains: tried by scripted front-ends (tests/conformance/back_*.c) with what is right and what is wrong, and used by the
reference front-ends (protocols/front).
"""
import glob
import os
import re
import subprocess
import sys

import pytest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "conformance"))

from back import BackEnd, NAMES, begin as driver_begin, disk_of, judge, judged   # noqa: E402
from back_mutants import BACK_MUTANTS, SKINKD_MUTANTS, names                   # noqa: E402
from device_manifests import SMALL, VOLUMES, interface, partition, volume, with_namespace   # noqa: E402
from dom0 import GUEST_LINE, guest, wait_until                                 # noqa: E402
from machine import BUILD                                                      # noqa: E402
from mutants import mutated                                                    # noqa: E402
from run import back_session, inside, walk_back                                # noqa: E402
from tap import block_of, lines_of                                             # noqa: E402
from test_drivers import attach, devices, facts                                # noqa: E402

# What Skink comes with, and each mutant of it.
OWN = {role: BackEnd(role) for role in ("blk", "net")}
MUTANTS = [BackEnd(role, f"{BUILD}/conformance/back-mutants/{name}.elf") for name, (_, role, *_) in zip(names(), BACK_MUTANTS)]


SKINKDS = [f"{BUILD}/test/skinkd-{rule}" for rule, *_ in SKINKD_MUTANTS]
FRONTS = {role: f"{BUILD}/conformance/{role}.elf" for role in OWN}
NAME = "back-ends"
LIBRARIES = "xencall xenforeignmemory xenevtchn xengnttab xenstore xml2 uv jansson inih z lzma zstd lz4 xxhash blkid".split()


def make_skinkd(to, file, old, new):
    """skinkd with one file changed."""
    changed = f"{to}.c"
    with open(changed, "w", encoding="utf-8") as out:
        out.write(mutated(file, old, new))
    others = [f"{BUILD}/dom0/objects/{one}.o" for one in glob.glob("dom0/skinkd/*.c") if one != file]
    subprocess.run(["gcc", "-std=gnu11", "-D_GNU_SOURCE", "-D__XEN_TOOLS__", "-O2", "-w", "-pie", "-fPIE", "-Idom0", "-Iprotocols", "-isystem",
                    "/usr/include/libxml2", changed, *others, f"{BUILD}/dom0/libskink.a", "-o", to, *(f"-l{name}" for name in LIBRARIES)], check=True)


@pytest.fixture(scope="module")
def dom0():
    for to, (_, _, *change) in zip(SKINKDS, SKINKD_MUTANTS):
        make_skinkd(to, *change)
    with back_session(NAME, [*OWN.values(), *MUTANTS], more=[*SKINKDS, *FRONTS.values()]) as machine:
        yield machine
        machine.end()


@pytest.mark.parametrize("role", OWN)
def test_back_end_keeps_the_rules(dom0, role):
    result = walk_back(dom0, OWN[role])
    assert not result.harness_failed(), f"{result.error}\n{result.tap}"
    said = result.tap
    plan = re.search(r"^1\.\.(\d+)$", said, re.M)
    assert plan and len(re.findall(r"^ok \d+ - ", said, re.M)) == int(plan.group(1)) and "not ok" not in said and "SKIP" not in said, said
    assert result.status == 0


def test_kernel_that_is_no_driver_is_no_verdict(dom0):
    with pytest.raises(AssertionError, match="conformance/blk.elf does not .* as a driver domain"):
        walk_back(dom0, BackEnd("blk", FRONTS["blk"]))


# One of each role, and all of them in test-full.
TRIED = range(len(BACK_MUTANTS)) if os.environ.get("SKINK_FULL") else [names().index("BLK-62-blk-9"), names().index("NET-61-net-5")]


@pytest.mark.parametrize("number", TRIED, ids=[names()[number] for number in TRIED])
def test_mutant_is_named(dom0, number):
    result = walk_back(dom0, MUTANTS[number])
    broken = {rule: lines for rule, lines in lines_of(result.tap) if lines[0].startswith("not ok")}
    assert result.status == 1 and set(broken) == {BACK_MUTANTS[number][0]}, f"{result.error}\n{result.tap}"
    for lines in broken.values():
        block = block_of(lines)
        assert block["expected"] and block["seen"] and re.search(r"^(ring|tx): \d+ slots; req_prod \d+ .*\n(  (request|response) \d+: .+\n?)+", block["rings"], re.M), lines


def skinkd_becomes(dom0, program):
    dom0.check(f"sv -w 20 down skinkd; cp {program} /usr/sbin/skinkd && sv up skinkd; for i in $(seq 100); do skink version > /dev/null 2>&1 && break; sleep 0.1; done; "
               "skink version", 60)


@pytest.fixture
def skinkd_again(dom0):
    dom0.check("cp /usr/sbin/skinkd /root/skinkd")
    yield
    skinkd_becomes(dom0, "/root/skinkd")


@pytest.mark.parametrize("number", range(len(SKINKD_MUTANTS)), ids=[rule for rule, *_ in SKINKD_MUTANTS])
def test_mutant_of_skinkd_is_named(dom0, skinkd_again, number):
    rule, role, *_ = SKINKD_MUTANTS[number]
    skinkd_becomes(dom0, inside(SKINKDS[number]))
    result = walk_back(dom0, OWN[role])
    assert result.status == 1 and set(re.findall(r"^not ok \d+ - (\S+)", result.tap, re.M)) == {rule}, f"{result.error}\n{result.tap}"


# ------------------------------------------------------------------ the reference front-ends

def begin(dom0, role, device):
    """The driver domain, and a guest whose kernel is the reference front-end and something that uses it."""
    name = f"front-{role}"
    manifest = guest(name, memory_mib=32, kernel=inside(FRONTS[role]), initrd="", devices=device)
    dom0.write("driver.xml", OWN[role].manifest(inside))
    dom0.write("front.xml", with_namespace(re.sub(r" *<initrd>.*\n", "", manifest)))
    dom0.check("skink create driver.xml && skink create front.xml", 120)
    return name


def end(dom0, role, name):
    dom0.check(f"skink destroy {name}; skink destroy --force {NAMES[role]}", 60)


SECTOR = 512
HALF = SMALL[1] // 2
# It begins anew before a piece could reach beyond its half.
COPIED = HALF - 64


def test_reference_disk_copies_through_the_driver(dom0):
    """Its first half onto the second, over and over, also over a restart of the driver: compared on the device's own disk."""
    first, second = SMALL[0] * SECTOR, (SMALL[0] + HALF) * SECTOR
    given = os.urandom(HALF * SECTOR)
    with open(disk_of(NAME), "r+b", buffering=0) as device:
        def stands(at, count):
            device.seek(at)
            return device.read(count * SECTOR)

        def is_copied():
            return stands(second, COPIED) == given[:COPIED * SECTOR]
        device.seek(first)
        device.write(given)
        name = begin(dom0, "blk", partition("xvda", "small"))
        wait_until(is_copied, 180)
        device.seek(second)
        device.write(bytes(HALF * SECTOR))
        assert not is_copied()
        dom0.check("skink restart disk0 --timeout 60", 60)
        wait_until(is_copied, 180)
        end(dom0, "blk", name)
        assert stands(first, HALF) == given and not any(stands(VOLUMES[0] * SECTOR, 2048))


def echoes_in(dom0):
    """Echo requests that Domain-0's kernel has taken, whose sums were right."""
    names, numbers = [line.split() for line in dom0.check("grep ^Icmp: /proc/net/snmp").splitlines()]
    return int(numbers[names.index("InEchos")])


def test_reference_interface_pings_through_the_driver(dom0):
    """It asks Domain-0 and answers it, bytes compared, also over a restart of the driver."""
    name = begin(dom0, "net", interface())
    dom0.write("eth.xml", interface(more="<mac address='00:16:3e:00:00:01'/>"))
    dom0.check("skink attach Domain-0 eth.xml", 90)
    dom0.check("ip link set eth0 up && ip addr add 192.0.2.1/24 dev eth0")
    for restart in (False, True):
        if restart:
            dom0.check("skink restart net0 --timeout 60", 60)
        wait_until(lambda: dom0.ends_with("ping -c 1 -W 2 192.0.2.2 > /dev/null 2>&1", 20) == 0, 60)
        before = echoes_in(dom0)
        said = dom0.check("ping -c 20 -i 0.2 -W 5 -s 1400 -p 5a17c3 192.0.2.2", 60)
        assert re.search(r"20 packets transmitted, 20 received, 0% packet loss", said) and "wrong data" not in said, said
        wait_until(lambda: echoes_in(dom0) >= before + 20, 60)
    dom0.check("skink detach Domain-0 00:16:3e:00:00:01", 60)
    wait_until(lambda: dom0.ends_with("test -e /sys/class/net/eth0") == 1)
    end(dom0, "net", name)


# ------------------------------------------------------------------ Domain-0 is who else is served

MAC = "00:16:3e:00:00:0"
OF_DOMAIN_0 = {"blk": "xvdq", "net": f"{MAC}1"}


@pytest.fixture(params=OWN)
def served(request, dom0):
    """The driver serves Domain-0 with a disk, or an interface."""
    driver_begin(dom0, OWN[request.param], inside)
    if request.param == "blk":
        dom0.check("skink volume create disk0 own 16MiB && head -c 1M /dev/urandom > /tmp/own", 120)
        dom0.write("own.xml", volume("xvdq", "own"))
        attach(dom0, "own.xml", "xvdq")
    else:
        dom0.write("own.xml", interface(more=f"<mac address='{MAC}1'/>"))
        dom0.check("skink attach Domain-0 own.xml && until test -e /sys/class/net/eth0; do sleep 0.1; done", 90)
        dom0.check("ip link set eth0 up && ip addr add 10.0.2.20/24 dev eth0")
        wait_until(lambda: dom0.ends_with("ping -c 1 -W 2 10.0.2.2 > /dev/null", 20) == 0)
    yield request.param
    dom0.check(f"skink detach Domain-0 {OF_DOMAIN_0[request.param]}", 60)
    if request.param == "blk":
        wait_until(lambda: dom0.ends_with("skink volume delete disk0 own", 60) == 0)
    dom0.check(f"skink destroy --force {NAMES[request.param]}", 60)


# Without end: "ok" for each that was as it should be, in /tmp/rounds. A network may lose a packet, and is there if others come back.
ROUNDS = {
    "blk": "dd if=/tmp/own of=/dev/xvdq bs=64k oflag=direct status=none && dd if=/dev/xvdq bs=64k count=16 iflag=direct status=none | cmp - /tmp/own",
    "net": "ping -c 4 -i 0.2 -W 20 -q 10.0.2.2 | grep -q ' [1-4] received'",
}
# What is told of the index of one, and of the half packet of the other.
DROPPED = {
    "blk": r"refused +judge-blk: disk xvda at disk0: queue 0: req_prod is \d+ where \d+ is answered and \d+ was seen, and the ring has 32 slots",
    "net": r"refused +judge-net: interface \S+ at net0: queue 0: a packet at 0x[0-9a-f]+ is not whole at req_prod 0x[0-9a-f]+",
}
# What is done in a storm, to the end.
WORK = {
    "blk": "dd if=/tmp/own of=/dev/xvdq bs=16k oflag=direct status=none && dd if=/dev/xvdq bs=16k count=64 iflag=direct status=none | cmp - /tmp/own",
    "net": "ping -c 20 -i 0.2 -W 20 -q 10.0.2.2 | grep -E ' (1[5-9]|20) received'",
}
STORMS = {"blk": partition("xvda", "data"), "net": interface(more=f"<mac address='{MAC}2'/>")}


def serves_since_the_beginning(dom0, role):
    said = facts(dom0, NAMES[role])["driver"]
    return said["state"] == "serving" and said["restart"]["restarts"] == 0


def lies_to_the_end(dom0, role):
    dom0.check(f"rm -f /tmp/stop; (while [ ! -e /tmp/stop ]; do {ROUNDS[role]} && echo ok || echo bad; done > /tmp/rounds 2>&1) & true")
    assert "conformance: done, 0 broken" in judged(dom0, OWN[role], inside)
    # It was dropped a moment ago: one round may have begun before that, and the next has not.
    ended = int(dom0.check("wc -l < /tmp/rounds"))
    wait_until(lambda: int(dom0.check("wc -l < /tmp/rounds")) > ended + 1)
    dom0.check("touch /tmp/stop; wait; ! grep -v ok /tmp/rounds", 60)
    assert re.search(DROPPED[role], dom0.check("skink events -n 20"))


def only_sends_events(dom0, role):
    theirs, own = {"blk": "xvda", "net": f"{MAC}2"}[role], OF_DOMAIN_0[role]
    log = f"/var/log/skink/consoles/guest-storm-{role}.log"
    manifest = guest(f"storm-{role}", memory_mib=32, kernel=inside(judge(role)), initrd="", devices=STORMS[role]).replace(GUEST_LINE, "storm")
    dom0.write("storm.xml", with_namespace(re.sub(r" *<initrd>.*\n", "", manifest)))
    dom0.check("skink create storm.xml", 60)
    dom0.wait_for_words(log, "conformance: storm", 60)
    before = devices(dom0, "Domain-0")[own]["counters"]["busy_ns"]
    dom0.check(WORK[role], 300)
    storm = devices(dom0, f"storm-{role}")[theirs]["counters"]["busy_ns"]
    assert storm > devices(dom0, "Domain-0")[own]["counters"]["busy_ns"] - before, "the driver was busy for who asked for little"
    dom0.check(f"skink destroy storm-{role}")


def test_neighbour_of_a_front_end_that_misbehaves_is_served(dom0, served):
    for misbehaves in (lies_to_the_end, only_sends_events):
        misbehaves(dom0, served)
        assert serves_since_the_beginning(dom0, served)
