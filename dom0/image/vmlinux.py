#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""vmlinux.py BZIMAGE OUT: unpack the ELF kernel that is in a bzImage. Ring 0 does not do it."""
import struct
import subprocess
import sys

# The payload's first bytes, and what unpacks them.
UNPACKERS = [
    (b"\xfd7zXZ\x00", ["xz", "-dc", "--single-stream"]),
    (b"\x28\xb5\x2f\xfd", ["zstd", "-dc", "-q"]),
    (b"\x02\x21\x4c\x18", ["lz4", "-dc", "-q"]),
    (b"\x1f\x8b", ["gzip", "-dc"]),
]


def payload(image):
    if image[0x202:0x206] != b"HdrS":
        sys.exit(f"{sys.argv[1]}: not a bzImage")
    sectors = (image[0x1F1] or 4) + 1
    offset, length = struct.unpack_from("<II", image, 0x248)
    start = sectors * 512 + offset
    return image[start:start + length]


def main():
    packed = payload(open(sys.argv[1], "rb").read())
    for magic, command in UNPACKERS:
        if packed.startswith(magic):
            # The last four bytes are the size, not the stream's: xz and zstd complain about them, after the work.
            unpacked = subprocess.run(command, input=packed[:-4], stdout=subprocess.PIPE).stdout
            break
    else:
        sys.exit(f"{sys.argv[1]}: payload is packed in an unknown way ({packed[:4].hex()})")
    size = struct.unpack("<I", packed[-4:])[0]
    if unpacked[:4] != b"\x7fELF" or len(unpacked) != size:
        sys.exit(f"{sys.argv[1]}: unpacks to {len(unpacked)} bytes that are no ELF of {size}")
    open(sys.argv[2], "wb").write(unpacked)


main()
