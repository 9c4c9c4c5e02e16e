# SPDX-License-Identifier: MIT
"""What the tests themselves stand on."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "system"))
from dom0 import rows  # noqa: E402
from machine import answer_in, as_shown  # noqa: E402


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
