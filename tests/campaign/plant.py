# SPDX-License-Identifier: MIT
"""Corruption and harm of each kind, done by the campaign itself: what it does not report of these, it would not see of a fault either.

Each is a class that begins with plant:, and EXPECTED has the outcome that it must come to.
"""
import os
import subprocess

import machine_room as room
from judge import CORE, CORRUPTION, DOM0, ESCALATED, GUEST, LOST, NO_EFFECT, RECOVERED, SLOWLY

FILE_SYSTEM = "plant:fs"

EXPECTED = {
    "plant:nothing": NO_EFFECT,
    "plant:restart": NO_EFFECT,         # by hand: it is counted as nobody's fault
    "plant:tcp-up": CORRUPTION,         # one byte of what a guest sends
    "plant:tcp-down": CORRUPTION,       # one byte of what it receives
    "plant:disk-byte": CORRUPTION,      # one byte of each block that is on the disk
    "plant:disk-old": CORRUPTION,       # a block's content at another place
    "plant:fio": CORRUPTION,            # one byte of each block that fio has written
    "plant:sql": CORRUPTION,            # a row of PostgreSQL's that another client has changed
    "plant:bystander": GUEST,           # who is attached to no driver ends
    "plant:neighbour": GUEST,           # who is attached to the other driver alone ends
    "plant:guest": GUEST,               # the guest's kernel panics
    "plant:front-end": LOST,            # its interface is taken away
    "plant:pause": SLOWLY,              # the driver stands still for longer than `slow_ms`
    FILE_SYSTEM: CORRUPTION,            # nobody sees it before the disk is looked at
    "plant:kill-skinkd": DOM0,
    "plant:dom0": DOM0,                 # Domain-0's kernel panics
    "plant:core": CORE,
}
assert {RECOVERED, ESCALATED}.isdisjoint(EXPECTED.values())
BLOCK = 4096
MAGIC = (0x6b63616d70616967).to_bytes(8, "little")    # programs/load.c
FIO_MAGIC, FIO_INTERVAL = b"\xca\xac", BLOCK.to_bytes(4, "little")      # with the smallest block that programs/verify.c asks for
FIO_BYTES = 512 << 10       # guest/etc/rc


def is_loads(block):
    return block.startswith(MAGIC)


def is_fios(block):
    """struct verify_header of fio: magic, kind of check, length."""
    return block.startswith(FIO_MAGIC) and block[4:8] == FIO_INTERVAL


def blocks(path, is_one=is_loads):
    """Where the loads' blocks, or fio's, lie on the disk: (offset, content)."""
    return [(start + at, data[at:at + BLOCK]) for start, data in room.pieces(path) for at in range(-start % BLOCK, len(data), BLOCK) if is_one(data[at:at + 8])]


def write(path, places):
    with open(path, "r+b") as file:
        for at, content in places:
            file.seek(at)
            file.write(content)


def disk_byte(session, case):
    write(session.disk, [(at + 100, bytes([content[100] ^ 1])) for at, content in blocks(session.disk)])


def disk_old(session, case):
    """Whole and sound, but of another place."""
    every = blocks(session.disk)
    write(session.disk, [(at, every[(number + 1) % len(every)][1]) for number, (at, _) in enumerate(every)])


def fio(session, case):
    """Of a block that it has verified already it never hears: until it has found one that it had not."""
    def is_seen():
        write(session.disk, [(at + 100, bytes([content[100] ^ 1])) for at, content in blocks(session.disk, is_fios)])
        return session.wait(lambda: session.guests["web"].loads["fio"]["bad"] > before, 2, "", must=False)
    before = session.guests["web"].loads["fio"]["bad"]
    for _ in range(20):
        if is_seen():
            break
    # And all others: what it finds later would be held against the next case.
    verified = session.guests["web"].loads["fio"]["read"] + 4 * FIO_BYTES
    session.wait(lambda: session.guests["web"].loads["fio"]["read"] > verified, 60, "", must=False)


def sql(session, case):
    """Another client, in the guest: what is wrong on the disk PostgreSQL itself would not read for as long as it has the page."""
    # Before the accounts are there it would change nothing.
    session.wait(lambda: session.guests["web"].loads["sql"]["read"] > 0, 120, "PostgreSQL has not come up")
    before = session.guests["web"].loads["sql"]["bad"]
    session.run(f"printf 'plant\\r' > {session.ask('info', domain='web')['domain']['console']}")
    session.wait(lambda: session.guests["web"].loads["sql"]["bad"] > before, 120, "", must=False)


def file_system(session, case):
    """A block of lost+found, which no guest reads or writes."""
    start = room.PARTS["web"][1]
    said = subprocess.run(["debugfs", "-R", "blocks <11>", f"{session.disk}?offset={start}"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=True).stdout
    write(session.disk, [(start + int(said.split()[1]) * BLOCK, b"\xff" * 64)])


def tcp(way):
    """What stands in buffers of the host, which are some MiB, is ahead of the wrong byte: the case begins when that has arrived, or should have."""
    def act(session, case):
        before = session.guests["web"].loads["tcp"]
        session.peers["web"].plants.add(way)
        session.wait(lambda: session.guests["web"].loads["tcp"]["bad"] > before["bad"], 120, "", must=False)
    return act


def pause(session, case):
    session.ask("pause", domain=case["driver"])
    before = session.guests["web"].loads["tcp"]["t"]
    wanted = before + session.plan["limits"]["slow_ms"] + 1000
    session.wait(lambda: session.guests["web"].loads["tcp"]["t"] > wanted, 60, "the guest's clock stands still")
    session.ask("unpause", domain=case["driver"])


def take_interface(session, case):
    one = next(one for one in session.ask("info", domain="web")["domain"]["attachments"] if one["kind"] == "interface")
    session.ask("detach", domain="web", device=one["name"], force=True, limit=60)


def core_panics(session, case):
    """What the core says when an invariant is broken, on the line where it would say it."""
    session.machine.send("!echo 'skink: PANIC: planted' > /dev/hvc0; sleep 5")
    session.wait(lambda: False, 10, "the panic was not seen")


NEIGHBOURS = {"net0": "store", "disk0": "wire"}
ACTS = {
    "plant:nothing": lambda session, case: None,
    "plant:restart": lambda session, case: session.ask("restart", domain=case["driver"]),
    "plant:tcp-up": tcp("up"), "plant:tcp-down": tcp("down"),
    "plant:disk-byte": disk_byte, "plant:disk-old": disk_old, "plant:fio": fio, "plant:sql": sql, FILE_SYSTEM: file_system,
    "plant:bystander": lambda session, case: session.ask("destroy", domain="idle"),
    "plant:neighbour": lambda session, case: session.ask("destroy", domain=NEIGHBOURS[case["driver"]]),
    "plant:guest": lambda session, case: session.ask("sysrq", domain="web", key="c"),
    "plant:front-end": take_interface, "plant:pause": pause,
    "plant:kill-skinkd": lambda session, case: session.run("kill -9 $(pidof skinkd); sleep 3"),
    "plant:dom0": lambda session, case: session.machine.send("!echo c > /proc/sysrq-trigger"),
    "plant:core": core_panics,
}
assert set(ACTS) == set(EXPECTED)


def plant(session, case):
    ACTS[case["class"]](session, case)
    return {"targets": 1, "activated": True, "kind": "plant", "what": case["class"]}
