# SPDX-License-Identifier: MIT
"""What came of a fault: one of OUTCOMES, by what was seen and nothing else.

A case's record has (what was not looked at is missing, and what is missing never counts as good):

    harness     text: what failed in the campaign itself, or how many of its faults came to pass; missing or empty: nothing. All else was looked at nevertheless
    golden      true: nothing was injected
    injected    {"targets": how many places the class has in this driver, "activated": true, false or null (cannot be known), ...}
    core        {"panic": text or ""}
    dom0        {"alive": bool, "skinkd_ended": bool, "kernel": lines}
    seen        of the driver: {"restarts", "state": "serving"..., "policy": "" or what ended its restarts, "recovery_ns", "detectors": lists}
    guests      {name: {"attached": to the driver?, "alive", "progressed", "bad": bytes, blocks (fio's verdict among that) and rows that were not what they had to be,
                 "broken": connections, "errors": of requests, "lost": front-ends that closed or went, "kernel": lines, "gap_ms"}}
    file_systems {name: "" or what the check said of it}
    limits      {"slow_ms", "slow_ns"}: the plan's

J1  Each record has exactly one outcome: the first of RULES that holds.
J2  Harm comes before corruption, corruption before loss, loss before recovery: an outcome never hides a worse one.
J3  Nothing counts as recovered or without effect unless all of it was looked at and every guest went on.
"""

INVALID, NOT_ACTIVATED, NO_EFFECT = "invalid", "not activated", "activated without effect"
RECOVERED, SLOWLY, ESCALATED = "recovered", "recovered slowly", "escalated"
LOST, CORRUPTION = "front-end lost", "silent corruption"
GUEST, DOM0, CORE, UNDECIDED = "guest harmed", "Dom0 harmed", "core harmed", "undecided"

# The report's columns.
OUTCOMES = (NOT_ACTIVATED, NO_EFFECT, RECOVERED, SLOWLY, ESCALATED, LOST, CORRUPTION, GUEST, DOM0, CORE, UNDECIDED, INVALID)

# By harm, from none on: what holds of several that are said of one case, and what a report tells first.
BY_HARM = (INVALID, NOT_ACTIVATED, NO_EFFECT, RECOVERED, SLOWLY, UNDECIDED, ESCALATED, LOST, CORRUPTION, GUEST, DOM0, CORE)

DISK_WAS_WRONG = "when the disk was looked at, its file system was wrong"
UNHARMED = (NO_EFFECT, RECOVERED, SLOWLY)
HARMLESS = (NOT_ACTIVATED, *UNHARMED)

# Of fail-stop classes, where no byte may be lost or wrong; and a driver whose restarts are never used up is not given up.
NEVER_FAIL_STOP = (CORE, DOM0, GUEST, CORRUPTION, LOST, ESCALATED)
GRANTED = "granted by the core"
BYSTANDER = "which is not attached to the driver"


def guests(case, attached=None):
    return {name: one for name, one in case.get("guests", {}).items() if attached is None or one.get("attached") is attached}


def core_harmed(case):
    injected = case.get("injected", {})
    if injected.get("kind") == "refused" and injected.get("result", -1) >= 0:
        return f"{GRANTED}: {injected.get('location', 'what no driver may have')}"
    return case.get("core", {}).get("panic")


def dom0_harmed(case):
    dom0 = case.get("dom0", {})
    if dom0.get("alive") is False:
        return dom0.get("why") or "Domain-0 does not answer"
    if dom0.get("skinkd_ended"):
        return "skinkd ended"
    return "; ".join(dom0.get("kernel", []))


def guest_harmed(case):
    """Whoever is not attached to the driver may feel nothing at all."""
    for name, one in guests(case, False).items():
        if one.get("alive") is False:
            return f"{name}, {BYSTANDER}, ended"
        for what in ("bad", "broken", "errors", "lost", "kernel"):
            if one.get(what):
                return f"{name}, {BYSTANDER}: {what} {one[what]}"
        if one.get("progressed") is False:
            return f"{name}, {BYSTANDER}, stood still"
    for name, one in guests(case).items():
        if one.get("alive") is False:
            return f"{name} ended"
        if any(word in line for line in one.get("kernel", []) for word in ("Kernel panic", "BUG:", "Oops", "soft lockup")):
            return f"{name}: {one['kernel'][0]}"
    return ""


def corrupted(case):
    for name, one in guests(case, True).items():
        if one.get("bad"):
            return f"{name}: {one['bad']} were not what they had to be"
    for name, said in case.get("file_systems", {}).items():
        if said:
            return f"file system of {name}: {said}"
    return ""


def front_end_lost(case):
    for name, one in guests(case, True).items():
        for what in ("lost", "errors", "broken", "kernel"):
            if one.get(what):
                return f"{name}: {what} {one[what]}"
        if one.get("progressed") is False and case.get("seen", {}).get("state") == "serving":
            return f"{name} gets no answer any more, although its driver serves"
    return ""


