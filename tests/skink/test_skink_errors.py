# SPDX-License-Identifier: MIT
"""What skink(1) does when something is wrong: with what was typed, with skinkd, with what skinkd says."""
import json
import os
import re
import signal
import socket
import threading
import time

import pytest

import command
from fake_skinkd import Error, domain


# ------------------------------------------------------------------ hostile or broken daemons

BROKEN = [
    b"this is no JSON\n",
    b"[]\n",
    b"null\n",
    b"{}\n",
    b"\n",
    b"\xff\xfe\n",
    b'{"jsonrpc":"2.0","id":1}\n',
    b'{"jsonrpc":"2.0","id":2,"result":{}}\n',
    b'{"jsonrpc":"2.0","id":"1","result":{}}\n',
    b'{"jsonrpc":"2.0","id":1,"error":{}}\n',
    b'{"jsonrpc":"2.0","id":1,"error":{"code":1}}\n',
    b'{"jsonrpc":"2.0","id":1,"error":"no"}\n',
    b'{"id":1,"id":1,"result":{}}\n',
    b"[" * 100000 + b"\n",
    b'{"jsonrpc":"2.0","id":1,"result":{"domains":' + b"9" * 400 + b"}}\n",
]


@pytest.mark.parametrize("sent", BROKEN, ids=lambda sent: sent[:30].decode("latin1").strip())
def test_nonsense_ends_the_call_with_1(skink, skinkd, sent):
    def answer(params, connection):
        connection.send_raw(sent)
        return connection
    skinkd.answers["list"] = answer
    result = skink("list")
    assert result.code == 1 and result.out == "", result
    assert result.err.startswith("skink: list: skinkd's answer makes no sense ("), result


def test_a_line_without_an_end_gets_no_more_memory(skink, skinkd):
    def answer(params, connection):
        for _ in range(64):
            connection.send_raw(b"x" * (1 << 20))
        return connection
    skinkd.answers["list"] = answer
    result = skink("list")
    assert result.code == 1 and "a line without an end" in result.err, result


WRONG_KINDS = [{"domains": 5}, {"domains": [1, None, "x", []]}, {"domains": [{}]}, {"domains": {"name": "web"}}, [], 7, "x", None,
               {"domains": [domain("web", 3, id="three", memory_kib="much", state=7, reason=[], restarts={}, vcpus=None)]},
               {"domains": [domain("web", 1, id=-1, memory_kib=-5, cpu_seconds=1e308, vcpus=1e300, restarts=1e300)]},
               {"domains": [domain("web", 2 ** 62, memory_kib=2 ** 62, memory_max_kib=-2 ** 62)]}]


@pytest.mark.parametrize("verb", ["list", "info", "version", "top", "usage", "vcpu-list", "events", "plan", "sched", "dmesg"])
@pytest.mark.parametrize("answer", WRONG_KINDS, ids=lambda answer: json.dumps(answer)[:40])
def test_fields_of_the_wrong_kind_harm_nobody(skink, skinkd, tmp_path, verb, answer):
    skinkd.answers[verb] = answer
    arguments = {"top": ["-b", "-n", "2", "-d", "0.1"], "plan": [str(tmp_path)]}.get(verb, [])
    assert skink(verb, *arguments).code in (0, 1, 3)


def test_wrong_fields_of_other_answers_harm_nobody(skink, skinkd, tmp_path):
    wrong = [{}, 5, {"domain": 5}, {"domain": {"started": 1e300, "sched": 5, "used": [1], "limit": 7}}, {"steps": 7},
             {"steps": [1, {"changes": [1]}]}, {"events": [{"time": -1e300}, {"time": 1e300, "text": 5}]}, {"vcpus": [5]}]
    for answer in wrong:
        for arguments in (["info", "web"], ["apply", str(tmp_path)], ["events"], ["reboot", "web"], ["shutdown", "web"],
                          ["dump-core", "web"], ["mem-set", "web", "1"], ["vcpu-pin", "web", "0", "0"], ["dumpxml", "web"]):
            skinkd.answers[arguments[0]] = answer
            assert skink(*arguments).code == 0


