#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""
stamp.py BZIMAGE VMLINUX OUT: the same bzImage, but for what its first instructions do: first.S.

They lie where the kernel has its entry point for machines without a hypervisor. VMLINUX is the ELF file that is in
BZIMAGE (vmlinux.py).
"""
import lzma
import os
import struct
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
PT_LOAD, PT_NOTE = 1, 4
XEN_ELFNOTE_ENTRY = 1


def segments(elf):
    offset, = struct.unpack_from("<Q", elf, 32)
    size, count = struct.unpack_from("<HH", elf, 54)
    for i in range(count):
        kind, _, start, virtual, physical, length = struct.unpack_from("<IIQQQQ", elf, offset + i * size)
        yield kind, start, virtual, physical, length


def entry_note(elf):
    """Where in the file the address of the PV entry point stands."""
    for kind, start, _, _, length in segments(elf):
        at, end = start, start + length
        while kind == PT_NOTE and at < end:
            name, value, note = struct.unpack_from("<III", elf, at)
            content = at + 12 + (name + 3) // 4 * 4
            if elf[at + 12:at + 12 + name] == b"Xen\0" and note == XEN_ELFNOTE_ENTRY:
                return content
            at = content + (value + 3) // 4 * 4
    sys.exit("stamp.py: the kernel has no PV entry point")


def bare_entry(elf):
    """The entry point for bare machines: where in the file it is, and where the kernel's own address space has it."""
    physical_entry, = struct.unpack_from("<Q", elf, 24)
    for kind, start, virtual, physical, length in segments(elf):
        if kind == PT_LOAD and physical <= physical_entry < physical + length:
            return start + physical_entry - physical, virtual + physical_entry - physical
    sys.exit("stamp.py: the kernel's entry point is in no segment")


def assemble(entry):
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(["gcc", "-c", f"-DKERNEL_ENTRY={entry:#x}", f"{HERE}/first.S", "-o", f"{folder}/first.o"], check=True)
        subprocess.run(["objcopy", "-O", "binary", "-j", ".text", f"{folder}/first.o", f"{folder}/first"], check=True)
        return open(f"{folder}/first", "rb").read()


def pack(elf):
    """As the kernel's own build does it."""
    filters = [{"id": lzma.FILTER_X86}, {"id": lzma.FILTER_LZMA2, "preset": 6, "dict_size": 32 << 20}]
    return lzma.compress(elf, lzma.FORMAT_XZ, lzma.CHECK_CRC32, filters=filters) + struct.pack("<I", len(elf))


def main():
    image, elf = (bytearray(open(name, "rb").read()) for name in sys.argv[1:3])
    note = entry_note(elf)
    place, address = bare_entry(elf)
    code = assemble(struct.unpack_from("<Q", elf, note)[0])
    elf[place:place + len(code)] = code
    struct.pack_into("<Q", elf, note, address)

    packed = pack(bytes(elf))
    start = ((image[0x1F1] or 4) + 1) * 512 + struct.unpack_from("<I", image, 0x248)[0]
    struct.pack_into("<I", image, 0x24C, len(packed))
    with open(sys.argv[3], "wb") as out:
        out.write(image[:start] + packed)


main()
