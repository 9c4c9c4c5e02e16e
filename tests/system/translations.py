# SPDX-License-Identifier: MIT
"""QEMU's translations of code that has changed.

With several CPUs, QEMU before 8.1 may keep for ever what it translated of code that another CPU wrote to in that moment. Linux
patches its own text behind a breakpoint that it takes away again: the CPUs that run into the stale breakpoint do so for ever,
though none is there any more. No machine of silicon does it. A write to the place, though of the
same byte, makes QEMU translate it again, and the kernel goes on where it was.
"""
import os
import re
import socket

SAMPLES = 20


class Debugger:
    """QEMU's gdbstub; the machine stands still while this is open. The protocol: "Debugging with GDB", appendix E."""

    def __init__(self, path, patience_s):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(patience_s)
        self.socket.connect(path)
        self.arrived = b""
        # It tells unasked that the machine has stopped: what comes before this one's answer answers nothing.
        self.send("qSupported")
        while not self.receive().startswith("PacketSize="):
            pass

    def send(self, text):
        self.socket.sendall(f"${text}#{sum(text.encode()) & 0xff:02x}".encode())

    def receive(self):
        while not (found := re.search(rb"\$([^#]*)#..", self.arrived)):
            piece = self.socket.recv(4096)
            if not piece:
                raise OSError("the debugger's port closed")
            self.arrived += piece
        self.arrived = self.arrived[found.end():]
        self.socket.sendall(b"+")
        return found.group(1).decode()

    def ask(self, text):
        self.send(text)
        return self.receive()

    def close(self):
        self.ask("D")
        self.socket.close()


def places(machine):
    """Where the CPUs run what is not the core's, as far as one sees who looks some times."""
    found = set()
    for _ in range(SAMPLES):
        for cpu in machine.ask_monitor("info registers -a").split("CPU#")[1:]:
            state = dict(re.findall(r"\b(RIP|CPL|HLT)=([0-9a-f]+)", cpu))
            if state.get("CPL") == "3" and state.get("HLT") == "0":
                found.add(int(state["RIP"], 16))
    return found


def renew(machine):
    """The places whose code QEMU will translate again."""
    found = places(machine)
    path = machine.monitor_name.replace(".monitor", ".gdb")
    if not found:
        return []
    machine.ask_monitor(f"gdbserver unix:{path},server=on,wait=off")
    try:
        debugger = Debugger(path, machine.MONITOR_S)
        try:
            return [place for place in sorted(found) if write_again(debugger, place)]
        finally:
            debugger.close()
    finally:
        machine.ask_monitor("gdbserver none")
        if os.path.exists(path):
            os.unlink(path)


def write_again(debugger, place):
    """False: nothing is mapped there any more."""
    byte = debugger.ask(f"m{place:x},1")
    if not re.fullmatch("[0-9a-f]{2}", byte):
        return False
    answer = debugger.ask(f"M{place:x},1:{byte}")
    if answer != "OK" or debugger.ask(f"m{place:x},1") != byte:
        raise OSError(f"the debugger answered {answer} to a write of the byte {byte} that is at {place:x}")
    return True
