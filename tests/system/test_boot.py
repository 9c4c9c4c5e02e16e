# SPDX-License-Identifier: MIT
"""What the core is given at boot may be wrong: it says what, and halts. No triple fault, no silence."""
import os
import struct

import pytest

from machine import BUILD, DOM0_ARGS, Machine, by_kernel

HYPERVISOR = os.environ.get("HYPERVISOR", f"{BUILD}/skink")
KERNEL = f"{BUILD}/dom0/vmlinux"


def variant(name, change):
    """A copy of the kernel with something wrong in it."""
    os.makedirs(f"{BUILD}/test", exist_ok=True)
    with open(KERNEL, "rb") as source:
        image = bytearray(source.read())
    path = f"{BUILD}/test/{name}"
    with open(path, "wb") as copy:
        copy.write(change(image))
    return path


def with_bytes(image, offset, value):
    image[offset:offset + len(value)] = value
    return image


def program_headers(image):
    offset, = struct.unpack_from("<Q", image, 32)
    size, count = struct.unpack_from("<HH", image, 54)
    return [offset + i * size for i in range(count)]


def beyond_the_file(image):
    """The first segment says that it lies far behind the end of the file."""
    struct.pack_into("<Q", image, program_headers(image)[0] + 8, 1 << 40)
    return image


def wrapping_segment(image):
    """The first segment's size wraps the address space."""
    struct.pack_into("<Q", image, program_headers(image)[0] + 40, 0xffffffffffffff00)
    return image


def without_notes(image):
    for header in program_headers(image):
        if struct.unpack_from("<I", image, header)[0] == 4:
            struct.pack_into("<I", image, header, 0)
    return image.replace(b"Xen\0", b"Nix\0")


BROKEN = {
    "empty": lambda image: b"",
    "one-byte": lambda image: image[:1],
    "elf-header-only": lambda image: image[:64],
    "half": lambda image: image[:len(image) // 2],
    "not-an-elf": lambda image: with_bytes(image[:1 << 20], 0, b"What"),
    "32-bit": lambda image: with_bytes(image, 4, b"\x01"),
    "arm": lambda image: with_bytes(image, 18, b"\xb7\x00"),
    "segment-beyond-the-file": beyond_the_file,
    "segment-wraps": wrapping_segment,
    "no-notes": without_notes,
}

# What the core says before it halts; what it must not say stands in Machine.LOST.
REFUSED = r"(?i)(cannot|can not|no |not |missing|truncated|too |unknown|refuse|invalid|bad )[^\n]*\n(.*\n)*.*[Hh]alt"


@pytest.mark.parametrize("name", BROKEN)
def test_broken_kernel_is_refused(name):
    kernel = variant(f"kernel-{name}", BROKEN[name])
    with Machine(f"boot-{name}", *by_kernel(HYPERVISOR, [(kernel, DOM0_ARGS)]), memory=512, limit=60) as machine:
        machine.expect(REFUSED, 40)


def test_no_module_is_refused():
    with Machine("boot-no-module", *by_kernel(HYPERVISOR, []), memory=512, limit=60) as machine:
        machine.expect(r"(?i)module", 40)
        machine.expect(r"(?i)halt", 10)


@pytest.mark.parametrize("memory", [96, 128])
def test_too_little_memory_is_refused(memory):
    """The kernel alone has 63 MiB, and is copied."""
    with Machine(f"boot-{memory}-mib", *by_kernel(HYPERVISOR, [(KERNEL, DOM0_ARGS)]), memory=memory, limit=60) as machine:
        machine.expect(r"(?i)memory", 40)
        machine.expect(r"(?i)halt", 10)


def test_dom0_mem_larger_than_the_machine_is_cut_or_refused():
    """As with Xen's option: what is there is given, or it is said that it is not."""
    arguments = by_kernel(HYPERVISOR, [(KERNEL, DOM0_ARGS)], "console=com1 com1=115200 dom0_mem=64G")
    with Machine("boot-dom0-mem-64g", *arguments, memory=512, limit=120) as machine:
        machine.expect(r"(?i)Linux version|memory[^\n]*\n(.*\n)*.*halt", 60)
