/* SPDX-License-Identifier: MIT */
/*
 * Privileged instructions on the host: the inline functions of cpu/ops.h stay as they are, the host's CPU refuses them,
 * and a signal handler does them on the registers below.
 */
#ifndef SKINK_FAKE_PRIVILEGED_H
#define SKINK_FAKE_PRIVILEGED_H

#include "include/types.h"

#define FAKE_MSRS 32

struct fake_machine {
	uint64_t cr[16], dr[16], xcr0;
	struct { uint32_t index; bool exists; uint64_t value; uint32_t writes; } msr[FAKE_MSRS];
	uint32_t port_accesses;			/* in and out, all together */
	uint16_t port;				/* of the last one */
	uint32_t port_bytes;
	uint32_t port_value;			/* what `in` gives, what `out` has written */
};
extern struct fake_machine fake_machine;

/* No MSR exists, all registers are 0, no port was touched. Call it before each case that needs it. */
void fake_machine_reset(void);

/* The machine has this one from now on. */
void fake_msr_set(uint32_t index, uint64_t value);
uint64_t fake_msr_get(uint32_t index);
uint32_t fake_msr_writes(uint32_t index);

#endif
