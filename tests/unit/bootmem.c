/* SPDX-License-Identifier: MIT */
/* cpu/bootmem.c: memory before the allocator comes from free RAM, and the allocator gets all the rest, once. */
paddr_t image_paddr(const void *address);
void *scratch_virt(paddr_t address);
mfn_t no_frame_alloc(unsigned int order);
void noted_alloc_add(uint64_t first, uint64_t end);

#define virt_to_paddr	image_paddr
#define paddr_to_virt	scratch_virt
#define alloc_init	real_alloc_init
#define alloc_add	noted_alloc_add
#define core_page	real_core_page
#define frame_alloc	no_frame_alloc
#include "../../hypervisor/cpu/bootmem.c"

#include "unit.h"

#define PAGES_MAX	8192u		/* of the machine */
#define IMAGE_PAGES	2
#define ROUNDS		3000

char image_start[IMAGE_PAGES * PAGE_SIZE] ALIGNED(4096);
asm(".globl image_end\n.set image_end, image_start + 8192");
struct boot_info boot_info;

/* Each page's fate: what it is at the start, and how often it was given to somebody. */
static uint8_t is_free[PAGES_MAX], given_out[PAGES_MAX];
static uint64_t image_at;
static uint8_t scratch[LARGE_PAGE];
static uint32_t seed;

paddr_t image_paddr(const void *address) { return image_at; }
void *scratch_virt(paddr_t address) { return scratch; }
mfn_t no_frame_alloc(unsigned int order) { return MFN_NONE; }

static void note(uint64_t first, uint64_t end)
{
	CU_ASSERT_TRUE(first < end && end <= PAGES_MAX);
	for (uint64_t page = first; page < MIN(end, PAGES_MAX); page++)
		given_out[page]++;
}

void noted_alloc_add(uint64_t first, uint64_t end) { note(first, end); }

static uint32_t random_below(uint32_t limit)
{
	seed = seed * 1664525 + 1013904223;
	return (seed >> 8) % limit;
}

static void occupy(uint64_t start, uint64_t bytes)
{
	for (uint64_t page = start >> PAGE_SHIFT; page < (start + bytes + PAGE_SIZE - 1) >> PAGE_SHIFT; page++)
		is_free[page] = 0;
}

static void given_nothing(void)
{
	memset(&boot_info, 0, sizeof(boot_info));
	memset(taken, 0, sizeof(taken));
	memset(is_free, 0, sizeof(is_free));
	memset(given_out, 0, sizeof(given_out));
	area = (struct piece){ 0, 0 };
	is_closed = false;
}

static void given_range(paddr_t start, uint64_t bytes)
{
	boot_info.range[boot_info.range_count++] = (struct memory_range){ start, bytes };
	for (uint64_t page = ROUND_UP(start, PAGE_SIZE) >> PAGE_SHIFT; page < (start + bytes) >> PAGE_SHIFT; page++)
		is_free[page] = page >= LOW_MEMORY >> PAGE_SHIFT;
}

static void given_image(paddr_t start)
{
	image_at = start;
	occupy(start, sizeof(image_start));
}

static void given_module(paddr_t start, uint64_t bytes)
{
	boot_info.module[boot_info.module_count].start = start;
	boot_info.module[boot_info.module_count++].bytes = bytes;
	occupy(start, bytes);
}

/* RAM in a few ranges, none of whole pages; image and modules anywhere, in RAM or across its ends. */
static void given_any_machine(void)
{
	uint64_t start = random_below(300) * 2048;

	given_nothing();
	for (uint32_t i = 1 + random_below(4); i > 0; i--) {
		uint64_t bytes = 1 + random_below(PAGES_MAX / 5 * 4096u);

		given_range(start, bytes);
		start += bytes + random_below(100) * 1000;
	}
	given_image(LARGE_PAGE * random_below(16));
	for (uint32_t i = random_below(BOOT_MODULES_MAX + 1); i > 0; i--)
		given_module((uint64_t)random_below(PAGES_MAX / 2) * PAGE_SIZE + random_below(4096), random_below(4000000));
}

/* False if it was refused. */
static bool allocate(uint64_t bytes)
{
	static bool died;
	static paddr_t place;

	FAKE_DIES(died, place = boot_alloc(bytes));
	if (died)
		return false;
	CU_ASSERT_EQUAL(place % bytes, 0);
	note(place >> PAGE_SHIFT, (place + bytes) >> PAGE_SHIFT);
	return true;
}

static void each_free_page_goes_to_somebody_once(void)
{
	for (uint32_t round = 0; round < ROUNDS; round++) {
		seed = round;
		given_any_machine();
		for (uint32_t i = 1 + random_below(20); i > 0 && allocate(random_below(3) ? PAGE_SIZE : LARGE_PAGE); i--)
			;
		real_alloc_init();
		CU_ASSERT_EQUAL(memcmp(is_free, given_out, sizeof(is_free)), 0);
	}
}

static void the_largest_piece_is_used_from_both_ends(void)
{
	given_nothing();
	given_range(0, 0x9f000);
	given_range(LOW_MEMORY, (24 << 20) - LOW_MEMORY);
	given_image(0x200000);
	given_module(0x700000, 0x1234);
	CU_ASSERT_EQUAL(boot_alloc(PAGE_SIZE), 0x702000);
	CU_ASSERT_EQUAL(boot_alloc(LARGE_PAGE), 22 << 20);
	CU_ASSERT_EQUAL(boot_alloc(PAGE_SIZE), 0x703000);
	CU_ASSERT_EQUAL(boot_alloc(LARGE_PAGE), 20 << 20);
}

static void what_is_not_mapped_yet_is_left_to_the_allocator(void)
{
	given_nothing();
	boot_info.range_count = 2;
	boot_info.range[0] = (struct memory_range){ LOW_MEMORY, 15 << 20 };
	boot_info.range[1] = (struct memory_range){ MAPPED_EARLY - LARGE_PAGE, 1ULL << 36 };
	image_at = 0x200000;
	CU_ASSERT_EQUAL(boot_alloc(LARGE_PAGE), 14 << 20);
}

static void too_little_memory_is_refused(void)
{
	given_nothing();
	CU_ASSERT_FALSE(allocate(PAGE_SIZE));
	given_nothing();
	given_range(0, 8 << 20);
	given_image(0x200000);
	CU_ASSERT_TRUE(allocate(LARGE_PAGE) && allocate(LARGE_PAGE));
	CU_ASSERT_FALSE(allocate(LARGE_PAGE));
	CU_ASSERT_TRUE(allocate(PAGE_SIZE));
	CU_ASSERT_TRUE(given_out[0x202] && given_out[0x400] && given_out[0x7ff]);
}

static const struct unit_case cases[] = {
	UNIT_CASE(each_free_page_goes_to_somebody_once),
	UNIT_CASE(the_largest_piece_is_used_from_both_ends),
	UNIT_CASE(what_is_not_mapped_yet_is_left_to_the_allocator),
	UNIT_CASE(too_little_memory_is_refused),
};

int main(void)
{
	return unit_run("bootmem", cases, ARRAY_SIZE(cases));
}
