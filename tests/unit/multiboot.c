/* SPDX-License-Identifier: MIT */
/* boot/multiboot.c and boot/memory_map.c: what loaders say, and what none should. */
#include "unit.h"

#include <string.h>

#include "boot/boot_info.h"
#include "cpu/directmap.h"

#define MAGIC_1		0x2badb002
#define MAGIC_2		0x36d76289
#define INFO		0x9000u
#define STRINGS		0x20000u
#define MODULES		0x30000u
#define MAP		0x31000u

static uint32_t used;		/* of the structure at INFO */
static uint32_t strings_used;

static void *at(uint32_t address) { return paddr_to_virt(address); }

static void begin(void)
{
	memset(&boot_info, 0, sizeof(boot_info));
	memset(at(INFO), 0, 0x40000);
	used = 8;
	strings_used = 0;
}

static uint32_t string(const char *text)
{
	uint32_t address = STRINGS + strings_used;

	strcpy(at(address), text);
	strings_used += (uint32_t)strlen(text) + 1;
	return address;
}

static void word(uint32_t offset, uint32_t value) { memcpy((char *)at(INFO) + offset, &value, 4); }

/* ---- Multiboot 1 ---- */

static void map_entry_1(uint32_t index, uint64_t start, uint64_t length, uint32_t kind)
{
	struct { uint32_t bytes; uint64_t start, length; uint32_t kind; } PACKED entry = { 20, start, length, kind };

	memcpy((char *)at(MAP) + index * 24, &entry, sizeof(entry));
	word(0, *(uint32_t *)at(INFO) | 1 << 6);
	word(44, (index + 1) * 24);
	word(48, MAP);
}

static void given_multiboot_1(const char *loader, const char *arguments, const char *module)
{
	uint32_t one[4] = { 0x100000, 0x200000, 0, 0 };

	begin();
	word(0, 1 << 2 | 1 << 9 | (module ? 1 << 3 : 0));
	word(16, string(arguments));
	word(64, string(loader));
	if (module) {
		one[2] = string(module);
		memcpy(at(MODULES), one, sizeof(one));
		word(20, 1);
		word(24, MODULES);
	}
	map_entry_1(0, 0, 0x9fc00, 1);
	map_entry_1(1, 0x100000, 63 << 20, 1);
}

/* ---- Multiboot 2 ---- */

static void *tag(uint32_t kind, uint32_t bytes)
{
	uint32_t head[2] = { kind, bytes };
	char *place = (char *)at(INFO) + used;

	memcpy(place, head, 8);
	used += (bytes + 7) / 8 * 8;
	word(0, used);
	return place + 8;
}

static void tag_text(uint32_t kind, const char *text)
{
	strcpy(tag(kind, 8 + (uint32_t)strlen(text) + 1), text);
}

static void tag_module(uint32_t start, uint32_t end, const char *text)
{
	char *body = tag(3, 16 + (uint32_t)strlen(text) + 1);

	memcpy(body, &start, 4);
	memcpy(body + 4, &end, 4);
	strcpy(body + 8, text);
}

static void tag_map(void)
{
	struct { uint32_t bytes, version; struct { uint64_t start, length; uint32_t kind, zero; } entry[3]; } map = {
		24, 0, { { 0, 0x9f000, 1, 0 }, { 0x100000, 1 << 30, 1, 0 }, { 0xf0000, 0x10000, 2, 0 } } };

	memcpy(tag(6, 8 + sizeof(map)), &map, sizeof(map));
}

static void given_multiboot_2(void)
{
	begin();
	tag_text(2, "GRUB 2.06");
	tag_text(1, "console=com1 dom0_mem=1G");
	tag_module(0x200000, 0x300000, "root=/dev/xvda ro");
	tag_map();
}

static void parse(uint32_t magic) { multiboot_parse(magic, INFO); }

static bool refuses(uint32_t magic)
{
	bool died;

	FAKE_DIES(died, parse(magic));
	return died;
}

/* ---- broken ---- */

