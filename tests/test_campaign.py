# SPDX-License-Identifier: MIT
"""The campaign's own parts: its judge, plans, result files and figures. What it runs is tested in tests/system/test_smoke.py."""
import copy
import csv
import json
import os
import re
import sys
import types

import pytest

sys.path[:0] = [os.path.join(os.path.dirname(__file__), folder) for folder in ("campaign", "system")]
import campaign  # noqa: E402
import case as cases_of  # noqa: E402
import exact  # noqa: E402
import figures  # noqa: E402
import judge  # noqa: E402
import machine_room as room  # noqa: E402
import peer  # noqa: E402
import plan as plans  # noqa: E402
import plant  # noqa: E402
import report  # noqa: E402
import results  # noqa: E402
import session  # noqa: E402
import machine  # noqa: E402
from campaign import Campaign, run_exactly  # noqa: E402
from machine import Machine  # noqa: E402
from session import Guest, Session  # noqa: E402

PLANS = os.path.join(os.path.dirname(__file__), "campaign", "plans")


def guest(attached, **more):
    return {"attached": attached, "alive": True, "progressed": True, "bad": 0, "broken": 0, "errors": 0, "lost": [], "kernel": [],
            "gap_ms": 20, **more}


def given_case(**more):
    """A fault that was activated, a restart, all went on."""
    return {"id": "net0/crash/1", "driver": "net0", "class": "crash", "seed": 1, "mode": "fresh",
            "injected": {"targets": 9, "activated": True}, "core": {"panic": ""},
            "dom0": {"alive": True, "skinkd_ended": False, "kernel": []},
            "seen": {"restarts": 1, "state": "serving", "policy": "", "recovery_ns": [80_000], "detectors": ["crash"]},
            "guests": {"web": guest(True), "idle": guest(False)}, "file_systems": {"web": ""},
            "limits": {"slow_ms": 1000, "slow_ns": 10_000_000}, **more}


def with_guest(name, **more):
    case = given_case()
    case["guests"][name].update(more)
    return case


def without_effect(**injected):
    case = given_case(injected={"targets": 9, **injected})
    case["seen"].update(restarts=0, recovery_ns=[], detectors=[])
    return case


def of_page_tables(**answer):
    """The core's answer to an entry that no driver may have."""
    return without_effect(activated=True, kind="refused", **answer)


def with_driver(**more):
    case = given_case()
    case["seen"].update(more)
    return case


@pytest.mark.parametrize("case,outcome", [
    (given_case(), judge.RECOVERED),
    (with_guest("web", gap_ms=1001), judge.SLOWLY),
    (with_driver(recovery_ns=[5, 10_000_001]), judge.SLOWLY),
    (without_effect(activated=True), judge.NO_EFFECT),
    (without_effect(activated=False), judge.NOT_ACTIVATED),
    (without_effect(activated=None), judge.UNDECIDED),
    (without_effect(activated=None, targets=0), judge.NOT_ACTIVATED),
    ({**with_guest("web", gap_ms=1001), "injected": {"targets": 0}}, judge.NOT_ACTIVATED),
    (given_case(injected={"targets": 1, "activated": False, "outcome": "not-injected"}), judge.NOT_ACTIVATED),
    (given_case(injected={"targets": 1, "activated": False, "outcome": "injected"}), judge.RECOVERED),
    (of_page_tables(result=-22), judge.NO_EFFECT),
    (of_page_tables(result=0), judge.CORE),
    (of_page_tables(), judge.UNDECIDED),
    (without_effect(activated=None, kind="refused"), judge.UNDECIDED),
    (given_case(injected={"targets": 1, "activated": None, "kind": "refused", "outcome": "gone"}), judge.UNDECIDED),
    (without_effect(activated=False, kind="refused"), judge.NOT_ACTIVATED),
    (with_driver(policy="quarantine", state="failed"), judge.ESCALATED),
    (with_driver(state="failed"), judge.UNDECIDED),
    (with_guest("web", progressed=False), judge.LOST),
    ({**with_guest("web", progressed=False), "seen": with_driver(state="starting")["seen"]}, judge.UNDECIDED),
    (with_guest("web", broken=1), judge.LOST),
    (with_guest("web", errors=2), judge.LOST),
    (with_guest("web", lost=["eth0"]), judge.LOST),
    (with_guest("web", kernel=["xen_netfront: Invalid extra type: 0"]), judge.LOST),
    (with_guest("web", bad=1), judge.CORRUPTION),
    (given_case(file_systems={"web": "Inode 12 has illegal blocks"}), judge.CORRUPTION),
    (with_guest("web", alive=False), judge.GUEST),
    (with_guest("web", kernel=["BUG: unable to handle page fault"]), judge.GUEST),
    (with_guest("idle", bad=1), judge.GUEST),
    (with_guest("idle", broken=1), judge.GUEST),
    (with_guest("idle", progressed=False), judge.GUEST),
    (given_case(dom0={"alive": False}), judge.DOM0),
    (given_case(dom0={"alive": True, "skinkd_ended": True, "kernel": []}), judge.DOM0),
    (given_case(dom0={"alive": True, "skinkd_ended": False, "kernel": ["WARNING: CPU: 0"]}), judge.DOM0),
    (given_case(core={"panic": "PANIC: G1"}), judge.CORE),
    (given_case(harness="no answer to inject"), judge.INVALID),
    ({**with_guest("web", bad=1), "harness": "7 of 25 faults"}, judge.CORRUPTION),
    ({**with_guest("web", errors=1), "harness": "7 of 25 faults"}, judge.LOST),
    ({**with_driver(policy="quarantine", state="failed"), "harness": "7 of 25 faults"}, judge.ESCALATED),
    ({**with_driver(state="starting"), "harness": "7 of 25 faults"}, judge.UNDECIDED),
])
def test_each_outcome_has_its_observables(case, outcome):
    assert judge.judge(case)[0] == outcome


@pytest.mark.parametrize("case,is_harmed", [
    (with_guest("idle", alive=False), True), (with_guest("idle", kernel=["BUG: so"]), True), (with_guest("idle", progressed=False), True),
    (given_case(dom0={"alive": False}), True), (with_guest("web", alive=False), False), (with_guest("web", lost=["eth0"]), False), (given_case(), False)])
def test_who_is_not_attached_and_is_harmed_is_known_by_the_outcome(case, is_harmed):
    case["outcome"], case["why"] = judge.judge(case)
    assert judge.harms_bystander(case) == is_harmed, case["why"]


@pytest.mark.parametrize("case,fails", [
    (with_driver(policy="quarantine", state="failed"), True), ({**with_guest("web", progressed=False), "seen": with_driver(state="starting")["seen"]}, True),
    ({**with_driver(state="starting"), "harness": "7 of 25 faults", "injected": {}}, True),
    (with_guest("web", errors=1), True), (with_guest("web", gap_ms=1001), False), (without_effect(activated=None), False), (given_case(), False)])
def test_a_driver_that_stops_has_to_come_back(case, fails):
    case["outcome"], case["why"] = judge.judge(case)
    assert judge.fails_to_stop(case) == fails, case["outcome"]
    assert judge.is_activated(case) or not fails, "what fails is among those that are counted"


def test_every_outcome_is_reached_and_has_a_reason():    # J1
    cases = [mark.args[1][i] for mark in test_each_outcome_has_its_observables.pytestmark for i in range(len(mark.args[1]))]
    assert {outcome for _, outcome in cases} == set(judge.OUTCOMES)
    assert all(judge.judge(case)[1] for case, _ in cases)


def test_a_worse_outcome_is_never_hidden():    # J2
    case = with_guest("web", bad=1, broken=1, gap_ms=5000)
    case["seen"].update(policy="quarantine", state="failed")
    order = []
    for undo in (lambda: case["core"].update(panic=""), lambda: case["dom0"].update(alive=True), lambda: case["guests"]["idle"].update(bad=0),
                 lambda: case["guests"]["web"].update(bad=0), lambda: case["guests"]["web"].update(broken=0),
                 lambda: case["seen"].update(policy="", state="serving"), lambda: case["guests"]["web"].update(gap_ms=1), lambda: None):
        if not order:
            case["core"]["panic"], case["dom0"]["alive"], case["guests"]["idle"]["bad"] = "PANIC", False, 1
        order.append(judge.judge(case)[0])
        undo()
    assert order == [judge.CORE, judge.DOM0, judge.GUEST, judge.CORRUPTION, judge.LOST, judge.ESCALATED, judge.SLOWLY, judge.RECOVERED]


def leaves(value, path=()):
    for key, one in value.items():
        yield (*path, key)
        if isinstance(one, dict):
            yield from leaves(one, (*path, key))


@pytest.mark.parametrize("path", [path for path in leaves(given_case()) if path[0] in ("core", "dom0", "seen", "guests")
                                  and path[-1] not in ("attached", "gap_ms", "recovery_ns", "detectors", "policy", "skinkd_ended")
                                  and path != ("dom0", "kernel")], ids=".".join)
