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

from back import TOLD                            # noqa: E402
from back_mutants import BACK_MUTANTS, SKINKD_MUTANTS   # noqa: E402
from hostprograms import unit_test_with          # noqa: E402
from machine import PATIENCE                     # noqa: E402
from mutants import BLK, MUTANTS, NET, mutated   # noqa: E402
from tap import block_of, lines_of               # noqa: E402

OBJECTS = "build/conformance/objects"
FLAGS = ["-std=gnu11", "-D_GNU_SOURCE", "-D__XEN_TOOLS__", "-O1", "-w"]
# What a reference front-end has no need of: only mutants show that it is looked at.
UNUSED = {"net": {"NET-27", "NET-28", "NET-29", "NET-32"}, "blk": {"BLK-26"}}
# Of what is broken before a ring is mapped, none can be told of.
BEFORE_RINGS = {"BUS-1", "BUS-3", "BUS-5", "BUS-7", "BLK-1", "BLK-2", "BLK-3"}


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
    tried = {TOLD}
    for role in ("blk", "net"):
        with open(f"tests/conformance/back_{role}.c", encoding="utf-8") as file:
            tried |= set(re.findall(r'^\t\t\{ "([A-Z]+-\d+)",', file.read(), re.M))
    # What a front-end must do, a back-end has to judge.
    assert marked == tried - {"BUS-31", "BLK-28", "NET-21", "NET-40"}


def test_what_back_ends_mutants_change_is_there():
    """They are tried in machines, minutes later."""
    for _, _, file, old, new in [*BACK_MUTANTS, *SKINKD_MUTANTS]:
        mutated(file, old, new)


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
    block = block_of(dict(lines_of(result.stdout))[rule])
    assert block["expected"] and block["seen"]
    assert rule in BEFORE_RINGS or re.search(r"^(ring|tx): \d+ slots; req_prod \d+ ", block["rings"]), block


@pytest.mark.parametrize("rule,role,decoded", [
    ("BLK-23", "blk", r"  request \d+: read \(0\) id \d+ sector \d+ \[gref \d+, \d-8\]"),
    ("BLK-30", "blk", r"  response \d+: \w+ \(\d\) id \d+ status 0"),
    ("NET-26", "net", r"  request \d+: id \d+ gref \d+ offset \d+ size \d+ flags 0x40"),
    ("NET-28", "net", r"  request \d+: extra type 1 flags 0x0, 16-bit words 0 1 0"),
    ("NET-43", "net", r"(?s)rx: 256 slots;.*  response \d+: id \d+ offset \d+ flags 0x0 status \d+"),
])
def test_what_was_broken_is_seen_in_the_rings(rule, role, decoded, tmp_path):
    """The slots that a verdict speaks of, decoded."""
    file, old, new = next(mutant[2:] for mutant in MUTANTS if mutant[:2] == (rule, role))
    result, *_ = walk(mutate(tmp_path, file, old, new), role)
    block = block_of(dict(lines_of(result.stdout))[rule])
    assert re.search(decoded, block["rings"]), block["rings"]


# ------------------------------------------------------------------ what no walk can judge

UNIT_OBJECTS = "build/unit/objects"
FRONT = [f"protocols/front/{name}.c" for name in ("bus", "blk", "net")]
UNIT_COMMON = ["tests/unit/front.c", *(f"tests/unit/fake-cpu/{name}.c" for name in ("cpu", "memory", "core", "given"))]

# (rule, file, what stands there, what it becomes, the case of tests/unit/front.c that sees it): a front-end that believes its back-end.
BELIEVERS = [
    ("BUS-37", BLK, "	if (!io || response->operation != io->operation) {", "	if (!io)\n		return;\n	if (response->operation != io->operation) {",
     "answer_to_what_was_not_asked_breaks_the_disk"),
    ("BUS-37", BLK, "	if (!io || response->operation != io->operation) {", "	if (!io) {", "answer_to_another_operation_breaks_the_disk"),
    ("BUS-37", BLK, "	blk->io[response->id] = NULL;\n	blk_finish(", "	blk_finish(", "second_answer_breaks_the_disk"),
    ("BUS-37", BLK, "		blk->broken = \"more answers than requests\";", "		return;", "more_answers_than_requests_break_the_disk"),
    ("BUS-37", NET, "		net_break(net, \"transmit: an answer to what was not asked\");\n", "", "answers_to_what_was_not_sent_break_the_interface"),
    ("BUS-37", NET, "		net_break(net, \"receive: an answer with a wrong id, or beyond its page\");\n", "", "slots_that_reach_beyond_their_page_break_the_interface"),
    ("BUS-37", NET, "net_tx_fetch(net) < 0 || net_rx_fetch(net) < 0", "net_tx_fetch(net) + net_rx_fetch(net) == 1", "indices_that_lie_break_the_interface"),
]


def unit_test(folder, file, text):
    """build/unit/front with one file changed."""
    others = [f"{UNIT_OBJECTS}/{one}.o" for one in (*FRONT, *UNIT_COMMON) if one != file]
    flags = [*FLAGS, "-fsanitize=address,undefined", "-Iprotocols/front", "-Iprotocols", "-iquote", "protocols/front"]
    return unit_test_with(folder, file, text, flags, others)


