#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""
lint.py: what a machine can see of the house style.

Errors, each a line "file:line: lint: ...", and exit status 1:
  - an #include that points against the arrows between folders
  - assembly or a privileged instruction outside of hypervisor/boot, cpu and iommu
  - a header that does not compile alone
  - more lines of code in hypervisor/ than the ratchet allows on the way to 10,000
  - a file of hypervisor/ that docs/architecture.md's reading order leaves out, or names though it is gone
Only shown: lines of code by folder, the longest functions and files.
"""
import argparse
import os
import re
import subprocess
import sys

BUDGET = 10000
# The core is over its budget still (docs/decisions/over-budget.md). It may only shrink: lower this with each cut.
RATCHET = 13231
FUNCTION_AIM, FILE_AIM = 60, 400
# The first Linux port to Xen took as many.
PORT_BUDGET = 3000

# Who may include whom; everybody may include the system's headers.
MAY_INCLUDE = {
    "protocols": [],
    "hypervisor": ["protocols"],
    "driver-domain": ["protocols"],
    "dom0": ["protocols"],
    "tests": ["hypervisor", "driver-domain", "protocols", "dom0"],
}
# Where an include is looked for, by the including folder (besides the including file's own folder).
SEARCH = {
    "hypervisor": ["hypervisor", "hypervisor/include", "protocols"],
    "driver-domain": ["driver-domain", "driver-domain/runtime", "protocols"],
    "dom0": ["dom0", "protocols"],
    "protocols": ["protocols"],
}
FOLDERS_WITH_ASSEMBLY = ("hypervisor/boot/", "hypervisor/cpu/", "hypervisor/iommu/")
ASSEMBLY = re.compile(r"\b(__asm__|__asm|asm)\b\s*(volatile|goto|__volatile__)?\s*\(")
# Built-in functions of the compiler that are privileged instructions in disguise.
PRIVILEGED = re.compile(r"\b__builtin_ia32_(rd|wr)\w*|\b__(cli|sti|hlt|invlpg)\b")
COMPILE = ["-x", "c", "-fsyntax-only", "-std=gnu11", "-Wall", "-Wextra", "-Werror", "-Wno-unused-function",
           "-Wno-unused-parameter", "-D__XEN_TOOLS__", "-mgeneral-regs-only"]

errors = []


def error(path, line, text):
    errors.append(f"{path}:{line}: lint: {text}")


def sources(*suffixes):
    for top in MAY_INCLUDE:
        for folder, _, names in os.walk(top):
            for name in sorted(names):
                if name.endswith(suffixes):
                    yield os.path.join(folder, name)


def lines_of(path):
    with open(path, encoding="utf-8", errors="replace") as file:
        return file.read().split("\n")


def without_comments(text):
    """Comments and strings are blanked, lines stay where they are."""
    def blank(match):
        return re.sub(r"[^\n]", " ", match.group())
    return re.sub(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"', blank, text, flags=re.DOTALL)


def resolve(path, name):
    top = path.split(os.sep)[0]
    for folder in [os.path.dirname(path), *SEARCH.get(top, [])]:
        candidate = os.path.normpath(os.path.join(folder, name))
        if os.path.exists(candidate):
            return candidate
    return None


def check_arrows():
    for path in sources(".c", ".h", ".S"):
        top = path.split(os.sep)[0]
        if top == "tests":
            continue
        for number, line in enumerate(lines_of(path), 1):
            include = re.match(r'\s*#\s*include\s+(["<])([^">]+)[">]', line)
            if not include:
                continue
            target = resolve(path, include.group(2))
            if target is None:
                if include.group(1) == '"' and include.group(2) != "offsets.h":
                    error(path, number, f"\"{include.group(2)}\" is not found from here")
                continue
            other = target.split(os.sep)[0]
            if other != top and other not in MAY_INCLUDE[top]:
                error(path, number, f"{top}/ may not include {other}/ ({target})")


def check_assembly():
    for path in sources(".c", ".h", ".S"):
        if not path.startswith("hypervisor/") or path.startswith(FOLDERS_WITH_ASSEMBLY):
            continue
        if path.endswith(".S"):
            error(path, 1, "assembly lives in hypervisor/boot, cpu or iommu")
            continue
        for number, line in enumerate(without_comments("\n".join(lines_of(path))).split("\n"), 1):
            found = ASSEMBLY.search(line) or PRIVILEGED.search(line)
            if found and not re.search(r'asm\s*(volatile)?\s*\(\s*:::', line):
                error(path, number, f"'{found.group().strip()}' lives in hypervisor/boot, cpu or iommu")


def check_reading_order():
    """`mem/frame.{h,c}` names two files."""
    page = "docs/architecture.md"
    if not os.path.exists(page):
        return
    named = set()
    for name, suffixes in re.findall(r"`(\w+/\w+)\.(\w+|\{[\w,]+\})`", "\n".join(lines_of(page))):
        folder = os.path.dirname(name)
        top = next((top for top in (".", "driver-domain") if os.path.isdir(f"{top}/{folder}")), "hypervisor")
        named |= {os.path.normpath(f"{top}/{name}.{suffix}") for suffix in suffixes.strip("{}").split(",")}
    there = {path for path in sources(".c", ".h", ".S", ".lds", ".py") if path.startswith("hypervisor/")}
    for path in there - named:
        error(path, 1, f"is not in the reading order of {page}")
    for path in (path for path in named if not os.path.exists(path)):
        error(page, 1, f"{path} is gone")


# What the Makefile has the compiler read before each file of the core.
PRELUDE = ["-include", "include/prelude.h"]


def includes_for(path):
    top = path.split(os.sep)[0]
    if path.startswith("tests/unit/driver"):
        return ["-DSKINK_HOST", "-Idriver-domain", "-Iprotocols", "-Itests/unit/driver"]
    if path.startswith("tests/unit") or path.startswith("tests/fuzz"):
        return ["-DSKINK_HOST", *PRELUDE, *[f"-I{f}" for f in SEARCH["hypervisor"] + ["tests/unit", "tests/unit/fake-cpu"]]]
    if path.startswith("tests/guest"):
        return ["-ffreestanding", *[f"-I{f}" for f in SEARCH["driver-domain"] + ["tests/guest"]]]
    own = {"hypervisor": ["-ffreestanding", *PRELUDE], "driver-domain": ["-ffreestanding"], "dom0": ["-isystem/usr/include/libxml2"]}
    return own.get(top, []) + [f"-I{f}" for f in SEARCH.get(top, [])]


def check_headers(compiler):
    for path in sources(".h"):
        wrapper = f'#include "{os.path.abspath(path)}"\ntypedef int not_empty;\n'
        result = subprocess.run([compiler, *COMPILE, *includes_for(path), "-"], input=wrapper, text=True,
                                stderr=subprocess.PIPE)
        if result.returncode:
            first = next((line for line in result.stderr.splitlines() if "error:" in line), result.stderr)
            error(path, 1, f"does not compile alone: {first.split('error:')[-1].strip()}")


def functions(path):
    """(length, name, line) of each function: a line that opens with '{' in the first column, to its '}'."""
    lines = lines_of(path)
    for number, line in enumerate(lines):
        if line != "{":
            continue
        end = next((i for i in range(number, len(lines)) if lines[i] == "}"), number)
        begin = number - 1
        while begin > 0 and lines[begin - 1] and not lines[begin - 1].startswith((" ", "\t", "}", "#", "/")):
            begin -= 1
        head = " ".join(line for line in lines[begin:number] if not line.startswith(("#", "/", " *")))
        names = [name for name in re.findall(r"(\w+)\s*\(", head) if not name.startswith("__") and not name.isupper()]
        yield end - number + 1, names[0] if names else "?", number + 1


def show_longest():
    found = [(length, name, path, line) for path in sources(".c") if not path.startswith("tests/")
             for length, name, line in functions(path)]
    print("\nlongest functions (an aim, not a limit: 60)")
    for length, name, path, line in sorted(found, reverse=True)[:10]:
        print(f"  {length:5}{'!' if length > FUNCTION_AIM else ' '} {name} ({path}:{line})")
    sizes = sorted(((len(lines_of(path)) - 1, path) for path in sources(".c", ".h", ".S")
                    if not path.startswith("tests/")), reverse=True)
    print("\nlongest files (an aim, not a limit: 400)")
    for length, path in sizes[:10]:
        print(f"  {length:5}{'!' if length > FILE_AIM else ' '} {path}")


def code_lines(*places):
    """Lines of C and assembly, without comments and blanks, as cloc counts them."""
    output = subprocess.run(["cloc", "--quiet", "--csv", "--include-lang=C,C/C++ Header,Assembly", *places],
                            stdout=subprocess.PIPE, text=True).stdout
    rows = [row.split(",") for row in output.splitlines() if re.match(r"\d+,SUM,", row)]
    return int(rows[0][4]) if rows else 0


def show_port():
    """What a kernel needs at least to live here, with a network and a disk: no driver domain's own part of the runtime."""
    drivers = ("answers", "driver_domain", "foreign", "pci", "step")
    runtime = [path for path in sources(".c", ".h", ".S") if path.startswith("driver-domain/runtime/")
               and os.path.basename(path).split(".")[0] not in drivers]
    front = [path for path in sources(".c", ".h") if path.startswith("protocols/front/")]
    rings = [f"protocols/{name}.h" for name in ("ring", "ledger", "vif", "vbd")]
    total = code_lines(*runtime, *front, *rings)
    print(f"  {total:6}  the smallest port of a kernel: runtime {code_lines(*runtime)}, front-ends {code_lines(*front)}, "
          f"rings {code_lines(*rings)}; at most {PORT_BUDGET}")
    if not total:
        error("protocols/front", 0, "cloc counts no line")
    if total > PORT_BUDGET:
        error("protocols/front", 0, f"the smallest port takes {total} lines, and {PORT_BUDGET} are allowed")


