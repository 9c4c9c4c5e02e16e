/* SPDX-License-Identifier: MIT */
/* The reference front-end of a disk, under test: copies its first half onto the second until the end. */
#include "kernel.h"
#include "work.h"

#include "runtime/boot.h"
#include "runtime/console.h"
#include "runtime/memory.h"

#define DEVICE "device/vbd/51712"
#define WORK_PAGES 18

void guest_main(void)
{
	static struct blk blk;
	void *pages = page_alloc_many(WORK_PAGES);

	kernel_begin(DEVICE);
	ASSERT(blk_open(&blk, &kernel_os, DEVICE) == 0);
	kernel_watch(blk.bus.back);
	for (;;) {
		struct kernel_news news = kernel_wait(0);

		if (news.store)
			blk_back_changed(&blk);
		if (news.device)
			blk_event(&blk);
		if (blk_is_up(&blk))
			work_blk_go_on(&blk, pages, WORK_PAGES);
	}
}
