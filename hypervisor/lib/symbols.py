#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Turn `nm -n` on stdin into the table by which the core prints a symbolised back trace.

    extern const uint32_t symbol_count;
    extern const uint32_t symbol_offset[];      from image_start (a symbol of the linker script), ascending
    extern const char symbol_names[];           as many strings, one after the other, each with its zero
"""
import sys


def functions(lines):
    start, found = None, []
    for line in lines:
        address, kind, name = line.split()[-3:] if len(line.split()) == 3 else (None, None, None)
        if name == "image_start":
            start = int(address, 16)
        elif kind in ("t", "T") and not name.startswith(("__x86_indirect", ".L")):
            found.append((int(address, 16), name))
    if found and start is None:
        sys.exit("symbols.py: the linker script defines no image_start")
    return [(address - start, name) for address, name in found if address >= start]


def main():
    table = functions(sys.stdin)
    print('\t.section .rodata.symbols, "a"\n\t.balign 4')
    print("\t.globl symbol_count, symbol_offset, symbol_names")
    print("\t.hidden symbol_count, symbol_offset, symbol_names")
    print(f"symbol_count:\n\t.long {len(table)}")
    print("symbol_offset:")
    for offset, _ in table:
        print(f"\t.long {offset}")
    print("symbol_names:")
    for _, name in table:
        print(f'\t.asciz "{name}"')
    print('\t.byte 0\n\t.section .note.GNU-stack, "", @progbits')


main()
