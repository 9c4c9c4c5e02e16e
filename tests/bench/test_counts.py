# SPDX-License-Identifier: MIT
"""Counts belong to the death whose row comes next."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "counts"))
import counts  # noqa: E402

SAID = """COUNTED registers 1 flushes 1

COUNTED registers 57 flushes 9
BENCH restart.net.virtio.armed 28845 ns
BENCH restart.net.virtio.armed.copy 14649 ns
BENCH restart.net.virtio.armed 28846 ns

COUNTED registers 60 flushes 30
BENCH restart.net.virtio 58620 ns
"""


def test_a_death_has_what_was_counted_last_before_it():
    assert counts.rows(SAID).splitlines() == [
        "BENCH restart.net.virtio.armed.registers 57 accesses", "BENCH restart.net.virtio.armed.flushes 9 flushes",
        "BENCH restart.net.virtio.registers 60 accesses", "BENCH restart.net.virtio.flushes 30 flushes"]


def test_nothing_counted_is_no_row():
    assert counts.rows("BENCH restart.net.virtio 58620 ns\n") == "\n"
