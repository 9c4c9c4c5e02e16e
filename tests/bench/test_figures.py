# SPDX-License-Identifier: MIT
"""What bench.py makes of the lines that the machines print."""
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import bench  # noqa: E402

LOG = """[    1.703625] PCI: Fatal: No config space access function found
BENCH net.guest.send.1500 400.00 MiB/s
BENCH net.guest.send.1500 380.50 MiB/s
BENCH net.guest.send.1500 420.25 MiB/s
BENCH blk.read.4k.depth_1 torn in the mid
SPREAD net.guest.round_trip instructions 900 80000 90000 95000
BENCH null_syscall 337
"""


def test_rounds_of_one_name_are_one_figure_and_torn_lines_are_none():
    found = bench.figures(LOG)
    assert set(found) == {"net.guest.send.1500", "net.guest.round_trip"}
    assert found["net.guest.send.1500"] == {"unit": "MiB/s", "n": 3, "p50": 400.0, "p99": 420.25, "max": 420.25, "deterministic": False}
    assert found["net.guest.round_trip"]["n"] == 900 and found["net.guest.round_trip"]["p99"] == 90000


def test_what_is_less_than_nothing_counts_as_well():
    found = bench.figures("".join(f"BENCH restart.net.virtio.lost.2s {value} percent\n" for value in ("-0.30", "0.10", "-0.70")))
    assert found["restart.net.virtio.lost.2s"]["n"] == 3 and found["restart.net.virtio.lost.2s"]["p50"] == -0.3


def test_a_machine_that_fails_half_way_leaves_what_it_had_measured():
    results = {}
    half = {"net.guest.send.1500": bench.counted(1)}
    assert not bench.attempt(results, "xen", lambda: (half, "IO failed: nobody answers"), lambda: {"null_syscall": 1108})
    assert set(results["xen"]) == {"net.guest.send.1500", "null_syscall"}
    assert results["xen"]["null_syscall"] == {"unit": "instructions", "n": 1, "p50": 1108, "p99": 1108, "max": 1108, "deterministic": True}


def test_the_list_names_each_figure_and_its_system():
    assert bench.listed({"bare": {}, "skink": {"null_syscall": bench.counted(826)}}) == [
        {"name": "null_syscall", "system": "skink", "unit": "instructions", "n": 1, "p50": 826, "p99": 826, "max": 826, "deterministic": True}]


def test_what_the_core_keeps_is_what_it_says_or_what_nobody_has():
    assert bench.core_memory("skink: Memory: 511 MiB, 440 MiB are free; the core keeps 7375 KiB, its budget is 11952 KiB\n")["memory_core"]["p50"] == 7375
    xen = "(XEN) System RAM: 511MB (523772kB)\nBENCH memory_for_domains 514544 KiB\n"
    assert bench.core_memory(xen)["memory_core"]["p50"] == 9228
    assert bench.core_memory("BENCH memory_for_domains 514544 KiB\n") == {}


def test_without_devices_each_figure_is_the_same_in_each_run():
    found = bench.steady("BENCH app.compile 6123456789\nBENCH app.compile.in_kernel 4.5 percent\n")
    assert found["app.compile"] == 6123456789
    assert found["app.compile.in_kernel"]["p50"] == 4.5 and found["app.compile.in_kernel"]["deterministic"]
