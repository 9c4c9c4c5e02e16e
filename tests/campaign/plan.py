# SPDX-License-Identifier: MIT
"""A campaign's plan: TOML, checked whole before anything runs; and the cases that follow from it.

P1  The same plan gives the same cases, in the same order, with the same seeds: a result file of another day fits.
P2  A case's id says all that it takes to repeat it: driver/class/seed, how many one after the other, and the mode where it is not `fresh`.
"""
import re
import tomllib
import zlib

FRESH, ACCUMULATE = "fresh", "accumulate"
DEFAULTS = {
    "campaign": {"name": None, "seed": 1, "mode": FRESH, "golden": 1, "rings_each": 1},
    "machine": {"cpus": 2, "memory_mib": 3072, "cpu": "qemu64", "iommu": True, "cases_per_boot": 500},
    "load": {"tcp_kib_per_s": 1024, "pause_ms": 20, "postgresql": False, "fio": False, "guests": ["web", "wire", "store", "idle"]},
    "limits": {"window_ms": 400, "case_s": 60, "value_s": 20, "slow_ms": 5000, "slow_ns": 1_000_000_000, "golden_s": 30, "minutes": 0},
}
# Times are those of the machine that runs QEMU, and of whatever else runs there: what slow means is coarse. `make bench` counts instructions.
FAULT = {"driver": None, "class": None, "activated": 0, "cases": 0, "together": 1}
TOGETHER_MOST = 99       # what an id has room for
CLASS = re.compile(r"[a-z][a-z0-9-]*(:[a-z][a-z0-9-]*)?")


class Wrong(Exception):
    """A plan that cannot be run: where, what, and what to write instead."""


def section(path, given, name):
    values = dict(DEFAULTS[name])
    for key, value in given.get(name, {}).items():
        if key not in values:
            raise Wrong(f"{path}: [{name}] {key}: not known: write one of {', '.join(values)}, or leave it out")
        if values[key] is not None and type(value) is not type(values[key]):
            raise Wrong(f"{path}: [{name}] {key} = {value!r}: write something like {values[key]!r}")
        if isinstance(value, int) and not isinstance(value, bool) and value < 0:
            raise Wrong(f"{path}: [{name}] {key} = {value}: write 0 or more")
        values[key] = value
    return values


def one_of(path, number, fault):
    for key in fault:
        if key not in FAULT:
            raise Wrong(f"{path}: [[faults]] {number}: {key}: not known: write one of {', '.join(FAULT)}")
    fault = {**FAULT, **fault}
    names = fault["class"] if isinstance(fault["class"], list) else [fault["class"]]
    for name in names:
        if not isinstance(name, str) or not CLASS.fullmatch(name) and name != "*":
            raise Wrong(f"{path}: [[faults]] {number}: class = {name!r}: write a name of `skink inject --list`, or \"*\" for all of them")
    if fault["driver"] not in ("net0", "disk0"):
        raise Wrong(f"{path}: [[faults]] {number}: driver = {fault['driver']!r}: write \"net0\" or \"disk0\", the campaign's driver domains")
    for key in ("activated", "cases", "together"):
        if type(fault[key]) is not int or fault[key] < 0:
            raise Wrong(f"{path}: [[faults]] {number}: {key} = {fault[key]!r}: write a number")
    if (fault["activated"] > 0) == (fault["cases"] > 0):
        raise Wrong(f"{path}: [[faults]] {number}: write either cases = N, or activated = N (as many as it takes until N were activated)")
    if not 1 <= fault["together"] <= TOGETHER_MOST:
        raise Wrong(f"{path}: [[faults]] {number}: together = {fault['together']}: write how many faults a case has, 1 to {TOGETHER_MOST}, or leave it out for one")
    return {**fault, "class": names}


