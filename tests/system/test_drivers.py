# SPDX-License-Identifier: MIT
"""Driver domains and those they serve, as an administrator has them: real devices of QEMU, real guests, Dom0's own devices."""
import json
import os
import re
import struct
import time

import pytest

from device_manifests import DATA, DISK_MIB, SMALL, UUID, disk, driver, hostdev, interface, make_disk, partition, partition_by_uuid, volume, with_namespace
from dom0 import Dom0, field, guest, image_with, nobody_ends, rows, wait_until
from machine import BUILD

FAKE, SKELETON = "/usr/lib/skink/fake.elf", "/usr/lib/skink/skeleton.elf"
# Two who test at once take different names.
AS = os.environ.get("DRIVERS_AS", "drivers")


def memory_free(machine):
    """Of the whole machine, in KiB."""
    return json.loads(machine.check("skink info --json"))["memory_free_kib"]


@pytest.fixture(scope="module")
def dom0():
    image = image_with(AS, {FAKE[1:]: f"{BUILD}/guest/fake-driver.elf", SKELETON[1:]: f"{BUILD}/test/skeleton.elf"})
    options = ("-drive", f"file={make_disk(AS)},format=raw,if=none,id=disk0",
               "-device", "virtio-blk-pci,drive=disk0,addr=4,disable-legacy=on",
               "-netdev", "user,id=net0", "-device", "virtio-net-pci,netdev=net0,addr=5,disable-legacy=on")
    with Dom0(AS, smp=os.environ.get("SMP", "1"), memory=4096, limit=1800, image=image, more=options) as machine:
        machine.log_in()
        machine.write("disk0.xml", driver("disk0", "blk", hostdev(4)))
        machine.write("net0.xml", driver("net0", "net", hostdev(5)))
        free = [memory_free(machine)]
        for name in ("disk0", "net0"):
            machine.check(f"skink create {name}.xml && skink wait {name} --for recovered", 60)
            free.append(memory_free(machine))
        machine.taken = [before - after for before, after in zip(free, free[1:])]
        yield machine
        machine.end()


@pytest.fixture(autouse=True)
def nobody_is_left(request):
    """But the two driver domains, and what the next test builds on."""
    dom0 = request.getfixturevalue("dom0") if "dom0" in request.fixturenames else None
    yield
    if dom0:
        nobody_ends(dom0)
    if dom0 and request.node.name != "test_skinkd_that_is_killed_finds_everything_again":
        others = set(rows(dom0.check("skink list"))) - {"Domain-0", "disk0", "net0", "Name"}
        if others:
            dom0.check(f"skink destroy --force {' '.join(others)}", 60)


def facts(dom0, name):
    return json.loads(dom0.check(f"skink info {name} --json"))


def devices(dom0, name):
    return {one["name"]: one for one in facts(dom0, name)["attachments"]}


def is_connected(dom0, name, device):
    return devices(dom0, name)[device]["state"] == "connected"


def served(dom0, name):
    return {one["domain"] for one in facts(dom0, name)["attachments"]} - {"Domain-0"}


def create(dom0, name, given, **options):
    """A guest with devices that has come to its shell."""
    dom0.check(f"rm -f /var/log/skink/consoles/guest-{name}.log; sv hup xenconsoled")
    dom0.write(f"{name}.xml", with_namespace(guest(name, devices=given, **options)))
    dom0.check(f"skink create {name}.xml", 120)
    dom0.wait_for_words(f"/var/log/skink/consoles/guest-{name}.log", "guest: Linux", 120)


def that_never_runs(name, given):
    """The manifest of a guest whose kernel does not matter."""
    return re.sub(r"<initrd>.*</initrd>", "", with_namespace(guest(name, memory_mib=16, kernel=FAKE, devices=given)))


def attach(dom0, file, disk, limit=90):
    """A disk of Domain-0's: its kernel makes the device some time after it is connected."""
    said = dom0.check(f"skink attach Domain-0 {file}", limit)
    wait_until(lambda: dom0.ends_with(f"test -b /dev/{disk}") == 0)
    return said


# Before whatever a guest does with a disk that has just been connected.
AWAIT = "until test -b /dev/{}; do sleep 0.1; done; "


def inside(dom0, name, command, limit=60):
    """What a guest's shell says to a command, by its console."""
    mark = f"end-{time.monotonic_ns()}"
    # The guest echoes what is typed: the mark is put together by its shell.
    return dom0.answer_on(name, f"{command}; echo {mark[:4]}''{mark[4:]}", mark, limit)


def refused(dom0, manifest, complaint, code=2):
    dom0.write("bad.xml", manifest)
    status, said = dom0.run("skink create bad.xml", 60)
    assert status == code and re.search(complaint, said), said
    assert "bad" not in rows(dom0.check("skink list"))


# ------------------------------------------------------------------ driver domains

def test_they_serve_and_say_so(dom0):
    wait_until(lambda: facts(dom0, "disk0")["driver"]["state"] == facts(dom0, "net0")["driver"]["state"] == "serving")
    assert facts(dom0, "disk0")["driver"]["sectors"] == DISK_MIB * 2048
    listed = dom0.check("skink list")
    assert re.search(r"disk0 +\d+ +16 MiB +1 +(blocked|running) .*blk driver, unprotected", listed)
    assert field(dom0.check("skink info net0"), "memory guarded").startswith("no")


def test_they_take_no_more_than_16_mib(dom0):
    """With their clean copies, and all that the core keeps of them."""
    assert all(8192 < kib <= 16384 for kib in dom0.taken), dom0.taken
    assert [facts(dom0, name)["memory_kib"] for name in ("disk0", "net0")] == [16384] * 2


