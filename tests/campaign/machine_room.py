# SPDX-License-Identifier: MIT
"""What a campaign's machine is made of: disk, Dom0's image with the campaign's programs, guests' image, manifests, QEMU's options."""
import hashlib
import json
import os
import subprocess
import tempfile

from dom0 import UNPACKED, guest, image_with
from machine import BUILD, QEMU

FOLDER = f"{BUILD}/campaign"
INITRD = "/var/lib/skink/images/initrd-campaign"
# One disk, a partition for each guest that has one, as their kernels find them: Domain-0 is to have nothing to do with it. Name: (its device, where it begins, its size).
MIB = 1 << 20
PARTS = {"web": ("/dev/xvda1", 1 * MIB, 32 * MIB), "store": ("/dev/xvda2", 1024 * MIB, 16 * MIB)}
NOBODY = "nobody"       # what is in no partition
DISK_BYTES = max(start + size for _, start, size in PARTS.values()) + MIB
DISK_ID, SECTOR = "0x6b6e6b73", 512
NAMESPACE = "xmlns:skink='urn:skink:manifest:1'"
SLOTS = {"net0": 3, "disk0": 4}
# A device is silent after so long: a disk's ten seconds would be most of a campaign.
DEVICE_S = {"net0": 1, "disk0": 3}
ROLES = {"net0": "net", "disk0": "blk"}
# Of each guest: which loads, and so whom it is attached to: both drivers, one of them alone, or none.
LOADS = {"web": ("tcp", "disk"), "wire": ("tcp",), "store": ("disk",), "idle": ("memory",)}
# Who only has to go on: so many times less than `web` does.
SLOWER = {"wire": 8, "store": 8}
ADDRESSES = {"web": "10.0.2.16", "wire": "10.0.2.17"}
DEVICES = {"tcp": "<interface type='bridge'><source bridge='net0'/></interface>",
           "disk": "<disk type='block' device='disk'><backenddomain name='disk0'/><source><skink:extent whole='yes'/></source>"
                   "<target dev='xvda' bus='xen'/><shareable/></disk>"}
DRIVER_OF = {"tcp": "net0", "disk": "disk0", "sql": "disk0", "fio": "disk0"}
MEMORY_MIB = {"web": 160, "wire": 112, "store": 112, "idle": 112}
# Debian with its PostgreSQL and fio, on the disk of who has those loads too; and what each of them needs.
DEBIAN, DEBIAN_GUEST = f"{FOLDER}/debian.ext4", "web"
OF_DEBIAN = {"sql": "postgresql", "fio": "fio"}
MORE_MIB = {"sql": 96, "fio": 64}
PROGRAMS = ("load", "sql", "verify")


def loads_of(name, plan):
    return LOADS[name] + tuple(load for load, key in OF_DEBIAN.items() if name == DEBIAN_GUEST and plan["load"][key])


def rate_of(name, plan):
    """Of a stream, in KiB a second."""
    return plan["load"]["tcp_kib_per_s"] // SLOWER.get(name, 1)


def needs_debian(plan):
    return any(plan["load"][key] for key in OF_DEBIAN.values())


def make_disk(path, plan):
    """Over whatever is there, of which nothing stays: QEMU has the file open."""
    with open(path, "ab") as file:
        file.truncate(DISK_BYTES)
    clear_outside(path, plan)
    for name in PARTS:
        make_file_system(path, plan, name)


def clear_outside(path, plan):
    """What is in no partition, as it was at first."""
    for begin, end in outside(plan):
        empty(path, begin, end - begin)
    with open(path, "r+b") as file:
        file.write(partition_table(plan))


def outside(plan):
    """[(from, to)]; the partition table is before all of them."""
    ends = [SECTOR, *sorted(PARTS[name][1] + size_of(name, plan) for name in PARTS)]
    begins = [*sorted(start for _, start, _ in PARTS.values()), DISK_BYTES]
    return [(begin, end) for begin, end in zip(ends, begins) if begin < end]


def empty(path, start, size):
    subprocess.run(["fallocate", "--punch-hole", "--offset", str(start), "--length", str(size), path], check=True)


def partition_table(plan):
    """The disk's first sector."""
    parts = "".join(f"start={start // SECTOR}, size={size_of(name, plan) // SECTOR}\n" for name, (_, start, _) in PARTS.items())
    with tempfile.NamedTemporaryFile() as file:
        file.truncate(DISK_BYTES)
        subprocess.run(["sfdisk", "-q", file.name], input=f"label: dos\nlabel-id: {DISK_ID}\n{parts}", text=True, check=True)
        return file.read(SECTOR)


