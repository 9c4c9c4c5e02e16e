# SPDX-License-Identifier: MIT
"""What a machine can see in the sources is as STYLE says: `make lint`, as one test."""
import os
import re
import subprocess
import sys

from machine import PATIENCE


LINT = os.path.abspath("tests/lint/lint.py")


def lint(folder="."):
    """(exit status, what is wrong, all that it said)"""
    result = subprocess.run([sys.executable, "-B", LINT], cwd=folder, env={**os.environ, "LC_ALL": "C"}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=600 * PATIENCE)
    return result.returncode, [line for line in result.stdout.splitlines() if " lint: " in line], result.stdout


def test_lint():
    status, wrong, said = lint()
    print(said)
    assert status == 0, "\n".join(wrong)


# ------------------------------------------------------------------ that it sees anything

SOURCES = {
    "protocols/ring.h": "#pragma once\nstruct ring { int slots; };\n",
    **{f"protocols/{name}.h": "#pragma once\n" for name in ("ledger", "vif", "vbd")},
    "protocols/front/net.c": "#include \"ring.h\"\nstatic const struct ring net;\n",
    "hypervisor/include/prelude.h": "#pragma once\n",
    "hypervisor/mem/frame.h": "#pragma once\n#include \"ring.h\"\nstatic inline int frame_slots(const struct ring *ring) { return ring->slots; }\n",
    "hypervisor/mem/frame.c": "#include \"mem/frame.h\"\nint frame;\n",
    "hypervisor/cpu/cpu.c": "void cpu_halt(void) { asm volatile(\"hlt\"); }\n",
    "dom0/lib/store.c": "#include \"ring.h\"\nint store;\n",
    "driver-domain/net/net.c": "#include \"ring.h\"\nint net;\n",
    "docs/architecture.md": "`include/prelude.h` `mem/frame.{h,c}` `cpu/cpu.c`\n",
}


def tree(folder, more):
    """A small Skink with this in it, too."""
    for place, text in {**SOURCES, **more}.items():
        path = folder / place
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


def test_a_tree_without_mistakes_has_none(tmp_path):
    status, wrong, said = lint(tree(tmp_path, {}))
    assert (status, wrong) == (0, []), said
    assert " 7  hypervisor, of 10000" in said, said


# What is in a file, and what is said of it behind the file's name.
MISTAKES = {
    "protocols/front/up.c": ('#include "../../dom0/lib/store.c"\n', "1: lint: protocols/ may not include dom0/ (dom0/lib/store.c)"),
    "hypervisor/mem/aside.c": ('#include "../../driver-domain/net/net.c"\n', "1: lint: hypervisor/ may not include driver-domain/ (driver-domain/net/net.c)"),
    "dom0/lib/down.c": ('\n#include "../../hypervisor/mem/frame.h"\n', "2: lint: dom0/ may not include hypervisor/ (hypervisor/mem/frame.h)"),
    "driver-domain/net/aside.c": ('#include "../../dom0/lib/store.c"\n', "1: lint: driver-domain/ may not include dom0/ (dom0/lib/store.c)"),
    "dom0/lib/lost.c": ('#include "gone.h"\n', '1: lint: "gone.h" is not found from here'),
    "hypervisor/mem/stop.c": ('int stop;\nvoid f(void) { asm volatile("hlt"); }\n', "2: lint: 'asm volatile(' lives in hypervisor/boot, cpu or iommu"),
    "hypervisor/mem/built_in.c": ("void f(void) { __builtin_ia32_wrmsr(1, 2, 3); }\n", "1: lint: '__builtin_ia32_wrmsr' lives in hypervisor/boot, cpu or iommu"),
    "hypervisor/mem/return.S": ("ret\n", "1: lint: assembly lives in hypervisor/boot, cpu or iommu"),
    "hypervisor/mem/alone.h": ("#pragma once\nstruct alone { mfn_t number; };\n", "1: lint: does not compile alone: unknown type name 'mfn_t'"),
    "protocols/alone.h": ("#pragma once\nstruct alone { uint32_t number; };\n", "1: lint: does not compile alone: unknown type name 'uint32_t'"),
    "hypervisor/cpu/new.c": ("int new;\n", "1: lint: is not in the reading order of docs/architecture.md"),
    "docs/architecture.md": (SOURCES["docs/architecture.md"] + "`cpu/gone.c` `mem/aside.c` `mem/stop.c` `mem/built_in.c` `mem/return.S` `mem/alone.h`\n",
                             "1: lint: hypervisor/cpu/gone.c is gone"),
}


def test_each_mistake_is_told_with_its_place(tmp_path):
    status, wrong, said = lint(tree(tmp_path, {place: text for place, (text, _) in MISTAKES.items()}))
    assert status == 1 and set(wrong) == {f"{place}:{complaint}" for place, (_, complaint) in MISTAKES.items()}, said


def test_more_lines_than_are_allowed_are_a_mistake(tmp_path):
    status, wrong, said = lint(tree(tmp_path, {place: "int a;\n" * 14000 for place in ("hypervisor/cpu/cpu.c", "protocols/front/net.c")}))
    assert status == 1 and len(wrong) == 2, said
    assert re.match(r"hypervisor:0: lint: 140\d\d lines of code, and 1\d{4} are allowed", wrong[0]), wrong
    assert re.match(r"protocols/front:0: lint: the smallest port takes 140\d\d lines, and 3000 are allowed", wrong[1]), wrong


def test_what_was_not_counted_is_not_taken_for_nothing(tmp_path, monkeypatch):
    cloc = tmp_path / "bin" / "cloc"
    cloc.parent.mkdir()
    cloc.write_text("#!/bin/sh\nexit 1\n")
    cloc.chmod(0o755)
    monkeypatch.setenv("PATH", str(cloc.parent), prepend=os.pathsep)
    status, wrong, said = lint(tree(tmp_path / "tree", {}))
    assert status == 1 and {line.split(":")[0] for line in wrong} == {"hypervisor", "protocols/front"}, said