@pytest.mark.parametrize("manifest,complaint", [
    (driver("bad", "blk", hostdev(4)), r"bad\.xml:\d+:\d+: <hostdev>: 0000:00:04\.0 is assigned to 'disk0'"),
    (driver("bad", "blk", hostdev(29)), r"<hostdev>: PCI device 0000:00:1d\.0: this machine has no such device"),
    (driver("bad", "blk", hostdev(6), unprotected=False), r"<skink:dma>: this machine has no IOMMU.*unprotected='yes'"),
    (driver("bad", "blk", hostdev(6), memory_mib=8), r"<memory>: a driver domain with a DMA pool of 4096 KiB needs \d+ MiB and there"),
    (driver("bad", "blk", hostdev(6), memory_mib=32), r"<memory>: 32768 KiB are more than a driver domain may have: write 16 MiB"),
    (driver("bad", "net", "", kernel="/etc/passwd"), r"<kernel>: it is no kernel"),
    (guest("bad", devices=hostdev(6)), r"<hostdev>: only a driver domain owns a device"),
    (guest("bad", devices=interface("net7")), r"there is no network driver domain 'net7': write one of those there are: net0"),
    (with_namespace(guest("bad", devices=disk("xvda", of="disk7"))), r"there is no disk driver domain 'disk7'.*disk0"),
], ids=("taken", "absent", "no-iommu", "little-memory", "much-memory", "no-kernel", "guest-with-device", "unknown-net", "unknown-disk"))
def test_what_cannot_be_is_refused(dom0, manifest, complaint):
    refused(dom0, manifest, complaint)


# ------------------------------------------------------------------ Domain-0's own devices

def is_taken_away(dom0, path):
    """The front-end is closed already; its kernel ends the device some time after it hears that the store has nothing of it."""
    wait_until(lambda: dom0.ends_with(f"test -e {path}") == 1)


def test_domain_0_reads_and_writes_through_the_driver(dom0):
    dom0.write("data.xml", partition("xvda", "data"))
    assert "xvda attached at disk0" in attach(dom0, "data.xml", "xvda")
    assert dom0.check("blockdev --getsz /dev/xvda").strip() == str(DATA[1])
    assert "this is data" in dom0.check("head -c 12 /dev/xvda; echo")
    # Written, read back past the cache, and compared.
    dom0.check("head -c 8M /dev/urandom > /tmp/random; dd if=/tmp/random of=/dev/xvda bs=1M seek=1 conv=fsync status=none")
    dom0.check("blockdev --flushbufs /dev/xvda; dd if=/dev/xvda bs=1M skip=1 count=8 status=none | cmp - /tmp/random")
    # The driver counts when it has answered.
    wait_until(lambda: min(devices(dom0, "Domain-0")["xvda"]["counters"][name] for name in ("write_bytes", "read_bytes")) >= 8 << 20)
    assert devices(dom0, "Domain-0")["xvda"]["counters"]["errors"] == 0
    dom0.check("skink detach Domain-0 xvda", 60)
    is_taken_away(dom0, "/dev/xvda")
    assert "xvda" not in devices(dom0, "Domain-0")


def test_domain_0_has_a_network(dom0):
    dom0.write("eth.xml", interface(more="<mac address='00:16:3e:00:00:01'/>"))
    dom0.check("skink attach Domain-0 eth.xml", 90)
    dom0.check("ip link set eth0 up && ip addr add 10.0.2.15/24 dev eth0")
    wait_until(lambda: dom0.ends_with("ping -c 1 -W 2 10.0.2.2 > /dev/null 2>&1", 20) == 0, 60)
    dom0.check("skink link Domain-0 00:16:3e:00:00:01 down")
    assert dom0.ends_with("ping -c 1 -W 1 10.0.2.2 > /dev/null 2>&1", 20) != 0
    dom0.check("skink link Domain-0 00:16:3e:00:00:01 up")
    wait_until(lambda: dom0.ends_with("ping -c 1 -W 2 10.0.2.2 > /dev/null 2>&1", 20) == 0, 60)
    dom0.check("skink detach Domain-0 00:16:3e:00:00:01", 60)
    is_taken_away(dom0, "/sys/class/net/eth0")


# ------------------------------------------------------------------ guests

def rings_at_rest(dom0, name):
    """When nothing of what a guest says by itself is under way: all that was taken is answered, and the ledger says the same."""
    rings = {}

    def are_at_rest():
        rings.update({one["ring"]: one for one in json.loads(dom0.check(f"skink rings {name} --json"))})
        return all(one["commit_whole"] and one["commit"] == one["rsp_prod"] == one["published"] for one in rings.values())
    wait_until(are_at_rest)
    return rings


def spoken(frame):
    """Who speaks to whom in a frame, by its own words: its lengths are right, and an IP header's checksum."""
    kind, rest = int.from_bytes(frame[12:14], "big"), frame[14:]
    if kind == 0x0806:
        assert rest[:6] == bytes((0, 1, 8, 0, 6, 4)) and rest[6:8] in (b"\0\1", b"\0\2") and len(rest) >= 28, rest
        return "arp"
    if kind == 0x86dd:
        assert rest[0] >> 4 == 6 and 40 + int.from_bytes(rest[4:6], "big") <= len(rest), rest
        return "ipv6"
    assert kind == 0x0800 and rest[0] == 0x45 and 20 <= int.from_bytes(rest[2:4], "big") <= len(rest), frame
    assert sum(int.from_bytes(rest[at:at + 2], "big") for at in range(0, 20, 2)) % 0xffff == 0, rest[:20]
    return ".".join(map(str, rest[12:16])) + " " + ".".join(map(str, rest[16:20]))