def size_of(name, plan):
    """Debian needs all that there is."""
    return 1023 * MIB if name == DEBIAN_GUEST and needs_debian(plan) else PARTS[name][2]


def make_file_system(path, plan, name):
    """Of one guest. What stood there before is gone."""
    start, size = PARTS[name][1], size_of(name, plan)
    empty(path, start, size)
    if name == DEBIAN_GUEST and needs_debian(plan):
        subprocess.run(["dd", f"if={DEBIAN}", f"of={path}", "bs=1M", f"seek={start // MIB}", "conv=notrunc,sparse", "status=none"], check=True)
        return
    subprocess.run(["mke2fs", "-q", "-t", "ext4", "-b", "4096", "-F", "-E", f"offset={start}", path, f"{size >> 10}k"], check=True, stdout=subprocess.DEVNULL)


def check_disk(path, plan):
    """What e2fsck has to say of each guest's file system, and what is to be said of all that is nobody's: {name: text}; empty: nothing."""
    said = {name: check_file_system(path, PARTS[name][1], size_of(name, plan)) for name in PARTS if name in plan["load"]["guests"]}
    return {**said, NOBODY: check_outside(path, plan)}


def check_outside(path, plan):
    """A write that went astray hits what is nobody's as well, and then who comes next finds no partition."""
    with open(path, "rb") as file:
        if file.read(SECTOR) != partition_table(plan):
            return "the partition table was written over"
    for begin, end in outside(plan):
        for at, data in pieces(path, begin, end):
            written = data.lstrip(b"\0")
            if written:
                return f"byte {at + len(data) - len(written)}, which is in no partition, was written"
    return ""


def pieces(path, begin=0, end=None):
    """What is on the disk, but its holes: (offset, content)."""
    with open(path, "rb", buffering=0) as file:
        at, end = begin, file.seek(0, os.SEEK_END) if end is None else end
        while at < end:
            try:
                at = file.seek(at, os.SEEK_DATA)
            except OSError:     # nothing more
                return
            to = min(file.seek(at, os.SEEK_HOLE), end)
            if at < to:
                file.seek(at)
                yield at, file.read(to - at)
            at = max(at, to)


