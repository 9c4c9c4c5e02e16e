/* SPDX-License-Identifier: MIT */
/*
 * The same on a machine without MCFG: configuration space by ports, conventional PCI.
 *
 * QEMU: -machine pc -m 512 -device edu -device e1000e -drive if=none,id=disk,driver=null-co -device nvme,serial=1,drive=disk
 * MODULE: pci-ports
 */
#include "pci.c"
