# SPDX-License-Identifier: MIT
"""Manifests that Dom0 refuses: those that are wrong by themselves, and those (tests/manifests/host) that only this host
shows to be wrong: a file that is not there or is no kernel, too much memory, no driver domain. Exit code 2, the words
that the file expects on top of it ("*": whatever the machine says there), no domain, and all memory as before."""
import fnmatch
import glob
import json
import os
import re

import pytest

from dom0 import guest

HOST = sorted(glob.glob("tests/manifests/host/*.xml"))
BAD = sorted(glob.glob("tests/manifests/bad/*.xml"))
SOME_OF_BAD = BAD if os.environ.get("SKINK_FULL") else BAD[::6]


@pytest.fixture(scope="module")
def dom0(shared_dom0):
    """With HOST and SOME_OF_BAD under /refused: conftest.py."""
    return shared_dom0


def expected(path):
    with open(path, encoding="utf-8") as file:
        return re.findall(r"^<!-- expect: (.*) -->$", file.read(), re.MULTILINE)


def facts(dom0):
    """What a refusal must leave as it was. The record of usage comes by itself, a while after skinkd has begun."""
    info = json.loads(re.search(r"\{.*\}", dom0.check("skink info --json"), re.DOTALL).group())
    return info["memory_free_kib"], info["domains"], dom0.check("xenstore-ls /local/domain | grep -c '^ [0-9]* = '; ls /var/lib/skink | grep -cv usage")


@pytest.mark.parametrize("path", HOST, ids=os.path.basename)
def test_what_only_the_host_shows(dom0, path):
    before = facts(dom0)
    status, output = dom0.run(f"skink create /refused/host/{os.path.basename(path)}", 120)
    assert status == 2, output
    said = [line for line in output.splitlines() if line.startswith("/refused/")]
    for line, pattern in zip(said, expected(path), strict=True):
        pattern = pattern.replace("[", "[[]")
        assert fnmatch.fnmatchcase(line, f"/refused/host/{os.path.basename(path)}:{pattern}"), (line, pattern)
        assert re.fullmatch(r"\S+:\d+:\d+: <[^ >]+>: [^:].*: .+", line), line
    assert facts(dom0) == before


def test_what_is_wrong_by_itself(dom0):
    before = facts(dom0)
    output = dom0.check("for f in /refused/bad/*.xml; do skink create $f > /tmp/said 2>&1; [ $? = 2 ] && grep -q \"^$f:[0-9]\" /tmp/said || "
                        "echo \"taken: $f\"; done; ls /refused/bad | wc -l", 900)
    assert "taken:" not in output.replace('"taken:', ""), output
    assert str(len(SOME_OF_BAD)) in output.split()
    assert facts(dom0) == before


def test_a_name_and_a_uuid_have_one_owner(dom0):
    uuid = "<uuid>3e3fce45-4f53-4fa7-bb32-11f34168b82b</uuid>"
    dom0.write("/run/first.xml", guest("first", more=uuid))
    dom0.write("/run/name.xml", guest("first"))
    dom0.write("/run/uuid.xml", guest("second", more=uuid))
    dom0.check("skink create --paused /run/first.xml", 120)
    try:
        before = facts(dom0)
        for path, place in (("/run/name.xml", r"2:3: <name>"), ("/run/uuid.xml", r"11:3: <uuid>")):
            status, output = dom0.run(f"skink create {path}", 120)
            assert status == 2 and re.search(rf"^{path}:{place}: [^:]*: .*", output, re.MULTILINE), output
        assert facts(dom0) == before
    finally:
        dom0.check("skink destroy first", 120)
