# SPDX-License-Identifier: MIT
"""The machines that Linux is tried on, and a choice of them in which each pair of properties occurs."""
from itertools import combinations, product

AXES = {
    "loader": ["kernel", "iso-bios", "iso-uefi"],
    "cpus": ["1", "2", "4", "4,cores=2,threads=2"],
    "model": ["intel", "amd", "intel-old", "amd-old"],
    "compiler": ["gcc", "clang"],
    "debian": ["6.1", "6.12"],
}
# What only the whole matrix has: the other tests run on the old AMD model, and 6.12 is one more package to fetch.
FULL_ONLY = {"intel-old", "amd-old", "6.12"}


def all_rows():
    """The ISO has one kernel: 6.1."""
    rows = [dict(zip(AXES, values)) for values in product(*AXES.values())]
    return [row for row in rows if row["debian"] == "6.1" or row["loader"] == "kernel"]


def pairs(row, without=("debian",)):
    """All of a row but the kernel: a choice has only one of them."""
    return set(combinations(sorted(item for item in row.items() if item[0] not in without), 2))


def choice(rows, pairs_of):
    """Greedy: each time the row that covers most pairs which are still open."""
    chosen = []
    still_open = set().union(*map(pairs_of, rows))
    while still_open:
        best = max(rows, key=lambda row: len(pairs_of(row) & still_open))
        chosen.append(best)
        still_open -= pairs_of(best)
    return chosen


def pairwise():
    return choice([row for row in all_rows() if not FULL_ONLY & set(row.values())], pairs)


def worked_hard():
    """
    Of the pairwise rows those in which each number of CPUs, model and compiler occurs: how it was loaded is past by then. What AMD's models have
    Linux do at each return is dear where QEMU has more CPUs than the host: theirs is one with fewer.
    """
    rows = sorted(pairwise(), key=lambda row: (row["model"] == "amd") * int(row["cpus"][0]))
    return choice(rows, lambda row: {(axis, row[axis]) for axis in ("cpus", "model", "compiler")})


def left_out():
    chosen = pairwise()
    return [row for row in all_rows() if row not in chosen]
