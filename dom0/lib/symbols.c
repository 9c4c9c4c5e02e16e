/* SPDX-License-Identifier: MIT */
#include "lib/symbols.h"

#include <elf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/build.h"

/* ---- the table ---- */

static bool is_inside(uint64_t offset, uint64_t bytes, uint64_t file_bytes)
{
	return offset <= file_bytes && bytes <= file_bytes - offset;
}

static bool section_find(const uint8_t *file, size_t bytes, uint32_t type, uint32_t index, Elf64_Shdr *section)
{
	Elf64_Ehdr header;

	memcpy(&header, file, sizeof(header));
	if (header.e_shentsize != sizeof(*section) || !is_inside(header.e_shoff, header.e_shnum * sizeof(*section), bytes))
		return false;
	for (uint32_t i = 0; i < header.e_shnum; i++) {
		memcpy(section, file + header.e_shoff + i * sizeof(*section), sizeof(*section));
		if (section->sh_type == type && (!index || i == index))
			return is_inside(section->sh_offset, section->sh_size, bytes);
	}
	return false;
}

static int by_address(const void *a, const void *b)
{
	const struct symbol *left = a, *right = b;

	return (left->address > right->address) - (left->address < right->address);
}

static bool is_code(const Elf64_Sym *symbol)
{
	unsigned int type = ELF64_ST_TYPE(symbol->st_info);

	return (type == STT_FUNC || type == STT_NOTYPE) && symbol->st_shndx != SHN_UNDEF && symbol->st_shndx != SHN_ABS && symbol->st_name;
}

static void take(struct symbols *symbols, const Elf64_Shdr *table, const Elf64_Shdr *names)
{
	const char *text = (const char *)symbols->file + names->sh_offset;
	Elf64_Sym symbol;

	for (uint64_t i = 0; i < table->sh_size / sizeof(symbol); i++) {
		memcpy(&symbol, symbols->file + table->sh_offset + i * sizeof(symbol), sizeof(symbol));
		if (is_code(&symbol) && symbol.st_name < names->sh_size && memchr(text + symbol.st_name, 0, names->sh_size - symbol.st_name))
			symbols->list[symbols->count++] = (struct symbol){ symbol.st_value, symbol.st_size, text + symbol.st_name };
	}
	qsort(symbols->list, symbols->count, sizeof(*symbols->list), by_address);
}

int symbols_read(const uint8_t *file, size_t bytes, struct symbols *symbols)
{
	struct build_error error = { 0 };
	Elf64_Shdr table, names;
	int result;

	*symbols = (struct symbols){ .file = file };
	result = pvelf_parse(file, bytes, &symbols->image, &error);
	if (result || !section_find(file, bytes, SHT_SYMTAB, 0, &table) || !table.sh_link ||
	    !section_find(file, bytes, SHT_STRTAB, table.sh_link, &names))
		return result;
	symbols->list = malloc(table.sh_size / sizeof(Elf64_Sym) * sizeof(*symbols->list) + 1);
	if (!symbols->list)
		return -ENOMEM;
	take(symbols, &table, &names);
	return 0;
}

void symbols_free(struct symbols *symbols)
{
	free(symbols->list);
	symbols->list = NULL;
	symbols->count = 0;
}

/* The last one that is not behind it. */
static const struct symbol *symbol_at(const struct symbols *symbols, uint64_t address)
{
	size_t low = 0, high = symbols->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (symbols->list[middle].address <= address)
			low = middle + 1;
		else
			high = middle;
	}
	return low ? &symbols->list[low - 1] : NULL;
}

bool symbols_name(const struct symbols *symbols, uint64_t address, bool is_return, char *text, size_t room)
{
	uint64_t inside = address - is_return;
	const struct symbol *symbol = symbol_at(symbols, inside);

	if (symbol && inside < symbols->image.end && (!symbol->bytes || inside - symbol->address < symbol->bytes)) {
		snprintf(text, room, "%.100s+0x%lx", symbol->name, address - symbol->address);
		return true;
	}
	snprintf(text, room, "0x%lx", address);
	return false;
}

/* ---- back traces ---- */

/* `count` bytes of the image that end before `address`; NULL: the file does not have them. */
static const uint8_t *bytes_before(const struct symbols *symbols, uint64_t address, uint64_t count)
{
	for (uint32_t i = 0; i < symbols->image.segment_count; i++) {
		const struct pvelf_segment *segment = &symbols->image.segment[i];

		if (address >= segment->va + count && address - segment->va <= segment->file_bytes)
			return symbols->file + segment->file_offset + (address - segment->va) - count;
	}
	return NULL;
}

/* AMD64 Architecture Programmer's Manual 3: E8 and four bytes; FF /2 with a register, or memory and 0, 1 or 4 bytes, or SIB. */
bool symbols_is_return(const struct symbols *symbols, uint64_t address)
{
	static const uint8_t lengths[] = { 2, 3, 4, 6, 7 };
	const uint8_t *at = bytes_before(symbols, address, 5);

	if (at && at[0] == 0xe8)
		return true;
	for (size_t i = 0; i < sizeof(lengths); i++) {
		at = bytes_before(symbols, address, lengths[i]);
		if (at && at[0] == 0xff && (at[1] >> 3 & 7) == 2)
			return true;
	}
	return false;
}

size_t backtrace_make(const struct symbols *symbols, const struct backtrace_from *from, struct backtrace_step steps[BACKTRACE_MAX])
{
	uint64_t frame = from->rbp;
	size_t count = 0;

	steps[count++] = (struct backtrace_step){ from->rip, false };
	for (uint32_t i = 0; i < from->words && count < BACKTRACE_MAX; i++) {
		bool is_frame = from->rsp + 8UL * i == frame && i + 1 < from->words;
		uint64_t word = from->stack[i];

		if (is_frame && symbols_is_return(symbols, from->stack[i + 1])) {
			steps[count++] = (struct backtrace_step){ from->stack[++i], false };
			frame = word;
		} else if (symbols_is_return(symbols, word)) {
			steps[count++] = (struct backtrace_step){ word, true };
		}
	}
	return count;
}
