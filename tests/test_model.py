# SPDX-License-Identifier: MIT
"""The models in tests/model, searched through by Spin: each holds, and each of its mutants breaks the invariant it is meant to break."""
import os
import re
import shutil
import subprocess

import pytest

from machine import PATIENCE

MODELS = "tests/model"
BUILD = "build/model"

# What is passed to Spin, and the invariant that must break (None: none does). L4 has no assertion: it is that nothing ends where it
# must not. The invariants stand at the top of each model and in protocols/ledger.md.
RUNS = [
    ("ledger", [], None),
    ("ledger", ["NO_LEDGER"], "L2"),
    ("ledger", ["NO_KICK"], "L4"),
    ("ledger", ["NO_SCAN"], "L4"),
    ("ledger", ["FROM_PUBLISHED"], "L1"),
    ("ledger", ["COMMIT_FIRST"], "L5"),
    ("ledger", ["PLAIN_COMPARE"], "L5"),
    ("ledger", ["COMPARE_SLOT"], "L2"),
    ("packet", [], None),
    ("packet", ["COMMIT_BY_SLOT"], "L6"),
    ("packet", ["PUBLISH_BY_SLOT"], "L7"),
    ("packet", ["RECEIVE"], None),
    ("packet", ["RECEIVE", "COMMIT_BY_SLOT"], "L7"),
    ("packet", ["RECEIVE", "PUBLISH_BY_SLOT"], "L7"),
    ("event", [], None),
    ("event", ["NO_KICK"], "L4"),
    ("event", ["ALWAYS_KICK"], "L8"),
    ("event", ["PUSH_MACRO"], "L4"),
    ("event", ["OFF_BY_ONE"], "L4"),
    ("event", ["NO_BARRIER"], "L8"),
    ("event", ["NO_BARRIER", "ONLY_L4"], "L4"),
    ("event", ["SERVE_EARLY"], "L4"),
    ("event", ["SERVE_SIGNED"], "L9"),
    ("sleep", [], None),
    ("sleep", ["KICK_CLEARS"], "L4"),
    ("sleep", ["LOOKS_FIRST"], "L4"),
    ("sleep", ["KICK_UNASKED"], "L4"),
    ("fence", [], None),
    ("fence", ["NO_FENCE"], "L10"),
    ("fence", ["EARLY_COMMIT"], "L10"),
]


def run(command, folder):
    result = subprocess.run(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=120 * PATIENCE)
    assert result.returncode == 0, f"{' '.join(command)}\n{result.stdout[-4000:]}"
    return result.stdout


def search(model, switches):
    """What the verifier says of the model with these switches."""
    folder = os.path.join(BUILD, "-".join([model, *switches]))
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)
    shutil.copy(os.path.join(MODELS, f"{model}.pml"), folder)
    run(["spin", "-a", *[f"-D{switch}" for switch in switches], f"{model}.pml"], folder)
    run(["gcc", "-O1", "-w", "-DSAFETY", "-o", "pan", "pan.c"], folder)
    return run(["./pan", "-m500000"], folder)


def broken(said):
    """The invariant that the verifier found broken, or None after a search that was complete."""
    assertion = re.search(r"assertion violated \(*(L\d+)\b", said)
    if assertion:
        return assertion.group(1)
    if "pan:1: invalid end state" in said:
        return "L4"
    assert "errors: 0" in said and "too small" not in said and "not completed" not in said, said[-4000:]
    return None


def unreached(said):
    """How many statements the search never came to, apart from a process's last."""
    return sum(int(count) for count in re.findall(r"\((\d+) of \d+ states\)", said))


@pytest.mark.parametrize("model, switches, invariant", RUNS, ids=["-".join([model, *switches]) for model, switches, _ in RUNS])
def test_model(model, switches, invariant, capsys):
    said = search(model, switches)
    states = re.search(r"(\d+) states, stored", said).group(1)
    with capsys.disabled():
        print(f"\n{model} {' '.join(switches)}: {int(states):,} states, {f'{invariant} breaks' if invariant else 'no error'}", end=" ")
    assert broken(said) == invariant, said[-4000:]
    if invariant is None:
        assert unreached(said) == 0, "parts of the model are dead:\n" + said[-4000:]


def test_every_switch_of_every_model_is_run():
    """A mutant that is only written down proves nothing."""
    for name in sorted(os.listdir(MODELS)):
        with open(os.path.join(MODELS, name), encoding="utf-8") as file:
            text = file.read()
        switches = set(re.findall(r"^#(?:ifdef|ifndef) (\w+)|defined\((\w+)\)", text, re.MULTILINE))
        found = {one or other for one, other in switches}
        assert found == {switch for model, given, _ in RUNS if f"{model}.pml" == name for switch in given}, name
