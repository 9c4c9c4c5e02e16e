/* SPDX-License-Identifier: MIT */
/*
 * What the boot loader hands over, Multiboot 1 (QEMU's -kernel) or 2 (GRUB), copied into boot_info.
 * A loader is trusted to mean well, not to be right: no length is believed, and with a broken list it goes no further.
 *
 * B1  Only memory below 4 GiB is read here: it is mapped from the first instruction on.
 */
#include "boot/boot_info.h"

#include "boot/memory_map.h"
#include "cpu/directmap.h"
#include "lib/log.h"
#include "lib/string.h"

#define MAGIC_1		0x2badb002
#define MAGIC_2		0x36d76289
#define INFO_BYTES_MAX	(1u << 20)

struct info_1 {
	uint32_t flags;
	uint32_t mem_lower, mem_upper;
	uint32_t boot_device;
	uint32_t command_line;
	uint32_t module_count, modules;
	uint32_t symbols[4];
	uint32_t map_bytes, map;
	uint32_t drives_bytes, drives;
	uint32_t config_table;
	uint32_t loader_name;
};

enum info_1_flags {
	HAS_MEMORY = 1 << 0, HAS_COMMAND_LINE = 1 << 2, HAS_MODULES = 1 << 3, HAS_MAP = 1 << 6,
	HAS_LOADER_NAME = 1 << 9,
};

struct module_1 {
	uint32_t start, end, command_line, reserved;
};

struct map_entry_1 {
	uint32_t bytes;			/* of what follows */
	uint64_t start, length;
	uint32_t kind;
} PACKED;

struct info_2 {
	uint32_t bytes, reserved;
};

struct tag {
	uint32_t kind, bytes;
};

enum tag_kind {
	TAG_END = 0, TAG_COMMAND_LINE = 1, TAG_LOADER_NAME = 2, TAG_MODULE = 3, TAG_MAP = 6, TAG_EFI32 = 11,
	TAG_EFI64 = 12, TAG_RSDP_OLD = 14, TAG_RSDP_NEW = 15, TAG_EFI_MAP = 17,
};

struct tag_module {
	struct tag tag;
	uint32_t start, end;
	char command_line[];
};

struct tag_map {
	struct tag tag;
	uint32_t entry_bytes, entry_version;
};

struct map_entry_2 {
	uint64_t start, length;
	uint32_t kind, reserved;
};

struct boot_info boot_info;

/* B1 */
static const void *info_at(uint64_t address, uint64_t bytes)
{
	if (address + bytes > UINT32_MAX)
		refuse_to_run("multiboot: a structure at 0x%lx, %lu bytes long", address, bytes);
	return paddr_to_virt(address);
}

static void add_range(uint64_t start, uint64_t bytes, uint32_t kind)
{
	static const enum memory_kind kinds[] = { MEMORY_RESERVED, MEMORY_RAM, MEMORY_RESERVED, MEMORY_ACPI,
						  MEMORY_NVS, MEMORY_BAD };

	memory_map_add(start, bytes, kind < ARRAY_SIZE(kinds) ? kinds[kind] : MEMORY_RESERVED);
}

/* At most `limit` bytes of the loader's; blanks and words that are no arguments go. */
static void copy_arguments(char *to, size_t room, const char *from, size_t limit, bool has_file_name)
{
	static const char placeholder[] = "placeholder";
	size_t length = 0;

	while (limit > 0 && *from == ' ')
		from++, limit--;
	while (has_file_name && limit > 0 && *from && *from != ' ')
		from++, limit--;
	while (limit > 0 && *from == ' ')
		from++, limit--;
	/* Debian's grub.d scripts put this where old loaders had the file's name. */
	if (limit >= sizeof(placeholder) - 1 && !strncmp(from, placeholder, sizeof(placeholder) - 1) &&
	    (limit == sizeof(placeholder) - 1 || !from[sizeof(placeholder) - 1] ||
	     from[sizeof(placeholder) - 1] == ' ')) {
		copy_arguments(to, room, from, limit, true);
		return;
	}
	while (length < limit && from[length])
		length++;
	if (length >= room)
		log_warning("multiboot: a command line of more than %lu bytes is cut\n", room - 1);
	string_copy(to, from, MIN(room, length + 1));
}

static void add_module(uint64_t start, uint64_t end, const char *arguments, size_t limit, bool has_file_name)
{
	struct boot_module *module = &boot_info.module[boot_info.module_count];

	if (boot_info.module_count == BOOT_MODULES_MAX) {
		log_warning("multiboot: only %u modules are looked at\n", BOOT_MODULES_MAX);
		return;
	}
	if (start > end)
		refuse_to_run("multiboot: module %u ends at 0x%lx before it begins at 0x%lx",
		      boot_info.module_count + 1, end, start);
	module->start = start;
	module->bytes = end - start;
	copy_arguments(module->command_line, sizeof(module->command_line), arguments, limit, has_file_name);
	boot_info.module_count++;
}

static size_t text_limit(uint32_t address)
{
	return MIN((1ULL << 32) - address, sizeof(boot_info.command_line) + 1024);
}

