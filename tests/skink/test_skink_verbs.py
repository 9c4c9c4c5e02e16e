# SPDX-License-Identifier: MIT
"""Each verb of skink(1): what it asks, what it prints, as text and as JSON."""
import csv
import io
import json
import re

import pytest

import command
from fake_skinkd import Error, domain

MANIFEST = "<domain type='skink'><name>new</name></domain>\n"


@pytest.fixture
def manifest(tmp_path):
    path = tmp_path / "new.xml"
    path.write_text(MANIFEST)
    return str(path)


# ------------------------------------------------------------------ requests, and the answer told in a line

REQUESTS = [
    # arguments, method, parameters, what is printed
    (["destroy", "web"], "destroy", {"domain": "web"}, "web: destroyed\n"),
    (["pause", "web"], "pause", {"domain": "web"}, "web: paused\n"),
    (["unpause", "3"], "unpause", {"domain": "3"}, "3: running\n"),
    (["suspend", "web"], "pause", {"domain": "web"}, "web: paused\n"),
    (["resume", "web"], "unpause", {"domain": "web"}, "web: running\n"),
    (["shutdown", "web"], "shutdown", {"domain": "web", "wait": True, "timeout": 60.0}, "web: shut down\n"),
    (["shutdown", "-w", "web"], "shutdown", {"domain": "web", "wait": True, "timeout": 60.0}, "web: shut down\n"),
    (["shutdown", "web", "--timeout", "2m"], "shutdown", {"domain": "web", "wait": True, "timeout": 120.0},
     "web: shut down\n"),
    (["shutdown", "web", "--no-wait"], "shutdown", {"domain": "web", "wait": False, "timeout": 60.0},
     "web: asked to shut down\n"),
    (["reboot", "web"], "reboot", {"domain": "web", "wait": True, "timeout": 60.0}, "web: rebooted, its id is now 13\n"),
    (["shutdown", "--for-good", "web"], "shutdown", {"domain": "web", "wait": True, "timeout": 60.0,
     "for_good": True},
     "web: shut down\n"),
    (["reboot", "--no-wait", "web"], "reboot", {"domain": "web", "wait": False, "timeout": 60.0},
     "web: asked to reboot\n"),
    (["wait", "web", "--for", "shutdown"], "wait", {"domain": "web", "for": "shutdown", "timeout": 31536000.0},
     "web: shutdown\n"),
    (["wait", "web", "--timeout=1.5"], "wait", {"domain": "web", "for": "running", "timeout": 1.5}, "web: running\n"),
    (["release", "web", "--timeout", "3"], "release", {"domain": "web", "timeout": 3.0}, "web: serves again\n"),
    (["upgrade", "web", "--image", "/no/such.elf", "--timeout", "3"], "upgrade", {"domain": "web", "image": "/no/such.elf", "timeout": 3.0},
     "web: runs the new image; its guests waited for 5550 us\n"),
    (["sysrq", "web", "h"], "sysrq", {"domain": "web", "key": "h"}, ""),
    (["dump-core", "web", "/tmp/core"], "dump-core", {"domain": "web", "file": "/tmp/core"},
     "web: dumped to /tmp/core, 128 MiB\n"),
    (["dump-core", "--live", "web"], "dump-core", {"domain": "web", "live": True},
     "web: dumped to /var/lib/skink/cores/web.core, 128 MiB\n"),
    (["dump-core", "web"], "dump-core", {"domain": "web"}, "web: dumped to /var/lib/skink/cores/web.core, 128 MiB\n"),
    (["autostart", "web"], "autostart", {"domain": "web", "enable": True}, "web: will be started when the host boots\n"),
    (["autostart", "--disable", "web"], "autostart", {"domain": "web", "enable": False},
     "web: will not be started when the host boots\n"),
    (["vcpu-set", "web", "2"], "vcpu-set", {"domain": "web", "vcpus": 2, "wait": True, "timeout": 60.0},
     "web: 2 online\n"),
    (["vcpu", "set", "web", "2"], "vcpu-set", {"domain": "web", "vcpus": 2, "wait": True, "timeout": 60.0},
     "web: 2 online\n"),
    (["mem-set", "web", "1.5GiB"], "mem-set", {"domain": "web", "memory_kib": 1572864, "wait": True, "timeout": 60.0},
     "web: 1536 MiB now, of the 1536 MiB it was told to have\n"),
    (["mem-set", "web", "100"], "mem-set", {"domain": "web", "memory_kib": 102400, "wait": True, "timeout": 60.0},
     "web: 100 MiB now, of the 100 MiB it was told to have\n"),
    (["dmesg"], "dmesg", {}, "Skink, on GRUB\nCPU: 2\n"),
    (["logs", "web", "-n", "2"], "logs", {"domain": "web", "lines": 2}, "line 0\nline 1\n"),
    (["dumpxml", "web"], "dumpxml", {"domain": "web"}, "<domain type='skink'><name>web</name></domain>\n"),
    (["events"], "events", {"follow": False},
     "2026-01-01 00:00:00.250  created  web: created from web.xml\n"
     "2026-01-01 00:00:01.500  started  skinkd started\n"),
    (["events", "-n", "1"], "events", {"follow": False, "count": 1},
     "2026-01-01 00:00:01.500  started  skinkd started\n"),
    (["version"], "version", {},
     "core                : 4.17.0-skink\nskinkd              : skinkd 1\nprotocol            : 1\n"),
]


