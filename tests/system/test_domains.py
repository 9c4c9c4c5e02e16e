# SPDX-License-Identifier: MIT
"""What becomes of domains: policies, core files, skinkd killed at any instant, nothing left behind. Real guests."""
import json
import os
import re
import time

import pytest

from device_manifests import driver, interface
from dom0 import KERNEL, Dom0, guest, image_with, nobody_ends, rows, wait_until
from machine import BUILD, PATIENCE

FULL = os.environ.get("SKINK_FULL") == "1"
ROUNDS = 500 if FULL else 50
MANY = 20 if not FULL else 100
# Of so many, how many are Debian. The others are small: a kernel of 100 KiB in 16 MiB, paused.
REAL_ROUNDS, REAL = (50, 20) if FULL else (4, 3)
STATE = "/var/lib/skink/state.json"
SMALL, DOOMED = "small.elf", "doomed.elf"
BUILT = 120     # seconds, at most, from `create` to what it prints
# Where policies restart it, a guest that ends at once must not be taken for one that cannot live.
SYSRQ = ("console=hvc0 ", "console=hvc0 sysrq_always_enabled ")


@pytest.fixture(scope="module")
def dom0():
    image = image_with("domains", {SMALL: f"{BUILD}/guest/minimal.elf", DOOMED: f"{BUILD}/guest/crash-shutdown.elf"})
    with Dom0("domains", memory=10240 if FULL else 6144, limit=3600, image=image) as machine:
        machine.log_in()
        # What xenstored and xenconsoled map for their first domain they keep.
        machine.write("web.xml", guest("web"))
        machine.check("skink create web.xml && skink destroy web", BUILT)
        nobody_ends(machine)
        yield machine
        machine.end()


def facts(dom0, name):
    return json.loads(dom0.check(f"skink info {name} --json"))


def free_kib(dom0):
    return json.loads(dom0.check("skink info --json"))["memory_free_kib"]


def names(dom0):
    return set(rows(dom0.check("skink list"))) - {"Domain-0"}


def create(dom0, name, limit=BUILT, **options):
    """A guest that has come to its shell."""
    more = options.pop("more", "")
    dom0.check(f"rm -f /var/log/skink/consoles/guest-{name}.log")
    dom0.write(f"{name}.xml", guest(name, more=more, **options).replace(*SYSRQ))
    dom0.check("sv hup xenconsoled")
    dom0.check(f"skink create {name}.xml", limit)
    wait_for_shell(dom0, name)


def wait_for_shell(dom0, name, count=1):
    dom0.wait_for_words(f"/var/log/skink/consoles/guest-{name}.log", "guest: Linux", 120, count)


def small(name, kernel=SMALL, more=""):
    """The manifest of a domain that is only there, or not for long."""
    return re.sub(r"<initrd>.*</initrd>", "", guest(name, memory_mib=16, kernel=f"/{kernel}", more=more))


def crash(dom0, name):
    dom0.check(f"skink sysrq {name} c")


@pytest.fixture
def nothing_left(dom0):
    """Before and after, there is no guest and the same memory is free."""
    assert names(dom0) == set()
    before = free_kib(dom0)
    yield before
    nobody_ends(dom0)
    for name in names(dom0):
        dom0.check(f"skink destroy {name}")
    # Consoles are let go of when xenconsoled hears of it.
    wait_until(lambda: free_kib(dom0) == before)
    assert dom0.check("xenstore-list /local/domain").split() == ["0"]
    assert dom0.run("xenstore-list /vm")[1].strip() == ""


# ------------------------------------------------------------------ orderly ends

def test_shutdown_is_the_guests_own(dom0, nothing_left):
    create(dom0, "web")
    assert "shut down" in dom0.check("skink shutdown web", 120)
    nobody_ends(dom0)
    assert names(dom0) == set()
    dom0.wait_for_words("/var/log/skink/consoles/guest-web.log", "guest: going down")


def test_reboot_keeps_name_and_uuid(dom0, nothing_left):
    create(dom0, "web")
    before = facts(dom0, "web")
    dom0.check("skink reboot web", 180)
    after = facts(dom0, "web")
    assert after["uuid"] == before["uuid"] and after["id"] > before["id"] and after["restarts"] == 1
    wait_for_shell(dom0, "web", 2)


