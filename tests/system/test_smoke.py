# SPDX-License-Identifier: MIT
"""A small campaign in one machine: 204 faults of all classes under load, and what the campaign has to see because it did it itself."""
import json
import os
import sys

import pytest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "campaign"))
import figures  # noqa: E402
import judge  # noqa: E402
import machine_room as room  # noqa: E402
import plan as plans  # noqa: E402
import plant  # noqa: E402
import report  # noqa: E402
import results  # noqa: E402
from campaign import Campaign, write_report  # noqa: E402
from machine import PATIENCE  # noqa: E402

PLAN = "tests/campaign/plans/smoke.toml"
# In this order on one machine: what harms more comes later. test-full has those that end the machine, each for itself.
PLANTS = ["net0/plant:nothing/1", "disk0/plant:nothing/1", "net0/plant:tcp-up/1", "net0/plant:tcp-down/1", "disk0/plant:disk-byte/1",
          "disk0/plant:disk-old/1", "net0/plant:front-end/1", "net0/plant:guest/1", "net0/plant:dom0/1"]


def fresh_store(name, drivers=None):
    path = f"{room.FOLDER}/{name}.jsonl"
    if os.path.exists(path):
        os.unlink(path)
    return path, results.Store(path, room.versions(drivers))


@pytest.fixture(scope="module")
def campaign():
    """Ran once: (records of faults, of golden runs, of all, the report's path, was the time over?)."""
    plan = plans.read(PLAN)
    # A guest that waits because all of the machine does is no effect of what is planted.
    plan["limits"]["slow_ms"] = int(plan["limits"]["slow_ms"] * PATIENCE)
    path, store = fresh_store("test-smoke")
    it = Campaign(plan, "test-smoke", store)
    try:
        it.run()
        faults = {identity: record for identity, record in store.cases.items() if not record.get("golden")}
        golden = [record for record in store.cases.values() if record.get("golden")]
        it.run(PLANTS)
    finally:
        it.drop_machine(is_lost=it.session is None)
    write_report(f"{room.FOLDER}/test-smoke", "smoke", [path], PLAN)
    return list(faults.values()), golden, store.cases, f"{room.FOLDER}/test-smoke", it.is_late


def told(records):
    return "\n".join(f"{record['id']}: {record['outcome']}: {record['why']}" for record in records)


def test_nothing_is_restarted_without_a_fault(campaign):
    assert all(record["outcome"] == judge.NO_EFFECT for record in campaign[1]) and campaign[1], told(campaign[1])


def test_each_class_was_injected_into_each_driver(campaign):
    counts = figures.table(campaign[0], lambda case: (case["driver"], case["class"]))
    classes = {name for _, name in counts}
    count = sum(record["together"] for record in campaign[0])
    print(f"{count} faults of {len(classes)} classes within the plan's minutes")
    # They come in turn: on a machine that is too slow for all of them the first ones are there.
    assert campaign[4] or set(counts) == {(driver, name) for driver in room.SLOTS for name in classes} and count >= 200
    invalid = [record for record in campaign[0] if record["outcome"] == judge.INVALID]
    assert len(invalid) <= len(campaign[0]) / 10, told(invalid)


def test_faults_stay_with_their_driver(campaign):
    """The core is never harmed, and nobody who is not attached to the driver."""
    harmed = [record for record in campaign[0] if record["outcome"] == judge.CORE or report.harms_bystander(record)]
    assert not harmed, told(harmed)


def test_drivers_that_stop_cost_nobody_anything(campaign):
    stopped = [record for record in campaign[0] if record["injected"].get("kind") == "stop"]
    harmed = [record for record in stopped if record["outcome"] in judge.NEVER_FAIL_STOP]
    assert stopped and not harmed, told(harmed)


def test_three_quarters_of_the_faults_that_come_together_cost_a_restart_each(campaign):
    several = [record for record in campaign[0] if record["together"] > 1 and record["outcome"] != judge.INVALID]
    assert several or campaign[4]
    few = [record for record in several if min(record["injected"]["faults"], record["seen"]["restarts"]) < record["together"] * 3 / 4]
    assert not few, told(few)


@pytest.mark.parametrize("identity", PLANTS)
def test_what_is_planted_is_reported(campaign, identity):
    record = campaign[2][identity]
    assert record["outcome"] == plant.EXPECTED[record["class"]], told([record]) + json.dumps(record)[:2000]


def test_the_report_is_there(campaign):
    with open(f"{campaign[3]}.html", encoding="utf-8") as file:
        page = file.read()
    assert page.count("<svg") == 2 and "plant:tcp-up" in page and "make campaign PLAN=" in page


def test_without_a_ledger_the_loss_is_reported():
    """The block driver's successor forgets what its predecessor had taken."""
    plan = plans.read("tests/campaign/plans/forgetful.toml")
    drivers = {"blk": f"{room.FOLDER}/forgetful-blk.elf"}
    _, store = fresh_store("test-forgetful", drivers)
    it = Campaign(plan, "test-forgetful", store, drivers)
    lost = False
    try:
        for case in plans.cases(plan, {}, store.cases):
            it.run_one(case)
            lost = store.cases[case["id"]]["outcome"] in (judge.LOST, judge.CORRUPTION, judge.GUEST)
            if lost:
                break
    finally:
        it.drop_machine(is_lost=True)
    assert lost, told(store.cases.values())