def captured(dom0, path):
    """The frames of a capture: its header, and then records up to the last byte, as wireshark reads them."""
    content = bytes.fromhex(dom0.check(f"od -An -v -tx1 {path} | tr -d ' \\n'; echo").strip())
    magic, major, minor, *zero, longest, kind = struct.unpack_from("<IHHIIII", content)
    assert (magic, major, minor, zero, kind) == (0xa1b23c4d, 2, 4, [0, 0], 1)
    frames, at, before = [], 24, 0
    while at < len(content):
        seconds, nanoseconds, there, length = struct.unpack_from("<IIII", content, at)
        assert 14 <= there == length <= longest and nanoseconds < 10**9 and before <= seconds * 10**9 + nanoseconds
        at, before = at + 16 + there, seconds * 10**9 + nanoseconds
        assert at <= len(content)
        frames.append(spoken(content[at - there:at]))
    return frames


def test_guest_has_a_disk_and_an_interface(dom0):
    create(dom0, "web", disk("xvda") + interface())
    wait_until(lambda: all(one["state"] == "connected" for one in devices(dom0, "web").values()))
    assert str(DISK_MIB << 20) in inside(dom0, "web", "blockdev --getsize64 /dev/xvda")
    assert "same" in inside(dom0, "web", "dd if=/dev/urandom of=/tmp/r bs=1M count=4; dd if=/tmp/r of=/dev/xvda bs=1M seek=200 "
                            "conv=fsync; echo 3 > /proc/sys/vm/drop_caches; dd if=/dev/xvda bs=1M skip=200 count=4 | cmp - /tmp/r "
                            "&& echo same", 90)
    said = inside(dom0, "web", "ip link set eth0 up; ip addr add 10.0.2.16/24 dev eth0; sleep 1; ping -c 3 10.0.2.2", 60)
    assert re.search(r"3 packets transmitted, [23] packets received", said), said
    assert re.search(r"disk0 .*serves 1", dom0.check("skink list"))
    shown = dom0.check("skink info web")
    assert re.search(r"xvda +web +disk0 +connected", shown)
    assert json.loads(dom0.check("skink top --json --iterations 1"))["domains"]
    mac = next(name for name in devices(dom0, "web") if ":" in name)
    dom0.check(f"(skink capture web {mac} -w /tmp/web.pcap -c 6 > /tmp/said 2>&1 &) ; until grep -q listening /tmp/said; do sleep 0.1; done", 60)
    inside(dom0, "web", "ping -c 3 10.0.2.2", 60)
    dom0.check("until grep -q '6 packets' /tmp/said; do sleep 0.1; done", 60)
    frames = captured(dom0, "/tmp/web.pcap")
    assert len(frames) == 6 and {"10.0.2.16 10.0.2.2", "10.0.2.2 10.0.2.16"} <= set(frames), frames
    dom0.check("(skink capture net0 -w /tmp/wire.pcap -c 4 > /tmp/said 2>&1 &) ; until grep -q listening /tmp/said; do sleep 0.1; done", 60)
    inside(dom0, "web", "ping -c 3 10.0.2.2", 60)
    dom0.check("until grep -q '4 packets' /tmp/said; do sleep 0.1; done", 60)
    frames = captured(dom0, "/tmp/wire.pcap")
    assert len(frames) == 4 and {"10.0.2.16 10.0.2.2", "10.0.2.2 10.0.2.16"} <= set(frames), frames
    wait_until(lambda: ":" not in "".join(devices(dom0, "Domain-0")))
    # A reader that has seen enough ends it, and the mirror goes with it.
    dom0.check("(sh -c 'skink capture net0 -w - 2> /tmp/heard | head -c 24 > /tmp/head.pcap; echo ended >> /tmp/heard' &) ; "
               "until grep -q listening /tmp/heard; do sleep 0.1; done", 60)
    inside(dom0, "web", "ping -c 3 10.0.2.2", 60)
    dom0.check("until grep -q ended /tmp/heard; do sleep 0.1; done; [ $(stat -c %s /tmp/head.pcap) = 24 ]", 60)
    wait_until(lambda: ":" not in "".join(devices(dom0, "Domain-0")))
    # A mirror that somebody takes away ends it, and it says so.
    dom0.check("(sh -c 'skink capture net0 -w /tmp/gone.pcap; echo ended $?' > /tmp/said 2>&1 &) ; until grep -q listening /tmp/said; do sleep 0.1; done", 60)
    mirror = next(name for name in devices(dom0, "Domain-0") if ":" in name)
    dom0.check(f"skink detach Domain-0 {mirror}; until grep -q ended /tmp/said; do sleep 0.1; done; grep 'the mirror is gone' /tmp/said && grep 'ended 1' /tmp/said", 60)
    # A FIFO that nobody reads: whoever waits for its reader can be ended.
    assert dom0.ends_with("mkfifo /tmp/unread; timeout -k 20 1 skink capture net0 -w /tmp/unread") == 124
    assert dom0.ends_with("skink capture web xvda -w /tmp/x") == 2 and dom0.ends_with(f"skink capture web {mac}") == 2
    rings = rings_at_rest(dom0, "web")
    assert set(rings) == {"transmit", "receive", "disk"}
    assert len(rings["receive"]["waiting"]) > 100 and rings["receive"]["waiting"][0]["gref"] > 8
    assert re.search(r"web, xvda at disk0, queue 0, disk: [0-9]+ slots, 0 unanswered", dom0.check("skink rings disk0 xvda"))
    assert dom0.ends_with("skink rings web xvdz") == 2
    dom0.check("skink destroy web")
    wait_until(lambda: not served(dom0, "disk0") | served(dom0, "net0"))


def billed(dom0, name):
    """What it has read from disks, of devices that are gone too."""
    return json.loads(dom0.check(f"skink usage {name} --json"))[-1]["disk_read_bytes"]


