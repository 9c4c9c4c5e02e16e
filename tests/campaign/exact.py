# SPDX-License-Identifier: MIT
"""A run of the campaign's machine that can be had again to the instruction: QEMU records it from power-on, and replays it (docs/campaign.md, "The same once more").

X1  One CPU under icount: what is not in the record (what is typed, packets, when the disk has answered, the host's clocks) follows from what is.
X2  A recording holds all that a replay needs, but QEMU: another build does not spoil it.
"""
import array
import fcntl
import json
import os
import re
import shutil
import subprocess
import termios
import time

from dom0 import DOM0_LINE, DOM0_MEMORY, Dom0
from machine import BUILD, CORE_ARGS, PATIENCE, Machine, by_kernel

# The serial port holds 16 bytes. Nobody holds back who types more while QEMU records: what it has taken waits until the CPU next leaves what it does, or, if it sleeps, until
# its next timer: Dom0 is given one every four milliseconds.
PIECE_BYTES, POLL_S, DELIVERED = 14, 0.002, 2000
EXACT_LINE = f"{DOM0_LINE} nohz=off"
LINE_STATUS, INSTRUCTIONS = re.compile(r"portb\[0x03fd\] = (0x\w\w)"), re.compile(r"instruction count = (\d+)")
# How much longer all takes, beside what the campaign waits for. Of the host: for a replay, and until QEMU has written what it recorded.
SLOWER, REPLAY_S, QUIT_S = 8, 7200, 60 * PATIENCE
# The core, Dom0's kernel, its image; and the core's symbols.
IMAGES, SYMBOLS = ("skink", "vmlinux", "image"), "skink.elf"
RECORD, REPLAY = "record", "replay"
# A replay that waits for gdb at the first instruction.
GDB = ("-gdb", "tcp:127.0.0.1:1234", "-S")


class Broken(Exception):
    """A recording that cannot be replayed, or was not finished."""


def patient(plan):
    """The plan for a machine of one CPU, on which everybody waits for everybody. Its limits are the host's; what the guests themselves measure stays as it is."""
    limits = {key: plan["limits"][key] * SLOWER for key in ("window_ms", "case_s", "value_s")}
    return {**plan, "machine": {**plan["machine"], "cpus": 1}, "limits": {**plan["limits"], **limits}}


def options(mode, events, disk, iommu):
    """The campaign's devices, as QEMU can record them: a front-end's notification and a sent packet are done with at once, or at a time of the machine's own,
    and not when a thread of the host gets to it."""
    modern = "disable-legacy=on,ioeventfd=off" + (",iommu_platform=on" if iommu else "")
    return ["-machine", "q35", *(["-device", "intel-iommu,intremap=on"] if iommu else []),
            "-netdev", "user,id=net0", "-device", f"virtio-net-pci,netdev=net0,addr=3,tx=timer,x-txtimer=1000,{modern}",
            "-object", "filter-replay,id=packets,netdev=net0",
            "-drive", f"file={disk},format=raw,if=none,id=image0,cache=unsafe,discard=unmap",
            "-drive", "driver=blkreplay,if=none,image=image0,id=disk0", "-device", f"virtio-blk-pci,drive=disk0,addr=4,{modern}",
            "-icount", f"shift=0,rr={mode},rrfile={events}", "-rtc", "base=2026-01-01,clock=vm"]


