/* SPDX-License-Identifier: MIT */
/* lib/symbols.h on an image that is put together here: SY1, SY2. */
#include <CUnit/Basic.h>
#include <elf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <xen/elfnote.h>

#include "lib/symbols.h"

#define BASE	0xffffffff80000000UL
#define TEXT	(BASE + 0x1000)

/* A kernel of one page of text, of which each test puts in what it needs, with two functions and their names. */
static struct image {
	Elf64_Ehdr header;
	Elf64_Phdr program[2];
	struct {
		Elf64_Nhdr header;
		char name[4];
		uint64_t value;
	} note[2];
	Elf64_Sym symbol[3];
	char names[24];
	Elf64_Shdr section[3];
	uint8_t text[4096] __attribute__((aligned(16)));
} image;

static struct symbols symbols;

static void given_note(unsigned int i, uint32_t type, uint64_t value)
{
	image.note[i].header = (Elf64_Nhdr){ 4, 8, type };
	memcpy(image.note[i].name, "Xen", 4);
	image.note[i].value = value;
}

static void given_image(void)
{
	memset(&image, 0, sizeof(image));
	memcpy(image.header.e_ident, ELFMAG, SELFMAG);
	image.header.e_ident[EI_CLASS] = ELFCLASS64;
	image.header.e_machine = EM_X86_64;
	image.header.e_entry = TEXT;
	image.header.e_phoff = offsetof(struct image, program);
	image.header.e_phentsize = sizeof(Elf64_Phdr);
	image.header.e_phnum = 2;
	image.header.e_shoff = offsetof(struct image, section);
	image.header.e_shentsize = sizeof(Elf64_Shdr);
	image.header.e_shnum = 3;
	image.program[0] = (Elf64_Phdr){ .p_type = PT_LOAD, .p_offset = offsetof(struct image, text), .p_paddr = 0x1000,
					 .p_filesz = 4096, .p_memsz = 4096 };
	image.program[1] = (Elf64_Phdr){ .p_type = PT_NOTE, .p_offset = offsetof(struct image, note), .p_filesz = sizeof(image.note) };
	given_note(0, XEN_ELFNOTE_VIRT_BASE, BASE);
	given_note(1, XEN_ELFNOTE_ENTRY, TEXT);
	memcpy(image.names, "\0serve\0answer", 14);
	image.symbol[1] = (Elf64_Sym){ .st_name = 7, .st_info = STT_FUNC, .st_shndx = 1, .st_value = TEXT + 0x100, .st_size = 0x80 };
	image.symbol[2] = (Elf64_Sym){ .st_name = 1, .st_info = STT_FUNC, .st_shndx = 1, .st_value = TEXT, .st_size = 0x100 };
	image.section[1] = (Elf64_Shdr){ .sh_type = SHT_SYMTAB, .sh_offset = offsetof(struct image, symbol),
					 .sh_size = sizeof(image.symbol), .sh_link = 2 };
	image.section[2] = (Elf64_Shdr){ .sh_type = SHT_STRTAB, .sh_offset = offsetof(struct image, names), .sh_size = sizeof(image.names) };
}

static void given_symbols(void)
{
	given_image();
	CU_ASSERT_EQUAL_FATAL(symbols_read((const uint8_t *)&image, sizeof(image), &symbols), 0);
}

/* A call instruction that ends before this offset of the text. */
static uint64_t given_call(uint32_t offset)
{
	image.text[offset - 5] = 0xe8;
	return TEXT + offset;
}

static const char *name_of(uint64_t address)
{
	static char text[64];

	symbols_name(&symbols, address, false, text, sizeof(text));
	return text;
}

static void an_address_has_its_function(void)
{
	char text[64];

	given_symbols();
	CU_ASSERT_STRING_EQUAL(name_of(TEXT), "serve+0x0");
	CU_ASSERT_STRING_EQUAL(name_of(TEXT + 0xff), "serve+0xff");
	CU_ASSERT_STRING_EQUAL(name_of(TEXT + 0x100), "answer+0x0");
	CU_ASSERT_STRING_EQUAL(name_of(TEXT + 0x17f), "answer+0x7f");
	CU_ASSERT_STRING_EQUAL(name_of(TEXT + 0x180), "0xffffffff80001180");
	CU_ASSERT_STRING_EQUAL(name_of(TEXT - 1), "0xffffffff80000fff");
	CU_ASSERT_STRING_EQUAL(name_of(0), "0x0");
	/* What never returns is called last. */
	CU_ASSERT_TRUE(symbols_name(&symbols, TEXT + 0x100, true, text, sizeof(text)));
	CU_ASSERT_STRING_EQUAL(text, "serve+0x100");
	symbols_free(&symbols);
}

static void a_stripped_image_has_addresses_only(void)
{
	given_image();
	image.header.e_shnum = 0;
	CU_ASSERT_EQUAL(symbols_read((const uint8_t *)&image, sizeof(image), &symbols), 0);
	CU_ASSERT_STRING_EQUAL(name_of(TEXT), "0xffffffff80001000");
	symbols_free(&symbols);
}

