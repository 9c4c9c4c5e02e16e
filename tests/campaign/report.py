# SPDX-License-Identifier: MIT
"""The report: one HTML page, and the same as CSV beside it."""
import json

import charts
import figures
import judge
import results
from markup import cell, document, escape, table
from plant import EXPECTED

FAILURES_SHOWN = 500
HARM = (judge.LOST, judge.CORRUPTION, judge.GUEST, judge.DOM0, judge.CORE)


def counted(value, name, activated):
    """A numerator; with its share of those that were activated where it says something."""
    kind = "n zero" if not value else "n bad" if name in HARM else "n"
    if not value or not activated or name in (judge.INVALID, judge.NOT_ACTIVATED, judge.UNDECIDED):
        return cell(value, kind)
    low, high = figures.clopper_pearson(min(value, activated), activated)
    return (f"<td class='{kind}'>{value}<br><span class='quiet'>{figures.percent(value / activated)} % "
            f"({figures.percent(low)}–{figures.percent(high)})</span></td>")


def outcomes(cases, key, title):
    rows = []
    for name, counts in figures.table(cases, key).items():
        if counts["no targets"] == counts["cases"]:
            rows.append([cell(name), cell(counts["cases"], "n"), f"<td colspan='{len(judge.OUTCOMES) + 2}'>it has no targets: nothing was tested</td>"])
            continue
        harmless = sum(counts[one] for one in judge.UNHARMED)
        rows.append([cell(name), cell(counts["cases"], "n"), cell(counts["activated"], "n"),
                     cell(figures.share(harmless, counts["activated"])), *(counted(counts[one], one, counts["activated"]) for one in judge.OUTCOMES)])
    return table([title, "injected", "activated", "without harm, of activated: share, 95 % interval", *judge.OUTCOMES], rows)


# ------------------------------------------------------------------ what is demanded

HOLDS, FAILS, UNTESTED = "holds", "does not hold", "not tested"


def verdict(tested, wrong):
    return FAILS if wrong else HOLDS if tested else UNTESTED


def demands(cases, golden, notes):
    """(what, HOLDS or FAILS or UNTESTED, figures) each."""
    faults = [case for case in cases if not case.get("golden") and not case["class"].startswith("plant:")]
    activated = sum(judge.is_activated(case) for case in faults)
    core = sum(case["outcome"] == judge.CORE for case in faults)
    others = [case for case in faults if judge.harms_bystander(case)]
    stopping = [case for case in faults if case.get("injected", {}).get("kind") == "stop" and judge.is_activated(case)]
    wrong = [case for case in stopping if judge.fails_to_stop(case)]
    refused = [case for case in faults if case.get("injected", {}).get("kind") == "refused" and judge.is_activated(case)]
    granted = [case for case in refused if judge.GRANTED in case["why"]]
    kills = sum(case.get("seen", {}).get("restarts", 0) for case in golden)
    seen = [case for case in golden if case["outcome"] != judge.NO_EFFECT]
    looks, ends = (looks_at(kind, [*cases, *golden], notes) for kind in ("file system", "end"))
    found = [("the core is never harmed", verdict(activated, core), figures.share(core, activated)),
             ("the core grants no driver what it may not have", verdict(refused, granted), figures.share(len(granted), len(refused))),
             ("Domain-0, and who is not attached to the driver, are never harmed", verdict(activated, others), figures.share(len(others), activated)),
             ("fail-stop faults: nothing lost, nothing wrong, in any guest", verdict(stopping, wrong), figures.share(len(wrong), len(stopping))),
             ("file systems are right whenever they are looked at", verdict(looks, any(looks)), f"{sum(map(bool, looks))} of {len(looks)} looks found something"),
             ("without a fault nothing is restarted, and nothing is seen", verdict(golden, kills or seen),
              f"{kills} restarts in {sum(case.get('seconds', 0) for case in golden):.0f} s without a fault")]
    return found + ended_when_told(ends) + not_killed([case for case in faults if case["outcome"] == judge.NOT_ACTIVATED and judge.is_untouched(case)]) + seen_of_planted([case for case in cases if case["class"].startswith("plant:")])


def ended_when_told(ends):
    """Only of machines that were ended in good order, or were to be."""
    return [("guests end when they are told to", verdict(ends, any(ends)), f"{sum(map(bool, ends))} of {len(ends)} times they did not")] if ends else []


