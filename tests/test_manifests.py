# SPDX-License-Identifier: MIT
"""Manifests by `skink validate`, which needs no skinkd: the corpus, the examples, docs/manifest.md, and what editors see of the schema."""
import glob
import os
import re
import subprocess
import xml.etree.ElementTree as ElementTree

import pytest

from machine import PATIENCE

SKINK = "build/dom0/skink"
SCHEMA = "manifests/skink.rng"
PAGE = "docs/manifest.md"
RNG = "{http://relaxng.org/ns/structure/1.0}"
SAY = "{urn:skink:schema:1}"

BAD = sorted(glob.glob("tests/manifests/bad/*.xml"))
GOOD = sorted(glob.glob("tests/manifests/good/*.xml") + glob.glob("manifests/*.xml") + glob.glob("manifests/examples/*.xml"))

GUEST = """<domain type='skink' xmlns:skink='urn:skink:manifest:1'>
<name>guest</name><memory unit='MiB'>128</memory>%s
<os><kernel>/boot/vmlinuz</kernel></os>
</domain>
"""
DRIVER = """<domain type='skink' xmlns:skink='urn:skink:manifest:1'>
<name>driver</name><memory unit='MiB'>16</memory>
<devices><hostdev type='pci'><source><address bus='0x00' slot='0x03' function='0x0'/></source></hostdev></devices>
<skink:driver role='net'>%s</skink:driver>
</domain>
"""
WHOLE = {"": "%s", "whole": "%s", "domain": GUEST, "devices": GUEST % "<devices>%s</devices>", "driver": DRIVER}


def validate(path, *options):
    return subprocess.run([SKINK, "validate", *options, path], stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60 * PATIENCE,
                          encoding="utf-8", errors="replace")


def expected(path):
    """Lines of PATH's .expect file, or of its <!-- expect: ... --> comments, without the file's name."""
    beside = path[:-len(".xml")] + ".expect"
    if os.path.exists(beside):
        with open(beside, encoding="utf-8") as file:
            return file.read().splitlines()
    with open(path, encoding="utf-8", errors="replace") as file:
        return re.findall(r"^<!-- expect: (.*) -->$", file.read(), re.MULTILINE)


def test_there_are_enough_of_them():
    assert len(BAD) >= 200 and len(GOOD) >= 20


@pytest.mark.parametrize("path", BAD, ids=os.path.basename)
def test_bad(path):
    result = validate(path)
    assert result.returncode == 2, result
    assert result.stderr.splitlines() == [f"{path}:{line}" for line in expected(path)]
    form = re.compile(re.escape(path) + r":\d+:\d+: (warning: )?<[^ >]+>: [^:].*: .+")
    for line in result.stderr.splitlines():
        assert form.fullmatch(line), line


@pytest.mark.parametrize("path", GOOD, ids=os.path.basename)
def test_good(path):
    result = validate(path)
    assert result.returncode == 0, result
    assert result.stderr.splitlines() == [f"{path}:{line}" for line in expected(path)]


def test_all_mistakes_are_told_at_once_and_in_order(tmp_path):
    path = tmp_path / "a.xml"
    path.write_text("<domain type='kvm'>\n <name>a b</name>\n <memory>1</memory>\n <vcpu>99</vcpu>\n <colour/>\n"
                    " <os><kernel>x</kernel></os>\n</domain>\n")
    lines = [int(line.split(":")[1]) for line in validate(str(path)).stderr.splitlines()]
    assert lines == [1, 2, 3, 4, 5, 6]


def test_many_mistakes_are_counted(tmp_path):
    path = tmp_path / "a.xml"
    path.write_text("<domain>" + "<a/>\n" * 5000 + "</domain>")
    result = validate(str(path))
    assert result.returncode == 2 and len(result.stderr.splitlines()) == 101
    assert "more: mend these first" in result.stderr.splitlines()[-1]


def test_huge(tmp_path):
    path = tmp_path / "huge.xml"
    path.write_bytes(b"<domain type='skink'>" + b"<name>a</name>" * 10_000_000)
    result = validate(str(path))
    assert result.returncode == 2 and "larger than any manifest" in result.stderr, result.stderr[:500]


