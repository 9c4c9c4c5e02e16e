# SPDX-License-Identifier: MIT
"""What the core is given at boot may be wrong: it says what, and halts. No triple fault, no silence."""
import os
import re
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


def with_unknown_note(image):
    at = next(m.start() - 12 for m in re.finditer(b"Xen\0", image)
              if struct.unpack_from("<I", image, m.start() - 12)[0] == 4
              and struct.unpack_from("<I", image, m.start() - 4)[0] < 20)
    struct.pack_into("<I", image, at + 8, 77)
    return image


# What is wrong, how it is made, and what has to be said about it.
BROKEN = {
    "empty": (lambda image: b"", "truncated|no module|empty"),
    "one-byte": (lambda image: image[:1], "truncated"),
    "elf-header-only": (lambda image: image[:64], "truncated|program headers"),
    "half": (lambda image: image[:len(image) // 2], "truncated"),
    "not-an-elf": (lambda image: with_bytes(image[:1 << 20], 0, b"What"), "no ELF"),
    "32-bit": (lambda image: with_bytes(image, 4, b"\x01"), "64-bit"),
    "arm": (lambda image: with_bytes(image, 18, b"\xb7\x00"), "x86-64"),
    "segment-beyond-the-file": (beyond_the_file, "truncated|segment"),
    "segment-wraps": (wrapping_segment, "truncated|segment"),
    "no-notes": (without_notes, "note"),
    "unknown-note": (with_unknown_note, "note.*not known"),
}


def assert_refused(machine, said):
    machine.expect(rf"(?i)Domain-0[^\n]*({said})", 40, lost=False)
    machine.wait_for_halt()
    # A wrong file is not the core's fault: it says what is wrong, and shows no back trace.
    assert "PANIC" not in machine.text


@pytest.mark.parametrize("name", BROKEN)
def test_broken_kernel_is_refused(name):
    change, said = BROKEN[name]
    kernel = variant(f"kernel-{name}", change)
    with Machine(f"boot-{name}", *by_kernel(HYPERVISOR, [(kernel, DOM0_ARGS)]), memory=512, limit=60) as machine:
        assert_refused(machine, said)


def test_compressed_kernel_is_refused():
    kernel = f"{BUILD}/dom0/vmlinuz"
    with Machine("boot-bzimage", *by_kernel(HYPERVISOR, [(kernel, DOM0_ARGS)]), memory=512, limit=60) as machine:
        assert_refused(machine, "compressed|bzImage")


def test_no_module_is_refused():
    with Machine("boot-no-module", *by_kernel(HYPERVISOR, []), memory=512, limit=60) as machine:
        assert_refused(machine, "no module")


@pytest.mark.parametrize("memory", [80, 128])
def test_too_little_memory_is_refused(memory):
    """The kernel alone has 63 MiB, and is copied."""
    with Machine(f"boot-{memory}-mib", *by_kernel(HYPERVISOR, [(KERNEL, DOM0_ARGS)]), memory=memory, limit=60) as machine:
        assert_refused(machine, "memory")


def test_wrong_dom0_mem_is_refused():
    arguments = by_kernel(HYPERVISOR, [(KERNEL, DOM0_ARGS)], "console=com1 com1=115200 dom0_mem=much")
    with Machine("boot-dom0-mem-much", *arguments, memory=512, limit=60) as machine:
        assert_refused(machine, "dom0_mem")


def test_dom0_mem_larger_than_the_machine_is_cut():
    """As with Xen's option: what is there is given."""
    arguments = by_kernel(HYPERVISOR, [(KERNEL, DOM0_ARGS)], "console=com1 com1=115200 dom0_mem=64G")
    with Machine("boot-dom0-mem-64g", *arguments, memory=512, limit=120) as machine:
        machine.expect(r"Linux version", 60)


def test_domain_zero_runs_within_half_a_billion_instructions():
    """From power-on, so with more than the core's own part. One instruction is one tick of the time stamp counter."""
    arguments = [*by_kernel(HYPERVISOR, [(f"{BUILD}/guest/boot.elf", "")], "console=com1 com1=115200"),
                 "-icount", "shift=0,sleep=off"]
    with Machine("boot-time", *arguments, memory=2048, limit=120) as machine:
        machine.expect(r"first instruction at tick (\d+)", 100)
    ticks = int(re.search(r"first instruction at tick (\d+)", machine.text).group(1))
    print(f"Domain-0's first instruction is the {ticks / 1e6:.0f} millionth")
    assert ticks < 500_000_000


def test_core_keeps_within_its_memory_budget():
    """4 MiB and 1.5 % of all memory, said at the end of the boot, modules given back."""
    with Machine("boot-memory", *by_kernel(HYPERVISOR, [(KERNEL, DOM0_ARGS)]), memory=2048, limit=60) as machine:
        machine.expect(r"the core keeps (\d+) KiB, its budget is (\d+) KiB", 40)
    said = re.search(r"Memory: (\d+) MiB, .* keeps (\d+) KiB, its budget is (\d+) KiB", machine.text)
    memory_mib, keeps, budget = map(int, said.groups())
    assert 2040 <= memory_mib <= 2048
    assert keeps <= budget <= 4 * 1024 + 2048 * 1024 * 15 // 1000
