# SPDX-License-Identifier: MIT
"""Driver domains and those they serve, as an administrator has them: real devices of QEMU, real guests, Dom0's own devices."""
import json
import os
import re
import subprocess
import time

import pytest

from dom0 import IMAGE, Dom0, field, guest, rows
from machine import BUILD

NAMESPACE = "xmlns:skink='urn:skink:manifest:1'"
FAKE = "/usr/lib/skink/fake.elf"
DISK_MIB = 256
# A GPT: 'data' and 'small', of 64 and 8 MiB, the disk's first and last MiB free.
DATA, SMALL = (2048, 131072), (133120, 16384)


def image_with(name, files):
    """Dom0's image with more files in it."""
    root, image = f"{BUILD}/test/{name}.d", f"{BUILD}/test/{name}.image"
    subprocess.run(["rm", "-rf", root], check=True)
    for place, file in files.items():
        os.makedirs(os.path.dirname(f"{root}/{place}"), exist_ok=True)
        subprocess.run(["cp", file, f"{root}/{place}"], check=True)
    subprocess.run(f"(cd {root} && find . -mindepth 1 | cpio -o -H newc --quiet | dd bs=512 conv=sync status=none) > {image} && "
                   f"cat {IMAGE} >> {image} && rm -r {root}", shell=True, check=True)
    return image


def make_disk(name):
    """A disk with a partition table, and something to be seen at the beginning of each partition."""
    path = f"{BUILD}/test/{name}.disk"
    with open(path, "wb") as disk:
        disk.truncate(DISK_MIB << 20)
    table = "label: gpt\n" + "".join(f"start={first}, size={count}, name={name}\n"
                                     for name, (first, count) in (("data", DATA), ("small", SMALL)))
    subprocess.run(["sfdisk", "-q", path], input=table.encode(), check=True)
    with open(path, "r+b") as disk:
        for mark, (first, _) in ((b"this is data", DATA), (b"this is small", SMALL)):
            disk.seek(first * 512)
            disk.write(mark)
    return path


def hostdev(slot):
    return (f"<hostdev mode='subsystem' type='pci'><source><address domain='0x0000' bus='0x00' slot='0x{slot:02x}' "
            "function='0x0'/></source></hostdev>")


def driver(name, role, devices="", memory_mib=16, kernel=None, line="", unprotected=True, dma=""):
    """A driver domain's manifest; with `kernel`, that of no real one."""
    image = f"<os><kernel>{kernel}</kernel><cmdline>{line}</cmdline></os>" if kernel else ""
    return f"""<domain type='skink' {NAMESPACE}>
  <name>{name}</name>
  <memory unit='MiB'>{memory_mib}</memory>
  {image}
  <skink:driver role='{role}'><skink:dma {dma} {"unprotected='yes'" if unprotected else ""}/></skink:driver>
  <devices>{devices}</devices>
</domain>
"""


def disk(target, extent="<skink:extent whole='yes'/>", of="disk0", more=""):
    return (f"<disk type='block' device='disk'><backenddomain name='{of}'/>"
            f"<source>{extent}</source><target dev='{target}' bus='xen'/>{more}</disk>")


def partition(target, label, more=""):
    return (f"<disk type='block' device='disk'><backenddomain name='disk0'/><source dev='/dev/disk/by-partlabel/{label}'/>"
            f"<target dev='{target}' bus='xen'/>{more}</disk>")


def interface(of="net0", more=""):
    return f"<interface type='bridge'><source bridge='{of}'/>{more}</interface>"


def with_namespace(manifest):
    return manifest.replace("<domain type='skink'>", f"<domain type='skink' {NAMESPACE}>")


@pytest.fixture(scope="module")
def dom0():
    image = image_with("drivers", {FAKE[1:]: f"{BUILD}/guest/fake-driver.elf"})
    options = ("-drive", f"file={make_disk('drivers')},format=raw,if=none,id=disk0",
               "-device", "virtio-blk-pci,drive=disk0,addr=4,disable-legacy=on",
               "-netdev", "user,id=net0", "-device", "virtio-net-pci,netdev=net0,addr=5,disable-legacy=on")
    with Dom0("drivers", smp=os.environ.get("SMP", "1"), memory=4096, limit=1800, image=image, more=options) as machine:
        machine.log_in()
        machine.write("disk0.xml", driver("disk0", "blk", hostdev(4)))
        machine.write("net0.xml", driver("net0", "net", hostdev(5)))
        machine.check("skink create disk0.xml && skink create net0.xml", 60)
        yield machine
        machine.send("poweroff")
        machine.wait_for_end(120)


def facts(dom0, name):
    return json.loads(dom0.check(f"skink info {name} --json"))


def devices(dom0, name):
    return {one["name"]: one for one in facts(dom0, name)["attachments"]}


def wait_until(condition, limit=60):
    until = time.monotonic() + limit
    while not condition():
        assert time.monotonic() < until, "it did not come"
    return True


def is_connected(dom0, name, device):
    return devices(dom0, name)[device]["state"] == "connected"


