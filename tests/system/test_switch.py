# SPDX-License-Identifier: MIT
"""Stock Debian guests on the switch of a network driver domain without a card: what passes between them, and what does not."""
import json
import os
import re

import pytest

from dom0 import Dom0, wait_until
from machine import PATIENCE
from test_drivers import create, devices, driver, inside, interface

MAC = "00:16:3e:00:00:0"


def wire(number, more=""):
    return interface(of="lan", more=f"<mac address='{MAC}{number}'/>{more}")


@pytest.fixture(scope="module")
def dom0():
    with Dom0("switch", smp=os.environ.get("SMP", "1"), memory=2560, limit=1800) as machine:
        machine.log_in()
        machine.write("lan.xml", driver("lan", "net", unprotected=False))
        machine.check("skink create lan.xml", 60)
        create(machine, "web", wire(1, "<ip address='10.0.0.1'/><ip address='10.0.0.11'/>"), memory_mib=160)
        create(machine, "db", wire(2) + wire(3, "<vlan><tag id='7'/></vlan>") +
               wire(4, "<bandwidth><outbound average='512' burst='64'/></bandwidth>"), memory_mib=160)
        for name, count in (("web", 1), ("db", 3)):
            wait_until(lambda: [one["state"] for one in devices(machine, name).values()] == ["connected"] * count)
        inside(machine, "web", "ip link set eth0 up; ip addr add 10.0.0.1/24 dev eth0")
        inside(machine, "db", "for i in 0 1 2; do ip link set eth\\$i up; done; ip addr add 10.0.0.2/24 dev eth0")
        yield machine
        machine.end()


def answers(dom0, name, address, more=""):
    """How many of three. What a console said before is shown as well: the last counts."""
    return int(re.findall(r"(\d) packets received", inside(dom0, name, f"ping -c 3 -W 1 {more} {address}", 30))[-1])


def counters(dom0, name, number):
    return devices(dom0, name)[f"{MAC}{number}"]["counters"]


def test_they_see_each_other(dom0):
    assert answers(dom0, "db", "10.0.0.1") >= 2
    # Whom the machine makes wait when the last one is under way has two.
    wait_until(lambda: answers(dom0, "web", "10.0.0.2") == 3)


def test_what_goes_by_tcp_is_whole(dom0):
    """In segments of up to 64 KiB, that nobody cuts."""
    inside(dom0, "db", "dd if=/dev/urandom of=/tmp/blob bs=1M count=16; httpd -p 80 -h /tmp")
    sent = re.search(r"^([0-9a-f]{64})", inside(dom0, "db", "sha256sum /tmp/blob"), re.M).group(1)
    said = inside(dom0, "web", "wget -q -O /tmp/got http://10.0.0.2/blob; wc -c /tmp/got; sha256sum /tmp/got")
    assert str(16 << 20) in said and sent in said, said[-300:]
    seen = counters(dom0, "db", 2)
    assert seen["tx_bytes"] > 16 << 20 and seen["tx_dropped"] == 0
    assert seen["tx_bytes"] / seen["tx_packets"] > 4000, "segments were cut on their way"


def test_who_keeps_the_driver_busy_is_told(dom0):
    """After 16 MiB between two of them: most of its CPU time went into these, and no more than it had went into all."""
    def busy():
        spent = {number: counters(dom0, "web" if number == 1 else "db", number)["busy_ns"] for number in (1, 2, 3, 4)}
        had = next(one["cpu_seconds"] for one in json.loads(dom0.check("skink list --json")) if one["name"] == "lan")
        return spent, had * 1e9
    wait_until(lambda: min(busy()[0][1], busy()[0][2]) > 0, 60)
    spent, had = busy()
    assert spent[1] + spent[2] > 4 * (spent[3] + spent[4]) and sum(spent.values()) <= had, (spent, had)


def test_nobody_speaks_in_anothers_name(dom0):
    """web has two addresses to speak from; a third is heard by nobody, and a foreign MAC neither."""
    inside(dom0, "web", "ip addr add 10.0.0.11/24 dev eth0; ip addr add 10.0.0.66/24 dev eth0")
    wait_until(lambda: answers(dom0, "web", "10.0.0.2", "-I 10.0.0.11") == 3)
    before = counters(dom0, "web", 1)["tx_spoofed"]
    assert answers(dom0, "web", "10.0.0.2", "-I 10.0.0.66") == 0
    wait_until(lambda: counters(dom0, "web", 1)["tx_spoofed"] >= before + 3)
    inside(dom0, "db", "ip link set eth0 down; ip link set eth0 address 00:16:3e:00:00:01; ip link set eth0 up; "
                       "ip addr add 10.0.0.2/24 dev eth0")
    before = counters(dom0, "db", 2)["tx_spoofed"]
    assert answers(dom0, "db", "10.0.0.1") == 0
    wait_until(lambda: counters(dom0, "db", 2)["tx_spoofed"] > before)
    inside(dom0, "db", f"ip link set eth0 down; ip link set eth0 address {MAC}2; ip link set eth0 up; ip addr add 10.0.0.2/24 dev eth0")
    assert answers(dom0, "db", "10.0.0.1") >= 2


def test_a_vlan_is_a_network_of_its_own(dom0):
    heard = counters(dom0, "web", 1)["rx_packets"]
    inside(dom0, "db", "ip addr flush dev eth0; ip addr add 10.0.0.3/24 dev eth1")
    for _ in range(4):
        assert answers(dom0, "db", "10.0.0.1") == 0
    assert counters(dom0, "db", 3)["tx_packets"] >= 12
    assert counters(dom0, "web", 1)["rx_packets"] <= heard + 8    # what others of db's say by themselves
    inside(dom0, "db", "ip addr flush dev eth1; ip addr add 10.0.0.2/24 dev eth0")


def test_a_limit_is_kept(dom0):
    """512 KiB a second: two MiB take about four seconds."""
    inside(dom0, "db", "ip addr flush dev eth0; ip addr add 10.0.0.4/24 dev eth2; dd if=/dev/zero of=/tmp/two bs=1M count=2")
    said = inside(dom0, "web", "time -f took=%e wget -q -O /dev/null http://10.0.0.4/two 2>&1")
    assert 3 < float(re.search(r"took=(\d[\d.]*)", said).group(1)) < 20 * PATIENCE, said


def test_nobody_noticed_anything_else(dom0):
    assert not re.search(r"refused|crashed", dom0.check("skink events")), "an attachment was refused"
    assert counters(dom0, "web", 1)["tx_dropped"] == 0
