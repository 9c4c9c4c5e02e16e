# SPDX-License-Identifier: MIT
"""One machine with its loads, and all that can be seen of it: what guests, kernels, skinkd and the core say, as it comes.

V1  Everything is seen on the one serial line, by programs/watch.c: what does not come by it was not seen.
V2  Counters only grow; a case looks at the difference between two moments.
"""
import json
import os
import re
import time

import exact
import judge
import machine_room as room
from dom0 import Dom0
from machine import PATIENCE
from peer import Peer

# The core begins a line of its own wherever the console stands, and the line that it broke goes on behind it.
CORE_LINES = re.compile(r"(^|\$?\n)((?:skink: [^\n]*\n)+)")
# QEMU complains on the same line of what a driver asks of its device, wherever that stands.
QEMU_SAYS = re.compile(r"qemu-system-\w+: [^\n]*\n")
STATUS = re.compile(r"load (tcp|disk|sql|fio|memory)((?: [a-z]+=\d+)+)")
# What xenconsoled puts before each piece that it gets, also in the middle of a line.
WHEN = re.compile(r"\[\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\] ")
# A kernel may speak in the middle of a line of somebody else's.
KERNEL_SAYS = re.compile(r"\[ *\d+\.\d{6}\] (.*)")
# A kernel's complaints of a clock that stood still: QEMU did not run for a while.
NOT_OURS = re.compile(r"clocksource: |hrtimer: interrupt took|sched: RT throttling|random: crng init")
LOAD_SAYS = re.compile(r"load: .*")
WATCHED = re.compile(r"@([sckxot]) (.*)\$")
KERNEL_WARNING = 4
CONSOLES = "/var/log/skink/consoles"


class Lost(Exception):
    """The machine is of no more use; the text says why."""


def told_of(said):
    """Of several file systems."""
    return "; ".join(f"{name}: {text}" for name, text in said.items() if text)


class Guest:
    def __init__(self, name, has):
        self.name, self.has = name, has    # `has`: which loads
        self.loads = {}         # load -> its last line of counters
        self.begun = False
        self.strange = []       # what a kernel said, or a load had to complain of
        self.gap_ms = 0         # the longest since a case began


