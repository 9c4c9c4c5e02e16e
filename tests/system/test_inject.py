# SPDX-License-Identifier: MIT
"""Faults, injected into driver domains that allow it: those that stop one, some values, whoever may not be injected into, and an injector that is ended."""
import hashlib
import json
import os
import re

import pytest

from dom0 import Dom0, guest, image_with, wait_until
from machine import BUILD

STANDS = "/usr/lib/skink/stands.elf"
NAMESPACE = "xmlns:skink='urn:skink:manifest:1'"
# Two who test at once take different names.
AS = os.environ.get("INJECT_AS", "inject")
DISK_MIB = 64
ALLOWED = "<skink:inject allow='yes'/><skink:health device='4s'/><skink:restart limit='1000' within='60s' backoff='1ms' backoff-limit='1ms'/>"
DISK = (f"<disk type='block' device='disk'><backenddomain name='disk0'/><source><skink:extent {NAMESPACE} whole='yes'/></source>"
        "<target dev='xvda' bus='xen'/></disk>\n")
# What keeps a driver at work while a fault looks for its place.
LOAD = {"disk0": "for i in 1 2; do (while :; do dd if=/dev/xvda of=/dev/null bs=512k count=4 iflag=direct 2> /dev/null; sleep 0.01; done) & done\nwait\n",
        "net0": "while :; do ping -i 0.005 -c 100 -W 1 -q 10.0.2.2 > /dev/null 2>&1; done\n", "nvme0": "true\n"}
INTERFACE = "<interface type='bridge'><source bridge='net0'/></interface>\n"


def driver(name, role, slot, more, image=""):
    return f"""<domain type='skink' {NAMESPACE}>
  <name>{name}</name>
  <memory unit='MiB'>16</memory>
  {image}
  <skink:driver role='{role}'>{more}</skink:driver>
  <devices><hostdev mode='subsystem' type='pci'><source><address domain='0x0000' bus='0x00' slot='0x{slot:02x}' function='0x0'/></source></hostdev></devices>
</domain>
"""


@pytest.fixture(scope="module")
def dom0():
    """Two drivers that serve Dom0 itself."""
    path = f"{BUILD}/test/{AS}.disk"
    os.makedirs(f"{BUILD}/test", exist_ok=True)
    with open(path, "wb") as disk:
        disk.truncate(DISK_MIB << 20)
    options = ("-machine", "q35", "-device", "intel-iommu,intremap=on",
               "-drive", f"file={path},format=raw,if=none,id=disk0",
               "-device", "virtio-blk-pci,drive=disk0,addr=4,disable-legacy=on,iommu_platform=on",
               "-drive", f"file={path},format=raw,if=none,id=other,readonly=on,file.locking=off", "-device", "nvme,serial=1,drive=other,addr=6",
               "-netdev", "user,id=net0", "-device", "virtio-net-pci,netdev=net0,addr=5,disable-legacy=on,iommu_platform=on")
    image = image_with(AS, {STANDS[1:]: f"{BUILD}/conformance/back-mutants/stands-blk-0.elf"})
    with Dom0(AS, image=image, smp=os.environ.get("SMP", "1"), memory=3072, limit=1800, more=options) as machine:
        machine.log_in()
        machine.write("disk0.xml", driver("disk0", "blk", 4, ALLOWED))
        machine.write("net0.xml", driver("net0", "net", 5, ALLOWED))
        machine.write("disk.xml", DISK)
        machine.write("eth.xml", INTERFACE)
        machine.check("skink create disk0.xml && skink create net0.xml", 60)
        machine.check("skink attach Domain-0 disk.xml && skink attach Domain-0 eth.xml", 90)
        wait_until(lambda: machine.ends_with("test -b /dev/xvda") == 0)
        machine.check("ip link set eth0 up && ip addr add 10.0.2.15/24 dev eth0")
        card_is_heard(machine)
        for name, line in LOAD.items():
            machine.write(f"load-{name}", line)
        yield machine
        # Also where its own front-ends have been lost.
        machine.send("poweroff")
        machine.wait_for_end(300)


