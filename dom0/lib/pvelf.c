/* SPDX-License-Identifier: MIT */
/* Headers are copied out before they are judged: they may lie at any address. */
#include "lib/pvelf.h"

#include <elf.h>
#include <errno.h>
#include <string.h>

#include <xen/elfnote.h>
#include <xen/xen.h>

#include "lib/build.h"

#define IMAGE_MAX	(1ULL << 36)	/* more than any machine would load */

#define refuse(error, ...) build_refuse(error, BLAME_KERNEL, -ENOEXEC, __VA_ARGS__)

static bool is_inside(uint64_t offset, uint64_t bytes, uint64_t file_bytes)
{
	return offset <= file_bytes && bytes <= file_bytes - offset;
}

static int read_header(const uint8_t *file, size_t bytes, Elf64_Ehdr *header, struct build_error *error)
{
	if (bytes < sizeof(*header))
		return refuse(error, "it is truncated: %zu bytes are not even an ELF header: copy it again", bytes);
	memcpy(header, file, sizeof(*header));
	if (header->e_ident[EI_CLASS] != ELFCLASS64 || header->e_machine != EM_X86_64)
		return refuse(error, "it is an ELF of class %u for machine %u: take a 64-bit kernel for x86-64 (amd64)",
			      header->e_ident[EI_CLASS], header->e_machine);
	if (header->e_phentsize != sizeof(Elf64_Phdr) ||
	    !is_inside(header->e_phoff, header->e_phnum * sizeof(Elf64_Phdr), bytes))
		return refuse(error, "it is truncated: its program headers lie behind its end: copy it again");
	return 0;
}

/* ---- notes ---- */

/* Is it one of the features that a kernel may insist on? Others it may name, but not be without. */
static bool is_offered(const char *name, size_t length)
{
	static const char *const offered[] = {
		"writable_page_tables", "pae_pgdir_above_4gb", "mmu_pt_update_preserve_ad", "highmem_assist",
		"gnttab_map_avail_bits", "memory_op_vnode_supported",
	};

	for (size_t i = 0; i < sizeof(offered) / sizeof(offered[0]); i++)
		if (strlen(offered[i]) == length && !memcmp(offered[i], name, length))
			return true;
	return false;
}

/* `name|!name|name`; the last may end in NUL or not. */
static int check_features(const char *text, size_t bytes, struct build_error *error)
{
	size_t end;

	for (size_t at = 0; at < bytes && text[at]; at = end + (end < bytes && text[end] == '|')) {
		for (end = at; end < bytes && text[end] && text[end] != '|';)
			end++;
		if (text[at] == '!' && !is_offered(text + at + 1, end - at - 1))
			return refuse(error, "it cannot be without the feature '%.*s', which Skink does not have: take another "
				      "kernel", (int)(end - at - 1 < 64 ? end - at - 1 : 64), text + at + 1);
	}
	return 0;
}

static int take_note(struct pvelf *kernel, uint32_t type, const uint8_t *value, uint32_t bytes,
		     struct build_error *error)
{
	/* Where the number of a note goes; a note that has no place means nothing here, or is no number. */
	static const uint8_t place[] = {
		[XEN_ELFNOTE_ENTRY] = offsetof(struct pvelf, entry),
		[XEN_ELFNOTE_HYPERCALL_PAGE] = offsetof(struct pvelf, hypercall_page),
		[XEN_ELFNOTE_VIRT_BASE] = offsetof(struct pvelf, virt_base),
		[XEN_ELFNOTE_PADDR_OFFSET] = offsetof(struct pvelf, paddr_offset),
		[XEN_ELFNOTE_INIT_P2M] = offsetof(struct pvelf, init_p2m),
		[XEN_ELFNOTE_MOD_START_PFN] = offsetof(struct pvelf, initrd_by_frame),
	};
	/* `entry` is the structure's first member, so that 0 cannot say "none". */
	bool has_place = type == XEN_ELFNOTE_ENTRY || (type < sizeof(place) && place[type]);
	uint64_t number = 0;

	kernel->has_notes = true;
	kernel->has_pv_notes |= type != XEN_ELFNOTE_PHYS32_ENTRY;
	kernel->has_pvh_entry |= type == XEN_ELFNOTE_PHYS32_ENTRY;
	if (type == XEN_ELFNOTE_XEN_VERSION && (bytes < 7 || memcmp(value, "xen-3.0", 7)))
		return refuse(error, "its note XEN_VERSION is not xen-3.0: take another kernel");
	if (type == XEN_ELFNOTE_FEATURES)
		return check_features((const char *)value, bytes, error);
	if (!has_place)
		return 0;
	if (bytes != 4 && bytes != 8)
		return refuse(error, "note %u is a number of %u bytes, not of 4 or 8: take another kernel", type, bytes);
	memcpy(&number, value, bytes);
	memcpy((char *)kernel + place[type], &number, sizeof(number));
	return 0;
}

static uint64_t round_up(uint64_t value, uint64_t to)
{
	return (value + to - 1) / to * to;
}

/* `bytes` bytes of notes, which have been checked to lie inside the file. */
static int read_notes(struct pvelf *kernel, const uint8_t *at, uint64_t bytes, uint64_t alignment,
		      struct build_error *error)
{
	Elf64_Nhdr note;
	uint64_t value_at, whole;
	int result = 0;

