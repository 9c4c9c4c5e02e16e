# SPDX-License-Identifier: MIT
"""What follows from the figures: targets, what got worse, the page."""
import json
import os
import subprocess
import sys

import pytest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
import baseline  # noqa: E402
import page  # noqa: E402
import targets  # noqa: E402


def figure(value, unit="instructions", n=1, deterministic=True, worst=None):
    return {"unit": unit, "n": n, "p50": value, "p99": worst or value, "max": worst or value, "deterministic": deterministic}


def given(**systems):
    return {system: {name: value if isinstance(value, dict) else figure(value) for name, value in column.items()} for system, column in systems.items()}


def test_the_target_is_twice_what_a_guest_gets_from_xen_in_half_the_time():
    results = given(bare={}, xen={"net.guest.send.1500": figure(250.0, "MiB/s"), "net.guest.round_trip": 90000})
    assert targets.target(results, "net.guest.send.1500") == 500
    assert targets.target(results, "net.guest.round_trip") == 45000


def test_skink_may_add_half_of_what_xen_adds():
    results = given(bare={"null_syscall": 337}, xen={"null_syscall": 1108}, skink={"null_syscall": 722})
    assert targets.target(results, "null_syscall") == 722 and targets.is_met(results, "null_syscall")
    results["skink"]["null_syscall"] = figure(723)
    assert targets.is_met(results, "null_syscall") is False
    assert targets.target(given(bare={}), "null_syscall") is None and targets.is_met(given(bare={}), "null_syscall") is None


def test_an_operation_has_to_be_cheaper_than_xen_s_and_a_driver_back_in_its_time():
    results = given(skink={"exception": targets.records()["exception"]["xen"], "restart.blk.virtio.16.armed": 50000, "restart.blk.virtio.copy": 1})
    assert targets.is_met(results, "exception") is False
    assert targets.is_met(results, "restart.blk.virtio.16.armed") and targets.target(results, "restart.blk.virtio") == 100000
    assert targets.target(results, "restart.blk.virtio.copy") is None


def test_a_driver_s_worst_death_counts_as_well():
    results = given(skink={"restart.net.virtio": {**figure(60000), "max": 250000}, "restart.blk.virtio.64": {**figure(60000), "max": 250001},
                           "restart.net.virtio.armed": {**figure(40000), "max": 1000000}})
    assert {name: targets.is_met(results, name) for name in results["skink"]} == {
        "restart.net.virtio": True, "restart.blk.virtio.64": False, "restart.net.virtio.armed": True}


def test_the_ledger_may_cost_two_percent():
    results = given(skink={"ledger.blk.write.with": 1.0, "ledger.blk.write.without": 1.019, "ledger.net.send.with.per_byte": 2.05,
                           "ledger.net.send.without.per_byte": 2.0})
    for name in "ledger.blk.write.with", "ledger.blk.write.without":
        results["skink"][name]["unit"] = "requests/s"
    assert {name: targets.is_met(results, name) for name in results["skink"]} == {
        "ledger.blk.write.with": True, "ledger.blk.write.without": None, "ledger.net.send.with.per_byte": False,
        "ledger.net.send.without.per_byte": None}


def test_a_driver_is_back_as_soon_with_post_mortems_as_without():
    results = given(skink={"restart.blk.virtio.with_post_mortem.armed": 50500, "restart.blk.virtio.without_post_mortem.armed": 50000,
                           "restart.blk.virtio.with_post_mortem": 50501, "restart.blk.virtio.without_post_mortem": 50000,
                           "restart.net.virtio.with_post_mortem.armed.back": 30301, "restart.net.virtio.without_post_mortem.armed.back": 30000,
                           "restart.blk.virtio.with_post_mortem.copy": 1, "restart.net.virtio.with_post_mortem": 1})
    met = {name: targets.is_met(results, name) for name in results["skink"]}
    assert {name: is_met for name, is_met in met.items() if is_met is not None} == {
        "restart.blk.virtio.with_post_mortem.armed": True, "restart.blk.virtio.with_post_mortem": False,
        "restart.net.virtio.with_post_mortem.armed.back": False}


