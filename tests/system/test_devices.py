# SPDX-License-Identifier: MIT
"""
Each of the devices' drivers under one and the same load, as Linux makes it: a file system on the disk, made, filled, checked and read back; what comes and
goes by TCP, compared. Dom0's own front-ends are the load: no guest is needed for that. test_drivers.py has the rest, with virtio.
"""
import hashlib
import os
import re
import socket
import threading

import pytest

from dom0 import Dom0, field, image_with, wait_until
from machine import BUILD
from test_drivers import disk, driver, hostdev, interface
from test_restart import KILL, KILLS, kill, restarts, with_policy

IOMMU = ("-machine", "q35", "-device", "intel-iommu,intremap=on")
DISK, NETWORK = "drive=disk0,addr=4", "netdev=net0,addr=5"
LARGE_SECTORS = "logical_block_size=4096,physical_block_size=4096"
MACHINES = {
    "nvme-e1000e": ("-device", f"nvme,serial=1,{DISK}", "-device", f"e1000e,{NETWORK}"),
    "nvme-4096-e1000e-iommu": (*IOMMU, "-device", f"nvme,serial=1,{DISK},{LARGE_SECTORS}", "-device", f"e1000e,{NETWORK}"),
    "virtio-iommu": (*IOMMU, "-device", f"virtio-blk-pci,{DISK},disable-legacy=on,iommu_platform=on,num-queues=4",
                     "-device", f"virtio-net-pci,{NETWORK},disable-legacy=on,iommu_platform=on"),
}
# Without an IOMMU only in make test-full: test_drivers.py has virtio like that.
if not os.environ.get("SKINK_FULL"):
    del MACHINES["nvme-e1000e"]
MIB = 1 << 20
AMOUNT = 24 * MIB


class Host:
    """What answers at 10.0.2.2: one port gives bytes away, the other takes some and remembers what they were."""

    def __init__(self):
        self.bytes = os.urandom(AMOUNT)
        self.hash = hashlib.sha256(self.bytes).hexdigest()
        self.taken = None
        self.giver, self.taker = self.listen(self.give), self.listen(self.take)

    def listen(self, serve):
        server = socket.create_server(("127.0.0.1", 0))

        def accept():
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                with connection:
                    serve(connection)
        threading.Thread(target=accept, daemon=True).start()
        return server

    def give(self, connection):
        connection.sendall(self.bytes)

    def take(self, connection):
        sum_of_it = hashlib.sha256()
        while True:
            piece = connection.recv(65536)
            if not piece:
                break
            sum_of_it.update(piece)
        self.taken = sum_of_it.hexdigest()

    def close(self):
        self.giver.close()
        self.taker.close()


@pytest.fixture(scope="module", params=MACHINES)
def dom0(request):
    path, is_guarded = f"{BUILD}/test/devices.disk", "iommu" in request.param
    with open(path, "wb") as image:
        image.truncate(128 * MIB)
    options = ("-drive", f"file={path},format=raw,if=none,id=disk0", "-netdev", "user,id=net0", *MACHINES[request.param])
    image = image_with(f"devices-{request.param}", {KILL[1:]: f"{BUILD}/dom0/kill-driver"})
    with Dom0(f"devices-{request.param}", smp="1", memory=2048, limit=900, image=image, more=options) as machine:
        machine.log_in()
        machine.write("disk0.xml", with_policy(driver("disk0", "blk", hostdev(4), unprotected=not is_guarded)))
        machine.write("net0.xml", with_policy(driver("net0", "net", hostdev(5), unprotected=not is_guarded)))
        machine.check("skink create disk0.xml && skink create net0.xml", 60)
        machine.write("disk.xml", disk("xvda"))
        machine.write("eth.xml", interface(more="<mac address='00:16:3e:00:00:01'/>"))
        machine.check("skink attach Domain-0 disk.xml && skink attach Domain-0 eth.xml", 120)
        wait_until(lambda: machine.ends_with("test -b /dev/xvda") == 0)
        machine.check("ip link set eth0 up && ip addr add 10.0.2.15/24 dev eth0 && "
                      "for i in $(seq 20); do ping -c 1 -W 1 10.0.2.2 > /dev/null && break; done", 60)
        machine.is_guarded, machine.device_names = is_guarded, request.param.split("-")
        yield machine
        machine.end()


@pytest.fixture(scope="module")
def host():
    answering = Host()
    yield answering
    answering.close()


def test_devices_are_what_they_should_be(dom0):
    for name in ("disk0", "net0"):
        shown = dom0.check(f"skink info {name}")
        assert any(part in field(shown, "device") for part in dom0.device_names)
        assert field(shown, "memory guarded").startswith("by the IOMMU" if dom0.is_guarded else "no")


