/* SPDX-License-Identifier: MIT */
/* What domain.c beside this counts, and how a test steers it. */
#ifndef SKINK_FAKE_DOMAIN_PARTS_H
#define SKINK_FAKE_DOMAIN_PARTS_H

#include "include/types.h"

#include "mem/frame.h"

struct fake_parts {
	uint32_t fail_after;			/* the n-th *_init fails with -ENOMEM; 0: none */
	int alive;				/* parts made and not yet freed */
	int event_steps, grant_steps, mmu_steps;/* -ERESTART so often */
	int validate_after, validate_steps;	/* the same of frame_get_type(), after so many calls */
	uint32_t gdt_sets, fpu_sets, account_refreshes;
	uint64_t wall_clock_s;
	uint32_t wall_clock_ns;
	uint32_t called, calls;			/* the last hypercall; all of them */
	uint64_t first_word, last_word;
	long result;				/* what they return */
	bool continues;				/* mmu_update goes on until its count is 1 */
	bool sched_op_crashes;
};
extern struct fake_parts fake_parts;

/* Machine frames 1 .. 63; a test sets owner and count (the owner's reference is one). */
#define FAKE_PART_FRAMES 64
extern struct frame fake_part_frames[FAKE_PART_FRAMES];

#endif