def test_reboot_from_inside_obeys_the_policy(dom0, nothing_left):
    create(dom0, "web", more="<on_reboot>destroy</on_reboot>")
    dom0.check("skink reboot web --no-wait")
    wait_until(lambda: names(dom0) == set())


def test_guest_without_a_kernel_driver_for_it_is_told_of(dom0, nothing_left):
    create(dom0, "web")
    dom0.check("skink pause web")
    status, said = dom0.run("skink shutdown web --timeout 30", 60)
    assert status == 1 and "does not answer" in said


# ------------------------------------------------------------------ crashes

def test_crash_destroy_leaves_a_note(dom0, nothing_left):
    create(dom0, "web", more="<on_crash>destroy</on_crash>")
    crash(dom0, "web")
    wait_until(lambda: names(dom0) == set())
    # The harness takes a panic on its console for Dom0's.
    note = dom0.check("sed 's/Kernel panic/kernel-panic/' /var/log/skink/deaths.log")
    assert re.search(r"web \(id \d+\): crash\n  vcpu 0: rip ffffffff8", note)
    assert "sysrq: Trigger a crash" in note
    assert "crashed" in dom0.check("skink events | tail -5")


def test_crash_restart_starts_it_again(dom0, nothing_left):
    create(dom0, "web", more="<on_crash>restart</on_crash>")
    before = facts(dom0, "web")["id"]
    crash(dom0, "web")
    wait_for_shell(dom0, "web", 2)
    assert facts(dom0, "web")["id"] > before


def test_crash_preserve_keeps_it_to_look_at(dom0, nothing_left):
    create(dom0, "web", more="<on_crash>preserve</on_crash>")
    crash(dom0, "web")
    wait_until(lambda: facts(dom0, "web")["state"] == "crashed")
    assert facts(dom0, "web")["reason"] == "crash"
    dom0.check("skink dump-core web /tmp/web.core", BUILT)
    check_core(dom0, "/tmp/web.core", 96)
    assert facts(dom0, "web")["state"] == "crashed"
    dom0.check("rm /tmp/web.core")


def check_core(dom0, file, memory_mib):
    """An ELF core for x86-64 with one thread, the kernel's text, and about as much as the domain had."""
    header = dom0.check(f"od -An -tx1 -N20 {file}").split()
    assert header[:4] == ["7f", "45", "4c", "46"] and header[16] == "04" and header[18] == "3e"
    size = int(dom0.check(f"stat -c %s {file}").split()[-1])
    assert memory_mib * 0.9 < size / 2**20 < memory_mib * 1.2
    assert dom0.ends_with(f"grep -qa 'Linux version' {file}", 60) == 0


def test_coredump_destroy_and_restart(dom0, nothing_left):
    create(dom0, "web", more="<on_crash>coredump-destroy</on_crash>")
    create(dom0, "db", more="<on_crash>coredump-restart</on_crash>")
    before = facts(dom0, "db")["id"]
    crash(dom0, "web")
    crash(dom0, "db")
    wait_until(lambda: names(dom0) == {"db"} and facts(dom0, "db")["id"] not in (None, before))
    for name in ("web", "db"):
        check_core(dom0, f"/var/lib/skink/cores/{name}-*.core", 96)
    dom0.check("rm -r /var/lib/skink/cores")


def test_full_disk_for_cores_is_an_error_and_the_guest_goes_on(dom0, nothing_left):
    create(dom0, "web")
    dom0.check("mkdir -p /tmp/small && mount -t tmpfs -o size=1M small /tmp/small")
    status, said = dom0.run("skink dump-core web /tmp/small/web.core", BUILT)
    assert status == 1 and "No space left" in said
    assert dom0.check("ls /tmp/small").strip() == ""
    dom0.check("umount /tmp/small")
    assert facts(dom0, "web")["state"] in ("running", "blocked")


def start_skinkd_again(dom0):
    dom0.check("sv -w 20 restart skinkd; for i in $(seq 100); do skink version > /dev/null 2>&1 && break; sleep 0.1; done; "
               "skink version", 60)