class Session:
    def __init__(self, name, plan, number, drivers=None, recording=None):
        self.plan, self.number, self.name = plan, number, name
        self.drivers, self.recording = drivers, recording
        self.patience = PATIENCE * (exact.SLOWER if recording else 1)
        self.guests = {name: Guest(name, room.loads_of(name, plan)) for name in plan["load"]["guests"]}
        self.answers, self.events, self.dom0_strange, self.core_log = {}, [], [], []
        self.last_id = 0
        self.skinkd = None      # its process, and whether there was another one
        self.skinkd_ended = False
        self.output = []        # of the command that runs
        self.status = None
        self.samples, self.sampled = [], None
        self.sampling_began = None
        self.is_watched = False
        self.groups = {}
        self.machine, self.peers = None, {}
        self.ran = []           # the cases since its disk was made, or looked at
        self.cases = []         # all of them
        self.looks = []         # at disks: what was said of each ("": it is right), and its cases
        self.ends = []          # of its guests: the same
        self.later = []         # what a case did after it was judged: outcome, why, and the case
        self.left = {}          # the counters since which nobody has looked

    # ---- begin and end

    def __enter__(self):
        os.makedirs(room.FOLDER, exist_ok=True)
        self.disk = f"{room.FOLDER}/{self.name}.disk"
        self.peers = {name: Peer(room.rate_of(name, self.plan)) for name, guest in self.guests.items() if "tcp" in guest.has}
        for peer in self.peers.values():
            peer.start()
        try:
            room.make_disk(self.disk, self.plan)
            self.machine = self.power_on(room.dom0_image(f"campaign-{self.name}", self.drivers))
            self.prepare()
        except BaseException as wrong:
            self.__exit__()     # or its QEMU would keep the next one's disk
            if isinstance(wrong, (CoreLost, Dom0Lost)) or not isinstance(wrong, Exception):
                raise
            raise Lost(f"it did not come up: {wrong}") from wrong
        return self

    def __exit__(self, *_):
        if self.machine:
            self.machine.__exit__()
        for peer in self.peers.values():
            peer.end()
        # Of a machine that was lost: what a disk holds must be right at any moment.
        if self.ran:
            self.hold_against_cases(told_of(self.check()))

    def power_on(self, image):
        machine, name = self.plan["machine"], f"campaign-{self.name}-{self.number}"
        if self.recording:
            return self.recording.begin(name, machine, image, self.disk)
        return Dom0(name, smp=str(machine["cpus"]), memory=machine["memory_mib"], cpu=machine["cpu"], limit=86400, image=image, more=room.options(self.disk, machine["iommu"]))

    def end(self):
        """The guests go, and what their disk holds then is looked at."""
        try:
            for name, guest in self.guests.items():
                self.ask("destroy" if "disk" not in guest.has else "shutdown", limit=60, domain=name)
        except (CoreLost, Dom0Lost) as wrong:
            if not self.cases:
                raise
            self.hold_against_last(wrong)
        except (Lost, Refused) as wrong:
            self.ends.append((str(wrong), self.cases))
        else:
            self.ends.append(("", self.cases))
            self.hold_against_cases(told_of(self.check()))

    def has_run(self, case):
        self.ran.append(case["id"])
        self.cases.append(case["id"])

    def hold_against_last(self, wrong):
        """The core's end, or Domain-0's, when nothing was being tried: that of the case before it."""
        self.later.append((judge.CORE if isinstance(wrong, CoreLost) else judge.DOM0, f"after it: {wrong}", self.cases[-1:]))

    def take_notes(self):
        """What was found since they were taken last, as lines of a result file."""
        notes = [{"kind": kind, "boot": self.number, "said": said, "cases": list(cases)} for kind, found in (("file system", self.looks), ("end", self.ends)) for said, cases in found]
        notes += [{"kind": "afterwards", "boot": self.number, "outcome": outcome, "why": why, "cases": cases} for outcome, why, cases in self.later]
        self.looks, self.ends, self.later = [], [], []
        return notes

    def hold_against_cases(self, said):
        if self.ran:
            self.looks.append((said, self.ran))
        self.ran = []

    def check(self):
        return room.check_disk(self.disk, self.plan)

    def check_as_it_is(self):
        """As it would be if the power failed now: the machine stands still while the disk is copied."""
        try:
            self.machine.ask_monitor("stop")
            said = self.check()
            self.machine.ask_monitor("cont")
        except OSError as wrong:
            raise Lost(f"QEMU does not answer: {wrong}") from wrong
        self.hold_against_cases(told_of(said))
        return said

    def look_outside(self, case):
        """What one case has written where nobody has anything is its own, and no guest is to miss its partition by it."""
        said = room.check_outside(self.disk, self.plan)
        if said:
            self.looks.append((told_of({room.NOBODY: said}), [case["id"]]))
            room.clear_outside(self.disk, self.plan)

    def look_at_disk(self):
        """A disk that is wrong is made anew."""
        if any(self.check_as_it_is().values()):
            self.renew_disk()

    def renew_disk(self):
        """Its guests end in good order, what they leave is looked at, and others have another disk."""
        users = [name for name, guest in self.guests.items() if "disk" in guest.has]
        for name in users:
            self.ask("shutdown", limit=60, domain=name)
        self.wait_until_gone(users)
        self.hold_against_cases(told_of(self.check()))
        room.make_disk(self.disk, self.plan)
        for name in users:
            self.create(name)
        self.settle(users)

    def prepare(self):
        machine = self.machine
        machine.log_in()
        for name in room.SLOTS:
            machine.write(f"{name}.xml", room.driver_manifest(name, self.plan["machine"]["iommu"], self.drivers))
            machine.check(f"skink create {name}.xml", 60)
            machine.check(f"for i in $(seq 300); do skink info {name} --json | grep -q '\"state\": \"serving\"' && break; sleep 0.1; done", 60)
        for name in self.guests:
            machine.write(f"{name}.xml", self.manifest(name))
            machine.check(f"skink create {name}.xml", 120)
        self.watch()
        self.wait(lambda: all(one.begun and self.has_all(one) for one in self.guests.values()), 300, "the loads did not begin")
        self.settle()

    def make_anew(self, name):
        """A guest that is gone, or has lost something: another one takes its place, on a disk that is empty again."""
        if any(one["name"] == name for one in self.ask("list")["domains"]):
            self.ask("destroy", domain=name, force=True, limit=60)
        self.wait_until_gone([name])
        if "disk" in self.guests[name].has:
            said = self.check_as_it_is()
            if any(text for other, text in said.items() if other != name):
                raise Lost("what is not its own on the disk is wrong as well")
            room.make_file_system(self.disk, self.plan, name)
        self.create(name)
        self.settle([name])

    def manifest(self, name):
        return room.guest_manifest(name, self.peers[name].ports if name in self.peers else None, self.plan)

    def wait_until_gone(self, names):
        self.wait(lambda: all(one["name"] not in names for one in self.ask("list")["domains"]), 60, f"{' and '.join(names)} do not go")

    def create(self, name):
        guest = self.guests[name]
        guest.begun, guest.loads = False, {}
        self.ask("create", limit=120, xml=self.manifest(name), file=f"{name}.xml")
        self.wait(lambda: guest.begun and self.has_all(guest), 300, f"the loads of {name} did not begin")

    def attach_anew(self, name):
        """Its interface alone: the guest gives the new one its address, and its streams go on."""
        for one in self.ask("info", domain=name)["domain"]["attachments"]:
            if one["kind"] == "interface":
                self.ask("detach", domain=name, device=one["name"], force=True, limit=60)
        self.ask("attach", domain=name, xml=room.DEVICES["tcp"], limit=60)

    def watch(self):
        consoles = [f"{CONSOLES}/guest-{name}.log" for name in self.guests]
        self.machine.check(f"for file in {' '.join(consoles)}; do until [ -e $file ]; do sleep 0.1; done; done", 30)
        self.machine.send(f"stty -echo; /campaign/watch /run/skink/skinkd.sock {' '.join(consoles)}")
        self.is_watched = True
        self.wait(lambda: self.skinkd, 60, "nobody watches in Domain-0")
        self.ask("events", follow=True, count=0)

    def has_all(self, guest):
        return set(guest.loads) == set(guest.has)

    def settle(self, names=None):
        """What the machine said while it came up, or one of these guests did, is nobody's fault."""
        self.events = [one for one in self.events if names and one.get("domain") not in names]
        self.dom0_strange.clear()
        now = self.counters()
        for name in names or self.guests:
            self.guests[name].strange.clear()
            self.guests[name].gap_ms = 0
            self.left[name] = now[name]

    def counters(self):
        """Of now, to compare with."""
        return {name: {load: dict(values) for load, values in guest.loads.items()} for name, guest in self.guests.items()}

    # ---- what comes

    def wait(self, condition, limit, complaint, must=True):
        """What must come is waited for with patience; how long else is waited for is a case's own limit."""
        until = time.monotonic() + limit * (self.patience if must else 1)
        self.pump(0)
        while not condition():
            if time.monotonic() > until:
                if must:
                    raise Late(complaint)
                return False
            self.pump(0.05)
        return True

    def pump(self, seconds):
        machine = self.machine
        if not machine._read(time.monotonic() + seconds):
            raise CoreLost("the machine has ended")
        text = machine.text[machine.seen:]
        end = text.rfind("$\n") + 2 if self.is_watched else 0
        panic = next((found for found in machine.LOST.finditer(text) if text[text.rfind("\n", 0, found.start()) + 1] != "@"), None)
        if panic:       # the machine's own, and not what a guest's console said
            self.take_panic(panic)
        if end < 2:
            return
        machine.text, machine.seen = text[end:], 0
        text = QEMU_SAYS.sub("", text[:end])
        for _, lines in CORE_LINES.findall(text):
            self.core_log = (self.core_log + lines.splitlines())[-1000:]
        for line in CORE_LINES.sub(lambda found: "$\n" if found.group(1) == "$\n" else "", text).split("$\n"):
            found = WATCHED.match(line.lstrip("\n") + "$")
            if found:
                self.take(found.group(1), found.group(2))

    def take_panic(self, panic):
        """The core's, or Domain-0's kernel's."""
        until = time.monotonic() + 3
        while self.machine.qemu.poll() is None and time.monotonic() < until and self.machine._read(until):
            pass
        text = self.machine.text[self.machine.seen:]
        line = next((line for line in text.splitlines() if panic.group() in line), panic.group())
        raise (CoreLost if "PANIC" in panic.group() else Dom0Lost)(line.strip())

    def take(self, kind, text):
        if kind == "c":
            name, _, line = text.partition(" ")
            self.take_console(self.guests[name], line)
        elif kind == "s":
            self.take_answer(json.loads(text))
        elif kind == "k":
            head, _, message = text.partition(";")
            if head.split(",")[0].isdigit() and int(head.split(",")[0]) & 7 <= KERNEL_WARNING and \
                    not NOT_OURS.search(message):
                self.dom0_strange.append(message)
        elif kind == "t":
            process = int(text.split()[1])
            self.skinkd_ended |= self.skinkd is not None and process != self.skinkd
            self.skinkd = process
        elif kind == "o":
            self.output.append(text)
        elif kind == "x":
            self.status = int(text)

    def take_console(self, guest, line):
        line = WHEN.sub("", line)
        status = STATUS.fullmatch(line)
        said = KERNEL_SAYS.search(line) or LOAD_SAYS.search(line)
        if status:
            counters = {key: int(value) for key, value in (word.split("=") for word in status.group(2).split())}
            guest.loads[status.group(1)] = counters
            guest.gap_ms = max(guest.gap_ms, counters.get("gap", 0))
            self.sample(guest)
        elif "load begins" in line:
            guest.begun = True
        elif guest.begun and said and not NOT_OURS.search(said.group()):
            guest.strange.append(said.group())

    def take_answer(self, message):
        if message.get("gone"):
            self.skinkd_ended = True
        elif message.get("method") == "event":
            self.events.append(message["params"])
        elif "id" in message and message["id"] in self.answers:
            self.answers[message["id"]] = message

    def sample(self, guest):
        """Throughput of the guest that has both, every quarter of a second of its own clock, which begins anew with another guest."""
        tcp, disk = guest.loads.get("tcp"), guest.loads.get("disk")
        if not tcp or not disk:
            return
        now = {"t": tcp["t"], "up": tcp["up"], "down": tcp["down"], "write": disk["write"], "read": disk["read"]}
        if self.sampled is None or now["t"] < self.sampled["t"]:
            self.sampled, self.sampling_began = now, self.sampling_began or time.monotonic()
        passed = now["t"] - self.sampled["t"]
        if passed >= 250:
            self.samples.append([self.second(),
                                 {key: max(0, now[key] - self.sampled[key]) * 1000 // passed for key in now if key != "t"}])
            self.sampled = now

    def second(self):
        return round(time.monotonic() - self.sampling_began, 3) if self.sampling_began else 0

    # ---- what is asked

    def send(self, line):
        try:
            self.machine.send(line)
        except OSError as wrong:
            raise CoreLost("the machine has ended") from wrong

    def begin_asking(self, method, **params):
        self.last_id += 1
        self.answers[self.last_id] = None
        self.send(json.dumps({"jsonrpc": "2.0", "id": self.last_id, "method": method, "params": params}, separators=(",", ":")))
        return self.last_id

    def ask(self, method, limit=30, **params):
        """The result; Refused with what skinkd says."""
        return self.ask_all([(method, params)], limit)[0]

    def ask_all(self, questions, limit=30):
        """Several at once: their results, in order."""
        numbers = [self.begin_asking(method, **params) for method, params in questions]
        self.wait(lambda: all(self.answers[number] is not None for number in numbers) or self.skinkd_ended, limit,
                  f"skinkd has not answered to {' and '.join(repr(method) for method, _ in questions)}")
        answers = [self.answers.pop(number) for number in numbers]
        if None in answers:
            raise Dom0Lost("skinkd ended")
        for answer in answers:
            if "error" in answer:
                raise Refused(answer["error"]["message"])
        return [answer["result"] for answer in answers]

    def run(self, command, limit=60):
        """A command of Domain-0's shell: (status, lines)."""
        self.output, self.status = [], None
        self.send("!" + command + " 2>&1")
        self.wait(lambda: self.status is not None, limit, f"'{command}' did not end")
        return self.status, self.output


class Refused(Exception):
    """By skinkd, with its words; or the campaign itself could not."""


class Late(Lost):
    """What was waited for did not come."""


class CoreLost(Lost):
    pass


class Dom0Lost(Lost):
    pass
