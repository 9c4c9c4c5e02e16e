# SPDX-License-Identifier: MIT
"""
Drivers that die, and those they serve: what the monitor does, and what a guest sees of it, which is nothing. A death is made by
kill_driver.c, in Domain-0: it spoils the registers of a driver that is paused, at a moment of its own choice.
"""
import hashlib
import json
import os
import re
import socket
import threading

import pytest

import poisoned
from dom0 import Dom0, image_with, wait_until
from machine import BUILD
from test_metrics import scraped, value
from test_drivers import AWAIT, FAKE, attach as attach_disk, create, devices, driver, facts, hostdev, inside, interface, is_taken_away, make_disk, partition, volume

KILL, POISONED = "/usr/lib/skink/kill-driver", {role: f"/usr/lib/skink/poisoned-{role}.elf" for role in ("blk", "net")}
KILLS = 200 if os.environ.get("SKINK_FULL") else 20
KIB = 1 << 10
TURNS, PAUSE_US = (10 if os.environ.get("SKINK_FULL") else 3), 20000
# Of each round of the loads: what is waited for is that each comes round.
AMOUNT = (2048 if os.environ.get("SKINK_FULL") else 512) * KIB
WITHOUT_END = "<skink:inject allow='yes'/><skink:restart limit='1000' within='1s' backoff='0us'/>"
DRIVERS = ("disk0", "net0")
IMAGES = {"disk0": "/usr/lib/skink/blk.elf", "net0": "/usr/lib/skink/net.elf"}
# In which states kill_driver.c finds rings (ring_states.h). Each kill is of the next of WISHED, unless the driver is found in none for a long time.
WISHED, STATES = ("unread", "taken", "unseen"), ("unread", "taken", "decided", "unseen")
MAC = "00:16:3e:00:00:0"


def with_policy(manifest, policy=WITHOUT_END):
    return manifest.replace("</skink:driver>", f"{policy}</skink:driver>")


class Host:
    """What answers one guest at 10.0.2.2: one port gives the same bytes whenever it is asked, the other says what it was given."""

    def __init__(self):
        self.bytes = os.urandom(AMOUNT)
        self.hash = hashlib.sha256(self.bytes).hexdigest()
        self.giver, self.taker = self.listen(self.give), self.listen(self.take)
        self.given, self.taken = 0, []

    def listen(self, serve):
        server = socket.create_server(("127.0.0.1", 0))

        def accept():
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                threading.Thread(target=self.one, args=(connection, serve), daemon=True).start()
        threading.Thread(target=accept, daemon=True).start()
        return server.getsockname()[1]

    def one(self, connection, serve):
        with connection:
            serve(connection)

    def give(self, connection):
        connection.sendall(self.bytes)
        self.given += 1

    def take(self, connection):
        sum_of_it = hashlib.sha256()
        while piece := connection.recv(65536):
            sum_of_it.update(piece)
        self.taken.append(sum_of_it.hexdigest())


@pytest.fixture(scope="module")
def host():
    return Host()


@pytest.fixture(scope="module")
def dom0():
    image = image_with("restart", {KILL[1:]: f"{BUILD}/dom0/kill-driver", FAKE[1:]: f"{BUILD}/guest/fake-driver.elf",
                                   **{path[1:]: f"{BUILD}/test/poisoned-{role}.elf" for role, path in POISONED.items()}})
    options = ("-machine", "q35", "-device", "intel-iommu,intremap=on", "-drive", f"file={make_disk('restart')},format=raw,if=none,id=disk0,discard=unmap",
               "-device", "virtio-blk-pci,drive=disk0,addr=4,disable-legacy=on,iommu_platform=on",
               "-drive", f"file={make_disk('restart-poisoned')},format=raw,if=none,id=disk1",
               "-device", "virtio-blk-pci,drive=disk1,addr=6,disable-legacy=on,iommu_platform=on",
               "-netdev", "user,id=net0", "-device", "virtio-net-pci,netdev=net0,addr=5,disable-legacy=on,iommu_platform=on")
    with Dom0("restart", smp=os.environ.get("SMP", "1"), memory=2560, limit=3600, image=image, more=options) as machine:
        machine.log_in()
        for name, role, slot in (("disk0", "blk", 4), ("net0", "net", 5)):
            machine.write(f"{name}.xml", with_policy(driver(name, role, hostdev(slot), unprotected=False)))
            machine.check(f"skink create {name}.xml", 60)
        yield machine
        machine.end()


def create_loaded(dom0, name, disk_of_it, number, vcpus=1):
    """A guest with a disk and an interface, for a load on both that goes on until /tmp/stop is there."""
    create(dom0, name, disk_of_it + interface(more=f"<mac address='{MAC}{number}'/>"), memory_mib=160, vcpus=vcpus)
    wait_until(lambda: all(one["state"] == "connected" for one in devices(dom0, name).values()))
    inside(dom0, name, f"ip link set eth0 up; ip addr add 10.0.2.1{number}/24 dev eth0; for i in 1 2 3 4 5 6; do ping -c 1 -W 2 10.0.2.2 && break; done")
    inside(dom0, name, f"dd if=/dev/urandom of=/tmp/blob bs={AMOUNT} count=1 iflag=fullblock")
    return name


@pytest.fixture(scope="module")
def web(dom0, host):
    return create_loaded(dom0, "web", partition("xvda", "data"), 6)


def on_files(dom0, command):
    """In Domain-0, which has the volume for so long."""
    dom0.write("files.xml", volume("xvdf", "files"))
    attach_disk(dom0, "files.xml", "xvdf")
    dom0.check(command, 60)
    dom0.check("skink detach Domain-0 xvdf", 60)
    is_taken_away(dom0, "/dev/xvdf")


@pytest.fixture
def shop(dom0):
    """Another one at the same drivers, whose two vcpus have rings of their own, and with a file system besides."""
    dom0.check("skink volume create disk0 shop 32MiB && skink volume create disk0 files 32MiB", 60)
    on_files(dom0, "mke2fs -q -t ext4 /dev/xvdf")
    create_loaded(dom0, "shop", volume("xvda", "shop") + volume("xvdb", "files"), 7, vcpus=2)
    inside(dom0, "shop", "modprobe ext4; mkdir -p /mnt; mount -t ext4 -o discard /dev/xvdb /mnt")
    assert number(dom0, "shop", "grep -c ^/dev/xvdb./mnt.ext4 /proc/mounts") == 1
    yield "shop"
    dom0.check("skink destroy shop", 60)
    for name in ("shop", "files"):
        wait_until(lambda name=name: dom0.ends_with(f"skink volume delete disk0 {name}", 60) == 0)


