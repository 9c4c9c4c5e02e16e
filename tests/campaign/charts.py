# SPDX-License-Identifier: MIT
"""The report's pictures, as SVG text to stand in the page."""
import io

import matplotlib

matplotlib.use("svg")
import matplotlib.pyplot as plt  # noqa: E402
from matplotlib import ticker  # noqa: E402

# Text stays text, and the same figures give the same bytes.
matplotlib.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "skink", "font.size": 9, "axes.spines.top": False,
                            "axes.spines.right": False, "figure.constrained_layout.use": True})
COLOURS = {"up": "#1f77b4", "down": "#2ca02c", "write": "#ff7f0e", "read": "#9467bd"}
LABELS = {"up": "TCP, guest to host", "down": "TCP, host to guest", "write": "disk, written", "read": "disk, read"}


def as_svg(figure):
    text = io.StringIO()
    figure.savefig(text, format="svg", metadata={"Date": None, "Creator": None})
    plt.close(figure)
    return text.getvalue()[text.getvalue().index("<svg"):]


def recovery(times_ns):
    """How many restarts took how long, by driver: {driver: nanoseconds}."""
    import numpy
    figure, axes = plt.subplots(figsize=(9, 2.8))
    every = [value / 1000 for values in times_ns.values() for value in values if value > 0]
    low, high = min(every), max(every)
    bins = numpy.geomspace(low * 0.9, max(high, low * 1.5) * 1.1, 40)
    axes.hist([[value / 1000 for value in values] for values in times_ns.values()], bins=bins, label=list(times_ns), stacked=True)
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(ticker.LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter(ticker.FuncFormatter(lambda value, _: f"{value:,.0f}"))
    axes.xaxis.set_minor_formatter(ticker.NullFormatter())
    axes.set_xlabel("from the fault's detection to the first answer, µs")
    axes.set_ylabel("restarts")
    axes.yaxis.set_major_locator(ticker.MaxNLocator(integer=True))
    axes.legend(frameon=False)
    return as_svg(figure)


def throughput(samples, marks):
    """samples: (second, {what: bytes since the last one / s}) of one machine's life; marks: (second, is it harm?)."""
    figure, axes = plt.subplots(figsize=(9, 3))
    for what in LABELS:
        axes.plot([second for second, _ in samples], [values.get(what, 0) / 1e6 for _, values in samples], linewidth=0.9,
                  label=LABELS[what], color=COLOURS[what])
    for second, is_harm in marks:
        axes.axvline(second, color="#d62728" if is_harm else "#888888", linewidth=1.2 if is_harm else 0.5,
                     alpha=0.9 if is_harm else 0.5, zorder=0)
    axes.set_xlabel("seconds since the loads began; faults begin at a grey line, and at a red one they did harm")
    axes.set_ylabel("MB/s, verified")
    axes.set_ylim(bottom=0)
    axes.margins(x=0)
    axes.legend(frameon=False, ncols=4, loc="upper center", bbox_to_anchor=(0.5, 1.16))
    return as_svg(figure)
