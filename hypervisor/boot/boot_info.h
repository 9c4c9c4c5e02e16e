/* SPDX-License-Identifier: MIT */
/* What the boot loader said, in our own memory: filled once by multiboot_parse(), read by all of boot/. */
#pragma once

struct memory_range {
	paddr_t start;
	uint64_t bytes;
};

struct boot_module {
	paddr_t start;
	uint64_t bytes;
	char command_line[1024];	/* without the file's name, if the loader put it first */
};

#define BOOT_RANGES_MAX		128
#define BOOT_MODULES_MAX	2

struct boot_info {
	char loader[64];
	char command_line[1024];	/* the core's own, without its file's name */
	uint32_t range_count;
	struct memory_range range[BOOT_RANGES_MAX];	/* RAM: sorted, not overlapping */
	uint32_t module_count;
	struct boot_module module[BOOT_MODULES_MAX];
	uint8_t rsdp[36];		/* ACPI's root pointer; rsdp[0] == 0: search the BIOS area */
	paddr_t trampoline;		/* RAM below 1 MiB, where nothing is allocated and no module may be; 0: none */
};

extern struct boot_info boot_info;

/* Multiboot 1 (0x2BADB002) or 2 (0x36d76289). Refuses to run with anything else or a broken structure. */
void multiboot_parse(uint32_t magic, paddr_t info);

/* ---- memory_map.c: the map is added in pieces as the loader has them, then put in order ---- */

/* Refuses to run if there is no room. */
void memory_map_add(paddr_t start, uint64_t bytes, bool is_ram);
/* Fills boot_info.range and .trampoline; where pieces overlap, what is not RAM counts. */
void memory_map_finish(void);

/*
 * Options of the core's command line, Xen's spelling: "name=value"; "name" has the value "".
 * option_text copies the value ("" if there is none) and says whether the option is there.
 */
bool option_text(const char *name, char *value, size_t room);
bool option_flag(const char *name, bool otherwise);
uint64_t option_number(const char *name, uint64_t otherwise);
void options_check(void);	/* warns of each word that is none of ours */
