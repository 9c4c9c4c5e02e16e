# SPDX-License-Identifier: MIT
"""A machine under QEMU with a serial console: start it, type into it, wait for what it says.

Nothing here waits for time to pass. Each expect() has a limit after which the test has failed, and the whole
machine has one after which it is stopped.
"""
import os
import re
import selectors
import socket
import subprocess
import time

import translations

BUILD = "build"
QEMU = os.environ.get("QEMU", "qemu-system-x86_64")
# Slower machines stretch every limit.
PATIENCE = float(os.environ.get("PATIENCE", "1"))

CORE_ARGS = "console=com1 com1=115200 loglvl=all noreboot"
DOM0_ARGS = ("console=hvc0 earlyprintk=xen acpi=off initcall_blacklist=cmos_init swiotlb=noforce "
             "panic=-1 nokaslr random.trust_cpu=on")
PROMPT = r"skink# (\x1b\[6n)?$"
# A machine of several CPUs that has said nothing for so long may be one that QEMU's stale translations hold.
SILENCE_S = 20
# How a command ended: alone on its line, but for prompts before lines that were typed ahead.
BEGIN_MARK = "=b="
END_MARK = r"(?:^|\x1b\[K|[#>] )=(\d+)=$"
UEFI_CODE = "/usr/share/OVMF/OVMF_CODE.fd"
UEFI_VARIABLES = "/usr/share/OVMF/OVMF_VARS.fd"


class Gone(AssertionError):
    """The machine ended, or said that it is lost, while something else was awaited."""


class Late(AssertionError):
    """What was awaited did not come in time."""


def without_returns(text):
    return text.replace("\r", "").replace("\0", "")


def as_shown(text):
    """What is left on a terminal: of each line what came after it was last erased."""
    return re.sub(r"[^\n]*\x1b\[K", "", text)


def answer_in(output):
    """What stands between the marks: before is the command, as the shell echoes it, and the core may have said something in its middle."""
    lines = as_shown(output).splitlines()
    begun = [number for number, line in enumerate(lines) if line.endswith(BEGIN_MARK)]
    if begun:
        lines = lines[begun[0] + 1:]
    return "\n".join(line for line in lines if not re.search(END_MARK, line) and 'echo "=$?="' not in line)


