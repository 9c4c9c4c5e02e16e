/* SPDX-License-Identifier: MIT */
/*
 * Ring pages that front-ends lend, mapped in a window of the address space. Its page tables are built once: a driver domain that is
 * ready may change entries of the lowest level only.
 */
#pragma once

#include "runtime/xen.h"

#define FOREIGN_PAGES_MAX 4096u		/* both rings of 16 queues of 128 interfaces */

void foreign_init(unsigned int pages);

/* Maps `count` grants one behind the other. NULL: there is no room, or *status is the GNTST_* of the grant that failed. */
void *foreign_map(domid_t lender, const uint32_t *grefs, unsigned int count, int *status);
void foreign_unmap(void *at, unsigned int count);
