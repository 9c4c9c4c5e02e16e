/* SPDX-License-Identifier: MIT */
/* Domain-0's kernel file, where it is put, and how large it gets: hostile files first. */
#include "include/types.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <xen/elfnote.h>
#include <xen/features.h>
#include <xen/xen.h>

#include "unit.h"

#include "elf_file.h"

#include "boot/main.h"
#include "boot/elf.h"
#include "boot/placement.h"
#include "include/errno.h"

static struct elf_kernel kernel;

/* Parses a copy of exactly the file's size, so that ASan sees each step over its end. False if it is refused. */
static bool parse(void)
{
	uint8_t *copy = malloc(file_bytes ? file_bytes : 1);
	bool died;

	memcpy(copy, file, file_bytes);
	fake.log_length = 0;
	fake.log[0] = 0;
	FAKE_DIES(died, elf_parse(copy, file_bytes, &kernel));
	free(copy);
	return !died;
}

static bool refused_because(const char *part)
{
	bool is_refused = !parse();

	if (!is_refused || !strstr(fake.log, part))
		printf("\n    %d: \"%s\", not \"%s\"", is_refused, fake.log, part);
	return is_refused && strstr(fake.log, part);
}

/* ---- what is refused ---- */

static void an_empty_file_is_refused(void)
{
	given_minimal_kernel();
	file_bytes = 0;
	CU_ASSERT(refused_because("truncated"));
}

static void a_file_that_is_no_elf_is_refused(void)
{
	given_minimal_kernel();
	file[1] = 'F';
	CU_ASSERT(refused_because("no ELF"));
}

static void a_compressed_kernel_is_named(void)
{
	given_minimal_kernel();
	memcpy(file, "MZ", 2);
	memcpy(file + 0x202, "HdrS", 4);
	CU_ASSERT(refused_because("bzImage"));
}

static void another_class_or_machine_is_refused(void)
{
	given_minimal_kernel();
	file[4] = 1;
	CU_ASSERT(refused_because("class 1"));

	given_minimal_kernel();
	put(18, 183, 2);
	CU_ASSERT(refused_because("machine 183"));
}

static void every_truncation_is_refused(void)
{
	given_linux(true);
	for (uint32_t bytes = 0; bytes < FILE_BYTES; bytes++) {
		file_bytes = bytes;
		if (parse() || !strstr(fake.log, "truncated")) {
			printf("\n    %u bytes: \"%s\"", bytes, fake.log);
			CU_FAIL("a truncated file must be refused");
			return;
		}
	}
}

static void program_headers_behind_the_end_are_refused(void)
{
	static const uint64_t offsets[] = { FILE_BYTES - 56, FILE_BYTES, UINT64_MAX, UINT64_MAX - 55 };

	for (uint32_t i = 0; i < ARRAY_SIZE(offsets); i++) {
		given_minimal_kernel();
		put(32, offsets[i], 8);
		CU_ASSERT(refused_because("program headers"));
	}
	given_minimal_kernel();
	put(54, 32, 2);
	CU_ASSERT(refused_because("program headers"));
	given_minimal_kernel();
	put(56, 0xffff, 2);
	CU_ASSERT(refused_because("program headers"));
	given_minimal_kernel();
	put(56, 0, 2);
	CU_ASSERT(refused_because("note"));
}

static void a_segment_that_wraps_is_refused(void)
{
	given_minimal_kernel();
	given_program(0, 1, UINT64_MAX - 0xfff, 0x100000, 0x2000, 0x2000);
	CU_ASSERT(refused_because("truncated"));

	given_minimal_kernel();
	given_program(0, 1, TEXT_AT, 0x100000, 0x2000, UINT64_MAX);
	CU_ASSERT(refused_because("does not fit"));

	given_minimal_kernel();
	given_program(0, 1, TEXT_AT, UINT64_MAX - 0xfff, 0x1000, 0x2000);
	CU_ASSERT(refused_because("does not fit"));

	given_linux(false);
	given_program(0, 1, TEXT_AT, 0x7ffff000, 0x1000, 0x1000);
	CU_ASSERT(refused_because("does not fit"));
}

static void a_segment_with_more_in_the_file_than_in_memory_is_refused(void)
{
	given_minimal_kernel();
	given_program(0, 1, TEXT_AT, 0x100000, 0x2000, 0x1fff);
	CU_ASSERT(refused_because("does not fit"));
}

