/* SPDX-License-Identifier: MIT */
/* From the first instruction to guest_main(), and how a domain ends. */
#ifndef RUNTIME_BOOT_H
#define RUNTIME_BOOT_H

#include "runtime/xen.h"

extern struct start_info *boot_info;      /* where the hypervisor put it, mapped */
extern struct shared_info *boot_shared;   /* the shared info page, mapped by boot.c */
extern uint64_t boot_ticks;               /* the time stamp counter at the domain's first instruction */

/* Each kernel has one. Upcalls are unmasked when it is called. Power-off when it returns. */
void guest_main(void);

bool boot_is_dom0(void);
void domain_shutdown(unsigned int reason) __attribute__((noreturn));

#endif
