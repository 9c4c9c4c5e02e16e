# SPDX-License-Identifier: MIT
"""skink(1) on a terminal: colour, the progress line, the console, top; and that the terminal is afterwards as before."""
import os
import re
import signal
import threading
import time

import pytest

import command
from command import Terminal
from fake_skinkd import Error, domain


@pytest.fixture
def manifest(tmp_path):
    path = tmp_path / "new.xml"
    path.write_text("<domain type='skink'><name>new</name></domain>\n")
    return str(path)


# ------------------------------------------------------------------ colour

def test_colour_on_a_terminal_only(skinkd):
    with Terminal(skinkd.path, "list") as terminal:
        assert terminal.end() == 0
        assert "\x1b[31mcrashed (watchdog)\x1b[0m" in terminal.text
    assert "\x1b" not in command.run(skinkd.path, "list").out


@pytest.mark.parametrize("env", [{"NO_COLOR": "1"}, {"TERM": "dumb"}], ids=str)
def test_no_colour_when_it_is_not_wanted(skinkd, env):
    with Terminal(skinkd.path, "list", **env) as terminal:
        assert terminal.end() == 0
        assert "crashed" in terminal.text and "\x1b" not in terminal.text


def test_text_of_others_cannot_steer_the_terminal(skinkd):
    evil = "a\x1b]0;title\x07b\x9bc\x00d\x7fe\u009bf"
    skinkd.domains = [domain(evil, 1, state="\x1b[2J")]
    skinkd.answers["dmesg"] = {"text": evil}
    skinkd.answers["logs"] = {"text": evil}
    skinkd.answers["events"] = {"events": [{"time": 1, "kind": evil, "domain": evil, "id": 1, "text": evil}]}
    for arguments in (["list"], ["dmesg"], ["logs", "web"], ["events"]):
        with Terminal(skinkd.path, *arguments, NO_COLOR="1") as terminal:
            assert terminal.end() == 0
            assert not re.search("[\x1b\x07\x00\x7f\u0080-\u009f]", terminal.text), (arguments, terminal.text)
            assert "a?]0;title?b" in terminal.text
    with Terminal(skinkd.path, "logs", "web") as terminal:
        assert terminal.end() == 0 and "c?d?e?f" in terminal.text


def test_json_of_others_cannot_steer_the_terminal(skinkd):
    evil = "a\x1b]0;title\x07b\x9bc\x00d\x7fe\u009bf"
    skinkd.domains = [domain(evil, 1, state=evil)]
    for method, answer in (("dmesg", {"text": evil}), ("logs", {"text": evil}), ("why", {"domain": evil, "death": None, "events": []}),
                           ("events", {"events": [{"time": 1, "kind": evil, "domain": evil, "id": 1, "text": evil}]}),
                           ("rings", {"rings": [{"domain": evil, "error": evil}]}), ("top", {"time_ns": 1, "domains": [{"name": evil, "id": 1}]})):
        skinkd.answers[method] = answer
    for arguments in (["list"], ["dmesg"], ["logs", "web"], ["why", "web"], ["events"], ["rings", "web"], ["top", "--batch", "-n", "1"]):
        with Terminal(skinkd.path, *arguments, "--json") as terminal:
            assert terminal.end() == 0
            assert not re.search("[\x1b\x07\x00\x7f\u0080-\u009f]", terminal.text), (arguments, terminal.text)
            assert r"d\u007Fe\u009Bf" in terminal.text, (arguments, terminal.text)
        assert "\x7fe\u009bf" in command.run(skinkd.path, *arguments, "--json").out


# ------------------------------------------------------------------ progress

def test_what_takes_longer_than_a_second_shows_where_it_is(skinkd, manifest):
    goes_on = threading.Event()

    def slow(params, connection):
        connection.progress("unpacking \x1bvmlinuz")
        goes_on.wait()
        return skinkd.do_create(params, connection)
    skinkd.answers["create"] = slow
    with Terminal(skinkd.path, "create", manifest, columns=300) as terminal:
        terminal.expect(r"\rcreate /\S*new\.xml: unpacking \?vmlinuz \.\.\. [1-9]\d* s")
        goes_on.set()
        assert terminal.end() == 0
        assert terminal.text.endswith("\r\x1b[Knew.xml:2:1: <sound>: warning: there is none: leave it out\r\n"
                                      "new: running, its id is 7\r\n")


