# SPDX-License-Identifier: MIT
"""What a guest's network and disk give: bare virtio, Skink's driver domains, Xen with Linux's back-ends in Dom0.

The same kernel, initrd and programs (programs/netload.c, blkload.c) on the same machine, whose devices nobody else uses: two cards that
are joined by a wire inside QEMU, and a disk that reads as zeroes and forgets what is written.
"""
import gzip
import os
import shutil
import subprocess

import copies
from life import archived, put, read, zipped

HERE = os.path.dirname(os.path.abspath(__file__))
PARTS = ("copies", "net", "blk", "neighbours", "outage", "restart", "restart-hang", "restart-many", "restart-post-mortems", "restart-upgrade", "restart-counts", "ledger")
# Each loads what it needs of these.
MODULES = ["xenfs", "xen-evtchn", "xen-gntdev", "xen-gntalloc", "xen-privcmd", "xen-netfront", "xen-blkfront", "xen-netback",
           "xen-blkback", "brd", "bridge", "virtio_pci", "virtio_net", "virtio_blk"]
# The cards' addresses are nobody else's: a bridge takes frames for its cards' addresses as its own.
DEVICES = {
    "net": ["-netdev", "hubport,id=net4,hubid=0", "-device", "virtio-net-pci,netdev=net4,mac=00:16:3e:00:01:04,addr=4,"
            "disable-legacy=on,ioeventfd=off",
            "-netdev", "hubport,id=net5,hubid=0", "-device", "virtio-net-pci,netdev=net5,mac=00:16:3e:00:01:05,addr=5,"
            "disable-legacy=on,ioeventfd=off"],
    "blk": ["-blockdev", "null-co,node-name=disk,read-zeroes=on,size=1073741824",
            "-device", "virtio-blk-pci,drive=disk,addr=6,disable-legacy=on,ioeventfd=off"],
}
# Here a frame leaves the card 1 us after the driver has said so, by the machine's own clock. Otherwise a thread of QEMU's takes it, when the host lets it.
AT_ONCE = [f"{word},tx=timer,x-txtimer=1000" if word.startswith("virtio-net-pci") else word for word in DEVICES["net"]]
# Drivers of other devices die too: a card whose other end is a virtio one, and a disk.
OTHERS = ["-netdev", "hubport,id=net7,hubid=1", "-device", "e1000e,netdev=net7,mac=00:16:3e:00:01:07,addr=7",
          "-netdev", "hubport,id=net8,hubid=1", "-device", "virtio-net-pci,netdev=net8,mac=00:16:3e:00:01:08,addr=8,disable-legacy=on,"
          "ioeventfd=off,tx=timer,x-txtimer=1000",
          "-blockdev", "null-co,node-name=disk1,read-zeroes=on,size=1073741824", "-device", "nvme,drive=disk1,serial=1,addr=9"]
# What this card sends is taken and forgotten: a wire whose other end nobody serves would hold the first frame for ever.
DEVICES["neighbours"] = ["-netdev", "user,id=net4,restrict=on"] + AT_ONCE[2:4] + DEVICES["blk"]
# On Xen the driver domain's disk is in its memory.
DEVICES["outage"] = DEVICES["blk"]
DEVICES["ledger"] = DEVICES["blk"] + ["-blockdev", "null-co,node-name=disk1,read-zeroes=on,size=1073741824",
                                      "-device", "virtio-blk-pci,drive=disk1,addr=7,disable-legacy=on,ioeventfd=off"]
DEVICES.update({part: AT_ONCE + DEVICES["blk"] + OTHERS for part in PARTS if part.startswith("restart")})
# Guests have work and no device.
DEVICES["copies"] = []
# MiB of the machine. Domain-0 has 1,024 and each guest 256.
MEMORY = {"copies": 6144}
PROGRAMS = ("netload", "blkload", "killer", "life", "polite", "neighbour")


def parts_of(system):
    """Nobody else's drivers come back by themselves, the bare kernel's are its own, and User-Mode Linux has no devices."""
    return {"skink": PARTS, "xen": PARTS[:5], "uml": ()}.get(system, PARTS[:4])


def dom0_modules(build, root):
    # As in Dom0, where it is a link; a folder would take its place.
    os.makedirs(f"{root}/usr/lib")
    os.symlink("usr/lib", f"{root}/lib")
    subprocess.run(["dom0/image/modules.sh", f"{build}/dom0", root, *MODULES], check=True)


