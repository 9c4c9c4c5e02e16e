# SPDX-License-Identifier: MIT
"""
Another image for a driver domain that serves: the guest whose disk and interface it serves goes on, its checksums are right, and it notices
nothing. Images that cannot take over are made of the real one, with another note; those that take over and die are killed by kill_driver.c.
"""
import json
import os
import re
import struct

import pytest

from dom0 import Dom0, image_with, wait_until
from machine import BUILD
from test_drivers import FAKE, devices, driver, facts, hostdev, inside, interface, make_disk
from test_restart import KILL, NOT_OURS, begin_load, host, is_unharmed, lines, restarts, rounds, wait_for_rounds, web, with_policy, xenbus  # noqa: F401

NOTE = struct.Struct("<HHIII")
FOLDER = "/usr/lib/skink"
FALLBACK = "<skink:fallback image='{}'/><skink:restart limit='1' within='60s' then='fallback'/>"
UPGRADES = 20 if os.environ.get("SKINK_FULL") else 2
# What a guest asks of both: one packet that is late says nothing.
IS_SERVED = ("dd if=/dev/xvda bs=1M count=4 iflag=direct status=none | wc -c; "
             "for i in 1 2 3 4 5 6; do ping -c 1 -W 5 10.0.2.2 > /dev/null && break; done && echo there")
ROLES = (("disk0", "blk"), ("net0", "net"))


def with_note(name, role, **changes):
    """A copy of an image, which says something else of itself."""
    with open(f"{BUILD}/{role}.elf", "rb") as source:
        image = bytearray(source.read())
    at = image.index(b"Skink\0\0\0" + struct.pack("<HH", 1, {"net": 1, "blk": 2}[role])) + 8
    fields = dict(zip(("version", "role", "ledger", "flags", "queues"), NOTE.unpack_from(image, at)))
    fields.update(changes)
    NOTE.pack_into(image, at, *fields.values())
    path = f"{BUILD}/test/{name}"
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as out:
        out.write(image)
    return path


IMAGES = {
    "other-table.elf": ("blk", {"version": 9}), "other-ledger.elf": ("blk", {"ledger": 9}), "no-features.elf": ("net", {"flags": 0}),
    "no-queues.elf": ("blk", {"queues": 0}), "other-net.elf": ("net", {"version": 9}), "net-2.elf": ("net", {}), "blk-2.elf": ("blk", {}),
}


@pytest.fixture(scope="module")
def dom0():
    files = {KILL[1:]: f"{BUILD}/dom0/kill-driver", f"{FOLDER}/minimal.elf"[1:]: f"{BUILD}/guest/minimal.elf", FAKE[1:]: f"{BUILD}/guest/fake-driver.elf"}
    for name, (role, changes) in IMAGES.items():
        files[f"{FOLDER}/{name}"[1:]] = with_note(name, role, **changes)
    options = ("-machine", "q35", "-device", "intel-iommu,intremap=on", "-drive", f"file={make_disk('upgrade')},format=raw,if=none,id=disk0",
               "-device", "virtio-blk-pci,drive=disk0,addr=4,disable-legacy=on,iommu_platform=on",
               "-netdev", "user,id=net0", "-device", "virtio-net-pci,netdev=net0,addr=5,disable-legacy=on,iommu_platform=on")
    with Dom0("upgrade", smp=os.environ.get("SMP", "1"), memory=2560, limit=1800, image=image_with("upgrade", files), more=options) as machine:
        machine.log_in()
        for (name, role), slot in zip(ROLES, (4, 5)):
            policy = FALLBACK.format(f"{FOLDER}/{role}-2.elf")
            machine.write(f"{name}.xml", with_policy(driver(name, role, hostdev(slot), unprotected=False), policy))
            machine.check(f"skink create {name}.xml", 60)
        yield machine
        machine.end()


def upgrade(dom0, name, image):
    said = dom0.check(f"skink upgrade {name} --image {image}", 300)
    print(said)
    assert "runs the new image" in said
    assert image_of(dom0, name) == image and restarts(dom0, name)["trial"] and restarts(dom0, name)["state"] == "serving"


def noticed(dom0, name):
    """All that a guest could notice; that its clock stood still for a while is a busy machine's doing."""
    return lines(dom0, name, f"dmesg | grep -v {NOT_OURS} | tail -n 2; cat /sys/class/net/eth0/carrier_changes; "
                 "grep ^Tcp: /proc/net/snmp | tail -1 | cut -d' ' -f9; cat /sys/class/net/eth0/statistics/tx_errors")


