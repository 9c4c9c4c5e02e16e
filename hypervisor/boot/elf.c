/* SPDX-License-Identifier: MIT */
/* ELF headers, notes and segments. They are copied out before they are judged: they may lie at any address. */
#include "boot/elf.h"

#include <elf.h>

#include <xen/elfnote.h>
#include <xen/features.h>

#define ELF_IMAGE_MAX		(1ULL << 36)	/* more than any machine would load */
/* Newer than Debian 12's header: where a PVH kernel may be moved to. Nothing to a PV guest. */
#define NOTE_PHYS32_RELOC	19

#define refuse(why, ...) refuse_to_run("Domain-0: module 1 cannot be its kernel: " why, ##__VA_ARGS__)

static bool is_inside(uint64_t offset, uint64_t bytes, uint64_t file_bytes) { return offset <= file_bytes && bytes <= file_bytes - offset; }

static void read_header(const uint8_t *file, uint64_t bytes, Elf64_Ehdr *header)
{
	if (is_inside(0x202, 4, bytes) && !memcmp(file + 0x202, "HdrS", 4))
		refuse("it is a compressed kernel (bzImage): unpack it to its ELF first");
	if (bytes < sizeof(*header))
		refuse("it is truncated: %lu bytes are not even an ELF header", bytes);
	memcpy(header, file, sizeof(*header));
	if (memcmp(header->e_ident, ELFMAG, SELFMAG))
		refuse("it is no ELF file");
	if (header->e_ident[EI_CLASS] != ELFCLASS64 || header->e_machine != EM_X86_64)
		refuse("it is an ELF of class %u for machine %u, not a 64-bit one (2) for x86-64 (62)",
		       header->e_ident[EI_CLASS], header->e_machine);
	if (header->e_phentsize != sizeof(Elf64_Phdr) ||
	    !is_inside(header->e_phoff, header->e_phnum * sizeof(Elf64_Phdr), bytes))
		refuse("it is truncated: its program headers lie behind its end");
}

/* ---- notes ---- */

/* Is it one of the features that a kernel may insist on? Others it may name, but not be without. */
static bool is_offered(const char *name, size_t length)
{
	/* The first is what Linux calls being told by the core when it writes where it must not. */
	static const char *const offered[] = {
		"writable_page_tables", "pae_pgdir_above_4gb", "mmu_pt_update_preserve_ad", "highmem_assist",
		"gnttab_map_avail_bits", "dom0", "memory_op_vnode_supported", "linux_rsdp_unrestricted",
	};

	for (size_t i = 0; i < ARRAY_SIZE(offered); i++)
		if (strlen(offered[i]) == length && !memcmp(offered[i], name, length))
			return true;
	return false;
}

/* `name|!name|name`; the last may end in NUL or not. */
static void check_features(const char *text, size_t bytes)
{
	size_t end;

	for (size_t at = 0; at < bytes && text[at]; at = end + (end < bytes && text[end] == '|')) {
		const char *name = text + at + 1;

		for (end = at; end < bytes && text[end] && text[end] != '|';)
			end++;
		if (text[at] == '!' && !is_offered(name, end - at - 1))
			refuse("it cannot be without the feature %.*s", (int)MIN(end - at - 1, (size_t)64), name);
	}
}

static void take_note(struct elf_kernel *kernel, uint32_t type, const uint8_t *value, uint32_t bytes)
{
	/* Where the number of a note goes; one that has no place means nothing here, or is no number. */
	static const uint8_t place[] = {
		[XEN_ELFNOTE_ENTRY] = offsetof(struct elf_kernel, entry),
		[XEN_ELFNOTE_HYPERCALL_PAGE] = offsetof(struct elf_kernel, hypercall_page),
		[XEN_ELFNOTE_VIRT_BASE] = offsetof(struct elf_kernel, virt_base),
		[XEN_ELFNOTE_PADDR_OFFSET] = offsetof(struct elf_kernel, paddr_offset),
		[XEN_ELFNOTE_INIT_P2M] = offsetof(struct elf_kernel, init_p2m),
		[XEN_ELFNOTE_MOD_START_PFN] = offsetof(struct elf_kernel, initrd_by_frame),
		[XEN_ELFNOTE_SUPPORTED_FEATURES] = offsetof(struct elf_kernel, supported_features),
		[NOTE_PHYS32_RELOC] = 0,
	};
	uint64_t number = 0;

	kernel->has_notes = true;
	if (type >= ARRAY_SIZE(place))
		refuse("it has a note of type %u (0x%x) in Xen's name, which is not known", type, type);
	if (type == XEN_ELFNOTE_XEN_VERSION && (bytes < 7 || memcmp(value, "xen-3.0", 7)))
		refuse("its XEN_VERSION is not xen-3.0");
	if (type == XEN_ELFNOTE_FEATURES)
		check_features((const char *)value, bytes);
	if (!place[type])
		return;
	if (bytes != 4 && bytes != 8)
		refuse("note %u is a number of %u bytes, not of 4 or 8", type, bytes);
	memcpy(&number, value, bytes);
	memcpy((char *)kernel + place[type], &number, sizeof(number));
}

