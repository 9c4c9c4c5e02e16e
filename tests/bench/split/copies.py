# SPDX-License-Identifier: MIT
"""The same work, a compilation, in several guests at once, or as many times at once under one bare kernel.

Each copy prints "COPY count begin end", the machine's ticks: of so many it is one. The figure is what passes from the start of the first to the end of the last.
"""
import os
import re
import shutil
import subprocess

from life import archived, put, read

HERE = os.path.dirname(os.path.abspath(__file__))
COUNTS = (1, 2, 4, 8, 16)
LIST = " ".join(map(str, COUNTS)) + "\n"
# Of the applications' Debian: what compiles one file of bzip2.
LIBRARIES = ("c", "m", "dl", "z", "zstd", "isl", "mpc", "mpfr", "gmp", "bfd", "sframe")
FILES = ["*usr/bin/make", "*usr/bin/gcc", "*usr/bin/gcc-12", "*usr/bin/x86_64-linux-gnu-gcc*12", "*usr/bin/as", "*usr/bin/x86_64-linux-gnu-as",
         "*usr/lib/gcc/x86_64-linux-gnu/12/cc1", "*usr/lib/gcc/x86_64-linux-gnu/12/include/*", "*usr/include/*", "*usr/src/bzip2/*",
         "*ld-linux-x86-64.so.2", *(f"*/x86_64-linux-gnu/lib{name}[.-]*so*" for name in LIBRARIES)]
# Behind a line's carriage return Domain-0's log has the time of the next one.
SAID = re.compile(r"^COPY (\d+) (\d+) (\d+)\r?(?:\[.*)?$", re.MULTILINE)
NAME = re.compile(r"app\.copies\.\d+\.compile")
BEYOND = ".beyond_bare"


def guest_root(build, folder):
    """What a copy needs beside what a guest's initrd has."""
    taken, root = f"{folder}/compiler", f"{folder}/copy"
    os.makedirs(taken)
    with open(f"{build}/apps.cpio", "rb") as debian:
        subprocess.run(["cpio", "-id", "--quiet", "--no-preserve-owner", *FILES], stdin=debian, cwd=taken, check=True)
    os.makedirs(root)
    shutil.move(f"{taken}/usr", f"{root}/usr")
    shutil.move(f"{root}/usr/src", f"{root}/src")
    loader = "lib64/ld-linux-x86-64.so.2"
    put(root, loader, read(f"{root}/usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2"))
    put(root, "bench/copies", LIST, 0o644)
    put(root, "bin/split", read(f"{HERE}/guest-copies.sh"))
    put(root, "bin/life", read(f"{build}/dom0/programs/life"))
    put(root, "etc/inittab", "::sysinit:/etc/rc\n::wait:/bin/split\n", 0o644)
    return root


def spans(text):
    """From the start of the first to the end of the last, by how many there were; of rounds in which one is missing, nothing."""
    rounds = {}
    for count, begin, end in SAID.findall(text):
        rounds.setdefault(int(count), []).append((int(begin), int(end)))
    return {count: max(end for _, end in copies) - min(begin for begin, _ in copies)
            for count, copies in sorted(rounds.items()) if len(copies) == count}


def figure(value, unit="instructions"):
    return {"unit": unit, "n": 1, "p50": value, "p99": value, "max": value, "deterministic": True}


def figures(text):
    found = {}
    for count, span in spans(text).items():
        found[f"app.copies.{count}.compile"] = figure(span)
        found[f"app.copies.{count}.compile.per_copy"] = figure(span // count)
    return found


def doubt(found):
    """None: all of them were there."""
    missing = [str(count) for count in COUNTS if f"app.copies.{count}.compile" not in found]
    return f"no figure of {', '.join(missing)} copies" if missing else None


def add_beyond(results):
    """What each hypervisor's copies take beyond as many of one bare kernel, in percent of these."""
    bare = results.get("bare", {})
    for column in results.values():
        for name in [name for name in column if NAME.fullmatch(name) and name in bare and column is not bare]:
            column[name + BEYOND] = figure(round(100 * (column[name]["p50"] / bare[name]["p50"] - 1), 2), "percent")