def test_devices_come_and_go_while_it_runs(dom0):
    create(dom0, "web", interface())
    dom0.write("small.xml", partition("xvdb", "small"))
    assert "xvdb attached at disk0" in dom0.check("skink attach web small.xml", 90)
    assert "this is small" in inside(dom0, "web", AWAIT.format("xvdb") + "head -c 13 /dev/xvdb")
    # It is the domain's now: a manifest that is written out has it, and it cannot be attached twice.
    assert "partition-label='small'" in dom0.check("skink dumpxml web")
    status, said = dom0.run("skink attach web small.xml")
    assert status == 2 and "has a device 'xvdb' already" in said
    assert "256+0" in inside(dom0, "web", "dd if=/dev/xvdb of=/dev/null bs=1k count=256 iflag=direct 2>&1")
    dom0.check("skink detach web xvdb", 60)
    assert "xvdb" not in devices(dom0, "web")
    read = billed(dom0, "web")
    assert 256 << 10 <= read < 16 << 20
    assert "gone" in inside(dom0, "web", "until ! test -e /dev/xvdb; do sleep 0.1; done; echo gone")
    # One that does not answer is not asked.
    assert "xvdb is being attached at disk0" in dom0.check("skink attach web small.xml --no-wait")
    wait_until(lambda: is_connected(dom0, "web", "xvdb"))
    dom0.check("skink pause web")
    assert "xvdb is being detached" in dom0.check("skink detach web xvdb --no-wait")
    assert "xvdb" in devices(dom0, "web")
    status, said = dom0.run("skink detach web xvdb --timeout 3", 30)
    assert status == 6 and "--force takes it away at once" in said
    dom0.check("skink detach web xvdb --force", 30)
    assert "xvdb" not in devices(dom0, "web")
    assert read <= billed(dom0, "web") < 2 * read
    status, said = dom0.run("skink detach web xvdb")
    assert status == 2 and "has no device 'xvdb'" in said
    dom0.check("skink destroy web")


def test_apply_brings_and_takes_devices_while_it_runs(dom0):
    def says(given):
        dom0.write("live/web.xml", with_namespace(guest("web", devices=given)))

    create(dom0, "web", interface())
    number = facts(dom0, "web")["id"]
    dom0.check("rm -rf live; mkdir live")
    says(interface() + interface() + partition("xvdb", "small"))
    dom0.check("skink apply live", 90)
    wait_until(lambda: [one["state"] for one in devices(dom0, "web").values()] == ["connected"] * 3)
    assert "this is small" in inside(dom0, "web", AWAIT.format("xvdb") + "head -c 13 /dev/xvdb")
    says(interface(more="<vlan><tag id='7'/></vlan>") + interface() + partition("xvdb", "small"))
    assert re.search(r"^\? blocked +web", dom0.check("skink plan live"), re.M)
    # Its guest holds a disk that is to go: that is said, and it cannot come anew before it has gone.
    says(interface())
    dom0.check("skink pause web")
    status, said = dom0.run("skink apply live", 120)
    assert status == 1 and re.search("the guest has not let go of", said), said
    says(interface() + partition("xvdb", "small"))
    status, said = dom0.run("skink apply live", 120)
    assert status == 1 and "the guest has not let go of the old xvdb yet" in said, said
    dom0.check("skink unpause web")
    wait_until(lambda: len(devices(dom0, "web")) == 1)
    dom0.check("skink apply live", 90)
    assert is_connected(dom0, "web", "xvdb")
    says(interface() + partition("xvdb", "small") + partition("xvdc", "nothing"))
    status, said = dom0.run("skink apply live", 90)
    assert status == 1 and "has no partition 'nothing'" in said, said
    assert facts(dom0, "web")["id"] == number and set(devices(dom0, "web")) > {"xvdb"}
    dom0.check("skink destroy web; rm -r live")


@pytest.mark.parametrize("extent,complaint", [
    (partition("xvdc", "nothing"), "has no partition 'nothing': it has 'data', 'small', 'skink-volumes'"),
    (partition_by_uuid("xvdc", f"00000007{UUID}"),
     f"has no partition '00000007{UUID}': it has '00000001{UUID}', '00000002{UUID}', '00000003{UUID}'"),
    (partition_by_uuid("xvdc", f"00000002{UUID.upper()}"), "it overlaps xvdb of 'web'"),
    (disk("xvdc"), "it overlaps xvdb of 'web'"),
    (partition("xvdc", "small"), "it overlaps xvdb of 'web'"),
    (disk("xvdc", "<skink:extent volume='none'/>"), "there is no volume 'none'"),
    (partition("xvdc", "skink-volumes"), "partition 'skink-volumes' holds the volumes"),
    (interface() + interface(), "one <disk> or one <interface>"),
    ("<disk", "StartTag|not well-formed|cannot be attached"),
], ids=("no-partition", "no-uuid", "uuid-of-a-label", "whole-over-partition", "twice", "no-volume", "volumes", "two", "no-xml"))
def test_devices_that_cannot_be(dom0, web_with_small, extent, complaint):
    dom0.write("device.xml", extent + "\n")
    status, said = dom0.run("skink attach web device.xml", 60)
    assert status in (1, 2) and re.search(complaint, said), said
    assert set(devices(dom0, "web")) == {"xvdb"}


@pytest.fixture
def web_with_small(dom0):
    dom0.write("web.xml", that_never_runs("web", partition("xvdb", "small")))
    dom0.check("skink create web.xml --paused", 60)
    wait_until(lambda: facts(dom0, "web")["attachments"])
    # Its extents are known when they are offered.
    wait_until(lambda: devices(dom0, "web")["xvdb"]["state"] == "init-wait")


# ------------------------------------------------------------------ front-ends that lie