def facts(dom0, name):
    return json.loads(dom0.check(f"skink info {name} --json"))


def inject(dom0, name, fault, seed=0):
    """What is told of one that was injected."""
    status, output = dom0.run(f"bash load-{name} & load=$!; skink inject {name} --class {fault} --seed {seed} --json; code=$?; "
                              "kill -- -$load; (exit $code)", 90)
    found = re.search(r"^\{.*^\}", output, re.M | re.S)
    assert found, output
    told = json.loads(found.group())["faults"][0]
    assert (told["outcome"] == "injected") == (status == 0), output
    assert told["class"] == fault and told["seed"] == seed
    return told


def generation(dom0, name):
    return facts(dom0, name)["driver"]["generation"]


def deaths(dom0, name):
    """By cause; not those by hand."""
    return {cause: count for cause, count in facts(dom0, name)["driver"]["restart"]["causes"].items() if cause != "by-hand" and count}


def is_found(dom0, name, before, causes):
    """Not because somebody restarts it by hand: it has died, of nothing else than what this class is to be seen by (docs/faults.md)."""
    wait_until(lambda: deaths(dom0, name) != before)
    seen = {cause: count - before.get(cause, 0) for cause, count in deaths(dom0, name).items() if count != before.get(cause, 0)}
    assert set(seen) <= causes, dom0.run(f"skink why {name}")


def serves(dom0, name):
    """Whatever it is in, its successor is back, and what is served by it goes on."""
    dom0.check(f"skink restart {name} --timeout 60", 60)
    wait_until(lambda: facts(dom0, name)["driver"]["state"] == "serving")


def disk_is_read(dom0):
    dom0.check("dd if=/dev/xvda of=/dev/null bs=4k count=16 iflag=direct", 60)


def card_is_heard(dom0):
    dom0.check("for i in $(seq 20); do ping -c 1 -W 2 10.0.2.2 > /dev/null && break; done; ping -c 3 -W 5 10.0.2.2", 90)


USED = {"disk0": disk_is_read, "net0": card_is_heard}
CRASHES = ["crash", "null", "assertion"]
# And what each may be seen by.
ENDLESS = {"hang": {"hang"}, "hang-masked": {"hang"}, **{hog: {"abuse", "hang"} for hog in ("hog-hypercalls", "hog-events", "hog-log")}}
IS_FULL = os.environ.get("SKINK_FULL") == "1"


def each(faults):
    """Each fault in one of the drivers, in turn; make test-full has each in both."""
    names = ["disk0", "net0"]
    return pytest.mark.parametrize("fault,name", [(fault, name) for i, fault in enumerate(faults) for j, name in enumerate(names) if IS_FULL or i % 2 == j])


# ------------------------------------------------------------------ who is not injected into

def test_only_driver_domains_are_injected_into(dom0):
    dom0.write("web.xml", guest("web"))
    dom0.check("skink create web.xml --paused", 90)
    for target, code, words in (("Domain-0", 4, "control domain"), ("nobody", 3, "no domain"), ("web", 4, "no driver domain")):
        status, output = dom0.run(f"skink inject {target} --class crash")
        assert status == code and words in output, output
    dom0.check("skink destroy web")


def test_one_whose_manifest_does_not_allow_it_is_left_alone(dom0):
    """A switch without a card."""
    dom0.write("strict.xml", re.sub("<hostdev.*</hostdev>", "", driver("strict", "net", 9, "")))
    dom0.check("skink create strict.xml", 60)
    status, output = dom0.run("skink inject strict --class crash")
    assert status == 4 and "<skink:inject allow='yes'/>" in output, output
    dom0.check("skink destroy strict")


