# SPDX-License-Identifier: MIT
"""Metrics as a collector gets them, and what a domain used that is gone, in the Dom0 that others share."""
import csv
import io
import json
import re

import pytest
import yaml
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from dom0 import guest, wait_until
from test_drivers import driver, interface, with_namespace

RULES, DASHBOARD = "docs/metrics/rules.yml", "docs/metrics/dashboard.json"
# Debian's own perl is all that Dom0 has to speak to a socket with.
GET = """perl -MIO::Socket::UNIX -e '$s = IO::Socket::UNIX->new(Peer => "/run/skink/metrics.sock") or die $!; """ \
      """print $s "%s\\r\\n\\r\\n"; print while <$s>'"""


@pytest.fixture(scope="module")
def dom0(shared_dom0):
    it = shared_dom0
    it.write("/run/lan.xml", driver("lan", "net", unprotected=False))
    it.check("skink create /run/lan.xml", 120)
    it.write("/run/paid.xml", with_namespace(guest("paid", devices=interface("lan"), memory_mib=128)))
    it.check("skink create /run/paid.xml", 240)
    wait_until(lambda: '"connected"' in it.check("skink info paid --json"), 240)
    return it


def scraped(dom0):
    head, _, body = dom0.check(GET % "GET /metrics HTTP/1.1", 60).partition("# TYPE")
    assert "200 OK" in head and "application/openmetrics-text" in head
    body = "# TYPE" + body + "\n"
    return {family.name: family for family in text_string_to_metric_families(body)}


def value(families, family, suffix="", **labels):
    found = [sample.value for sample in families[family].samples
             if sample.name == family + suffix and labels.items() <= sample.labels.items()]
    assert len(found) == 1, (family, labels, families[family].samples)
    return found[0]


def test_a_collector_reads_them(dom0):
    families = scraped(dom0)
    assert value(families, "skink_domain_state", domain="paid", skink_domain_state="crashed") == 0
    assert value(families, "skink_domain_memory_bytes", domain="paid") == 128 << 20
    assert value(families, "skink_domain_cpu_seconds", "_total", domain="paid") > 1
    assert value(families, "skink_driver_state", driver="lan", skink_driver_state="serving") == 1
    assert value(families, "skink_driver_state", driver="lan", skink_driver_state="changing") == 0
    assert value(families, "skink_driver_deaths", "_total", driver="lan", cause="crash") == 0
    assert value(families, "skink_ring_slots", driver="lan", domain="paid", ring="transmit") == 256
    assert 0 < value(families, "skink_ring_unanswered", driver="lan", domain="paid", ring="receive") <= 256
    assert value(families, "skink_events", "_total", kind="created") >= 2
    assert value(families, "skink_host_memory_free_bytes") < value(families, "skink_host_memory_bytes")


def test_a_restart_is_counted_and_timed(dom0):
    before = value(scraped(dom0), "skink_driver_restarts", "_total", driver="lan")
    dom0.check("skink restart lan --timeout 60", 60)
    wait_until(lambda: "skink_driver_recovery_seconds" in dom0.check(GET % "GET /metrics HTTP/1.1" + " | grep 'recovery_seconds_count.*lan' || true", 60), 60)
    families = scraped(dom0)
    assert value(families, "skink_driver_restarts", "_total", driver="lan") == before + 1
    assert value(families, "skink_driver_deaths", "_total", driver="lan", cause="by-hand") >= 1
    assert value(families, "skink_driver_recovery_seconds", "_count", driver="lan") >= 1


def test_nothing_else_is_answered(dom0):
    assert " 404 " in dom0.check(GET % "GET /etc/passwd HTTP/1.1") and " 405 " in dom0.check(GET % "DELETE /metrics HTTP/1.1")
    assert "socket" in dom0.check("stat -c '%F %a' /run/skink/metrics.sock") and not dom0.run("ss -ltn 2>/dev/null | grep -q :9977")[0] == 0


