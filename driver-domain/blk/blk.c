/* SPDX-License-Identifier: MIT */
/* A block driver domain: one disk, found and started, and the loop. */
#include "blk/blk.h"
#include "runtime/boot.h"
#include "runtime/console.h"
#include "runtime/driver_domain.h"
#include "runtime/foreign.h"
#include "runtime/notes.h"

RUNTIME_KERNEL

DRIVER_IMAGE(DRIVER_BLK, DRIVER_BLK_READONLY | DRIVER_BLK_CDROM | DRIVER_BLK_DISCARD | DRIVER_BLK_SHARED | DRIVER_BLK_INDIRECT, BLK_RINGS_MAX);

/* Of all disks: 128 of 8 pages, or of 4 rings of 2. Each 512 are a page table more that a reset looks through. */
#define RING_PAGES 1024u

static struct blk_device device;
static struct pci_function function;

static void __attribute__((noreturn)) blk_failed(struct blk_device *which, const char *why)
{
	panic("%s: %s", which->driver->name, why);
}

static const struct blk_driver *driver_for(uint32_t address)
{
	for (const struct blk_driver *const *driver = blk_drivers; *driver; driver++)
		if ((*driver)->knows(&function))
			return *driver;
	driver_domain_fail("PCI %02x:%02x.%x is %04x:%04x, class %06x: no disk that this image has a driver for", address >> 8,
			   address >> 3 & 31, address & 7, function.vendor, function.device, function.class_code);
}

static void device_find(void)
{
	const struct driver_table *table = driver_domain.table;
	int error;

	if (table->function_count != 1)
		driver_domain_fail("a block driver has one disk, and the table names %u PCI functions", table->function_count);
	error = pci_open(table->function[0] & 0xffff, &function);
	if (error)
		driver_domain_fail("PCI %02x:%02x.%x is not this domain's: error %d", table->function[0] >> 8 & 255,
				   table->function[0] >> 3 & 31, table->function[0] & 7, error);
	device.driver = driver_for(table->function[0] & 0xffff);
	device.function = &function;
	device.failed = blk_failed;
}

static void device_start(void)
{
	int error = device.driver->start(&device);

	if (error)
		driver_domain_fail("%s does not start: error %d, the log says more", device.driver->name, error);
	if (device.sector_bytes != 512 && device.sector_bytes != 4096)
		driver_domain_fail("%s: sectors of %u bytes; 512 and 4096 are understood", device.driver->name, device.sector_bytes);
	if (works_of(DRIVER_SEGMENTS_MAX, DRIVER_EXTENTS_MAX) > BLK_WORKS)
		driver_domain_fail("%s takes only %u segments at once", device.driver->name, device.segments_max);
	if (buffer_free_count() < DRIVER_SEGMENTS_MAX + works_of(DRIVER_SEGMENTS_MAX, DRIVER_EXTENTS_MAX))
		driver_domain_fail("the DMA pool has %u pages left: too few for one request; give the domain a larger one",
				   buffer_free_count());
}

static void device_tell(void)
{
	struct driver_status *status = driver_domain.status;

	snprintf(status->device_name, sizeof(status->device_name), "%s", device.driver->name);
	status->device_flags = (device.has_flush ? DRIVER_DEVICE_FLUSH : 0) | (device.has_discard ? DRIVER_DEVICE_DISCARD : 0) |
			       (device.is_readonly ? DRIVER_DEVICE_READONLY : 0);
	status->sector_bytes = device.sector_bytes;
	status->device_sectors = device.sectors;
	printf("%s: %lu sectors of 512 bytes, %u bytes each at least, %u queues; a successor resets it by %s\n", device.driver->name,
	       device.sectors, device.sector_bytes, device.queues, device.driver->reset);
}

static void device_again(void)
{
	int error = device.driver->restart(&device);

	if (error)
		panic("%s does not start again: error %d", device.driver->name, error);
}

void guest_main(void)
{
	static const struct driver_calls calls = { .again = device_again, .obey = table_obey, .work = blk_work, .rest = blk_rest };

	driver_domain_init(DRIVER_BLK);
	device_find();
	blk_begin(&device);
	device_start();
	device_tell();
	foreign_init(RING_PAGES);
	driver_domain_run(&calls);
}