def test_what_makes_no_sense_is_refused(dom0):
    before = generation(dom0, "disk0")
    status, output = dom0.run("skink inject disk0 --class nothing")
    assert status == 2 and "--list-classes" in output
    for bad in ("--count 0", "--count x", "--rate 0", "--rate nan", "--seed -1"):
        status, output = dom0.run(f"skink inject disk0 --class crash {bad}")
        assert status == 2 and bad.split()[0] in output, output
    assert dom0.ends_with("skink inject disk0") == 2
    assert generation(dom0, "disk0") == before


def test_the_classes_are_listed(dom0):
    listed = json.loads(dom0.check("skink inject --list-classes --json"))
    assert len(listed) >= 16 and {one["group"] for one in listed} == {"stop", "value", "refused"}


# ------------------------------------------------------------------ fail-stop

@each(CRASHES)
def test_one_that_crashes_is_back_by_itself(dom0, name, fault):
    before = generation(dom0, name)
    told = inject(dom0, name, fault)
    assert told["outcome"] == "injected" and told["activated"] is True
    wait_until(lambda: generation(dom0, name) > before)
    USED[name](dom0)


@each(list(ENDLESS))
def test_one_that_never_comes_back_is_reset(dom0, name, fault):
    before = deaths(dom0, name)
    told = inject(dom0, name, fault)
    assert told["outcome"] == "injected" and told["activated"] is True
    is_found(dom0, name, before, ENDLESS[fault])
    serves(dom0, name)
    USED[name](dom0)


@each(["hog-cpu"])
def test_one_that_does_not_sleep_is_reset_when_nobody_has_work_for_it(dom0, name, fault):
    before = deaths(dom0, name)
    told = inject(dom0, name, fault)
    assert told["outcome"] == "injected"
    USED[name](dom0)
    # Nobody asks meanwhile: who does takes the CPU that it is to use up.
    dom0.wait_for_words("/var/log/skink/events.log", f'"died","domain":"{name}".*"abuse: for 2000 ms it had nothing to do')
    is_found(dom0, name, before, {"abuse"})
    serves(dom0, name)
    USED[name](dom0)


@each(["device-silent"])
def test_silent_device_is_heard_again_after_a_reset(dom0, name, fault):
    before = deaths(dom0, name)
    told = inject(dom0, name, fault)
    assert told["outcome"] == "injected" and told["activated"] is True
    # Until somebody asks for something it owes nothing.
    USED[name](dom0)
    is_found(dom0, name, before, {"device"})
    serves(dom0, name)
    USED[name](dom0)


@each(["interrupt-storm", "interrupt-lost"])
def test_interrupts_may_come_without_end_or_not_at_all(dom0, name, fault):
    """It serves on, and nobody has to restart it."""
    before = deaths(dom0, name)
    # Of the interrupts of a driver that looks by itself there is not one to be lost within any 50 ms.
    told = next(told for seed in range(100) if (told := inject(dom0, name, fault, seed))["activated"])
    assert told["outcome"] == "injected" and told[{"interrupt-lost": "lost", "interrupt-storm": "raised"}[fault]] > 0, told
    USED[name](dom0)
    assert deaths(dom0, name) == before, dom0.run(f"skink why {name}")


# ------------------------------------------------------------------ a device that no reset mends

def throttle(dom0, bytes_per_second):
    """The disk, below its driver; 0: no more."""
    dom0.ask_monitor(f"block_set_io_throttle disk0 {bytes_per_second} 0 0 0 0 0")


