/* SPDX-License-Identifier: MIT */
/* ELF headers and segments. Headers are copied out before they are judged: the file may lie at any address. */
#include "boot/elf.h"

#include <elf.h>
#include <stdarg.h>

#include <xen/xen.h>

#include "include/errno.h"
#include "lib/log.h"
#include "lib/string.h"

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

static int read_header(struct elf_reader *reader, Elf64_Ehdr *header)
{
	const uint8_t *file = reader->file;

	if (is_inside(reader, 0x202, 4) && !memcmp(file + 0x202, "HdrS", 4))
		return elf_refuse(reader, "it is a compressed kernel (bzImage): unpack it to its ELF first");
	if (reader->bytes < sizeof(*header))
		return elf_refuse(reader, "it is truncated: %lu bytes are not even an ELF header",
				  reader->bytes);
	memcpy(header, file, sizeof(*header));
	if (memcmp(header->e_ident, "\177ELF", 4))
		return elf_refuse(reader, "it is no ELF file");
	if (header->e_ident[EI_CLASS] != ELFCLASS64)
		return elf_refuse(reader, "it is an ELF of class %u: only 64-bit kernels run here",
				  header->e_ident[EI_CLASS]);
	if (header->e_ident[EI_DATA] != ELFDATA2LSB || header->e_machine != EM_X86_64)
		return elf_refuse(reader, "it is an ELF for machine %u, not for x86-64 (62)", header->e_machine);
	if (header->e_type != ET_EXEC && header->e_type != ET_DYN)
		return elf_refuse(reader, "it is an ELF of type %u, not an executable", header->e_type);
	if (header->e_phnum == 0 || header->e_phentsize != sizeof(Elf64_Phdr))
		return elf_refuse(reader, "it has no program headers that can be read");
	if (!is_inside(reader, header->e_phoff, header->e_phnum * sizeof(Elf64_Phdr)))
		return elf_refuse(reader, "it is truncated: its program headers lie behind its end");
	return 0;
}

static Elf64_Phdr program_at(const struct elf_reader *reader, const Elf64_Ehdr *header, uint32_t i)
{
	Elf64_Phdr program;

	memcpy(&program, reader->file + header->e_phoff + i * sizeof(program), sizeof(program));
	return program;
}

static int check_programs(struct elf_reader *reader, const Elf64_Ehdr *header)
{
	for (uint32_t i = 0; i < header->e_phnum; i++) {
		Elf64_Phdr program = program_at(reader, header, i);

		if (program.p_type != PT_LOAD && program.p_type != PT_NOTE)
			continue;
		if (!is_inside(reader, program.p_offset, program.p_filesz))
			return elf_refuse(reader, "it is truncated: segment %u ends behind the file's %lu bytes",
					  i, reader->bytes);
		if (program.p_type == PT_LOAD && program.p_memsz < program.p_filesz)
			return elf_refuse(reader, "segment %u has more in the file than in memory", i);
	}
	return 0;
}

/* ---- notes: in PT_NOTE, or else in sections ---- */

static int read_program_notes(struct elf_reader *reader, const Elf64_Ehdr *header)
{
	for (uint32_t i = 0; i < header->e_phnum; i++) {
		Elf64_Phdr program = program_at(reader, header, i);
		int error = 0;

		if (program.p_type == PT_NOTE)
			error = elf_read_notes(reader, program.p_offset, program.p_filesz, program.p_align);
		if (error)
			return error;
	}
	return 0;
}

static int read_section_notes(struct elf_reader *reader, const Elf64_Ehdr *header)
{
	if (header->e_shentsize != sizeof(Elf64_Shdr) ||
	    !is_inside(reader, header->e_shoff, header->e_shnum * sizeof(Elf64_Shdr)))
		return 0;
	for (uint32_t i = 0; i < header->e_shnum; i++) {
		Elf64_Shdr section;
		int error = 0;

		memcpy(&section, reader->file + header->e_shoff + i * sizeof(section), sizeof(section));
		if (section.sh_type != SHT_NOTE)
			continue;
		if (!is_inside(reader, section.sh_offset, section.sh_size))
			return elf_refuse(reader, "it is truncated: section %u lies behind its end", i);
		error = elf_read_notes(reader, section.sh_offset, section.sh_size, section.sh_addralign);
		if (error)
			return error;
	}
	return 0;
}

static int read_notes(struct elf_reader *reader, const Elf64_Ehdr *header)
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

static int add_segment(struct elf_reader *reader, uint32_t i, const Elf64_Phdr *program)
{
	struct elf_kernel *kernel = reader->kernel;
	uint64_t offset = program->p_paddr - kernel->paddr_offset;
	uint64_t va = kernel->virt_base + offset;

	if (kernel->segment_count == ELF_SEGMENTS_MAX)
		return elf_refuse(reader, "it has more than %u segments to load", ELF_SEGMENTS_MAX);
	if (offset >= ELF_IMAGE_MAX || program->p_memsz >= ELF_IMAGE_MAX ||
	    va < kernel->virt_base || va + program->p_memsz + PAGE_SIZE < va)
		return elf_refuse(reader, "segment %u (physical address 0x%lx, PADDR_OFFSET 0x%lx, 0x%lx bytes) "
				  "does not fit above VIRT_BASE 0x%lx", i, program->p_paddr,
				  kernel->paddr_offset,
				  program->p_memsz, kernel->virt_base);
	if (overlaps(kernel, va, program->p_memsz))
		return elf_refuse(reader, "segment %u overlaps another", i);

	kernel->segment[kernel->segment_count++] = (struct elf_segment){
		va, program->p_offset, program->p_filesz, program->p_memsz };
	kernel->start = MIN(kernel->start, va);
	kernel->end = MAX(kernel->end, ROUND_UP(va + program->p_memsz, PAGE_SIZE));
	return 0;
}

static int read_segments(struct elf_reader *reader, const Elf64_Ehdr *header)
{
	struct elf_kernel *kernel = reader->kernel;

	kernel->start = UINT64_MAX;
	for (uint32_t i = 0; i < header->e_phnum; i++) {
		Elf64_Phdr program = program_at(reader, header, i);
		int error = 0;

		if (program.p_type == PT_LOAD && program.p_memsz)
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

	if (kernel->core_above > HYPERVISOR_VIRT_START)
		return elf_refuse(reader, "it wants the core above 0x%lx, which starts at 0x%lx",
				  kernel->core_above, HYPERVISOR_VIRT_START);
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
	Elf64_Ehdr header;
	int error;

	memset(kernel, 0, sizeof(*kernel));
	kernel->hypercall_page = ELF_ADDRESS_NONE;
	kernel->init_p2m = ELF_ADDRESS_NONE;

	error = read_header(&reader, &header);
	if (!error)
		error = check_programs(&reader, &header);
	if (error)
		return error;

	/* The notes say where segments go, so they come first. */
	kernel->entry = header.e_entry;
	error = read_notes(&reader, &header);
	if (!error)
		error = read_segments(&reader, &header);
	if (!error)
		error = check_addresses(&reader);
	return error;
}
