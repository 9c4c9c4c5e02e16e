/* SPDX-License-Identifier: MIT */
#include "lib/driver.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "lib/build.h"
#include "lib/layout.h"

#define OWN_FRAMES	256		/* heap and stacks: what a driver needs at least besides all this */

static uint64_t pages_of(uint64_t bytes)
{
	return (bytes + FRAME_BYTES - 1) >> FRAME_SHIFT;
}

void driver_shared_free(struct driver_shared *shared)
{
	free(shared->mfn);
	free(shared->frame);
	shared->mfn = shared->frame = NULL;
}

int driver_regions_choose(const struct build_driver *driver, const struct layout *layout, uint64_t frames,
			  struct driver_regions *regions, struct build_error *error)
{
	uint64_t at, needed;

	*regions = (struct driver_regions){
		.table = { layout->initrd_pfn, pages_of(DRIVER_TABLE_BYTES(DRIVER_ATTACHMENTS_MAX)) },
		.status = { 0, pages_of(DRIVER_STATUS_BYTES(DRIVER_ATTACHMENTS_MAX)) },
		.log = { 0, pages_of(DRIVER_LOG_BYTES) },
		.ledger = { 0, pages_of(DRIVER_LEDGER_BYTES) },
		.pool = { 0, driver->pool_frames },
	};
	while (1UL << regions->pool_order < driver->pool_frames)
		regions->pool_order++;
	needed = layout->frames_needed + OWN_FRAMES + regions->status.pages + regions->log.pages + regions->ledger.pages +
		 (1UL << regions->pool_order);
	if (driver->pool_frames > SKINK_DMA_POOL_FRAMES_MAX || needed > frames)
		return build_refuse(error, BLAME_MEMORY, -ENOMEM, "a driver domain with a DMA pool of %lu KiB needs %lu MiB and there "
				    "are %lu: give it more memory, or a smaller pool (<skink:dma pool='1MiB'/>)",
				    driver->pool_frames << (FRAME_SHIFT - 10), (needed >> 8) + 1 + (DRIVER_CLEAN_KIB >> 10),
				    (frames >> 8) + (DRIVER_CLEAN_KIB >> 10));
	at = frames - (1UL << regions->pool_order);
	regions->pool.pfn = at;
	regions->ledger.pfn = at -= regions->ledger.pages;
	regions->log.pfn = at -= regions->log.pages;
	regions->status.pfn = at -= regions->status.pages;
	return 0;
}

void driver_table_fill(const struct build_driver *driver, const struct driver_regions *regions, uint32_t control_port,
		       struct driver_table *table)
{
	memset(table, 0, regions->table.pages << FRAME_SHIFT);
	*table = (struct driver_table){
		.magic = DRIVER_TABLE_MAGIC, .version = DRIVER_VERSION, .role = (uint16_t)driver->role,
		.attachment_count = DRIVER_ATTACHMENTS_MAX, .control_port = control_port, .function_count = driver->function_count,
		.pool = regions->pool, .ledger = regions->ledger, .status = regions->status, .log = regions->log,
		.heartbeat_ns = driver->heartbeat_ns, .device_ns = driver->device_ns, .is_rehearsal = driver->is_rehearsal,
	};
	memcpy(table->function, driver->function, sizeof(table->function));
}

static int list_shared(const struct driver_regions *regions, const xen_pfn_t *mfn, struct driver_shared *shared)
{
	const struct driver_region *part[] = { &regions->table, &regions->status, &regions->log, &regions->ledger };
	uint64_t at = 0;

	shared->table_pages = regions->table.pages;
	shared->status_pages = regions->status.pages;
	shared->log_pages = regions->log.pages;
	shared->ledger_pages = regions->ledger.pages;
	shared->mfn = calloc(driver_shared_pages(shared), sizeof(xen_pfn_t));
	if (!shared->mfn)
		return -ENOMEM;
	for (size_t i = 0; i < sizeof(part) / sizeof(part[0]); i++)
		for (uint64_t page = 0; page < part[i]->pages; page++)
			shared->mfn[at++] = mfn[part[i]->pfn + page];
	return 0;
}