def looks_at(kind, cases, notes):
    """What was said of each disk, or end, that fail-stop faults alone had been near, or none; what a wrong value costs is measured, and not demanded."""
    stopping = {case["id"] for case in cases if case.get("golden") or case.get("injected", {}).get("kind") == "stop"}
    return [note["said"] for note in notes if note.get("kind") == kind and stopping.issuperset(note["cases"])]


def not_killed(cases):
    """Where the injector did not come to what it was to do."""
    killed = [case for case in cases if judge.is_false_kill(case)]
    return [("a driver to which nothing was done is not restarted", verdict(cases, killed), figures.share(len(killed), len(cases)))] if cases else []


def seen_of_planted(cases):
    """Only of a campaign that plants harm itself."""
    missed = [case for case in cases if case["outcome"] != EXPECTED[case["class"]]]
    return [("what the campaign plants it sees", verdict(cases, missed), f"{len(missed)} of {len(cases)} were seen as something else")] if cases else []


def never_activated(cases):
    """Drivers and classes of which nothing was tested."""
    faults = [case for case in cases if not case.get("golden")]
    return [name for name, counts in figures.table(faults, class_of).items() if not counts["activated"]]


def class_of(case):
    return f"{case['driver']} {case['class']}"


def demanded(cases, golden, notes):
    rows = [[cell(what), f"<td class='{'yes' if found == HOLDS else 'no'}'>{found}</td>", cell(text)] for what, found, text in demands(cases, golden, notes)]
    silent = [case for case in cases if case.get("injected", {}).get("kind") == "value"]
    count, activated = sum(case["outcome"] == judge.CORRUPTION for case in silent), sum(judge.is_activated(case) for case in silent)
    rows.append([cell("value faults: silent corruption, measured end to end (no target)"), cell(""), cell(figures.share(count, activated))])
    perhaps = sum(case["outcome"] == judge.UNDECIDED and case["why"].startswith(judge.DISK_WAS_WRONG) for case in silent)
    if perhaps:
        rows.append([cell("the same, if each of several whose disk was wrong when it was looked at later had done it"), cell(""), cell(figures.share(count + perhaps, max(activated, count + perhaps)))])
    return table(["demanded", "", "share, 95 % interval (Clopper-Pearson)"], rows)


# ------------------------------------------------------------------ the parts of the page

def again(case):
    """How often it came to the same, of how many times."""
    runs = case.get("runs")
    return f" {runs.get(case['outcome'], 0)} of {sum(runs.values())}" if runs else ""


def recorded(case):
    """What came of it when it was recorded, and how often that was replayed."""
    told = case.get("exact")
    return f" recorded: {told['record']['outcome']}, replayed {told['replays']} times" if told else ""


def how_to(case, repeat):
    """How often it comes to the same, and the same to the instruction. A golden run is no case of its own: another campaign begins with another one."""
    if case.get("golden"):
        return ""
    return "<br>".join(f"<code>{escape(repeat(case))} {how}</code>{escape(what(case))}" for how, what in (("TIMES=20", again), ("EXACT=1", recorded)))


def failures(cases, repeat):
    bad = figures.failures(cases)
    if not bad:
        return "<p>None.</p>"
    more = f"<p>And {len(bad) - FAILURES_SHOWN} more, none of them worse: they are in the CSV.</p>" if len(bad) > FAILURES_SHOWN else ""
    return more + table(["case", "outcome", "why", "what was injected", "to repeat it"],
                 [[cell(case["id"]), cell(case["outcome"], "bad" if case["outcome"] in HARM else ""), cell(case["why"]),
                   cell(case.get("injected", {}).get("what", "")), f"<td>{how_to(case, repeat)}</td>"] for case in bad[:FAILURES_SHOWN]])


def plants(cases):
    """What the campaign did itself, and must have seen."""
    if not cases:
        return []
    return ["<h2>Harm that the campaign did itself, to see whether it sees it</h2>",
            table(["planted", "must be", "was", "why"], [[cell(case["id"]), cell(EXPECTED[case["class"]]),
                  cell(case["outcome"], "" if case["outcome"] == EXPECTED[case["class"]] else "bad"), cell(case["why"])] for case in cases])]