def test_sectors_are_the_devices(dom0):
    size = "4096" if "4096" in dom0.device_names else "512"
    assert dom0.check("cat /sys/block/xvda/queue/*_block_size").split() == [size] * 2
    told = dom0.check("for key in sectors sector-size physical-sector-size; do xenstore-read /local/domain/0/backend/vbd/0/51712/$key; done")
    assert told.split() == [str(128 * MIB // 512), size, size]
    # Past the cache it is sectors or nothing.
    part = "dd if=/dev/xvda of=/dev/null bs=512 count=1 iflag=direct status=none"
    assert dom0.ends_with(part) == (0 if size == "512" else 1)


def test_file_system_is_whole(dom0):
    dom0.check("mkfs.ext4 -q /dev/xvda && mount /dev/xvda /mnt", 120)
    dom0.check(f"head -c {AMOUNT} /dev/urandom > /tmp/random && sha256sum < /tmp/random > /tmp/sum", 120)
    dom0.check("for i in 1 2 3; do cp /tmp/random /mnt/file$i; done; sync; mkdir /mnt/many; "
               "for i in $(seq 200); do echo $i > /mnt/many/$i; done; rm /mnt/file2; sync; fstrim /mnt; umount /mnt", 180)
    dom0.check("e2fsck -fn /dev/xvda && blockdev --flushbufs /dev/xvda && mount -o ro /dev/xvda /mnt", 60)
    dom0.check("for i in 1 3; do sha256sum < /mnt/file$i | cmp - /tmp/sum || exit 1; done; [ $(ls /mnt/many | wc -l) = 200 ] && umount /mnt", 120)


def test_several_readers_and_writers_at_once(dom0):
    """Each writes a part of its own with direct I/O, in pieces of its own size, and reads it back in another."""
    dom0.check("for i in 1 2 3 4; do (k=$((2 << i)); "
               "dd if=/tmp/random of=/dev/xvda bs=${k}k seek=$((i * 24576 / k)) count=$((8192 / k)) oflag=direct status=none && "
               "dd if=/dev/xvda bs=1M iflag=direct skip=$((i * 24)) count=8 status=none | cmp -n 8388608 - /tmp/random || touch /tmp/bad) & "
               "done; wait; test ! -e /tmp/bad", 180)


def test_what_comes_by_tcp_is_whole(dom0, host):
    port = host.giver.getsockname()[1]
    for _ in range(2):
        assert host.hash in dom0.check(f"sha256sum < /dev/tcp/10.0.2.2/{port}", 180)


def test_what_goes_by_tcp_is_whole(dom0, host):
    port = host.taker.getsockname()[1]
    said = dom0.check("sha256sum < /tmp/random")
    host.taken = None
    dom0.check(f"cat /tmp/random > /dev/tcp/10.0.2.2/{port}", 180)
    wait_until(lambda: host.taken, 30)
    assert host.taken in said


def test_what_is_written_and_read_is_whole_while_the_driver_dies(dom0):
    dom0.check("rm -f /tmp/bad /tmp/stop; (while [ ! -e /tmp/stop ]; do dd if=/tmp/random of=/dev/xvda bs=64k count=64 oflag=direct status=none && "
               "dd if=/dev/xvda bs=256k count=16 iflag=direct status=none | cmp -n 4194304 - /tmp/random || touch /tmp/bad; done) & sleep 0.2")
    kill(dom0, "disk0", KILLS // 2, 60000, 1, "stack")
    dom0.check("touch /tmp/stop; wait; test ! -e /tmp/bad", 120)
    assert restarts(dom0, "disk0")["causes"]["crash"] == KILLS // 2


def test_what_goes_both_ways_by_tcp_is_whole_while_the_driver_dies(dom0, host):
    given, taken = host.giver.getsockname()[1], host.taker.getsockname()[1]
    dom0.check(f"rm -f /tmp/stop /tmp/sums; (while [ ! -e /tmp/stop ]; do sha256sum < /dev/tcp/10.0.2.2/{given}; done >> /tmp/sums) & "
               f"(while [ ! -e /tmp/stop ]; do cat /tmp/random > /dev/tcp/10.0.2.2/{taken} || touch /tmp/bad; done) & sleep 0.2")
    kill(dom0, "net0", KILLS // 2, 60000, 2, "stack")
    dom0.check("touch /tmp/stop; wait; test ! -e /tmp/bad", 180)
    assert set(re.findall(r"[0-9a-f]{64}", dom0.check("sort -u /tmp/sums"))) == {host.hash}
    assert host.taken in dom0.check("sha256sum < /tmp/random")
    assert restarts(dom0, "net0")["causes"]["crash"] == KILLS // 2


def test_nothing_went_wrong_meanwhile(dom0):
    for name in ("disk0", "net0"):
        assert not re.search(r"panic|refused|error", dom0.run(f"skink logs {name}")[1])
    assert "refused to" not in dom0.check("skink dmesg | tail -50")
    counters = re.findall(r'"errors": (\d+)', dom0.check("skink info Domain-0 --json"))
    assert counters and all(int(count) == 0 for count in counters)