@pytest.mark.parametrize("arguments, method, params, printed", REQUESTS, ids=lambda value: str(value)[:40])
def test_asks_and_tells(skink, skinkd, arguments, method, params, printed):
    result = skink(*arguments)
    assert result.code == 0 and result.err == "", result
    assert skinkd.asked(method) == [params]
    assert result.out == printed


JSON = [["list"], ["list", "web"], ["info"], ["info", "web"], ["version"], ["dmesg"], ["logs", "web"], ["dumpxml", "web"],
        ["destroy", "web"], ["pause", "web"], ["unpause", "web"], ["shutdown", "web"], ["reboot", "web"], ["wait", "web"],
        ["dump-core", "web"], ["autostart", "web"], ["vcpu-list"], ["vcpu-set", "web", "1"], ["vcpu-pin", "web", "0", "all"],
        ["mem-set", "web", "64"], ["sched"], ["sched", "web"]]


@pytest.mark.parametrize("arguments", JSON, ids=" ".join)
@pytest.mark.parametrize("place", ["after", "before"])
def test_json_is_json(skink, arguments, place):
    result = skink(*arguments, "--json") if place == "after" else skink("--json", *arguments)
    assert result.code == 0 and result.err == "", result
    assert json.loads(result.out)


def test_list_has_the_columns_that_xl_users_know(skink, skinkd):
    result = skink("list")
    lines = result.out.splitlines()
    assert lines[0].split() == ["Name", "ID", "Mem", "VCPUs", "State", "Time(s)"]
    assert lines[1].split() == ["Domain-0", "0", "128", "MiB", "2", "running", "12.5"]
    assert lines[3].split(maxsplit=7) == ["db", "5", "128", "MiB", "1", "crashed", "(watchdog)", "1.2  restarted 2 times"]
    assert not any(line.endswith(" ") for line in lines)


def test_list_of_some_keeps_their_order(skink):
    assert [facts["name"] for facts in json.loads(skink("list", "5", "web", "--json").out)] == ["db", "web"]


def test_list_lines_up_names_that_are_not_ascii(skink, skinkd):
    skinkd.domains = [domain("fenêtre", 1), domain("abcdefg", 2)]
    lines = skink("list").out.splitlines()
    assert lines[1].index("1") == lines[2].index("2")


def test_list_says_what_is_a_driver_and_what_is_not_ours(skink, skinkd):
    skinkd.domains = [domain("net0", 1, role="net", restarts=1), domain("other", 2, managed=False)]
    out = skink("list").out
    assert "net driver, restarted 1 time" in out and "not built by skinkd" in out


def test_info_says_units_and_limits(skink):
    out = skink("info", "web").out
    assert re.search(r"^memory +: 128 MiB$", out, re.M)
    assert re.search(r"^hypercalls +: 1200 \(at most 5000 in 10 ms\)$", out, re.M)
    assert re.search(r"^started +: 2026-01-01 00:00:00, .* ago$", out, re.M)
    assert "initrd" not in out and "reason" not in out


def driver_with(restart, state="serving"):
    return {"domain": dict(domain("net0", 8, role="net"), driver={
        "state": state, "device": "virtio-net", "text": "its last words", "protected": True, "generation": 4, "link_up": True,
        "restart": restart})}