def post_mortem(dom0, name):
    return json.loads(dom0.check(f"skink why {name} --json"))["death"] or {}


def image_of(dom0, name):
    return restarts(dom0, name)["image"]


def refused(dom0, name, image):
    """What skink says; and the driver is the one that it was."""
    before = facts(dom0, name)["driver"]["generation"], image_of(dom0, name)
    status, said = dom0.run(f"skink upgrade {name} --image {FOLDER}/{image}", 120)
    assert status == 1, said
    assert (facts(dom0, name)["driver"]["generation"], image_of(dom0, name)) == before
    return said


# ------------------------------------------------------------------ refused

def test_images_that_cannot_take_over_are_refused_before_anything_is_stopped(dom0, web):  # noqa: F811
    assert "version 9 of the attachment table" in refused(dom0, "disk0", "other-table.elf")
    assert "ledgers of version 9" in refused(dom0, "disk0", "other-ledger.elf")
    assert "it serves 0 queues" in refused(dom0, "disk0", "no-queues.elf")
    assert "is of role 1" in refused(dom0, "disk0", "net.elf")
    assert "lacks features" in refused(dom0, "net0", "no-features.elf")
    assert "no note that says what it is" in refused(dom0, "net0", "minimal.elf")
    assert "no-such.elf" in refused(dom0, "net0", "no-such.elf")


def test_who_is_no_driver_has_no_image_to_change(dom0, web):  # noqa: F811
    assert "no driver domain" in dom0.run(f"skink upgrade web --image {FOLDER}/net.elf")[1]
    assert "--image FILE" in dom0.run("skink upgrade net0")[1]


# ------------------------------------------------------------------ under load

def test_guest_under_load_notices_nothing_of_upgrades(dom0, host, web):  # noqa: F811
    before, store = noticed(dom0, web), xenbus(dom0)
    begin_load(dom0, web, host)
    wait_for_rounds(dom0, web, host)
    for turn in range(UPGRADES):
        for name, role in ROLES:
            upgrade(dom0, name, f"{FOLDER}/{role}{'' if turn % 2 else '-2'}.elf")
    wait_for_rounds(dom0, web, host, rounds(dom0, web, host))
    inside(dom0, web, "touch /tmp/stop; wait", 300)
    is_unharmed(dom0, web, host)
    assert noticed(dom0, web) == before and xenbus(dom0) == store


# ------------------------------------------------------------------ skinkd dies

def domains(dom0):
    return {one["name"] for one in json.loads(dom0.check("skink list --json"))}


@pytest.mark.parametrize("at", [2, 5, 8, 11, 14] if os.environ.get("SKINK_FULL") else [3, 9])
def test_skinkd_killed_in_the_middle_leaves_one_image_that_serves(dom0, web, at):  # noqa: F811
    """`at` tenths of the time that an upgrade takes: while the image is prepared, is tried beside the old one, takes over."""
    name, role = ROLES[at % 2]
    before, store, there = image_of(dom0, name) or f"{FOLDER}/{role}.elf", xenbus(dom0), domains(dom0)
    new = other(dom0, name, role)
    took = dom0.check(f"s=$(date +%s%N); skink upgrade {name} --image {new} > /dev/null; echo took $((($(date +%s%N) - s) / 1000000))", 300)
    pause = int(re.search(r"took (\d+)", took).group(1)) * at / 10000
    dom0.check(f"(skink upgrade {name} --image {before} &) > /dev/null 2>&1; sleep {pause}; kill -9 $(pidof skinkd); "
               "until skink version > /dev/null 2>&1; do sleep 0.2; done", 300)
    dom0.check(f"skink wait {name} --for recovered --timeout 60", 90)
    assert image_of(dom0, name) in (before, new) and restarts(dom0, name)["state"] == "serving"
    wait_until(lambda: domains(dom0) == there)
    assert xenbus(dom0) == store
    assert lines(dom0, web, IS_SERVED) == ["4194304", "there"]


# ------------------------------------------------------------------ it dies

def other(dom0, name, role):
    return f"{FOLDER}/{role}{'' if '-2' in image_of(dom0, name) else '-2'}.elf"


