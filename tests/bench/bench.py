#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""
bench.py [--xen] [--only SYSTEM] [--part PART]...: what it costs, in instructions, under -icount shift=0,sleep=off on one CPU.

system: the same kernel and initrd run the same program on bare QEMU and on Skink (and on Debian's Xen with --xen).
guests: the guest tests whose names begin with "bench".
life:   in the Dom0 of life/, skink (or xl) makes, lists and ends domains.
net, blk: what guests get through driver domains, or through Linux's back-ends: split/.
restart: how long drivers that die take to come back, and what a guest's stream loses by it: split/restart.sh.
All print lines of one form, BENCH name value [unit], once or once for each round; or SPREAD name unit n p50 p99 max.
A table is printed, and build/bench.json holds the same.
"""
import argparse
import glob
import json
import math
import os
import re
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "life"), os.path.join(HERE, "split"), os.path.join(HERE, "..", "system")]
import life  # noqa: E402
import split  # noqa: E402
from machine import BUILD, DOM0_ARGS, Gone, Late, Machine, by_kernel  # noqa: E402

LINE = re.compile(r"^BENCH (\S+) (\d+)", re.MULTILINE)
ROUND = re.compile(r"^BENCH (\S+) ([\d.]+) (\S+)$", re.MULTILINE)
SPREAD = re.compile(r"^SPREAD (\S+) (\S+) (\d+) (\d+) (\d+) (\d+)$", re.MULTILINE)
PARTS = ("system", "guests", "life", *split.PARTS)
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
SPLIT_LIMIT = 3000


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


def kernel_costs(name, hypervisor, path):
    """A small kernel as Domain-0, with itself for those that it makes."""
    print(f"  {name}: {os.path.basename(path)} ...", flush=True)
    with Machine(f"{name}-{os.path.basename(path)[:-4]}", *by_kernel(hypervisor, [(path, ""), (path, "")], GUEST_CORE_ARGS),
                 *STEADY, memory=512, limit=LIMIT) as machine:
        machine.wait_for_end(LIMIT)
        return {bench: int(value) for bench, value in LINE.findall(machine.text)}


def guests(name, hypervisor):
    results = {}
    # Xen has no drivers to reset.
    for path in sorted(glob.glob(f"{BUILD}/guest/bench*.elf")) + [f"{BUILD}/guest/reset.elf"] * (name == "skink"):
        results.update(kernel_costs(name, hypervisor, path))
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


def rank(values, share):
    """The value that so many of them do not exceed."""
    return sorted(values)[max(0, math.ceil(len(values) * share) - 1)]


def figures(text):
    """Rounds of one name become one figure; those of single operations are one already. Devices answer when the host lets
    them: these are not the same in each run."""
    rounds, units, found = {}, {}, {}
    for name, value, unit in ROUND.findall(text):
        rounds.setdefault(name, []).append(float(value))
        units[name] = unit
    for name, values in rounds.items():
        found[name] = {"unit": units[name], "n": len(values), "p50": rank(values, 0.5), "p99": rank(values, 0.99),
                       "max": max(values), "deterministic": False}
    for name, unit, *numbers in SPREAD.findall(text):
        found[name] = {"unit": unit, **dict(zip(("n", "p50", "p99", "max"), map(int, numbers))), "deterministic": False}
    return found


def splits(name, hypervisor, part, images):
    """The guests of one part, with its devices; without a hypervisor, the same initrd alone."""
    print(f"  {name}: {part} ...", flush=True)
    if hypervisor:
        dom0_args = DOM0_ARGS.replace("earlyprintk=xen ", "") + " quiet"
        tool = "skink"
        if name == "xen":
            # Here Dom0 has the devices.
            tool, dom0_args = "xl", dom0_args.replace("acpi=off ", "").replace("swiotlb=noforce ", "")
        boot = by_kernel(hypervisor, [(f"{BUILD}/dom0/vmlinux", dom0_args), (images[tool, part], "")], LIFE_CORE_ARGS[name])
    else:
        boot = ["-kernel", f"{BUILD}/dom0/vmlinuz", "-initrd", images["guest"], "-append",
                f"console=ttyS0 quiet nokaslr norandmaps panic=-1 split=bare-{part}"]
    with Machine(f"bench-{part}-{name}", *boot, *STEADY, *split.DEVICES[part], memory=3072, limit=SPLIT_LIMIT) as machine:
        end = machine.expect("^IO (done|failed.*)$", SPLIT_LIMIT)
        return figures(machine.text), None if end.group(1) == "done" else end.group()


def attempt(results, name, *runs):
    """A machine that fails leaves its column short, and bench.py fails in the end."""
    good = True
    results[name] = {}
    for run in runs:
        try:
            found = run()
            found, wrong = found if isinstance(found, tuple) else (found, None)
            for bench, value in found.items():
                results[name][bench] = counted(value) if isinstance(value, int) else value
            if wrong:
                raise Gone(wrong)
        except (Gone, Late) as wrong:
            print(f"  {name}: {wrong}")
            good = False
    return good


def counted(value):
    return {"unit": "instructions", "n": 1, "p50": value, "p99": value, "max": value, "deterministic": True}


def median(results, system, bench):
    return results.get(system, {}).get(bench, {}).get("p50")


def target(results, bench):
    """
    Skink may add at most half of what Xen adds; where xl makes a domain, skink may take half as long. Through driver domains a guest
    gets twice as much as from Xen's back-ends, in half the time.
    """
    # xl knows no kernels that are unpacked already.
    base, xen = median(results, "bare", bench), median(results, "xen", bench.replace("_prepared_", "_new_"))
    if xen is not None and bench.startswith(("net.", "blk.")):
        return xen * 2 if results["xen"][bench]["unit"].endswith("/s") else xen / 2
    if base is None and bench.startswith("create_"):
        base = 0
    return None if base is None or xen is None else base + (xen - base) // 2


def shown(value):
    return "-" if value is None else f"{value:,.0f}" if value >= 1000 or value == int(value) else f"{value:,.2f}"


def show(results):
    """The medians."""
    units = {}
    for column in results.values():
        units.update({name: figure["unit"] for name, figure in column.items() if name not in units})
    columns = list(results) + ["target"]
    print(f"\n{'':{NAME}}" + "".join(f"{column:>{NUMBER}}" for column in columns) + "   unit (Skink adds)")
    for name, unit in units.items():
        values = [median(results, column, name) for column in results] + [target(results, name)]
        base, skink = median(results, "bare", name), median(results, "skink", name)
        added = f" ({skink - base:+,})" if isinstance(base, int) and isinstance(skink, int) else ""
        print(f"{name:{NAME}}" + "".join(f"{shown(value):>{NUMBER}}" for value in values) + f"   {unit}{added}")


def listed(results):
    return [{"name": name, "system": system, **figure} for system, column in results.items() for name, figure in column.items()]


def runs_of(name, parts, images):
    """What is to be run on one system, in turn."""
    hypervisor = {"bare": None, "skink": f"{BUILD}/skink", "xen": f"{BUILD}/xen/xen"}[name]
    runs = []
    if "system" in parts:
        runs.append(bare if name == "bare" else lambda: pv(name, hypervisor))
    if "guests" in parts and hypervisor:
        runs.append(lambda: guests(name, hypervisor))
    if "life" in parts and hypervisor:
        runs.append(lambda: lives(name, hypervisor, images["skink" if name == "skink" else "xl"]))
    return runs + [lambda part=part: splits(name, hypervisor, part, images["split"]) for part in split.parts_of(name) if part in parts]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--xen", action="store_true", help="Debian's Xen 4.17 too")
    parser.add_argument("--only", help="one machine alone: bare, skink or xen")
    parser.add_argument("--part", choices=PARTS, action="append", help="this alone")
    options = parser.parse_args()
    wanted = [options.only] if options.only else ["bare", "skink"] + (["xen"] if options.xen else [])
    parts = options.part or PARTS

    results, good = {name: {} for name in ("bare", "skink")}, True
    images = life.image(BUILD, MANY) if "life" in parts else {}
    if set(parts) & set(split.PARTS):
        tools = [("skink" if name == "skink" else "xl", part) for name in wanted if name != "bare"
                 for part in split.parts_of(name) if part in parts]
        images["split"] = split.images(BUILD, tools)
    for name in wanted:
        good &= attempt(results, name, *runs_of(name, parts, images))
    show(results)
    with open(f"{BUILD}/bench.json", "w", encoding="utf-8") as file:
        json.dump(listed(results), file, indent=1)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
