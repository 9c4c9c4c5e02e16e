/* SPDX-License-Identifier: MIT */
/*
 * Guest memory, by the address space that is loaded. With SMAP the pages of guests are closed to the core but between
 * stac and clac, here and in entry.S; smap_init() takes them out where the CPU does not know them.
 */
#include "cpu/features.h"
#include "cpu/ops.h"

#define SMAP_SITE(instruction)							\
	"771: " #instruction "\n\t"						\
	".pushsection .smap_sites, \"a\"\n\t"					\
	".long 771b - .\n\t"							\
	".popsection\n\t"

extern const int32_t smap_sites_start[], smap_sites_end[];

void smap_init(void)
{
	static const uint8_t nothing[] = { 0x0f, 0x1f, 0x00 };

	for (const int32_t *site = smap_sites_start; site < smap_sites_end && !cpu_features.smap; site++)
		memcpy(paddr_to_virt(virt_to_paddr((const char *)site + *site)), nothing, sizeof(nothing));
}

bool guest_range_ok(uint64_t address, uint64_t bytes)
{
	if (address < LOWER_HALF_END)
		return bytes <= LOWER_HALF_END - address;
	return address >= CORE_END && bytes <= -address;
}

/* Returns how many bytes were left when a fault stopped it. */
static inline size_t copy_words(void *to, const void *from, size_t bytes)
{
	size_t left = bytes / 8, rest = bytes % 8;

	asm volatile(SMAP_SITE(stac)
		     "1: rep movsq\n\t"
		     "mov %3, %0\n\t"
		     "2: rep movsb\n\t"
		     "jmp 4f\n"
		     "3: lea (%3, %0, 8), %0\n"
		     "4: " SMAP_SITE(clac)
		     EXTABLE("1b", "3b") EXTABLE("2b", "4b")
		     : "+&c"(left), "+&D"(to), "+&S"(from) : "r"(rest) : "memory");
	return left;
}

/*
 * A stale TLB entry may make a good access fault once; the fault itself removes that entry, so where the first try
 * got stuck a second one tells.
 */
static NOINLINE int copy_rest(char *to, const char *from, size_t bytes)
{
	size_t left = bytes;

	for (int stuck = 1; left && stuck < 2;) {
		size_t done = bytes - left, now = copy_words(to + done, from + done, left);

		stuck = now < left ? 1 : stuck + 1;
		left = now;
	}
	return left ? -EFAULT : 0;
}

static int copy(char *to, const char *from, size_t bytes)
{
	size_t left = copy_words(to, from, bytes);

	return likely(!left) ? 0 : copy_rest(to + bytes - left, from + bytes - left, left);
}

int guest_read(void *to, uint64_t from, size_t bytes)
{
	if (!guest_range_ok(from, bytes))
		return -EFAULT;
	return copy(to, (const char *)from, bytes);
}

bool guest_read_two(uint64_t *first, uint64_t *second, uint64_t from)
{
	uint64_t one = 0, two = 0, is_stopped = 1;

	if (!guest_range_ok(from, 16))
		return false;
	asm volatile(SMAP_SITE(stac)
		     "1: mov (%3), %0\n\t"
		     "2: mov 8(%3), %1\n\t"
		     "xor %k2, %k2\n"
		     "3: " SMAP_SITE(clac)
		     EXTABLE("1b", "3b") EXTABLE("2b", "3b")
		     : "+&r"(one), "+&r"(two), "+&r"(is_stopped) : "r"(from) : "memory");
	*first = one;
	*second = two;
	return !is_stopped;
}

int guest_write(uint64_t to, const void *from, size_t bytes)
{
	if (!guest_range_ok(to, bytes))
		return -EFAULT;
	return copy((char *)to, from, bytes);
}
