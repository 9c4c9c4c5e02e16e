# SPDX-License-Identifier: MIT
"""What the monitor sees of driver domains that are ill, and what it tells: production images, and their registers changed under them."""
import json
import os
import re
import subprocess

import pytest

from dom0 import Dom0, image_with, wait_until
from machine import BUILD
from test_drivers import FAKE, attach, devices, driver, facts, hostdev, interface, is_taken_away, make_disk, partition

AS = os.environ.get("MONITOR_AS", "monitor")
HOOK = "<skink:hook command='/usr/local/bin/died' user='nobody' timeout='5s'/>"
ILL = "<skink:inject allow='yes'/><skink:health device='1s'/>"
BURNER = "/usr/lib/skink/burner.elf"
PLACES = "00:16:3e:00:09:0"
DATA_DISK = partition("xvda", "data")
READS = 4000 if os.environ.get("SKINK_FULL") else 1000


def find_in(image, wanted):
    """Where in an image's text bytes stand that look like that, and the first of them."""
    for line in subprocess.run(["readelf", "-SW", image], check=True, capture_output=True, text=True).stdout.splitlines():
        section = re.match(r"\s*\[ *\d+\] \.text +PROGBITS +(\w+) (\w+) (\w+)", line)
        if section:
            address, offset, size = (int(word, 16) for word in section.groups())
    with open(image, "rb") as file:
        file.seek(offset)
        found = re.search(wanted, file.read(size), re.S)
    assert found, f"{image} has no {wanted} to jump to"
    return address + found.start(), found.group(0)[0]


def loop_in(role):
    """A jump to itself, and the flags with which it is one: as bytes of an instruction, whether or not the image has it as one. Of those with a condition
    the even ones ask for a flag (overflow, carry, zero, sign, parity), the others for its absence."""
    address, first = find_in(f"{BUILD}/{role}.elf", rb"[\x70-\x7b\xeb]\xfe")
    return address, 0 if first & 1 else 0x8d5


@pytest.fixture(scope="module")
def dom0():
    image = image_with(AS, {"usr/bin/sicken": f"{BUILD}/dom0/programs/sicken", FAKE[1:]: f"{BUILD}/guest/fake-driver.elf",
                            BURNER[1:]: f"{BUILD}/guest/burner.elf"})
    options = ("-drive", f"file={make_disk(AS)},format=raw,if=none,id=disk0",
               "-device", "virtio-blk-pci,drive=disk0,addr=4,disable-legacy=on", "-device", "edu,addr=8")
    with Dom0(AS, smp=os.environ.get("SMP", "1"), memory=4096, limit=1800, image=image, more=options) as machine:
        machine.log_in()
        machine.write("disk0.xml", driver("disk0", "blk", hostdev(4)).replace("</skink:driver>", ILL + "</skink:driver>"))
        machine.write("died", "#!/bin/sh\nenv > /tmp/hook.$SKINK_DEATHS; id -un >> /tmp/hook.$SKINK_DEATHS\n")
        machine.check("chmod 755 died; mv died /usr/local/bin/")
        machine.write("net0.xml", driver("net0", "net").replace("</skink:driver>", HOOK + "</skink:driver>"))
        machine.check("skink create disk0.xml && skink create net0.xml", 60)
        yield machine
        machine.end()


def restart(dom0, name):
    return facts(dom0, name)["driver"]["restart"]


def sicken(dom0, name, address, flags=0):
    """The driver goes on from there; then it has died of it, and is back."""
    before = restart(dom0, name)
    dom0.check(f"sicken {facts(dom0, name)['id']} {address:x} {flags:x}")
    wait_until(lambda: restart(dom0, name)["restarts"] > before["restarts"])
    wait_until(lambda: restart(dom0, name)["state"] == "serving")
    return restart(dom0, name)["last"]


def why(dom0, name, cause):
    """Its post-mortem is written a moment after it is back."""
    def is_written():
        death = json.loads(dom0.check(f"skink why {name} --json"))["death"]
        return death and death["cause"] == cause and death["then"] == "serving" and death
    wait_until(is_written)
    return is_written()