class Machine:
    # What no test may see while it waits for something else.
    LOST = re.compile(r"PANIC|Kernel panic - not syncing|\(XEN\) Panic on CPU|Dom0 crashed|Bail out!")

    # In which QEMU answers a question to itself.
    MONITOR_S = 10 * PATIENCE

    # Without ACPI in Dom0, Xen halts where Skink powers off.
    XEN_HALTED = "(XEN) Hardware Dom0 halted: halting machine"

    def __init__(self, name, *arguments, cpu="qemu64", smp="1", memory=1024, limit=600, before=(), console_log=None):
        os.makedirs(f"{BUILD}/test", exist_ok=True)
        name = re.sub(r"[^\w-]", "-", name)    # QEMU takes commas for its own
        self.log_name = f"{BUILD}/test/{name}.log"
        self.log = open(self.log_name, "wb")
        self.text = ""
        self.seen = 0
        self.raw = None     # while a command runs: what was said since it was typed, with carriage returns
        self.deadline = time.monotonic() + limit * PATIENCE
        # With -icount one thread runs all CPUs.
        self.may_be_stale = int(re.match(r"\d+", str(smp)).group()) > 1 and "-icount" not in arguments
        self.silent_since = time.monotonic()
        self.monitor_name = f"{BUILD}/test/{name}.monitor"
        command = [*before, QEMU, "-accel", "tcg", "-cpu", cpu, "-smp", str(smp), "-m", str(memory),
                   "-display", "none", "-nodefaults", "-no-reboot",
                   "-chardev", "stdio,id=console,signal=off" + (f",logfile={console_log}" if console_log else ""), "-serial", "chardev:console",
                   "-monitor", f"unix:{self.monitor_name},server=on,wait=off", *arguments]
        self.log.write((" ".join(command) + "\n\n").encode())
        self.qemu = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                     stderr=subprocess.STDOUT, bufsize=0)
        os.set_blocking(self.qemu.stdout.fileno(), False)
        self.selector = selectors.DefaultSelector()
        self.selector.register(self.qemu.stdout, selectors.EVENT_READ)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.qemu.poll() is None:
            self.qemu.kill()
        self.qemu.wait()
        if os.path.exists(self.monitor_name):
            os.unlink(self.monitor_name)
        self.log.close()
        self.qemu.stdin.close()
        self.qemu.stdout.close()

    def _read(self, until):
        """Take what has arrived, waiting for it until then. False when the console is closed."""
        if self.may_be_stale:
            until = min(until, self.silent_since + SILENCE_S)
        if not self.selector.select(max(0, min(until, self.deadline) - time.monotonic())):
            if self.may_be_stale and time.monotonic() >= self.silent_since + SILENCE_S:
                self._renew_translations()
            return True
        self.silent_since = time.monotonic()
        piece = self.qemu.stdout.read(65536)
        if not piece:
            return False
        self.log.write(piece)
        self.log.flush()
        heard = piece.decode("utf-8", "replace")
        if self.raw is not None:
            self.raw += heard
        self.text += without_returns(heard)
        return True

    def _renew_translations(self):
        try:
            renewed = " ".join(f"{place:x}" for place in translations.renew(self))
        except OSError as error:
            renewed = f"nothing: {error}"
        self.log.write(f"\n[silent for {time.monotonic() - self.silent_since:.0f} s; QEMU translates anew: {renewed}]\n".encode())
        self.silent_since = time.monotonic()

    def tail(self, lines=25):
        return "\n".join(self.text.splitlines()[-lines:])

    def expect(self, pattern, limit=60, lost=True):
        """Wait for a pattern in what the machine says from here on; what comes before it counts as seen."""
        expression = re.compile(pattern, re.MULTILINE)
        until = time.monotonic() + limit * PATIENCE
        alive = True
        while True:
            found = expression.search(self.text, self.seen)
            if found:
                self.seen = found.end()
                return found
            if lost:
                self._fail_if_lost(pattern)
            if not alive:
                raise Gone(f"the machine ended before it said '{pattern}' ({self.log_name}):\n{self.tail()}")
            if time.monotonic() > min(until, self.deadline):
                raise self._late(f"no '{pattern}'")
            alive = self._read(until)

    def _late(self, what):
        """What has come too late may never come: one sees here what each CPU does, three times, and in the log all of it."""
        seen = []
        try:
            for question in ["info registers -a", "info lapic"] * 3:
                answer = self.ask_monitor(question)
                self.log.write(f"\n[QEMU: {question}]\n{answer}".encode())
                for number, cpu in enumerate(answer.split("CPU#")[1:]):
                    state = dict(re.findall(r"\b(RIP|RSP|[RE]FL|CPL|HLT)=([0-9a-f]+)", cpu))
                    seen.append(f"CPU {number}: " + " ".join(f"{name}={value}" for name, value in state.items()))
        except OSError as error:
            self.log.write(f"\n[QEMU does not answer: {error}]\n".encode())
        return Late(f"{what} ({self.log_name}):\n{self.tail()}\n" + "\n".join(seen))

    def _fail_if_lost(self, awaited):
        bad = self.LOST.search(self.text, self.seen)
        if bad:
            # What follows explains it.
            while self.qemu.poll() is None and self.selector.select(1) and self._read(time.monotonic() + 1):
                pass
            raise Gone(f"'{bad.group()}' while waiting for '{awaited}' (all of it: {self.log_name}):\n{self.tail(40)}")

    def send(self, line):
        self.qemu.stdin.write((line + "\n").encode())

    def press_control(self, letter):
        self.qemu.stdin.write(bytes([ord(letter) & 0x1f]))

    def run(self, command, limit=60):
        """Type a command into the guest's shell: its exit status and what it printed."""
        start, began, used = self.seen, time.monotonic(), self.cpu_seconds()
        self.raw = ""
        # What is echoed is neither mark, so it is not taken for an answer.
        self.send(f"echo \"=b\"\"=\"; {command}; echo \"=$?=\"")
        # A program that showed its progress has erased the line that it stands on.
        status = int(self.expect(END_MARK, limit).group(1))
        output, self.raw = self.said_since(start), None
        self.log.write(f"\n[{time.monotonic() - began:.1f} s, {self.cpu_seconds() - used:.1f} of a CPU]\n".encode())
        self.expect(PROMPT, 30)
        return status, answer_in(output)

    def said_since(self, start):
        return self.text[start:self.seen]

    def cpu_seconds(self):
        """What QEMU has used of this machine's CPUs."""
        try:
            with open(f"/proc/{self.qemu.pid}/stat", encoding="ascii", errors="replace") as file:
                user, system = file.read().rsplit(")", 1)[1].split()[11:13]
        except FileNotFoundError:
            return 0.0
        return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")

    def check(self, command, limit=60):
        status, output = self.run(command, limit)
        assert status == 0, f"'{command}' ended with {status}:\n{output}"
        return output

    def ask_monitor(self, question):
        """A question to QEMU itself, and its answer."""
        with socket.socket(socket.AF_UNIX) as monitor:
            monitor.settimeout(self.MONITOR_S)
            monitor.connect(self.monitor_name)
            answer = b""
            while answer.count(b"(qemu)") < 2:
                if b"(qemu)" in answer and question:
                    monitor.sendall(question.encode() + b"\n")
                    question = None
                piece = monitor.recv(65536)
                if not piece:
                    raise ConnectionResetError("QEMU has ended")
                answer += piece
        return answer.decode("utf-8", "replace")

    def wait_for_halt(self, limit=20):
        """Every CPU has halted with interrupts off: nothing will ever happen here again."""
        until = time.monotonic() + limit * PATIENCE
        while True:
            registers = self.ask_monitor("info registers -a")
            flags = [int(word, 16) for word in re.findall(r"[RE]FL=([0-9a-f]+)", registers)]
            if flags and registers.count("HLT=1") == len(flags) and not any(word & 0x200 for word in flags):
                return
            if time.monotonic() > min(until, self.deadline):
                raise Late(f"the machine did not halt ({self.log_name}):\n{self.tail()}")
            self._read(time.monotonic() + 0.2)

    def wait_for_end(self, limit=60):
        """QEMU ends by itself: the machine has powered off."""
        until = time.monotonic() + limit * PATIENCE
        while self._read(until):
            if self.XEN_HALTED in self.text:
                return
            self._fail_if_lost("power-off")
            if time.monotonic() > min(until, self.deadline):
                raise self._late("the machine did not power off")
        assert self.qemu.wait(timeout=10 * PATIENCE) == 0