def test_two_domains_of_one_name(tmp_path):
    with open("manifests/examples/guest.xml", encoding="utf-8") as file:
        text = file.read()
    for name in ("a.xml", "b.xml"):
        (tmp_path / name).write_text(text)
    result = validate(str(tmp_path))
    assert result.returncode == 2
    assert f"{tmp_path}/b.xml:3:3: <name>: 'guest' is the name in {tmp_path}/a.xml, line 3, too" in result.stderr


def fences():
    with open(PAGE, encoding="utf-8") as file:
        text = file.read()
    return [(text[:match.start()].count("\n") + 1, match.group(1).strip(), match.group(2))
            for match in re.finditer(r"^```xml([^\n]*)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)]


@pytest.mark.parametrize("line,where,text", fences(), ids=lambda value: str(value) if isinstance(value, int) else "")
def test_the_page_is_right(line, where, text, tmp_path):
    path = tmp_path / "example.xml"
    path.write_text(WHOLE[where] % text, encoding="utf-8")
    result = validate(str(path))
    assert result.returncode == 0 and result.stderr == "", f"{PAGE}:{line}: {result.stderr}"


def schema_names(kind):
    """Names of elements or attributes that Skink obeys."""
    root = ElementTree.parse(SCHEMA).getroot()
    return sorted({node.get("name") for node in root.iter(RNG + kind) if node.get("name") and not node.get(SAY + "harmless")})


def test_the_page_and_its_examples_have_every_element_and_attribute():
    with open(PAGE, encoding="utf-8") as file:
        text = file.read()
    examples = "".join(example for _, _, example in fences())
    assert len(schema_names("element")) > 60
    for name in schema_names("element"):
        assert re.search(rf"<{name}[ >/]", text), f"{PAGE} does not tell of <{name}>"
        if name not in ("features",):
            assert re.search(rf"<{name}[ >/]", examples), f"no example in {PAGE} has <{name}>"
    for name in schema_names("attribute"):
        assert re.search(rf"\b{name}(=|`)", text), f"{PAGE} does not tell of {name}="


def test_editors_can_show_what_each_element_means():
    documentation = "{http://relaxng.org/ns/compatibility/annotations/1.0}documentation"
    for node in ElementTree.parse(SCHEMA).getroot().iter(RNG + "element"):
        if node.get("name") and not node.get(SAY + "harmless"):
            assert node.find(documentation) is not None, f"{SCHEMA} has no documentation of <{node.get('name')}>"


def test_editors_see_what_skink_sees():
    """libxml2 alone, by the schema, takes each example for good: editors do no more than that."""
    result = subprocess.run(["xmllint", "--noout", "--nonet", "--relaxng", SCHEMA, *GOOD], stderr=subprocess.PIPE, text=True, timeout=60 * PATIENCE)
    assert result.returncode == 0, result.stderr[-2000:]


@pytest.mark.parametrize("path", ["tests/manifests/good/everything.xml", "tests/manifests/good/driver-net.xml"], ids=os.path.basename)
def test_elements_stand_in_any_order(path, tmp_path):
    tree = ElementTree.parse(path)
    for node in list(tree.iter()):
        node[:] = reversed(list(node))
    backwards = tmp_path / "backwards.xml"
    tree.write(backwards, encoding="utf-8")
    assert validate(str(backwards)).returncode == 0, validate(str(backwards)).stderr


def test_nothing_is_read_but_the_file(tmp_path):
    path = tmp_path / "a.xml"
    path.write_text("<!DOCTYPE domain SYSTEM '/etc/hostname' [<!ENTITY e SYSTEM 'file:///etc/passwd'>]>\n<domain type='skink'>&e;</domain>")
    trace = tmp_path / "trace"
    subprocess.run(["strace", "-f", "-e", "trace=openat,open,connect,socket", "-o", str(trace), SKINK, "validate", str(path)],
                   stderr=subprocess.DEVNULL, check=False, timeout=60 * PATIENCE)
    opened = trace.read_text()
    assert str(path) in opened
    for what in ("/etc/hostname", "/etc/passwd", "socket(", "connect("):
        assert what not in opened, opened
