/* SPDX-License-Identifier: MIT */
/* How much memory Domain-0 gets. */
#include "boot/dom0.h"

#include "include/errno.h"
#include "lib/string.h"

#define KEEP_SHARE	16		/* by default the core keeps a sixteenth for itself and for other domains */
#define KEEP_MOST	(128ULL << 20)
#define SIZE_MOST	(1ULL << 52)	/* bytes */

/* A number and k, m, g or t (KiB if there is none) at **text; moves *text behind it. */
static int parse_size(const char **text, int64_t *size)
{
	static const char units[] = "bkmgt";
	const char *unit;
	bool is_negative = **text == '-';
	uint64_t value = 0;
	long shift;

	*text += is_negative;
	if (**text < '0' || **text > '9')
		return -EINVAL;
	for (; **text >= '0' && **text <= '9'; (*text)++) {
		value = value * 10 + (uint64_t)(**text - '0');
		if (value > SIZE_MOST)
			return -EINVAL;
	}
	unit = **text ? strchr(units, **text | 0x20) : NULL;
	shift = 10 * (unit ? unit - units : 1);
	*text += unit != NULL;
	if (value > SIZE_MOST >> shift)
		return -EINVAL;
	*size = (is_negative ? -1 : 1) * (int64_t)(value << shift);
	return 0;
}

static bool take_word(const char **text, const char *word)
{
	size_t length = strlen(word);

	if (strncmp(*text, word, length))
		return false;
	*text += length;
	return true;
}

int dom0_memory_parse(const char *text, struct dom0_memory *memory)
{
	*memory = (struct dom0_memory){ 0 };
	for (;;) {
		int64_t *size = take_word(&text, "min:") ? &memory->min :
				take_word(&text, "max:") ? &memory->max : &memory->size;

		if (parse_size(&text, size) || (*text && *text != ','))
			return -EINVAL;
		if (!*text)
			return 0;
		text++;
	}
}

/* Bytes to frames; a negative size is all but so much. */
static uint64_t in_frames(int64_t size, uint64_t free)
{
	uint64_t frames = (uint64_t)(size < 0 ? -size : size) >> PAGE_SHIFT;

	if (size >= 0)
		return frames;
	return frames < free ? free - frames : 0;
}

void dom0_memory_choose(const struct dom0_memory *memory, uint64_t free, uint64_t *frames, uint64_t *most)
{
	uint64_t keep = MIN(free / KEEP_SHARE, KEEP_MOST >> PAGE_SHIFT);

	*frames = memory->size ? in_frames(memory->size, free) : free - keep;
	if (memory->min)
		*frames = MAX(*frames, in_frames(memory->min, free));
	if (memory->max)
		*frames = MIN(*frames, in_frames(memory->max, free));
	*frames = MIN(*frames, free);
	*most = memory->max ? MAX(in_frames(memory->max, free), *frames) : *frames;
}