class ExactMachine(Dom0):
    """Dom0's machine, recorded or replayed."""

    def __init__(self, name, mode, recording, disk, console, more=()):
        machine, (core, kernel, image) = recording.told["machine"], (f"{recording.folder}/{name}" for name in IMAGES)
        arguments = by_kernel(core, [(kernel, EXACT_LINE), (image, "")], f"{CORE_ARGS} dom0_mem={DOM0_MEMORY}")
        Machine.__init__(self, name, *arguments, *options(mode, recording.events, disk, machine["iommu"]), *more, console_log=console,
                         smp="1", memory=machine["memory_mib"], cpu=machine["cpu"], limit=86400)

    def expect(self, pattern, limit=60, lost=True):
        return super().expect(pattern, limit * SLOWER, lost)

    def send(self, line):
        """As fast as the serial port can take it."""
        data = (line + "\n").encode()
        for first in range(0, len(data), PIECE_BYTES):
            self.qemu.stdin.write(data[first:first + PIECE_BYTES])
            self.until(lambda: not self.waiting())
            before = self.instructions()
            self.until(lambda: self.instructions() > before + DELIVERED and not self.is_in_port())

    def until(self, condition):
        while self.qemu.poll() is None and not condition():
            time.sleep(POLL_S)

    def waiting(self):
        """Bytes that QEMU has not taken yet."""
        count = array.array("i", [0])
        fcntl.ioctl(self.qemu.stdin.fileno(), termios.FIONREAD, count)
        return count[0]

    def is_in_port(self):
        """Something that the core has not taken yet."""
        return int(LINE_STATUS.search(self.ask_monitor("i /b 0x3fd"))[1], 16) & 1

    def instructions(self):
        """Since power-on."""
        return int(INSTRUCTIONS.search(self.ask_monitor("info replay"))[1])

    def quit(self):
        """What was recorded is on the disk then."""
        try:
            self.ask_monitor("quit")
        except OSError:
            pass    # it has ended
        self.qemu.wait(timeout=QUIT_S)

    def to_its_end(self):
        """QEMU's status."""
        until = time.monotonic() + REPLAY_S
        while self._read(time.monotonic() + 1):
            self.text = ""
            if time.monotonic() > until:
                return f"nothing within {REPLAY_S} s"
        return self.qemu.wait(timeout=QUIT_S)


class Recording:
    """A folder: told.json, events (QEMU's), disk (as it was at power-on), console (all that the machine said), and the images."""

    def __init__(self, folder):
        self.folder, self.told = folder, {}
        self.events, self.disk, self.console = (f"{folder}/{name}" for name in ("events", "disk", "console"))

    def is_there(self):
        return os.path.exists(f"{self.folder}/told.json")

    def read(self):
        """`told` stays empty where there is none."""
        if not self.is_there():
            return self
        with open(f"{self.folder}/told.json", encoding="utf-8") as file:
            self.told = json.load(file)
        return self

    def write(self):
        with open(f"{self.folder}/told.json.part", "w", encoding="utf-8") as file:
            json.dump(self.told, file, indent=1)
        os.replace(f"{self.folder}/told.json.part", f"{self.folder}/told.json")

    # ---- to record

    def begin(self, name, machine, image, disk):
        """The machine, powered on. `disk` is what it writes to."""
        shutil.rmtree(self.folder, ignore_errors=True)
        os.makedirs(self.folder)
        subprocess.run(["cp", "--sparse=always", disk, self.disk], check=True)
        for path, kept in zip((f"{BUILD}/skink", f"{BUILD}/dom0/vmlinux", image, f"{BUILD}/skink.elf"), (*IMAGES, SYMBOLS)):
            shutil.copyfile(path, f"{self.folder}/{kept}")
        self.told = {"machine": {key: machine[key] for key in ("memory_mib", "cpu", "iommu")}, "replays": 0}
        return ExactMachine(name, RECORD, self, disk, self.console)

    def finish(self, record):
        """Only now is it a recording. `record`: what came of the case."""
        self.told["record"] = record
        self.write()

    # ---- to replay

    def replay(self, more=()):
        """From power-on to the end; Broken if anything that the machine says is other than it was, or comes at another moment of its own."""
        disk, console = f"{self.folder}/disk.replay", f"{self.folder}/console.replay"
        subprocess.run(["cp", "--sparse=always", self.disk, disk], check=True)
        try:
            with ExactMachine(f"replay-{os.path.basename(self.folder)}", REPLAY, self, disk, console, more) as machine:
                status = machine.to_its_end()
        finally:
            os.unlink(disk)
        difference = self.difference(console)
        if status or difference:
            raise Broken(f"{self.folder}: QEMU ended with {status}; {difference or 'the console is the same'}")
        self.told["replays"] += 1
        self.write()

    def difference(self, console):
        """Of all that the machine said; empty: none."""
        with open(self.console, "rb") as one, open(console, "rb") as other:
            was, is_now = one.read(), other.read()
        if was == is_now:
            return ""
        place = next((number for number, pair in enumerate(zip(was, is_now)) if pair[0] != pair[1]), min(len(was), len(is_now)))
        return f"of {len(was)} bytes that the machine said {place} came, and then {is_now[place:place + 80]!r} for {was[place:place + 80]!r}"
