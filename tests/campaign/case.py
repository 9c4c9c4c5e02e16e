# SPDX-License-Identifier: MIT
"""One case: what is there, the fault, what comes of it, and what the next case needs.

C1  A case begins when every load goes on and its driver serves, and ends when every load has gone on for long enough after the last restart, or at its limit.
C2  A fault's window is looked at by who was there before it: the loads never stop, and nothing is started for a case.
"""
import json
import re
import time
import zlib

import judge
import machine_room as room
import plan as plans
import plant
from session import CoreLost, Dom0Lost, Late, Lost, Refused

# What a driver is that its guests wait for until somebody lets it go.
STOPPED = ("held", "closed", "dead")
INJECT_S = 180
# Faults of one case, in a second: the injector waits until the driver serves again before each.
RATE = 4
WELL_S = 30
MACHINE_IS_LOST = (judge.CORE, judge.DOM0)
# What every load must have done since the fault, or since the last restart, before a case may end.
ENOUGH = {"tcp": {"up": 64 << 10, "down": 64 << 10}, "disk": {"read": 512 << 10, "sync": 1}, "sql": {"tx": 4, "read": 1}, "fio": {"write": 128 << 10, "read": 128 << 10}, "memory": {"round": 2}}      # the first round had begun before
# After a restart by hand: the front-ends' rings were taken over.
A_LITTLE = {load: dict.fromkeys(keys, 1) for load, keys in ENOUGH.items()}


def classes(session):
    """By driver, what may be injected into it."""
    status, lines = session.run("skink inject --list-classes --json")
    if status:
        raise Lost(f"skink inject --list-classes: {' '.join(lines)}")
    session.groups = {one["class"]: one["group"] for one in json.loads("".join(lines))}
    # Those that must cost nobody anything come first: nothing else has been near what they find.
    return {name: sorted(session.groups, key=lambda one: session.groups[one] != "stop") for name in room.SLOTS}


# ------------------------------------------------------------------ looking

def since(now, before, key):
    return sum(values.get(key, 0) - before.get(load, {}).get(key, 0) for load, values in now.items())


def has_gone_on(session, before, only, enough=None):
    """Every one of these loads (by guest) has done enough since."""
    return all(load_has_gone_on(session.guests[name], before[name], load, enough) for name, loads in only.items() for load in loads)


def load_has_gone_on(guest, before, load, enough=None):
    now, then = guest.loads.get(load, {}), before.get(load, {})
    return all(now.get(key, 0) - then.get(key, 0) >= least for key, least in (enough or ENOUGH)[load].items())


def is_attached(guest, drivers):
    return any(room.DRIVER_OF.get(load) in drivers for load in guest.has)


def all_loads(session):
    return {name: guest.has for name, guest in session.guests.items()}


def loads_of_others(session, drivers):
    """Of guests that none of these drivers serves: they have to go on, whatever comes of those."""
    return {name: guest.has for name, guest in session.guests.items() if not is_attached(guest, drivers)}


def loads_served(session, drivers):
    """Of their own front-ends."""
    return {name: [load for load in guest.has if room.DRIVER_OF.get(load) in drivers] for name, guest in session.guests.items()}


def loads_of(session, drivers):
    """Whose going on says something of these drivers: their own front-ends' loads, and all of who has none."""
    return {**loads_served(session, drivers), **loads_of_others(session, drivers)}


def look(session):
    """All that skinkd knows of drivers and guests, in one breath: {"drivers", "devices", "states"}."""
    listed, *infos = session.ask_all([("list", {}), *(("info", {"domain": name}) for name in room.SLOTS)])
    known = {name: info["domain"] for name, info in zip(room.SLOTS, infos)}
    return {"drivers": {name: driver_of(info) for name, info in known.items()},
            "devices": connected(session, known.values()),
            "states": {one["name"]: one["state"] for one in listed["domains"]}}


def driver_of(info):
    """How often it was restarted, and why it was the last time."""
    driver, restart = info.get("driver") or {}, (info.get("driver") or {}).get("restart") or {}
    by_hand = restart.get("causes", {}).get("by-hand", 0)
    return {"state": driver.get("state", info["state"]) if restart.get("state") in (None, "serving") else restart["state"],
            "generation": driver.get("generation", 0), "restarts": restart.get("restarts", 0) - by_hand,
            "causes": {cause: count for cause, count in restart.get("causes", {}).items() if cause != "by-hand"}, "last": restart.get("last") or {}}


def connected(session, drivers):
    """By guest, which of its front-ends are connected."""
    devices = {name: set() for name in session.guests}
    for info in drivers:
        for one in info["attachments"]:
            if one["domain"] in devices and one["state"] == "connected":
                devices[one["domain"]].add(one["name"])
    return devices


