# SPDX-License-Identifier: MIT
"""The machines that Linux is tried on, and a choice of them in which each pair of properties occurs."""
from itertools import combinations, product

AXES = {
    "loader": ["kernel", "iso-bios", "iso-uefi"],
    "cpus": ["1", "2", "4", "4,cores=2,threads=2"],
    "model": ["intel", "amd", "intel-old", "amd-old"],
    "compiler": ["gcc", "clang"],
}
# Models that only the whole matrix has: the other tests run on the old AMD one.
FULL_ONLY = ("intel-old", "amd-old")


def all_rows():
    return [dict(zip(AXES, values)) for values in product(*AXES.values())]


def pairs(row):
    return set(combinations(sorted(row.items()), 2))


def pairwise():
    """Greedy: each time the row that covers most pairs which are still open."""
    rows, chosen = [row for row in all_rows() if row["model"] not in FULL_ONLY], []
    still_open = set().union(*map(pairs, rows))
    while still_open:
        best = max(rows, key=lambda row: len(pairs(row) & still_open))
        chosen.append(best)
        still_open -= pairs(best)
    return chosen


def left_out():
    chosen = pairwise()
    return [row for row in all_rows() if row not in chosen]
