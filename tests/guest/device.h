/* SPDX-License-Identifier: MIT */
/* Devices for a test of their drivers: this kernel is Domain-0 and gives functions to itself, with a DMA pool. */
#ifndef GUEST_DEVICE_H
#define GUEST_DEVICE_H

#include "device/pool.h"
#include "runtime/pci.h"

/* Declares the pool, once. Its pages are at pool_at. */
void device_pool(unsigned int pages);
/* The first function that `knows` says is its own, assigned to this domain and opened. False: there is none. */
bool device_find(bool (*knows)(const struct pci_function *function), struct pci_function *function);

#endif