/* `bytes` bytes of notes, which have been checked to lie inside the file. */
static void read_notes(struct elf_kernel *kernel, const uint8_t *at, uint64_t bytes, uint64_t alignment)
{
	Elf64_Nhdr note;
	uint64_t value_at, whole;

	alignment = alignment == 8 ? 8 : 4;
	for (; bytes >= sizeof(note); at += whole, bytes -= whole) {
		memcpy(&note, at, sizeof(note));
		value_at = ROUND_UP(sizeof(note) + (uint64_t)note.n_namesz, alignment);
		whole = value_at + note.n_descsz;
		if (whole > bytes)
			refuse("a note of type %u runs past the end of the notes", note.n_type);
		if (note.n_namesz == 4 && !memcmp(at + sizeof(note), "Xen", 4))
			take_note(kernel, note.n_type, at + value_at, note.n_descsz);
		whole = MIN(ROUND_UP(whole, alignment), bytes);		/* the last need not be padded */
	}
}

/* ---- segments ---- */

static void add_segment(struct elf_kernel *kernel, uint32_t i, const Elf64_Phdr *program)
{
	uint64_t offset = program->p_paddr - kernel->paddr_offset, va = kernel->virt_base + offset;
	uint64_t bytes = program->p_memsz, end = va + bytes;

	if (kernel->segment_count == ELF_SEGMENTS_MAX)
		refuse("it has more than %u segments to load", ELF_SEGMENTS_MAX);
	if (offset >= ELF_IMAGE_MAX || bytes >= ELF_IMAGE_MAX || program->p_filesz > bytes ||
	    va < kernel->virt_base || end + PAGE_SIZE < va)
		refuse("segment %u, 0x%lx bytes at 0x%lx, does not fit above VIRT_BASE 0x%lx", i, bytes,
		       program->p_paddr, kernel->virt_base);

	kernel->segment[kernel->segment_count++] =
		(struct elf_segment){ va, program->p_offset, program->p_filesz };
	kernel->start = MIN(kernel->start, va);
	kernel->end = MAX(kernel->end, ROUND_UP(end, PAGE_SIZE));
}

static void check_addresses(const struct elf_kernel *kernel)
{
	uint64_t page = kernel->hypercall_page;

	if (kernel->virt_base % PAGE_SIZE || kernel->entry < kernel->start || kernel->entry >= kernel->end)
		refuse("its entry 0x%lx lies outside of what it loads at VIRT_BASE 0x%lx", kernel->entry,
		       kernel->virt_base);
	if (page != ELF_ADDRESS_NONE && (page % PAGE_SIZE || page < kernel->start || page >= kernel->end))
		refuse("HYPERCALL_PAGE 0x%lx is no page of what it loads", page);
}

void elf_parse(const uint8_t *file, uint64_t bytes, struct elf_kernel *kernel)
{
	Elf64_Ehdr header;
	Elf64_Phdr program;

	read_header(file, bytes, &header);
	*kernel = (struct elf_kernel){ .entry = header.e_entry, .hypercall_page = ELF_ADDRESS_NONE,
				       .init_p2m = ELF_ADDRESS_NONE, .start = UINT64_MAX };
	/* The notes say where segments go, so they come first. */
	for (uint32_t i = 0; i < header.e_phnum; i++) {
		memcpy(&program, file + header.e_phoff + i * sizeof(program), sizeof(program));
		if (program.p_type != PT_LOAD && program.p_type != PT_NOTE)
			continue;
		if (!is_inside(program.p_offset, program.p_filesz, bytes))
			refuse("it is truncated: segment %u ends behind the file's %lu bytes", i, bytes);
		if (program.p_type == PT_NOTE)
			read_notes(kernel, file + program.p_offset, program.p_filesz, program.p_align);
	}
	if (!kernel->has_notes)
		refuse("it has no note in Xen's name: it is no Xen PV kernel");
	for (uint32_t i = 0; i < header.e_phnum; i++) {
		memcpy(&program, file + header.e_phoff + i * sizeof(program), sizeof(program));
		if (program.p_type == PT_LOAD && program.p_memsz)
			add_segment(kernel, i, &program);
	}
	check_addresses(kernel);
	if (kernel->supported_features && !(kernel->supported_features & 1U << XENFEAT_dom0))
		refuse("it says that it can only be another domain's (no feature dom0)");
}
