# SPDX-License-Identifier: MIT
"""build/bench.html: each figure of a run, with charts. What it is made of is the campaigns' (tests/campaign)."""
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "campaign")]
import baseline  # noqa: E402
import charts  # noqa: E402
import targets  # noqa: E402
from markup import cell, document, escape, table  # noqa: E402

COLOURS = {"bare": "#888888", "skink": "#2ca02c", "xen": "#d62728", "uml": "#9467bd"}
LABELS = {"bare": "bare QEMU", "skink": "Skink", "xen": "Xen 4.17", "uml": "User-Mode Linux"}
PREFIXES = {"app.": "Applications", "net.": "Network", "blk.": "Disk", "restart.": "Drivers that die", "upgrade.": "Drivers that die", "neighbour.": "Neighbours that misbehave",
            "reset_": "Drivers that die",
            "fault_to": "Drivers that die", "memory_": "Memory", "create_": "The life of domains", "destroy_": "The life of domains",
            "list_": "The life of domains", "domain_4": "The life of domains"}
OPERATIONS, SYSTEM = "Operations of the interface", "What an operating system does"
ORDER = (OPERATIONS, SYSTEM, "Applications", "Network", "Disk", "Neighbours that misbehave", "Drivers that die", "The life of domains", "Memory")


def group_of(results, name):
    for prefix, group in PREFIXES.items():
        if name.startswith(prefix):
            return group
    return SYSTEM if targets.median(results, "bare", name) is not None or name == "hypercall_ioctl" else OPERATIONS


def groups(results):
    """{group: names}, each name once, in the order in which they were measured."""
    found = {group: [] for group in ORDER}
    for column in results.values():
        for name in column:
            names = found[group_of(results, name)]
            if name not in names:
                names.append(name)
    return {group: names for group, names in found.items() if names}


def ratios(results, names):
    """(base, {name: {system: times the base}}): of the bare kernel, or of Xen where there is none. What the base has not, or nobody else, is left out."""
    for base in ("bare", "xen"):
        others = [system for system in results if system != base]
        found = {name: {system: targets.median(results, system, name) / targets.median(results, base, name) for system in others
                        if targets.median(results, system, name) is not None}
                 for name in names if targets.median(results, base, name) and not name.endswith(targets.IN_KERNEL)}
        found = {name: values for name, values in found.items() if values}
        if found:
            return base, found
    return None, {}


def bars(base, rows):
    """One bar for each system beside the base, which is the line at 1. What is many times the base takes a scale of its own."""
    systems = [system for system in COLOURS if any(system in values for values in rows.values())]
    figure, axes = charts.plt.subplots(figsize=(9, 0.8 + len(rows) * (0.12 + 0.16 * len(systems))))
    start = 1 if max(value for values in rows.values() for value in values.values()) > 4 else 0
    height = 0.8 / len(systems)
    for place, system in enumerate(systems):
        there = [(row, values[system]) for row, values in enumerate(rows.values()) if system in values]
        axes.barh([row + (place + 0.5) * height - 0.4 for row, _ in there], [value - start for _, value in there], height, left=start,
                  label=LABELS[system], color=COLOURS[system])
    if start:
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(charts.ticker.LogLocator(subs=(1, 2, 5)))
        axes.xaxis.set_minor_locator(charts.ticker.NullLocator())
    axes.xaxis.set_major_formatter(charts.ticker.FuncFormatter(lambda value, _: f"{value:g}"))
    axes.axvline(1, color=COLOURS[base], linewidth=1)
    axes.set_yticks(range(len(rows)), list(rows))
    axes.invert_yaxis()
    axes.margins(y=0.01)
    axes.set_xlabel(f"times what {LABELS[base]} has")
    axes.legend(frameon=False, ncols=len(systems), loc="lower left", bbox_to_anchor=(0, 1))
    return charts.as_svg(figure)


def shown(value):
    return "-" if value is None else f"{value:,.0f}" if abs(value) >= 1000 or value == int(value) else f"{value:,.2f}"


def spread(figure):
    """Of a figure that was taken more than once: how far the worst is from the median."""
    if figure["n"] == 1 or not figure["p50"]:
        return f"n={figure['n']}"
    return f"n={figure['n']}, max {(figure['max'] - figure['p50']) / abs(figure['p50']):+.0%}"


def how(figure):
    return "deterministic" if figure["deterministic"] else "varies"


def figure_cell(figure, change):
    if figure is None:
        return cell("-", "n zero")
    marked = change is not None and change > baseline.MARKED
    return (f"<td class='n{' bad' if marked else ''}'>{shown(figure['p50'])}<br><span class='quiet'>{spread(figure)}"
            f"{f', {change:+.1%} worse' if marked else ''}</span></td>")


def verdict(results, name):
    met = targets.is_met(results, name)
    return cell("") if met is None else "<td class='yes'>met</td>" if met else "<td class='no'>missed</td>"


def rows(results, names, changed):
    for name in names:
        figures = [column.get(name) for column in results.values()]
        one = next(figure for figure in figures if figure)
        yield [cell(name), cell(one["unit"]), *(figure_cell(figure, changed.get((name, system))) for system, figure in zip(results, figures)),
               cell(shown(targets.target(results, name)), "n"), verdict(results, name), cell(how(one))]


def page(results, conditions, old):
    changed = baseline.changes(old, results) if old else {}
    judged = [targets.is_met(results, name) for names in groups(results).values() for name in names]
    parts = ["<h1>Skink: what it costs</h1>", table(["", ""], [[cell(key), cell(value)] for key, value in conditions.items()]),
             f"<p>{judged.count(True)} of {judged.count(True) + judged.count(False)} targets are met. Large: the median. n: rounds or operations it is taken "
             "from; max: how far the worst of them is from it. Deterministic: another run gives the same to the last digit; the others vary, for devices "
             "answer when the host lets them.</p>"]
    if old:
        parts += ["<h2>Worse than before by more than 3 %</h2>",
                  "".join(f"<p>{escape(line)}</p>" for line in baseline.worse(old, results)) or "<p>Nothing.</p>"]
    for group, names in groups(results).items():
        base, times = ratios(results, names)
        parts += [f"<h2>{escape(group)}</h2>", bars(base, times) if times else "",
                  table(["", "unit", *(LABELS[system] for system in results), "target", "", ""], rows(results, names, changed))]
    return document("Skink: what it costs", parts)


def write(path, results, conditions, old=None):
    with open(path, "w", encoding="utf-8") as file:
        file.write(page(results, conditions, old))
