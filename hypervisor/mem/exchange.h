/* SPDX-License-Identifier: MIT */
#ifndef SKINK_EXCHANGE_H
#define SKINK_EXCHANGE_H

/* XENMEM_exchange; `argument` is the guest's address of struct xen_memory_exchange. */
long memory_exchange(unsigned long argument);

#endif