/* Each word of the headers and tables once as it should not be: under a sanitizer. */
static void a_file_that_lies_is_read_within_its_bounds(void)		/* SY1 */
{
	static const uint64_t lies[] = { 0, 1, 0x7fff, UINT32_MAX, INT64_MAX, UINT64_MAX };
	uint8_t *copy = malloc(sizeof(image));

	for (size_t at = 0; at < offsetof(struct image, text); at += 4)
		for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
			given_image();
			memcpy((uint8_t *)&image + at, &lies[i], 4);
			memcpy(copy, &image, sizeof(image));
			if (symbols_read(copy, sizeof(image), &symbols))
				continue;
			for (uint64_t address = BASE; address < TEXT + 0x2000; address += 0x3f)
				CU_ASSERT_PTR_NOT_NULL(name_of(address));
			CU_ASSERT_FALSE(symbols_is_return(&symbols, TEXT + 8));
			symbols_free(&symbols);
		}
	for (size_t bytes = 0; bytes < sizeof(image); bytes += 7) {
		uint8_t *cut = malloc(bytes + 1);

		given_image();
		memcpy(cut, &image, bytes);
		if (!symbols_read(cut, bytes, &symbols))
			symbols_free(&symbols);
		free(cut);
	}
	free(copy);
}

static void a_chain_of_frames_is_followed(void)
{
	struct backtrace_step steps[BACKTRACE_MAX];
	uint64_t stack[8] = { 1, 2, 0x1030, 0, 5, 0, 0x1050, 0 };

	given_symbols();
	stack[3] = given_call(0x20);
	stack[7] = given_call(0x140);
	CU_ASSERT_EQUAL_FATAL(backtrace_make(&symbols, &(struct backtrace_from){ TEXT + 0x111, 0x1000, 0x1010, stack, 8 }, steps), 3);
	CU_ASSERT_EQUAL(steps[0].address, TEXT + 0x111);
	CU_ASSERT_EQUAL(steps[1].address, TEXT + 0x20);
	CU_ASSERT_EQUAL(steps[2].address, TEXT + 0x140);
	CU_ASSERT_FALSE(steps[0].is_guess || steps[1].is_guess || steps[2].is_guess);
	symbols_free(&symbols);
}

static void what_no_frame_shows_is_a_guess(void)			/* SY2 */
{
	struct backtrace_step steps[BACKTRACE_MAX];
	uint64_t stack[6] = { 0, TEXT + 0x30, 0x1008, 0, 0, 0 };

	given_symbols();
	stack[0] = given_call(0x20);
	stack[3] = given_call(0x60);
	/* The first is in no frame; TEXT + 0x30 follows no call; the chain's next frame lies before the one it is in. */
	stack[5] = given_call(0x180);
	CU_ASSERT_EQUAL_FATAL(backtrace_make(&symbols, &(struct backtrace_from){ TEXT, 0x1000, 0x1010, stack, 6 }, steps), 4);
	CU_ASSERT_TRUE(steps[1].is_guess && steps[1].address == stack[0]);
	CU_ASSERT_TRUE(!steps[2].is_guess && steps[2].address == stack[3]);
	CU_ASSERT_TRUE(steps[3].is_guess && steps[3].address == stack[5]);
	/* Frame pointers that lead nowhere, or to the last word. */
	CU_ASSERT_EQUAL(backtrace_make(&symbols, &(struct backtrace_from){ 0, 0x1000, 0x1028, stack, 6 }, steps), 4);
	CU_ASSERT_EQUAL(backtrace_make(&symbols, &(struct backtrace_from){ 0, 0, UINT64_MAX - 3, stack, 0 }, steps), 1);
	symbols_free(&symbols);
}

static void a_long_stack_is_cut(void)
{
	struct backtrace_step steps[BACKTRACE_MAX];
	uint64_t stack[2 * BACKTRACE_MAX];

	given_symbols();
	for (size_t i = 0; i < 2 * BACKTRACE_MAX; i++)
		stack[i] = given_call(0x20);
	CU_ASSERT_EQUAL(backtrace_make(&symbols, &(struct backtrace_from){ TEXT, 0, 0, stack, 2 * BACKTRACE_MAX }, steps), BACKTRACE_MAX);
	symbols_free(&symbols);
}

int main(void)
{
	CU_pSuite suite;

	CU_initialize_registry();
	suite = CU_add_suite("symbols", NULL, NULL);
#define TEST(name) CU_add_test(suite, #name, name)
	TEST(an_address_has_its_function);
	TEST(a_stripped_image_has_addresses_only);
	TEST(a_file_that_lies_is_read_within_its_bounds);
	TEST(a_chain_of_frames_is_followed);
	TEST(what_no_frame_shows_is_a_guess);
	TEST(a_long_stack_is_cut);
	CU_basic_set_mode(CU_BRM_VERBOSE);
	CU_basic_run_tests();
	return CU_get_number_of_failures() ? 1 : 0;
}
