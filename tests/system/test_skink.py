# SPDX-License-Identifier: MIT
"""skink(1) on Dom0's console, as a person types it: with skinkd, xenconsoled, and stock Debian kernels as guests."""
import contextlib
import json
import re

import pytest

from dom0 import field, guest, nobody_ends, rows, wait_until
from machine import PROMPT

BUILT = 120     # seconds, at most, from `create` to what it prints
GUEST_PROMPT = r"guest# (\x1b\[6n)?$"


@pytest.fixture(scope="module")
def dom0(shared_dom0):
    shared_dom0.write("web.xml", guest("web", more="<on_crash>preserve</on_crash>"))
    return shared_dom0


@pytest.fixture
def web(dom0):
    """A guest that runs."""
    if dom0.ends_with("skink list web > /dev/null 2>&1"):
        dom0.check("skink create web.xml", BUILT)
        dom0.check("skink wait web --for running --timeout 30")
    return dom0


@contextlib.contextmanager
def console(dom0, name):
    """Typing goes to a guest."""
    dom0.send(f"skink console {name}")
    dom0.expect(f"Console of {name}")
    try:
        yield
    finally:
        dom0.press_control("]")
        dom0.expect(PROMPT)


def free_memory(dom0):
    nobody_ends(dom0)
    return json.loads(dom0.check("skink info --json"))["memory_free_kib"]


# ------------------------------------------------------------------ what is there

def test_list_and_info_say_the_truth_about_domain_0(dom0):
    words = rows(dom0.check("skink list"))["Domain-0"]
    assert words[1] == "0" and words[3] == "MiB" and words[4:6] == ["2", "running"]
    host = json.loads(dom0.check("skink info --json"))
    assert host["cpus"] == 2 and host["domains"] == 1
    assert host["memory_kib"] <= 4096 * 1024 < host["memory_kib"] * 1.05
    assert "4.17" in field(dom0.check("skink version"), "core")


def test_the_manual_and_completion_are_installed(dom0):
    assert "deploy, watch and change domains" in dom0.check("man skink | cat")
    assert "settings of skinkd" in dom0.check("man skinkd.conf | cat")
    dom0.completes(("skink dumpx", "skink dumpxml "), ("Doma", "Domain-0 "))


# ------------------------------------------------------------------ a guest's life

def test_create_c_joins_the_console_and_ctrl_bracket_leaves_it(dom0):
    settings = dom0.check("stty -g")
    dom0.send("skink create -c web.xml")
    dom0.expect(r"Console of web\. Ctrl-\] leaves it\.", BUILT)
    dom0.expect(r"Linux version", 60)
    dom0.expect(GUEST_PROMPT, 120)
    dom0.send("cat /sys/hypervisor/type; echo $((6 * 7))")
    dom0.expect(r"^xen\n42$")
    dom0.press_control("]")
    dom0.expect(PROMPT)
    assert dom0.check("stty -g") == settings
    assert rows(dom0.check("skink list"))["web"][2:5] == ["96", "MiB", "1"]


def test_the_console_again_and_ctrl_c_is_the_guests(web):
    with console(web, "web"):
        # The shell hands the terminal over before the program says a word: from then on Ctrl-C is the program's.
        web.send("sh -c 'echo begun-$((1 + 1)); exec sleep 1000'")
        web.expect(r"^begun-2$", 60)
        web.press_control("c")
        web.send("echo back-$((1 + 1))")
        web.expect(r"^back-2$", 30)


def test_a_name_an_id_and_a_uuid_are_the_same_domain(web):
    facts = json.loads(web.check("skink info web --json"))
    for named in (facts["id"], facts["uuid"]):
        assert json.loads(web.check(f"skink info {named} --json"))["name"] == "web"


def test_what_the_console_said_is_in_the_logs(web):
    assert "Linux version" in web.check("skink logs web -n 5000 | head -50")


def test_pause_stops_it_and_unpause_lets_it_go_on(web):
    web.check("skink pause web")
    assert rows(web.check("skink list web"))["web"][5] == "paused"
    assert rows(web.check("skink vcpu list web"))["web"][4] == "paused"
    before = json.loads(web.check("skink info web --json"))["used"]
    after = json.loads(web.check("sleep 2; skink info web --json"))["used"]
    assert before == after
    web.check("skink unpause web")
    assert rows(web.check("skink list web"))["web"][5] in ("running", "blocked")


def test_top_sees_who_works(web):
    with console(web, "web"):
        web.send("(while :; do :; done) &")
    second = web.check("skink top -b -n 2 -d 2s").split("skink top:")[2]
    name, number, state, cpu = rows("\n".join(second.splitlines()[1:]))["web"][:4]
    assert state == "running" and 20 < float(cpu) <= 101
    with console(web, "web"):
        web.send("kill %1")


def test_top_redraws_until_q(web):
    web.send("skink top -d 1s")
    web.expect(r"c: by CPU")
    web.expect(r"\x1b\[H")
    web.qemu.stdin.write(b"q")
    web.expect(PROMPT)


def test_scheduling_memory_and_vcpus_change_while_it_runs(web):
    assert rows(web.check("skink sched web --weight 512 --cap 50"))["web"][1:3] == ["512", "50%"]
    assert rows(web.check("skink sched"))["web"][1:3] == ["512", "50%"]
    web.check("skink sched web --weight 256 --cap 0")
    # While it starts it needs what it was given.
    web.answer_on("web", r"echo up-\$((6 * 7))", "up-42", BUILT)
    web.check("skink mem-set web 80")
    assert rows(web.check("skink list web"))["web"][2] == "80"
    assert rows(web.check("skink vcpu-pin web 0 1"))["web"][-1] == "1"
    # It goes there when it next runs.
    wait_until(lambda: rows(web.check("skink vcpu list web"))["web"][3] == "1")
    assert web.ends_with("skink vcpu-set web 2") != 0      # its manifest says one