FRONT = "/local/domain/$id/device"
LIES = {
    "text-for-a-number": (f"{FRONT}/vbd/51712/ring-ref xyzzy {FRONT}/vbd/51712/event-channel 7", "its 'ring-ref' is 'xyzzy', which is no number"),
    "signed": (f"{FRONT}/vbd/51712/ring-ref +1 {FRONT}/vbd/51712/event-channel 7", "its 'ring-ref' is '+1', which is no number"),
    "absent": (f"{FRONT}/vbd/51712/event-channel 7", "it has not written 'ring-ref'"),
    "port-0": (f"{FRONT}/vbd/51712/ring-ref 8 {FRONT}/vbd/51712/event-channel 0", "its 'event-channel' is 0"),
    "large-port": (f"{FRONT}/vbd/51712/ring-ref 8 {FRONT}/vbd/51712/event-channel 4294967295", "at most 131071 is possible"),
    "many-queues": (f"{FRONT}/vbd/51712/multi-queue-num-queues 999", "its 'multi-queue-num-queues' is 999, and at most 1 is possible"),
    "no-queues": (f"{FRONT}/vbd/51712/multi-queue-num-queues 0", "its 'multi-queue-num-queues' is 0"),
    "large-ring": (f"{FRONT}/vbd/51712/ring-page-order 31", "its 'ring-page-order' is 31, and at most 3 is possible"),
    "32-bit": (f"{FRONT}/vbd/51712/protocol x86_32-abi", "its 'protocol' is 'x86_32-abi'"),
    "no-grant": (f"{FRONT}/vbd/51712/ring-ref 4000000 {FRONT}/vbd/51712/event-channel 7", ""),
    "long": (f"{FRONT}/vbd/51712/ring-ref $(printf '%03000d' 1) {FRONT}/vbd/51712/event-channel 7", "its 'ring-ref' is '', which is no number"),
}


@pytest.mark.parametrize("lie", LIES)
def test_front_end_that_lies_is_refused_alone(dom0, lie):
    nodes, complaint = LIES[lie]
    dom0.write("liar.xml", that_never_runs("liar", partition("xvda", "data")))
    dom0.check("skink create liar.xml --paused", 60)
    dom0.check("id=$(skink list liar | awk '$1 == \"liar\" { print $2 }'); "
               "until [ \"$(xenstore-read /local/domain/0/backend/vbd/$id/51712/state)\" = 2 ]; do sleep 0.1; done", 60)
    dom0.check(f"xenstore-write {nodes} && xenstore-write {FRONT}/vbd/51712/state 3")
    # Not the one before it, of the same name.
    wait_until(lambda: re.search(rf"refused +liar: disk xvda at disk0: .*{re.escape(complaint)}", dom0.check("skink events -n 20").rpartition(" created ")[2]))
    # It is asked to close, and may begin anew.
    wait_until(lambda: dom0.ends_with("[ $(xenstore-read /local/domain/0/backend/vbd/$id/51712/state) = 5 ]") == 0)
    dom0.check(f"xenstore-write {FRONT}/vbd/51712/state 6")
    wait_until(lambda: dom0.ends_with("[ $(xenstore-read /local/domain/0/backend/vbd/$id/51712/state) = 6 ]") == 0)
    dom0.check(f"xenstore-write {FRONT}/vbd/51712/state 1")
    wait_until(lambda: dom0.ends_with("[ $(xenstore-read /local/domain/0/backend/vbd/$id/51712/state) = 2 ]") == 0)
    dom0.check("skink destroy liar")
    assert facts(dom0, "disk0")["driver"]["state"] == "serving"


# ------------------------------------------------------------------ driver domains come and go, and so does skinkd

def test_skinkd_that_is_killed_finds_everything_again(dom0):
    create(dom0, "web", partition("xvda", "small") + interface())
    wait_until(lambda: all(one["state"] == "connected" for one in devices(dom0, "web").values()))
    # Domain-0's disk lies within what Domain-0 looks at, to find partitions.
    dom0.write("data.xml", partition("xvdb", "data"))
    attach(dom0, "data.xml", "xvdb")
    before = facts(dom0, "web")["attachments"]
    dom0.check("sv kill skinkd; sleep 1; for i in $(seq 200); do skink version > /dev/null 2>&1 && break; sleep 0.1; done; skink version", 60)
    after = facts(dom0, "web")["attachments"]
    assert "this is data" in dom0.check("head -c 12 /dev/xvdb; echo") and is_connected(dom0, "Domain-0", "xvdb")
    dom0.check("skink detach Domain-0 xvdb", 60)
    assert [(one["name"], one["state"], one["driver"]) for one in after] == [(one["name"], one["state"], one["driver"]) for one in before]
    assert "same" in inside(dom0, "web", "dd if=/dev/urandom of=/tmp/r bs=1M count=1; dd if=/tmp/r of=/dev/xvda bs=1M seek=2 "
                            "conv=fsync; echo 3 > /proc/sys/vm/drop_caches; dd if=/dev/xvda bs=1M skip=2 count=1 | cmp - /tmp/r "
                            "&& echo same", 90)
    # It still hears of all of them.
    mac = next(name for name in devices(dom0, "web") if ":" in name)
    dom0.check(f"skink detach web {mac}", 60)
    assert set(devices(dom0, "web")) == {"xvda"}


def test_driver_that_serves_needs_force_and_its_front_ends_come_back(dom0):
    status, said = dom0.run("skink destroy disk0")
    assert status == 4 and "'disk0' serves 1 device, one of 'web': --force takes it away" in said
    status, said = dom0.run("skink shutdown disk0")
    assert status == 4 and "--force" in said
    dom0.check("skink destroy disk0 --force")
    assert devices(dom0, "web")["xvda"]["state"] == "no-driver"
    dom0.check("skink create disk0.xml", 60)
    wait_until(lambda: is_connected(dom0, "web", "xvda"))
    assert str(SMALL[1] * 512) in inside(dom0, "web", AWAIT.format("xvda") + "blockdev --getsize64 /dev/xvda")
    dom0.check("skink destroy web")


