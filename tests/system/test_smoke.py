# SPDX-License-Identifier: MIT
"""A small campaign in one machine: 200 faults of all classes under load, and what the campaign has to see because it did it itself."""
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

PLAN, FORGETFUL = "tests/campaign/plans/smoke.toml", "tests/campaign/plans/forgetful.toml"
# In this order on one machine: what harms more comes later. test-full has more that end the machine, each on one of its own.
PLANTS = ["net0/plant:nothing/1", "disk0/plant:nothing/1", "net0/plant:restart/1", "disk0/plant:restart/1", "net0/plant:tcp-up/1", "net0/plant:tcp-down/1",
          "disk0/plant:disk-byte/1", "disk0/plant:disk-old/1", "net0/plant:front-end/1", "net0/plant:pause/1", "net0/plant:bystander/1", "net0/plant:neighbour/1",
          "disk0/plant:fs/1", "net0/plant:guest/1", "net0/plant:dom0/1"]
if os.environ.get("SKINK_FULL"):
    PLANTS += ["net0/plant:kill-skinkd/1", "net0/plant:core/1"]
# Of these, what is demanded of every class would not hold.
BYSTANDERS = ["net0/plant:bystander/1", "net0/plant:neighbour/1", "net0/plant:dom0/1", "net0/plant:kill-skinkd/1"]
# A machine that is so busy that it is the slowest on which this was ever run came to 137.
FEWEST = 100


def fresh_store(name, plan, path_of_plan, drivers=None):
    path = f"{room.FOLDER}/{name}.jsonl"
    if os.path.exists(path):
        os.unlink(path)
    return path, results.Store(path, room.versions(plan, drivers), plan=path_of_plan)


@pytest.fixture(scope="module")
def campaign():
    """Ran once: (records of faults, of golden runs, of all, the report's path, was the time over?, what was noted beside cases)."""
    plan = plans.read(PLAN)
    # A guest that waits because all of the machine does is no effect of what is planted.
    for limit in ("slow_ms", "case_s"):
        plan["limits"][limit] = int(plan["limits"][limit] * PATIENCE)
    path, store = fresh_store("test-smoke", plan, PLAN)
    it = Campaign(plan, "test-smoke", store)
    try:
        it.run()
        if it.session:
            it.session.renew_disk()     # so that what the faults have left is looked at, and what is planted meets another
        it.run(PLANTS)
    finally:
        it.drop_machine(is_lost=it.session is None)
    records, _ = write_report(f"{room.FOLDER}/test-smoke", "smoke", [path])
    faults = [record for record in records.values() if not record.get("golden") and record["id"] not in PLANTS]
    golden = [record for record in records.values() if record.get("golden")]
    return faults, golden, records, f"{room.FOLDER}/test-smoke", it.is_late, store.notes


def told(records):
    return "\n".join(f"{record['id']}: {record['outcome']}: {record['why']}" for record in records)


def test_nothing_is_restarted_without_a_fault(campaign):
    assert all(record["outcome"] == judge.NO_EFFECT for record in campaign[1]) and campaign[1], told(campaign[1])


def test_each_class_was_injected_into_each_driver(campaign):
    counts = figures.table(campaign[0], lambda case: (case["driver"], case["class"]))
    classes = {name for _, name in counts}
    invalid = [record for record in campaign[0] if record["outcome"] == judge.INVALID]
    count = sum(record["injected"].get("faults", 0) for record in campaign[0] if record not in invalid)
    print(f"{count} faults of {len(classes)} classes within the plan's minutes")
    # They come in turn: on a machine that is too slow for all of them the first ones are there.
    assert campaign[4] or set(counts) == {(driver, name) for driver in room.SLOTS for name in classes} and count >= 200
    assert count >= FEWEST
    assert len(invalid) <= len(campaign[0]) / 10 and all(record["together"] == 1 for record in invalid), told(invalid)


def test_faults_stay_with_their_driver(campaign):
    """The core is never harmed, nor Domain-0, nor anybody who is not attached to the driver."""
    harmed = [record for record in campaign[0] if record["outcome"] == judge.CORE or judge.harms_bystander(record)]
    assert not harmed, told(harmed)


def test_drivers_that_stop_cost_nobody_anything(campaign):
    stopped = [record for record in campaign[0] if record["injected"].get("kind") == "stop"]
    harmed = [record for record in stopped if judge.fails_to_stop(record)]
    assert stopped and not harmed, told(harmed)