static void an_unknown_loader_is_refused(void)
{
	given_multiboot_1("qemu", "skink", NULL);
	CU_ASSERT_TRUE(refuses(0));
	CU_ASSERT_TRUE(refuses(0x1badb002));
	CU_ASSERT_PTR_NOT_NULL(strstr(fake.log, "Multiboot"));
}

static void no_memory_map_is_refused(void)
{
	given_multiboot_1("qemu", "skink", NULL);
	word(0, 0);
	CU_ASSERT_TRUE(refuses(MAGIC_1));
	begin();
	(void)tag(0, 8);
	CU_ASSERT_TRUE(refuses(MAGIC_2));
}

static void a_map_of_absurd_size_is_refused(void)	/* B1 */
{
	given_multiboot_1("qemu", "skink", NULL);
	word(44, UINT32_MAX);
	CU_ASSERT_TRUE(refuses(MAGIC_1));
	given_multiboot_1("qemu", "skink", NULL);
	word(48, UINT32_MAX - 4);
	CU_ASSERT_TRUE(refuses(MAGIC_1));
}

static void a_map_entry_of_absurd_size_is_refused(void)
{
	static const uint32_t sizes[] = { 0, 1, 16, UINT32_MAX, UINT32_MAX - 3 };

	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		given_multiboot_1("qemu", "skink", NULL);
		memcpy(at(MAP), &sizes[i], 4);
		CU_ASSERT_TRUE(refuses(MAGIC_1));
	}
}

static void modules_that_end_before_they_begin_or_lie_low_are_refused(void)
{
	uint32_t end = 0xfffff, low = 0xff000;

	given_multiboot_1("qemu", "skink", "vmlinux");
	memcpy((char *)at(MODULES) + 4, &end, 4);
	CU_ASSERT_TRUE(refuses(MAGIC_1));
	given_multiboot_1("qemu", "skink", "vmlinux");
	memcpy(at(MODULES), &low, 4);
	CU_ASSERT_TRUE(refuses(MAGIC_1));
	begin();
	tag_module(0x300000, 0x200000, "");
	tag_map();
	CU_ASSERT_TRUE(refuses(MAGIC_2));
}

static void more_modules_than_fit_are_left_out(void)
{
	given_multiboot_2();
	for (int i = 0; i < 10; i++)
		tag_module(0x400000, 0x500000, "more");
	(void)tag(0, 8);
	parse(MAGIC_2);
	CU_ASSERT_EQUAL(boot_info.module_count, BOOT_MODULES_MAX);
	given_multiboot_1("qemu", "skink", "vmlinux");
	word(20, UINT32_MAX);
	memcpy((char *)at(MODULES) + 16, at(MODULES), 16);
	parse(MAGIC_1);
	CU_ASSERT_EQUAL(boot_info.module_count, BOOT_MODULES_MAX);
}

static void tags_that_do_not_fit_are_refused(void)
{
	static const uint32_t sizes[] = { 0, 7, 0x10000, UINT32_MAX, UINT32_MAX - 7 };

	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		given_multiboot_2();
		memcpy((char *)at(INFO) + used, &(uint32_t[2]){ 99, sizes[i] }, 8);
		word(0, used + 8);
		CU_ASSERT_TRUE(refuses(MAGIC_2));
	}
}

static void a_list_without_an_end_is_refused(void)
{
	given_multiboot_2();
	CU_ASSERT_TRUE(refuses(MAGIC_2));
	begin();
	word(0, 0);
	CU_ASSERT_TRUE(refuses(MAGIC_2));
	word(0, UINT32_MAX);
	CU_ASSERT_TRUE(refuses(MAGIC_2));
}

static void a_map_tag_with_small_entries_is_refused(void)
{
	static const uint32_t sizes[] = { 0, 1, 19 };

	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		begin();
		memcpy(tag(6, 16 + 24), &sizes[i], 4);
		(void)tag(0, 8);
		CU_ASSERT_TRUE(refuses(MAGIC_2));
	}
	begin();
	(void)tag(6, 8);
	(void)tag(0, 8);
	CU_ASSERT_TRUE(refuses(MAGIC_2));
}

