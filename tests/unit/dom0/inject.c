/* SPDX-License-Identifier: MIT */
/* What the injector of faults makes of instructions, and which it chooses: DE1, IM1. */
#include <CUnit/Basic.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "inject/decode.h"
#include "inject/image.h"
#include "lib/fault.h"

static struct instruction decoded(const char *code, size_t bytes)
{
	struct instruction instruction;

	decode((const uint8_t *)code, bytes, &instruction);
	return instruction;
}

#define DECODED(code) decoded(code, sizeof(code) - 1)

static void lengths_are_those_of_the_manual(void)
{
	CU_ASSERT_EQUAL(DECODED("\x90").bytes, 1);
	CU_ASSERT_EQUAL(DECODED("\x48\x8b\x04\x25\0\0\0\0").bytes, 8);			/* mov 0,%rax */
	CU_ASSERT_EQUAL(DECODED("\x48\xb8\1\2\3\4\5\6\7\x08").bytes, 10);		/* movabs */
	CU_ASSERT_EQUAL(DECODED("\xf0\x0f\xb1\x94\x8b\x78\x56\x34\x12").bytes, 9);	/* lock cmpxchg %edx,0x12345678(%rbx,%rcx,4) */
	CU_ASSERT_EQUAL(DECODED("\x0f\x05").bytes, 2);
}

static void what_is_cut_off_or_none_is_no_instruction(void)
{
	CU_ASSERT_EQUAL(DECODED("\x48\x8b\x04\x25\0\0").bytes, 0);
	CU_ASSERT_EQUAL(DECODED("\x06").bytes, 0);		/* push %es: not in 64-bit mode */
	CU_ASSERT_EQUAL(decoded("", 0).bytes, 0);
}

static void branches_and_transfers_are_told_apart(void)
{
	CU_ASSERT(DECODED("\x74\x10").is_branch);
	CU_ASSERT(DECODED("\x0f\x84\x10\0\0\0").is_branch);
	CU_ASSERT_FALSE(DECODED("\xe3\x10").is_branch);		/* jrcxz has no opposite */
	CU_ASSERT(DECODED("\xe3\x10").is_transfer);
	CU_ASSERT(DECODED("\xe8\0\0\0\0").is_transfer);
	CU_ASSERT(DECODED("\xc3").is_transfer);
	CU_ASSERT(DECODED("\x0f\x05").is_transfer);
	CU_ASSERT_FALSE(DECODED("\x48\x89\xc8").is_transfer);
}

static void what_is_read_is_known(void)
{
	struct instruction move = DECODED("\x48\x89\xc8"), load = DECODED("\x48\x8b\x44\x8b\x10"), add = DECODED("\x01\xc8"),
			   push = DECODED("\x50"), store = DECODED("\x48\x89\x43\x10"), global = DECODED("\x8b\x05\0\1\0\0"),
			   local = DECODED("\x65\x48\x8b\x03");

	CU_ASSERT_EQUAL(move.reads, 1u << 1);			/* mov %rcx,%rax */
	CU_ASSERT_EQUAL(load.reads, 1u << 3 | 1u << 1);		/* mov 0x10(%rbx,%rcx,4),%rax */
	CU_ASSERT_EQUAL(load.memory_bytes, 8);
	CU_ASSERT(load.base == 3 && load.index == 1 && load.scale == 4 && load.displacement == 16);
	CU_ASSERT_EQUAL(move.memory_bytes, 0);
	CU_ASSERT_EQUAL(store.memory_bytes, 0);			/* mov %rax,0x10(%rbx): written, not read */
	CU_ASSERT(global.base == REGISTER_RIP && global.displacement == 0x100 && global.memory_bytes == 4);
	CU_ASSERT_EQUAL(local.memory_bytes, 0);			/* of %gs: its address is not known here */
	CU_ASSERT_EQUAL(add.reads, 1u << 0 | 1u << 1);
	CU_ASSERT(push.reads & 1u << 4);			/* rsp */
}

