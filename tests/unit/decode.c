/* SPDX-License-Identifier: MIT */
/* The instruction decoder: hostile bytes first, then each form, with lengths as the CPU has them. */
#include "unit.h"

#include <stdlib.h>
#include <string.h>

#include "cpu/decode.h"

static struct cpu_user_regs regs;

static void given_registers(void)
{
	memset(&regs, 0, sizeof(regs));
	regs.rip = 0x400000;
	regs.rax = 0x1000;
	regs.rcx = 0x2000;
	regs.rdx = 0x3000;
	regs.rbx = 0x4000;
	regs.rsp = 0x5000;
	regs.rbp = 0x6000;
	regs.rsi = 0x7000;
	regs.rdi = 0x8000;
	regs.r12 = 0xc000;
	regs.r13 = 0xd000;
}

/* A copy of exactly so many bytes, so that ASan sees one too many. */
static bool decode_exactly(const void *code, size_t count, struct instruction *out)
{
	uint8_t *copy = malloc(count ? count : 1);
	bool ok;

	memcpy(copy, code, count);
	ok = decode(copy, count, &regs, out);
	free(copy);
	return ok;
}

#define CODE(text) text, sizeof(text) - 1

static void random_bytes_are_decoded_within_their_bounds(void)
{
	struct instruction in;
	uint8_t code[20];

	given_registers();
	srandom(1);
	for (int i = 0; i < 300000; i++) {
		size_t count = (size_t)random() % sizeof(code);

		for (size_t n = 0; n < count; n++)
			code[n] = (uint8_t)random();
		/* Half of them begin like something of ours. */
		if (i % 2 && count > 1)
			memcpy(code, "\x48\x0f", 2);
		if (!decode_exactly(code, count, &in))
			continue;
		CU_ASSERT_TRUE(in.length >= 1 && in.length <= INSTRUCTION_MAX && in.length <= count);
		CU_ASSERT_TRUE(in.bytes == 1 || in.bytes == 2 || in.bytes == 4 || in.bytes == 8);
		CU_ASSERT_TRUE(in.reg < 24 && in.rm < 16);
		(void)register_read(&regs, in.reg, in.bytes);
	}
}

static void a_cut_instruction_is_refused_at_each_byte(void)
{
	static const struct { const char *code; size_t length; } whole[] = {
		{ CODE("\x48\x89\x84\xcb\x44\x33\x22\x11") },		/* mov %rax, 0x11223344(%rbx,%rcx,8) */
		{ CODE("\xf0\x48\x0f\xba\x6c\x24\x08\x3f") },		/* lock btsq $63, 8(%rsp) */
		{ CODE("\x66\xc7\x05\x00\x00\x00\x00\x34\x12") },	/* movw $0x1234, 0(%rip) */
		{ CODE("\x48\xc7\x44\x24\x08\x78\x56\x34\x12") },	/* movq $0x12345678, 8(%rsp) */
		{ CODE("\x0f\xa2") },
	};
	struct instruction in;

	given_registers();
	for (size_t i = 0; i < ARRAY_SIZE(whole); i++) {
		for (size_t count = 0; count < whole[i].length; count++)
			CU_ASSERT_FALSE(decode_exactly(whole[i].code, count, &in));
		CU_ASSERT_TRUE(decode_exactly(whole[i].code, whole[i].length, &in));
		CU_ASSERT_EQUAL(in.length, whole[i].length);
	}
}

static void sixteen_bytes_are_too_many(void)
{
	uint8_t code[17];
	struct instruction in;

	given_registers();
	memset(code, 0x66, sizeof(code));
	memcpy(code + 13, "\x89\x03", 2);
	CU_ASSERT_TRUE(decode_exactly(code, sizeof(code), &in));
	CU_ASSERT_EQUAL(in.length, 15);
	memset(code, 0x66, sizeof(code));
	memcpy(code + 14, "\x89\x03", 2);
	CU_ASSERT_FALSE(decode_exactly(code, sizeof(code), &in));
}

static void what_is_not_ours_is_refused(void)
{
	static const struct { const char *code; size_t length; } others[] = {
		{ CODE("\xcf") },			/* iret */
		{ CODE("\x9d") },			/* popf */
		{ CODE("\x0f\xc7\x0b") },		/* cmpxchg8b */
		{ CODE("\x8b\x03") },			/* mov (%rbx), %eax */
		{ CODE("\x0f\x11\x03") },		/* movups %xmm0, (%rbx) */
		{ CODE("\xc4\xe1\x78\x11\x03") },	/* vmovups */
		{ CODE("\x38\x03") },			/* cmp %al, (%rbx) */
		{ CODE("\xd5\x01\x89\x03") },		/* REX2 */
		{ CODE("\x67\x89\x03") },		/* mov %eax, (%ebx) */
		{ CODE("\x64\x89\x03") },		/* mov %eax, %fs:(%rbx) */
		{ CODE("\x65\x89\x03") },
		{ CODE("\x6d") },			/* ins */
		{ CODE("\x0f\xc1\x03") },		/* xadd */
		{ CODE("\x10\x03") },			/* adc */
	};
	struct instruction in;

	given_registers();
	for (size_t i = 0; i < ARRAY_SIZE(others); i++)
		CU_ASSERT_FALSE(decode_exactly(others[i].code, others[i].length, &in));
}

