# SPDX-License-Identifier: MIT
"""What is written about skink(1): manual pages, the administrator's guide, completion. They name what is there, and no more."""
import glob
import os
import re
import subprocess

import pytest

import command

PAGES = sorted(glob.glob("dom0/skink/man/*.[158]"))
GUIDE = "docs/admin.md"
COMPLETION = "dom0/skink/completion.bash"


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def verbs():
    return re.findall(r"^  ([a-z-]+) ", command.run("/nowhere", "help").out, re.M)


def options_of(verb):
    return re.findall(r"--([a-z-]+)", command.run("/nowhere", verb, "--help").out.split("--help")[0])


# ------------------------------------------------------------------ manual pages

def test_the_pages_are_there():
    assert [os.path.basename(page) for page in PAGES] == ["skink.1", "skinkd.8", "skinkd.conf.5"]


@pytest.mark.parametrize("page", PAGES, ids=os.path.basename)
def test_a_page_has_no_warning(page):
    done = subprocess.run(["groff", "-t", "-man", "-ww", "-Tutf8", "-rLL=80n", page], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert done.returncode == 0 and done.stderr == b"", done.stderr.decode()
    text = re.sub(".\b|\x1b\\[[0-9;]*m", "", done.stdout.decode())
    for section in ("NAME", "SYNOPSIS", "DESCRIPTION", "SEE ALSO"):
        assert re.search(f"^{section}$", text, re.M), f"{page} has no {section}"
    assert max(len(line) for line in text.splitlines()) <= 80


def test_the_manual_has_every_verb_and_option_and_no_other():
    page = read("dom0/skink/man/skink.1").replace("\\-", "-")
    entries = re.findall(r'^(?:\.BR?I? "?|\\fB)((?:volume )?[a-z-]+)', page[page.index(".SH DOMAINS"):page.index(".SH OPTIONS")], re.M)
    assert [verb for verb in verbs() if verb.replace("volume-", "volume ") not in entries] == []
    for verb in verbs():
        for option in options_of(verb):
            assert f"--{option}" in page, f"--{option} of {verb} is not in the manual"
    known = {option for verb in verbs() for option in options_of(verb)} | {"help", "version", "socket"}
    assert set(re.findall(r"--([a-z][a-z-]+)", page)) <= known


def test_the_manual_of_the_settings_has_all_of_them():
    keys = set(re.findall(r"(?:TEXT|NUMBER)\((\w+), ", read("dom0/skinkd/conf.c"))) - {"name"}
    described = set(re.findall(r"^\.TP\n\.B (\w+)$", read("dom0/skink/man/skinkd.conf.5"), re.M))
    assert keys and keys == described


def test_the_manual_of_the_settings_has_their_defaults():
    page = read("dom0/skink/man/skinkd.conf.5")
    for key, value in re.findall(r'(?:TEXT|NUMBER)\((\w+), "?([^")]+)"?\)', read("dom0/skinkd/conf.c")):
        if key != "name":
            entry = re.search(rf"^\.B {key}\n(.*?)(?=^\.TP|^\.SH)", page, re.M | re.S).group(1)
            assert re.search(rf"^\.I {re.escape(value)}$", entry, re.M), f"{key} is {value} where it is not said otherwise"


def test_the_manual_of_the_daemon_has_its_options():
    page = read("dom0/skink/man/skinkd.8").replace("\\-", "-")
    options = re.findall(r'^\t\t\{ "([\w-]+)", ', read("dom0/skinkd/main.c"), re.M)
    assert options
    assert set(re.findall(r"--([a-z][\w-]*)", page)) == {*options, "help", "version"}


# ------------------------------------------------------------------ the administrator's guide

def test_the_guide_writes_only_commands_that_exist():
    found = re.findall(r"\bskink ([a-z][a-z-]+)((?: +[^\s`|;&#]+)*)", "\n".join(code_of(read(GUIDE))))
    assert len(found) > 30
    for verb, rest in found:
        words = rest.split()
        if verb in ("vcpu", "volume"):
            verb = f"{verb}-{words[0]}"
        assert verb in verbs(), f"'skink {verb}' is in {GUIDE}"
        for option in re.findall(r"--([a-z-]+)", rest):
            assert option in options_of(verb) + ["help"], f"'skink {verb} --{option}' is in {GUIDE}"


def test_the_guide_has_every_verb():
    # "vcpu list" and "vcpu-list" are one verb.
    names = {verb: re.sub("^(vcpu|volume)-", "\\1[ -]", verb) for verb in verbs()}
    assert [verb for verb in verbs() if not re.search(rf"skink {names[verb]}\b", read(GUIDE))] == []


def test_the_links_of_the_guide_lead_somewhere():
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", read(GUIDE)):
        assert os.path.exists(os.path.join("docs", target)), target


def code_of(text):
    """What stands in back quotes or indented by four."""
    return re.findall(r"`([^`\n]+)`", text) + re.findall(r"^    (.*)$", text, re.M)


# ------------------------------------------------------------------ completion

def complete(socket, line, cwd=None):
    """What bash offers for the last word of a line."""
    words = line.split(" ")
    script = (f"source {os.path.abspath(COMPLETION)}; compopt() {{ :; }}; COMP_WORDS=(" +
              " ".join(f"'{word}'" for word in words) + f"); COMP_CWORD={len(words) - 1}; _skink; "
              "printf '%s\\n' \"${COMPREPLY[@]}\"")
    env = command.environment(socket, PATH=f"{bin_folder()}:{os.environ['PATH']}")
    done = subprocess.run(["bash", "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=env, cwd=cwd)
    assert done.stderr == b"", done.stderr.decode()
    return done.stdout.decode().split()


def bin_folder():
    """A folder in which the command is called skink."""
    folder = os.path.abspath("build/test/skink-bin")
    os.makedirs(folder, exist_ok=True)
    link = os.path.join(folder, "skink")
    if not os.path.islink(link):
        os.symlink(command.CHECKED, link)
    return folder


COMPLETIONS = [
    ("skink dum", ["dump-core", "dumpxml"]),
    ("skink --json li", ["link", "list"]),
    ("skink vcpu ", ["list", "set", "pin"]),
    ("skink vcpu li", ["list"]),
    ("skink vcpu list w", ["web"]),
    ("skink destroy ", ["Domain-0", "web", "db"]),
    ("skink destroy web d", ["db"]),
    ("skink start --pa", ["--paused"]),
    ("skink shutdown web --", ["--json", "--socket", "--timeout", "--no-wait", "--wait", "--all", "--force", "--for-good", "--help"]),
    ("skink shutdown --timeout 5 w", ["web"]),
    ("skink shutdown --timeout ", []),
    ("skink wait web --for r", ["running", "recovered"]),
    ("skink wait web --for = re", ["recovered"]),
    ("skink wait web --for =", ["running", "shutdown", "recovered"]),
    ("skink shutdown --timeout = 5 w", ["web"]),
    ("skink help vcpu-", ["vcpu-list", "vcpu-set", "vcpu-pin"]),
    ("skink console w", ["web"]),
    ("skink console web ", []),
    ("skink mem-set web ", []),
    ("skink top ", []),
    ("skink nonsense ", []),
    ("skink nonsense x ", []),
]


@pytest.mark.parametrize("line, offered", COMPLETIONS, ids=lambda value: value if isinstance(value, str) else "")
def test_completion_offers(skinkd, line, offered):
    assert complete(skinkd.path, line) == offered


def test_completion_of_a_verb_offers_all_of_them(skinkd):
    assert complete(skinkd.path, "skink ") == verbs()


def test_completion_of_files(skinkd, tmp_path):
    (tmp_path / "web.xml").write_text("")
    (tmp_path / "all").mkdir()
    assert complete(skinkd.path, "skink create w", tmp_path) == ["web.xml"]
    assert sorted(complete(skinkd.path, "skink validate web.xml ", tmp_path)) == ["all", "web.xml"]
    assert complete(skinkd.path, "skink apply ", tmp_path) == ["all"]
    assert complete(skinkd.path, "skink dump-core web w", tmp_path) == ["web.xml"]


def test_completion_without_skinkd_is_silent():
    assert complete("/nowhere", "skink destroy ") == []


def test_completion_asks_the_daemon_that_is_named(skinkd):
    assert complete("/nowhere", f"skink --socket {skinkd.path} destroy w") == ["web"]
    assert complete("/nowhere", f"skink --socket = {skinkd.path} destroy w") == ["web"]


def test_completion_does_not_wait_for_a_daemon_that_hangs(skinkd):
    skinkd.answers["list"] = lambda params, connection: connection
    assert complete(skinkd.path, "skink destroy ") == []


@pytest.mark.parametrize("arguments", [["x"], ["5", "--", "skink"], ["-1"], ["99999999999999999999", "skink"], ["1"]], ids=str)
def test_completion_of_nonsense_is_refused(arguments):
    assert command.run("/nowhere", "__complete", *arguments).code == 2