@pytest.mark.parametrize("name,role", [("net0", "net"), ("disk0", "blk")])
def test_a_crash_leaves_a_post_mortem(dom0, name, role):
    wait_until(lambda: restart(dom0, name)["state"] == "serving")
    last = sicken(dom0, name, 8)
    assert last["cause"] == "shutdown" and last["by_core"]
    death = why(dom0, name, "shutdown")
    assert death["then"] == "serving" and death["by_core"] and death["generation"] == restart(dom0, name)["restarts"]
    assert 0 < death["after_ns"]["begin"] < death["after_ns"]["fence"] <= death["after_ns"]["copy"] <= death["after_ns"]["resume"] < death["after_ns"]["taken"]
    assert death["memory"]["copied"] > 0 and death["role"] == role
    assert any("panic: a trap that nobody expected: 14" in line for line in death["log"])
    # It panicked in its trap handler: by the chain of frame pointers, and with their names.
    named = [step["at"].split("+")[0] for step in death["backtrace"] if not step["guess"]]
    assert named[0] == "domain_shutdown" and {"domain_end", "panic_trapped", "trap_common"} <= set(named), death["backtrace"]
    told = dom0.check(f"skink why {name}")
    found = death["status"]["found"]
    assert found == restart(dom0, name)["last"]["found"]
    assert f"left with {found} requests" in told if found else "Nobody waited for an answer" in told
    assert re.search(rf"{name} \(id \d+\), .*: shutdown: ", told) and "What was done: the core reset it at once" in told
    assert re.search(r"[0-9a-f]{16}   .*\+0x", told)


def test_its_hook_has_been_told(dom0):
    """Of the crash before: as nobody, and with nothing of skinkd's."""
    dom0.wait_for_words("/tmp/hook.1", "^nobody$")
    facts_told = dom0.check("cat /tmp/hook.1").splitlines()
    assert {"SKINK_DOMAIN=net0", "SKINK_ROLE=net", "SKINK_CAUSE=shutdown", "SKINK_THEN=serving", "SKINK_BY_CORE=yes", "nobody"} <= set(facts_told)
    assert not any(line.startswith(("HOME=", "LOGNAME=", "SKINKD")) for line in facts_told)


def skinkd_with(dom0, setting):
    dom0.check(f"sed -i /post_mortems_kept/d /etc/skink/skinkd.conf; echo '{setting}' >> /etc/skink/skinkd.conf; sv -w 20 restart skinkd")
    wait_until(lambda: dom0.run("skink version")[0] == 0 and restart(dom0, "net0")["state"] == "serving")


def post_mortems(dom0):
    return dom0.check("ls /var/log/skink/deaths").split()


def test_as_many_post_mortems_are_kept_as_the_configuration_says(dom0):    # PM2
    before = post_mortems(dom0)
    assert len(before) >= 2
    skinkd_with(dom0, "post_mortems_kept = 1")
    sicken(dom0, "net0", 8)
    wait_until(lambda: len(post_mortems(dom0)) == 1)
    kept = post_mortems(dom0)
    assert kept[0] not in before
    skinkd_with(dom0, "post_mortems_kept = 0")
    sicken(dom0, "net0", 8)
    dom0.check("skink wait net0 --for recovered && sleep 1")
    assert post_mortems(dom0) == kept
    skinkd_with(dom0, "#post_mortems_kept = 64")


@pytest.mark.parametrize("name,role", [("net0", "net"), ("disk0", "blk")])
def test_a_hang_is_found_by_the_time_that_it_had(dom0, name, role):
    dom0.check(f"skink restart {name} --timeout 60", 90)
    address, flags = loop_in(role)
    last = sicken(dom0, name, address, flags)
    assert last["cause"] == "hang" and "no sign of life in 5 ms of its own CPU time" in last["text"]
    death = why(dom0, name, "hang")
    assert not death["by_core"]
    assert death["registers"]["rip"] == f"{address:016x}" == death["backtrace"][0]["address"]
    # What it said in lives before, with which it ended itself, is not taken for this one's last words.
    assert death["log"] and death["log_of_lives_before"] == len(death["log"])
    told = dom0.check(f"skink why {name}")
    assert "It had logged nothing since it was restarted; before that: " in told and "Its log: " not in told and "panic" not in told.split("before that")[0], told