def test_what_was_not_looked_at_never_counts_as_good(path):    # J3
    case = copy.deepcopy(given_case())
    place = case
    for key in path[:-1]:
        place = place[key]
    del place[path[-1]]
    assert judge.judge(case)[0] == judge.UNDECIDED


def test_a_disk_that_is_wrong_in_the_end_is_held_against_all_who_were_there():
    cases = {name: {"outcome": outcome, "why": "so"} for name, outcome in (("a", judge.RECOVERED), ("b", judge.CORRUPTION), ("c", judge.NO_EFFECT))}
    looks = [{"kind": "file system", "said": "Inode 12", "cases": ["a", "b"]}, {"kind": "file system", "said": "", "cases": ["c"]}, {"kind": "samples"}]
    judged = judge.with_machine(cases, looks)
    assert [judged[name]["outcome"] for name in "abc"] == [judge.UNDECIDED, judge.CORRUPTION, judge.NO_EFFECT]
    assert "Inode 12" in judged["a"]["why"]
    alone = judge.with_machine(cases, [{"kind": "file system", "said": "Inode 12", "cases": ["c"]}])["c"]
    assert alone["outcome"] == judge.CORRUPTION and "Inode 12" in alone["why"], "who was there alone has done it"


@pytest.mark.parametrize("outcome", [one for one in judge.OUTCOMES if judge.BY_HARM.index(one) < judge.BY_HARM.index(judge.CORRUPTION)])
@pytest.mark.parametrize("looks", [[["a"]], [["a", "a"]], [["a"], ["a", "b"]], [["a", "b"], ["a"]]])
def test_who_was_alone_with_a_disk_that_is_wrong_has_corrupted_it_whatever_else_it_did(outcome, looks):
    notes = [{"kind": "file system", "said": "Inode 12", "cases": cases} for cases in looks]
    assert judge.with_machine({"a": {"outcome": outcome, "why": "so"}}, notes)["a"]["outcome"] == judge.CORRUPTION


def test_what_is_worse_than_a_wrong_disk_stays():
    notes = [{"kind": "file system", "said": "Inode 12", "cases": cases} for cases in (["a"], ["a", "b"])]
    judged = judge.with_machine({name: {"outcome": outcome, "why": "so"} for name, outcome in (("a", judge.GUEST), ("b", judge.LOST))}, notes)
    assert [judged[name]["outcome"] for name in "ab"] == [judge.GUEST, judge.LOST]


def test_value_faults_that_may_have_spoilt_a_disk_have_a_share_of_their_own():
    cases = [{**record(1), "id": f"disk0/skip/{i}", "class": "skip", "injected": {"kind": "value", "activated": True}, "outcome": outcome, "why": why}
             for i, (outcome, why) in enumerate([(judge.CORRUPTION, "so")] + [(judge.UNDECIDED, f"{judge.DISK_WAS_WRONG}: Inode 12")] * 2 + [(judge.UNDECIDED, "so"), (judge.NO_EFFECT, "")])]
    said = report.demanded(cases, [], [])
    assert figures.share(1, 5) in said and figures.share(3, 5) in said
    assert "had done it" not in report.demanded(cases[3:], [], [])


def test_only_what_was_activated_is_in_the_denominator():
    def activated(case):
        return judge.is_activated({**case, "outcome": judge.judge(case)[0]})
    assert activated(given_case()) and activated(without_effect(activated=True)) and activated(with_guest("web", bad=1))
    assert not activated(without_effect(activated=False)) and not activated(without_effect(activated=None))
    assert not activated(given_case(harness="it broke")) and not activated(given_case(golden=True))


# ------------------------------------------------------------------ plans

def written(tmp_path, text):
    path = tmp_path / "plan.toml"
    path.write_text(text, encoding="utf-8")
    return str(path)


GOOD = '[campaign]\nname = "x"\n'
FAULT = '[[faults]]\ndriver = "net0"\nclass = "crash"\ncases = 3\n'


@pytest.mark.parametrize("text,complaint", [
    ("", r"\[campaign\] name: write name"),
    ('[campaign]\nname = "a b"\n' + FAULT, "of letters, digits"),
    (GOOD + "nonsense = 1\n" + FAULT, r"nonsense: not known: write one of name, seed"),
    (GOOD + "seed = 'one'\n" + FAULT, "seed = 'one': write something like 1"),
    (GOOD + "seed = -1\n" + FAULT, "write 0 or more"),
    (GOOD + "mode = 'fast'\n" + FAULT, 'write "fresh" or "accumulate"'),
    (GOOD + "[loads]\n", r"\[loads\]: not known"),
    (GOOD + "golden = 0\n", "nothing is to be done"),
    (GOOD + FAULT.replace("net0", "eth0"), 'write "net0" or "disk0"'),
    (GOOD + FAULT.replace('"crash"', '"Crash!"'), "inject --list"),
    (GOOD + FAULT + "activated = 3\n", "either cases = N, or activated = N"),
    (GOOD + FAULT.replace("cases = 3", ""), "either cases = N, or activated = N"),
    (GOOD + FAULT + "often = 1\n", "often: not known"),
    (GOOD + FAULT + "together = 0\n", "together = 0: write how many"),
    (GOOD + FAULT + "together = 100\n", "1 to 99"),
    (GOOD + "[", "Invalid initial character"),
])
def test_a_wrong_plan_says_where_and_what_instead(tmp_path, text, complaint):
    with pytest.raises(plans.Wrong, match=complaint):
        plans.read(written(tmp_path, text))


def test_a_plan_that_is_not_there():
    with pytest.raises(plans.Wrong, match="No such file.*write PLAN="):
        plans.read("no/such.toml")


@pytest.mark.parametrize("name", sorted(os.listdir(PLANS)))
def test_our_plans_can_be_run(name):
    assert plans.read(os.path.join(PLANS, name))["campaign"]["name"] == name.removesuffix(".toml")


@pytest.mark.parametrize("name", ["smoke.toml", "plants.toml"])
def test_what_is_in_no_partition_is_cleared_and_looked_at(tmp_path, name):
    """Debian's partition goes to the end of the disk."""
    plan, path = plans.read(os.path.join(PLANS, name)), str(tmp_path / "disk")
    with open(path, "wb") as file:
        file.truncate(room.DISK_BYTES)
    room.clear_outside(path, plan)
    assert room.outside(plan) and room.check_outside(path, plan) == ""
    for at in (room.outside(plan)[0][0], room.outside(plan)[-1][1] - 1):
        with open(path, "r+b") as file:
            file.seek(at)
            file.write(b"x")
        assert room.check_outside(path, plan) == f"byte {at}, which is in no partition, was written"
        room.clear_outside(path, plan)


CLASSES = {"net0": ["crash", "hang"], "disk0": ["crash"]}


def test_the_smoke_campaign_asks_for_two_hundred_faults_and_each_class_of_each_driver():
    with open("dom0/inject/faults.c", encoding="utf-8") as file:
        classes = re.findall(r'\{ "([a-z-]+)", fault_', file.read())
    done = {}
    for case in plans.cases(plans.read("tests/campaign/plans/smoke.toml"), {"net0": classes, "disk0": classes}, done):
        done[case["id"]] = {**case, "outcome": judge.RECOVERED}
    cases = done.values()
    assert {(case["driver"], case["class"]) for case in cases} == {(driver, name) for driver in ("net0", "disk0") for name in classes}
    assert len(classes) >= 22 and sum(case["together"] for case in cases) >= 200


def test_the_same_plan_gives_the_same_cases_driver_and_class_in_turn(tmp_path):    # P1
    plan = plans.read(written(tmp_path, GOOD + FAULT.replace("crash", "*") + FAULT.replace("net0", "disk0").replace("3", "2")))
    once, again = ([case["id"] for case in plans.cases(plan, CLASSES, {})] for _ in range(2))
    assert once == again and len(once) == len(set(once)) == 8
    assert [identity.rpartition("/")[0] for identity in once[:4]] == ["net0/crash", "disk0/crash", "net0/hang", "net0/crash"]
    assert len({identity.rpartition("/")[2] for identity in once}) == 8, "two classes begin with the same seed"
    assert [plans.case_of(identity)["id"] for identity in once] == once    # P2


def test_faults_that_come_together_have_seeds_of_their_own(tmp_path):
    plan = plans.read(written(tmp_path, GOOD + FAULT.replace("cases = 3", "cases = 3\ntogether = 4")))
    found = list(plans.cases(plan, CLASSES, {}))
    assert [case["together"] for case in found] == [4, 4, 4] and [plans.case_of(case["id"]) for case in found] == found    # P2
    assert [case["seed"] - found[0]["seed"] for case in found] == [0, 4, 8] and found[0]["id"].endswith("x4")


def test_a_case_that_is_done_is_not_run_again(tmp_path):
    plan = plans.read(written(tmp_path, GOOD + FAULT))
    every = [case["id"] for case in plans.cases(plan, CLASSES, {})]
    assert [case["id"] for case in plans.cases(plan, CLASSES, {every[1]: {}})] == [every[0], every[2]]