static void memory_that_is_read_is_the_stack_a_variable_or_behind_a_pointer(void)
{
	struct instruction stack = DECODED("\x48\x8b\x44\x24\x10"), global = DECODED("\x8b\x05\0\1\0\0"), pointer = DECODED("\x48\x8b\x43\x10");
	const uint8_t none[2] = { 0 };

	CU_ASSERT(mutation_fits(MUTATION_STACK, none, &stack) && !mutation_fits(MUTATION_MEMORY, none, &stack));
	CU_ASSERT(mutation_fits(MUTATION_MEMORY, none, &global) && !mutation_fits(MUTATION_POINTED, none, &global));
	CU_ASSERT(mutation_fits(MUTATION_MEMORY, none, &pointer) && mutation_fits(MUTATION_POINTED, none, &pointer));
	CU_ASSERT_FALSE(mutation_fits(MUTATION_STACK, none, &pointer));
}

static void mutations_fit_what_they_are_for(void)
{
	static const struct { const char *code; size_t bytes; bool fits[MUTATION_UNLOCK + 1]; } cases[] = {
		/*                                        flip  pointer one  skip  branch unlock */
		{ "\xc3", 1,				{ false, false, false, false, false, false } },
		{ "\x74\x10", 2,			{ true, false, false, true, true, false } },	/* je */
		{ "\x72\x10", 2,			{ true, false, true, true, true, false } },	/* jb */
		{ "\x0f\x8e\x10\0\0\0", 6,		{ true, false, true, true, true, false } },	/* jle */
		{ "\x48\x83\xf8\x10", 4,		{ true, false, true, true, false, false } },	/* cmp $16,%rax */
		{ "\x48\x8b\x43\x10", 4,		{ true, true, false, true, false, false } },	/* mov 0x10(%rbx),%rax */
		{ "\x48\x8b\x44\x24\x10", 5,		{ true, false, false, true, false, false } },	/* of the stack */
		{ "\xc6\x43\x10\x00", 4,		{ true, true, false, true, false, true } },	/* movb $0,0x10(%rbx) */
		{ "\xc6\x43\x10\x01", 4,		{ true, true, false, true, false, false } },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct instruction instruction = decoded(cases[i].code, cases[i].bytes);

		for (int mutation = 0; mutation <= MUTATION_UNLOCK; mutation++)
			CU_ASSERT_EQUAL(mutation_fits((enum mutation)mutation, (const uint8_t *)cases[i].code, &instruction),
					cases[i].fits[mutation]);
	}
}

static void conditions_lose_or_gain_equality_or_turn_round(void)	/* jb jbe, jl jle, jae ja, jge jg; je jne */
{
	static const struct { uint8_t from; enum mutation mutation; uint8_t to; } cases[] = {
		{ 0x72, MUTATION_OFF_BY_ONE, 0x76 }, { 0x7e, MUTATION_OFF_BY_ONE, 0x7c }, { 0x73, MUTATION_OFF_BY_ONE, 0x77 },
		{ 0x7f, MUTATION_OFF_BY_ONE, 0x7d }, { 0x74, MUTATION_BRANCH, 0x75 }, { 0x7d, MUTATION_BRANCH, 0x7c },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint8_t code[] = { cases[i].from, 0x10 };
		struct instruction instruction = decoded((const char *)code, sizeof(code));
		struct random random = { i };

		mutate(cases[i].mutation, code, &instruction, &random);
		CU_ASSERT_EQUAL(code[0], cases[i].to);
		CU_ASSERT_EQUAL(code[1], 0x10);
	}
}

static void mutations_differ_and_touch_nothing_behind(void)	/* DE1 */
{
	static const char *const codes[] = {
		"\x48\x8b\x43\x10", "\x48\x8b\x83\x10\x20\x30\x40", "\x48\x83\xf8\x7f", "\x48\x81\xf8\xff\xff\xff\x7f", "\x72\x10", "\xc6\x43\x10\x00",
	};
	static const uint8_t lengths[] = { 4, 7, 4, 7, 2, 4 };

	for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++)
		for (unsigned int seed = 0; seed < 1000; seed++)
			for (int mutation = 0; mutation <= MUTATION_UNLOCK; mutation++) {
				uint8_t code[INSTRUCTION_BYTES_MAX + 1];
				struct instruction instruction;
				struct random random = { seed };

				memset(code, 0xa5, sizeof(code));
				memcpy(code, codes[i], lengths[i]);
				decode(code, lengths[i], &instruction);
				if (!mutation_fits((enum mutation)mutation, code, &instruction))
					continue;
				mutate((enum mutation)mutation, code, &instruction, &random);
				CU_ASSERT_NOT_EQUAL(memcmp(code, codes[i], lengths[i]), 0);
				CU_ASSERT_EQUAL(code[lengths[i]], 0xa5);
			}
}

