# SPDX-License-Identifier: MIT
"""What the tests themselves stand on."""
import itertools
import os
import re
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "system"))
import matrix  # noqa: E402
from dom0 import rows, without_core  # noqa: E402
from machine import END_MARK, answer_in, as_shown  # noqa: E402


def test_a_progress_line_that_was_erased_is_no_line():
    said = "\r2 s: waiting for skinkd\x1b[K\r\x1b[KName ID\r\nweb 3\r\n\r1 s: more\x1b[K\r\x1b[K=0=\r\n"
    assert as_shown(said) == "Name ID\r\nweb 3\r\n=0=\r\n"
    assert rows(as_shown(said)) == {"web": ["web", "3"], "=0=": ["=0="]}


def test_a_table_may_begin_behind_an_empty_line():
    assert rows("\n\nName ID\nweb 3\n") == {"web": ["web", "3"]}


def test_a_command_whose_echo_was_interrupted_is_no_answer():
    said = ('echo "=b""="; skink\r\nskink: d5: about to get started\r\n list --json; echo "=$?="\r\n'
            '=b=\r\n[\r\n]\r\n=0=\r\n')
    assert answer_in(said) == "[\n]"


def test_a_line_that_the_core_broke_is_whole_again():
    core = "skink: d5: mapping kernel into physical memory \r\nskink: d5: about to get started... \r\nskink: domain 5 crashed: it has asked for it\r\n"
    said = '{\n  "name": "web",\n  "id": 15\n}\n=0=\n'
    for at in range(1, len(said)):
        # As it stands it begins a line of its own only where it must.
        assert without_core(said[:at] + ("" if said[at - 1] == "\n" else "\r\n") + core + said[at:]) == said
    skink = "skink: no domain is called 'db'\n=1=\n"
    assert without_core(skink + core) == skink


def test_an_answer_may_stand_behind_the_prompt_of_a_line_that_was_typed_ahead():
    said = 'echo "=b""="; cat > a <<E\r\na\r\nE\r\nls; echo "=$?="\r\n=b=\r\nskink# a\r\n=0=\r\n'
    assert answer_in(said) == "skink# a"
    assert re.search(END_MARK, "skink# =0=").group(1) == "0" and not re.search(END_MARK, 'ls; echo "=$?="')


def test_each_pair_of_properties_of_machines_occurs_in_the_choice():
    chosen, hard = matrix.chosen(), matrix.worked_hard()
    for one, other in itertools.combinations(("loader", "cpus", "model", "compiler"), 2):
        values = [set(matrix.AXES[axis]) - matrix.FULL_ONLY for axis in (one, other)]
        assert {(row[one], row[other]) for row in chosen} == set(itertools.product(*values))
    assert all(row in chosen for row in hard) and {row["cpus"][0] for row in hard} == {"1", "2", "4"}
    assert len(chosen) + len(matrix.left_out()) == len(matrix.all_rows())
