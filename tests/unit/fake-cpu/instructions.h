/* SPDX-License-Identifier: MIT */
/*
 * In place of cpu/ops.h: include this first, then the source under test itself (it is the test's, not linked).
 * Ports and model-specific registers are tables here; each write is noted, in order.
 */
#ifndef SKINK_OPS_H
#define SKINK_OPS_H

#include "include/types.h"

#define MSR_APIC_BASE		0x1b
#define MSR_PRED_CMD		0x49
#define MSR_SYSENTER_CS		0x174
#define MSR_SYSENTER_ESP	0x175
#define MSR_SYSENTER_EIP	0x176
#define MSR_TSC_DEADLINE	0x6e0
#define FAKE_MSRS		0x1000
#define FAKE_WRITES_MAX		4096

struct fake_write {
	bool is_port;
	uint32_t number;
	uint64_t value;
};

static uint64_t fake_msr[FAKE_MSRS];
static struct fake_write fake_writes[FAKE_WRITES_MAX];
static uint32_t fake_write_count;
static uint64_t fake_tsc, fake_tsc_step;
static uint32_t (*fake_port_in)(uint16_t port);	/* NULL: nobody there */

static inline void fake_note(bool is_port, uint32_t number, uint64_t value)
{
	if (fake_write_count < FAKE_WRITES_MAX)
		fake_writes[fake_write_count++] = (struct fake_write){ is_port, number, value };
}

static inline uint64_t msr_read(uint32_t msr) { return fake_msr[msr % FAKE_MSRS]; }
static inline void cpu_pause(void) { }
static inline uint64_t tsc_read(void) { return fake_tsc += fake_tsc_step; }

static inline void msr_write(uint32_t msr, uint64_t value)
{
	fake_note(false, msr, value);
	fake_msr[msr % FAKE_MSRS] = value;
}

static inline uint32_t port_in32(uint16_t port) { return fake_port_in ? fake_port_in(port) : UINT32_MAX; }
static inline void port_out8(uint16_t port, uint8_t value) { fake_note(true, port, value); }

/* How often a register was written, and what it got last. */
static inline uint32_t fake_written(bool is_port, uint32_t number, uint64_t *last)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < fake_write_count; i++)
		if (fake_writes[i].is_port == is_port && fake_writes[i].number == number) {
			*last = fake_writes[i].value;
			count++;
		}
	return count;
}

static inline void fake_instructions_reset(void)
{
	__builtin_memset(fake_msr, 0, sizeof(fake_msr));
	fake_write_count = 0;
	fake_tsc = 0;
	fake_tsc_step = 1;
}

#endif