# ------------------------------------------------------------------ a case

def run(session, case, plan):
    """The whole record, judged."""
    record = {**case, "kind": "case", "limits": {key: plan["limits"][key] for key in ("slow_ms", "slow_ns")}, "injected": {},
              "core": {"panic": ""}, "dom0": {}, "boot": session.number}
    begun = time.monotonic()
    try:
        observe(session, case, plan, record)
    except CoreLost as wrong:
        record["core"] = {"panic": str(wrong)}
    except Lost as wrong:
        record["dom0"] = {"alive": False, "why": str(wrong)}
    except Refused as wrong:
        record["harness"] = f"skinkd: {wrong}"
    record["seconds"] = round(time.monotonic() - begun, 2)
    record["outcome"], record["why"] = judge.judge(record)
    return record


def observe(session, case, plan, record):
    session.settle()
    begun, names = session.counters(), drivers_of(case)
    before = look(session)
    if case["driver"] and looks_at_rings(case, plan):
        record["rings"] = look_at_rings(session, case["driver"])
    if not case.get("golden"):
        record["at_s"] = session.second()
        break_driver(session, case, record)
    limit = plan["limits"]["value_s" if record["injected"].get("kind") == "value" else "case_s"]
    last, after = wait_for_the_end(session, case, plan, names, limit)
    conclude(session, record, {name: before["drivers"][name] for name in names}, {name: after["drivers"][name] for name in names})
    record["guests"] = look_at_guests(session, {**before, "counters": begun}, after, last, names)
    record["gap_ms"] = max(one["gap_ms"] for one in record["guests"].values())
    session.settle()        # from here on it is look_back() that looks


def drivers_of(case):
    return [case["driver"]] if case["driver"] else list(room.SLOTS)


def looks_at_rings(case, plan):
    each = plan["campaign"]["rings_each"]
    return each and zlib.crc32(case["id"].encode()) % each == 0


def is_told(session, begun):
    """A guest whose kernel complains, whose load was refused something or whose front-end is gone or not served any more has lost what it had: nothing of
    it is waited for, but others have to go on."""
    return any(one["kind"] in ("refused", "detached") for one in session.events) or any(guest.strange or since(guest.loads, begun[name], "error") for name, guest in session.guests.items())


def ended(session):
    """Guests that are no more: it is known what came of that case, and they will never go on."""
    return {one["domain"] for one in session.events if one["kind"] == "destroyed" and one.get("domain") in session.guests}


def has_all_gone_on(session, then, begun, names):
    """All that has to after a fault in these drivers, and that still can."""
    only = loads_of_others(session, names) if ended(session) or is_told(session, begun) else loads_of(session, names)
    return has_gone_on(session, then, {name: loads for name, loads in only.items() if name not in ended(session)})


def wait_for_the_end(session, case, plan, names, limit):
    """
    C1. Once more after each restart: what came back has to go on as well, and has as long for it, once. The counters since which it has to, and how all
    stood in the end.
    """
    begun, until = session.counters(), time.monotonic() + limit + case.get("seconds", 0)
    latest = until + limit
    earliest = time.monotonic() + max(plan["limits"]["window_ms"] / 1000, case.get("seconds", 0))
    then, now = session.counters(), look(session)
    while True:
        went_on = session.wait(lambda: time.monotonic() > earliest and has_all_gone_on(session, then, begun, names), until - time.monotonic(), "", must=False)
        before, now = now, look(session)
        if not went_on or is_told(session, begun) or all(before["drivers"][name]["generation"] == now["drivers"][name]["generation"] for name in names):
            return then, now
        then, until = session.counters(), min(latest, max(until, time.monotonic() + limit))


def conclude(session, record, before, after):
    record["seen"] = what_was_seen(before, after, session.events)
    record["dom0"] = {"alive": True, "skinkd_ended": session.skinkd_ended, "kernel": list(session.dom0_strange)}
    record["said"] = [line for guest in session.guests.values() for line in guest.strange][:20]
    record["events"] = [f"{one['kind']} {one.get('domain') or ''}: {one['text']}" for one in session.events][:20]


def as_told(causes, driver, events):
    """In the order in which skinkd told them; what it did not tell one by one comes last."""
    told = [one["text"].partition(":")[0] for one in events if one["kind"] == "died" and one.get("domain") == driver]
    return sorted(causes, key=lambda cause: told.index(cause) if cause in told else len(told))


