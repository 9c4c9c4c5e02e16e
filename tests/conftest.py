# SPDX-License-Identifier: MIT
"""pytest for all of Skink's tests. `make test` has built everything before it comes here."""
import os
import sys

import pytest

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


# Modules whose tests share a machine: xdist runs them in one process. All of SHARED have one machine.
SHARED = {"test_xl", "test_obeyed", "test_refusals", "test_skink", "test_metrics"}
ONE_BY_ONE = {"test_unit", "test_model", "test_fuzz", "test_guest", "test_boot", "test_linux", "test_manifests"}


def group_of(module):
    return "shared" if module in SHARED else module


# Before xdist's own, which reads the groups.
@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config, items):
    """
    What is quick and says most first: lint, unit, fuzz, guest tests, broken modules; then what one worker does alone, the longest first; and last the
    machines of the matrix, of which each goes to whoever is free: so all workers end at about the same time.
    """
    order = ["lint", "unit", "model", "fuzz", "guest", "boot", "smoke", "restart", "drivers", "domains", "inject", "debian", "dom0", "front_ends",
             "xl", "obeyed", "refusals", "skink", "metrics", "monitor", "devices", "iommu", "run", "switch", "upgrade", "disk"]

    def place(item):
        name = item.module.__name__.split("test_")[-1]
        return order.index(name) if name in order else len(order) + (name == "linux")
    items.sort(key=place)
    for item in items if config.pluginmanager.hasplugin("xdist") else []:
        if item.module.__name__ not in ONE_BY_ONE:
            item.add_marker(pytest.mark.xdist_group(group_of(item.module.__name__)))