def test_info_says_what_a_driver_has_died_of(skink, skinkd):
    skinkd.answers["info"] = driver_with({
        "state": "serving", "armed": True, "restarts": 3, "causes": {"crash": 2, "shutdown": 0, "hang": 1, "by-hand": 0},
        "last": {"cause": "hang", "text": "nothing answered for 5 ms", "recovered_us": 87}})
    out = skink("info", "net0").out
    assert re.search(r"^deaths +: 2 crash, 1 hang$", out, re.M) and re.search(r"^last death +: hang: nothing answered for 5 ms$", out, re.M)
    assert re.search(r"^recovered +: it had its rings again after 87 us$", out, re.M)
    assert re.search(r"^if it crashes +: the core resets it at once$", out, re.M) and "its last words" not in out


def test_info_of_a_driver_that_never_died(skink, skinkd):
    skinkd.answers["info"] = driver_with({"state": "held", "armed": False, "restarts": 0, "causes": {"crash": 0}, "last": None}, "held")
    out = skink("info", "net0").out
    assert re.search(r"^deaths +: none$", out, re.M) and "last death" not in out
    assert re.search(r"^if it crashes +: skinkd decides$", out, re.M) and re.search(r"^it says +: its last words$", out, re.M)


def test_shutdown_all_leaves_domain_0_alone(skink, skinkd):
    result = skink("shutdown", "--all")
    assert result.code == 0, result
    assert [params["domain"] for params in skinkd.asked("shutdown")] == ["web", "db"]


def test_shutdown_all_gives_guests_the_time_that_the_settings_say(skink, skinkd):
    assert skink("shutdown", "-a", "-w").code == 0
    assert skink("shutdown", "--all", "--timeout", "2m").code == 0
    assert [params["timeout"] for params in skinkd.asked("shutdown")] == [45, 45, 120, 120]


def test_all_are_asked_before_one_is_waited_for(skink, skinkd):
    asked = []

    def the_last_first(params, connection):
        asked.append(connection.id)
        for number in reversed(asked) if len(asked) == 3 else []:
            connection.send({"jsonrpc": "2.0", "id": number, "result": {"state": "gone"}})
        return connection
    skinkd.domains.append(domain("mail", 6))
    skinkd.answers["shutdown"] = the_last_first
    result = skink("shutdown", "--all")
    assert result.code == 0 and result.out == "mail: shut down\ndb: shut down\nweb: shut down\n", result


def test_all_says_who_did_not_and_ends_as_the_first_of_them(skink, skinkd):
    def some(params, connection):
        if params["domain"] == "web":
            return {"state": "gone"}
        if params["domain"] == "db":
            raise Error(6, "'db' has not shut down after 60 s; that may still come")
        raise Error(1, "'mail' does not answer")
    skinkd.domains.append(domain("mail", 6))
    skinkd.answers["shutdown"] = some
    result = skink("shutdown", "--all")
    assert result.code == 6 and result.out == "web: shut down\n", result
    assert result.err == "skink: 'db' has not shut down after 60 s; that may still come\nskink: 'mail' does not answer\n"


def test_all_as_json_says_whose_it_is(skink):
    out = skink("shutdown", "--all", "--json").out
    assert re.findall(r'"name": *"(\w+)"', out) == ["web", "db"] and out.count('"gone"') == 2


def test_all_of_none_is_done_at_once(skink, skinkd):
    skinkd.domains = skinkd.domains[:1]
    for verb in "shutdown", "reboot", "destroy":
        result = skink(verb, "--all")
        assert result.code == 0 and result.out == "" and result.err == "", result
        assert skinkd.asked(verb) == []


def test_destroy_all_leaves_domain_0_alone(skink, skinkd):
    result = skink("destroy", "--all")
    assert result.code == 0 and result.out == "web: destroyed\ndb: destroyed\n", result
    assert [facts["name"] for facts in skinkd.domains] == ["Domain-0"]


def test_all_drivers_are_restarted_one_after_the_other(skink, skinkd):
    skinkd.domains += [domain("net0", 8, role="net"), domain("db0", 9), domain("disk0", 10, role="blk")]
    result = skink("restart", "--all-drivers")
    assert result.code == 0 and result.out == "net0: serves again after 87 us\ndisk0: serves again after 87 us\n", result
    assert [params["domain"] for params in skinkd.asked("restart")] == ["net0", "disk0"]


