/* SPDX-License-Identifier: MIT */
/*
 * The decoder: prefixes, opcode, ModRM, immediate. It works on a copy with zeros behind it: a zero is no prefix, so it
 * stops, at most an opcode, an address and an immediate later, and whoever has read a padding byte is refused.
 */
#include "cpu/decode.h"

/* What follows an opcode. An opcode whose entry is 0 is none of ours. */
#define OURS	0x01
#define MODRM	0x02
#define BYTE	0x04	/* operands of one byte; otherwise of 2, 4 or 8 */
#define IMM8	0x08
#define IMM	0x10	/* of the operand's size, at most 4 bytes */
#define REGS	0x20	/* ModRM names registers whatever its mod says */
#define STRING	0x40	/* memory at rdi */

/* An opcode for operands of one byte, and the next one for wider ones. */
#define PAIR(opcode, flags) [opcode] = OURS | BYTE | (flags), [(opcode) + 1] = OURS | (flags)

static const uint8_t one_byte[256] = {
	PAIR(0x00, MODRM), PAIR(0x08, MODRM),					/* add, or */
	PAIR(0x20, MODRM), PAIR(0x28, MODRM), PAIR(0x30, MODRM),		/* and, sub, xor */
	[0x80] = OURS | MODRM | BYTE | IMM8, [0x81] = OURS | MODRM | IMM, [0x83] = OURS | MODRM | IMM8,
	PAIR(0x86, MODRM), PAIR(0x88, MODRM),					/* xchg, mov */
	PAIR(0xa4, STRING), PAIR(0xaa, STRING),					/* movs, stos */
	[0xc6] = OURS | MODRM | BYTE | IMM8, [0xc7] = OURS | MODRM | IMM,	/* mov */
	PAIR(0xe4, IMM8), PAIR(0xe6, IMM8), PAIR(0xec, 0), PAIR(0xee, 0),	/* in, out */
	[0xfa ... 0xfb] = OURS,							/* cli, sti */
};

static const uint8_t two_byte[256] = {
	[0x01] = OURS | MODRM,				/* xsetbv */
	[0x06] = OURS, [0x09] = OURS,			/* clts, wbinvd */
	[0x20 ... 0x23] = OURS | MODRM | REGS,		/* mov, with control and debug registers */
	[0x30 ... 0x32] = OURS, [0xa2] = OURS,		/* wrmsr, rdtsc, rdmsr, cpuid */
	[0xab] = OURS | MODRM, [0xb3] = OURS | MODRM, [0xbb] = OURS | MODRM, [0xba] = OURS | MODRM | IMM8,
	PAIR(0xb0, MODRM),				/* cmpxchg */
};

/* REX: the fourth bit of a register's number, from its place to bit 3; and the operand's size. */
#define REX_REG(rex)	((rex) << 1 & 8)
#define REX_INDEX(rex)	((rex) << 2 & 8)
#define REX_BASE(rex)	((rex) << 3 & 8)
#define REX_WIDE	8

#define READ_MAX	(INSTRUCTION_MAX + 12 + 8)

/* The next `bytes` (1, 2, 4), sign-extended. */
static uint64_t take(const uint8_t **at, unsigned int bytes)
{
	unsigned int unused = 64 - 8 * bytes;
	uint64_t value;

	memcpy(&value, *at, sizeof(value));
	*at += bytes;
	return (uint64_t)((int64_t)(value << unused) >> unused);
}

/* Returns the opcode's first byte. */
static uint8_t take_prefixes(const uint8_t **at, struct instruction *out, bool *has_operand16, uint8_t *rex)
{
	for (;;) {
		uint8_t byte = (uint8_t)take(at, 1);

		switch (byte) {
		case 0x26: case 0x2e: case 0x36: case 0x3e: break;	/* es, cs, ss, ds: flat */
		case 0x66: *has_operand16 = true; break;
		case 0xf0: out->lock = true; break;
		case 0xf2: case 0xf3: out->repeat = true; break;
		default:
			if ((byte & 0xf0) != 0x40)
				return byte;
			*rex = byte;
			return (uint8_t)take(at, 1);
		}
	}
}