@pytest.mark.parametrize("name, role", ROLES)
def test_image_that_dies_within_a_minute_gives_way_to_the_old_one(dom0, web, name, role):  # noqa: F811
    old, store = image_of(dom0, name) or f"{FOLDER}/{role}.elf", xenbus(dom0)
    new = other(dom0, name, role)
    upgrade(dom0, name, new)
    dom0.run(f"{KILL} {facts(dom0, name)['id']} 1 1000 1 stack", 60)
    wait_until(lambda: image_of(dom0, name) == old and restarts(dom0, name)["state"] == "serving", 120)
    dom0.check(f"skink wait {name} --for recovered --timeout 60", 90)
    assert not restarts(dom0, name)["trial"] and xenbus(dom0) == store
    assert "the image" in dom0.check("skink events -n 20")
    wait_until(lambda: post_mortem(dom0, name).get("then") == "changing", 60)
    death = post_mortem(dom0, name)
    assert death["image"] == new and "another image takes its place" in death["deed"], death


def test_image_that_never_says_ready_gives_way_to_the_old_one(dom0):
    """It comes to where it would look for its device, so it may be tried; and then it is not heard of again. Whom the old one served has nothing done to it."""
    dom0.write("lan.xml", driver("lan", "net", kernel=f"{FOLDER}/net.elf", line="net unready", unprotected=False))
    dom0.write("eth.xml", interface("lan", "<mac address='00:16:3e:00:00:09'/>"))
    dom0.check("skink create lan.xml && skink attach Domain-0 eth.xml", 120)
    wait_until(lambda: facts(dom0, "lan")["driver"]["state"] == "serving")
    store = xenbus(dom0)
    status, said = dom0.run(f"skink upgrade lan --image {FAKE}", 120)
    assert status == 1 and "'lan' has not come up with" in said and f"and runs {FOLDER}/net.elf again" in said, said
    assert "fake.elf has not said ready within 10 s" in dom0.check("skink events -n 20")
    assert image_of(dom0, "lan") == f"{FOLDER}/net.elf" and restarts(dom0, "lan")["state"] == "serving" and not restarts(dom0, "lan")["trial"]
    assert xenbus(dom0) == store and devices(dom0, "Domain-0")["00:16:3e:00:00:09"]["state"] == "connected"
    dom0.check("skink restart lan --timeout 60", 90)
    dom0.check("skink detach Domain-0 00:16:3e:00:00:09 && skink destroy lan", 90)


def test_policys_other_image_takes_over_when_restarts_are_used_up(dom0, web):  # noqa: F811
    """It is in memory since the driver was created: a disk that is gone with its driver would not give it."""
    store = xenbus(dom0)
    for name, role in ROLES:
        wait_until(lambda n=name: not restarts(dom0, n)["trial"], 120)
        dom0.check(f"mv {FOLDER}/{role}-2.elf {FOLDER}/{role}-2.away")
        for turn in range(3):
            dom0.run(f"{KILL} {facts(dom0, name)['id']} 1 1000 {turn} stack", 60)
            dom0.check(f"skink wait {name} --for recovered --timeout 60", 90)
            if image_of(dom0, name) == f"{FOLDER}/{role}-2.elf":
                break
        assert image_of(dom0, name) == f"{FOLDER}/{role}-2.elf" and restarts(dom0, name)["state"] == "serving"
    assert xenbus(dom0) == store
    assert lines(dom0, web, IS_SERVED) == ["4194304", "there"]


@pytest.mark.parametrize("image, told", [(f"{FOLDER}/other-net.elf", r" failed +lan: its fall-back image \S+other-net.elf: .*version 9 of the attachment table"),
                                         (FAKE, " closed +lan: there is no image left that serves")], ids=("unfit", "dies"))
def test_other_image_that_cannot_serve_ends_in_quarantine(dom0, image, told):
    """One that does not fit is told of when the driver is created; nobody else has anything done to him."""
    before = [restarts(dom0, name)["restarts"] for name, _ in ROLES]
    manifest = driver("lan", "net", kernel=f"{FOLDER}/net.elf", line="net early", unprotected=False)
    dom0.write("lan.xml", with_policy(manifest, FALLBACK.format(image)))
    dom0.write("eth.xml", interface("lan", "<mac address='00:16:3e:00:00:09'/>"))
    dom0.check("skink create lan.xml && skink attach Domain-0 eth.xml", 120)
    for turn in range(2):
        dom0.check("skink wait lan --for recovered --timeout 60", 90)
        dom0.run(f"{KILL} {facts(dom0, 'lan')['id']} 1 1000 {turn} stack", 90)
    wait_until(lambda: restarts(dom0, "lan")["state"] == "closed", 120)
    assert re.search(told, dom0.check("skink events -n 40"))
    assert [restarts(dom0, name)["restarts"] for name, _ in ROLES] == before
    dom0.check("skink detach Domain-0 00:16:3e:00:00:09 --force; skink destroy lan --force", 90)
