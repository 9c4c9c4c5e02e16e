/* SPDX-License-Identifier: MIT */
/* Where the tables of all frames stand, and how they are filled at boot. On the host the fake CPU has its own. */
#include "cpu/layout.h"
#include "cpu/paging.h"
#include "boot/boot_info.h"
#include "include/types.h"
#include "mem/alloc.h"
#include "mem/frame.h"
#include "mem/m2p.h"

struct frame *frame_table(void)
{
	return (struct frame *)FRAMES_START;
}

void m2p_set(mfn_t frame, gfn_t guest)
{
	write_once((uint64_t *)M2P_WRITABLE_START + frame.raw, guest.raw);
}

gfn_t m2p_get(mfn_t frame)
{
	return gfn(read_once((uint64_t *)M2P_WRITABLE_START + frame.raw));
}

mfn_t m2p_extent_frame(uint32_t index)
{
	for (uint32_t i = index; ; i--) {
		paddr_t table = paging_large_page(M2P_START + (uint64_t)i * 0x200000);

		if (table || i == 0)
			return paddr_to_mfn(table);
	}
}

void alloc_init(void)
{
	const struct memory_range *range;
	uint32_t count = boot_free_ranges(&range);

	for (uint32_t i = 0; i < count; i++)
		if (range[i].bytes)
			alloc_add(range[i].start >> PAGE_SHIFT, (range[i].start + range[i].bytes) >> PAGE_SHIFT);
	paging_use_allocator();
}