def test_all_drivers_stop_at_the_first_that_fails(skink, skinkd):
    skinkd.domains += [domain("net0", 8, role="net"), domain("disk0", 10, role="blk")]

    def fails(params, connection):
        raise Error(1, "'net0' will not recover by itself: see the events")
    skinkd.answers["restart"] = fails
    result = skink("restart", "--all-drivers")
    assert result.code == 1 and result.out == "", result
    assert "1 of 2 driver domains have not been restarted: it stopped at the first that failed" in result.err
    assert [params["domain"] for params in skinkd.asked("restart")] == ["net0"]


def test_core_file_is_named_before_the_restart(skink, skinkd):
    skinkd.domains.append(domain("net0", 8, role="net"))
    result = skink("restart", "net0", "--dump-core")
    assert result.code == 0 and result.out == "net0: serves again after 87 us\n", result
    assert "net0: dumped to /var/lib/skink/cores/net0.core" in result.err
    assert skinkd.asked("restart") == [{"domain": "net0", "timeout": 10.0, "dump_core": True}]


def test_guest_is_rebooted_and_not_restarted(skink):
    result = skink("restart", "web")
    assert result.code == 4 and "'skink reboot web' asks a guest to begin again" in result.err, result


def test_all_drivers_and_a_name_contradict(skink, skinkd):
    result = skink("restart", "--all-drivers", "net0")
    assert result.code == 2 and "--all-drivers and 'net0' do not go together" in result.err, result
    assert skinkd.asked("restart") == []


def test_several_domains_one_after_the_other(skink, skinkd):
    result = skink("destroy", "web", "nope", "db")
    assert result.code == 3
    assert result.out == "web: destroyed\ndb: destroyed\n"
    assert "there is no domain 'nope'" in result.err


def test_vcpu_list_and_pin(skink, skinkd):
    lines = skink("vcpu-list", "Domain-0").out.splitlines()
    assert lines[0].split() == ["Name", "ID", "VCPU", "CPU", "State", "Time(s)", "Affinity"]
    assert lines[2].split() == ["Domain-0", "0", "1", "-", "offline", "1.5", "all"]
    assert skink("vcpu", "pin", "web", "0", "0-1").code == 0
    assert skink("vcpupin", "web", "all", "all").code == 0
    assert skinkd.asked("vcpu-pin") == [{"domain": "web", "vcpu": 0, "cpus": "0-1"},
                                        {"domain": "web", "vcpu": "all", "cpus": "all"}]


def test_sched_sets_what_is_given_and_shows(skink, skinkd):
    result = skink("sched", "web", "--weight", "512", "-c", "150", "--warp=200", "--warp-limit", "1000")
    assert skinkd.asked("sched") == [{"domain": "web", "weight": 512, "cap": 150, "warp_us": 200, "warp_limit_us": 1000}]
    assert result.out.splitlines()[1].split() == ["web", "512", "150%", "200", "us", "1000", "us"]
    assert len(skink("sched").out.splitlines()) == 4


# ------------------------------------------------------------------ create

def test_create_sends_the_text_and_tells_the_id(skink, skinkd, manifest):
    result = skink("create", manifest)
    assert skinkd.asked("create") == [{"xml": MANIFEST, "file": manifest, "paused": False}]
    assert result.code == 0 and result.out == "new: running, its id is 7\n"
    assert "warning: there is none" in result.err


def test_create_paused(skink, manifest):
    assert skink("create", "-p", manifest).out == "new: paused, its id is 7\n"


def test_create_from_standard_input(skink, skinkd):
    assert skink("create", "-", typed=MANIFEST).code == 0
    assert skinkd.asked("create")[0]["xml"] == MANIFEST


def test_create_no_wait_ends_when_it_has_begun(skink, skinkd, manifest):
    def never_ready(params, connection):
        connection.progress("unpacking")
        return connection
    skinkd.answers["create"] = never_ready
    result = skink("create", manifest, "--no-wait")
    assert result.code == 0 and result.out == "being created: see 'skink list'\n", result


