# SPDX-License-Identifier: MIT
"""The Dom0 system on Skink, with somebody logged in on its console; and guests to run there."""
import os
import re
import subprocess
import time

import machine as machines
from machine import BUILD, CORE_ARGS, DOM0_ARGS, END_MARK, PATIENCE, Machine, by_kernel, without_returns

IMAGE = os.environ.get("DOM0_IMAGE", f"{BUILD}/dom0.cpio.zst")


def without_compression(image=f"{BUILD}/dom0/unpacked.cpio"):
    """The same, for machines that show something else than how they boot: to unpack it is a quarter of a boot under QEMU. Not if it is an older one."""
    if "DOM0_IMAGE" not in os.environ and os.path.exists(image) and os.path.getmtime(image) >= os.path.getmtime(IMAGE):
        return image
    return IMAGE


UNPACKED = without_compression()
# Where the image has a kernel, as Debian packages it, and an initrd for guests.
KERNEL = "/var/lib/skink/images/vmlinuz"
INITRD = "/var/lib/skink/images/initrd"
# What is not Dom0's is left for guests.
DOM0_MEMORY = "1024M"
# As `make run` starts it.
DOM0_LINE = f"{DOM0_ARGS} cryptomgr.notests"
# Under QEMU a second CPU makes everything dearer: each waits for the other, and the host has no more CPUs than machines. test-full has two.
CPUS = os.environ.get("SMP", "2" if os.environ.get("SKINK_FULL") else "1")


# What the core says, and not skink, whose lines end without a carriage return. Where it finds a line of Dom0's begun, which can be anywhere, it ends it;
# and what was broken goes on behind it.
CORE_SAYS = re.compile(r"((?<!\n)\r\n)?(skink: [^\n]*\r\n)+")


def without_core(raw):
    return without_returns(CORE_SAYS.sub("", raw))


class Dom0(Machine):
    """A machine whose prompt is that of Dom0's shell."""

    def __init__(self, name, smp=CPUS, memory=4096, limit=1200, image=UNPACKED, more=(), **options):
        hypervisor = os.environ.get("HYPERVISOR", f"{BUILD}/skink")
        modules = [(f"{BUILD}/dom0/vmlinux", DOM0_LINE), (image, "")]
        arguments = by_kernel(hypervisor, modules, f"{CORE_ARGS} dom0_mem={DOM0_MEMORY}")
        super().__init__(name, *arguments, *more, smp=smp, memory=memory, limit=limit, **options)

    def log_in(self):
        self.expect("login: ", 240)
        self.send("root")
        self.expect(r"# (\x1b\[6n)?$", 60)
        # A line as wide as it has to be, whose end has no carriage return (CORE_SAYS), no colour, and no readline, which takes each letter by itself: that is half of what a command costs.
        self.send("PS1='skink# ' PS2=; stty cols 200 -onlcr; set +o emacs; export NO_COLOR=1")
        self.expect(machines.PROMPT, 30)
        self.run("true")
        return self

    def completes(self, *steps):
        """With line editing, as who types it has it: of each step what is typed before Tab, and what bash makes of it."""
        self.check("set -o emacs; bind 'set enable-bracketed-paste off'")
        for typed, whole in steps:
            self.qemu.stdin.write(f"{typed}\t".encode())
            self.expect(whole)
        # The line is discarded. (Ctrl-C, while bash still completes, leaves it without a prompt.)
        self.press_control("u")
        self.check("set +o emacs")

    def run(self, command, limit=60):
        """As Machine.run(), without what the core says of guests meanwhile."""
        status, output = super().run(command, limit)
        return status, output.rstrip("\n")

    def said_since(self, start):
        said = without_core(self.raw)
        end = re.search(END_MARK, said, re.M)
        return said[:end.end()] if end else said

    def write(self, path, text):
        """A file in Dom0."""
        self.check(f"cat > {path} <<'END-OF-FILE'\n{text}END-OF-FILE\ntest -s {path}")

    def wait_for_words(self, file, words, limit=60, count=1):
        """
        So many lines of a file in Dom0, which may not be there yet, have the words. Nobody asks again and again: `grep` reads what `tail` follows.
        """
        seconds = int(limit * PATIENCE)
        self.check(f"[ $(grep -c -m{count} -e '{words}' < <(timeout {seconds} tail -n +1 -F {file} 2> /dev/null)) = {count} ]", limit + 10)

    def wait_for_prompt(self, file, words, limit=60):
        """The words are in a file, in a line that may have no end yet: `grep` would wait for the newline."""
        last = words[-1]
        self.check(f"found=; while IFS= read -r -d '{last}' it; do case $it in *'{words[:-1]}') found=1; break;; esac; done "
                   f"< <(timeout {int(limit * PATIENCE)} tail -n +1 -F {file} 2> /dev/null); [ $found ]", limit + 10)

    def answer_on(self, console, line, mark, limit=60, before=30):
        """What a guest's console said to a line that is typed there, up to the one with the mark. Each process costs Dom0 a tenth of a second: no more than four."""
        log = f"/var/log/skink/consoles/guest-{console}.log"
        said = self.check(f"it=$(skink info {console} --json) && it=${{it#*'\"console\": \"'}} && printf '%s\\r' \"{line}\" > \"${{it%%'\"'*}}\" && "
                          f"grep -m1 -B{before} '{mark}' < <(timeout {int(limit * PATIENCE)} tail -n +1 -F {log} 2> /dev/null)", limit + 10)
        # xenconsoled says when, at the beginning of a line.
        return re.sub(r"^\[[^]\n]*\] ", "", said, flags=re.M)

    def end(self):
        """All that its tests have left goes with it. In test-full that has to happen by itself; in `make test` test_dom0, test_inject and test_run have machines that do."""
        if os.environ.get("SKINK_FULL"):
            self.send("poweroff")
            self.wait_for_end(120)

    def ends_with(self, command, limit=60):
        """Only the exit code."""
        return self.run(command, limit)[0]