def guest_initrd(build, folder):
    root = f"{folder}/guest"
    put(root, "bin/split", read(f"{HERE}/guest.sh"))
    put(root, "bin/windows.sh", read(f"{HERE}/windows.sh"))
    put(root, "etc/inittab", "::sysinit:/etc/rc\n::wait:/bin/split\n", 0o644)
    for program in PROGRAMS:
        put(root, f"bin/{program}", read(f"{build}/dom0/programs/{program}"))
    subprocess.run(["dom0/image/modules.sh", f"{build}/dom0", root, *MODULES], check=True)
    # One stream: libxl unpacks an initrd itself, and stumbles over a second one.
    plain = gzip.decompress(read(f"{build}/dom0/guest-initrd"))
    return zipped(plain + b"\0" * (-len(plain) % 512) + archived(root))


def copies_initrd(build, folder):
    """It is not packed twice: a guest under icount would unpack it for seconds, and there are many."""
    plain = gzip.decompress(read(f"{build}/dom0/guest-initrd"))
    return plain + b"\0" * (-len(plain) % 512) + archived(copies.guest_root(build, folder))


def driver_initrd(build, folder):
    """A guest's, and Xen's tools for its store with what they are linked with, from Debian's packages."""
    taken, root = f"{folder}/taken", f"{folder}/driver"
    os.makedirs(taken)
    unpack = subprocess.Popen(["zstdcat", os.path.abspath(f"{build}/dom0/system.cpio.zst")], stdout=subprocess.PIPE)
    subprocess.run(["cpio", "-id", "--quiet", "*/xenstore*", "*/ld-linux-x86-64.so.2", "*/libc.so.6", "*/libxenstore.so*", "*/libxentool*.so*"],
                   stdin=unpack.stdout, cwd=taken, check=True)
    assert unpack.wait() == 0
    for tool in ("read", "write", "list"):
        put(root, f"bin/xenstore-{tool}", read(f"{taken}/usr/bin/xenstore-{tool}"))
    libraries = f"{taken}/usr/lib/x86_64-linux-gnu"
    put(root, "lib64/ld-linux-x86-64.so.2", read(f"{libraries}/ld-linux-x86-64.so.2"))
    for library in ("libc.so.6", "libxenstore.so.4", "libxentoolcore.so.1", "libxentoollog.so.1"):
        put(root, f"lib/x86_64-linux-gnu/{library}", read(f"{libraries}/{library}"))
    plain = gzip.decompress(read(f"{folder}/guest.img"))
    return zipped(plain + b"\0" * (-len(plain) % 512) + archived(root))


def images(build, wanted, parts):
    """Files by their names: guests' initrds, and the Dom0 images that are wanted, by tool and part."""
    folder = f"{build}/bench-split"
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)
    dom0, names = read(f"{build}/dom0.cpio.zst"), {"guest": f"{folder}/guest.img"}
    with open(names["guest"], "wb") as out:
        out.write(guest_initrd(build, folder))
    if "copies" in parts:
        names["copies"] = f"{folder}/copies.img"
        with open(names["copies"], "wb") as out:
            out.write(copies_initrd(build, folder))
    for tool, part in wanted:
        root = f"{folder}/{tool}-{part}"
        put(root, "bench/part", f"{part}\n", 0o644)
        put(root, "bench/initrd", read(names.get(part, names["guest"])), 0o644)
        put(root, "bench/copies", copies.LIST, 0o644)
        put(root, "etc/sv/getty-hvc0/run", read(f"{HERE}/dom0.sh"))
        for script in ("restart.sh", "neighbours.sh", "windows.sh", "outage.sh", "copies.sh"):
            put(root, f"bench/{script}", read(f"{HERE}/{script}"))
        for program in PROGRAMS:
            put(root, f"bench/{program}", read(f"{build}/dom0/programs/{program}"))
        if tool == "skink":
            put(root, "bench/skink", "", 0o644)
            for role in ("net", "blk") if part == "ledger" else ():
                put(root, f"bench/ledgerless-{role}.elf", read(f"{build}/bench/ledgerless-{role}.elf"), 0o644)
        else:
            put(root, "etc/sv/skinkd/run", "#!/bin/sh\nexec sleep infinity\n")
            put(root, "bench/vmlinux", read(f"{build}/dom0/vmlinux"))
            if part == "outage":
                put(root, "bench/driver-initrd", driver_initrd(build, folder))
            for script in ("vif.sh", "block.sh"):
                put(root, f"bench/{script}", read(f"{HERE}/{script}"))
            dom0_modules(build, root)
        names[tool, part] = f"{folder}/{tool:_<5}-{part}.img"
        with open(names[tool, part], "wb") as out:
            out.write(dom0 + zipped(archived(root)))
        shutil.rmtree(root)
    return names
