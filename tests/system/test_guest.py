# SPDX-License-Identifier: MIT
"""
The small kernels of tests/guest, each booted as the first domain. They speak TAP on the console ("1..N", "ok 1 - ...",
"not ok 2 - ...", "ok 3 - ... # SKIP why") and power off. In the first 30 lines of its source a test may ask for more:

    QEMU: -smp 4 -cpu max        instead of -smp 1 -cpu qemu64 -m 256; {image}: a fresh disk image of 64 MiB
    QEMU name: words             once more, in another machine
    ARGS: words                  its command line
    CORE: words                  the core's command line, after dom0_mem=64M and the console
    INITRD: words                a second module with these words in it
    MODULE: name                 a second module: the kernel of that name in tests/guest
    WIRE: echo                   tap0, of two queues, is a bridge that sends every frame back
    EXPECT: regular expression   said by the core after the plan is done; the guest need not power off then
"""
import glob
import os
import re
import shlex

import pytest

from machine import BUILD, CORE_ARGS, Machine, by_kernel

# A kernel whose source has gone is a left-over; those that measure are make bench's; fake-driver is test_drivers.py's, burner test_monitor.py's.
TESTS = [name for name in sorted(os.path.basename(path)[:-4] for path in glob.glob(f"{BUILD}/guest/*.elf"))
         if os.path.exists(f"tests/guest/{name}.c") and not name.startswith(("bench", "fake", "burner"))]
# What this QEMU cannot try in one machine, or what would leave nothing behind to tell of it; all else is tried in each.
SKIPPED = {
    "dma": {"interrupts cannot be forged", "function behind an old bridge has no pool of its own"},
    "dma-wide": {"interrupts cannot be forged"},
    "dma-unprotected": {"core is out of reach", "function behind an old bridge has no pool of its own"},
    "disk-readonly": {"discarded sectors can be written again"},
}
RESULT = re.compile(r"^(not ok|ok) (\d+)(?: -)? ?(.*)$", re.MULTILINE)
PLAN = re.compile(r"^1\.\.(\d+)$", re.MULTILINE)


def wishes(test):
    """What the head of the source asks for."""
    found = {"QEMU": "", "ARGS": "", "CORE": "", "INITRD": None, "MODULE": None, "EXPECT": None, "WIRE": None}
    path = f"tests/guest/{test}.c"
    if os.path.exists(path):
        with open(path, encoding="utf-8") as source:
            for line in [line for line, _ in zip(source, range(30))]:
                wish = re.match(r"[\s/*]*(QEMU(?: \w+)?|ARGS|CORE|INITRD|MODULE|EXPECT|WIRE):\s+(.*?)\s*(\*/)?$", line)
                if wish:
                    found[wish.group(1)] = wish.group(2)
    return found


def machines():
    """Each test, and the name of each machine that it asks for."""
    return [(test, key) for test in TESTS for key in wishes(test) if key.startswith("QEMU")]


# In a network of its own, which needs no privilege.
ECHO = ["unshare", "-rn", "sh", "-e", "-c",
        "ip link add br0 type bridge; ip tuntap add tap0 mode tap vnet_hdr QUEUES; ip link set tap0 master br0; "
        "for name in br0 tap0; do echo 1 >/proc/sys/net/ipv6/conf/$name/disable_ipv6; ip link set $name up; done; "
        "ip link set tap0 type bridge_slave hairpin on; exec \"$@\"", "sh"]


def wire(wish, options):
    if wish["WIRE"] != "echo":
        return []
    return [word.replace("QUEUES", "multi_queue" if "queues=" in options else "") for word in ECHO]


def fresh_image(name):
    os.makedirs(f"{BUILD}/test", exist_ok=True)
    path = f"{BUILD}/test/{name}.img"
    with open(path, "wb") as image:
        image.truncate(64 << 20)
    return path


def boot(test, wish, machine="QEMU"):
    name = "-".join([test, *machine.split()[1:]])
    if "{image}" in wish[machine]:
        wish[machine] = wish[machine].replace("{image}", fresh_image(f"guest-{name}"))
    modules = [(f"{BUILD}/guest/{test}.elf", wish["ARGS"])]
    if wish["INITRD"] is not None:
        os.makedirs(f"{BUILD}/test", exist_ok=True)
        with open(f"{BUILD}/test/{test}.initrd", "w", encoding="utf-8") as initrd:
            initrd.write(wish["INITRD"])
        modules.append((f"{BUILD}/test/{test}.initrd", ""))
    if wish["MODULE"]:
        modules.append((f"{BUILD}/guest/{wish['MODULE']}.elf", ""))
    pairs = list(zip(*[iter(shlex.split(wish[machine]))] * 2))
    own = {name: value for name, value in pairs if name in ("-cpu", "-smp", "-m")}
    hypervisor = os.environ.get("HYPERVISOR", f"{BUILD}/skink")
    return Machine(f"guest-{name}", *by_kernel(hypervisor, modules, f"{CORE_ARGS} dom0_mem=64M {wish['CORE']}".strip()),
                   cpu=own.get("-cpu", "qemu64"), smp=own.get("-smp", "1"), memory=own.get("-m", 256),
                   limit=120, before=wire(wish, wish[machine]), *[word for pair in pairs if pair[0] not in own for word in pair])


def judge(text):
    """The numbers that were planned, were run, and failed."""
    plan = PLAN.search(text)
    assert plan, "no plan (1..N) was printed"
    results = RESULT.findall(text)
    failed = [f"not ok {number} - {what}" for verdict, number, what in results
              if verdict == "not ok" and "# TODO" not in what]
    numbers = [int(number) for _, number, _ in results]
    assert numbers == list(range(1, int(plan.group(1)) + 1)), \
        f"planned 1..{plan.group(1)}, ran {len(numbers)}: something is missing or came twice"
    return results, failed


def skipped(results):
    return {what.partition(" # SKIP")[0] for verdict, _, what in results if verdict == "ok" and "# SKIP" in what}


@pytest.mark.parametrize("test, machine_name", machines() or [(None, None)],
                         ids=["-".join([test, *name.split()[1:]]) for test, name in machines()] or ["none"])
def test_guest(test, machine_name, record_property):
    assert test, f"there are no guest tests in {BUILD}/guest"
    wish = wishes(test)
    if wish["WIRE"] and not os.access("/dev/net/tun", os.W_OK):
        pytest.skip("no /dev/net/tun: there is no wire to send frames back")
    with boot(test, wish, machine_name) as machine:
        if wish["EXPECT"]:
            machine.expect(wish["EXPECT"], 120, lost=False)
        else:
            machine.wait_for_end(90)
        results, failed = judge(machine.text)
        assert not failed, f"{len(failed)} of {len(results)} failed ({machine.log_name}):\n" + "\n".join(failed)
        # Other hypervisors lack what is Skink's own.
        assert skipped(results) <= SKIPPED.get("-".join([test, *machine_name.split()[1:]]), set()) or "HYPERVISOR" in os.environ, f"skipped: {skipped(results)}"
        record_property("checks", len(results))
