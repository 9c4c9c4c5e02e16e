/* SPDX-License-Identifier: MIT */
/*
 * VT-d hardware as unpleasant as the specification allows: it sees memory only as it was last written back from the CPUs'
 * caches (what never was is garbage), remembers every entry that it has read, also those that were not there, and does what
 * is in the queue when it likes. What it reads of the core's tables decides what a device gets.
 */
#ifndef UNIT_VTD_MODEL_H
#define UNIT_VTD_MODEL_H

#include "include/prelude.h"

#define MODEL_UNITS	2
#define MODEL_AT	0x300000u	/* where its registers are; each unit has two pages */
#define MODEL_TABLES_AT	0x800000u	/* where the core's tables are */
#define MODEL_TABLES_BYTES 0x200000u
#define MODEL_RECORDS	3u
#define MODEL_RECORDS_AT 0x1400u	/* not in the first page */
#define MODEL_QUEUE	256u
#define MODEL_CONTEXTS	65536u

#define MODEL_CAP_WRITE_BUFFER	(1ULL << 4)
#define MODEL_CAP_PROTECTED	(3ULL << 5)
#define MODEL_CAP_DRAIN		(3ULL << 54)
#define MODEL_ECAP_QUEUE	(1ULL << 1)
#define MODEL_ECAP_REMAPPING	(1ULL << 3)
#define MODEL_ECAP_WIDE		(1ULL << 4)
/* Depths: bit 1: 3 levels, bit 2: 4; large pages: bit 0: 2 MiB, bit 1: 1 GiB. */
#define MODEL_CAP(depths, bits, large, pools)							\
	((uint64_t)(pools) | (uint64_t)(depths) << 8 | (uint64_t)((bits) - 1) << 16 |		\
	 (uint64_t)(MODEL_RECORDS_AT / 16) << 24 | (uint64_t)(large) << 34 | (uint64_t)(MODEL_RECORDS - 1) << 40)

struct model_entry { uint64_t low, high; };
struct model_page { uint64_t page, entry; uint32_t pool; bool is_used; unsigned int shift; };

struct model {
	/* What a test sets. */
	uint64_t capability, extended;
	uint32_t delay;			/* looks at it until it does what is in the queue */
	bool is_dead;			/* does nothing of what is in the queue */
	bool is_deaf;			/* obeys no command */

	/* What a test reads. */
	uint32_t interrupts;		/* sent of its own, for faults */
	uint64_t interrupt_address;
	uint32_t interrupt_data;
	uint32_t descriptors, flushes;
	bool was_off_track;		/* something that the specification forbids was done; `why` */
	const char *why;

	/* The registers. */
	uint32_t status, fault_status, fault_control, fault_data, fault_address[2], protection;
	uint64_t root, table, queue;
	uint32_t head, tail, waited;
	uint64_t root_register, table_register;
	struct model_entry record[MODEL_RECORDS];

	/* What it remembers. */
	struct model_entry *context;	/* by function */
	bool *context_is_known;
	struct model_entry root_entry[256];	/* by bus; forgotten with all contexts */
	bool root_is_known[256];
	struct model_page page[64];
	uint32_t page_next;
	struct model_entry interrupt[256];
	bool interrupt_is_known[256];
};

extern struct model model[MODEL_UNITS];

void model_reset(void);

/* A device's access: does it get through? If not the fault is recorded. */
bool model_dma(uint32_t unit, uint16_t requester, paddr_t address, bool is_write);
/* A device's message: the vector it raises, or -1, and a fault. */
int model_message(uint32_t unit, uint16_t requester, uint64_t address, uint32_t data);
/* An IOAPIC's interrupt, whose entry has these words. */
int model_ioapic(uint32_t unit, uint16_t requester, uint32_t low, uint32_t high);

void model_time_passes(void);
paddr_t model_paddr(const void *address);

#endif