LOADS = {
    # Written past the cache in pieces of several sizes, by two at once, and read back. The console hears of each, to be counted in Domain-0.
    "disk": "for w in 0 1; do (while [ ! -e /tmp/stop ]; do for k in 4 64 256; do [ ! -e /tmp/stop ] || break; "
            f"dd if=/tmp/blob of=/dev/xvda bs=\\$((k))k count=\\$(({AMOUNT >> 10} / k)) seek=\\$((w * 16384 / k)) oflag=direct status=none && "
            f"dd if=/dev/xvda bs={AMOUNT} skip=\\$((w * {(16 << 20) // AMOUNT})) count=1 iflag=direct status=none | cmp - /tmp/blob && echo ok || echo bad; "
            "echo round \\$w > /dev/console; done; done > /tmp/disk.\\$w 2>&1) & done;",
    "in": "(while [ ! -e /tmp/stop ]; do nc 10.0.2.2 {giver} < /dev/null | sha256sum; done > /tmp/in 2>&1) &",
    "out": "(while [ ! -e /tmp/stop ]; do nc 10.0.2.2 {taker} < /tmp/blob || echo bad; echo done; done > /tmp/out 2>&1) &",
}


# Files are made, read past the cache, and deleted, with one that stays. What they had is discarded with the journal's next commit, which is flushed.
FILES = ("(while [ ! -e /tmp/stop ]; do for f in 0 1 2 3; do cp /tmp/blob /mnt/\\$f; done; mv /mnt/0 /mnt/stays; sync; for f in 1 2 3 stays; do "
         f"dd if=/mnt/\\$f bs={AMOUNT} iflag=direct status=none | cmp - /tmp/blob && echo ok || echo bad; done; rm /mnt/?; "
         "echo file''d anew > /dev/console; done > /tmp/files 2>&1) &")


def lines(dom0, name, command):
    """What a command in the guest prints, whatever the console has from before."""
    said = inside(dom0, name, f"echo be''gin; {command}")
    return said[said.rindex("begin\n") + 6:].splitlines()[:-1]


def number(dom0, name, command):
    return int(lines(dom0, name, command)[0])


# A kernel's words about a machine that stood still for a while, and about chance enough.
NOT_OURS = "-e 'clocksource: ' -e 'hrtimer: interrupt took' -e 'sched: RT throttling' -e 'random: crng init'"


def seen_from_inside(dom0, name):
    """
    All that a guest could notice: its kernel's messages, its carrier, errors and resets of connections.
    """
    return lines(dom0, name, f"dmesg | grep -v {NOT_OURS} > /tmp/dmesg; tail -n 3 /tmp/dmesg; "
                 "wc -l < /tmp/dmesg; cat /sys/class/net/eth0/carrier_changes; grep -c . /proc/net/dev; "
                 "grep ^Tcp: /proc/net/snmp | tail -1 | cut -d' ' -f9; cat /sys/class/net/eth0/statistics/tx_errors")


def xenbus(dom0):
    """Everything in the store that is about devices."""
    return dom0.check("for d in $(xenstore-list /local/domain); do for part in backend device; do "
                      "xenstore-ls -f /local/domain/$d/$part 2>/dev/null; done; done")


def kill(dom0, name, times, most_us, seed, how, image=""):
    return dom0.check(f"{KILL} {facts(dom0, name)['id']} {times} {most_us} {seed} {how} {image}", 60 + 10 * times)


def begin_load(dom0, name, host):
    loads = " ".join(load.format(giver=host.giver, taker=host.taker) for load in LOADS.values())
    inside(dom0, name, f"rm -f /tmp/stop; touch /tmp/disk.0 /tmp/disk.1 /tmp/in /tmp/out; {loads} :")


def rounds(dom0, name, host):
    """How often each part of the load has come round. The guest, which has enough to do, is not asked."""
    counts = dom0.check(f"for w in 0 1; do grep -c \"round $w\" /var/log/skink/consoles/guest-{name}.log; done; true")
    return [*(int(count) for count in counts.split()), host.given, len(host.taken)]


def wait_for_rounds(dom0, name, host, since=(0, 0, 0, 0)):
    wait_until(lambda: all(now > then for now, then in zip(rounds(dom0, name, host), since)), 300)


def restarts(dom0, name):
    return facts(dom0, name)["driver"]["restart"]


# ------------------------------------------------------------------ under load

def is_unharmed(dom0, name, host):
    """All that it has read, and all that either end was given, is what it should be."""
    assert number(dom0, name, "cat /tmp/disk.? /tmp/out | grep -vc -e ok -e done") == 0
    assert set(lines(dom0, name, "cut -d' ' -f1 /tmp/in | sort | uniq")) == {host.hash}
    assert set(lines(dom0, name, "sha256sum /tmp/blob | cut -d' ' -f1")) == set(host.taken)


def is_counted(dom0, guests):
    """What the metrics say of these deaths, and of what guests have done meanwhile."""
    families = scraped(dom0)
    for name in DRIVERS:
        causes = {cause: value(families, "skink_driver_deaths", "_total", driver=name, cause=cause) for cause in restarts(dom0, name)["causes"]}
        assert causes == restarts(dom0, name)["causes"] and causes["crash"] + causes["shutdown"] == KILLS
        assert value(families, "skink_driver_restarts", "_total", driver=name) == restarts(dom0, name)["restarts"] >= KILLS
        spent = [(sample.labels["domain"], sample.value) for sample in families["skink_attachment_busy_seconds"].samples if sample.labels["driver"] == name]
        assert all(seconds > 0 for domain, seconds in spent if domain in guests) and {*guests} <= {domain for domain, _ in spent}
        assert sum(seconds for _, seconds in spent) <= value(families, "skink_domain_cpu_seconds", "_total", domain=name)
    assert sum(sample.value for sample in families["skink_attachment_redone_requests"].samples if sample.labels["driver"] == "disk0") > 0
    for operation in ("flush", "discard"):
        assert value(families, "skink_attachment_requests", "_total", domain="shop", driver="disk0", device="xvdb", operation=operation) >= KILLS // 10
    for name, host in guests.items():
        disk, given, taken = sum(rounds(dom0, name, host)[:2]), host.given, len(host.taken)
        for driver_name, direction, count in (("disk0", "written", disk), ("disk0", "read", disk), ("net0", "received", given), ("net0", "transmitted", taken)):
            device = {"device": "xvda"} if driver_name == "disk0" else {}
            assert value(families, "skink_attachment_bytes", "_total", domain=name, driver=driver_name, direction=direction, **device) >= count * AMOUNT > 0


