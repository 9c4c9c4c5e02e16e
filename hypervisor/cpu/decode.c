/* SPDX-License-Identifier: MIT */
/* The decoder: prefixes, opcode, ModRM, immediate, each read once and never past the bytes that there are. */
#include "cpu/decode.h"

#include "lib/string.h"

/* What follows an opcode. An opcode whose entry is 0 is none of ours. */
#define OURS	0x01
#define MODRM	0x02
#define BYTE	0x04	/* operands of one byte; otherwise of 2, 4 or 8 */
#define IMM8	0x08
#define IMM	0x10	/* of the operand's size, at most 4 bytes */
#define OFFSET	0x20	/* an address of 8 bytes (4 with prefix 0x67) */
#define REGS	0x40	/* ModRM names registers whatever its mod says */

#define ALU(op)	[8 * (op)] = OURS | MODRM | BYTE, [8 * (op) + 1] = OURS | MODRM

static const uint8_t one_byte[256] = {
	ALU(0), ALU(1), ALU(2), ALU(3), ALU(4), ALU(5), ALU(6),
	[0x6c] = OURS | BYTE, [0x6d] = OURS, [0x6e] = OURS | BYTE, [0x6f] = OURS,	/* ins, outs */
	[0x80] = OURS | MODRM | BYTE | IMM8, [0x81] = OURS | MODRM | IMM, [0x83] = OURS | MODRM | IMM8,
	[0x86] = OURS | MODRM | BYTE, [0x87] = OURS | MODRM,				/* xchg */
	[0x88] = OURS | MODRM | BYTE, [0x89] = OURS | MODRM,				/* mov */
	[0xa2] = OURS | BYTE | OFFSET, [0xa3] = OURS | OFFSET,
	[0xa4] = OURS | BYTE, [0xa5] = OURS, [0xaa] = OURS | BYTE, [0xab] = OURS,	/* movs, stos */
	[0xc6] = OURS | MODRM | BYTE | IMM8, [0xc7] = OURS | MODRM | IMM,
	[0xe4] = OURS | BYTE | IMM8, [0xe5] = OURS | IMM8, [0xe6] = OURS | BYTE | IMM8, [0xe7] = OURS | IMM8,
	[0xec] = OURS | BYTE, [0xed] = OURS, [0xee] = OURS | BYTE, [0xef] = OURS,	/* in, out */
	[0xfa] = OURS, [0xfb] = OURS,							/* cli, sti */
	[0xf6] = OURS | MODRM | BYTE, [0xf7] = OURS | MODRM,				/* not, neg */
	[0xfe] = OURS | MODRM | BYTE, [0xff] = OURS | MODRM,				/* inc, dec */
};

static const uint8_t two_byte[256] = {
	[0x01] = OURS | MODRM,				/* smsw, lmsw, xsetbv, rdtscp */
	[0x06] = OURS, [0x09] = OURS,			/* clts, wbinvd */
	[0x20] = OURS | MODRM | REGS, [0x21] = OURS | MODRM | REGS,
	[0x22] = OURS | MODRM | REGS, [0x23] = OURS | MODRM | REGS,
	[0x30] = OURS, [0x31] = OURS, [0x32] = OURS,	/* wrmsr, rdtsc, rdmsr */
	[0xa2] = OURS,					/* cpuid */
	[0xab] = OURS | MODRM, [0xb3] = OURS | MODRM, [0xbb] = OURS | MODRM, [0xba] = OURS | MODRM | IMM8,
	[0xb0] = OURS | MODRM | BYTE, [0xb1] = OURS | MODRM,
	[0xc0] = OURS | MODRM | BYTE, [0xc1] = OURS | MODRM,
	[0xc3] = OURS | MODRM,				/* movnti */
};

#define REX_W	8
#define REX_R	4
#define REX_X	2
#define REX_B	1

struct reader {
	const uint8_t *code;
	size_t count, at;
	bool is_short;		/* it has asked for more than there is */
};

/* The next `bytes` (1, 2, 4, 8), sign-extended. */
static uint64_t take(struct reader *reader, unsigned int bytes)
{
	uint64_t value = 0;
	unsigned int unused = 64 - 8 * bytes;

	if (reader->count - reader->at < bytes) {
		reader->is_short = true;
		return 0;
	}
	memcpy(&value, reader->code + reader->at, bytes);
	reader->at += bytes;
	return (uint64_t)((int64_t)(value << unused) >> unused);
}

/* Returns the opcode's first byte; `rex` is 0 unless it stands right before it. */
static uint8_t take_prefixes(struct reader *reader, struct instruction *out, bool *has_operand16, uint8_t *rex)
{
	for (;;) {
		uint8_t byte = (uint8_t)take(reader, 1);

		if (reader->is_short)
			return 0;
		switch (byte) {
		case 0x26: case 0x2e: case 0x36: case 0x3e: break;	/* es, cs, ss, ds: flat */
		case 0x64: out->segment = SEGMENT_FS; break;
		case 0x65: out->segment = SEGMENT_GS; break;
		case 0x66: *has_operand16 = true; break;
		case 0x67: out->has_address32 = true; break;
		case 0xf0: out->lock = true; break;
		case 0xf2: case 0xf3: out->repeat = byte; break;
		default:
			if ((byte & 0xf0) != 0x40)
				return byte;
			*rex = byte;
			continue;
		}
		*rex = 0;
	}
}

