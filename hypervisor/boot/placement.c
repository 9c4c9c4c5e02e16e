/* SPDX-License-Identifier: MIT */
/* How much memory Domain-0 gets, and where its parts go. Arithmetic alone: nothing is allocated or written here. */
#include "boot/placement.h"

#include "boot/elf.h"

#define END_ALIGNMENT	(4ULL << 20)
#define END_ROOM	(512ULL << 10)
#define KEEP_SHARE	16		/* by default the core keeps a sixteenth for itself and for other domains */
#define KEEP_MOST	((128ULL << 20) >> PAGE_SHIFT)
#define SIZE_MOST	(1ULL << 52)	/* bytes */

/* ---- where ---- */

/* How many page tables below the L4 it takes to map [start, end). */
static uint64_t tables_below_l4(uint64_t start, uint64_t end)
{
	uint64_t count = 0;

	for (unsigned int shift = 21; shift <= 39; shift += 9)
		count += ((end - 1) >> shift) - (start >> shift) + 1;
	return count;
}

/* Is [start, end) a guest's to use: in one half, and not the core's? */
static bool range_ok(uint64_t start, uint64_t end) { return end > start && (end <= LOWER_HALF_END || start >= HYPERVISOR_VIRT_END); }

/* The next frames, as many as hold so many bytes. */
static struct region take(struct placement *place, uint64_t va, uint64_t bytes)
{
	struct region region = { va, place->frames_needed, ROUND_UP(bytes, PAGE_SIZE) >> PAGE_SHIFT };

	place->frames_needed += region.pages;
	return region;
}

/* ... that are mapped in the first region. */
static struct region take_mapped(struct placement *place, uint64_t bytes)
{
	return take(place, place->mapped.va + (place->frames_needed << PAGE_SHIFT), bytes);
}

/* The page tables map the end, and the end comes behind the page tables. */
static void place_tables_and_end(struct placement *place)
{
	uint64_t start = place->mapped.va, at = start + (place->frames_needed << PAGE_SHIFT), end, count = 0;

	do {
		count++;
		end = ROUND_UP(at + (count + 1) * PAGE_SIZE + END_ROOM, END_ALIGNMENT);
	} while (end > start && 1 + tables_below_l4(start, end) > count);
	if (!range_ok(start, end))
		refuse_to_run("Domain-0: its first address space, 0x%lx to 0x%lx, is not a guest's to use", start, end);
	place->tables = take_mapped(place, count * PAGE_SIZE);
	place->stack = take_mapped(place, PAGE_SIZE);
	place->frames_needed = place->mapped.pages = (end - start) >> PAGE_SHIFT;
}

static void place_p2m_outside(struct placement *place, uint64_t va, uint64_t bytes)
{
	uint64_t end = va + ROUND_UP(bytes, PAGE_SIZE), mapped = place->mapped.va;

	if (va % PAGE_SIZE || !range_ok(va, end) ||
	    (end > mapped && va < mapped + (place->mapped.pages << PAGE_SHIFT)))
		refuse_to_run("Domain-0: INIT_P2M 0x%lx is no place for a list of 0x%lx bytes", va, bytes);
	place->p2m = take(place, va, bytes);
	place->p2m_tables = tables_below_l4(va, end);
	place->frames_needed += place->p2m_tables;
}

void placement_choose(const struct elf_kernel *kernel, uint64_t frames, uint64_t initrd_bytes,
		      struct placement *place)
{
	uint64_t p2m_bytes = frames * sizeof(uint64_t);

	*place = (struct placement){ .mapped.va = kernel->virt_base };
	take_mapped(place, kernel->end - kernel->virt_base);
	if (!kernel->initrd_by_frame)
		place->initrd = take_mapped(place, initrd_bytes);
	if (kernel->init_p2m == ELF_ADDRESS_NONE)
		place->p2m = take_mapped(place, p2m_bytes);
	place->start_info = take_mapped(place, PAGE_SIZE);
	place_tables_and_end(place);
	if (kernel->init_p2m != ELF_ADDRESS_NONE)
		place_p2m_outside(place, kernel->init_p2m, p2m_bytes);
	if (kernel->initrd_by_frame)
		place->initrd = take(place, 0, initrd_bytes);
	if (place->frames_needed > frames)
		refuse_to_run("Domain-0: too little memory: kernel, initrd and tables need %lu MiB, there are %lu",
			      (place->frames_needed >> 8) + 1, frames >> 8);
}

/* ---- how much ---- */

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