static void a_long_command_line_is_cut(void)
{
	static char text[3000];

	memset(text, 'a', sizeof(text) - 1);
	begin();
	tag_text(1, text);
	tag_module(0x200000, 0x300000, text);
	tag_map();
	(void)tag(0, 8);
	parse(MAGIC_2);
	CU_ASSERT_EQUAL(strlen(boot_info.command_line), sizeof(boot_info.command_line) - 1);
	CU_ASSERT_EQUAL(strlen(boot_info.module[0].command_line), sizeof(boot_info.module[0].command_line) - 1);
}

/* ---- as it should be ---- */

static void qemu_puts_file_names_first(void)
{
	given_multiboot_1("qemu", "build/skink console=com1 loglvl=all", "build/vmlinux root=/dev/ram0 x");
	parse(MAGIC_1);
	CU_ASSERT_STRING_EQUAL(boot_info.loader, "qemu");
	CU_ASSERT_STRING_EQUAL(boot_info.command_line, "console=com1 loglvl=all");
	CU_ASSERT_EQUAL(boot_info.module_count, 1);
	CU_ASSERT_STRING_EQUAL(boot_info.module[0].command_line, "root=/dev/ram0 x");
	CU_ASSERT_EQUAL(boot_info.module[0].start, 0x100000);
	CU_ASSERT_EQUAL(boot_info.module[0].bytes, 0x100000);
	given_multiboot_1("qemu", "build/skink", "build/initrd");
	parse(MAGIC_1);
	CU_ASSERT_STRING_EQUAL(boot_info.command_line, "");
	CU_ASSERT_STRING_EQUAL(boot_info.module[0].command_line, "");
}

static void grub_2_hands_over_arguments_alone(void)
{
	given_multiboot_1("GRUB 2.06-13", "console=com1", "root=x quiet");
	parse(MAGIC_1);
	CU_ASSERT_STRING_EQUAL(boot_info.command_line, "console=com1");
	CU_ASSERT_STRING_EQUAL(boot_info.module[0].command_line, "root=x quiet");
	given_multiboot_2();
	(void)tag(0, 8);
	parse(MAGIC_2);
	CU_ASSERT_STRING_EQUAL(boot_info.loader, "GRUB 2.06");
	CU_ASSERT_STRING_EQUAL(boot_info.command_line, "console=com1 dom0_mem=1G");
	CU_ASSERT_STRING_EQUAL(boot_info.module[0].command_line, "root=/dev/xvda ro");
	CU_ASSERT_EQUAL(boot_info.module[0].bytes, 0x100000);
}

static void the_word_placeholder_is_no_argument(void)
{
	begin();
	tag_text(1, "placeholder console=com1");
	tag_module(0x200000, 0x300000, "placeholder");
	tag_module(0x200000, 0x300000, "placeholders=2");
	tag_map();
	(void)tag(0, 8);
	parse(MAGIC_2);
	CU_ASSERT_STRING_EQUAL(boot_info.command_line, "console=com1");
	CU_ASSERT_STRING_EQUAL(boot_info.module[0].command_line, "");
	CU_ASSERT_STRING_EQUAL(boot_info.module[1].command_line, "placeholders=2");
}

static void the_newer_root_pointer_counts(void)
{
	given_multiboot_2();
	memcpy(tag(14, 8 + 20), "RSD PTR old.........", 20);
	memcpy(tag(15, 8 + 36), "RSD PTR new.........................", 36);
	(void)tag(0, 8);
	parse(MAGIC_2);
	CU_ASSERT_EQUAL(memcmp(boot_info.rsdp, "RSD PTR new.", 12), 0);
}

static void expect_range(uint32_t index, paddr_t start, paddr_t end)
{
	CU_ASSERT_TRUE_FATAL(index < boot_info.range_count);
	CU_ASSERT_EQUAL(boot_info.range[index].start, start);
	CU_ASSERT_EQUAL(boot_info.range[index].start + boot_info.range[index].bytes, end);
}