def test_each_class_that_stops_a_driver_was_activated(campaign):
    """They come before all others, so on a slow machine as well."""
    stopped = figures.table([record for record in campaign[0] if record["injected"].get("kind") == "stop"], lambda record: record["class"])
    assert len(stopped) >= 12 and all(counts["activated"] for counts in stopped.values()), stopped


def test_every_other_class_was_activated_in_each_driver(campaign):
    """The plan goes on with a class until it was; those that come last are not there on a slow machine."""
    others = [record for record in campaign[0] if record["injected"].get("kind") != "stop"]
    idle = [what for what, counts in figures.table(others, lambda record: (record["driver"], record["class"])).items() if not counts["activated"] and not counts["no targets"]]
    kinds = {record["injected"].get("kind") for record in others}
    assert campaign[4] or not idle and {"value", "refused"} <= kinds, idle


def test_file_systems_are_right(campaign):
    """Whenever a disk was looked at that no wrong value of its own driver had been near, and nothing that was planted."""
    others = {one["id"] for one in campaign[2].values() if one["driver"] == "disk0" and one["injected"].get("kind") == "value" or one["class"].startswith("plant:")}
    looks = [note for note in campaign[5] if note["kind"] == "file system" and others.isdisjoint(note["cases"])]
    wrong = [note for note in looks if note["said"]]
    assert any("golden/1" in note["cases"] for note in looks) and not wrong, wrong


def test_all_holds_that_is_demanded(campaign):
    records = campaign[2].values()
    found = report.demands([one for one in records if not one.get("golden")], campaign[1], campaign[5])
    wrong = [f"{what}: {figures}" for what, verdict, figures in found if verdict == report.FAILS or verdict == report.UNTESTED and not campaign[4]]
    assert not wrong, wrong


def test_three_quarters_of_the_faults_that_come_together_cost_a_restart_each(campaign):
    several = [record for record in campaign[0] if record["together"] > 1]
    assert several or campaign[4]
    few = [record for record in several if min(record["injected"].get("faults", 0), record.get("seen", {}).get("restarts", 0)) < record["together"] * 3 / 4]
    assert not few, told(few)


@pytest.mark.parametrize("identity", PLANTS)
def test_what_is_planted_is_reported(campaign, identity):
    record = campaign[2][identity]
    assert record["outcome"] == plant.EXPECTED[record["class"]], told([record]) + json.dumps(record)[:2000]
    assert judge.harms_bystander(record) == (identity in BYSTANDERS)
    assert ("file system was wrong" in record["why"]) == (record["class"] == plant.FILE_SYSTEM), record["why"]


def test_the_report_is_there(campaign):
    with open(f"{campaign[3]}.html", encoding="utf-8") as file:
        page = file.read()
    assert page.count("<svg") == 2 and "plant:tcp-up" in page and "make campaign PLAN=" in page


def test_without_a_ledger_the_loss_is_reported():
    """The block driver's successor forgets what its predecessor had taken."""
    plan = plans.read(FORGETFUL)
    drivers = {"blk": f"{room.FOLDER}/forgetful-blk.elf"}
    path, store = fresh_store("test-forgetful", plan, FORGETFUL, drivers)
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
    records, holds = write_report(f"{room.FOLDER}/test-forgetful", "forgetful", [path])
    shown = [record for record in records.values() if record["outcome"] in judge.NEVER_FAIL_STOP]
    with open(f"{room.FOLDER}/test-forgetful.html", encoding="utf-8") as file:
        page = file.read()
    assert not holds and "fail-stop faults: nothing lost, nothing wrong, in any guest</td><td class='no'>does not hold" in page
    assert shown and all(record["id"] in page.partition("What went wrong")[2] and FORGETFUL in page for record in shown)


@pytest.mark.skipif(os.environ.get("SKINK_FULL") != "1", reason="minutes: make test-full")
def test_what_is_planted_below_fio_and_postgresql_is_reported():
    """By a guest that runs both, from Debian's disk."""
    planted, path_of_plan = ("disk0/plant:sql/1", "disk0/plant:fio/1"), "tests/campaign/plans/plants.toml"
    plan = plans.read(path_of_plan)
    for limit in ("slow_ms", "case_s"):
        plan["limits"][limit] = int(plan["limits"][limit] * PATIENCE)
    path, store = fresh_store("test-plants", plan, path_of_plan)
    it = Campaign(plan, "test-plants", store)
    try:
        it.run(planted)
    finally:
        it.drop_machine(is_lost=True)
    assert [store.cases[identity]["outcome"] for identity in planted] == [plant.EXPECTED["plant:sql"], plant.EXPECTED["plant:fio"]], told(store.cases.values())