def wait_until(condition, limit=120):
    until = time.monotonic() + limit * PATIENCE
    began = time.monotonic()
    while not condition():
        now = time.monotonic()
        assert now < until, "it did not come"
        # Who asks takes the CPU from who is to come: half of it at most.
        time.sleep(min(1, max(0.2, now - began)))
        began = time.monotonic()
    return True


def nobody_ends(dom0):
    """Who has ended is listed until xenstored and xenconsoled, which hear of it a moment later, have let go of its pages: only then are they free."""
    return wait_until(lambda: "dying" not in dom0.check("skink list"))


def image_with(name, files):
    """Dom0's image with more files in it."""
    root, image = f"{BUILD}/test/{name}.d", f"{BUILD}/test/{name}.image"
    subprocess.run(["rm", "-rf", root], check=True)
    for place, file in files.items():
        os.makedirs(os.path.dirname(f"{root}/{place}"), exist_ok=True)
        subprocess.run(["cp", file, f"{root}/{place}"], check=True)
    subprocess.run(f"(cd {root} && find . -mindepth 1 | cpio -o -H newc --quiet | dd bs=512 conv=sync status=none) > {image} && "
                   f"cat {UNPACKED} >> {image} && rm -r {root}", shell=True, check=True)
    return image


# What a kernel says of itself goes by hvc0 and xenconsoled, which is a tenth of a guest's start under QEMU: its first lines, and what is worth a notice.
GUEST_LINE = "console=hvc0 loglevel=6 cryptomgr.notests"


def guest(name, memory_mib=96, vcpus=1, more="", kernel=KERNEL, initrd=INITRD, devices=""):
    return f"""<domain type='skink'>
  <name>{name}</name>
  <memory unit='MiB'>{memory_mib}</memory>
  <vcpu>{vcpus}</vcpu>
  <os>
    <type>linux</type>
    <kernel>{kernel}</kernel>
    <initrd>{initrd}</initrd>
    <cmdline>{GUEST_LINE}</cmdline>
  </os>
  {more}
  <devices><console type='pty'/>{devices}</devices>
</domain>
"""


def rows(output):
    """A table's rows by their first column, each as its words. The core begins a line of its own where it finds one begun: there are empty ones."""
    lines = [line.split() for line in output.splitlines() if line.strip()]
    return {words[0]: words for words in lines[1:]}


def field(output, name):
    """`name : value`, as info prints it."""
    return re.search(rf"^{re.escape(name)} *: *(.*?) *$", output, re.M).group(1)