def unclear(case):
    """What was not looked at, or did not come to an end."""
    driver = case.get("seen", {})
    if case.get("dom0", {}).get("alive") is not True or "panic" not in case.get("core", {}):
        return "the core or Domain-0 were not looked at"
    if not guests(case, True) or not guests(case, False):
        return "no guest was looked at on both sides of the driver"
    for name, one in guests(case).items():
        missing = [what for what in ("alive", "progressed", "bad", "broken", "errors", "lost", "kernel") if what not in one]
        if missing:
            return f"{name}: {', '.join(missing)} not looked at"
    if "restarts" not in driver or "state" not in driver:
        return "the driver was not looked at"
    injected = case.get("injected", {})
    if injected.get("kind") == "refused" and injected.get("activated") is not False and "result" not in injected:
        return "what the core answered is not known"
    for name, one in guests(case, True).items():
        if not one["progressed"]:
            return f"{name} stood still, and the driver is {driver['state']}"
    if driver["state"] != "serving":
        return f"the driver is {driver['state']}, and its guests go on"
    return ""


def slow(case):
    limits = case.get("limits", {})
    gap = max((one.get("gap_ms", 0) for one in guests(case, True).values()), default=0)
    longest = max(case["seen"].get("recovery_ns") or [0])
    if gap > limits.get("slow_ms", float("inf")):
        return f"a guest waited {gap} ms"
    if longest > limits.get("slow_ns", float("inf")):
        return f"{longest} ns until the first answer"
    return ""


def harm(case):
    """(outcome, why) of the worst that was seen, or None."""
    for outcome, test in ((CORE, core_harmed), (DOM0, dom0_harmed), (GUEST, guest_harmed), (CORRUPTION, corrupted), (LOST, front_end_lost)):
        why = test(case)
        if why:
            return outcome, why
    return None


def is_away(case):
    """The driver was looked at, and does not serve."""
    return case.get("seen", {}).get("state", "serving") != "serving"


def is_untouched(case):
    """Nothing was done to the driver: a restart is none of the fault's."""
    injected = case.get("injected", {})
    return injected.get("targets") == 0 or injected.get("activated") is False and injected.get("outcome") != "injected"


def not_activated(case):
    return "this class has no targets in this driver" if case["injected"].get("targets") == 0 else "the driver never came to the place"


def judge(case):
    """(outcome, why). Pure."""
    restarts = case.get("seen", {}).get("restarts", 0)
    activated = case.get("injected", {}).get("activated")
    found = harm(case)
    if found:
        return found
    if case.get("seen", {}).get("policy"):
        return ESCALATED, case["seen"]["policy"]
    if case.get("harness") and not is_away(case):
        return INVALID, case["harness"]
    why = unclear(case)
    if why:
        return UNDECIDED, why
    if case.get("golden") and not restarts:
        return NO_EFFECT, "nothing was injected, nothing was seen"
    times = f"{restarts} restart{'s' * (restarts > 1)}"
    if is_untouched(case) or activated is False and not restarts:
        return NOT_ACTIVATED, not_activated(case) + (f", and yet it was restarted: {times}" if restarts else "")
    why = slow(case)
    if why:
        return SLOWLY, why
    if restarts:
        return RECOVERED, f"{times}, and every guest went on"
    if activated is True:
        return NO_EFFECT, "nothing was seen of it"
    return UNDECIDED, "nothing was seen, and whether it was activated is not known"


def harm_of(case):
    """A place in BY_HARM."""
    return BY_HARM.index(case["outcome"])


def found_later(note):
    """What it says of its cases: {"outcome", "why"}, or nothing. Who was alone with a disk has done what was found on it."""
    if note.get("kind") == "afterwards":
        return {"outcome": note["outcome"], "why": note["why"]}
    if note.get("kind") == "file system" and note["said"]:
        return {"outcome": CORRUPTION if len(set(note["cases"])) == 1 else UNDECIDED, "why": f"{DISK_WAS_WRONG}: {note['said']}"}
    return {}


def with_machine(cases, notes):
    """{id: record}, after what was found later: where nobody knows which of several cases spoilt a disk, none of them was harmless."""
    judged = dict(cases)
    for note in notes:
        found = found_later(note)
        for identity in judged.keys() & set(note["cases"] if found else ()):
            judged[identity] = max(judged[identity], {**judged[identity], **found}, key=harm_of)
    return judged


def fails_to_stop(case):
    """Of a fault that may only stop its driver: somebody has lost something, or it did not come back."""
    return case["outcome"] in NEVER_FAIL_STOP or case["outcome"] == UNDECIDED and is_away(case)


def harms_bystander(case):
    """Domain-0, or a guest that is not attached."""
    return case["outcome"] == DOM0 or case["outcome"] == GUEST and BYSTANDER in case["why"]


def is_false_kill(case):
    return case["outcome"] == NOT_ACTIVATED and case.get("seen", {}).get("restarts", 0) > 0


def is_activated(case):
    """For denominators: what has had an effect was activated, whatever the injector knows of it."""
    outcome = case["outcome"]
    return not case.get("golden") and outcome not in (INVALID, NOT_ACTIVATED, UNDECIDED) or \
        outcome == UNDECIDED and (case.get("injected", {}).get("activated") is True or not case.get("golden") and is_away(case))