def test_core_that_is_larger_than_all_may_be_leaves_the_others_alone(dom0, nothing_left):
    create(dom0, "web")
    dom0.check("mkdir -p /var/lib/skink/cores; echo a core > /var/lib/skink/cores/old.core; cp /etc/skink/skinkd.conf /tmp/; "
               "echo 'cores_kib_max = 1024' >> /etc/skink/skinkd.conf")
    start_skinkd_again(dom0)
    status, said = dom0.run("skink dump-core web", BUILT)
    assert status == 1 and "it has more than the 1024 KiB that all together may have" in said
    assert dom0.check("ls /var/lib/skink/cores").split() == ["old.core"]
    dom0.check("skink dump-core web /tmp/web.core", BUILT)
    dom0.check("rm -r /var/lib/skink/cores /tmp/web.core; cp /tmp/skinkd.conf /etc/skink/")
    start_skinkd_again(dom0)
    dom0.check("skink destroy web")


def test_guest_that_cannot_live_is_not_started_for_ever(dom0, nothing_left):
    # How fast this machine is today decides how soon a kernel panics: any death is a quick one here.
    dom0.check("echo 'quick_death_s = 3600' >> /etc/skink/skinkd.conf")
    start_skinkd_again(dom0)
    dom0.write("web.xml", small("web", DOOMED, "<on_crash>restart</on_crash>"))
    dom0.check("skink create web.xml", BUILT)
    wait_until(lambda: "it is not started again" in dom0.check("skink events | tail -5"), 600)
    wait_until(lambda: names(dom0) == set())
    dom0.check("sed -i /quick_death_s.=.3600/d /etc/skink/skinkd.conf")
    start_skinkd_again(dom0)


# ------------------------------------------------------------------ memory and vcpus

def test_memory_goes_and_comes(dom0, nothing_left):
    create(dom0, "web", memory_mib=128)
    assert "80 MiB now" in dom0.check("skink mem-set web 80", 90)
    assert abs(facts(dom0, "web")["memory_kib"] - 81920) <= 256
    assert "128 MiB now" in dom0.check("skink mem-set web 128", 90)
    assert dom0.ends_with("skink mem-set web 256") == 2


def test_vcpus_go_and_come(dom0, nothing_left):
    create(dom0, "web", vcpus=2)
    assert facts(dom0, "web")["vcpus"] == 2
    dom0.check("skink vcpu-set web 1", 90)
    assert facts(dom0, "web")["vcpus"] == 1
    dom0.check("skink vcpu-set web 2", 90)
    assert facts(dom0, "web")["vcpus"] == 2


# ------------------------------------------------------------------ nothing is left

def test_bad_kernels_leave_nothing(dom0, nothing_left):
    dom0.check(f"head -c 4000000 {KERNEL} > /tmp/short; cp /bin/ls /tmp/program; : > /tmp/empty")
    for file, complaint in (("/tmp/short", "truncated"), ("/tmp/program", "no note in Xen's name"), ("/tmp/empty", "is empty"),
                            ("/etc/passwd", "no kernel"), ("/dev", "no regular file")):
        dom0.write("bad.xml", guest("bad", kernel=file))
        status, said = dom0.run("skink create bad.xml", BUILT)
        assert status == 2 and re.search(rf"bad\.xml:7:\d+: <kernel>: .*{complaint}", said), said
    assert names(dom0) == set()


def test_too_much_memory_is_refused(dom0, nothing_left):
    dom0.write("big.xml", guest("big", memory_mib=1 << 20))
    status, said = dom0.run("skink create big.xml", BUILT)
    assert status == 2 and "more than this machine has" in said


def test_create_and_destroy_again_and_again(dom0, nothing_left):
    dom0.write("web.xml", guest("web"))
    dom0.write("small.xml", small("small"))
    for name, rounds, how in (("web", REAL_ROUNDS, ""), ("small", ROUNDS - REAL_ROUNDS, "--paused")):
        dom0.check(f"for i in $(seq {rounds}); do skink create {how} {name}.xml > /dev/null && skink destroy {name} > /dev/null || "
                   f"break; done; [ $i = {rounds} ]", 30 * rounds)
    wait_until(lambda: free_kib(dom0) == nothing_left)