def recovery(cases):
    times = {driver: figures.recovery_times(case for case in cases if case["driver"] == driver) for driver in ("net0", "disk0")}
    times = {driver: values for driver, values in times.items() if any(values)}
    if not times:
        return "<p>No restart was timed.</p>"
    rows = [[cell(driver), cell(len(values), "n"), *(cell(f"{figures.quantile(values, part) / 1000:,.0f}", "n") for part in (0.5, 0.99, 1))]
            for driver, values in times.items()]
    return "<p>The last restart of each driver in a case.</p>" + charts.recovery(times) + table(["driver", "restarts", "median, µs", "99 %, µs", "worst, µs"], rows)


def throughput(notes):
    """The machine that ran longest."""
    samples = [note for note in notes if note.get("kind") == "samples"]
    if not samples:
        return "<p>No throughput was taken.</p>"
    runs = {}
    for note in samples:
        run = runs.setdefault(note["boot"], ([], []))
        run[0].extend((second, values) for second, values in note["samples"])
        run[1].extend((second, harm) for second, harm in note["marks"])
    longest, marks = max(runs.values(), key=lambda run: len(run[0]))
    return charts.throughput(longest, marks)


def coverage(cases, symbols):
    parts = []
    for driver, table_of in symbols.items():
        hit, count = figures.functions([case for case in cases if case["driver"] == driver], table_of)
        if count:
            parts.append(f"<p>{escape(driver)}: a fault was placed in {figures.share(len(hit), count)} functions of its image" +
                         (f"; most often in {escape(', '.join(sorted(hit, key=hit.get, reverse=True)[:8]))}" if hit else "") + ".</p>")
    rows = [[cell(ring), cell(state), cell(count, "n")]
            for ring, states in sorted(figures.ring_states(cases).items()) for state, count in sorted(states.items())]
    return "".join(parts) + (table(["ring", "when the fault came it was", "cases"], rows) if rows else "<p>No ring was looked at.</p>")


def versions_of(versions):
    keys = sorted({key for one in versions for key in one})
    return table(["", *(f"images {number}" for number in range(1, len(versions) + 1))],
                 [[cell(key), *(f"<td><code>{escape(one.get(key, ''))}</code></td>" for one in versions)] for key in keys])


def page(name, versions, cases, notes, symbols, repeat):
    every = list(cases.values())
    golden, planted = [case for case in every if case.get("golden")], [case for case in every if case["class"].startswith("plant:")]
    faults = [case for case in every if not case.get("golden") and case not in planted]
    modes = sorted({case["mode"] for case in faults})
    parts = [f"<h1>Campaign: {escape(name)}</h1>",
             f"<p>{len(faults)} faults, {sum(judge.is_activated(case) for case in faults)} of them activated; {len(golden)} golden runs. "
             f"Mode: {escape(', '.join(modes) or 'golden runs alone')}"
             f"{' (each fault comes on top of those before it)' if 'accumulate' in modes else ' (each fault meets a driver that has just said ready)'}.</p>",
             "<h2>What is demanded</h2>", demanded([*faults, *planted], golden, notes)]
    for mode in modes:
        of_mode = [case for case in faults if case["mode"] == mode]
        parts += [f"<h2>By class{' (' + escape(mode) + ')' if len(modes) > 1 else ''}</h2>",
                  outcomes(of_mode, class_of, "driver, class"),
                  "<h2>By detector</h2>", outcomes(of_mode, figures.detectors_of, "seen first by")]
    parts += ["<h2>Time to recover</h2>", recovery(faults), "<h2>Throughput, with each fault</h2>", throughput(notes),
              "<h2>Coverage</h2>", coverage(faults, symbols), "<h2>What went wrong</h2>", failures([*golden, *faults], repeat), *plants(planted),
              "<h2>Versions</h2>", versions_of(versions)]
    return document(f"Skink campaign: {name}", parts)


def write(path, name, versions, cases, notes, symbols, repeat):
    """path.html and path.csv; returns demands()."""
    with open(f"{path}.html", "w", encoding="utf-8") as file:
        file.write(page(name, versions, cases, notes, symbols, repeat))
    results.write_csv(cases.values(), f"{path}.csv")
    faults = [case for case in cases.values() if not case.get("golden")]
    return demands(faults, [case for case in cases.values() if case.get("golden")], notes)


def summary(cases):
    """One line for a terminal."""
    counts = {}
    for case in cases:
        counts[case["outcome"]] = counts.get(case["outcome"], 0) + 1
    return json.dumps({name: counts[name] for name in judge.OUTCOMES if name in counts})