/* All but the table, which has been filled. */
static int wipe(struct core *core, domid_t id, const struct driver_shared *shared)
{
	uint64_t count = driver_shared_pages(shared) - shared->table_pages;
	void *at = core_map(core, id, PROT_READ | PROT_WRITE, shared->mfn + shared->table_pages, count);

	if (!at)
		return -(errno ? errno : EFAULT);
	memset(at, 0, count << FRAME_SHIFT);
	core_unmap(core, at, count);
	return 0;
}

static int declare_pool(struct core *core, domid_t id, const struct build_driver *driver, xen_pfn_t first,
			struct driver_shared *shared, struct build_error *error)
{
	struct skink_domctl_dma_pool pool = { .first_mfn = first, .count = driver->pool_frames };
	int result;

	if (driver->is_unprotected)
		pool.flags = SKINK_DMA_POOL_UNPROTECTED;
	result = core_dma_pool(core, id, &pool);
	shared->is_protected = pool.is_protected;
	if (result == -EOPNOTSUPP)
		return build_refuse(error, BLAME_DMA, result, "this machine has no IOMMU, so its device could write to all memory: "
				    "write <skink:dma unprotected='yes'/> into <skink:driver> if that may be");
	return result ? build_refuse(error, BLAME_MACHINE, result, "the core does not take its DMA pool: %s", strerror(-result)) : 0;
}

static int refuse_device(uint32_t function, uint32_t index, int result, struct build_error *error)
{
	const char *why = "the core refuses it: see 'skink dmesg'";

	if (result == -ENODEV)
		why = "this machine has no such device that can be given away: 'skink info' lists those there are";
	else if (result == -EBUSY)
		why = "another domain owns it: end that one first";
	if (error)
		error->index = index;
	return build_refuse(error, BLAME_DEVICE, result, "PCI device %04x:%02x:%02x.%x: %s (%s)", function >> 16, function >> 8 & 0xff,
			    function >> 3 & 0x1f, function & 7, why, strerror(-result));
}

static struct driver_frames frames_of(const struct driver_region *region, enum driver_class frame_class)
{
	return (struct driver_frames){ region->pfn, (uint32_t)region->pages, frame_class };
}

struct skink_domctl_driver driver_declaration(const struct driver_regions *regions, const struct layout *layout)
{
	const struct driver_region store = { layout_pfn(layout, layout->store), 1 }, console = { layout_pfn(layout, layout->console), 1 };

	return (struct skink_domctl_driver){
		.region_count = 7, .clean_max = DRIVER_CLEAN_KIB >> (FRAME_SHIFT - 10),
		.region = {
			frames_of(&regions->table, DRIVER_HOST), frames_of(&regions->pool, DRIVER_SCRATCH),
			frames_of(&regions->status, DRIVER_PRESERVED), frames_of(&regions->log, DRIVER_PRESERVED),
			frames_of(&regions->ledger, DRIVER_PRESERVED), frames_of(&store, DRIVER_PRESERVED),
			frames_of(&console, DRIVER_PRESERVED),
		},
	};
}

int driver_furnish(struct core *core, domid_t id, const struct build_driver *driver, const struct driver_regions *regions,
		   const struct layout *layout, const xen_pfn_t *mfn, struct driver_shared *shared, struct build_error *error)
{
	struct skink_domctl_driver declaration = driver_declaration(regions, layout);
	int result = list_shared(regions, mfn, shared);

	if (!result)
		result = wipe(core, id, shared);
	if (result)
		return build_refuse(error, BLAME_MACHINE, result, "what it shares with Domain-0 cannot be mapped: %s", strerror(-result));
	result = core_driver(core, id, &declaration);
	if (result)
		return build_refuse(error, BLAME_MACHINE, result, "the core does not take it for a driver domain: %s", strerror(-result));
	shared->is_protected = true;	/* one without a device writes nowhere */
	if (driver->function_count)
		result = declare_pool(core, id, driver, mfn[regions->pool.pfn], shared, error);
	for (uint32_t i = 0; i < driver->function_count && !result; i++) {
		result = core_device_assign(core, id, driver->function[i]);
		if (result)
			return refuse_device(driver->function[i], i, result, error);
	}
	return result;
}