def test_device_that_stays_silent_is_reset_once_and_then_reported(dom0):    # WA3
    """At a byte a second its second answer is a day away. Whoever has another device is served."""
    before, begun = deaths(dom0, "disk0"), generation(dom0, "disk0")
    dom0.check("head -c 256k /dev/urandom > /tmp/right && dd if=/tmp/right of=/dev/xvda bs=64k oflag=direct status=none", 60)
    throttle(dom0, 1)
    try:
        dom0.check("(dd if=/dev/xvda of=/tmp/read bs=64k count=4 iflag=direct status=none; echo ended > /tmp/ended) > /dev/null 2>&1 & true")
        dom0.wait_for_words("/var/log/skink/events.log", '"silent","domain":"disk0"', 90)
        # Ten seconds are two of its times, and more.
        card_is_heard(dom0)
        dom0.check("ping -q -c 10 -W 5 10.0.2.2", 90)
        assert dom0.ends_with("test -e /tmp/ended") == 1
        assert deaths(dom0, "disk0") == {**before, "device": before.get("device", 0) + 1}
        assert generation(dom0, "disk0") == begun + 1 and facts(dom0, "disk0")["driver"]["state"] == "serving"
    finally:
        throttle(dom0, 0)
    dom0.wait_for_words("/tmp/ended", "ended")
    dom0.check("cmp /tmp/read /tmp/right")
    assert generation(dom0, "disk0") == begun + 1


# ------------------------------------------------------------------ several

def test_several_faults_have_a_seed_each_and_keep_their_distance(dom0):
    """None of these costs the driver anything: the core refuses what it is made to try."""
    before = deaths(dom0, "disk0")
    status, output = dom0.run("bash load-disk0 & load=$!; skink inject disk0 --class page-table --count 4 --seed 7 --rate 0.5 --json; code=$?; "
                              "kill -- -$load; (exit $code)", 180)
    told = json.loads(re.search(r"^\{.*^\}", output, re.M | re.S).group())["faults"]
    assert status == 0 and [fault["seed"] for fault in told] == [7, 8, 9, 10], output
    times = [fault["time"] for fault in told]
    assert all(later - earlier > 1.9 for earlier, later in zip(times, times[1:])), times
    assert deaths(dom0, "disk0") == before


# ------------------------------------------------------------------ the injector itself

# An injector that is at work for as long as its process is looked for and looked at; $injector is its number.
AT_WORK = """bash load-disk0 & load=$!
skink inject disk0 --class page-table --count 1000 --rate 5 > told 2>&1 & asked=$!
until injector=$(pgrep -x inject); do kill -0 $asked || exit 1; sleep 0.1; done
%s
wait $asked; code=$?
kill -- -$load
exit $code
"""


def test_an_injector_that_stands_still_is_not_taken_for_a_hang(dom0):
    """Whatever it has put in the driver's way then: a busy machine does the same to it."""
    before = deaths(dom0, "disk0")
    dom0.write("still", AT_WORK % "for i in 1 3 5 7; do kill -STOP $injector; sleep 0.2; kill -CONT $injector; sleep 0.0$i; done\nkill $injector")
    dom0.ends_with("bash -m still", 90)
    serves(dom0, "disk0")
    assert deaths(dom0, "disk0") == before, dom0.run("skink why disk0")
    disk_is_read(dom0)


def test_an_injector_that_is_killed_leaves_a_driver_that_serves(dom0):
    for pause in ("0.03", "0.01", "0.05", "0.07")[:4 if IS_FULL else 1]:
        dom0.write("killed", AT_WORK % f"sleep {pause}; kill -STOP $injector; kill -KILL $injector")
        status, output = dom0.run("bash -m killed; code=$?; cat told; (exit $code)", 90)
        assert status and "ended with status 9" in output, output
        wait_until(lambda: facts(dom0, "disk0")["driver"]["state"] == "serving")
        disk_is_read(dom0)


# ------------------------------------------------------------------ values

# Those that cost nobody a front-end, and for each driver one more, its last, that may. What the others do is measured by the campaign.
VALUES = [("disk0", "page-table"), ("net0", "page-table"), ("net0", "completion-lost"), ("net0", "unlock"), ("disk0", "ledger"), ("net0", "ring-index")]
# A disk's driver sees what the device has done within microseconds: on a busy host no try may find it in between (docs/faults.md).
if IS_FULL:
    VALUES[3:3] = [("disk0", "completion-lost"), ("disk0", "completion-double")]