@pytest.mark.parametrize("name", ["net0", "disk0"])
def test_a_paused_driver_is_left_alone(dom0, name):
    """It sleeps, and gives no sign of life for longer than it may, and is looked at all the while: that is as somebody wanted it."""
    before = restart(dom0, name)
    dom0.check(f"skink pause {name}")
    # 10 or 20 ms apart; it owes a sign of life each second, and may miss two.
    looks = facts(dom0, name)["driver"]["seen"]["looks"]
    wait_until(lambda: facts(dom0, name)["driver"]["seen"]["looks"] > looks + 400)
    assert restart(dom0, name)["restarts"] == before["restarts"]
    dom0.check(f"skink unpause {name}")
    dom0.check(f"skink restart {name} --timeout 60", 60)
    assert restart(dom0, name)["causes"].get("heartbeat", 0) == before["causes"].get("heartbeat", 0)


@pytest.mark.parametrize("name,role", [("net0", "net"), ("disk0", "blk")])
def test_a_restart_by_hand_leaves_a_core_file_when_asked(dom0, name, role):
    before = restart(dom0, name)
    said = dom0.check(f"skink restart {name} --dump-core", 90)
    file = re.search(rf"{name}: dumped to (/var/lib/skink/cores/{name}-\S+\.core)", said).group(1)
    assert f"{name}: serves again" in said
    after = restart(dom0, name)
    assert after["restarts"] == before["restarts"] + 1 and after["last"]["cause"] == "by-hand"
    header = dom0.check(f"od -An -tx1 -N20 {file}").split()
    assert header[:4] == ["7f", "45", "4c", "46"] and header[16] == "04" and header[18] == "3e"
    with open(f"{BUILD}/{role}.elf", "rb") as image:
        image.seek(4096)
        text = "".join(f"\\x{byte:02x}" for byte in image.read(16))
    dom0.check(f"LC_ALL=C grep -qaP '{text}' {file}; found=$?; rm {file}; [ $found = 0 ]")


@pytest.fixture
def burners(dom0):
    """Four guests that want all of the CPU as soon as they are let go, with the weight that drivers have."""
    names = [f"burner{i}" for i in range(4)]
    for name in names:
        dom0.write(f"{name}.xml", f"<domain type='skink'><name>{name}</name><memory unit='MiB'>8</memory><vcpu>1</vcpu>"
                   f"<os><type>linux</type><kernel>{BURNER}</kernel></os><devices/></domain>\n")
    dom0.check(" && ".join(f"skink create --paused {name}.xml" for name in names), 120)
    yield names
    dom0.check(f"skink destroy --force {' '.join(names)}", 60)


def cpu_seconds(dom0, names):
    return [one["cpu_seconds"] for one in json.loads(dom0.check("skink list --json")) if one["name"] in names]


# Whoever asks is given the same bytes.
GIVE = """use IO::Socket::INET;
my $server = IO::Socket::INET->new(Listen => 5, LocalPort => 5000, ReuseAddr => 1) or die "$!";
open(my $blob, '<', '/tmp/blob') or die "$!";
my $bytes = do { local $/; <$blob> };
while (my $asked = $server->accept) { print $asked $bytes; close $asked; }
"""


@pytest.fixture
def stream(dom0):
    """Domain-0 at two places of net0, the other one in a network namespace: a command that takes a file from there by TCP, and the file's sum."""
    dom0.write("give.pl", GIVE)
    dom0.check("head -c 512K /dev/urandom > /tmp/blob")
    for place in (1, 2):
        dom0.write("place.xml", interface("net0", f"<mac address='{PLACES}{place}'/>"))
        dom0.check("skink attach Domain-0 place.xml", 90)
        wait_until(lambda: dom0.ends_with(f"grep -q {PLACES}{place} /sys/class/net/*/address") == 0)
    dom0.write("place.sh", f"""set -e
at() {{ grep -l {PLACES}$1 /sys/class/net/*/address | cut -d/ -f5; }}
unshare -n sleep infinity & there=$!
until [ "$(readlink /proc/$there/ns/net)" != "$(readlink /proc/self/ns/net)" ]; do sleep 0.1; done
echo $there > /tmp/there
there() {{ nsenter -t $there -n "$@"; }}
other=$(at 2)
ip link set $other netns $there
there ip addr add 10.9.0.2/24 dev $other
there ip link set $other up
ip addr add 10.9.0.1/24 dev $(at 1)
ip link set $(at 1) up
nsenter -t $there -n perl give.pl > /dev/null 2>&1 & echo $! >> /tmp/there
""")
    dom0.check("bash place.sh > /dev/null 2>&1", 60)
    take = "sha256sum < /dev/tcp/10.9.0.2/5000"
    wait_until(lambda: dom0.ends_with(f"{take} > /dev/null 2>&1", 60) == 0)
    yield take, dom0.check("sha256sum < /tmp/blob").strip()
    # With its namespace the other interface comes back.
    dom0.check("touch /tmp/enough; kill $(cat /tmp/there)")
    for place in (1, 2):
        wait_until(lambda: dom0.ends_with(f"grep -q {PLACES}{place} /sys/class/net/*/address") == 0)
        dom0.check(f"skink detach Domain-0 {PLACES}{place} --force", 60)


