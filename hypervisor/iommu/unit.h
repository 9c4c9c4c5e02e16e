/* SPDX-License-Identifier: MIT */
/*
 * One VT-d unit: its tables, its registers, and the queue by which it is told to forget what it has read of them.
 * U1  An entry that was changed is forgotten by the unit, and what it let through has arrived, before its change counts.
 */
#pragma once

#define VTD_UNITS_MAX	16
#define VTD_PRESENT	1ULL

struct vtd_entry { uint64_t low, high; };	/* of all tables but those of pages, and of the queue */

struct vtd_unit {
	paddr_t address;
	uint32_t segment;
	bool takes_rest;			/* the functions of its segment that no other unit names */
	volatile void *registers;
	uint64_t capability, extended;
	struct vtd_entry *root;			/* by bus */
	struct vtd_entry *interrupts;		/* by vector */
	struct vtd_entry *queue;
	uint32_t tail;				/* of the queue: entries */
	uint32_t told, done;			/* waits: the last one asked for, and what the unit has written */
};

extern struct vtd_unit vtd_units[VTD_UNITS_MAX];
extern uint32_t vtd_unit_count;

#define VTD_RECORDS(unit)	(((uint32_t)((unit)->capability >> 40) & 0xff) + 1)	/* of faults */
#define VTD_RECORDS_AT(unit)	(((uint32_t)((unit)->capability >> 24) & 0x3ff) * 16)

/* Reads what it can do. False: not what N1 to N4 take; said why. */
MUST_CHECK bool unit_probe(struct vtd_unit *unit);
/* From here on nothing gets through but what its tables say. */
void unit_enable(struct vtd_unit *unit);

/* Writes an entry, so that the unit never sees half of it; VTD_PRESENT stands in `low`. */
void vtd_entry_set(struct vtd_entry *entry, uint64_t low, uint64_t high);

/* The entry of a function; NULL without memory for its bus's table. */
struct vtd_entry *unit_context(struct vtd_unit *unit, uint32_t sbdf);

/* U1: the entry of a function and all pages of a pool; an entry of `interrupts`. */
void unit_forget_function(struct vtd_unit *unit, uint32_t sbdf, uint32_t pool_id);
void unit_forget_interrupt(struct vtd_unit *unit, uint32_t vector);
