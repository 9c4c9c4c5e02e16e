#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""
bench.py [--xen] [--only NAME]: what it costs, in instructions, under -icount shift=0,sleep=off on one CPU.

The same kernel and initrd run the same program on bare QEMU and on Skink (and on Debian's Xen with --xen); the
guest tests whose names begin with "bench" print lines of the same form: BENCH name instructions. So does the Dom0 of life/,
in which skink (or xl) makes, lists and ends domains.
A table is printed, and build/bench.json holds the same.
"""
import argparse
import glob
import json
import os
import re
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "life"), os.path.join(HERE, "..", "system")]
import life  # noqa: E402
from machine import BUILD, DOM0_ARGS, Gone, Late, Machine, by_kernel  # noqa: E402

LINE = re.compile(r"^BENCH (\S+) (\d+)", re.MULTILINE)
# File names and command lines are the same in every run, or the counts differ.
STEADY = ["-icount", "shift=0,sleep=off", "-seed", "1", "-rtc", "base=2026-01-01,clock=vm"]
KERNEL_ARGS = "skink.run=/bin/micro quiet nokaslr norandmaps random.trust_bootloader=off panic=-1"
PV_ARGS = f"console=hvc0 acpi=off initcall_blacklist=cmos_init swiotlb=noforce {KERNEL_ARGS}"
# Xen scrubs free memory meanwhile, unless told not to.
LIFE_CORE_ARGS = {"skink": "console=com1 com1=115200 noreboot dom0_mem=1024M",
                  "xen": "console=com1 com1=115200 noreboot dom0_mem=1024M,max:1024M bootscrub=0"}
GUEST_CORE_ARGS = "console=com1 com1=115200 noreboot dom0_mem=64M"
# Domains that are there when the last rows of life are taken.
MANY = 100
# How wide the table's columns are.
NAME, NUMBER = 40, 15
# Seconds of the host for one run.
LIMIT = 900


def linux_on(name, boot, end):
    print(f"  {name}: Debian's kernel ...", flush=True)
    with Machine(f"bench-{name}", *boot, *STEADY, memory=1024, limit=LIMIT) as machine:
        machine.expect(end, LIMIT)
        return {bench: int(value) for bench, value in LINE.findall(machine.text)}


def bare():
    boot = ["-kernel", f"{BUILD}/dom0/vmlinuz", "-initrd", f"{BUILD}/dom0/initrd", "-append",
            f"console=ttyS0 {KERNEL_ARGS}"]
    return linux_on("bare", boot, "skink.run: done, status 0")


def pv(name, hypervisor):
    boot = by_kernel(hypervisor, [(f"{BUILD}/dom0/vmlinux", PV_ARGS), (f"{BUILD}/dom0/initrd", "")],
                     "console=com1 com1=115200 noreboot")
    return linux_on(name, boot, "skink.run: done, status 0")


def guests(name, hypervisor):
    results = {}
    # Xen has no drivers to reset.
    for path in sorted(glob.glob(f"{BUILD}/guest/bench*.elf")) + [f"{BUILD}/guest/reset.elf"] * (name == "skink"):
        print(f"  {name}: {os.path.basename(path)} ...", flush=True)
        with Machine(f"{name}-{os.path.basename(path)[:-4]}", *by_kernel(hypervisor, [(path, ""), (path, "")], GUEST_CORE_ARGS),
                     *STEADY, memory=512, limit=LIMIT) as machine:
            try:
                machine.wait_for_end(LIMIT)
            finally:
                results.update((bench, int(value)) for bench, value in LINE.findall(machine.text))
    return results


def lives(name, hypervisor, image):
    print(f"  {name}: the life of domains ...", flush=True)
    dom0_args = DOM0_ARGS.replace("earlyprintk=xen ", "") + " quiet"
    boot = by_kernel(hypervisor, [(f"{BUILD}/dom0/vmlinux", dom0_args), (image, "")], LIFE_CORE_ARGS[name])
    with Machine(f"bench-life-{name}", *boot, *STEADY, memory=4096, limit=LIMIT) as machine:
        end = machine.expect("LIFE (done|failed.*)", LIMIT)
        if end.group(1) != "done":
            raise Gone(end.group())
        return {bench: int(value) for bench, value in LINE.findall(machine.text)}


def attempt(results, name, *runs):
    """A machine that fails leaves its column short, and bench.py fails in the end."""
    good = True
    results[name] = {}
    for run in runs:
        try:
            results[name].update(run())
        except (Gone, Late) as wrong:
            print(f"  {name}: {wrong}")
            good = False
    return good


def target(results, bench):
    """Skink may add at most half of what Xen adds; where xl makes a domain, skink may take half as long."""
    # xl knows no kernels that are unpacked already.
    base, xen = results["bare"].get(bench), results.get("xen", {}).get(bench.replace("_prepared_", "_new_"))
    if base is None and bench.startswith("create_"):
        base = 0
    return None if base is None or xen is None else base + (xen - base) // 2


def show(results):
    names = []
    for column in results.values():
        names += [name for name in column if name not in names]
    columns = list(results) + ["target"]
    print(f"\n{'instructions':{NAME}}" + "".join(f"{column:>{NUMBER}}" for column in columns) + "   Skink adds")
    for name in names:
        values = [results[column].get(name) for column in results] + [target(results, name)]
        base, skink = results["bare"].get(name), results["skink"].get(name)
        added = "" if base is None or skink is None else f"   {skink - base:+,}"
        print(f"{name:{NAME}}" + "".join(f"{'-' if value is None else format(value, ','):>{NUMBER}}" for value in values) + added)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--xen", action="store_true", help="Debian's Xen 4.17 too")
    parser.add_argument("--only", help="one machine alone: bare, skink or xen")
    options = parser.parse_args()
    wanted = [options.only] if options.only else ["bare", "skink"] + (["xen"] if options.xen else [])

    results, good = {"bare": {}, "skink": {}}, True
    if "bare" in wanted:
        good &= attempt(results, "bare", bare)
    images = life.image(BUILD, MANY)
    for name, hypervisor, image in (("skink", f"{BUILD}/skink", images["skink"]), ("xen", f"{BUILD}/xen/xen", images["xl"])):
        if name in wanted:
            good &= attempt(results, name, lambda: pv(name, hypervisor), lambda: guests(name, hypervisor),
                            lambda: lives(name, hypervisor, image))
    show(results)
    with open(f"{BUILD}/bench.json", "w", encoding="utf-8") as file:
        json.dump({"unit": "instructions", "qemu": qemu_version(), "results": results}, file, indent=1)
    return 0 if good else 1


def qemu_version():
    return subprocess.run(["qemu-system-x86_64", "--version"], stdout=subprocess.PIPE, text=True).stdout.splitlines()[0]


if __name__ == "__main__":
    sys.exit(main())
