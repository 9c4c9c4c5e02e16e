/* SPDX-License-Identifier: MIT */
/*
 * A PCI device on the host whose registers are plain memory: what it does with them, and with the pool, is the test's to say. Whoever waits for
 * it looks at the clock: that is its moment. It sees the pool, and nothing else, as a device behind an IOMMU does.
 */
#pragma once

#include "device/drivers.h"

#define FAKE_POOL_PAGES 512u
#define FAKE_MACHINE 0x7700000000ULL

struct fake_pci {
	uint8_t *registers;		/* of the last start, and so many */
	uint64_t bytes;
	void (*look)(void);		/* NULL: it does nothing by itself */
	uint64_t now_ns;
	unsigned int failures;		/* what the driver has told its back-end */
	const char *why;
	void (*ends)(void);		/* where a domain whose device has failed ends; NULL: it goes on */
	bool is_masked[16];		/* event ports */
	uint8_t *scratch;		/* of the driver, from one life to the next */
	struct pci_function function;
};
extern struct fake_pci fake;

void fake_begin(uint64_t registers_bytes);	/* all zero, and the pool is noise */
void fake_disk(struct blk_device *disk, const struct blk_driver *driver);
void fake_card(struct net_device *card, const struct net_driver *driver);
void *fake_memory(uint64_t machine, uint64_t bytes);	/* NULL: not of the pool */

static inline uint32_t fake_get(uint32_t at) { return *(uint32_t *)(fake.registers + at); }
static inline void fake_set(uint32_t at, uint32_t value) { *(uint32_t *)(fake.registers + at) = value; }
