/* SPDX-License-Identifier: MIT */
#include "inject/image.h"

#include <elf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/file.h"

#define IMAGE_MAX (64UL << 20)

static bool is_inside(const struct image *image, uint64_t offset, uint64_t bytes)
{
	return offset <= image->file.count && bytes <= image->file.count - offset;
}

static bool header_of(const struct image *image, Elf64_Ehdr *header)
{
	if (image->file.count < sizeof(*header))
		return false;
	memcpy(header, image->file.at, sizeof(*header));
	return !memcmp(header->e_ident, ELFMAG, SELFMAG) && header->e_ident[EI_CLASS] == ELFCLASS64 &&
	       header->e_phentsize == sizeof(Elf64_Phdr) && header->e_shentsize == sizeof(Elf64_Shdr) &&
	       is_inside(image, header->e_phoff, header->e_phnum * sizeof(Elf64_Phdr)) &&
	       is_inside(image, header->e_shoff, header->e_shnum * sizeof(Elf64_Shdr));
}

static Elf64_Phdr program_of(const struct image *image, const Elf64_Ehdr *header, unsigned int i)
{
	Elf64_Phdr program;

	memcpy(&program, image->file.at + header->e_phoff + i * sizeof(program), sizeof(program));
	return program;
}

static void take_segments(struct image *image, const Elf64_Ehdr *header)
{
	for (unsigned int i = 0; i < header->e_phnum; i++) {
		Elf64_Phdr program = program_of(image, header, i);

		if (program.p_type != PT_LOAD)
			continue;
		if (program.p_flags & PF_X) {
			image->base = program.p_vaddr - program.p_paddr;
			image->text = program.p_vaddr;
			image->text_end = program.p_vaddr + program.p_memsz;
		} else if (program.p_flags & PF_W) {
			image->data = program.p_vaddr;
			image->data_end = program.p_vaddr + program.p_memsz;
		}
	}
}

static int by_address(const void *a, const void *b)
{
	const struct symbol *first = a, *second = b;

	return first->address < second->address ? -1 : first->address > second->address;
}

static void take_symbol(struct image *image, const Elf64_Sym *from, const Elf64_Shdr *names)
{
	unsigned int type = ELF64_ST_TYPE(from->st_info);

	if ((type != STT_FUNC && type != STT_OBJECT && type != STT_NOTYPE) || from->st_shndx == SHN_UNDEF ||
	    from->st_shndx >= SHN_LORESERVE || from->st_name >= names->sh_size)
		return;
	image->symbol[image->symbol_count++] = (struct symbol){ from->st_value, from->st_size,
		(const char *)image->file.at + names->sh_offset + from->st_name, type == STT_FUNC };
}

static bool take_symbols(struct image *image, const Elf64_Shdr *table, const Elf64_Shdr *names)
{
	size_t count = table->sh_size / sizeof(Elf64_Sym);
	Elf64_Sym one;

	if (!is_inside(image, table->sh_offset, table->sh_size) || !is_inside(image, names->sh_offset, names->sh_size) ||
	    !names->sh_size || image->file.at[names->sh_offset + names->sh_size - 1])
		return false;
	image->symbol = calloc(count + 1, sizeof(*image->symbol));
	if (!image->symbol)
		return false;
	for (size_t i = 0; i < count; i++) {
		memcpy(&one, image->file.at + table->sh_offset + i * sizeof(one), sizeof(one));
		take_symbol(image, &one, names);
	}
	qsort(image->symbol, image->symbol_count, sizeof(*image->symbol), by_address);
	return image->symbol_count > 0;
}

static Elf64_Shdr section_of(const struct image *image, const Elf64_Ehdr *header, unsigned int i)
{
	Elf64_Shdr section = { 0 };

	if (i < header->e_shnum)
		memcpy(&section, image->file.at + header->e_shoff + i * sizeof(section), sizeof(section));
	return section;
}

int image_open(struct image *image, const char *path)
{
	struct build_error error;
	Elf64_Ehdr header;
	int result;

	*image = (struct image){ 0 };
	result = file_read_all(path, IMAGE_MAX, BLAME_KERNEL, &image->file, &error);
	if (result)
		return result;
	if (header_of(image, &header)) {
		take_segments(image, &header);
		for (unsigned int i = 0; i < header.e_shnum; i++) {
			Elf64_Shdr table = section_of(image, &header, i), names = section_of(image, &header, table.sh_link);

			if (table.sh_type == SHT_SYMTAB && take_symbols(image, &table, &names))
				return 0;
		}
	}
	image_close(image);
	return -ENOEXEC;
}

void image_close(struct image *image)
{
	bytes_free(&image->file);
	free(image->symbol);
	*image = (struct image){ 0 };
}

const struct symbol *image_symbol_at(const struct image *image, uint64_t address)
{
	for (size_t i = 0; i < image->symbol_count; i++)
		if (address - image->symbol[i].address < image->symbol[i].bytes)
			return &image->symbol[i];
	return NULL;
}

const struct symbol *image_symbol(const struct image *image, const char *name)
{
	for (size_t i = 0; i < image->symbol_count; i++)
		if (!strcmp(image->symbol[i].name, name))
			return &image->symbol[i];
	return NULL;
}

void image_describe(const struct image *image, uint64_t address, char *text, size_t room)
{
	const struct symbol *symbol = image_symbol_at(image, address);

	if (symbol)
		snprintf(text, room, "%.80s+0x%lx", symbol->name, address - symbol->address);
	else
		snprintf(text, room, "0x%lx", address);
}

const uint8_t *image_bytes(const struct image *image, uint64_t address, size_t bytes)
{
	Elf64_Ehdr header;

	if (!header_of(image, &header))
		return NULL;
	for (unsigned int i = 0; i < header.e_phnum; i++) {
		Elf64_Phdr program = program_of(image, &header, i);

		if (program.p_type == PT_LOAD && address >= program.p_vaddr && address - program.p_vaddr < program.p_filesz &&
		    bytes <= program.p_filesz - (address - program.p_vaddr) && is_inside(image, program.p_offset, program.p_filesz))
			return image->file.at + program.p_offset + (address - program.p_vaddr);
	}
	return NULL;
}