def test_as_many_as_it_takes_until_enough_were_activated(tmp_path):
    plan = plans.read(written(tmp_path, GOOD + FAULT.replace("cases", "activated")))
    done = {}
    for case in plans.cases(plan, CLASSES, done):
        done[case["id"]] = {"outcome": judge.NOT_ACTIVATED if case["seed"] % 2 else judge.RECOVERED}
    assert len(done) == 5 and sum(judge.is_activated(one) for one in done.values()) == 3
    done = {}
    for case in plans.cases(plan, CLASSES, done):
        done[case["id"]] = {"outcome": judge.NOT_ACTIVATED}
    assert len(done) == 60, "a class that is never activated comes to an end"
    done = {}
    for case in plans.cases(plan, CLASSES, done):
        done[case["id"]] = {"outcome": judge.NOT_ACTIVATED, "injected": {"targets": 0}}
    assert len(done) == 1, "a class without targets is asked once"
    done = {}
    for case in plans.cases(plan, CLASSES, done):
        done[case["id"]] = {"outcome": judge.NOT_ACTIVATED, "injected": {"targets": 0}} if len(done) in (1, 2) else {"outcome": judge.RECOVERED, "injected": {"targets": 1}}
    assert len(done) == 5, "a class that has had some is asked on"


@pytest.mark.parametrize("text", ["net0/crash", "net1/crash/1", "net0/crash/x", "../crash/1", "net0/crash/1/fast", "net0/crash/1x0"])
def test_what_is_no_case(text):
    with pytest.raises(plans.Wrong, match="is no case: write"):
        plans.case_of(text)


# ------------------------------------------------------------------ result files

def record(seed, outcome=judge.RECOVERED):
    return {"kind": "case", **given_case(id=f"net0/crash/{seed}", seed=seed), "outcome": outcome, "why": "so"}


def test_results_are_found_again_and_a_line_that_was_cut_off_is_dropped(tmp_path):    # S1, S2
    path = str(tmp_path / "r.jsonl")
    store = results.Store(path, {"core": "a"})
    store.add(record(1))
    store.add(record(2))
    with open(path, "a", encoding="utf-8") as file:
        file.write('{"kind":"case","id":"net0/cr')
    store = results.Store(path, {"core": "a"})
    store.add(record(2, judge.LOST))
    assert {case["outcome"] for case in results.load([path])[1].values()} == {judge.RECOVERED, judge.LOST}
    assert len(results.load([path])[1]) == 2


def test_a_whole_line_without_its_end_is_no_result_and_is_run_again(tmp_path):    # S1
    path = str(tmp_path / "r.jsonl")
    results.Store(path, {"core": "a"})
    with open(path, "a", encoding="utf-8") as file:
        file.write(json.dumps(record(1)))
    assert results.load([path])[1] == {} and results.Store(path, {"core": "a"}).cases == {}


def test_a_failure_stays_one_however_often_its_case_goes_well_after_that(tmp_path):    # S2
    path, merged = str(tmp_path / "r.jsonl"), str(tmp_path / "all.jsonl")
    store = results.Store(path, {"core": "a"})
    for outcome, gap_ms in ((judge.INVALID, 1), (judge.RECOVERED, 2), (judge.UNDECIDED, 3), (judge.LOST, 4), (judge.RECOVERED, 5), (judge.LOST, 6), (judge.INVALID, 7)):
        store.add({**record(1, outcome), "gap_ms": gap_ms})
    assert store.cases["net0/crash/1"]["outcome"] == judge.LOST
    results.merge([path], merged)
    results.merge([merged, merged, path], merged)
    for one in (path, merged):
        case = results.load([one])[1]["net0/crash/1"]
        assert case["outcome"] == judge.LOST and case["gap_ms"] == 6
        assert case["runs"] == {judge.INVALID: 2, judge.RECOVERED: 2, judge.UNDECIDED: 1, judge.LOST: 2}
    assert "2 of 7" in report.how_to(case, str)


def test_a_note_that_stands_in_several_files_counts_once(tmp_path):
    path, merged = str(tmp_path / "a.jsonl"), str(tmp_path / "all.jsonl")
    store = results.Store(path, {"core": "a"})
    store.add(wrong_disk("net0/crash/1"))
    store.add({"kind": "samples", "boot": 1, "samples": [[0.2, {}]], "marks": []})
    results.merge([path], merged)
    results.merge([merged, merged, path], merged)
    assert len(results.load([merged, path])[2]) == 2


def test_a_commit_that_changes_no_image_goes_on(tmp_path):    # S3
    path = str(tmp_path / "r.jsonl")
    results.Store(path, {"core": "a", "commit": "1"})
    results.Store(path, {"core": "a", "commit": "2"})
    assert results.merge([path], str(tmp_path / "all.jsonl")) == 0
    with pytest.raises(results.Wrong, match="core was a, is b"):
        results.Store(path, {"core": "b", "commit": "2"})


def test_results_of_other_images_are_refused(tmp_path):    # S3
    path = str(tmp_path / "r.jsonl")
    results.Store(path, {"core": "a"})
    with pytest.raises(results.Wrong, match="core was a, is b.*MIXED=1"):
        results.Store(path, {"core": "b"})
    results.Store(path, {"core": "b"}, mixed=True)


def test_files_merge_and_each_case_counts_once(tmp_path):
    paths = [str(tmp_path / name) for name in ("a.jsonl", "b.jsonl")]
    for path, seeds in zip(paths, ((1, 2), (2, 3))):
        store = results.Store(path, {"core": "a"})
        for seed in seeds:
            store.add(record(seed))
    assert results.merge(paths, str(tmp_path / "all.jsonl")) == 3
    assert len(results.load([str(tmp_path / "all.jsonl")])[1]) == 3
    results.Store(str(tmp_path / "c.jsonl"), {"core": "b"})
    with pytest.raises(results.Wrong, match="other|different"):
        results.merge([paths[0], str(tmp_path / "c.jsonl")], str(tmp_path / "all.jsonl"))


def test_a_case_is_repeated_by_the_plan_that_it_was_run_by(tmp_path):    # S4
    paths = [str(tmp_path / name) for name in ("a.jsonl", "b.jsonl", "all.jsonl")]
    for number, path in enumerate(paths[:2], 1):
        results.Store(path, {"core": "a"}, plan=f"plans/{number}.toml").add(record(number))
    results.merge(paths[:2], paths[2])
    assert [campaign.repeat(case) for case in results.load(paths[2:])[1].values()] == [
        f"make campaign PLAN=plans/{number}.toml ONLY=net0/crash/{number}" for number in (1, 2)]


def test_guests_of_a_driver_that_comes_back_late_have_time_to_go_on(monkeypatch):    # C1
    """A disk whose request had no answer for seconds is reset when the case is nearly over: nobody can have gone on in the instant that is left."""
    clock, waited, generations = [100.0], [], [1, 2, 3, 3]

    def wait(condition, seconds, what, must):
        waited.append(round(seconds, 3))
        clock[0] += min(seconds, 11.9)
        return True

    monkeypatch.setattr(cases_of, "time", types.SimpleNamespace(monotonic=lambda: clock[0]))
    monkeypatch.setattr(cases_of, "look", lambda session: {"drivers": {"disk0": {"generation": generations.pop(0)}}})
    monkeypatch.setattr(cases_of, "is_told", lambda session, begun: False)
    stub = types.SimpleNamespace(counters=lambda: {}, wait=wait)
    cases_of.wait_for_the_end(stub, {}, {"limits": {"window_ms": 400}}, ["disk0"], 12)
    assert waited == [12, 12, 0.2], waited        # and one that comes back for ever does not go on for ever


def test_a_result_depends_on_all_that_is_in_its_machine(monkeypatch):    # S3
    monkeypatch.setattr(room, "digest", lambda path: path)
    plan = plans.read(os.path.join(PLANS, "smoke.toml"))
    before = room.versions(plan)
    assert {"skink", "inject", "skinkd", "vmlinux", "vmlinuz", "guest-initrd", "load", "watch", "net.elf"} <= {os.path.basename(path) for path in before.values()}
    monkeypatch.setattr(room, "digest", lambda path: f"{path}, changed" if path.endswith("session.py") else path)
    assert results.difference(before, room.versions(plan)).startswith("campaign was")
    monkeypatch.setattr(room, "digest", lambda path: path)
    plan["limits"]["minutes"] += 1
    assert room.versions(plan) == before
    plan["limits"]["slow_ms"] += 1
    assert results.difference(before, room.versions(plan)).startswith("plan was")


def test_a_line_that_is_no_json_is_named(tmp_path):
    path = tmp_path / "r.jsonl"
    path.write_text('{"kind":"run","versions":{}}\nnonsense\n', encoding="utf-8")
    with pytest.raises(results.Wrong, match=r"r\.jsonl:2: no JSON"):
        results.load([str(path)])


