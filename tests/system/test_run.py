# SPDX-License-Identifier: MIT
"""What `make run` shows: the tour, on the machine that it boots; and a machine that has nothing to show it on."""
import re
import subprocess

import pytest

from dom0 import CPUS, DOM0_LINE, DOM0_MEMORY, IMAGE
from machine import BUILD, CORE_ARGS, Machine, by_kernel

DEVICES = ("-machine", "q35", "-device", "intel-iommu,intremap=on",
           "-netdev", "user,id=net0", "-device", "virtio-net-pci,netdev=net0,addr=3,disable-legacy=on,iommu_platform=on",
           "-device", "virtio-blk-pci,drive=disk0,addr=4,disable-legacy=on,iommu_platform=on")
# And no IOMMU.
OTHERS = ("-machine", "q35", "-netdev", "user,id=net0", "-device", "e1000e,netdev=net0,addr=5", "-device", "nvme,serial=1,drive=disk0,addr=6")
# The Makefile's, for the same.
with open("Makefile", encoding="utf-8") as makefile:
    RUN_ISO = re.search(r"\$\(if \$\(ISO\),-cdrom build/skink\.iso *([^,]*),", makefile.read()).group(1).split()


def machine(name, tour, more):
    modules = [(f"{BUILD}/dom0/vmlinux", f"{DOM0_LINE} {tour}"), (IMAGE, "")]
    return Machine(name, *by_kernel(f"{BUILD}/skink", modules, f"{CORE_ARGS} dom0_mem={DOM0_MEMORY}"), *more, smp=CPUS, memory=2048, limit=900)


def test_the_tour_is_played_and_the_machine_ends_with_its_exit_code():
    disk = f"{BUILD}/test/run.disk"
    with open(disk, "wb") as image:
        image.truncate(64 << 20)
        image.seek(0)
        image.write(b"seen" * (8 << 20))
    before = subprocess.run(["sha256sum", disk], capture_output=True, check=True).stdout
    with machine("run", "skink.tour=end", (*DEVICES, "-drive", f"file={disk},format=raw,if=none,id=disk0")) as booted:
        booted.expect("A short tour of Skink", 300)
        said = booted.expect(r"tour: (all is well|FAILED)[^\n]*\n", 600).group(0)
        assert "all is well: 7 crashes" in said, said
        booted.expect(r"tour: exit code 0", 60)
        booted.wait_for_end(120)
        assert re.search(r"skink why net0.*net0 \(id \d+\), .*: (crash|shutdown): .*What was done: ", booted.text, re.S)
        assert len(re.findall(r"net0 crashed, and was back after [1-9]\d* us", booted.text)) == 4
        assert len(re.findall(r"disk0 crashed, and was back after [1-9]\d* us", booted.text)) == 3
        # What it has made is there when it is over, for whoever wants to try more.
        left = booted.text.partition("All of it is still there")[2]
        assert all(re.search(rf"^{name} +\d+ .* (running|blocked) ", left, re.M) for name in ("net0", "disk0", "tour")), left
    # It writes to no disk.
    assert subprocess.run(["sha256sum", disk], capture_output=True, check=True).stdout == before


@pytest.mark.parametrize("name, devices", [("run-iso", DEVICES), ("run-others", OTHERS)], ids=("virtio", "others"))
def test_the_iso_plays_the_same_tour_beside_a_disk_with_partitions(name, devices):
    """`make run ISO=1`: such a disk looks to the firmware as if it could be booted from. And with devices of another kind, at other addresses."""
    disk = f"{BUILD}/test/{name}.disk"
    with open(disk, "wb") as image:
        image.truncate(64 << 20)
    subprocess.run(["sfdisk", "-q", disk], input=b"label: gpt\nname=web\n", check=True)
    before = subprocess.run(["sha256sum", disk], capture_output=True, check=True).stdout
    devices = (*devices, "-drive", f"file={disk},format=raw,if=none,id=disk0")
    with Machine(name, "-cdrom", f"{BUILD}/skink.iso", *RUN_ISO, *devices, smp=CPUS, memory=2048, limit=900) as booted:
        booted.expect("A short tour of Skink", 300)
        assert "all is well: 7 crashes" in booted.expect(r"tour: (all is well|FAILED)[^\n]*\n", 600).group(0)
        assert booted.text.count("without an IOMMU, so its device could write anywhere") == (2 if devices[:len(OTHERS)] == OTHERS else 0)
        booted.expect(r"# (\x1b\[6n)?$", 60)       # and then the person's
        # A tour that fails says why, and destroys what tours have made: not what has taken the name of one since.
        booted.send("skink destroy disk0 --force; skink create /run/skink-tour/disk0.xml; skink pause tour; skink-tour; echo \"ended with $?\"")
        booted.expect("tour: FAILED: the guest does not answer", 300)
        booted.expect("ended with 1", 60)
        booted.send("skink list | cat; echo that is\" \"all")
        asked = booted.seen
        left = booted.expect("that is all", 60).string[asked:booted.seen]
        assert re.search("^disk0 ", left, re.M) and not re.search("^(net0|tour) ", left, re.M), left
        booted.send("poweroff")
        booted.wait_for_end(120)
    assert subprocess.run(["sha256sum", disk], capture_output=True, check=True).stdout == before


def test_a_machine_without_a_card_says_so_and_goes_on():
    """Without one that a driver domain could drive."""
    with machine("run-bare", "skink.tour", ("-netdev", "user,id=net0", "-device", "rtl8139,netdev=net0")) as booted:
        booted.expect("No tour: this machine has no network card", 300)
        booted.expect(r"# (\x1b\[6n)?$", 60)       # nobody had to log in
        booted.send("poweroff")
        booted.wait_for_end(120)
