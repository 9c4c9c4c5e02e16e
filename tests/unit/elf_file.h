/* SPDX-License-Identifier: MIT */
/* A kernel file, made to measure, for tests: given_elf() or one of the kernels, then what is to be changed. */
#ifndef SKINK_ELF_FILE_H
#define SKINK_ELF_FILE_H

#include "include/types.h"

#include <string.h>

#include <xen/elfnote.h>
#include <xen/xen.h>

#define NOTES_AT	0x400U
#define TEXT_AT		0x1000U
#define FILE_BYTES	0x3000U
#define LINUX_BASE	0xffffffff80000000ULL

static uint8_t file[FILE_BYTES];
static uint32_t file_bytes, notes_bytes;

static inline void put(uint32_t offset, uint64_t value, size_t bytes)
{
	memcpy(file + offset, &value, bytes);
}

/* Program header `i`. */
static inline void given_program(uint32_t i, uint32_t type, uint64_t offset, uint64_t pa, uint64_t in_file, uint64_t in_memory)
{
	uint32_t at = 64 + 56 * i;

	put(at, type, 4);
	put(at + 8, offset, 8);
	put(at + 16, pa, 8);		/* p_vaddr: not looked at */
	put(at + 24, pa, 8);
	put(at + 32, in_file, 8);
	put(at + 40, in_memory, 8);
	put(at + 48, 4, 8);
}

static inline void given_notes_end_here(void)
{
	given_program(1, 4, NOTES_AT, 0x100000 + NOTES_AT, notes_bytes, notes_bytes);
}

static inline void given_note_named(const char *name, uint32_t type, const void *value, uint32_t bytes)
{
	uint32_t at = NOTES_AT + notes_bytes, name_bytes = (uint32_t)strlen(name) + 1;

	put(at, name_bytes, 4);
	put(at + 4, bytes, 4);
	put(at + 8, type, 4);
	memcpy(file + at + 12, name, name_bytes);
	memcpy(file + at + 12 + ROUND_UP(name_bytes, 4), value, bytes);
	notes_bytes += 12 + ROUND_UP(name_bytes, 4) + ROUND_UP(bytes, 4);
	given_notes_end_here();
}

static inline void given_number(uint32_t type, uint64_t value)
{
	given_note_named("Xen", type, &value, 8);
}

static inline void given_number32(uint32_t type, uint32_t value)
{
	given_note_named("Xen", type, &value, 4);
}

static inline void given_text(uint32_t type, const char *text)
{
	given_note_named("Xen", type, text, (uint32_t)strlen(text) + 1);
}

/* One segment of two pages and a bit at physical 1 MiB; no notes yet. */
static inline void given_elf(void)
{
	memset(file, 0, sizeof(file));
	file_bytes = FILE_BYTES;
	notes_bytes = 0;
	memcpy(file, "\177ELF\2\1\1", 7);
	put(16, 2, 2);			/* type, machine, version */
	put(18, 62, 2);
	put(20, 1, 4);
	put(24, 0x100010, 8);		/* entry */
	put(32, 64, 8);			/* program headers: offset, size, count */
	put(52, 64, 2);
	put(54, 56, 2);
	put(56, 2, 2);
	put(58, 64, 2);			/* a section header's size */
	given_program(0, 1, TEXT_AT, 0x100000, 0x2000, 0x2345);
	given_notes_end_here();
}

/* No ENTRY, no VIRT_BASE, no INIT_P2M. */
static inline void given_minimal_kernel(void)
{
	given_elf();
	given_text(XEN_ELFNOTE_XEN_VERSION, "xen-3.0");
	given_text(XEN_ELFNOTE_GUEST_OS, "tiny");
}

/* As Linux 6.1 has them, in its order; 6.12 ends with one more. */
static inline void given_linux(bool is_6_12)
{
	static const uint64_t present[2] = { 1, 1 }, relocation[3] = { 0x200000, 0xffffffff, 0x200000 };

	given_elf();
	given_text(XEN_ELFNOTE_GUEST_OS, "linux");
	given_text(XEN_ELFNOTE_GUEST_VERSION, "2.6");
	given_text(XEN_ELFNOTE_XEN_VERSION, "xen-3.0");
	given_number(XEN_ELFNOTE_VIRT_BASE, LINUX_BASE);
	given_number(XEN_ELFNOTE_INIT_P2M, 0x8000000000);
	given_number(XEN_ELFNOTE_ENTRY, LINUX_BASE + 0x100020);
	if (!is_6_12)
		given_number(XEN_ELFNOTE_HYPERCALL_PAGE, LINUX_BASE + 0x101000);
	given_note_named("Xen", XEN_ELFNOTE_FEATURES, "!writable_page_tables|pae_pgdir_above_4gb", 41);
	given_number32(XEN_ELFNOTE_SUPPORTED_FEATURES, 0x8801);
	given_text(XEN_ELFNOTE_PAE_MODE, "yes");
	given_text(XEN_ELFNOTE_LOADER, "generic");
	given_note_named("Xen", XEN_ELFNOTE_L1_MFN_VALID, present, 16);
	given_number32(XEN_ELFNOTE_SUSPEND_CANCEL, 1);
	given_number32(XEN_ELFNOTE_MOD_START_PFN, 1);
	given_number(XEN_ELFNOTE_HV_START_LOW, HYPERVISOR_VIRT_START);
	given_number(XEN_ELFNOTE_PADDR_OFFSET, 0);
	given_note_named("GNU", 3, "twenty bytes of hash", 20);
	given_note_named("Linux", 0x101, "6", 2);
	given_number(XEN_ELFNOTE_PHYS32_ENTRY, 0x1000850);
	if (is_6_12)
		given_note_named("Xen", 19, relocation, 24);
}

#endif
