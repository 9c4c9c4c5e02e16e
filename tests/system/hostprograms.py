# SPDX-License-Identifier: MIT
"""Programs that were built for the host, and how they are run."""
import os
import re
import subprocess

from machine import PATIENCE


def programs_in(folder):
    if not os.path.isdir(folder):
        return []
    # A program whose source has gone is a left-over. Of build/unit/dom0-rpc it is tests/unit/dom0/rpc.c, of build/fuzz/dom0-kernel
    # tests/fuzz/kernel.c.
    sources = os.path.join("tests", os.path.basename(folder))
    paths = [os.path.join(folder, name) for name in sorted(os.listdir(folder))
             if any(os.path.exists(os.path.join(sources, f"{source}.c"))
                    for source in (name, name.replace("-", "/", 1), name.partition("-")[2]))]
    return [path for path in paths if os.path.isfile(path) and os.access(path, os.X_OK)]


def environment():
    return dict(os.environ, ASAN_OPTIONS="detect_leaks=0",
                UBSAN_OPTIONS="halt_on_error=1:print_stacktrace=1")


def unit_test_with(folder, file, text, flags, parts):
    """A unit test of which one file has another text, linked with its other parts: (exit status, the cases that failed, all that it said)."""
    changed, program = f"{folder}/{os.path.basename(file)}", f"{folder}/program"
    with open(changed, "w", encoding="utf-8") as out:
        out.write(text)
    subprocess.run(["gcc", *flags, changed, *parts, "-lcunit", "-o", program], check=True)
    result = subprocess.run([program], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=environment(), text=True, errors="replace", timeout=120 * PATIENCE)
    return result.returncode, set(re.findall(r"Test (\w+) had failures", result.stdout)), result.stdout
