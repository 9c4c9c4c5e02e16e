# SPDX-License-Identifier: MIT
"""
The scripted back-end on the host: it finds nothing wrong with the reference front-ends, and names exactly the rule that a mutant breaks.
"""
import os
import re
import subprocess
import sys

import pytest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "conformance"))

from machine import PATIENCE           # noqa: E402
from mutants import MUTANTS, mutated   # noqa: E402

OBJECTS = "build/conformance/objects"
FLAGS = ["-std=gnu11", "-D_GNU_SOURCE", "-D__XEN_TOOLS__", "-O1", "-w"]
# What a reference front-end has no need of: only mutants show that it is looked at.
UNUSED = {"net": {"NET-27", "NET-28", "NET-29"}, "blk": {"BLK-26"}}


def walk(program, role):
    result = subprocess.run([program, role], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=120 * PATIENCE)
    assert result.returncode in (0, 1), result.stdout[-3000:]
    broken = re.findall(r"^not ok \d+ - (\S+)", result.stdout, re.M)
    skipped = re.findall(r"^ok \d+ - (\S+).*# SKIP", result.stdout, re.M)
    return result, broken, skipped


def all_rules():
    with open("tests/conformance/rules.def", encoding="utf-8") as file:
        return {name.replace("_", "-"): level for name, level in re.findall(r"^RULE\((\w+), (\w+)", file.read(), re.M)}


def musts():
    return {name for name, level in all_rules().items() if level == "MUST"}


@pytest.mark.parametrize("role", ["net", "blk"])
def test_reference_front_end_keeps_every_rule(role):
    result, broken, skipped = walk("build/conformance/host", role)
    assert (result.returncode, broken, set(skipped)) == (0, [], UNUSED[role]), result.stdout


def test_page_and_list_of_rules_agree():
    """Those that docs/protocols.md marks are those that are judged, with the same level."""
    with open("docs/protocols.md", encoding="utf-8") as page:
        marked = {name: words.split()[1] for name, words in re.findall(r"^\| ((?:BUS|NET|BLK|RST)-\d+) \| ([^|]*●) \|", page.read(), re.M)}
    assert marked == {name: "MUST" if name in musts() else "SHOULD" for name in all_rules()}


def test_page_and_scripted_front_ends_agree():
    """Those that docs/protocols.md marks for back-ends are those that a step is named after."""
    with open("docs/protocols.md", encoding="utf-8") as page:
        marked = set(re.findall(r"^\| ((?:BUS|NET|BLK|RST)-\d+) \| B MUST ○ \|", page.read(), re.M))
    tried = set()
    for role in ("blk", "net"):
        with open(f"tests/conformance/back_{role}.c", encoding="utf-8") as file:
            tried |= set(re.findall(r'^\t\t\{ "([A-Z]+-\d+)",', file.read(), re.M))
    # What a front-end must do, a back-end has to judge.
    assert marked == tried - {"BUS-31", "BLK-28", "NET-21", "NET-40"}


def test_every_must_has_a_mutant():
    assert musts() - {rule for rule, *_ in MUTANTS} == set()


def mutate(tmp_path, file, old, new):
    """The host program with one file changed."""
    mutant = tmp_path / os.path.basename(file)
    mutant.write_text(mutated(file, old, new))
    others = [os.path.join(folder, name) for folder, _, names in os.walk(OBJECTS) for name in names
              if name.endswith(".o") and os.path.join(folder, name) != f"{OBJECTS}/{file}.o" and name != "world_xen.c.o"]
    folder = os.path.dirname(file)
    subprocess.run(["gcc", *FLAGS, f"-I{folder}", f"-I{folder}/..", "-iquote", folder, str(mutant), *others,
                    "-o", str(tmp_path / "host")], check=True)
    return str(tmp_path / "host")


@pytest.mark.parametrize("mutant", MUTANTS, ids=[f"{rule}-{role}-{number}" for number, (rule, role, *_) in enumerate(MUTANTS)])
def test_mutant_is_named(mutant, tmp_path):
    rule, role, file, old, new = mutant
    result, broken, _ = walk(mutate(tmp_path, file, old, new), role)
    assert broken == [rule], result.stdout
    assert result.returncode == (1 if rule in musts() else 0)
