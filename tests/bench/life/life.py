# SPDX-License-Identifier: MIT
"""What making, listing and ending domains costs from Dom0's shell: skink on Skink, xl on Debian's Xen, the same Dom0.

Every time is the time stamp counter's, which no one traps: the programs/life.c reads it in Dom0 before it executes a
command and after, the guest's kernel in its first instructions (first.S, stamp.py), and its init in its first line.
"""
import gzip
import os
import shutil
import subprocess

HERE = os.path.dirname(os.path.abspath(__file__))
PACK = "dom0/image/pack.sh"
IDLE = "#!/bin/sh\nexec sleep infinity\n"


def archived(root):
    return subprocess.run([PACK, root], stdout=subprocess.PIPE, check=True).stdout


def zipped(plain):
    return subprocess.run(["gzip", "-1n"], input=plain, stdout=subprocess.PIPE, check=True).stdout


def put(root, path, content, mode=0o755):
    path = os.path.join(root, path)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    if isinstance(content, str):
        content = content.encode()
    with open(path, "wb") as file:
        file.write(content)
    os.chmod(path, mode)


def read(path):
    with open(path, "rb") as file:
        return file.read()


def guest_initrd(build, folder):
    root = f"{folder}/guest"
    put(root, "etc/rc", read(f"{HERE}/guest-rc"))
    put(root, "bin/life", read(f"{build}/dom0/programs/life"))
    # One stream: libxl unpacks an initrd itself, and stumbles over a second one.
    plain = gzip.decompress(read(f"{build}/dom0/guest-initrd"))
    return zipped(plain + b"\0" * (-len(plain) % 512) + archived(root))


def stamped_kernel(build, folder):
    stamped = f"{folder}/vmlinuz"
    subprocess.run(["/usr/bin/python3", "-B", f"{HERE}/stamp.py", f"{build}/dom0/vmlinuz", f"{build}/dom0/vmlinux", stamped],
                   check=True)
    return read(stamped)


def prepare(build, root):
    """What skinkd -p makes of vmlinuz, as in a Dom0 image."""
    conf = f"{root}.conf"
    with open(conf, "w", encoding="utf-8") as file:
        file.write(f"state_dir = {root}/var/lib/skink\nprepare_kernels = {root}/bench/vmlinuz\n")
    os.makedirs(f"{root}/var/lib/skink")
    subprocess.run([f"{build}/dom0/skinkd", "--prepare-kernels", "--config", conf], check=True)


def image(build, many):
    """A Dom0 image for each of skink and xl, over the one that `make` built."""
    folder = f"{build}/bench-life"
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)
    kernel, initrd, dom0 = stamped_kernel(build, folder), guest_initrd(build, folder), read(f"{build}/dom0.cpio.zst")
    names = {}
    for tool in ("skink", "xl"):
        root = f"{folder}/{tool}"
        put(root, "bench/vmlinuz", kernel, 0o644)
        # The same kernel, in a file of which nobody knows that.
        put(root, "bench/unknown", kernel + b"\0", 0o644)
        put(root, "bench/initrd", initrd, 0o644)
        put(root, "bench/small.elf", read(f"{build}/guest/minimal.elf"), 0o644)
        put(root, "bench/many", f"{many}\n", 0o644)
        put(root, "bench/life", read(f"{build}/dom0/programs/life"))
        put(root, "etc/sv/getty-hvc0/run", read(f"{HERE}/dom0.sh"))
        if tool == "skink":
            put(root, "bench/skink", "", 0o644)
            put(root, "etc/skink/skinkd.conf", "prepare_kernels = /bench/vmlinuz\n", 0o644)
            prepare(build, root)
        else:
            put(root, "etc/sv/skinkd/run", IDLE)
        # The same length of name, and of everything, whichever it is.
        names[tool] = f"{folder}/{tool:_<5}.img"
        with open(names[tool], "wb") as out:
            out.write(dom0 + zipped(archived(root)))
    return names
