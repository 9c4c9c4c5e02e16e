/* SPDX-License-Identifier: MIT */
#include "pci_device.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/console.h"
#include "runtime/events.h"
#include "runtime/ready.h"
#include "runtime/time.h"

struct fake_pci fake;

/* ---- the runtime ---- */

void panic(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vfprintf(stderr, format, arguments);
	va_end(arguments);
	fputc('\n', stderr);
	abort();
}

void *ready_scratch(uint32_t pages)
{
	return fake.scratch = calloc(pages, BUFFER_BYTES);
}

uint64_t time_now_ns(void)
{
	if (fake.look)
		fake.look();
	return fake.now_ns += 1000000;
}

void event_mask(evtchn_port_t port) { fake.is_masked[port % 16] = true; }
bool event_is_masked(evtchn_port_t port) { return fake.is_masked[port % 16]; }
void event_clear(evtchn_port_t port) { (void)port; }

int event_unmask(evtchn_port_t port)
{
	fake.is_masked[port % 16] = false;
	return 0;
}

/* ---- the function ---- */

void pci_enable(const struct pci_function *function) { (void)function; }
void pci_enable_dma(const struct pci_function *function) { (void)function; }

volatile void *pci_map(struct pci_function *function, unsigned int bar, uint64_t offset, uint64_t bytes)
{
	(void)function;
	return bar == 0 && offset == 0 && bytes <= fake.bytes ? fake.registers : NULL;
}

int pci_interrupt(struct pci_function *function, unsigned int vector, uint32_t *port)
{
	(void)function;
	*port = 1 + vector;
	return 0;
}

/* ---- the device ---- */

void fake_begin(uint64_t registers_bytes)
{
	static uint8_t *pool;
	uint8_t *scratch = fake.scratch;

	pool = pool ? pool : aligned_alloc(BUFFER_BYTES, FAKE_POOL_PAGES * BUFFER_BYTES);
	memset(pool, 0xa5, FAKE_POOL_PAGES * BUFFER_BYTES);
	pool_init(pool, FAKE_MACHINE, FAKE_POOL_PAGES);
	free(fake.registers);
	fake = (struct fake_pci){ .registers = calloc(1, registers_bytes), .bytes = registers_bytes, .scratch = scratch };
	fake.function = (struct pci_function){ .msix_vectors = 8 };
}

static void failed(const char *why)
{
	fake.failures++;
	fake.why = why;
	if (fake.ends)
		fake.ends();
}

static void disk_failed(struct blk_device *device, const char *why)
{
	(void)device;
	failed(why);
}

static void card_failed(struct net_device *device, const char *why)
{
	(void)device;
	failed(why);
}

void fake_disk(struct blk_device *disk, const struct blk_driver *driver)
{
	*disk = (struct blk_device){ .driver = driver, .function = &fake.function, .failed = disk_failed };
}

void fake_card(struct net_device *card, const struct net_driver *driver)
{
	*card = (struct net_device){ .driver = driver, .function = &fake.function, .failed = card_failed };
}

void *fake_memory(uint64_t machine, uint64_t bytes)
{
	uint64_t offset = machine - FAKE_MACHINE;

	return offset < pool_bytes && bytes <= pool_bytes - offset ? pool_at + offset : NULL;
}
