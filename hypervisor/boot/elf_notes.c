/* SPDX-License-Identifier: MIT */
/* Notes in Xen's name: each type that there is, and what its value may be. */
#include "boot/elf.h"

#include <elf.h>

#include <xen/elfnote.h>
#include <xen/features.h>

#include "lib/string.h"

/* Newer than Debian 12's header: where a PVH kernel may be moved to. Nothing to a PV guest. */
#define NOTE_PHYS32_RELOC	19

/* The features that a kernel may insist on. Others it may name, but not be without. */
static const struct {
	uint8_t number;
	const char *name;
} features[] = {
	/* What Linux calls being told by the core when it writes where it must not. */
	{ XENFEAT_writable_page_tables, "writable_page_tables" },
	{ XENFEAT_pae_pgdir_above_4gb, "pae_pgdir_above_4gb" },
	{ XENFEAT_mmu_pt_update_preserve_ad, "mmu_pt_update_preserve_ad" },
	{ XENFEAT_highmem_assist, "highmem_assist" },
	{ XENFEAT_gnttab_map_avail_bits, "gnttab_map_avail_bits" },
	{ XENFEAT_dom0, "dom0" },
	{ XENFEAT_memory_op_vnode_supported, "memory_op_vnode_supported" },
	{ XENFEAT_linux_rsdp_unrestricted, "linux_rsdp_unrestricted" },
};

/* One feature of the list, its `!` already taken off. */
static int take_feature(struct elf_reader *reader, const char *name, size_t length, bool is_required)
{
	for (size_t i = 0; i < ARRAY_SIZE(features); i++) {
		if (strlen(features[i].name) == length && !memcmp(features[i].name, name, length)) {
			reader->kernel->features |= 1U << features[i].number;
			return 0;
		}
	}
	if (is_required)
		return elf_refuse(reader, "it cannot be without the feature %.*s",
				  (int)MIN(length, (size_t)64), name);
	return 0;
}

/* `name|!name|name`; the last may end in NUL or not. */
static int take_features(struct elf_reader *reader, const char *text, size_t bytes)
{
	size_t at = 0;

	while (at < bytes && text[at]) {
		bool is_required = text[at] == '!';
		size_t start = at + is_required, end = start;
		int error;

		while (end < bytes && text[end] && text[end] != '|')
			end++;
		error = take_feature(reader, text + start, end - start, is_required);
		if (error)
			return error;
		at = end + (end < bytes && text[end] == '|');
	}
	return 0;
}

/* For messages: cut, and without what a console would take for more than letters. */
static void take_text(char to[32], const uint8_t *value, uint32_t bytes)
{
	uint32_t i;

	for (i = 0; i < bytes && i < 31 && value[i]; i++)
		to[i] = value[i] >= ' ' && value[i] < 127 ? (char)value[i] : '?';
	to[i] = 0;
}

/* Where the number of a note goes; NULL: it is not a number, or none that is known. */
static uint64_t *place_of_number(struct elf_kernel *kernel, uint32_t type)
{
	static uint64_t not_used;

	switch (type) {
	case XEN_ELFNOTE_ENTRY:			return &kernel->entry;
	case XEN_ELFNOTE_HYPERCALL_PAGE:	return &kernel->hypercall_page;
	case XEN_ELFNOTE_VIRT_BASE:		return &kernel->virt_base;
	case XEN_ELFNOTE_PADDR_OFFSET:		return &kernel->paddr_offset;
	case XEN_ELFNOTE_INIT_P2M:		return &kernel->init_p2m;
	case XEN_ELFNOTE_MOD_START_PFN:		return &kernel->initrd_by_frame;
	case XEN_ELFNOTE_SUPPORTED_FEATURES:	return &kernel->supported_features;
	case XEN_ELFNOTE_HV_START_LOW:		return &kernel->core_above;
	case XEN_ELFNOTE_SUSPEND_CANCEL:	return &not_used;
	default:				return NULL;
	}
}

static int take_number(struct elf_reader *reader, uint32_t type, const uint8_t *value, uint32_t bytes)
{
	uint64_t *number = place_of_number(reader->kernel, type);

	if (!number)
		return elf_refuse(reader, "it has a note of type %u (0x%x) in Xen's name, which is not known", type, type);
	if (bytes != 4 && bytes != 8)
		return elf_refuse(reader, "note %u is a number of %u bytes, not of 4 or 8", type, bytes);
	*number = 0;
	memcpy(number, value, bytes);
	return 0;
}

static int take_note(struct elf_reader *reader, uint32_t type, const uint8_t *value, uint32_t bytes)
{
	reader->xen_notes++;
	switch (type) {
	case XEN_ELFNOTE_XEN_VERSION:
		if (bytes < 7 || memcmp(value, "xen-3.0", 7))
			return elf_refuse(reader, "its XEN_VERSION is not xen-3.0");
		return 0;
	case XEN_ELFNOTE_GUEST_OS:
		take_text(reader->kernel->guest_os, value, bytes);
		return 0;
	case XEN_ELFNOTE_GUEST_VERSION:
		take_text(reader->kernel->guest_version, value, bytes);
		return 0;
	case XEN_ELFNOTE_FEATURES:
		return take_features(reader, (const char *)value, bytes);
	case XEN_ELFNOTE_INFO:			/* these mean nothing here */
	case XEN_ELFNOTE_LOADER:
	case XEN_ELFNOTE_PAE_MODE:
	case XEN_ELFNOTE_BSD_SYMTAB:
	case XEN_ELFNOTE_L1_MFN_VALID:
	case XEN_ELFNOTE_PHYS32_ENTRY:
	case NOTE_PHYS32_RELOC:
		return 0;
	default:
		return take_number(reader, type, value, bytes);
	}
}

int elf_read_notes(struct elf_reader *reader, uint64_t offset, uint64_t bytes, uint64_t alignment)
{
	const uint8_t *at = reader->file + offset;

	alignment = alignment == 8 ? 8 : 4;
	while (bytes >= sizeof(Elf64_Nhdr)) {
		Elf64_Nhdr note;
		uint64_t value_at, whole;
		int error = 0;

		memcpy(&note, at, sizeof(note));
		value_at = ROUND_UP(sizeof(note) + (uint64_t)note.n_namesz, alignment);
		whole = value_at + note.n_descsz;
		if (whole > bytes)
			return elf_refuse(reader, "a note of type %u runs past the end of the notes", note.n_type);
		if (note.n_namesz == 4 && !memcmp(at + sizeof(note), "Xen", 4))
			error = take_note(reader, note.n_type, at + value_at, note.n_descsz);
		if (error)
			return error;
		whole = MIN(ROUND_UP(whole, alignment), bytes);		/* the last need not be padded */
		at += whole;
		bytes -= whole;
	}
	return 0;
}