def create(dom0, name, given, **options):
    """A guest with devices that has come to its shell."""
    dom0.check(f"rm -f /var/log/skink/consoles/guest-{name}.log; sv hup xenconsoled")
    dom0.write(f"{name}.xml", with_namespace(guest(name, devices=given, **options)))
    dom0.check(f"skink create {name}.xml", 120)
    log = f"/var/log/skink/consoles/guest-{name}.log"
    dom0.check(f"for i in $(seq 900); do grep -q 'guest: Linux' {log} && break; sleep 0.1; done; grep -q 'guest: Linux' {log}", 120)


def inside(dom0, name, command, limit=60):
    """What a guest's shell says to a command, by its console."""
    mark = f"end-{time.monotonic_ns()}"
    log = f"/var/log/skink/consoles/guest-{name}.log"
    # The guest echoes what is typed: the mark is put together by its shell.
    dom0.check(f"tty=$(skink info {name} --json | sed -n 's/.*\"console\": \"\\(.*\\)\".*/\\1/p'); "
               f"printf '%s\\r' \"{command}; echo {mark[:4]}''{mark[4:]}\" > $tty")
    dom0.check(f"for i in $(seq {limit * 10}); do grep -q '{mark}' {log} && break; sleep 0.1; done; grep -q '{mark}' {log}", limit + 10)
    return dom0.check(f"grep -B30 '{mark}' {log} | sed 's/^\\[[^]]*\\] //'")


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


@pytest.mark.parametrize("manifest,complaint", [
    (driver("bad", "blk", hostdev(4)), r"bad\.xml:\d+:\d+: <hostdev>: 0000:00:04\.0 is assigned to 'disk0'"),
    (driver("bad", "blk", hostdev(29)), r"<hostdev>: PCI device 0000:00:1d\.0: this machine has no such device"),
    (driver("bad", "blk", hostdev(6), unprotected=False), r"<skink:dma>: this machine has no IOMMU.*unprotected='yes'"),
    (driver("bad", "blk", hostdev(6), memory_mib=8), r"<memory>: a driver domain with a DMA pool of 4096 KiB needs \d+ MiB and there"),
    (driver("bad", "blk", hostdev(6), memory_mib=32), r"<memory>: 32768 KiB are more than a driver domain may have: write 16 MiB"),
    (driver("bad", "net", "", kernel="/etc/passwd"), r"<kernel>: it is no kernel"),
    (guest("bad", devices=hostdev(6)), r"<hostdev>: devices are for driver domains"),
    (guest("bad", devices=interface("net7")), r"there is no network driver domain 'net7': write one of those there are: net0"),
    (with_namespace(guest("bad", devices=disk("xvda", of="disk7"))), r"there is no disk driver domain 'disk7'.*disk0"),
], ids=("taken", "absent", "no-iommu", "little-memory", "much-memory", "no-kernel", "guest-with-device", "unknown-net", "unknown-disk"))
def test_what_cannot_be_is_refused(dom0, manifest, complaint):
    refused(dom0, manifest, complaint)


# ------------------------------------------------------------------ Domain-0's own devices

def test_domain_0_reads_and_writes_through_the_driver(dom0):
    dom0.write("data.xml", partition("xvda", "data"))
    assert "xvda attached at disk0" in dom0.check("skink attach Domain-0 data.xml", 90)
    assert dom0.check("blockdev --getsz /dev/xvda").strip() == str(DATA[1])
    assert "this is data" in dom0.check("head -c 12 /dev/xvda; echo")
    # Written, read back past the cache, and compared.
    dom0.check("head -c 8M /dev/urandom > /tmp/random; dd if=/tmp/random of=/dev/xvda bs=1M seek=1 conv=fsync status=none")
    dom0.check("blockdev --flushbufs /dev/xvda; dd if=/dev/xvda bs=1M skip=1 count=8 status=none | cmp - /tmp/random")
    counters = devices(dom0, "Domain-0")["xvda"]["counters"]
    assert counters["write_bytes"] >= 8 << 20 and counters["read_bytes"] >= 8 << 20 and counters["errors"] == 0
    dom0.check("skink detach Domain-0 xvda", 60)
    assert dom0.ends_with("test -e /dev/xvda") == 1
    assert "xvda" not in devices(dom0, "Domain-0")


def test_domain_0_has_a_network(dom0):
    dom0.write("eth.xml", interface(more="<mac address='00:16:3e:00:00:01'/>"))
    dom0.check("skink attach Domain-0 eth.xml", 90)
    dom0.check("ip link set eth0 up && ip addr add 10.0.2.15/24 dev eth0")
    wait_until(lambda: dom0.ends_with("ping -c 1 -W 2 10.0.2.2 > /dev/null 2>&1", 20) == 0, 60)
    dom0.check("skink link Domain-0 00:16:3e:00:00:01 down")
    assert dom0.ends_with("ping -c 1 -W 1 10.0.2.2 > /dev/null 2>&1", 20) != 0
    dom0.check("skink link Domain-0 00:16:3e:00:00:01 up && ping -c 3 -W 2 10.0.2.2", 30)
    dom0.check("skink detach Domain-0 00:16:3e:00:00:01", 60)
    assert dom0.ends_with("test -e /sys/class/net/eth0") == 1