def test_the_progress_line_is_never_wider_than_the_terminal(skinkd, manifest):
    goes_on = threading.Event()
    skinkd.answers["create"] = lambda params, connection: goes_on.wait() and skinkd.do_create(params, connection)
    with Terminal(skinkd.path, "create", manifest, columns=20) as terminal:
        shown = terminal.expect(r"\r(create[^\r\x1b]*)\x1b\[K").group(1)
        goes_on.set()
        assert len(shown) == 19
        assert terminal.end() == 0


def test_what_is_quick_shows_no_progress(skinkd, manifest):
    began = time.monotonic()
    with Terminal(skinkd.path, "create", manifest) as terminal:
        assert terminal.end() == 0
        # Where the machine makes it slow, it is not quick.
        assert "..." not in terminal.text or time.monotonic() - began > 1


# ------------------------------------------------------------------ console

def read_all(fd, length):
    data = b""
    while len(data) < length:
        data += os.read(fd, 4096)
    return data


def test_console_carries_every_key_and_every_byte(skinkd):
    with Terminal(skinkd.path, "console", "web") as terminal:
        terminal.expect("Console of web. Ctrl-] leaves it.")
        command.until(terminal.is_raw, "raw mode")
        os.write(skinkd.master, "login: \x1b[1mü\r\n".encode())
        terminal.expect("login: \x1b\\[1mü\r\n")
        keys = "root\r\x03\x04\x1a\x1c\x11\x13ä"
        terminal.type(keys)
        assert read_all(skinkd.master, len(keys.encode())) == keys.encode()
        terminal.type("last\x1dnot any more")
        assert terminal.end() == 0
        assert read_all(skinkd.master, 4) == b"last"
        assert terminal.is_as_found()


def test_console_takes_another_key_to_leave(skinkd):
    with Terminal(skinkd.path, "console", "web", "-e", "^a") as terminal:
        terminal.expect("Ctrl-A leaves it")
        command.until(terminal.is_raw, "raw mode")
        terminal.type("\x1d\x01")
        assert terminal.end() == 0
        assert read_all(skinkd.master, 1) == b"\x1d"


def test_console_ends_with_the_domain(skinkd):
    with Terminal(skinkd.path, "console", "web") as terminal:
        command.until(terminal.is_raw, "raw mode")
        os.write(skinkd.master, b"reboot: Power down\r\n")
        terminal.expect("Power down")
        os.close(skinkd.master)
        skinkd.master = None
        assert terminal.end() == 0
        assert "The console of web is closed: the domain has ended, or begins anew." in terminal.text
        assert terminal.is_as_found()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGPIPE, signal.SIGSEGV,
                                    signal.SIGABRT], ids=lambda number: number.name)
def test_whatever_ends_the_console_the_terminal_is_as_before(skinkd, number):
    with Terminal(skinkd.path, "console", "web", ASAN_OPTIONS="handle_segv=0:handle_abort=0") as terminal:
        command.until(terminal.is_raw, "raw mode")
        terminal.child.send_signal(number)
        code = terminal.end()
        assert code in (128 + number, -number), terminal.text
        assert terminal.is_as_found()


def test_console_passes_a_flood(skinkd):
    flood = b"".join(b"%07d\n" % i for i in range(100000))
    with Terminal(skinkd.path, "console", "web") as terminal:
        command.until(terminal.is_raw, "raw mode")
        threading.Thread(target=lambda: write_all(skinkd.master, flood), daemon=True).start()
        terminal.expect("0099999\n")
        terminal.type("\x1d")
        assert terminal.end() == 0
        assert flood.decode() in terminal.text


def write_all(fd, data):
    while data:
        data = data[os.write(fd, data[:4096]):]


def test_console_without_a_terminal_shows_until_the_domain_ends(skinkd):
    child = command.subprocess.Popen([command.CHECKED, "console", "web"], stdin=command.subprocess.PIPE,
                                     stdout=command.subprocess.PIPE, stderr=command.subprocess.PIPE,
                                     env=command.environment(skinkd.path))
    command.until(lambda: skinkd.master is not None, "the console")
    child.stdin.write(b"typed\n")
    child.stdin.close()
    assert read_all(skinkd.master, 6) == b"typed\n"
    os.write(skinkd.master, b"said\n")
    assert child.stdout.readline() == b"said\n"
    os.close(skinkd.master)
    skinkd.master = None
    assert child.wait(command.LIMIT) == 0


