# SPDX-License-Identifier: MIT
"""What bench.py makes of a victim's lines and of those of who watches it."""
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "split")]
import neighbours  # noqa: E402
import targets  # noqa: E402

SECOND = 10 ** 9


def watched(*kinds):
    """(kind, units a second): three rounds; the victim's lines come last, with the console's line ends."""
    windows, work, units, now = [], [], 0, 0
    for kind, rate in kinds:
        for _ in range(3):
            windows.append(f"WINDOW {kind} {now + 50} {now + 3 * SECOND // 2}")
            work += [f"WORK {now + tenth * SECOND // 10} {units + rate * tenth // 10}\r" for tenth in range(16)]
            units += rate * 2
            now += 5 * SECOND // 2
    return "\n".join(windows + ["BENCH nothing 1", "WORK torn"] + work) + "\n"


def test_a_rate_is_of_what_was_done_between_the_lines_in_the_round():
    assert neighbours.rate([(0, 0), (SECOND, 100), (3 * SECOND, 500), (4 * SECOND, 900)], SECOND // 2, 3 * SECOND) == 200


def test_a_loss_is_against_a_polite_neighbour():
    found = neighbours.figures(watched(("nobody", 1000), ("polite", 500), ("disk", 400), ("memory", 510)))
    assert found["neighbour.polite.work"]["p50"] == 500 and found["neighbour.polite.work"]["n"] == 3
    assert found["neighbour.disk.lost"]["p50"] == 20 and found["neighbour.disk.lost"]["unit"] == "percent"
    assert found["neighbour.memory.lost"]["p50"] == -2
    assert "neighbour.nobody.lost" not in found and "neighbour.polite.lost" not in found


def test_a_victim_that_says_nothing_has_lost_everything():
    silent = watched(("nobody", 1000), ("polite", 500)) + f"WINDOW fork {100 * SECOND} {102 * SECOND}\n"
    assert neighbours.figures(silent)["neighbour.fork.lost"]["p50"] == 100


def test_five_percent_are_the_most_that_a_neighbour_may_cost():
    for rate, met in (475, True), (474, False):
        results = {"skink": neighbours.figures(watched(("polite", 500), ("disk", rate)))}
        assert targets.is_met(results, "neighbour.disk.lost") is met


def test_a_reference_in_which_the_neighbour_did_not_run_is_noticed():
    assert neighbours.doubt(neighbours.figures(watched(("nobody", 1000), ("polite", 500)))) is None
    assert "polite" in neighbours.doubt(neighbours.figures(watched(("nobody", 1000), ("polite", 900))))
    assert "polite" in neighbours.doubt(neighbours.figures(""))


def test_a_neighbour_that_sleeps_is_no_good_news():
    assert neighbours.doubt(neighbours.figures(watched(("nobody", 1000), ("polite", 500), ("disk", 550)))) is None
    assert "network" in neighbours.doubt(neighbours.figures(watched(("nobody", 1000), ("polite", 500), ("disk", 550), ("network", 990))))
