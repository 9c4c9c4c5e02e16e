/* SPDX-License-Identifier: MIT */
/*
 * One instruction of 64-bit code, taken apart: only the opcodes that the core emulates, with operands as compilers
 * choose them: no fs, no gs, no 32-bit addresses. Works on a copy of the bytes, so what the guest does to them
 * afterwards changes nothing.
 */
#pragma once

#define INSTRUCTION_MAX	15

struct instruction {
	uint16_t opcode;	/* 0x00-0xff, or 0x0f00 | second byte */
	uint8_t length;
	uint8_t bytes;		/* of the operand: 1, 2, 4, 8 */
	uint8_t modrm;
	uint8_t reg, rm;	/* registers that ModRM and REX name; of a group, reg & 7 chooses */
	bool repeat, lock;
	bool is_memory;		/* the operand stands at `address` */
	uint64_t address;
	uint64_t immediate;	/* sign-extended */
};

/* False if it is none of ours, or does not end within `count` bytes. */
MUST_CHECK bool decode(const uint8_t *code, size_t count, const struct cpu_user_regs *regs, struct instruction *out);

/* Register `index` as an operand of `bytes`: 0 to 15, and 20 to 23 are ah, ch, dh, bh. */
uint64_t register_read(const struct cpu_user_regs *regs, unsigned int index, unsigned int bytes);
void register_write(struct cpu_user_regs *regs, unsigned int index, unsigned int bytes, uint64_t value);
