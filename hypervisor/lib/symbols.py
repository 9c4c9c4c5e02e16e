#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Turn `nm -n` on stdin into the table by which the core prints a symbolised back trace.

    extern const uint32_t symbol_count;
    extern const uint32_t symbol_offset[];      from image_start (a symbol of the linker script), ascending
    extern const char symbol_names[];           as many strings, one after the other, each with its zero
"""
import re
import sys

SYMBOL = re.compile(r"([0-9a-f]+) ([A-Za-z]) (\S+)")

symbols = [match.groups() for match in map(SYMBOL.match, sys.stdin) if match]
start = next((int(address, 16) for address, _, name in symbols if name == "image_start"), 0)
functions = [(int(address, 16) - start, name) for address, kind, name in symbols
             if kind in "tT" and int(address, 16) >= start and not name.startswith(("__x86_indirect", ".L"))]

print(f'''\t.section .rodata.symbols, "a"
\t.balign 4
\t.globl symbol_count, symbol_offset, symbol_names
\t.hidden symbol_count, symbol_offset, symbol_names
symbol_count:\t.long {len(functions)}
symbol_offset:''')
for offset, _ in functions:
    print(f"\t.long {offset}")
print("symbol_names:")
for _, name in functions:
    print(f'\t.asciz "{name}"')
print('\t.byte 0\n\t.section .note.GNU-stack, "", @progbits')
