#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""
bench.py [--system NAME]... [--part PART]... [--baseline OLD.json]: what it costs, in instructions, under -icount shift=0,sleep=off on one CPU.

system: the same kernel and initrd run the same program on bare QEMU, on Skink, on Debian's Xen, in User-Mode Linux.
guests: the guest tests whose names begin with "bench".
apps:   applications in a Debian that is all in memory: apps/. apps-2, apps-4: the same with so many vcpus, on the machine's one CPU.
life:   in the Dom0 of life/, skink (or xl) makes, lists and ends domains.
net, blk: what guests get through driver domains, or through Linux's back-ends: split/.
copies: the same work in 1 to 16 guests at once, or as many times under one bare kernel: split/copies.py.
neighbours: what a guest loses beside one that misbehaves: split/neighbours.sh.
outage: how long guests of a driver that ends get no answer, on Skink and, destroyed and created again, on Xen: split/outage.sh.
restart: how long drivers that die take to come back, and what a guest's stream loses by it: split/restart.sh.
restart-hang: of that the drivers that hang.
restart-many: the same with 16 and 64 attachments.
restart-post-mortems: the same with one attachment, with post-mortems and without.
restart-upgrade: how long nobody serves while another image takes a driver's place under load.
ledger: what the ledger costs while nobody dies, beside drivers that have none.
restart-counts: accesses to registers and TLB flushes meanwhile, by a plugin of QEMU's: counts/.
All print lines of one form, BENCH name value [unit], once or once for each round; or SPREAD name unit n p50 p99 max.
A table is printed; build/bench.json has the same for programs, build/bench.html for eyes.
"""
import argparse
import glob
import json
import math
import os
import re
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, *(os.path.join(HERE, folder) for folder in ("apps", "counts", "life", "split", "uml", os.path.join("..", "system")))]
import apps  # noqa: E402
import baseline  # noqa: E402
import copies  # noqa: E402
import counts  # noqa: E402
import life  # noqa: E402
import neighbours  # noqa: E402
import page  # noqa: E402
import split  # noqa: E402
import targets  # noqa: E402
import uml  # noqa: E402
from machine import BUILD, DOM0_ARGS, QEMU, Gone, Late, Machine, by_kernel  # noqa: E402

LINE = re.compile(r"^BENCH (\S+) (\d+)$", re.MULTILINE)
ROUND = re.compile(r"^BENCH (\S+) (-?[\d.]+) (\S+)$", re.MULTILINE)
SPREAD = re.compile(r"^SPREAD (\S+) (\S+) (\d+) (\d+) (\d+) (\d+)$", re.MULTILINE)
JIT_FLUSHES = re.compile(r"^TLB (?:full|partial) flushes\s+(\d+)", re.MULTILINE)
CORE_KEEPS, XEN_RAM = re.compile(r"the core keeps (\d+) KiB"), re.compile(r"^\(XEN\) System RAM: \d+MB \((\d+)kB\)", re.MULTILINE)
SYSTEMS = ("bare", "skink", "xen", "uml")
PARTS = ("system", "guests", *apps.VCPUS, "life", *split.PARTS)
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
# What makes figures of the lines of these parts, and says whether they can be right.
READERS = {"copies": copies, "neighbours": neighbours}
# How wide the table's columns are.
NAME, NUMBER = 40, 15
# Seconds of the host for one run.
LIMIT = 3000


def linux_on(name, boot, memory=1024):
    print(f"  {name}: Debian's kernel ...", flush=True)
    # After the end QEMU is asked what icount says nothing about.
    with Machine(f"bench-{name}", *boot, *STEADY, "-no-shutdown", memory=memory, limit=LIMIT) as machine:
        machine.expect("skink.run: done, status 0", LIMIT)
        found = steady(machine.text)
        flushes = sum(map(int, JIT_FLUSHES.findall(machine.ask_monitor("info jit"))))
        found["system.tlb_flushes"] = {**counted(flushes), "unit": "flushes", "deterministic": False}
        return found


def bare():
    return linux_on("bare", ["-kernel", f"{BUILD}/dom0/vmlinuz", "-initrd", f"{BUILD}/dom0/initrd", "-append", f"console=ttyS0 {KERNEL_ARGS}"])


def in_user_mode():
    image = uml.image(BUILD, f"{BUILD}/dom0/initrd", KERNEL_ARGS)
    outer = KERNEL_ARGS.replace("/bin/micro", "/bin/run")
    return linux_on("uml", ["-kernel", f"{BUILD}/dom0/vmlinuz", "-initrd", image, "-append", f"console=ttyS0 {outer}"], memory=3072)


def pv(name, hypervisor):
    return linux_on(name, by_kernel(hypervisor, [(f"{BUILD}/dom0/vmlinux", PV_ARGS), (f"{BUILD}/dom0/initrd", "")],
                                    "console=com1 com1=115200 noreboot"))


def applications(name, hypervisor, image, vcpus):
    """The machine has one CPU all the same: the vcpus are a hypervisor's, and a bare kernel does as many things at once without them."""
    print(f"  {name}: applications, {vcpus} vcpus ...", flush=True)
    core_args = f"console=com1 com1=115200 noreboot dom0_max_vcpus={vcpus}" + " bootscrub=0" * (name == "xen")
    words = f"rdinit=/init jobs={vcpus}"
    boot = (by_kernel(hypervisor, [(f"{BUILD}/dom0/vmlinux", f"{PV_ARGS} {words}"), (image, "")], core_args) if hypervisor else
            ["-kernel", f"{BUILD}/dom0/vmlinuz", "-initrd", image, "-append", f"console=ttyS0 {KERNEL_ARGS} {words}"])
    # The Debian and its archive, each of which may take half of it.
    with Machine(f"bench-apps-{vcpus}-{name}", *boot, *STEADY, memory=4096, limit=LIMIT) as machine:
        machine.expect(f"^APPS on {vcpus if hypervisor else 1} CPUs$", LIMIT)
        end = machine.expect("^APPS (done|failed.*)$", LIMIT)
        return steady(machine.text), None if end.group(1) == "done" else end.group()


