/* SPDX-License-Identifier: MIT */
/* ELF headers and segments. Headers are copied out before they are judged: the file may lie at any address. */
#include "boot/elf.h"

#include <stdarg.h>

#include <xen/xen.h>

#include "include/errno.h"
#include "lib/log.h"
#include "lib/string.h"

struct elf_header {
	uint8_t identity[16];
	uint16_t type, machine;
	uint32_t version;
	uint64_t entry, program_offset, section_offset;
	uint32_t flags;
	uint16_t header_bytes, program_bytes, program_count, section_bytes, section_count, section_names;
};

struct elf_program {
	uint32_t type, flags;
	uint64_t offset, va, pa, file_bytes, memory_bytes, alignment;
};

struct elf_section {
	uint32_t name, type;
	uint64_t flags, address, offset, bytes;
	uint32_t link, info;
	uint64_t alignment, entry_bytes;
};

#define ELF_CLASS_64		2
#define ELF_LITTLE_ENDIAN	1
#define ELF_EXECUTABLE		2
#define ELF_SHARED		3
#define ELF_MACHINE_X86_64	62
#define ELF_PROGRAM_LOAD	1
#define ELF_PROGRAM_NOTE	4
#define ELF_SECTION_NOTE	7
#define ELF_IMAGE_MAX		(1ULL << 36)	/* more than any machine would load */

int elf_refuse(struct elf_reader *reader, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	format_string_list(reader->why, reader->room, format, arguments);
	va_end(arguments);
	return -ENOEXEC;
}

static bool is_inside(const struct elf_reader *reader, uint64_t offset, uint64_t bytes)
{
	return offset <= reader->bytes && bytes <= reader->bytes - offset;
}

static int read_header(struct elf_reader *reader, struct elf_header *header)
{
	const uint8_t *file = reader->file;

	if (is_inside(reader, 0x202, 4) && !memcmp(file + 0x202, "HdrS", 4))
		return elf_refuse(reader, "it is a compressed kernel (bzImage): unpack it to its ELF first");
	if (reader->bytes < sizeof(*header))
		return elf_refuse(reader, "it is truncated: %lu bytes are not even an ELF header",
				  reader->bytes);
	memcpy(header, file, sizeof(*header));
	if (memcmp(header->identity, "\177ELF", 4))
		return elf_refuse(reader, "it is no ELF file");
	if (header->identity[4] != ELF_CLASS_64)
		return elf_refuse(reader, "it is an ELF of class %u: only 64-bit kernels run here",
				  header->identity[4]);
	if (header->identity[5] != ELF_LITTLE_ENDIAN || header->machine != ELF_MACHINE_X86_64)
		return elf_refuse(reader, "it is an ELF for machine %u, not for x86-64 (62)", header->machine);
	if (header->type != ELF_EXECUTABLE && header->type != ELF_SHARED)
		return elf_refuse(reader, "it is an ELF of type %u, not an executable", header->type);
	return 0;
}

static int check_tables(struct elf_reader *reader, const struct elf_header *header)
{
	if (header->program_count == 0 || header->program_bytes != sizeof(struct elf_program))
		return elf_refuse(reader, "it has no program headers that can be read");
	if (!is_inside(reader, header->program_offset, header->program_count * sizeof(struct elf_program)))
		return elf_refuse(reader, "it is truncated: its program headers lie behind its end");
	return 0;
}

static struct elf_program program_at(const struct elf_reader *reader, const struct elf_header *header, uint32_t i)
{
	struct elf_program program;

	memcpy(&program, reader->file + header->program_offset + i * sizeof(program), sizeof(program));
	return program;
}

static int check_programs(struct elf_reader *reader, const struct elf_header *header)
{
	for (uint32_t i = 0; i < header->program_count; i++) {
		struct elf_program program = program_at(reader, header, i);

		if (program.type != ELF_PROGRAM_LOAD && program.type != ELF_PROGRAM_NOTE)
			continue;
		if (!is_inside(reader, program.offset, program.file_bytes))
			return elf_refuse(reader, "it is truncated: segment %u ends behind the file's %lu bytes",
					  i, reader->bytes);
		if (program.type == ELF_PROGRAM_LOAD && program.memory_bytes < program.file_bytes)
			return elf_refuse(reader, "segment %u has more in the file than in memory", i);
	}
	return 0;
}

/* ---- notes: in PT_NOTE, or else in sections ---- */

static int read_program_notes(struct elf_reader *reader, const struct elf_header *header)
{
	for (uint32_t i = 0; i < header->program_count; i++) {
		struct elf_program program = program_at(reader, header, i);
		int error = 0;

		if (program.type == ELF_PROGRAM_NOTE)
			error = elf_read_notes(reader, program.offset, program.file_bytes, program.alignment);
		if (error)
			return error;
	}
	return 0;
}