@pytest.mark.parametrize("line,expected", [
    ("net fails", r"failed +fake: the driver gives up: it was told to fail"),
    ("net refuse", r"refused +web: interface .* at fake: it was told to refuse"),
], ids=("fails", "refuses"))
def test_driver_that_will_not(dom0, line, expected):
    dom0.write("fake.xml", driver("fake", "net", kernel=FAKE, line=line))
    dom0.check("skink create fake.xml", 60)
    # Linux waits for minutes for a back-end that never offers anything: its shell is not awaited.
    dom0.write("web.xml", with_namespace(guest("web", devices=interface("fake"))))
    dom0.check("skink create web.xml", 60)
    wait_until(lambda: re.search(expected, dom0.check("skink events | tail -8")))
    assert list(devices(dom0, "web").values())[0]["state"] != "connected"
    dom0.check("skink destroy web && skink destroy fake --force")


def test_skeleton_of_the_page_serves(dom0):
    """What docs/driver-domains.md walks through is a driver domain: it says that it serves, and lives."""
    dom0.write("skeleton.xml", driver("skeleton", "blk", hostdev(4), kernel=SKELETON))
    dom0.check("skink destroy disk0 --force && skink create skeleton.xml", 60)
    wait_until(lambda: facts(dom0, "skeleton")["driver"]["state"] == "serving")
    before = facts(dom0, "skeleton")["driver"]
    wait_until(lambda: facts(dom0, "skeleton")["driver"]["heartbeat"] >= before["heartbeat"] + 3)
    after = facts(dom0, "skeleton")["driver"]
    assert after["state"] == "serving" and after["generation"] == before["generation"], (before, after)
    dom0.check("skink destroy skeleton --force && skink create disk0.xml", 60)


def test_driver_that_never_lets_go_holds_nobody_up(dom0):
    dom0.write("fake.xml", driver("fake", "net", kernel=FAKE, line="net deaf"))
    dom0.check("skink create fake.xml", 60)
    dom0.write("web.xml", with_namespace(guest("web", devices=interface("fake"))))
    dom0.check("skink create web.xml", 60)
    wait_until(lambda: dom0.ends_with("[ $(xenstore-read /local/domain/$(skink list web | awk '$1 == \"web\" { print $2 }')"
                                      "/device/vif/0/state) = 4 ]") == 0)
    dom0.check("skink destroy web", 30)
    dom0.check("skink destroy fake --force", 30)
    nobody_ends(dom0)
    assert set(rows(dom0.check("skink list"))) == {"Domain-0", "disk0", "net0"}


def test_driver_that_dies_has_said_why(dom0):
    dom0.write("fake.xml", driver("fake", "net", kernel=FAKE, line="net dies"))
    dom0.check("skink create fake.xml", 60)
    dom0.write("eth.xml", interface("fake"))
    dom0.run("skink attach Domain-0 eth.xml --timeout 5", 30)
    # In each of its lives; then it is given up, and what it served is closed.
    wait_until(lambda: facts(dom0, "fake")["driver"]["state"] == "closed")
    assert "fake: shutdown: it said: it was told to die of attachment 1" in dom0.check("skink events -n 20")
    said = dom0.check("skink logs fake | tail -20")
    assert re.search(r"panic: it was told to die of attachment 1\n(called from ffffffff8[0-9a-f]{7}\n){3}", said), said
    dom0.check(f"skink detach Domain-0 {next(name for name in devices(dom0, 'Domain-0') if ':' in name)} --force", 60)
    dom0.check("skink destroy fake")


def test_what_a_driver_has_set_aside_waits_until_it_is_released(dom0):
    dom0.write("fake.xml", driver("fake", "net", kernel=FAKE, line="net aside"))
    dom0.check("skink create fake.xml", 60)
    dom0.write("web.xml", with_namespace(guest("web", devices=interface("fake"))))
    dom0.check("skink create web.xml", 60)
    # Linux takes its time.
    dom0.check("until skink events | grep -q 'attached *web: .* at fake'; do sleep 0.5; done", 180)
    wait_until(lambda: re.search(r"set-aside +web: interface .* at fake: it was told to set it aside", dom0.check("skink events")))
    assert re.search(r"^\S+ +web +fake +set-aside", dom0.check("skink info fake"), re.M)
    dom0.check("skink release fake --timeout 60")
    assert re.search(r"released +web: interface .* at fake", dom0.check("skink events"))
    wait_until(lambda: re.search(r"^\S+ +web +fake +connected", dom0.check("skink info fake"), re.M))
    assert "has set nothing aside" in dom0.run("skink release fake")[1]
    dom0.check("skink destroy web && skink destroy fake --force")


def test_driver_that_makes_noise_does_not_keep_skinkd_busy(dom0):
    dom0.write("fake.xml", driver("fake", "net", kernel=FAKE, line="net noise"))
    dom0.check("skink create fake.xml", 60)
    wait_until(lambda: "noise" in dom0.run("skink logs fake | tail -3")[1])

    def uptime():
        return float(dom0.check("cut -d' ' -f1 /proc/uptime").split()[-1])

    def seen():
        driver = json.loads(dom0.check("skink info fake --json", 60))["driver"]
        return driver["seen"]["looks"], driver["seen"]["calls"], driver["heartbeat"]

    # However slow this machine is: so often at most it is looked at, and heard, whatever it does in that time.
    began, before = uptime(), seen()
    dom0.check("sleep 5", 60)
    looks, calls, beats = (now - then for now, then in zip(seen(), before))
    seconds = uptime() - began
    assert beats > calls and looks <= 450 * seconds and 0 < calls <= 50 * seconds, (seconds, looks, calls, beats)
    assert "noise" in dom0.check("skink logs fake | tail -3")
    dom0.check("skink destroy fake")


# ------------------------------------------------------------------ volumes

def volumes(dom0):
    return {one["name"]: one for one in json.loads(dom0.check("skink volume list --json", 60))["pools"][0]["volumes"]}


