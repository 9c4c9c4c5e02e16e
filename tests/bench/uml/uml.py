# SPDX-License-Identifier: MIT
"""User-Mode Linux has no machine of its own: it is a program of the same Debian kernel on bare QEMU, so that -icount counts what it does."""
import os
import shutil

from life import archived, put, read, zipped

HERE = os.path.dirname(os.path.abspath(__file__))
LIBRARIES = ("/lib64/ld-linux-x86-64.so.2", "/lib/x86_64-linux-gnu/libc.so.6")


def image(build, initrd, words):
    """The initrd that boots bare, runs bin/run as skink.run, and has in it the same `initrd` for the kernel that runs there."""
    folder = f"{build}/bench-uml"
    shutil.rmtree(folder, ignore_errors=True)
    root = f"{folder}/root"
    put(root, "bin/run", read(f"{HERE}/run"))
    put(root, "bin/linux.uml", read(f"{build}/uml/linux.uml"))
    for library in LIBRARIES:
        put(root, library.lstrip("/"), read(library))
    put(root, "uml/initrd", read(initrd), 0o644)
    put(root, "uml/words", f"{words}\n", 0o644)
    with open(f"{folder}/uml.img", "wb") as out:
        out.write(read(f"{build}/dom0/initrd") + zipped(archived(root)))
    return f"{folder}/uml.img"