def test_create_no_wait_still_says_what_is_wrong_with_the_manifest(skink, skinkd, tmp_path):
    bad = tmp_path / "bad.xml"
    bad.write_text("<x/>")
    result = skink("create", "--no-wait", str(bad))
    assert result.code == 2
    assert result.err == f"{bad}:1:1: <x>: it is not a <domain>: write one\nskink: {bad} is no good manifest\n"


# ------------------------------------------------------------------ top, events

def test_top_in_batches(skink, skinkd):
    result = skink("top", "--batch", "-n", "2", "-d", "0.1")
    assert result.code == 0, result
    first, second = [part.splitlines() for part in result.out.strip().split("\n\n")]
    assert first[1].split() == ["NAME", "ID", "STATE", "CPU%", "VCPUS", "MEM", "MEM%", "EVENTS/s", "HYPERCALLS/s"]
    assert first[2].split()[3] == "-"
    assert second[2].split() == ["web", "3", "running", "50.0", "1", "128", "MiB", "3.1", "30", "12.0k"]
    assert second[3].split()[0] == "Domain-0"


def test_top_shows_network_and_disk_where_there_are_any(skink, skinkd):
    sample = skinkd.do_top({}, None)
    sample["domains"][1]["net"] = {"tx_bytes": 0, "rx_bytes": 0}
    sample["domains"][1]["disk"] = {"read_bytes": 0, "write_bytes": 0}
    later = json.loads(json.dumps(sample))
    later["time_ns"] += 2000000000
    later["domains"][1]["net"] = {"tx_bytes": 4194304, "rx_bytes": 2048}
    later["domains"][1]["disk"] = {"read_bytes": 0, "write_bytes": 20480}
    samples = [sample, later]
    skinkd.answers["top"] = lambda params, connection: samples.pop(0)
    lines = skink("top", "-b", "-n", "2", "-d", "0.1").out.splitlines()
    assert lines[1].split()[-4:] == ["NETTX/s", "NETRX/s", "VBD-RD/s", "VBD-WR/s"]
    web = next(line for line in lines[8:] if line.startswith("web"))
    assert re.search(r"2 MiB +1 KiB +0 B +10 KiB$", web), web


def test_top_does_not_make_up_rates_of_a_domain_with_a_used_id(skink, skinkd):
    sample = skinkd.do_top({}, None)
    later = json.loads(json.dumps(sample))
    later["time_ns"] += 1000000000
    later["domains"][1]["cpu_ns"] = 0
    samples = [sample, later]
    skinkd.answers["top"] = lambda params, connection: samples.pop(0)
    lines = skink("top", "-b", "-n", "2", "-d", "0.1").out.splitlines()
    assert [line.split()[3] for line in lines if line.startswith("web")] == ["-", "-"]


def test_top_as_json_is_a_sample_a_line(skink):
    lines = skink("top", "--json", "-n", "2", "-d", "0.1").out.splitlines()
    assert [len(json.loads(line)["domains"]) for line in lines] == [3, 3]


DEATH = {"domain": "net0", "id": 4, "told": ["net0 (id 4), 2026-01-01 00:00:00.250: hang: it gave no sign of life.", "It was at spin+0x4."],
         "backtrace": [{"at": "spin+0x4", "address": "ffffffff80001004", "guess": False},
                       {"at": "net_work+0x10", "address": "ffffffff80001110", "guess": True}]}


def test_list_of_a_driver_of_which_there_is_much_to_say(skink, skinkd):
    skinkd.domains = [domain("net0", 4, role="net", driver_state="x" * 200, front_ends=9, unprotected=True, restarts=3)]
    result = skink("list")
    assert result.code == 0 and "net driver, xxx" in result.out
    skinkd.domains = [domain("net0", 4, role="net", driver_state="closed", front_ends=9, unprotected=True, restarts=3)]
    assert "net driver, closed, serves 9, unprotected, restarted 3 times" in skink("list").out


def test_why_tells_of_the_last_death_and_who_is_not_served(skink, skinkd):
    skinkd.answers["why"] = {
        "domain": "net0", "death": DEATH, "driver": {"restart": {"state": "serving", "restarts": 3}},
        "set_aside": [{"domain": "web", "device": "xvda", "ring": 7, "index": 41, "deaths": 2, "text": "a write of 4 KiB"}],
        "events": [{"kind": "died", "text": "hang"}]}
    result = skink("why", "net0")
    assert result.code == 0 and result.err == "" and skinkd.asked("why") == [{"domain": "net0"}]
    lines = result.out.splitlines()
    assert lines[:3] == [*DEATH["told"], "It is serving now, after 3 restarts in all."]
    assert lines[3].startswith("xvda of web is set aside, and its guest waits: request 41 of ring 7 ended 2 lives of the driver. a write of 4 KiB")
    assert "  ffffffff80001004   spin+0x4" in lines and "  ffffffff80001110 ? net_work+0x10" in lines
    assert json.loads(skink("why", "net0", "--json").out)["death"] == DEATH