# ------------------------------------------------------------------ figures

@pytest.mark.parametrize("successes,trials,low,high", [
    (0, 10, 0.0, 0.3085), (10, 10, 0.6915, 1.0), (1, 20, 0.00127, 0.24873), (5, 100, 0.01643, 0.11283), (0, 3000, 0.0, 0.0012289),
])
def test_intervals_are_those_of_the_tables(successes, trials, low, high):
    assert figures.clopper_pearson(successes, trials) == pytest.approx((low, high), abs=5e-5)


def test_tables_count_each_case_once():
    cases = [record(1), record(2), record(3, judge.NOT_ACTIVATED), record(4, judge.LOST), record(5, judge.INVALID)]
    counts = figures.table(cases, lambda case: case["class"])["crash"]
    assert (counts["cases"], counts["activated"]) == (5, 3)
    assert sum(counts[name] for name in judge.OUTCOMES) == 5
    assert [case["outcome"] for case in figures.failures(cases)] == [judge.LOST, judge.INVALID]


def test_what_went_wrong_is_told_worst_first():
    cases = [record(seed, outcome) for seed, outcome in enumerate(judge.OUTCOMES)]
    assert [case["outcome"] for case in figures.failures(cases)] == [
        judge.CORE, judge.DOM0, judge.GUEST, judge.CORRUPTION, judge.LOST, judge.ESCALATED, judge.UNDECIDED, judge.SLOWLY, judge.INVALID]
    assert set(judge.BY_HARM) == set(judge.OUTCOMES)


def test_a_report_says_how_much_it_leaves_out():
    cases = [record(seed, judge.LOST) for seed in range(report.FAILURES_SHOWN + 2)]
    assert "And 2 more" in report.failures(cases, str) and "more, none" not in report.failures(cases[2:], str)


def test_coverage_counts_functions_of_the_image():
    cases = [{"injected": {"symbol": symbol}} for symbol in ("blk_work+0x12", "blk_work+0x4", "net_work", "elsewhere+1", None)] + [{}]
    assert figures.functions(cases, {"blk_work", "net_work", "main"}) == ({"blk_work": 2, "net_work": 1}, 3)


def test_quantiles_are_values_that_were_measured():
    assert [figures.quantile(list(range(1, 101)), part) for part in (0.5, 0.99, 1)] == [50, 99, 100]
    assert figures.quantile([7], 0.5) == 7 and figures.quantile([], 0.5) is None


# ------------------------------------------------------------------ reports

def written_report(tmp_path, cases):
    """The page; and what is demanded, by how it was found."""
    given = {case["id"]: case for case in cases}
    demands = report.write(str(tmp_path / "r"), "<name>", [{"core": "abc"}], given, [], {"net0": {"main"}}, lambda case: f"make ONLY={case['id']}")
    return (tmp_path / "r.html").read_text(encoding="utf-8"), {found: [what for what, one, _ in demands if one == found] for _, found, _ in demands}


FAIL_STOP, FILE_SYSTEMS = "fail-stop faults: nothing lost, nothing wrong, in any guest", "file systems are right whenever they are looked at"
GOLDEN = "without a fault nothing is restarted, and nothing is seen"
UNTOUCHED = "a driver to which nothing was done is not restarted"


def injected(kind, outcome=judge.RECOVERED, seed=1, name="crash", **more):
    return {**record(seed, outcome), "id": f"net0/{name}/{seed}", "class": name, "injected": {"targets": 1, "activated": True, "kind": kind, **more}}


def test_a_report_says_what_holds_and_what_was_not_tested(tmp_path):
    page, found = written_report(tmp_path, [injected("stop")])
    assert GOLDEN in found[report.UNTESTED] and FAIL_STOP in found[report.HOLDS] and report.FAILS not in found
    assert "&lt;name&gt;" in page and "1 of 1, 100.0 % (2.5 to 100.0)" in page
    page, found = written_report(tmp_path, [injected("stop"), injected("stop", judge.CORRUPTION, 2)])
    assert found[report.FAILS] == [FAIL_STOP] and "make ONLY=net0/crash/2" in page


def test_what_is_without_harm_went_on(tmp_path):
    """A driver that is held, or of which nobody knows, did not."""
    cases = [injected("value", outcome, seed) for seed, outcome in enumerate((judge.RECOVERED, judge.SLOWLY, judge.NO_EFFECT, judge.ESCALATED, judge.UNDECIDED, judge.LOST))]
    assert figures.share(3, 6) in written_report(tmp_path, cases)[0]


def test_a_report_has_all_its_parts(tmp_path):
    seen = {"restarts": 1, "detectors": ["hang"], "recovery_ns": [50000, 70000]}
    ring = {"ring": "requests", "slots": 32, "waiting": 1, "rsp_prod": 7, "commit": 8}
    case = {**injected("stop", symbol="net_work+0x12"), "seen": seen, "rings": [ring]}
    notes = [{"kind": "samples", "boot": 1, "samples": [[0.2, {"up": 1, "down": 2, "write": 3, "read": 4}], [0.4, {"up": 1, "down": 2, "write": 3, "read": 4}]],
              "marks": [[0.1, False], [0.3, True]]}]
    report.write(str(tmp_path / "r"), "all", [{"core": "abc", "net.elf": "def"}], {case["id"]: case}, notes, {"net0": {"net_work", "main"}}, str)
    page = (tmp_path / "r.html").read_text(encoding="utf-8")
    part = dict(re.findall(r"<h2>(.*?)</h2>(.*?)(?=<h2>|$)", page, re.DOTALL))
    assert re.search(r"net0 crash.*1 of 1, 100.0 % \(2.5 to 100.0\)", part["By class"], re.DOTALL)
    assert re.search(r">hang<.*1 of 1, 100.0 % \(2.5 to 100.0\)", part["By detector"], re.DOTALL)
    assert "<svg" in part["Time to recover"] and re.search(r"net0.*>2<.*>50<.*>70<", part["Time to recover"], re.DOTALL)
    assert "<svg" in part["Throughput, with each fault"] and "stroke: #888888" in part["Throughput, with each fault"] and "stroke: #d62728" in part["Throughput, with each fault"]
    assert "1 of 2" in part["Coverage"] and re.search(r"requests.*one, answers not published.*>1<", part["Coverage"], re.DOTALL)
    assert re.search(r"core.*abc.*net.elf.*def", part["Versions"], re.DOTALL)
    with open(tmp_path / "r.csv", encoding="utf-8", newline="") as file:
        assert [row["id"] for row in csv.DictReader(file)] == [case["id"]]


def test_a_report_says_how_to_have_a_failure_again_and_what_came_of_that(tmp_path):
    told = {"record": {"outcome": judge.LOST}, "replays": 2}
    runs = {judge.LOST: 7, judge.RECOVERED: 13}
    page, _ = written_report(tmp_path, [record(1, judge.LOST), {**record(2, judge.LOST), "runs": runs, "exact": told}, golden(outcome=judge.SLOWLY)])
    for seed in (1, 2):
        assert f"<code>make ONLY=net0/crash/{seed} TIMES=20</code>" in page and f"<code>make ONLY=net0/crash/{seed} EXACT=1</code>" in page
    assert "ONLY=golden" not in page, "no command takes it"
    assert page.count("7 of 20") == 1 and page.count(f"recorded: {judge.LOST}, replayed 2 times") == 1


def test_a_class_without_targets_never_counts_as_passed(tmp_path):
    case = {**record(1, judge.NOT_ACTIVATED), "injected": {"targets": 0, "kind": "stop"}, "seen": {"restarts": 0}}
    page, found = written_report(tmp_path, [case])
    assert "it has no targets: nothing was tested" in page and set(found) == {report.UNTESTED, report.HOLDS}
    assert found[report.HOLDS] == [UNTOUCHED], "but that its driver was left alone"
    assert report.never_activated([case, injected("value", name="text")]) == ["net0 crash"]


def golden(**more):
    return {**record(1, judge.NO_EFFECT), "id": "golden/1", "driver": "", "class": "golden", "golden": True, "seen": {"restarts": 0}, "injected": {}, **more}


def wrong_disk(*cases, said="Inode 12"):
    return {"kind": "file system", "said": said, "cases": list(cases)}


