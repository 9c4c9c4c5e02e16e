/* SPDX-License-Identifier: MIT */
/* The real mem/heap.c, which starts from nothing in each test. */
#include "../../../hypervisor/mem/heap.c"

#include "tables.h"

void fake_heap_reset(void)
{
	memset(free_block, 0, sizeof(free_block));
	heap_lock = (struct spinlock)SPINLOCK_FREE;
}
