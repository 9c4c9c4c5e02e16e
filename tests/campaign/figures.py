# SPDX-License-Identifier: MIT
"""What a report counts: shares with their intervals, tables, histograms. Pure."""
import math

from scipy.stats import beta

from judge import INVALID, NEVER_FAIL_STOP, OUTCOMES, SLOWLY, UNDECIDED, harm_of, is_activated


def clopper_pearson(successes, trials, confidence=0.95):
    """The exact interval of a share; (0, 1) of nothing."""
    tail = (1 - confidence) / 2
    low = 0.0 if successes == 0 else float(beta.ppf(tail, successes, trials - successes + 1))
    high = 1.0 if successes == trials else float(beta.ppf(1 - tail, successes + 1, trials - successes))
    return low, high


def share(successes, trials):
    """As text: '3 of 200, 1.50 % (0.31 to 4.32)'."""
    if not trials:
        return "0 of 0"
    low, high = clopper_pearson(successes, trials)
    return f"{successes} of {trials}, {percent(successes / trials)} % ({percent(low)} to {percent(high)})"


def percent(value):
    return f"{value * 100:.3g}" if 0 < value < 0.1 else f"{value * 100:.1f}"


def detectors_of(case):
    seen = case.get("seen", {}).get("detectors") or []
    return seen[0] if seen else "none"


def table(cases, key):
    """{value of key: {"cases", "activated", outcome: count...}}, in the order of names."""
    rows = {}
    for case in cases:
        counts = rows.setdefault(key(case), {"cases": 0, "activated": 0, "no targets": 0, **{name: 0 for name in OUTCOMES}})
        counts["cases"] += 1
        counts["activated"] += is_activated(case)
        counts["no targets"] += case.get("injected", {}).get("targets") == 0
        counts[case["outcome"]] += 1
    return dict(sorted(rows.items()))


def failures(cases):
    """What a fail-stop class must never come to, what nobody could decide, and what was slow; the worst first."""
    bad = [case for case in cases if case["outcome"] in (*NEVER_FAIL_STOP, UNDECIDED, SLOWLY, INVALID)]
    return sorted(bad, key=lambda case: (-harm_of(case), case["id"]))


def recovery_times(cases):
    """Nanoseconds, of each restart."""
    return sorted(value for case in cases for value in case.get("seen", {}).get("recovery_ns", []))


def quantile(ordered, part):
    """Of values in order: the smallest that `part` of them do not exceed."""
    return ordered[max(0, math.ceil(part * len(ordered)) - 1)] if ordered else None


def ring_states(cases):
    """{ring: {state: cases}}: how full each ring of the driver was when the fault came."""
    states = {}
    for case in cases:
        for ring in case.get("rings", []):
            waiting, slots = ring.get("waiting", 0), ring.get("slots", 0) or 1
            name = ("empty" if not waiting else "one" if waiting == 1 else "full" if waiting >= slots else
                    "up to half" if 2 * waiting <= slots else "over half")
            if ring.get("commit") != ring.get("rsp_prod"):
                name += ", answers not published"
            counts = states.setdefault(ring["ring"], {})
            counts[name] = counts.get(name, 0) + 1
    return states


def functions(cases, symbols):
    """({function: faults placed in it}, how many functions the image has)."""
    hit = {}
    for case in cases:
        name = (case.get("injected", {}).get("symbol") or "").partition("+")[0]
        if name in symbols:
            hit[name] = hit.get(name, 0) + 1
    return hit, len(symbols)
