# SPDX-License-Identifier: MIT
"""What a block driver domain serves is what was written, by as many rings as the guest has vcpus, to each who shares it; and not faster than its limits."""
import os
import re
import subprocess

import pytest

from dom0 import Dom0, guest
from machine import BUILD
from test_drivers import create, disk, driver, hostdev, image_with, inside, refused, with_namespace

AS = os.environ.get("DRIVERS_AS", "disk")
INITRD = "/var/lib/skink/images/initrd-disk"
MIB = 64
REQUESTS, AFTER_DISCARD = (4000, 1000) if os.environ.get("SKINK_FULL") else (1000, 400)


def initrd_with_program():
    """The guests' own, with the program that writes and reads."""
    path = f"{BUILD}/test/{AS}.initrd"
    subprocess.run(f"mkdir -p {path}.d/bin && cp {BUILD}/dom0/programs/disk {path}.d/bin/ && (cat {BUILD}/dom0/guest-initrd; "
                   f"cd {path}.d && find . -mindepth 1 | cpio -o -H newc --quiet | gzip -n) > {path} && rm -r {path}.d",
                   shell=True, check=True)
    return path


@pytest.fixture(scope="module")
def dom0():
    raw = f"{BUILD}/test/{AS}.disk"
    with open(raw, "wb") as file:
        file.truncate(MIB << 20)
    options = ("-drive", f"file={raw},format=raw,if=none,id=disk0,cache=unsafe,discard=unmap",
               "-device", "virtio-blk-pci,drive=disk0,addr=4,disable-legacy=on,num-queues=2")
    with Dom0(AS, smp="2", memory=3072, limit=900, image=image_with(AS, {INITRD[1:]: initrd_with_program()}), more=options) as machine:
        machine.log_in()
        machine.write("disk0.xml", driver("disk0", "blk", hostdev(4)))
        machine.check("skink create disk0.xml", 60)
        yield machine


@pytest.fixture(scope="module")
def web(dom0):
    create(dom0, "web", disk("xvda", more="<shareable/>"), vcpus=2, memory_mib=192, initrd=INITRD)


@pytest.fixture(scope="module")
def db(dom0, web):
    """Has the same disk, with limits."""
    create(dom0, "db", disk("xvda", more="<shareable/><iotune><total_iops_sec>100</total_iops_sec></iotune>"), initrd=INITRD)


def test_each_sector_holds_what_was_written_last(dom0, web):
    assert re.search(r"^2\b", inside(dom0, "web", "ls /sys/block/xvda/mq | wc -l"), re.M)
    said = inside(dom0, "web", f"disk /dev/xvda 4 {REQUESTS}", 180)
    assert "disk: right" in said, said
    said = inside(dom0, "web", f"blkdiscard /dev/xvda; disk /dev/xvda 3 {AFTER_DISCARD}", 120)
    assert "disk: right" in said, said


def test_who_shares_a_disk_sees_what_the_other_writes(dom0, db):
    for writer, reader in (("web", "db"), ("db", "web"), ("web", "db")):
        written = inside(dom0, writer, "dd if=/dev/urandom of=/tmp/r bs=64k count=4 && dd if=/tmp/r of=/dev/xvda bs=64k seek=32 oflag=direct && "
                         "sha256sum /tmp/r")
        read = inside(dom0, reader, "dd if=/dev/xvda bs=64k skip=32 count=4 iflag=direct > /tmp/seen && sha256sum /tmp/seen")
        assert re.findall(r"^([0-9a-f]{64})  /tmp/r$", written, re.M)[-1] == re.findall(r"^([0-9a-f]{64})  /tmp/seen$", read, re.M)[-1]


@pytest.mark.parametrize("flag", ("", "<readonly/>"), ids=("alone", "readonly"))
def test_who_does_not_share_is_refused(dom0, web, flag):
    refused(dom0, with_namespace(guest("bad", devices=disk("xvdb", more=flag))),
            r"bad\.xml:\d+:\d+: <source>: xvda of 'web' has the same extent: name another, or write <readonly/> or <shareable/> into both")


def test_limits_hold(dom0, db):
    said = inside(dom0, "db", "cat /proc/uptime; disk /dev/xvda 1 300; cat /proc/uptime", 120)
    begun, ended = (float(line.split()[0]) for line in said.splitlines() if re.match(r"\d+\.\d+ \d+\.\d+$", line))
    assert ended - begun > 2.5 and "disk: right" in said, said