def test_a_daemon_that_hangs_up_is_not_reachable(skink, skinkd):
    def answer(params, connection):
        connection.send_raw(b'{"jsonrpc":"2.0","id":1,"res')
        connection.hang_up()
        return connection
    skinkd.answers["destroy"] = answer
    result = skink("destroy", "web")
    assert result.code == 5 and "skinkd went away before it answered" in result.err, result


def test_notifications_nobody_asked_for_are_passed_over(skink, skinkd):
    def answer(params, connection):
        connection.send({"jsonrpc": "2.0", "method": "weather", "params": {"sun": True}})
        connection.send({"jsonrpc": "2.0", "method": "progress", "params": 5})
        connection.send({"jsonrpc": "2.0", "method": "progress"})
        connection.send({"jsonrpc": "2.0", "method": 5})
        return {"domains": []}
    skinkd.answers["list"] = answer
    assert skink("list").code == 0


def test_an_answer_in_many_pieces(skink, skinkd):
    def answer(params, connection):
        text = json.dumps({"jsonrpc": "2.0", "id": connection.id, "result": {"domains": [domain("ünïcode", 1)]}},
                          ensure_ascii=False).encode() + b"\n"
        for byte in text:
            connection.send_raw(bytes([byte]))
        return connection
    skinkd.answers["list"] = answer
    assert "ünïcode" in skink("list").out


def test_a_thousand_domains(skink, skinkd):
    skinkd.domains = [domain(f"domain-{i}", i) for i in range(1000)]
    result = skink("list")
    assert result.code == 0 and len(result.out.splitlines()) == 1001


# ------------------------------------------------------------------ no daemon

def test_no_skinkd_is_5_and_says_how_to_name_another(tmp_path):
    result = command.run(str(tmp_path / "none.sock"), "list")
    assert result.code == 5
    assert result.err == (f"skink: cannot reach skinkd at {tmp_path}/none.sock: No such file or directory: start skinkd, "
                          "or name its socket with --socket or SKINK_SOCKET\n")


def test_a_socket_that_nobody_listens_to_is_5(tmp_path):
    path = str(tmp_path / "s")
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(path)
    assert command.run(path, "version").code == 5
    assert command.run(str(tmp_path), "version").code == 5
    assert command.run("/" + "x" * 200, "version").code == 5


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become somebody else")
def test_no_permission_is_4(skinkd):
    os.chmod(skinkd.path, 0o600)
    result = command.subprocess.run(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", command.CHECKED, "list"],
                                    env=command.environment(skinkd.path), stderr=command.subprocess.PIPE, text=True)
    assert result.returncode == 4 and "no permission to talk to skinkd: become root" in result.stderr, result


def test_the_option_is_stronger_than_the_environment(skinkd):
    assert command.run("/nowhere", "--socket", skinkd.path, "version").code == 0
    assert command.run("/nowhere", f"--socket={skinkd.path}", "version").code == 0
    assert command.run("/nowhere", "version", "-S", skinkd.path).code == 0
    assert command.run("/nowhere", "-c", skinkd.path, "version").code == 0


# ------------------------------------------------------------------ errors of the daemon

@pytest.mark.parametrize("code, ends_with", [(1, 1), (2, 2), (3, 3), (4, 4), (6, 6), (0, 1), (-32700, 1), (99, 1), ("x", 1)])
def test_error_codes_are_exit_codes(skink, skinkd, code, ends_with):
    def answer(params, connection):
        raise Error(code, "it went wrong: do it right", ["first line", 5, "second line"])
    skinkd.answers["pause"] = answer
    result = skink("pause", "web")
    assert result.code == ends_with and result.out == ""
    assert result.err == "first line\nsecond line\nskink: it went wrong: do it right\n"


def test_domain_0_is_not_destroyed(skink):
    result = skink("destroy", "Domain-0")
    assert result.code == 4 and "never destroyed" in result.err