def test_a_busy_machine_is_no_hung_driver(dom0, burners, stream):
    """Each CPU is wanted by five times as many as it has room for, and a disk is read and a stream taken all the while: nobody is reset."""
    take, wanted = stream
    before = [restart(dom0, name)["restarts"] for name in ("net0", "disk0")]
    dom0.write("data.xml", DATA_DISK)
    attach(dom0, "data.xml", "xvda")
    burnt = cpu_seconds(dom0, burners)
    dom0.check(f"rm -f /tmp/enough /tmp/ended; ( (until [ -e /tmp/enough ]; do {take}; done > /tmp/sums 2>&1; touch /tmp/ended) & ); skink unpause {' '.join(burners)} && "
               f"sums=$(wc -l < /tmp/sums) && dd if=/dev/xvda of=/dev/null bs=4k count={READS} iflag=direct status=none && "
               # The second of those has begun on the busy machine, too.
               f"until [ $(wc -l < /tmp/sums) -gt $((sums + 1)) ]; do sleep 0.1; done && skink pause {' '.join(burners)}", 300)
    assert all(now > then for now, then in zip(cpu_seconds(dom0, burners), burnt))
    dom0.check("touch /tmp/enough; until [ -e /tmp/ended ]; do sleep 0.1; done", 90)
    assert {line.strip() for line in dom0.check("cat /tmp/sums").splitlines()} == {wanted}
    assert [restart(dom0, name)["restarts"] for name in ("net0", "disk0")] == before
    dom0.check("skink detach Domain-0 xvda", 60)
    is_taken_away(dom0, "/dev/xvda")


@pytest.fixture
def fake(dom0):
    """Makes a driver domain 'fake' that is ill in some way; it may die once, and a second time it is closed."""
    def make(line, more="", limits="", serves=False, device=""):
        manifest = driver("fake", "net", device, kernel=FAKE, line=f"net {line}").replace(
            "</skink:driver>", f"<skink:health heartbeat='100ms'/><skink:restart limit='1' within='10min' backoff='0us' then='close'/>{more}"
            f"</skink:driver>{limits}")
        dom0.write("fake.xml", manifest)
        dom0.check("skink create fake.xml", 60)
        if serves:
            dom0.write("eth.xml", interface("fake", "<mac address='00:16:3e:00:00:09'/>"))
            dom0.check("skink attach Domain-0 eth.xml", 90)
    yield make
    dom0.run("skink destroy fake --force", 60)
    for name in [name for name, one in devices(dom0, "Domain-0").items() if one["driver"] == "fake"]:
        dom0.check(f"skink detach Domain-0 {name} --force", 60)
        wait_until(lambda mac=name: dom0.ends_with(f"grep -q {mac} /sys/class/net/*/address") == 1)


def is_closed_because_of(dom0, cause, words):
    """Twice: then it is closed, and nobody else has noticed."""
    wait_until(lambda: facts(dom0, "fake")["driver"]["state"] == "closed", 120)
    seen = restart(dom0, "fake")
    assert seen["causes"][cause] == 2 and sum(seen["causes"].values()) == 2, seen
    said = dom0.check("skink events -n 12")
    assert re.search(rf"died +fake: {cause}: .*{words}", said) and re.search(r"closed +fake: 1 restarts within 600 s are used up", said), said
    dom0.check("skink restart disk0 --timeout 60 && skink restart net0 --timeout 60", 60)


LIMITS = "<skink:limits><skink:limit on='events-sent' per-second='200'/></skink:limits>"
CALLS = "<skink:limits><skink:limit on='hypercalls' per-second='10000'/></skink:limits>"


