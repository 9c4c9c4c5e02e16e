# SPDX-License-Identifier: MIT
"""A stock Debian kernel lives on Skink: it boots, works, runs out of memory, and powers the machine off."""
import os
import re

import pytest

import translations
from machine import BUILD, PROMPT, Machine, by_iso, debian
from matrix import AXES, all_rows, chosen, worked_hard

FULL = os.environ.get("SKINK_FULL")
ROWS = all_rows() if FULL else chosen()
# The others show that each loader brings each machine up, and that it ends: nothing of the loader's is left when the work begins.
HARD = ROWS if FULL else worked_hard()

# On QEMU 7.2 the emulated iretq reads a user's stack as the supervisor, so Linux cannot have SMAP there.
MODELS = {"intel": "SandyBridge", "amd": "EPYC,-smap", "intel-old": "Nehalem", "amd-old": "qemu64"}
FORKS = 1000

# What a healthy kernel never says.
COMPLAINTS = r"WARNING:|BUG:|Call Trace|Oops|general protection|RIP: |rcu_.*stall|soft lockup|Unable to open an initial console"
# About the CPU model, and said on the bare machine too.
HARMLESS = "Speculative Return Stack Overflow: WARNING"


def boot(row):
    name = "linux-" + "-".join(row[axis].replace("/", "-") for axis in AXES)
    hypervisor = os.environ.get("HYPERVISOR", f"{BUILD}/{row['compiler']}/skink")
    arguments = {
        "kernel": lambda: debian(hypervisor, dom0="dom0" if row["debian"] == "6.1" else "dom0/backports"),
        "iso-bios": lambda: by_iso(f"{hypervisor}.iso"),
        "iso-uefi": lambda: by_iso(f"{hypervisor}.iso", uefi=True),
    }[row["loader"]]()
    return Machine(name, *arguments, cpu=MODELS[row["model"]], smp=row["cpus"], memory=512, limit=900)


def cpu_count(row):
    """A first domain of 6.12 knows only of the CPUs that ACPI names to it, and there is no ACPI."""
    return 1 if row["debian"] == "6.12" else int(re.match(r"\d+", row["cpus"]).group())


@pytest.mark.parametrize("row", ROWS, ids=lambda row: "-".join(row[axis] for axis in AXES))
def test_debian_lives(row):
    with boot(row) as machine:
        machine.expect(r"/sys/hypervisor/type says: xen", 180)
        machine.expect(PROMPT, 30)

        assert machine.check("cat /sys/hypervisor/type").split() == ["xen"]
        assert machine.check("cat /proc/xen/capabilities").strip() == "control_d"
        assert int(machine.check("nproc")) == cpu_count(row)
        processes_come_and_go(machine)
        if row in HARD:
            processes_come_and_go_by_the_thousand(machine)
            translations_are_renewed_under_work(machine)
        job_control_works(machine)
        time_goes_on(machine)
        assert_no_complaints(machine)

        if row in HARD:
            memory_runs_out_and_the_guest_lives_on(machine)
        machine.send("poweroff -f")
        machine.wait_for_end()


def processes_come_and_go(machine):
    assert "4950" in machine.check("seq 1 99 | awk '{ s += $1 } END { print s }'")
    assert "forks: 20 ok" in machine.check("forks 20")
    assert "compat-32: ok" in machine.check("compat-32", 120)


def processes_come_and_go_by_the_thousand(machine):
    assert f"forks: {FORKS} ok" in machine.check(f"forks {FORKS}", 300)
    assert "state: ok" in machine.check("state", 240)
    assert "tlb: ok" in machine.check("tlb", 240)


def translations_are_renewed_under_work(machine):
    """What the tests do to a silent machine changes nothing in it."""
    machine.check("touch /busy; for i in 1 2 3 4; do while test -e /busy; do seq 1 2000 | md5sum >> /sums; done & done")
    renewed = 0
    while renewed < 5:
        machine.check("true")
        renewed += len(translations.renew(machine))
    machine.check("rm /busy; wait", 120)
    assert len(machine.check("sort -u /sums").split()) == 2


def job_control_works(machine):
    machine.send("sh -c 'echo started; exec sleep 1000'")
    machine.expect(r"^started$")
    machine.press_control("z")
    machine.expect(r"\[1\]\+\s+Stopped")
    machine.expect(PROMPT)
    machine.check("kill %1; wait; true")


def time_goes_on(machine):
    before, after = (float(word) for word in
                     machine.check("cut -d' ' -f1 /proc/uptime; usleep 300000; cut -d' ' -f1 /proc/uptime").split()[-2:])
    assert 0.2 < after - before < 30


def assert_no_complaints(machine):
    status, found = machine.run(f"dmesg | grep -v '{HARMLESS}' | grep -E '{COMPLAINTS}'")
    assert status == 1, found


def memory_runs_out_and_the_guest_lives_on(machine):
    machine.check("dmesg -c > /dev/null")
    status, _ = machine.run("fill", 240)
    assert status == 137
    assert re.search(r"Out of memory: Killed process \d+ \(fill\)", machine.check("dmesg"))
    assert "forks: 20 ok" in machine.check("forks 20")
    # The killer shows a call trace of its own; nothing else may.
    status, found = machine.run(r"dmesg | grep -E 'WARNING:|BUG:|Oops|general protection'")
    assert status == 1, found