def test_why_shows_rings_and_ledger_when_asked(skink, skinkd):
    ring = {"device": "xvda", "domain": "web", "driver": "disk0", "queue": 0, "ring": "disk", "slots": 32, "req_prod": 12, "req_event": 13, "rsp_prod": 10,
            "rsp_event": 11, "commit": 11, "commit_whole": False, "published": 10, "waiting": [{"operation": "flush", "id": 3, "sector": 0, "segments": [], "index": 10}]}
    served = {"domain": "web", "kind": "disk", "name": "xvda", "driver": "disk0", "state": "connected", "why": "", "counters": {"read_bytes": 4096}}
    skinkd.answers["why"] = {"domain": "disk0", "death": {**DEATH, "attachments": [served], "rings": [ring]}, "events": []}
    assert "xvda" not in skink("why", "disk0").out
    told = skink("why", "disk0", "--verbose").out
    assert re.search(r"^Whom it served\n+Device .*\nxvda +web +disk0 +connected", told, re.M), told
    assert "web, xvda at disk0, queue 0, disk: 32 slots, 2 unanswered" in told and "commit 11 (not whole)  published 10" in told
    assert re.search(r"^ +10 .*flush", told, re.M), told


def test_why_of_one_whose_post_mortem_nobody_kept(skink, skinkd):
    restart = {"state": "serving", "restarts": 1, "causes": {"crash": 1, "hang": 0}, "last": {"cause": "crash", "text": "a page fault"}}
    skinkd.answers["why"] = {"domain": "net0", "death": None, "driver": {"restart": restart}, "set_aside": [], "events": []}
    assert skink("why", "net0").out == ("net0 has died (crash: a page fault), and there is no post-mortem of that.\n"
                                        "It is serving now, after 1 restarts in all.\n")
    restart["last"] = None
    assert skink("why", "net0").out.startswith("net0 has died, and there is no post-mortem of that.\n")


def test_why_of_one_that_never_died(skink, skinkd):
    skinkd.answers["why"] = {"domain": "net0", "death": None, "driver": {"restart": {"state": "serving", "restarts": 0}}, "set_aside": [],
                             "events": []}
    assert skink("why", "net0").out == "net0 has not died.\nIt is serving now, after 0 restarts in all.\n"
    skinkd.answers["why"] = {"domain": "net0", "death": None, "driver": {"restart": {"state": "serving", "restarts": 0, "causes": {"crash": 0, "hang": 0},
                                                                                   "last": None}}, "set_aside": [], "events": []}
    assert skink("why", "net0").out.startswith("net0 has not died.\n")
    skinkd.answers["why"] = {"domain": "web", "death": None, "events": [{"kind": "crashed", "text": "watchdog: restart"}]}
    assert skink("why", "web").out == "Last events\n  crashed: watchdog: restart\n"


USAGE = [{"domain": "old,\"one\"", "uuid": "u1", "role": "guest", "started": 1767225600, "ended": 1767229200.5, "restarts": 2,
          "memory_kib_seconds": 131072 * 3600, "cpu_ns": 1500000000, "net_rx_bytes": 1, "net_tx_bytes": 2, "disk_read_bytes": 3,
          "disk_write_bytes": 4},
         {"domain": "web", "uuid": "u2", "role": "guest", "started": 1767225600, "ended": None, "restarts": 0, "memory_kib_seconds": 0,
          "cpu_ns": 0, "net_rx_bytes": 0, "net_tx_bytes": 0, "disk_read_bytes": 1 << 60, "disk_write_bytes": 0}]