@pytest.mark.parametrize("line,cause,words,limits", [
    ("mute", "heartbeat", "it sleeps, and has missed more than two signs of life that it owes every 100 ms", ""),
    ("chatters", "abuse", r"it has written \d+ KiB into its log", ""),
    ("noise", "abuse", "it uses up its limit of events-sent, 2 in 10 ms, and has answered nothing for 2000 ms", LIMITS),
    ("wipes", "protocol", "its status has no header any more", ""),
    ("backwards", "protocol", "its heartbeat runs backwards", ""),
    ("calls", "abuse", "it uses up its limit of hypercalls, 100 in 10 ms, and has answered nothing for 2000 ms", CALLS),
], ids=("mute", "chatters", "limit", "wipes", "backwards", "calls"))
def test_driver_that_is_ill_is_reset_and_closed_in_the_end(dom0, fake, line, cause, words, limits):
    fake(line, limits=limits)
    is_closed_because_of(dom0, cause, words)


def test_rounds_that_lead_nowhere_are_a_hang(dom0, fake):
    """It answers its heartbeat and nothing else: what Domain-0 sends waits for it."""
    fake("spins", serves=True)
    dom0.check("ip link set $(grep -l 00:16:3e:00:00:09 /sys/class/net/*/address | cut -d/ -f5) up")
    is_closed_because_of(dom0, "hang", "its loop goes round and never rests, and in more than 5 ms of its own CPU time it has answered none")


@pytest.mark.parametrize("line,words", [
    ("scribbles", "it has written over Domain-0's part of the ledger"), ("torn", "what it has committed is not whole"),
    ("recants", "what it has committed, or published, runs backwards"), ("gives", "it says that it has published more than it has committed"),
], ids=("scribbles", "torn", "recants", "gives"))
def test_nonsense_in_a_ledger_is_seen(dom0, fake, line, words):
    """The front-end is Domain-0's: it is closed with its driver, and those of others are served."""
    fake(line, serves=True)
    is_closed_because_of(dom0, "protocol", words)


def test_a_driver_has_no_more_memory_than_its_manifest_gives_it(dom0, fake):
    fake("hoards")
    wait_until(lambda: "hoarded" in dom0.check("skink logs fake"))
    assert "hoarded 0 frames" in dom0.check("skink logs fake")
    assert facts(dom0, "fake")["driver"]["state"] == "serving" and restart(dom0, "fake")["restarts"] == 0


def test_device_that_interrupts_without_end_is_masked_and_its_driver_reset(dom0, fake):
    """By the core for the rest of 10 ms, each time that it is 2,000 interrupts ahead; a machine that is too slow for that many would have no storm."""
    fake("storms", device=hostdev(8))
    is_closed_because_of(dom0, "storm", r"the interrupts of its device 00:08\.0 had to be masked \d+ times in 500 ms")
    assert "pci: 0:8.0 interrupts too often: masked for a while, and told of once" in dom0.check("skink dmesg")
    function, = [one for one in json.loads(dom0.check("skink info --json"))["pci"] if one["at"].endswith("00:08.0")]
    assert function["storms"] >= 4, function


def test_driver_that_asks_for_its_own_reboot_is_not_rebooted_for_ever(dom0, fake):
    fake("reboots")
    is_closed_because_of(dom0, "shutdown", "it was shut down, reason 1")


def test_a_silent_device_is_reset(dom0):
    """It cannot reach memory any more: what waits for it is done by the successor, and comes to the same."""
    dom0.write("data.xml", DATA_DISK)
    attach(dom0, "data.xml", "xvda")
    dom0.check("dd if=/dev/xvda of=/tmp/before bs=64k count=256 iflag=direct status=none")
    dom0.check("rm -f /tmp/enough /tmp/ended; (sh -c 'for i in $(seq 1000); do dd if=/dev/xvda of=/tmp/after bs=64k count=256 iflag=direct status=none; "
               "test -e /tmp/enough && break; done; touch /tmp/ended' > /dev/null 2>&1 &)")
    before = restart(dom0, "disk0")["causes"]["device"]
    dom0.check("skink inject disk0 --class device-silent", 90)
    wait_until(lambda: restart(dom0, "disk0")["causes"]["device"] > before)
    dom0.check("touch /tmp/enough; until test -e /tmp/ended; do sleep 0.1; done; cmp /tmp/before /tmp/after", 90)
    assert "its device is silent" in why(dom0, "disk0", "device")["seen"]
    dom0.check("skink detach Domain-0 xvda", 60)
    is_taken_away(dom0, "/dev/xvda")