static void a_rex_stands_last(void)
{
	struct instruction in;

	given_registers();
	CU_ASSERT_FALSE(decode_exactly(CODE("\x48\x66\x89\x03"), &in));
	CU_ASSERT_TRUE(decode_exactly(CODE("\x66\x48\x89\x03"), &in));
	CU_ASSERT_EQUAL(in.bytes, 8);
}

static void addresses_are_those_of_the_manual(void)
{
	static const struct { const char *code; size_t length; uint64_t address; } forms[] = {
		{ CODE("\x89\x03"), 0x4000 },				/* (%rbx) */
		{ CODE("\x89\x43\xf8"), 0x3ff8 },			/* -8(%rbx) */
		{ CODE("\x89\x83\x00\x01\x00\x00"), 0x4100 },		/* 0x100(%rbx) */
		{ CODE("\x89\x04\x24"), 0x5000 },			/* (%rsp) */
		{ CODE("\x89\x04\xcb"), 0x4000 + 0x2000 * 8 },		/* (%rbx,%rcx,8) */
		{ CODE("\x89\x04\x63"), 0x4000 },			/* index 4 is none */
		{ CODE("\x42\x89\x04\x63"), 0x4000 + 0xc000 * 2 },	/* but r12 is one */
		{ CODE("\x89\x04\x25\x00\x10\x00\x80"), 0xffffffff80001000 },	/* disp32 alone */
		{ CODE("\x89\x45\x00"), 0x6000 },			/* 0(%rbp) */
		{ CODE("\x41\x89\x45\x10"), 0xd010 },			/* 16(%r13) */
		{ CODE("\x41\x89\x04\x24"), 0xc000 },			/* (%r12) */
		{ CODE("\x89\x05\x10\x00\x00\x00"), 0x400016 },		/* 16(%rip) */
		{ CODE("\xc7\x05\xf0\xff\xff\xff\x01\x00\x00\x00"), 0x3ffffa },	/* -16(%rip), an immediate behind */
		{ CODE("\x3e\x89\x03"), 0x4000 },			/* ds, where there was a lock */
		{ CODE("\xf3\x48\xab"), 0x8000 },			/* rep stosq */
	};
	struct instruction in;

	given_registers();
	for (size_t i = 0; i < ARRAY_SIZE(forms); i++) {
		CU_ASSERT_TRUE(decode_exactly(forms[i].code, forms[i].length, &in));
		CU_ASSERT_TRUE(in.is_memory);
		CU_ASSERT_EQUAL(in.address, forms[i].address);
		CU_ASSERT_EQUAL(in.length, forms[i].length);
	}
}

static void registers_are_written_as_the_cpu_writes_them(void)
{
	struct instruction in;

	given_registers();
	regs.rax = regs.rbx = regs.rsi = UINT64_MAX;
	register_write(&regs, 0, 1, 0x12);
	CU_ASSERT_EQUAL(regs.rax, 0xffffffffffffff12);
	CU_ASSERT_TRUE(decode_exactly(CODE("\x88\x23"), &in));		/* mov %ah, (%rbx) */
	register_write(&regs, in.reg, 1, 0x34);
	CU_ASSERT_EQUAL(regs.rax, 0xffffffffffff3412);
	CU_ASSERT_EQUAL(register_read(&regs, in.reg, 1), 0x34);
	register_write(&regs, 3, 2, 0x5678);
	CU_ASSERT_EQUAL(regs.rbx, 0xffffffffffff5678);
	CU_ASSERT_TRUE(decode_exactly(CODE("\x40\x88\x33"), &in));	/* mov %sil, (%rbx) */
	register_write(&regs, in.reg, 1, 0);
	CU_ASSERT_EQUAL(regs.rsi, 0xffffffffffffff00);
	register_write(&regs, 3, 4, 0xffffffff00000001);
	CU_ASSERT_EQUAL(regs.rbx, 1);
}

static const struct unit_case cases[] = {
	UNIT_CASE(random_bytes_are_decoded_within_their_bounds),
	UNIT_CASE(a_cut_instruction_is_refused_at_each_byte),
	UNIT_CASE(sixteen_bytes_are_too_many),
	UNIT_CASE(what_is_not_ours_is_refused),
	UNIT_CASE(a_rex_stands_last),
	UNIT_CASE(addresses_are_those_of_the_manual),
	UNIT_CASE(registers_are_written_as_the_cpu_writes_them),
};

int main(void) { return unit_run("decoder", cases, ARRAY_SIZE(cases)); }
