# SPDX-License-Identifier: MIT
"""`skink validate`, without a daemon: the corpora of manifests, sets of them, the examples in the administrator's guide."""
import glob
import json
import os
import re
import shutil
import subprocess

import pytest

import command

BAD = sorted(glob.glob("tests/manifests/bad/*.xml"))
GOOD = sorted(glob.glob("tests/manifests/good/*.xml") + glob.glob("manifests/**/*.xml", recursive=True))
LINE = re.compile(r"^[^:]+:\d+:\d+: (warning: )?<[^>]*>: .+: .+$")


def validate(*files, program=command.CHECKED):
    return command.run("/nowhere", "validate", *files, program=program)


def manifest(name, **more):
    elements = {"memory": "<memory unit='MiB'>64</memory>", "os": "<os><type>xen</type><kernel>/boot/vmlinuz</kernel></os>"}
    elements.update(more)
    return f"<domain type='skink'><name>{name}</name>{''.join(elements.values())}</domain>\n"


def test_the_corpora_are_there():
    assert len(BAD) >= 200


def test_each_bad_manifest_is_refused_with_2_and_a_place():
    for file in BAD:
        result = validate(file, program=command.PLAIN)
        assert result.code == 2 and result.out == "", (file, result)
        for line in result.err.splitlines():
            assert LINE.match(line) and line.startswith(file + ":"), (file, line)


def test_all_bad_manifests_at_once():
    result = validate("tests/manifests/bad")
    assert result.code == 2
    assert re.search(r"^\d+ more: mend these first$", result.err, re.M)


@pytest.mark.parametrize("file", GOOD or [None], ids=lambda file: os.path.basename(file or "none"))
def test_each_good_manifest_is_good(file):
    assert file, "there are no good manifests"
    result = validate(file)
    assert result.code == 0 and result.out == "1 manifest is good\n", result


def test_it_alone_loads_libxml2():
    """What that brings along takes longer to load than all that another verb does."""
    needed = {program: subprocess.run(["readelf", "-d", program], stdout=subprocess.PIPE, text=True, check=True).stdout
              for program in (command.PLAIN, f"{command.PLAIN}-validate")}
    assert [program for program, said in needed.items() if "[libxml2." in said] == [f"{command.PLAIN}-validate"]


def test_the_program_beside_skink_is_missed(tmp_path):
    shutil.copy(command.PLAIN, tmp_path / "skink")
    result = validate(GOOD[0], program=str(tmp_path / "skink"))
    assert result.code == 1 and f"{tmp_path}/skink-validate: No such file" in result.err, result


def test_the_guide_begins_with_a_good_manifest(tmp_path):
    with open("docs/admin.md", encoding="utf-8") as guide:
        text = re.search(r"```xml\n(.*?)```", guide.read(), re.S).group(1)
    (tmp_path / "web.xml").write_text(text)
    result = validate(str(tmp_path / "web.xml"))
    assert result.code == 0 and result.err == "", result


def test_what_the_guide_shows_of_a_wrong_manifest_is_what_is_said(tmp_path):
    with open("docs/admin.md", encoding="utf-8") as guide:
        text = guide.read()
    shown = re.search(r"^    (bad\.xml:.*)$", text, re.M).group(1)
    wrong = re.search(r"```xml\n(.*?)```", text, re.S).group(1).replace("<vcpu>1", "<vcpu>many")
    (tmp_path / "bad.xml").write_text(wrong)
    assert command.run("/nowhere", "validate", "bad.xml", cwd=tmp_path).err == shown + "\n"


def test_a_name_twice_in_a_set_is_seen(tmp_path):
    (tmp_path / "a.xml").write_text(manifest("web"))
    (tmp_path / "b.xml").write_text(manifest("web"))
    result = validate(str(tmp_path))
    assert result.code == 2 and f"{tmp_path}/b.xml:1:" in result.err, result
    assert validate(str(tmp_path / "a.xml"), str(tmp_path / "b.xml")).code == 2
    (tmp_path / "b.xml").write_text(manifest("db"))
    assert validate(str(tmp_path)).out == "2 manifests are good\n"


def test_a_missing_file_does_not_hide_what_is_wrong_with_the_others(tmp_path):
    (tmp_path / "a.xml").write_text("<domain>")
    result = validate(str(tmp_path / "none.xml"), str(tmp_path / "a.xml"))
    assert result.code == 2
    assert "none.xml: cannot read it" in result.err and "a.xml:1:" in result.err


def test_an_empty_directory_is_said(tmp_path):
    result = validate(str(tmp_path))
    assert result.code == 0 and result.err == f"{tmp_path}: there is no *.xml in it\n", result


def test_complaints_as_json(tmp_path):
    (tmp_path / "a.xml").write_text(manifest("web", memory="<memory>lots</memory>"))
    result = command.run("/nowhere", "validate", "--json", str(tmp_path / "a.xml"))
    assert result.code == 2 and result.err == ""
    complaint, = json.loads(result.out)
    assert complaint["element"] == "memory" and complaint["severity"] == "error" and complaint["line"] == 1
    assert complaint["file"] == f"{tmp_path}/a.xml" and complaint["what"] and complaint["remedy"]
    assert json.loads(command.run("/nowhere", "--json", "validate", GOOD[0]).out) is not None