@pytest.mark.parametrize("name,fault", VALUES)
def test_a_value_that_is_wrong_is_injected_where_it_is_used(dom0, name, fault):
    told = inject(dom0, name, fault)
    assert told["outcome"] == "injected" and told["activated"] is True, told
    if fault == "page-table":
        assert told["result"] < 0, "the core has refused it"
    serves(dom0, name)


def test_queues_of_other_devices_are_no_targets(dom0):
    dom0.write("nvme0.xml", driver("nvme0", "blk", 6, ALLOWED))
    dom0.check("skink create nvme0.xml", 60)
    wait_until(lambda: facts(dom0, "nvme0")["driver"]["state"] == "serving")
    for fault in ("completion-lost", "dma-address"):
        told = inject(dom0, "nvme0", fault)
        assert told["outcome"] == "no-target" and "'nvme'" in told["why"], told
    dom0.check("skink destroy nvme0", 60)


# ------------------------------------------------------------------ one ring of several

def test_ring_that_stands_still_while_others_go_on_is_found(dom0):    # ST1, WA3
    """Its driver forgets one of two rings: a reset mends that. Then it forgets it at one request each time: that is told, and the other disk is served."""
    def disks():
        return sorted(dom0.check("ls /sys/block | grep xvd").split())

    before = deaths(dom0, "disk0")
    dom0.run("skink destroy nvme0 --force", 60)
    dom0.write("nvme0.xml", driver("nvme0", "blk", 6, ALLOWED, f"<os><kernel>{STANDS}</kernel></os>"))
    dom0.check("skink create nvme0.xml", 60)
    for target in ("xvdb", "xvdc"):
        dom0.write(f"{target}.xml", DISK.replace("disk0", "nvme0").replace("xvda", target).replace("</disk>", "<readonly/></disk>"))
        dom0.check(f"skink attach Domain-0 {target}.xml", 90)
        wait_until(lambda: target in disks())
    dom0.check("(while :; do dd if=/dev/xvdb of=/dev/null bs=4k count=100 iflag=direct 2> /dev/null; sleep 0.1; done) > /dev/null 2>&1 & echo $! > load.pid")

    with open(f"{BUILD}/test/{AS}.disk", "rb") as disk:
        right = hashlib.md5(disk.read(400 * 4096)).hexdigest()
    assert dom0.check("dd if=/dev/xvdc bs=4k count=400 iflag=direct status=none | md5sum", 300).split()[0] == right
    found = deaths(dom0, "nvme0")
    assert set(found) == {"device"} and found["device"] >= 1, dom0.run("skink why nvme0")
    assert re.search(r"xvdc of Domain-0, ring \d+: request 0x[0-9a-f]+ has no answer after 4 s of the clock, and other rings' have", dom0.check("skink why nvme0"))

    dom0.check("(dd if=/dev/xvdc of=/tmp/read bs=4k count=1 skip=4096 iflag=direct; echo ended > /tmp/xvdc) > /dev/null 2>&1 & true")
    dom0.wait_for_words("/var/log/skink/events.log", '"silent","domain":"nvme0"', 120)
    found = deaths(dom0, "nvme0")
    assert "xvdc of Domain-0, ring " in dom0.check("skink events -n 20 | grep silent | tail -1")
    # Three of its times, and more, in which it would be reset again.
    dom0.check("for i in 1 2 3 4; do sleep 4; dd if=/dev/xvdb of=/dev/null bs=4k count=100 iflag=direct; done", 120)
    assert dom0.ends_with("test -e /tmp/xvdc") == 1 and deaths(dom0, "nvme0") == found and deaths(dom0, "disk0") == before
    dom0.check("kill $(cat load.pid)")
    dom0.run("skink destroy nvme0 --force", 60)
