/* SPDX-License-Identifier: MIT */
/*
 * Another image for a driver domain that is there (docs/decisions/upgrade.md): all that is to be written is worked out beforehand, so that
 * the time in which nobody is served is that of a copy and of the image's own beginning.
 * IM1  An image is loaded into the frames that the domain has. Those that Dom0, xenstored and xenconsoled know keep what stands in them: they are
 *      only numbered differently.
 * IM2  What the image says of itself is judged before the old one is stopped.
 */
#pragma once

#include "lib/build.h"

struct image {
	char file[256];
	struct driver_note note;
	struct skink_domctl_driver declaration;
	vcpu_guest_context_t context;
	xen_pfn_t root;
	uint64_t frames;
	xen_pfn_t *frame;		/* of each pseudo-physical frame */
	/* What is written, and where. */
	uint64_t page_count;
	xen_pfn_t *page;
	uint8_t *contents;
	struct mmu_update *renumber;	/* room for image_load() */
};

/* request: as the domain is built by, with another kernel. 0, or -errno and *error. */
int image_prepare(struct core *core, domid_t id, const struct build_request *request, const struct driver_shared *shared, struct image *image,
		  struct build_error *error);
void image_free(struct image *image);

/*
 * IM2: is it of another role or version, or cannot serve what the table has? 0, or -EINVAL and `why`. The table is Dom0's own.
 */
int image_check(const struct driver_note *note, const struct driver_table *table, char *why, size_t room);

/* Who boots beside a driver of this UUID has another, that tells of which it is: nobody takes it for the driver itself. */
void image_rehearsal_uuid(uint8_t uuid[16]);

/*
 * Boots it in a domain of its own, with no device, until it says that it waits for one; and ends that. 0, or -errno and *error.
 * Takes as long as that takes.
 */
int image_rehearse(struct core *core, const struct build_request *request, struct build_error *error);

/*
 * The domain is paused. Its image ends, and this one will begin when it is let run. *shared is told. 0, or -errno: it has no image then,
 * and one must be loaded.
 */
int image_load(struct core *core, domid_t id, struct driver_shared *shared, const struct image *image);