def kernel_costs(name, hypervisor, path):
    """A small kernel as Domain-0, with itself for those that it makes."""
    print(f"  {name}: {os.path.basename(path)} ...", flush=True)
    with Machine(f"{name}-{os.path.basename(path)[:-4]}", *by_kernel(hypervisor, [(path, ""), (path, "")], GUEST_CORE_ARGS),
                 *STEADY, memory=512, limit=LIMIT) as machine:
        machine.wait_for_end(LIMIT)
        return {**steady(machine.text), **core_memory(machine.text)}


def core_memory(text):
    """Skink says what it keeps; of Xen it is what neither is free nor any domain's."""
    kept, ram = CORE_KEEPS.search(text), XEN_RAM.search(text)
    left = steady(text).get("memory_for_domains")
    amount = int(kept.group(1)) if kept else int(ram.group(1)) - left["p50"] if ram and left else None
    return {} if amount is None else {"memory_core": {**counted(amount), "unit": "KiB"}}


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


def steady(text):
    """Of a machine that has no devices: the same in each run."""
    return {**{name: int(value) for name, value in LINE.findall(text)},
            **{name: {**figure, "deterministic": True} for name, figure in figures(text).items()}}


def devices_first(machine):
    """
    QEMU's first thread answers for the devices, and the machine's clock does not wait for it. So that others who want the host's CPUs are not
    measured, it comes before them, where that is allowed. The threads of the machine's own CPUs are there by the first word.
    """
    machine.expect(r"\n", LIMIT)
    try:
        os.setpriority(os.PRIO_PROCESS, machine.qemu.pid, -10)
    except PermissionError:
        pass


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
        boot = ["-kernel", f"{BUILD}/dom0/vmlinuz", "-initrd", images.get(part, images["guest"]), "-append",
                f"console=ttyS0 quiet nokaslr norandmaps panic=-1 split=bare-{part}"]
    is_counted = part == "restart-counts"
    with Machine(f"bench-{part}-{name}", *boot, *STEADY, *split.DEVICES[part], *(counts.options(BUILD) if is_counted else ()),
                 memory=split.MEMORY.get(part, 3072), limit=LIMIT) as machine:
        devices_first(machine)
        end = machine.expect("^IO (done|failed.*)$", LIMIT)
        wrong = None if end.group(1) == "done" else end.group()
        if part in READERS:
            found = READERS[part].figures(machine.text)
            return found, wrong or READERS[part].doubt(found)
        return figures(counts.rows(machine.text) if is_counted else machine.text), wrong


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