@pytest.mark.parametrize("mutant", BELIEVERS, ids=[f"{rule}-{number}" for number, (rule, *_) in enumerate(BELIEVERS)])
def test_front_end_that_believes_fails_its_case(mutant, tmp_path):
    _, file, old, new, case = mutant
    status, failed, said = unit_test(str(tmp_path), file, mutated(file, old, new))
    assert status != 0 and case in failed, said[-2000:]


def test_what_believers_are_made_of_passes(tmp_path):
    with open(BLK, encoding="utf-8") as source:
        status, failed, said = unit_test(str(tmp_path), BLK, source.read())
    assert (status, failed) == (0, set()), said[-2000:]


@pytest.mark.parametrize("rule,file,old,new", [
    ("BLK-20", "protocols/vbd.h", "	uint32_t zero;\n	uint64_t id;\n	uint64_t sector;\n	struct vbd_segment", "	uint64_t id;\n	uint64_t sector;\n	uint32_t zero;\n	struct vbd_segment"),
    ("BLK-20", "protocols/vbd.h", "	uint16_t zero2;\n	uint32_t gref[", "	uint32_t zero2;\n	uint32_t gref["),
    ("NET-20", "protocols/vif.h", "	uint16_t offset;		/* in the granted page */", "	uint32_t offset;"),
    ("NET-20", "protocols/vif.h", "	uint8_t flags;			/* VIF_EXTRA_MORE: one more extra in the next slot */", "	uint32_t flags;"),
])
def test_other_layout_does_not_compile(rule, file, old, new, tmp_path):
    """Of the layouts, which all rules stand on, the compiler names the rule."""
    (tmp_path / "layout.h").write_text(mutated(file, old, new))
    (tmp_path / "layout.c").write_text('#include "layout.h"\n')
    result = subprocess.run(["gcc", *FLAGS, "-Iprotocols", "-fsyntax-only", str(tmp_path / "layout.c")], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert result.returncode != 0 and set(re.findall(r'static assertion failed: "([A-Z]+-\d+)', result.stdout)) == {rule}, result.stdout


# ------------------------------------------------------------------ what is asked for

TEXT = "docs/front-ends.md"


@pytest.mark.parametrize("asked,complaint", [
    ((), "ROLE= is missing: net or blk"),
    (("--role", "disk"), "ROLE=disk: net or blk"),
    (("--role", "blk"), "KERNEL= is missing"),
    (("--role", "blk", "--kernel", "build/no-such.elf"), "KERNEL=build/no-such.elf: no such file"),
    (("--role", "blk", "--kernel", "build"), "KERNEL=build: no such file"),
    (("--role", "blk", "--kernel", TEXT), f"KERNEL={TEXT}: neither an ELF nor a bzImage"),
    (("--role", "blk", "--kernel", "build/conformance/blk.elf", "--initrd", "no-such"), "INITRD=no-such: no such file"),
    (("--role", "blk", "--kernel", "build/conformance/blk.elf", "--step", "BLK-99"), "STEP=BLK-99: no rule that this walk judges"),
    (("--role", "blk", "--kernel", "build/conformance/blk.elf", "--step", "NET-21"), "STEP=NET-21: no rule that this walk judges"),
    (("--role", "blk", "--kernel", "build/conformance/blk.elf", "--device", "nvme"), "DEVICE=nvme: with SIDE=back"),
    (("--side", "middle", "--role", "blk"), "SIDE=middle: front or back"),
    (("--side", "back"), "ROLE= is missing: net or blk"),
    (("--side", "back", "--role", "net", "--step", "NET-22"), "STEP=NET-22: no rule that this walk judges"),
    (("--side", "back", "--role", "net", "--kernel", TEXT), f"KERNEL={TEXT}: neither an ELF nor a bzImage"),
    (("--side", "back", "--role", "net", "--device", "nvme"), "DEVICE=nvme: with SIDE=back, virtio or e1000e for ROLE=net"),
    (("--side", "back", "--role", "net", "--cmdline", "quiet"), "INITRD= and CMDLINE= are for front-ends"),
    (("--walk", "slowly"), "unrecognized arguments: --walk slowly"),
])
def test_what_there_is_not_is_refused(asked, complaint):
    status, out, error = run(*asked)
    assert status == 2 and complaint in error.splitlines()[0] and not out, error


@pytest.mark.parametrize("asked", [("--role", "blk", "--kernel", "build/conformance/blk.elf"), ("--side", "back", "--role", "blk")])
def test_machine_that_does_not_start_is_no_verdict(asked):
    status, out, error = run(*asked, HYPERVISOR="build/no-such-core")
    assert status == 2 and "TAP" not in out and "the harness failed" in error, error


def run(*asked, **variables):
    result = subprocess.run([sys.executable, "-B", "tests/conformance/run.py", *asked], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                            env={**os.environ, **variables}, timeout=120 * PATIENCE)
    return result.returncode, result.stdout, result.stderr
