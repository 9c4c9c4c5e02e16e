# SPDX-License-Identifier: MIT
"""What the core is given at boot may be wrong: it says what, and halts. No triple fault, no silence."""
import os
import re
import struct
import subprocess

import pytest

from machine import BUILD, CORE_ARGS, DOM0_ARGS, Machine, by_kernel

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
    """
    From power-on, so with more than the core's own part. One instruction is one tick of the time stamp counter. Debian's kernel and initrd
    are beside it as its second module, so that the core has as much to take as with them.
    """
    os.makedirs(f"{BUILD}/test", exist_ok=True)
    with open(f"{BUILD}/test/boot-time.module", "wb") as module:
        for path in (KERNEL, f"{BUILD}/dom0/initrd"):
            with open(path, "rb") as part:
                module.write(part.read())
    arguments = [*by_kernel(HYPERVISOR, [(f"{BUILD}/guest/boot.elf", ""), (f"{BUILD}/test/boot-time.module", "")], "console=com1 com1=115200"),
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


# ---- what the core does when a guest, or it itself, is broken ----

def crashing(name, core_args=CORE_ARGS, cpu="qemu64"):
    """A machine whose first domain crashes."""
    return Machine(name, *by_kernel(HYPERVISOR, [(f"{BUILD}/guest/crash-handler.elf", "")], core_args), cpu=cpu, memory=256, limit=60)


def wait_until_it_stands_still(machine):
    machine.expect("noreboot: the machine stays as it is", 40, lost=False)
    machine.wait_for_halt()


def test_crashed_first_domain_leaves_the_machine_as_it_is():
    with crashing("boot-noreboot") as machine:
        wait_until_it_stands_still(machine)
        assert "\nskink: reset" not in machine.text


def test_crashed_first_domain_reboots_the_machine():
    """QEMU is told to end where a machine would begin anew."""
    with crashing("boot-reboot", core_args="console=com1 com1=115200") as machine:
        machine.wait_for_end(40)
        assert "domain-0 has ended: crashed" in machine.text
        assert "skink: reset" in machine.text and "PANIC" not in machine.text


def test_smep_smap_and_write_protection_are_on():
    with crashing("boot-protections", cpu="max") as machine:
        wait_until_it_stands_still(machine)
        registers = machine.ask_monitor("info registers")
    cr0, cr4 = (int(re.search(rf"{name}=([0-9a-f]+)", registers).group(1), 16) for name in ("CR0", "CR4"))
    no_execute = int(re.search(r"EFER=([0-9a-f]+)", registers).group(1), 16) & 1 << 11
    assert cr4 & 1 << 20 and cr4 & 1 << 21, f"SMEP and SMAP: CR4 is {cr4:x}"
    assert cr0 & 1 << 16 and no_execute


def symbols():
    lines = subprocess.run(["nm", f"{BUILD}/skink.elf"], stdout=subprocess.PIPE, check=True, text=True).stdout.splitlines()
    return {name: int(value, 16) for value, _, name in map(str.split, lines)}


IMAGE, WINDOWS, DIRECT_MAP, CORE_END, PAGE = 0xffff828000000000, 0xffff828040000000, 0xffff830000000000, 0xffff880000000000, 4096
# Those of the first 64 KiB of a CPU's window that are there: a page each for four exceptions, and 16 KiB (cpu/layout.h).
STACK_PAGES = {1, 3, 5, 7, 12, 13, 14, 15}


def test_text_and_constants_are_write_protected_and_stacks_end_at_guards():
    """P1 of cpu/paging.c and cpu/layout.h, as the CPU has them."""
    at = symbols()
    with crashing("boot-pages") as machine:
        wait_until_it_stands_still(machine)
        said = machine.ask_monitor("info tlb")
    pages = {int(address, 16): (int(frame, 16), flags)
             for address, frame, flags in re.findall(r"([0-9a-f]{16}): ([0-9a-f]{16}) ([-XGPDACTUW]{9})", said)}
    image = range(at["image_start"], at["image_end"], PAGE)
    assert all(address in pages for address in image)
    constant = {pages[address][0] for address in image if address < at["rodata_end"]}
    for address, (frame, flags) in pages.items():
        can_write, can_execute = flags[8] == "W", flags[0] != "X"
        if not IMAGE <= address < CORE_END:
            continue
        assert flags[7] != "U" and not (can_write and can_execute), hex(address)
        assert not (can_write and frame in constant), f"{address:#x} is another way to text or constants"
        if address in image:
            assert can_execute == (address < at["text_end"]) and can_write == (address >= at["rodata_end"]), hex(address)
        if address >= DIRECT_MAP:
            assert not can_execute, hex(address)
    assert {page for page in range(16) if WINDOWS + page * PAGE in pages} == STACK_PAGES


def test_fault_in_the_core_is_told_and_stops_it():
    """A machine check comes while the core waits for ever."""
    with crashing("boot-panic") as machine:
        wait_until_it_stands_still(machine)
        machine.ask_monitor("mce 0 1 0xb200000000000000 0x4 0 0")
        machine.expect(r"SKINK PANIC: CPU 0: exception 18", 40, lost=False)
        machine.expect(r"  rip e008:[0-9a-f]{16} [\s\S]*back trace:\s+\S+ +[0-9a-f]{16} cpu_halt_all\+0x[\s\S]*All CPUs are halted", 40, lost=False)
        machine.wait_for_halt()