static void too_many_segments_are_refused(void)
{
	given_minimal_kernel();
	memmove(file + 0x800, file + NOTES_AT, notes_bytes);
	put(56, 19, 2);
	for (uint32_t i = 2; i < 19; i++)
		given_program(i, 1, TEXT_AT, 0x200000 + i * 0x1000, 16, 16);
	given_program(1, 4, 0x800, 0, notes_bytes, notes_bytes);
	CU_ASSERT(refused_because("more than 16"));
}

static void a_file_without_notes_is_no_xen_kernel(void)
{
	given_elf();
	CU_ASSERT(refused_because("no note in Xen's name"));
	given_note_named("GNU", 1, "abcd", 4);
	CU_ASSERT(refused_because("no note in Xen's name"));
}

static void an_unknown_note_is_named(void)
{
	given_linux(true);
	given_number(20, 0);
	CU_ASSERT(refused_because("type 20"));
	given_minimal_kernel();
	given_number(0x1000001, 0);
	CU_ASSERT(refused_because("0x1000001"));
}

static void a_note_that_runs_past_the_end_is_refused(void)
{
	static const uint32_t lengths[] = { 0x10, 0x7fffffff, 0xfffffff0, 0xffffffff };

	for (uint32_t i = 0; i < ARRAY_SIZE(lengths); i++) {
		given_minimal_kernel();
		put(NOTES_AT, lengths[i] + 0x4000, 4);
		CU_ASSERT(refused_because("runs past"));
		given_minimal_kernel();
		put(NOTES_AT + 4, lengths[i] + 0x4000, 4);
		CU_ASSERT(refused_because("runs past"));
	}
}

static void a_number_of_another_size_is_refused(void)
{
	for (uint32_t bytes = 0; bytes <= 16; bytes++) {
		if (bytes == 4 || bytes == 8)
			continue;
		given_minimal_kernel();
		given_note_named("Xen", XEN_ELFNOTE_VIRT_BASE, "0123456789abcdef", bytes);
		CU_ASSERT(refused_because("note 3 is a number"));
	}
}

static void a_feature_that_is_not_offered_and_required_is_named(void)
{
	given_minimal_kernel();
	given_text(XEN_ELFNOTE_FEATURES, "dom0|!auto_translated_physmap");
	CU_ASSERT(refused_because("auto_translated_physmap"));
	given_minimal_kernel();
	given_text(XEN_ELFNOTE_FEATURES, "!warp_drive|dom0");
	CU_ASSERT(refused_because("warp_drive"));
	given_minimal_kernel();
	given_text(XEN_ELFNOTE_FEATURES, "!dom");
	CU_ASSERT(refused_because("dom"));
}

static void other_versions_are_refused(void)
{
	given_minimal_kernel();
	given_text(XEN_ELFNOTE_XEN_VERSION, "xen-2.0");
	CU_ASSERT(refused_because("XEN_VERSION"));
}

static void addresses_outside_of_the_image_are_refused(void)
{
	given_minimal_kernel();
	given_number(XEN_ELFNOTE_ENTRY, 0x103000);
	CU_ASSERT(refused_because("entry"));
	given_minimal_kernel();
	given_number(XEN_ELFNOTE_ENTRY, 0xfffff);
	CU_ASSERT(refused_because("entry"));
	given_minimal_kernel();
	given_number(XEN_ELFNOTE_HYPERCALL_PAGE, 0x103000);
	CU_ASSERT(refused_because("HYPERCALL_PAGE"));
	given_minimal_kernel();
	given_number(XEN_ELFNOTE_HYPERCALL_PAGE, 0x101008);
	CU_ASSERT(refused_because("HYPERCALL_PAGE"));
	given_minimal_kernel();
	given_number(XEN_ELFNOTE_VIRT_BASE, 8);
	CU_ASSERT(refused_because("VIRT_BASE"));
}

/* No file, whatever is in it, may be read over its end: ASan watches. */
static void random_damage_is_survived(void)
{
	uint32_t seed = 1;

	for (uint32_t round = 0; round < 20000; round++) {
		given_linux(round & 1);
		for (uint32_t i = 0; i < 1 + round % 4; i++) {
			seed = seed * 1664525 + 1013904223;
			file[(seed >> 8) % (NOTES_AT + notes_bytes)] = (uint8_t)seed;
		}
		(void)parse();
	}
}

/* ---- what is understood ---- */