def test_usage_is_a_table_of_those_that_are_there_and_those_that_are_gone(skink, skinkd):
    skinkd.answers["usage"] = {"usage": USAGE}
    result = skink("usage")
    assert result.code == 0 and re.search(r"^Domain +Role +Started +Ended +CPU", result.out, re.M | re.I), result
    assert re.search(r"^web +guest +\S+ \S+ +- ", result.out, re.M) and "128 MiB" in result.out, result.out
    assert json.loads(skink("usage", "--json").out) == USAGE
    assert skink("usage", "web").code == 0 and skinkd.asked("usage")[-1] == {"domain": "web"}


def test_usage_as_csv_is_read_by_others(skink, skinkd):
    skinkd.answers["usage"] = {"usage": USAGE}
    rows = list(csv.DictReader(io.StringIO(skink("usage", "--csv").out)))
    assert [row["domain"] for row in rows] == ['old,"one"', "web"]
    assert rows[0]["cpu_seconds"] == "1.500000" and float(rows[0]["memory_mib_hours"]) == 128 and rows[0]["ended"] == "1767229200.500"
    assert rows[1]["ended"] == "" and rows[1]["disk_read_bytes"] == str(1 << 60)


def test_events_follow(skinkd):
    def follow(params, connection):
        connection.result({"events": [{"time": 1, "kind": "created", "domain": "web", "id": 3, "text": "one"}]})
        event = {"time": 2, "kind": "crashed", "domain": "web", "id": 3, "text": "two"}
        connection.send({"jsonrpc": "2.0", "method": "event", "params": event})
        return connection
    skinkd.answers["events"] = follow
    child = command.start(skinkd.path, "events", "--follow", "--json")
    lines = [json.loads(child.stdout.readline()) for _ in range(2)]
    assert [line["text"] for line in lines] == ["one", "two"]
    result = command.interrupt(child)
    assert result.code == 130 and result.err == "", result
    assert skinkd.asked("events") == [{"follow": True}]


# ------------------------------------------------------------------ manifests

def test_plan_sends_all_manifests_of_the_directory(skink, skinkd, tmp_path):
    for name in ["b.xml", "a.xml", "note.txt", ".hidden.xml"]:
        (tmp_path / name).write_text(MANIFEST)
    result = skink("plan", str(tmp_path))
    params = skinkd.asked("plan")[0]
    assert [file["file"] for file in params["files"]] == [f"{tmp_path}/a.xml", f"{tmp_path}/b.xml"]
    assert params["prune"] is False and params["restart"] is False
    assert result.code == 0 and result.out == (
        "~ change   web\n"
        "    memory: 131072 KiB -> 262144 KiB\n"
        "? blocked  db: it would have to be restarted: --restart allows it\n"
        "    kernel: /boot/a -> (nothing) (by a restart)\n"
        "+ create   mail\n"
        "Nothing has been changed: 'skink apply' does it.\n")


def test_apply_prunes_and_restarts_only_when_told(skink, skinkd, tmp_path):
    assert skink("apply", str(tmp_path)).code == 0
    assert skink("apply", str(tmp_path), "--prune", "--restart").code == 0
    assert [(params["prune"], params["restart"]) for params in skinkd.asked("apply")] == [(False, False), (True, True)]


def test_apply_says_when_there_is_nothing_to_do(skink, skinkd, tmp_path):
    skinkd.answers["apply"] = {"steps": [{"domain": "web", "action": "keep", "changes": [], "note": None, "done": True,
                                          "error": None}], "warnings": ["a.xml:1:1: <x>: w"]}
    result = skink("apply", str(tmp_path))
    assert result.out == "= keep     web\nNothing to do: the host is as the manifests say.\n"
    assert result.err == "a.xml:1:1: <x>: w\n"


def test_plan_and_apply_as_json(skink, tmp_path):
    assert len(json.loads(skink("plan", str(tmp_path), "--json").out)["steps"]) == 3
    assert json.loads(skink("apply", str(tmp_path), "--json").out)["steps"][2]["done"] is True


def test_apply_shows_the_steps_when_one_failed(skink, skinkd, tmp_path):
    from fake_skinkd import Error

    def fail(params, connection):
        raise Error(1, "1 of 1 steps failed", [{"domain": "web", "action": "create", "changes": [], "note": None,
                                                "done": False, "error": "no memory"}])
    skinkd.answers["apply"] = fail
    result = skink("apply", str(tmp_path))
    assert result.code == 1
    assert result.out == "+ create   web: failed: no memory\n"
    assert result.err == "skink: 1 of 1 steps failed\n"
