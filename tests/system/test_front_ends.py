# SPDX-License-Identifier: MIT
"""Front-ends in real guests, walked through the rules of docs/protocols.md by the scripted back-end in Dom0: Linux's and the reference ones."""
import os
import re
import sys

import pytest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "conformance"))

from machine import BUILD                      # noqa: E402
from run import Subject, session, walk         # noqa: E402
from tap import block_of, lines_of             # noqa: E402

KERNEL, INITRD = f"{BUILD}/dom0/vmlinuz", f"{BUILD}/conformance/initrd"
SUBJECTS = {
    "linux-blkfront": Subject("blk", KERNEL, INITRD),
    "linux-netfront": Subject("net", KERNEL, INITRD),
    "reference-blk": Subject("blk", f"{BUILD}/conformance/blk.elf", memory=32),
    "reference-net": Subject("net", f"{BUILD}/conformance/net.elf", memory=32),
    # One that breaks a rule: the harness must say so from inside a guest too.
    "mutant-blk": Subject("blk", f"{BUILD}/conformance/mutant.elf", memory=32),
}
# What a front-end has no occasion for, while it does what the test asks.
NOT_SEEN = {
    "linux-blkfront": set(),
    "linux-netfront": set(),
    "reference-blk": {"BLK-26"},
    "reference-net": {"NET-27", "NET-28", "NET-29", "NET-32"},
}


@pytest.fixture(scope="module")
def dom0():
    with session("front-ends", SUBJECTS.values()) as machine:
        yield machine


def verdicts(result):
    assert not result.harness_failed(), f"status {result.status}\n{result.error}\n{result.tap[-3000:]}\n{result.console}"
    return (set(re.findall(r"^not ok \d+ - (\S+)", result.tap, re.M)),
            set(re.findall(r"^ok \d+ - (\S+).*# SKIP", result.tap, re.M)))


@pytest.mark.parametrize("name", NOT_SEEN)
def test_front_end_keeps_the_rules(dom0, name):
    result = walk(dom0, SUBJECTS[name], name=name)
    assert verdicts(result) == (set(), NOT_SEEN[name]), f"{result.tap}\n{result.console}"
    assert result.status == 0


def test_mutant_in_a_guest_is_named(dom0):
    result = walk(dom0, SUBJECTS["mutant-blk"], name="mutant")
    assert verdicts(result)[0] == {"BLK-23"}, result.tap
    block = block_of(dict(lines_of(result.tap))["BLK-23"])
    assert block["expected"] == "first <= last <= 7" and re.search(r"^  request \d+: read .*\[gref \d+, \d-8\]", block["rings"], re.M), block
    assert result.status == 1