static void notes_of_linux_6_1_are_understood(void)
{
	given_linux(false);
	CU_ASSERT(parse());
	CU_ASSERT_EQUAL(kernel.entry, LINUX_BASE + 0x100020);
	CU_ASSERT_EQUAL(kernel.virt_base, LINUX_BASE);
	CU_ASSERT_EQUAL(kernel.hypercall_page, LINUX_BASE + 0x101000);
	CU_ASSERT_EQUAL(kernel.init_p2m, 0x8000000000);
	CU_ASSERT_EQUAL(kernel.start, LINUX_BASE + 0x100000);
	CU_ASSERT_EQUAL(kernel.end, LINUX_BASE + 0x103000);
	CU_ASSERT_EQUAL(kernel.supported_features, 0x8801U);
	CU_ASSERT(kernel.initrd_by_frame);
	CU_ASSERT_EQUAL(kernel.segment_count, 1);
	CU_ASSERT_EQUAL(kernel.segment[0].va, LINUX_BASE + 0x100000);
	CU_ASSERT_EQUAL(kernel.segment[0].file_bytes, 0x2000);
}

static void notes_of_linux_6_12_are_understood(void)
{
	given_linux(true);
	CU_ASSERT(parse());
	CU_ASSERT_EQUAL(kernel.hypercall_page, ELF_ADDRESS_NONE);
	CU_ASSERT_EQUAL(kernel.init_p2m, 0x8000000000);
}

static void a_minimal_kernel_gets_the_defaults(void)
{
	given_minimal_kernel();
	CU_ASSERT(parse());
	CU_ASSERT_EQUAL(kernel.entry, 0x100010);
	CU_ASSERT_EQUAL(kernel.virt_base, 0);
	CU_ASSERT_EQUAL(kernel.init_p2m, ELF_ADDRESS_NONE);
	CU_ASSERT_EQUAL(kernel.hypercall_page, ELF_ADDRESS_NONE);
	CU_ASSERT(!kernel.initrd_by_frame && !kernel.supported_features);
	CU_ASSERT_EQUAL(kernel.start, 0x100000);
}

static void features_have_both_forms(void)
{
	given_minimal_kernel();
	given_text(XEN_ELFNOTE_FEATURES, "|dom0||warp_drive|!gnttab_map_avail_bits|");
	given_number32(XEN_ELFNOTE_SUPPORTED_FEATURES, 1U << XENFEAT_highmem_assist);
	CU_ASSERT(refused_because("no feature dom0"));
	given_number32(XEN_ELFNOTE_SUPPORTED_FEATURES, 1U << XENFEAT_dom0);
	CU_ASSERT(parse());
	CU_ASSERT_EQUAL(kernel.supported_features, 1U << XENFEAT_dom0);
}

static void physical_addresses_count_from_paddr_offset(void)
{
	given_minimal_kernel();
	given_program(0, 1, TEXT_AT, 0xffffffff80100000, 0x2000, 0x2000);
	given_number(XEN_ELFNOTE_VIRT_BASE, LINUX_BASE);
	given_number(XEN_ELFNOTE_PADDR_OFFSET, LINUX_BASE);
	given_number(XEN_ELFNOTE_ENTRY, LINUX_BASE + 0x100000);
	CU_ASSERT(parse());
	CU_ASSERT_EQUAL(kernel.start, LINUX_BASE + 0x100000);
}

/* ---- placement ---- */

#define MIB(n) ((uint64_t)(n) << 20)
#define FRAMES(mib) (MIB(mib) >> PAGE_SHIFT)

static struct placement place;

/* False if it is refused. */
static bool choose(uint64_t frames, uint64_t initrd_bytes)
{
	bool died;

	FAKE_DIES(died, placement_choose(&kernel, frames, initrd_bytes, &place));
	return !died;
}

static uint64_t end_of(struct region region) { return region.va + region.pages * PAGE_SIZE; }

/* What "Start-of-day memory layout" promises. */
static void check_promises(uint64_t frames)
{
	CU_ASSERT_EQUAL(end_of(place.mapped) % MIB(4), 0);
	CU_ASSERT(end_of(place.mapped) - end_of(place.stack) >= 512 << 10);
	CU_ASSERT(place.tables.va == place.start_info.va + PAGE_SIZE);
	CU_ASSERT(end_of(place.stack) == end_of(place.tables) + PAGE_SIZE);
	CU_ASSERT_EQUAL(place.stack.pfn * PAGE_SIZE, place.stack.va - place.mapped.va);
	CU_ASSERT(place.frames_needed <= frames);
	CU_ASSERT(place.p2m.pages * PAGE_SIZE >= frames * 8);
	CU_ASSERT_EQUAL(place.start_info.va % PAGE_SIZE, 0);
}