static void ranges_are_sorted_and_do_not_overlap(void)	/* M1 */
{
	memory_map_add(0x5000, 0x5000, true);
	memory_map_add(0x1000, 0x2000, true);
	memory_map_add(0x6000, 0x1000, false);
	memory_map_add(0x8000, 0x8000, false);
	memory_map_add(0x2000, 0x2000, true);
	memory_map_add(0x100000, 0, true);
	memory_map_finish();
	CU_ASSERT_EQUAL(boot_info.range_count, 3);
	expect_range(0, 0x1000, 0x4000);
	expect_range(1, 0x5000, 0x6000);
	expect_range(2, 0x7000, 0x8000);
}

static void ranges_that_wrap_are_cut(void)
{
	memory_map_add(UINT64_MAX - 100, 1000, true);
	memory_map_add(1ULL << 40, UINT64_MAX, true);
	memory_map_finish();
	CU_ASSERT_EQUAL(boot_info.range_count, 1);
	expect_range(0, 1ULL << 40, 1ULL << 52);
}

/* An oracle: for each page, is there RAM, is there something else. */
static void random_maps_keep_each_page_of_ram(void)	/* M1 */
{
	uint64_t seed = 1;

	for (int round = 0; round < 300; round++) {
		uint8_t kinds_of[256] = { 0 };
		paddr_t last = 0;

		for (int i = 0; i < 40; i++) {
			uint32_t start, length, is_ram;

			seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
			start = seed >> 33 & 255;
			length = seed >> 41 & 31;
			is_ram = (seed >> 50) % 5 != 0;
			length = MIN(length, 256 - start);
			memory_map_add(start << 12, length << 12, is_ram);
			for (uint32_t page = start; page < start + length; page++)
				kinds_of[page] |= is_ram ? 1 : 2;
		}
		memory_map_finish();
		for (uint32_t i = 0; i < boot_info.range_count; i++) {
			const struct memory_range *range = &boot_info.range[i];

			CU_ASSERT_TRUE(range->bytes > 0 && range->start >= last);
			last = range->start + range->bytes;
			for (paddr_t page = range->start; page < last; page += PAGE_SIZE) {
				CU_ASSERT_EQUAL(kinds_of[page >> 12], 1);
				kinds_of[page >> 12] = 0;
			}
		}
		for (int page = 0; page < 256; page++)
			CU_ASSERT(kinds_of[page] != 1);
	}
}

static void the_low_page_is_ram(void)
{
	given_multiboot_1("GRUB 2", "", NULL);
	parse(MAGIC_1);
	CU_ASSERT_EQUAL(boot_info.trampoline, 0x9e000);

	begin();
	memory_map_add(0, 0x1000, true);
	memory_map_add(0x100000, 0x1000, true);
	memory_map_finish();
	CU_ASSERT_EQUAL(boot_info.trampoline, 0);
}

static const struct unit_case cases[] = {
	UNIT_CASE(an_unknown_loader_is_refused),
	UNIT_CASE(no_memory_map_is_refused),
	UNIT_CASE(a_map_of_absurd_size_is_refused),
	UNIT_CASE(a_map_entry_of_absurd_size_is_refused),
	UNIT_CASE(modules_that_end_before_they_begin_or_lie_low_are_refused),
	UNIT_CASE(more_modules_than_fit_are_left_out),
	UNIT_CASE(tags_that_do_not_fit_are_refused),
	UNIT_CASE(a_list_without_an_end_is_refused),
	UNIT_CASE(a_map_tag_with_small_entries_is_refused),
	UNIT_CASE(a_long_command_line_is_cut),
	UNIT_CASE(qemu_puts_file_names_first),
	UNIT_CASE(grub_2_hands_over_arguments_alone),
	UNIT_CASE(the_word_placeholder_is_no_argument),
	UNIT_CASE(the_newer_root_pointer_counts),
	UNIT_CASE(ranges_are_sorted_and_do_not_overlap),
	UNIT_CASE(ranges_that_wrap_are_cut),
	UNIT_CASE(random_maps_keep_each_page_of_ram),
	UNIT_CASE(the_low_page_is_ram),
};

int main(void)
{
	return unit_run("multiboot", cases, ARRAY_SIZE(cases));
}
