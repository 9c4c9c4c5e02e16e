/* SPDX-License-Identifier: MIT */
/* A kernel's file as the fuzzer likes it: unpacked, parsed, laid out, and its tables filled; nothing may go out of bounds. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/build.h"
#include "lib/kernel.h"
#include "lib/layout.h"
#include "lib/pvelf.h"
#include "lib/tables.h"

#define FRAMES		4096UL

static void fill(const struct layout *layout)
{
	xen_pfn_t *mfn = malloc(layout->p2m_bytes);
	uint8_t *memory = malloc(layout->frames_needed << FRAME_SHIFT);

	for (uint64_t i = 0; i < FRAMES; i++)
		mfn[i] = 0x1000 + i;
	tables_fill(layout, mfn, memory);
	free(memory);
	free(mfn);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bytes image = bytes_alloc(size), elf = { 0 };
	struct build_error error;
	struct pvelf parsed;
	struct layout layout;

	if (!image.at)
		return 0;
	memcpy(image.at, data, size);
	if (kernel_extract(&image, &elf, &error))
		return 0;
	if (!pvelf_parse(elf.at, elf.count, &parsed, &error) &&
	    !layout_choose(&parsed, FRAMES, size % 8192, &layout, &error))
		fill(&layout);
	bytes_free(&elf);
	return 0;
}
