/* SPDX-License-Identifier: MIT */
/* Where the core sees the machine's memory. All RAM is mapped, writable, not executable, at DIRECTMAP_START. */
#pragma once

void *paddr_to_virt(paddr_t address);
paddr_t virt_to_paddr(const void *address);	/* of the direct map or of the core's image */
static inline void *mfn_to_virt(mfn_t frame) { return paddr_to_virt(mfn_to_paddr(frame)); }
static inline mfn_t virt_to_mfn(const void *address) { return paddr_to_mfn(virt_to_paddr(address)); }

/* Maps device memory uncached, for good. This and boot_map(): while one CPU runs, or one caller at a time. */
volatile void *mmio_map(paddr_t address, size_t bytes);
/* Maps anything read-only and cached, for good: ACPI tables, boot modules that the direct map may lack. */
const void *boot_map(paddr_t address, size_t bytes);
