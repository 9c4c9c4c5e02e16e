# SPDX-License-Identifier: MIT
"""Driver domains behind VT-d: each kind of device serves from its pool, reaches nothing else, and says so."""
import os
import re

import pytest

from dom0 import Dom0, field, wait_until
from test_drivers import devices, disk, driver, facts, hostdev, interface, is_taken_away, make_disk

VIRTIO = "disable-legacy=on,iommu_platform=on"
DISKS = {"disk0": f"virtio-blk-pci,{VIRTIO}", "disk1": "nvme,serial=1"}
ALLOWED = "<skink:inject allow='yes'/><skink:restart limit='1000' within='60s' backoff='1ms' backoff-limit='1ms'/>"
CARDS = {"net0": f"virtio-net-pci,{VIRTIO}", "net1": "e1000e"}


def attach(dom0, manifest, name):
    dom0.write("device.xml", manifest)
    dom0.check("skink attach Domain-0 device.xml", 90)
    wait_until(lambda: devices(dom0, "Domain-0")[name]["state"] == "connected")
    # Its kernel makes it some time after that, and takes it away some time after it is detached.
    wait_until(lambda: dom0.ends_with("test -e /sys/class/net/eth0 || test -b /dev/xvda") == 0)


def detach(dom0, name, path):
    dom0.check(f"skink detach Domain-0 {name}", 60)
    is_taken_away(dom0, path)


def refusals(dom0):
    return re.findall(r"iommu: .* refused to .*", dom0.check("skink dmesg"))


@pytest.fixture(scope="module")
def dom0():
    options = ["-machine", "q35", "-device", "intel-iommu,intremap=on"]
    for slot, (name, device) in enumerate(DISKS.items(), 4):
        options += ["-drive", f"file={make_disk(f'iommu-{name}')},format=raw,if=none,id={name}",
                    "-device", f"{device},drive={name},addr={slot}"]
    for slot, (name, device) in enumerate(CARDS.items(), 6):
        options += ["-netdev", f"user,id={name}", "-device", f"{device},netdev={name},addr={slot}"]
    with Dom0("iommu", smp=os.environ.get("SMP", "1"), memory=2048, limit=1800, more=options) as machine:
        machine.log_in()
        for slot, name in enumerate((*DISKS, *CARDS), 4):
            machine.write(f"{name}.xml", driver(name, name.rstrip("01").replace("disk", "blk"), hostdev(slot), unprotected=False)
                          .replace("</skink:driver>", ALLOWED + "</skink:driver>"))
            machine.check(f"skink create {name}.xml", 60)
        yield machine
        machine.end()


@pytest.mark.parametrize("name", (*DISKS, *CARDS))
def test_driver_domain_is_guarded(dom0, name):
    wait_until(lambda: facts(dom0, name)["driver"]["state"] == "serving")
    assert field(dom0.check(f"skink info {name}"), "memory guarded").startswith("by the IOMMU")
    listed = next(line for line in dom0.check("skink list").splitlines() if line.startswith(name))
    assert "unprotected" not in listed


@pytest.mark.parametrize("name", DISKS)
def test_disk_reads_and_writes(dom0, name):
    attach(dom0, disk("xvda", of=name), "xvda")
    dom0.check(f"head -c 8M /dev/urandom > /tmp/{name}; dd if=/tmp/{name} of=/dev/xvda bs=1M seek=100 conv=fsync status=none", 120)
    dom0.check(f"blockdev --flushbufs /dev/xvda; dd if=/dev/xvda bs=1M skip=100 count=8 status=none | cmp - /tmp/{name}", 120)
    detach(dom0, "xvda", "/dev/xvda")
    assert refusals(dom0) == []


@pytest.mark.parametrize("name", CARDS)
def test_card_sends_and_receives(dom0, name):
    attach(dom0, interface(name, "<mac address='00:16:3e:00:00:01'/>"), "00:16:3e:00:00:01")
    dom0.check("ip link set eth0 up && ip addr add 10.0.2.15/24 dev eth0")
    wait_until(lambda: dom0.ends_with("ping -c 3 -W 2 10.0.2.2 > /dev/null 2>&1", 20) == 0, 60)
    detach(dom0, "00:16:3e:00:00:01", "/sys/class/net/eth0")
    assert refusals(dom0) == []


@pytest.mark.parametrize("name", (*DISKS, *CARDS))
def test_device_is_handed_to_the_next_owner(dom0, name):
    """Another domain, and so another pool."""
    dom0.check(f"skink destroy {name}", 60)
    dom0.check(f"skink create {name}.xml", 60)
    wait_until(lambda: facts(dom0, name)["driver"]["state"] == "serving")
    assert refusals(dom0) == []


def test_disk_of_the_next_owner_has_what_was_written(dom0):
    attach(dom0, disk("xvda", of="disk1"), "xvda")
    dom0.check("dd if=/dev/xvda bs=1M skip=100 count=8 status=none | cmp - /tmp/disk1", 120)
    detach(dom0, "xvda", "/dev/xvda")


def test_driver_that_has_its_device_reach_out_of_the_pool_is_reset(dom0):
    """An address with a bit changed; of those that stay within the pool the IOMMU knows nothing, so it is tried until one does not."""
    attach(dom0, disk("xvda", of="disk0"), "xvda")
    dom0.check("rm -f /tmp/enough; (while [ ! -e /tmp/enough ]; do dd if=/dev/xvda of=/dev/null bs=64k count=64 iflag=direct status=none; done "
               "> /tmp/said 2>&1) & true")
    others = [facts(dom0, name)["driver"]["restart"]["restarts"] for name in ("disk1", *CARDS)]

    def storms():
        return facts(dom0, "disk0")["driver"]["restart"]["causes"]["storm"]

    for seed in range(20):
        before = len(refusals(dom0))
        dom0.run(f"skink inject disk0 --class dma-address --seed {seed} --json", 90)
        # It is told of a refusal within half a second; one that comes around another reset is nobody's.
        if len(refusals(dom0)) > before and dom0.ends_with(
                "(for i in $(seq 100); do skink info disk0 --json | grep -q '\"storm\": [1-9]' && exit 0; sleep 0.1; done; exit 1)", 60) == 0:
            break
    assert storms() > 0
    assert re.search(r"died +disk0: storm: the IOMMU has refused \d+ accesses of its device 00:04\.0, outside of its pool", dom0.check("skink events -n 60"))
    dom0.check("touch /tmp/enough; wait", 60)
    dom0.check("dd if=/dev/xvda bs=1M skip=100 count=8 iflag=direct status=none | cmp - /tmp/disk0", 120)
    assert others == [facts(dom0, name)["driver"]["restart"]["restarts"] for name in ("disk1", *CARDS)]
    detach(dom0, "xvda", "/dev/xvda")