static uint64_t take_sib(struct reader *reader, const struct cpu_user_regs *regs, uint8_t mod, uint8_t rex)
{
	uint8_t sib = (uint8_t)take(reader, 1);
	unsigned int index = (sib >> 3 & 7) | (rex & REX_X ? 8 : 0);
	unsigned int base = (sib & 7) | (rex & REX_B ? 8 : 0);
	uint64_t address = 0;

	if (index != 4)
		address = register_read(regs, index, 8, true) << (sib >> 6);
	if ((base & 7) == 5 && mod == 0)
		return address + take(reader, 4);
	return address + register_read(regs, base, 8, true);
}

/* Returns whether the address counts from the next instruction. */
static bool take_memory(struct reader *reader, const struct cpu_user_regs *regs, struct instruction *out, uint8_t rex)
{
	uint8_t mod = out->modrm >> 6;

	out->is_memory = true;
	if ((out->modrm & 7) == 4)
		out->address = take_sib(reader, regs, mod, rex);
	else if ((out->modrm & 7) == 5 && mod == 0) {
		out->address = take(reader, 4);
		return true;
	} else {
		out->address = register_read(regs, out->rm, 8, true);
	}
	if (mod != 0)
		out->address += take(reader, mod == 1 ? 1 : 4);
	return false;
}

bool decode(const uint8_t *code, size_t count, const struct cpu_user_regs *regs, struct instruction *out)
{
	struct reader reader = { .code = code, .count = MIN(count, (size_t)INSTRUCTION_MAX) };
	bool has_operand16 = false, is_relative = false;
	uint8_t rex = 0, first, second, flags;

	*out = (struct instruction){ 0 };
	first = take_prefixes(&reader, out, &has_operand16, &rex);
	second = first == 0x0f ? (uint8_t)take(&reader, 1) : 0;
	flags = first == 0x0f ? two_byte[second] : one_byte[first];
	if (reader.is_short || !flags)
		return false;
	out->opcode = first == 0x0f ? 0x0f00 | second : first;
	out->has_rex = rex != 0;
	out->bytes = flags & BYTE ? 1 : rex & REX_W ? 8 : has_operand16 ? 2 : 4;

	if (flags & MODRM) {
		out->modrm = (uint8_t)take(&reader, 1);
		out->reg = (out->modrm >> 3 & 7) | (rex & REX_R ? 8 : 0);
		out->rm = (out->modrm & 7) | (rex & REX_B ? 8 : 0);
		if (!(flags & REGS) && out->modrm >> 6 != 3)
			is_relative = take_memory(&reader, regs, out, rex);
	}
	if (flags & OFFSET) {
		out->is_memory = true;
		out->address = take(&reader, out->has_address32 ? 4 : 8);
	}
	if (flags & IMM8)
		out->immediate = take(&reader, 1);
	if (flags & IMM)
		out->immediate = take(&reader, out->bytes == 2 ? 2 : 4);
	if (reader.is_short)
		return false;

	out->length = (uint8_t)reader.at;
	if (is_relative)
		out->address += regs->rip + out->length;
	if (out->has_address32)
		out->address &= UINT32_MAX;
	return true;
}

static const uint8_t register_offset[16] = {
	offsetof(struct cpu_user_regs, rax), offsetof(struct cpu_user_regs, rcx),
	offsetof(struct cpu_user_regs, rdx), offsetof(struct cpu_user_regs, rbx),
	offsetof(struct cpu_user_regs, rsp), offsetof(struct cpu_user_regs, rbp),
	offsetof(struct cpu_user_regs, rsi), offsetof(struct cpu_user_regs, rdi),
	offsetof(struct cpu_user_regs, r8), offsetof(struct cpu_user_regs, r9),
	offsetof(struct cpu_user_regs, r10), offsetof(struct cpu_user_regs, r11),
	offsetof(struct cpu_user_regs, r12), offsetof(struct cpu_user_regs, r13),
	offsetof(struct cpu_user_regs, r14), offsetof(struct cpu_user_regs, r15),
};

/* Where the operand begins in the registers: ah, ch, dh and bh are second bytes. */
static size_t operand_at(unsigned int index, unsigned int bytes, bool has_rex)
{
	if (bytes == 1 && !has_rex && index >= 4 && index < 8)
		return register_offset[index - 4] + 1UL;
	return register_offset[index & 15];
}

uint64_t register_read(const struct cpu_user_regs *regs, unsigned int index, unsigned int bytes, bool has_rex)
{
	uint64_t value = 0;

	memcpy(&value, (const uint8_t *)regs + operand_at(index, bytes, has_rex), bytes);
	return value;
}

void register_write(struct cpu_user_regs *regs, unsigned int index, unsigned int bytes, bool has_rex, uint64_t value)
{
	/* A result of 4 bytes clears the upper half, one of 1 or 2 leaves the rest alone. */
	if (bytes == 4)
		value &= UINT32_MAX;
	memcpy((uint8_t *)regs + operand_at(index, bytes, has_rex), &value, bytes == 4 ? 8 : bytes);
}