def by_kernel(hypervisor, modules, core_args=CORE_ARGS):
    """QEMU's own Multiboot loader. modules: (file, arguments) each; the first is the kernel."""
    named = [f"{file} {args}".strip() for file, args in modules]
    initrd = ["-initrd", ",".join(name.replace(",", ",,") for name in named)] if named else []
    return ["-kernel", hypervisor, "-append", core_args, *initrd]


def by_iso(iso, uefi=False):
    firmware = []
    if uefi:
        os.makedirs(f"{BUILD}/test", exist_ok=True)
        variables = f"{BUILD}/test/OVMF_VARS-{os.getpid()}.fd"
        with open(UEFI_VARIABLES, "rb") as source, open(variables, "wb") as copy:
            copy.write(source.read())
        firmware = ["-drive", f"if=pflash,format=raw,unit=0,readonly=on,file={UEFI_CODE}",
                    "-drive", f"if=pflash,format=raw,unit=1,file={variables}"]
    return ["-machine", "q35", *firmware, "-cdrom", iso]


def debian(hypervisor=f"{BUILD}/skink", dom0_args=DOM0_ARGS, core_args=CORE_ARGS, dom0="dom0"):
    """Debian's kernel and the busybox initrd, by QEMU's loader."""
    return by_kernel(hypervisor, [(f"{BUILD}/{dom0}/vmlinux", dom0_args), (f"{BUILD}/{dom0}/initrd", "")], core_args)