static void seeds_alone_choose(void)
{
	struct random one = { 7 }, same = { 7 }, other = { 8 };
	unsigned int seen[10] = { 0 };

	CU_ASSERT_EQUAL(random_next(&one), random_next(&same));
	CU_ASSERT_NOT_EQUAL(random_next(&one), random_next(&other));
	for (unsigned int i = 0; i < 10000; i++)
		seen[random_below(&one, 10)]++;
	for (unsigned int i = 0; i < 10; i++)
		CU_ASSERT(seen[i] > 850 && seen[i] < 1150);
	CU_ASSERT_EQUAL(random_below(&one, 1), 0);
}

static void image_without_sense_has_no_symbols(void)	/* IM1 */
{
	static const char *const texts[] = { "x", "\177ELF\2\1\1 and then something that is no header of anything at all, and long enough" };
	struct image image;

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		char path[] = "/tmp/skink-inject-XXXXXX";
		int file = mkstemp(path);

		CU_ASSERT_FATAL(file >= 0 && write(file, texts[i], strlen(texts[i])) > 0);
		CU_ASSERT_EQUAL(image_open(&image, path), -ENOEXEC);
		close(file);
		unlink(path);
	}
	CU_ASSERT_EQUAL(image_open(&image, "/nonexistent"), -ENOENT);
}

/* This program is an ELF with symbols as well as any. */
static void image_knows_its_functions_and_their_bytes(void)
{
	const struct symbol *symbol;
	struct image image;
	char text[100];

	CU_ASSERT_FATAL(image_open(&image, program_invocation_name) == 0);
	symbol = image_symbol(&image, "image_knows_its_functions_and_their_bytes");
	CU_ASSERT_FATAL(symbol && symbol->is_function && symbol->bytes);
	CU_ASSERT_PTR_EQUAL(image_symbol_at(&image, symbol->address + symbol->bytes - 1), symbol);
	CU_ASSERT_PTR_NOT_NULL(image_bytes(&image, symbol->address, symbol->bytes));
	CU_ASSERT_PTR_NULL(image_bytes(&image, symbol->address, 1UL << 40));
	CU_ASSERT(image.text <= symbol->address && symbol->address < image.text_end);
	image_describe(&image, symbol->address + 1, text, sizeof(text));
	CU_ASSERT_STRING_EQUAL(text, "image_knows_its_functions_and_their_bytes+0x1");
	image_close(&image);
}

static void classes_have_names_of_their_own(void)
{
	unsigned int count = 0;

	for (const struct fault_class *one = fault_classes; one->name; one++, count++)
		CU_ASSERT_PTR_EQUAL(fault_class_find(one->name), one);
	CU_ASSERT(count >= 16);
	CU_ASSERT_PTR_NULL(fault_class_find("nothing"));
}

int main(void)
{
	CU_pSuite suite;

	CU_initialize_registry();
	suite = CU_add_suite("inject", NULL, NULL);
#define TEST(name) CU_add_test(suite, #name, name)
	TEST(lengths_are_those_of_the_manual);
	TEST(what_is_cut_off_or_none_is_no_instruction);
	TEST(branches_and_transfers_are_told_apart);
	TEST(what_is_read_is_known);
	TEST(memory_that_is_read_is_the_stack_a_variable_or_behind_a_pointer);
	TEST(mutations_fit_what_they_are_for);
	TEST(conditions_lose_or_gain_equality_or_turn_round);
	TEST(mutations_differ_and_touch_nothing_behind);
	TEST(seeds_alone_choose);
	TEST(image_without_sense_has_no_symbols);
	TEST(image_knows_its_functions_and_their_bytes);
	TEST(classes_have_names_of_their_own);
	CU_basic_set_mode(CU_BRM_VERBOSE);
	CU_basic_run_tests();
	return CU_get_number_of_failures() ? 1 : 0;
}
