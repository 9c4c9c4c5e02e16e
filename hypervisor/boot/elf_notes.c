/* SPDX-License-Identifier: MIT */
/* Notes in Xen's name: each type that there is, and what its value may be. */
#include "boot/elf.h"

#include <xen/elfnote.h>
#include <xen/features.h>
#include <xen/xen.h>

#include "include/errno.h"
#include "lib/string.h"

/* Newer than Debian 12's header: where a PVH kernel may be moved to. Nothing to a PV guest. */
#define NOTE_PHYS32_RELOC	19

struct note_header {
	uint32_t name_bytes, bytes, type;
};

/* By number: XENFEAT_*. 12 is ARM's. */
static const char *const feature_names[] = {
	[XENFEAT_writable_page_tables] = "writable_page_tables",
	[XENFEAT_writable_descriptor_tables] = "writable_descriptor_tables",
	[XENFEAT_auto_translated_physmap] = "auto_translated_physmap",
	[XENFEAT_supervisor_mode_kernel] = "supervisor_mode_kernel",
	[XENFEAT_pae_pgdir_above_4gb] = "pae_pgdir_above_4gb",
	[XENFEAT_mmu_pt_update_preserve_ad] = "mmu_pt_update_preserve_ad",
	[XENFEAT_highmem_assist] = "highmem_assist",
	[XENFEAT_gnttab_map_avail_bits] = "gnttab_map_avail_bits",
	[XENFEAT_hvm_callback_vector] = "hvm_callback_vector",
	[XENFEAT_hvm_safe_pvclock] = "hvm_safe_pvclock",
	[XENFEAT_hvm_pirqs] = "hvm_pirqs",
	[XENFEAT_dom0] = "dom0",
	[XENFEAT_memory_op_vnode_supported] = "memory_op_vnode_supported",
	[XENFEAT_ARM_SMCCC_supported] = "ARM_SMCCC_supported",
	[XENFEAT_linux_rsdp_unrestricted] = "linux_rsdp_unrestricted",
	[XENFEAT_not_direct_mapped] = "not_direct_mapped",
	[XENFEAT_direct_mapped] = "direct_mapped",
};

/* Those that a kernel may insist on. "Writable page tables" is what Linux calls being told by the core. */
#define FEATURES_OFFERED (1U << XENFEAT_writable_page_tables | 1U << XENFEAT_pae_pgdir_above_4gb |		\
			  1U << XENFEAT_mmu_pt_update_preserve_ad | 1U << XENFEAT_highmem_assist |		\
			  1U << XENFEAT_gnttab_map_avail_bits | 1U << XENFEAT_dom0 |				\
			  1U << XENFEAT_memory_op_vnode_supported | 1U << XENFEAT_linux_rsdp_unrestricted)

static bool names_feature(uint32_t number, const char *name, size_t length)
{
	const char *known = feature_names[number];

	return known && strlen(known) == length && !memcmp(known, name, length);
}

/* One feature of the list, its `!` already taken off. */
static int take_feature(struct elf_reader *reader, const char *name, size_t length, bool is_required)
{
	struct elf_kernel *kernel = reader->kernel;

	for (uint32_t i = 0; i < ARRAY_SIZE(feature_names); i++) {
		if (!names_feature(i, name, length))
			continue;
		kernel->features |= 1U << i;
		if (is_required)
			kernel->features_required |= 1U << i;
		if (is_required && !(FEATURES_OFFERED >> i & 1))
			return elf_refuse(reader, "it cannot be without the feature %s", feature_names[i]);
		return 0;
	}
	if (is_required)
		return elf_refuse(reader, "it cannot be without the feature %.*s, which is not known",
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

static int take_number(struct elf_reader *reader, uint32_t type, const uint8_t *value, uint32_t bytes,
		       uint64_t *number)
{
	*number = 0;
	if (bytes != 4 && bytes != 8)
		return elf_refuse(reader, "note %u is a number of %u bytes, not of 4 or 8", type, bytes);
	memcpy(number, value, bytes);
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

static int take_note_number(struct elf_reader *reader, uint32_t type, uint64_t number)
{
	struct elf_kernel *kernel = reader->kernel;

	switch (type) {
	case XEN_ELFNOTE_ENTRY:
		kernel->entry = number;
		return 0;
	case XEN_ELFNOTE_HYPERCALL_PAGE:
		kernel->hypercall_page = number;
		return 0;
	case XEN_ELFNOTE_VIRT_BASE:
		kernel->virt_base = number;
		return 0;
	case XEN_ELFNOTE_PADDR_OFFSET:
		kernel->paddr_offset = number;
		return 0;
	case XEN_ELFNOTE_INIT_P2M:
		kernel->init_p2m = number;
		return 0;
	case XEN_ELFNOTE_MOD_START_PFN:
		kernel->initrd_by_frame = number != 0;
		return 0;
	case XEN_ELFNOTE_SUPPORTED_FEATURES:
		kernel->features |= (uint32_t)number;
		kernel->names_features = true;
		return 0;
	case XEN_ELFNOTE_HV_START_LOW:
		if (number > HYPERVISOR_VIRT_START)
			return elf_refuse(reader, "it wants the core above 0x%lx, which starts at 0x%lx",
					  number, HYPERVISOR_VIRT_START);
		return 0;
	default:		/* SUSPEND_CANCEL */
		return 0;
	}
}

static int take_note(struct elf_reader *reader, uint32_t type, const uint8_t *value, uint32_t bytes)
{
	uint64_t number;
	int error;

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
		break;
	}
	if (type > XEN_ELFNOTE_MAX)
		return elf_refuse(reader, "it has a note of type %u (0x%x) in Xen's name, which is not known", type, type);
	error = take_number(reader, type, value, bytes, &number);
	return error ? error : take_note_number(reader, type, number);
}

int elf_read_notes(struct elf_reader *reader, uint64_t offset, uint64_t bytes, uint64_t alignment)
{
	const uint8_t *at = reader->file + offset;

	alignment = alignment == 8 ? 8 : 4;
	while (bytes >= sizeof(struct note_header)) {
		struct note_header note;
		uint64_t value_at, whole;
		int error = 0;

		memcpy(&note, at, sizeof(note));
		value_at = ROUND_UP(sizeof(note) + (uint64_t)note.name_bytes, alignment);
		whole = value_at + note.bytes;
		if (whole > bytes)
			return elf_refuse(reader, "a note of type %u runs past the end of the notes", note.type);
		if (note.name_bytes == 4 && !memcmp(at + sizeof(note), "Xen", 4))
			error = take_note(reader, note.type, at + value_at, note.bytes);
		if (error)
			return error;
		whole = MIN(ROUND_UP(whole, alignment), bytes);		/* the last need not be padded */
		at += whole;
		bytes -= whole;
	}
	return 0;
}