static void parse_map_1(const struct info_1 *info)
{
	const struct map_entry_1 *entry;
	uint32_t done = 0;

	if (!(info->flags & HAS_MAP)) {
		if (!(info->flags & HAS_MEMORY))
			refuse_to_run("multiboot: no memory map");
		add_range(0, (uint64_t)info->mem_lower << 10, MEMORY_RAM);
		add_range(1 << 20, (uint64_t)info->mem_upper << 10, MEMORY_RAM);
		return;
	}
	if (info->map_bytes > INFO_BYTES_MAX)
		refuse_to_run("multiboot: a memory map of %u bytes", info->map_bytes);
	while (done + sizeof(*entry) <= info->map_bytes) {
		entry = info_at((uint64_t)info->map + done, sizeof(*entry));
		if (entry->bytes < sizeof(*entry) - 4 || entry->bytes > INFO_BYTES_MAX)
			refuse_to_run("multiboot: a memory map entry of %u bytes", entry->bytes);
		add_range(entry->start, entry->length, entry->kind);
		done += entry->bytes + 4;
	}
}

static void parse_1(paddr_t address)
{
	const struct info_1 *info = info_at(address, sizeof(*info));
	const struct module_1 *module;
	bool has_file_names;

	if (info->flags & HAS_LOADER_NAME)
		copy_arguments(boot_info.loader, sizeof(boot_info.loader), info_at(info->loader_name, 1),
			       sizeof(boot_info.loader) - 1, false);
	/* GRUB 2 hands over arguments alone, all others put the file's name first. */
	has_file_names = strncmp(boot_info.loader, "GRUB 2", 6) != 0;
	if (info->flags & HAS_COMMAND_LINE)
		copy_arguments(boot_info.command_line, sizeof(boot_info.command_line),
			       info_at(info->command_line, 1), text_limit(info->command_line), has_file_names);
	parse_map_1(info);
	for (uint32_t i = 0; (info->flags & HAS_MODULES) && i < MIN(info->module_count, 64u); i++) {
		module = info_at(info->modules + (uint64_t)i * sizeof(*module), sizeof(*module));
		add_module(module->start, module->end, info_at(module->command_line, 1),
			   module->command_line ? text_limit(module->command_line) : 0, has_file_names);
	}
}

static void parse_map_2(const struct tag_map *map)
{
	const struct map_entry_2 *entry;

	if (map->tag.bytes < sizeof(*map) || map->entry_bytes < sizeof(*entry))
		refuse_to_run("multiboot: a memory map with entries of %u bytes", map->entry_bytes);
	for (uint64_t at = sizeof(*map); at + map->entry_bytes <= map->tag.bytes; at += map->entry_bytes) {
		entry = (const void *)((const char *)map + at);
		add_range(entry->start, entry->length, entry->kind);
	}
}

static void parse_tag(const struct tag *tag)
{
	const char *body = (const char *)(tag + 1);
	size_t bytes = tag->bytes - sizeof(*tag);
	const struct tag_module *module = (const void *)tag;

	switch (tag->kind) {
	case TAG_COMMAND_LINE:
		copy_arguments(boot_info.command_line, sizeof(boot_info.command_line), body, bytes, false);
		break;
	case TAG_LOADER_NAME:
		copy_arguments(boot_info.loader, sizeof(boot_info.loader), body, bytes, false);
		break;
	case TAG_MODULE:
		if (tag->bytes < sizeof(*module))
			refuse_to_run("multiboot: a module's tag of %u bytes", tag->bytes);
		add_module(module->start, module->end, module->command_line, tag->bytes - sizeof(*module), false);
		break;
	case TAG_MAP:
		parse_map_2((const void *)tag);
		break;
	case TAG_RSDP_OLD:
	case TAG_RSDP_NEW:	/* comes later, and knows more */
		memset(boot_info.rsdp, 0, sizeof(boot_info.rsdp));
		memcpy(boot_info.rsdp, body, MIN(bytes, sizeof(boot_info.rsdp)));
		break;
	case TAG_EFI32:
	case TAG_EFI64:
	case TAG_EFI_MAP:
		boot_info.is_efi = true;
		break;
	}
}

static void parse_2(paddr_t address)
{
	const struct info_2 *info = info_at(address, sizeof(*info));
	const struct tag *tag;
	uint32_t at = sizeof(*info);

	if (info->bytes > INFO_BYTES_MAX)
		refuse_to_run("multiboot: an information structure of %u bytes", info->bytes);
	info_at(address, info->bytes);
	for (;;) {
		tag = (const void *)((const char *)info + at);
		if (at + sizeof(*tag) > info->bytes || tag->bytes < sizeof(*tag) || tag->bytes > info->bytes - at)
			refuse_to_run("multiboot: a tag does not fit, %u bytes from the start", at);
		if (tag->kind == TAG_END)
			return;
		parse_tag(tag);
		at += (uint32_t)ROUND_UP(tag->bytes, 8);
	}
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
	boot_info.trampoline = memory_map_low_page();
}
