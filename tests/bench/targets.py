# SPDX-License-Identifier: MIT
"""What each figure is to come to, and whether it does. results is {system: {name: figure}}."""
import functools
import math
import os
import re
import tomllib

HERE = os.path.dirname(os.path.abspath(__file__))
# A median is to be no more than this; the first that matches counts.
FIXED = ((r"restart\.\w+\.virtio(\.\d+)?\.armed", 50_000), (r"restart\.\w+\.virtio(\.\d+)?(\.hang(\.from_deadline)?)?", 100_000),
         (r"restart\.net\.virtio\.lost\.2s", 1), (r"restart\.net\.virtio\.lost\.1s", 2), (r"restart\.net\.virtio\.lost\.100ms", 15),
         (r"\w+\.create_to_serving", 100_000_000), (r"\w+\.memory", 16 * 1024),
         (r"upgrade\.\w+\.virtio", 10_000_000), (r"neighbour\.\w+\.lost", 5),
         (r"fault_to_report_slowest", 10_000), (r"list_101_guests", 50_000_000), (r"memory_domain(_\d+)?", 64),
         # 4 MiB and 1.5 % of the 512 MiB of the machine that it is measured in.
         (r"memory_core", 4096 + 512 * 1024 * 15 // 1000))
# And the worst of all deaths no more than this.
WORST = ((r"restart\.(net|blk)\.virtio(\.\d+)?(\.hang(\.from_deadline)?)?", 250_000),)
# An application that spends a smaller share of its time in the kernel, in percent, is to be so near to the bare kernel.
SHARE, NEAR = 10, 1.05
# A driver is to be back as soon with post-mortems as without.
TOLD, UNTOLD, AS_SOON = ".with_post_mortem", ".without_post_mortem", 1.01
# The ledger may cost so much.
LEDGERED, LEDGERLESS, AS_FAST = ".with", ".without", 1.02
IN_KERNEL = ".in_kernel"


@functools.cache
def records():
    with open(f"{HERE}/records.toml", "rb") as file:
        return tomllib.load(file)


def median(results, system, name):
    return results.get(system, {}).get(name, {}).get("p50")


def unit(results, name):
    return next((column[name]["unit"] for column in results.values() if name in column), "")


def more_is_better(unit_text):
    return unit_text.endswith("/s")


def operation(results, name):
    """Of an operation of the interface: a figure set by hand, or less than Xen takes; without Xen, than it has on record."""
    row = records().get(name)
    return row and row.get("target", (median(results, "xen", name) or row["xen"]) - 1)


def application(results, name, base, xen):
    half = base + (xen - base) / 2 if xen is not None else None
    share = median(results, "bare", name + IN_KERNEL)
    near = base * NEAR if share is not None and share < SHARE else None
    return min((figure for figure in (half, near) if figure is not None), default=None)


def told(results, name):
    """None: nothing is to come to what it comes to without post-mortems."""
    untold = median(results, "skink", name.replace(TOLD, UNTOLD)) if re.fullmatch(rf"restart\.\w+\.virtio{re.escape(TOLD)}(\.armed)?(\.back)?", name) else None
    return None if untold is None else untold * AS_SOON


def ledgered(results, name):
    """None: nothing is to come to what it comes to without a ledger."""
    free = median(results, "skink", name.replace(LEDGERED, LEDGERLESS)) if re.fullmatch(rf"ledger\..*{re.escape(LEDGERED)}(\.per_byte)?", name) else None
    return None if free is None else free / AS_FAST if more_is_better(unit(results, name)) else free * AS_FAST


def target(results, name):
    """
    Skink may add at most half of what Xen adds; where xl makes a domain, skink may take half as long. Through driver domains a guest
    gets twice as much as from Xen's back-ends, in half the time. None: there is none, or nothing was measured that it follows from.
    """
    # xl knows no kernels that are unpacked already.
    base, xen = median(results, "bare", name), median(results, "xen", name.replace("_prepared_", "_new_"))
    fixed = next((figure for pattern, figure in FIXED if re.fullmatch(pattern, name)), None) or operation(results, name) or told(results, name) or ledgered(results, name)
    if fixed is not None:
        return fixed
    if name.endswith(IN_KERNEL) or unit(results, name) == "flushes":
        return None
    if name.startswith("app.") and base is not None:
        return application(results, name, base, xen)
    if xen is not None and name.startswith(("net.", "blk.")):
        return xen * 2 if more_is_better(unit(results, name)) else xen / 2
    if base is None and name.startswith("create_"):
        base = 0
    return None if base is None or xen is None else base + (xen - base) // 2


def is_met(results, name):
    """None where nothing can be said."""
    wanted, skink = target(results, name), median(results, "skink", name)
    if wanted is None or skink is None:
        return None
    worst = next((figure for pattern, figure in WORST if re.fullmatch(pattern, name)), math.inf)
    if results["skink"][name]["max"] > worst:
        return False
    return skink >= wanted if more_is_better(unit(results, name)) else skink <= wanted
