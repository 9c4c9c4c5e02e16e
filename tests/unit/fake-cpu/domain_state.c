/* SPDX-License-Identifier: MIT */
/* The real domain/domain.c, which knows no domain at the start of each test. */
#include "../../../hypervisor/domain/domain.c"

#include <string.h>

#include "tables.h"

void fake_domain_reset(void)
{
	memset(table, 0, sizeof(table));
	table_lock = (struct spinlock)SPINLOCK_FREE;
	domain_zero = NULL;
}
