# SPDX-License-Identifier: MIT
"""What must not grow with the number of domains, under icount: make test-full."""
import os
import sys

import pytest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import bench  # noqa: E402
import life  # noqa: E402
from machine import BUILD  # noqa: E402

pytestmark = pytest.mark.skipif(os.environ.get("SKINK_FULL") != "1", reason="minutes: make test-full")
LIST_MAX = 50_000_000


def test_hypercalls_cost_the_same_with_a_hundred_domains_as_with_one():
    costs = bench.guests("skink", f"{BUILD}/skink")
    for row in "null_hypercall", "event_ping_pong", "grant_map_unmap":
        # What an address happens to share a translation block with is worth a few instructions.
        assert costs[f"{row}_{bench.MANY + 2}"] <= costs[row] * 1.02 + 2, row


def test_listing_a_hundred_guests_takes_less_than_50_ms():
    costs = bench.lives("skink", f"{BUILD}/skink", life.image(BUILD, bench.MANY)["skink"])
    assert costs[f"list_{bench.MANY + 1}_guests"] < LIST_MAX
    assert costs["create_prepared_kernel_returns"] < costs["create_new_kernel_returns"] / 4
