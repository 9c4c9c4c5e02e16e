# SPDX-License-Identifier: MIT
"""What icount charges nothing for while a driver comes back: counts.c in QEMU, told where to begin and where to end, and what it has said."""
import re
import subprocess

# The core says when it has a report; a successor, when it has answered, be it what its predecessor had decided.
BEGINS, ENDS = ("reset_begins", "reset_note_death"), ("driver_domain_note_first_answer", "driver_domain_note_republished")
SAID = re.compile(r"COUNTED registers (\d+) flushes (\d+)")
DEATH = re.compile(r"^BENCH (restart\.\w+\.\w+(?:\.armed)?) \d+ ns$", re.MULTILINE)


def tool_says(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def places(image, names):
    found = {name: at for at, _, name in (line.split() for line in tool_says("nm", "--defined-only", image).splitlines())}
    return [found[name] for name in names]


def text_of(image):
    """First and last address of its instructions."""
    at, size = re.search(r"\s\.text\s+PROGBITS\s+(\w+)\s+\w+\s+(\w+)", tool_says("readelf", "-SW", image)).groups()
    return f"{at}-{int(at, 16) + int(size, 16) - 1:x}"


def options(build):
    core, drivers = f"{build}/skink.elf", [f"{build}/{role}.elf" for role in ("net", "blk")]
    words = [f"begin={place}" for place in places(core, BEGINS)]
    words += [f"end={place}" for driver in drivers for place in places(driver, ENDS)]
    words += [f"text={text_of(image)}" for image in (core, *drivers)]
    return ["-d", "plugin", "-plugin", ",".join([f"{build}/bench-counts.so", *words])]


def rows(text):
    """Lines as the programs would have printed them: of each death, whose row comes behind what was counted in it."""
    lines, last = [], 0
    for death in DEATH.finditer(text):
        said = SAID.findall(text, last, death.start())
        last = death.end()
        if said:
            registers, flushes = said[-1]
            lines += [f"BENCH {death.group(1)}.registers {registers} accesses", f"BENCH {death.group(1)}.flushes {flushes} flushes"]
    return "\n".join(lines) + "\n"