static void linux_is_placed_as_the_abi_has_it(void)
{
	given_linux(false);
	CU_ASSERT(parse());
	CU_ASSERT(choose(FRAMES(512), MIB(30) + 1));
	check_promises(FRAMES(512));
	CU_ASSERT_EQUAL(place.mapped.va, LINUX_BASE);
	CU_ASSERT_EQUAL(place.mapped.pfn, 0);
	CU_ASSERT_EQUAL(place.start_info.va, kernel.end);
	CU_ASSERT_EQUAL(place.tables.pages, 1 + 1 + 1 + place.mapped.pages / 512);
	CU_ASSERT_EQUAL(place.p2m.va, 0x8000000000);
	CU_ASSERT_EQUAL(place.p2m.pfn, place.mapped.pages);
	CU_ASSERT_EQUAL(place.p2m.pages, 256);
	CU_ASSERT_EQUAL(place.p2m_tables, 3);
	CU_ASSERT_EQUAL(place.initrd.va, 0);
	CU_ASSERT_EQUAL(place.initrd.pfn, place.p2m.pfn + 256 + 3);
	CU_ASSERT_EQUAL(place.frames_needed, place.initrd.pfn + FRAMES(30) + 1);
}

static void a_minimal_kernel_has_all_in_one_piece(void)
{
	given_minimal_kernel();
	CU_ASSERT(parse());
	CU_ASSERT(choose(FRAMES(64), 5000));
	check_promises(FRAMES(64));
	CU_ASSERT_EQUAL(place.mapped.va, 0);
	CU_ASSERT_EQUAL(place.initrd.va, kernel.end);
	CU_ASSERT_EQUAL(place.p2m.va, kernel.end + 2 * PAGE_SIZE);
	CU_ASSERT_EQUAL(place.p2m.pfn, place.p2m.va >> PAGE_SHIFT);
	CU_ASSERT_EQUAL(place.start_info.va, end_of(place.p2m));
	CU_ASSERT_EQUAL(place.p2m_tables, 0);
	CU_ASSERT_EQUAL(place.frames_needed, place.mapped.pages);
}

static void the_layout_holds_at_every_size(void)
{
	for (uint64_t mib = 16; mib < 70000; mib += 1 + mib / 7) {
		given_minimal_kernel();
		CU_ASSERT(parse());
		CU_ASSERT(choose(FRAMES(mib) + mib % 513, 0));
		check_promises(FRAMES(mib));
		given_linux(true);
		CU_ASSERT(parse());
		CU_ASSERT(choose(FRAMES(mib) + mib % 513, MIB(1)));
		check_promises(FRAMES(mib));
	}
}

static void too_little_memory_says_how_much_is_needed(void)
{
	given_linux(false);
	CU_ASSERT(parse());
	CU_ASSERT(!choose(FRAMES(32), MIB(30)));
	CU_ASSERT(strstr(fake.log, "too little memory") != NULL);
	CU_ASSERT(!choose(0, 0));
}

static void places_that_are_the_cores_are_refused(void)
{
	static const uint64_t bases[] = { 0xffff800000000000, 0xffff87ffff800000, 0x00007ffffff00000,
					  0x0000900000000000, 0xffffffffffc00000 };
	static const uint64_t lists[] = { 0xffff800000000000, 0x8000000008, 0x0000800000000000,
					  LINUX_BASE, LINUX_BASE + 0x200000, 0xfffffffffffff000 };

	for (uint32_t i = 0; i < ARRAY_SIZE(bases); i++) {
		given_linux(false);
		CU_ASSERT(parse());
		kernel.virt_base = bases[i];
		kernel.end = bases[i] + 0x103000;
		CU_ASSERT(!choose(FRAMES(64), 0));
	}
	for (uint32_t i = 0; i < ARRAY_SIZE(lists); i++) {
		given_linux(false);
		CU_ASSERT(parse());
		kernel.init_p2m = lists[i];
		CU_ASSERT(!choose(FRAMES(1024), 0));
	}
}

/* ---- dom0_mem= ---- */

static uint64_t frames, most;

static bool size_is_read(const char *text, uint64_t free)
{
	return dom0_memory_choose(text, free, &frames, &most);
}

