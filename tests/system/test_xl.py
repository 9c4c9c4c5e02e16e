# SPDX-License-Identifier: MIT
"""Debian's own Xen tools in Dom0 tell the truth about Skink: against what skink(1), Linux and the machine say."""
import json
import re

import pytest

from dom0 import field, guest, nobody_ends, rows, wait_until

MEMORY_MIB = 4096


@pytest.fixture(scope="module")
def dom0(shared_dom0):
    shared_dom0.write("web.xml", guest("web", memory_mib=96))
    shared_dom0.check("skink create web.xml", 180)
    shared_dom0.check("skink wait web --for running --timeout 60")
    return shared_dom0


def test_xl_list_has_the_domains_that_skink_lists(dom0):
    earlier, theirs, ours = json.loads(dom0.check("skink list --json")), rows(dom0.check("xl list")), json.loads(dom0.check("skink list --json"))
    assert set(theirs) == {facts["name"] for facts in ours} == {"Domain-0", "web"}
    used = {facts["name"]: facts["cpu_seconds"] for facts in earlier}
    for facts in ours:
        _, number, memory, vcpus, state, seconds = theirs[facts["name"]]
        assert int(number) == facts["id"] and int(vcpus) == facts["vcpus"]
        assert abs(int(memory) - facts["memory_kib"] / 1024) <= 1
        assert re.fullmatch(r"[r-][b-]----", state)
        assert used[facts["name"]] - 0.1 <= float(seconds) <= facts["cpu_seconds"] + 0.1


def test_xl_list_sees_a_pause_and_an_end(dom0):
    dom0.check("skink pause web")
    assert rows(dom0.check("xl list"))["web"][4] == "--p---"
    dom0.check("skink unpause web")
    assert "p" not in rows(dom0.check("xl list"))["web"][4]


def test_xl_vcpu_list_has_each_vcpu_where_it_may_run(dom0):
    lines = [line.split() for line in dom0.check("xl vcpu-list").splitlines()[1:]]
    assert [line[:3] for line in lines if line[0] == "Domain-0"] == [["Domain-0", "0", "0"], ["Domain-0", "0", "1"]]
    dom0.check("skink vcpu-pin web 0 1")
    # It goes there when it next runs.
    wait_until(lambda: rows(dom0.check("xl vcpu-list web"))["web"][3] == "1")
    web, = [line.split() for line in dom0.check("xl vcpu-list web").splitlines()[1:]]
    assert web[2] == "0" and web[3] == "1" and web[-3:] == ["1", "/", "all"]
    dom0.check("xl vcpu-pin web 0 0")
    assert rows(dom0.check("skink vcpu-list web"))["web"][-1] == "0"


def test_xl_info_describes_this_machine(dom0):
    info = dom0.check("xl info")
    assert field(info, "release") == dom0.check("uname -r").strip().splitlines()[-1]
    assert field(info, "nr_cpus") == "2" and field(info, "max_cpu_id") == "1"
    assert field(info, "xen_version") == field(dom0.check("skink info"), "xen version")
    assert field(info, "xen_caps") == "xen-3.0-x86_64"
    assert field(info, "xen_pagesize") == "4096"
    assert "console=com1" in field(info, "xen_commandline")
    assert 0.95 * MEMORY_MIB < int(field(info, "total_memory")) <= MEMORY_MIB
    host = json.loads(dom0.check("skink info --json"))
    assert abs(int(field(info, "free_memory")) - host["memory_free_kib"] / 1024) <= 1


def test_xl_dmesg_is_the_cores_log(dom0):
    log = dom0.check("xl dmesg")
    assert "smp: 2 CPUs" in log and "Domain-0:" in log
    ours = [line.strip() for line in dom0.check("skink dmesg").splitlines() if line.strip()]
    theirs = [line.strip() for line in log.splitlines() if line.strip()]
    assert ours[:20] == theirs[:20]


def test_xl_names_and_numbers(dom0):
    number = dom0.check("xl domid web").split()[-1]
    assert dom0.check(f"xl domname {number}").split()[-1] == "web"
    assert rows(dom0.check("skink list"))["web"][1] == number


def test_the_store_has_each_domain_as_xenstore_ls_shows_it(dom0):
    number = rows(dom0.check("skink list"))["web"][1]
    listed = dom0.check(f"xenstore-ls -f /local/domain/{number}")
    facts = json.loads(dom0.check("skink info web --json"))
    for path, value in {"name": "web", "domid": number, "vm": f"/vm/{facts['uuid']}", "memory/target": "98304",
                        "memory/static-max": "98304", "cpu/0/availability": "online", "console/type": "xenconsoled"}.items():
        assert f'/local/domain/{number}/{path} = "{value}"' in listed, listed
    assert re.search(rf'/local/domain/{number}/console/tty = "/dev/pts/\d+"', listed)
    assert dom0.check("xenstore-read /local/domain/0/name").split()[-1] == "Domain-0"


def test_xenstore_ls_has_no_trace_of_a_domain_that_is_gone(dom0):
    number = rows(dom0.check("skink list"))["web"][1]
    uuid = json.loads(dom0.check("skink info web --json"))["uuid"]
    dom0.check("skink destroy web")
    nobody_ends(dom0)
    everything = dom0.check("xenstore-ls -f")
    assert f"/local/domain/{number}" not in everything and uuid not in everything
    assert set(rows(dom0.check("xl list"))) == {"Domain-0"}