def read(path):
    try:
        with open(path, "rb") as file:
            given = tomllib.load(file)
    except OSError as wrong:
        raise Wrong(f"{path}: {wrong.strerror}: write PLAN=tests/campaign/plans/default.toml") from wrong
    except tomllib.TOMLDecodeError as wrong:
        raise Wrong(f"{path}: {wrong}") from wrong
    for name in given:
        if name not in DEFAULTS and name != "faults":
            raise Wrong(f"{path}: [{name}]: not known: write one of {', '.join(DEFAULTS)}, [[faults]]")
    plan = {name: section(path, given, name) for name in DEFAULTS}
    plan["faults"] = [one_of(path, number, fault) for number, fault in enumerate(given.get("faults", []), 1)]
    if not re.fullmatch(r"[\w-]+", plan["campaign"]["name"] or ""):
        raise Wrong(f"{path}: [campaign] name: write name = \"...\", of letters, digits, _ and -")
    if plan["campaign"]["mode"] not in (FRESH, ACCUMULATE):
        raise Wrong(f"{path}: [campaign] mode = \"{plan['campaign']['mode']}\": write \"{FRESH}\" or \"{ACCUMULATE}\"")
    if not plan["faults"] and not plan["campaign"]["golden"]:
        raise Wrong(f"{path}: nothing is to be done: write a [[faults]], or golden = 1")
    return plan


def seeds_of(plan_seed, driver, name):
    """The first of a class's seeds: two classes do not begin at the same place."""
    return plan_seed * 100_000_000 + zlib.crc32(f"{driver}/{name}".encode()) % 1000 * 100_000


def case_id(driver, name, seed, mode=FRESH, together=1):
    return f"{driver}/{name}/{seed}" + (f"x{together}" if together > 1 else "") + (f"/{mode}" if mode != FRESH else "")


def case_of(identity):
    """The other way round."""
    found = re.fullmatch(r"(net0|disk0)/([a-z0-9:-]+)/(\d+)(?:x([1-9]\d?))?(?:/(accumulate))?", identity)
    if not found:
        raise Wrong(f"'{identity}' is no case: write driver/class/seed, as net0/text/17, or net0/crash/17x8 for eight of them")
    return {"id": identity, "driver": found[1], "class": found[2], "seed": int(found[3]), "together": int(found[4] or 1), "mode": found[5] or FRESH}


def runs(plan, classes):
    """One queue for each driver and class: {"driver", "class", "activated", "cases"}. classes: what "*" stands for, by driver."""
    queues = {}
    for fault in plan["faults"]:
        for name in fault["class"]:
            for one in classes[fault["driver"]] if name == "*" else [name]:
                queues[(fault["driver"], one)] = {**fault, "class": one}
    # The drivers in turn: whoever stops early has something of each.
    place = {}
    for driver, name in queues:
        place[driver, name] = sum(other == driver for other, _ in place)
    return [queues[key] for key in sorted(queues, key=place.get)]


def cases(plan, classes, done):
    """What is left to do, driver and class in turn, so that a campaign that is stopped early has something of each.

    done: {id: record}. A generator that looks at `done` again before each case: who runs a case puts its record there.
    """
    from judge import is_activated
    mode, seed = plan["campaign"]["mode"], plan["campaign"]["seed"]
    queues = [{**queue, "next": 0} for queue in runs(plan, classes)]
    while queues:
        for queue in list(queues):
            while True:
                identity = identity_of(queue, queue["next"], seed, mode)
                if not is_wanted(queue, done, seed, mode, is_activated):
                    queues.remove(queue)
                    break
                queue["next"] += 1
                if identity not in done:
                    yield case_of(identity)
                    break


def identity_of(queue, number, seed, mode):
    together = queue["together"]
    return case_id(queue["driver"], queue["class"], seeds_of(seed, queue["driver"], queue["class"]) + number * together, mode, together)


def is_wanted(queue, done, seed, mode, is_activated):
    if queue["cases"]:
        return queue["next"] < queue["cases"]
    records = [done[identity] for number in range(queue["next"]) if (identity := identity_of(queue, number, seed, mode)) in done]
    if records and all(record.get("injected", {}).get("targets") == 0 for record in records):
        return False            # it has none, and says so; a class that once had some is only without them at a moment
    return sum(is_activated(record) for record in records) < queue["activated"] and queue["next"] < 20 * queue["activated"]
