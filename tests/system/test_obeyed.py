# SPDX-License-Identifier: MIT
"""What docs/manifest.md calls obeyed is: a guest from a manifest that says all of it, and what skink and the guest say then."""
import json
import re

import pytest

from dom0 import INITRD, KERNEL

DAY = 86400
MANIFEST = f"""<domain type='skink' xmlns:skink='urn:skink:manifest:1'>
  <name>obeyed</name>
  <uuid>3e3fce45-4f53-4fa7-bb32-11f34168b82b</uuid>
  <title>All of it</title>
  <memory unit='MiB'>160</memory>
  <currentMemory unit='MiB'>112</currentMemory>
  <vcpu current='1' cpuset='0'>2</vcpu>
  <os>
    <kernel>{KERNEL}</kernel>
    <initrd>{INITRD}</initrd>
    <cmdline>console=hvc0 told=this</cmdline>
  </os>
  <on_poweroff>preserve</on_poweroff>
  <on_crash>coredump-destroy</on_crash>
  <clock offset='variable' adjustment='-{DAY}'/>
  <skink:sched weight='512' cap='90' warp='10ms' warp-limit='50ms'/>
  <skink:limits><skink:limit on='grant-maps' per-second='1000000'/></skink:limits>
</domain>
"""


@pytest.fixture(scope="module")
def dom0(shared_dom0):
    it = shared_dom0
    it.write("/run/obeyed.xml", MANIFEST)
    it.check("sv hup xenconsoled; skink create /run/obeyed.xml", 240)
    it.wait_for_words("/var/log/skink/consoles/guest-obeyed.log", "guest: Linux", 240)
    return it


def facts(dom0):
    return json.loads(dom0.check("skink info obeyed --json"))


def test_skinkd_knows_it(dom0):
    info = facts(dom0)
    assert (info["uuid"], info["title"], info["on_poweroff"], info["on_reboot"], info["on_crash"]) == (
        "3e3fce45-4f53-4fa7-bb32-11f34168b82b", "All of it", "preserve", "restart", "coredump-destroy"), info
    sched = info["sched"]
    assert (sched["weight"], sched["cap"], sched["warp_us"], sched["warp_limit_us"]) == (512, 90, 10000, 50000), sched
    assert info["vcpu_list"][0]["affinity"] in ("0", "all"), info["vcpu_list"]
    text = dom0.check("skink dumpxml obeyed")
    assert "on='grant-maps' per-second='1000000'" in text and f"adjustment='-{DAY}'" in text, text
    dom0.check("skink dumpxml obeyed > /run/again.xml; skink validate /run/again.xml")


def test_the_guest_sees_it(dom0):
    log = "/var/log/skink/consoles/guest-obeyed.log"
    said = re.search(r"guest: Linux \S+, (\d+) vcpus, (\d+) MiB", dom0.check(f"grep 'guest: Linux' {log}"))
    assert said and int(said.group(1)) == 1 and 40 < int(said.group(2)) <= 112, said
    dom0.check("tty=$(xenstore-read /local/domain/$(skink info obeyed --json | sed -n 's/.*\"id\": \\([0-9]*\\),.*/\\1/p' | head -1)/console/tty); "
               "echo 'cat /proc/cmdline; date -u +now:%s' > $tty")
    dom0.wait_for_words(log, "now:[0-9]")
    text = dom0.check(f"grep 'told=this\\|now:[0-9]' {log}")
    here = int(re.search(r"^(\d+)$", dom0.check("date -u +%s"), re.MULTILINE).group(1))
    assert "told=this" in text
    there = int(re.search(r"now:(\d+)", text).group(1))
    assert abs(here - there - DAY) < 120, (here, there)


def test_a_plan_of_the_same_file_changes_nothing(dom0):
    dom0.check("mkdir -p /run/plan && cp /run/obeyed.xml /run/plan/")
    plan = json.loads(re.search(r"[\[{].*[\]}]", dom0.check("skink plan /run/plan --json"), re.DOTALL).group())
    text = json.dumps(plan)
    assert '"create"' not in text and "currentMemory" not in text and "weight" not in text, text