def what_was_seen(before, after, events):
    """Of the drivers: what their monitor counted meanwhile, and how long the last restart of each took."""
    states = [one["state"] for one in after.values() if one["state"] != "serving"]
    seen = {"restarts": sum(after[name]["restarts"] - before[name]["restarts"] for name in after), "state": states[0] if states else "serving",
            "policy": f"its restarts are used up: {states[0]}" if states and states[0] in STOPPED else "", "detectors": [], "recovery_ns": []}
    for name, one in after.items():
        seen["detectors"] += as_told([cause for cause, count in one["causes"].items() if count > before[name]["causes"].get(cause, 0)], name, events)
        if one["restarts"] > before[name]["restarts"] and one["last"].get("cause") != "by-hand":
            seen["recovery_ns"].append(1000 * (one["last"].get("answered_us") or one["last"].get("recovered_us") or 0))
    seen["recovery_ns"] = [value for value in seen["recovery_ns"] if value]
    return seen


def look_at_guest(guest, before):
    """What its own counters and its kernel say."""
    return {"bad": since(guest.loads, before, "bad"), "broken": since(guest.loads, before, "broken"), "errors": since(guest.loads, before, "error"),
            "kernel": [line for line in guest.strange if not line.startswith("load: ")][:20], "gap_ms": guest.gap_ms}


def were_detached(session, name, kinds=("detached",)):
    """Of a guest's devices; one may be there again, attached anew."""
    return {one["text"].split()[1] for one in session.events if one["kind"] in kinds and one.get("domain") == name}


def look_at_guests(session, before, after, last, names):
    """`last`: since when they had to go on, with the loads that say something of these drivers."""
    only = loads_of(session, names)
    return {name: {**look_at_guest(guest, before["counters"][name]), "alive": after["states"].get(name) in ("running", "blocked"),
                   "attached": is_attached(guest, names),
                   "progressed": all(load_has_gone_on(guest, last[name], load) for load in only[name]),
                   "lost": sorted(before["devices"][name] - after["devices"][name] | were_detached(session, name))} for name, guest in session.guests.items()}


RING = re.compile(r"(.*), (\S+) at \S+, queue (\d+), (\w+): (\d+) slots, (\d+) unanswered")
INDICES = re.compile(r"rsp_prod (\d+) .* commit (\d+)")


def look_at_rings(session, driver):
    """How full each is, just before the fault."""
    rings = []
    for line in session.run(f"skink rings {driver} | grep -A1 unanswered")[1]:
        ring, indices = RING.fullmatch(line), INDICES.search(line)
        if ring:
            rings.append({"domain": ring[1], "device": ring[2], "ring": ring[4], "slots": int(ring[5]), "waiting": int(ring[6])})
        elif indices and rings:
            rings[-1].update(rsp_prod=int(indices[1]), commit=int(indices[2]))
    return rings


# ------------------------------------------------------------------ the fault

def groups(session):
    """{class: what is demanded of it}."""
    if not session.groups:
        classes(session)
    return session.groups


def kind_of(session, case):
    return "plant" if case["class"].startswith("plant:") else groups(session).get(case["class"])


def spoils(session, case):
    """Whose a disk's file system is that is wrong: nobody's who may only stop a driver, any wrong value's, or what was planted."""
    if case.get("golden"):
        return "stop"
    if case["class"] == plant.FILE_SYSTEM:
        return case["class"]
    kind = kind_of(session, case)
    return "value" if kind == "refused" else kind


def break_driver(session, case, record):
    """Whatever comes of it, and however many of its faults were injected: what they did is looked at."""
    record["injected"] = {"kind": kind_of(session, case)}
    try:
        record["injected"] = plant.plant(session, case) if record["injected"]["kind"] == "plant" else inject(session, case, record)
    except Refused as wrong:
        record["harness"] = f"skinkd: {wrong}"


def inject(session, case, record):
    """What was done, as the injector says it: {"targets", "activated", "kind", "what", ...}; of several the one that says most, and how many."""
    try:
        result = session.ask("inject", limit=INJECT_S, domain=case["driver"], **{"class": case["class"]}, seed=case["seed"], count=case["together"], rate=RATE)
    except Late as late:
        session.ask("version")      # or Domain-0 is lost
        record["injected"]["is_going_on"] = True
        raise Refused(f"the injector has not ended within {INJECT_S} s") from late
    faults = result["faults"]
    if len(faults) < case["together"]:
        record["harness"] = f"{len(faults)} of {case['together']} faults: {result.get('error') or 'it is not said why'}"
    return {**(all_told(faults) if faults else {}), **record["injected"]}


UNINJECTED = ("no-target", "not-injected")


