/* SPDX-License-Identifier: MIT */
/* A virtio device's registers as they are found on PCI (device/virtio.c): where its doorbells stand, and what cannot be. */
#include <CUnit/Basic.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "device/pool.h"
#include "device/virtio.h"
#include "runtime/driver_domain.h"
#include "runtime/time.h"
#include "runtime/xen.h"

#define BAR_BYTES 0x20000u
#define COMMON_AT 0u
#define CONFIG_AT 0x1000u
#define NOTIFY_AT 0x3000u
#define QUEUE_SIZE_AT 0x18u
#define QUEUE_NOTIFY_AT 0x1eu
#define POOL_PAGES 64u

static uint8_t space[256], *bar, pool[POOL_PAGES * BUFFER_BYTES] __attribute__((aligned(4096)));
static struct pci_function function;
static struct virtio_device device;
static struct virtqueue queue;
static uint64_t now_ns;

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

uint64_t time_now_ns(void) { return now_ns += 1000000; }
uint64_t driver_domain_device_ns(void) { return 2000000000; }
void pci_enable(const struct pci_function *which) { (void)which; }
void pci_enable_dma(const struct pci_function *which) { (void)which; }

uint32_t pci_read(const struct pci_function *which, uint32_t offset, unsigned int bytes)
{
	uint32_t value = 0;

	(void)which;
	CU_ASSERT_TRUE_FATAL(offset + bytes <= sizeof(space));
	memcpy(&value, space + offset, bytes);
	return value;
}

uint32_t pci_capability(const struct pci_function *which, uint8_t id, uint32_t after)
{
	uint32_t at = after ? space[after + 1] : 0x40;

	(void)which;
	while (at && space[at] != id)
		at = space[at + 1];
	return at;
}

/* Mapped once, and not more often than there is room for, as by the real one. */
volatile void *pci_map(struct pci_function *which, unsigned int number, uint64_t offset, uint64_t bytes)
{
	if (number != 4 || !bytes || offset > BAR_BYTES || bytes > BAR_BYTES - offset)
		return NULL;
	for (unsigned int i = 0; i < which->mapping_count; i++)
		if (offset >= which->mapping[i].offset && offset + bytes <= which->mapping[i].offset + which->mapping[i].bytes)
			return bar + offset;
	if (which->mapping_count == PCI_MAPPINGS)
		return NULL;
	which->mapping[which->mapping_count++] = (struct pci_mapping){ number, offset, bytes, bar + offset };
	return bar + offset;
}

int pci_interrupt(struct pci_function *which, unsigned int vector, uint32_t *port)
{
	(void)which;
	*port = 10 + vector;
	return 0;
}

/* ---- given ---- */

static void given_part(uint8_t at, uint8_t next, uint8_t part, uint32_t offset, uint32_t length)
{
	memcpy(space + at, (uint8_t[8]){ 9, next, 20, part, 4 }, 8);
	memcpy(space + at + 8, &offset, 4);
	memcpy(space + at + 12, &length, 4);
}

/* Doorbells of so many bytes, as its notify_off_multiplier says. */
static void given_device(uint32_t step, uint32_t notify_bytes)
{
	uint16_t size = 256;

	memset(space, 0, sizeof(space));
	free(bar);
	bar = calloc(1, BAR_BYTES);
	function = (struct pci_function){ .msix_vectors = 8 };
	pool_init(pool, 0x100000, POOL_PAGES);
	given_part(0x40, 0x60, 1, COMMON_AT, 56);
	given_part(0x60, 0x80, 4, CONFIG_AT, 64);
	given_part(0x80, 0, 2, NOTIFY_AT, notify_bytes);
	memcpy(space + 0x90, &step, 4);
	memset(bar + 4, 0xff, 4);		/* it offers everything */
	memcpy(bar + COMMON_AT + QUEUE_SIZE_AT, &size, 2);
	CU_ASSERT_EQUAL_FATAL(virtio_open(&device, &function), 0);
	CU_ASSERT_EQUAL_FATAL(virtio_negotiate(&device, 0), 0);
}

/* The registers are memory: who selects a queue finds what was put there before. */
static int queue_begins(uint16_t number)
{
	uint32_t port;

	memcpy(bar + COMMON_AT + QUEUE_NOTIFY_AT, &number, 2);
	return virtio_queue(&device, number, 16, 0, &queue, &port);
}

static bool rings_at(uint32_t offset)
{
	struct pool_part part = { pool_at, 1 };
	uint16_t rung;

	memset(bar + NOTIFY_AT, 0xff, BAR_BYTES - NOTIFY_AT);
	CU_ASSERT_EQUAL_FATAL(virtqueue_add(&queue, &part, 1, 0, &part), 0);
	virtqueue_push(&queue);
	memcpy(&rung, bar + NOTIFY_AT + offset, 2);
	return rung == queue.number;
}

/* ---- then ---- */

static void doorbells_share_a_page(void)
{
	given_device(4, 4096);
	for (uint16_t number = 0; number < 9; number++) {
		CU_ASSERT_EQUAL_FATAL(queue_begins(number), 0);
		CU_ASSERT_TRUE(rings_at(4u * number));
	}
	CU_ASSERT_EQUAL(function.mapping_count, 3);
	given_device(0, 2);
	CU_ASSERT_EQUAL_FATAL(queue_begins(5), 0);
	CU_ASSERT_TRUE(rings_at(0));
}

/* Those of a card of four pairs, and of its commands. */
static void doorbells_have_a_page_each(void)
{
	given_device(4096, 16 * 4096);
	for (uint16_t number = 0; number < 9; number++) {
		CU_ASSERT_EQUAL_FATAL(queue_begins(number), 0);
		CU_ASSERT_TRUE(rings_at(4096u * number));
	}
}

static void doorbell_that_is_not_there_is_no_doorbell(void)
{
	static const struct { uint32_t step, bytes; uint16_t number; } lies[] = {
		{ 4, 4096, 1024 }, { 4, 4, 1 }, { 2, 1, 0 }, { 0, 0, 0 }, { 1, 4096, 3 }, { UINT32_MAX, 4096, 2 }, { UINT32_MAX, UINT32_MAX, 0xffff },
		{ 4096, 2 * BAR_BYTES, BAR_BYTES / 4096 }, { 4096, 3 * 4096 + 1, 3 },
	};

	for (unsigned int i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
		given_device(lies[i].step, lies[i].bytes);
		CU_ASSERT_EQUAL(queue_begins(lies[i].number), -XEN_ENODEV);
	}
}

#define CASE(name) CU_add_test(suite, #name, name)

int main(void)
{
	unsigned int failures;
	CU_pSuite suite;

	CU_initialize_registry();
	suite = CU_add_suite("virtio_pci", NULL, NULL);
	CASE(doorbells_share_a_page);
	CASE(doorbells_have_a_page_each);
	CASE(doorbell_that_is_not_there_is_no_doorbell);
	CU_basic_set_mode(CU_BRM_VERBOSE);
	CU_basic_run_tests();
	failures = CU_get_number_of_failures();
	CU_cleanup_registry();
	free(bar);
	return failures != 0;
}