def show(results, old):
    """The medians; what else is to be said of Skink's figure, or of the one there is, stands behind them."""
    names = {name: None for column in results.values() for name in column}
    columns = list(results) + ["target"]
    print(f"\n{'':{NAME}}" + "".join(f"{column:>{NUMBER}}" for column in columns) + "           unit, runs and spread")
    for name in names:
        values = [targets.median(results, column, name) for column in results] + [targets.target(results, name)]
        one = results.get("skink", {}).get(name) or next(column[name] for column in results.values() if name in column)
        met = {True: "met", False: "missed", None: ""}[targets.is_met(results, name)]
        print(f"{name:{NAME}}" + "".join(f"{page.shown(value):>{NUMBER}}" for value in values) +
              f"  {met:7}  {one['unit']}, {page.spread(one)}, {page.how(one)}")
    for line in baseline.worse(old, results) if old else []:
        print(f"WORSE: {line}")


def first_line(*command):
    """"-" when it fails: a source without git is no reason to lose what was measured."""
    try:
        return subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True).stdout.partition("\n")[0]
    except (OSError, subprocess.CalledProcessError):
        return "-"


def package(pattern):
    """The version in the name of a package that was unpacked."""
    return next((os.path.basename(path).split("_")[1] for path in glob.glob(f"{BUILD}/{pattern}")), "-")


def conditions(results, parts):
    with open(f"{BUILD}/dom0/kernel-version", encoding="utf-8") as file:
        kernel = file.read().strip()
    named = {"Skink": first_line("git", "describe", "--always", "--dirty"), "Machine": f"{first_line(QEMU, '--version')}, -cpu qemu64, one CPU",
             "Clock": f"{' '.join(STEADY[:2])}: one instruction is 1 ns", "Kernel": f"Debian's {kernel}, its default mitigations everywhere",
             "Parts": " ".join(parts)}
    if "xen" in results:
        named["Xen"] = package("xen/xen-hypervisor-*.deb")
    if "uml" in results:
        named["User-Mode Linux"] = package("uml/user-mode-linux_*.deb") + ", in Debian's kernel on bare QEMU"
    return named


def listed(results):
    return [{"name": name, "system": system, **figure} for system, column in results.items() for name, figure in column.items()]


def runs_of(name, parts, images):
    """What is to be run on one system, in turn."""
    hypervisor = {"skink": f"{BUILD}/skink", "xen": f"{BUILD}/xen/xen"}.get(name)
    runs = []
    if "system" in parts:
        runs.append(lambda: pv(name, hypervisor) if hypervisor else {"bare": bare, "uml": in_user_mode}[name]())
    if "guests" in parts and hypervisor:
        runs.append(lambda: guests(name, hypervisor))
    if name != "uml":
        runs += [lambda vcpus=vcpus: applications(name, hypervisor, images["apps"], vcpus) for part, vcpus in apps.VCPUS.items() if part in parts]
    if "life" in parts and hypervisor:
        runs.append(lambda: lives(name, hypervisor, images["skink" if name == "skink" else "xl"]))
    return runs + [lambda part=part: splits(name, hypervisor, part, images["split"]) for part in split.parts_of(name) if part in parts]


def images_for(systems, parts):
    images = life.image(BUILD, MANY) if "life" in parts else {}
    if set(parts) & set(apps.VCPUS):
        images["apps"] = apps.image(BUILD)
    if set(parts) & set(split.PARTS):
        tools = [("skink" if name == "skink" else "xl", part) for name in systems if name in ("skink", "xen")
                 for part in split.parts_of(name) if part in parts]
        images["split"] = split.images(BUILD, tools, parts)
    return images


def chosen():
    parser = argparse.ArgumentParser()
    parser.add_argument("--system", choices=SYSTEMS, action="append", help="this alone")
    parser.add_argument("--part", choices=PARTS, action="append", help="this alone")
    parser.add_argument("--baseline", help="an earlier bench.json: what got worse since is marked")
    return parser.parse_args()


def main():
    options = chosen()
    systems, parts = options.system or SYSTEMS, options.part or PARTS
    # Before an hour has gone by.
    try:
        old = baseline.read(options.baseline) if options.baseline else None
    except baseline.Wrong as wrong:
        print(f"bench.py: {wrong}", file=sys.stderr)
        return 2

    results, good = {}, True
    images = images_for(systems, parts)
    for name in systems:
        good &= attempt(results, name, *runs_of(name, parts, images))
    copies.add_beyond(results)
    show(results, old)
    with open(f"{BUILD}/bench.json", "w", encoding="utf-8") as file:
        json.dump(listed(results), file, indent=1)
    page.write(f"{BUILD}/bench.html", results, conditions(results, parts), old)
    print(f"\n{BUILD}/bench.html, {BUILD}/bench.json")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
