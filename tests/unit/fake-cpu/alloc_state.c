/* SPDX-License-Identifier: MIT */
/* The real mem/alloc.c, which starts from nothing in each test. */
#include "../../../hypervisor/mem/alloc.c"

#include "tables.h"

void fake_alloc_reset(void)
{
	memset(free_list, 0, sizeof(free_list));
	free_count = total_count = 0;
	alloc_lock = (struct spinlock)SPINLOCK_FREE;
}