def test_volumes_are_made_served_grown_and_deleted(dom0):
    assert volumes(dom0) == {}
    dom0.check("skink volume create disk0 web-root 8MiB && skink volume create disk0 spare 8MiB", 120)
    assert {name: one["bytes"] >> 20 for name, one in volumes(dom0).items()} == {"web-root": 8, "spare": 8}
    # In two pieces: what lies between belongs to another.
    dom0.check("skink volume resize disk0 web-root 16MiB", 60)
    assert volumes(dom0)["web-root"]["extents"] == 2
    dom0.write("volume.xml", volume("xvda", "web-root"))
    attach(dom0, "volume.xml", "xvda", 60)
    assert dom0.check("blockdev --getsize64 /dev/xvda").strip() == str(16 << 20)
    # What was there before is nobody's to see, and what is written is read back, over both pieces.
    assert dom0.check("tr -d '\\0' < /dev/xvda | wc -c").strip() == "0"
    dom0.check("head -c 15M /dev/urandom > /tmp/random && dd if=/tmp/random of=/dev/xvda bs=1M conv=fsync status=none && "
               "blockdev --flushbufs /dev/xvda && cmp -n 15728640 /tmp/random /dev/xvda", 120)
    for command in ("delete disk0 web-root", "resize disk0 web-root 4MiB", "export disk0 web-root /tmp/x"):
        status, said = dom0.run(f"skink volume {command}", 60)
        assert status == 4 and "volume 'web-root' is xvda of 'Domain-0': detach it there first" in said
    assert "Domain-0" in dom0.check("skink volume list", 60)
    dom0.check("skink detach Domain-0 xvda", 60)
    is_taken_away(dom0, "/dev/xvda")
    dom0.check("skink volume export disk0 web-root /tmp/exported && cmp -n 15728640 /tmp/random /tmp/exported", 120)
    dom0.check("skink volume delete disk0 web-root && skink volume import disk0 again /tmp/exported", 120)
    dom0.write("again.xml", volume("xvda", "again"))
    attach(dom0, "again.xml", "xvda")
    dom0.check("cmp -n 15728640 /tmp/random /dev/xvda && skink detach Domain-0 xvda", 120)
    dom0.check("skink volume delete disk0 again && skink volume delete disk0 spare; rm /tmp/random /tmp/exported", 60)
    assert volumes(dom0) == {}


@pytest.fixture
def cut_short(dom0):
    """Of a command of lvm: skinkd is killed when it is done, and what should follow does not."""
    dom0.write("/tmp/lvm", '#!/bin/bash\n(exec -a lvm /sbin/lvm.real "$@")\ncode=$?\n'
               '[ "$1" != "$(cat /tmp/killer 2> /dev/null)" ] || { rm /tmp/killer; kill -9 $PPID; }\nexit $code\n')
    dom0.check("mv /sbin/lvm /sbin/lvm.real && install -m 755 /tmp/lvm /sbin/lvm")

    def run(command, last):
        assert dom0.run(f"echo {last} > /tmp/killer; skink volume {command}", 60)[0] == 5
        dom0.check("until skink list > /dev/null 2>&1; do sleep 0.1; done", 60)
    yield run
    dom0.check("mv /sbin/lvm.real /sbin/lvm")


def content(dom0, name, expected):
    """Of a volume, by its disk: how much of it is not zero."""
    dom0.write("content.xml", volume("xvda", name))
    attach(dom0, "content.xml", "xvda", 60)
    dom0.check(f"blockdev --flushbufs /dev/xvda; [ $(tr -d '\\0' < /dev/xvda | wc -c) = {expected} ]", 60)
    dom0.check("skink detach Domain-0 xvda", 60)
    is_taken_away(dom0, "/dev/xvda")


def nobody_is_given(dom0, name):                                                     # VO2
    assert volumes(dom0)[name]["unfinished"] and "(unfinished)" in dom0.check("skink volume list", 60)
    dom0.write("content.xml", volume("xvda", name))
    dom0.check("! skink attach Domain-0 content.xml 2> /tmp/said && grep 'was never filled to its end: delete it, or resize it' /tmp/said", 60)
    dom0.check(f"! skink volume export disk0 {name} /tmp/x 2> /tmp/said && grep 'was never filled' /tmp/said", 60)


def test_what_a_volume_has_not_been_cleared_of_is_given_to_nobody(dom0, cut_short):    # VO2
    # There is something to be seen: 16 MiB of a former owner's.
    dom0.check("yes secret | head -c 16M > /tmp/secret && skink volume import disk0 former /tmp/secret", 120)
    content(dom0, "former", 16 << 20)
    dom0.check("skink volume delete disk0 former", 60)
    cut_short("create disk0 next 8MiB", "lvcreate")
    nobody_is_given(dom0, "next")
    dom0.check("skink volume resize disk0 next 8MiB", 60)
    assert not volumes(dom0)["next"]["unfinished"]
    content(dom0, "next", 0)
    dom0.check("skink volume delete disk0 next && head -c 8M /tmp/secret > /tmp/half && skink volume import disk0 next /tmp/half", 120)
    # What it had before stays.
    cut_short("resize disk0 next 16MiB", "lvresize")
    nobody_is_given(dom0, "next")
    dom0.check("skink volume resize disk0 next 16MiB", 60)
    content(dom0, "next", 8 << 20)
    dom0.check("skink volume delete disk0 next; rm /tmp/secret /tmp/half", 60)
    assert volumes(dom0) == {}