# ------------------------------------------------------------------ time

def test_a_daemon_that_says_nothing_times_out_with_6(skink, skinkd, tmp_path):
    manifest = tmp_path / "new.xml"
    manifest.write_text("<domain/>")
    skinkd.answers["create"] = lambda params, connection: connection
    result = skink("create", str(manifest), "--timeout", "200ms")
    assert result.code == 6
    assert re.search(rf"create {re.escape(str(manifest))}: no answer from skinkd after \d+ seconds", result.err), result


@pytest.mark.parametrize("number, code", [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_an_interrupted_call_says_what_becomes_of_it(skinkd, number, code):
    asked = threading.Event()

    def never(params, connection):
        asked.set()
        return connection
    skinkd.answers["shutdown"] = never
    child = command.start(skinkd.path, "shutdown", "web")
    assert asked.wait(command.LIMIT)
    result = command.interrupt(child, number)
    assert result.code == code, result
    if number == signal.SIGINT:
        assert result.err == ("skink: shutdown web: interrupted: it was asked to shut down and goes on with that: "
                              "see 'skink list'\n")
    else:
        assert result.err == ""


def test_ctrl_c_while_several_are_shut_down_stops_at_the_first(skinkd):
    asked = threading.Event()

    def never(params, connection):
        asked.set()
        return connection
    skinkd.answers["shutdown"] = never
    child = command.start(skinkd.path, "shutdown", "web", "db")
    assert asked.wait(command.LIMIT)
    assert command.interrupt(child).code == 130
    assert len(skinkd.asked("shutdown")) == 1


def test_ctrl_c_while_all_are_shut_down_says_that_they_go_on(skinkd):
    asked = threading.Semaphore(0)

    def never(params, connection):
        asked.release()
        return connection
    skinkd.answers["shutdown"] = never
    child = command.start(skinkd.path, "shutdown", "--all")
    assert asked.acquire(timeout=command.LIMIT) and asked.acquire(timeout=command.LIMIT)
    result = command.interrupt(child)
    assert result.code == 130
    assert result.err == ("skink: shutdown --all: interrupted: they were asked to shut down and go on with that: "
                          "see 'skink list'\n")


@pytest.mark.parametrize("broken, code", [(b"what?\n", 1), (b'{"jsonrpc":"2.0","id":99,"result":{}}\n', 1), (None, 5)])
def test_a_daemon_that_breaks_off_ends_all(skink, skinkd, broken, code):
    def first_only(params, connection):
        if params["domain"] == "web":
            return {"state": "gone"}
        if broken:
            connection.send_raw(broken)
        connection.hang_up()
        return connection
    skinkd.answers["shutdown"] = first_only
    result = skink("shutdown", "--all")
    assert result.code == code and result.out == "web: shut down\n", result


def test_a_daemon_that_hangs_does_not_hold_up_shutdown_all(skink, skinkd):
    skinkd.answers["shutdown"] = lambda params, connection: connection
    began = time.monotonic()
    result = skink("shutdown", "--all", "--timeout", "1")
    said = re.search(r"shutdown --all: no answer from skinkd after (\d+) seconds", result.err)
    assert result.code == 6 and said and 6 <= int(said.group(1)) < 20 * command.PATIENCE, result
    assert time.monotonic() - began < 20 * command.PATIENCE


# ------------------------------------------------------------------ usage

USAGE = [
    ([], "Usage: skink"),
    (["creat"], "skink: there is no 'creat': did you mean 'create'? 'skink help' lists what there is\n"),
    (["lsit"], "did you mean 'list'"),
    (["des"], "did you mean 'destroy'"),
    (["xyzzy"], "skink: there is no 'xyzzy': 'skink help' lists what there is\n"),
    (["x" * 500], "'skink help' lists what there is\n"),
    (["", "x"], "there is no ''"),
    (["define", "web.xml"], "skink: there is no 'define': put the manifest into /etc/skink/domains/, and write 'skink apply'\n"),
    (["migrate", "web", "other"], "Skink does not move running domains"),
    (["vcpu"], "write 'skink vcpu list', 'skink vcpu set' or 'skink vcpu pin'"),
    (["vcpu", "lst"], "write 'skink vcpu list'"),
    (["create"], "something is missing: write 'skink create MANIFEST'"),
    (["create", "a", "b"], "'b' is one too many: write 'skink create MANIFEST'"),
    (["version", "x"], "'x' is one too many: write 'skink version'"),
    (["vcpu-pin", "web", "0"], "write 'skink vcpu-pin DOMAIN VCPU CPUS'"),
    (["list", "--jsno"], "unrecognized option '--jsno'"),
    (["list", "--timeout", "5"], "unrecognized option '--timeout'"),
    (["shutdown", "--all", "web"], "--all and 'web' do not go together"),
    (["shutdown"], "something is missing"),
    (["shutdown", "web", "--timeout", "soon"], "--timeout: 'soon' is not a time: write seconds, or 90s, 5m, 1h"),
    (["shutdown", "web", "--timeout", "0"], "'0' is not a time"),
    (["shutdown", "web", "--timeout", "-1"], "'-1' is not a time"),
    (["shutdown", "web", "--timeout", "nan"], "'nan' is not a time"),
    (["wait", "web", "--for", "godot"], "--for: 'godot' cannot be waited for: write running, shutdown or recovered"),
    (["sysrq", "web", "help"], "'help' is not a key"),
    (["sysrq", "web", ""], "'' is not a key"),
    (["vcpu-set", "web", "0"], "'0' is not a number of vcpus: write one from 1 to 32"),
    (["vcpu-set", "web", "two"], "'two' is not a number of vcpus"),
    (["vcpu-pin", "web", "99", "all"], "'99' is not a vcpu"),
    (["mem-set", "web", "0"], "'0' is not a size"),
    (["mem-set", "web", "-5"], "invalid option -- '5'"),
    (["mem-set", "web", "1.2.3G"], "'1.2.3G' is not a size"),
    (["mem-set", "web", "0x10"], "'0x10' is not a size"),
    (["mem-set", "web", "9999999999999999999999T"], "is not a size"),
    (["mem-set", "web", "5 apples"], "'5 apples' is not a size"),
    (["sched", "web", "--weight", "0"], "--weight: '0' is out of range: write a number from 1 to 65535"),
    (["sched", "web", "--cap", "many"], "--cap: 'many' is out of range"),
    (["sched", "--weight", "5"], "which domain? Write 'skink sched DOMAIN --weight 512'"),
    (["logs", "web", "-n", "few"], "--lines: 'few' is not a number of lines"),
    (["top", "-b", "-n", "0"], "--iterations: '0' is not a number"),
    (["top", "-b", "-d", "0"], "--delay: '0' is not a time of 0.1 s or more"),
    (["top"], "this is no terminal: write 'skink top --batch'"),
    (["console", "web", "-e", "abc"], "--escape: 'abc' is not a key: write '^]' or '^A'"),
    (["create", "/nowhere/x.xml"], "/nowhere/x.xml: cannot open it: No such file or directory"),
    (["create", "/"], "/: cannot read it: Is a directory"),
    (["create", "no-such-name"], "no-such-name: cannot open it"),
    (["create", "x.xml", "-c", "--json"], "--console and --json do not go together"),
    (["create", "x.xml", "-c", "--no-wait"], "--console and --no-wait do not go together"),
    (["plan", "/nowhere"], "/nowhere: cannot read it: No such file or directory: name a manifest, or a directory with manifests"),
    (["destroy", "\udcff\udcfe"], "something in it is not UTF-8"),
    (["--json", "sysrq", "web", "h"], "sysrq prints no facts: leave --json out"),
    (["--wrong", "list"], "unrecognized option '--wrong'"),
    (["help", "creat"], "did you mean 'create'"),
]


@pytest.mark.parametrize("arguments, said", USAGE, ids=lambda value: " ".join(value)[:40].encode("ascii", "replace").decode()
                         if isinstance(value, list) else "")
def test_bad_usage_is_2_and_teaches(skink, skinkd, arguments, said):
    result = skink(*arguments)
    assert result.code == 2, result
    assert said in (result.out if not arguments else result.err), result
    assert not [request for request in skinkd.requests if request["method"] != "list"]


def test_a_file_whose_name_is_not_utf8(skink, skinkd, tmp_path):
    name = os.fsencode(tmp_path) + b"/\xff.xml"
    with open(name, "w") as file:
        file.write("<domain/>")
    for verb, operand in (("create", name), ("plan", tmp_path)):
        result = skink(verb, operand)
        assert result.code == 2 and "its name is not UTF-8: rename it" in result.err and not skinkd.requests, result


def test_manifests_that_are_no_text(skink, skinkd, tmp_path):
    for content, said in [(b"<domain>\0</domain>", "a NUL byte is here"), (b"<domain>\xff</domain>", "not UTF-8"),
                          (b"<" + b"x" * (1 << 20), "the file is larger than any manifest")]:
        file = tmp_path / "x.xml"
        file.write_bytes(content)
        for verb, operand in (("create", file), ("plan", tmp_path)):
            result = skink(verb, str(operand))
            assert result.code == 2 and said in result.err and not skinkd.requests, result


@pytest.mark.parametrize("arguments", [["help"], ["--help"], ["-h"], ["-?"], ["help", "create"], ["create", "--help"],
                                       ["create", "-h"], ["list", "-?"], ["--version"], ["-V"], ["ls", "--help"]], ids=" ".join)
def test_help_needs_no_skinkd(arguments):
    result = command.run("/nowhere", *arguments)
    assert result.code == 0 and result.out and result.err == "", result


def test_help_names_every_verb_and_each_has_help():
    verbs = re.findall(r"^  ([a-z-]+) ", command.run("/nowhere", "help").out, re.M)
    assert len(verbs) >= 42
    for verb in verbs:
        result = command.run("/nowhere", verb, "--help")
        assert result.code == 0 and f"Usage: skink {verb}" in result.out


# ------------------------------------------------------------------ output

def test_a_full_disk_is_an_error(skinkd):
    with open("/dev/full", "w") as full:
        done = command.subprocess.run([command.CHECKED, "list"], stdout=full, stderr=command.subprocess.PIPE, text=True,
                                      env=command.environment(skinkd.path))
    assert done.returncode == 1
    assert done.stderr == "skink: cannot write to standard output: No space left on device\n"


def test_a_closed_pipe_is_silent(skinkd):
    skinkd.domains = [domain(f"domain-{i}", i) for i in range(5000)]
    child = command.start(skinkd.path, "list")
    child.stdout.readline()
    child.stdout.close()
    assert child.stderr.read() == b""
    assert child.wait(command.LIMIT) == -signal.SIGPIPE


def test_a_capture_that_is_refused_leaves_the_file_as_it_was(skink, skinkd, tmp_path):
    def answer(params, connection):
        raise Error(3, "there is no domain 'wbe'")
    skinkd.answers["capture"] = answer
    before = tmp_path / "before.pcap"
    before.write_bytes(b"packets")
    result = skink("capture", "wbe", "-w", str(before))
    assert result.code == 3 and "no domain 'wbe'" in result.err and before.read_bytes() == b"packets", result


def test_text_of_others_is_not_changed_in_a_pipe(skink, skinkd):
    skinkd.answers["dmesg"] = {"text": "a\x1b[31mb\tc\r\n"}
    assert skink("dmesg").out == "a\x1b[31mb\tc\r\n"


def test_what_follows_a_zero_byte_is_not_lost(skink, skinkd):
    skinkd.answers["logs"] = {"text": "one\0two"}
    assert skink("logs", "web").out == "one\0two\n"
