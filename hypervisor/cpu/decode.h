/* SPDX-License-Identifier: MIT */
/*
 * One instruction of 64-bit code, taken apart: only the opcodes that the core emulates. Works on a copy of the
 * bytes, so what the guest does to them afterwards changes nothing.
 */
#ifndef SKINK_DECODE_H
#define SKINK_DECODE_H

#include "include/types.h"

#include <xen/xen.h>

#define INSTRUCTION_MAX	15

enum segment { SEGMENT_FLAT, SEGMENT_FS, SEGMENT_GS };

struct instruction {
	uint16_t opcode;	/* 0x00-0xff, or 0x0f00 | second byte */
	uint8_t length;
	uint8_t bytes;		/* of the operand: 1, 2, 4, 8 */
	uint8_t modrm;
	uint8_t reg, rm;	/* registers 0-15 that ModRM and REX name; of a group, reg & 7 chooses */
	uint8_t repeat;		/* 0, or the prefix 0xf2 or 0xf3 */
	bool lock;
	bool has_rex;
	bool is_memory;		/* the operand stands at `address` (in `segment`) */
	bool has_address32;	/* prefix 0x67 */
	enum segment segment;
	uint64_t address;
	uint64_t immediate;	/* sign-extended */
};

/* False if it is none of ours, or does not end within `count` bytes. */
MUST_CHECK bool decode(const uint8_t *code, size_t count, const struct cpu_user_regs *regs, struct instruction *out);

/* Register `index` (0-15) as an operand of `bytes`; those of one byte as REX has them (has_rex) or ah-bh. */
uint64_t register_read(const struct cpu_user_regs *regs, unsigned int index, unsigned int bytes, bool has_rex);
void register_write(struct cpu_user_regs *regs, unsigned int index, unsigned int bytes, bool has_rex, uint64_t value);

static inline uint64_t operand_mask(unsigned int bytes)
{
	return bytes == 8 ? UINT64_MAX : (1ULL << (8 * bytes)) - 1;
}

#endif
