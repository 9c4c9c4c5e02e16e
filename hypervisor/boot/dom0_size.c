/* SPDX-License-Identifier: MIT */
/* How much memory Domain-0 gets. */
#include "boot/dom0.h"

#include "lib/string.h"

#define KEEP_SHARE	16		/* by default the core keeps a sixteenth for itself and for other domains */
#define KEEP_MOST	((128ULL << 20) >> PAGE_SHIFT)
#define SIZE_MOST	(1ULL << 52)	/* bytes */

/* A number and b, k, m, g or t (KiB if there is none), into frames; moves *text behind it. */
static bool take_size(const char **text, uint64_t free, uint64_t *frames)
{
	static const char units[] = "bkmgt";
	bool is_negative = **text == '-';
	const char *start = *text + is_negative, *end;
	uint64_t value = text_number(start, &end);
	uint32_t unit = 0, shift;

	while (units[unit] && units[unit] != (*end | 0x20))
		unit++;
	shift = 10 * (units[unit] ? unit : 1);
	if (end == start || value > SIZE_MOST >> shift)
		return false;
	value = value << shift >> PAGE_SHIFT;
	*frames = is_negative ? free - MIN(value, free) : value;
	*text = end + (units[unit] != 0);
	return true;
}

bool dom0_memory_choose(const char *text, uint64_t free, uint64_t *frames, uint64_t *most)
{
	uint64_t size = free - MIN(free / KEEP_SHARE, KEEP_MOST), min = 0, max = UINT64_MAX;

	for (bool more = text; more; more = *text++) {
		uint64_t *which = !strncmp(text, "min:", 4) ? &min : !strncmp(text, "max:", 4) ? &max : &size;

		text += which == &size ? 0 : 4;
		if (!take_size(&text, free, which) || (*text && *text != ','))
			return false;
	}
	*frames = MIN(MIN(MAX(size, min), max), free);
	*most = max == UINT64_MAX ? *frames : MAX(max, *frames);
	return true;
}
