# SPDX-License-Identifier: MIT
"""Applications in a Debian that is all in memory, with no device: another run gives the same. Each system boots the same image."""
import os
import shutil

from life import archived, put, read

HERE = os.path.dirname(os.path.abspath(__file__))
# How many vcpus the parts have.
VCPUS = {"apps": 1, "apps-2": 2, "apps-4": 4}


def image(build):
    """The Debian of build/apps.cpio with the programs and the first process of today; neither is packed."""
    folder = f"{build}/bench-apps"
    shutil.rmtree(folder, ignore_errors=True)
    root = f"{folder}/root"
    put(root, "init", read(f"{HERE}/init"))
    put(root, "bench/servers.sh", read(f"{HERE}/servers.sh"), 0o644)
    for program in ("timed",):
        put(root, f"usr/bin/{program}", read(f"{build}/dom0/programs/{program}"))
    with open(f"{build}/apps.cpio", "rb") as debian, open(f"{folder}/apps.img", "wb") as out:
        shutil.copyfileobj(debian, out)
        out.write(archived(root))
    return f"{folder}/apps.img"