def test_a_transient_disk_is_a_copy_that_is_thrown_away(dom0):
    assert volumes(dom0) == {}
    dom0.write("transient.xml", partition("xvda", "small", "<transient/>"))
    for _ in range(2):
        attach(dom0, "transient.xml", "xvda", 120)
        assert dom0.check("blockdev --getsz /dev/xvda").strip() == str(SMALL[1])
        assert "this is small" in dom0.check("head -c 13 /dev/xvda; echo")
        assert volumes(dom0).keys() == {"transient-0-xvda"}
        dom0.check("(echo overwritten; head -c 7M /dev/urandom) | dd of=/dev/xvda bs=1M conv=fsync iflag=fullblock status=none")
        status, said = dom0.run("skink volume delete disk0 transient-0-xvda")
        assert status == 4 and "is xvda of 'Domain-0': detach it there first" in said
        # The next skinkd knows whose it is.
        dom0.check("kill -9 $(pidof skinkd); until skink list > /dev/null 2>&1; do sleep 0.1; done", 60)
        assert volumes(dom0).keys() == {"transient-0-xvda"}
        assert "overwritten" in dom0.check("blockdev --flushbufs /dev/xvda; head -c 11 /dev/xvda; echo")
        dom0.check("skink detach Domain-0 xvda", 60)
        is_taken_away(dom0, "/dev/xvda")
        wait_until(lambda: volumes(dom0) == {})


def test_a_transient_disk_without_room_for_its_copy_says_so(dom0):
    dom0.write("first.xml", partition("xvda", "data", "<transient/>"))
    dom0.write("second.xml", partition("xvdb", "data", "<transient/>"))
    dom0.check("skink attach Domain-0 first.xml", 120)
    status, said = dom0.run("skink attach Domain-0 second.xml", 120)
    assert status and re.search(r"<transient/> needs a copy .*64 MiB are more than is free", said), said
    dom0.run("skink detach Domain-0 xvdb", 60)
    dom0.check("skink detach Domain-0 xvda", 60)
    wait_until(lambda: volumes(dom0) == {})


@pytest.mark.parametrize("command,code,complaint", [
    ("create disk0 transient-1-xvda 8MiB", 2, "is what the copy of a transient disk may be called"),
    ("create disk0 big 4GiB", 1, r"4096 MiB are more than is free, \d+ MiB"),
    ("create disk0 ../x 8MiB", 2, "is no name for a volume"),
    ("create disk7 x 8MiB", 3, "no disk driver domain of that name"),
    ("delete disk0 nope", 1, "there is no volume 'nope'"),
    ("import disk0 x /tmp/image.qcow2", 1, "is a qcow2 image: make it a raw one"),
    ("import disk0 x /tmp/nothing", 1, "No such file"),
    ("import disk0 x /tmp/fifo", 1, "is no regular file"),
], ids=("reserved", "large", "name", "pool", "absent", "qcow2", "no-file", "fifo"))
def test_volumes_that_cannot_be(dom0, command, code, complaint):
    dom0.check("printf 'QFI\\373' > /tmp/image.qcow2; rm -f /tmp/fifo; mkfifo /tmp/fifo")
    status, said = dom0.run(f"skink volume {command}", 60)
    assert status == code and re.search(complaint, said), said
    assert volumes(dom0) == {}


# ------------------------------------------------------------------ when the host starts

@pytest.fixture(scope="module")
def booted():
    """A host whose folders say all: driver domains, a guest that needs them, Domain-0's own devices."""
    given = {
        "etc/skink/system/10-disk0.xml": driver("disk0", "blk", hostdev(4)),
        "etc/skink/system/20-net0.xml": driver("net0", "net", hostdev(5)),
        "etc/skink/system/30-bad.xml": driver("net9", "net", hostdev(5)),
        "etc/skink/domains/web.xml": with_namespace(guest("web", devices=interface() + partition("xvda", "small"))),
        "etc/skink/domain-0.xml": f"<devices>{interface()}{partition('xvdb', 'data')}</devices>\n",
    }
    files = {}
    for place, text in given.items():
        files[place] = f"{BUILD}/test/{os.path.basename(place)}"
        with open(files[place], "w", encoding="utf-8") as file:
            file.write(text)
    image = image_with(f"{AS}-boot", files)
    options = ("-drive", f"file={make_disk(f'{AS}-boot')},format=raw,if=none,id=disk0",
               "-device", "virtio-blk-pci,drive=disk0,addr=4,disable-legacy=on",
               "-netdev", "user,id=net0", "-device", "virtio-net-pci,netdev=net0,addr=5,disable-legacy=on")
    with Dom0(f"{AS}-boot", smp=os.environ.get("SMP", "1"), memory=4096, limit=600, image=image, more=options) as machine:
        yield machine.log_in()


def test_host_that_starts_has_its_driver_domains_first(booted):
    wait_until(lambda: {"disk0", "net0", "web"} <= set(rows(booted.check("skink list"))), 120)
    # One that is still being built has none.
    wait_until(lambda: [one["state"] for one in facts(booted, "web")["attachments"]] == ["connected"] * 2, 120)
    wait_until(lambda: {one["state"] for one in facts(booted, "Domain-0")["attachments"]} == {"connected"}, 60)
    wait_until(lambda: booted.ends_with("test -b /dev/xvdb") == 0)
    assert "this is data" in booted.check("head -c 12 /dev/xvdb; echo")
    booted.check("test -e /sys/class/net/eth0")
    # What is wrong is left out, and told of.
    assert "net9" not in rows(booted.check("skink list"))
    assert re.search(r"30-bad\.xml:\d+:\d+: <hostdev>: 0000:00:05\.0 is owned in", booted.check("skink events"))
    assert re.search(r"0000:00:04\.0 +storage +1af4:1042 +disk0", booted.check("skink info"))


def test_apply_leaves_driver_domains_alone(booted):
    booted.check("rm /etc/skink/domains/web.xml && skink apply --prune", 60)
    nobody_ends(booted)
    assert set(rows(booted.check("skink list"))) == {"Domain-0", "disk0", "net0"}
