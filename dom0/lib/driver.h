/* SPDX-License-Identifier: MIT */
/*
 * What a driver domain is built with besides a guest's memory: the pages that it shares with Dom0 (protocols/driver.md), its DMA
 * pool, its devices.
 *
 *   frame 0                                                                  the last one
 *   | kernel | table (read-only) | start_info ... |  its own  | status | log | ledger | pool |
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "../../protocols/driver.h"
#include "lib/core.h"

struct build_error;
struct layout;

#define DRIVER_LEDGER_BYTES	(2UL << 20)
#define DRIVER_LOG_BYTES	(64UL << 10)
#define DRIVER_MEMORY_KIB_MAX	(16UL << 10)	/* with: */
#define DRIVER_CLEAN_KIB	(1UL << 10)	/* what its clean copy, which the core keeps, may have (driver.md, section 6) */

struct build_driver {
	enum driver_role role;
	uint64_t pool_frames;
	bool is_unprotected;		/* may own a device where no IOMMU keeps it to its pool */
	uint64_t heartbeat_ns, device_ns;
	bool is_rehearsal;
	uint32_t function_count;
	uint32_t function[DRIVER_FUNCTIONS_MAX];	/* as struct driver_table has them */
};

struct driver_regions {
	struct driver_region table, status, log, ledger, pool;
	unsigned int pool_order;	/* the pool's frames are taken as one block of 2^pool_order */
};

/* The frames that are Dom0's too, for whoever maps them. */
struct driver_shared {
	uint32_t control_port;		/* the driver's; it waits for Dom0 */
	bool is_protected;		/* an IOMMU keeps its devices to the pool */
	uint32_t queues;		/* of one attachment, as its image's note says; 0: it has none */
	uint64_t table_pages, status_pages, log_pages, ledger_pages;
	xen_pfn_t *mfn;			/* of all of them, in this order */
	/* For another image (image.h): all of its frames, as the image that is in them counts them, and its table of the highest level. */
	uint64_t frames;
	xen_pfn_t *frame, root;
	bool is_uncertain;		/* a skinkd before this one may have been ended while it loaded another */
	xen_pfn_t console_mfn, store_mfn;
	uint32_t console_port, store_port;
	uint64_t log_taken;		/* bytes of the log that have been taken */
};

static inline uint64_t driver_shared_pages(const struct driver_shared *shared)
{
	return shared->table_pages + shared->status_pages + shared->log_pages + shared->ledger_pages;
}

void driver_shared_free(struct driver_shared *shared);

/* As driver.md, section 6, has it: which frames a reset leaves alone. The console's and the store's other sides are not reset. */
struct skink_domctl_driver driver_declaration(const struct driver_regions *regions, const struct layout *layout);

/* Arithmetic alone. 0, or -errno and *error: they do not fit beside what `layout` has placed. */
int driver_regions_choose(const struct build_driver *driver, const struct layout *layout, uint64_t frames,
			  struct driver_regions *regions, struct build_error *error);

/* An empty table. */
void driver_table_fill(const struct build_driver *driver, const struct driver_regions *regions, uint32_t control_port,
		       struct driver_table *table);

/*
 * Wipes what is shared, says which frames a reset leaves alone, declares the pool, assigns the devices. mfn: of each pseudo-physical
 * frame. *shared: the caller frees ->mfn.
 */
int driver_furnish(struct core *core, domid_t id, const struct build_driver *driver, const struct driver_regions *regions,
		   const struct layout *layout, const xen_pfn_t *mfn, struct driver_shared *shared, struct build_error *error);
