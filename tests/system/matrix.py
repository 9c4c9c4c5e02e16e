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


def shown_by(row):
    """What one machine of the choice stands for: all pairs of a row's but with the kernel, of which a choice has only one."""
    return set(combinations(sorted(item for item in row.items() if item[0] != "debian"), 2))


def choice(rows, shown_by_row):
    """Greedy: each time the row that shows most of what is still open."""
    found = []
    still_open = set().union(*map(shown_by_row, rows))
    while still_open:
        best = max(rows, key=lambda row: len(shown_by_row(row) & still_open))
        found.append(best)
        still_open -= shown_by_row(best)
    return found


def chosen():
    return choice([row for row in all_rows() if not FULL_ONLY & set(row.values())], shown_by)


def worked_hard():
    """
    Of those the ones in which each count of CPUs, model and compiler occurs: how it was loaded is past by then. What AMD's models have Linux do at
    each return is dear where QEMU has more CPUs than the host: theirs is one with fewer.
    """
    rows = [row for row in chosen() if row["model"] != "amd" or row["cpus"] in ("1", "2")]
    return choice(rows, lambda row: {("cpus", row["cpus"][0]), ("model", row["model"]), ("compiler", row["compiler"])})


def left_out():
    rows = chosen()
    return [row for row in all_rows() if row not in rows]