def test_two_creates_at_once_both_come(dom0, nothing_left):
    for name in ("one", "two", "three"):
        dom0.write(f"{name}.xml", guest(name))
    dom0.check("(skink create one.xml & skink create two.xml & skink create three.xml & wait) > /dev/null 2>&1", 3 * BUILT)
    assert names(dom0) == {"one", "two", "three"}


def test_the_same_created_twice_at_once_comes_once(dom0, nothing_left):
    dom0.write("web.xml", guest("web"))
    said = dom0.check("(skink create web.xml & skink create web.xml & wait) 2>&1", 2 * BUILT)
    assert said.count("running, its id is") == 1 and "there is a domain 'web' already" in said


# ------------------------------------------------------------------ skinkd dies

def kill_skinkd(dom0):
    dom0.check("old=$(pidof skinkd); kill -9 $old; for i in $(seq 100); do new=$(pidof skinkd); "
               "[ -n \"$new\" ] && [ \"$new\" != \"$old\" ] && skink version > /dev/null 2>&1 && break; sleep 0.1; done; "
               "[ -n \"$new\" ]", 60)


def test_skinkd_killed_with_ten_guests(dom0, nothing_left):
    for i in range(10):
        dom0.write(f"g{i}.xml", guest(f"g{i}", memory_mib=96) if i > 6 else small(f"g{i}"))
        dom0.check(f"skink create g{i}.xml {'' if i > 6 else '--paused'}", BUILT)
    before = json.loads(dom0.check("skink list --json"))
    kill_skinkd(dom0)
    after = json.loads(dom0.check("skink list --json"))
    same = ("name", "id", "uuid", "managed", "started", "memory_max_kib")
    assert [[one[key] for key in same] for one in before] == [[one[key] for key in same] for one in after]
    wait_for_shell(dom0, "g8")
    assert dom0.check("skink shutdown g8", 120)
    nobody_ends(dom0)
    assert "g8" not in names(dom0) and len(names(dom0)) == 9


def test_skinkd_killed_while_it_builds(dom0, nothing_left):
    """What is there afterwards is all there, and runs."""
    dom0.write("net.xml", driver("net", "net"))
    dom0.check("skink create net.xml --paused", BUILT)
    dom0.write("web.xml", guest("web", memory_mib=512, devices=2 * interface("net")))
    before = free_kib(dom0)
    for delay in (0.05, 0.1, 0.2, 0.3, 0.5):
        dom0.send(f"skink create web.xml > /dev/null 2>&1 & sleep {delay}")
        dom0.expect(r"skink# (\x1b\[6n)?$")
        kill_skinkd(dom0)
        dom0.run("wait")
        nobody_ends(dom0)
        for name in names(dom0) - {"net"}:
            is_there = facts(dom0, name)
            assert is_there["managed"] and is_there["state"] != "paused" and len(is_there["attachments"]) == 2
            dom0.check(f"skink destroy {name}")
        wait_until(lambda: free_kib(dom0) == before)
    dom0.check("skink destroy net")
    wait_until(lambda: free_kib(dom0) == nothing_left)


@pytest.mark.parametrize("change", ["s/}/]/", "s/\"version\": [0-9]*/\"version\": 9/"])
def test_state_that_cannot_be_read_is_kept(dom0, nothing_left, change):     # ST3
    dom0.write("small.xml", small("small"))
    dom0.check("skink create small.xml --paused", BUILT)
    began = "sv -w 20 up skinkd; for i in $(seq 100); do skink version > /dev/null 2>&1 && break; sleep 0.1; done"
    dom0.check(f"sv -w 20 down skinkd && cp {STATE} /tmp/good && sed -i '{change}' {STATE} && cp {STATE} /tmp/bad && {began}; "
               f"cmp {STATE}.bad /tmp/bad")
    assert not facts(dom0, "small")["managed"]
    assert f"no domain is known; it is kept as {STATE}.bad" in dom0.check("skink events")
    dom0.check(f"sv -w 20 down skinkd && cp /tmp/good {STATE} && rm {STATE}.bad; {began}")
    assert facts(dom0, "small")["managed"]
    dom0.check("skink destroy small")