def check_file_system(path, start=0, size=0):
    """Of a copy whose journal was played back."""
    copy = f"{path}.check"
    subprocess.run(["dd", f"if={path}", f"of={copy}", "bs=1M", f"skip={start // MIB}", *([f"count={size // MIB}"] if size else []), "conv=sparse", "status=none"], check=True)
    try:
        played = subprocess.run(["e2fsck", "-E", "journal_only", "-y", copy], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        if played.returncode > 1:
            return played.stdout.strip().replace("\n", "; ")[-400:]
        checked = subprocess.run(["e2fsck", "-f", "-n", copy], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        return "" if checked.returncode == 0 else checked.stdout.strip().replace("\n", "; ").replace(copy, "disk")[-400:]
    finally:
        os.unlink(copy)


def guests_initrd():
    """The guests' own, with the loads, and nobody at the console."""
    path = f"{FOLDER}/guest-initrd"
    subprocess.run(f"rm -rf {path}.d && mkdir -p {path}.d/bin && cp -R tests/campaign/guest/. {path}.d/ && cp {' '.join(f'{FOLDER}/programs/{program}' for program in PROGRAMS)} {path}.d/bin/ && "
                   f"(cat {BUILD}/dom0/guest-initrd; cd {path}.d && find . -mindepth 1 | cpio -o -H newc --quiet | gzip -1n) "
                   f"> {path} && rm -r {path}.d", shell=True, check=True)
    return path


def dom0_image(name, drivers=None):
    """drivers: other images of the driver domains, by role."""
    files = {INITRD[1:]: guests_initrd(), "campaign/watch": f"{FOLDER}/programs/watch"}
    files.update({f"campaign/{role}.elf": path for role, path in (drivers or {}).items()})
    return image_with(name, files)


def driver_manifest(name, iommu, drivers=None):
    """`drivers`: as of dom0_image(). Its restarts are never used up: what a fault does to the next one is not what a campaign asks."""
    role = ROLES[name]
    return f"""<domain type='skink' {NAMESPACE}>
  <name>{name}</name>
  <memory unit='MiB'>16</memory>
  {f"<os><kernel>/campaign/{role}.elf</kernel></os>" if role in (drivers or {}) else ""}
  <skink:driver role='{role}'>
    {"" if iommu else "<skink:dma unprotected='yes'/>"}
    <skink:inject allow='yes'/>
    <skink:restart limit='1000' within='1ms' backoff='1ms' backoff-limit='1ms' jitter='0%'/>
    <skink:health device='{DEVICE_S[name]}s'/>
  </skink:driver>
  <devices><hostdev mode='subsystem' type='pci'><source>
    <address domain='0x0000' bus='0x00' slot='0x0{SLOTS[name]}' function='0x0'/>
  </source></hostdev></devices>
</domain>
"""


def guest_manifest(name, ports, plan):
    """`ports`: of its streams' other side, if it has any."""
    loads = loads_of(name, plan)
    words = {"": ",".join(loads), ".pause": plan["load"]["pause_ms"] * SLOWER.get(name, 1)}
    if ports:
        words.update({".rate": rate_of(name, plan), ".ports": f"{ports[0]}-{ports[1]}", ".address": ADDRESSES[name]})
    if name in PARTS:
        words[".part"] = PARTS[name][0]
    line = " ".join(f"campaign{key}={value}" for key, value in words.items())
    manifest = guest(name, memory_mib=MEMORY_MIB[name] + sum(MORE_MIB.get(load, 0) for load in loads), initrd=INITRD, devices="".join(DEVICES.get(load, "") for load in loads))
    return manifest.replace("<domain type='skink'>", f"<domain type='skink' {NAMESPACE}>").replace("cryptomgr.notests", f"cryptomgr.notests {line}")


def options(disk, iommu):
    modern = "disable-legacy=on" + (",iommu_platform=on" if iommu else "")
    return ["-machine", "q35", *(["-device", "intel-iommu,intremap=on"] if iommu else []),
            "-netdev", "user,id=net0", "-device", f"virtio-net-pci,netdev=net0,addr=3,{modern}",
            "-drive", f"file={disk},format=raw,if=none,id=disk0,cache=unsafe,discard=unmap",
            "-device", f"virtio-blk-pci,drive=disk0,addr=4,{modern}"]


def digest(path):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def digest_of_campaign():
    """What runs a case and judges it; what counts and draws is not among that, nor what is built, which has digests of its own."""
    files = [*(f"tests/campaign/{name}.py" for name in ("campaign", "case", "judge", "machine_room", "peer", "plant", "session")),
             *sorted(os.path.join(folder, name) for folder, _, names in os.walk("tests/campaign/guest") for name in names)]
    return hashlib.sha256("".join(f"{path} {digest(path)}\n" for path in files).encode()).hexdigest()


def digest_of_plan(plan):
    """What it says of the machine, the load and the limits; its faults are cases, which have names, and more minutes make more of them."""
    limits = {key: value for key, value in plan["limits"].items() if key != "minutes"}
    return hashlib.sha256(json.dumps([plan["machine"], plan["load"], limits], sort_keys=True).encode()).hexdigest()


def versions(plan, drivers=None):
    """What a result depends on."""
    files = {"core": f"{BUILD}/skink", "net.elf": f"{BUILD}/net.elf", "blk.elf": f"{BUILD}/blk.elf", "skinkd": f"{BUILD}/dom0/skinkd",
             "inject": f"{BUILD}/dom0/inject", "Dom0's kernel": f"{BUILD}/dom0/vmlinux", "Dom0's image": UNPACKED,
             "guests' initrd": f"{BUILD}/dom0/guest-initrd", "watch": f"{FOLDER}/programs/watch", "guests' kernel": f"{BUILD}/dom0/vmlinuz", "loads": f"{FOLDER}/programs/load", "sql": f"{FOLDER}/programs/sql", "verify": f"{FOLDER}/programs/verify"}
    files.update({f"{role}.elf": path for role, path in (drivers or {}).items()})
    if needs_debian(plan):
        files["Debian's disk"] = DEBIAN
    qemu = subprocess.run([QEMU, "--version"], stdout=subprocess.PIPE, text=True, check=True).stdout.splitlines()[0]
    commit = subprocess.run(["git", "describe", "--always", "--dirty"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=False)
    return {**{name: digest(path) for name, path in files.items()}, "campaign": digest_of_campaign(), "plan": digest_of_plan(plan), "qemu": qemu, "commit": commit.stdout.strip() or "unknown"}
