/* SPDX-License-Identifier: MIT */
/* A build under way: what build.c shares with image.c, which builds another image for a domain that is there. */
#pragma once

#include "lib/build.h"
#include "lib/layout.h"
#include "lib/pvelf.h"

struct builder {
	struct core *core;
	const struct build_request *request;
	struct build_error *error;

	struct pvelf kernel;
	int initrd;			/* descriptor; -1: none */
	size_t initrd_bytes;
	struct layout layout;
	struct driver_regions regions;	/* of a driver domain */

	struct built built;
	bool has_domain;
	uint64_t frames;
	xen_pfn_t *mfn;			/* of each pseudo-physical frame */
	uint8_t *memory;		/* the frames that are spoken for, in order, mapped here */
	xen_pfn_t shared_info_mfn;
};

/* Reads and checks the files, and decides where all of it goes. 0, or -errno and *error. */
int builder_read_files(struct builder *builder);
/* Fills `memory` with what the kernel begins with; mfn[], ports and shared_info_mfn are there. */
int builder_fill_memory(struct builder *builder);
void builder_first_registers(const struct builder *builder, vcpu_guest_context_t *context);