/* Returns whether the address counts from the next instruction. */
static bool take_address(const uint8_t **at, const struct cpu_user_regs *regs, struct instruction *out, uint8_t rex)
{
	unsigned int mod = out->modrm >> 6, base = out->modrm & 7, index, sib;
	bool has_sib = base == 4;

	out->is_memory = true;
	if (has_sib) {
		sib = (uint8_t)take(at, 1);
		index = (sib >> 3 & 7) | REX_INDEX(rex);
		if (index != 4)
			out->address = register_read(regs, index, 8) << (sib >> 6);
		base = sib & 7;
	}
	if (base == 5 && mod == 0) {
		out->address += take(at, 4);
		return !has_sib;
	}
	out->address += register_read(regs, base | REX_BASE(rex), 8);
	if (mod != 0)
		out->address += take(at, mod == 1 ? 1 : 4);
	return false;
}

bool decode(const uint8_t *code, size_t count, const struct cpu_user_regs *regs, struct instruction *out)
{
	uint8_t padded[READ_MAX] = { 0 };
	const uint8_t *at = padded;
	bool has_operand16 = false, is_relative = false;
	uint8_t rex = 0, flags, opcode;

	count = MIN(count, (size_t)INSTRUCTION_MAX);
	memcpy(padded, code, count);
	*out = (struct instruction){ 0 };
	out->opcode = take_prefixes(&at, out, &has_operand16, &rex);
	flags = one_byte[out->opcode];
	if (out->opcode == 0x0f) {
		opcode = (uint8_t)take(&at, 1);
		out->opcode = 0x0f00 | opcode;
		flags = two_byte[opcode];
	}
	out->bytes = flags & BYTE ? 1 : rex & REX_WIDE ? 8 : has_operand16 ? 2 : 4;

	if (flags & STRING) {
		out->is_memory = true;
		out->address = regs->rdi;
	}
	if (flags & MODRM) {
		out->modrm = (uint8_t)take(&at, 1);
		out->reg = (out->modrm >> 3 & 7) | REX_REG(rex);
		if (flags & BYTE && !rex && out->reg >= 4)
			out->reg += 16;
		out->rm = (out->modrm & 7) | REX_BASE(rex);
		if (!(flags & REGS) && out->modrm >> 6 != 3)
			is_relative = take_address(&at, regs, out, rex);
	}
	if (flags & IMM8)
		out->immediate = take(&at, 1);
	if (flags & IMM)
		out->immediate = take(&at, out->bytes == 2 ? 2 : 4);

	out->length = (uint8_t)(at - padded);
	if (is_relative)
		out->address += regs->rip + out->length;
	return flags && out->length <= count;
}

#define AT(name) offsetof(struct cpu_user_regs, name)

static const uint8_t register_offset[24] = {
	AT(rax), AT(rcx), AT(rdx), AT(rbx), AT(rsp), AT(rbp), AT(rsi), AT(rdi),
	AT(r8), AT(r9), AT(r10), AT(r11), AT(r12), AT(r13), AT(r14), AT(r15),
	[20] = AT(rax) + 1, AT(rcx) + 1, AT(rdx) + 1, AT(rbx) + 1,
};

uint64_t register_read(const struct cpu_user_regs *regs, unsigned int index, unsigned int bytes)
{
	uint64_t value = 0;

	memcpy(&value, (const uint8_t *)regs + register_offset[index], bytes);
	return value;
}

void register_write(struct cpu_user_regs *regs, unsigned int index, unsigned int bytes, uint64_t value)
{
	/* A result of 4 bytes clears the upper half, one of 1 or 2 leaves the rest alone. */
	if (bytes == 4)
		value &= UINT32_MAX;
	memcpy((uint8_t *)regs + register_offset[index], &value, bytes == 4 ? 8 : bytes);
}