def test_console_whose_tty_is_gone(skinkd, skink):
    assert skink("console", "nope").code == 3
    skinkd.answers["console"] = {"tty": "/dev/pts/does-not-exist"}
    result = skink("console", "web")
    assert result.code == 1 and "cannot open its console '/dev/pts/does-not-exist'" in result.err, result


def test_create_c_runs_the_domain_only_when_its_console_is_open(skinkd, manifest):
    def unpause(params, connection):
        os.write(skinkd.master, b"Linux version 6.1\r\n")
        return {}
    skinkd.answers["unpause"] = unpause
    with Terminal(skinkd.path, "create", "-c", manifest) as terminal:
        terminal.expect("Linux version 6.1\r\n")
        command.until(terminal.is_raw, "raw mode")
        terminal.type("\x1d")
        assert terminal.end() == 0
        assert terminal.is_as_found()
    assert [request["method"] for request in skinkd.requests] == ["create", "console", "unpause"]
    assert skinkd.asked("create")[0]["paused"] is True
    assert skinkd.asked("unpause") == [{"domain": 7}]
    assert skinkd.connections == 1


def test_create_c_waits_for_the_console_to_be_made(skinkd, manifest):
    def not_yet(params, connection):
        if len(skinkd.asked("console")) < 3:
            raise Error(1, "'new' has no console yet")
        return skinkd.do_console({"domain": "new"}, connection)
    skinkd.answers["console"] = not_yet
    with Terminal(skinkd.path, "create", "-c", manifest) as terminal:
        command.until(terminal.is_raw, "raw mode")
        terminal.type("\x1d")
        assert terminal.end() == 0
        assert "no console yet" not in terminal.text


def test_a_console_that_is_never_made_is_an_error(skink, skinkd):
    def never(params, connection):
        raise Error(1, "'web' has no console yet: does xenconsoled run?")
    skinkd.answers["console"] = never
    result = skink("console", "web")
    assert result.code == 1 and result.err == "skink: 'web' has no console yet: does xenconsoled run?\n", result


def test_create_c_says_when_the_domain_stays_paused(skinkd, skink, manifest):
    assert skink("console", "nope").code == 3
    skinkd.answers["console"] = {"tty": "/nowhere"}
    result = skink("create", "-c", manifest)
    assert result.code == 1
    assert result.err.endswith("new is there, and paused: 'skink unpause new' lets it run\n"), result


# ------------------------------------------------------------------ top

def test_top_redraws_sorts_and_leaves_no_trace(skinkd):
    with Terminal(skinkd.path, "top", "-d", "0.1", NO_COLOR="1") as terminal:
        terminal.expect(r"\x1b\[\?1049h")
        terminal.expect(r"web +3 +running +50\.0")
        assert terminal.is_raw()
        terminal.expect(r"\x1b\[H")
        terminal.type("n")
        terminal.expect(r"Domain-0[^\n]*\n[^\n]*db[^\n]*\n[^\n]*web")
        terminal.type("i")
        terminal.expect(r"Domain-0[^\n]*\n[^\n]*web[^\n]*\n[^\n]*db")
        terminal.type("q")
        assert terminal.end() == 0
        assert terminal.text.endswith("\x1b[?25h\x1b[?1049l")
        assert terminal.is_as_found()


def test_top_ends_with_ctrl_c_as_with_q(skinkd):
    with Terminal(skinkd.path, "top", "-d", "10") as terminal:
        terminal.expect("skink top: 3 domains")
        terminal.type("\x03")
        assert terminal.end() == 0
        assert terminal.is_as_found()


def test_top_is_never_longer_than_the_terminal(skinkd):
    skinkd.domains = [domain(f"domain-{i}", i) for i in range(100)]
    with Terminal(skinkd.path, "top", "-n", "1") as terminal:
        assert terminal.end() == 0
        assert terminal.text.count("\n") <= 24


def test_top_survives_that_skinkd_goes_away(skinkd):
    with Terminal(skinkd.path, "top", "-d", "0.1") as terminal:
        terminal.expect("skink top")
        skinkd.answers["top"] = lambda params, connection: connection.hang_up() or connection
        assert terminal.end() == 5
        assert terminal.is_as_found()
        assert terminal.text.index("\x1b[?1049l") < terminal.text.index("skinkd went away")
