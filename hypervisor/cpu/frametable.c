/* SPDX-License-Identifier: MIT */
/* Where the tables of all frames stand. On the host the fake CPU has its own. */
#include "cpu/layout.h"
#include "cpu/paging.h"
#include "include/types.h"
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
