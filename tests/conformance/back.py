# SPDX-License-Identifier: MIT
"""
The other side of run.py: a driver domain with a device of QEMU, and a guest in which a scripted front-end (back_blk.c, back_net.c) walks its back-end
through the rules of docs/protocols.md that bind one.
"""
import contextlib
import os
import re

from device_manifests import driver, hostdev, interface, make_disk, partition, with_namespace
from dom0 import Dom0, guest
from machine import BUILD
from tap import Result, only

# As long as all its waits together, on a machine that emulates.
WALK = 900
SERVES_S = 30
SLOT = 4
# What QEMU has for each role; {} says where.
MODELS = {
    "blk": {"virtio": "virtio-blk-pci,{},disable-legacy=on", "nvme": "nvme,serial=1,{}"},
    "net": {"virtio": "virtio-net-pci,{},disable-legacy=on", "e1000e": "e1000e,{}"},
}
NAMES = {"blk": "disk0", "net": "net0"}
# The first and the third have the same sectors, one after the other.
GUEST_DEVICES = {"blk": partition("xvda", "data", "<shareable/>") + partition("xvdb", "small", "<readonly/>") +
                 partition("xvdc", "data", "<blockio logical_block_size='4096'/><shareable/>"), "net": interface()}


class BackEnd:
    """A back-end to be tried: that of a driver domain's kernel, or of the one that Skink comes with."""

    def __init__(self, role, kernel=None):
        self.role, self.kernel, self.name = role, kernel, NAMES[role]

    def files(self):
        return [judge(self.role), *([self.kernel] if self.kernel else [])]

    def manifest(self, inside):
        slot = SLOT + list(NAMES).index(self.role)
        return driver(self.name, self.role, hostdev(slot), kernel=inside(self.kernel) if self.kernel else None)


def disk_of(name):
    """The file behind the disk of a machine of that name."""
    return f"{BUILD}/test/{name}.disk"


def judge(role):
    return f"{BUILD}/conformance/back-{role}.elf"


@contextlib.contextmanager
def machine(name, image, models, limit):
    """A Dom0 beside a disk and a card, with somebody logged in."""
    disk = disk_of(name)
    make_disk(name)
    model = {role: MODELS[role][models.get(role, "virtio")] for role in NAMES}
    options = ("-drive", f"file={disk},format=raw,if=none,id=disk0", "-device", model["blk"].format(f"drive=disk0,addr={SLOT}"),
               "-netdev", "user,id=net0", "-device", model["net"].format(f"netdev=net0,addr={SLOT + 1}"))
    try:
        with Dom0(name, smp=os.environ.get("SMP", "1"), image=image, limit=limit, memory=2048, more=options) as dom0:
            yield dom0.log_in()
    finally:
        os.unlink(disk)


def console_of(dom0, name):
    return dom0.run(f"tail -n 20 /var/log/skink/consoles/guest-{name}.log; skink events | tail -n 20")[1]


def begin(dom0, back_end, inside):
    """The driver domain, which serves."""
    name = back_end.name
    dom0.write("driver.xml", back_end.manifest(inside))
    status, said = dom0.run("skink create driver.xml", 60)
    assert status == 0, f"{back_end.kernel or name} does not start as a driver domain: {said}"
    status, _ = dom0.run(f"""timeout {SERVES_S} bash -c 'until skink info {name} --json | grep -q "\\"state\\": \\"serving\\""; do sleep 1; done'""", SERVES_S + 30)
    assert status == 0, f"{back_end.kernel or name} does not serve as a driver domain, {SERVES_S} s later:\n{console_of(dom0, name)}"


def judged(dom0, back_end, inside):
    """What the scripted front-end says, on the console of its domain."""
    name = f"judge-{back_end.role}"
    log = f"/var/log/skink/consoles/guest-{name}.log"
    manifest = guest(name, memory_mib=32, kernel=inside(judge(back_end.role)), initrd="", devices=GUEST_DEVICES[back_end.role])
    dom0.write("judge.xml", with_namespace(re.sub(r" *<initrd>.*\n", "", manifest)))
    dom0.check(f"rm -f {log}; skink create judge.xml", 60)
    # As typed it must not be what the guest says: that would be the machine's end.
    dom0.wait_for_words(log, r"conformance: done\|Bail ou[t]!", WALK)
    said = dom0.check(f"sed 's/^\\[[^]]*\\] //' {log}")
    dom0.check(f"skink destroy {name}", 60)
    return said


# The rule that is looked at from Dom0.
TOLD = "BUS-14"


def refusals(dom0, role):
    """What `skink events` says of the front-end since there is one: device and words of each time that it broke a rule."""
    since = re.split(rf"  created +judge-{role}:", dom0.check("skink events"))[-1]
    return re.findall(rf"  refused +judge-{role}: (.*)$", since, re.M)


def told(said, role, refused):
    """As a line of TAP, whether it was said once, and with which words, that the attachment was ended."""
    words = [line.partition(f" at {NAMES[role]}")[2].strip(": ") for line in refused]
    ended = re.search(r"^ok \d+ - (BUS-31|NET-21) [^#\n]*$", said, re.M)
    line = f"ok 0 - {TOLD} MUST says once, and why, that it ended an attachment"
    if not ended:
        return f"{line} # SKIP it ended none"
    if len(words) == 1 and words[0]:
        return line
    seen = " and ".join(refused).replace("\\", "").replace('"', "'") or "nothing"
    return f'not {line}\n  ---\n  expected: "one line in skink events, with the rule\'s words"\n  seen: "{seen}"\n  rings: "they are given back"\n  ...'


def walk(dom0, back_end, inside, step=""):
    """The verdict on a back-end. The two domains are gone afterwards."""
    try:
        begin(dom0, back_end, inside)
        said = judged(dom0, back_end, inside)
        said += "\n" + told(said, back_end.role, refusals(dom0, back_end.role))
        console = console_of(dom0, back_end.name)
    finally:
        dom0.run(f"skink destroy --force {back_end.name}", 60)
    return verdict(said, console, step)


def verdict(said, console, step):
    """Of one rule, if it is to be one."""
    done = re.search(r"^conformance: done, (\d+) broken$", said, re.M)
    tap = only(said, step)
    if not done:
        return Result(2, tap, "the scripted front-end did not come to its end", said[-3000:] + console)
    return Result(1 if re.search("^not ok ", tap, re.M) else 0, tap, "", console)