def test_guest_that_ends_while_skinkd_is_dead_is_seen_to(dom0, nothing_left):
    create(dom0, "web", more="<on_crash>restart</on_crash>")
    before = facts(dom0, "web")["id"]
    dom0.check("sv -w 20 down skinkd")
    dom0.check("xenstore-write /local/domain/" + str(before) + "/control/sysrq c; sleep 2")
    dom0.check("sv -w 20 up skinkd; for i in $(seq 100); do skink version > /dev/null 2>&1 && break; sleep 0.1; done")
    wait_for_shell(dom0, "web", 2)
    assert facts(dom0, "web")["id"] > before


# ------------------------------------------------------------------ many

def create_and_destroy_many(dom0):
    for i in range(MANY):
        dom0.write(f"m{i}.xml", guest(f"m{i}") if i < REAL else small(f"m{i}"))
    dom0.check(f"for i in $(seq 0 {MANY - 1}); do how=; [ $i -lt {REAL} ] || how=--paused; skink create $how m$i.xml > /dev/null || break; "
               f"done; [ $i = {MANY - 1} ]", MANY * 30)
    assert len(names(dom0)) == MANY
    for i in range(REAL):
        wait_for_shell(dom0, f"m{i}")
    dom0.check(f"for i in $(seq 0 {REAL - 1}); do skink shutdown m$i --no-wait; done", 120)
    wait_until(lambda: len(names(dom0)) == MANY - REAL, 240)
    dom0.check("skink destroy --all > /dev/null", 240)
    nobody_ends(dom0)
    assert names(dom0) == set()


@pytest.fixture
def has_had_many(dom0):
    """The core's tables of Domain-0's ports and mappings have grown to what a hundred guests need: that page Domain-0 keeps."""
    if FULL:
        create_and_destroy_many(dom0)
        wait_until(lambda: dom0.check("xenstore-list /local/domain").split() == ["0"])


def test_many_at_once(dom0, has_had_many, nothing_left):
    create_and_destroy_many(dom0)


# ------------------------------------------------------------------ xenstored hangs, and goes

def test_a_store_that_hangs_holds_up_nobody_for_long(dom0, nothing_left):    # LK1, LK2
    create(dom0, "web")
    dom0.write("db.xml", guest("db"))
    dom0.check("kill -STOP $(cat /run/xen/xenstored.pid)")
    # The first that needs the store waits for it as long as anybody does; then nobody does.
    status, said = dom0.run("skink mem-set web 80 --no-wait", 60)
    assert status == 1 and "cannot be told" in said, said
    began = time.monotonic()
    assert names(dom0) == {"web"} and facts(dom0, "web")["state"] in ("running", "blocked")
    assert time.monotonic() - began < 30 * PATIENCE
    assert "xenstored has not answered" in dom0.check("skink events | tail -5")
    status, said = dom0.run("skink create db.xml", BUILT)
    assert status == 1 and "xenstored does not answer" in said, said
    # What xenstored has mapped of it stays until it lets go.
    assert "web: destroyed" in dom0.check("skink destroy web", 60)
    assert "web" not in names(dom0)
    kill_skinkd(dom0)
    assert "web" not in names(dom0)
    dom0.check("kill -CONT $(cat /run/xen/xenstored.pid)")
    wait_until(lambda: "xenstored answers again" in dom0.check("skink events | tail -5"))
    wait_until(lambda: names(dom0) == set())
    dom0.check("skink create db.xml", BUILT)
    dom0.check("skink destroy db")


def test_a_guest_shut_down_for_good_is_not_started_again(dom0, nothing_left):
    create(dom0, "web", more="<on_poweroff>restart</on_poweroff>")
    dom0.check("skink shutdown web", 120)
    wait_for_shell(dom0, "web", 2)
    dom0.check("skink shutdown --for-good web", 120)
    wait_until(lambda: names(dom0) == set())


# ------------------------------------------------------------------ the last: it does not come back

def test_without_xenstored_nothing_is_started_and_nothing_leaks(dom0):
    before = free_kib(dom0)
    dom0.check("kill -9 $(cat /run/xen/xenstored.pid); sleep 1")
    dom0.write("web.xml", guest("web"))
    status, said = dom0.run("skink create web.xml", BUILT)
    assert status == 1 and "xenstored" in said, said
    assert names(dom0) == set() and free_kib(dom0) == before
    wait_until(lambda: "xenstored has gone" in dom0.check("skink events | tail"))