def test_dumpxml_is_a_manifest(web):
    web.check("skink dumpxml web > dumped.xml")
    assert "1 manifest is good" in web.check("skink validate dumped.xml")


def test_ctrl_c_ends_the_waiting_with_130(web):
    web.send("skink wait web --for shutdown; echo \"=$?=\"")
    web.expect(r"wait web \.\.\. \d+ s")
    web.press_control("c")
    web.expect(r"wait web: interrupted")
    web.expect(r"^=130=$")
    web.expect(PROMPT)


def test_shutdown_waits_until_it_is_gone(web):
    assert "web: shut down" in web.check("skink shutdown web", 120)
    assert "web" not in rows(web.check("skink list"))
    assert "shutdown" in web.check("skink events | tail -3")


# ------------------------------------------------------------------ what is wrong

def test_a_wrong_manifest_is_told_with_its_place_and_leaves_no_trace(dom0):
    before = free_memory(dom0)
    dom0.write("bad.xml", guest("bad").replace("<vcpu>1", "<vcpu>many"))
    for verb in ("validate", "create"):
        status, said = dom0.run(f"skink {verb} bad.xml")
        assert status == 2
        assert re.search(r"bad\.xml:4:\d+: <vcpu>: .*many.*: .+", said), said
    dom0.write("bad.xml", guest("bad", kernel="/no/such/kernel"))
    status, said = dom0.run("skink create bad.xml")
    assert status == 2 and re.search(r"bad\.xml:7:\d+: <kernel>: .+: .+", said), said
    assert "bad" not in rows(dom0.check("skink list"))
    assert free_memory(dom0) == before


def test_exit_codes(web):
    assert web.ends_with("skink list") == 0
    assert web.ends_with("skink create web.xml") in (1, 2)
    assert web.ends_with("skink lits") == 2
    assert web.ends_with("skink info nobody") == 3
    assert web.ends_with("skink destroy Domain-0") == 4
    assert web.ends_with("skink --socket /nowhere list") == 5
    assert web.ends_with("skink wait web --for shutdown --timeout 1") == 6


def test_who_is_not_root_may_look_if_in_the_group(dom0):
    assert dom0.ends_with("chpst -u nobody skink list") == 4
    assert dom0.ends_with("chpst -u nobody:skink skink list") == 0
    status, said = dom0.run("chpst -u nobody:skink skink destroy web")
    assert status == 4, said


def test_without_skinkd_guests_run_on_and_it_finds_them_again(web):
    number = rows(web.check("skink list"))["web"][1]
    web.check("sv -w 20 down skinkd")
    status, said = web.run("skink list")
    assert status == 5 and "cannot reach skinkd" in said
    assert rows(web.check("xl list"))["web"][1] == number
    web.check("sv up skinkd; until skink version; do sleep 0.2; done", 30)
    assert rows(web.check("skink list"))["web"][1] == number


# ------------------------------------------------------------------ a directory of manifests

def test_plan_and_apply_bring_the_host_to_what_the_manifests_say(web):
    web.check("mkdir -p set; cp web.xml set/; rm -f set/db.xml")
    web.write("set/db.xml", guest("db"))
    planned = web.check("skink plan set")
    assert re.search(r"^= keep +web$", planned, re.M) and re.search(r"^\+ create +db$", planned, re.M), planned
    assert "db" not in rows(web.check("skink list"))
    web.check("skink apply set", 2 * BUILT)
    assert set(rows(web.check("skink list"))) == {"Domain-0", "web", "db"}
    assert "Nothing to do" in web.check("skink apply set")

    web.check("rm set/db.xml")
    assert re.search(r"^\? blocked +db", web.check("skink plan set"), re.M)
    web.check("skink apply set")
    assert "db" in rows(web.check("skink list"))
    web.check("skink apply set --prune", 120)
    nobody_ends(web)
    assert set(rows(web.check("skink list"))) == {"Domain-0", "web"}


def test_apply_pins_and_takes_the_pin_away_again(web):
    def affinity():
        return json.loads(web.check("skink info web --json"))["vcpu_list"][0]["affinity"]

    web.check("skink vcpu-pin web 0 all; mkdir -p set; rm -f set/db.xml")
    web.check("sed 's|</vcpu>|</vcpu><cputune><vcpupin vcpu=\"0\" cpuset=\"1\"/></cputune>|' web.xml > set/web.xml && skink apply set")
    assert affinity() == "1"
    web.check("cp web.xml set/ && skink apply set")
    assert affinity() == "all"


def test_apply_restarts_only_when_told(web):
    number = rows(web.check("skink list"))["web"][1]
    web.check("mkdir -p set; sed 's/console=hvc0 [^<]*/console=hvc0 quiet/' web.xml > set/web.xml; rm -f set/db.xml")
    assert re.search(r"^\? blocked +web", web.check("skink plan set"), re.M)
    web.check("skink apply set")
    assert rows(web.check("skink list"))["web"][1] == number
    web.check("skink apply set --restart", 2 * BUILT)
    assert rows(web.check("skink list"))["web"][1] != number
    assert field(web.check("skink info web"), "command line") == "console=hvc0 quiet"


def test_destroy_gives_all_memory_back(web):
    web.check("skink destroy web")
    before = free_memory(web)
    web.check("skink create web.xml", BUILT)
    assert free_memory(web) < before - 96 * 1024 * 0.9
    web.check("skink destroy web")
    assert free_memory(web) == before