	alignment = alignment == 8 ? 8 : 4;
	for (; bytes >= sizeof(note) && !result; at += whole, bytes -= whole) {
		memcpy(&note, at, sizeof(note));
		value_at = round_up(sizeof(note) + (uint64_t)note.n_namesz, alignment);
		whole = value_at + note.n_descsz;
		if (whole > bytes)
			return refuse(error, "a note of type %u runs past the end of the notes: copy it again", note.n_type);
		if (note.n_namesz == 6 && !memcmp(at + sizeof(note), "Skink", 6) && note.n_type == DRIVER_NOTE &&
		    note.n_descsz == sizeof(kernel->driver)) {
			memcpy(&kernel->driver, at + value_at, sizeof(kernel->driver));
			kernel->has_driver_note = true;
		}
		if (note.n_namesz == 4 && !memcmp(at + sizeof(note), "Xen", 4))
			result = take_note(kernel, note.n_type, at + value_at, note.n_descsz, error);
		whole = round_up(whole, alignment) < bytes ? round_up(whole, alignment) : bytes;
	}
	return result;
}

/* ---- segments ---- */

static int add_segment(struct pvelf *kernel, uint32_t i, const Elf64_Phdr *program, struct build_error *error)
{
	uint64_t offset = program->p_paddr - kernel->paddr_offset, va = kernel->virt_base + offset;
	uint64_t bytes = program->p_memsz, end = va + bytes;

	if (kernel->segment_count == PVELF_SEGMENTS_MAX)
		return refuse(error, "it has more than %u segments to load: take another kernel", PVELF_SEGMENTS_MAX);
	if (offset >= IMAGE_MAX || bytes >= IMAGE_MAX || program->p_filesz > bytes || va < kernel->virt_base ||
	    end + FRAME_BYTES < va)
		return refuse(error, "segment %u, 0x%lx bytes at 0x%lx, does not fit above VIRT_BASE 0x%lx: take another kernel",
			      i, bytes, program->p_paddr, kernel->virt_base);

	kernel->segment[kernel->segment_count++] =
		(struct pvelf_segment){ va, bytes, program->p_offset, program->p_filesz };
	va -= va % FRAME_BYTES;
	kernel->start = va < kernel->start ? va : kernel->start;
	end = round_up(end, FRAME_BYTES);
	kernel->end = end > kernel->end ? end : kernel->end;
	return 0;
}

static int check_whole(const struct pvelf *kernel, struct build_error *error)
{
	uint64_t page = kernel->hypercall_page;

	if (kernel->virt_base % FRAME_BYTES || kernel->entry < kernel->start || kernel->entry >= kernel->end)
		return refuse(error, "its entry 0x%lx lies outside of what it loads at VIRT_BASE 0x%lx: take another kernel",
			      kernel->entry, kernel->virt_base);
	if (page != PVELF_NONE && (page % FRAME_BYTES || page < kernel->start || page >= kernel->end))
		return refuse(error, "its HYPERCALL_PAGE 0x%lx is no page of what it loads: take another kernel", page);
	return 0;
}

/* ---- the whole ---- */

static Elf64_Phdr program_header(const uint8_t *file, const Elf64_Ehdr *header, uint32_t i)
{
	Elf64_Phdr program;

	memcpy(&program, file + header->e_phoff + i * sizeof(program), sizeof(program));
	return program;
}

/* The notes say where segments go, so they come first. */
static int parse_notes(const uint8_t *file, size_t bytes, const Elf64_Ehdr *header, struct pvelf *kernel,
		       struct build_error *error)
{
	int result = 0;

	for (uint32_t i = 0; i < header->e_phnum && !result; i++) {
		Elf64_Phdr program = program_header(file, header, i);

		if (program.p_type != PT_LOAD && program.p_type != PT_NOTE)
			continue;
		if (!is_inside(program.p_offset, program.p_filesz, bytes))
			return refuse(error, "it is truncated: segment %u ends behind the file's %zu bytes: copy it again", i, bytes);
		if (program.p_type == PT_NOTE)
			result = read_notes(kernel, file + program.p_offset, program.p_filesz, program.p_align, error);
	}
	if (result)
		return result;
	if (!kernel->has_notes)
		return refuse(error, "it has no note in Xen's name, so it is no Xen PV kernel: take one that is built with "
			      "CONFIG_XEN_PV (Debian's linux-image-amd64 is)");
	if (kernel->has_pvh_entry && !kernel->has_pv_notes)
		return refuse(error, "it is a kernel for PVH only: take one that is built with CONFIG_XEN_PV (Debian's "
			      "linux-image-amd64 is)");
	return 0;
}

int pvelf_parse(const uint8_t *file, size_t bytes, struct pvelf *kernel, struct build_error *error)
{
	Elf64_Ehdr header;
	int result = read_header(file, bytes, &header, error);

	if (result)
		return result;
	*kernel = (struct pvelf){ .entry = header.e_entry, .hypercall_page = PVELF_NONE, .init_p2m = PVELF_NONE,
				  .start = UINT64_MAX };
	result = parse_notes(file, bytes, &header, kernel, error);
	for (uint32_t i = 0; i < header.e_phnum && !result; i++) {
		Elf64_Phdr program = program_header(file, &header, i);

		if (program.p_type == PT_LOAD && program.p_memsz)
			result = add_segment(kernel, i, &program, error);
	}
	return result ? result : check_whole(kernel, error);
}