@pytest.mark.parametrize("given,said", [
    ([injected("stop"), golden()], ""),
    ([injected("stop"), {**injected("stop", judge.NOT_ACTIVATED, 2), "seen": {"restarts": 0}}], ""),
    ([injected("value", judge.CORRUPTION), injected("value", judge.LOST, 2)], ""),
    ([injected("stop", judge.LOST)], FAIL_STOP),
    ([injected("stop", judge.ESCALATED)], FAIL_STOP),
    ([injected("value", judge.CORE)], "the core is never harmed"),
    ([{**injected("refused", judge.CORE, result=0), "why": judge.core_harmed(of_page_tables(result=0))}], "the core grants no driver what it may not have"),
    ([injected("value", judge.DOM0)], "never harmed"),
    ([{**injected("value", judge.GUEST), "why": judge.judge(with_guest("idle", alive=False))[1]}], "who is not attached to the driver"),
    ([golden(seen={"restarts": 1})], GOLDEN),
    ([injected("stop", judge.NOT_ACTIVATED, activated=False)], UNTOUCHED),
    ([{**injected("stop", judge.NOT_ACTIVATED, activated=False), "seen": {"restarts": 0}}], ""),
    ([golden(outcome=judge.SLOWLY)], GOLDEN),
    ([injected("stop"), wrong_disk("net0/crash/1")], FILE_SYSTEMS),
    ([golden(), wrong_disk("golden/1")], FILE_SYSTEMS),
    ([injected("stop"), golden(), wrong_disk("net0/crash/1", "golden/1", said="")], ""),
    ([injected("stop"), injected("value", seed=2), wrong_disk("net0/crash/1", "net0/crash/2")], ""),
    ([injected("stop"), {**wrong_disk("net0/crash/1"), "kind": "end"}], "guests end when they are told to"),
    ([injected("stop"), {**wrong_disk("net0/crash/1", said=""), "kind": "end"}], ""),
    ([injected("stop"), {"kind": "afterwards", "cases": ["net0/crash/1"], "outcome": judge.CORE, "why": "after it: PANIC"}], "the core is never harmed"),
    ([injected("plant", judge.DOM0, name="plant:dom0")], ""),
    ([injected("plant", judge.RECOVERED, name="plant:dom0")], "what the campaign plants it sees"),
])
def test_the_exit_status_is_one_if_something_was_tested_and_does_not_hold(tmp_path, monkeypatch, capsys, given, said):
    store = results.Store(str(tmp_path / "r.jsonl"), {"core": "a"})
    for one in given:
        store.add(one)
    monkeypatch.setattr(sys, "argv", ["campaign.py", "--report", str(tmp_path / "r"), str(tmp_path / "r.jsonl")])
    assert int(campaign.main()) == bool(said)
    told = capsys.readouterr().out
    assert f"{report.UNTESTED}: " in told and (said and re.search(f"{report.FAILS}: .*{re.escape(said)}", told) or report.FAILS not in told)


def test_the_csv_has_a_line_for_each_case(tmp_path):
    written_report(tmp_path, [record(1), record(2, judge.LOST)])
    with open(tmp_path / "r.csv", encoding="utf-8", newline="") as file:
        assert [row["outcome"] for row in csv.DictReader(file)] == [judge.RECOVERED, judge.LOST]


def test_how_full_a_ring_was():
    rings = [{"ring": "disk", "slots": 32, "waiting": waiting, "commit": 5, "rsp_prod": 5 - late}
             for waiting, late in ((0, 0), (1, 0), (16, 0), (17, 0), (32, 1))]
    assert figures.ring_states([{"rings": [ring]} for ring in rings])["disk"] == {
        "empty": 1, "one": 1, "up to half": 1, "over half": 1, "full, answers not published": 1}


# ------------------------------------------------------------------ what stands on the serial line

class GivenMachine:
    """That has said something."""
    LOST, seen = Machine.LOST, 0

    def __init__(self, text):
        self.text = text

    def _read(self, until):
        return True


def given_session(text):
    session = Session("given", plans.read(os.path.join(PLANS, "golden.toml")), 1)
    session.machine, session.is_watched = GivenMachine(text), True
    session.guests["web"].begun = True
    return session


@pytest.mark.parametrize("between", ["", "skink: d3: page table refused\n", "qemu-system-x86_64: Guest moved used index from 2869 to 3126\n"])
@pytest.mark.parametrize("at", [0, 9, 30])
def test_an_answer_is_taken_wherever_the_core_or_qemu_spoke_between(between, at):
    answer = '@s {"id":7,"result":{"faults":[]}}$\n'
    # The core begins a line of its own, QEMU does not.
    break_of = "\n" if between.startswith("skink") and at else ""
    session = given_session("@t 100 129$\n" + answer[:at] + break_of + between + answer[at:] + "@c web load tcp t=5 up=1 down=2 bad=0 broken=0 gap=3$\n")
    session.answers[7] = None
    session.pump(0)
    assert session.answers[7]["result"] == {"faults": []} and session.guests["web"].loads["tcp"]["down"] == 2


class FullLink:
    """A connection whose buffers are full the first time."""

    def __init__(self):
        self.sent = []
        self.is_full = True

    def send(self, data):
        if self.is_full:
            self.is_full = False
            raise BlockingIOError
        self.sent.append(data)
        return len(data)


def test_a_byte_is_planted_though_nothing_can_be_sent_at_first():
    given, link = peer.Peer(512), FullLink()
    connection = peer.Connection(link, False)
    connection.begun -= 1
    given.connections.append(connection)
    given.plants.add("down")
    for _ in range(2):
        given.guarded(given.give, connection)
    assert link.sent[0][0] == given.down[0] ^ 1 and link.sent[0][1:] == given.down[1:len(link.sent[0])] and not given.plants
    for listener in given.listeners:
        listener.close()


def test_a_disk_that_is_made_anew_holds_nothing_against_the_cases_after_it():
    session = given_session("")
    session.ran = ["net0/crash/1"]
    session.hold_against_cases("Inode 12 is wrong")
    session.ran.append("net0/crash/2")
    session.hold_against_cases("")
    assert session.looks == [("Inode 12 is wrong", ["net0/crash/1"]), ("", ["net0/crash/2"])] and session.ran == []


class GivenGuests:
    """One of each, whose counters stand at 0; what a load has done since is `done`."""

    def __init__(self, plan):
        self.events = []
        self.guests = {name: Guest(name, room.loads_of(name, plan)) for name in plan["load"]["guests"]}

    def counters(self, still=()):
        """Of a moment when every load has done enough, but those of `still`."""
        return {name: {load: {key: 0 if (name, load) in still else enough for key, enough in cases_of.ENOUGH[load].items()} for load in guest.has}
                for name, guest in self.guests.items()}


def looked_at(still, driver, events=()):
    """What is written down when these loads stand still, of (guest, load), and all others go on."""
    session = GivenGuests(plans.read(os.path.join(PLANS, "default.toml")))
    session.events = events
    begun = session.counters([(name, load) for name, guest in session.guests.items() for load in guest.has])
    for name, loads in session.counters(still).items():
        session.guests[name].loads = loads
    states, devices = {name: "running" for name in session.guests}, {name: set() for name in session.guests}
    return cases_of.look_at_guests(session, {"counters": begun, "devices": devices}, {"states": states, "devices": devices}, begun, [driver])


@pytest.mark.parametrize("driver,harmed", [("net0", "store"), ("disk0", "wire"), ("net0", "idle"), ("disk0", "idle")])
def test_a_guest_of_the_other_driver_alone_that_stands_still_is_harmed(driver, harmed):
    """As is who has none; they have to go on whatever comes of those that the driver serves."""
    load = room.LOADS[harmed][0]
    case = given_case(driver=driver, guests=looked_at([(harmed, load)], driver))
    assert judge.judge(case)[0] == judge.GUEST and judge.harms_bystander({**case, "outcome": judge.GUEST, "why": judge.judge(case)[1]})
    assert judge.judge(given_case(driver=driver, guests=looked_at([], driver)))[0] == judge.RECOVERED


def test_a_front_end_that_was_attached_anew_meanwhile_was_lost():
    event = {"kind": "detached", "domain": "web", "text": "interface 00:16:3e:00:00:01 at net0: a death of its driver has spoilt its rings: it is attached anew"}
    outcome, why = judge.judge(given_case(driver="net0", guests=looked_at([], "net0", [event, {"kind": "attached", "domain": "web", "text": "interface 00:16:3e:00:00:01 at net0"}])))
    assert outcome == judge.LOST and "00:16:3e:00:00:01" in why


@pytest.mark.parametrize("driver,still", [("net0", ("web", "disk")), ("net0", ("web", "fio")), ("disk0", ("web", "tcp"))])
def test_a_load_of_the_other_driver_is_not_waited_for_in_a_guest_of_both(driver, still):
    assert judge.judge(given_case(driver=driver, guests=looked_at([still], driver)))[0] == judge.RECOVERED


def test_what_fio_says_of_its_blocks_is_corruption():
    session = GivenGuests(plans.read(os.path.join(PLANS, "default.toml")))
    web = session.guests["web"]
    web.loads = {"fio": {"write": 9, "read": 9, "bad": 2, "error": 0}}
    seen = cases_of.look_at_guest(web, {"fio": {"write": 0, "read": 0, "bad": 1, "error": 0}})
    assert "fio" in web.has and seen["bad"] == 1 and seen["errors"] == 0
    assert judge.judge(with_guest("web", bad=seen["bad"]))[0] == judge.CORRUPTION