def is_told(dom0, name, guests):
    """Its last post-mortem has whom it served, and their rings, and its ledger's part of each."""
    death = json.loads(dom0.check(f"skink why {name} --json"))["death"]
    assert {*guests} <= {one["domain"] for one in death["attachments"] if one["state"] == "connected"}
    for guest, queues in ((guest, {0, 1} if guest == "shop" else {0}) for guest in guests):
        rings = [ring for ring in death["rings"] if ring["domain"] == guest]
        assert {ring["queue"] for ring in rings} == queues
        assert all(ring["slots"] and ring["commit_whole"] and "published" in ring for ring in rings) and any(ring["commit"] for ring in rings), rings
    told = dom0.check(f"skink why {name} --verbose")
    assert all(re.search(rf"^{guest}, \S+ at {name}, queue 0, .*: \d+ slots, \d+ unanswered$", told, re.M) for guest in guests), told


def states_of(said):
    """Of each kill: (the state that was wished for, in how many rings each was)."""
    kills = re.findall(r"^kill \d+: wished for (\w+), \d+ looks, rings \d+((?: \w+ \d+)+)$", said, re.M)
    return [(wished, {state: int(count) for state, count in re.findall(r"(\w+) (\d+)", found)}) for wished, found in kills]


def each_state_of_the_rings_was_met(name, kills):
    """As often as every other one, or nearly; and nobody died at rest."""
    counts = {state: sum(found[state] > 0 for _, found in kills) for state in STATES}
    met = {state: sum(found[state] > 0 for wished, found in kills if wished == state) for state in WISHED}
    idle = sum(not any(found.values()) for _, found in kills)
    print(f"{name}: {len(kills)} kills: {', '.join(f'{count} with {state} requests or answers' for state, count in counts.items())}; {idle} with none; as wished: {met}")
    assert len(kills) == KILLS and idle <= KILLS // 10, counts
    assert all(count >= KILLS // 6 for count in met.values()), met


def rounds_of_files(dom0):
    return int(dom0.check("grep -c \"filed anew\" /var/log/skink/consoles/guest-shop.log; true"))


def files_go_on(dom0, since):
    wait_until(lambda: rounds_of_files(dom0) > since, 300)


def files_are_right(dom0, name):
    """What was read of them, and all that fsck knows of."""
    assert number(dom0, name, "grep -c bad /tmp/files") == 0 and number(dom0, name, "grep -c ok /tmp/files") >= 8
    inside(dom0, name, "umount /mnt")
    dom0.check(f"skink detach {name} xvdb --timeout 60", 90)
    on_files(dom0, "e2fsck -fn /dev/xvdf")


def test_guests_under_load_notice_nothing_of_either_drivers_deaths(dom0, host, web, shop):
    guests = {web: host, shop: Host()}
    assert lines(dom0, shop, "ls -d /sys/block/xvda/mq/* /sys/class/net/eth0/queues/tx-* | wc -l") == ["4"]
    generations = {name: facts(dom0, name)["driver"]["generation"] for name in DRIVERS}
    before, store = [seen_from_inside(dom0, name) for name in guests], xenbus(dom0)
    for name in guests:
        begin_load(dom0, name, guests[name])
    inside(dom0, shop, FILES + " :")
    for name in guests:
        wait_for_rounds(dom0, name, guests[name])
    files_go_on(dom0, 0)
    said = {name: "" for name in DRIVERS}
    for turn, (name, how) in enumerate((name, how) for how in ("jump", "stack") for name in DRIVERS):
        said[name] += "\n" + kill(dom0, name, KILLS // 2, 60000, turn, how, IMAGES[name])
    since, of_files = {name: rounds(dom0, name, guests[name]) for name in guests}, rounds_of_files(dom0)
    for name in guests:
        wait_for_rounds(dom0, name, guests[name], since[name])
    files_go_on(dom0, of_files)
    for name in guests:
        inside(dom0, name, "touch /tmp/stop")
    for name in guests:
        inside(dom0, name, "wait", 300)
        is_unharmed(dom0, name, guests[name])
    assert [seen_from_inside(dom0, name) for name in guests] == before and xenbus(dom0) == store
    for name in DRIVERS:
        shown = facts(dom0, name)["driver"]
        assert shown["generation"] == generations[name] + KILLS
        assert shown["restart"]["causes"]["crash"] + shown["restart"]["causes"]["shutdown"] == KILLS
        assert shown["restart"]["state"] == "serving" and shown["restart"]["last"]["recovered_us"] > 0
        is_told(dom0, name, guests)
        each_state_of_the_rings_was_met(name, states_of(said[name]))
    is_counted(dom0, guests)
    files_are_right(dom0, shop)


# ------------------------------------------------------------------ while somebody comes or goes

# Both drivers die all the while, until SIGTERM ends those who kill them: between two deaths, and not while one is paused.
COME_AND_GO = f"""
{KILL} $1 100000 {PAUSE_US} 1 stack > disk0.killed & disk=$!
{KILL} $2 100000 {PAUSE_US} 2 stack > net0.killed & net=$!
come_and_go() {{
  for i in $(seq {TURNS}); do
    skink attach web $1 --timeout 60 && skink detach web $2 --timeout 60 || return
    echo turn $i of $1
  done
}}
come_and_go small.xml xvdb & a=$!
come_and_go second.xml {MAC}8
wait $a
kill $disk $net; wait
cat disk0.killed net0.killed
"""
SECOND = f"$(grep -l {MAC}8 /sys/class/net/*/address | cut -d/ -f5)"


def test_devices_come_and_go_while_their_drivers_die(dom0, web):
    dom0.write("small.xml", partition("xvdb", "small"))
    dom0.write("second.xml", interface(more=f"<mac address='{MAC}8'/>"))
    dom0.write("come-and-go", COME_AND_GO)
    before = {name: restarts(dom0, name)["restarts"] for name in DRIVERS}
    said = dom0.check(f"bash come-and-go {facts(dom0, 'disk0')['id']} {facts(dom0, 'net0')['id']}", 60 * TURNS)
    assert f"turn {TURNS} of small" in said and f"turn {TURNS} of second" in said, said
    killed = [int(count) for count in re.findall(r"^killed (\d+) times", said, re.M)]
    assert len(killed) == 2 and min(killed) > TURNS, said
    assert [restarts(dom0, name)["restarts"] - before[name] for name in DRIVERS] == killed
    dom0.check("skink attach web small.xml && skink attach web second.xml", 120)
    assert "this is small" in inside(dom0, web, AWAIT.format("xvdb") + "head -c 13 /dev/xvdb; echo")
    assert "heard" in inside(dom0, web, f"ip link set {SECOND} up; ip addr add 10.0.2.18/24 dev {SECOND}; ip route add 10.0.2.2 dev {SECOND} src 10.0.2.18; "
                             "for i in 1 2 3 4 5 6; do ping -c 1 -W 2 10.0.2.2 > /dev/null && break; done && echo he''ard")
    assert not re.search(r"BUG|Call Trace|I/O error", inside(dom0, web, "dmesg"))
    dom0.check(f"skink detach web xvdb && skink detach web {MAC}8", 120)


# ------------------------------------------------------------------ policies, with a driver that has no device

@pytest.fixture
def fake(dom0):
    """Makes a driver domain 'fake' of that policy and those words; it and what Domain-0 has of it go with the test."""
    def make(policy, line="net", role="net"):
        manifest = driver("fake", role, kernel=FAKE, line=line, unprotected=False)
        dom0.write("fake.xml", with_policy(manifest, policy))
        dom0.check("skink create fake.xml", 60)
        return "fake"
    yield make
    dom0.run("skink destroy fake --force", 60)
    for name in [name for name, one in devices(dom0, "Domain-0").items() if one["driver"] == "fake"]:
        dom0.check(f"skink detach Domain-0 {name} --force", 60)
        wait_until(lambda mac=name: dom0.ends_with(f"grep -q {mac} /sys/class/net/*/address") == 1)


def state(dom0, name="fake"):
    """Its restart's state; "built" while it is built anew and has none."""
    driver = facts(dom0, name)["driver"]
    return driver["restart"]["state"] if driver else "built"


def becomes(dom0, wanted, name="fake"):
    return wait_until(lambda: state(dom0, name) == wanted, 60)


def events(dom0, name="fake"):
    """Since it was created."""
    said = [line for line in dom0.check("skink events -n 60").splitlines() if f"  {name}: " in line]
    return said[max(i for i, line in enumerate(said) if "  created  " in line):]


def attach(dom0):
    dom0.write("fake-eth.xml", interface("fake", f"<mac address='{MAC}9'/>"))
    dom0.check("skink attach Domain-0 fake-eth.xml", 90)


def test_restarts_that_are_used_up_end_in_a_hold(dom0, fake):
    fake("<skink:restart limit='2' within='10min' backoff='0us' then='hold'/>")
    attach(dom0)
    becomes(dom0, "serving")
    store = xenbus(dom0)
    for turn in range(3):
        kill(dom0, "fake", 1, 1000, turn, "stack")
    becomes(dom0, "held")
    assert re.search(r"held +fake: 2 restarts within 600 s are used up: its guests wait for 'skink release fake'", "\n".join(events(dom0)))
    assert "net driver, held" in dom0.check("skink list")
    assert xenbus(dom0) == store and devices(dom0, "Domain-0")[f"{MAC}9"]["state"] == "connected"
    status, said = dom0.run("skink wait fake --for recovered --timeout 20", 30)
    assert status == 1 and "will not recover by itself" in said
    status, said = dom0.run("skink unpause fake")
    assert status == 1 and "'skink release fake' lets it go" in said
    assert "fake: serves again" in dom0.check("skink release fake --timeout 60")
    assert restarts(dom0, "fake")["causes"]["crash"] == 3 and xenbus(dom0) == store
    status, said = dom0.run("skink release fake")
    assert status == 1 and "there is nothing to release" in said


def test_front_ends_of_a_closed_driver_are_closed_and_attached_anew(dom0, fake):
    fake("<skink:restart limit='1' within='10min' backoff='0us' then='close'/>")
    attach(dom0)
    for turn in range(2):
        kill(dom0, "fake", 1, 1000, turn, "stack")
    becomes(dom0, "closed")
    wait_until(lambda: devices(dom0, "Domain-0")[f"{MAC}9"]["state"] == "no-driver")
    wait_until(lambda: dom0.ends_with(f"grep -q {MAC}9 /sys/class/net/*/address") == 1)
    dom0.check("skink release fake --timeout 60")
    wait_until(lambda: devices(dom0, "Domain-0")[f"{MAC}9"]["state"] == "connected")
    wait_until(lambda: dom0.ends_with(f"grep -q {MAC}9 /sys/class/net/*/address") == 0)


def test_dead_stays_dead_until_a_hand_comes(dom0, fake):
    fake("<skink:restart automatic='no'/>")
    attach(dom0)
    becomes(dom0, "serving")
    assert restarts(dom0, "fake")["armed"] is False
    assert "is not back" in dom0.run(f"{KILL} {facts(dom0, 'fake')['id']} 1 1000 1 stack", 60)[1]
    assert state(dom0) == "dead" and re.search(r"dead +fake: its manifest says automatic='no'", "\n".join(events(dom0)))
    dom0.check("skink restart fake --timeout 60")
    assert state(dom0) == "serving" and devices(dom0, "Domain-0")[f"{MAC}9"]["state"] == "connected"


def test_pauses_between_deaths_grow(dom0, fake):
    fake("<skink:restart limit='9' within='10min' backoff='400ms' jitter='0%'/>")
    becomes(dom0, "serving")
    for turn in range(3):
        kill(dom0, "fake", 1, 1000, turn, "stack")
    dom0.check("skink wait fake --for recovered")
    waited = re.findall(r"it is restarted in (\d+) ms", "\n".join(events(dom0)))
    assert waited == ["400", "800"], waited
    assert restarts(dom0, "fake")["restarts"] == 3 and restarts(dom0, "fake")["armed"] is False


def test_dead_driver_can_be_destroyed(dom0, fake):
    fake("<skink:restart automatic='no'/>")
    becomes(dom0, "serving")
    dom0.run(f"{KILL} {facts(dom0, 'fake')['id']} 1 1000 1 stack", 60)
    assert state(dom0) == "dead"
    dom0.check("skink shutdown fake", 60)
    assert "fake" not in dom0.check("skink list")


@pytest.mark.parametrize("line", ("net early", "net loops"))
def test_driver_that_cannot_live_ends_in_quarantine(dom0, fake, line):
    fake("<skink:restart limit='3' within='10min' backoff='1ms'/>", line)
    if line == "net loops":
        dom0.check("skink restart fake --timeout 1 || true")
    becomes(dom0, "closed")
    said = "\n".join(events(dom0))
    assert said.count(" died ") == 4, said
    assert "it was told to die" in said
    assert all(restarts(dom0, name)["state"] == "serving" for name in DRIVERS)


def test_driver_that_is_never_ready_is_not_restarted_in_place(dom0, fake):
    fake("<skink:restart/>", "net unready")
    attach(dom0)
    status, said = dom0.run("skink restart fake")
    assert status == 1 and "it has not said ready, so there is nothing to go back to" in said
    status, said = dom0.run("skink restart --all-drivers", 60)
    assert status == 1 and "has not said ready" in said
    is_told_of_as_unready(dom0)


def is_told_of_as_unready(dom0):
    wait_until(lambda: re.search(r" failed +fake: it has not said ready within 10 s: until then nobody watches over it", "\n".join(events(dom0))), 60)


def test_driver_that_does_not_come_up_is_told_of(dom0, fake):
    """Whoever is attached to it waits; the others are served."""
    fake("<skink:restart/>", "net stuck")
    is_told_of_as_unready(dom0)
    assert facts(dom0, "fake")["driver"]["state"] == "starting"
    dom0.check("skink restart disk0 --timeout 60 && skink restart net0 --timeout 60")


def test_all_drivers_are_restarted_by_hand(dom0, web):
    before = {name: facts(dom0, name)["driver"]["generation"] for name in DRIVERS}
    dom0.check("skink restart --all-drivers", 60)
    assert {name: facts(dom0, name)["driver"]["generation"] - then for name, then in before.items()} == {name: 1 for name in DRIVERS}
    assert all(restarts(dom0, name)["state"] == "serving" and restarts(dom0, name)["last"]["cause"] == "by-hand" for name in DRIVERS)


def test_ready_twice_and_nonsense_in_the_status_harm_nobody(dom0, fake):
    fake("<skink:restart/>", "net twice lies")
    becomes(dom0, "serving")
    # What it says of this one is nonsense at each of its beats.
    dom0.write("fake-eth.xml", interface("fake", f"<mac address='{MAC}9'/>"))
    dom0.run("skink attach Domain-0 fake-eth.xml --timeout 5", 60)
    begun = dom0.check("skink logs fake").count("ready again: -16")
    wait_until(lambda: dom0.check("skink logs fake").count("ready again: -16") > begun + 1, 30)
    shown = facts(dom0, "fake")["driver"]
    assert shown["state"] == "serving" and shown["restart"]["restarts"] == 0
    assert "\x1b" not in dom0.check("skink info fake; skink info Domain-0; skink rings fake || true")
    dom0.check("skink restart disk0 --timeout 60 && skink restart net0 --timeout 60")


def test_what_is_no_driver_is_not_restarted(dom0, web):
    status, said = dom0.run(f"skink restart {web}")
    assert status == 4 and f"'skink reboot {web}' asks a guest to begin again" in said
    assert dom0.ends_with("skink restart Domain-0") == 4


# ------------------------------------------------------------------ skinkd's own deaths

def kill_skinkd(dom0):
    dom0.check("kill -9 $(cat /etc/sv/skinkd/supervise/pid)")


def skinkd_answers(dom0):
    return wait_until(lambda: dom0.ends_with("skink list > /dev/null 2>&1") == 0, 60)


def test_skinkd_that_is_killed_finds_and_counts_what_died_meanwhile(dom0, web):
    counted = {name: restarts(dom0, name)["restarts"] for name in DRIVERS}
    ids = {name: facts(dom0, name)["id"] for name in DRIVERS}
    store = xenbus(dom0)
    # The first death of each is the core's to mend, the second waits for the next skinkd.
    dom0.check("kill -STOP $(cat /etc/sv/skinkd/supervise/pid)")
    for name in DRIVERS:
        dom0.check(f"{KILL} {ids[name]} 1 1000 1 stack", 60)
    second = " & ".join(f"{KILL} {ids[name]} 1 1000 2 stack" for name in DRIVERS)
    dom0.check(f"({second} & kill -9 $(cat /etc/sv/skinkd/supervise/pid); wait)", 90)
    skinkd_answers(dom0)
    for name in DRIVERS:
        dom0.check(f"skink wait {name} --for recovered --timeout 30", 60)
        assert restarts(dom0, name)["restarts"] == counted[name] + 2
    assert xenbus(dom0) == store


def test_skinkd_that_is_killed_in_the_middle_of_restarts_finishes_them(dom0, web):
    store = xenbus(dom0)
    for turn in range(KILLS // 4):
        dom0.check(f"for name in {' '.join(DRIVERS)}; do skink restart $name > /dev/null 2>&1 & done; sleep 0.0{turn}; "
                   "kill -9 $(cat /etc/sv/skinkd/supervise/pid); wait", 60)
        skinkd_answers(dom0)
    for name in DRIVERS:
        dom0.check(f"skink wait {name} --for recovered --timeout 30", 60)
        dom0.check(f"skink restart {name} --timeout 60", 90)
    assert xenbus(dom0) == store
    assert lines(dom0, web, "dd if=/dev/xvda bs=1M count=1 iflag=direct status=none | wc -c") == ["1048576"]


def test_driver_that_waits_for_its_restart_when_skinkd_is_killed_is_restarted(dom0, fake):
    fake("<skink:restart limit='9' within='10min' backoff='5s' jitter='0%'/>")
    becomes(dom0, "serving")
    kill(dom0, "fake", 1, 1000, 1, "stack")
    dom0.check(f"({KILL} {facts(dom0, 'fake')['id']} 1 1000 2 stack > /dev/null 2>&1 &)")     # it waits until the driver is back
    becomes(dom0, "backing-off")
    kill_skinkd(dom0)
    skinkd_answers(dom0)
    becomes(dom0, "serving")
    assert restarts(dom0, "fake")["causes"]["crash"] == 2 and restarts(dom0, "fake")["restarts"] == 2


def test_pause_between_deaths_is_no_hand_s_to_end(dom0, fake):
    """Nor to add to: the driver would run wrongly on, or come back with nobody to look at it."""
    fake("<skink:restart limit='9' within='10min' backoff='60s' backoff-limit='60s' jitter='0%'/>")
    becomes(dom0, "serving")
    kill(dom0, "fake", 1, 1000, 1, "stack")
    dom0.check(f"({KILL} {facts(dom0, 'fake')['id']} 1 1000 2 stack > /dev/null 2>&1 &)")
    becomes(dom0, "backing-off")
    for verb in ("pause", "unpause"):
        status, said = dom0.run(f"skink {verb} fake")
        assert status == 1 and "'skink restart fake' has it back at once" in said
    dom0.check("skink restart fake --timeout 60")
    assert state(dom0) == "serving"
    dom0.check("skink pause fake; skink unpause fake")


def test_held_is_held_by_the_next_skinkd_too(dom0, fake):
    fake("<skink:restart limit='1' within='10min' backoff='0us' then='hold'/>")
    for turn in range(2):
        becomes(dom0, "serving")
        kill(dom0, "fake", 1, 1000, turn, "stack")
    becomes(dom0, "held")
    kill_skinkd(dom0)
    skinkd_answers(dom0)
    assert state(dom0) == "held" and restarts(dom0, "fake")["causes"]["crash"] == 2
    dom0.check("skink release fake --timeout 60")
    assert state(dom0) == "serving"


# ------------------------------------------------------------------ Domain-0's own disk

def apply(dom0, name, role, slot, policy):
    """Changes the policy of a driver that runs."""
    dom0.check("rm -rf policies; mkdir policies")
    dom0.write(f"policies/{name}.xml", with_policy(driver(name, role, hostdev(slot), unprotected=False), policy))
    dom0.check("skink apply policies", 60)


def test_disk_that_skinkd_writes_to_dies_with_no_memory_to_spare(dom0):
    """Nothing is armed: each reset is skinkd's, whose state and log are on the disk that has died."""
    dom0.check("skink volume create disk0 own 64MiB", 60)
    dom0.write("own.xml", "<disk type='volume' device='disk'><source pool='disk0' volume='own'/><target dev='xvdb' bus='xen'/></disk>\n")
    attach_disk(dom0, "own.xml", "xvdb")
    dom0.check("mkfs.ext4 -q /dev/xvdb && mkdir -p /mnt/own && mount /dev/xvdb /mnt/own", 120)
    apply(dom0, "disk0", "blk", 4, "<skink:restart limit='1000' within='1s' backoff='0us' armed='no'/>")
    wait_until(lambda: not restarts(dom0, "disk0")["armed"])
    counted = restarts(dom0, "disk0")["restarts"]
    dom0.check("mkdir -p /mnt/own/state /mnt/own/log && cp /var/lib/skink/state.json /mnt/own/state/ && cp /etc/skink/skinkd.conf /tmp/ && "
               "printf 'state_dir = /mnt/own/state\\nlog_dir = /mnt/own/log\\n' >> /etc/skink/skinkd.conf")
    kill_skinkd(dom0)
    skinkd_answers(dom0)
    assert dom0.ends_with("test -s /mnt/own/log/events.log") == 0
    # All memory but a little is spoken for, and what is written has to go to the disk before more can be.
    dom0.check("mkdir -p /mnt/full && mount -t tmpfs -o size=100% full /mnt/full && "
               "head -c $(($(awk '/MemAvailable/ { print $2 }' /proc/meminfo) - 49152))K /dev/zero > /mnt/full/all", 120)
    dom0.check("head -c 12M /dev/urandom > /mnt/own/original && sha256sum < /mnt/own/original > /tmp/own.sum && sync", 60)
    dom0.check("(while [ ! -e /tmp/own.stop ]; do cp /mnt/own/original /mnt/own/copy && sync && sha256sum < /mnt/own/copy | cmp - /tmp/own.sum || "
               "touch /tmp/own.bad; done) > /dev/null 2>&1 & sleep 1")
    kill(dom0, "disk0", KILLS // 2, 60000, 7, "stack")
    dom0.check("touch /tmp/own.stop; wait; rm /mnt/full/all; umount /mnt/full; test ! -e /tmp/own.bad", 120)
    wait_until(lambda: restarts(dom0, "disk0")["restarts"] == counted + KILLS // 2)
    dom0.check("cp /tmp/skinkd.conf /etc/skink/skinkd.conf; cp /mnt/own/state/state.json /var/lib/skink/state.json")
    kill_skinkd(dom0)
    skinkd_answers(dom0)
    dom0.check("umount /mnt/own && e2fsck -fn /dev/xvdb && skink detach Domain-0 xvdb && skink volume delete disk0 own", 90)
    assert not re.search(r"I/O error|blk_update_request|EXT4-fs error", dom0.check("dmesg"))
    apply(dom0, "disk0", "blk", 4, WITHOUT_END)


# ------------------------------------------------------------------ a request that kills

def names_its_request(told, guest):
    return re.search(rf"xvdq.*{guest}|{guest}.*xvdq", told) and f"write of 1 segments at sector {poisoned.SECTOR}" in told


def test_request_that_kills_costs_its_own_disk_and_no_other(dom0, web):
    """The driver has a mistake (poisoned.py), and a guest's front-end knows of it; what Domain-0 does on the same device goes on."""
    dom0.write("poisoned.xml", with_policy(driver("poisoned", "blk", hostdev(6), kernel=POISONED["blk"], unprotected=False)))
    dom0.check("skink create poisoned.xml", 60)
    for name, label, owner in (("xvdp", "small", "Domain-0"), ("xvdq", "data", web)):
        dom0.write(f"{name}.xml", partition(name, label).replace("'disk0'", "'poisoned'"))
        if owner == "Domain-0":
            attach_disk(dom0, f"{name}.xml", name)
        else:
            dom0.check(f"skink attach {owner} {name}.xml", 90)
    dom0.check("rm -f /tmp/enough; : > /tmp/rounds; head -c 1M /dev/urandom > /tmp/mine; (while [ ! -e /tmp/enough ]; do dd if=/tmp/mine of=/dev/xvdp bs=64k oflag=direct "
               "status=none && dd if=/dev/xvdp bs=64k count=16 iflag=direct status=none | cmp - /tmp/mine && echo ok || echo bad; "
               "done > /tmp/rounds 2>&1) & true")

    def neighbour_goes_on():
        ended = int(dom0.check("wc -l < /tmp/rounds"))
        return wait_until(lambda: int(dom0.check("wc -l < /tmp/rounds")) > ended + 1, 120)

    neighbour_goes_on()
    inside(dom0, web, AWAIT.format("xvdq") + f"(dd if=/dev/zero of=/dev/xvdq bs=512 count=1 seek={poisoned.SECTOR} oflag=direct > /dev/null 2>&1 &)")
    for deaths in (2, 4):
        wait_until(lambda: devices(dom0, web)["xvdq"]["state"] == "set-aside" and restarts(dom0, "poisoned")["restarts"] == deaths)
        neighbour_goes_on()
        # It is written a moment after the death.
        wait_until(lambda: names_its_request(dom0.check("skink why poisoned"), web))
        if deaths == 2:
            dom0.check("skink release poisoned --timeout 60")
    assert restarts(dom0, "poisoned")["restarts"] == 4
    dom0.check("touch /tmp/enough; wait; ! grep -v ok /tmp/rounds", 60)
    dom0.check(f"skink detach {web} xvdq --force && skink detach Domain-0 xvdp && skink destroy poisoned --force", 120)


# ------------------------------------------------------------------ what cannot be taken back

BUSY = {"disk0": "(while [ ! -e /tmp/stop ] && dd if=/dev/zero of=/dev/xvda bs=64k count=64 oflag=direct 2> /tmp/error; do echo >> /tmp/rounds; done; touch /tmp/over) & :",
        "net0": "(until [ -e /tmp/stop ]; do ping -c 20 -i 0.05 -W 30 10.0.2.2 > /dev/null && echo >> /tmp/rounds; done) & :"}


@pytest.fixture(scope="module")
def pair(dom0, web):
    """Two guests that are alike, and nobody else but Domain-0."""
    dom0.check(f"skink destroy {web}", 60)
    for number, name in enumerate(("left", "right"), 4):
        dom0.check(f"skink volume create disk0 {name} 32MiB", 60)
        create(dom0, name, volume("xvda", name) + interface(more=f"<mac address='{MAC}{number}'/>"), memory_mib=112)
        wait_until(lambda name=name: all(one["state"] == "connected" for one in devices(dom0, name).values()))
        inside(dom0, name, f"{AWAIT.format('xvda')} ip link set eth0 up; ip addr add 10.0.2.1{number}/24 dev eth0")
    return {"left": f"{MAC}4", "right": f"{MAC}5"}


def of_driver(dom0, owner, name):
    return next(one for one in devices(dom0, owner).values() if one["driver"] == name)


def spoilt_rings(dom0, owner, name):
    """What its driver's successor said of them; "" if nothing."""
    found = re.search(rf"  refused +{owner}: .* at {name}: (.*)", dom0.check("skink events -n 200"))
    return found[1].strip() if found else ""


def is_used(dom0, owner, name, before):
    """Connected, and more was done by it than before."""
    now = of_driver(dom0, owner, name)
    return now["state"] == "connected" and sum(now["counters"].values()) > sum(before["counters"].values())


def whose_ring_is_spoilt(dom0, name, pair):
    """A bit of some ring's ledger, and a death: until a ring of one of the two does not survive it. Not every bit matters, and Domain-0 has a disk there too."""
    for seed in range(40):
        told = json.loads(dom0.check(f"skink inject {name} --class ledger --seed {seed} --json", 90))["faults"][0]
        wait_until(lambda: facts(dom0, name)["driver"]["restart"]["state"] == "serving")
        if told["front_id"] == 0:
            wait_until(lambda: of_driver(dom0, "Domain-0", name)["state"] == "connected")
            continue
        hit = next(owner for owner in pair if facts(dom0, owner)["id"] == told["front_id"])
        before = of_driver(dom0, hit, name)
        wait_until(lambda: spoilt_rings(dom0, hit, name) or is_used(dom0, hit, name, before))
        if spoilt_rings(dom0, hit, name):
            return hit, *(owner for owner in pair if owner != hit)
    raise AssertionError("no ring was spoilt")


def goes_on(dom0, owner, name):
    before = of_driver(dom0, owner, name)
    wait_until(lambda: is_used(dom0, owner, name, before))


@pytest.fixture
def spoilt(dom0, pair, request):
    """(the driver, whose ring did not survive its death, who is served by it too)"""
    name = request.param
    for owner in pair:
        inside(dom0, owner, f"rm -f /tmp/stop /tmp/over /tmp/rounds; {BUSY[name]}")
        wait_until(lambda owner=owner: number(dom0, owner, "cat /tmp/rounds 2> /dev/null | wc -l") > 0)
    noticed = {owner: seen_from_inside(dom0, owner) for owner in pair}
    hit, other = whose_ring_is_spoilt(dom0, name, pair)
    yield name, hit, other
    goes_on(dom0, other, name)
    inside(dom0, other, "touch /tmp/stop")
    assert seen_from_inside(dom0, other) == noticed[other] and "no" in lines(dom0, other, "grep -q rror /tmp/error && echo yes || echo no")


@pytest.mark.parametrize("spoilt", ["net0"], indirect=True)
def test_interface_whose_ring_a_death_has_spoilt_is_closed_and_attached_anew(dom0, spoilt, pair):
    name, hit, _ = spoilt
    wait_until(lambda: re.search(rf"  detached +{hit}: interface {pair[hit]} at {name}: a death of its driver has spoilt its rings: it is attached anew", dom0.check("skink events -n 200")))
    wait_until(lambda: devices(dom0, hit)[pair[hit]]["state"] == "connected")
    address = f"10.0.2.1{pair[hit][-1]}"
    assert "0% packet loss" in inside(dom0, hit, "until [ -e /sys/class/net/eth0 ]; do sleep 0.1; done; touch /tmp/stop; ip link set eth0 up; "
                                      f"ip addr add {address}/24 dev eth0; for i in 1 2 3 4 5 6; do ping -c 1 -W 2 10.0.2.2 && break; done", 90)


@pytest.mark.parametrize("spoilt", ["disk0"], indirect=True)
def test_disk_whose_ring_a_death_has_spoilt_is_closed_and_its_guest_told(dom0, spoilt):
    name, hit, _ = spoilt
    wait_until(lambda: devices(dom0, hit)["xvda"]["state"] == "closed")
    assert devices(dom0, hit)["xvda"]["why"] == spoilt_rings(dom0, hit, name)
    # Who waited for it got an error, and the device is known to be dead.
    inside(dom0, hit, "until [ -e /tmp/over ] && grep -qx 0 /sys/block/xvda/size; do sleep 0.1; done", 60)
    said = lines(dom0, hit, "cat /tmp/error")
    assert any(re.search("error|No such device|space|Invalid", line) for line in said), said
    dom0.write("another.xml", volume("xvda", hit))
    dom0.check(f"skink detach {hit} xvda && skink attach {hit} another.xml", 90)
    inside(dom0, hit, "until [ -e /sys/block/xvda ]; do sleep 0.1; done")
    assert lines(dom0, hit, "dd if=/dev/xvda of=/dev/null bs=64k count=64 iflag=direct 2> /dev/null && echo read") == ["read"]


# Four at once at a disk that is limited, so that there are always some in the ring that the driver has not begun, and few on their way there.
FEW = "<iotune><total_iops_sec>40</total_iops_sec></iotune>"
WRITERS = ("rm -f /tmp/over.*; for w in 0 1 2 3; do (while [ -b /dev/xvda ] && dd if=/dev/zero of=/dev/xvda bs=16k count=64 seek=\\$((w * 64)) oflag=direct 2> /dev/null; do :; done; "
           "touch /tmp/over.\\$w) & done; :")


def test_disk_that_is_detached_under_load_leaves_nobody_waiting(dom0, pair):
    """
    Whoever waited for it would wait for ever, and his kernel's xenbus with him: no other device could come. Without an elevator, and few requests in a second:
    what is on its way to the ring when Linux 6.1 closes a disk is forgotten by it (docs/front-ends.md).
    """
    dom0.write("mine.xml", volume("xvda", "left", FEW))
    dom0.write("whole.xml", volume("xvda", "left"))
    if "xvda" in devices(dom0, "left"):
        dom0.check("skink detach left xvda --timeout 60", 90)
    inside(dom0, "left", "until [ ! -e /sys/block/xvda ]; do sleep 0.1; done; rm -f /dev/xvda")
    for _ in range(2):
        dom0.check("skink attach left mine.xml --timeout 60", 90)
        inside(dom0, "left", f"until [ -e /sys/block/xvda ]; do sleep 0.1; done; {AWAIT.format('xvda')} echo none > /sys/block/xvda/queue/scheduler; {WRITERS}")
        goes_on(dom0, "left", "disk0")
        dom0.check("skink detach left xvda --timeout 60", 120)
        inside(dom0, "left", "until [ ! -e /sys/block/xvda -a -e /tmp/over.0 -a -e /tmp/over.1 -a -e /tmp/over.2 -a -e /tmp/over.3 ]; do sleep 0.1; done; rm -f /dev/xvda")
    dom0.check("skink attach left whole.xml --timeout 60", 90)


def test_disk_of_a_held_driver_waits_and_goes_on_as_if_nothing_had_been(dom0, pair):
    dom0.write("second.xml", with_policy(driver("second", "blk", hostdev(6), unprotected=False), "<skink:restart limit='1' within='10min' backoff='0us' then='quarantine'/>"))
    dom0.check("skink create second.xml", 60)
    dom0.write("held.xml", partition("xvdb", "data").replace("'disk0'", "'second'"))
    dom0.check("skink attach right held.xml", 90)
    inside(dom0, "right", AWAIT.format("xvdb") + "rm -f /tmp/stop /tmp/over /tmp/held; dd if=/dev/urandom of=/tmp/mine bs=16k count=64 iflag=fullblock status=none; (until [ -e /tmp/stop ]; do "
           "dd if=/tmp/mine of=/dev/xvdb bs=16k oflag=direct status=none && dd if=/dev/xvdb bs=16k count=64 iflag=direct status=none | cmp - /tmp/mine || break; "
           "echo >> /tmp/held; done; touch /tmp/over) & :")
    wait_until(lambda: number(dom0, "right", "cat /tmp/held 2> /dev/null | wc -l") > 0)
    noticed = seen_from_inside(dom0, "right")
    for turn in range(2):
        kill(dom0, "second", 1, 20000, turn, "stack")
    wait_until(lambda: restarts(dom0, "second")["state"] == "held")
    assert devices(dom0, "right")["xvdb"]["state"] == "connected"
    rounds_then = number(dom0, "right", "wc -l < /tmp/held")
    inside(dom0, "right", "ping -c 20 -i 0.05 -W 30 10.0.2.2 > /dev/null")      # time enough for it, and whom another driver serves is served
    assert number(dom0, "right", "wc -l < /tmp/held") == rounds_then and lines(dom0, "right", "[ -e /tmp/over ] || echo waits") == ["waits"]
    dom0.check("skink release second --timeout 60")
    wait_until(lambda: number(dom0, "right", "wc -l < /tmp/held") > rounds_then + 1)
    inside(dom0, "right", "touch /tmp/stop; until [ -e /tmp/over ]; do sleep 0.1; done")
    assert seen_from_inside(dom0, "right") == noticed
    dom0.check("skink detach right xvdb && skink destroy second", 120)


def test_packet_that_kills_costs_its_own_interface_and_no_other(dom0, pair):
    """As the disk's: whoever sends it is set aside, and the others' switch goes on. There is no card behind this one."""
    dom0.write("hub.xml", with_policy(driver("hub", "net", kernel=POISONED["net"], unprotected=False)))
    dom0.check("skink create hub.xml", 60)
    macs = {owner: f"00:16:3e:00:01:0{number}" for number, owner in enumerate((*pair, "Domain-0"), 1)}
    for number, (owner, mac) in enumerate(macs.items(), 1):
        dom0.write("port.xml", interface("hub", f"<mac address='{mac}'/>"))
        dom0.check(f"skink attach {owner} port.xml --timeout 60", 90)
        take = (f"until grep -q {mac} /sys/class/net/*/address; do sleep 0.1; done; ip link set $(grep -l {mac} /sys/class/net/*/address | cut -d/ -f5) up; "
                f"ip addr add 10.9.0.{number}/24 dev $(grep -l {mac} /sys/class/net/*/address | cut -d/ -f5)")
        if owner == "Domain-0":
            dom0.check(take)
        else:
            inside(dom0, owner, take.replace("$", "\\$"))
    inside(dom0, "right", "rm -f /tmp/enough; dd if=/dev/urandom of=/tmp/given bs=64k count=4; (while [ ! -e /tmp/enough ]; do nc -l -p 5000 < /tmp/given; done > /dev/null 2>&1 &)")
    dom0.check("rm -f /tmp/enough; : > /tmp/sums; ( (until [ -e /tmp/enough ]; do sha256sum < /dev/tcp/10.9.0.2/5000 || sleep 0.1; done >> /tmp/sums 2> /dev/null) & )")

    def neighbour_goes_on():
        ended = int(dom0.check("wc -l < /tmp/sums"))
        return wait_until(lambda: int(dom0.check("wc -l < /tmp/sums")) > ended + 1, 120)

    neighbour_goes_on()
    inside(dom0, "left", f"ping -c 1 -W 30 10.9.0.2 > /dev/null; (ping -c 1 -W 1 -s {poisoned.LENGTH - 42} 10.9.0.2 > /dev/null 2>&1 &)")
    for deaths in (2, 4):
        wait_until(lambda: devices(dom0, "left")[macs["left"]]["state"] == "set-aside" and restarts(dom0, "hub")["restarts"] == deaths)
        neighbour_goes_on()
        wait_until(lambda: re.search(rf"{macs['left']}.*left|left.*{macs['left']}", told := dom0.check("skink why hub")) and "has ended 2 drivers: set aside" in told)
        if deaths == 2:
            dom0.check("skink release hub --timeout 60")
    assert set(dom0.check("cat /tmp/sums").split()) - {"-"} == set(lines(dom0, "right", "sha256sum < /tmp/given | cut -d' ' -f1"))
    dom0.check("touch /tmp/enough")
    inside(dom0, "right", "touch /tmp/enough; killall nc")
    dom0.check(f"skink detach left {macs['left']} --force && skink detach right {macs['right']} && skink detach Domain-0 {macs['Domain-0']} && skink destroy hub --force", 120)
