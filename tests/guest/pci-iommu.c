/* SPDX-License-Identifier: MIT */
/*
 * The same with VT-d, interrupt remapping, and one of the devices behind a bridge.
 *
 * QEMU: -machine q35 -m 512 -device intel-iommu,intremap=on -device pcie-root-port,id=bridge,chassis=1 -device edu -device e1000e,bus=bridge -drive if=none,id=disk,driver=null-co -device nvme,serial=1,drive=disk
 * MODULE: pci-iommu
 */
#include "pci.c"