# By TCP: the same words from whatever address of this machine.
GET_FROM = """perl -MIO::Socket::INET -e '$s = IO::Socket::INET->new(PeerAddr => "%s", PeerPort => 9977) or die $!; print $s "GET /metrics HTTP/1.1\\r\\n\\r\\n"; print while <$s>'"""


def set_metrics(dom0, line):
    dom0.check(f"sed -i /metrics_port/d /etc/skink/skinkd.conf; echo '{line}' >> /etc/skink/skinkd.conf; sv -w 20 restart skinkd; until skink version > /dev/null 2>&1; do sleep 0.2; done", 60)


def test_by_tcp_they_are_asked_for_and_do_not_leave_the_machine(dom0):
    set_metrics(dom0, "metrics_port = 9977")
    try:
        assert "200 OK" in (said := dom0.check(GET_FROM % "127.0.0.1", 60)) and "skink_domain_state" in said
        assert "Connection refused" in dom0.run(GET_FROM % "127.0.0.2", 60)[1], "it listens to more than the one address"
    finally:
        set_metrics(dom0, "")
    assert "Connection refused" in dom0.run(GET_FROM % "127.0.0.1", 60)[1]


def test_prometheus_can_read_the_rules():
    with open(RULES, encoding="utf-8") as file:
        groups = yaml.safe_load(file)["groups"]
    for rule in (rule for group in groups for rule in group["rules"]):
        assert isinstance(rule["expr"], str) and len({"alert", "record"} & set(rule)) == 1, rule
        assert set(rule) <= {"alert", "record", "expr", "for", "labels", "annotations"}, rule
        assert "record" in rule or rule["labels"]["severity"] in ("warning", "critical") and rule["annotations"]["summary"], rule


def test_rules_and_dashboard_name_what_there_is(dom0):
    known = set()
    for family in scraped(dom0).values():
        known |= {family.name} | {sample.name for sample in family.samples}
    # No disk, no frame lost and no error in this Dom0: their families are there without a sample.
    known |= {name + "_total" for name in known if name.startswith("skink_attachment")}
    for path in (RULES, DASHBOARD):
        with open(path, encoding="utf-8") as file:
            text = file.read()
        if path.endswith(".json"):
            text = json.dumps([target["expr"] for panel in json.loads(text)["panels"] for target in panel["targets"]])
        used = {name for name in re.findall(r"(?<![:\w])skink_\w+", text) if name not in ("skink_cpu", "skink_bytes", "skink_recovery_seconds")}
        missing = {name for name in used if name not in known and not name.endswith("_bucket")}
        assert used and not missing, f"{path} uses {missing}"


def test_guest_that_is_built_again_while_its_driver_stands_still_is_counted_once(dom0):
    dom0.check("skink dumpxml paid > /run/same.xml; skink pause lan; skink destroy paid && skink create /run/same.xml", 240)
    try:
        assert [one["domain"] for one in json.loads(dom0.check("skink info lan --json"))["attachments"]] == ["paid", "paid"]
        value(scraped(dom0), "skink_attachment_bytes", "_total", domain="paid", direction="received")
    finally:
        dom0.check("skink unpause lan")
    wait_until(lambda: '"connected"' in dom0.check("skink info paid --json"), 240)


def test_what_a_domain_used_outlives_it(dom0):
    def used():
        return [row for row in csv.DictReader(io.StringIO(dom0.check("skink usage paid --csv").lstrip())) if row["domain"] == "paid"]
    running = used()[-1]
    assert running["ended"] == "" and float(running["cpu_seconds"]) > 1
    dom0.check("skink destroy paid", 60)
    wait_until(lambda: used()[-1]["ended"])
    gone = used()[-1]
    assert gone["uuid"] == running["uuid"] and float(gone["cpu_seconds"]) >= float(running["cpu_seconds"])
    assert float(gone["memory_mib_hours"]) > 0
    # Also when skinkd is killed in between.
    dom0.check("kill -9 $(pidof skinkd); until skink version > /dev/null 2>&1; do sleep 0.2; done", 60)
    assert used()[-1] == gone
    status, said = dom0.run("skink usage nobody")
    assert status == 3 and "nothing is known of what a domain 'nobody' used" in said