class GivenInjector:
    """It answers so, and skinkd's version at any time."""
    groups = {"crash": "stop", "page-table": "refused"}

    def __init__(self, answer):
        self.answer = answer

    def ask(self, method, **_):
        if method == "inject" and isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


def broken(answer, case="net0/crash/1x3"):
    """What is written down of a fault when the injector answers so."""
    record = {}
    cases_of.break_driver(GivenInjector(answer), plans.case_of(case), record)
    return record


CRASHED = {"outcome": "injected", "activated": True}


@pytest.mark.parametrize("answer", [{"faults": [CRASHED] * 2, "error": "it has not said ready"}, {"faults": []}, session.Refused("it does not run"), session.Late("no answer")])
def test_what_was_injected_is_looked_at_however_few_it_were(answer):
    """It does not end the case: that goes on, and is judged by what is seen."""
    record = broken(answer)
    assert record["harness"] and record["injected"]["kind"] == "stop"
    assert record["injected"].get("faults", 0) == (2 if isinstance(answer, dict) and answer["faults"] else 0)


def test_a_machine_on_which_the_injector_has_not_ended_is_of_no_more_use():
    record = {**plans.case_of("net0/crash/1x3"), "outcome": judge.INVALID, **broken(session.Late("no answer"))}
    given = given_gap([("idle", "memory", 1)])
    assert not cases_of.make_well(given, plans.case_of("net0/crash/1x3"), record)
    assert [note["outcome"] for note in given.take_notes()] == [judge.GUEST], "and what came of it is looked at"


@pytest.mark.parametrize("faults,told", [
    ([CRASHED] * 3, {"faults": 3, "targets": 1, "activated": True}),
    ([CRASHED, {"outcome": "gone", "activated": None}, {"outcome": "not-injected", "activated": None}], {"faults": 1, "targets": 1, "activated": True}),
    ([{"outcome": "no-target"}] * 3, {"faults": 0, "targets": 0, "activated": False}),
    ([{"outcome": "no-target"}, {"outcome": "gone"}, {"outcome": "no-target"}], {"faults": 0, "targets": 1, "activated": None}),
    ([{**CRASHED, "result": 0}, {**CRASHED, "result": -1}, {"outcome": "gone"}], {"result": 0}),
    ([{"outcome": "gone", "activated": None}, {**CRASHED, "result": -1}, {"outcome": "not-injected"}], {"outcome": "gone", "activated": True}),
])
def test_of_several_faults_the_one_that_says_most_is_told(faults, told):
    injected = broken({"faults": faults})["injected"]
    assert {key: injected.get(key) for key in told} == told


