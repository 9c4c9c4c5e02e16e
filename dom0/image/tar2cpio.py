#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""tar2cpio.py < TAR > CPIO: an archive as Linux unpacks it when it starts, from one that mmdebstrap made.

Devices are left out: the kernel makes them. Hard links stay what they are: one inode, its data once. (bsdtar, which
could do this too, gives the second name of a file no inode and no type.)
"""
import stat
import sys
import tarfile

TYPES = {tarfile.REGTYPE: stat.S_IFREG, tarfile.LNKTYPE: stat.S_IFREG, tarfile.SYMTYPE: stat.S_IFLNK,
         tarfile.DIRTYPE: stat.S_IFDIR}


def padded(data):
    return data + bytes(-len(data) % 4)


def entry(out, name, data=b"", inode=0, mode=0, links=1, owner=(0, 0), mtime=0):
    fields = (inode, mode, *owner, links, mtime, len(data), 0, 0, 0, 0, len(name) + 1, 0)
    header = "070701" + "".join(f"{field:08x}" for field in fields)
    out.write(padded(header.encode() + name + b"\0") + padded(data))


def main():
    archive, out = tarfile.open(fileobj=sys.stdin.buffer), sys.stdout.buffer
    members = [member for member in archive if member.type in TYPES]
    names = {}
    for member in members:
        if member.islnk():
            names.setdefault(member.linkname, []).append(member.name)

    inodes = {}
    for number, member in enumerate(members, 1):
        target = member.linkname if member.islnk() else member.name
        inode = inodes.setdefault(target, number)
        data = archive.extractfile(member).read() if member.isreg() else b""
        if member.issym():
            data = member.linkname.encode()
        entry(out, member.name.encode(), data, inode, TYPES[member.type] | member.mode,
              1 + len(names.get(target, [])), (member.uid, member.gid), int(member.mtime))
    entry(out, b"TRAILER!!!")


main()
