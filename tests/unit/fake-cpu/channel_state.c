/* SPDX-License-Identifier: MIT */
/* The real event/channel.c, with no pirq bound at the start of each test. */
#include "../../../hypervisor/event/channel.c"

#include <string.h>

#include "tables.h"

void fake_channel_reset(void)
{
	memset(pirq_bound, 0, sizeof(pirq_bound));
	event_connect_lock = (struct spinlock)SPINLOCK_FREE;
}
