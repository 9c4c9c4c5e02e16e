# SPDX-License-Identifier: MIT
"""Manifests that Dom0 refuses: those that are wrong by themselves, and those (tests/manifests/host) that only this host
shows to be wrong: a file that is not there or is no kernel, too much memory, no driver domain. Exit code 2, the words
that the file expects on top of it ("*": whatever the machine says there), no domain, and all memory as before."""
import fnmatch
import glob
import json
import os
import re
import shutil
import subprocess

import pytest

from dom0 import IMAGE, Dom0, guest

HOST = sorted(glob.glob("tests/manifests/host/*.xml"))
BAD = sorted(glob.glob("tests/manifests/bad/*.xml"))
SOME_OF_BAD = BAD if os.environ.get("SKINK_FULL") else BAD[::6]


def with_manifests(folder):
    """Dom0's image with HOST and SOME_OF_BAD under /refused: one more archive behind it, where archives may begin."""
    tree = folder / "tree"
    for name, paths in (("host", HOST), ("bad", SOME_OF_BAD)):
        (tree / "refused" / name).mkdir(parents=True)
        for path in paths:
            shutil.copy(path, tree / "refused" / name)
    (tree / "refused" / "empty").touch()
    listing = subprocess.run(["find", "refused"], cwd=tree, stdout=subprocess.PIPE, check=True).stdout
    archive = subprocess.run(["cpio", "--quiet", "-o", "-H", "newc"], cwd=tree, input=listing, stdout=subprocess.PIPE, check=True).stdout
    image = folder / "dom0"
    with open(IMAGE, "rb") as file:
        image.write_bytes(file.read())
    with open(image, "ab") as file:
        file.write(b"\0" * (-file.tell() % 512))
        file.write(archive)
    return image


@pytest.fixture(scope="module")
def dom0(tmp_path_factory):
    with Dom0("refusals", smp="1", memory=2048, limit=1500, image=with_manifests(tmp_path_factory.mktemp("refusals"))) as it:
        yield it.log_in()


def expected(path):
    with open(path, encoding="utf-8") as file:
        return re.findall(r"^<!-- expect: (.*) -->$", file.read(), re.MULTILINE)


def facts(dom0):
    """What a refusal must leave as it was."""
    info = json.loads(re.search(r"\{.*\}", dom0.check("skink info --json"), re.DOTALL).group())
    return info["memory_free_kib"], info["domains"], dom0.check("xenstore-ls /local/domain | grep -c '^ [0-9]* = '; ls /var/lib/skink | wc -l")


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