def test_an_application_that_is_seldom_in_the_kernel_stays_within_5_percent():
    results = given(bare={"app.compile": 1000, "app.compile.in_kernel": figure(9.5, "percent")}, xen={"app.compile": 1400})
    assert targets.target(results, "app.compile") == 1050
    results["bare"]["app.compile.in_kernel"] = figure(10, "percent")
    assert targets.target(results, "app.compile") == 1200


def test_what_got_worse_by_more_than_3_percent_is_marked_whichever_way_is_worse():
    old = {("null_syscall", "skink"): figure(100), ("net.guest.send.1500", "skink"): figure(400.0, "MiB/s"), ("gone", "skink"): figure(1),
           ("mprotect", "skink"): figure(100), ("blk.read.128k", "skink"): figure(100, "MB/s")}
    results = given(skink={"null_syscall": 104, "net.guest.send.1500": figure(380.0, "MiB/s", 3, False), "mprotect": 103,
                           "blk.read.128k": figure(900, "MB/s"), "new": 5})
    assert baseline.worse(old, results) == ["net.guest.send.1500 on skink: 400.0 was, 380.0 is, 5.3% worse (not deterministic: compare with its spread)",
                                            "null_syscall on skink: 100 was, 104 is, 4.0% worse"]


@pytest.mark.parametrize("content, said", [("no JSON", "no JSON"), ("[1]", "no list of figures"), ('"text"', "no list of figures"),
                                           ('[{"name": "a", "system": "skink", "unit": "x", "p50": "1"}]', "a of skink has no unit or no p50"),
                                           ('[{"name": "a", "system": "skink", "p50": 1}]', "no list of figures")])
def test_a_baseline_that_is_none_is_refused(tmp_path, content, said):
    path = tmp_path / "old.json"
    path.write_text(content)
    with pytest.raises(baseline.Wrong, match=f"{path}: .*{said}.*bench.json"):
        baseline.read(path)


def test_a_baseline_that_is_not_there_is_noticed_before_anything_is_run():
    run = subprocess.run(["/usr/bin/python3", "-B", f"{HERE}/bench.py", "--part", "guests", "--baseline", "/nowhere.json"],
                         capture_output=True, text=True, check=False)
    assert run.returncode == 2 and run.stdout == "" and "/nowhere.json: No such file" in run.stderr


def test_a_baseline_is_what_an_earlier_run_wrote(tmp_path):
    path = tmp_path / "old.json"
    path.write_text(json.dumps([{"name": "null_syscall", "system": "skink", **figure(100)}]))
    assert baseline.changes(baseline.read(path), given(skink={"null_syscall": 90})) == {("null_syscall", "skink"): pytest.approx(-0.1)}


def test_the_page_has_each_figure_a_chart_for_what_can_be_compared_and_what_got_worse():
    results = given(bare={"null_syscall": 337}, skink={"null_syscall": 475, "exception": 503, "restart.net.virtio": figure(74707, n=10, deterministic=False, worst=149414)},
                    xen={"null_syscall": 1108, "exception": 882})
    text = page.page(results, {"Skink": "<b>"}, {("exception", "skink"): figure(450)})
    assert "1,108" in text and "&lt;b&gt;" in text and "<b>" not in text
    # Operations and system; nobody else's drivers come back.
    assert text.count("<svg") == 2
    assert "exception on skink: 450 was, 503 is, 11.8% worse" in text and "n=10, max +100%" in text
    assert text.count(">met<") == 3 and "missed" not in text


def test_a_run_of_which_nothing_came_has_a_page_as_well():
    assert "0 of 0 targets" in page.page({"skink": {}}, {}, None)
