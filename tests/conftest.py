# SPDX-License-Identifier: MIT
"""pytest for all of Skink's tests. `make test` has built everything before it comes here."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "system"))


def pytest_terminal_summary(terminalreporter):
    if os.environ.get("SKINK_FULL"):
        return
    from matrix import AXES, all_rows, left_out
    rows = left_out()
    terminalreporter.section(f"left out: {len(rows)} of {len(all_rows())} machines of the system matrix (make test-full)")
    groups = {}
    for row in rows:
        loader, cpus, *rest = (row[axis] for axis in AXES)
        groups.setdefault(f"{loader}, {cpus} CPUs", []).append("+".join(rest))
    for group, members in groups.items():
        terminalreporter.write_line(f"  {group}: {' '.join(members)}")


def pytest_collection_modifyitems(items):
    """What is quick and says most first: lint, unit, fuzz, guest tests, broken modules, Linux."""
    order = ["lint", "unit", "model", "fuzz", "guest", "boot", "linux"]

    def place(item):
        name = item.module.__name__.split("test_")[-1]
        return order.index(name) if name in order else len(order)
    items.sort(key=place)
