/* SPDX-License-Identifier: MIT */
/*
 * Back traces by frame pointers, with names from the table that lib/symbols.py makes.
 * It runs when something is broken: a chain that does not climb a stack is not followed.
 */
#include "lib/backtrace.h"

#include "lib/log.h"
#include "lib/string.h"

#define FRAMES_MAX	24
#define STACK_BYTES_MAX	32768		/* of any stack of the core */

extern const char image_start[];
extern const uint32_t symbol_count;
extern const uint32_t symbol_offset[];
extern const char symbol_names[];

void backtrace_name(char *to, size_t room, uint64_t address)
{
	uint64_t offset = address - (uint64_t)(uintptr_t)image_start;
	const char *name = symbol_names;
	uint32_t i = 0;

	if (symbol_count == 0 || offset < symbol_offset[0] || offset > symbol_offset[symbol_count - 1] + 65536) {
		format_string(to, room, "0x%lx", address);
		return;
	}
	for (; i + 1 < symbol_count && symbol_offset[i + 1] <= offset; i++)
		name += strlen(name) + 1;
	format_string(to, room, "%s+0x%lx", name, offset - symbol_offset[i]);
}

static void print_one(uint64_t address)
{
	char name[96];

	backtrace_name(name, sizeof(name), address);
	log_error("  %016lx %s\n", address, name);
}

void backtrace_print(uint64_t address, uint64_t frame_pointer)
{
	uint64_t bottom = frame_pointer, top = frame_pointer + STACK_BYTES_MAX;
	const uint64_t *frame;

	log_error("back trace:\n");
	print_one(address);
	for (int i = 0; i < FRAMES_MAX; i++) {
		if (frame_pointer < bottom || frame_pointer > top || frame_pointer % 8 || !(frame_pointer >> 63))
			return;
		frame = (const uint64_t *)(uintptr_t)frame_pointer;
		if (frame[1] == 0)
			return;
		print_one(frame[1] - 1);
		bottom = frame_pointer + 16;
		frame_pointer = frame[0];
	}
}