static void sizes_that_cannot_be_read_are_refused(void)
{
	static const char *const texts[] = { "", "M", "12Q", "1G,", "1G 2G", "min:", "--1G", "99999999999999",
					     "4294967296t", "max:1G,min" };

	for (uint32_t i = 0; i < ARRAY_SIZE(texts); i++)
		CU_ASSERT(!size_is_read(texts[i], FRAMES(1024)));
}

static void sizes_have_a_floor_and_a_ceiling(void)
{
	static const char text[] = "-1G,min:256m,max:2048M";

	CU_ASSERT(size_is_read(text, FRAMES(1100)));
	CU_ASSERT_EQUAL(frames, FRAMES(256));
	CU_ASSERT(size_is_read(text, FRAMES(2048)));
	CU_ASSERT_EQUAL(frames, FRAMES(1024));
	CU_ASSERT(size_is_read(text, FRAMES(8192)));
	CU_ASSERT_EQUAL(frames, FRAMES(2048));
	CU_ASSERT_EQUAL(most, FRAMES(2048));
	CU_ASSERT(size_is_read("524288", FRAMES(1000)));
	CU_ASSERT_EQUAL(frames, FRAMES(512));
	CU_ASSERT(size_is_read("0x80000", FRAMES(1000)));
	CU_ASSERT_EQUAL(frames, FRAMES(512));
	CU_ASSERT(size_is_read("64G", FRAMES(100)));
	CU_ASSERT_EQUAL(frames, FRAMES(100));
	CU_ASSERT_EQUAL(most, FRAMES(100));
	CU_ASSERT(size_is_read("100m,max:1g", FRAMES(2000)));
	CU_ASSERT_EQUAL(frames, FRAMES(100));
	CU_ASSERT_EQUAL(most, FRAMES(1024));
}

static void without_a_size_the_core_keeps_a_sixteenth(void)
{
	CU_ASSERT(size_is_read(NULL, FRAMES(1024)));
	CU_ASSERT_EQUAL(frames, FRAMES(960));
	CU_ASSERT_EQUAL(most, frames);
	CU_ASSERT(size_is_read(NULL, FRAMES(65536)));
	CU_ASSERT_EQUAL(frames, FRAMES(65536 - 128));
}

static const struct unit_case cases[] = {
	UNIT_CASE(an_empty_file_is_refused),
	UNIT_CASE(a_file_that_is_no_elf_is_refused),
	UNIT_CASE(a_compressed_kernel_is_named),
	UNIT_CASE(another_class_or_machine_is_refused),
	UNIT_CASE(every_truncation_is_refused),
	UNIT_CASE(program_headers_behind_the_end_are_refused),
	UNIT_CASE(a_segment_that_wraps_is_refused),
	UNIT_CASE(a_segment_with_more_in_the_file_than_in_memory_is_refused),
	UNIT_CASE(too_many_segments_are_refused),
	UNIT_CASE(a_file_without_notes_is_no_xen_kernel),
	UNIT_CASE(an_unknown_note_is_named),
	UNIT_CASE(a_note_that_runs_past_the_end_is_refused),
	UNIT_CASE(a_number_of_another_size_is_refused),
	UNIT_CASE(a_feature_that_is_not_offered_and_required_is_named),
	UNIT_CASE(other_versions_are_refused),
	UNIT_CASE(addresses_outside_of_the_image_are_refused),
	UNIT_CASE(random_damage_is_survived),
	UNIT_CASE(notes_of_linux_6_1_are_understood),
	UNIT_CASE(notes_of_linux_6_12_are_understood),
	UNIT_CASE(a_minimal_kernel_gets_the_defaults),
	UNIT_CASE(features_have_both_forms),
	UNIT_CASE(physical_addresses_count_from_paddr_offset),
	UNIT_CASE(linux_is_placed_as_the_abi_has_it),
	UNIT_CASE(a_minimal_kernel_has_all_in_one_piece),
	UNIT_CASE(the_layout_holds_at_every_size),
	UNIT_CASE(too_little_memory_says_how_much_is_needed),
	UNIT_CASE(places_that_are_the_cores_are_refused),
	UNIT_CASE(sizes_that_cannot_be_read_are_refused),
	UNIT_CASE(sizes_have_a_floor_and_a_ceiling),
	UNIT_CASE(without_a_size_the_core_keeps_a_sixteenth),
};

int main(void)
{
	return unit_run("Domain-0's kernel", cases, ARRAY_SIZE(cases));
}
