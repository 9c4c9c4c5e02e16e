# SPDX-License-Identifier: MIT
"""What a guest that does a fixed mixture of work (programs/polite.c) loses beside a neighbour that misbehaves, against beside one like itself.

The victim prints "WORK ticks units", what it has done by then, and who watches "WINDOW kind from to" for each round: its figure is what was done from the
first to the last of the victim's lines in it.
"""
import re
import statistics

WORK = re.compile(r"^WORK (\d+) (\d+)\r?$", re.MULTILINE)
WINDOW = re.compile(r"^WINDOW (\w+) (\d+) (\d+)\r?$", re.MULTILINE)
POLITE, NOBODY = "polite", "nobody"
LEAST, MOST = 1.8, 2.3
# Beside a neighbour the victim does not do so many times what it does beside the polite one, if the neighbour is at work.
IDLE = 1.5


def rate(work, begin, end):
    """Units in a second of 10^9 ticks; None: two lines at least are needed, and fewer are there."""
    inside = [(ticks, units) for ticks, units in work if begin <= ticks <= end]
    if len(inside) < 2:
        return None
    (first, before), (last, after) = inside[0], inside[-1]
    return (after - before) * 1e9 / (last - first)


def rates(text):
    """The rounds by kinds. A round of which the victim has said nothing is one in which it has done nothing."""
    work = sorted((int(ticks), int(units)) for ticks, units in WORK.findall(text))
    found = {}
    for kind, begin, end in WINDOW.findall(text):
        found.setdefault(kind, []).append(rate(work, int(begin), int(end)) or 0.0)
    return found


def spread(values, unit):
    return {"unit": unit, "n": len(values), "p50": round(statistics.median(values), 1), "p99": round(max(values), 1), "max": round(max(values), 1),
            "deterministic": False}


def figures(text):
    found, rounds = {}, rates(text)
    polite = statistics.median(rounds.get(POLITE, [0]))
    for kind, values in rounds.items():
        found[f"neighbour.{kind}.work"] = spread(values, "units/s")
        if polite and kind not in (POLITE, NOBODY):
            found[f"neighbour.{kind}.lost"] = spread([100 * (1 - value / polite) for value in values], "percent")
    return found


def doubt(found):
    """Beside nobody it gets twice what it gets beside one like it, and beside nobody else so much, or who is compared with whom? None: all is well."""
    work = {name.split(".")[1]: figure["p50"] for name, figure in found.items() if name.endswith(".work")}
    nobody, polite = work.get(NOBODY), work.get(POLITE)
    if not nobody or not polite or not LEAST <= nobody / polite <= MOST:
        return f"beside nobody the victim does {nobody} units a second, and beside a polite neighbour {polite}"
    idle = [kind for kind, rate_then in work.items() if kind != NOBODY and rate_then >= IDLE * polite]
    return f"a neighbour that was to misbehave has done nothing: {', '.join(idle)}" if idle else None
