# SPDX-License-Identifier: MIT
"""What bench.py makes of the lines of copies that do the same work at once, and what is run with how many vcpus."""
import os
import re
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
import bench  # noqa: E402
from bench import apps, copies, targets  # noqa: E402

LOG = """IO listens
COPY 1 1000 1400\r
COPY 2 2100 2900\r
COPY 2 2000 2700[2026-01-01 00:00:31] 
COPY 4 3000 3900
COPY 4 3010 failed
BENCH nothing 1
"""


def ran(each, counts=copies.COUNTS):
    """Each copy begins one tick after the one before, and the last ends when so much per copy has been done."""
    return "".join(f"COPY {count} {5000 + number} {5000 + each * count - (count - 1 - number)}\n" for count in counts for number in range(count))


def test_a_figure_is_from_the_start_of_the_first_to_the_end_of_the_last():
    assert copies.spans(LOG) == {1: 400, 2: 900}
    found = copies.figures(LOG)
    assert found["app.copies.2.compile"]["p50"] == 900 and found["app.copies.2.compile.per_copy"]["p50"] == 450


def test_copies_of_which_one_failed_have_no_figure_and_that_is_said():
    assert "app.copies.4.compile" not in copies.figures(LOG)
    assert copies.doubt(copies.figures(LOG)) == "no figure of 4, 8, 16 copies"
    assert copies.doubt(copies.figures(ran(100))) is None


def test_what_is_beyond_one_bare_kernel_is_of_as_many_copies():
    results = {"bare": copies.figures(ran(1000, (1, 2))), "skink": copies.figures(ran(1055, (1, 2, 4))), "xen": {"null_syscall": bench.counted(1)}}
    copies.add_beyond(results)
    assert results["skink"]["app.copies.2.compile.beyond_bare"]["p50"] == 5.5
    assert results["skink"]["app.copies.2.compile.beyond_bare"]["unit"] == "percent"
    assert "app.copies.4.compile.beyond_bare" not in results["skink"]
    assert not any(name.endswith(copies.BEYOND) for column in ("bare", "xen") for name in results[column])
    without_bare = {"skink": copies.figures(ran(1055))}
    copies.add_beyond(without_bare)
    assert without_bare == {"skink": copies.figures(ran(1055))}


def test_copies_add_at_most_half_of_what_they_add_on_xen():
    for each, met in (1050, True), (1051, False):
        results = {"bare": copies.figures(ran(1000)), "skink": copies.figures(ran(each)), "xen": copies.figures(ran(1100))}
        for count in copies.COUNTS:
            assert targets.is_met(results, f"app.copies.{count}.compile") is met


def test_an_application_with_several_vcpus_is_judged_by_its_own_bare_row():
    share = {"unit": "percent", "p50": 3.7}
    results = {"bare": {"app.compile.vcpus_2": bench.counted(1000), "app.compile.vcpus_2.in_kernel": share, "app.compile": bench.counted(1)},
               "xen": {"app.compile.vcpus_2": bench.counted(1200)}, "skink": {"app.compile.vcpus_2": bench.counted(1050)}}
    assert targets.is_met(results, "app.compile.vcpus_2")
    results["skink"]["app.compile.vcpus_2"] = bench.counted(1051)
    assert targets.is_met(results, "app.compile.vcpus_2") is False


def test_each_part_of_applications_has_its_vcpus_and_user_mode_linux_none(monkeypatch):
    booted = []
    monkeypatch.setattr(bench, "applications", lambda name, hypervisor, image, vcpus: booted.append((name, vcpus)))
    for name in bench.SYSTEMS:
        for run in bench.runs_of(name, [part for part in bench.PARTS if part in apps.VCPUS], {"apps": "image"}):
            run()
    assert booted == [(name, vcpus) for name in ("bare", "skink", "xen") for vcpus in (1, 2, 4)]


def test_every_machine_has_room_for_the_guests_of_the_largest_round():
    with open(f"{HERE}/split/dom0.sh", encoding="utf-8") as file:
        guest, = set(re.findall(r"<memory unit='MiB'>(\d+)</memory><vcpu>", file.read()))
    dom0 = re.search(r"dom0_mem=(\d+)M", bench.LIFE_CORE_ARGS["skink"]).group(1)
    assert bench.split.MEMORY["copies"] * 0.98 - 4 >= int(dom0) + max(copies.COUNTS) * int(guest)