static int read_section_notes(struct elf_reader *reader, const struct elf_header *header)
{
	if (header->section_bytes != sizeof(struct elf_section) ||
	    !is_inside(reader, header->section_offset, header->section_count * sizeof(struct elf_section)))
		return 0;
	for (uint32_t i = 0; i < header->section_count; i++) {
		struct elf_section section;
		int error = 0;

		memcpy(&section, reader->file + header->section_offset + i * sizeof(section), sizeof(section));
		if (section.type != ELF_SECTION_NOTE)
			continue;
		if (!is_inside(reader, section.offset, section.bytes))
			return elf_refuse(reader, "it is truncated: section %u lies behind its end", i);
		error = elf_read_notes(reader, section.offset, section.bytes, section.alignment);
		if (error)
			return error;
	}
	return 0;
}

static int read_notes(struct elf_reader *reader, const struct elf_header *header)
{
	int error = read_program_notes(reader, header);

	if (!error && reader->xen_notes == 0)
		error = read_section_notes(reader, header);
	if (!error && reader->xen_notes == 0)
		error = elf_refuse(reader, "it has no note in Xen's name: it is no Xen PV kernel (or an older one "
					   "than ELF notes, with a __xen_guest section)");
	return error;
}

/* ---- segments ---- */

static bool overlaps(const struct elf_kernel *kernel, uint64_t va, uint64_t bytes)
{
	for (uint32_t i = 0; i < kernel->segment_count; i++) {
		const struct elf_segment *other = &kernel->segment[i];

		if (va < other->va + other->memory_bytes && other->va < va + bytes)
			return true;
	}
	return false;
}

static int add_segment(struct elf_reader *reader, uint32_t i, const struct elf_program *program)
{
	struct elf_kernel *kernel = reader->kernel;
	uint64_t offset = program->pa - kernel->paddr_offset;
	uint64_t va = kernel->virt_base + offset;

	if (kernel->segment_count == ELF_SEGMENTS_MAX)
		return elf_refuse(reader, "it has more than %u segments to load", ELF_SEGMENTS_MAX);
	if (offset >= ELF_IMAGE_MAX || program->memory_bytes >= ELF_IMAGE_MAX ||
	    va < kernel->virt_base || va + program->memory_bytes + PAGE_SIZE < va)
		return elf_refuse(reader, "segment %u (physical address 0x%lx, PADDR_OFFSET 0x%lx, 0x%lx bytes) "
				  "does not fit above VIRT_BASE 0x%lx", i, program->pa,
				  kernel->paddr_offset,
				  program->memory_bytes, kernel->virt_base);
	if (overlaps(kernel, va, program->memory_bytes))
		return elf_refuse(reader, "segment %u overlaps another", i);

	kernel->segment[kernel->segment_count++] = (struct elf_segment){
		va, program->offset, program->file_bytes, program->memory_bytes };
	kernel->start = MIN(kernel->start, va);
	kernel->end = MAX(kernel->end, ROUND_UP(va + program->memory_bytes, PAGE_SIZE));
	return 0;
}

static int read_segments(struct elf_reader *reader, const struct elf_header *header)
{
	struct elf_kernel *kernel = reader->kernel;

	kernel->start = UINT64_MAX;
	for (uint32_t i = 0; i < header->program_count; i++) {
		struct elf_program program = program_at(reader, header, i);
		int error = 0;

		if (program.type == ELF_PROGRAM_LOAD && program.memory_bytes)
			error = add_segment(reader, i, &program);
		if (error)
			return error;
	}
	if (kernel->segment_count == 0)
		return elf_refuse(reader, "it has nothing to load");
	return 0;
}

static int check_addresses(struct elf_reader *reader)
{
	const struct elf_kernel *kernel = reader->kernel;
	uint64_t page = kernel->hypercall_page;

	if (kernel->virt_base % PAGE_SIZE)
		return elf_refuse(reader, "VIRT_BASE 0x%lx is not a page's", kernel->virt_base);
	if (kernel->entry < kernel->start || kernel->entry >= kernel->end)
		return elf_refuse(reader, "its entry 0x%lx lies outside of what it loads",
				  kernel->entry);
	if (page != ELF_ADDRESS_NONE && (page % PAGE_SIZE || page < kernel->start || page >= kernel->end))
		return elf_refuse(reader, "HYPERCALL_PAGE 0x%lx is no page of what it loads",
				  page);
	return 0;
}

int elf_parse(const void *file, uint64_t bytes, struct elf_kernel *kernel, char *why, size_t room)
{
	struct elf_reader reader = { .file = file, .bytes = bytes, .kernel = kernel, .why = why, .room = room };
	struct elf_header header;
	int error;

	memset(kernel, 0, sizeof(*kernel));
	kernel->hypercall_page = ELF_ADDRESS_NONE;
	kernel->init_p2m = ELF_ADDRESS_NONE;

	error = read_header(&reader, &header);
	if (!error)
		error = check_tables(&reader, &header);
	if (!error)
		error = check_programs(&reader, &header);
	if (error)
		return error;

	/* The notes say where segments go, so they come first. */
	kernel->entry = header.entry;
	error = read_notes(&reader, &header);
	if (!error)
		error = read_segments(&reader, &header);
	if (!error)
		error = check_addresses(&reader);
	return error;
}