def all_told(faults):
    """Of several: what was granted comes first, then what the core's answer to is not known, then the last; it is activated if any of them was."""
    known = [False if one.get("outcome") in UNINJECTED else one.get("activated") for one in faults]
    fault = max(faults, key=lambda one: (one.get("result", -1) >= 0, "result" not in one and one.get("outcome") not in UNINJECTED, one is faults[-1]))
    return {**fault, "faults": sum(one.get("outcome") == "injected" for one in faults), "targets": 0 if all(one.get("outcome") == "no-target" for one in faults) else 1,
            "activated": True if True in known else None if None in known else False,
            "what": ", ".join(f"{key} {fault[key]}" for key in ("symbol", "location", "old", "new", "how") if fault.get(key) not in (None, ""))}


# ------------------------------------------------------------------ afterwards

def make_well(session, case, record):
    """What is cheap first. False: only another machine is well."""
    if record.get("injected", {}).get("is_going_on"):
        look_back(session, record)
        return False        # what else the injector does would be the next case's
    try:
        goes_on = restart(session, case, record)
        session.look_outside(case)      # not before: until then the driver still writes what its fault has it write
        later = look_back(session, record)
        if not goes_on and not later:
            hold_against(session, record, judge.LOST, "after a restart by hand a guest gets no answer any more")
            return False
        if any(outcome in MACHINE_IS_LOST for outcome, _, _ in session.later):
            return False
        if record["outcome"] in judge.HARMLESS and not later:
            return True
        mend(session, case, {name: both(one, later.get(name)) for name, one in record.get("guests", {}).items()})
        then = session.counters()
        return session.wait(lambda: has_gone_on(session, then, all_loads(session)), WELL_S, "", must=False)
    except (CoreLost, Dom0Lost):
        raise
    except (Lost, Refused) as wrong:
        hold_against(session, record, judge.UNDECIDED, wrong)
        return False


def restart(session, case, record):
    """By hand, whoever has not just said ready. False: whose guests nothing had happened to do not go on after that, and do not say why."""
    if record["outcome"] != judge.ESCALATED and (case["mode"] != plans.FRESH or record.get("seen", {}).get("restarts")):
        return True
    for driver in drivers_of(case):
        fresh(session, driver)
    if record["outcome"] not in judge.HARMLESS:
        return True
    # Twice: what is counted first was partly done before.
    return all(goes_on_a_little(session, loads_served(session, drivers_of(case))) for _ in range(2))


def goes_on_a_little(session, only):
    then = session.counters()
    return session.wait(lambda: has_gone_on(session, then, only, A_LITTLE) or is_told(session, then), WELL_S * session.patience, "", must=False)


def look_back(session, record):
    """What was seen since a case ended is its own as well, until the next one begins: of all guests, if there was harm."""
    session.pump(0)
    names = drivers_of(record)
    seen = {"dom0": {"skinkd_ended": session.skinkd_ended, "kernel": list(session.dom0_strange)},
            "guests": {name: {**look_at_guest(guest, session.left[name]), "attached": is_attached(guest, names), "alive": name not in ended(session),
                              "lost": sorted(were_detached(session, name, ("detached", "refused")))} for name, guest in session.guests.items()}}
    session.settle()
    outcome, why = judge.harm(seen) or ("", "")
    if outcome:
        hold_against(session, record, outcome, why)
    return seen["guests"] if outcome else {}


def hold_against(session, record, outcome, why):
    """What is no worse than what it came to anyhow says nothing new."""
    if judge.BY_HARM.index(outcome) > judge.harm_of(record):
        session.later.append((outcome, f"after it: {why}", [record["id"]]))


def both(one, later):
    """What was seen of a guest in its case, and after that."""
    return {"alive": one["alive"] and later["alive"], **{key: one[key] + later[key] for key in ("lost", "kernel", "errors")}} if later else one


def mend(session, case, guests):
    for name, one in guests.items():
        if one["alive"] and has_lost_its_interface_alone(case, one) and goes_on_with_another(session, name):
            session.settle([name])
        elif not one["alive"] or one["lost"] or one["kernel"] or one["errors"]:
            session.make_anew(name)


def goes_on_with_another(session, name):
    """Another interface, and the streams that were there before. The longer they stood, the later they try again."""
    session.attach_anew(name)
    then = session.counters()
    return session.wait(lambda: load_has_gone_on(session.guests[name], then[name], "tcp"), WELL_S, "", must=False)


def has_lost_its_interface_alone(case, one):
    """That needs no other guest. But a netfront that does not believe what it received (it says so, and not that it is disabled) waits for its own
    poll for ever when it is to go, and holds all of the kernel's network meanwhile."""
    said = " ".join(one["kernel"])
    return case["driver"] == "net0" and (one["lost"] or "Disabled" in said) and not one["errors"] and all("eth0" in line for line in one["kernel"])


def fresh(session, driver):
    """It says ready anew."""
    session.ask("restart", domain=driver)
