# Unit tests: see the Makefile for the names.
UNIT_COMMON_SOURCES += tests/unit/fake-cpu/cpu.c tests/unit/fake-cpu/memory.c tests/unit/fake-cpu/core.c tests/unit/fake-cpu/given.c
