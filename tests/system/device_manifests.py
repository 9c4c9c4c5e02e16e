# SPDX-License-Identifier: MIT
"""Driver domains' manifests, those of the devices that they serve, and a disk for one."""
import os
import subprocess

from machine import BUILD

NAMESPACE = "xmlns:skink='urn:skink:manifest:1'"
DISK_MIB = 256
# A GPT: 'data' and 'small', of 64 and 8 MiB, and 128 MiB for volumes.
DATA, SMALL, VOLUMES = (2048, 131072), (133120, 16384), (149504, 262144)
# What their UUIDs begin with is their number.
UUID = "-dead-4bee-8f00-000000000000"


def make_disk(name):
    """A disk with a partition table, and something to be seen at the beginning of each partition."""
    path = f"{BUILD}/test/{name}.disk"
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as disk:
        disk.truncate(DISK_MIB << 20)
    table = "label: gpt\n" + "".join(f"start={first}, size={count}, name={name}, uuid=0000000{number}{UUID}\n" for number, (name, (first, count)) in
                                     enumerate((("data", DATA), ("small", SMALL), ("skink-volumes", VOLUMES)), 1))
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
            f"<source>{extent}</source><target dev='{target}' bus='xen'/>{more}</disk>\n")


def partition(target, label, more=""):
    return (f"<disk type='block' device='disk'><backenddomain name='disk0'/><source dev='/dev/disk/by-partlabel/{label}'/>"
            f"<target dev='{target}' bus='xen'/>{more}</disk>\n")


def partition_by_uuid(target, uuid, of="disk0", more=""):
    return (f"<disk type='block' device='disk'><backenddomain name='{of}'/><source dev='/dev/disk/by-partuuid/{uuid}'/>"
            f"<target dev='{target}' bus='xen'/>{more}</disk>\n")


def volume(target, name, more=""):
    return f"<disk type='volume' device='disk'><source pool='disk0' volume='{name}'/><target dev='{target}' bus='xen'/>{more}</disk>\n"


def interface(of="net0", more=""):
    return f"<interface type='bridge'><source bridge='{of}'/>{more}</interface>\n"


def with_namespace(manifest):
    return manifest.replace("<domain type='skink'>", f"<domain type='skink' {NAMESPACE}>")
