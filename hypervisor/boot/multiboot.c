/* SPDX-License-Identifier: MIT */
/*
 * What the boot loader hands over, Multiboot 1 (QEMU's -kernel) or 2 (GRUB), copied into boot_info.
 * A loader is trusted to end its texts, not to get its lengths right: with a broken list it goes no further.
 *
 * B1  Only memory below 4 GiB is read here: it is mapped from the first instruction on.
 */
#include "boot/boot_info.h"

#define MAGIC_1		0x2badb002
#define MAGIC_2		0x36d76289
#define KIND_RAM	1
#define LOW_MEMORY	0x100000	/* below it is the page where CPUs start */

/* Multiboot 1: the information structure, and which of its fields are there. */
struct info_1 {
	uint32_t flags, memory[2], boot_device, command_line, module_count, modules, symbols[4], map_bytes, map;
	uint32_t drives[2], configuration, loader_name;
};
enum info_flags { HAS_COMMAND_LINE = 1 << 2, HAS_MODULES = 1 << 3, HAS_MAP = 1 << 6, HAS_LOADER_NAME = 1 << 9 };

struct module_1 {
	uint32_t start, end, command_line, reserved;
};

/* Of both; in a map of Multiboot 1 the number of its bytes stands before it. */
struct map_entry {
	uint64_t start, length;
	uint32_t kind;
} PACKED;

enum tag_kind {
	TAG_END = 0, TAG_COMMAND_LINE = 1, TAG_LOADER_NAME = 2, TAG_MODULE = 3, TAG_MAP = 6, TAG_RSDP_OLD = 14,
	TAG_RSDP_NEW = 15,
};

struct tag {
	uint32_t kind, bytes;
	uint32_t first, second;		/* a module's start and end; the length of a map's entry */
};
#define TAG_HEADER	8

struct boot_info boot_info;

/* B1 */
static const void *info_at(uint64_t address, uint64_t bytes)
{
	if (address + bytes > UINT32_MAX)
		refuse_to_run("multiboot: a structure at 0x%lx, %lu bytes long", address, bytes);
	return paddr_to_virt(address);
}

/* Without blanks before it, and without a word that is no argument. */
static void copy_arguments(char to[1024], const char *from, bool has_file_name)
{
	while (*from == ' ')
		from++;
	/* Debian's grub.d scripts put a word where old loaders had the file's name. */
	if (has_file_name || (!strncmp(from, "placeholder", 11) && (!from[11] || from[11] == ' ')))
		while (*from && *from != ' ')
			from++;
	while (*from == ' ')
		from++;
	if (string_copy(to, from, 1024) >= 1024)
		log_warning("multiboot: a command line is cut after 1023 bytes\n");
}

static void add_module(uint32_t start, uint32_t end, const char *arguments, bool has_file_name)
{
	struct boot_module *module = &boot_info.module[boot_info.module_count];

	if (boot_info.module_count == BOOT_MODULES_MAX) {
		log_warning("multiboot: only %u modules are looked at\n", BOOT_MODULES_MAX);
		return;
	}
	if (start < LOW_MEMORY || start > end)
		refuse_to_run("multiboot: module %u, from 0x%x to 0x%x, is not above 1 MiB",
			      boot_info.module_count + 1, start, end);
	module->start = start;
	module->bytes = end - start;
	copy_arguments(module->command_line, arguments, has_file_name);
	boot_info.module_count++;
}

static void add_map_entry(const struct map_entry *entry) { memory_map_add(entry->start, entry->length, entry->kind == KIND_RAM); }

static void parse_1(paddr_t address)
{
	const struct info_1 *info = info_at(address, sizeof(*info));
	uint32_t modules = info->flags & HAS_MODULES ? info->module_count : 0;
	uint32_t map_bytes = info->flags & HAS_MAP ? info->map_bytes : 0;
	const struct module_1 *module;
	const uint32_t *bytes;
	bool has_file_names;

	if (info->flags & HAS_LOADER_NAME)
		string_copy(boot_info.loader, info_at(info->loader_name, 1), sizeof(boot_info.loader));
	/* GRUB 2 hands over arguments alone, all others put the file's name first. */
	has_file_names = strncmp(boot_info.loader, "GRUB 2", 6) != 0;
	if (info->flags & HAS_COMMAND_LINE)
		copy_arguments(boot_info.command_line, info_at(info->command_line, 1), has_file_names);
	for (uint32_t i = 0; i < MIN(modules, BOOT_MODULES_MAX + 1u); i++) {
		module = info_at(info->modules + i * sizeof(*module), sizeof(*module));
		add_module(module->start, module->end,
			   module->command_line ? info_at(module->command_line, 1) : "", has_file_names);
	}
	for (uint32_t at = 0; at < map_bytes; at += *bytes + sizeof(*bytes)) {
		bytes = info_at((uint64_t)info->map + at, sizeof(*bytes) + sizeof(struct map_entry));
		if (*bytes < sizeof(struct map_entry) || *bytes > PAGE_SIZE)
			refuse_to_run("multiboot: a memory map entry of %u bytes", *bytes);
		add_map_entry((const void *)(bytes + 1));
	}
}

static void parse_tag(const struct tag *tag)
{
	const char *text = (const char *)tag + TAG_HEADER, *end = (const char *)tag + tag->bytes;

	switch (tag->kind) {
	case TAG_COMMAND_LINE:
		copy_arguments(boot_info.command_line, text, false);
		break;
	case TAG_LOADER_NAME:
		string_copy(boot_info.loader, text, sizeof(boot_info.loader));
		break;
	case TAG_MODULE:
		add_module(tag->first, tag->second, (const char *)(tag + 1), false);
		break;
	case TAG_MAP:
		if (tag->first < sizeof(struct map_entry))
			refuse_to_run("multiboot: a memory map with entries of %u bytes", tag->first);
		for (text += TAG_HEADER; text + sizeof(struct map_entry) <= end; text += tag->first)
			add_map_entry((const void *)text);
		break;
	case TAG_RSDP_OLD:
	case TAG_RSDP_NEW:	/* comes later, and knows more */
		memcpy(boot_info.rsdp, text, MIN(tag->bytes - TAG_HEADER, sizeof(boot_info.rsdp)));
		break;
	}
}

static void parse_2(paddr_t address)
{
	uint32_t bytes = *(const uint32_t *)info_at(address, sizeof(bytes)), at = TAG_HEADER;
	const char *info = info_at(address, bytes);
	const struct tag *tag;

	do {
		tag = (const void *)(info + at);
		if ((uint64_t)at + TAG_HEADER > bytes || tag->bytes < TAG_HEADER || tag->bytes > bytes - at)
			refuse_to_run("multiboot: a tag does not fit, %u bytes from the start", at);
		parse_tag(tag);
		at += (uint32_t)ROUND_UP(tag->bytes, 8);
	} while (tag->kind != TAG_END);
}

void multiboot_parse(uint32_t magic, paddr_t info)
{
	if (magic == MAGIC_1)
		parse_1(info);
	else if (magic == MAGIC_2)
		parse_2(info);
	else
		refuse_to_run("not started by a Multiboot loader (magic 0x%x)", magic);
	memory_map_finish();
	if (boot_info.range_count == 0)
		refuse_to_run("multiboot: the memory map is empty");
}