def test_blocks_of_fio_are_known_from_others(tmp_path):
    disk = tmp_path / "disk"
    with open(disk, "wb") as file:
        file.truncate(16 * plant.BLOCK)
        for at, head in ((3, plant.FIO_MAGIC + b"\2\0" + plant.FIO_INTERVAL), (9, plant.MAGIC), (12, b"other")):
            file.seek(at * plant.BLOCK)
            file.write(head.ljust(plant.BLOCK, b"x"))
    assert [at // plant.BLOCK for at, _ in plant.blocks(str(disk), plant.is_fios)] == [3]
    assert [at // plant.BLOCK for at, _ in plant.blocks(str(disk))] == [9]


@pytest.fixture
def disk(tmp_path):
    """(its path, its plan)"""
    plan, path = plans.read(os.path.join(PLANS, "smoke.toml")), str(tmp_path / "disk")
    room.make_disk(path, plan)
    return path, plan


def wrong_of(disk):
    return {name for name, said in room.check_disk(*disk).items() if said}


def test_each_guests_file_system_is_looked_at_alone(disk):
    assert wrong_of(disk) == set()
    plant.write(disk[0], [(room.PARTS["store"][1] + plant.BLOCK, b"\xff" * plant.BLOCK)])     # its group descriptors
    assert wrong_of(disk) == {"store"}
    room.make_file_system(*disk, "store")
    assert wrong_of(disk) == set()


@pytest.mark.parametrize("at", (0, 100, room.SECTOR, room.PARTS["web"][1] - 1, room.PARTS["web"][1] + room.PARTS["web"][2], room.PARTS["store"][1] - 1, room.DISK_BYTES - 1))
@pytest.mark.parametrize("mend", (room.make_disk, room.clear_outside))
def test_a_write_outside_of_all_partitions_is_seen_and_gone_then(disk, at, mend):
    plant.write(disk[0], [(at, b"g")])
    assert wrong_of(disk) == {room.NOBODY}
    mend(*disk)
    assert wrong_of(disk) == set()


def test_what_a_case_wrote_outside_of_all_partitions_is_held_against_it_alone(disk):
    given = types.SimpleNamespace(disk=disk[0], plan=disk[1], looks=[])
    session.Session.look_outside(given, {"id": "disk0/skip/1"})
    plant.write(disk[0], [(0, b"g")])
    session.Session.look_outside(given, {"id": "disk0/skip/2"})
    session.Session.look_outside(given, {"id": "disk0/skip/3"})
    assert [cases for _, cases in given.looks] == [["disk0/skip/2"]] and "partition table" in given.looks[0][0]
    assert wrong_of(disk) == set()


def test_who_wrote_is_asked_when_the_driver_that_wrote_is_gone(monkeypatch):
    """Its fault is in it until then, and what it writes in between is no deed of the next case's."""
    did, given = [], given_gap()
    monkeypatch.setattr(cases_of, "fresh", lambda session, driver: did.append(f"{driver} restarts"))
    monkeypatch.setattr(given, "look_outside", lambda case: did.append(f"{case['id']} is looked at"))
    for case in ("disk0/skip/1", "net0/skip/1"):
        assert cases_of.make_well(given, plans.case_of(case), {**plans.case_of(case), "outcome": judge.NO_EFFECT})
    assert did == ["disk0 restarts", "disk0/skip/1 is looked at", "net0 restarts", "net0/skip/1 is looked at"]


def given_gap(said=()):
    """A machine after a case, which says nothing more, or this: events, or (guest, text) of a console, or what Dom0's kernel says."""
    given = Session("given", plans.read(os.path.join(PLANS, "smoke.toml")), 1)
    given.machine, given.is_watched = GivenMachine(""), True
    for guest in given.guests.values():
        guest.begun, guest.loads = True, {load: dict.fromkeys((*cases_of.ENOUGH[load], "bad", "broken", "error"), 0) for load in guest.has}
    given.settle()
    given.has_run({"id": "net0/skip/1"})
    given.ask, given.look_outside = lambda *_, **__: None, lambda case: None
    given.pump = lambda seconds: say_once(given, said)
    return given


def say_once(given, said):
    """And every load goes on."""
    for guest in given.guests.values():
        for values in guest.loads.values():
            values.update({key: values[key] + (1 << 20) for key in values if key not in ("bad", "broken", "error")})
    for one in said[:] if isinstance(said, list) else ():
        said.remove(one)
        if isinstance(one, Exception):
            raise one
        if isinstance(one, dict):
            given.events.append(one)
        elif len(one) == 3:
            given.guests[one[0]].loads[one[1]]["bad"] += one[2]
        elif one[0] == "dom0":
            given.dom0_strange.append(one[1])
        else:
            given.guests[one[0]].strange.append(one[1])


DETACHED = {"kind": "detached", "domain": "web", "text": "interface 00:16:3e:00:00:01 at net0: a death of its driver has spoilt its rings"}


@pytest.mark.parametrize("outcome", [judge.NO_EFFECT, judge.RECOVERED])
@pytest.mark.parametrize("said,worse,anew", [
    (DETACHED, judge.LOST, ["web"]), (("web", "tcp", 1), judge.CORRUPTION, []), (("idle", "memory", 1), judge.GUEST, []), (("store", "disk", 1), judge.GUEST, []),
    (("web", "BUG: so"), judge.GUEST, ["web"]), (("wire", "xen_netfront: so"), judge.LOST, ["wire"]), ({"kind": "destroyed", "domain": "store", "text": "so"}, judge.GUEST, ["store"]),
    (("dom0", "WARNING: so"), judge.DOM0, [])])
def test_what_comes_before_the_next_case_begins_is_still_the_last_one_s(monkeypatch, said, worse, anew, outcome):
    """As what its driver's successor finds in the rings after the restart by hand."""
    given, mended = given_gap([said]), []
    monkeypatch.setattr(given, "make_anew", mended.append)
    monkeypatch.setattr(cases_of, "goes_on_with_another", lambda session, name: mended.append(name) or True)
    record = {**given_case(id="net0/skip/1", guests={name: guest("net0" in (room.DRIVER_OF.get(load) for load in one.has)) for name, one in given.guests.items()}), "outcome": outcome, "why": "so"}
    assert cases_of.make_well(given, plans.case_of("net0/skip/1"), record) == (worse != judge.DOM0)
    notes = given.take_notes()
    judged = judge.with_machine({"net0/skip/1": record}, notes)["net0/skip/1"]
    assert judged["outcome"] == worse and judged["why"].startswith("after it: "), notes
    assert mended == anew and given.take_notes() == []


def given_whole_case(states, faults, hurt=(), error=None):
    """What is written down of a case of three faults of which these were injected, when the driver is in these states before and after it."""
    plan = plans.read(os.path.join(PLANS, "smoke.toml"))
    plan["limits"].update(case_s=0, window_ms=0)
    plan["campaign"]["rings_each"] = 0
    given, states, looks = given_gap(list(hurt)), list(states), []
    given.groups = {"crash": "stop"}

    def ask_all(questions, limit=30):
        asked = [method for method, _ in questions]
        if asked == ["inject"]:
            return [{"faults": [CRASHED] * faults, "error": error}]
        state = states.pop(0) if len(states) > 1 else states[0]
        deaths = faults if looks else 0
        looks.append(state)
        restart = {"state": state, "restarts": deaths, "causes": {"crash": deaths}}
        attached = [{"domain": name, "name": load, "state": "connected"} for name, one in given.guests.items() for load in one.has]
        info = {"domain": {"state": "running", "driver": {"state": state, "restart": restart}, "attachments": attached}}
        return [{"domains": [{"name": name, "state": "running"} for name in given.guests]}, *([info] * (len(asked) - 1))]
    given.ask_all, given.ask = ask_all, lambda method, limit=30, **params: ask_all([(method, params)], limit)[0]
    return cases_of.run(given, plans.case_of("net0/crash/1x3"), plan)


@pytest.mark.parametrize("states,faults,hurt,outcome", [
    (["serving"], 3, [], judge.RECOVERED),
    (["serving"], 2, [], judge.INVALID),
    (["serving", "backing-off"], 2, [], judge.UNDECIDED),
    (["serving", "dead"], 2, [], judge.ESCALATED),
    (["serving"], 2, [("web", "xen_netfront: so")], judge.LOST),
    (["serving"], 0, [("idle", "memory", 1)], judge.GUEST),
])
def test_a_case_whose_faults_end_early_is_looked_at_to_its_end(states, faults, hurt, outcome):
    record = given_whole_case(states, faults, hurt, "it has not said ready, or is dead and stays so")
    assert record["outcome"] == outcome, record
    assert set(record["guests"]) == {"web", "wire", "store", "idle"} and record["at_s"] == 0
    assert bool(record.get("harness")) == (faults < 3)
    assert judge.fails_to_stop(record) == (outcome not in (judge.RECOVERED, judge.INVALID))


def test_nothing_is_held_against_who_did_nothing_more():
    for outcome in judge.OUTCOMES:
        given = given_gap()
        assert cases_of.look_back(given, {**given_case(), "outcome": outcome}) == {} and given.take_notes() == []


def test_what_is_no_worse_than_the_case_itself_is_not_noted_again():
    given = given_gap([DETACHED])
    assert cases_of.look_back(given, {**given_case(), "outcome": judge.CORRUPTION}) and given.take_notes() == []


def test_a_guest_that_gets_no_answer_after_the_restart_by_hand_has_lost_something(monkeypatch):
    given = given_gap()
    monkeypatch.setattr(cases_of, "WELL_S", 0)
    monkeypatch.setattr(given, "pump", lambda seconds: None)
    record = {**given_case(), "outcome": judge.NO_EFFECT}
    record["seen"]["restarts"] = 0
    assert not cases_of.make_well(given, plans.case_of("net0/skip/1"), record)
    assert [note["outcome"] for note in given.take_notes()] == [judge.LOST]


def test_of_a_guest_that_was_made_anew_alone_the_past_is_forgotten():
    given = given_gap()
    given.events = [DETACHED, {"kind": "destroyed", "domain": "idle", "text": ""}]
    for name in ("web", "idle"):
        given.guests[name].strange.append("so")
    given.settle(["web"])
    assert [one["domain"] for one in given.events] == ["idle"] and given.guests["idle"].strange and not given.guests["web"].strange


@pytest.mark.parametrize("wrong,worse", [(session.CoreLost("PANIC: G1"), judge.CORE), (session.Dom0Lost("skinkd ended"), judge.DOM0), (session.Late("no guest begins"), judge.UNDECIDED)])
@pytest.mark.parametrize("when", ["restart", "look_back", "end"])
def test_whoever_ends_after_a_case_was_judged_was_harmed_by_it(tmp_path, monkeypatch, wrong, worse, when):
    store = results.Store(str(tmp_path / "r.jsonl"), {})
    it, given, exits = Campaign(plans.read(os.path.join(PLANS, "smoke.toml")), "x", store, say=lambda text: None), given_gap(), []
    given.cases, given.ran, it.session = [], [], given
    monkeypatch.setattr(Session, "__exit__", lambda *_: exits.append(1))
    monkeypatch.setattr(cases_of, "run", lambda *_: {**record(1, judge.NO_EFFECT), "seen": {"restarts": 0}})

    def fails(*_, **__):
        raise wrong
    if when == "restart":
        given.ask = fails
    it.run_one(plans.case_of("net0/crash/1"))
    if when == "look_back":
        given.pump = fails
        it.look_back(plans.case_of("net0/crash/2"))
    if when == "end":
        given.ask = fails
    it.drop_machine()
    judged = judge.with_machine(store.cases, store.notes)["net0/crash/1"]
    ends = [note["said"] for note in store.notes if note["kind"] == "end"]
    assert exits == [1] and it.session is None
    if worse == judge.UNDECIDED and when != "restart":
        assert judged["outcome"] == judge.NO_EFFECT and ends == ["no guest begins"]
    else:
        assert judged["outcome"] == worse and str(wrong) in judged["why"]
    assert not [note for note in store.notes if note["kind"] == "file system"], "that is nothing of a disk's"


def test_a_machine_that_is_gone_is_the_core_s_end_whoever_writes_to_it():
    def breaks(line):
        raise BrokenPipeError
    given = given_gap()
    given.machine.send = breaks
    for say in (lambda: given.begin_asking("list"), lambda: given.run("true")):
        with pytest.raises(session.CoreLost):
            say()


@pytest.mark.parametrize("wrong,raised", [
    (session.Late("no load"), session.Lost), (session.Refused("no"), session.Lost), (AssertionError("no"), session.Lost), (OSError("no"), session.Lost),
    (session.CoreLost("PANIC"), session.CoreLost), (KeyboardInterrupt(), KeyboardInterrupt)])
def test_no_machine_stays_behind_that_did_not_come_up(monkeypatch, wrong, raised):
    def fails(_):
        raise wrong
    given, ended = Session("given", plans.read(os.path.join(PLANS, "golden.toml")), 1), []
    monkeypatch.setattr(session.room, "make_disk", lambda *_: None)
    monkeypatch.setattr(session.room, "dom0_image", lambda *_: "")
    monkeypatch.setattr(session, "Peer", lambda rate: types.SimpleNamespace(start=lambda: None, end=lambda: ended.append("peer")))
    monkeypatch.setattr(Session, "power_on", lambda *_: types.SimpleNamespace(__exit__=lambda: ended.append("QEMU")))
    monkeypatch.setattr(Session, "prepare", fails)
    with pytest.raises(raised):
        given.__enter__()
    assert ended[0] == "QEMU" and "peer" in ended


def test_a_case_whose_machine_did_not_come_up_is_no_result(tmp_path, monkeypatch):
    """It is run when one does; two in a row end the campaign."""
    class NoMachine(Session):
        tries = 0

        def __enter__(self):
            NoMachine.tries += 1
            raise session.Lost("it did not come up")

    store = results.Store(str(tmp_path / "r.jsonl"), {})
    monkeypatch.setattr("campaign.Session", NoMachine)
    with pytest.raises(session.Lost):
        Campaign(plans.read(os.path.join(PLANS, "smoke.toml")), "x", store, say=lambda text: None).run(["net0/crash/1"])
    assert not store.cases and NoMachine.tries == 2


def test_a_fault_is_marked_where_it_was_injected(tmp_path, monkeypatch):
    it, given = Campaign(plans.read(os.path.join(PLANS, "smoke.toml")), "x", results.Store(str(tmp_path / "r.jsonl"), {}), say=lambda text: None), given_gap()
    it.session = given
    monkeypatch.setattr(given, "second", lambda: 99)
    monkeypatch.setattr(cases_of, "run", lambda *_: {**record(1), "at_s": 7})
    it.attempt(plans.case_of("net0/crash/1"))
    assert it.marks == [(7, False)]


def test_who_saw_it_first_comes_first():
    one = {"state": "serving", "restarts": 0, "causes": {}, "last": {}}
    died = [{"kind": "died", "domain": driver, "text": f"{cause}: so"} for driver, cause in (("disk0", "crash"), ("net0", "hang"), ("net0", "crash"), ("net0", "hang"))]
    after = {**one, "restarts": 4, "causes": {"abuse": 1, "crash": 1, "hang": 2}}
    assert cases_of.what_was_seen({"net0": one}, {"net0": after}, died)["detectors"] == ["hang", "crash", "abuse"]


class GivenSession:
    """On which everything goes well."""
    take_notes = Session.take_notes
    has_run = Session.has_run
    number, samples = 1, ()
    groups = {"text": "value", "crash": "stop", "page-table": "refused", "hang": "stop"}

    def __init__(self):
        self.ran, self.looks, self.looked, self.cases, self.ends, self.later = [], [], [], [], [], []

    def look_at_disk(self):
        self.looked.append(self.ran)
        self.looks.append(("", self.ran))
        self.ran = []

    def look_outside(self, case):
        if case["class"] == "branch":
            self.looks.append(("nobody: so", [case["id"]]))

    def second(self):
        return 0

    def run(self, command):
        return 0, [json.dumps([{"class": name, "group": group} for name, group in self.groups.items()])]


def test_a_disk_is_looked_at_before_what_may_spoil_it(tmp_path, monkeypatch):
    monkeypatch.setattr(cases_of, "run", lambda session, case, plan: {**case, "kind": "case", "outcome": judge.NO_EFFECT, "why": "", "injected": {}})
    monkeypatch.setattr(cases_of, "restart", lambda session, case, record: True)
    monkeypatch.setattr(cases_of, "look_back", lambda session, record: {})
    it = campaign.Campaign(plans.read(os.path.join(PLANS, "smoke.toml")), "x", results.Store(str(tmp_path / "r.jsonl"), {}), say=lambda text: None)
    it.session = session = GivenSession()
    identities = ["net0/crash/1", "disk0/hang/1", "net0/text/1", "disk0/page-table/1", "net0/plant:nothing/1", "disk0/plant:fs/1", "net0/plant:guest/1"]
    it.run_golden()
    it.run(identities)
    assert session.looked == [["golden/1", *identities[:2]], identities[2:4], identities[4:5], identities[5:6]]
    assert [note["cases"] for note in it.store.notes] == session.looked, "what was found is written down before the next case"
    it.run(["disk0/branch/1"])
    assert it.store.notes[-1]["said"] == "nobody: so" and it.store.notes[-1]["cases"] == ["disk0/branch/1"]


def test_what_must_cost_nobody_anything_comes_first():
    assert cases_of.classes(GivenSession()) == {driver: ["crash", "hang", "text", "page-table"] for driver in room.SLOTS}


# ------------------------------------------------------------------ the same to the instruction

def given_recording(tmp_path, **told):
    recording = exact.Recording(str(tmp_path))
    recording.told = {"machine": {"memory_mib": 64, "cpu": "qemu64", "iommu": True}, "replays": 0, "record": {"id": "net0/crash/1", "outcome": judge.LOST, "why": "so"}, **told}
    return recording


def given_command(tmp_path, monkeypatch, mode):
    """QEMU's arguments."""
    monkeypatch.setattr(machine, "QEMU", "/bin/echo")
    monkeypatch.setattr(machine, "BUILD", str(tmp_path))
    with exact.ExactMachine("given", mode, given_recording(tmp_path), f"{tmp_path}/disk.{mode}", f"{tmp_path}/console.{mode}") as given:
        return given.qemu.communicate()[0].decode().split()


def test_all_that_comes_from_outside_is_recorded(tmp_path, monkeypatch):    # X1
    words = given_command(tmp_path, monkeypatch, exact.RECORD)
    assert words[words.index("-smp") + 1] == "1"
    assert words[words.index("-icount") + 1] == f"shift=0,rr=record,rrfile={tmp_path}/events"
    drives = dict(re.findall(r"driver=blkreplay,if=none,image=(\w+),id=(\w+)", " ".join(words)))
    recorded = set(re.findall(r"filter-replay,id=\w+,netdev=(\w+)", " ".join(words)))
    devices = [word for word in words if re.match(r"virtio-\w+-pci", word)]
    for device in devices:
        assert "ioeventfd=off" in device and (re.search(r"drive=(\w+)", device) or [None, None])[1] in {None, *drives.values()}
    assert {netdev for device in devices for netdev in re.findall(r"netdev=(\w+)", device)} == recorded and len(devices) == 2


def test_a_replay_is_the_same_machine_of_the_recording_s_own_images(tmp_path, monkeypatch):    # X2
    record_words, replay_words = (" ".join(given_command(tmp_path, monkeypatch, mode)) for mode in (exact.RECORD, exact.REPLAY))
    assert replay_words == re.sub(r"\brecord\b", "replay", record_words)
    assert all(f"{tmp_path}/{name}" in replay_words for name in exact.IMAGES)


class GivenPort:
    """QEMU's serial port, which takes what was typed when it is asked for the third time, and that only if it is no more than it can hold."""

    def __init__(self):
        self.typed, self.taken, self.asked = b"", b"", 0

    def write(self, data):
        assert not self.typed, "the core had not taken what was typed before"
        self.typed = data

    def ask(self, question):
        self.asked += 1
        if question == "info replay":
            return f"instruction count = {self.asked * exact.DELIVERED}"
        if self.asked % 3 == 0:
            self.taken, self.typed = self.taken + self.typed[:16], b""
        return f"portb[0x03fd] = 0x{61 if self.typed else 60}"


def test_what_is_typed_while_it_is_recorded_is_never_more_than_the_port_holds(monkeypatch):
    port, given = GivenPort(), exact.ExactMachine.__new__(exact.ExactMachine)
    given.qemu = type("GivenQemu", (), {"stdin": port, "poll": lambda self: None})()
    monkeypatch.setattr(given, "waiting", lambda: 0)
    monkeypatch.setattr(given, "ask_monitor", port.ask)
    monkeypatch.setattr(exact, "POLL_S", 0)
    given.send("skink list --json and some more")
    assert port.taken == b"skink list --json and some more\n"


@pytest.mark.parametrize("said,complaint", [(b"one two three", ""), (b"one too three", "5 came"), (b"one", "3 came"), (b"one two three four", "13 came")])
def test_a_replay_that_says_anything_else_is_none(tmp_path, said, complaint):
    recording = given_recording(tmp_path)
    (tmp_path / "console").write_bytes(b"one two three")
    (tmp_path / "console.replay").write_bytes(said)
    difference = recording.difference(f"{tmp_path}/console.replay")
    assert complaint in difference and bool(complaint) == bool(difference)


def test_a_case_is_recorded_once_and_replayed_after_that(tmp_path, monkeypatch):
    recording, done = given_recording(tmp_path), []
    monkeypatch.setattr("campaign.recording_of", lambda *_: recording)
    monkeypatch.setattr(recording, "replay", lambda more: done.append("replay"))
    campaign = Campaign(plans.read(os.path.join(PLANS, "golden.toml")), "given", None, say=lambda text: None)
    monkeypatch.setattr(campaign, "record", lambda case, where: (done.append("record"), where.write()))
    campaign.exactly(plans.case_of("net0/crash/1"), 1)
    assert done == ["record"]
    campaign.exactly(plans.case_of("net0/crash/1"), 2)
    assert done == ["record", "replay", "replay"]


class GivenRun(Session):
    """Of a machine that was there, and whose disk is wrong in the end."""

    def __enter__(self):
        self.machine = type("GivenMachine", (), {"quit": lambda machine: self.ran.append("has ended")})()
        return self

    def end(self):
        self.hold_against_cases("Inode 12 is wrong")

    def __exit__(self, *_):
        assert self.ran == ["has ended"], "what QEMU recorded is not on the disk"


def test_what_is_told_of_a_recording_is_the_case_with_what_its_disk_held(tmp_path, monkeypatch):
    monkeypatch.setattr("campaign.Session", GivenRun)
    monkeypatch.setattr("campaign.cases.run", lambda session, case, plan: {**record(1), **case})
    Campaign(plans.read(os.path.join(PLANS, "golden.toml")), "given", None).record(plans.case_of("net0/crash/1"), given_recording(tmp_path))
    told = exact.Recording(str(tmp_path)).read().told
    assert told["record"]["outcome"] == judge.CORRUPTION and "Inode 12" in told["record"]["why"] and told["replays"] == 0


def test_limits_of_the_host_are_longer_for_a_recording_and_what_guests_measure_is_not():
    plan = plans.read(os.path.join(PLANS, "smoke.toml"))
    patient = exact.patient(plan)
    assert patient["machine"]["cpus"] == 1 and patient["limits"]["case_s"] == exact.SLOWER * plan["limits"]["case_s"]
    assert patient["limits"]["slow_ms"] == plan["limits"]["slow_ms"] and plan["machine"]["cpus"] == 2


@pytest.mark.parametrize("only", [[], ["net0/crash/1", "net0/plant:tcp-up/1"]])
def test_what_cannot_be_recorded_is_refused_before_anything_runs(only):
    with pytest.raises(plans.Wrong):
        run_exactly(None, type("Options", (), {"only": only, "times": 1, "gdb": False})())
