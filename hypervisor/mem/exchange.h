/* SPDX-License-Identifier: MIT */
#pragma once

/* XENMEM_exchange; `argument` is the guest's address of struct xen_memory_exchange. */
long memory_exchange(unsigned long argument);
