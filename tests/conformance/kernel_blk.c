/* SPDX-License-Identifier: MIT */
/* The reference front-end of a disk, under test: copies its first half onto the second until the end. */
#include "kernel.h"
#include "work.h"

#include "runtime/boot.h"
#include "runtime/console.h"
#include "runtime/memory.h"

#define WORK_PAGES 18

/* Until the back-end closes it. */
static void disk_use(const char *device, void *pages)
{
	static struct blk blk;

	work_blk_begin();
	kernel_begin(device);
	ASSERT(blk_open(&blk, &kernel_os, device) == 0);
	kernel_watch(blk.bus.back);
	while (blk.bus.state != BUS_CLOSED) {
		struct kernel_news news = kernel_wait(0);

		if (news.store)
			blk_back_changed(&blk);
		if (news.device)
			blk_event(&blk);
		if (blk_is_up(&blk))
			work_blk_go_on(&blk, pages, WORK_PAGES);
	}
}

void guest_main(void)
{
	void *pages = page_alloc_many(WORK_PAGES);

	kernel_init();
	disk_use("device/vbd/51712", pages);
	disk_use("device/vbd/51728", pages);
	for (;;)
		kernel_wait(0);
}