def show_sizes():
    print("lines of code (cloc)")
    if os.path.isdir("hypervisor"):
        for name in sorted(os.listdir("hypervisor")):
            if os.path.isdir(f"hypervisor/{name}"):
                print(f"  {code_lines(f'hypervisor/{name}'):6}  hypervisor/{name}")
    total = code_lines("hypervisor")
    print(f"  {total:6}  hypervisor, of {BUDGET}")
    for other in ("driver-domain", "dom0", "protocols", "tests"):
        if os.path.isdir(other):
            print(f"  {code_lines(other):6}  {other}")
    if not total:
        error("hypervisor", 0, "cloc counts no line")
    if total > BUDGET:
        print(f"  {total - BUDGET:6}  OVER THE BUDGET; the ratchet stands at {RATCHET}")
    if total > max(BUDGET, RATCHET):
        error("hypervisor", 0, f"{total} lines of code, and {max(BUDGET, RATCHET)} are allowed")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--cc", default="gcc")
    compiler = parser.parse_args().cc
    check_arrows()
    check_assembly()
    check_headers(compiler)
    check_reading_order()
    show_sizes()
    show_port()
    show_longest()
    print()
    for line in sorted(set(errors)):
        print(line)
    print(f"lint: {len(set(errors))} errors")
    return 1 if errors else 0


sys.exit(main())
